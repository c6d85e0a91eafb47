//! Two real controllers (Samba) whose replication is paused, and a program that changes from one to
//! the other and back: nothing that exists is removed, nothing old stays, everything heals after
//! replication, and nothing unchanged is sent again (R2, R17, R22).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::collections::BTreeMap;

use lab::receiver::{Options, Receiver};
use lab::samba::{self, Change, Pair, Place, change};
use serde_json::{Value, json};
use support::{Assets, Connector, assert_same, changed};

/// A connector, its gateway, and what that one holds by what was sent to it.
struct Reader<'a> {
    pair: &'a Pair,
    unit: String,
    connector: Connector,
    receiver: Receiver,
    held: Assets,
}

impl<'a> Reader<'a> {
    async fn new(pair: &'a Pair, unit: &str, delta: &str) -> Self {
        let receiver = Receiver::start(Options::default()).await;
        let connector = Connector::new(pair.domain(), &receiver)
            .with("AD_BASE_CONTEXT", unit)
            .with("AD_DELTA", delta)
            .with("REMOVAL_MAX_PERCENT", "100");
        Self {
            pair,
            unit: unit.to_owned(),
            connector,
            receiver,
            held: Assets::new(),
        }
    }

    /// Runs once on `controller`; gives what was sent, all of it other than what the gateway held.
    async fn sync(&mut self, controller: &Place) -> Assets {
        self.run(controller, &["sync"]).await
    }

    async fn run(&mut self, controller: &Place, arguments: &[&str]) -> Assets {
        let connector = std::mem::replace(&mut self.connector, Connector::delivering_to(&self.receiver));
        self.connector = connector.with("AD_HOST", &controller.host());
        self.receiver.reset();
        self.connector.succeed(arguments).await;
        assert_eq!(self.receiver.violations(), Vec::<String>::new());
        let sent = self.receiver.assets();
        for (id, asset) in &sent {
            assert_ne!(self.held.get(id), Some(asset), "R17: sent again without a change");
        }
        self.held.extend(sent.clone());
        // What was removed and is returned again by another controller is sent again, whatever it
        // is.
        for guid in self
            .lines("removed")
            .await
            .iter()
            .map(|line| &line["vendorAssetId"])
        {
            self.held
                .retain(|_, asset| asset["asset"]["assetHeader"]["vendorAssetId"] != *guid);
        }
        sent
    }

    fn expected(&self, controller: &Place) -> Assets {
        samba::expected(controller, &self.unit, "subtree")
    }

    /// The gateway holds everything that `controller` has, as it has it.
    fn assert_holds_the_view_of(&self, controller: &Place) {
        let expected = self.expected(controller);
        let held: Assets = self
            .held
            .iter()
            .filter(|(id, _)| expected.contains_key(*id))
            .map(|(id, asset)| (id.clone(), asset.clone()))
            .collect();
        assert_same(&held, &expected);
    }

    /// Returns the lines that are listed in this state.
    async fn lines(&self, state: &str) -> Vec<Value> {
        let said = self.connector.succeed(&["removed", "--json"]).await.stdout;
        said.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|line| line["state"] == state)
            .collect()
    }

    /// Name (the first part of the DN) and reason of what is listed in this state.
    async fn listed(&self, state: &str) -> BTreeMap<String, String> {
        let text = |line: &Value, name: &str| line[name].as_str().unwrap().to_owned();
        let lines = self.lines(state).await;
        lines
            .iter()
            .map(|line| {
                let name = text(line, "dn").split_once(',').unwrap().0.to_owned();
                (name, text(line, "reason"))
            })
            .collect()
    }

    async fn assert_listed(&self, state: &str, names: &[&str]) {
        let listed = self.listed(state).await;
        let found: Vec<&str> = listed.keys().map(String::as_str).collect();
        assert_eq!(found, names, "{state}: {listed:?}");
    }

    /// Both have the same, and a run on either leaves the gateway with it.
    async fn assert_healed(&mut self, removed: &[&str]) {
        let pair = self.pair;
        assert_same(&self.expected(pair.first()), &self.expected(pair.second()));
        for controller in [pair.second(), pair.first(), pair.second()] {
            self.sync(controller).await;
            self.assert_holds_the_view_of(pair.first());
        }
        for controller in [pair.first(), pair.second()] {
            assert_eq!(self.sync(controller).await.len(), 0, "nothing changed");
            assert_eq!(self.run(controller, &["sync", "--baseline"]).await.len(), 0);
        }
        self.assert_listed("removed", removed).await;
        self.assert_listed("undecided", &[]).await;
    }
}

/// People and groups below `unit`, in two units: one in each of which everything happens on the
/// first or the second controller.
fn filled(unit: &str, account: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    for place in ["Here", "There"] {
        let below = format!("OU={place},{unit}");
        changes.push(Change::add(&below, "organizationalUnit", &[]));
        for name in ["Changed", "Renamed", "Moved", "Deleted", "Left"] {
            let account = format!("{account}{}{}", &place[..1], &name[..3]);
            changes.push(Change::user(&below, &format!("{name} {place}"), &account));
        }
        let group = format!("Team {place}");
        changes.push(Change::group(
            &below,
            &group,
            &format!("{account}{}team", &place[..1]),
        ));
    }
    changes
}

/// One of everything that can happen to an object, on the one controller that it is made on.
fn happens(unit: &str, place: &str, other: &str, account: &str) -> Vec<Change> {
    let below = format!("OU={place},{unit}");
    let named = |name: &str| format!("CN={name} {place},{below}");
    vec![
        Change::user(
            &below,
            &format!("Created {place}"),
            &format!("{account}{}new", &place[..1]),
        ),
        Change::set(&named("Changed"), "displayName", &format!("changed {place}")),
        Change::rename(&named("Renamed"), &format!("CN=Other {place},{below}")),
        Change::rename(&named("Moved"), &format!("CN=Moved {place},OU={other},{unit}")),
        Change::delete(&named("Deleted")),
        Change::set(&named("Team"), "description", &format!("described {place}")),
        Change::Set {
            dn: named("Team"),
            attribute: "member".to_owned(),
            values: vec![named("Left"), named("Changed")],
        },
    ]
}

async fn parted_and_reunited(delta: &str) {
    let Some(pair) = samba::pair() else { return };
    let (first, second) = (pair.first(), pair.second());
    let unit = pair.domain().fresh_unit("lagging");
    pair.domain().apply(&filled(&unit, "lag"));
    pair.replicated(second, &unit, "sAMAccountName", "lagTteam");
    let mut reader = Reader::new(&pair, &unit, delta).await;
    assert_same(&reader.sync(first).await, &reader.expected(first));
    pair.part();

    // On the first one, which is read; then the second one, which lags behind it.
    let before = reader.expected(first);
    change::apply(first, &happens(&unit, "Here", "There", "lag"));
    let sent = reader.sync(first).await;
    assert_same(&sent, &changed(&before, &reader.expected(first)));
    assert_eq!(sent.len(), 4, "created, changed, renamed, described: {sent:?}");
    for _ in 0..2 {
        reader.sync(second).await;
        reader.assert_listed("removed", &[]).await;
    }
    if delta == "usn" {
        reader.assert_holds_the_view_of(second);
    }

    // On the second one, and back to the first, which lags behind it now.
    change::apply(second, &happens(&unit, "There", "Here", "lag"));
    reader.sync(second).await;
    if delta == "usn" {
        reader.assert_holds_the_view_of(second);
    }
    for _ in 0..2 {
        reader.sync(first).await;
        reader.assert_listed("removed", &[]).await;
    }
    if delta == "usn" {
        reader.assert_holds_the_view_of(first);
    }
    // The first one again after a change, then a baseline on each while they differ.
    change::apply(
        first,
        &[Change::set(
            &format!("CN=Left Here,OU=Here,{unit}"),
            "displayName",
            "late",
        )],
    );
    reader.sync(first).await;
    reader.run(second, &["sync", "--baseline"]).await;
    reader.run(first, &["sync", "--baseline"]).await;
    reader.assert_holds_the_view_of(first);
    for name in ["CN=Created There", "CN=Created Here"] {
        assert!(
            !reader.listed("removed").await.contains_key(name),
            "{name} is there"
        );
    }

    pair.reunite(&unit);
    reader
        .assert_healed(&["CN=Deleted Here", "CN=Deleted There"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_r17_r22_by_usn_nothing_is_lost_removed_or_left_old_while_controllers_disagree() {
    parted_and_reunited("usn").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_r17_r22_by_dirsync_nothing_is_lost_removed_or_left_old_while_controllers_disagree() {
    parted_and_reunited("dirsync").await;
}

const GROUPS: &str = "[[user]]\nsource = \"@groups\"\ntarget = \"asset.assetDetail.userAssetClass.groups\"\n";

/// Groups of the one user below the unit, as the gateway holds them after a run on each of `controllers`, of which the last one counts.
async fn groups_after(reader: &mut Reader<'_>, controllers: &[&Place]) -> Value {
    for controller in controllers {
        reader.sync(controller).await;
        reader.assert_listed("removed", &[]).await;
    }
    let mut users = reader.held.values().filter_map(|asset| {
        let user = &asset["asset"]["assetDetail"]["userAssetClass"];
        user.is_object().then(|| user["groups"].clone())
    });
    let groups = users.next().unwrap();
    assert!(users.next().is_none());
    groups
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_r31_memberships_follow_the_controller_that_is_read_and_heal() {
    let Some(pair) = samba::pair() else { return };
    let (first, second) = (pair.first(), pair.second());
    for delta in ["usn", "dirsync"] {
        let unit = pair.domain().fresh_unit(&format!("lagging-{delta}"));
        let [one, team, crew] = ["One", "Team", "Crew"].map(|name| format!("CN={name},{unit}"));
        let account = |name: &str| format!("lg{}{name}", &delta[..1]);
        let joins = |group: &str| Change::set(group, "member", &one);
        pair.domain().apply(&[
            Change::user(&unit, "One", &account("one")),
            Change::group(&unit, "Team", &account("team")),
            Change::group(&unit, "Crew", &account("crew")),
        ]);
        pair.replicated(second, &unit, "sAMAccountName", &account("crew"));
        let mut reader = Reader::new(&pair, &unit, delta).await;
        let table = format!("{}{GROUPS}", include_str!("../config/mapping.toml"));
        std::fs::write(reader.connector.folder().join("mapping.toml"), table).unwrap();
        let file = reader.connector.folder().join("mapping.toml");
        let file = file.to_str().unwrap().to_owned();
        let connector = std::mem::replace(&mut reader.connector, Connector::delivering_to(&reader.receiver));
        reader.connector = connector.with("MAPPING_FILE", &file);
        let users = "Domain Users";
        assert_eq!(
            groups_after(&mut reader, &[first, second, first]).await,
            json!([users])
        );

        pair.part();
        change::apply(first, &[joins(&team)]);
        assert_eq!(groups_after(&mut reader, &[first]).await, json!([users, "Team"]));
        change::apply(
            second,
            &[joins(&crew), Change::rename(&team, &format!("CN=TEAM,{unit}"))],
        );
        if delta == "usn" {
            assert_eq!(groups_after(&mut reader, &[second]).await, json!(["Crew", users]));
            assert_eq!(groups_after(&mut reader, &[first]).await, json!([users, "Team"]));
        }
        groups_after(&mut reader, &[second, first, second]).await;
        pair.reunite(&unit);
        for controllers in [[first, second], [second, first]] {
            assert_eq!(
                groups_after(&mut reader, &controllers).await,
                json!(["Crew", users, "TEAM"]),
                "{delta}"
            );
        }
        assert_eq!(
            reader.sync(second).await.len() + reader.sync(first).await.len(),
            0
        );
    }
}
