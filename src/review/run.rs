//! One review: lists from Qualys, partners from the directories, findings.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::access;
use super::account::{ConsoleAccount, whole_seconds};
use super::conclude::conclude;
use super::directories::{Matches, OpenDirectory, Person, Source};
use super::document::{self, Review, ReviewedAccount};
use super::error::ReviewError;
use super::facts::{GroupMembers, ReviewFacts};
use super::finding::{Finding, FindingCode};
use super::keys::{Key, keys, searched};
use super::lists::{ConsoleReader, Listed};
use super::partner::{Partner, partners};
use crate::config;
use crate::directory::DirectoryError;
use crate::identity::Guid;
use crate::upstream::ApiServer;

/// Everything that a review needs.
#[derive(Debug, Clone, Copy)]
pub struct Reviewer<'a> {
    /// Its settings.
    pub settings: &'a config::ReviewSettings,
    /// Proxy, roots and time limits towards Qualys.
    pub upstream: &'a config::UpstreamSettings,
    /// Connections whose directories are asked.
    pub sources: &'a [Source<'a>],
    /// Connections that are configured and not asked: each counts as one that did not answer.
    pub unasked: &'a [String],
}

/// Answers of the directories.
#[derive(Default)]
struct Asked {
    matches: Matches,
    persons: HashMap<Guid, Person>,
    members: Vec<GroupMembers>,
    in_scope: BTreeSet<Guid>,
    /// Directories that did not answer, or not to the end: their connection, and the reason.
    silent: BTreeMap<String, String>,
}

impl Reviewer<'_> {
    /// Makes a review at `now`.
    ///
    /// # Errors
    /// When there is no list of accounts. A list of asset groups or a directory that is missing is
    /// part of the review.
    pub async fn review(&self, now: DateTime<Utc>) -> Result<Review, ReviewError> {
        let now = whole_seconds(now).unwrap_or(now);
        let server = ApiServer::new(
            &self.settings.url,
            &self.settings.username,
            &self.settings.password,
            self.upstream,
        )?;
        let mut reader = ConsoleReader::new(server, self.give_up_after());
        let accounts = reader.accounts().await?;
        let groups = match reader.asset_groups().await {
            Ok(groups) => groups,
            Err(error @ (ReviewError::Credentials { .. } | ReviewError::Internal(_))) => return Err(error),
            Err(error) => Listed {
                records: Vec::new(),
                gaps: vec![format!("there is no list of asset groups: {error}")],
            },
        };
        let keys: Vec<Vec<Key>> = accounts
            .records
            .iter()
            .map(|account| keys(account, &self.settings.attributes))
            .collect();
        let asked = self.ask(&keys).await;
        Ok(self.assemble(now, accounts, groups, &keys, asked))
    }

    const fn give_up_after(&self) -> Duration {
        self.upstream.give_up_after
    }

    /// Asks every directory; one that fails is silent from then on.
    async fn ask(&self, keys: &[Vec<Key>]) -> Asked {
        let mut asked = Asked::default();
        for connection in self.unasked {
            let reason = "only another connection was chosen, so it was not asked".to_owned();
            asked.silent.insert(connection.clone(), reason);
        }
        let attributes = searched(&self.settings.attributes);
        let mut open = Vec::new();
        for source in self.sources {
            match OpenDirectory::connect(*source, &attributes).await {
                Ok(directory) => open.push(directory),
                Err(error) => asked.fail(&source.settings.name, &error),
            }
        }
        let wanted: Vec<usize> = (0..keys.len()).filter(|place| !keys[*place].is_empty()).collect();
        let mut directories = asked.find(open, keys, &wanted).await;
        let found: BTreeSet<usize> = asked.matches.keys().map(|(account, _)| *account).collect();
        let missing: Vec<usize> = wanted
            .into_iter()
            .filter(|place| !found.contains(place))
            .collect();
        asked.members = vec![GroupMembers::Missing; self.settings.role_groups.len()];
        for directory in &mut directories {
            if let Err(error) = asked.complete(directory, keys, &missing, self.settings).await {
                asked.fail(directory.name(), &error);
            }
        }
        if !asked.silent.is_empty() {
            for members in &mut asked.members {
                if *members == GroupMembers::Missing {
                    *members = GroupMembers::Unknown;
                }
            }
        }
        for directory in &mut directories {
            asked.add_persons(std::mem::take(&mut directory.persons));
        }
        // Only persons that an account has are asked for.
        let partners: BTreeSet<Guid> = asked.matches.values().flatten().copied().collect();
        let partners: Vec<Guid> = partners.into_iter().collect();
        for directory in &mut directories {
            match directory.in_scope(&partners).await {
                Ok(found) => asked.in_scope.extend(found),
                Err(error) => asked.fail(directory.name(), &error),
            }
        }
        for directory in directories {
            directory.close().await;
        }
        asked
    }

    fn assemble(
        &self,
        now: DateTime<Utc>,
        accounts: Listed<ConsoleAccount>,
        groups: Listed<super::AssetGroup>,
        keys: &[Vec<Key>],
        asked: Asked,
    ) -> Review {
        let lists_complete = accounts.is_complete() && groups.is_complete();
        let directories_complete = asked.silent.is_empty();
        let absent = match (directories_complete, lists_complete) {
            (false, _) => Some("a directory did not answer"),
            (true, false) => Some("the lists of Qualys are not complete"),
            (true, true) => None,
        };
        let mut partners = partners(keys, &asked.matches, &asked.persons, absent);
        if directories_complete {
            for partner in &mut partners {
                if let Partner::Found(found) = partner {
                    let guid = found.guid.parse().ok();
                    found.in_scope = guid.map(|guid: Guid| asked.in_scope.contains(&guid));
                }
            }
        }
        let access = access::access(&accounts.records, &groups.records);
        let gaps = gaps(&accounts, &groups, &asked, access.is_cut);
        let findings = conclude(ReviewFacts {
            settings: self.settings,
            now,
            accounts: &accounts.records,
            groups: &groups.records,
            partners: &partners,
            members: &asked.members,
            persons: &asked.persons,
            lists_complete,
            directories_complete,
            gaps: &gaps,
        });
        let complete = !findings
            .iter()
            .any(|finding| finding.code == FindingCode::Incomplete);
        Review {
            at: now,
            complete,
            roles: document::roles(&accounts.records),
            access: document::shown_access(&access, &accounts.records, &groups.records),
            users: self.reviewed(accounts.records, partners, &findings),
            asset_groups: groups.records,
            findings,
        }
    }

    fn reviewed(
        &self,
        accounts: Vec<ConsoleAccount>,
        partners: Vec<Partner>,
        findings: &[Finding],
    ) -> Vec<ReviewedAccount> {
        let mut codes: HashMap<&str, Vec<FindingCode>> = HashMap::new();
        for finding in findings {
            if let Some(login) = &finding.login {
                let of_account = codes.entry(login).or_default();
                if !of_account.contains(&finding.code) {
                    of_account.push(finding.code);
                }
            }
        }
        accounts
            .into_iter()
            .zip(partners)
            .map(|(account, partner)| ReviewedAccount {
                is_active: account.status == super::AccountStatus::Active,
                allowed: account
                    .login
                    .as_deref()
                    .is_some_and(|login| self.settings.allows(login)),
                findings: codes.get(account.label()).cloned().unwrap_or_default(),
                account,
                partner,
            })
            .collect()
    }
}

impl Asked {
    fn fail(&mut self, connection: &str, error: &DirectoryError) {
        tracing::warn!(connection, %error, "A directory did not answer to the review.");
        self.silent
            .entry(connection.to_owned())
            .or_insert_with(|| error.to_string());
    }

    /// Adds persons; several connections may read one domain.
    fn add_persons(&mut self, persons: HashMap<Guid, Person>) {
        for (guid, person) in persons {
            self.persons.entry(guid).or_insert(person);
        }
    }

    fn add(&mut self, matches: Matches) {
        for (key, guids) in matches {
            self.matches.entry(key).or_default().extend(guids);
        }
    }

    /// Asks every directory for the accounts `wanted`, key by key: an account that a key gives
    /// exactly one person is asked for by no further one. Returns the directories that answered.
    async fn find<'a>(
        &mut self,
        mut directories: Vec<OpenDirectory<'a>>,
        keys: &[Vec<Key>],
        wanted: &[usize],
    ) -> Vec<OpenDirectory<'a>> {
        let mut open = wanted.to_vec();
        for place in 0.. {
            let pairs: Vec<(usize, usize)> = open
                .iter()
                .filter(|account| keys[**account].len() > place)
                .map(|account| (*account, place))
                .collect();
            if pairs.is_empty() {
                break;
            }
            let mut answered = Vec::new();
            for mut directory in directories {
                match directory.find(keys, &pairs).await {
                    Ok(matches) => {
                        self.add(matches);
                        answered.push(directory);
                    }
                    Err(error) => {
                        self.fail(directory.name(), &error);
                        self.add_persons(directory.persons);
                    }
                }
            }
            directories = answered;
            open.retain(|account| {
                self.matches
                    .get(&(*account, place))
                    .is_none_or(|hits| hits.len() != 1)
            });
        }
        directories
    }

    /// Asks one directory for what is missing, and for the groups that grant roles.
    async fn complete(
        &mut self,
        directory: &mut OpenDirectory<'_>,
        keys: &[Vec<Key>],
        missing: &[usize],
        settings: &config::ReviewSettings,
    ) -> Result<(), DirectoryError> {
        let matches = directory.confirm(keys, missing).await?;
        self.add(matches);
        for (granted, known) in settings.role_groups.iter().zip(&mut self.members) {
            if let Some(members) = directory.members(&granted.group).await? {
                known.add(directory.name(), members);
            }
        }
        Ok(())
    }
}

/// Returns what is missing as a whole.
fn gaps(
    accounts: &Listed<ConsoleAccount>,
    groups: &Listed<super::AssetGroup>,
    asked: &Asked,
    access_is_cut: bool,
) -> Vec<(String, String)> {
    let of = |name: &str, gaps: &[String]| {
        let named = gaps.iter().map(|gap| (name.to_owned(), gap.clone()));
        named.collect::<Vec<_>>()
    };
    let mut all = of("user list", &accounts.gaps);
    all.extend(of("asset groups", &groups.gaps));
    all.extend(asked.silent.iter().map(|(connection, reason)| {
        let reason =
            format!("the directory did not answer, so nothing is said about who is not there: {reason}");
        (connection.clone(), reason)
    }));
    if access_is_cut {
        let reason = "more than 1,000,000 accounts reach asset groups; the list of access is cut".to_owned();
        all.push(("access".to_owned(), reason));
    }
    all
}
