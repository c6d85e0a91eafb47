//! Many forests in one service: a file of connections, each with its own directory, profiles and schedule; one that fails
//! does not hold up another.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};

use lab::simulator::{Action, ObjectId, On};
use serde_json::Value;
use support::forests::Forests;
use support::http::{Served, TOKEN};
use support::{Connector, assert_same};

/// A schedule that is not due while a test runs, unless that is on New Year's Eve.
const NEVER: &str = "59 59 23 31 12 *";

/// Waits until this is true of a connection that the service keeps.
async fn until(served: &Served, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut events = served.events(&format!("/api/v1/connections/{name}/events")).await;
    loop {
        let connection = events.named("connection").await;
        if wanted(&connection) {
            return connection;
        }
    }
}

/// The connections as `status --json` shows them, by name.
async fn status(connector: &Connector) -> Vec<Value> {
    let text = connector.succeed(&["status", "--json"]).await.stdout;
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_of_three_connections_are_processed_on_their_schedules_and_the_third_shows_why_not() {
    let mut forests = Forests::new([
        "sync_cron = \"* * * * * *\"",
        "sync_cron = \"*/2 * * * * *\"",
        "sync_cron = \"* * * * * *\"",
    ])
    .await;
    // A port that was free a moment ago.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    for (name, value) in [
        ("HTTP_LISTEN", free.to_string().as_str()),
        ("HTTP_TOKEN", TOKEN),
        ("BASELINE_CRON", "off"),
        ("SYNC_ON_START", "false"),
    ] {
        forests.lab.set(name, value);
    }
    let connector = &forests.lab.connector;
    let mut served = Served::start(connector).await;
    for (name, frequency) in [("emea", "* * * * * *"), ("apac", "*/2 * * * * *")] {
        let connection = until(&served, name, |now| now["lastSuccessfulSync"].is_string()).await;
        assert_eq!(connection["runFrequency"], frequency);
        assert_eq!(connection["lastError"], Value::Null, "{connection}");
        until(&served, name, |now| now["state"] == "Processed").await;
    }
    let lost = until(&served, "lost", |now| now["lastError"].is_string()).await;
    let why = lost["lastError"].as_str().unwrap();
    assert!(why.contains("127.0.0.1:1"), "{lost}");
    assert_eq!(lost["lastSuccessfulSync"], Value::Null);
    assert_same(&forests.lab.receiver.assets(), &forests.expected());
    assert_eq!(forests.lab.receiver.violations(), Vec::<String>::new());

    // A change in each forest arrives by itself, while the third goes on failing.
    forests.lab.receiver.reset();
    let (one, other) = (
        forests.lab.users()[0],
        forests.apac.directory().all(lab::simulator::Kind::User)[0],
    );
    forests.lab.directory().set_text(one, "mail", "new@corp.example");
    forests
        .apac
        .directory()
        .set_text(other, "mail", "new@apac.example");
    forests.lab.receiver.arrived(2).await;
    served.service.said_times("connection=\"lost\"", 12).await;
    assert_eq!(forests.lab.receiver.assets().len(), 2);

    let list = served.json("/api/v1/connections").await;
    let names: Vec<&str> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["apac", "emea", "lost"]);
    let metrics = served.get("/metrics").await.with(200).body;
    for line in metrics
        .lines()
        .filter(|line| line.starts_with("ad_connector_") && !line.starts_with("ad_connector_build_info"))
    {
        assert!(line.contains("connection=\""), "{line}");
    }
    for name in names {
        assert!(
            metrics.contains(&format!("ad_connector_runs_total{{connection=\"{name}\"")),
            "{name}"
        );
    }

    // Commands beside the service: all connections, or the one named.
    let all = status(connector).await;
    assert_eq!(all.len(), 3);
    assert!(
        all[0]["description"] == "Europe" && all[2]["lastError"].as_str().unwrap().contains("127.0.0.1:1"),
        "{all:?}"
    );
    for command in ["status", "runs", "removed"] {
        let text = connector.succeed(&[command, "--connection", "apac"]).await.stdout;
        assert!(
            text.contains("apac") && !text.contains("emea") && !text.contains("lost"),
            "{command}: {text}"
        );
    }
    let runs = connector
        .succeed(&["runs", "--json", "--connection", "apac"])
        .await
        .stdout;
    assert!(
        runs.lines()
            .all(|run| run.contains("\"connection\":\"apac\"") && run.contains("delta schedule")),
        "{runs}"
    );
    connector.succeed(&["healthcheck"]).await;
    connector
        .run(&["preview", "someone"])
        .await
        .ended_with(64)
        .said(&["--connection", "emea, apac, lost"]);
    connector
        .run(&["status", "--connection", "nobody"])
        .await
        .ended_with(64)
        .said(&["emea, apac, lost"]);
    let check = connector.run(&["check"]).await.ended_with(69);
    check.said(&[
        "3 connections in config/connections.toml",
        "connection emea",
        "connection lost",
        "of lost",
    ]);

    let outcome = served.service.stopped_with(0).await;
    // Every line of a run carries the connection.
    let of_the_service = ["The service", "SIGTERM", "stopping"];
    for line in outcome
        .stderr
        .lines()
        .filter(|line| !of_the_service.iter().any(|text| line.contains(text)))
    {
        assert!(line.contains("connection=\""), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r26_a_connection_that_hangs_holds_up_neither_another_nor_the_end() {
    let mut forests = Forests::new(["sync_cron = \"* * * * * *\"", "", ""]).await;
    forests.lab.set("SYNC_CRON", NEVER);
    forests.lab.set("BASELINE_CRON", "off");
    // The directory of apac lets the connector in and says nothing more.
    forests.apac.faults().at(On::Search, 1, Action::Silence);
    let mut service = forests.lab.connector.watch(&["run"]);
    service.said("run{connection=\"apac\" run").await;
    forests.lab.receiver.arrived(3).await;
    forests
        .lab
        .directory()
        .set_text(forests.lab.users()[0], "mail", "new@corp.example");
    forests.lab.receiver.arrived(4).await;
    let states: Vec<Value> = status(&forests.lab.connector).await;
    assert_eq!(states[1]["state"], "Processing", "{states:?}");
    let outcome = service.stopped_with(0).await;
    assert!(outcome.stderr.contains("service stopped"), "{}", outcome.stderr);
    forests.lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sync_of_all_goes_through_all_and_ends_with_the_worst_code() {
    let mut forests = Forests::new(["", "", ""]).await;
    let text = forests.text();
    // The broken one first: it holds up nobody.
    let (others, lost) = text.split_at(text.rfind("[[connection]]").unwrap());
    forests.write(&format!("{lost}\n{others}"));
    let outcome = forests
        .lab
        .sync(69)
        .await
        .said(&["connection lost: ", "127.0.0.1:1"]);
    assert_eq!(
        outcome.stderr.matches("what to do").count(),
        1,
        "{}",
        outcome.stderr
    );
    assert_same(&forests.lab.receiver.assets(), &forests.expected());
    forests.lab.receiver.reset();
    let apac = ["sync", "--connection", "apac"];
    forests.lab.connector.succeed(&apac).await;
    assert_eq!(forests.lab.receiver.assets().len(), 0, "nothing changed");

    // The real environment names another file; one that is not there is refused.
    forests.lab.set("CONNECTIONS_FILE", "/no/such/connections.toml");
    forests
        .lab
        .sync(64)
        .await
        .said(&["CONNECTIONS_FILE", "/no/such/connections.toml"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_wrong_with_the_file_is_refused_before_anything_begins() {
    let forests = Forests::new(["", "", ""]).await;
    let good = forests.text();
    let folder = forests.lab.connector.folder().to_path_buf();
    for name in ["one.toml", "other.toml"] {
        std::fs::write(folder.join(name), "[[user]]\nsource = \"name\"\n").unwrap();
    }
    let literal = good.replacen("\"${PASSWORD_OF_ALL}\"", "\"hunter2\"", 1);
    let mapped = good
        .replacen(
            "name = \"emea\"",
            "name = \"emea\"\nmapping_file = \"one.toml\"",
            1,
        )
        .replacen(
            "name = \"lost\"",
            "name = \"lost\"\nmapping_file = \"other.toml\"",
            1,
        );
    for (text, said) in [
        (
            String::new(),
            vec!["config/connections.toml:1: has no [[connection]]"],
        ),
        (
            "\0\u{7f}".to_owned(),
            vec!["config/connections.toml:1: is not TOML"],
        ),
        (
            "[[connection]\n".to_owned(),
            vec!["config/connections.toml:1: is not TOML"],
        ),
        (
            good.replace("PASSWORD_OF_ALL", "PASSWORD_OF_NONE"),
            vec![
                "connection emea: ad_password: names PASSWORD_OF_NONE",
                "connection lost: ad_password",
            ],
        ),
        (
            good.replace("\"apac\"", "\"emea\""),
            vec!["a second connection is named `emea`"],
        ),
        (
            good.replace(
                "ad_port = 1\n",
                "ad_port = 1\nad_prot = 5\nhttp_listen = \"off\"\n",
            ),
            vec![
                "ad_prot: is not a key",
                "did you mean ad_port?",
                "connection lost: http_listen: is of the whole service",
            ],
        ),
        (
            literal,
            vec!["connection emea: ad_password: is a secret, which has no place in this file"],
        ),
        (
            mapped,
            vec![
                "connection emea:",
                "one.toml:1",
                "connection lost:",
                "other.toml:1",
            ],
        ),
    ] {
        forests.write(&text);
        for command in ["run", "sync"] {
            let outcome = forests
                .lab
                .connector
                .run(&[command])
                .await
                .ended_with(64)
                .said(&said);
            assert!(!outcome.text().contains("hunter2"), "R27");
        }
    }
    assert!(!forests.lab.connector.state().exists(), "nothing was begun");

    // Mapping commands look at the file of the connection named.
    forests.write(&good.replacen(
        "name = \"emea\"",
        "name = \"emea\"\nmapping_file = \"one.toml\"",
        1,
    ));
    let connector = &forests.lab.connector;
    connector
        .run(&["mapping", "check"])
        .await
        .ended_with(64)
        .said(&["--connection", "emea, apac, lost"]);
    connector
        .run(&["mapping", "check", "--connection", "emea"])
        .await
        .ended_with(64)
        .said(&["one.toml:1"]);
    connector
        .succeed(&["mapping", "check", "--connection", "apac"])
        .await
        .said(&["built-in table: good"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn profiles_read_parts_of_one_directory_with_histories_of_their_own() {
    let mut forests = Forests::new(["", "", ""]).await;
    forests
        .lab
        .connector
        .unaudited("a profile sends to another connector");
    let directory = forests.lab.directory().clone();
    let root = directory.domain().dn;
    let unit = directory.create_unit(&root, "Staff");
    let unit = directory.dn(unit);
    let person = |name: &str| directory.create_user(&unit, name, &[("mail", "x@corp.example")]);
    let people: Vec<ObjectId> = ["Ann", "Bob", "Eve", "Zoe"]
        .iter()
        .map(|name| person(name))
        .collect();
    let group = |name| directory.create_group(&unit, name, -2_147_483_646, &[]);
    let (outer, inner) = (group("Admins, all (of them)"), group("Inner"));
    directory.add_members(outer, &[inner, people[0]]);
    directory.add_members(inner, &[people[1]]);
    let text = forests.text();
    let emea = &text[..text.find("\n\n").unwrap()];
    forests.write(&format!(
        "{emea}\n[[connection.profile]]\nname = \"staff\"\nad_base_context = '{unit}'\nad_assets = [\"users\"]\n\
         [[connection.profile]]\nname = \"admins\"\nqualys_connector_uuid = \"{}\"\n\
         removal_max_percent = 100\nmember_of = '{}'\n",
        "6f2a1d3c-5b7e-4c89-9a01-3d4e5f607182",
        directory.dn(outer)
    ));
    let ids = |objects: &[ObjectId]| -> BTreeSet<String> {
        objects.iter().map(|id| forests.lab.external_id(*id)).collect()
    };
    let sync = async |profile: &str| -> BTreeSet<String> {
        let sent = forests.lab.sent_by(&["sync", "--connection", profile]).await;
        sent.into_keys().collect()
    };
    assert_eq!(sync("emea.staff").await, ids(&people));
    // Members, and members of members; the group itself is none.
    assert_eq!(sync("emea.admins").await, ids(&[people[0], people[1], inner]));

    // A change of membership leaves the member's uSNChanged as it was, and arrives all the same.
    directory.add_members(inner, &[people[2]]);
    directory.remove_members(outer, &[people[0]]);
    assert_eq!(sync("emea.staff").await, ids(&[]));
    let expected: BTreeSet<String> = ids(&[people[2]]);
    assert_eq!(sync("emea.admins").await, expected);
    let runs = forests
        .lab
        .connector
        .succeed(&["runs", "--connection", "emea.admins"])
        .await
        .stdout;
    assert!(
        runs.contains("the profile has AD_MEMBER_OF") && runs.contains("baseline"),
        "{runs}"
    );
    let removed = forests
        .lab
        .connector
        .succeed(&["removed", "--connection", "emea.admins"])
        .await
        .stdout;
    assert!(
        removed.contains("CN=Ann") && !removed.contains("CN=Bob"),
        "R22: {removed}"
    );
    let staff = forests
        .lab
        .connector
        .succeed(&["removed", "--connection", "emea.staff"])
        .await
        .stdout;
    assert!(staff.contains("nothing is removed"), "{staff}");
    assert_eq!(status(&forests.lab.connector).await.len(), 2);
}
