//! Partner of an account: the person of a directory that it belongs to, or the reason why none is
//! known.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::directories::{Matches, Person};
use super::keys::Key;
use crate::identity::{AccountControl, Guid, Timestamp};

/// Most candidates that are named.
const MOST_NAMED: usize = 5;

/// Partner of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Partner {
    /// One person.
    Found(FoundPartner),
    /// Several persons have the same value.
    Ambiguous {
        /// Field of the account, and attribute.
        by: String,
        /// Distinguished names, the first few.
        candidates: Vec<String>,
    },
    /// No directory has one, and all of them answered.
    NotFound,
    /// It is not known whether there is one.
    Unknown {
        /// FailureCause.
        reason: String,
    },
}

/// Person behind an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundPartner {
    /// Connection whose directory has it.
    pub connection: String,
    /// objectGUID.
    pub guid: String,
    /// Distinguished name.
    pub dn: String,
    /// sAMAccountName.
    pub account: Option<String>,
    /// Field of the account, and attribute that holds its value.
    pub by: String,
    /// `false` with ACCOUNTDISABLE; absent where userAccountControl is not shown.
    pub enabled: Option<bool>,
    /// accountExpires, where there is such a moment.
    pub expires_at: Option<DateTime<Utc>>,
    /// accountExpires is shown to the account that reads.
    pub shows_expiry: bool,
    /// A run of a connection would read it; absent where that is not known.
    pub in_scope: Option<bool>,
}

impl FoundPartner {
    fn new(person: &Person, key: &Key) -> Self {
        let expires = person.expires.and_then(Timestamp::from_filetime);
        Self {
            connection: person.connection.clone(),
            guid: person.guid.to_string(),
            dn: person.dn.clone(),
            account: person.account.clone(),
            by: by(key),
            enabled: person.control.map(|bits| AccountControl::new(bits).is_enabled()),
            expires_at: expires.and_then(|at| DateTime::from_timestamp(at.epoch_seconds(), 0)),
            shows_expiry: person.expires.is_some(),
            in_scope: None,
        }
    }

    /// Returns `true` when it cannot log in any more.
    #[must_use]
    pub fn is_disabled(&self, now: DateTime<Utc>) -> bool {
        self.enabled == Some(false) || self.expires_at.is_some_and(|at| at <= now)
    }
}

fn by(key: &Key) -> String {
    format!("{} = {}", key.source.name(), key.attribute)
}

impl Partner {
    /// Returns the person.
    #[must_use]
    pub const fn found(&self) -> Option<&FoundPartner> {
        match self {
            Self::Found(found) => Some(found),
            _ => None,
        }
    }
}

/// Decides for each account, from the matches in all directories. The first key with exactly one
/// hit counts. `absent` gives the reason where no account may count as "not there".
#[must_use]
pub fn partners(
    keys: &[Vec<Key>],
    matches: &Matches,
    persons: &HashMap<Guid, Person>,
    absent: Option<&str>,
) -> Vec<Partner> {
    let mut of_account: BTreeMap<usize, Vec<(usize, &BTreeSet<Guid>)>> = BTreeMap::new();
    for ((account, key), guids) in matches {
        of_account.entry(*account).or_default().push((*key, guids));
    }
    let none = Vec::new();
    keys.iter()
        .enumerate()
        .map(|(place, keys)| {
            let hits = of_account.get(&place).unwrap_or(&none);
            partner(keys, hits, persons, absent)
        })
        .collect()
}

fn partner(
    keys: &[Key],
    hits: &[(usize, &BTreeSet<Guid>)],
    persons: &HashMap<Guid, Person>,
    absent: Option<&str>,
) -> Partner {
    let person = |guid: &Guid| persons.get(guid);
    for (key, guids) in hits {
        if let (1, Some(person), Some(key)) =
            (guids.len(), guids.iter().next().and_then(person), keys.get(*key))
        {
            return Partner::Found(FoundPartner::new(person, key));
        }
    }
    let several = hits.iter().find(|(_, guids)| guids.len() > 1);
    if let Some((key, guids)) = several {
        let candidates = guids.iter().filter_map(person).map(|person| person.dn.clone());
        return Partner::Ambiguous {
            by: keys.get(*key).map(by).unwrap_or_default(),
            candidates: candidates.take(MOST_NAMED).collect(),
        };
    }
    let unknown = |reason: &str| Partner::Unknown {
        reason: reason.to_owned(),
    };
    match absent {
        _ if keys.is_empty() => unknown("it has no external id and no e-mail address to look for"),
        // The directory gave an object whose objectGUID is not shown.
        _ if !hits.is_empty() => unknown("a person matches whose objectGUID the reading account may not see"),
        Some(reason) => unknown(reason),
        None => Partner::NotFound,
    }
}
