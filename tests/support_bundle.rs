//! `support-bundle`: everything that helps, no secret, and nobody's name unless it is asked for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use lab::receiver::{Answer, ErrorForm};
use lab::simulator::ObjectId;
use serde_json::Value;
use support::simulated::Simulated;

/// A token of the status page, and a password of a proxy.
const TOKEN: &str = "token-of-the-bundle-0815";
const PROXY: &str = "http://someone:proxy-password-77@127.0.0.1:9";

/// The files of a bundle, taken out by tar.
fn files(bundle: &Path) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("tar")
        .arg("xzf")
        .arg(bundle)
        .arg("-C")
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

/// Everything that somebody is called in the directory, in lower case.
fn names(lab: &Simulated, user: ObjectId) -> Vec<String> {
    ["name", "displayName", "mail"]
        .iter()
        .filter_map(|attribute| lab.directory().text(user, attribute))
        .map(|name| name.to_lowercase())
        .collect()
}

/// A directory of which one asset was rejected and one object not mapped, both told with names, and
/// the log of that run.
async fn troubled() -> (Simulated, [ObjectId; 2]) {
    let mut lab = Simulated::new().await;
    lab.set("HTTP_TOKEN", TOKEN);
    lab.set("LOG_LEVEL", "trace");
    lab.set("AD_USER_FILTER", "(!(displayName=Ada Lovelace-Byron))");
    let unit = "DC=corp,DC=example";
    let create = |name: &str| {
        let mail = format!("{}@corp.example", name.replace(' ', ".").to_lowercase());
        let attributes = [("mail", mail.as_str()), ("displayName", name)];
        lab.directory().create_user(unit, name, &attributes)
    };
    let rejected = create("Grace Hopper");
    let unmapped = create("Alan Turing");
    lab.sync(0).await;
    lab.directory().set_text(rejected, "mail", "grace@corp.example");
    lab.directory().set(unmapped, "objectSid", &[b"broken"]);
    lab.receiver.script([Answer::reject(
        ErrorForm::List,
        &lab.external_id(rejected),
        "Grace Hopper (grace@corp.example) has no licence",
    )]);
    let log = lab.connector.run(&["sync"]).await.ended_with(2).stderr;
    assert!(
        log.contains("Grace Hopper") && log.contains("CN=Alan Turing"),
        "{log}"
    );
    std::fs::write(lab.connector.folder().join("sync.log"), log).unwrap();
    lab.set("HTTPS_PROXY", PROXY);
    (lab, [rejected, unmapped])
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_a_bundle_holds_no_secret_and_nobodys_name() {
    let (lab, _) = troubled().await;
    let path = lab.connector.folder().join("bundle.tar.gz");
    lab.connector
        .succeed(&["support-bundle", "bundle.tar.gz", "--log", "sync.log"])
        .await
        .said(&["without names of people", "log: sync.log"]);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let files = files(&path);
    let whole: String = files.values().cloned().collect();
    let lower = whole.to_lowercase();
    let environment = lab.connector.clone_environment();
    for name in ["AD_PASSWORD", "QUALYS_CLIENT_ID", "QUALYS_CLIENT_SECRET"] {
        assert!(!whole.contains(&environment[name]), "{name}");
    }
    for secret in [TOKEN, PROXY, "proxy-password-77"] {
        assert!(!whole.contains(secret), "{secret}");
    }
    let mut looked_for = 0;
    for user in lab.users() {
        for name in names(&lab, user) {
            looked_for += 1;
            assert!(!lower.contains(&name), "{name}");
        }
    }
    assert!(looked_for > 400, "{looked_for}");
    for word in ["hopper", "turing"] {
        assert!(!lower.contains(word), "{word}");
    }

    // What is left is of use.
    let configuration: Value = serde_json::from_str(&files["configuration.json"]).unwrap();
    assert_eq!(configuration["service"]["HTTP_TOKEN"], "[set]");
    assert_eq!(configuration["connections"][0]["AD_PASSWORD"], "[set]");
    assert_eq!(configuration["connections"][0]["AD_PAGE_SIZE"], "100");
    let status: Value = serde_json::from_str(&files["status.ndjson"]).unwrap();
    assert_eq!(status["rejected"].as_array().unwrap().len(), 2, "{status}");
    assert!(
        status["rejected"].to_string().contains("has no licence"),
        "{status}"
    );
    assert_eq!(files["runs.ndjson"].lines().count(), 2);
    assert!(files["version.json"].contains(env!("CARGO_PKG_VERSION")));
    let log = &files["log.txt"];
    assert!(
        log.contains("The run finished.") && log.contains("CN=[name],DC=corp"),
        "{log}"
    );
    assert!(files["README.txt"].contains("log.txt"));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_in_it_when_they_are_asked_for_and_secrets_never() {
    let (lab, users) = troubled().await;
    let arguments = ["support-bundle", "b.tar.gz", "--with-names", "--log", "sync.log"];
    lab.connector
        .succeed(&arguments)
        .await
        .said(&["names of people included"]);
    let whole: String = files(&lab.connector.folder().join("b.tar.gz"))
        .into_values()
        .collect();
    for user in users {
        assert!(whole.contains(&lab.directory().dn(user)), "{whole}");
    }
    for secret in [TOKEN, "proxy-password-77", lab::simulator::PASSWORD] {
        assert!(!whole.contains(secret), "{secret}");
    }
    // A secret that got into the log in whatever way is taken out.
    let log = format!("WARN somebody wrote {TOKEN} into a comment\n");
    std::fs::write(lab.connector.folder().join("leaked.log"), log).unwrap();
    let arguments = [
        "support-bundle",
        "c.tar.gz",
        "--with-names",
        "--log",
        "leaked.log",
    ];
    lab.connector.succeed(&arguments).await;
    let files = files(&lab.connector.folder().join("c.tar.gz"));
    assert_eq!(
        files["log.txt"],
        "WARN somebody wrote [REDACTED] into a comment\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_is_made_before_any_run_and_never_over_another_file() {
    let lab = Simulated::new().await;
    lab.connector
        .succeed(&["support-bundle", "bundle.tar.gz"])
        .await
        .said(&["bundle.tar.gz"]);
    assert!(!lab.connector.state().exists());
    let files = files(&lab.connector.folder().join("bundle.tar.gz"));
    assert!(files["configuration.json"].contains("AD_HOST"));
    assert_eq!(files["runs.ndjson"], "");
    lab.connector
        .run(&["support-bundle", "bundle.tar.gz"])
        .await
        .ended_with(64)
        .said(&["cannot write bundle.tar.gz", "does not exist"]);
    lab.connector
        .run(&["support-bundle", "other.tar.gz", "--log", "no-such.log"])
        .await
        .ended_with(64)
        .said(&["no-such.log"]);
    assert!(!lab.connector.folder().join("other.tar.gz").exists());
}
