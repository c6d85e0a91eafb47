//! A client that asks the service for everything it shows, all the time.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::forests::Forests;
use crate::support::http::Served;

/// Pause between two requests, so that the service is busy with runs rather than with answers.
const PAUSE: Duration = Duration::from_millis(40);

/// Requests between two uses of the command line.
const COMMAND_EVERY: u64 = 200;

/// Asks until `stop`; gives the number of requests. Each must be answered with success.
pub async fn visit(served: &Served, forests: &Forests, stop: &CancellationToken) -> u64 {
    let names: Vec<String> = forests.names().collect();
    let mut asked = 0;
    loop {
        for name in &names {
            let connection = format!("/api/v1/connections/{name}");
            for path in [
                "/",
                "/live",
                "/ready",
                "/metrics",
                "/api/openapi.json",
                "/api/v1/connections",
                "/api/v1/instances",
                &connection,
                &format!("{connection}/runs?limit=20"),
                &format!("{connection}/inventory?limit=100"),
                &format!("{connection}/inventory?q=name&limit=20"),
                &format!("{connection}/removed?limit=100"),
                &format!("{connection}/rejected"),
                &format!("{connection}/mapping"),
            ] {
                if stop.is_cancelled() {
                    return asked;
                }
                served.read(path).await.with(200);
                asked += 1;
                sleep(PAUSE).await;
            }
            // Begins to listen, and goes away.
            let mut events = served.events(&format!("{connection}/events")).await;
            events.named("connection").await;
            if asked % COMMAND_EVERY < 14 {
                forests.connector.succeed(&["status", "--json"]).await;
            }
        }
    }
}
