//! SIGTERM, Ctrl-C and SIGHUP.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::CommandFailure;
use crate::exit_code::{HUNG_UP, INTERRUPTED, TERMINATED};
use crate::schedule;

/// Signal that came: 0 for none, else its exit code.
#[derive(Debug, Clone, Default)]
pub(super) struct ReceivedSignal(Arc<AtomicU8>);

impl ReceivedSignal {
    /// Returns the exit code for the signal, where one came.
    pub(super) fn exit_code(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Relaxed)).filter(|code| *code != 0)
    }
}

/// Cancels `stop` at the first SIGTERM or SIGINT. A second Ctrl-C ends the process at once: nothing
/// is lost by that (R20).
pub(super) fn cancel_on_signal(stop: CancellationToken) -> Result<ReceivedSignal, CommandFailure> {
    cancel_on(stop, None)
}

/// Does the same for a command of a terminal, which also ends when that is closed (SIGHUP), unless
/// `nohup` was to prevent it.
pub(super) fn cancel_on_signal_or_hangup(stop: CancellationToken) -> Result<ReceivedSignal, CommandFailure> {
    let hangup = if hangup_is_ignored() {
        None
    } else {
        Some(listen(SignalKind::hangup())?)
    };
    cancel_on(stop, hangup)
}

fn cancel_on(stop: CancellationToken, mut hangup: Option<Signal>) -> Result<ReceivedSignal, CommandFailure> {
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let signalled = ReceivedSignal::default();
    let came = signalled.clone();
    tokio::spawn(async move {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let (name, code) = tokio::select! {
            _ = terminate.recv() => ("SIGTERM", TERMINATED),
            _ = interrupt.recv() => ("Ctrl-C", INTERRUPTED),
            _ = hung_up => ("SIGHUP", HUNG_UP),
        };
        came.0.store(code, Ordering::Relaxed);
        tracing::info!(
            signal = name,
            "Stopping: reading ends, the request in flight gets its time, everything staged is kept."
        );
        stop.cancel();
        interrupt.recv().await;
        tracing::warn!("Ending at once; everything staged is kept.");
        std::process::exit(INTERRUPTED.into());
    });
    Ok(signalled)
}

/// Calls `work` at each SIGHUP, which then does not end the process.
pub(super) fn on_hangup(work: impl Fn() + Send + 'static) -> Result<(), CommandFailure> {
    let mut hangup = listen(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            work();
        }
    });
    Ok(())
}

fn listen(kind: SignalKind) -> Result<Signal, CommandFailure> {
    signal(kind).map_err(|error| CommandFailure::internal(format_args!("cannot listen for signals: {error}")))
}

/// Returns whether the process was started with SIGHUP ignored, as `nohup` does (proc(5): a mask of
/// signals, from 1 on).
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// Returns the result of `work`, or `None` when it has not ended in time after a stop (R26): a disk
/// that hangs must not delay the end.
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
