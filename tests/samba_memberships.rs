//! Memberships and computers in a real Active Directory (Samba): `@groups`, `@members`, `@member_count`, the table of computers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Options, Receiver};
use lab::samba::{Change, Domain};
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

/// Rows for the groups and the manager of users.
const LINKS: &str = r#"
[[user]]
source = "@groups"
target = "asset.assetDetail.userAssetClass.groups"

[[user]]
source = "manager"
form = "dn_name"
target = "asset.assetDetail.userAssetClass.manager"
"#;

/// Users in a unit that is read, groups and managers in one beside it.
struct Linked {
    receiver: Receiver,
    connector: Connector,
    people: String,
    others: String,
}

impl Linked {
    /// Users One and Two; `name` is part of the account names and of the units.
    async fn new(domain: &Domain, name: &str, delta: &str, rows: &str) -> Linked {
        let receiver = Receiver::start(Options::default()).await;
        let [people, others] = ["p", "o"].map(|which| domain.fresh_unit(&format!("{name}-{delta}-{which}")));
        let account = |number: u8| format!("{name}-{delta}-{number}");
        domain.apply(&[
            Change::user(&people, "One", &account(1)),
            Change::user(&people, "Two", &account(2)),
        ]);
        // An administrator, who may use DirSync and sees tombstones.
        let administrator = domain.place().administrator();
        let connector = Connector::new(domain, &receiver)
            .with("AD_BASE_CONTEXT", &people)
            .with("AD_ASSETS", "users")
            .with("AD_DELTA", delta)
            .with("AD_BIND_DN", &administrator.principal)
            .with("AD_PASSWORD", administrator.password);
        let table = format!("{}{rows}", include_str!("../config/mapping.toml"));
        std::fs::write(connector.folder().join("mapping.toml"), table).unwrap();
        let connector = connector.with("MAPPING_FILE", "mapping.toml");
        Linked {
            receiver,
            connector,
            people,
            others,
        }
    }

    fn user(&self, name: &str) -> String {
        format!("CN={name},{}", self.people)
    }

    /// Runs `sync`, which must be a run of this mode and send exactly these users with these values
    /// of `key`.
    async fn sends(&self, mode: &str, key: &str, expected: &[(&str, Value)]) {
        self.receiver.reset();
        self.connector.succeed(&["sync"]).await;
        assert_eq!(self.receiver.violations(), Vec::<String>::new());
        let mut sent: Vec<_> = self
            .receiver
            .assets()
            .into_values()
            .map(|asset| {
                let user = &asset["asset"]["assetDetail"]["userAssetClass"];
                (user["name"].as_str().unwrap().to_owned(), user[key].clone())
            })
            .collect();
        sent.sort_by(|one, other| one.0.cmp(&other.0));
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| of(name, value.clone()))
            .collect();
        assert_eq!(sent, expected);
        let run = self.last_run().await;
        assert_eq!(run["mode"], mode, "{run}");
    }

    async fn last_run(&self) -> Value {
        let arguments = ["runs", "--json", "--limit", "1"];
        let told = self.connector.succeed(&arguments).await.stdout;
        serde_json::from_str(&told).unwrap()
    }

    /// A delta that sends nothing, and reads no user; gives the pages that it took.
    async fn reads_nobody(&self) -> u64 {
        self.sends("delta", "groups", &[]).await;
        let run = self.last_run().await;
        assert_eq!(run["counts"]["user"]["read"].as_u64().unwrap_or(0), 0, "{run}");
        run["pages"].as_u64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_groups_are_known_by_guid_and_their_names_by_octets() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    for delta in ["usn", "dirsync"] {
        let linked = Linked::new(&domain, "r38g", delta, LINKS).await;
        let named = |name: &str| format!("CN={name},{}", linked.others);
        let other = format!("CN=Other,{}", linked.others);
        domain.apply(&[
            Change::group(&linked.others, "admins", &format!("r38g-{delta}-a")),
            Change::group(&linked.others, "Other", &format!("r38g-{delta}-o")),
            members(&named("admins"), &[&linked.user("One")]),
            members(&other, &[&linked.user("One"), &linked.user("Two")]),
        ]);
        linked.connector.succeed(&["sync"]).await;
        let mut before = named("admins");
        for (written, name) in [
            ("Admins", "Admins"),
            ("Strasse", "Strasse"),
            ("Straße", "Straße"),
            ("what\\?", "what?"),
            ("What\\?", "What?"),
            ("a\\,b\\+c\\=d\\#", "a,b+c=d#"),
            ("Zu\u{308}rich", "Zu\u{308}rich"),
            ("Zürich", "Zürich"),
        ] {
            domain.apply(&[Change::rename(&before, &named(written))]);
            let mut groups = vec!["Domain Users", "Other", name];
            groups.sort_unstable();
            linked.sends("delta", "groups", &[("One", json!(groups))]).await;
            linked.reads_nobody().await;
            before = named(written);
        }
        domain.apply(&[
            Change::rename(&before, &named("why\\?")),
            members(&named("why\\?"), &[&linked.user("Two")]),
        ]);
        let one = json!(["Domain Users", "Other"]);
        let two = json!(["Domain Users", "Other", "why?"]);
        linked
            .sends("delta", "groups", &[("One", one.clone()), ("Two", two)])
            .await;
        domain.apply(&[Change::delete(&named("why\\?"))]);
        linked.sends("delta", "groups", &[("Two", one)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_a_unit_of_groups_that_is_renamed_reads_nobody_again() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    for delta in ["usn", "dirsync"] {
        let linked = Linked::new(&domain, "r31u", delta, LINKS).await;
        let unit = format!("OU=Groups,{}", linked.others);
        let team = format!("CN=Team,{unit}");
        domain.apply(&[
            Change::add(&unit, "organizationalUnit", &[]),
            Change::group(&unit, "Team", &format!("r31u-{delta}-t")),
            members(&team, &[&linked.user("One"), &linked.user("Two")]),
        ]);
        linked.connector.succeed(&["sync"]).await;
        let touched = Change::set(&linked.others, "description", "touched");
        domain.apply(&[touched]);
        let pages = linked.reads_nobody().await;
        let renamed = format!("OU=Renamed,{}", linked.others);
        domain.apply(&[Change::rename(&unit, &renamed)]);
        assert!(
            linked.reads_nobody().await <= pages + 1,
            "no more searches than for any change"
        );
        domain.apply(&[Change::set(&linked.others, "description", "touched again")]);
        assert!(linked.reads_nobody().await <= pages, "nor later");
        let team = format!("CN=Team,{renamed}");
        domain.apply(&[members(&team, &[&linked.user("Two")])]);
        linked
            .sends("delta", "groups", &[("One", json!(["Domain Users"]))])
            .await;
        domain.apply(&[Change::rename(&team, &format!("CN=Team,{}", linked.others))]);
        linked.reads_nobody().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_people_follow_the_name_of_their_manager() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    for delta in ["usn", "dirsync"] {
        let linked = Linked::new(&domain, "r31m", delta, LINKS).await;
        let named = |name: &str| format!("CN={name},{}", linked.others);
        domain.apply(&[
            Change::user(&linked.others, "Bob Strasse", &format!("r31m-{delta}-b")),
            Change::set(&linked.user("One"), "manager", &named("Bob Strasse")),
        ]);
        linked.connector.succeed(&["sync"]).await;
        let mut before = named("Bob Strasse");
        for (written, name) in [
            ("Bob Straße", "Bob Straße"),
            ("bob straße", "bob straße"),
            ("Who\\?", "Who?"),
        ] {
            domain.apply(&[Change::rename(&before, &named(written))]);
            linked.sends("delta", "manager", &[("One", json!(name))]).await;
            linked.reads_nobody().await;
            before = named(written);
        }
        let unit = format!("OU=Heads,{}", linked.others);
        let moved = format!("CN=Who\\?,{unit}");
        domain.apply(&[
            Change::add(&unit, "organizationalUnit", &[]),
            Change::rename(&before, &moved),
        ]);
        linked.reads_nobody().await;
        domain.apply(&[Change::delete(&moved)]);
        linked.sends("delta", "manager", &[("One", Value::Null)]).await;
        linked.reads_nobody().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_an_asset_that_shows_the_whole_name_of_a_manager_follows_it() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let rows = LINKS.replace("form = \"dn_name\"\n", "");
    let linked = Linked::new(&domain, "r31w", "usn", &rows).await;
    let unit = format!("OU=Heads?,{}", linked.others);
    let bob = format!("CN=Bob,{unit}");
    domain.apply(&[
        Change::add(&unit, "organizationalUnit", &[]),
        Change::user(&unit, "Bob", "r31w-b"),
        Change::set(&linked.user("One"), "manager", &bob),
    ]);
    linked.connector.succeed(&["sync"]).await;
    let renamed = format!("OU=Bosses,{}", linked.others);
    domain.apply(&[Change::rename(&unit, &renamed)]);
    let shown = json!(format!("CN=Bob,{renamed}"));
    linked.sends("baseline", "manager", &[("One", shown)]).await;
    let moved = format!("CN=Bob,{}", linked.others);
    domain.apply(&[Change::rename(&format!("CN=Bob,{renamed}"), &moved)]);
    linked.sends("delta", "manager", &[("One", json!(moved))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_a_base_context_is_taken_in_every_spelling_that_the_server_takes() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let unit = domain.fresh_unit("r38-base");
    let base = |name: &str| format!("OU={name},{unit}");
    let place = base("Who\\?");
    let manager = format!("CN=Why\\?,{place}");
    domain.apply(&[
        Change::add(&place, "organizationalUnit", &[]),
        Change::user(&place, "One", "r38-base-1"),
        Change::user(&place, "Why?", "r38-base-2"),
        Change::set(&format!("CN=One,{place}"), "manager", &manager),
    ]);
    let rows = "\n[[user]]\nsource = \"manager\"\nform = \"dn_name\"\n\
                target = \"asset.assetDetail.userAssetClass.manager\"\n";
    for written in ["Who\\?", "Who?", "Who\\3F", "\\57ho?"] {
        let receiver = Receiver::start(Options::default()).await;
        let connector = Connector::new(&domain, &receiver).with("AD_BASE_CONTEXT", &base(written));
        let table = format!("{}{rows}", include_str!("../config/mapping.toml"));
        std::fs::write(connector.folder().join("mapping.toml"), table).unwrap();
        let connector = connector.with("MAPPING_FILE", "mapping.toml");
        connector.succeed(&["sync"]).await;
        let managers: Vec<Value> = receiver
            .assets()
            .into_values()
            .filter_map(|asset| {
                asset["asset"]["assetDetail"]["userAssetClass"]
                    .get("manager")
                    .cloned()
            })
            .collect();
        assert_eq!(
            (receiver.assets().len(), managers),
            (2, vec![json!("Why?")]),
            "{written}"
        );
    }
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
