//! What waits: pending assets, rejections of upstream, objects that could not be mapped.

use std::collections::BTreeMap;

use rusqlite::{named_params, params};

use super::value::count;
use super::{ConnectionId, Store, StoreError};
use crate::failpoint::Commit;
use crate::identity::{Guid, Kind};

/// What waits on the stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    /// How many assets of each kind; a kind without any is missing.
    pub counts: BTreeMap<Kind, u64>,
    /// When the version that waits longest was staged, Unix seconds.
    pub oldest: Option<i64>,
}

/// Who would not have an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The mapping could make no asset of it (R15).
    Mapping,
    /// Upstream rejected its asset.
    Upstream,
}

/// An object that did not get through; it is tried again on every run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// objectGUID.
    pub guid: Guid,
    /// Its kind.
    pub kind: Kind,
    /// Its distinguished name.
    pub dn: String,
    /// `externalAssetId`, where there is an asset.
    pub external_id: Option<String>,
    /// Why.
    pub reason: String,
    /// Since when, Unix seconds.
    pub since: i64,
    /// Who says so.
    pub origin: Origin,
}

impl Store {
    /// What waits on the stage, rejected assets included.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn pending(&self, connection: ConnectionId) -> Result<Pending, StoreError> {
        self.read(|sql| {
            let mut pending = Pending::default();
            let mut statement = sql.prepare_cached(
                "SELECT kind, count(*) AS count, min(seq) AS first FROM stage WHERE connection = ? GROUP BY kind",
            )?;
            let mut first: Option<i64> = None;
            let mut rows = statement.query([connection])?;
            while let Some(row) = rows.next()? {
                let seq: i64 = row.get("first")?;
                first = Some(first.map_or(seq, |first| first.min(seq)));
                pending.counts.insert(row.get("kind")?, count(row, "count")?);
            }
            if let Some(first) = first {
                pending.oldest = Some(
                    sql.prepare_cached("SELECT staged_at FROM stage WHERE seq = ?")?
                        .query_row([first], |row| row.get(0))?,
                );
            }
            Ok(pending)
        })
    }

    /// The first `limit` objects that did not get through, by GUID.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rejections(&self, connection: ConnectionId, limit: usize) -> Result<Vec<Rejection>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT guid, kind, dn, external_id, reject_reason AS reason, rejected_at AS since
                 FROM stage WHERE connection = :connection AND rejected_run IS NOT NULL
                 UNION ALL
                 SELECT guid, kind, dn, NULL, reason, since FROM unmapped WHERE connection = :connection
                 ORDER BY guid LIMIT :limit",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rejections = statement.query_map(
                named_params! { ":connection": connection, ":limit": limit },
                |row| {
                    let external_id: Option<String> = row.get("external_id")?;
                    Ok(Rejection {
                        guid: row.get("guid")?,
                        kind: row.get("kind")?,
                        dn: row.get("dn")?,
                        origin: if external_id.is_some() {
                            Origin::Upstream
                        } else {
                            Origin::Mapping
                        },
                        external_id,
                        reason: row.get("reason")?,
                        since: row.get("since")?,
                    })
                },
            )?;
            Ok(rejections.collect::<Result<_, _>>()?)
        })
    }

    /// How many objects of each kind did not get through; a kind without any is missing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rejection_counts(&self, connection: ConnectionId) -> Result<BTreeMap<Kind, u64>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT kind, count(*) AS count FROM (
                     SELECT kind FROM stage WHERE connection = :connection AND rejected_run IS NOT NULL
                     UNION ALL
                     SELECT kind FROM unmapped WHERE connection = :connection)
                 GROUP BY kind",
            )?;
            let counts = statement.query_map(named_params! { ":connection": connection }, |row| {
                Ok((row.get("kind")?, count(row, "count")?))
            })?;
            Ok(counts.collect::<Result<_, _>>()?)
        })
    }

    /// Drops what is noted of objects that could not be mapped and are no longer in scope.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_unmapped(&self, connection: ConnectionId, guids: &[Guid]) -> Result<(), StoreError> {
        self.write(Commit::ForgetUnmapped, |transaction| {
            let mut forget =
                transaction.prepare_cached("DELETE FROM unmapped WHERE connection = ? AND guid = ?")?;
            for guid in guids {
                forget.execute(params![connection, guid])?;
            }
            Ok(())
        })
    }

    /// The objects of `kind` that the mapping could make no asset of when they were last read: a run reads them again,
    /// even where a delta would not (R15).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unmapped_guids(&self, connection: ConnectionId, kind: Kind) -> Result<Vec<Guid>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT guid FROM unmapped WHERE connection = ? AND kind = ? ORDER BY guid",
            )?;
            let guids = statement.query_map(params![connection, kind], |row| row.get(0))?;
            Ok(guids.collect::<Result<_, _>>()?)
        })
    }
}
