//! Ways in which an instance, the database or the way between them fails.

use std::time::Duration;

use fastrand::Rng;

use crate::pair::{Pair, blocking};

/// Longest time for which an instance is frozen.
const FREEZE: u64 = 40_000;
/// Longest time for which a way is cut.
const CUT: u64 = 25_000;
/// Longest time for which database or pooler stay away.
const AWAY: u64 = 8_000;

/// Freeze from which on the lease may have ended meanwhile: it holds for 15 s, of which up to 4 may
/// have passed since its last renewal.
const LEASE_MAY_END: Duration = Duration::from_secs(11);

/// Kind of a fault, without its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Stop,
    /// SIGSTOP, and SIGCONT after a time.
    Freeze,
    /// No way between an instance and the database for a time.
    Cut,
    /// The database dies and recovers.
    Crash,
    /// PgBouncer dies and is started again.
    Bouncer,
    /// An instance is started again with a clock that is an hour off.
    Clock,
}

impl FaultKind {
    pub const ALL: [Self; 7] = [
        Self::Kill,
        Self::Stop,
        Self::Freeze,
        Self::Cut,
        Self::Crash,
        Self::Bouncer,
        Self::Clock,
    ];
}

/// A fault of one round.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub kind: FaultKind,
    /// Time that it lasts.
    pub long: Duration,
    /// The instance is started again at once, and not when everything has arrived.
    pub starts_at_once: bool,
    /// Hours by which the clock is off from now on.
    pub hours: i32,
}

impl Fault {
    pub fn draw(kind: FaultKind, rng: &mut Rng) -> Self {
        let longest = match kind {
            FaultKind::Freeze => FREEZE,
            FaultKind::Cut => CUT,
            FaultKind::Crash | FaultKind::Bouncer => AWAY,
            FaultKind::Kill | FaultKind::Stop | FaultKind::Clock => 1,
        };
        // Half of the crashes are over as soon as they can be.
        let is_short = kind == FaultKind::Crash && rng.bool();
        let long = if is_short { 0 } else { rng.u64(0..longest) };
        Self {
            kind,
            long: Duration::from_millis(long),
            starts_at_once: rng.bool(),
            hours: if rng.bool() { 1 } else { -1 },
        }
    }

    /// Returns whether a frozen instance may have sent something while another had the lease.
    pub fn may_overlap(&self) -> bool {
        self.kind == FaultKind::Freeze && self.long > LEASE_MAY_END
    }

    /// Returns the instance that it befalls, where not any can be.
    pub fn aims_at(&self) -> Option<usize> {
        (self.kind == FaultKind::Bouncer).then_some(1)
    }
}

impl Pair {
    /// Lets the fault happen to an instance; returns when it is over. An instance that ended may be
    /// down still.
    pub async fn suffer(&mut self, fault: Fault, which: usize) {
        match fault.kind {
            FaultKind::Kill => self.end(which, "KILL").await,
            FaultKind::Stop => self.end(which, "TERM").await,
            FaultKind::Clock => {
                self.end(which, "TERM").await;
                self.clocks = [0, 0];
                self.clocks[which] = fault.hours;
            }
            FaultKind::Freeze => {
                self.signal(which, "STOP").await;
                tokio::time::sleep(fault.long).await;
                self.signal(which, "CONT").await;
            }
            FaultKind::Cut => {
                self.ways[which].cut();
                tokio::time::sleep(fault.long).await;
                self.ways[which].restore();
            }
            FaultKind::Crash if fault.long.is_zero() => blocking(|| self.server.crash()),
            FaultKind::Crash => {
                blocking(|| self.server.crash_only());
                tokio::time::sleep(fault.long).await;
                blocking(|| self.server.start_again());
            }
            FaultKind::Bouncer => {
                blocking(|| self.bouncer.kill());
                tokio::time::sleep(fault.long).await;
                blocking(|| self.bouncer.start_again());
            }
        }
        if fault.starts_at_once {
            self.start(which);
        }
    }
}
