//! Objects that are gone: concluded all together or, above the threshold, held back all together (R22 to R24).

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Params, Row, Transaction, named_params, params};
use sha2::{Digest, Sha256};

use super::error::Fault;
use super::put::{self, LastWord};
use super::run::open_run;
use super::value::count;
use super::{ConnectionId, Fate, KindCounts, RunId, Store, StoreError, history, witness};
use crate::failpoint::Commit;
use crate::identity::{Guid, Kind};

/// Removals taken from the table at a time: each carries an asset.
const CHUNK: usize = 500;

/// What may be removed without asking (R23).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Objects of one kind.
    pub max_count: u64,
    /// Percent of the known objects of one kind, 0 to 100.
    pub max_percent: u8,
    /// Kinds of which a full read gave no object at all: their removals count as 100 %.
    pub empty: Vec<Kind>,
}

/// Who decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The threshold, over everything that the run found gone.
    Threshold(Limits),
    /// Somebody approved the held list with this digest.
    Approved(String),
}

/// What a kind came to that is above the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    /// The kind.
    pub kind: Kind,
    /// Objects gone.
    pub gone: u64,
    /// Objects known before, those included.
    pub known: u64,
}

/// What became of the objects that a run found gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conclusion {
    /// `removed` and `held`, by kind.
    pub counts: KindCounts,
    /// The kinds above the threshold; when there is one, nothing of any kind was removed.
    pub excess: Vec<Excess>,
    /// Assets staged to tell upstream.
    pub staged: u64,
    /// The approved list is not the one that is held any more: nothing was removed.
    pub refused: bool,
}

/// An object that is gone, that is held back, or that is not decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// Its place in the list, for the next page.
    pub place: i64,
    /// objectGUID.
    pub guid: Guid,
    /// Its kind.
    pub kind: Kind,
    /// Where it was.
    pub dn: String,
    /// `externalAssetId` of its asset, where it is removed.
    pub external_id: Option<String>,
    /// Why it counts as gone, or why that is not clear.
    pub reason: String,
    /// When it was removed, held back for the first time, or missed, Unix seconds.
    pub at: i64,
    /// The run that removed it.
    pub run: Option<i64>,
    /// When upstream accepted the asset that says so.
    pub sent_at: Option<i64>,
}

impl Store {
    /// Decides on everything that `run` found gone ([`Store::note_verdicts`]), in one transaction: all of it is removed, or
    /// nothing. A removed object leaves `object`, and what of it waits on the stage is dropped: it is no object in scope any
    /// more. It is listed as removed if upstream holds or may hold an asset of it. `marked` gives the asset that tells
    /// upstream, made of the last one, where there is something to tell; it takes the place on the stage.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written; then nothing is decided.
    pub fn conclude_removals(
        &self,
        run: RunId,
        decision: &Decision,
        marked: impl Fn(Kind, &str) -> Option<String>,
        now: i64,
    ) -> Result<Conclusion, StoreError> {
        let commit = match decision {
            Decision::Threshold(_) => Commit::Conclude,
            Decision::Approved(_) => Commit::Approve,
        };
        self.write(commit, |transaction| {
            let connection = open_run(transaction, run)?;
            let gone = gone(transaction, connection, run)?;
            let mut conclusion = Conclusion::default();
            match decision {
                Decision::Threshold(limits) if !gone.is_empty() => {
                    conclusion.excess = excess(transaction, connection, limits, &gone)?;
                }
                Decision::Threshold(_) => return Ok(conclusion),
                Decision::Approved(list) => {
                    let unconfirmed: i64 = transaction.query_row(
                        "SELECT count(*) FROM candidate WHERE connection = ? AND held_at IS NOT NULL
                             AND examined IS NOT ?",
                        params![connection, run],
                        |row| row.get(0),
                    )?;
                    conclusion.refused =
                        unconfirmed > 0 || digest(transaction, connection)?.as_deref() != Some(list);
                    if conclusion.refused {
                        return Ok(conclusion);
                    }
                }
            }
            if !conclusion.excess.is_empty() {
                transaction.execute(
                    "UPDATE candidate SET held_at = coalesce(held_at, :now)
                     WHERE connection = :connection AND verdict = 'gone' AND examined = :run",
                    named_params! { ":now": now, ":connection": connection, ":run": run },
                )?;
                for (kind, gone) in gone {
                    conclusion.counts.of(kind).held = gone;
                }
                history::add(transaction, run, &conclusion.counts)?;
                transaction.execute(
                    "UPDATE run SET held_list = ? WHERE id = ?",
                    params![digest(transaction, connection)?, run],
                )?;
                return Ok(conclusion);
            }
            let removing = Removing {
                transaction,
                connection,
                run,
                controller: witness::controller_of(transaction, run)?,
                now,
            };
            removing.all(&marked, &mut conclusion)?;
            history::add(transaction, run, &conclusion.counts)?;
            Ok(conclusion)
        })
    }

    /// Names the list of the objects held back: the same list has the same name, any other one another. `None` when
    /// nothing is held back.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn held_list(&self, connection: ConnectionId) -> Result<Option<String>, StoreError> {
        self.read(|sql| digest(sql, connection))
    }

    /// `limit` candidates whose place comes after `after`: those held back, or those not decided.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn undecided(
        &self,
        connection: ConnectionId,
        held: bool,
        after: Option<Guid>,
        limit: usize,
    ) -> Result<Vec<Removal>, StoreError> {
        self.listed(
            "SELECT 0 AS place, guid, kind, dn, NULL AS external_id,
                 coalesce(reason, 'not looked up yet') AS reason, coalesce(held_at, since) AS at,
                 NULL AS run, NULL AS sent_at
             FROM candidate WHERE connection = ? AND guid > coalesce(?, x'') AND (held_at IS NOT NULL) = ?
             ORDER BY guid LIMIT ?",
            params![connection, after, held, rows(limit)],
        )
    }

    /// `limit` removed objects, newest first, from behind the place `before`; of one run only where that is given.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn removed(
        &self,
        connection: ConnectionId,
        run: Option<RunId>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Removal>, StoreError> {
        self.listed(
            "SELECT id AS place, guid, kind, dn, external_id, reason, removed_at AS at, run, sent_at
             FROM removed WHERE connection = ? AND id < coalesce(?, 9223372036854775807)
                 AND coalesce(run = ?, TRUE) ORDER BY id DESC LIMIT ?",
            params![connection, before, run, rows(limit)],
        )
    }

    fn listed(&self, statement: &str, parameters: impl Params) -> Result<Vec<Removal>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(statement)?;
            let found = statement.query_map(parameters, removal_of)?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    /// The last asset of a removed object.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn removed_asset(&self, connection: ConnectionId, guid: Guid) -> Result<Option<String>, StoreError> {
        self.read(|sql| {
            Ok(sql
                .prepare_cached("SELECT asset FROM removed WHERE connection = ? AND guid = ?")?
                .query_row(params![connection, guid], |row| row.get(0))
                .optional()?)
        })
    }

    /// How many objects of each kind are removed (first) and held back (second); a kind without any is missing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn removal_counts(&self, connection: ConnectionId) -> Result<BTreeMap<Kind, (u64, u64)>, StoreError> {
        self.read(|sql| {
            let mut statement = sql.prepare_cached(
                "SELECT kind, sum(removed) AS removed, sum(held) AS held FROM (
                     SELECT kind, 1 AS removed, 0 AS held FROM removed WHERE connection = :connection
                     UNION ALL
                     SELECT kind, 0, 1 FROM candidate WHERE connection = :connection AND held_at IS NOT NULL)
                 GROUP BY kind",
            )?;
            let counts = statement.query_map(named_params! { ":connection": connection }, |row| {
                Ok((row.get("kind")?, (count(row, "removed")?, count(row, "held")?)))
            })?;
            Ok(counts.collect::<Result<_, _>>()?)
        })
    }
}

/// A limit as SQL takes it.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn removal_of(row: &Row<'_>) -> rusqlite::Result<Removal> {
    Ok(Removal {
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

/// How many objects of each kind `run` found gone. A verdict of an earlier run counts no more.
fn gone(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    run: RunId,
) -> Result<BTreeMap<Kind, u64>, Fault> {
    let mut statement = transaction.prepare_cached(
        "SELECT kind, count(*) AS count FROM candidate
         WHERE connection = ? AND verdict = 'gone' AND examined = ? GROUP BY kind",
    )?;
    let gone = statement.query_map(params![connection, run], |row| {
        Ok((row.get("kind")?, count(row, "count")?))
    })?;
    Ok(gone.collect::<Result<_, _>>()?)
}

/// The kinds above the threshold.
fn excess(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    limits: &Limits,
    gone: &BTreeMap<Kind, u64>,
) -> Result<Vec<Excess>, Fault> {
    let mut statement = transaction.prepare_cached(
        "SELECT kind, count(*) AS count FROM expected WHERE +connection = :connection GROUP BY kind",
    )?;
    let known: BTreeMap<Kind, u64> = statement
        .query_map(named_params! { ":connection": connection }, |row| {
            Ok((row.get("kind")?, count(row, "count")?))
        })?
        .collect::<Result<_, _>>()?;
    let found = gone.iter().map(|(kind, gone)| Excess {
        kind: *kind,
        gone: *gone,
        known: known.get(kind).copied().unwrap_or_default(),
    });
    Ok(found.filter(|found| limits.are_exceeded_by(found)).collect())
}

impl Limits {
    /// Whether that much may not be removed without asking.
    pub(super) fn are_exceeded_by(&self, found: &Excess) -> bool {
        let share = if self.empty.contains(&found.kind) {
            self.max_percent < 100
        } else {
            u128::from(found.gone) * 100 > u128::from(found.known) * u128::from(self.max_percent)
        };
        found.gone > self.max_count || share
    }
}

/// The name of the held list: 12 hex digits of the SHA-256 of its GUIDs in order.
fn digest(sql: &rusqlite::Connection, connection: ConnectionId) -> Result<Option<String>, Fault> {
    let mut statement = sql.prepare_cached(
        "SELECT guid FROM candidate WHERE connection = ? AND held_at IS NOT NULL ORDER BY guid",
    )?;
    let mut rows = statement.query([connection])?;
    let mut hash = Sha256::new();
    let mut any = false;
    while let Some(row) = rows.next()? {
        hash.update(row.get_ref(0)?.as_blob()?);
        any = true;
    }
    let octets = hash.finalize();
    let name: String = octets
        .iter()
        .take(6)
        .map(|octet| format!("{octet:02x}"))
        .collect();
    Ok(any.then_some(name))
}

/// One of the objects that are being removed.
struct Leaving {
    guid: Guid,
    kind: Kind,
    dn: String,
    external_id: Option<String>,
    /// Its row in `object`.
    card: Option<i64>,
    reason: String,
    asset: Option<String>,
    held_upstream: bool,
    /// `stage.sent` of what waits: 0 when nothing of it is out.
    sent: i64,
}

struct Removing<'t> {
    transaction: &'t Transaction<'t>,
    connection: ConnectionId,
    run: RunId,
    controller: Option<Guid>,
    now: i64,
}

impl Removing<'_> {
    fn all(
        &self,
        marked: impl Fn(Kind, &str) -> Option<String>,
        conclusion: &mut Conclusion,
    ) -> Result<(), Fault> {
        let mut after: Option<Guid> = None;
        loop {
            let leaving = self.chunk(after)?;
            let Some(last) = leaving.last() else { break };
            after = Some(last.guid);
            for one in leaving {
                self.one(&one, &marked, conclusion)?;
            }
        }
        self.transaction.execute(
            "DELETE FROM candidate WHERE connection = ? AND verdict = 'gone' AND examined = ?",
            params![self.connection, self.run],
        )?;
        Ok(())
    }

    fn chunk(&self, after: Option<Guid>) -> Result<Vec<Leaving>, Fault> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT c.guid, c.kind, coalesce(k.dn, c.dn) AS dn, c.reason, k.external_id, k.id AS card,
                 (SELECT json FROM text WHERE text.id = coalesce(k.asset, s.asset)) AS asset,
                 k.fingerprint IS NOT NULL OR coalesce(s.sent, 0) <> 0 OR k.returned = 1 AS held_upstream, coalesce(s.sent, 0) AS sent
             FROM candidate AS c
             LEFT JOIN card AS k ON k.connection = c.connection AND k.guid = c.guid
             LEFT JOIN stage AS s ON s.object = k.id AND s.removal = 0
             WHERE c.connection = :connection AND c.guid > coalesce(:after, x'') AND c.verdict = 'gone'
                 AND c.examined = :run ORDER BY c.guid LIMIT :limit",
        )?;
        let leaving = statement.query_map(
            named_params! {
                ":connection": self.connection, ":after": after, ":run": self.run, ":limit": CHUNK as i64,
            },
            |row| {
                Ok(Leaving {
                    guid: row.get("guid")?,
                    kind: row.get("kind")?,
                    dn: row.get("dn")?,
                    external_id: row.get("external_id")?,
                    card: row.get("card")?,
                    reason: row.get("reason")?,
                    asset: row.get("asset")?,
                    held_upstream: row.get("held_upstream")?,
                    sent: row.get("sent")?,
                })
            },
        )?;
        Ok(leaving.collect::<Result<_, _>>()?)
    }

    fn one(
        &self,
        leaving: &Leaving,
        marked: impl Fn(Kind, &str) -> Option<String>,
        conclusion: &mut Conclusion,
    ) -> Result<(), Fault> {
        self.transaction
            .prepare_cached("DELETE FROM unmapped WHERE connection = ? AND guid = ?")?
            .execute(params![self.connection, leaving.guid])?;
        let mut sequence = put::Sequence::of(self.transaction)?;
        let seq = sequence.next();
        sequence.keep()?;
        let object = (leaving.kind, leaving.guid);
        witness::record_removed(self.transaction, self.connection, self.controller, object, seq)?;
        for statement in [
            "DELETE FROM asset WHERE id IN (
                 SELECT asset FROM object WHERE id = ?1 UNION ALL SELECT asset FROM stage WHERE object = ?1)",
            "DELETE FROM stage WHERE object = ?",
            "DELETE FROM object WHERE id = ?",
        ] {
            self.transaction
                .prepare_cached(statement)?
                .execute([leaving.card])?;
        }
        // What never left the stage is no loss to anybody: there is nothing to report.
        let (true, Some(external_id), Some(asset)) =
            (leaving.held_upstream, &leaving.external_id, &leaving.asset)
        else {
            return Ok(());
        };
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO removed (connection, guid, kind, dn, external_id, reason, removed_at, run, asset)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                self.connection,
                leaving.guid,
                leaving.kind,
                leaving.dn,
                external_id,
                leaving.reason,
                self.now,
                self.run,
                asset
            ])?;
        let told = history::Told {
            fate: Fate::Removed,
            guid: Some(leaving.guid),
            kind: leaving.kind,
            dn: &leaving.dn,
            external_id: Some(external_id),
            reason: &leaving.reason,
        };
        history::tell(self.transaction, self.run, &told)?;
        conclusion.counts.of(leaving.kind).removed += 1;
        if let Some(json) = marked(leaving.kind, asset) {
            let word = LastWord {
                guid: leaving.guid,
                kind: leaving.kind,
                dn: &leaving.dn,
                external_id,
                json: &json,
                sent: leaving.sent,
            };
            put::last_word(self.transaction, self.connection, &word, self.now)?;
            conclusion.staged += 1;
        }
        Ok(())
    }
}
