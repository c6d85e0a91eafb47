//! State that outlives a crash: connections, runs, watermarks, objects of the directory, assets at
//! upstream with their owners, and the stage.
//!
//! Invariants, kept by one transaction each:
//! - A watermark is never ahead of what is staged: it commits together with the last page of its
//!   read (R3).
//! - The stage holds at most one asset an object, the latest version; it leaves only when upstream
//!   accepted that very version, when it turned out to be what upstream holds anyway (R17, R18), or
//!   when the object is to be read again before anything of it is sent.
//! - `asset` says what upstream accepted last under an id. While a version was handed out and its
//!   fate is unknown, `asset.sent` remembers that, so that a return to the accepted version is sent
//!   as well.
//! - An asset has at most one owner, a live object; it is listed as removed only while it has none
//!   (R37).
//! - What a read missed is noted together with its watermark, and stays noted until the object is
//!   found or removed (R22).
//! - The history of a run grows with what it does, in the same transactions: it is true also of a
//!   run that was killed.
//! - Two versions of one asset are never out at the same time: [`Store::next_batch`] gives none of
//!   which another version has no answer yet.
//!
//! The state is one SQLite file with a marker beside it, or a PostgreSQL database. Methods block on
//! the disk: call them on a thread that may block. Times are Unix seconds and come in as arguments.

mod access;
mod advice;
mod batch;
mod bulk_tables;
mod connection;
mod connection_refusal;
mod connection_secret;
mod container;
mod cookie;
mod copy;
mod deletion;
mod error;
mod gateway;
mod guid_list;
mod handed_out;
mod history;
mod inventory;
mod known_object;
mod late_send;
mod lease;
mod lock;
mod marker;
mod object;
mod object_record;
mod open;
mod open_run;
mod ownership;
mod page;
mod page_statements;
mod postgres;
mod read_end;
mod reading;
mod recheck;
mod registration;
mod rejections;
mod removal;
mod removal_decision;
mod remove;
mod removed;
mod requests;
mod retention;
mod review;
mod run;
mod run_basis;
mod run_record;
mod settle;
mod sql;
mod sqlite;
mod stage_page;
mod statement_count;
mod stored_connection;
mod stored_types;
mod tables;
mod target;
mod unfinished_read;
mod unidentified;
mod unsent;
mod value;
mod watermark;
mod witness;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::TransactionBehavior;

use crate::clock;
use crate::config::{Database, StateLocation};
use crate::failpoint::{self, Commit, Point, Progress};
use error::StoreFault;
use marker::StateMarker;
use postgres::PostgresEngine;
use sql::Sql;

pub use access::StoreAccess;
pub use batch::BatchLimits;
pub use connection::ConnectionRow;
pub use connection_refusal::ConnectionRefusal;
pub use connection_secret::{ConnectionSecret, OpenedSecrets, RekeyedSecrets, SecretChange, UnopenedSecret};
pub use cookie::Cookie;
pub use copy::Copied;
pub use error::StoreError;
pub use gateway::GatewayLimits;
pub use handed_out::HandedOutVersion;
pub use history::RunObject;
pub use inventory::{NoPlace, RejectionPlace, WaitingVersion};
pub use known_object::KnownObject;
pub use lease::{LeaseGuard, RunLock};
pub use lock::{FileLock, LockError};
pub use object::{HeldObject, first_value};
pub use object_record::{AcceptedVersion, AssetClaim, FormerAsset, MissedObject, ObjectRecord};
pub use open::{BUSY_TIMEOUT, SCHEMA_VERSION};
pub use postgres::{DatabaseError, DatabaseProblem};
pub use read_end::{Container, ReadEnd, Watermark};
pub use reading::{ObjectReading, StagedAsset};
pub use recheck::{CandidateSelection, LookupVerdict, RemovalCandidate};
pub use rejections::{PendingCounts, RejectedObject, RejectionOrigin};
pub use removal_decision::{RemovalConclusion, RemovalDecision, RemovalExcess, RemovalLimits};
pub use removed::RemovedObject;
pub use requests::{InstanceRow, RequestedRun};
pub use review::ReviewSummary;
pub use run_basis::RunBasis;
pub use run_record::{RunController, RunEnd, RunPhases, RunPlan, RunRow};
pub use settle::SettledBatch;
pub use stored_connection::{ConnectionContent, SecretChanges, StoredConnection};
pub use target::AssetTarget;
pub use unfinished_read::{ReadSlice, SliceContent, UnfinishedRead};
pub use unidentified::UnidentifiedEntry;
pub use unsent::UnsentAssets;
pub use value::{ConnectionId, Fate, KindCounts, ObjectTotals, Outcome, RunId, RunMode, State};
pub use watermark::ReachedController;

/// The state file, opened. Shared by reference between threads; one call at a time.
#[derive(Debug)]
pub struct Store {
    /// Path of the file, or URL of the database.
    path: PathBuf,
    engine: Engine,
    /// Of a file, with [`StoreAccess::ReadWrite`].
    marker: Option<StateMarker>,
}

/// Database that keeps the state.
#[derive(Debug)]
enum Engine {
    Sqlite(Mutex<rusqlite::Connection>),
    Postgres(Box<PostgresEngine>),
}

impl Store {
    /// Opens the state file at `path`. With [`StoreAccess::ReadWrite`] a missing file is created
    /// with mode 0600, its missing directory with 0700; and a file that is an older copy of what it
    /// was is noticed ([`ConnectionRow::restored_at`]).
    ///
    /// # Errors
    /// Every case of [`StoreError`] but `Transition` and `Unknown`.
    pub fn open(location: impl Into<StateLocation>, access: StoreAccess) -> Result<Self, StoreError> {
        let path = match location.into() {
            StateLocation::File(path) => path,
            StateLocation::Database(database) => return Self::open_database(&database, access),
        };
        let mut store = Self {
            engine: Engine::Sqlite(Mutex::new(open::opened(&path, access)?)),
            path,
            marker: None,
        };
        if access == StoreAccess::ReadWrite {
            store.marker = Some(store.compared_marker(clock::unix_seconds())?);
        }
        Ok(store)
    }

    /// Compares the file with its marker, and notes at `now` if it is an older copy.
    fn compared_marker(&self, now: i64) -> Result<StateMarker, StoreError> {
        // Before the number of the file: another process may raise both meanwhile.
        let found = marker::read(&self.path);
        let (identity, last) = self.read(marker::standing)?;
        let (marker, newer) = StateMarker::compared(&self.path, found, identity, last);
        if let Some(number) = newer {
            self.write(Commit::Create, |sql| marker::note_restore(sql, number, now))?;
        }
        Ok(marker)
    }

    fn open_database(database: &Database, access: StoreAccess) -> Result<Self, StoreError> {
        let path = PathBuf::from(database.to_string());
        let engine = PostgresEngine::open(database, access).map_err(|fault| fault.at(&path))?;
        let store = Self {
            path,
            engine: Engine::Postgres(Box::new(engine)),
            marker: None,
        };
        match access {
            StoreAccess::Scratch => store.scratch_copy(),
            StoreAccess::ReadWrite | StoreAccess::ReadOnly => Ok(store),
        }
    }

    /// Returns the path that the store was opened with, or the URL of the database.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets SQLite look through the whole file, without comparing indexes with tables: a second or
    /// so a gigabyte.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] with the first findings.
    pub fn check(&self) -> Result<(), StoreError> {
        if let Engine::Postgres(_) = self.engine {
            // The database server checks its files itself.
            return self.read(|sql| sql.value::<i64>("SELECT 1", &[])).map(drop);
        }
        let findings: Vec<String> =
            self.read(|sql| sql.rows("PRAGMA quick_check(5)", &[], |row| row.get(0)))?;
        if findings == ["ok"] {
            return Ok(());
        }
        Err(StoreError::Corrupt {
            path: self.path.clone(),
            cause: findings.join("; "),
        })
    }

    /// Makes sure that the state can be used now: a file read, a database also written.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check_usable(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => self.connections().map(drop),
            Engine::Postgres(engine) => engine.check_writable().map_err(|fault| fault.at(&self.path)),
        }
    }

    /// Returns whether a database keeps runs from being made, as far as this process noticed:
    /// leases cannot be renewed, or there was no space for the last run.
    #[must_use]
    pub fn is_hindered(&self) -> bool {
        match &self.engine {
            Engine::Sqlite(_) => false,
            Engine::Postgres(engine) => engine.leases.is_hindered(),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&dyn Sql) -> Result<T, StoreFault>) -> Result<T, StoreError> {
        let value = match &self.engine {
            Engine::Sqlite(sqlite) => read(&*locked(sqlite)),
            Engine::Postgres(engine) => engine.read(read),
        };
        value.map_err(|fault| fault.at(&self.path))
    }

    /// Runs statements that only read, all of one moment.
    fn snapshot<T>(&self, read: impl FnOnce(&dyn Sql) -> Result<T, StoreFault>) -> Result<T, StoreError> {
        let value = match &self.engine {
            Engine::Sqlite(sqlite) => {
                let mut sqlite = locked(sqlite);
                sqlite
                    .transaction()
                    .map_err(StoreFault::from)
                    .and_then(|transaction| read(&*transaction))
            }
            Engine::Postgres(engine) => engine.snapshot(read),
        };
        value.map_err(|fault| fault.at(&self.path))
    }

    /// Runs `write` in the transaction `commit`, which takes the write lock at once: a read turned
    /// write could fail halfway.
    fn write<T>(
        &self,
        commit: Commit,
        write: impl FnOnce(&dyn Sql) -> Result<T, StoreFault>,
    ) -> Result<T, StoreError> {
        let sqlite = match &self.engine {
            Engine::Sqlite(sqlite) => sqlite,
            Engine::Postgres(engine) => {
                return engine.write(commit, write).map_err(|fault| fault.at(&self.path));
            }
        };
        let mut sqlite = locked(sqlite);
        let result = (|| {
            let transaction = sqlite.transaction_with_behavior(TransactionBehavior::Immediate)?;
            failpoint::pass(Point::In(commit, Progress::Begun));
            let value = write(&*transaction)?;
            failpoint::pass(Point::In(commit, Progress::Written));
            transaction.commit()?;
            failpoint::pass(Point::In(commit, Progress::Committed));
            Ok(value)
        })();
        let value = result.map_err(|fault: StoreFault| fault.at(&self.path))?;
        if let Some(marker) = &self.marker {
            marker.follow(commit, &*sqlite);
        }
        Ok(value)
    }
}

/// A panic of another thread leaves no half-written state: its transaction was rolled back when it
/// unwound.
fn locked(sqlite: &Mutex<rusqlite::Connection>) -> MutexGuard<'_, rusqlite::Connection> {
    sqlite.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
