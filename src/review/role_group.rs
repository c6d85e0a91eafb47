//! Groups that grant roles: accounts of a role outside its groups, and members without an account.

use std::collections::BTreeSet;

use super::account::AccountStatus;
use super::facts::{GroupMembers, ReviewFacts, SETTINGS, USERS, about, has_role, is_same_role};
use super::finding::{Finding, FindingCode, FindingEvidence};
use super::partner::Partner;
use crate::config::RoleGroup;
use crate::identity::{AccountControl, Guid};

impl ReviewFacts<'_> {
    /// Accounts of the role outside the groups that grant it, and members without an account.
    pub(super) fn of_role_group(&self, granted: &RoleGroup, members: &GroupMembers) -> Vec<Finding> {
        let dn = granted.group.as_str();
        let members = match members {
            GroupMembers::Known { members, .. } => members,
            GroupMembers::Missing => {
                return vec![Finding {
                    code: FindingCode::Incomplete,
                    login: None,
                    name: Some(dn.to_owned()),
                    reason: format!(
                        "no directory has the group that grants the role {}, so nothing is said about who has the role",
                        granted.role
                    ),
                    evidence: vec![FindingEvidence::new(SETTINGS, "REVIEW_ROLE_GROUPS", dn)],
                }];
            }
            // The directory that did not answer is a gap of its own.
            GroupMembers::Unknown => return Vec::new(),
        };
        let mut findings = self.role_without_group(granted);
        // The persons with an account of the role are certain only when every account is known.
        if self.lists_complete && self.directories_complete && self.all_partners_known(&granted.role) {
            findings.extend(self.group_without_account(granted, members));
        }
        findings
    }

    /// Returns findings on accounts of the role outside its groups. A role may have several groups:
    /// its account has to be in one of them.
    fn role_without_group(&self, granted: &RoleGroup) -> Vec<Finding> {
        let same_role = self.settings.role_groups.iter().zip(self.members);
        let same_role: Vec<(&RoleGroup, &GroupMembers)> = same_role
            .filter(|(other, _)| is_same_role(&other.role, &granted.role))
            .collect();
        let mut allowed: BTreeSet<Guid> = BTreeSet::new();
        let mut connections = BTreeSet::new();
        for (_, members) in &same_role {
            let GroupMembers::Known {
                connections: having,
                members,
            } = members
            else {
                return Vec::new();
            };
            allowed.extend(members);
            connections.extend(having.iter().map(String::as_str));
        }
        let groups: Vec<&str> = same_role.iter().map(|(group, _)| group.group.as_str()).collect();
        let mut findings = Vec::new();
        for (account, partner) in self
            .usable()
            .filter(|(account, _)| has_role(account, &granted.role))
        {
            let Some(found) = partner.found() else { continue };
            if found.guid.parse().is_ok_and(|guid| allowed.contains(&guid)) {
                continue;
            }
            if !connections.contains(found.connection.as_str()) {
                findings.push(about(
                    account,
                    FindingCode::Incomplete,
                    format!(
                        "its person is in the directory of {}, and the group for the role {} in another one, which does not \
                         tell its members of other domains",
                        found.connection, granted.role
                    ),
                    vec![FindingEvidence::new(&found.connection, "distinguishedName", &found.dn)],
                ));
                continue;
            }
            findings.push(about(
                account,
                FindingCode::RoleWithoutGroup,
                format!(
                    "it has the role {}, and its person is not in the group that grants it",
                    granted.role
                ),
                vec![
                    FindingEvidence::new(USERS, "USER_ROLE", account.role.as_deref().unwrap_or_default()),
                    FindingEvidence::new(&found.connection, "distinguishedName", &found.dn),
                    FindingEvidence::new(SETTINGS, "REVIEW_ROLE_GROUPS", groups.join("; ")),
                ],
            ));
        }
        findings
    }

    /// Returns `true` when every usable account of the role has its partner, so that a person who
    /// is none of these partners has no such account.
    fn all_partners_known(&self, role: &str) -> bool {
        self.reviewed()
            .filter(|(account, _)| account.status.is_usable() && has_role(account, role))
            .all(|(_, partner)| matches!(partner, Partner::Found(_) | Partner::NotFound))
    }

    fn group_without_account(&self, granted: &RoleGroup, members: &BTreeSet<Guid>) -> Vec<Finding> {
        let with_account: BTreeSet<&str> = self
            .reviewed()
            .filter(|(account, _)| account.status == AccountStatus::Active)
            .filter(|(account, _)| has_role(account, &granted.role))
            .filter_map(|(_, partner)| Some(partner.found()?.guid.as_str()))
            .collect();
        let persons = members.iter().filter_map(|guid| self.persons.get(guid));
        persons
            .filter(|person| !with_account.contains(person.guid.to_string().as_str()))
            // A disabled person needs no account.
            .filter(|person| {
                person
                    .control
                    .is_some_and(|bits| AccountControl::new(bits).is_enabled())
            })
            .map(|person| Finding {
                code: FindingCode::GroupWithoutAccount,
                login: None,
                name: Some(person.account.clone().unwrap_or_else(|| person.dn.clone())),
                reason: format!(
                    "the person is in the group for the role {}, and has no active account with it",
                    granted.role
                ),
                evidence: vec![
                    FindingEvidence::new(&person.connection, "distinguishedName", &person.dn),
                    FindingEvidence::new(SETTINGS, "REVIEW_ROLE_GROUPS", granted.group.as_str()),
                ],
            })
            .collect()
    }
}
