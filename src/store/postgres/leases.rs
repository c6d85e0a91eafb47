//! Leases of this process (R34): which connections it holds, and until when that is certain.
//!
//! A thread with a session of its own renews them, so that no long statement delays a renewal. What
//! is certain is counted from before a renewal was sent, by a clock that goes on while the machine
//! sleeps: a process that wakes up after the end of a lease notices that before it acts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use super::lease_statements::{self as statements, TTL};
use super::nudge::Nudge;
use super::session::DatabaseSession;
use crate::config::Database;
use crate::store::error::StoreFault;
use crate::store::sql::Sql;
use crate::store::{ConnectionId, SCHEMA_VERSION, StoreError};

/// Time before the end of a lease from which on nothing is handed out and nothing sent.
const MARGIN: Duration = Duration::from_secs(3);

/// Time that the server may take for a statement about leases.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// Leases of this process.
#[derive(Debug)]
pub(crate) struct Leases {
    pub(super) database: Database,
    inner: Mutex<LeasesState>,
    /// Counts the changes of what is held.
    changes: watch::Sender<u64>,
    pub(super) nudge: Nudge,
    /// Renewing fails.
    pub(super) is_failing: AtomicBool,
    /// There was no space for a transaction, and no read was completed since.
    pub(super) lacks_space: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct LeasesState {
    /// Identity of this process as a holder, once it is known.
    pub(super) id: Option<String>,
    pub(super) held: BTreeMap<ConnectionId, HeldLease>,
    /// Connections that this process could run as an instance, each with the digest of its
    /// settings. `None` where it is no instance.
    pub(super) candidates: Option<Vec<(ConnectionId, String)>>,
    has_keeper: bool,
    /// Version of the tables, once they are newer than this program.
    newer: Option<i32>,
    /// Leases that ended without being resigned, as their rows count them.
    pub(super) takeovers: BTreeMap<ConnectionId, u64>,
}

/// Lease that this process holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeldLease {
    pub(super) epoch: i64,
    /// Clock before the last renewal was sent.
    pub(super) renewed: Duration,
    /// A run goes on.
    pub(super) in_use: bool,
    /// It is kept between runs.
    pub(super) is_kept: bool,
}

/// Returns the time since the machine was started, including what it slept.
pub(super) fn clock() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

impl HeldLease {
    /// Returns whether it certainly holds at `now`, for long enough to act.
    pub(super) fn is_certain(self, now: Duration) -> bool {
        now < self.renewed + Duration::from_secs(TTL) - MARGIN
    }
}

impl Leases {
    pub(super) fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
            inner: Mutex::default(),
            changes: watch::Sender::new(0),
            nudge: Nudge::default(),
            is_failing: AtomicBool::new(false),
            lacks_space: AtomicBool::new(false),
        }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, LeasesState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signals a change of the leases to the receivers of [`Self::changes`].
    pub(super) fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Returns a signal of changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Returns the identity of this process as a holder.
    pub(super) fn id(&self, session: &DatabaseSession) -> Result<String, StoreFault> {
        if let Some(id) = &self.inner().id {
            return Ok(id.clone());
        }
        let id = statements::new_id(session)?;
        Ok(self.inner().id.get_or_insert(id).clone())
    }

    /// Returns the identity of this process as a holder, once it has been one.
    pub(crate) fn known_id(&self) -> Option<String> {
        self.inner().id.clone()
    }

    /// Returns the number of the lease under which something may be sent now; `None` where it may
    /// be another's.
    pub(crate) fn sending_right(&self, connection: ConnectionId) -> Option<i64> {
        let held = self.inner().held.get(&connection).copied()?;
        held.is_certain(clock()).then_some(held.epoch)
    }

    /// Returns whether the database keeps runs from being made, as far as was noticed.
    pub(crate) fn is_hindered(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed) || self.lacks_space.load(Ordering::Relaxed)
    }

    /// Returns the age of the last renewal of a lease that is held.
    pub(crate) fn renewal_age(&self, connection: ConnectionId) -> Option<Duration> {
        let held = self.inner().held.get(&connection).copied()?;
        Some(clock().saturating_sub(held.renewed))
    }

    /// Returns how often leases of a connection ended without being resigned, as far as this
    /// process knows.
    pub(crate) fn takeovers(&self, connection: ConnectionId) -> u64 {
        self.inner()
            .takeovers
            .get(&connection)
            .copied()
            .unwrap_or_default()
    }

    /// Proves a lease within a transaction that writes.
    pub(super) fn prove(&self, sql: &dyn Sql, connection: ConnectionId) -> Result<(), StoreFault> {
        let (id, held) = {
            let inner = self.inner();
            (inner.id.clone(), inner.held.get(&connection).copied())
        };
        if let (Some(id), Some(held)) = (id, held)
            && statements::prove(sql, connection, &id, held.epoch)?
        {
            return Ok(());
        }
        self.lose(connection, held.map(|held| held.epoch));
        Err(StoreError::LeaseLost.into())
    }

    /// Refuses tables that another instance has migrated to a version that this program does not
    /// know. From then on the process takes no lease and keeps none beyond a run.
    pub(super) fn refuse_newer(&self, found: i32) -> Result<(), StoreFault> {
        if found <= SCHEMA_VERSION {
            return Ok(());
        }
        let mut inner = self.inner();
        inner.candidates = None;
        for held in inner.held.values_mut() {
            held.is_kept = false;
        }
        let is_known = inner.newer.replace(found).is_some();
        drop(inner);
        if !is_known {
            self.changed();
        }
        Err(self.newer(found).into())
    }

    /// Returns the error where the tables are newer than this program.
    pub(crate) fn newer_schema(&self) -> Option<StoreError> {
        let found = self.inner().newer?;
        Some(self.newer(found))
    }

    fn newer(&self, found: i32) -> StoreError {
        StoreError::Newer {
            path: self.database.to_string().into(),
            found,
            known: SCHEMA_VERSION,
        }
    }

    /// Refuses to go on while another instance holds a connection: its settings are not changed
    /// while it runs.
    pub(super) fn refuse_if_held(&self, sql: &dyn Sql, connection: ConnectionId) -> Result<(), StoreFault> {
        if self.inner().held.contains_key(&connection) {
            return self.prove(sql, connection);
        }
        let own = self.known_id();
        match statements::holder(sql, connection)? {
            // One of its own is being resigned.
            Some(holder) if holder.seconds > 0 && Some(&holder.id) != own.as_ref() => {
                let holder = format!("instance {}", holder.name);
                Err(StoreError::HeldElsewhere { holder }.into())
            }
            _ => Ok(()),
        }
    }

    /// Notes that the lease with this epoch is another's; `false` where it was given back before.
    pub(super) fn lose(&self, connection: ConnectionId, epoch: Option<i64>) -> bool {
        let mut inner = self.inner();
        let is_lost = inner.held.get(&connection).map(|held| held.epoch) == epoch
            && inner.held.remove(&connection).is_some();
        drop(inner);
        if is_lost {
            self.changed();
        }
        is_lost
    }

    /// Keeps a lease between runs, as an instance does.
    #[cfg(test)]
    pub(crate) fn keep(&self, connection: ConnectionId) {
        if let Some(held) = self.inner().held.get_mut(&connection) {
            held.is_kept = true;
        }
    }

    /// Gives up the leases of which it is not certain any more that they hold: the clock alone
    /// decides it where the database cannot be asked.
    pub(super) fn let_uncertain_go(&self) {
        let now = clock();
        let mut inner = self.inner();
        let before = inner.held.len();
        inner.held.retain(|_, held| held.is_certain(now));
        if inner.held.len() < before {
            drop(inner);
            self.changed();
        }
    }

    /// Returns `true` for the first caller, which starts the keeper.
    pub(super) fn needs_keeper(&self) -> bool {
        !std::mem::replace(&mut self.inner().has_keeper, true)
    }
}
