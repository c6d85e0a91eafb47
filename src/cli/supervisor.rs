//! What systemd is told (`Type=notify` and `WatchdogSec=` in the unit). Without systemd nobody listens, and nothing happens.

use sd_notify::NotifyState;

use crate::schedule::Heartbeats;

/// The service is up; from now on every beat of the schedule tells that it is alive. A schedule that stands still for longer than
/// `WatchdogSec=` is so restarted.
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

/// The service was told to stop and takes its time.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    // systemd notices by itself what it does not hear: the start times out, or the watchdog bites.
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd cannot be told about the service.");
    }
}
