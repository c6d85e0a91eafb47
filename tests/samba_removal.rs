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

/// The GUIDs and reasons that `removed` lists under `state`.
async fn listed(connector: &Connector, state: &str) -> Vec<(String, String)> {
    let said = connector.succeed(&["removed", "--json"]).await.stdout;
    said.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|line| line["state"] == state)
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("dn"), text("reason"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_an_account_that_reads_deleted_objects_sees_a_deletion_in_a_delta() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, _) = in_and_out(&domain, &receiver, "tomb").await;
    // The domain has seen deletions before: every fresh unit deletes the one of a former run.
    domain.apply(&[Change::user(&inside, "Nobody", "tombnobody")]);
    domain.apply(&[Change::delete(&format!("CN=Nobody,{inside}"))]);
    let administrator = domain.place().administrator();
    let connector = connector
        .with("AD_BIND_DN", &administrator.dn)
        .with("AD_PASSWORD", administrator.password);
    connector
        .succeed(&["check"])
        .await
        .said(&["the account may read them"]);
    domain.apply(&[Change::delete(&format!("CN=Person 7,{inside}"))]);
    connector.succeed(&["sync"]).await;
    let removed = listed(&connector, "removed").await;
    assert_eq!(removed.len(), 1, "{removed:?}");
    assert!(
        removed[0].0.starts_with("CN=Person 7,") && removed[0].1.starts_with("deleted: "),
        "{removed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_delta_sees_deletions_exactly_when_check_says_so() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, _) = in_and_out(&domain, &receiver, "told").await;
    let connector = connector.with("AD_BIND_DN", &domain.place().connector().dn);
    let said = connector.succeed(&["check"]).await.text();
    // Samba shows the container to every account, what is in it to administrators alone.
    let may = said.contains("the account may read them");
    let grant = "dsacls \"CN=Deleted Objects,DC=corp,DC=example\" /G \"corp.example\\svc-connector:LCRP\"";
    assert!(may != said.contains(grant), "{said}");
    domain.apply(&[Change::delete(&format!("CN=Person 7,{inside}"))]);
    connector.succeed(&["sync"]).await;
    assert_eq!(listed(&connector, "removed").await.len(), usize::from(may));
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_r22_a_unit_moved_out_with_its_users_is_held_and_approved() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, outside) = in_and_out(&domain, &receiver, "unit").await;
    let (deep, away) = (format!("OU=Deeper,{inside}"), format!("OU=Gone,{outside}"));
    domain.apply(&[Change::rename(&deep, &away)]);
    // Half of all users and groups: above the threshold.
    connector
        .run(&["sync"])
        .await
        .ended_with(3)
        .said(&["10 of 20 users", "1 of 2 groups"]);
    assert_eq!(listed(&connector, "removed").await, []);
    let held = listed(&connector, "held").await;
    assert_eq!(held.len(), 11, "{held:?}");
    assert!(
        held.iter().all(|(_, reason)| reason.contains("left the scope")),
        "{held:?}"
    );
    // It comes back: nothing happened.
    domain.apply(&[Change::rename(&away, &deep)]);
    connector.succeed(&["sync"]).await;
    assert_eq!(listed(&connector, "held").await, []);
    domain.apply(&[Change::rename(&deep, &away)]);
    connector.run(&["sync"]).await.ended_with(3);
    connector.succeed(&["approve-removals"]).await;
    assert_eq!(listed(&connector, "removed").await.len(), 11);
    // And back once more, now as new objects.
    domain.apply(&[Change::rename(&away, &deep)]);
    assert_arrives(&connector, &receiver, &domain.expected(&deep)).await;
    assert_eq!(listed(&connector, "removed").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_rights_taken_away_from_the_account_remove_nobody() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let (connector, inside, _) = in_and_out(&domain, &receiver, "deny").await;
    let deep = format!("OU=Deeper,{inside}");
    for (mode, sddl) in [
        ("lists nothing", "(D;;LC;;;AU)"),
        ("reads nothing", "(D;CI;RPLC;;;AU)"),
    ] {
        domain.apply(&[Change::deny(&deep, sddl)]);
        connector.run(&["sync", "--baseline"]).await.ended_with(3);
        assert_eq!(listed(&connector, "removed").await, [], "{mode}");
        let missed = listed(&connector, "held").await.len() + listed(&connector, "undecided").await.len();
        assert_eq!(missed, 11, "{mode}");
        domain.apply(&[Change::undeny(&deep, sddl)]);
        connector.succeed(&["sync", "--baseline"]).await;
        assert_eq!(listed(&connector, "held").await, [], "{mode}");
    }
}
