//! Objects that are in ETM, that no run has read, and directories that cannot be read.

use lab::simulator::Account;

use crate::support::simulated::Simulated;
use crate::world::{IN, World};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_accepted_is_in_etm_with_its_run() {
    let world = World::new(false).await;
    world.simulator.statistics().reset();
    let answer = world.why("Person 20").await;
    // Once with --json and once without.
    assert_eq!(world.simulator.statistics().counts().binds, 2);
    let guid = world.guid(world.users[20]);
    let answer = answer
        .is(
            "in_etm",
            true,
            &["CN=Person 20,OU=In", "in run 1", "the same now"],
        )
        .step("directory", "passed", &["on 127.0.0.1"])
        .step("base context", "passed", &[IN])
        .step("object class", "passed", &["objectClass=user"])
        .step("extra filter", "passed", &["none is set"])
        .step("mapping", "passed", &["S-1-5-21-", "values"])
        .step("gateway", "passed", &["accepted at", "\"run\":1"]);
    assert_eq!(answer.0["vendorAssetId"], guid.as_str());
    assert_eq!(answer.0["kind"], "user");
    assert_eq!(world.receiver.summary().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_is_in_etm_in_an_older_version() {
    let world = World::new(false).await;
    world
        .directory()
        .set_text(world.users[20], "mail", "new@corp.example");
    let answer = world.why("new@corp.example").await;
    answer
        .is(
            "outdated",
            true,
            &["older version", "the next run (due 20", "reads and sends"],
        )
        .advises("ad-connector sync");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_any_run_the_next_one_reads_it() {
    let lab = Simulated::new().await;
    let user = lab.users()[3];
    let answer = lab.connector.ask(&lab.external_id(user), 0).await;
    answer
        .is(
            "not_read",
            false,
            &["no run has read the directory yet", "the first run"],
        )
        .step("mapping", "passed", &[])
        .step("stage", "not_reached", &["no run has been made"]);
    assert!(!lab.connector.state().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_object_is_read_by_the_next_run_unless_that_fails() {
    let world = World::new(false).await;
    world.directory().create_user(IN, "Newcomer", &[]);
    let answer = world.why("Newcomer").await;
    answer
        .is(
            "not_read",
            false,
            &["changed after the last read", "the next run"],
        )
        .step("mapping", "passed", &["absent"]);
    let world = world.with("AD_PASSWORD", "wrong");
    world.connector.run(&["sync"]).await.ended_with(77);
    let world = world.with("AD_PASSWORD", lab::simulator::PASSWORD);
    let answer = world.why("Newcomer").await;
    answer
        .is(
            "not_read",
            false,
            &["but the last run failed", "password is wrong"],
        )
        .advises("AD_PASSWORD");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_the_account_could_not_see_was_passed_over() {
    let world = World::new(false).await;
    let hidden = world.directory().create_user(IN, "Hidden", &[]);
    world.directory().hide(hidden);
    world
        .directory()
        .set_text(world.users[20], "mail", "new@corp.example");
    world.sync().await;
    world.directory().show(hidden);
    let answer = world.why("Hidden").await;
    answer
        .is("passed_over", false, &["USN", "could not see it then"])
        .advises("--baseline");
    world.connector.succeed(&["sync", "--baseline"]).await;
    world.why("Hidden").await.is("in_etm", true, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_an_object_without_a_readable_guid_is_not_in_etm() {
    let world = World::new(false).await;
    let user = world.directory().create_user(IN, "Nameless", &[]);
    world.directory().hide_guid(user);
    let answer = world.why("Nameless").await;
    answer
        .is(
            "unidentified",
            false,
            &["may not read its objectGUID", "a run rejects it"],
        )
        .step("directory", "failed", &["CN=Nameless"]);
    world.connector.run(&["sync"]).await.ended_with(2);
    let answer = world.why("Nameless").await;
    answer.is("unidentified", false, &["runs reject it since 20"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_or_nowhere_is_said_so() {
    let world = World::new(true).await;
    let user = world.directory().create_user(IN, "Short-lived", &[]);
    let guid = world.guid(user);
    world.directory().delete(user);
    let answer = world.why(&guid).await;
    answer
        .is(
            "deleted",
            false,
            &["deleted in the directory", "CN=Deleted Objects"],
        )
        .step("directory", "failed", &["deleted on 127.0.0.1"]);
    let answer = world.why("Nobody").await;
    answer.is("not_found", false, &["`Nobody`", "no object of that name"]);
    let answer = world.why("00000000-0000-4000-8000-000000000000").await;
    answer
        .is("not_found", false, &[])
        .step("directory", "failed", &["no such object"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_down_leaves_what_the_store_knows() {
    let world = World::new(false).await;
    let user = world.users[20];
    let names = [
        "person 20".to_owned(),
        "PERSON20@corp.example".to_owned(),
        world.guid(user),
        world.directory().sid(user).unwrap(),
        world.directory().dn(user),
    ];
    // Nobody listens there.
    let world = world.with("AD_PORT", "1");
    for name in names {
        let answer = world.why(&name).await;
        answer
            .is(
                "unverified",
                true,
                &["accepted its asset", "cannot be read now", "127.0.0.1"],
            )
            .step("directory", "unknown", &["cannot be read"])
            .step("gateway", "passed", &["in run 1"]);
    }
    let answer = world.connector.ask("Nobody", 69).await;
    answer.is("unknown", None, &["cannot be answered", "no run has read"]);
    let port = world.simulator.addr().port().to_string();
    let world = world
        .with("AD_BASE_CONTEXT", "OU=Nowhere,DC=corp,DC=example")
        .with("AD_PORT", &port);
    let answer = world.why("Person 20").await;
    answer
        .is(
            "leaving",
            true,
            &["base context OU=Nowhere,DC=corp,DC=example does not exist"],
        )
        .step("base context", "failed", &["does not exist"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_a_refused_password_is_tried_once_by_a_command() {
    let world = World::new(false).await.with("AD_PASSWORD", "wrong");
    world.simulator.statistics().reset();
    world
        .why("Person 20")
        .await
        .is("unverified", true, &["password is wrong"]);
    assert_eq!(world.simulator.statistics().counts().binds, 2, "once each");
    let answer = world.connector.ask("Nobody", 77).await;
    answer.is("unknown", None, &[]).advises("AD_PASSWORD");
    world.simulator.set_accounts(vec![Account::refused(
        lab::simulator::READER,
        lab::simulator::Refusal::LockedOut,
    )]);
    let world = world.with("AD_PASSWORD", lab::simulator::PASSWORD);
    world
        .connector
        .ask("Nobody", 77)
        .await
        .is("unknown", None, &["locked"]);
}
