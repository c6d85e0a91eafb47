//! Facts that the findings of a review follow from.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::account::ConsoleAccount;
use super::asset_group::AssetGroup;
use super::directories::Person;
use super::finding::{Finding, FindingCode, FindingEvidence};
use super::partner::Partner;
use super::role;
use crate::config::ReviewSettings as Settings;
use crate::identity::Guid;

/// Source of a value in the list of accounts.
pub(super) const USERS: &str = "Qualys users";

/// Source of a value in the configuration.
pub(super) const SETTINGS: &str = "configuration";

/// Members of a group that grants a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupMembers {
    /// These connections have the group.
    Known {
        /// The connections.
        connections: BTreeSet<String>,
        /// Persons in it, and in groups within it.
        members: BTreeSet<Guid>,
    },
    /// No directory has the group, and all of them answered.
    Missing,
    /// A directory did not answer.
    Unknown,
}

impl GroupMembers {
    /// Adds what a connection that has the group says.
    pub fn add(&mut self, connection: &str, more: BTreeSet<Guid>) {
        match self {
            Self::Known { connections, members } => {
                connections.insert(connection.to_owned());
                members.extend(more);
            }
            Self::Missing | Self::Unknown => {
                *self = Self::Known {
                    connections: BTreeSet::from([connection.to_owned()]),
                    members: more,
                };
            }
        }
    }
}

/// Everything that findings follow from.
#[derive(Debug, Clone, Copy)]
pub struct ReviewFacts<'a> {
    /// Settings.
    pub settings: &'a Settings,
    /// The present moment.
    pub now: DateTime<Utc>,
    /// Accounts.
    pub accounts: &'a [ConsoleAccount],
    /// Asset groups.
    pub groups: &'a [AssetGroup],
    /// Partner of each account.
    pub partners: &'a [Partner],
    /// Members of the group of each [`Settings::role_groups`].
    pub members: &'a [GroupMembers],
    /// Persons that the directories gave.
    pub persons: &'a HashMap<Guid, Person>,
    /// All lists are complete.
    pub lists_complete: bool,
    /// All directories answered.
    pub directories_complete: bool,
    /// Gaps of a whole list or directory: its name, and the reason.
    pub gaps: &'a [(String, String)],
}

impl<'a> ReviewFacts<'a> {
    /// Accounts with their partners.
    pub(super) fn reviewed(&self) -> impl Iterator<Item = (&'a ConsoleAccount, &'a Partner)> {
        self.accounts.iter().zip(self.partners)
    }

    pub(super) fn is_reported(&self, account: &ConsoleAccount) -> bool {
        let login = account.login.as_deref();
        !login.is_some_and(|login| self.settings.allows(login))
    }

    /// Returns the usable accounts that may be reported.
    pub(super) fn usable(&self) -> impl Iterator<Item = (&'a ConsoleAccount, &'a Partner)> {
        let facts = *self;
        self.reviewed()
            .filter(move |(account, _)| account.status.is_usable() && facts.is_reported(account))
    }
}

pub(super) fn about(
    account: &ConsoleAccount,
    code: FindingCode,
    reason: String,
    evidence: Vec<FindingEvidence>,
) -> Finding {
    Finding {
        code,
        login: Some(account.label().to_owned()),
        name: None,
        reason,
        evidence,
    }
}

pub(super) fn has_role(account: &ConsoleAccount, role: &str) -> bool {
    account.role.as_deref().is_some_and(|own| is_same_role(own, role))
}

/// Roles that Qualys defines have several spellings; others compare without case.
pub(super) fn is_same_role(one: &str, other: &str) -> bool {
    match (role::find(one), role::find(other)) {
        (Some(one), Some(other)) => one.name == other.name,
        _ => one.trim().eq_ignore_ascii_case(other.trim()),
    }
}
