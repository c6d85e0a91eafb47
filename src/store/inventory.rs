//! Pages of the inventory and of the lists beside it. Each page goes on from a key, so that no item
//! is shown twice or left out while runs go on.

use std::fmt;
use std::str::FromStr;

use super::error::StoreFault;
use super::ownership::{CONFLICT, CONTENDERS};
use super::rejections::rejection_of;
use super::sql::{SqlRow, values};
use super::{ConnectionId, RejectedObject, RunId, Store, StoreError};
use crate::identity::Guid;

/// A version of an asset that upstream has not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingVersion {
    /// One `assetData` element.
    pub asset: String,
    /// Since when it waits, Unix seconds.
    pub staged_at: i64,
    /// `true` when it reports to upstream that the object is gone.
    pub removal: bool,
    /// Time at which upstream rejected it.
    pub rejected_at: Option<i64>,
    /// The run in which upstream rejected it last.
    pub rejected_run: Option<RunId>,
    /// Reason of the rejection.
    pub reject_reason: Option<String>,
}

/// Versions on the stage, with their text. A condition on `s` may follow.
macro_rules! waiting {
    () => {
        "SELECT d.json, s.staged_at, s.object, s.rejected_at, s.rejected_run, s.reject_reason
         FROM stage AS s JOIN document AS d ON d.seq = s.seq"
    };
}

impl Store {
    /// Returns the version of the object that waits on the stage; of an object that is gone, the
    /// one that says so.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn waiting(
        &self,
        connection: ConnectionId,
        guid: Guid,
    ) -> Result<Option<WaitingVersion>, StoreError> {
        self.read(|sql| {
            let object: Option<i64> = sql.first(
                "SELECT id FROM object WHERE connection = $1 AND guid = $2",
                values![connection, guid],
                |row| row.get(0),
            )?;
            if let Some(object) = object {
                let statement = concat!(waiting!(), " WHERE s.object = $1");
                return sql.first(statement, values![object], waiting_of);
            }
            let assets: Vec<i64> = sql.rows(
                "SELECT asset FROM removed WHERE connection = $1 AND guid = $2
                 ORDER BY removed_at DESC, id DESC",
                values![connection, guid],
                |row| row.get(0),
            )?;
            for asset in assets {
                let statement = concat!(waiting!(), " WHERE s.asset = $1 AND s.object IS NULL");
                let waiting = sql.first(statement, values![asset], waiting_of)?;
                if waiting.is_some() {
                    return Ok(waiting);
                }
            }
            Ok(None)
        })
    }

    /// Returns the first `limit` objects that did not get through behind `after`: by GUID, those
    /// without one first, then by name. An object whose asset was rejected and that cannot be
    /// mapped any more stands there twice.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rejections_after(
        &self,
        connection: ConnectionId,
        after: Option<&RejectionPlace>,
        limit: usize,
    ) -> Result<Vec<RejectedObject>, StoreError> {
        let guid = after.and_then(|after| after.guid);
        let guid = guid.map_or_else(Vec::new, |guid| guid.as_bytes().to_vec());
        let (dn, origin) = after.map_or(("", ""), |after| (after.dn.as_str(), after.origin.as_str()));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|sql| {
            // No octets ($3) stand for no GUID. Each part looks up by key where it can; what is
            // left is compared in whole. `coalesce` keeps SQLite from the key of `stage`, which has
            // every row that waits: it goes through the short index `stage_rejected`.
            let statement = format!(
                "SELECT * FROM (
                     SELECT coalesce(o.guid, r.guid) AS guid, coalesce(o.kind, s.kind) AS kind,
                         coalesce(o.dn, r.dn) AS dn, a.external_id, s.reject_reason AS reason,
                         s.rejected_at AS since, 'upstream' AS origin
                     FROM stage AS s JOIN asset AS a ON a.id = s.asset
                         LEFT JOIN object AS o ON o.id = s.object
                         LEFT JOIN removed AS r ON r.asset = s.asset
                     WHERE coalesce(s.connection, 0) = $1 AND s.rejected_run IS NOT NULL
                         AND coalesce(o.guid, r.guid) >= $2
                     UNION ALL
                     SELECT guid, kind, dn, NULL, reason, since, 'mapping' FROM recheck
                     WHERE connection = $1 AND why = 'unmapped' AND asset IS NULL AND guid >= $2
                     UNION ALL
                     SELECT guid, kind, dn, NULL, reason, since, 'mapping' FROM recheck
                     WHERE connection = $1 AND why = 'unmapped' AND guid IS NULL AND $2 = $3
                     UNION ALL
                     SELECT o.guid, o.kind, o.dn, a.external_id, {CONFLICT}, c.since, 'identity'
                     FROM {CONTENDERS} WHERE c.connection = $1 AND o.guid >= $2) AS rejection
                 WHERE (coalesce(guid, $3), dn, origin) > ($2, $4, $5)
                 ORDER BY coalesce(guid, $3), dn, origin LIMIT $6"
            );
            let none = Vec::<u8>::new();
            sql.rows(
                &statement,
                values![connection, guid, none, dn, origin, limit],
                rejection_of,
            )
        })
    }
}

fn waiting_of(row: &SqlRow<'_>) -> Result<WaitingVersion, StoreFault> {
    Ok(WaitingVersion {
        asset: row.get("json")?,
        staged_at: row.get("staged_at")?,
        removal: row.get::<Option<i64>>("object")?.is_none(),
        rejected_at: row.get("rejected_at")?,
        rejected_run: row.get("rejected_run")?,
        reject_reason: row.get("reject_reason")?,
    })
}

/// Place of a rejection in the list, as text: `mapping/a34d55ee-…/CN=…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectionPlace {
    guid: Option<Guid>,
    dn: String,
    origin: String,
}

impl From<&RejectedObject> for RejectionPlace {
    fn from(rejection: &RejectedObject) -> Self {
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
