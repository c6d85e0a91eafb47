//! Review as it is stored and shown.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::access::{self, AccessReason, AccessTarget};
use super::account::{AccountStatus, ConsoleAccount};
use super::asset_group::AssetGroup;
use super::finding::{Finding, FindingCode};
use super::partner::Partner;
use super::role::{self, Reach};
use crate::exit_code::{DONE, FINDINGS, REJECTED};

/// Result of one review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// Moment at which it was made.
    pub at: DateTime<Utc>,
    /// Nothing is missing.
    pub complete: bool,
    /// Accounts with their partners.
    pub users: Vec<ReviewedAccount>,
    /// Asset groups.
    pub asset_groups: Vec<AssetGroup>,
    /// Roles that accounts have.
    pub roles: Vec<ReviewedRole>,
    /// Asset groups that accounts reach, each with the reason.
    pub access: Vec<ReviewedAccess>,
    /// Findings, the gravest first.
    pub findings: Vec<Finding>,
}

/// Account with its partner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReviewedAccount {
    /// The account.
    #[serde(flatten)]
    pub account: ConsoleAccount,
    /// It is active.
    pub is_active: bool,
    /// It is listed and never reported.
    pub allowed: bool,
    /// Its partner.
    pub partner: Partner,
    /// Kinds of the findings about it.
    pub findings: Vec<FindingCode>,
}

/// Role with the number of its accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReviewedRole {
    /// Its name.
    pub name: String,
    /// Permissions that it implies; absent for a role that Qualys does not define.
    pub permissions: Option<String>,
    /// Asset groups that it reaches: `everything`, `scoped` or `nothing`.
    pub reach: String,
    /// Accounts that have it.
    pub accounts: usize,
    /// Active ones among them.
    pub active: usize,
}

/// Access of one account to one asset group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReviewedAccess {
    /// Login of the account.
    pub login: String,
    /// Name of the asset group; `*` for every one.
    pub asset_group: String,
    /// Id of the asset group, where it is a single one.
    pub asset_group_id: Option<String>,
    /// Reason.
    pub reason: AccessReason,
}

/// Returns the roles: those that Qualys defines, and any other that an account has.
pub(super) fn roles(accounts: &[ConsoleAccount]) -> Vec<ReviewedRole> {
    let mut roles: Vec<ReviewedRole> = role::ROLES
        .iter()
        .map(|role| ReviewedRole {
            name: role.name.to_owned(),
            permissions: Some(role.permissions.to_owned()),
            reach: reach_name(role.reach).to_owned(),
            accounts: 0,
            active: 0,
        })
        .collect();
    for account in accounts {
        let Some(name) = account.role.as_deref() else {
            continue;
        };
        let name = role::find(name).map_or(name, |known| known.name);
        let place = roles
            .iter()
            .position(|role| role.name == name)
            .unwrap_or_else(|| {
                roles.push(ReviewedRole {
                    name: name.to_owned(),
                    permissions: None,
                    reach: reach_name(role::reach(Some(name))).to_owned(),
                    accounts: 0,
                    active: 0,
                });
                roles.len() - 1
            });
        roles[place].accounts += 1;
        roles[place].active += usize::from(account.status == AccountStatus::Active);
    }
    roles
}

const fn reach_name(reach: Reach) -> &'static str {
    match reach {
        Reach::Everything => "everything",
        Reach::Scoped => "scoped",
        Reach::Nothing => "nothing",
    }
}

/// Returns the access of all accounts as it is shown.
pub(super) fn shown_access(
    list: &access::AccessList,
    accounts: &[ConsoleAccount],
    groups: &[AssetGroup],
) -> Vec<ReviewedAccess> {
    let rows = list.rows.iter().filter_map(|row| {
        let account = accounts.get(row.account)?;
        Some(ReviewedAccess {
            login: account.label().to_owned(),
            asset_group: access::target_name(row.target, account, groups),
            asset_group_id: match row.target {
                AccessTarget::Group(place) => groups.get(place).and_then(|group| group.id.clone()),
                _ => None,
            },
            reason: row.reason,
        })
    });
    rows.collect()
}

impl Review {
    /// Returns the exit code of the contract: 2 incomplete, 5 findings, 0 nothing.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.complete, self.findings.is_empty()) {
            (false, _) => REJECTED,
            (true, false) => FINDINGS,
            (true, true) => DONE,
        }
    }

    /// Returns the number of findings of each kind, zero included.
    #[must_use]
    pub fn counts(&self) -> Vec<(FindingCode, usize)> {
        let count = |code| {
            self.findings
                .iter()
                .filter(|finding| finding.code == code)
                .count()
        };
        FindingCode::ALL.map(|code| (code, count(code))).to_vec()
    }

    /// Returns the findings that `earlier` does not have.
    #[must_use]
    pub fn new_since<'a>(&'a self, earlier: &Self) -> Vec<&'a Finding> {
        let known: std::collections::HashSet<_> = earlier.findings.iter().map(Finding::identity).collect();
        let is_new = |finding: &&Finding| !known.contains(&finding.identity());
        self.findings.iter().filter(is_new).collect()
    }
}
