//! R21: one run a connection, across threads and processes.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use super::*;

/// Variable that gives the child of [`r21_another_process_is_refused_until_the_holder_dies`] the
/// path of the state file.
const STATE: &str = "AD_CONNECTOR_TEST_LOCKED_STATE";

#[test]
fn r21_the_second_run_is_refused_and_told_who_holds_the_connection() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.db");
    let lock = FileLock::acquire(&state, ConnectionId(1), "run (the service)", NOW).unwrap();
    let file = directory.path().join("state.db.1.lock");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let error = std::thread::scope(|scope| {
        scope
            .spawn(|| FileLock::acquire(&state, ConnectionId(1), "sync", NOW).unwrap_err())
            .join()
            .unwrap()
    });
    assert_eq!(error.exit_code(), 4);
    let told = error.to_string();
    for part in [
        &format!("process {} on ", std::process::id()),
        "run (the service)",
        "since 2026-11-22T02:10:34Z",
    ] {
        assert!(told.contains(part), "{told}");
    }
    // Another connection is another lock.
    FileLock::acquire(&state, ConnectionId(2), "sync", NOW).unwrap();
    drop(lock);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
    FileLock::acquire(&state, ConnectionId(1), "sync", NOW).unwrap();
}

#[test]
fn r21_every_path_to_the_state_file_leads_to_one_lock() {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &str| directory.path().join(path);
    std::fs::create_dir(at("real")).unwrap();
    std::fs::write(at("real/state.db"), "").unwrap();
    std::os::unix::fs::symlink(at("real/state.db"), at("file.db")).unwrap();
    std::os::unix::fs::symlink("file.db", at("chain.db")).unwrap();
    std::os::unix::fs::symlink(at("real"), at("folder")).unwrap();
    let paths = [
        "real/state.db",
        "file.db",
        "chain.db",
        "folder/state.db",
        "real/../file.db",
    ];
    for held in paths {
        let lock = FileLock::acquire(&at(held), ConnectionId(1), "sync", NOW).unwrap();
        for other in paths {
            let error = FileLock::acquire(&at(other), ConnectionId(1), "sync", NOW).unwrap_err();
            assert_eq!(error.exit_code(), 4, "{held} and {other}: {error}");
        }
        drop(lock);
    }
    // Also where the file is still to be made.
    std::fs::remove_file(at("real/state.db")).unwrap();
    let _lock = FileLock::acquire(&at("folder/state.db"), ConnectionId(1), "sync", NOW).unwrap();
    FileLock::acquire(&at("real/state.db"), ConnectionId(1), "sync", NOW).unwrap_err();
}

#[test]
fn r29_a_lock_that_cannot_be_made_is_explained() {
    let directory = tempfile::tempdir().unwrap();
    let error = FileLock::acquire(
        &directory.path().join("missing/state.db"),
        ConnectionId(1),
        "sync",
        NOW,
    )
    .unwrap_err();
    assert_eq!(error.exit_code(), 69);
    assert!(error.to_string().contains("missing/state.db.1.lock"));
    assert!(error.advice().contains("may write"));
}

#[test]
#[ignore = "the other process of r21_another_process_is_refused_until_the_holder_dies"]
fn child_holds_the_lock() {
    let state = PathBuf::from(std::env::var_os(STATE).unwrap());
    let _lock = FileLock::acquire(&state, ConnectionId(1), "sync", NOW).unwrap();
    eprintln!("locked");
    // Until it is killed.
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// This test program again, running the ignored test `name` alone.
pub(super) fn child(name: &str, variable: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", name])
        .env(variable, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn r21_another_process_is_refused_until_the_holder_dies() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.db");
    let mut holder = child("store::tests::locking::child_holds_the_lock", STATE, &state);
    let said = BufReader::new(holder.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(said.into_iter().any(|line| line == "locked"));
    let error = FileLock::acquire(&state, ConnectionId(1), "sync", NOW).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("process {} on ", holder.id())),
        "{error}"
    );
    holder.kill().unwrap();
    holder.wait().unwrap();
    FileLock::acquire(&state, ConnectionId(1), "sync", NOW).unwrap();
}
