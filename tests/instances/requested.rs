//! Runs that are asked for at the instance that does not hold the connection.

use std::time::Duration;

use chrono::Utc;
use lab::simulator::{Action, On};

use crate::pair::Pair;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r34_a_run_asked_for_at_the_other_instance_begins_though_the_schedule_leaves_no_pause() {
    let mut pair = Pair::new().await;
    pair.start(0);
    pair.answers(0, "/ready", 200).await;
    pair.arrived("the first read").await;
    pair.start(1);
    pair.answers(1, "/ready", 200).await;
    let other = 1 - pair.holder().expect("the connection is held");
    // A delta is due every second, and takes longer: the next one is due soon after it ends. In the
    // second round the deltas begin at seconds of the other parity.
    for parity in 0..2 {
        while Utc::now().timestamp() % 2 != parity {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let longer = Action::Delay(Duration::from_millis(1_100));
        pair.lab.simulator.faults().always(On::Search, longer);
        tokio::time::sleep(Duration::from_secs(4)).await;
        let body = r#"{"mode": "baseline"}"#.to_owned();
        assert_eq!(pair.post(other, "sync", body).await, Some(202), "{}", pair.told());
        pair.lab.simulator.faults().clear();
    }
    pair.end_both().await;
}
