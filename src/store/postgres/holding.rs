//! Taking leases and giving them back, for one run or for an instance (R34).

use std::sync::Arc;

use super::fault::PostgresFault;
use super::keeper;
use super::lease_statements::{self as statements, InstanceIdentity};
use super::leases::{ANSWERS_WITHIN, HeldLease, Leases, clock};
use super::session::DatabaseSession;
use super::statements::Statements;
use crate::store::error::StoreFault;
use crate::store::lease::LeaseGuard;
use crate::store::{ConnectionId, LockError};

impl Leases {
    /// Takes the right to run a connection: one that is kept already, or that nobody has.
    pub(crate) fn acquire(
        self: &Arc<Self>,
        connection: ConnectionId,
        purpose: &str,
        digest: &str,
    ) -> Result<LeaseGuard, LockError> {
        let guard = || LeaseGuard::new(Arc::clone(self), connection);
        if let Some(held) = self.inner().held.get_mut(&connection) {
            if held.in_use {
                return Err(LockError::Held {
                    by: "another run of this process".to_owned(),
                });
            }
            if held.is_certain(clock()) {
                held.in_use = true;
                return Ok(guard());
            }
        }
        let taken = self.take(connection, purpose, digest).map_err(|fault| {
            LockError::Database(match fault {
                StoreFault::Postgres(fault) => fault.of(&self.database.to_string()),
                fault => PostgresFault::Other(format!("{fault:?}")).of(&self.database.to_string()),
            })
        })?;
        match taken {
            Ok(()) => {
                keeper::start(self);
                Ok(guard())
            }
            Err(by) => Err(LockError::Held { by }),
        }
    }

    /// Takes a lease for one run; where somebody has it, returns the holder.
    fn take(
        &self,
        connection: ConnectionId,
        purpose: &str,
        digest: &str,
    ) -> Result<Result<(), String>, StoreFault> {
        let session = DatabaseSession::open(&self.database, ANSWERS_WITHIN)?;
        let id = self.id(&session)?;
        let identity = InstanceIdentity {
            id: &id,
            name: &self.database.instance,
        };
        let before = clock();
        let sql = &Statements::reading(&session);
        if let Some((epoch, takeovers)) = statements::take(sql, connection, identity, purpose, digest)? {
            let mut inner = self.inner();
            inner
                .takeovers
                .insert(connection, u64::try_from(takeovers).unwrap_or(0));
            let held = HeldLease {
                epoch,
                renewed: before,
                in_use: true,
                is_kept: false,
            };
            inner.held.insert(connection, held);
            return Ok(Ok(()));
        }
        let holder = statements::holder(sql, connection)?;
        Ok(Err(holder.map_or_else(
            || "another instance".to_owned(),
            |holder| {
                let differs = if holder.digest == digest || digest.is_empty() {
                    String::new()
                } else {
                    format!(", with other settings (digest {}, here {digest})", holder.digest)
                };
                format!(
                    "instance {}, {}, since {}{differs}; its lease holds for {} s unless it is renewed",
                    holder.name, holder.purpose, holder.since, holder.seconds
                )
            },
        )))
    }

    /// Ends the use of a lease; one that is not kept is resigned.
    pub(crate) fn release(&self, connection: ConnectionId) {
        let (id, held) = {
            let mut inner = self.inner();
            let Some(held) = inner.held.get_mut(&connection) else {
                return;
            };
            held.in_use = false;
            if held.is_kept {
                return;
            }
            let held = inner.held.remove(&connection);
            (inner.id.clone(), held)
        };
        if let (Some(id), Some(held)) = (id, held) {
            // What cannot be resigned ends by itself.
            let resigned = DatabaseSession::open(&self.database, ANSWERS_WITHIN)
                .map_err(StoreFault::from)
                .and_then(|session| {
                    statements::resign(&Statements::reading(&session), connection, &id, held.epoch)
                });
            if resigned.is_err() {
                tracing::debug!("A lease could not be resigned; it ends by itself.");
            }
        }
    }

    /// Makes this process an instance that runs these connections whenever it is its turn, and none
    /// that it ran before.
    pub(crate) fn join(self: &Arc<Self>, candidates: Vec<(ConnectionId, String)>) {
        let before = self.inner().candidates.replace(candidates.clone());
        if before.is_some_and(|before| before == candidates) {
            return;
        }
        keeper::start(self);
        self.nudge.now();
    }

    /// Resigns everything: this process is an instance no more.
    pub(crate) fn leave(&self) {
        let (id, held) = {
            let mut inner = self.inner();
            inner.candidates = None;
            (inner.id.clone(), std::mem::take(&mut inner.held))
        };
        self.changed();
        let Some(id) = id else { return };
        let left = DatabaseSession::open(&self.database, ANSWERS_WITHIN)
            .map_err(StoreFault::from)
            .and_then(|session| {
                let sql = &Statements::reading(&session);
                for (connection, held) in &held {
                    statements::resign(sql, *connection, &id, held.epoch)?;
                }
                statements::leave(sql, &id)
            });
        if left.is_err() {
            tracing::debug!("The leases could not be resigned; they end by themselves.");
        }
    }
}
