//! Waiting for a future on a thread that may block, of whatever kind: also one of an asynchronous
//! runtime, on which the runtime's own functions panic.

use crate::clock;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for `future`, at most as long as `limit`; `None` when that is over. Something else must
/// drive what the future waits for.
pub(super) fn wait<F: Future>(future: F, limit: Duration) -> Option<F::Output> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let end = clock::instant() + limit;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        let left = end.saturating_duration_since(clock::instant());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}
