//! Findings, each with its evidence.

use serde::{Deserialize, Serialize};

/// Kind of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    /// A usable account without a person in any directory.
    Gone,
    /// Its person is disabled or expired.
    Disabled,
    /// Asset group whose owner is gone or disabled.
    UnmanagedAssetGroup,
    /// Its person is not in the group that grants the role.
    RoleWithoutGroup,
    /// More active Managers than are allowed.
    TooManyManagers,
    /// Two accounts with one e-mail address or one person.
    Shared,
    /// Nobody has logged in with it since it was created.
    NeverUsed,
    /// Nobody has logged in with it for long.
    Dormant,
    /// Member of a group that grants a role, without an account of the role.
    GroupWithoutAccount,
    /// Its person is outside every profile.
    OutOfScope,
    /// Something could not be seen.
    Incomplete,
}

impl FindingCode {
    /// All of them, the gravest first.
    pub const ALL: [Self; 11] = [
        Self::Gone,
        Self::Disabled,
        Self::UnmanagedAssetGroup,
        Self::RoleWithoutGroup,
        Self::TooManyManagers,
        Self::Shared,
        Self::NeverUsed,
        Self::Dormant,
        Self::GroupWithoutAccount,
        Self::OutOfScope,
        Self::Incomplete,
    ];

    /// Returns the name in the API and in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Disabled => "disabled",
            Self::UnmanagedAssetGroup => "unmanaged_asset_group",
            Self::RoleWithoutGroup => "role_without_group",
            Self::TooManyManagers => "too_many_managers",
            Self::Shared => "shared",
            Self::NeverUsed => "never_used",
            Self::Dormant => "dormant",
            Self::GroupWithoutAccount => "group_without_account",
            Self::OutOfScope => "out_of_scope",
            Self::Incomplete => "incomplete",
        }
    }

    /// Returns the next step for whoever reads it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Gone => "Find out who used the account; deactivate or delete it in Qualys.",
            Self::Disabled => "Deactivate the account in Qualys, or enable the person in the directory.",
            Self::UnmanagedAssetGroup => "Give the asset group another owner.",
            Self::RoleWithoutGroup => "Add the person to the group, or give the account a lesser role.",
            Self::TooManyManagers => "Give those who do not need it a lesser role.",
            Self::Shared => "Give each person one account of their own.",
            Self::NeverUsed => "Ask whether the account is needed; delete it if not.",
            Self::Dormant => "Ask whether the account is needed; deactivate it if not.",
            Self::GroupWithoutAccount => "Create the account, or take the person out of the group.",
            Self::OutOfScope => "Nothing, if the scope is meant so; else widen the profile.",
            Self::Incomplete => {
                "Remove the cause and review again: nothing was concluded from what is missing."
            }
        }
    }

    /// Returns the code of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }
}

/// Value that a finding rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingEvidence {
    /// Origin: a list of Qualys, or a connection.
    pub source: String,
    /// Field or attribute.
    pub field: String,
    /// Its value.
    pub value: String,
}

impl FindingEvidence {
    /// Returns the evidence of these texts.
    #[must_use]
    pub fn new(source: impl Into<String>, field: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            field: field.into(),
            value: value.into(),
        }
    }
}

/// Finding about an account, or about something else with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its kind.
    pub code: FindingCode,
    /// Login of the account that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Name of what it is about, where that is no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One sentence.
    pub reason: String,
    /// Values that it rests on.
    pub evidence: Vec<FindingEvidence>,
}

impl Finding {
    /// Returns the text by which the same finding is known in another review.
    #[must_use]
    pub fn identity(&self) -> (FindingCode, &str) {
        (self.code, self.subject())
    }

    /// Returns the account or name that it is about.
    #[must_use]
    pub fn subject(&self) -> &str {
        let subject = self.login.as_deref().or(self.name.as_deref());
        subject.unwrap_or_default()
    }
}
