//! Messages to a webhook when a condition needs a person, and when it ends.
//!
//! Invariants kept here: one message at the beginning of a condition and one at its end, also
//! across restarts, since the conditions that were reported are in a file beside the state file.
//! Runs are only observed from outside: a webhook that hangs delays none.

mod condition;
mod notified;

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::schedule::{ConnectionHandle, ConnectionSet};
use crate::upstream::Webhook;
use crate::view::time;

use condition::NotifyCondition;
use notified::NotifiedConditions;

/// Time between two examinations of the connections.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Time without messages after one that the webhook did not accept.
const PAUSE: Duration = Duration::from_secs(300);

/// Returns the body of the message that `check` sends.
#[must_use]
pub fn test_message() -> String {
    body(
        "test",
        "test",
        None,
        "ad-connector: this is a test by `ad-connector check`.",
    )
}

/// Examines every connection until `stop`, and reports the beginning and the end of conditions.
pub async fn watch(
    connections: ConnectionSet,
    webhook: Webhook,
    state: Option<&Path>,
    stop: CancellationToken,
) {
    let mut notified = NotifiedConditions::read(state);
    let mut quiet_until = clock::timer_instant();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if clock::timer_instant() < quiet_until {
            continue;
        }
        for handle in &connections.running() {
            let taken = tokio::select! {
                () = stop.cancelled() => return,
                taken = report_changes(handle, &webhook, &mut notified) => taken,
            };
            if !taken {
                quiet_until = clock::timer_instant() + PAUSE;
            }
        }
    }
}

/// Reports the changes of one connection. Returns `true` when the webhook accepted them.
async fn report_changes(
    handle: &ConnectionHandle,
    webhook: &Webhook,
    notified: &mut NotifiedConditions,
) -> bool {
    let connection = handle.connector().name();
    let conditions = match condition::of(handle, clock::now()).await {
        Ok(conditions) => conditions,
        Err(error) => {
            tracing::debug!(connection, %error, "The conditions of the connection are not known now.");
            return true;
        }
    };
    for NotifyCondition { name, holds, text } in conditions {
        let Some(holds) = holds.filter(|holds| *holds != notified.has(connection, name)) else {
            continue;
        };
        let state = if holds { "begun" } else { "over" };
        let text = format!("ad-connector, connection {connection}: {text}");
        if let Err(error) = webhook.send(&body(name, state, Some(connection), &text)).await {
            tracing::warn!(connection, %error, "The webhook did not accept a message; it is sent again later.");
            return false;
        }
        if let Err(error) = notified.set(connection, name, holds) {
            tracing::warn!(connection, %error, "A message was sent, but not recorded as sent; it may be sent again after a restart.");
        }
    }
    true
}

/// Returns the body of a message. `text` is shown by Slack and Teams; the rest is for programs.
fn body(event: &str, state: &str, connection: Option<&str>, text: &str) -> String {
    json!({
        "text": text,
        "event": event,
        "state": state,
        "connection": connection,
        "at": time(Some(clock::unix_seconds())),
    })
    .to_string()
}
