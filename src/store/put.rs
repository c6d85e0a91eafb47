//! Puts versions on the stage. Each has a number of its own, also after its row is gone.

use rusqlite::{Transaction, params};

use super::ConnectionId;
use super::error::Fault;
use super::stage::fingerprint;
use crate::identity::{Guid, Kind};

/// The numbers of what is staged.
pub(super) struct Sequence<'t> {
    transaction: &'t Transaction<'t>,
    last: i64,
}

impl<'t> Sequence<'t> {
    /// Goes on where the last transaction ended.
    pub(super) fn of(transaction: &'t Transaction<'t>) -> Result<Self, Fault> {
        let last = transaction
            .prepare_cached("SELECT seq FROM last_seq")?
            .query_row([], |row| row.get(0))?;
        Ok(Self { transaction, last })
    }

    pub(super) const fn next(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    /// To be called after the last number: in one write for all of them.
    pub(super) fn keep(&self) -> Result<(), Fault> {
        self.transaction
            .prepare_cached("UPDATE last_seq SET seq = ?")?
            .execute([self.last])?;
        Ok(())
    }
}

/// The last word on an object that is gone.
pub(super) struct LastWord<'a> {
    pub(super) guid: Guid,
    pub(super) kind: Kind,
    pub(super) dn: &'a str,
    pub(super) external_id: &'a str,
    /// The asset that says so.
    pub(super) json: &'a str,
    /// The newest version before it whose fate is not known, 0 when there is none.
    pub(super) sent: i64,
}

/// Stages it, of an object that has no row any more.
pub(super) fn last_word(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    word: &LastWord<'_>,
    now: i64,
) -> Result<(), Fault> {
    let card = transaction
        .prepare_cached(
            "INSERT INTO object (connection, guid, kind, dn, external_id) VALUES (?, ?, ?, ?, ?)",
        )?
        .insert(params![
            connection,
            word.guid,
            word.kind,
            word.dn,
            word.external_id
        ])?;
    let text = transaction
        .prepare_cached("INSERT INTO asset (json) VALUES (?)")?
        .insert([word.json])?;
    let mut sequence = Sequence::of(transaction)?;
    transaction
        .prepare_cached(
            "INSERT INTO stage (seq, connection, object, kind, fingerprint, asset, staged_at, sent, removal)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
        )?
        .execute(params![
            sequence.next(),
            connection,
            card,
            word.kind,
            fingerprint(word.json),
            text,
            now,
            word.sent
        ])?;
    sequence.keep()
}
