//! Back-off, and the gate that makes all senders wait together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock;
use tokio::time::Instant;

/// Longest first back-off. Contract: 0.5 s … 60 s.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// Longest back-off of all.
const BACKOFF_LONGEST: Duration = Duration::from_secs(60);
/// Time that the request in flight is given once the program is stopping (R26).
const DRAIN: Duration = Duration::from_secs(20);
/// Age at which a token is renewed. Qualys' are valid for 4 h.
const TOKEN_LIFE: Duration = Duration::from_secs(3 * 3600 + 1800);

/// Pace of the clock of all waits. The product's is that of any clock; tests make it faster, so
/// that a rule of seconds is seen in milliseconds on real sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockPace {
    hurry: u32,
}

impl Default for ClockPace {
    fn default() -> Self {
        Self { hurry: 1 }
    }
}

impl ClockPace {
    /// Returns a pace at which every wait is shortened by this factor, 1 or more.
    #[must_use]
    pub const fn hurried(factor: u32) -> Self {
        Self {
            hurry: if factor == 0 { 1 } else { factor },
        }
    }

    /// Returns the real duration of a wait.
    pub(super) fn real(self, nominal: Duration) -> Duration {
        nominal / self.hurry
    }

    /// Returns [`DRAIN`] at this pace.
    pub(super) fn drain(self) -> Duration {
        self.real(DRAIN)
    }

    /// Returns [`TOKEN_LIFE`] at this pace.
    pub(super) fn token_life(self) -> Duration {
        self.real(TOKEN_LIFE)
    }
}

/// Returns an exponential back-off with full jitter: anything up to 0.5 s · 2^`failures`, at most
/// 60 s, so that many clients of one recovering gateway do not come back in step. `random` is
/// between 0 and 1; `failures` counts those before this one.
pub(super) fn backoff(failures: u32, random: f64) -> Duration {
    let longest = 2_u32
        .checked_pow(failures)
        .map_or(BACKOFF_LONGEST, |factor| BACKOFF_FIRST.saturating_mul(factor));
    longest.min(BACKOFF_LONGEST).mul_f64(random.clamp(0.0, 1.0))
}

/// Gate that is closed while the gateway has asked for a pause: the answer to one sender makes all
/// of them wait.
#[derive(Debug, Default)]
pub(super) struct PauseGate {
    opens: Mutex<Option<Instant>>,
}

impl PauseGate {
    /// Closes the gate for at least this long; never shortens a pause.
    pub(super) fn close(&self, pause: Duration) {
        let until = clock::timer_instant() + pause;
        let mut opens = self.opens.lock().unwrap_or_else(PoisonError::into_inner);
        *opens = Some(opens.map_or(until, |before| before.max(until)));
    }

    /// Returns the time for which the gate stays closed; `None` when it is open.
    pub(super) fn closed_for(&self) -> Option<Duration> {
        let opens = *self.opens.lock().unwrap_or_else(PoisonError::into_inner);
        opens
            .map(|until| until.saturating_duration_since(clock::timer_instant()))
            .filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r19_back_off_grows_from_half_a_second_to_a_minute() {
        let longest: Vec<u64> = (0..9).map(|n| backoff(n, 1.0).as_millis() as u64).collect();
        assert_eq!(
            longest,
            [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]
        );
        assert_eq!(backoff(u32::MAX, 1.0), BACKOFF_LONGEST);
    }

    #[test]
    fn r19_back_off_has_full_jitter() {
        assert_eq!(backoff(3, 0.0), Duration::ZERO);
        assert_eq!(backoff(3, 0.5), Duration::from_secs(2));
        assert_eq!(backoff(3, f64::NAN.max(0.25)), Duration::from_secs(1));
    }

    #[test]
    fn a_hurried_pace_shortens_every_wait() {
        assert_eq!(ClockPace::default().drain(), Duration::from_secs(20));
        assert_eq!(ClockPace::default().token_life(), Duration::from_secs(12_600));
        assert_eq!(ClockPace::hurried(1000).drain(), Duration::from_millis(20));
        assert_eq!(ClockPace::hurried(0), ClockPace::default());
    }

    #[tokio::test(start_paused = true)]
    async fn r19_the_gate_holds_everyone_until_the_longest_pause_is_over() {
        let gate = PauseGate::default();
        assert_eq!(gate.closed_for(), None);
        gate.close(Duration::from_secs(10));
        gate.close(Duration::from_secs(3));
        assert_eq!(gate.closed_for(), Some(Duration::from_secs(10)));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(gate.closed_for(), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(gate.closed_for(), None);
    }
}
