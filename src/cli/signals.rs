//! SIGTERM and Ctrl-C.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use crate::schedule;

/// Which signal came: 0 none, else the exit code that it stands for.
#[derive(Debug, Clone, Default)]
pub(super) struct Signalled(Arc<AtomicU8>);

impl Signalled {
    /// 130 after Ctrl-C, 143 after SIGTERM (128 + the signal's number, as a shell reports it).
    pub(super) fn exit_code(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Relaxed)).filter(|code| *code != 0)
    }
}

/// Cancels `stop` at the first SIGTERM or SIGINT.
pub(super) fn cancel_on_signal(stop: CancellationToken) -> Result<Signalled, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| Failure::internal(format_args!("cannot listen for signals: {error}")))
    };
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let signalled = Signalled::default();
    let came = signalled.clone();
    tokio::spawn(async move {
        let (name, code) = tokio::select! {
            _ = terminate.recv() => ("SIGTERM", 143),
            _ = interrupt.recv() => ("Ctrl-C", 130),
        };
        came.0.store(code, Ordering::Relaxed);
        tracing::info!(
            signal = name,
            "Stopping: reading ends, the request in flight gets its time, everything staged is kept."
        );
        stop.cancel();
    });
    Ok(signalled)
}

/// What `work` gives, or `None` when it has not ended in time after a stop (R26): a disk that hangs must not hold up the end.
pub(super) async fn in_time<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> Option<T> {
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(schedule::STOP_WITHIN).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = overdue => {
            tracing::warn!("The work did not end in time; everything staged is kept.");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn r26_what_hangs_after_a_stop_is_given_up_within_25_s() {
        let stop = CancellationToken::new();
        assert_eq!(in_time(&stop, async { 7 }).await, Some(7));
        let slow = tokio::time::sleep(Duration::from_secs(3600));
        assert_eq!(in_time(&stop, slow).await, Some(()), "no limit without a stop");
        stop.cancel();
        let stopped = tokio::time::Instant::now();
        assert_eq!(in_time(&stop, std::future::pending::<()>()).await, None);
        assert!(stopped.elapsed() < Duration::from_secs(25));
    }
}
