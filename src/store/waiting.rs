//! What waits: pending assets, rejections of upstream, objects that could not be mapped.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, named_params, params};

use super::error::Fault;
use super::run::open_run;
use super::value::count;
use super::{ConnectionId, Fate, KindCounts, RunId, Store, StoreError, history};
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

impl Origin {
    /// The word used in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mapping => "mapping",
            Self::Upstream => "upstream",
        }
    }
}

/// An object that did not get through; it is tried again on every run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// objectGUID; `None` where the entry showed none that can be read.
    pub guid: Option<Guid>,
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

/// An entry in scope that shows no readable objectGUID: no object that could be told apart by anything but its name (R15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unidentified {
    /// Its kind.
    pub kind: Kind,
    /// Its distinguished name.
    pub dn: String,
    /// Why it cannot be identified.
    pub reason: String,
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

    /// The first `limit` objects that did not get through, by GUID; those without one come first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rejections(&self, connection: ConnectionId, limit: usize) -> Result<Vec<Rejection>, StoreError> {
        self.rejections_after(connection, None, limit)
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
                     SELECT kind FROM unmapped WHERE connection = :connection
                     UNION ALL
                     SELECT kind FROM unidentified WHERE connection = :connection)
                 GROUP BY kind",
            )?;
            let counts = statement.query_map(named_params! { ":connection": connection }, |row| {
                Ok((row.get("kind")?, count(row, "count")?))
            })?;
            Ok(counts.collect::<Result<_, _>>()?)
        })
    }

    /// The objects of `kind` that the mapping could make no asset of when they were last read, in a run before `run`: it reads
    /// them again, even where a delta would not (R15).
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
            let mut statement = sql.prepare_cached(
                "SELECT guid FROM unmapped WHERE connection = ? AND kind = ? AND run <> ? ORDER BY guid",
            )?;
            let guids = statement.query_map(params![connection, kind, run], |row| row.get(0))?;
            Ok(guids.collect::<Result<_, _>>()?)
        })
    }

    /// As [`Self::unmapped_before`] for entries that could not be identified: the first `limit` names behind `after`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unidentified_before(
        &self,
        connection: ConnectionId,
        kind: Kind,
        run: RunId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT dn FROM unidentified WHERE connection = ? AND kind = ? AND run <> ? AND dn > ?
                 ORDER BY dn LIMIT ?",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let names =
                statement.query_map(params![connection, kind, run, after, limit], |row| row.get(0))?;
            Ok(names.collect::<Result<_, _>>()?)
        })
    }

    /// Notes entries that `run` read and could not identify; they count as read and unmapped. To be called before the page
    /// that they came with is committed, so that no watermark passes them (R3).
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn note_unidentified(
        &self,
        run: RunId,
        entries: &[Unidentified],
        now: i64,
    ) -> Result<(), StoreError> {
        self.write(Commit::NoteUnidentified, |transaction| {
            let connection = open_run(transaction, run)?;
            let mut noted_in =
                transaction.prepare_cached("SELECT run FROM unidentified WHERE connection = ? AND dn = ?")?;
            let mut note = transaction.prepare_cached(
                "INSERT INTO unidentified (connection, dn, kind, reason, since, run, controller)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, (SELECT controller FROM run WHERE id = ?6))
                 ON CONFLICT (connection, dn) DO UPDATE SET kind = excluded.kind, reason = excluded.reason,
                     run = excluded.run, controller = excluded.controller",
            )?;
            let mut counts = KindCounts::default();
            for Unidentified { kind, dn, reason } in entries {
                let before: Option<RunId> = noted_in
                    .query_row(params![connection, dn], |row| row.get(0))
                    .optional()?;
                note.execute(params![connection, dn, kind, reason, now, run])?;
                if before == Some(run) {
                    // Counted and told of when it came for the first time.
                    continue;
                }
                let told = history::Told {
                    fate: Fate::Unmapped,
                    guid: None,
                    kind: *kind,
                    dn,
                    external_id: None,
                    reason,
                };
                history::tell(transaction, run, &told)?;
                let counts = counts.of(*kind);
                counts.read += 1;
                counts.unmapped += 1;
            }
            history::add(transaction, run, &counts)
        })
    }
}

/// Forgets what could not be mapped before `run`, which asked for all of it again, and was not found by it; but not what another
/// controller returned, which may not be replicated to this one yet.
pub(super) fn forget_unmapped(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    run: RunId,
) -> Result<(), Fault> {
    for statement in [
        "DELETE FROM unmapped WHERE connection = ?1 AND run <> ?2
             AND (controller IS NULL OR controller IS (SELECT controller FROM run WHERE id = ?2))",
        "DELETE FROM unidentified WHERE connection = ?1 AND run <> ?2
             AND (controller IS NULL OR controller IS (SELECT controller FROM run WHERE id = ?2))",
    ] {
        transaction.execute(statement, params![connection, run])?;
    }
    Ok(())
}

/// A row of guid, kind, dn, external_id, reason and since.
pub(super) fn rejection_of(row: &Row<'_>) -> rusqlite::Result<Rejection> {
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
}
