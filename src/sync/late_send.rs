//! Requests that were out when the lease of the connection ended (R34): another instance may have
//! sent newer versions meanwhile, so it gets a list of what may have arrived after those.

use std::sync::Arc;
use std::time::Duration;

use crate::store::{ConnectionId, HandedOutVersion, Store};

/// Attempts to store the list, and the pause between two: the database may be what cannot be
/// reached.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_secs(3);
/// Tries that the run waits for.
const WAITED_FOR: u32 = 3;

/// Notes that these assets may have been sent late, at once or as soon as the database can be
/// reached.
pub(super) async fn note(store: Arc<Store>, connection: ConnectionId, items: Vec<HandedOutVersion>) {
    tracing::warn!(
        assets = items.len(),
        "A request was out when the lease of the connection ended; whoever holds it sends these assets once more."
    );
    let items = Arc::new(items);
    if try_to_note(&store, connection, &items, WAITED_FOR).await {
        return;
    }
    tokio::spawn(async move {
        if !try_to_note(&store, connection, &items, TRIES).await {
            tracing::error!(
                assets = items.len(),
                advice = "run `ad-connector sync --baseline --resend` once",
                "What may have been sent late cannot be noted."
            );
        }
    });
}

async fn try_to_note(
    store: &Arc<Store>,
    connection: ConnectionId,
    items: &Arc<Vec<HandedOutVersion>>,
    tries: u32,
) -> bool {
    for attempt in 0..tries {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let (store, items) = (Arc::clone(store), Arc::clone(items));
        let noted = tokio::task::spawn_blocking(move || store.note_late_send(connection, &items)).await;
        if matches!(noted, Ok(Ok(()))) {
            return true;
        }
    }
    false
}
