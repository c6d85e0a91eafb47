//! Pages of what people look through: each goes on from a key, so that none is shown twice or left out while runs go on.

use std::fmt;
use std::str::FromStr;

use rusqlite::{OptionalExtension, named_params, params};

use super::waiting::rejection_of;
use super::{ConnectionId, Rejection, Store, StoreError};
use crate::identity::Guid;

/// A version of an asset that upstream has not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// One `assetData` element.
    pub asset: String,
    /// Since when it waits, Unix seconds.
    pub staged_at: i64,
    /// It tells upstream that the object is gone.
    pub removal: bool,
    /// When upstream rejected it.
    pub rejected_at: Option<i64>,
    /// Why.
    pub reject_reason: Option<String>,
}

impl Store {
    /// The version of the object that waits on the stage.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn waiting(&self, connection: ConnectionId, guid: Guid) -> Result<Option<Waiting>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT (SELECT json FROM text WHERE text.id = stage.asset) AS asset, staged_at, removal, rejected_at,
                     reject_reason
                 FROM stage WHERE object = (SELECT id FROM card WHERE connection = ? AND guid = ?)",
            )?;
            let waiting = statement.query_row(params![connection, guid], |row| {
                Ok(Waiting {
                    asset: row.get("asset")?,
                    staged_at: row.get("staged_at")?,
                    removal: row.get("removal")?,
                    rejected_at: row.get("rejected_at")?,
                    reject_reason: row.get("reject_reason")?,
                })
            });
            Ok(waiting.optional()?)
        })
    }

    /// The first `limit` objects that did not get through behind `after`: by GUID, those without one first, then by name. An object
    /// whose asset was rejected and that cannot be mapped any more stands there twice.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rejections_after(
        &self,
        connection: ConnectionId,
        after: Option<&RejectionPlace>,
        limit: usize,
    ) -> Result<Vec<Rejection>, StoreError> {
        let guid = after.and_then(|after| after.guid);
        let (dn, origin) = after.map_or(("", ""), |after| (after.dn.as_str(), after.origin.as_str()));
        self.read(|sql| {
            // Each of the three looks up its part by key where it can; what is left is compared in whole.
            let mut statement = sql.prepare_cached(
                "SELECT * FROM (
                     SELECT guid, card.kind, dn, external_id, reject_reason AS reason, rejected_at AS since,
                         'upstream' AS origin
                     FROM stage INDEXED BY stage_rejected CROSS JOIN card ON card.id = stage.object
                     WHERE stage.connection = :connection AND rejected_run IS NOT NULL AND guid >= coalesce(:guid, x'')
                     UNION ALL
                     SELECT guid, kind, dn, NULL, reason, since, 'mapping' FROM unmapped
                     WHERE connection = :connection AND guid >= coalesce(:guid, x'')
                     UNION ALL
                     SELECT NULL, kind, dn, NULL, reason, since, 'mapping' FROM unidentified
                     WHERE connection = :connection AND :guid IS NULL)
                 WHERE (coalesce(guid, x''), dn, origin) > (coalesce(:guid, x''), :dn, :origin)
                 ORDER BY coalesce(guid, x''), dn, origin LIMIT :limit",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let page = statement.query_map(
                named_params! {
                    ":connection": connection, ":guid": guid, ":dn": dn, ":origin": origin, ":limit": limit,
                },
                rejection_of,
            )?;
            Ok(page.collect::<Result<_, _>>()?)
        })
    }
}

/// Where a rejection stands in the list, as text: `mapping/a34d55ee-…/CN=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectionPlace {
    guid: Option<Guid>,
    dn: String,
    origin: String,
}

impl From<&Rejection> for RejectionPlace {
    fn from(rejection: &Rejection) -> Self {
        Self {
            guid: rejection.guid,
            dn: rejection.dn.clone(),
            origin: rejection.origin.name().to_owned(),
        }
    }
}

impl fmt::Display for RejectionPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let guid = self.guid.map(|guid| guid.to_string()).unwrap_or_default();
        write!(f, "{}/{guid}/{}", self.origin, self.dn)
    }
}

/// A text is no place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place in the list of rejections")]
pub struct NoPlace;

impl FromStr for RejectionPlace {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let mut parts = text.splitn(3, '/');
        let (Some(origin), Some(guid), Some(dn)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoPlace);
        };
        let guid = match guid {
            "" => None,
            guid => Some(guid.parse().map_err(|_| NoPlace)?),
        };
        Ok(Self {
            guid,
            dn: dn.to_owned(),
            origin: origin.to_owned(),
        })
    }
}
