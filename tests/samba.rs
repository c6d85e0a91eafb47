//! The program against a real Active Directory (Samba): what arrives is what the directory holds, and only what changed.
//!
//! The expectation comes from `tests/expectation.py`, which shares nothing with the program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Options, Receiver};
use lab::samba::Change;
use support::{Assets, Connector, assert_arrives, assert_same, changed, parse_ndjson, people};

async fn receiver() -> Receiver {
    Receiver::start(Options::default()).await
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
