//! The threshold, and who may let through what it holds (R23).

use crate::world::{OUT, USERS, World};

/// Moves six users of forty out of the scope: 15 %.
async fn six_gone() -> World {
    let world = World::new(false).await;
    for user in &world.users[10..16] {
        world.directory().move_to(*user, OUT);
    }
    let outcome = world.connector.run(&["sync"]).await.ended_with(3);
    outcome.said(&["6 of 40 users", "REMOVAL_MAX_PERCENT=10", "approve-removals"]);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_above_the_threshold_nothing_is_removed_and_the_rest_of_the_run_goes_on() {
    let world = World::new(false).await;
    for user in &world.users[10..16] {
        world.directory().move_to(*user, OUT);
    }
    world
        .directory()
        .set_text(world.users[20], "mail", "new@corp.example");
    let before = world.last_run().await["watermarkAfter"].as_u64().unwrap();
    let outcome = world.connector.run(&["sync"]).await.ended_with(3);
    assert!(
        outcome.stderr.contains("nothing was removed"),
        "{}",
        outcome.stderr
    );
    assert_eq!(world.receiver.assets().len(), 1, "the change");
    assert_eq!(world.listed("removed").await, []);
    let held = world.listed("held").await;
    world.assert_listed(&held, &world.users[10..16], "left the scope");
    let run = world.last_run().await;
    assert!(run["watermarkAfter"].as_u64().unwrap() > before);
    assert_eq!(run["counts"]["users"]["held"], 6);
    let status = world.status().await;
    assert_eq!(status["state"], "Scheduled");
    assert!(
        status["lastErrorRemedy"]
            .as_str()
            .unwrap()
            .contains("approve-removals"),
        "{status}"
    );
    assert_eq!(status["counts"]["users"]["held"], 6);
    assert_eq!(status["counts"]["users"]["accepted"], 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_a_small_removal_waits_with_a_large_one_of_another_kind() {
    let world = World::new(true).await;
    let team = world
        .directory()
        .find("CN=Team 0,OU=In,DC=corp,DC=example")
        .unwrap();
    world.directory().delete(team);
    for user in &world.users[10..16] {
        world.directory().delete(*user);
    }
    world.connector.run(&["sync"]).await.ended_with(3);
    assert_eq!(world.listed("held").await.len(), 7);
    assert_eq!(world.listed("removed").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_the_count_alone_is_enough() {
    let world = World::new(false).await.with("REMOVAL_MAX_COUNT", "1");
    for user in &world.users[10..12] {
        world.directory().move_to(*user, OUT);
    }
    world.connector.run(&["sync"]).await.ended_with(3);
    assert_eq!(world.listed("held").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_held_removals_are_looked_up_again_until_they_are_decided() {
    let world = six_gone().await;
    // Nothing changes, and the delta has moved on: they are still held.
    world.connector.run(&["sync"]).await.ended_with(3);
    assert_eq!(world.listed("held").await.len(), 6);
    // Three come back: the rest is below the threshold.
    for user in &world.users[10..13] {
        world.directory().move_to(*user, crate::world::IN);
    }
    world.sync().await;
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &world.users[13..16], "left the scope");
    assert_eq!(world.listed("held").await, []);
    assert_eq!(
        world.receiver.summary().requests,
        0,
        "what came back is as it was accepted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_rights_taken_away_from_all_remove_nobody() {
    let world = World::new(false).await;
    let unit = world.directory().find(crate::world::IN).unwrap();
    // Everybody directly below the unit becomes invisible, the unit itself too.
    world.directory().hide(unit);
    let outcome = world.connector.run(&["sync", "--baseline"]).await;
    assert!(matches!(outcome.code, Some(3 | 69)), "{}", outcome.text());
    assert_eq!(world.listed("removed").await, []);
    world.directory().show(unit);
    for user in &world.users {
        world.directory().hide(*user);
    }
    world.connector.run(&["sync", "--baseline"]).await.ended_with(3);
    assert_eq!(world.listed("held").await.len(), USERS);
    assert_eq!(world.listed("removed").await, []);
    for user in &world.users {
        world.directory().show(*user);
    }
    world.sync().await;
    assert!(world.lines().await.is_empty());
    assert_eq!(world.receiver.summary().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_zero_results_are_held_whatever_is_allowed_below_100_percent() {
    let world = World::new(false)
        .await
        .with("REMOVAL_MAX_PERCENT", "99")
        .with("AD_USER_FILTER", "(mail=nobody)");
    world.connector.run(&["sync"]).await.ended_with(3);
    assert_eq!(world.listed("held").await.len(), USERS);
    assert_eq!(world.listed("removed").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_approval_lets_exactly_the_list_through() {
    let world = six_gone().await;
    let list = world.held_list().await;
    let shown = world.connector.succeed(&["removed"]).await;
    assert!(
        shown.stdout.contains(&list) && shown.stdout.contains("CN=Person 12"),
        "{}",
        shown.stdout
    );
    let said = world
        .connector
        .succeed(&["approve-removals", "--list", &list])
        .await;
    assert!(said.stdout.contains("CN=Person 12"), "{}", said.stdout);
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &world.users[10..16], "left the scope");
    assert_eq!(world.listed("held").await, []);
    assert_eq!(world.receiver.summary().requests, 0, "only reported");
    assert_eq!(world.status().await["counts"]["users"]["accepted"], 34);
    world.sync().await;
    // Nothing is left to approve.
    world
        .connector
        .succeed(&["approve-removals"])
        .await
        .said(&["no removals are held"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_without_a_name_the_list_of_the_moment_is_approved_without_a_gateway() {
    let mut world = six_gone().await;
    // Nothing is posted, so no token is needed.
    world.connector = world.connector.with("QUALYS_CLIENT_SECRET", "refused");
    world.connector.succeed(&["approve-removals"]).await;
    assert_eq!(world.listed("removed").await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_an_approval_is_refused_when_one_of_the_list_is_back() {
    let world = six_gone().await;
    let list = world.held_list().await;
    world.directory().move_to(world.users[12], crate::world::IN);
    let outcome = world
        .connector
        .run(&["approve-removals", "--list", &list])
        .await
        .ended_with(3);
    assert!(outcome.stderr.contains("not the list"), "{}", outcome.stderr);
    assert_eq!(world.listed("removed").await, []);
    assert_eq!(world.listed("held").await.len(), 5);
    // The object that is back is no removal, and the others can be approved under their new name.
    world.connector.run(&["sync"]).await.ended_with(3);
    let list = world.held_list().await;
    world
        .connector
        .succeed(&["approve-removals", "--list", &list])
        .await;
    assert_eq!(world.listed("removed").await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_an_approval_of_a_list_that_grew_is_refused() {
    let world = six_gone().await;
    let list = world.held_list().await;
    world.directory().move_to(world.users[30], OUT);
    world.connector.run(&["sync"]).await.ended_with(3);
    assert_ne!(world.held_list().await, list);
    world
        .connector
        .run(&["approve-removals", "--list", &list])
        .await
        .ended_with(3);
    assert_eq!(world.listed("held").await.len(), 7);
    assert_eq!(world.listed("removed").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_an_approval_that_cannot_reach_the_directory_removes_nothing() {
    let mut world = six_gone().await;
    world.connector = world.connector.with("AD_PORT", "1");
    world.connector.run(&["approve-removals"]).await.ended_with(69);
    assert_eq!(world.listed("removed").await, []);
    assert_eq!(world.listed("held").await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_it_would_hold_and_changes_nothing() {
    let world = World::new(false).await;
    for user in &world.users[10..16] {
        world.directory().move_to(*user, OUT);
    }
    world.connector.run(&["sync", "--dry-run"]).await.ended_with(3);
    assert!(world.lines().await.is_empty());
    world.connector.run(&["sync"]).await.ended_with(3);
}
