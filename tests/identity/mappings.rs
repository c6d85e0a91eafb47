//! Another source of externalAssetId in the mapping: every asset has another id (R37b).

use std::collections::BTreeMap;

use lab::simulator::{Kind, ObjectId};

use crate::checks::is_removed;
use crate::world::{GROUPS, USERS, World};

const CONNECTION: &str = "active-directory";

/// Objects in the base context.
const ASSETS: usize = USERS + GROUPS;

/// All objects in the base context: objectSid, objectGUID.
fn identities(world: &World) -> Vec<(ObjectId, String, String)> {
    let mut objects = world.east.clone();
    objects.extend(world.directory().all(Kind::Group));
    let sid = |object: &ObjectId| world.directory().sid(*object).unwrap();
    objects
        .iter()
        .map(|object| (*object, sid(object), world.guid(*object)))
        .collect()
}

/// Synced by objectSid, then by objectGUID: the former assets are held.
async fn held(removed_objects: &str) -> (World, Vec<(ObjectId, String, String)>) {
    let mut world = World::new().await.with("REMOVED_OBJECTS", removed_objects);
    world.settle().await;
    let identities = identities(&world);
    assert_eq!(identities.len(), ASSETS);
    assert_eq!(world.receiver.assets().len(), ASSETS);
    world.identify_by("objectGUID");
    world.sync(CONNECTION, &[3]).await;
    (world, identities)
}

/// The second part of each identity.
fn live<'a>(
    identities: &'a [(ObjectId, String, String)],
    id: impl Fn(&'a (ObjectId, String, String)) -> &'a str,
) -> Vec<(&'a str, ObjectId)> {
    identities.iter().map(|one| (id(one), one.0)).collect()
}

/// externalAssetId to reason of what is listed as removed.
async fn removed(world: &World) -> BTreeMap<String, String> {
    let lines = world.lines("removed").await;
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    lines
        .iter()
        .map(|line| (text(&line["externalAssetId"]), text(&line["reason"])))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_r23_another_identity_row_delivers_new_assets_and_holds_the_former_ones() {
    for removed_objects in ["send", "report"] {
        let (world, identities) = held(removed_objects).await;
        world.assert_live(&live(&identities, |one| &one.2)).await;
        let held = world.lines("held").await;
        assert_eq!(held.len(), ASSETS);
        for line in &held {
            let guid = line["vendorAssetId"].as_str().unwrap();
            assert!(line["reason"].as_str().unwrap().contains(guid), "{line}");
        }
        assert!(removed(&world).await.is_empty());
        let former: Vec<&str> = identities.iter().map(|one| one.1.as_str()).collect();
        world.assert_never_removed(&former);
        assert_eq!(world.accepted(CONNECTION).await, USERS as u64);

        // They are held until somebody approves.
        let before = world.receiver.summary().requests;
        world.sync(CONNECTION, &[3]).await;
        world.run(&["sync", "--baseline"], &[3]).await;
        assert_eq!(world.receiver.summary().requests, before);
        assert_eq!(world.lines("held").await.len(), ASSETS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_r23_an_approval_removes_exactly_the_former_assets() {
    for removed_objects in ["send", "report"] {
        let (world, identities) = held(removed_objects).await;
        let before = world.receiver.summary().assets_received;
        world.run(&["approve-removals"], &[0]).await;
        let listed = removed(&world).await;
        assert_eq!(listed.len(), ASSETS);
        for (_, sid, guid) in &identities {
            assert!(listed[sid].contains(guid), "{sid}: {}", listed[sid]);
            let told = world.delivered(sid).last().is_some_and(is_removed);
            assert_eq!(told, removed_objects == "send", "{sid}");
        }
        let sent = world.receiver.summary().assets_received - before;
        let wanted = if removed_objects == "send" { ASSETS } else { 0 };
        assert_eq!(sent, wanted as u64);
        world.assert_live(&live(&identities, |one| &one.2)).await;
        world.settle().await;
        assert_eq!(removed(&world).await, listed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_r23_an_object_that_is_gone_while_its_former_asset_is_held_is_two_removals() {
    let (world, identities) = held("send").await;
    let (user, sid, guid) = identities[4].clone();
    world.directory().delete(user);
    world.sync(CONNECTION, &[3]).await;
    assert!(removed(&world).await.is_empty());
    world.run(&["approve-removals"], &[0]).await;
    let listed = removed(&world).await;
    assert_eq!(listed.len(), ASSETS + 1);
    for id in [&sid, &guid] {
        assert!(listed.contains_key(id), "{id}: {listed:?}");
        assert!(world.delivered(id).last().is_some_and(is_removed), "{id}");
    }
    world.settle().await;
    assert_eq!(removed(&world).await, listed);
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_the_former_identity_row_before_the_approval_removes_nothing_of_it() {
    let (mut world, identities) = held("send").await;
    world.identify_by("objectSid");
    // Now the assets of the other row are former ones.
    world.sync(CONNECTION, &[3]).await;
    assert!(removed(&world).await.is_empty());
    assert_eq!(world.lines("held").await.len(), ASSETS);
    world.assert_live(&live(&identities, |one| &one.1)).await;
    world.run(&["approve-removals"], &[0]).await;
    world.settle().await;
    world.assert_live(&live(&identities, |one| &one.1)).await;
    let former: Vec<&str> = identities.iter().map(|one| one.1.as_str()).collect();
    world.assert_never_removed(&former);
    let listed = removed(&world).await;
    assert_eq!(listed.len(), ASSETS);
    for (_, sid, guid) in &identities {
        assert!(listed[guid].contains(sid), "{guid}: {}", listed[guid]);
        assert!(world.delivered(guid).last().is_some_and(is_removed), "{guid}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_the_former_identity_row_after_the_approval_sends_everything_again() {
    let (mut world, identities) = held("send").await;
    world.run(&["approve-removals"], &[0]).await;
    world.identify_by("objectSid");
    world.sync(CONNECTION, &[3]).await;
    world.assert_live(&live(&identities, |one| &one.1)).await;
}
