//! Objects that a name means.

use std::collections::BTreeSet;

use super::sql::{SqlValue, values};
use super::{ConnectionId, Store, StoreError};
use crate::identity::{Guid, Kind};

/// Objects looked at in one go, while other readers wait.
const CHUNK: i64 = 5_000;

/// Object that a name means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownObject {
    /// objectGUID; `None` where the entry showed none that can be read.
    pub guid: Option<Guid>,
    /// Its kind.
    pub kind: Kind,
    /// Its distinguished name, as last read.
    pub dn: String,
    /// `externalAssetId`, where there is an asset.
    pub external_id: Option<String>,
}

/// Selects live objects behind `$2`, with the text of the version that waits, else of the accepted
/// one.
const LIVE: &str = "
    SELECT o.id, o.guid, o.kind, o.dn, a.external_id, d.json
    FROM object AS o JOIN asset AS a ON a.id = o.asset
        LEFT JOIN stage AS s ON s.object = o.id
        LEFT JOIN document AS d ON d.seq = coalesce(s.seq, a.document)
    WHERE o.connection = $1 AND o.id > $2 ORDER BY o.id LIMIT $3";

/// Selects removed objects, and those that no asset could be made of.
const OTHERS: &str = "
    SELECT r.id, r.guid, r.kind, r.dn, a.external_id, d.json
    FROM removed AS r JOIN asset AS a ON a.id = r.asset LEFT JOIN document AS d ON d.seq = a.document
    WHERE r.connection = $1
    UNION ALL
    SELECT id, guid, kind, dn, NULL, NULL FROM recheck
    WHERE connection = $1 AND why = 'unmapped' AND asset IS NULL";

impl Store {
    /// Returns the objects that `name` means, live ones first, at most `limit`: by GUID,
    /// externalAssetId, distinguished name, first component of that, or any whole value of the
    /// asset, without regard to case. Reads through all objects, some thousands at a time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn objects_named(
        &self,
        connection: ConnectionId,
        name: &str,
        limit: usize,
    ) -> Result<Vec<KnownObject>, StoreError> {
        let wanted = WantedName::new(name);
        let (mut found, mut known) = (Vec::new(), BTreeSet::new());
        let mut after = 0;
        loop {
            let last = self.find_named(
                LIVE,
                values![connection, after, CHUNK],
                &wanted,
                &mut known,
                &mut found,
            )?;
            match last {
                Some(last) if found.len() < limit => after = last,
                _ => break,
            }
        }
        self.find_named(OTHERS, values![connection], &wanted, &mut known, &mut found)?;
        found.truncate(limit);
        Ok(found)
    }

    /// Gives `each` every object that is known, also removed ones, with the text of its asset. An
    /// object may come twice. Reads some thousands at a time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn each_known(
        &self,
        connection: ConnectionId,
        each: &mut dyn FnMut(&KnownObject, Option<&str>),
    ) -> Result<(), StoreError> {
        let mut after = 0;
        while let Some(last) = self.each_row(LIVE, values![connection, after, CHUNK], each)? {
            after = last;
        }
        self.each_row(OTHERS, values![connection], each)?;
        Ok(())
    }

    /// Adds the objects of a query that `wanted` means and that are not `known`; returns the last
    /// row that it looked at.
    fn find_named(
        &self,
        statement: &str,
        values: &[SqlValue<'_>],
        wanted: &WantedName,
        known: &mut BTreeSet<(Option<Guid>, String)>,
        found: &mut Vec<KnownObject>,
    ) -> Result<Option<i64>, StoreError> {
        self.each_row(statement, values, &mut |object, json| {
            // An object without a GUID is known by its name.
            let key = object.guid.map_or_else(|| object.dn.clone(), |_| String::new());
            if wanted.means(object, json) && known.insert((object.guid, key)) {
                found.push(object.clone());
            }
        })
    }

    /// Gives `each` the objects of a query, and returns the number of the last row.
    fn each_row(
        &self,
        statement: &str,
        values: &[SqlValue<'_>],
        each: &mut dyn FnMut(&KnownObject, Option<&str>),
    ) -> Result<Option<i64>, StoreError> {
        self.read(|sql| {
            let mut last = None;
            sql.query(statement, values, &mut |row| {
                last = Some(row.get(0)?);
                let object = KnownObject {
                    guid: row.get(1)?,
                    kind: row.get(2)?,
                    dn: row.get(3)?,
                    external_id: row.get(4)?,
                };
                each(&object, row.value(5)?.text());
                Ok(true)
            })?;
            Ok(last)
        })
    }
}

/// Name that objects are compared with.
struct WantedName {
    guid: Option<Guid>,
    lower: String,
    /// The same as JSON writes it, in quotes.
    json: String,
}

impl WantedName {
    fn new(name: &str) -> Self {
        let lower = name.to_lowercase();
        Self {
            guid: name.parse().ok(),
            json: serde_json::Value::from(lower.as_str()).to_string(),
            lower,
        }
    }

    /// Reports whether `object`, whose asset has the text `json`, has this name.
    fn means(&self, object: &KnownObject, json: Option<&str>) -> bool {
        if let Some(guid) = self.guid {
            return object.guid == Some(guid);
        }
        let external_id = object.external_id.as_deref().unwrap_or_default();
        let dn = object.dn.to_lowercase();
        external_id.to_lowercase() == self.lower
            || dn == self.lower
            || super::object::first_value(&dn) == self.lower
            || json.is_some_and(|json| self.is_value_in(&json.to_lowercase()))
    }

    /// Reports whether a whole value of the asset is the name; what a colon follows is a key.
    fn is_value_in(&self, json: &str) -> bool {
        json.match_indices(&self.json)
            .any(|(at, found)| json.as_bytes().get(at + found.len()) != Some(&b':'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(dn: &str) -> KnownObject {
        KnownObject {
            guid: None,
            kind: Kind::User,
            dn: dn.to_owned(),
            external_id: Some("S-1-5-21-7".to_owned()),
        }
    }

    #[test]
    fn a_name_means_a_whole_value_and_no_key() {
        let json = r#"{"asset":{"name":"Zoë \"Zo\" Åberg","mail":"zoe@x","name2":"mail"}}"#;
        let means = |name: &str| WantedName::new(name).means(&object(r"CN=Åberg\, Zoë,OU=B"), Some(json));
        for name in [
            "zoë \"zo\" ÅBERG",
            "ZOE@X",
            "mail",
            "åberg, zoë",
            "s-1-5-21-7",
            r"cn=åberg\, ZOË,ou=b",
        ] {
            assert!(means(name), "{name}");
        }
        for name in ["name", "asset", "zoe", "S-1-5-21", "OU=B", ""] {
            assert!(!means(name), "{name}");
        }
    }
}
