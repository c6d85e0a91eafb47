//! What an operator gets to see: tables, JSON, files of assets, and which run may write them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use lab::receiver::{Answer, ErrorForm};
use support::simulated::Simulated;
use support::{assert_same, parse_ndjson};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Holds the connection as another process would.
fn hold(lab: &Simulated) -> fs::File {
    let lock = lab.connector.folder().join("state.db.1.lock");
    let lock = fs::File::create(lock).unwrap();
    lock.lock().unwrap();
    lock
}

#[tokio::test(flavor = "multi_thread")]
async fn r21_a_run_that_is_refused_leaves_the_file_of_output_as_it_is() {
    let lab = Simulated::new().await;
    let (kept, new) = (
        lab.connector.folder().join("kept.ndjson"),
        lab.connector.folder().join("new.ndjson"),
    );
    fs::write(&kept, "of the run that holds the connection\n").unwrap();
    fs::set_permissions(&kept, Permissions::from_mode(0o644)).unwrap();
    let held = hold(&lab);
    for file in ["kept.ndjson", "new.ndjson"] {
        lab.connector.run(&["sync", "--output", file]).await.ended_with(4);
    }
    assert_eq!(
        fs::read_to_string(&kept).unwrap(),
        "of the run that holds the connection\n"
    );
    assert_eq!((mode(&kept), new.exists()), (0o644, false));

    drop(held);
    lab.connector.succeed(&["sync", "--output", "kept.ndjson"]).await;
    assert_same(
        &parse_ndjson(&fs::read_to_string(&kept).unwrap()),
        &lab.expected(),
    );
    assert_eq!(mode(&kept), 0o600, "names and mail addresses are in it");
    // A run that has nothing to send has an empty output, not that of the run before.
    lab.connector.succeed(&["sync", "--output", "kept.ndjson"]).await;
    assert_eq!(fs::read_to_string(&kept).unwrap(), "");
    lab.connector
        .succeed(&[
            "sync",
            "--dry-run",
            "--baseline",
            "--resend",
            "--output",
            "new.ndjson",
        ])
        .await;
    assert_eq!(mode(&new), 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_may_be_a_pipe_a_device_or_a_link() {
    let lab = Simulated::new().await;
    let folder = lab.connector.folder();
    let dry = async |output| {
        lab.connector
            .succeed(&["sync", "--dry-run", "--output", output])
            .await
    };

    let before = mode(Path::new("/dev/null"));
    dry("/dev/null").await;
    assert_eq!(mode(Path::new("/dev/null")), before, "a device is everybody's");

    let made = std::process::Command::new("mkfifo")
        .arg(folder.join("pipe"))
        .status();
    assert!(made.unwrap().success());
    let reader = tokio::task::spawn_blocking({
        let pipe = folder.join("pipe");
        move || fs::read_to_string(pipe).unwrap()
    });
    dry("pipe").await;
    assert_same(&parse_ndjson(&reader.await.unwrap()), &lab.expected());

    symlink("target.ndjson", folder.join("link.ndjson")).unwrap();
    dry("link.ndjson").await;
    assert_eq!(mode(&folder.join("target.ndjson")), 0o600);
    lab.connector
        .run(&["sync", "--output", "."])
        .await
        .ended_with(64)
        .said(&["--output: cannot write .", "give a path that can be written"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r21_a_state_file_reached_by_a_link_has_one_lock_and_one_marker() {
    let mut lab = Simulated::new().await;
    lab.sync(0).await;
    symlink(lab.connector.state(), lab.connector.folder().join("link.db")).unwrap();
    lab.set("STATE_URL", "sqlite:link.db");
    let held = hold(&lab);
    lab.sync(4).await;
    drop(held);
    lab.sync(0).await;
    let beside: Vec<String> = fs::read_dir(lab.connector.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("link.db."))
        .collect();
    assert_eq!(beside, [""; 0], "lock and marker lie beside the file itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_in_json_is_json_before_the_first_run_too() {
    let mut lab = Simulated::new().await;
    lab.sync(0).await;
    lab.set("CONNECTION_NAME", "head-office");
    lab.set("CONNECTION_DESCRIPTION", "The second one");
    let status = lab.status().await;
    assert_eq!(status["name"], "head-office");
    assert_eq!(status["description"], "The second one");
    assert_eq!(status["runFrequency"], "*/15 * * * *");
    for key in [
        "state",
        "lastSynced",
        "lastSuccessfulSync",
        "nextSync",
        "lastError",
    ] {
        assert_eq!(status.get(key), Some(&serde_json::Value::Null), "{key}");
    }
    assert_eq!(status["counts"], serde_json::json!({}));
    lab.connector
        .succeed(&["status"])
        .await
        .said(&["not registered yet"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_any_script_stand_in_columns_and_marks_of_direction_are_seen() {
    let lab = Simulated::new().await;
    let people = [
        ("山田 太郎", "山田 太郎"),
        ("gnp\u{202e}exe.nimda", "gnp\\u202eexe.nimda"),
        ("Plain Name", "Plain Name"),
    ];
    let ids = people.map(|(name, _)| lab.directory().create_user("DC=corp,DC=example", name, &[]));
    lab.sync(0).await;
    let mut shown = Vec::new();
    for (id, (_, seen)) in ids.into_iter().zip(people) {
        lab.directory().set_text(id, "displayName", "changed");
        let refused = Answer::reject(ErrorForm::List, &lab.external_id(id), "not today");
        lab.receiver.script([refused]);
        lab.sync(2).await;
        let last = lab.last_run().await["run"].to_string();
        for command in [&["status"][..], &["runs", "--run", &last]] {
            let text = lab.connector.succeed(command).await.stdout;
            assert!(text.contains(seen), "{command:?}: {text}");
            shown.push(text);
        }
    }
    for id in ids {
        lab.directory().delete(id);
    }
    lab.connector.succeed(&["sync", "--baseline"]).await;
    let removed = lab.connector.succeed(&["removed"]).await.stdout;
    // The reason, the last column here, begins in one column of the terminal.
    let ends: Vec<usize> = people
        .iter()
        .map(|(_, seen)| {
            let line = removed.lines().find(|line| line.contains(seen));
            let line = line.unwrap_or_else(|| panic!("{seen}: {removed}"));
            let (before, after) = line.split_once(",DC=example").unwrap();
            let gap = after.len() - after.trim_start().len();
            unicode_width::UnicodeWidthStr::width(before) + gap
        })
        .collect();
    assert_eq!(ends, [ends[0]; 3], "{removed}");
    shown.push(removed);
    for text in shown {
        assert!(!text.contains('\u{202e}'), "{text}");
    }
    let json = lab.connector.succeed(&["removed", "--json"]).await.stdout;
    assert!(!json.contains('\u{202e}'), "{json}");
    let dns: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        dns.iter()
            .any(|one| one["dn"].as_str().unwrap().contains(people[1].0)),
        "JSON means the same: {json}"
    );
}
