//! Mail addresses that go from one user to another, where they are externalAssetId.

use std::time::Duration;

use lab::simulator::{Action, ObjectId, On};

use crate::world::World;

const CONNECTION: &str = "active-directory";

/// Pages of one entry bring the changes one by one; a page of 100 brings them together.
const PAGE_SIZES: [&str; 2] = ["1", "100"];

/// Longer than a page waits for others that are committed with it.
const DELAY: Duration = Duration::from_millis(150);

/// Users identified by mail, synced. Each page of one entry is committed alone.
async fn world(page_size: &str) -> World {
    let world = World::identified_by("mail").await;
    if page_size == "1" {
        let faults = world.simulator.faults();
        faults.always_matching(On::Search, "objectClass=user", Action::Delay(DELAY));
    }
    world.with("AD_PAGE_SIZE", page_size)
}

/// Gives the user another address.
fn give(world: &World, user: ObjectId, mail: &str) {
    world.directory().set_text(user, "mail", mail);
}

const A: &str = "east4@corp.example";
const B: &str = "east5@corp.example";
const C: &str = "east6@corp.example";
const NEW: &str = "new@corp.example";

#[tokio::test(flavor = "multi_thread")]
async fn r37_an_address_that_was_taken_over_stays_when_its_former_owner_is_deleted() {
    for page_size in PAGE_SIZES {
        let world = world(page_size).await;
        let (a, b) = (world.east[4], world.east[5]);
        give(&world, a, NEW);
        give(&world, b, A);
        world.converge(&[(A, b), (NEW, a)]).await;
        world.assert_removed(B, A).await;
        world.directory().delete(a);
        world.settle().await;
        world.assert_live(&[(A, b)]).await;
        world.assert_removed(NEW, "deleted").await;
        world.assert_never_removed(&[A]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_an_address_is_taken_over_in_the_delta_in_which_its_owner_is_deleted() {
    for page_size in PAGE_SIZES {
        for deleted_first in [true, false] {
            let world = world(page_size).await;
            let (a, b) = (world.east[4], world.east[5]);
            if deleted_first {
                world.directory().delete(a);
            }
            give(&world, b, A);
            if !deleted_first {
                world.directory().delete(a);
            }
            world.converge(&[(A, b)]).await;
            world.assert_removed(B, A).await;
            world.assert_never_removed(&[A]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_second_user_with_an_address_waits_until_the_first_has_another_one() {
    for page_size in PAGE_SIZES {
        let world = world(page_size).await;
        let (a, b) = (world.east[4], world.east[5]);
        give(&world, b, A);
        world.sync(CONNECTION, &[2]).await;
        world.assert_wait(CONNECTION, A, a, &[b]).await;
        assert_eq!(world.delivered(A).len(), 0);
        give(&world, a, NEW);
        world.converge(&[(A, b), (NEW, a)]).await;
        world.assert_removed(B, A).await;
        world.assert_never_removed(&[A, NEW]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_second_user_with_an_address_that_takes_its_own_back_was_never_another() {
    let world = world("100").await;
    let (a, b) = (world.east[4], world.east[5]);
    give(&world, b, A);
    world.sync(CONNECTION, &[2]).await;
    give(&world, b, B);
    world.settle().await;
    assert_eq!(world.listed(B).await.len(), 0);
    world.assert_never_removed(&[A]);
    // Both are as they were at the beginning.
    give(&world, a, NEW);
    give(&world, b, A);
    world.converge(&[(A, b), (NEW, a)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_an_address_whose_owner_lost_it_and_is_deleted_goes_to_the_one_that_waits() {
    let world = world("100").await;
    let (a, b) = (world.east[4], world.east[5]);
    world.directory().set(a, "mail", &[]);
    give(&world, b, A);
    // The former owner has no identity at all (R15).
    world.sync(CONNECTION, &[2]).await;
    world.sync(CONNECTION, &[2]).await;
    world.directory().delete(a);
    world.converge(&[(A, b)]).await;
    world.assert_removed(B, A).await;
    world.assert_never_removed(&[A]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_user_that_lost_the_address_that_it_waits_for_does_not_get_it() {
    let world = world("100").await;
    let (a, b) = (world.east[4], world.east[5]);
    give(&world, b, A);
    world.sync(CONNECTION, &[2]).await;
    world.assert_wait(CONNECTION, A, a, &[b]).await;
    world.directory().set(b, "mail", &[]);
    world.directory().delete(a);
    // The user that waited has no identity (R15).
    world.sync(CONNECTION, &[2]).await;
    world.assert_removed(A, "deleted").await;
    world.sync(CONNECTION, &[2]).await;
    world.assert_removed(A, "deleted").await;
    give(&world, b, A);
    world.converge(&[(A, b)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_user_that_is_deleted_while_it_waits_takes_nothing_with_it() {
    let world = world("100").await;
    let (a, b) = (world.east[4], world.east[5]);
    give(&world, b, A);
    world.sync(CONNECTION, &[2]).await;
    world.directory().delete(b);
    world.settle().await;
    world.assert_removed(B, A).await;
    world.assert_never_removed(&[A]);
    assert_eq!(world.lines("removed").await.len(), 1);
    give(&world, a, NEW);
    world.converge(&[(NEW, a)]).await;
    world.assert_removed(A, NEW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_two_users_swap_their_addresses_in_one_delta() {
    for page_size in PAGE_SIZES {
        let world = world(page_size).await;
        let (a, b) = (world.east[4], world.east[5]);
        for [of_a, of_b] in [[B, A], [A, B], [B, A]] {
            give(&world, a, of_a);
            give(&world, b, of_b);
            world.converge(&[(of_a, a), (of_b, b)]).await;
            assert_eq!(world.lines("removed").await.len(), 0);
        }
        world.assert_never_removed(&[A, B]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_two_users_swap_their_addresses_however_changes_are_found() {
    for delta in ["dirsync", "off"] {
        let world = world("100").await.with("AD_DELTA", delta);
        world.settle().await;
        let (a, b) = (world.east[4], world.east[5]);
        give(&world, a, B);
        give(&world, b, A);
        world.converge(&[(B, a), (A, b)]).await;
        assert_eq!(world.lines("removed").await.len(), 0);
        world.assert_never_removed(&[A, B]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_two_users_swap_their_addresses_in_two_deltas() {
    let world = world("100").await;
    let (a, b) = (world.east[4], world.east[5]);
    give(&world, a, B);
    world.sync(CONNECTION, &[2]).await;
    world.assert_wait(CONNECTION, B, b, &[a]).await;
    give(&world, b, A);
    world.converge(&[(B, a), (A, b)]).await;
    assert_eq!(world.lines("removed").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_addresses_are_handed_on_from_user_to_user_in_one_delta() {
    for page_size in PAGE_SIZES {
        for backwards in [false, true] {
            let world = world(page_size).await;
            let (a, b, c) = (world.east[4], world.east[5], world.east[6]);
            let mut gifts = [(a, NEW), (b, A), (c, B)];
            if backwards {
                gifts.reverse();
            }
            for (user, mail) in gifts {
                give(&world, user, mail);
            }
            world.converge(&[(NEW, a), (A, b), (B, c)]).await;
            world.assert_removed(C, B).await;
            world.assert_never_removed(&[A, B, NEW]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_three_users_pass_their_addresses_round_in_one_delta() {
    for page_size in PAGE_SIZES {
        let world = world(page_size).await;
        let (a, b, c) = (world.east[4], world.east[5], world.east[6]);
        for (user, mail) in [(a, C), (b, A), (c, B)] {
            give(&world, user, mail);
        }
        world.converge(&[(C, a), (A, b), (B, c)]).await;
        assert_eq!(world.lines("removed").await.len(), 0);
        world.assert_never_removed(&[A, B, C]);
    }
}
