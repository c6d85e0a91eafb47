//! How long it takes: `CHANGE_MEASURES` is how many times each is measured (default 2).

use std::time::{Duration, Instant};

use lab::receiver::Answer;

use crate::wanted::{Change, Wanted};
use crate::world::{ANSWERS_WITHIN, NAME, World};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_connection_sends_soon_and_a_change_is_answered_soon() {
    let rounds = std::env::var("CHANGE_MEASURES").ok();
    let rounds: usize = rounds.and_then(|text| text.parse().ok()).unwrap_or(2);
    let (mut first, mut idle, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut world = World::starting().await;
        let wanted = Wanted::first();
        let begun = Instant::now();
        world.create(&wanted).await;
        world.lab.receiver.arrived(1).await;
        first.push(begun.elapsed());
        world.run_to_the_end(NAME).await;
        let (status, answer, took) = world.ask_change(Change::Description, &wanted).answered().await;
        assert_eq!(status, 200, "{answer}");
        idle.push(took);
        world.run_to_the_end(NAME).await;
        world.disturb();
        let sent = world.lab.receiver.summary().requests;
        world
            .lab
            .receiver
            .script([Answer::Slow(Duration::from_millis(500))]);
        let _asked = world.ask_run(NAME, "baseline");
        world.lab.receiver.arrived(sent + 1).await;
        let described = wanted.after(Change::Description);
        let (status, answer, took) = world.ask_change(Change::Mapping, &described).answered().await;
        assert_eq!(status, 200, "{answer}");
        assert!(took < ANSWERS_WITHIN);
        busy.push(took);
        world.go_on();
        world.served.service.signal("KILL").await;
        let _ = &mut world;
    }
    println!(
        "median of {rounds}: POST to the first asset {:?}; PUT of an idle connection {:?}, with a request in flight that is answered after 500 ms {:?}",
        median(first),
        median(idle),
        median(busy)
    );
}
