//! Objects that are gone, or seem to be.

use lab::receiver::Answer as Reply;
use lab::simulator::Controller;

use crate::world::{IN, OUT, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_left_is_in_etm_until_the_next_run() {
    let world = World::new(true).await;
    world.directory().move_to(world.users[20], OUT);
    let answer = world.why("Person 20").await;
    answer
        .is(
            "leaving",
            true,
            &["still in ETM", "OU=Out", "not below the base context", "removal"],
        )
        .step("gateway", "passed", &["in run 1"]);
    world.directory().delete(world.users[21]);
    let answer = world.why("Person 21").await;
    answer
        .is("leaving", true, &["it is deleted in the directory"])
        .step("directory", "failed", &["deleted on"]);
    let world = World::new(false).await;
    world.directory().delete(world.users[20]);
    let answer = world.why("Person 20").await;
    answer.is(
        "leaving",
        true,
        &["returns no such object", "hidden from the account"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_a_removal_that_is_only_reported_leaves_the_asset_in_etm() {
    let world = World::new(true).await;
    let gone = world.users[20];
    let guid = world.guid(gone);
    world.directory().delete(gone);
    world.sync().await;
    for name in ["Person 20", "person20@corp.example", &guid] {
        let answer = world.why(name).await;
        answer
            .is(
                "removed",
                true,
                &[
                    "in run 2",
                    "deleted: CN=",
                    "the removal was not sent to ETM",
                    "purge rules",
                ],
            )
            .step("removal", "failed", &["REMOVED_OBJECTS=report", "deleted: CN="])
            .step("history", "unknown", &["run 2: removed"]);
    }
    world.directory().restore(gone);
    let answer = world.why(&guid).await;
    answer.is("not_read", false, &["in scope again", "run 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_a_removal_that_is_sent_says_when_etm_was_told() {
    let world = World::new(true).await;
    let mapping = world.connector.folder().join("mapping.toml");
    let removed = "\n[removed]\nasset.assetDetail.lifecycle = \"REMOVED\"\n";
    let table = include_str!("../../config/mapping.toml").to_owned() + removed;
    std::fs::write(&mapping, table).unwrap();
    let world = world
        .with("REMOVED_OBJECTS", "send")
        .with("MAPPING_FILE", "mapping.toml");
    world.sync().await;
    world.directory().delete(world.users[20]);
    let id = world.directory().sid(world.users[20]).unwrap();
    world.receiver.refuse([id.clone()], Reply::status(400));
    world.connector.run(&["sync"]).await.ended_with(2);
    let answer = world.why(&id).await;
    answer.is(
        "removed",
        true,
        &["still in ETM until a run has sent the removal", "rejected"],
    );
    world.receiver.refuse_nothing();
    world.sync().await;
    let answer = world.why(&id).await;
    answer
        .is(
            "removed",
            false,
            &["deleted: CN=", "the removal was sent to ETM at"],
        )
        .step("removal", "failed", &["removal sent to ETM at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_a_removal_that_the_threshold_holds_back_says_so() {
    let world = World::new(false).await;
    for user in &world.users[10..16] {
        world.directory().move_to(*user, OUT);
    }
    world.connector.run(&["sync"]).await.ended_with(3);
    let answer = world.why("Person 12").await;
    answer
        .is(
            "held",
            true,
            &[
                "left the scope",
                "more objects are gone than the threshold allows",
            ],
        )
        .step("missed", "failed", &["held back by the threshold since"])
        .advises("approve-removals");
    // It is back: the directory counts, not the note.
    world.directory().move_to(world.users[12], IN);
    world.why("Person 12").await.is("in_etm", true, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_an_object_that_a_controller_misses_is_not_decided() {
    let world = World::new(false).await;
    let gone = world.users[10];
    world.directory().delete(gone);
    world.simulator.swap_controller(Controller::numbered(2));
    world.sync().await;
    let answer = world.why("Person 10").await;
    answer
        .is(
            "undecided",
            true,
            &["a read missed it at", "not decided", "never returned the object"],
        )
        .step(
            "missed",
            "failed",
            &["not decided", "127.0.0.1 never returned it"],
        );
}
