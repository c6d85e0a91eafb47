//! Messages to a webhook when something needs a person, and when it does not any more.
//!
//! Invariants kept here: one message at the beginning of a condition and one at its end, also
//! across restarts, since what was told is in a file beside the state file. Runs are only looked at
//! from outside: a webhook that hangs delays none.

mod condition;
mod notified;

use std::path::Path;
use std::time::Duration;

use chrono::Utc;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::schedule::ConnectionHandle;
use crate::upstream::Webhook;
use crate::view::time;

use condition::NotifyCondition;
use notified::NotifiedConditions;

/// Time between two looks at the connections.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Time without messages after one that the webhook did not take.
const PAUSE: Duration = Duration::from_secs(300);

/// Body of the message that `check` sends.
#[must_use]
pub fn test_message() -> String {
    body(
        "test",
        "test",
        None,
        "ad-connector: this is a test by `ad-connector check`.",
    )
}

/// Looks at every connection until `stop`, and tells what begins and what ends.
pub async fn watch(
    handles: Vec<ConnectionHandle>,
    webhook: Webhook,
    state: Option<&Path>,
    stop: CancellationToken,
) {
    let mut told = NotifiedConditions::read(state);
    let mut quiet_until = tokio::time::Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if tokio::time::Instant::now() < quiet_until {
            continue;
        }
        for handle in &handles {
            let taken = tokio::select! {
                () = stop.cancelled() => return,
                taken = tell(handle, &webhook, &mut told) => taken,
            };
            if !taken {
                quiet_until = tokio::time::Instant::now() + PAUSE;
            }
        }
    }
}

/// Tells the changes of one connection; gives whether the webhook took them.
async fn tell(handle: &ConnectionHandle, webhook: &Webhook, told: &mut NotifiedConditions) -> bool {
    let connection = handle.connector().name();
    let conditions = match condition::of(handle, Utc::now()).await {
        Ok(conditions) => conditions,
        Err(error) => {
            tracing::debug!(connection, %error, "The conditions of the connection are not known now.");
            return true;
        }
    };
    for NotifyCondition { name, holds, text } in conditions {
        let Some(holds) = holds.filter(|holds| *holds != told.has(connection, name)) else {
            continue;
        };
        let state = if holds { "begun" } else { "over" };
        let text = format!("ad-connector, connection {connection}: {text}");
        if let Err(error) = webhook.send(&body(name, state, Some(connection), &text)).await {
            tracing::warn!(connection, %error, "A message was not taken; it is sent again later.");
            return false;
        }
        if let Err(error) = told.set(connection, name, holds) {
            tracing::warn!(connection, %error, "It cannot be noted that a message was sent; it may come again after a restart.");
        }
    }
    true
}

/// `text` is what Slack and Teams show; the rest is for programs.
fn body(event: &str, state: &str, connection: Option<&str>, text: &str) -> String {
    json!({
        "text": text,
        "event": event,
        "state": state,
        "connection": connection,
        "at": time(Some(Utc::now().timestamp())),
    })
    .to_string()
}
