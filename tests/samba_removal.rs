//! Objects that leave or enter the scope of the program, or are deleted, in a real Active Directory (Samba).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Options, Receiver};
use lab::samba::{Change, Domain};
use support::{Connector, assert_arrives, changed, people};

/// A connector whose profile is `OU=In` of a fresh unit, beside `OU=Out`, both filled. Gives the two DNs.
async fn in_and_out(domain: &Domain, receiver: &Receiver, name: &str) -> (Connector, String, String) {
    let unit = domain.fresh_unit(name);
    let [inside, outside] = ["In", "Out"].map(|side| format!("OU={side},{unit}"));
    let mut changes = Vec::new();
    for (side, dn) in [("i", &inside), ("o", &outside)] {
        let deeper = format!("OU=Deeper,{dn}");
        changes.push(Change::add(dn, "organizationalUnit", &[]));
        changes.push(Change::add(&deeper, "organizationalUnit", &[]));
        changes.extend(people(dn, &format!("{name}{side}")));
        changes.extend(people(&deeper, &format!("{name}{side}d")));
    }
    domain.apply(&changes);
    let connector = Connector::new(domain, receiver).with("AD_BASE_CONTEXT", &inside);
    assert_arrives(&connector, receiver, &domain.expected(&inside)).await;
    (connector, inside, outside)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "R8 is not written yet"]
async fn r08_a_unit_moved_into_the_scope_brings_its_unchanged_objects() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, outside) = in_and_out(&domain, &receiver, "move").await;
    let before = domain.expected(&inside);
    domain.apply(&[Change::rename(
        &format!("OU=Deeper,{outside}"),
        &format!("OU=Arrived,{inside}"),
    )]);
    let new = changed(&before, &domain.expected(&inside));
    assert_eq!(new.len(), 11);
    assert_arrives(&connector, &receiver, &new).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "R22 is not written yet"]
async fn r08_r22_what_leaves_the_scope_is_removed_and_what_is_renamed_is_not() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, outside) = in_and_out(&domain, &receiver, "leave").await;
    domain.apply(&[
        Change::rename(
            &format!("CN=Person 1,{inside}"),
            &format!("CN=Person left,{outside}"),
        ),
        Change::rename(
            &format!("CN=Person 2,{inside}"),
            &format!("CN=Person stays,OU=Deeper,{inside}"),
        ),
    ]);
    connector.succeed(&["sync"]).await;
    let removed = connector.succeed(&["removed"]).await.stdout;
    assert!(
        removed.contains("Person left") || removed.contains("Person 1"),
        "{removed}"
    );
    assert!(
        !removed.contains("Person stays") && !removed.contains("Person 2"),
        "{removed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "R22 is not written yet"]
async fn r04_r22_what_was_deleted_is_removed_by_the_next_baseline() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, _) = in_and_out(&domain, &receiver, "gone").await;
    domain.apply(&[Change::delete(&format!("CN=Person 7,{inside}"))]);
    receiver.reset();
    // The plain account does not see tombstones: only a full read can tell.
    connector.succeed(&["sync", "--baseline"]).await;
    let removed = connector.succeed(&["removed"]).await.stdout;
    assert!(removed.contains("Person 7"), "{removed}");
    assert!(!removed.contains("Person 6"), "{removed}");
    assert_eq!(
        receiver.summary().requests,
        0,
        "a removal is reported, not sent, unless REMOVED_OBJECTS=send"
    );
}
