//! Signal that wakes the thread of the leases before its time.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Wakes the keeper before its time.
#[derive(Debug, Default)]
pub(super) struct Nudge {
    asked: Mutex<bool>,
    signal: Condvar,
}

impl Nudge {
    /// Gives the signal.
    pub(super) fn now(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.signal.notify_all();
    }

    /// Waits for the signal, at most `limit`.
    pub(super) fn wait(&self, limit: Duration) {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.signal.wait_timeout_while(asked, limit, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}
