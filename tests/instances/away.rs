//! A database that is down for a while (R29).

use std::time::Duration;

use crate::pair::Pair;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r29_a_database_that_is_down_at_the_start_or_goes_away_is_waited_for() {
    let mut pair = Pair::new().await;
    pair.ways[0].cut();
    pair.point_to(0);
    pair.lab
        .sync(69)
        .await
        .said(&["cannot be reached", "what to do", "STATE_URL"]);
    pair.start(0);
    pair.answers(0, "/ready", 503).await;
    pair.answers(0, "/live", 200).await;
    // Reads secrets again, and leaves a service that waits for its state as it is.
    pair.signal(0, "HUP").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    pair.answers(0, "/live", 200).await;
    pair.ways[0].restore();
    pair.answers(0, "/ready", 200).await;
    pair.arrived("the first read").await;
    pair.ways[0].cut();
    pair.answers(0, "/ready", 503).await;
    pair.answers(0, "/live", 200).await;
    pair.rename_first("changed meanwhile");
    tokio::time::sleep(Duration::from_secs(2)).await;
    pair.ways[0].restore();
    pair.arrived("a change from meanwhile").await;
    pair.answers(0, "/ready", 200).await;
    pair.end(0, "TERM").await;
}
