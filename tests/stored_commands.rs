//! Commands on connections that are stored in the state: how they get there and back into a file,
//! and what every other command does with them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

#[path = "stored_commands/database.rs"]
mod database;
#[path = "stored_commands/file.rs"]
mod file;
mod support;

use std::path::PathBuf;

use ad_connector::store::{Store, StoreAccess};
use lab::simulator::{Action, On};
use serde_json::{Value, json};
use support::simulated::Simulated;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Variables of the service that are no part of a connection.
const OF_THE_SERVICE: [&str; 2] = ["AD_TIMEOUT", "AD_PARALLEL_READS"];

/// A lab whose variables describe no directory, and the table of the one that they described.
async fn without_directory() -> (Simulated, String) {
    let mut lab = Simulated::new().await;
    let mut table = "[[connection]]\nname = \"head-office\"\n".to_owned();
    for (name, value) in lab.connector.clone_environment() {
        if !name.starts_with("AD_") || OF_THE_SERVICE.contains(&name.as_str()) {
            continue;
        }
        lab.unset(&name);
        if name == "AD_PASSWORD" {
            lab.set("HEAD_OFFICE_PASSWORD", &value);
            table.push_str("ad_password = \"${HEAD_OFFICE_PASSWORD}\"\n");
        } else {
            table.push_str(&format!("{} = '{value}'\n", name.to_ascii_lowercase()));
        }
    }
    let port = lab.simulator.addr().port().to_string();
    lab.set("HTTP_ALLOW_LOOPBACK_TARGETS", "true");
    lab.set("HTTP_TARGET_PORTS", &port);
    (lab, table)
}

/// The same with the connection stored.
async fn stored() -> (Simulated, String) {
    let (mut lab, table) = without_directory().await;
    lab.set("SECRETS_KEY", KEY);
    import(&lab, &table, &[]).await.said(&["head-office: created"]);
    (lab, table)
}

fn write(lab: &Simulated, name: &str, text: &str) -> PathBuf {
    let path = lab.connector.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

async fn import(lab: &Simulated, text: &str, more: &[&str]) -> support::Outcome {
    let path = write(lab, "import.toml", text);
    let mut arguments = vec!["connections", "import", path.to_str().unwrap()];
    arguments.extend(more);
    lab.connector.run(&arguments).await
}

async fn json(lab: &Simulated, arguments: &[&str]) -> Vec<Value> {
    let text = lab.connector.succeed(arguments).await.stdout;
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn store(lab: &Simulated) -> Store {
    Store::open(&lab.connector.state(), StoreAccess::ReadWrite).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_goes_from_a_file_into_the_state_and_back_with_its_history() {
    let (mut lab, table) = without_directory().await;
    lab.connector
        .succeed(&["connections", "list"])
        .await
        .said(&["no connection is configured or stored"]);
    let mapping = format!(
        "{}\n# the end",
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/config/mapping.toml")).unwrap()
    );
    let mapping = write(&lab, "of-the-file.toml", &mapping);
    let table = format!(
        "{table}mapping_file = '{}'\nschedule = {{ runFrequency = {{ hours = 1 }} }}\n",
        mapping.display()
    );
    import(&lab, &table, &[]).await.ended_with(64).said(&[
        "connection head-office",
        "SECRETS_KEY",
        "new-key",
    ]);
    lab.set("SECRETS_KEY", KEY);
    import(&lab, &table, &[])
        .await
        .ended_with(0)
        .said(&["head-office: created, revision 1"]);
    let listed = json(&lab, &["connections", "list", "--json"]).await;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (
            &listed[0]["name"],
            &listed[0]["origin"],
            &listed[0]["state"],
            &listed[0]["revision"]
        ),
        (
            &json!("head-office"),
            &json!("api"),
            &json!("Registered"),
            &json!(1)
        )
    );
    std::fs::remove_file(&mapping).unwrap();
    lab.sync(0).await;
    lab.assert_converged();
    lab.connector.succeed(&["connections", "list"]).await.said(&[
        "name",
        "next run",
        "head-office",
        "Processed",
    ]);
    let shown = json(&lab, &["connections", "show", "head-office", "--json"])
        .await
        .remove(0);
    assert_eq!(
        shown["configuration"]["directory"]["password"]["set"], true,
        "{shown}"
    );
    assert!(
        shown["configuration"]["mapping"]
            .as_str()
            .unwrap()
            .ends_with("# the end")
    );
    let text = lab
        .connector
        .succeed(&["connections", "show", "head-office"])
        .await;
    let text = text.said(&[
        "directory.host",
        "127.0.0.1",
        "upstream.connectorUuid",
        "schedule",
    ]);
    assert!(!text.stdout.contains(lab::simulator::PASSWORD), "{}", text.stdout);

    // Into a file, with the documents as its comments say.
    let exported = lab
        .connector
        .succeed(&["connections", "export", "head-office"])
        .await
        .stdout;
    assert!(!exported.contains(lab::simulator::PASSWORD), "{exported}");
    let file = write(&lab, "connections.toml", &exported);
    let saved = exported.lines().filter_map(|line| line.strip_prefix("#   "));
    let mut saves = 0;
    for command in saved {
        let command = command.replace("FILE", "connections.toml");
        let done = std::process::Command::new("sh")
            .args(["-c", &command])
            .current_dir(lab.connector.folder())
            .status();
        assert!(done.unwrap().success(), "{command}");
        saves += 1;
    }
    assert_eq!(saves, 2, "{exported}");
    lab.connector
        .run(&["connections", "delete", "head-office"])
        .await
        .ended_with(64)
        .said(&["--yes"]);
    lab.set("CONNECTIONS_FILE", file.to_str().unwrap());
    for command in [&["sync"][..], &["status"], &["run"]] {
        lab.connector.run(command).await.ended_with(64).said(&[
            "configured twice",
            "connections export",
            "connections delete",
        ]);
    }
    lab.connector
        .succeed(&["connections", "delete", "head-office", "--yes"])
        .await
        .said(&["head-office: deleted"]);
    assert_eq!(
        lab.sent_by_sync().await.len(),
        0,
        "the file goes on where the state was"
    );
    let runs = json(&lab, &["runs", "--json"]).await;
    assert_eq!(runs.len(), 2, "the history is kept");
    assert_eq!(runs[0]["mode"], "delta", "{}", runs[0]);
    lab.connector
        .run(&["connections", "delete", "head-office", "--yes"])
        .await
        .ended_with(64)
        .said(&["connections.toml"]);

    lab.connector.unaudited("the history is forgotten");
    // And back: the deleted one has the uuid until it is forgotten.
    import(&lab, &exported, &["--replace"])
        .await
        .ended_with(64)
        .said(&["is configured in", "connections.toml"]);
    lab.unset("CONNECTIONS_FILE");
    import(&lab, &exported, &[]).await.ended_with(64).said(&[
        "uuid",
        "deleted connection head-office",
        "--purge",
    ]);
    lab.connector
        .succeed(&["connections", "delete", "head-office", "--purge", "--yes"])
        .await
        .said(&["forgotten"]);
    import(&lab, &exported, &[])
        .await
        .ended_with(0)
        .said(&["created"]);
    lab.receiver.reset();
    lab.sync(0).await;
    lab.assert_converged();
}

/// Every command that needs a connection.
const COMMANDS: [&[&str]; 11] = [
    &["sync"],
    &["check"],
    &["status"],
    &["runs"],
    &["removed"],
    &["why", "user1"],
    &["preview", "user1"],
    &["approve-removals"],
    &["review"],
    &["support-bundle", "bundle.tar.gz"],
    &["sync", "--connection", "head-office"],
];

#[tokio::test(flavor = "multi_thread")]
async fn without_any_connection_every_command_names_what_is_missing_and_the_page() {
    let (lab, _) = without_directory().await;
    for command in COMMANDS {
        lab.connector.run(command).await.ended_with(64).said(&[
            "no connection is configured",
            "AD_HOST",
            "AD_PASSWORD",
            "page",
        ]);
    }
    lab.connector
        .succeed(&["mapping", "show"])
        .await
        .said(&["objectSid"]);
    // A service starts without one, and is alive.
    let mut service = lab.connector.watch(&["run"]);
    service.said("service started").await;
    lab.connector.succeed(&["healthcheck"]).await.said(&["alive"]);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_connection_is_one_as_any_other_for_every_command() {
    let (lab, _) = stored().await;
    let user = lab.directory().attributes(lab.users()[0])["sAMAccountName"][0].clone();
    let user = String::from_utf8(user).unwrap();
    lab.connector
        .succeed(&["sync", "--connection", "head-office"])
        .await;
    lab.assert_converged();
    for (command, words) in [
        (
            &["check"][..],
            &["connection head-office", "everything works"][..],
        ),
        (&["status"], &["head-office  Processed"]),
        (&["runs"], &["head-office", "baseline"]),
        (&["removed"], &[]),
        (&["why", &user], &["ETM"]),
        (&["preview", &user], &["objectSid"]),
        (&["mapping", "show"], &["objectSid"]),
        (&["mapping", "check"], &["schema of head-office"]),
        (
            &["mapping", "show", "--connection", "head-office"],
            &["objectSid"],
        ),
        (&["approve-removals"], &["no removals are held back"]),
        (
            &["state", "copy", "--to", "sqlite:copy.db"],
            &["stored_connection: 1 rows"],
        ),
    ] {
        lab.connector.succeed(command).await.said(words);
    }
    let bundle = lab.connector.folder().join("bundle.tar.gz");
    lab.connector
        .succeed(&["support-bundle", bundle.to_str().unwrap()])
        .await;
    lab.connector
        .run(&["review"])
        .await
        .ended_with(64)
        .said(&["QUALYS_API_URL"]);

    let stored = store(&lab).stored_connections().unwrap().remove(0);
    store(&lab)
        .set_connection_disabled(stored.uuid, true, None, 1_800_000_000)
        .unwrap();
    for command in [&["sync"][..], &["sync", "--connection", "head-office"]] {
        lab.connector
            .run(command)
            .await
            .ended_with(64)
            .said(&["disabled", "enable it"]);
    }
    for command in [&["status"][..], &["runs"], &["check"], &["preview", &user]] {
        lab.connector.succeed(command).await;
    }
    let listed = json(&lab, &["connections", "list", "--json"]).await.remove(0);
    assert_eq!(listed["disabled"], true, "{listed}");
    let status = json(&lab, &["status", "--json"]).await.remove(0);
    assert_eq!(status["disabled"], true, "{status}");
    assert_eq!(status["revision"], listed["revision"], "{status}");
    lab.connector
        .succeed(&["connections", "export", "head-office"])
        .await
        .said(&["It is disabled"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_used_is_told_with_its_reason_and_stops_no_other() {
    let (mut lab, table) = stored().await;
    lab.sync(0).await;
    lab.unset("SECRETS_KEY");
    let reason = "SECRETS_KEY is not set";
    for command in COMMANDS
        .iter()
        .filter(|command| !["status", "support-bundle", "check"].contains(&command[0]))
    {
        lab.connector
            .run(command)
            .await
            .ended_with(64)
            .said(&[reason, "what to do"]);
    }
    lab.connector
        .succeed(&["status"])
        .await
        .said(&["head-office: cannot be used", reason]);
    let status = json(&lab, &["status", "--json"]).await.remove(0);
    assert!(status["lastError"].as_str().unwrap().contains(reason), "{status}");
    let checked = lab.connector.run(&["check"]).await;
    assert!(checked.code != Some(0), "{}", checked.text());
    checked.said(&["connection head-office", "FAILED  configuration", reason]);
    lab.connector.succeed(&["connections", "list"]).await.said(&[
        "unusable",
        "head-office cannot be used",
        reason,
    ]);
    lab.connector
        .succeed(&["connections", "export", "head-office"])
        .await
        .said(&["ad_password = \"${HEAD_OFFICE_PASSWORD}\""]);

    // Beside one of the file, which runs.
    let file = write(&lab, "connections.toml", &table.replace("head-office", "other"));
    lab.set("CONNECTIONS_FILE", file.to_str().unwrap());
    lab.receiver.reset();
    lab.connector.run(&["sync"]).await.ended_with(64).said(&[reason]);
    // Its objects are those of the other one, which waits.
    lab.connector
        .run(&["sync", "--connection", "other"])
        .await
        .ended_with(2);
    lab.connector
        .run(&["sync", "--connection", "head-office"])
        .await
        .ended_with(64)
        .said(&[reason]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_is_deleted_while_the_service_runs_it() {
    let (mut lab, table) = without_directory().await;
    lab.set("SECRETS_KEY", KEY);
    lab.connector.unaudited("the history is forgotten");
    let text = format!("{table}schedule = {{ cron = \"* * * * * *\" }}\n");
    let mut service = lab.connector.watch(&["run"]);
    service.said("service started").await;
    import(&lab, &text, &[]).await.ended_with(0);
    service.said("run finished").await;
    lab.simulator
        .faults()
        .always(On::Search, Action::Delay(std::time::Duration::from_millis(300)));
    service.said("run started").await;
    lab.connector
        .succeed(&["connections", "delete", "head-office", "--purge", "--yes"])
        .await
        .said(&["deleted", "forgotten"]);
    service.said("The connection was deleted").await;
    assert_eq!(json(&lab, &["connections", "list", "--json"]).await.len(), 0);
    assert!(store(&lab).connections().unwrap().is_empty());
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sighup_reaches_the_secrets_that_a_stored_connection_takes_from_files() {
    let (mut lab, table) = without_directory().await;
    lab.set("SECRETS_KEY", KEY);
    let right = lab.connector.clone_environment()["QUALYS_CLIENT_SECRET"].clone();
    lab.unset("QUALYS_CLIENT_SECRET");
    let file = write(&lab, "client-secret", "of-last-month");
    lab.set("QUALYS_CLIENT_SECRET_FILE", file.to_str().unwrap());
    import(
        &lab,
        &format!("{table}schedule = {{ cron = \"* * * * * *\" }}\n"),
        &[],
    )
    .await
    .ended_with(0);
    let mut service = lab.connector.watch(&["run"]);
    service.said("credentials").await;
    std::fs::write(&file, format!("{right}\n")).unwrap();
    service.signal("HUP").await;
    service.said("were read again").await;
    service.said("renewed=1").await;
    service.said("state=\"Processed\"").await;
    lab.assert_converged();
    let outcome = service.stopped_with(0).await;
    assert!(!outcome.stderr.contains(&right) && !outcome.stderr.contains("last-month"));
}
