//! Objects that may be gone: noted with the watermark of the read that missed them, kept until it
//! is certain (R22).

use super::error::StoreFault;
use super::run_basis::unchanged_run;
use super::sql::{Class, Sql, SqlTable, values};
use super::witness;
use super::{ConnectionId, ReadEnd, RunId, Store, StoreError};
use crate::failpoint::Commit;
use crate::identity::{Guid, Kind};

/// An object that may be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovalCandidate {
    /// objectGUID.
    pub guid: Guid,
    /// Its kind.
    pub kind: Kind,
    /// Its last DN.
    pub dn: String,
    /// Reason for the verdict of the last look-up.
    pub reason: Option<String>,
}

/// Result of the look-up of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupVerdict {
    /// In scope: it is staged as any other object, and with that is no candidate any more.
    Present,
    /// Gone, and why.
    Gone(String),
    /// The controller returns no such object, which proves nothing ([`Store::proven_by_absence`]),
    /// and why: it is kept.
    Missed(String),
    /// Neither there nor gone for certain, and why: it is kept, and looked up again by the next
    /// run.
    Unclear(String),
}

/// Selection of candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateSelection {
    /// All.
    Every,
    /// The ones that the threshold holds back (R23).
    Held,
}

/// Objects that a read missed (schema/sqlite_temporary.sql).
const MISSED: SqlTable = SqlTable {
    name: "missed",
    columns: &[("guid", Class::Blob)],
};

impl Store {
    /// Returns `true` when no object of the connection is known.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn knows_nothing(&self, connection: ConnectionId) -> Result<bool, StoreError> {
        self.read(|sql| {
            let any: bool = sql.value(
                "SELECT CASE WHEN EXISTS (SELECT 1 FROM object WHERE connection = $1) THEN 1 ELSE 0 END",
                values![connection],
            )?;
            Ok(!any)
        })
    }

    /// Returns those of `guids` that are known objects of these kinds.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn known_among(
        &self,
        connection: ConnectionId,
        kinds: &[Kind],
        guids: &[Guid],
    ) -> Result<Vec<Guid>, StoreError> {
        self.read(|sql| {
            let mut known = Vec::new();
            for guid in guids {
                let kind: Option<Kind> = sql.first(
                    "SELECT kind FROM object WHERE connection = $1 AND guid = $2",
                    values![connection, guid],
                    |row| row.get(0),
                )?;
                if kind.is_some_and(|kind| kinds.contains(&kind)) {
                    known.push(*guid);
                }
            }
            Ok(known)
        })
    }

    /// Returns the first `limit` candidates of these kinds whose GUID comes after `after`, by GUID.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn candidates(
        &self,
        connection: ConnectionId,
        kinds: &[Kind],
        which: CandidateSelection,
        after: Option<Guid>,
        limit: usize,
    ) -> Result<Vec<RemovalCandidate>, StoreError> {
        let after: &[u8] = after.as_ref().map_or(&[], |guid| guid.as_bytes());
        self.read(|sql| {
            let mut candidates = Vec::new();
            sql.query(
                "SELECT guid, kind, dn, reason FROM recheck
                 WHERE connection = $1 AND why = 'missing' AND asset IS NULL AND guid > $2
                     AND ($3 = 0 OR held_at IS NOT NULL) ORDER BY guid",
                values![connection, after, which == CandidateSelection::Held],
                &mut |row| {
                    let candidate = RemovalCandidate {
                        guid: row.get("guid")?,
                        kind: row.get("kind")?,
                        dn: row.get("dn")?,
                        reason: row.get("reason")?,
                    };
                    if kinds.contains(&candidate.kind) {
                        candidates.push(candidate);
                    }
                    Ok(candidates.len() < limit)
                },
            )?;
            Ok(candidates)
        })
    }

    /// Records the results of look-ups by `run`. An object that is no longer gone is no longer held
    /// back either.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn note_verdicts(
        &self,
        run: RunId,
        verdicts: &[(Guid, LookupVerdict)],
        now: i64,
    ) -> Result<(), StoreError> {
        self.write(Commit::NoteVerdicts, |sql| {
            let connection = unchanged_run(sql, run)?;
            let controller = witness::controller_of(sql, run)?;
            for (guid, verdict) in verdicts {
                if let (Some(controller), LookupVerdict::Missed(_)) = (controller, verdict) {
                    witness::record_missed(sql, connection, controller, *guid, now)?;
                }
                let (verdict, reason) = match verdict {
                    LookupVerdict::Present => (None, None),
                    LookupVerdict::Gone(reason) => (Some("gone"), Some(reason)),
                    LookupVerdict::Missed(reason) | LookupVerdict::Unclear(reason) => {
                        (Some("unclear"), Some(reason))
                    }
                };
                sql.execute(
                    "UPDATE recheck SET verdict = $1, reason = $2, run = $3,
                         held_at = CASE WHEN $1 = 'gone' THEN held_at ELSE NULL END
                     WHERE connection = $4 AND why = 'missing' AND guid = $5 AND asset IS NULL",
                    values![verdict, reason, run, connection, guid],
                )?;
            }
            Ok(())
        })
    }
}

/// Records everything that the read missed, and what of that its controller never returned (R22).
/// To be called before its watermark is stored.
pub(super) fn record_missing(
    sql: &dyn Sql,
    connection: ConnectionId,
    end: &ReadEnd,
    now: i64,
) -> Result<(), StoreFault> {
    let mut missed = end.missed.clone();
    if let Some(met) = end.met.as_ref().filter(|met| !met.is_everything()) {
        sql.query(
            "SELECT guid, kind FROM object WHERE connection = $1",
            values![connection],
            &mut |row| {
                let guid: Guid = row.get(0)?;
                if !met.contains(guid) && end.kinds.contains(&row.get(1)?) {
                    missed.push(guid);
                }
                Ok(true)
            },
        )?;
    }
    if missed.is_empty() {
        return Ok(());
    }
    sql.clear(&MISSED)?;
    sql.insert(&MISSED, &mut |insert| {
        missed.iter().try_for_each(|guid| insert(values![guid]))
    })?;
    sql.execute(
        "INSERT INTO recheck (connection, why, guid, kind, dn, since)
         SELECT DISTINCT o.connection, 'missing', o.guid, o.kind, o.dn, $1
         FROM missed AS m JOIN object AS o ON o.guid = m.guid WHERE o.connection = $2
         ON CONFLICT (connection, why, guid) WHERE guid IS NOT NULL AND asset IS NULL DO NOTHING",
        values![now, connection],
    )?;
    sql.execute(
        &format!(
            "INSERT INTO missed_on (connection, guid, controller, since)
             SELECT DISTINCT o.connection, o.guid, $1, $2
             FROM missed AS m JOIN object AS o ON o.guid = m.guid
             WHERE o.connection = $3 AND NOT {}
             ON CONFLICT (connection, guid, controller) DO NOTHING",
            witness::returned_by("$3", "$1")
        ),
        values![end.watermark.controller, now, connection],
    )?;
    Ok(())
}
