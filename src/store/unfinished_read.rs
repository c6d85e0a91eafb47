//! A full read that has not come to its end: what it was begun with, and the slices of it that are
//! staged. The next full read goes on from there.
//!
//! Invariant kept here: a slice is stored in the transaction that stages the last of its objects,
//! or in a later one.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::container::{self, container_of};
use super::error::StoreFault;
use super::run_basis::unchanged_run;
use super::sql::{Class, Sql, SqlRow, SqlTable, values};
use super::value::stored;
use super::{ConnectionId, Container, KindCounts, ObjectReading, RunId, Store, StoreError};
use crate::failpoint::Commit;
use crate::identity::{Guid, GuidSet, Kind};

/// A full read that has not come to its end.
#[derive(Debug, Clone)]
pub struct UnfinishedRead {
    /// The controller's invocationId.
    pub controller: Guid,
    /// Digest of what is read, as in [`super::Watermark`].
    pub scope: [u8; 32],
    /// highestCommittedUSN from before the read (R1): its slices make up `0..=highest`.
    pub highest: u64,
    /// Time of its beginning, Unix seconds.
    pub begun_at: i64,
    /// Place of every container of the naming context at that time.
    pub containers: Vec<Container>,
    /// Slices of it that are read and staged.
    pub slices: Vec<ReadSlice>,
}

/// Content of a range of uSNChanged.
#[derive(Debug, Clone, Default)]
pub struct SliceContent {
    /// Every object.
    pub guids: GuidSet,
    /// Kinds of which there was any object.
    pub kinds: BTreeSet<Kind>,
    /// Distinguished names of what holds some of the objects, and is no container by class.
    pub parents: BTreeSet<String>,
}

/// A range of uSNChanged that was read to its end.
#[derive(Debug, Clone)]
pub struct ReadSlice {
    /// The range.
    pub usns: RangeInclusive<u64>,
    /// Its content.
    pub found: SliceContent,
}

/// Slices of full reads.
const SLICE: SqlTable = SqlTable {
    name: "slice",
    columns: &[
        ("connection", Class::Integer),
        ("low", Class::Integer),
        ("high", Class::Integer),
        ("kinds", Class::Text),
        ("parents", Class::Text),
        ("met", Class::Blob),
    ],
};

impl Store {
    /// Records what a full read begins with, instead of an earlier one that did not come to its
    /// end.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn begin_full_read(&self, run: RunId, begun: &UnfinishedRead) -> Result<(), StoreError> {
        self.write(Commit::BeginFullRead, |sql| {
            let connection = unchanged_run(sql, run)?;
            forget(sql, connection)?;
            sql.execute(
                "INSERT INTO unfinished_read (connection, controller, scope, highest, begun_at)
                 VALUES ($1, $2, $3, $4, $5)",
                values![
                    connection,
                    begun.controller,
                    begun.scope,
                    stored(begun.highest),
                    begun.begun_at,
                ],
            )?;
            container::put_unfinished(sql, connection, &begun.containers)?;
            remember(sql, connection, &begun.slices)
        })
    }

    /// Stores a page as [`Store::stage_page`] does; `slices` of the full read that was begun last
    /// end with this page, or ended before it.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written: then nothing of the page is stored.
    pub fn stage_slices(
        &self,
        run: RunId,
        page: &[ObjectReading],
        resend: bool,
        slices: &[ReadSlice],
        now: i64,
    ) -> Result<KindCounts, StoreError> {
        self.apply(Commit::StagePage, run, page, resend, now, |sql, connection| {
            remember(sql, connection, slices)
        })
    }

    /// Returns the full read that has not come to its end, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unfinished(&self, connection: ConnectionId) -> Result<Option<UnfinishedRead>, StoreError> {
        self.read(|sql| {
            let begun = sql.first(
                "SELECT controller, scope, highest, begun_at FROM unfinished_read
                 WHERE connection = $1",
                values![connection],
                |row| {
                    Ok(UnfinishedRead {
                        controller: row.get("controller")?,
                        scope: row.get("scope")?,
                        highest: row.count("highest")?,
                        begun_at: row.get("begun_at")?,
                        containers: Vec::new(),
                        slices: Vec::new(),
                    })
                },
            )?;
            let Some(mut begun) = begun else {
                return Ok(None);
            };
            begun.containers = sql.rows(
                "SELECT guid, dn FROM unfinished_container WHERE connection = $1 ORDER BY guid",
                values![connection],
                container_of,
            )?;
            begun.slices = sql.rows(
                "SELECT low, high, kinds, parents, met FROM slice
                 WHERE connection = $1 ORDER BY low",
                values![connection],
                slice_of,
            )?;
            Ok(Some(begun))
        })
    }
}

fn remember(sql: &dyn Sql, connection: ConnectionId, slices: &[ReadSlice]) -> Result<(), StoreFault> {
    sql.insert(&SLICE, &mut |insert| {
        slices.iter().try_for_each(|ReadSlice { usns, found }| {
            let kinds: Vec<&str> = found.kinds.iter().map(|kind| kind.name()).collect();
            insert(values![
                connection,
                stored(*usns.start()),
                stored(*usns.end()),
                kinds.join(" "),
                serde_json::json!(found.parents).to_string(),
                found.guids.to_bytes(),
            ])
        })
    })
}

/// Reads a row of `slice`. One that says something else than it should is an error of the file, as
/// everywhere.
fn slice_of(row: &SqlRow<'_>) -> Result<ReadSlice, StoreFault> {
    let kinds = row.value("kinds")?.text().and_then(kinds_of);
    let parents = row.value("parents")?.text();
    let guids = row.value("met")?.blob().map(GuidSet::from_bytes);
    Ok(ReadSlice {
        usns: row.count("low")?..=row.count("high")?,
        found: SliceContent {
            kinds: kinds.ok_or_else(|| StoreFault::unreadable("slice.kinds"))?,
            parents: parents
                .and_then(|parents| serde_json::from_str(parents).ok())
                .ok_or_else(|| StoreFault::unreadable("slice.parents"))?,
            guids: guids.ok_or_else(|| StoreFault::unreadable("slice.met"))?,
        },
    })
}

/// Reads kinds separated by spaces; `None` when there is no such kind.
fn kinds_of(names: &str) -> Option<BTreeSet<Kind>> {
    names.split_whitespace().map(Kind::from_name).collect()
}

/// Deletes a full read that did not come to its end, with its slices.
pub(super) fn forget(sql: &dyn Sql, connection: ConnectionId) -> Result<(), StoreFault> {
    sql.execute(
        "DELETE FROM unfinished_read WHERE connection = $1",
        values![connection],
    )?;
    Ok(())
}
