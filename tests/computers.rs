//! Computers, read where AD_ASSETS asks for them, by the built-in table.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::simulator::{Directory, Kind};
use serde_json::{Value, json};
use support::simulated::Simulated;

/// A lab that reads all three kinds.
async fn lab() -> Simulated {
    let mut lab = Simulated::new().await;
    lab.set("AD_ASSETS", "users,groups,computers");
    lab
}

/// The part of an asset that is about the host.
fn host(asset: &Value) -> &Value {
    &asset["asset"]["assetDetail"]["hostAssetClass"]
}

/// Group managed service accounts are computers by class, and nothing that is asked for by category.
fn create_service_account(directory: &Directory) {
    let class = "msDS-GroupManagedServiceAccount";
    let account = directory.create_other(
        "CN=Managed Service Accounts,DC=corp,DC=example",
        "svc-backup",
        class,
    );
    let classes: [&[u8]; 6] = [
        b"top",
        b"person",
        b"organizationalPerson",
        b"user",
        b"computer",
        class.as_bytes(),
    ];
    directory.set(account, "objectClass", &classes);
    directory.set(account, "userAccountControl", &[b"4096"]);
    directory.set(account, "dNSHostName", &[b"svc-backup.corp.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn computers_are_sent_with_what_the_table_says() {
    let lab = lab().await;
    let created = lab.directory().create_computer(
        "CN=Computers,DC=corp,DC=example",
        "WS-0042",
        &[
            ("dNSHostName", "ws-0042.corp.example"),
            ("operatingSystem", "Windows 11 Enterprise"),
            ("operatingSystemVersion", "10.0 (22631)"),
            ("lastLogonTimestamp", "134397870349999999"),
            ("msDS-User-Account-Control-Computed", "0"),
            ("accountExpires", "9223372036854775807"),
        ],
    );
    lab.connector.succeed(&["sync"]).await;
    let assets = lab.receiver.assets();
    assert_eq!(assets.len(), 220 + 30 + 10 + 1);
    let asset = &assets[&lab.external_id(created)];
    assert_eq!(
        host(asset),
        &json!({
            "name": "WS-0042",
            "fqdn": "ws-0042.corp.example",
            "operatingSystem": "Windows 11 Enterprise",
            "operatingSystemVersion": "10.0 (22631)",
            "lastLogonTimestamp": "2026-11-22T02:10:34Z",
            "distinguishedName": "CN=WS-0042,CN=Computers,DC=corp,DC=example",
            "accountStatus": "enabled",
        })
    );
    for id in lab.directory().all(Kind::Computer) {
        assert!(host(&assets[&lab.external_id(id)])["accountStatus"].is_string());
    }
    let counts = lab.last_run().await;
    assert_eq!(counts["counts"]["computers"]["accepted"], 11, "{counts}");

    // A delta sends what changed.
    lab.directory().set_text(created, "userAccountControl", "4098");
    let sent = lab.sent_by_sync().await;
    assert_eq!(sent.len(), 1);
    assert_eq!(
        host(&sent[&lab.external_id(created)])["accountStatus"],
        "disabled"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn managed_service_accounts_are_neither_users_nor_computers() {
    let lab = lab().await;
    create_service_account(lab.directory());
    lab.connector.succeed(&["sync"]).await;
    assert_eq!(lab.receiver.assets().len(), 220 + 30 + 10);
    let text = serde_json::to_string(&lab.receiver.assets()).unwrap();
    assert!(!text.contains("svc-backup"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extra_filter_narrows_computers_alone() {
    let mut lab = lab().await;
    for name in ["SRV-1", "SRV-2"] {
        lab.directory().create_computer(
            "CN=Computers,DC=corp,DC=example",
            name,
            &[("operatingSystem", "Windows Server 2025 Datacenter")],
        );
    }
    lab.set("AD_COMPUTER_FILTER", "(operatingSystem=Windows Server 2025*)");
    lab.connector.succeed(&["sync"]).await;
    let hosts: Vec<_> = lab
        .receiver
        .assets()
        .values()
        .filter_map(|asset| host(asset)["name"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(hosts, ["SRV-1", "SRV-2"]);
    assert_eq!(lab.receiver.assets().len(), 220 + 30 + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_who_adds_computers_gets_computers_and_nothing_else_again() {
    let mut lab = Simulated::new().await;
    lab.connector.succeed(&["sync"]).await;
    assert_eq!(lab.receiver.assets().len(), 250);
    lab.set("AD_ASSETS", "users,groups,computers");
    let sent = lab.sent_by_sync().await;
    assert_eq!(sent.len(), 10);
    assert!(sent.values().all(|asset| host(asset).is_object()));
    lab.assert_last_run("baseline", "kinds").await;
    assert_eq!(lab.sent_by_sync().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_mapping_needs_is_asked_for() {
    let lab = lab().await;
    lab.connector.succeed(&["sync"]).await;
    let asked = |filter: &str| -> Vec<String> {
        let searches = lab.simulator.statistics().searches();
        let search = searches.iter().find(|search| search.filter.contains(filter));
        let mut asked = search.unwrap().attributes.clone();
        asked.sort_unstable_by_key(|name| name.to_lowercase());
        asked
    };
    assert_eq!(
        asked("objectCategory=computer"),
        [
            "accountExpires",
            "distinguishedName",
            "dNSHostName",
            "lastLogonTimestamp",
            "msDS-User-Account-Control-Computed",
            "name",
            "objectGUID",
            "objectSid",
            "operatingSystem",
            "operatingSystemVersion",
            "userAccountControl",
        ]
    );
    assert_eq!(
        asked("objectCategory=person"),
        [
            "displayName",
            "mail",
            "name",
            "objectGUID",
            "objectSid",
            "pwdLastSet",
            "whenCreated"
        ]
    );
}
