//! The state in a PostgreSQL database that several instances share.
//!
//! Everything works through a pooler that gives each transaction another session of the server:
//! nothing is left in a session, neither a setting nor a lock nor a prepared statement. One
//! transaction writes at a time, as in SQLite, under a lock that ends with it: the invariants of
//! the store are kept by transactions that see each other's result.

mod fault;
mod holding;
mod keeper;
mod lease_statements;
mod leases;
mod nudge;
mod parameters;
mod schema;
mod session;
mod statements;
mod tls;
mod wait;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::StoreAccess;
use super::error::StoreFault;
use super::sql::Sql;
use crate::config::Database;
use crate::failpoint::{self, Commit, Point, Progress};

pub(super) use fault::PostgresFault;
pub use fault::{DatabaseError, DatabaseProblem};
pub(super) use leases::Leases;
use session::DatabaseSession;
use statements::Statements;

/// Time after which the program stops waiting for a statement. It is longer than the limit that
/// [`BEGIN`] sets on the server.
const ANSWERS_WITHIN: Duration = Duration::from_secs(330);

/// Begins a transaction that writes, and returns its number; 0 on a standby. A further column may
/// follow. The number of the lock
/// is `ad-conne` in ASCII. A session that falls silent in the middle loses its transaction, so that
/// the others do not wait for it for long. A statement of a page goes from its rows by indexes into
/// what grows with the directory: the server does not know how few rows a temporary table has, and
/// would read all of that.
const BEGIN: &str = "BEGIN;
    SET LOCAL statement_timeout = '300s'; SET LOCAL lock_timeout = '15s';
    SET LOCAL idle_in_transaction_session_timeout = '10s'; SET LOCAL jit = off;
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL random_page_cost = 1.1;
    SELECT pg_advisory_xact_lock(7017227083353583973);
    SELECT CASE WHEN pg_is_in_recovery() THEN 0 ELSE txid_current() END";

/// Reads whether the server is a standby, and whether transactions only read.
const READ_ONLY: &str = "
    SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean";

/// Tries to find out what became of a transaction whose commit was not answered, and the pause
/// before each.
const DECIDES: (u32, Duration) = (8, Duration::from_secs(1));

/// Database with one session, which is opened again when it broke, and the leases of this process.
pub(super) struct PostgresEngine {
    database: Database,
    session: Mutex<Option<DatabaseSession>>,
    pub(super) leases: Arc<Leases>,
}

impl fmt::Debug for PostgresEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresEngine({})", self.database)
    }
}

/// Refuses a standby, and a database that is set to be read only.
fn check_writable(session: &DatabaseSession) -> Result<(), PostgresFault> {
    let row = session.batch(READ_ONLY)?;
    let is = |place: usize| row.get(place).and_then(Option::as_deref) == Some("t");
    match (is(0), is(1)) {
        (true, _) => Err(PostgresFault::Standby),
        (false, true) => Err(PostgresFault::ReadOnly),
        (false, false) => Ok(()),
    }
}

impl PostgresEngine {
    /// Connects, and creates or migrates the schema where `access` allows it.
    pub(super) fn open(database: &Database, access: StoreAccess) -> Result<Self, StoreFault> {
        let session = DatabaseSession::open(database, ANSWERS_WITHIN)?;
        match access {
            StoreAccess::ReadWrite => {
                schema::migrate(&session, &database.to_string(), BEGIN)?;
                check_writable(&session)?;
            }
            StoreAccess::ReadOnly | StoreAccess::Scratch => schema::check(&session, &database.to_string())?,
        }
        Ok(Self {
            database: database.clone(),
            session: Mutex::new(Some(session)),
            leases: Arc::new(Leases::new(database)),
        })
    }

    /// Makes sure that the database can be written, as far as the server knows that.
    pub(super) fn check_writable(&self) -> Result<(), StoreFault> {
        let mut place = self.place();
        let session = self.opened(place.take())?;
        check_writable(&session)?;
        *place = Some(session);
        Ok(())
    }

    /// Returns the place of the session. It is empty while the session is in use, so that one that
    /// was in the middle of something when it failed, or its thread panicked, is not used again.
    fn place(&self) -> MutexGuard<'_, Option<DatabaseSession>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self, session: Option<DatabaseSession>) -> Result<DatabaseSession, PostgresFault> {
        match session.filter(DatabaseSession::is_open) {
            Some(session) => Ok(session),
            None => DatabaseSession::open(&self.database, ANSWERS_WITHIN),
        }
    }

    /// Runs statements that only read, each in a transaction of its own.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&dyn Sql) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        let mut place = self.place();
        let session = self.opened(place.take())?;
        let value = read(&Statements::reading(&session));
        let is_broken = matches!(&value, Err(StoreFault::Postgres(fault)) if fault.ends_session());
        *place = Some(session).filter(|_| !is_broken);
        value
    }

    /// Runs statements that only read, all of one moment.
    pub(super) fn snapshot<T>(
        &self,
        read: impl FnOnce(&dyn Sql) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        let mut place = self.place();
        let session = self.opened(place.take())?;
        session.batch("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
        let value = read(&Statements::reading(&session))?;
        session.batch("COMMIT")?;
        *place = Some(session);
        Ok(value)
    }

    /// Runs `write` in the transaction `commit`.
    pub(super) fn write<T>(
        &self,
        commit: Commit,
        write: impl FnOnce(&dyn Sql) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        let written = self.transact(commit, write);
        match &written {
            Err(StoreFault::Postgres(fault)) if fault.is_full() => {
                self.leases.lacks_space.store(true, Ordering::Relaxed);
            }
            // Small rows find a place for long where those of a page do not.
            Ok(_) if commit == Commit::CompleteRead => {
                self.leases.lacks_space.store(false, Ordering::Relaxed);
            }
            _ => {}
        }
        written
    }

    fn transact<T>(
        &self,
        commit: Commit,
        write: impl FnOnce(&dyn Sql) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        let mut place = self.place();
        let (session, number) = self.begun(place.take())?;
        failpoint::pass(Point::In(commit, Progress::Begun));
        let written = write(&Statements::writing(&session, &self.leases));
        let value = match written {
            Ok(value) => value,
            Err(fault) => {
                let is_whole = session.is_open() && session.batch("ROLLBACK").is_ok();
                *place = Some(session).filter(|_| is_whole);
                return Err(fault);
            }
        };
        failpoint::pass(Point::In(commit, Progress::Written));
        let session = match session.batch("COMMIT") {
            Ok(_) => session,
            Err(fault) if fault.ends_session() => {
                drop(session);
                self.committed(&number, fault)?
            }
            Err(fault) => return Err(fault.into()),
        };
        failpoint::pass(Point::In(commit, Progress::Committed));
        *place = Some(session);
        Ok(value)
    }

    /// Begins a transaction that writes. A session that broke while nobody used it shows it here,
    /// before anything was done, and another one is opened.
    fn begun(&self, session: Option<DatabaseSession>) -> Result<(DatabaseSession, String), StoreFault> {
        let mut session = self.opened(session)?;
        // Another instance may have migrated the tables since.
        let begin = format!("{BEGIN}, (SELECT schema_version FROM ad_connector)");
        let row = match session.batch(&begin) {
            Err(fault) if fault.ends_session() => {
                session = self.opened(None)?;
                session.batch(&begin)?
            }
            begun => begun?,
        };
        let mut columns = row.into_iter().map(Option::unwrap_or_default);
        let number = columns.next().unwrap_or_default();
        if number.is_empty() || number == "0" {
            return Err(PostgresFault::Standby.into());
        }
        // The transaction ends with the session.
        self.leases.refuse_newer(schema::parsed(columns.next())?)?;
        Ok((session, number))
    }

    /// Finds out whether a transaction was committed whose connection broke meanwhile. Returns a
    /// new session if it was.
    fn committed(&self, number: &str, fault: PostgresFault) -> Result<DatabaseSession, StoreFault> {
        let (tries, pause) = DECIDES;
        for _ in 0..tries {
            thread::sleep(pause);
            let Ok(session) = self.opened(None) else { continue };
            let status = session.batch(&format!("SELECT txid_status({number})"));
            match status
                .ok()
                .and_then(|row| row.into_iter().next().flatten())
                .as_deref()
            {
                Some("committed") => return Ok(session),
                Some("aborted") => return Err(fault.into()),
                _ => {}
            }
        }
        Err(PostgresFault::Undecided.into())
    }
}
