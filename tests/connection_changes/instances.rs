//! Two instances on one PostgreSQL database.

use std::time::{Duration, Instant};

use lab::receiver::Answer;
use serde_json::Value;

use crate::phases::{self, Phase};
use crate::wanted::{Change, Wanted};
use crate::world::{KEY, NAME, World};

/// Another key of the secrets.
const OTHER_KEY: &str = "HxwdHhsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA=";

/// Phases that a change by the instance that does not hold the connection meets.
const PHASES: &[Phase] = &[
    Phase::Idle,
    Phase::Page(2),
    Phase::InFlight,
    Phase::At("stage_page.committed"),
    Phase::At("next_batch.committed"),
    Phase::At("posting"),
    Phase::At("answered"),
    Phase::At("settle.committed"),
    Phase::At("complete_read.committed"),
    Phase::At("end_run.committed"),
    Phase::Again("conclude.committed"),
    Phase::Delta("stage_page.committed"),
];

/// Waits until `condition` holds; gives the time.
async fn until(what: &str, limit: u64, condition: impl AsyncFn() -> bool) -> Duration {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < Duration::from_secs(limit), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    begun.elapsed()
}

async fn is_seen_by_other(world: &World, name: &str) -> bool {
    let other = world.other.as_ref().unwrap();
    let answer = other.read(&format!("/api/v1/connections/{name}")).await;
    answer.status == 200 && answer.json()["notUsable"].is_null()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r34_every_instance_sees_a_new_connection_and_exactly_one_takes_it() {
    let mut world = World::pair(KEY).await;
    let (mut seen, mut held) = (Vec::new(), Vec::new());
    for number in 0..4 {
        let wanted = Wanted {
            name: format!("office-{number}"),
            is_narrow: true,
            ..Wanted::first()
        };
        world.create(&wanted).await;
        seen.push(
            until("the other sees it", 5, async || {
                is_seen_by_other(&world, &wanted.name).await
            })
            .await,
        );
        held.push(until("one holds it", 8, async || world.held_by(&wanted.name).len() == 1).await);
        world.turn();
    }
    println!("seen by the other within {seen:?}, held within {held:?}");
    world.run_to_the_end("office-0").await;
    let narrow = Wanted {
        is_narrow: true,
        ..Wanted::first()
    };
    world.assert_converged(&narrow, &[], "one of four");
    world.assert_nothing_twice("one of four");
    // They are shared out.
    until("each holds two", 30, async || {
        let all: Vec<String> = (0..4)
            .flat_map(|number| world.held_by(&format!("office-{number}")))
            .collect();
        all.len() == 4 && all.iter().filter(|one| *one == "one").count() == 2
    })
    .await;
    world.served.service.stopped_with(0).await;
    world.other.unwrap().service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r34_a_change_at_the_other_instance_reaches_the_run_of_the_holder() {
    let chosen = std::env::var("CHANGE_CELLS").unwrap_or_default();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (row, phase) in PHASES.iter().enumerate() {
        for (column, change) in Change::ALL.iter().enumerate() {
            let named = format!("{phase:?} × {change:?}");
            let is_wanted = match chosen.as_str() {
                "" => (row * 3 + column) % 8 == 0,
                "all" => true,
                text => named.contains(text),
            };
            if !is_wanted {
                continue;
            }
            count += 1;
            let (phase, change) = (*phase, *change);
            let checked = tokio::spawn(async move {
                let world = World::pair(KEY).await;
                phases::check_in(world, phase, change).await;
            });
            if let Err(error) = checked.await {
                wrong.push(format!("{named}: {error}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    println!("{count} changes at the other instance");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r34_the_next_holder_takes_the_present_revision() {
    let mut world = World::pair(KEY).await;
    let first = Wanted::first();
    world.create(&first).await;
    until("one holds it", 8, async || world.held_by(NAME).len() == 1).await;
    world
        .lab
        .receiver
        .script([Answer::Accept, Answer::Slow(Duration::from_secs(3))]);
    let _asked = world.ask_run(NAME, "baseline");
    world.lab.receiver.arrived(2).await;
    world.turn_from_holder(NAME);
    let asked = world.ask_change(Change::Mapping, &first);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let holder = world.other.take().unwrap();
    holder.service.killed().await;
    let (status, answer, took) = asked.answered().await;
    assert_eq!(status, 200, "{answer}");
    assert!(took < crate::world::ANSWERS_WITHIN, "{took:?}");
    let mark = world.lab.receiver.deliveries().len();
    let after = first.after(Change::Mapping);
    world.run_to_the_end(NAME).await;
    world.assert_only_of(&after, mark, "the next holder");
    world.assert_converged(&after, &[], "the next holder");
    assert_eq!(world.held_by(NAME).len(), 1);
    world.served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r35_an_instance_with_another_key_says_so_and_leaves_the_connection_to_the_others() {
    let mut world = World::pair(OTHER_KEY).await;
    world.create(&Wanted::first()).await;
    until("it is held", 8, async || world.held_by(NAME) == ["one"]).await;
    let other = world.other.as_ref().unwrap();
    until("the other says why it cannot use it", 10, async || {
        other.service.log().contains("A stored connection cannot be used")
    })
    .await;
    let log = other.service.log();
    assert!(log.contains("does not open"), "{log}");
    world.run_to_the_end(NAME).await;
    world.assert_converged(&Wanted::first(), &[], "one of two has the key");
    let candidates =
        world.query("SELECT i.name FROM candidate AS c JOIN instance AS i ON i.holder = c.holder");
    assert_eq!(candidates, "one", "the other does not compete");
    // Nobody takes it while the one is away, and what was asked for is told.
    let sent = world.lab.receiver.summary().requests;
    world.turn();
    world.other.take().unwrap().service.stopped_with(0).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(world.held_by(NAME), Vec::<String>::new());
    let answer = world.get(NAME).await.with(200).json();
    assert_ne!(answer["lastError"], answer["state"], "{answer}");
    let shown = serde_json::to_string(&answer).unwrap();
    assert!(shown.contains("does not open"), "{shown}");
    let (status, answer, _) = world.ask_run(NAME, "delta").answered().await;
    assert_eq!(status, 409, "{answer}");
    assert_ne!(answer["reason"], Value::Null);
    world.lab.set("SECRETS_KEY", KEY);
    world.lab.set("INSTANCE_NAME", "one");
    let again = crate::support::http::Served::listening(&world.lab.connector).await;
    until("it is held again", 20, async || world.held_by(NAME) == ["one"]).await;
    assert_eq!(
        world.lab.receiver.summary().requests,
        sent,
        "nothing was sent meanwhile"
    );
    again.service.stopped_with(0).await;
    world.served.service.stopped_with(0).await;
}
