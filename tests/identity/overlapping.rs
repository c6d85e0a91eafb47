//! One object in two profiles with one target: the first owner keeps it (R37c).

use lab::simulator::ObjectId;

use crate::checks::is_removed;
use crate::support::http::{Served, TOKEN};
use crate::world::World;

/// Profile of all users with the title Manager: those of the unit East.
const MANAGERS: &str = "corp.managers";
/// Profile of all users of the department Sales: those of the unit West, and one manager.
const SALES: &str = "corp.sales";

/// The two profiles; the filter of the managers is that and `more`.
fn profiles(world: World, more: &str) -> World {
    let keys = |filter: &str| {
        format!(
            "ad_base_context = \"DC=corp,DC=example\"\nad_assets = [\"users\"]\n\
             ad_user_filter = \"{filter}\""
        )
    };
    world.profiles(&[
        ("managers", &keys(&format!("(&(title=Manager){more})"))),
        ("sales", &keys("(department=Sales)")),
    ])
}

/// The two profiles, neither of which has run, and the manager of the sales department.
async fn overlapping() -> (World, ObjectId) {
    let world = profiles(World::new().await, "");
    for user in &world.east {
        world.directory().set_text(*user, "title", "Manager");
    }
    for user in &world.west {
        world.directory().set_text(*user, "department", "Sales");
    }
    let both = world.east[7];
    world.directory().set_text(both, "department", "Sales");
    (world, both)
}

/// [`overlapping`], where the managers have run first.
async fn owned_by_managers() -> (World, ObjectId) {
    let (world, both) = overlapping().await;
    world.sync(MANAGERS, &[0]).await;
    world.sync(SALES, &[2]).await;
    world.forget();
    (world, both)
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_the_first_owner_keeps_an_object_that_two_profiles_have() {
    for [first, second] in [[MANAGERS, SALES], [SALES, MANAGERS]] {
        let (world, both) = overlapping().await;
        let id = world.id(both);
        world.sync(first, &[0]).await;
        let outcome = world.sync(second, &[2]).await;
        let dn = world.directory().dn(both);
        outcome.said(&[&id, &dn, first]);
        world.assert_live(&[(&id, both)]).await;
        assert_eq!(world.delivered(&id).len(), 1, "only one of them sends it");
        let waiting = world.assert_wait(second, &id, both, &[both]).await;
        assert!(waiting["reason"].as_str().unwrap().contains(first), "{waiting}");
        let accepted = [world.accepted(MANAGERS).await, world.accepted(SALES).await];
        assert_eq!(accepted, if first == MANAGERS { [20, 20] } else { [19, 21] });
        world.forget();

        // It stays so, in whichever order and however much they read.
        for arguments in [&["sync"][..], &["sync", "--baseline"]] {
            for (name, code) in [(second, 2), (first, 0), (second, 2)] {
                let command = [arguments, &["--connection", name]].concat();
                world.run(&command, &[code]).await;
            }
        }
        tokio::join!(world.sync(first, &[0]), world.sync(second, &[2]));
        assert_eq!(world.receiver.summary().requests, 0);
        assert_eq!(world.assert_wait(second, &id, both, &[both]).await, waiting);
        assert_eq!(world.lines("removed").await.len(), 0);

        // A change is sent by the owner alone.
        world.directory().set_text(both, "mail", "new@corp.example");
        world.sync(second, &[2]).await;
        assert_eq!(world.receiver.summary().requests, 0);
        world.sync(first, &[0]).await;
        world.sync(second, &[2]).await;
        world.assert_live(&[(&id, both)]).await;
        assert_eq!(world.delivered(&id).len(), 1);

        // R17: even when the other profile sends everything again.
        let resend = ["sync", "--baseline", "--resend", "--connection", second];
        world.run(&resend, &[2]).await;
        assert_eq!(world.delivered(&id).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_two_profiles_that_begin_at_once_have_one_owner_for_an_object() {
    let (world, both) = overlapping().await;
    let id = world.id(both);
    let codes = [0, 2];
    let (managers, sales) = tokio::join!(world.sync(MANAGERS, &codes), world.sync(SALES, &codes));
    assert_ne!(managers.code, sales.code, "one of them waits");
    let codes = [[managers.code.unwrap()], [sales.code.unwrap()]];
    for _ in 0..3 {
        tokio::join!(world.sync(MANAGERS, &codes[0]), world.sync(SALES, &codes[1]));
    }
    world.assert_live(&[(&id, both)]).await;
    assert_eq!(world.delivered(&id).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_the_api_shows_who_waits_and_for_whom() {
    let (mut world, both) = owned_by_managers().await;
    let id = world.id(both);
    let waiting = world.assert_wait(SALES, &id, both, &[both]).await;
    for (name, value) in [
        ("SYNC_CRON", "59 59 23 31 12 *"),
        ("BASELINE_CRON", "off"),
        ("SYNC_ON_START", "false"),
        ("HTTP_LISTEN", "127.0.0.1:0"),
        ("HTTP_TOKEN", TOKEN),
    ] {
        world.set(name, value);
    }
    let served = Served::start(&world.connector).await;
    let page = format!("/api/v1/connections/{SALES}");
    let listed = served.json(&format!("{page}/rejected")).await;
    assert_eq!(listed["items"], serde_json::json!([waiting]));
    let connection = served.json(&page).await;
    assert_eq!(connection["counts"]["users"]["rejected"], 1, "{connection}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_the_second_profile_becomes_the_owner_when_the_first_filter_stops_matching() {
    for order in [[MANAGERS, SALES], [SALES, MANAGERS]] {
        let (world, both) = owned_by_managers().await;
        let id = world.id(both);
        world.directory().set_text(both, "title", "Former manager");
        world.directory().set_text(both, "mail", "new@corp.example");
        for name in order {
            world
                .sync(name, if name == MANAGERS { &[0] } else { &[0, 2] })
                .await;
        }
        world.sync(SALES, &[0]).await;
        world.assert_live(&[(&id, both)]).await;
        assert_eq!(world.delivered(&id).len(), 1);
        assert_modes_are_delta(&world, SALES).await;
        assert_eq!(world.status(SALES).await["rejected"], serde_json::json!([]));
        assert_eq!(
            [world.accepted(MANAGERS).await, world.accepted(SALES).await],
            [19, 21]
        );
        world.settle().await;
        world.assert_never_removed(&[&id]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_the_second_profile_becomes_the_owner_of_an_object_that_it_does_not_read_again() {
    let (world, both) = owned_by_managers().await;
    let id = world.id(both);
    // Nothing changes in the directory.
    let world = profiles(world, "(!(department=Sales))");
    world.sync(MANAGERS, &[0]).await;
    world.sync(SALES, &[0]).await;
    assert_modes_are_delta(&world, SALES).await;
    assert_eq!(world.status(SALES).await["rejected"], serde_json::json!([]));
    assert_eq!(
        [world.accepted(MANAGERS).await, world.accepted(SALES).await],
        [19, 21]
    );
    assert!(
        world.delivered(&id).len() <= 1,
        "once where the asset is sent again"
    );
    assert_eq!(world.lines("removed").await.len(), 0);
    world.settle().await;
    world.forget();
    world.directory().set_text(both, "mail", "new@corp.example");
    world.settle().await;
    world.assert_live(&[(&id, both)]).await;
    assert_eq!(world.delivered(&id).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_an_object_of_two_profiles_that_is_deleted_is_removed_once() {
    for order in [[MANAGERS, SALES], [SALES, MANAGERS]] {
        let (mut world, both) = owned_by_managers().await;
        let id = world.id(both);
        world.directory().delete(both);
        world.names = order.map(str::to_owned).to_vec();
        world.settle().await;
        world.assert_removed(&id, "deleted").await;
        let removals = world.delivered(&id);
        assert_eq!(removals.iter().filter(|asset| is_removed(asset)).count(), 1);
    }
}

/// No run of the connection but the first was a full read.
async fn assert_modes_are_delta(world: &World, name: &str) {
    let runs = world.run(&["runs", "--json", "--connection", name], &[0]).await;
    let modes: Vec<String> = runs
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["mode"].to_string())
        .collect();
    let (_, later) = modes.split_last().unwrap();
    assert!(later.iter().all(|mode| mode == "\"delta\""), "{modes:?}");
}
