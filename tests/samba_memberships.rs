//! Memberships and computers in a real Active Directory (Samba): `@groups`, `@members`, `@member_count`, the table of computers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Options, Receiver};
use lab::samba::Change;
use serde_json::{Value, json};
use support::Connector;

const ROWS: &str = r#"
[[user]]
source = "@groups"
target = "asset.assetDetail.userAssetClass.groups"

[[user]]
source = "userAccountControl"
form = "account_status"
target = "asset.assetDetail.userAssetClass.status"

[[group]]
source = "@members"
target = "asset.assetDetail.groupAssetClass.members"

[[group]]
source = "@member_count"
target = "asset.assetDetail.groupAssetClass.memberCount"
"#;

/// The members of `group` are these, of whom there are some.
fn members(group: &str, members: &[&str]) -> Change {
    Change::Set {
        dn: group.to_owned(),
        attribute: "member".to_owned(),
        values: members.iter().map(|&member| member.to_owned()).collect(),
    }
}

/// Name and the part of the asset that is asked for, of everything that one `sync` sends.
async fn sent(connector: &Connector, receiver: &Receiver) -> Vec<(String, Value)> {
    receiver.reset();
    connector.succeed(&["sync"]).await;
    assert_eq!(receiver.violations(), Vec::<String>::new());
    let mut sent: Vec<_> = receiver
        .assets()
        .into_values()
        .map(|asset| {
            let detail = &asset["asset"]["assetDetail"];
            let (user, group) = (&detail["userAssetClass"], &detail["groupAssetClass"]);
            match user.is_object() {
                true => (user["name"].as_str().unwrap().to_owned(), user["groups"].clone()),
                false => (
                    group["name"].as_str().unwrap().to_owned(),
                    group["memberCount"].clone(),
                ),
            }
        })
        .collect();
    sent.sort_by(|one, other| one.0.cmp(&other.0));
    sent
}

fn of(name: &str, value: Value) -> (String, Value) {
    (name.to_owned(), value)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_membership_sends_exactly_the_user_and_the_group() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let unit = domain.fresh_unit("memberships");
    let [one, two, three] = ["One", "Two", "Three"].map(|name| format!("CN={name},{unit}"));
    let team = format!("CN=Team,{unit}");
    domain.apply(&[
        Change::user(&unit, "One", "member-one"),
        Change::user(&unit, "Two", "member-two"),
        Change::user(&unit, "Three", "member-three"),
        Change::group(&unit, "Team", "member-team"),
        members(&team, &[&one, &two]),
        Change::set(&two, "userAccountControl", "546"),
    ]);
    let connector = Connector::new(&domain, &receiver).with("AD_BASE_CONTEXT", &unit);
    let table = format!("{}{ROWS}", include_str!("../config/mapping.toml"));
    std::fs::write(connector.folder().join("mapping.toml"), table).unwrap();
    let connector = connector.with("MAPPING_FILE", "mapping.toml");

    let both = json!(["Domain Users", "Team"]);
    assert_eq!(
        sent(&connector, &receiver).await,
        [
            of("One", both.clone()),
            of("Team", json!(2)),
            of("Three", json!(["Domain Users"])),
            of("Two", both.clone()),
        ]
    );
    let text = serde_json::to_string(&receiver.assets()).unwrap();
    assert_eq!(text.matches("\"status\":\"disabled\"").count(), 1, "{text}");

    domain.apply(&[members(&team, &[&two, &three])]);
    assert_eq!(
        sent(&connector, &receiver).await,
        [
            of("One", json!(["Domain Users"])),
            of("Team", json!(2)),
            of("Three", both)
        ]
    );
    assert_eq!(sent(&connector, &receiver).await, []);

    let crew = format!("CN=Crew,{unit}");
    domain.apply(&[Change::rename(&team, &crew)]);
    let renamed = json!(["Crew", "Domain Users"]);
    assert_eq!(
        sent(&connector, &receiver).await,
        [
            of("Crew", json!(2)),
            of("Three", renamed.clone()),
            of("Two", renamed)
        ]
    );

    // An administrator sees the tombstone.
    let administrator = domain.place().administrator();
    let connector = connector
        .with("AD_BIND_DN", &administrator.principal)
        .with("AD_PASSWORD", administrator.password)
        .with("REMOVAL_MAX_PERCENT", "100");
    domain.apply(&[Change::delete(&crew)]);
    let alone = json!(["Domain Users"]);
    assert_eq!(
        sent(&connector, &receiver).await,
        [of("Three", alone.clone()), of("Two", alone)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn computers_arrive_and_managed_service_accounts_do_not() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let unit = domain.fresh_unit("computers");
    domain.apply(&[Change::add(
        &format!("CN=WS-0042,{unit}"),
        "computer",
        &[
            ("sAMAccountName", "WS-0042$"),
            ("userAccountControl", "4128"),
            ("dNSHostName", "ws-0042.corp.example"),
            ("operatingSystem", "Windows 11 Enterprise"),
        ],
    )]);
    let connector = Connector::new(&domain, &receiver)
        .with("AD_BASE_CONTEXT", &unit)
        .with("AD_ASSETS", "users,computers");
    connector.succeed(&["sync"]).await;
    let assets = receiver.assets();
    assert_eq!(assets.len(), 1);
    assert_eq!(
        assets.values().next().unwrap()["asset"]["assetDetail"]["hostAssetClass"],
        json!({
            "name": "WS-0042",
            "fqdn": "ws-0042.corp.example",
            "operatingSystem": "Windows 11 Enterprise",
            "distinguishedName": format!("CN=WS-0042,{unit}"),
            "accountStatus": "enabled",
        })
    );
}
