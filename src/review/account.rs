//! Accounts of the Qualys console, as the user list and the RBAC search give them.
//!
//! An element that an answer does not hold is absent here, never empty: it was not
//! shown to the API account, and nothing is concluded from it.

use chrono::{DateTime, Datelike, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::role;
use super::xml::Element;

/// Longest text of one field that is kept, characters.
const LONGEST: usize = 512;

/// Most titles of asset groups, or ids, that one list may hold.
const MOST_LISTED: usize = 20_000;

/// Account of the Qualys console.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsoleAccount {
    /// `USER_ID`.
    pub id: Option<String>,
    /// `USER_LOGIN`.
    pub login: Option<String>,
    /// `EXTERNAL_ID`, where it is filled.
    pub external_id: Option<String>,
    /// `FIRSTNAME` and `LASTNAME`.
    pub name: Option<String>,
    /// `EMAIL`.
    pub email: Option<String>,
    /// `TITLE`.
    pub title: Option<String>,
    /// `USER_STATUS`.
    pub status: AccountStatus,
    /// `CREATION_DATE`.
    pub created_at: Option<DateTime<Utc>>,
    /// `LAST_LOGIN_DATE`.
    pub last_login: LastLogin,
    /// `USER_ROLE`, as the list names it.
    pub role: Option<String>,
    /// `BUSINESS_UNIT`; `Unassigned` is none.
    pub business_unit: Option<String>,
    /// Extended permissions that are granted, by their names.
    pub extended_permissions: Vec<String>,
    /// Titles of the asset groups that are assigned.
    pub asset_groups: Vec<String>,
    /// `MANAGER_POC`: the primary contact of the subscription.
    pub is_primary_contact: bool,
}

/// `USER_STATUS`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum AccountStatus {
    /// It can log in.
    Active,
    /// It was created, and nobody has activated it.
    Pending,
    /// It cannot log in.
    Inactive,
    /// Another word.
    Other(String),
    /// The answer does not say.
    #[default]
    Unknown,
}

impl From<String> for AccountStatus {
    fn from(text: String) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "active" => Self::Active,
            "pending activation" | "pending" => Self::Pending,
            "inactive" => Self::Inactive,
            "" | "unknown" => Self::Unknown,
            _ => Self::Other(text),
        }
    }
}

impl From<AccountStatus> for String {
    fn from(status: AccountStatus) -> Self {
        status.name().to_owned()
    }
}

impl AccountStatus {
    /// Returns the name as Qualys writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Active => "Active",
            Self::Pending => "Pending Activation",
            Self::Inactive => "Inactive",
            Self::Other(text) => text,
            Self::Unknown => "Unknown",
        }
    }

    /// Returns `true` for an account that can be used now, or as soon as its owner activates it.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        matches!(self, Self::Active | Self::Pending)
    }
}

/// `LAST_LOGIN_DATE`. The text `N/A` and an absent element differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum LastLogin {
    /// The answer does not show it to the API account.
    #[default]
    NotVisible,
    /// `N/A`.
    Never,
    /// A moment.
    At(DateTime<Utc>),
}

impl From<String> for LastLogin {
    fn from(text: String) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "n/a" | "never" => Self::Never,
            _ => moment(&text).map_or(Self::NotVisible, Self::At),
        }
    }
}

impl From<LastLogin> for String {
    fn from(last: LastLogin) -> Self {
        match last {
            LastLogin::NotVisible => "not visible".to_owned(),
            LastLogin::Never => "never".to_owned(),
            LastLogin::At(at) => written(at),
        }
    }
}

impl ConsoleAccount {
    /// Reads a `USER` of the user list.
    #[must_use]
    pub fn of_user_list(user: &Element) -> Self {
        let contact = user.child("CONTACT_INFO");
        let of_contact = |name: &str| field(contact?, name);
        let granted = user.child("PERMISSIONS").map_or(&[][..], |all| &all.children);
        let groups = user
            .child("ASSIGNED_ASSET_GROUPS")
            .map_or(&[][..], |all| &all.children);
        Self {
            id: field(user, "USER_ID"),
            login: field(user, "USER_LOGIN"),
            external_id: field(user, "EXTERNAL_ID"),
            name: joined(of_contact("FIRSTNAME"), of_contact("LASTNAME")),
            email: of_contact("EMAIL"),
            title: of_contact("TITLE"),
            status: field(user, "USER_STATUS").unwrap_or_default().into(),
            created_at: user.text_of("CREATION_DATE").and_then(moment),
            last_login: field(user, "LAST_LOGIN_DATE").unwrap_or_default().into(),
            role: field(user, "USER_ROLE"),
            business_unit: field(user, "BUSINESS_UNIT").filter(|unit| unit != "Unassigned"),
            extended_permissions: granted
                .iter()
                .filter(|permission| matches!(permission.text.as_str(), "1" | "true"))
                .map(|permission| role::extended_permission(&permission.name))
                .collect(),
            asset_groups: groups
                .iter()
                .map(|group| shortened(&group.text))
                .filter(|title| !title.is_empty())
                .take(MOST_LISTED)
                .collect(),
            is_primary_contact: user.text_of("MANAGER_POC") == Some("1"),
        }
    }

    /// Reads a `User` of the RBAC search: active accounts alone, without status, last login and
    /// business unit.
    #[must_use]
    pub fn of_rbac_search(user: &Element) -> Self {
        let roles = user
            .child("roleList")
            .and_then(|roles| roles.child("list"))
            .map_or(&[][..], |list| &list.children);
        let names: Vec<String> = roles.iter().filter_map(|role| field(role, "name")).collect();
        let known = names.iter().find(|name| role::is_known(name)).or(names.first());
        Self {
            id: field(user, "id"),
            login: field(user, "username"),
            name: joined(field(user, "firstName"), field(user, "lastName")),
            email: field(user, "emailAddress"),
            title: field(user, "title"),
            status: AccountStatus::Active,
            role: known.cloned(),
            ..Self::default()
        }
    }

    /// Returns the name by which the account is shown: its login, else its name or e-mail address.
    #[must_use]
    pub fn label(&self) -> &str {
        let texts = [&self.login, &self.name, &self.email, &self.id];
        texts
            .into_iter()
            .flatten()
            .next()
            .map_or("(not shown)", String::as_str)
    }
}

/// Returns a filled field, no longer than [`LONGEST`].
pub(super) fn field(element: &Element, name: &str) -> Option<String> {
    let text = element.text_of(name)?.trim();
    Some(shortened(text)).filter(|text| !text.is_empty())
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

fn joined(first: Option<String>, last: Option<String>) -> Option<String> {
    let parts: Vec<String> = first.into_iter().chain(last).collect();
    Some(parts.join(" ")).filter(|name| !name.is_empty())
}

/// Reads a moment of RFC 3339, in whole seconds; one without a zone is UTC.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let with_zone = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).ok();
    let moment = with_zone.or_else(|| {
        ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
            .map(|at| at.and_utc())
    });
    whole_seconds(moment?).filter(|at| (1970..=9999).contains(&at.year()))
}

/// Returns the moment without parts of a second.
pub(super) fn whole_seconds(at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.timestamp(), 0)
}

/// Writes a moment as the product does: UTC, whole seconds.
pub(super) fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Splits a list of ids: commas, with and without a blank.
pub(super) fn ids(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|id| !id.is_empty() && id.len() <= 64)
        .take(MOST_LISTED)
        .map(str::to_owned)
        .collect()
}
