//! Attributes that mapping and extra filters may name (R31): refused at start where a delta could
//! not follow it, and looked up in the schema by `check` and `mapping check`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::collections::BTreeMap;

use ad_connector::schema::{Untracked, classify};

use lab::simulator::{Action, On, Outcome};
use support::simulated::Simulated;

/// Microsoft's schema of Windows Server 2016, as Samba ships it.
const PUBLISHED: &str = "/usr/share/samba/setup/ad-schema/AD_DS_Attributes__Windows_Server_2016.ldf";

/// Attributes of a definition with their values.
type Pairs = &'static [(&'static str, &'static str)];

/// Attributes of the simulated schema: name, OID, `attributeSyntax`, and what else the definition
/// has.
const ATTRIBUTES: [(&str, &str, &str, Pairs); 16] = [
    ("accountExpires", "1.2.840.113556.1.4.159", "2.5.5.16", &[]),
    ("description", "2.5.4.13", "2.5.5.12", &[]),
    ("displayName", "1.2.840.113556.1.2.13", "2.5.5.12", &[]),
    ("employeeNumber", "1.2.840.113556.1.2.610", "2.5.5.12", &[]),
    ("groupType", "1.2.840.113556.1.4.750", "2.5.5.9", &[]),
    ("mail", "0.9.2342.19200300.100.1.3", "2.5.5.12", &[]),
    (
        "memberOf",
        "1.2.840.113556.1.2.102",
        "2.5.5.1",
        &[("linkID", "3")],
    ),
    ("name", "1.2.840.113556.1.4.1", "2.5.5.12", &[]),
    (
        "objectGUID",
        "1.2.840.113556.1.4.2",
        "2.5.5.10",
        &[("systemFlags", "19"), ("rangeLower", "16"), ("rangeUpper", "16")],
    ),
    ("objectSid", "1.2.840.113556.1.4.146", "2.5.5.17", &[]),
    ("pwdLastSet", "1.2.840.113556.1.4.96", "2.5.5.16", &[]),
    (
        "whenCreated",
        "1.2.840.113556.1.2.2",
        "2.5.5.11",
        &[("systemFlags", "18")],
    ),
    ("corpTeamBL", "1.2.3.4.1", "2.5.5.1", &[("linkID", "10001")]),
    ("corpAge", "1.2.3.4.2", "2.5.5.9", &[("systemFlags", "20")]),
    ("corpSeen", "1.2.3.4.3", "2.5.5.16", &[("systemFlags", "17")]),
    ("corpPin", "1.2.3.4.4", "2.5.5.12", &[("searchFlags", "128")]),
];

/// A directory whose schema has [`ATTRIBUTES`].
async fn lab() -> Simulated {
    let lab = Simulated::new().await;
    let directory = lab.directory();
    let schema = directory.domain().schema();
    for (name, oid, syntax, more) in ATTRIBUTES {
        let id = directory.create_other(&schema, name, "attributeSchema");
        directory.set_text(id, "lDAPDisplayName", name);
        directory.set_text(id, "attributeID", oid);
        directory.set_text(id, "attributeSyntax", syntax);
        for (attribute, value) in more {
            directory.set_text(id, attribute, value);
        }
    }
    lab
}

/// The default table with further rows.
fn map(lab: &mut Simulated, rows: &str) {
    let table = format!("{}\n{rows}\n", include_str!("../config/mapping.toml"));
    std::fs::write(lab.connector.folder().join("mapping.toml"), table).unwrap();
    lab.set("MAPPING_FILE", "mapping.toml");
}

fn row(source: &str) -> String {
    format!("[[user]]\nsource = \"{source}\"\ntarget = \"asset.x\"\n")
}

/// Both commands end with 64 and say these words; nothing was posted.
async fn assert_refused(lab: &Simulated, words: &[&str]) {
    for command in [&["check"][..], &["mapping", "check"]] {
        lab.connector.run(command).await.ended_with(64).said(words);
    }
    assert_eq!(lab.receiver.summary().requests, 0);
}

#[test]
fn r31_the_lists_are_those_of_the_published_schema() {
    let Ok(published) = std::fs::read(PUBLISHED) else {
        lab::skip!("{PUBLISHED} is not here: install samba-ad-provision");
    };
    let published = String::from_utf8_lossy(&published).replace('\r', "");
    let mut counts = BTreeMap::new();
    for definition in published.split("\n\n") {
        let field = |name: &str| {
            let mut lines = definition.lines();
            lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.trim()))
        };
        let (Some(name), Some(oid)) = (field("lDAPDisplayName"), field("attributeID")) else {
            continue;
        };
        let flags: i64 = field("systemFlags").map_or(0, |flags| flags.parse().unwrap());
        let link: i64 = field("linkID").map_or(0, |id| id.parse().unwrap());
        let followed = [
            "distinguishedName",
            "objectGUID",
            "uSNChanged",
            "uSNCreated",
            "whenChanged",
            "aNR",
        ];
        let expected = if link % 2 == 1 {
            Some(Untracked::BackLink)
        } else if followed.contains(&name) {
            None
        } else if flags & 4 != 0 {
            Some(Untracked::Constructed)
        } else if flags & 1 != 0 {
            Some(Untracked::NotReplicated)
        } else {
            None
        };
        for spelling in [
            name,
            oid,
            &name.to_uppercase(),
            &name.to_lowercase(),
            &format!("{name};binary"),
        ] {
            assert_eq!(classify(spelling), expected, "{spelling}");
        }
        *counts
            .entry(expected.map(|reason| format!("{reason:?}")))
            .or_insert(0) += 1;
    }
    assert!(
        counts.len() == 4 && counts.values().all(|count| *count > 30),
        "{counts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_a_source_that_a_delta_cannot_follow_is_refused_at_start() {
    let mut lab = Simulated::new().await;
    for (source, words) in [
        (
            "tokenGroups",
            ["`tokenGroups` is constructed", "use `@groups`", "AD_DELTA=off"],
        ),
        (
            "directReports",
            ["`directReports` is a back-link", "map `manager`", "AD_DELTA=off"],
        ),
        (
            "DIRECTREPORTS",
            ["`DIRECTREPORTS` is a back-link", "map `manager`", "AD_DELTA=off"],
        ),
        (
            "lastLogon",
            ["not replicated", "use `lastLogonTimestamp`", "AD_DELTA=off"],
        ),
        (
            "msDS-User-Account-Control-Computed",
            ["constructed", "account_status", "AD_DELTA=off"],
        ),
        (
            "primaryGroupToken",
            ["constructed", "use `objectSid`", "AD_DELTA=off"],
        ),
    ] {
        map(&mut lab, &row(source));
        for delta in ["usn", "dirsync"] {
            lab.set("AD_DELTA", delta);
            for command in [
                &["sync"][..],
                &["run"],
                &["check"],
                &["preview", "x"],
                &["mapping", "check"],
                &["mapping", "check", "mapping.toml"],
            ] {
                let outcome = lab.connector.run(command).await.ended_with(64);
                outcome.said(&words).said(&["[[user]] asset.x"]);
            }
        }
        assert_eq!(lab.receiver.summary().requests, 0);
    }
    // Nothing has to be followed where every run reads everything.
    lab.set("AD_DELTA", "off");
    lab.connector.succeed(&["mapping", "check"]).await;
    lab.sync(0).await;
    lab.unset("AD_DELTA");
    lab.set("AD_MEMBER_OF", &lab.directory().dn(lab.groups()[0]));
    lab.connector.succeed(&["mapping", "check"]).await;
    lab.unset("AD_MEMBER_OF");

    map(&mut lab, "");
    for variable in ["AD_USER_FILTER", "AD_GROUP_FILTER", "AD_COMPUTER_FILTER"] {
        lab.set(variable, "(&(mail=*)(!(MemberOf=CN=x,DC=corp,DC=example)))");
        let outcome = lab.sync(64).await;
        outcome.said(&[
            variable,
            "`MemberOf`",
            "back-link",
            "AD_MEMBER_OF",
            "AD_DELTA=off",
        ]);
        lab.unset(variable);
    }
    lab.set("AD_PORT", "3269");
    lab.sync(64)
        .await
        .said(&["AD_PORT", "global catalogue", "636", "389"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_has_every_attribute_of_the_default_table() {
    let mut lab = lab().await;
    lab.connector
        .succeed(&["check"])
        .await
        .said(&["ok      schema          has all 9 attributes", "everything works"]);
    lab.set(
        "AD_USER_FILTER",
        "(|(!(employeeNumber=x))(1.2.840.113556.1.2.610=y))",
    );
    lab.connector.succeed(&["mapping", "check"]).await.said(&[
        "built-in table: good",
        "schema of active-directory: has all 11 attributes",
    ]);
    assert_eq!(lab.receiver.summary().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_check_asks_the_schema_for_every_attribute() {
    let mut lab = lab().await;
    for (source, words) in [
        (
            "employeeNmber",
            &[
                "`employeeNmber`",
                "[[user]] asset.x",
                "did you mean `employeeNumber`?",
            ][..],
        ),
        (
            "costCentre",
            &["`costCentre`", "not in the schema", "leave it out"],
        ),
        ("corpTeamBL", &["`corpTeamBL`", "back-link", "AD_DELTA=off"]),
        ("corpAge", &["`corpAge`", "constructed", "AD_DELTA=off"]),
        ("corpSeen", &["`corpSeen`", "not replicated", "AD_DELTA=off"]),
        (
            "1.2.840.113556.1.2.610",
            &["OID", "write source = \"employeeNumber\""],
        ),
        (
            "objectGUID\"\nform = \"text",
            &["octets", "write form = \"guid\""],
        ),
    ] {
        map(&mut lab, &row(source));
        assert_refused(&lab, words).await;
    }
    map(&mut lab, "");
    for (filter, words) in [
        (
            "(emploeeNumber=*)",
            &["extra filter for groups", "did you mean `employeeNumber`?"][..],
        ),
        ("(!(corpTeamBL=x))", &["extra filter for groups", "back-link"]),
        ("(|(name=*)(1.2.3.4.3=1))", &["`corpSeen`", "not replicated"]),
    ] {
        lab.set("AD_GROUP_FILTER", filter);
        assert_refused_by_schema(&lab, words).await;
    }
    lab.unset("AD_GROUP_FILTER");

    // With full reads alone it is no fault.
    lab.set("AD_DELTA", "off");
    for source in ["corpTeamBL", "corpAge", "corpSeen", "memberOf"] {
        map(&mut lab, &row(source));
        lab.connector.succeed(&["check"]).await;
    }
    map(&mut lab, &row("corpPin"));
    let note = ["confidential", "Control Access"];
    lab.connector.succeed(&["mapping", "check"]).await.said(&note);
    lab.connector.succeed(&["check"]).await.said(&note);
}

/// As [`assert_refused`]; a filter may fail another step of `check` as well.
async fn assert_refused_by_schema(lab: &Simulated, words: &[&str]) {
    lab.connector
        .run(&["mapping", "check"])
        .await
        .ended_with(64)
        .said(words);
    let outcome = lab.connector.run(&["check"]).await;
    assert!(outcome.stdout.contains("  FAILED  schema"), "{}", outcome.stdout);
    outcome.said(words);
}

#[tokio::test(flavor = "multi_thread")]
async fn mapping_check_says_when_the_schema_was_not_asked() {
    let mut lab = lab().await;
    map(&mut lab, &row("employeeNmber"));
    let good = lab.connector.clone_environment();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    lab.set("AD_PORT", &closed.port().to_string());
    lab.connector.succeed(&["mapping", "check"]).await.said(&[
        "mapping.toml: good",
        "schema of active-directory: not asked",
        "refused",
    ]);
    lab.connector.restore_environment(good.clone());

    lab.unset("QUALYS_CONNECTOR_UUID");
    lab.connector.succeed(&["mapping", "check"]).await.said(&[
        "mapping.toml: good",
        "schema: not asked",
        "not complete",
    ]);
    lab.connector.restore_environment(good.clone());

    // An account that may not read the schema.
    let schema = lab.directory().domain().schema();
    for (name, ..) in ATTRIBUTES {
        let id = lab.directory().find(&format!("CN={name},{schema}")).unwrap();
        lab.directory().hide(id);
    }
    for command in [&["mapping", "check"][..], &["check"]] {
        lab.connector
            .succeed(command)
            .await
            .said(&["not shown to the account", "not looked up"]);
    }
    // An error is no answer.
    let busy = Action::Answer(Outcome::error(51, "busy"));
    lab.simulator
        .faults()
        .at_matching(On::Search, "attributeSchema", 1, busy);
    lab.connector
        .run(&["mapping", "check"])
        .await
        .ended_with(69)
        .said(&["51"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_values_in_another_order_are_no_change() {
    let mut lab = Simulated::new().await;
    map(
        &mut lab,
        "[[user]]\nsource = \"description\"\ntarget = \"asset.x\"\n\
         [[user]]\nsource = \"proxyAddresses\"\nform = \"list\"\ntarget = \"asset.y\"\n\
         [[user]]\nsource = \"url\"\nform = \"dn_name\"\ntarget = \"asset.z\"\n",
    );
    let user = lab.users()[0];
    let orders: [[&[u8]; 3]; 3] = [
        [b"CN=b", b"CN=a", b"CN=c"],
        [b"CN=c", b"CN=b", b"CN=a"],
        [b"CN=a", b"CN=c", b"CN=b"],
    ];
    let attributes = ["description", "proxyAddresses", "url"];
    for attribute in attributes {
        lab.directory().set(user, attribute, &orders[0]);
    }
    lab.sync(0).await;
    let asset = &lab.receiver.assets()[&lab.external_id(user)]["asset"];
    assert_eq!(asset["x"], "CN=a");
    assert_eq!(asset["y"], serde_json::json!(["CN=a", "CN=b", "CN=c"]));
    assert_eq!(asset["z"], "a");
    // Each time the user changed, and the delta reads it again.
    for order in &orders {
        for attribute in attributes {
            lab.directory().set(user, attribute, order);
        }
        assert_eq!(lab.sent_by_sync().await.len(), 0);
        lab.assert_last_run("delta", "").await;
    }
    // Another controller, which knows the values in another order.
    lab.directory().set(user, "description", &orders[1]);
    lab.simulator
        .swap_controller(lab::simulator::Controller::numbered(2));
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    lab.assert_last_run("baseline", "").await;
}
