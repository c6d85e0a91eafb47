//! A user that moves between two profiles with different targets: an ordinary removal at the one,
//! an addition at the other (R37).

use lab::receiver::{self, Receiver};
use lab::simulator::Kind;
use serde_json::Value;

use crate::checks::is_removed;
use crate::support::expected;
use crate::world::{EAST, WEST, World};

const OTHER_UUID: &str = "0b9a7c55-6f1d-4c1e-9a53-d1f3f5a0c001";

/// Returns what arrived last under `id` at each of the two targets.
struct Targets<'a> {
    world: &'a World,
    /// Gateway of `corp.west`, where that is another one.
    other: Option<&'a Receiver>,
}

impl Targets<'_> {
    fn last(&self, west: bool, id: &str) -> Option<Value> {
        let receiver = self.other.filter(|_| west).unwrap_or(&self.world.receiver);
        let is_alone = self.other.is_some();
        let deliveries = receiver.deliveries().into_iter();
        let to = deliveries.filter(|one| is_alone || (one.connector_uuid == OTHER_UUID) == west);
        to.flat_map(|delivery| delivery.assets)
            .rfind(|asset| asset["asset"]["assetHeader"]["externalAssetId"] == id)
    }
}

/// `west_first` says which profile runs first.
async fn there_and_back(other: Option<&Receiver>, west_first: bool) {
    let west = match other {
        Some(other) => format!("qualys_gateway_url = \"{}\"", other.url()),
        None => format!("qualys_connector_uuid = \"{OTHER_UUID}\""),
    };
    let mut world = World::new().await.profiles(&[
        ("east", &format!("ad_base_context = \"{EAST}\"")),
        ("west", &format!("ad_base_context = \"{WEST}\"\n{west}")),
    ]);
    world
        .connector
        .unaudited("its two profiles have different targets");
    world.settle().await;
    world.forget();
    if west_first {
        world.names.reverse();
    }
    let user = world.east[7];
    let id = world.id(user);
    let targets = Targets { world: &world, other };
    for unit in [WEST, EAST] {
        world.directory().move_to(user, unit);
        for name in &world.names {
            world.sync(name, &[0]).await;
        }
        let (now, before) = (unit == WEST, unit == EAST);
        let live = expected::asset(world.directory(), Kind::User, user);
        assert_eq!(targets.last(now, &id), Some(live));
        assert!(targets.last(before, &id).as_ref().is_some_and(is_removed));
        let removal = world.assert_listed(&id, "left the scope").await;
        assert_eq!(
            removal["connection"],
            if before { "corp.west" } else { "corp.east" }
        );
        world.settle().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_move_to_a_profile_with_another_connector_uuid_is_a_removal_and_an_addition() {
    for west_first in [false, true] {
        there_and_back(None, west_first).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_move_to_a_profile_with_another_gateway_is_a_removal_and_an_addition() {
    for west_first in [false, true] {
        let other = Receiver::start(receiver::Options::default()).await;
        there_and_back(Some(&other), west_first).await;
        assert_eq!(other.violations(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_one_object_in_two_profiles_with_different_targets_has_an_asset_at_each() {
    let uuid = format!("ad_base_context = \"{EAST}\"\nqualys_connector_uuid = \"{OTHER_UUID}\"");
    let mut world = World::new()
        .await
        .profiles(&[("one", &format!("ad_base_context = \"{EAST}\"")), ("two", &uuid)]);
    world
        .connector
        .unaudited("its two profiles have different targets");
    world.settle().await;
    assert_eq!(
        [world.accepted("corp.one").await, world.accepted("corp.two").await],
        [20, 20]
    );
    let user = world.east[3];
    let id = world.id(user);
    assert_eq!(world.delivered(&id).len(), 2);
    world.forget();
    world.directory().delete(user);
    world.settle().await;
    assert_eq!(world.listed(&id).await.len(), 2);
    assert_eq!(
        world
            .delivered(&id)
            .iter()
            .filter(|asset| is_removed(asset))
            .count(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_connection_that_gets_another_connector_uuid_delivers_everything_to_it() {
    let mut world = World::new().await;
    world.connector.unaudited("its connector UUID changes");
    world.settle().await;
    world.forget();
    world.set("QUALYS_CONNECTOR_UUID", OTHER_UUID);
    // What it left behind at the former target may count as many removals.
    world.sync("active-directory", &[0, 3]).await;
    let targets = Targets {
        world: &world,
        other: None,
    };
    for user in &world.east {
        let wanted = expected::asset(world.directory(), Kind::User, *user);
        assert_eq!(targets.last(true, &world.id(*user)), Some(wanted));
    }
}
