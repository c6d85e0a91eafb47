//! An object that is deleted and created again under the same externalAssetId.

use lab::simulator::ObjectId;

use crate::world::{DEEP, EAST, OUT, World};

/// Every attribute that a new object may get from its predecessor, with every place inside the
/// base context.
const CASES: [(&str, &str); 4] = [
    ("sAMAccountName", EAST),
    ("sAMAccountName", DEEP),
    ("mail", EAST),
    ("mail", DEEP),
];

/// A user with log-on name and address of `east7`.
fn successor(world: &World, parent: &str) -> ObjectId {
    world.create(parent, "Successor", "east7", "east7@corp.example")
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_deleted_and_created_again_in_one_delta() {
    for (identity, parent) in CASES {
        let world = World::identified_by(identity).await;
        let id = world.id(world.east[7]);
        world.directory().delete(world.east[7]);
        let new = successor(&world, parent);
        world.converge(&[(&id, new)]).await;
        world.assert_never_removed(&[&id]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_created_before_its_predecessor_is_deleted_in_one_delta() {
    for (identity, parent) in CASES {
        let world = World::identified_by(identity).await;
        let id = world.id(world.east[7]);
        let new = successor(&world, parent);
        world.directory().delete(world.east[7]);
        world.converge(&[(&id, new)]).await;
        world.assert_never_removed(&[&id]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_deleted_and_created_again_however_changes_are_found() {
    for delta in ["dirsync", "off"] {
        let world = World::identified_by("sAMAccountName")
            .await
            .with("AD_DELTA", delta);
        world.settle().await;
        let id = world.id(world.east[7]);
        world.directory().delete(world.east[7]);
        let new = successor(&world, DEEP);
        world.converge(&[(&id, new)]).await;
        world.assert_never_removed(&[&id]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_deleted_and_created_again_in_two_deltas() {
    for (identity, parent) in CASES {
        let world = World::identified_by(identity).await;
        let id = world.id(world.east[7]);
        world.directory().delete(world.east[7]);
        world.settle().await;
        world.assert_removed(&id, "deleted").await;
        world.forget();
        let new = successor(&world, parent);
        world.converge(&[(&id, new)]).await;
        world.assert_never_removed(&[&id]);
        assert_eq!(world.delivered(&id).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_created_while_its_predecessor_is_there_and_deleted_later() {
    for (identity, parent) in CASES {
        let world = World::identified_by(identity).await;
        let old = world.east[7];
        let id = world.id(old);
        let new = successor(&world, parent);
        let names = [world.directory().dn(old), world.directory().dn(new)];
        let outcome = world.sync("active-directory", &[2]).await;
        outcome.said(&[&id, &names[0], &names[1]]);
        world.assert_wait("active-directory", &id, old, &[new]).await;
        // It waits in a run that reads nothing, and in a full read.
        world.sync("active-directory", &[2]).await;
        world.run(&["sync", "--baseline"], &[2]).await;
        world.assert_wait("active-directory", &id, old, &[new]).await;
        assert_eq!(world.receiver.summary().requests, 0);
        world.directory().delete(old);
        world.converge(&[(&id, new)]).await;
        world.assert_never_removed(&[&id]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_dry_run_names_who_would_wait_and_stores_nothing() {
    let world = World::identified_by("sAMAccountName").await;
    let (old, id) = (world.east[7], world.id(world.east[7]));
    let new = successor(&world, EAST);
    let names = [world.directory().dn(old), world.directory().dn(new)];
    let outcome = world.run(&["sync", "--dry-run"], &[2]).await;
    outcome.said(&[&id, &names[0], &names[1]]);
    let status = world.status("active-directory").await;
    assert_eq!(status["rejected"], serde_json::json!([]));
    world.directory().delete(old);
    world.run(&["sync", "--dry-run"], &[0, 2]).await;
    world.converge(&[(&id, new)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_an_approval_does_not_remove_what_was_created_again_meanwhile() {
    for (identity, parent) in CASES {
        let world = World::identified_by(identity).await;
        let gone: Vec<(String, ObjectId)> = world.east[5..11]
            .iter()
            .map(|user| (world.id(*user), *user))
            .collect();
        for (_, user) in &gone {
            world.directory().delete(*user);
        }
        world.sync("active-directory", &[3]).await;
        let new = successor(&world, parent);
        world.sync("active-directory", &[3]).await;
        world.run(&["approve-removals"], &[0, 2]).await;
        let id = gone[2].0.as_str();
        world.settle().await;
        world.assert_live(&[(id, new)]).await;
        world.assert_never_removed(&[id]);
        for (other, _) in gone.iter().filter(|(other, _)| other != id) {
            world.assert_removed(other, "deleted").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_created_again_where_nobody_reads_is_an_ordinary_removal() {
    for identity in ["sAMAccountName", "mail"] {
        let world = World::identified_by(identity).await;
        let id = world.id(world.east[7]);
        world.directory().delete(world.east[7]);
        let new = successor(&world, OUT);
        world.settle().await;
        world.assert_removed(&id, "deleted").await;
        world.forget();
        world.directory().move_to(new, EAST);
        world.converge(&[(&id, new)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_created_again_under_another_sid_is_a_removal_and_an_addition() {
    let world = World::identified_by("objectSid").await;
    let old = world.id(world.east[7]);
    world.directory().delete(world.east[7]);
    let new = successor(&world, EAST);
    let id = world.id(new);
    world.converge(&[(&id, new)]).await;
    world.assert_removed(&old, "deleted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_the_predecessor_that_is_restored_waits_for_the_successor() {
    let world = World::identified_by("sAMAccountName").await;
    let old = world.east[7];
    let id = world.id(old);
    world.directory().delete(old);
    let new = successor(&world, EAST);
    world.converge(&[(&id, new)]).await;
    world.forget();
    world.directory().restore(old);
    world.sync("active-directory", &[2]).await;
    world.assert_wait("active-directory", &id, new, &[old]).await;
    assert_eq!(world.receiver.summary().requests, 0);
    world.directory().delete(new);
    world.converge(&[(&id, old)]).await;
    world.assert_never_removed(&[&id]);
}
