//! Conclusions: the findings that follow from the lists, the partners and the groups.
//!
//! Invariant (R36): "gone" needs every list complete and every directory answered. Findings that
//! rest on what was seen, such as a disabled person, stand on their own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;

use super::account::{ConsoleAccount, LastLogin, written};
use super::facts::{ReviewFacts, SETTINGS, USERS, about, has_role};
use super::finding::{Finding, FindingCode, FindingEvidence};
use super::partner::{FoundPartner, Partner};

/// Source of a value in the list of asset groups.
const GROUPS: &str = "Qualys asset groups";

/// Returns the findings, the gravest first.
#[must_use]
pub fn conclude(facts: ReviewFacts<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (account, partner) in facts.reviewed() {
        if facts.is_reported(account) {
            findings.extend(facts.of_account(account, partner));
        }
    }
    findings.extend(facts.shared());
    findings.extend(facts.too_many_managers());
    findings.extend(facts.unmanaged_groups());
    for (granted, members) in facts.settings.role_groups.iter().zip(facts.members) {
        findings.extend(facts.of_role_group(granted, members));
    }
    findings.extend(facts.gaps.iter().map(|(name, reason)| Finding {
        code: FindingCode::Incomplete,
        login: None,
        name: Some(name.clone()),
        reason: reason.clone(),
        evidence: Vec::new(),
    }));
    findings.sort_by(|one, other| {
        (one.code, one.subject(), &one.reason).cmp(&(other.code, other.subject(), &other.reason))
    });
    findings.dedup();
    findings
}

impl ReviewFacts<'_> {
    fn of_account(&self, account: &ConsoleAccount, partner: &Partner) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !account.status.is_usable() {
            return findings;
        }
        let status = FindingEvidence::new(USERS, "USER_STATUS", account.status.name());
        match partner {
            Partner::NotFound if self.lists_complete && self.directories_complete => {
                let mut evidence = vec![status];
                evidence.extend(identity(account));
                findings.push(about(
                    account,
                    FindingCode::Gone,
                    format!(
                        "the account is {}, and no directory has its person",
                        account.status.name()
                    ),
                    evidence,
                ));
            }
            Partner::Found(found) => findings.extend(self.of_partner(account, found, status)),
            Partner::Ambiguous { by, candidates } => findings.push(about(
                account,
                FindingCode::Incomplete,
                format!("several persons match by {by}, so it is not known whose account it is"),
                candidates
                    .iter()
                    .map(|dn| FindingEvidence::new("directory", "distinguishedName", dn))
                    .collect(),
            )),
            Partner::Unknown { reason } if self.lists_complete && self.directories_complete => {
                findings.push(about(
                    account,
                    FindingCode::Incomplete,
                    reason.clone(),
                    identity(account),
                ));
            }
            Partner::NotFound | Partner::Unknown { .. } => {}
        }
        findings.extend(self.of_log_in(account));
        findings
    }

    fn of_partner(
        &self,
        account: &ConsoleAccount,
        found: &FoundPartner,
        status: FindingEvidence,
    ) -> Vec<Finding> {
        let source = &found.connection;
        let person = FindingEvidence::new(source, "distinguishedName", &found.dn);
        let mut findings = Vec::new();
        if found.is_disabled(self.now) {
            let mut evidence = vec![
                status,
                person.clone(),
                FindingEvidence::new(source, "matched by", &found.by),
            ];
            let mut reasons = Vec::new();
            if found.enabled == Some(false) {
                evidence.push(FindingEvidence::new(
                    source,
                    "userAccountControl",
                    "ACCOUNTDISABLE",
                ));
                reasons.push("is disabled".to_owned());
            }
            if let Some(at) = found.expires_at.filter(|at| *at <= self.now) {
                evidence.push(FindingEvidence::new(source, "accountExpires", written(at)));
                reasons.push(format!("expired at {}", written(at)));
            }
            findings.push(about(
                account,
                FindingCode::Disabled,
                format!("its person {}", reasons.join(" and ")),
                evidence,
            ));
        } else if found.enabled.is_none() || !found.shows_expiry {
            let hidden = match found.enabled {
                None => "userAccountControl",
                Some(_) => "accountExpires",
            };
            findings.push(about(
                account,
                FindingCode::Incomplete,
                format!("{hidden} of its person is not shown, so it is not known whether that is disabled"),
                vec![person.clone()],
            ));
        }
        if found.in_scope == Some(false) && self.directories_complete {
            findings.push(about(
                account,
                FindingCode::OutOfScope,
                "its person is outside every profile, so it is not in ETM".to_owned(),
                vec![person],
            ));
        }
        findings
    }

    fn of_log_in(&self, account: &ConsoleAccount) -> Option<Finding> {
        let days = |days: u32| TimeDelta::days(i64::from(days));
        let evidence = |last: String| {
            let mut evidence = vec![FindingEvidence::new(USERS, "LAST_LOGIN_DATE", last)];
            let created = account.created_at.map(written);
            evidence.extend(created.map(|at| FindingEvidence::new(USERS, "CREATION_DATE", at)));
            evidence
        };
        match account.last_login {
            LastLogin::Never => {
                let limit = self.settings.never_used_days;
                let created = account.created_at.filter(|at| *at <= self.now - days(limit))?;
                let age = (self.now - created).num_days();
                Some(about(
                    account,
                    FindingCode::NeverUsed,
                    format!("nobody has logged in with it in the {age} days since it was created"),
                    evidence("N/A".to_owned()),
                ))
            }
            LastLogin::At(at) if at <= self.now - days(self.settings.dormant_days) => {
                let age = (self.now - at).num_days();
                Some(about(
                    account,
                    FindingCode::Dormant,
                    format!("nobody has logged in with it for {age} days"),
                    evidence(written(at)),
                ))
            }
            LastLogin::At(_) | LastLogin::NotVisible => None,
        }
    }

    /// Accounts that share an e-mail address or a person.
    fn shared(&self) -> Vec<Finding> {
        let mut by: BTreeMap<(&'static str, String), Vec<&ConsoleAccount>> = BTreeMap::new();
        for (account, partner) in self.usable() {
            if let Some(email) = &account.email {
                by.entry(("e-mail address", email.to_lowercase()))
                    .or_default()
                    .push(account);
            }
            if let Some(found) = partner.found() {
                by.entry(("person", found.dn.clone())).or_default().push(account);
            }
        }
        let mut evidence: BTreeMap<&str, (&ConsoleAccount, Vec<FindingEvidence>, BTreeSet<&str>)> =
            BTreeMap::new();
        for ((what, value), accounts) in by.iter().filter(|(_, accounts)| accounts.len() > 1) {
            for account in accounts {
                let others = accounts.iter().map(|other| other.label());
                let others: Vec<&str> = others.filter(|other| *other != account.label()).collect();
                let entry = evidence.entry(account.label());
                let (_, rests_on, with) = entry.or_insert((account, Vec::new(), BTreeSet::new()));
                rests_on.push(FindingEvidence::new(
                    USERS,
                    format!("{what} {value}"),
                    others.join(", "),
                ));
                with.extend(others);
            }
        }
        let shared = evidence.into_values().filter(|(_, _, with)| !with.is_empty());
        shared
            .map(|(account, evidence, with)| {
                let with: Vec<&str> = with.into_iter().collect();
                let reason = format!("it has the same e-mail address or person as {}", with.join(", "));
                about(account, FindingCode::Shared, reason, evidence)
            })
            .collect()
    }

    fn too_many_managers(&self) -> Option<Finding> {
        let managers: Vec<&str> = self
            .usable()
            .filter(|(account, _)| account.status == super::AccountStatus::Active)
            .filter(|(account, _)| has_role(account, "Manager"))
            .map(|(account, _)| account.label())
            .collect();
        let limit = self.settings.max_managers as usize;
        (managers.len() > limit).then(|| Finding {
            code: FindingCode::TooManyManagers,
            login: None,
            name: Some("Manager".to_owned()),
            reason: format!("{} active Managers, more than {limit}", managers.len()),
            evidence: vec![
                FindingEvidence::new(USERS, "USER_ROLE Manager", managers.join(", ")),
                FindingEvidence::new(SETTINGS, "REVIEW_MAX_MANAGERS", limit.to_string()),
            ],
        })
    }

    fn unmanaged_groups(&self) -> Vec<Finding> {
        let by_id: HashMap<&str, (&ConsoleAccount, &Partner)> = self
            .reviewed()
            .filter_map(|(account, partner)| Some((account.id.as_deref()?, (account, partner))))
            .collect();
        let is_certain = self.lists_complete && self.directories_complete;
        let mut findings = Vec::new();
        for group in self.groups {
            let Some(id) = group.owner_user_id.as_deref() else {
                continue;
            };
            let why = match by_id.get(id) {
                Some((account, _)) if !self.is_reported(account) => None,
                Some((account, Partner::NotFound)) if is_certain => Some(format!(
                    "its owner {} has no person in any directory",
                    account.label()
                )),
                Some((account, Partner::Found(found))) if found.is_disabled(self.now) => Some(format!(
                    "the person of its owner {} is disabled or expired",
                    account.label()
                )),
                Some(_) => None,
                None if self.lists_complete => Some("its owner has no account any more".to_owned()),
                None => None,
            };
            let Some(why) = why else { continue };
            let impact = group.business_impact.as_deref().unwrap_or("not given");
            let owner = group.owner_user_name.as_deref().unwrap_or(id);
            findings.push(Finding {
                code: FindingCode::UnmanagedAssetGroup,
                login: None,
                name: Some(group.label().to_owned()),
                reason: format!("{why}; business impact {impact}"),
                evidence: vec![
                    FindingEvidence::new(GROUPS, "OWNER_USER_ID", format!("{id} ({owner})")),
                    FindingEvidence::new(GROUPS, "BUSINESS_IMPACT", impact),
                ],
            });
        }
        findings
    }
}

fn identity(account: &ConsoleAccount) -> Vec<FindingEvidence> {
    let fields = [("EXTERNAL_ID", &account.external_id), ("EMAIL", &account.email)];
    let filled = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    filled
        .map(|(name, value)| FindingEvidence::new(USERS, name, value))
        .collect()
}

#[cfg(test)]
#[path = "conclude_tests.rs"]
mod tests;
