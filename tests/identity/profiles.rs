//! A user that moves between two profiles with one target (R37a).

use std::time::Duration;

use lab::receiver::Answer;
use lab::simulator::ObjectId;

use crate::world::{EAST, WEST, World};

const NAMES: [&str; 2] = ["corp.east", "corp.west"];

/// Profiles `east` and `west`, synced.
async fn two(removed_objects: &str) -> World {
    let world = World::new()
        .await
        .with("REMOVED_OBJECTS", removed_objects)
        .profiles(&[
            ("east", "ad_base_context = \"OU=East,DC=corp,DC=example\""),
            ("west", "ad_base_context = \"OU=West,DC=corp,DC=example\""),
        ]);
    world.settle().await;
    world
}

/// Which profile runs first after a move.
#[derive(Debug, Clone, Copy, PartialEq)]
enum First {
    /// The one that the user leaves.
    Left,
    /// The one that the user comes to.
    Entered,
    /// Both, in two processes.
    Both,
}

impl First {
    const ALL: [First; 3] = [First::Left, First::Entered, First::Both];

    async fn run(self, world: &World, left: &str, entered: &str) {
        match self {
            First::Left => {
                world.sync(left, &[0]).await;
                world.sync(entered, &[0]).await;
            }
            First::Entered => {
                // The other profile does not know yet that the user left: it is the owner.
                world.sync(entered, &[0, 2]).await;
                world.sync(left, &[0]).await;
            }
            First::Both => {
                tokio::join!(world.sync(left, &[0]), world.sync(entered, &[0, 2]));
            }
        }
    }
}

/// Moves the user from one profile to the other and back, with another address or as it is.
async fn there_and_back(removed_objects: &str, first: First, changed: bool) {
    let world = two(removed_objects).await;
    let user = world.east[7];
    let id = world.id(user);
    let ways = [(WEST, NAMES[0], NAMES[1]), (EAST, NAMES[1], NAMES[0])];
    for (unit, left, entered) in ways {
        world.directory().move_to(user, unit);
        if changed {
            world
                .directory()
                .set_text(user, "mail", &format!("of.{entered}@corp.example"));
        }
        first.run(&world, left, entered).await;
        world.settle().await;
        world.assert_live(&[(&id, user)]).await;
        if first == First::Entered || removed_objects == "report" {
            // A live object claimed the id before the other one was gone.
            world.assert_never_removed(&[&id]);
        }
        let accepted = [world.accepted(left).await, world.accepted(entered).await];
        let wanted = if unit == WEST { [19, 21] } else { [20, 20] };
        assert_eq!(accepted, wanted, "{unit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_user_that_moves_to_another_profile_and_back_is_live_in_the_end() {
    for first in First::ALL {
        there_and_back("send", first, false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_user_that_moves_and_changes_is_live_with_its_change_in_the_end() {
    for first in First::ALL {
        there_and_back("send", first, true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_move_between_profiles_that_only_report_leaves_nothing_listed() {
    for first in First::ALL {
        there_and_back("report", first, false).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_removal_that_waits_is_dropped_when_the_other_profile_has_the_user() {
    // The gateway keeps nothing, refuses the removal, or keeps it and its answer is lost.
    for answer in [Answer::status(503), Answer::status(400), Answer::CutAfter] {
        let mut world = two("send").await;
        let user = world.east[7];
        let id = world.id(user);
        world.directory().move_to(user, WEST);
        world.answer_always(answer.clone());
        world.sync("corp.east", &[2, 69]).await;
        world.receiver.clear_scripts();
        world.sync("corp.west", &[0]).await;
        world.assert_live(&[(&id, user)]).await;
        world.sync("corp.east", &[0]).await;
        world.assert_live(&[(&id, user)]).await;
        world.settle().await;
        world.assert_live(&[(&id, user)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_removal_in_flight_is_not_the_last_that_upstream_gets() {
    let long = Duration::from_secs(2);
    // The gateway keeps the removal at once, or when it is sent again.
    for answer in [Answer::Slow(long), Answer::Hang(long)] {
        let world = two("send").await;
        let user = world.east[7];
        let id = world.id(user);
        world.forget();
        world.directory().move_to(user, WEST);
        world.receiver.script([answer]);
        let removing = async {
            world.sync("corp.east", &[0]).await;
        };
        let claiming = async {
            world.receiver.arrived(1).await;
            world.sync("corp.west", &[0]).await;
        };
        tokio::join!(removing, claiming);
        // Processed: upstream accepted every asset of the run.
        world.assert_live(&[(&id, user)]).await;
        world.settle().await;
        world.assert_live(&[(&id, user)]).await;
    }
}

/// Two profiles, of which the first one has sent, without an answer yet, that a user is removed;
/// the second one has that user.
async fn removal_in_flight(long: Duration) -> (World, ObjectId, tokio::process::Child) {
    let world = two("send").await;
    let user = world.east[7];
    world.forget();
    world.directory().move_to(user, WEST);
    world.receiver.script([Answer::Hang(long)]);
    let removing = world.connector.start(&["sync", "--connection", "corp.east"]);
    world.receiver.arrived(1).await;
    (world, user, removing)
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_what_the_run_of_a_dead_process_had_in_flight_is_sent_by_another_one() {
    let (world, user, mut removing) = removal_in_flight(Duration::from_secs(2)).await;
    let id = world.id(user);
    removing.kill().await.unwrap();
    world.sync("corp.west", &[0]).await;
    world.assert_live(&[(&id, user)]).await;
    let runs = world.run(&["runs", "--connection", "corp.east"], &[0]).await;
    runs.said(&["interrupted"]);
    world.settle().await;
    world.assert_live(&[(&id, user)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_run_that_waits_in_vain_for_another_one_does_not_end_as_processed() {
    let (world, user, removing) = removal_in_flight(Duration::from_secs(40)).await;
    let id = world.id(user);
    let outcome = world.sync("corp.west", &[2]).await;
    let dn = world.directory().dn(user);
    outcome.said(&[&id, &dn, "corp.east", "in flight"]);
    let status = world.status("corp.west").await;
    assert_eq!(status["state"], "Scheduled", "{status}");
    let listed = world
        .run(&["runs", "--json", "--connection", "corp.west"], &[0])
        .await;
    let last: serde_json::Value = serde_json::from_str(listed.stdout.lines().next().unwrap()).unwrap();
    let objects = [
        "runs",
        "--run",
        &last["run"].to_string(),
        "--connection",
        "corp.west",
    ];
    world
        .run(&objects, &[0])
        .await
        .said(&[&dn, "corp.east", "in flight"]);
    drop(removing);
    world.settle().await;
    world.assert_live(&[(&id, user)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_removals_that_are_held_remove_nobody_whom_the_other_profile_has() {
    let world = two("send").await;
    let moved: Vec<ObjectId> = world.east[..6].to_vec();
    let live: Vec<(String, ObjectId)> = moved.iter().map(|user| (world.id(*user), *user)).collect();
    let live: Vec<(&str, ObjectId)> = live.iter().map(|(id, user)| (id.as_str(), *user)).collect();
    for user in &moved {
        world.directory().move_to(*user, WEST);
        world.directory().set_text(*user, "mail", "moved@corp.example");
    }
    // 6 of 20 are gone as it seems: nobody has claimed them yet.
    world.sync("corp.east", &[3]).await;
    world.sync("corp.west", &[0, 2]).await;
    // Before or after the approval, they are no removals.
    world.sync("corp.east", &[0, 3]).await;
    world
        .run(&["approve-removals", "--connection", "corp.east"], &[0])
        .await;
    world.settle().await;
    world.assert_live(&live).await;
    let ids: Vec<&str> = live.iter().map(|(id, _)| *id).collect();
    world.assert_never_removed(&ids);
    assert_eq!(world.lines("removed").await.len(), 0);
    assert_eq!(world.lines("held").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_user_that_leaves_both_profiles_is_removed_once() {
    let world = two("send").await;
    let user = world.east[7];
    let id = world.id(user);
    world.directory().move_to(user, WEST);
    world.settle().await;
    world.assert_live(&[(&id, user)]).await;
    world.forget();
    world.directory().delete(user);
    world.settle().await;
    let removal = world.assert_removed(&id, "deleted").await;
    assert_eq!(removal["connection"], "corp.west");
    assert_eq!(world.delivered(&id).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_what_a_connection_owned_that_is_not_configured_any_more_is_free() {
    let mut world = World::new().await;
    world.settle().await;
    world.forget();
    // docs/connections.md: it begins anew.
    world.set("CONNECTION_NAME", "renamed");
    world.names = vec!["renamed".to_owned()];
    world.sync("renamed", &[0]).await;
    assert_eq!(world.accepted("renamed").await, 20);
    world.directory().delete(world.east[0]);
    world
        .directory()
        .set_text(world.east[1], "mail", "new@corp.example");
    let (gone, changed) = (world.id(world.east[0]), world.id(world.east[1]));
    world.settle().await;
    world.assert_live(&[(&changed, world.east[1])]).await;
    world.run(&["removed"], &[0]).await.said(&["deleted"]);
    world.assert_removed(&gone, "deleted").await;
}
