//! Attributes of mapping and extra filters against the schema of a real Active Directory (Samba),
//! which is Microsoft's (R31).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Options, Receiver};
use support::Connector;

/// The connector with the default table and further rows.
fn map(connector: Connector, rows: &str) -> Connector {
    let table = format!("{}\n{rows}\n", include_str!("../config/mapping.toml"));
    std::fs::write(connector.folder().join("mapping.toml"), table).unwrap();
    connector.with("MAPPING_FILE", "mapping.toml")
}

fn row(source: &str) -> String {
    format!("[[user]]\nsource = \"{source}\"\ntarget = \"asset.x\"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_the_schema_is_asked_for_every_attribute() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let mut connector = Connector::new(&domain, &receiver).with("AD_ASSETS", "users,groups,computers");
    for command in [&["check"][..], &["mapping", "check"]] {
        connector.succeed(command).await.said(&["has all 15 attributes"]);
    }
    for (source, words) in [
        (
            "emploeeNumber",
            &["`emploeeNumber`", "did you mean `employeeNumber`?"][..],
        ),
        ("costCentreOfCorp", &["`costCentreOfCorp`", "not in the schema"]),
        ("directReports", &["back-link", "map `manager`"]),
        (
            "msDS-User-Account-Control-Computed",
            &["constructed", "account_status"],
        ),
        ("lastLogon", &["not replicated", "`lastLogonTimestamp`"]),
        (
            "1.2.840.113556.1.2.610",
            &["OID", "write source = \"employeeNumber\""],
        ),
        (
            "objectGUID\"\nform = \"text",
            &["octets", "write form = \"guid\""],
        ),
        ("objectSid\"\nform = \"list", &["a SID", "write form = \"sid\""]),
        ("mail\"\nform = \"sid", &["holds text", "write form = \"text\""]),
        (
            "userAccountControl\"\nform = \"dn_name",
            &["number of 32 bits", "write form = \"integer\""],
        ),
    ] {
        connector = map(connector, &row(source));
        for command in [&["check"][..], &["mapping", "check"]] {
            connector.run(command).await.ended_with(64).said(words);
        }
    }
    for (source, words) in [
        ("thumbnailPhoto", &["holds octets", "leaves out"][..]),
        ("whenChanged", &["on each controller"]),
        ("unixUserPassword", &["confidential", "Control Access"]),
        ("proxyAddresses\"\nform = \"list", &["has all 16 attributes"]),
        (
            "userAccountControl\"\nform = \"account_status",
            &["has all 15 attributes"],
        ),
    ] {
        connector = map(connector, &row(source));
        connector.succeed(&["mapping", "check"]).await.said(words);
    }
    for (filter, words) in [
        (
            "(|(cn=*)(emploeeNumber=1))",
            &["extra filter for users", "did you mean `employeeNumber`?"][..],
        ),
        (
            "(!(1.2.840.113556.1.2.102=CN=x))",
            &["AD_USER_FILTER", "back-link", "AD_MEMBER_OF"],
        ),
        (
            "(memberOf:1.2.840.113556.1.4.1941:=CN=x)",
            &["AD_USER_FILTER", "in-chain", "AD_MEMBER_OF"],
        ),
    ] {
        connector = connector.with("AD_USER_FILTER", filter);
        let check = &["check"][..];
        connector.run(check).await.ended_with(64).said(words);
    }
    assert_eq!(receiver.summary().requests, 0);
}
