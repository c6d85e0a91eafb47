//! What must outlive a crash: connections with their state, runs, watermarks, the stage, and what upstream holds.
//!
//! Invariants, kept by one transaction each:
//! - A watermark is never ahead of what is staged: it commits together with the last page of its read (R3).
//! - The stage holds at most one asset an object, the latest version; it leaves only when upstream accepted that very
//!   version, or when it turned out to be what upstream holds anyway (R17, R18).
//! - `object` says what upstream accepted last. While a version was handed out and its fate is unknown, the row on the
//!   stage remembers that (`stage.sent`), so that a return to the accepted version is sent as well.
//! - What a read missed is noted together with its watermark, and stays noted until the object is found or removed (R22). An
//!   object is in `object` or in `removed`, never in both.
//! - The history of a run grows with what it does, in the same transactions: it is true also of a run that was killed.
//! - Two versions of one object are never out at the same time: [`Store::next_batch`] waits before an object whose
//!   earlier version has no answer yet.
//!
//! One SQLite file. Methods block on the disk: call them on a thread that may block. Times are Unix seconds and come in
//! as arguments.

mod answer;
mod candidate;
mod connection;
mod container;
mod cookie;
mod delivery;
mod error;
mod guid_set;
mod history;
mod intake;
mod inventory;
mod lock;
mod membership;
mod newcomers;
mod object;
mod open;
mod put;
mod removal;
mod run;
mod scratch;
mod slice;
mod stage;
mod value;
mod waiting;
mod watermark;
mod witness;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Transaction, TransactionBehavior};

use crate::failpoint::{self, Commit, Point, Progress};
use crate::identity::Guid;
use error::Fault;
use newcomers::Newcomers;

pub use candidate::{Candidate, ReadEnd, Verdict, Which};
pub use connection::Connection;
pub use container::Container;
pub use cookie::Cookie;
pub use delivery::{Answered, Item, Room};
pub use error::StoreError;
pub use guid_set::GuidSet;
pub use history::RunObject;
pub use inventory::{NoPlace, RejectionPlace, Waiting};
pub use lock::{LockError, RunLock};
pub use membership::{Astray, GroupNames, Memberships};
pub use object::Object;
pub use open::{BUSY_TIMEOUT, SCHEMA_VERSION};
pub use removal::{Conclusion, Decision, Excess, Limits, Removal};
pub use run::{Phases, Run, RunEnd, RunPlan};
pub use slice::{Found, Slice, Unfinished};
pub use stage::{Reading, Staged};
pub use value::{ConnectionId, Counts, Fate, KindCounts, Outcome, RunId, RunMode, State};
pub use waiting::{Origin, Pending, Rejection, Unidentified};
pub use watermark::{Reached, Watermark};

/// What the file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Runs: the file is created or migrated when needed.
    ReadWrite,
    /// Looking: no file is an error, and so is one that would have to be migrated.
    ReadOnly,
    /// Dry runs: everything works as in [`Access::ReadWrite`], starting from what the file holds (or from nothing), and
    /// nothing is stored. Other processes are not kept from writing.
    Scratch,
}

/// The state file, opened. Shared by reference between threads; one call at a time.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    inner: Mutex<Inner>,
    /// What the first read of the file has met; taken before `inner`.
    newcomers: Mutex<Option<Newcomers>>,
}

#[derive(Debug)]
struct Inner {
    sql: rusqlite::Connection,
    in_flight: Flights,
}

/// What is in flight of each object.
type Flights = BTreeMap<(ConnectionId, Guid), InFlight>;

/// A version handed out by [`Store::next_batch`] and not settled yet. Lost with the process, on purpose: nothing is in
/// flight then, and `stage.sent` still says that the version may have arrived.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    seq: i64,
    /// `stage.sent` before the version was handed out.
    sent_before: i64,
}

impl Store {
    /// Opens the state file at `path`. With [`Access::ReadWrite`] a missing file is created with mode 0600, its missing
    /// directory with 0700.
    ///
    /// # Errors
    /// Every case of [`StoreError`] but `Transition` and `Unknown`.
    pub fn open(path: &Path, access: Access) -> Result<Self, StoreError> {
        let sql = open::opened(path, access)?;
        Ok(Self {
            path: path.to_owned(),
            inner: Mutex::new(Inner {
                sql,
                in_flight: Flights::new(),
            }),
            newcomers: Mutex::default(),
        })
    }

    /// The path that the store was opened with.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets SQLite look through the whole file, without comparing indexes with tables: a second or so a gigabyte.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first findings.
    pub fn check(&self) -> Result<(), StoreError> {
        let findings: Vec<String> = self.read(|sql| {
            let mut check = sql.prepare("PRAGMA quick_check(5)")?;
            let findings = check.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(findings)
        })?;
        if findings == ["ok"] {
            return Ok(());
        }
        Err(StoreError::Corrupt {
            path: self.path.clone(),
            cause: findings.join("; "),
        })
    }

    /// A panic of another thread leaves no half-written state: its transaction was rolled back when it unwound.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, read: impl FnOnce(&rusqlite::Connection) -> Result<T, Fault>) -> Result<T, StoreError> {
        read(&self.inner().sql).map_err(|fault| fault.at(&self.path))
    }

    /// Runs `write` in the transaction `commit`, which takes the write lock at once: a read turned write could fail halfway.
    fn write<T>(
        &self,
        commit: Commit,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.write_in_flight(commit, |transaction, _| {
            let value = write(transaction)?;
            Ok((value, |_: &mut Flights| ()))
        })
    }

    /// As [`Self::write`], with what is in flight. `write` also gives what changes of that once the transaction is committed.
    fn write_in_flight<T, Change: FnOnce(&mut Flights)>(
        &self,
        commit: Commit,
        write: impl FnOnce(&Transaction<'_>, &Flights) -> Result<(T, Change), Fault>,
    ) -> Result<T, StoreError> {
        let mut inner = self.inner();
        let Inner { sql, in_flight } = &mut *inner;
        let result = (|| {
            let transaction = sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
            failpoint::pass(Point::In(commit, Progress::Begun));
            let (value, change) = write(&transaction, in_flight)?;
            failpoint::pass(Point::In(commit, Progress::Written));
            transaction.commit()?;
            failpoint::pass(Point::In(commit, Progress::Committed));
            change(in_flight);
            Ok(value)
        })();
        result.map_err(|fault: Fault| fault.at(&self.path))
    }
}

#[cfg(test)]
mod tests;
