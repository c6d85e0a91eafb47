//! SIGTERM and Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::failure::Failure;

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
