//! The program killed again and again while it reads a real Active Directory (Samba): nothing is lost.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::time::Duration;

use lab::receiver::{Answer, Options, Receiver};
use support::{Connector, assert_same};

/// Every second kill falls while it delivers (after so many more requests), the others at some moment of reading.
enum Moment {
    Arrivals(u64),
    After(Duration),
}

fn moment(number: u64) -> Moment {
    if number.is_multiple_of(2) {
        Moment::Arrivals(1 + number / 8)
    } else {
        // 20 ms to 0.8 s: from before the bind to the middle of delivering.
        Moment::After(Duration::from_millis(20 + number * 40))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r03_r18_twenty_kills_during_a_baseline_lose_nothing() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    // Small batches, slowly answered: 2,291 assets take longer than all the kills.
    let connector = Connector::new(&domain, &receiver).with("QUALYS_BATCH_ASSETS", "25");
    receiver.script(std::iter::repeat_n(Answer::Slow(Duration::from_millis(40)), 60));
    let mut killed = 0;
    for number in 0..20 {
        let seen = receiver.summary().requests;
        let mut running = connector.start(&["sync", "--baseline"]);
        match moment(number) {
            Moment::Arrivals(more) => tokio::select! {
                () = receiver.arrived(seen + more) => {}
                // Nothing left to deliver: it ends by itself.
                ended = running.wait() => assert!(ended.unwrap().success()),
            },
            Moment::After(time) => tokio::time::sleep(time).await,
        }
        if running.try_wait().unwrap().is_none() {
            // SIGKILL on Unix: no handler runs, nothing is flushed.
            running.kill().await.unwrap();
            killed += 1;
        }
    }
    assert!(killed >= 15, "only {killed} of 20 were killed while they worked");
    connector.succeed(&["sync"]).await;
    assert_same(&receiver.assets(), &domain.expected(&domain.root()));
    assert_eq!(receiver.violations(), Vec::<String>::new());
}
