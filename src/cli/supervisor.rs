//! Notifications to systemd (`Type=notify` and `WatchdogSec=` in the unit). Without systemd they
//! have no effect.

use sd_notify::NotifyState;

use crate::schedule::Heartbeats;

/// Reports that the service is ready; from now on every beat of the schedule reports that it is
/// alive. So systemd restarts a service whose schedule stands still for longer than `WatchdogSec=`.
pub(super) fn ready(mut beats: Heartbeats) {
    tell(NotifyState::Ready);
    if sd_notify::watchdog_enabled().is_some() {
        tokio::spawn(async move {
            while beats.changed().await.is_ok() {
                tell(NotifyState::Watchdog);
            }
        });
    }
}

/// Reports that the service is stopping, which may take a while.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    // systemd notices by itself that a notification is missing: the start or the watchdog times
    // out.
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd cannot be told about the service.");
    }
}
