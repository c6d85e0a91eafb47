//! Objects that may be gone: noted with the watermark of the read that missed them, kept until it
//! is certain (R22).

use std::collections::{BTreeMap, HashMap};

use super::error::StoreFault;
use super::guid_list::{GuidList, with_given_guids};
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

/// Results of look-ups (schema/sqlite_temporary.sql).
const VERDICT: SqlTable = SqlTable {
    name: "verdict",
    columns: &[
        ("guid", Class::Blob),
        ("word", Class::Text),
        ("reason", Class::Text),
        ("is_missed", Class::Integer),
    ],
};

/// Notes what a controller misses, unless it is noted already.
const MISSED_ON: &str = "
    INSERT INTO missed_on (connection, guid, controller, since)
    SELECT $1, guid, $2, $3 FROM verdict WHERE is_missed = 1
    ON CONFLICT (connection, guid, controller) DO NOTHING";

/// Records the results of look-ups.
const NOTE_VERDICTS: &str = "
    UPDATE recheck SET verdict = v.word, reason = v.reason, run = $1,
        held_at = CASE WHEN v.word = 'gone' THEN recheck.held_at END
    FROM verdict AS v
    WHERE recheck.connection = $2 AND recheck.why = 'missing' AND recheck.guid = v.guid
        AND recheck.asset IS NULL";

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
        let statement = concat!(
            with_given_guids!(),
            "SELECT o.guid, o.kind FROM given AS g CROSS JOIN object AS o
             WHERE o.connection = $2 AND o.guid = g.guid"
        );
        let known: HashMap<Guid, Kind> = self
            .read(|sql| {
                sql.rows(statement, values![GuidList::new(guids), connection], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
            })?
            .into_iter()
            .collect();
        let is_known = |guid: &Guid| known.get(guid).is_some_and(|kind| kinds.contains(kind));
        Ok(guids.iter().copied().filter(is_known).collect())
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
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
        let names = format!(" {} ", names.join(" "));
        let is_held = which == CandidateSelection::Held;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(|sql| {
            sql.rows(
                "SELECT guid, kind, dn, reason FROM recheck
                 WHERE connection = $1 AND why = 'missing' AND asset IS NULL AND guid > $2
                     AND ($3 = 0 OR held_at IS NOT NULL) AND $4 LIKE '% ' || kind || ' %'
                 ORDER BY guid LIMIT $5",
                values![connection, after, is_held, names, limit],
                |row| {
                    Ok(RemovalCandidate {
                        guid: row.get("guid")?,
                        kind: row.get("kind")?,
                        dn: row.get("dn")?,
                        reason: row.get("reason")?,
                    })
                },
            )
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
            fill_verdicts(sql, verdicts)?;
            if let Some(controller) = controller {
                sql.execute(MISSED_ON, values![connection, controller, now])?;
            }
            sql.execute(NOTE_VERDICTS, values![run, connection])?;
            Ok(())
        })
    }
}

/// Writes results of look-ups into their temporary table.
fn fill_verdicts(sql: &dyn Sql, verdicts: &[(Guid, LookupVerdict)]) -> Result<(), StoreFault> {
    let latest: BTreeMap<Guid, &LookupVerdict> =
        verdicts.iter().map(|(guid, verdict)| (*guid, verdict)).collect();
    sql.clear(&VERDICT)?;
    sql.insert(&VERDICT, &mut |insert| {
        latest.iter().try_for_each(|(guid, verdict)| {
            let (word, reason) = match verdict {
                LookupVerdict::Present => (None, None),
                LookupVerdict::Gone(reason) => (Some("gone"), Some(reason)),
                LookupVerdict::Missed(reason) | LookupVerdict::Unclear(reason) => {
                    (Some("unclear"), Some(reason))
                }
            };
            let is_missed = matches!(verdict, LookupVerdict::Missed(_));
            insert(values![guid, word, reason, is_missed])
        })
    })
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
