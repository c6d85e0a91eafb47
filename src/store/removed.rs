//! Lists of what is gone: removed, held back, or not decided.

use std::collections::BTreeMap;

use super::error::StoreFault;
use super::sql::{SqlRow, SqlValue, values};
use super::{ConnectionId, RunId, Store, StoreError, remove};
use crate::identity::{Guid, Kind};

/// An object that is gone, that is held back, or that is not decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedObject {
    /// Place in the list, for the next page.
    pub place: i64,
    /// objectGUID.
    pub guid: Guid,
    /// Its kind.
    pub kind: Kind,
    /// Its last DN.
    pub dn: String,
    /// `externalAssetId` of its asset, where it is removed.
    pub external_id: Option<String>,
    /// Reason for which it counts as gone, or for which that is not clear.
    pub reason: String,
    /// Time at which it was removed, held back for the first time, or missed, Unix seconds.
    pub at: i64,
    /// The run that removed it.
    pub run: Option<i64>,
    /// Time at which upstream accepted the asset that says so.
    pub sent_at: Option<i64>,
}

/// Selects removed objects of a connection. A condition on `r` may follow.
pub(super) const LISTED: &str = "
    SELECT r.id AS place, r.guid, r.kind, r.dn, a.external_id, r.reason, r.removed_at AS at, r.run, r.sent_at
    FROM removed AS r JOIN asset AS a ON a.id = r.asset WHERE r.connection = $1";

impl Store {
    /// Names the list of the objects held back: the same list has the same name, and any other list
    /// has another. `None` when nothing is held back.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn held_list(&self, connection: ConnectionId) -> Result<Option<String>, StoreError> {
        self.read(|sql| remove::held_list(sql, connection))
    }

    /// Returns `limit` candidates whose place comes after `after`: those held back, or those not
    /// decided.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn undecided(
        &self,
        connection: ConnectionId,
        held: bool,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<RemovedObject>, StoreError> {
        self.listed(
            "SELECT r.id AS place, r.guid, r.kind, r.dn, a.external_id,
                 coalesce(r.reason, 'not looked up yet') AS reason, coalesce(r.held_at, r.since) AS at,
                 NULL AS run, NULL AS sent_at
             FROM recheck AS r LEFT JOIN asset AS a ON a.id = r.asset
             WHERE r.connection = $1 AND r.why IN ('missing', 'replaced') AND r.id > $2
                 AND CASE WHEN r.held_at IS NULL THEN 0 ELSE 1 END = $3
             ORDER BY r.id LIMIT $4",
            values![connection, after.unwrap_or(0), held, rows(limit)],
        )
    }

    /// Returns `limit` removed objects, newest first, from behind the place `before`; of one run
    /// only where that is given.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn removed(
        &self,
        connection: ConnectionId,
        run: Option<RunId>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<RemovedObject>, StoreError> {
        let run = run.map_or(0, RunId::number);
        self.listed(
            &format!("{LISTED} AND r.id < $2 AND ($3 = 0 OR r.run = $3) ORDER BY r.id DESC LIMIT $4"),
            values![connection, before.unwrap_or(i64::MAX), run, rows(limit)],
        )
    }

    fn listed(&self, statement: &str, values: &[SqlValue<'_>]) -> Result<Vec<RemovedObject>, StoreError> {
        self.read(|sql| sql.rows(statement, values, removal_of))
    }

    /// Returns the last asset of a removed object that upstream held; the newest of several ids.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn removed_asset(&self, connection: ConnectionId, guid: Guid) -> Result<Option<String>, StoreError> {
        self.read(|sql| {
            sql.first(
                "SELECT d.json FROM removed AS r JOIN asset AS a ON a.id = r.asset
                 JOIN document AS d ON d.seq = a.document
                 WHERE r.connection = $1 AND r.guid = $2 ORDER BY r.id DESC LIMIT 1",
                values![connection, guid],
                |row| row.get(0),
            )
        })
    }

    /// Counts the objects of each kind that are removed (first) and held back (second); a kind
    /// without any is missing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn removal_counts(&self, connection: ConnectionId) -> Result<BTreeMap<Kind, (u64, u64)>, StoreError> {
        self.read(|sql| {
            let counts = sql.rows(
                "SELECT kind, sum(removed) AS removed, sum(held) AS held FROM (
                     SELECT kind, 1 AS removed, 0 AS held FROM removed WHERE connection = $1
                     UNION ALL
                     SELECT kind, 0, 1 FROM recheck WHERE connection = $1 AND held_at IS NOT NULL) AS listed
                 GROUP BY kind",
                values![connection],
                |row| Ok((row.get("kind")?, (row.count("removed")?, row.count("held")?))),
            )?;
            Ok(counts.into_iter().collect())
        })
    }
}

/// Returns a limit as SQL takes it.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn removal_of(row: &SqlRow<'_>) -> Result<RemovedObject, StoreFault> {
    Ok(RemovedObject {
        place: row.get("place")?,
        guid: row.get("guid")?,
        kind: row.get("kind")?,
        dn: row.get("dn")?,
        external_id: row.get("external_id")?,
        reason: row.get("reason")?,
        at: row.get("at")?,
        run: row.get("run")?,
        sent_at: row.get("sent_at")?,
    })
}
