//! Pending assets, and the objects that do not get through: rejected by upstream, not mapped, or
//! with an externalAssetId that another object has.

use std::collections::BTreeMap;

use super::error::StoreFault;
use super::ownership::{CONFLICT, CONTENDERS};
use super::sql::{Sql, SqlRow, stored_as, values};
use super::{ConnectionId, RunId, Store, StoreError};
use crate::identity::{Guid, Kind};

/// Counts of what waits on the stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PendingCounts {
    /// Assets of each kind; a kind without any is missing.
    pub counts: BTreeMap<Kind, u64>,
    /// Time at which the version that waits longest was staged, Unix seconds.
    pub oldest: Option<i64>,
    /// The same without those that upstream rejected, which wait until they change.
    pub oldest_undecided: Option<i64>,
}

/// Origin of a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectionOrigin {
    /// Another object has its externalAssetId; it waits until that one is gone (R37).
    Identity,
    /// The mapping could make no asset of it (R15).
    Mapping,
    /// Upstream rejected its asset.
    Upstream,
}

impl RejectionOrigin {
    /// Returns the word used in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Mapping => "mapping",
            Self::Upstream => "upstream",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Identity, Self::Mapping, Self::Upstream]
            .into_iter()
            .find(|origin| origin.name() == name)
    }
}

stored_as!(
    Text,
    RejectionOrigin,
    |origin| origin.name(),
    RejectionOrigin::from_name
);

/// An object that did not get through; it is tried again on every run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedObject {
    /// objectGUID; `None` where the entry showed none that can be read.
    pub guid: Option<Guid>,
    /// Its kind.
    pub kind: Kind,
    /// Its distinguished name.
    pub dn: String,
    /// `externalAssetId`, where there is an asset.
    pub external_id: Option<String>,
    /// Reason.
    pub reason: String,
    /// Since when, Unix seconds.
    pub since: i64,
    /// Origin of the rejection.
    pub origin: RejectionOrigin,
}

impl Store {
    /// Returns what waits on the stage, rejected assets included.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn pending(&self, connection: ConnectionId) -> Result<PendingCounts, StoreError> {
        self.read(|sql| {
            let mut pending = PendingCounts::default();
            sql.query(
                "SELECT kind, count(*) AS count, min(staged_at) AS oldest,
                    min(CASE WHEN rejected_run IS NULL THEN staged_at END) AS undecided
                 FROM stage WHERE connection = $1 GROUP BY kind",
                values![connection],
                &mut |row| {
                    let earliest = |one: Option<i64>, other: Option<i64>| one.into_iter().chain(other).min();
                    pending.oldest = earliest(pending.oldest, row.get("oldest")?);
                    pending.oldest_undecided = earliest(pending.oldest_undecided, row.get("undecided")?);
                    pending.counts.insert(row.get("kind")?, row.count("count")?);
                    Ok(true)
                },
            )?;
            Ok(pending)
        })
    }

    /// Returns the first `limit` objects that did not get through, by GUID; those without one come
    /// first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rejections(
        &self,
        connection: ConnectionId,
        limit: usize,
    ) -> Result<Vec<RejectedObject>, StoreError> {
        self.rejections_after(connection, None, limit)
    }

    /// Gives `each` the objects that wait for the asset of another (R37 c). The store is held
    /// meanwhile: `each` must not use it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn for_each_conflict(
        &self,
        connection: ConnectionId,
        mut each: impl FnMut(RejectedObject),
    ) -> Result<(), StoreError> {
        self.read(|sql| {
            sql.query(
                &format!(
                    "SELECT o.guid, o.kind, o.dn, a.external_id, {CONFLICT} AS reason, c.since,
                         'identity' AS origin
                     FROM {CONTENDERS} WHERE c.connection = $1 ORDER BY c.object"
                ),
                values![connection],
                &mut |row| {
                    each(rejection_of(row)?);
                    Ok(true)
                },
            )
        })
    }

    /// Returns how many objects of each kind did not get through; a kind without any is missing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rejection_counts(&self, connection: ConnectionId) -> Result<BTreeMap<Kind, u64>, StoreError> {
        self.read(|sql| {
            // `coalesce` keeps SQLite from the key of `stage`, which has every row that waits:
            // it goes through the short index `stage_rejected`.
            let counts = sql.rows(
                "SELECT kind, count(*) AS count FROM (
                     SELECT kind FROM stage
                     WHERE coalesce(connection, 0) = $1 AND rejected_run IS NOT NULL
                     UNION ALL
                     SELECT kind FROM recheck WHERE connection = $1 AND why = 'unmapped'
                     UNION ALL
                     SELECT o.kind FROM contender AS c JOIN object AS o ON o.id = c.object
                     WHERE c.connection = $1) AS rejection
                 GROUP BY kind",
                values![connection],
                |row| Ok((row.get("kind")?, row.count("count")?)),
            )?;
            Ok(counts.into_iter().collect())
        })
    }

    /// Returns the objects of `kind` that `run` reads again even where a delta would not: the
    /// mapping could make no asset of them when they were last read, in a run before (R15), or they
    /// became owners of their assets (R37).
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unmapped_before(
        &self,
        connection: ConnectionId,
        kind: Kind,
        run: RunId,
    ) -> Result<Vec<Guid>, StoreError> {
        self.read(|sql| {
            sql.rows(
                "SELECT DISTINCT guid FROM recheck WHERE connection = $1 AND guid IS NOT NULL AND asset IS NULL
                     AND kind = $2 AND (why = 'inherited' OR (why = 'unmapped' AND run <> $3))
                 ORDER BY guid",
                values![connection, kind, run],
                |row| row.get(0),
            )
        })
    }
}

/// Forgets what could not be mapped before `run`, which asked for all of it again, and was not
/// found by it; but not what another controller returned, which may not be replicated to this one
/// yet.
pub(super) fn forget_unmapped(sql: &dyn Sql, connection: ConnectionId, run: RunId) -> Result<(), StoreFault> {
    sql.execute(
        "DELETE FROM recheck WHERE connection = $1 AND why = 'unmapped' AND run <> $2
             AND (controller IS NULL OR controller = (SELECT controller FROM run WHERE id = $2))",
        values![connection, run],
    )?;
    Ok(())
}

/// Reads a row of guid, kind, dn, external_id, reason, since and origin.
pub(super) fn rejection_of(row: &SqlRow<'_>) -> Result<RejectedObject, StoreFault> {
    Ok(RejectedObject {
        guid: row.get("guid")?,
        kind: row.get("kind")?,
        dn: row.get("dn")?,
        external_id: row.get("external_id")?,
        reason: row.get("reason")?,
        since: row.get("since")?,
        origin: row.get("origin")?,
    })
}
