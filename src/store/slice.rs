//! A full read that has not come to its end: what it was begun with, and the slices of it that are staged. The next full
//! read goes on from there.
//!
//! Invariant kept here: a slice is remembered in the transaction that stages the last of its objects, or in a later one.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::error::Fault;
use super::run::open_run;
use super::value::{count, stored};
use super::{ConnectionId, Container, GuidSet, KindCounts, Reading, RunId, Store, StoreError};
use crate::failpoint::Commit;
use crate::identity::{Guid, Kind};

/// A full read that has not come to its end.
#[derive(Debug, Clone)]
pub struct Unfinished {
    /// The controller's invocationId.
    pub controller: Guid,
    /// Digest of what is read, as in [`super::Watermark`].
    pub scope: [u8; 32],
    /// highestCommittedUSN from before the read (R1): its slices make up `0..=highest`.
    pub highest: u64,
    /// When it began, Unix seconds.
    pub begun_at: i64,
    /// Where every container of the naming context was then.
    pub containers: Vec<Container>,
    /// What of it is read, and staged.
    pub slices: Vec<Slice>,
}

/// What was read of a range of uSNChanged.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Every object.
    pub guids: GuidSet,
    /// Kinds of which there was any object.
    pub kinds: BTreeSet<Kind>,
    /// Distinguished names of what holds some of the objects, and is no container by class.
    pub parents: BTreeSet<String>,
}

/// A range of uSNChanged that was read to its end.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The range.
    pub usns: RangeInclusive<u64>,
    /// What is in it.
    pub found: Found,
}

impl Store {
    /// Notes what a full read begins with, in the place of an earlier one that did not come to its end.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn begin_full_read(&self, run: RunId, begun: &Unfinished) -> Result<(), StoreError> {
        self.write(Commit::BeginFullRead, |transaction| {
            let connection = open_run(transaction, run)?;
            forget(transaction, connection)?;
            transaction.execute(
                "INSERT INTO unfinished_read (connection, controller, scope, highest, begun_at) VALUES (?, ?, ?, ?, ?)",
                params![connection, begun.controller, begun.scope, stored(begun.highest), begun.begun_at],
            )?;
            let mut put = transaction.prepare_cached(
                "INSERT OR REPLACE INTO unfinished_container (connection, guid, dn) VALUES (?, ?, ?)",
            )?;
            for container in &begun.containers {
                put.execute(params![connection, container.guid, container.dn])?;
            }
            remember(transaction, connection, &begun.slices)
        })
    }

    /// As [`Store::stage_page`]; `slices` of the full read that was begun last end with this page, or ended before it.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written: then nothing of the page is stored.
    pub fn stage_slices(
        &self,
        run: RunId,
        page: &[Reading],
        resend: bool,
        slices: &[Slice],
        now: i64,
    ) -> Result<KindCounts, StoreError> {
        self.take_in(
            Commit::StagePage,
            run,
            page,
            resend,
            now,
            |transaction, connection| remember(transaction, connection, slices),
        )
    }

    /// The full read that has not come to its end, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unfinished(&self, connection: ConnectionId) -> Result<Option<Unfinished>, StoreError> {
        self.read(|sql| {
            let mut begun = sql.prepare_cached("SELECT * FROM unfinished_read WHERE connection = ?")?;
            let begun = begun.query_row([connection], |row| {
                Ok(Unfinished {
                    controller: row.get("controller")?,
                    scope: row.get("scope")?,
                    highest: count(row, "highest")?,
                    begun_at: row.get("begun_at")?,
                    containers: Vec::new(),
                    slices: Vec::new(),
                })
            });
            let Some(mut begun) = begun.optional()? else {
                return Ok(None);
            };
            let mut containers = sql.prepare_cached(
                "SELECT guid, dn FROM unfinished_container WHERE connection = ? ORDER BY guid",
            )?;
            let containers = containers.query_map([connection], |row| {
                Ok(Container {
                    guid: row.get(0)?,
                    dn: row.get(1)?,
                })
            })?;
            begun.containers = containers.collect::<Result<_, _>>()?;
            let mut slices = sql.prepare_cached(
                "SELECT low, high, kinds, parents, met FROM slice WHERE connection = ? ORDER BY low",
            )?;
            let slices = slices.query_map([connection], slice_of)?;
            begun.slices = slices.collect::<Result<_, _>>()?;
            Ok(Some(begun))
        })
    }
}

fn remember(transaction: &Transaction<'_>, connection: ConnectionId, slices: &[Slice]) -> Result<(), Fault> {
    let mut put = transaction.prepare_cached(
        "INSERT INTO slice (connection, low, high, kinds, parents, met) VALUES (?, ?, ?, ?, ?, ?)",
    )?;
    for Slice { usns, found } in slices {
        let kinds: Vec<&str> = found.kinds.iter().map(|kind| kind.name()).collect();
        put.execute(params![
            connection,
            stored(*usns.start()),
            stored(*usns.end()),
            kinds.join(" "),
            serde_json::json!(found.parents).to_string(),
            found.guids.to_bytes(),
        ])?;
    }
    Ok(())
}

/// A row that says something else than it should is an error of the file, as everywhere.
fn slice_of(row: &Row<'_>) -> rusqlite::Result<Slice> {
    let unreadable =
        |column| rusqlite::Error::InvalidColumnType(column, "slice".to_owned(), rusqlite::types::Type::Text);
    let kinds = row.get_ref(2)?.as_str()?.split_whitespace().map(Kind::from_name);
    Ok(Slice {
        usns: count(row, "low")?..=count(row, "high")?,
        found: Found {
            kinds: kinds.collect::<Option<_>>().ok_or_else(|| unreadable(2))?,
            parents: serde_json::from_str(row.get_ref(3)?.as_str()?).map_err(|_| unreadable(3))?,
            guids: GuidSet::from_bytes(row.get_ref(4)?.as_blob()?),
        },
    })
}

/// Forgets a full read that did not come to its end, with its slices.
pub(super) fn forget(transaction: &Transaction<'_>, connection: ConnectionId) -> Result<(), Fault> {
    transaction.execute("DELETE FROM unfinished_read WHERE connection = ?", [connection])?;
    Ok(())
}
