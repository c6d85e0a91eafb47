//! Calls that the gateway allows: what its headers announce, and the time at which the next one may
//! be made.
//!
//! Invariant: after an answer that announces how many calls remain, no more than these are made
//! before the window moves on.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::time::Instant;

use super::retry_after;
use crate::clock;

/// Qualys: calls that a window allows, that remain in it, and its length.
const LIMIT: &str = "x-ratelimit-limit";
const REMAINING: &str = "x-ratelimit-remaining";
const WINDOW: &str = "x-ratelimit-window-sec";
/// Length of a window that is not announced: that of Qualys.
const USUAL_WINDOW: Duration = Duration::from_secs(3600);
/// Added to a window, since the gateway's clock is another one.
const MARGIN: Duration = Duration::from_secs(1);
/// Times of calls that are kept.
const KEPT: usize = 10_000;

/// Rate of calls that a gateway announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRate {
    /// Calls that a window allows.
    pub calls: u64,
    /// Length of the window.
    pub window: Duration,
}

/// One call to the gateway.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    number: u64,
    /// No other call was in flight when this one was made.
    was_alone: bool,
}

/// Calls to one gateway.
#[derive(Debug, Default)]
pub(super) struct CallHistory(Mutex<CallState>);

#[derive(Debug, Default)]
struct CallState {
    limit: Option<u64>,
    window: Option<Duration>,
    /// Calls that may still be made; `None` while that is not known.
    left: Option<u64>,
    /// Time at which the next one may be made, as the gateway stated.
    free_at: Option<Instant>,
    /// Calls that are not answered yet, and all that were made.
    in_flight: u64,
    taken: u64,
    /// Numbers of the calls within the window, and the latest time at which the gateway may have
    /// counted each: that of its answer, or that of the call while there is none.
    made: VecDeque<(u64, Instant)>,
    /// Duration of one call.
    takes: Option<Duration>,
}

impl CallHistory {
    fn state(&self) -> MutexGuard<'_, CallState> {
        // Every change below leaves the state consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how long the next call has to wait; `None` when it may be made now. `hurry` shortens
    /// the window.
    pub(super) fn wait(&self, hurry: impl Fn(Duration) -> Duration) -> Option<Duration> {
        let mut state = self.state();
        if state.left != Some(0) {
            return None;
        }
        let window = hurry(state.window.unwrap_or(USUAL_WINDOW) + MARGIN);
        let now = clock::timer_instant();
        // In a sliding window the oldest call leaves it first, a fixed one has ended by then.
        let oldest_leaves = state.made.front().map(|(_, counted)| *counted + window);
        if let Some(free_at) = state.free_at.or(oldest_leaves)
            && free_at > now
        {
            return Some(free_at - now);
        }
        state.free_at = None;
        let before = state.made.len();
        while state
            .made
            .front()
            .is_some_and(|(_, counted)| *counted + window <= now)
        {
            state.made.pop_front();
        }
        // As many as have left the window; the next answer announces how many there really are.
        let free = (before - state.made.len()).max(1);
        state.left = Some(free as u64);
        None
    }

    /// Counts a call that is about to be made; `None` when none may be.
    pub(super) fn take(&self) -> Option<Call> {
        let mut state = self.state();
        match &mut state.left {
            Some(0) => return None,
            Some(left) => *left -= 1,
            None => {}
        }
        let was_alone = state.in_flight == 0;
        state.in_flight += 1;
        state.taken += 1;
        let number = state.taken;
        state.made.push_back((number, clock::timer_instant()));
        if state.made.len() > KEPT {
            state.made.pop_front();
        }
        Some(Call { number, was_alone })
    }

    /// Applies the headers of the answer to a call; `None` when there was no answer.
    pub(super) fn answered(
        &self,
        call: Call,
        headers: Option<&HeaderMap>,
        took: Duration,
        hurry: impl Fn(Duration) -> Duration,
    ) {
        let mut state = self.state();
        state.in_flight = state.in_flight.saturating_sub(1);
        let mut made = state.made.iter_mut();
        if let Some((_, counted)) = made.find(|(number, _)| *number == call.number) {
            *counted = clock::timer_instant();
        }
        let Some(headers) = headers else { return };
        let takes = state.takes.unwrap_or(took);
        state.takes = Some((takes * 3 + took) / 4);
        let number = |name| retry_after::number(headers, name);
        state.limit = number(LIMIT).or(state.limit);
        state.window = number(WINDOW).map(Duration::from_secs).or(state.window);
        if let Some(remaining) = number(REMAINING) {
            // Answers of calls that were made side by side come in any order: the first of them to
            // be counted announces more than remains after the last.
            let is_alone = call.was_alone && call.number == state.taken;
            state.left = Some(match state.left {
                Some(left) if !is_alone => left.min(remaining),
                _ => remaining.saturating_sub(state.in_flight),
            });
            let to_wait = number(retry_after::TO_WAIT).filter(|seconds| *seconds > 0);
            state.free_at =
                to_wait.map(|seconds| clock::timer_instant() + hurry(Duration::from_secs(seconds)));
            // The gateway counts no more calls than these: the older ones have left its window, and
            // free none later.
            if let (Some(limit), Some(left)) = (state.limit, state.left) {
                let counted = limit.saturating_sub(left);
                while state.made.len() as u64 > counted {
                    state.made.pop_front();
                }
            }
        }
    }

    /// Returns the calls that may still be made, where the gateway announces them.
    pub(super) fn left(&self) -> Option<u64> {
        self.state().left
    }

    /// Returns the announced rate.
    pub(super) fn rate(&self) -> Option<CallRate> {
        let state = self.state();
        Some(CallRate {
            calls: state.limit?,
            window: state.window.unwrap_or(USUAL_WINDOW),
        })
    }

    /// Returns the duration of one call.
    pub(super) fn takes(&self) -> Option<Duration> {
        self.state().takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, u64)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.to_string().parse().unwrap()))
            .collect()
    }

    fn as_it_is(duration: Duration) -> Duration {
        duration
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_is_made_beyond_what_remains() {
        let calls = CallHistory::default();
        let first = calls.take().unwrap();
        tokio::time::advance(Duration::from_secs(10)).await;
        let announced = headers(&[
            ("X-RateLimit-Limit", 3),
            ("X-RateLimit-Remaining", 2),
            ("X-RateLimit-Window-Sec", 3600),
        ]);
        calls.answered(first, Some(&announced), Duration::from_secs(1), as_it_is);
        assert_eq!(calls.left(), Some(2));
        let (second, third) = (calls.take().unwrap(), calls.take().unwrap());
        assert!(calls.take().is_none());
        assert_eq!(calls.wait(as_it_is), Some(Duration::from_secs(3601)));
        tokio::time::advance(Duration::from_secs(5)).await;
        // The answers arrive in the other order.
        for (call, remaining) in [(third, 0), (second, 1)] {
            let announced = headers(&[("x-ratelimit-remaining", remaining)]);
            calls.answered(call, Some(&announced), Duration::ZERO, as_it_is);
            assert_eq!(calls.left(), Some(0));
        }
        tokio::time::advance(Duration::from_secs(3596)).await;
        assert_eq!(calls.wait(as_it_is), None);
        let fourth = calls.take().unwrap();
        assert!(calls.take().is_none(), "only the oldest call has left the window");
        // In a fixed window all of them have left it.
        calls.answered(
            fourth,
            Some(&headers(&[("x-ratelimit-remaining", 2)])),
            Duration::ZERO,
            as_it_is,
        );
        assert_eq!(calls.left(), Some(2));
        let rate = calls.rate().unwrap();
        assert_eq!((rate.calls, rate.window), (3, Duration::from_secs(3600)));
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_the_gateway_counts_no_more_free_none() {
        let calls = CallHistory::default();
        // The first leaves the window of the gateway just before the second.
        for (pause, remaining, left) in [(3600, 1, 1), (0, 1, 1), (0, 0, 0)] {
            let call = calls.take().unwrap();
            let announced = headers(&[("x-ratelimit-limit", 2), ("x-ratelimit-remaining", remaining)]);
            calls.answered(call, Some(&announced), Duration::ZERO, as_it_is);
            assert_eq!(calls.left(), Some(left));
            tokio::time::advance(Duration::from_secs(pause)).await;
        }
        assert_eq!(calls.wait(as_it_is), Some(Duration::from_secs(3601)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_stated_is_kept_instead() {
        let calls = CallHistory::default();
        let call = calls.take().unwrap();
        let stated = headers(&[("X-RateLimit-Remaining", 0), ("X-RateLimit-ToWait-Sec", 90)]);
        calls.answered(call, Some(&stated), Duration::ZERO, as_it_is);
        assert_eq!(calls.wait(as_it_is), Some(Duration::from_secs(90)));
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(calls.wait(as_it_is), None);
        assert!(calls.take().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn without_headers_nothing_waits() {
        let calls = CallHistory::default();
        for _ in 0..1000 {
            let call = calls.take().unwrap();
            calls.answered(call, Some(&HeaderMap::new()), Duration::from_secs(2), as_it_is);
        }
        assert_eq!(
            (calls.wait(as_it_is), calls.left(), calls.rate()),
            (None, None, None)
        );
        assert_eq!(calls.takes(), Some(Duration::from_secs(2)));
    }
}
