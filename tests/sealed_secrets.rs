//! R35: the commands about the key of the secrets in the state.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::collections::BTreeMap;

use ad_connector::config::Secret;
use ad_connector::secrets::{SecretKey, SecretKeys};
use ad_connector::store::{ConnectionContent, SecretChange, Store, StoreAccess};
use support::simulated::Simulated;
use uuid::Uuid;

const PASSWORD: &str = "Correct-Horse-7-Battery";

/// Stores a connection with a password in the state of the program.
fn store_one(lab: &Simulated, key: &str) {
    let state = lab.connector.folder().join("state.db");
    let store = Store::open(&state, StoreAccess::ReadWrite).unwrap();
    let keys = SecretKeys::new(SecretKey::parse(key).unwrap(), Vec::new());
    let content = ConnectionContent {
        name: "head-office".to_owned(),
        body: "{}".to_owned(),
        disabled: true,
    };
    let secret = SecretChange::Set(Secret::from(PASSWORD));
    let secrets = BTreeMap::from([("directory.password".to_owned(), secret)]);
    store
        .create_connection(Uuid::from_u128(1), &content, &secrets, Some(&keys), 1)
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn r35_a_key_is_printed_and_everything_is_sealed_with_it() {
    let mut lab = Simulated::new().await;
    let key = |text: String| text.trim_end().to_owned();
    let first = key(lab.connector.succeed(&["secrets", "new-key"]).await.stdout);
    let second = key(lab.connector.succeed(&["secrets", "new-key"]).await.stdout);
    assert_ne!(first, second);
    let (id, other) = [&first, &second]
        .map(|text| SecretKey::parse(text).unwrap().id())
        .into();
    // Without a key, and without a secret, nothing is said about them.
    let checked = lab.connector.succeed(&["check"]).await.stdout;
    assert!(!checked.contains("secrets"), "{checked}");
    lab.connector
        .run(&["secrets", "rekey"])
        .await
        .ended_with(64)
        .said(&["SECRETS_KEY", "new-key"]);
    store_one(&lab, &first);
    lab.connector.run(&["check"]).await.ended_with(69).said(&[
        "secrets",
        "connection head-office, directory.password",
        &id.to_string(),
        "SECRETS_KEY_OLD",
    ]);
    // The stored connection has no directory; the other one is tested.
    let check = ["check", "--connection", "active-directory"];
    lab.set("SECRETS_KEY", &first);
    lab.connector.succeed(&check).await.said(&["secrets", "1 open"]);
    // Another key, first without the former one.
    lab.set("SECRETS_KEY", &second);
    lab.connector
        .run(&["secrets", "rekey"])
        .await
        .ended_with(69)
        .said(&["another SECRETS_KEY", &id.to_string()]);
    lab.set("SECRETS_KEY_OLD", &first);
    lab.connector.succeed(&["secrets", "rekey"]).await.said(&[
        &other.to_string(),
        "1 secrets sealed anew",
        "0 were already",
    ]);
    lab.connector
        .succeed(&["secrets", "rekey"])
        .await
        .said(&["0 secrets sealed anew", "1 were already"]);
    lab.set("SECRETS_KEY_OLD", "");
    let checked = lab.connector.succeed(&check).await.said(&["1 open"]);
    assert!(!checked.stdout.contains(PASSWORD), "{}", checked.stdout);
}
