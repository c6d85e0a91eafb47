//! The right to run a connection, whatever it is made of: a lock on a file, or a lease in a
//! database that several instances share (R21, R34).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::postgres::Leases;
use super::{ConnectionId, Engine, FileLock, LockError, Store, StoreError};
use crate::failpoint::{self, Point};

/// Right to run a connection, given back when it is dropped.
#[derive(Debug)]
pub enum RunLock {
    /// Of one host.
    File(FileLock),
    /// Of several.
    Lease(LeaseGuard),
}

/// Lease that a run uses.
#[derive(Debug)]
pub struct LeaseGuard {
    leases: Arc<Leases>,
    connection: ConnectionId,
}

impl LeaseGuard {
    pub(super) const fn new(leases: Arc<Leases>, connection: ConnectionId) -> Self {
        Self { leases, connection }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        failpoint::pass(Point::Unlocking);
        self.leases.release(self.connection);
    }
}

impl Store {
    /// Takes the right to run a connection, at once or not at all. Others that are refused
    /// meanwhile are shown `purpose` (the command) and `now` (Unix seconds); `digest` is that of
    /// the settings.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn lock(
        &self,
        connection: ConnectionId,
        purpose: &str,
        digest: &str,
        now: i64,
    ) -> Result<RunLock, LockError> {
        match &self.engine {
            Engine::Sqlite(_) => FileLock::acquire(self.path(), connection, purpose, now).map(RunLock::File),
            Engine::Postgres(engine) => engine
                .leases
                .acquire(connection, purpose, digest)
                .map(RunLock::Lease),
        }
    }

    /// Makes this process an instance, which from now on takes these connections whenever it is its
    /// turn, each with the digest of its settings, and resigns those that it is not called with any
    /// more. Of a file it holds all.
    pub fn join(&self, candidates: Vec<(ConnectionId, String)>) {
        if let Engine::Postgres(engine) = &self.engine {
            engine.leases.join(candidates);
        }
    }

    /// Gives everything back at the end of an instance.
    pub fn leave(&self) {
        if let Engine::Postgres(engine) = &self.engine {
            engine.leases.leave();
        }
    }

    /// Returns a signal of changes of what this process holds; `None` where it always holds
    /// everything.
    #[must_use]
    pub fn lease_changes(&self) -> Option<watch::Receiver<u64>> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(engine) => Some(engine.leases.changes()),
        }
    }

    /// Returns the error where another instance has migrated the tables to a version that this
    /// program does not know (R28): it is to end. [`Self::lease_changes`] signals it.
    #[must_use]
    pub fn newer_schema(&self) -> Option<StoreError> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(engine) => engine.leases.newer_schema(),
        }
    }

    /// Returns how long ago the lease of a connection was renewed, where this process holds one.
    #[must_use]
    pub fn renewal_age(&self, connection: ConnectionId) -> Option<Duration> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(engine) => engine.leases.renewal_age(connection),
        }
    }

    /// Returns how often a connection was taken over from a holder that had not resigned, as far as
    /// this process knows; `None` of a file.
    #[must_use]
    pub fn takeovers(&self, connection: ConnectionId) -> Option<u64> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Postgres(engine) => Some(engine.leases.takeovers(connection)),
        }
    }

    /// Returns the number of the lease under which requests of a connection may be sent now; `None`
    /// where it may be another's. Two numbers that are equal mean that nobody else had it in
    /// between.
    #[must_use]
    pub fn sending_right(&self, connection: ConnectionId) -> Option<i64> {
        match &self.engine {
            Engine::Sqlite(_) => Some(0),
            Engine::Postgres(engine) => engine.leases.sending_right(connection),
        }
    }
}
