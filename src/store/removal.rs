//! Objects that are gone: concluded all together or, above the threshold, held back all together
//! (R22 to R24).

use std::collections::BTreeMap;

use super::error::StoreFault;
use super::removal_decision::{
    IS_LISTED, Leaving, RemovalConclusion, RemovalDecision, RemovalExcess, RemovalLimits, is_gone,
};
use super::run_basis::unchanged_run;
use super::sql::{Sql, values};
use super::{ConnectionId, KindCounts, RunId, Store, StoreError, history, ownership, remove};
use crate::failpoint::Commit;
use crate::identity::Kind;

impl Store {
    /// Decides on everything that `run` found gone ([`Store::note_verdicts`]), and on every asset
    /// whose object has another id now, in one transaction: all of it is removed, or nothing. A
    /// removed object leaves `object`, and what of it waits on the stage is dropped. Its asset is
    /// listed as removed if upstream holds or may hold it and no other live object claims its id
    /// (R37). `marked` gives the asset that says so to upstream, made of the last one, where it is
    /// to be sent. Objects that wait for the asset of another are then recorded as rejected.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written; then nothing is decided.
    pub fn conclude_removals(
        &self,
        run: RunId,
        decision: &RemovalDecision,
        marked: impl Fn(Kind, &str) -> Option<String>,
        now: i64,
    ) -> Result<RemovalConclusion, StoreError> {
        let commit = match decision {
            RemovalDecision::Threshold(_) => Commit::Conclude,
            RemovalDecision::Approved(_) => Commit::Approve,
        };
        self.write(commit, |sql| {
            let connection = unchanged_run(sql, run)?;
            let gone = gone(sql, connection, run)?;
            let mut conclusion = RemovalConclusion::default();
            match decision {
                RemovalDecision::Threshold(limits) => {
                    conclusion.excess = excess(sql, connection, limits, &gone)?;
                }
                RemovalDecision::Approved(list) => {
                    conclusion.refused = !is_confirmed(sql, connection, run)?
                        || remove::held_list(sql, connection)?.as_deref() != Some(list);
                }
            }
            let is_held = !conclusion.excess.is_empty();
            if is_held {
                hold(sql, connection, run, &gone, now, &mut conclusion.counts)?;
            }
            let leaving = match decision {
                RemovalDecision::Approved(_) => Leaving::Held,
                RemovalDecision::Threshold(_) if is_held => Leaving::Listed,
                RemovalDecision::Threshold(_) => Leaving::All,
            };
            let is_any = is_any_listed(sql, connection, run)? || (!is_held && !gone.is_empty());
            if !conclusion.refused && is_any {
                let removing = remove::RemovalTransaction {
                    sql,
                    connection,
                    run,
                    now,
                };
                removing.remove(leaving, &marked, &mut conclusion)?;
            }
            if let RemovalDecision::Threshold(_) = decision {
                ownership::record_conflicts(sql, connection, run, &mut conclusion.counts)?;
            }
            history::add_counts(sql, run, &conclusion.counts)?;
            Ok(conclusion)
        })
    }
}

/// Returns whether removals were sent late, which count for no threshold: they were let through
/// before.
fn is_any_listed(sql: &dyn Sql, connection: ConnectionId, run: RunId) -> Result<bool, StoreFault> {
    if !sql.is_shared() {
        return Ok(false);
    }
    let count: i64 = sql.value(
        &format!(
            "SELECT count(*) FROM recheck AS r WHERE {} AND {IS_LISTED}",
            is_gone("$1", "$2")
        ),
        values![connection, run],
    )?;
    Ok(count > 0)
}

/// Counts what is gone, by kind.
fn gone(sql: &dyn Sql, connection: ConnectionId, run: RunId) -> Result<BTreeMap<Kind, u64>, StoreFault> {
    let gone = sql.rows(
        &format!(
            "SELECT r.kind, count(*) AS objects FROM recheck AS r WHERE {} AND NOT {IS_LISTED} GROUP BY r.kind",
            is_gone("$1", "$2")
        ),
        values![connection, run],
        |row| Ok((row.get("kind")?, row.count("objects")?)),
    )?;
    Ok(gone.into_iter().collect())
}

/// Returns `true` when `run` confirmed everything that is held back.
fn is_confirmed(sql: &dyn Sql, connection: ConnectionId, run: RunId) -> Result<bool, StoreFault> {
    let unconfirmed: i64 = sql.value(
        "SELECT count(*) FROM recheck WHERE connection = $1 AND held_at IS NOT NULL AND why = 'missing'
             AND run IS DISTINCT FROM $2",
        values![connection, run],
    )?;
    Ok(unconfirmed == 0)
}

/// Holds back everything that is gone.
fn hold(
    sql: &dyn Sql,
    connection: ConnectionId,
    run: RunId,
    gone: &BTreeMap<Kind, u64>,
    now: i64,
    counts: &mut KindCounts,
) -> Result<(), StoreFault> {
    sql.execute(
        &format!(
            "UPDATE recheck SET held_at = $1 WHERE held_at IS NULL
                 AND id IN (SELECT r.id FROM recheck AS r WHERE {} AND NOT {IS_LISTED})",
            is_gone("$2", "$3")
        ),
        values![now, connection, run],
    )?;
    for (kind, gone) in gone {
        counts.of(*kind).held = *gone;
    }
    let list = remove::held_list(sql, connection)?;
    sql.execute("UPDATE run SET held_list = $1 WHERE id = $2", values![list, run])?;
    Ok(())
}

/// Returns the kinds above the threshold.
fn excess(
    sql: &dyn Sql,
    connection: ConnectionId,
    limits: &RemovalLimits,
    gone: &BTreeMap<Kind, u64>,
) -> Result<Vec<RemovalExcess>, StoreFault> {
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let known: BTreeMap<Kind, u64> = sql
        .rows(
            "SELECT kind, count(*) AS objects FROM object WHERE connection = $1 GROUP BY kind",
            values![connection],
            |row| Ok((row.get("kind")?, row.count("objects")?)),
        )?
        .into_iter()
        .collect();
    let found = gone.iter().map(|(kind, gone)| RemovalExcess {
        kind: *kind,
        gone: *gone,
        known: known.get(kind).copied().unwrap_or_default(),
    });
    Ok(found.filter(|found| limits.are_exceeded_by(found)).collect())
}

impl RemovalLimits {
    /// Returns `true` when that much may not be removed without asking.
    pub(super) fn are_exceeded_by(&self, found: &RemovalExcess) -> bool {
        let share = if self.empty.contains(&found.kind) {
            self.max_percent < 100
        } else {
            u128::from(found.gone) * 100 > u128::from(found.known) * u128::from(self.max_percent)
        };
        found.gone > self.max_count || share
    }
}
