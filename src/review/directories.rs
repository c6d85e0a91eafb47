//! Searches of the directories: the persons behind accounts, members of the groups that grant
//! roles, and the persons in scope.
//!
//! A controller gets one search at a time, each for many accounts. The directory decides what is
//! equal (R38): an account that no value matches by its own form is searched for once more, in
//! batches that are halved, so that only an empty answer counts as "not there" (R4).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::keys::{Key, comparable};
use crate::config::{self, SearchScope};
use crate::directory::{
    self, BindGuard, DirectoryError, Entry, KnownControllers, LdapSearch, RootDse, Session,
};
use crate::identity::{DistinguishedName, Guid, Kind};
use crate::mapping::Mapping;
use crate::sync::ReadScope;

/// Keys in one filter: some 6 KiB.
const KEYS_PER_FILTER: usize = 100;

/// Accounts in one filter with all their keys: some 25 KiB.
const ACCOUNTS_PER_FILTER: usize = 50;

/// Result code of a referral: the name belongs to another domain (RFC 4511 section 4.1.9).
const REFERRAL: u32 = 10;

/// Most persons that one directory may give.
const MOST_PERSONS: usize = 400_000;

/// Objects that count as a person.
const PERSON: &str = "(objectCategory=person)(objectClass=user)";

/// Person that a directory gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Connection that gave it.
    pub connection: String,
    /// objectGUID.
    pub guid: Guid,
    /// Distinguished name.
    pub dn: String,
    /// sAMAccountName.
    pub account: Option<String>,
    /// userAccountControl, where it is shown.
    pub control: Option<u32>,
    /// accountExpires as it is stored, where it is shown.
    pub expires: Option<i64>,
}

/// Connection with the settings that a search in its directory needs.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Its settings.
    pub settings: &'a config::ConnectionSettings,
    /// Its mapping, which is part of its scope.
    pub mapping: &'a Mapping,
    /// Decides whether a bind may be tried (R40).
    pub bind_guard: &'a BindGuard,
}

/// Persons that match a key of an account, by the place of the account and of the key.
pub type Matches = BTreeMap<(usize, usize), BTreeSet<Guid>>;

/// Places of keys: of the account, and of the key among its keys.
type Places = Vec<(usize, usize)>;

/// Directory that is asked.
pub struct OpenDirectory<'a> {
    source: Source<'a>,
    session: Session,
    scope: ReadScope,
    /// Persons that it gave.
    pub persons: HashMap<Guid, Person>,
    attributes: Vec<String>,
}

impl<'a> OpenDirectory<'a> {
    /// Connects, to the first controller that can be used. `attributes` are those of the keys.
    ///
    /// # Errors
    /// As a run.
    pub async fn connect(source: Source<'a>, attributes: &[String]) -> Result<Self, DirectoryError> {
        let known = KnownControllers::default();
        let mut session = directory::connect(&source.settings.directory, source.bind_guard, &known).await?;
        let root: RootDse = session.root_dse().await?;
        let mut wanted: Vec<String> = [
            "objectGUID",
            "sAMAccountName",
            "userAccountControl",
            "accountExpires",
        ]
        .map(str::to_owned)
        .to_vec();
        for name in attributes {
            if !wanted.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                wanted.push(name.clone());
            }
        }
        Ok(Self {
            source,
            session,
            scope: ReadScope::new(&source.settings.profile, source.mapping, &root),
            persons: HashMap::new(),
            attributes: wanted,
        })
    }

    /// Returns the name of the connection.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.source.settings.name
    }

    /// Ends the session.
    pub async fn close(self) {
        self.session.close().await;
    }

    /// Returns the persons that match the keys `wanted`, each the place of an account and of one of
    /// its keys, as far as the form of their values shows.
    ///
    /// # Errors
    /// When a search cannot be completed.
    pub async fn find(
        &mut self,
        keys: &[Vec<Key>],
        wanted: &[(usize, usize)],
    ) -> Result<Matches, DirectoryError> {
        let mut matches = Matches::new();
        for batch in wanted.chunks(KEYS_PER_FILTER) {
            let mut by_value: HashMap<(&str, &[u8]), Places> = HashMap::new();
            let mut terms = BTreeSet::new();
            for (account, place) in batch {
                let Some(key) = keys[*account].get(*place) else {
                    continue;
                };
                let same = by_value.entry((&key.attribute, &key.value)).or_default();
                same.push((*account, *place));
                terms.insert(key.term.as_str());
            }
            let names: BTreeSet<&str> = by_value.keys().map(|(name, _)| *name).collect();
            for entry in self.matching(&terms.into_iter().collect::<String>()).await? {
                let Some(guid) = self.keep(&entry) else { continue };
                for name in &names {
                    for value in entry.values(name) {
                        let value = comparable(name, value);
                        for key in by_value.get(&(*name, value.as_slice())).into_iter().flatten() {
                            matches.entry(*key).or_default().insert(guid);
                        }
                    }
                }
            }
        }
        Ok(matches)
    }

    /// Searches once more for the accounts `wanted`, for which nothing was found: the directory
    /// alone decides for which of them there is nothing.
    ///
    /// # Errors
    /// When a search cannot be completed.
    pub async fn confirm(&mut self, keys: &[Vec<Key>], wanted: &[usize]) -> Result<Matches, DirectoryError> {
        let mut matches = Matches::new();
        let mut open: Vec<&[usize]> = wanted.chunks(ACCOUNTS_PER_FILTER).collect();
        while let Some(batch) = open.pop() {
            if self.matching(&terms(keys, batch)).await?.is_empty() {
                continue;
            }
            match batch {
                [account] => {
                    for (place, key) in keys[*account].iter().enumerate() {
                        for entry in self.matching(&key.term).await? {
                            let guid = self.keep(&entry);
                            matches.entry((*account, place)).or_default().extend(guid);
                        }
                    }
                }
                several => {
                    let (first, second) = several.split_at(several.len() / 2);
                    open.extend([first, second]);
                }
            }
        }
        Ok(matches)
    }

    /// Returns the persons in a group, and in the groups within it; `None` where the directory does
    /// not have the group.
    ///
    /// # Errors
    /// When a search cannot be completed.
    pub async fn members(
        &mut self,
        group: &DistinguishedName,
    ) -> Result<Option<BTreeSet<Guid>>, DirectoryError> {
        match self.session.lookup(group.as_str(), &["objectGUID"], false).await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(DirectoryError::Search { outcome, .. }) if outcome.code == REFERRAL => return Ok(None),
            Err(error) => return Err(error),
        }
        let term = config::member_of_filter(group);
        let entries = self.matching(&term).await?;
        Ok(Some(
            entries.iter().filter_map(|entry| self.keep(entry)).collect(),
        ))
    }

    /// Returns those of the persons that a run would read.
    ///
    /// # Errors
    /// When a search cannot be completed.
    pub async fn in_scope(&mut self, guids: &[Guid]) -> Result<BTreeSet<Guid>, DirectoryError> {
        let mut found = BTreeSet::new();
        for search in self.scope.with_guids(Kind::User, guids) {
            let search = LdapSearch {
                attributes: vec!["objectGUID".to_owned()],
                ..search
            };
            let take = |entry: &Entry| found.extend(guid_of(entry));
            self.session.each_entry(search, take).await?;
        }
        Ok(found)
    }

    /// Searches the naming context for the persons that match any of `terms`.
    async fn matching(&self, terms: &str) -> Result<Vec<Entry>, DirectoryError> {
        if terms.is_empty() {
            return Ok(Vec::new());
        }
        let search = LdapSearch {
            scope: SearchScope::Subtree,
            filter: format!("(&{PERSON}(|{terms}))"),
            attributes: self.attributes.clone(),
            ..self.scope.naming_context()
        };
        let mut found = Vec::new();
        let take = |entry: &Entry| found.push(entry.copied());
        self.session.each_entry(search, take).await?;
        Ok(found)
    }

    /// Keeps a person; `None` for one whose objectGUID the account may not read.
    fn keep(&mut self, entry: &Entry) -> Option<Guid> {
        let guid = guid_of(entry)?;
        if self.persons.len() >= MOST_PERSONS {
            return None;
        }
        let number = |name: &str| entry.text(name).and_then(|text| text.parse::<i64>().ok());
        self.persons.entry(guid).or_insert_with(|| Person {
            connection: self.source.settings.name.clone(),
            guid,
            dn: entry.dn.clone(),
            account: entry.text("sAMAccountName").map(str::to_owned),
            // A signed number in the directory (MS-ADTS 2.2.16).
            control: number("userAccountControl").and_then(|bits| u32::try_from(bits & 0xffff_ffff).ok()),
            expires: number("accountExpires"),
        });
        Some(guid)
    }
}

fn guid_of(entry: &Entry) -> Option<Guid> {
    Guid::from_bytes(entry.first("objectGUID")?).ok()
}

/// Terms for every key of the accounts, each term once.
fn terms(keys: &[Vec<Key>], accounts: &[usize]) -> String {
    let terms: BTreeSet<&str> = accounts
        .iter()
        .flat_map(|account| &keys[*account])
        .map(|key| key.term.as_str())
        .collect();
    terms.into_iter().collect()
}
