//! Thread that renews the leases of a process, and for an instance takes and resigns them.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::lease_statements::{self as statements, InstanceIdentity, LeaseStanding};
use super::leases::{ANSWERS_WITHIN, HeldLease, Leases, clock};
use super::schema;
use super::session::DatabaseSession;
use super::statements::Statements;
use crate::store::ConnectionId;
use crate::store::error::StoreFault;
use crate::store::sql::Sql;

/// Pause between two looks: less than a third of the time that a lease holds, so that two renewals
/// may fail.
const BEAT: Duration = Duration::from_secs(3);

/// Longest time by which a pause is shorter, so that the instances do not all come at once.
const JITTER: Duration = Duration::from_millis(500);

/// Starts the thread, where there is none. It ends with the leases.
pub(super) fn start(leases: &Arc<Leases>) {
    if !leases.needs_keeper() {
        return;
    }
    let watched = Arc::downgrade(leases);
    let started = thread::Builder::new()
        .name("leases".to_owned())
        .spawn(move || keep(&watched));
    if let Err(error) = started {
        // The leases end by themselves, and nothing is sent then.
        tracing::error!(%error, "The thread that renews the leases does not start.");
    }
}

fn keep(watched: &Weak<Leases>) {
    let mut keeper = Keeper::default();
    loop {
        let Some(leases) = watched.upgrade() else { return };
        match keeper.beat(&leases) {
            Ok(()) => recover(&leases),
            Err(fault) => keeper.fail(&leases, fault),
        }
        leases.let_uncertain_go();
        let pause = BEAT - JITTER.mul_f64(fastrand::f64());
        // The nudge belongs to the leases, which live as long as this round.
        leases.nudge.wait(pause);
    }
}

#[derive(Default)]
struct Keeper {
    session: Option<DatabaseSession>,
    /// Time of the first look as an instance, by [`clock`].
    announced: Option<Duration>,
    /// Connections whose settings differ from the holder's, which is logged once.
    refused: BTreeSet<ConnectionId>,
}

impl Keeper {
    fn beat(&mut self, leases: &Leases) -> Result<(), StoreFault> {
        let session = match self.session.take().filter(DatabaseSession::is_open) {
            Some(session) => session,
            None => DatabaseSession::open(&leases.database, ANSWERS_WITHIN)?,
        };
        let sql = &Statements::reading(&session);
        let id = leases.id(&session)?;
        // What a run has sent is waited for: its lease is renewed until it ends.
        let _: Result<(), StoreFault> = leases.refuse_newer(schema::present(&session)?);
        let candidates = leases.inner().candidates.clone();
        if let Some(candidates) = &candidates {
            self.resign_others(leases, sql, &id, candidates)?;
        }
        let held: Vec<(ConnectionId, i64)> = {
            let inner = leases.inner();
            inner.held.iter().map(|(of, held)| (*of, held.epoch)).collect()
        };
        for (connection, epoch) in held {
            let before = clock();
            let mut candidates = candidates.iter().flatten();
            let digest = candidates.find(|(of, _)| *of == connection);
            let digest = digest.map_or("", |(_, digest)| digest.as_str());
            if !statements::renew(sql, connection, &id, epoch, digest)? {
                if leases.lose(connection, Some(epoch)) {
                    tracing::warn!("The lease of a connection was lost to another instance.");
                }
                continue;
            }
            if let Some(held) = leases.inner().held.get_mut(&connection)
                && held.epoch == epoch
            {
                held.renewed = before;
            }
        }
        if let Some(candidates) = candidates {
            self.take_turns(leases, sql, &id, &candidates)?;
        }
        self.session = Some(session);
        Ok(())
    }

    /// Takes what is free and due to this instance, and resigns what is beyond its share.
    fn take_turns(
        &mut self,
        leases: &Leases,
        sql: &dyn Sql,
        id: &str,
        candidates: &[(ConnectionId, String)],
    ) -> Result<(), StoreFault> {
        let identity = InstanceIdentity {
            id,
            name: &leases.database.instance,
        };
        statements::announce(sql, identity, candidates)?;
        let standings = statements::standings(sql, id)?;
        let share = share(&standings);
        let mut count = leases.inner().held.len();
        // Instances that start together know of each other from their second look on. Until then
        // each takes one: a run in progress would keep it from giving the others back.
        let announced = *self.announced.get_or_insert_with(clock);
        let is_new = clock().saturating_sub(announced) < BEAT - JITTER;
        let wanted = if is_new { share.min(count + 1) } else { share };
        for standing in standings.iter().filter(|standing| !standing.is_held) {
            let digest = candidates.iter().find(|(of, _)| *of == standing.connection);
            let Some((connection, digest)) = digest else {
                continue;
            };
            if leases.inner().held.contains_key(connection)
                || !self.agrees(standing, digest)
                || count >= wanted
            {
                continue;
            }
            let before = clock();
            let taken = statements::take(sql, *connection, identity, "service", digest)?;
            let Some((epoch, takeovers)) = taken else { continue };
            count += 1;
            let held = HeldLease {
                epoch,
                renewed: before,
                in_use: false,
                is_kept: true,
            };
            {
                let mut inner = leases.inner();
                if inner.candidates.is_none() {
                    // It left meanwhile.
                    drop(inner);
                    return statements::resign(sql, *connection, id, epoch);
                }
                inner.held.insert(*connection, held);
                inner
                    .takeovers
                    .insert(*connection, u64::try_from(takeovers).unwrap_or(0));
            }
            leases.changed();
        }
        if count > share {
            self.resign_one(leases, sql, id)?;
        }
        Ok(())
    }

    /// Resigns the connections that this instance does not run any more.
    fn resign_others(
        &self,
        leases: &Leases,
        sql: &dyn Sql,
        id: &str,
        candidates: &[(ConnectionId, String)],
    ) -> Result<(), StoreFault> {
        let others: Vec<(ConnectionId, i64)> = {
            let inner = leases.inner();
            let held = inner.held.iter().filter(|(connection, held)| {
                held.is_kept && !held.in_use && !candidates.iter().any(|(of, _)| of == *connection)
            });
            held.map(|(connection, held)| (*connection, held.epoch)).collect()
        };
        for (connection, epoch) in others {
            if leases.lose(connection, Some(epoch)) {
                statements::resign(sql, connection, id, epoch)?;
            }
        }
        Ok(())
    }

    /// Resigns one connection that no run uses: the others take it with their next look.
    fn resign_one(&self, leases: &Leases, sql: &dyn Sql, id: &str) -> Result<(), StoreFault> {
        let free = {
            let mut inner = leases.inner();
            let free = inner
                .held
                .iter()
                .find(|(_, held)| !held.in_use)
                .map(|(of, _)| *of);
            free.and_then(|connection| Some((connection, inner.held.remove(&connection)?)))
        };
        if let Some((connection, held)) = free {
            statements::resign(sql, connection, id, held.epoch)?;
            leases.changed();
        }
        Ok(())
    }

    /// Returns whether the settings of a connection are those that it was run with last, or nobody
    /// runs it with those any more.
    fn agrees(&mut self, standing: &LeaseStanding, digest: &str) -> bool {
        let agrees = standing.digest == digest || standing.digest.is_empty() || standing.with_its_digest == 0;
        if agrees {
            self.refused.remove(&standing.connection);
        } else if self.refused.insert(standing.connection) {
            tracing::error!(
                own = digest,
                theirs = standing.digest,
                holder = standing.holder_name,
                advice = "give all instances the same settings of the connection",
                "The settings of a connection differ from those of another instance; this one does not take it over."
            );
        }
        agrees
    }

    fn fail(&mut self, leases: &Leases, fault: StoreFault) {
        self.session = None;
        // Logged once.
        if !leases.is_failing.swap(true, Ordering::Relaxed) {
            let error = fault.at(leases.database.to_string().as_ref());
            tracing::warn!(%error, advice = error.advice(), "The leases cannot be renewed.");
        }
    }
}

fn recover(leases: &Leases) {
    if leases.is_failing.swap(false, Ordering::Relaxed) {
        tracing::info!("The leases are renewed again.");
    }
}

/// Returns how many connections an instance should hold: each is shared by those that could run it.
fn share(standings: &[LeaseStanding]) -> usize {
    let shares: f64 = standings
        .iter()
        .map(|standing| 1.0 / f64::from(i32::try_from(standing.candidates.max(1)).unwrap_or(i32::MAX)))
        .sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a handful of connections"
    )]
    let share = (shares - 1e-9).ceil().max(0.0) as usize;
    share
}
