//! Proof by a controller that lags behind another one, and by a look-up that fails (R22).

use lab::simulator::{Action, Controller, On};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_controller_read_for_the_first_time_is_not_believed_alone() {
    let world = World::new(false).await;
    let gone = world.users[10];
    world.directory().delete(gone);
    // To the program this is another controller, which may only lag behind the one that it knows.
    world.simulator.swap_controller(Controller::numbered(2));
    world.sync().await;
    assert_eq!(world.last_run().await["mode"], "baseline");
    assert_eq!(world.listed("removed").await, [], "it may not be replicated yet");
    for _ in 0..3 {
        world.sync().await;
        assert_eq!(world.listed("removed").await, [], "nor later, without proof");
    }
    let listed = world.listed("undecided").await;
    world.assert_listed(&listed, &[gone], "which never returned the object");
    let (controller, usn) = (world.simulator.controller(), world.simulator.highest_usn());
    // The first one returned it, and does no longer.
    world.simulator.swap_controller(Controller::numbered(1));
    world.connector.succeed(&["sync", "--baseline"]).await;
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &[gone], "no such object");
    world.simulator.swap_controller(controller);
    assert_eq!(world.simulator.highest_usn(), usn);
    world.sync().await;
    assert_eq!(world.listed("undecided").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_what_a_new_controller_misses_for_removal_lag_is_gone() {
    let world = World::new(false).await;
    let gone = world.users[10];
    world.directory().delete(gone);
    world.simulator.swap_controller(Controller::numbered(2));
    world.sync().await;
    assert_eq!(world.listed("removed").await, []);
    let world = world.with("REMOVAL_LAG", "1h");
    world.sync().await;
    assert_eq!(world.listed("removed").await, [], "not for an hour");
    let world = world.with("REMOVAL_LAG", "0s");
    world.sync().await;
    let listed = world.listed("removed").await;
    world.assert_listed(&listed, &[gone], "no such object");
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_an_undecided_object_is_warned_of_once() {
    let world = World::new(false).await;
    world.directory().delete(world.users[10]);
    world.simulator.swap_controller(Controller::numbered(2));
    let said = world.sync().await;
    assert!(said.stderr.contains("may or may not be gone"), "{}", said.stderr);
    world.simulator.statistics().reset();
    let said = world.sync().await;
    assert!(!said.stderr.contains("may or may not be gone"), "{}", said.stderr);
    // In scope, and in the naming context: for all of them together.
    let searches = world.simulator.statistics().searches();
    let looks: Vec<_> = searches
        .iter()
        .filter(|seen| seen.filter.contains("objectGUID="))
        .collect();
    assert_eq!(looks.len(), 2, "{searches:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_one_look_up_that_fails_keeps_its_object_and_no_other() {
    for code in [1, 10, 50, 53, 80] {
        let world = World::new(false).await;
        let gone = [world.users[19], world.users[20], world.users[21]];
        gone.iter().for_each(|user| world.directory().delete(*user));
        let refusal = lab::simulator::Outcome::error(code, "not now");
        let by_name = "(objectClass=*)";
        // rootDSE and NTDS Settings are looked up by name before.
        world
            .simulator
            .faults()
            .at_matching(On::Search, by_name, 3, Action::Answer(refusal));
        world.connector.succeed(&["sync", "--baseline"]).await;
        assert_eq!(world.listed("removed").await.len(), 2, "{code}");
        let undecided = world.listed("undecided").await;
        assert_eq!(undecided.len(), 1, "{code}");
        assert!(undecided[0].1.contains("look-up failed"), "{undecided:?}");
        world.simulator.faults().clear();
        world.sync().await;
        let listed = world.listed("removed").await;
        world.assert_listed(&listed, &gone, "no such object");
    }
}
