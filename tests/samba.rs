//! The program against a real Active Directory (Samba): what arrives is what the directory holds, and only what changed.
//!
//! The expectation comes from `tests/expectation.py`, which shares nothing with the program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Options, Receiver};
use lab::samba::{Change, Domain};
use support::{Assets, Connector, assert_same, changed, parse_ndjson};

async fn receiver() -> Receiver {
    Receiver::start(Options::default()).await
}

/// Syncs once into an empty receiver, and checks that exactly `expected` arrived.
async fn assert_arrives(connector: &Connector, receiver: &Receiver, expected: &Assets) {
    receiver.reset();
    connector.succeed(&["sync"]).await;
    assert_same(&receiver.assets(), expected);
    assert_eq!(receiver.violations(), Vec::<String>::new());
}

/// The whole domain and one OU, with all three forms of the account's name.
async fn assert_everything_arrives_over(transport: &str) {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = receiver().await;
    let account = domain.place().connector();
    let everything = domain.expected(&domain.root());
    let odd = domain.expected(&domain.odd_unit());
    assert!(
        everything.len() > 2_250 && odd.len() > 100,
        "{} {}",
        everything.len(),
        odd.len()
    );
    for name in [&account.dn, &account.principal, &account.down_level] {
        let connector = |domain| {
            Connector::new(domain, &receiver)
                .with("AD_TRANSPORT", transport)
                .with("AD_BIND_DN", name)
        };
        assert_arrives(&connector(&domain), &receiver, &everything).await;
        let connector = connector(&domain).with("AD_BASE_CONTEXT", &domain.odd_unit());
        assert_arrives(&connector, &receiver, &odd).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_over_ldaps() {
    assert_everything_arrives_over("ldaps").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_over_starttls() {
    assert_everything_arrives_over("starttls").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_profile_decides_what_arrives() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = receiver().await;
    let odd = domain.odd_unit();
    let connector = || Connector::new(&domain, &receiver).with("AD_BASE_CONTEXT", &odd);

    let one_level = lab::samba::expected(domain.place(), &odd, "onelevel");
    assert!(one_level.len() < domain.expected(&odd).len());
    assert_arrives(
        &connector().with("AD_SEARCH_SCOPE", "onelevel"),
        &receiver,
        &one_level,
    )
    .await;

    let users_with_mail: Assets = domain
        .expected(&odd)
        .into_iter()
        .filter(|(_, element)| element["asset"]["assetDetail"]["userAssetClass"]["email"].is_string())
        .collect();
    assert!(!users_with_mail.is_empty());
    let users = connector()
        .with("AD_ASSETS", "users")
        .with("AD_USER_FILTER", "(mail=*)");
    assert_arrives(&users, &receiver, &users_with_mail).await;
}

/// Ten users and a group in `unit`, numbered from 0.
fn people(unit: &str, account: &str) -> Vec<Change> {
    let user = |number| Change::user(unit, &format!("Person {number}"), &format!("{account}{number}"));
    let mut changes: Vec<_> = (0..10).map(user).collect();
    changes.push(Change::group(unit, "Team", &format!("{account}team")));
    changes
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_only_what_changed_is_sent() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = receiver().await;
    let connector = Connector::new(&domain, &receiver);
    let unit = domain.fresh_unit("only changes");
    domain.apply(&people(&unit, "only"));
    let before = domain.expected(&domain.root());
    assert_arrives(&connector, &receiver, &before).await;
    assert_arrives(&connector, &receiver, &Assets::new()).await;
    assert_eq!(receiver.summary().requests, 0);

    let person = |number| format!("CN=Person {number},{unit}");
    domain.apply(&[
        Change::set(&person(0), "mail", "new@corp.example"),
        Change::clear(&person(1), "mail"),
        Change::set(&person(2), "pwdLastSet", "133485408000000001"),
        Change::rename(&person(3), &format!("CN=Renamed\\, Jr.,{unit}")),
        Change::set(&format!("CN=Team,{unit}"), "description", "Two\nlines"),
        Change::user(&unit, "Person 10", "only10"),
        // No row of the mapping reads it.
        Change::set(&person(4), "telephoneNumber", "+49 30 1234"),
    ]);
    let after = domain.expected(&domain.root());
    let six = changed(&before, &after);
    assert_eq!(six.len(), 6);
    assert_arrives(&connector, &receiver, &six).await;
    assert_eq!(receiver.summary().assets_received, 6);

    receiver.reset();
    connector.succeed(&["sync", "--baseline"]).await;
    assert_eq!(receiver.summary().requests, 0);
    connector.succeed(&["sync", "--baseline", "--resend"]).await;
    assert_same(&receiver.assets(), &after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_every_asset_posts_nothing_and_stores_nothing() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = receiver().await;
    let connector = Connector::new(&domain, &receiver);
    let everything = domain.expected(&domain.root());

    connector
        .succeed(&["sync", "--dry-run", "--output", "assets.ndjson"])
        .await;
    let written = std::fs::read_to_string(connector.folder().join("assets.ndjson")).unwrap();
    assert_same(&parse_ndjson(&written), &everything);
    assert_eq!(receiver.summary().requests, 0);
    assert!(!connector.state().exists());

    let printed = connector
        .succeed(&["sync", "--dry-run", "--output", "-"])
        .await
        .stdout;
    assert_same(&parse_ndjson(&printed), &everything);

    // A state that is there stays as it is, and the next run has everything still to do.
    assert_arrives(&connector, &receiver, &everything).await;
    domain.apply(&people(&domain.fresh_unit("dry run"), "dry"));
    let state = std::fs::read(connector.state()).unwrap();
    receiver.reset();
    connector.succeed(&["sync", "--dry-run"]).await;
    assert_eq!(receiver.summary().requests, 0);
    assert!(
        std::fs::read(connector.state()).unwrap() == state,
        "the dry run changed the state file"
    );
    let new = changed(&everything, &domain.expected(&domain.root()));
    assert_eq!(new.len(), 11);
    assert_arrives(&connector, &receiver, &new).await;
}

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
    let receiver = receiver().await;
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
    let receiver = receiver().await;
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
    let receiver = receiver().await;
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
