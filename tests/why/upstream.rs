//! Objects that the mapping, the gateway or another object keeps out of ETM.

use std::time::Duration;

use lab::receiver::Answer as Reply;

use crate::world::{IN, World};

/// The built-in table with one row changed.
fn write_mapping(world: &World, from: &str, to: &str) {
    let table = include_str!("../../config/mapping.toml");
    assert!(table.contains(from), "{from}");
    std::fs::write(
        world.connector.folder().join("mapping.toml"),
        table.replacen(from, to, 1),
    )
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_an_object_that_cannot_be_mapped_says_which_values_are_rejected() {
    let world = World::new(false).await.with("MAPPING_FILE", "mapping.toml");
    write_mapping(&world, "source = \"mail\"", "source = \"mail\"\nrequired = true");
    let user = world.directory().create_user(IN, "No mail", &[]);
    world.directory().set(user, "displayName", &[b"Zo\xff"]);
    let words = &["the mapping can make no asset", "mail is missing"];
    let answer = world.why("No mail").await;
    answer.is("unmapped", false, words).step(
        "mapping",
        "failed",
        &["mail is missing", "displayName ← displayName: ", "left out"],
    );
    world.connector.run(&["sync"]).await.ended_with(2);
    let answer = world.why("No mail").await;
    answer
        .is("unmapped", false, words)
        .step("rejected", "failed", &["mail is missing"])
        .step("history", "unknown", &["unmapped"]);
    // ETM holds what it was before.
    world.directory().set(world.users[20], "mail", &[]);
    let answer = world.why("Person 20").await;
    answer.is(
        "unmapped",
        true,
        &["older version", "in run 1", "mail is missing"],
    );
    // With the directory down, the last reading counts.
    let world = world.with("AD_PORT", "1");
    let answer = world.why("No mail").await;
    answer.is("unmapped", false, &["mail is missing", "since 20"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r32_an_asset_that_the_gateway_rejects_is_told_with_its_answer() {
    let world = World::new(false).await;
    let fresh = world.directory().create_user(IN, "Fresh", &[]);
    world
        .directory()
        .set_text(world.users[20], "mail", "new@corp.example");
    // The gateway takes others.
    for user in &world.users[21..25] {
        world.directory().set_text(*user, "displayName", "Changed");
    }
    let ids = [fresh, world.users[20]].map(|user| world.directory().sid(user).unwrap());
    world.receiver.refuse(
        ids,
        Reply::Status(400, Vec::new(), "the name is not welcome".to_owned()),
    );
    world.connector.run(&["sync"]).await.ended_with(2);
    let answer = world.why("Fresh").await;
    answer
        .is(
            "rejected",
            false,
            &["the gateway rejected its asset in run 2", "not welcome"],
        )
        .step("stage", "passed", &["waits since"])
        .step("gateway", "failed", &["not welcome", "\"run\":2"]);
    let answer = world.why("Person 20").await;
    answer
        .is(
            "rejected",
            true,
            &["older version, accepted at", "rejected the newer one in run 2"],
        )
        .step("gateway", "failed", &["an older version was accepted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r20_what_waits_says_since_when_and_why_the_last_run_failed() {
    let world = World::new(false).await.with("QUALYS_CLIENT_SECRET", "wrong");
    world.directory().create_user(IN, "Fresh", &[]);
    world
        .directory()
        .set_text(world.users[20], "mail", "new@corp.example");
    world.connector.run(&["sync"]).await.ended_with(77);
    let answer = world.why("Fresh").await;
    answer
        .is(
            "waiting",
            false,
            &["not in ETM yet: its asset waits since", "the last run failed"],
        )
        .step("stage", "passed", &["waits since"])
        .step("gateway", "not_reached", &[])
        .advises("QUALYS_CLIENT_SECRET");
    let answer = world.why("Person 20").await;
    answer.is("waiting", true, &["older version", "the newer one waits since"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_what_was_sent_without_an_answer_may_be_in_etm() {
    let world = World::new(false).await.with("QUALYS_GIVE_UP_AFTER", "100ms");
    world.directory().create_user(IN, "Fresh", &[]);
    world.receiver.script(std::iter::repeat_n(Reply::CutAfter, 20));
    world.connector.run(&["sync"]).await.ended_with(69);
    let answer = world.why("Fresh").await;
    answer
        .is("unanswered", None, &["may be in ETM", "no answer arrived"])
        .step("gateway", "not_reached", &["answer did not arrive"]);
    world.receiver.clear_scripts();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_the_way_names_its_run() {
    let world = World::new(false).await;
    world.directory().create_user(IN, "Fresh", &[]);
    world.receiver.script([Reply::Slow(Duration::from_secs(20))]);
    let mut run = world.connector.start(&["sync"]);
    let mut said = String::new();
    while !said.contains("\"sending\"") {
        assert!(run.try_wait().unwrap().is_none(), "the run is over: {said}");
        let arguments = ["why", "Fresh", "--json"];
        said = world.connector.succeed(&arguments).await.stdout;
    }
    assert!(
        said.contains("is on the way to the gateway in run 2 now"),
        "{said}"
    );
    assert_eq!(run.wait().await.unwrap().code(), Some(0));
    world.why("Fresh").await.is("in_etm", true, &["in run 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_an_object_whose_id_is_taken_waits_behind_its_owner() {
    let world = World::new(false)
        .await
        .with("MAPPING_FILE", "mapping.toml")
        .with("REMOVAL_MAX_PERCENT", "100");
    let row = |source: &str, form: &str| {
        format!("source = \"{source}\"\ntarget = \"asset.assetHeader.externalAssetId\"\nform = \"{form}\"")
    };
    write_mapping(&world, &row("objectSid", "sid"), &row("mail", "text"));
    let shared = [("mail", "person20@corp.example")];
    world.directory().create_user(IN, "Second", &shared);
    world.connector.run(&["sync"]).await.ended_with(2);
    let answer = world.why("Second").await;
    answer
        .is(
            "conflict",
            false,
            &[
                "person20@corp.example is already that of CN=Person 20,OU=In",
                "waits until",
            ],
        )
        .step("identity", "failed", &["CN=Person 20", "it waits since"]);
    world.why("Person 20").await.is("in_etm", true, &[]);
    // Before a run has read it as well.
    world.directory().create_user(IN, "Third", &shared);
    let answer = world.why("Third").await;
    answer.is("conflict", false, &["already that of CN=Person 20,OU=In"]);
}
