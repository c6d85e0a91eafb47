//! One objectSid on several objects, and an object whose objectSid changes.

use lab::receiver::Answer;
use lab::simulator::ObjectId;

use crate::checks::is_removed;
use crate::world::World;

const CONNECTION: &str = "active-directory";

/// RID of an object.
fn rid(world: &World, object: ObjectId) -> u32 {
    let sid = world.directory().sid(object).unwrap();
    sid.rsplit('-').next().unwrap().parse().unwrap()
}

/// The objects with the SID of the first of them; the first read finds them so.
async fn of_one_sid(objects: impl Fn(&World) -> Vec<ObjectId>) -> (World, String, Vec<ObjectId>) {
    let world = World::new().await;
    let objects = objects(&world);
    for object in &objects[1..] {
        world.directory().set_rid(*object, rid(&world, objects[0]));
    }
    let id = world.id(objects[0]);
    (world, id, objects)
}

/// One of two objects waits, becomes the owner when the other is deleted, and the other waits when
/// it is restored.
async fn one_waits_for_the_other(world: &World, id: &str, two: &[ObjectId]) {
    let outcome = world.sync(CONNECTION, &[2]).await;
    outcome.said(&[id, &world.directory().dn(two[0]), &world.directory().dn(two[1])]);
    let (owner, others) = world.owner(id, two);
    let other = others[0];
    assert_eq!(world.delivered(id).len(), 1);
    let waiting = world.assert_wait(CONNECTION, id, owner, &[other]).await;
    for arguments in [&["sync"][..], &["sync", "--baseline"]] {
        let before = world.receiver.summary().requests;
        world.run(arguments, &[2]).await;
        assert_eq!(world.receiver.summary().requests, before);
        assert_eq!(world.assert_wait(CONNECTION, id, owner, &[other]).await, waiting);
    }

    world.directory().delete(owner);
    world.converge(&[(id, other)]).await;
    let before = world.receiver.summary().requests;
    world.directory().restore(owner);
    world.sync(CONNECTION, &[2]).await;
    world.assert_wait(CONNECTION, id, other, &[owner]).await;
    assert_eq!(world.receiver.summary().requests, before);
    world.directory().delete(other);
    world.converge(&[(id, owner)]).await;
    world.assert_never_removed(&[id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_one_of_two_users_with_one_sid_waits_until_the_other_is_gone() {
    let two = |world: &World| world.east[4..6].to_vec();
    let (world, id, two) = of_one_sid(two).await;
    one_waits_for_the_other(&world, &id, &two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_user_and_a_group_with_one_sid_are_two_objects_with_one_id() {
    let two = |world: &World| {
        let group = world.directory().find("CN=Team 3,OU=East,DC=corp,DC=example");
        vec![world.east[4], group.unwrap()]
    };
    let (world, id, two) = of_one_sid(two).await;
    one_waits_for_the_other(&world, &id, &two).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_two_of_three_users_with_one_sid_wait_and_one_of_them_follows() {
    let three = |world: &World| world.east[4..7].to_vec();
    let (world, id, three) = of_one_sid(three).await;
    world.sync(CONNECTION, &[2]).await;
    let (owner, others) = world.owner(&id, &three);
    world.assert_wait(CONNECTION, &id, owner, &others).await;
    world.directory().delete(owner);
    // A run that ends with 2 may have found out too late that the owner is gone.
    world.sync(CONNECTION, &[2]).await;
    world.sync(CONNECTION, &[2]).await;
    let (next, last) = world.owner(&id, &others);
    world.assert_wait(CONNECTION, &id, next, &last).await;
    world.directory().delete(next);
    world.converge(&[(&id, last[0])]).await;
    world.assert_never_removed(&[&id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_user_that_gets_the_sid_of_another_waits_and_gives_its_own_up() {
    let world = World::identified_by("objectSid").await;
    let (a, b) = (world.east[4], world.east[5]);
    let (of_a, of_b) = (world.id(a), world.id(b));
    world.set_rid(b, rid(&world, a));
    world.sync(CONNECTION, &[2]).await;
    world.assert_wait(CONNECTION, &of_a, a, &[b]).await;
    assert_eq!(world.delivered(&of_a).len(), 0);
    world.directory().delete(a);
    world.converge(&[(&of_a, b)]).await;
    world.assert_removed(&of_b, &of_a).await;
    world.assert_never_removed(&[&of_a]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_the_asset_of_the_former_sid_is_a_removal_with_that_reason() {
    let world = World::identified_by("objectSid").await;
    let user = world.east[4];
    let former = world.id(user);
    let octets = world.directory().attributes(user)["objectSid"][0].clone();
    let before = world.receiver.assets().get(&former).cloned();
    assert_eq!(before, None, "forgotten");
    world.set_rid(user, 9_000);
    world.directory().set(user, "sIDHistory", &[&octets]);
    let now = world.id(user);
    world.converge(&[(&now, user)]).await;
    let removal = world.assert_removed(&former, &now).await;
    assert_eq!(removal["vendorAssetId"], world.guid(user), "{removal}");
    let last = &world.delivered(&former)[0]["asset"];
    assert_eq!(
        last["assetDetail"]["userAssetClass"]["email"],
        "east4@corp.example"
    );
    assert_eq!(
        [world.delivered(&former).len(), world.delivered(&now).len()],
        [1, 1]
    );
    assert_eq!(world.accepted(CONNECTION).await, 20);

    // The way back.
    world.forget();
    world.set_rid(user, former.rsplit('-').next().unwrap().parse().unwrap());
    world.converge(&[(&former, user)]).await;
    world.assert_removed(&now, &former).await;
    world.directory().delete(user);
    world.settle().await;
    world.assert_removed(&former, "deleted").await;
    assert_eq!(
        world.listed(&now).await.len(),
        1,
        "each id is a removal of its own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_former_sid_is_listed_where_removals_are_reported_only() {
    let world = World::identified_by("objectSid").await;
    let world = world.with("REMOVED_OBJECTS", "report");
    let user = world.east[4];
    let former = world.id(user);
    world.set_rid(user, 9_000);
    let now = world.id(user);
    world.converge(&[(&now, user)]).await;
    world.assert_listed(&former, &now).await;
    assert_eq!(world.delivered(&former).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_former_sid_is_a_removal_although_the_gateway_was_down() {
    for answer in [Answer::status(503), Answer::CutAfter] {
        let mut world = World::identified_by("objectSid").await;
        let user = world.east[4];
        let former = world.id(user);
        world.set_rid(user, 9_000);
        let between = world.id(user);
        world.answer_always(answer.clone());
        world.sync(CONNECTION, &[69]).await;
        // A second change while the first one waits.
        world.set_rid(user, 9_001);
        world.sync(CONNECTION, &[69]).await;
        world.receiver.clear_scripts();
        let now = world.id(user);
        world.converge(&[(&now, user)]).await;
        world.assert_removed(&former, "").await;
        // Upstream may hold what came before an answer that was lost.
        let held = world.delivered(&between).pop();
        assert!(held.as_ref().is_none_or(is_removed), "{held:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_r23_many_former_sids_are_held_while_the_new_assets_are_delivered() {
    let world = World::identified_by("objectSid").await;
    let users = world.east[4..10].to_vec();
    let former: Vec<String> = users.iter().map(|user| world.id(*user)).collect();
    for (number, user) in (0..).zip(&users) {
        world.set_rid(*user, 9_000 + number);
    }
    world.sync(CONNECTION, &[3]).await;
    for user in &users {
        world.assert_live(&[(&world.id(*user), *user)]).await;
    }
    for id in &former {
        assert_eq!(world.delivered(id).len(), 0, "{id}");
    }
    assert_eq!(world.lines("removed").await.len(), 0);
    assert_eq!(world.lines("held").await.len(), 6);
    world.run(&["approve-removals"], &[0]).await;
    for (id, user) in former.iter().zip(&users) {
        world.assert_removed(id, &world.id(*user)).await;
    }
    world.settle().await;
    assert_eq!(world.lines("held").await.len(), 0);
}
