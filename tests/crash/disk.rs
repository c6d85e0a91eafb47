//! A disk that is full, a state file that cannot be written, read or understood (R28, R29): 69, a message that names the
//! file, and nothing lost.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::simulator::People;

use crate::support::simulated::Simulated;

/// nobody and nogroup, by Debian's base-passwd.
const NOBODY: u32 = 65_534;

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// A file system in memory of so many KiB; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where nothing can be mounted.
    fn mounted(at: &Path, kibibytes: u32) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let size = format!("size={kibibytes}k");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .output();
        mounted
            .is_ok_and(|mounted| mounted.status.success())
            .then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn set_state(lab: &mut Simulated, path: &Path) {
    lab.set("STATE_URL", &format!("sqlite:{}", path.display()));
}

/// The program goes on with an intact file: everything arrives, and nothing that was accepted is sent again.
async fn assert_recovers(lab: &Simulated) {
    lab.sync(0).await;
    lab.assert_converged();
    let sent = lab.receiver.summary().requests;
    lab.sync(0).await;
    assert_eq!(lab.receiver.summary().requests, sent, "nothing is left to send");
}

#[tokio::test(flavor = "multi_thread")]
async fn r29_a_full_disk_is_69_and_with_room_again_nothing_is_lost() {
    let people = People {
        users: 1_500,
        ..crate::support::simulated::PEOPLE
    };
    let mut lab = Simulated::of(people).await;
    let place = lab.connector.folder().join("small");
    let Some(disk) = SmallDisk::mounted(&place, 512) else {
        lab::skip!("no file system can be mounted here, which needs root and CAP_SYS_ADMIN");
    };
    set_state(&mut lab, &place.join("state.db"));
    let said = lab.sync(69).await;
    let said = said.said(&["state.db", "full"]);
    assert!(said.text().contains("what to do"), "{}", said.text());
    // Every later run says so too, be it of the file or of the lock beside it.
    let said = lab.sync(69).await.said(&["state.db"]);
    let text = said.text();
    assert!(text.contains("full") || text.contains("No space left"), "{text}");
    let bigger = Command::new("mount")
        .args(["-o", "remount,size=64m"])
        .arg(&disk.0)
        .status();
    assert!(bigger.unwrap().success());
    assert_recovers(&lab).await;
}

/// Fills the disk until so many KiB are left; the file that does it is to be deleted.
fn fill_but(disk: &Path, kibibytes: u64) -> PathBuf {
    let ballast = disk.join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    let size = file.metadata().unwrap().len();
    file.set_len(size.saturating_sub(kibibytes * 1024)).unwrap();
    ballast
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_r29_a_disk_that_fills_up_at_any_moment_of_a_run_loses_nothing() {
    let mut lab = Simulated::new().await;
    let place = lab.connector.folder().join("small");
    let Some(disk) = SmallDisk::mounted(&place, 4096) else {
        lab::skip!("no file system can be mounted here, which needs root and CAP_SYS_ADMIN");
    };
    set_state(&mut lab, &place.join("state.db"));
    lab.set("QUALYS_BATCH_ASSETS", "10");
    lab.sync(0).await;
    let mut failed = 0;
    // From no room for the first word of a run to room for all of it.
    for kibibytes in [0, 40, 80, 120, 160, 240, 320, 480, 640, 2000] {
        for id in lab.users() {
            lab.directory()
                .set_text(id, "displayName", &format!("with {kibibytes} KiB left"));
        }
        let ballast = fill_but(&disk.0, kibibytes);
        let outcome = lab.connector.run(&["sync"]).await;
        if outcome.code == Some(0) {
            assert!(kibibytes > 0, "it had room where there was none");
        } else {
            failed += 1;
            let text = outcome.ended_with(69).said(&["what to do"]).text().to_lowercase();
            assert!(text.contains("full") || text.contains("no space left"), "{text}");
        }
        std::fs::remove_file(ballast).unwrap();
        assert_recovers(&lab).await;
    }
    assert!(failed >= 3, "only {failed} runs met a full disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn r29_a_volume_that_turned_read_only_is_69_and_nothing_is_lost() {
    let mut lab = Simulated::new().await;
    let place = lab.connector.folder().join("volume");
    let Some(disk) = SmallDisk::mounted(&place, 16_384) else {
        lab::skip!("no file system can be mounted here, which needs root and CAP_SYS_ADMIN");
    };
    let remount = |how: &str| {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(&disk.0)
            .status();
        assert!(status.unwrap().success());
    };
    set_state(&mut lab, &place.join("state.db"));
    lab.sync(0).await;
    lab.directory().set_text(lab.users()[0], "displayName", "changed");
    remount("ro");
    lab.sync(69).await.said(&["state.db", "read-only", "what to do"]);
    // A file that is only looked at needs one beside it, which SQLite cannot make here.
    for command in [&["status"][..], &["runs"], &["removed"], &["sync", "--dry-run"]] {
        let outcome = lab.connector.run(command).await;
        if outcome.code != Some(0) {
            outcome
                .ended_with(69)
                .said(&["state.db", "read-only", "what to do"]);
        }
    }
    lab.set(
        "STATE_URL",
        &format!("sqlite:{}", place.join("new/state.db").display()),
    );
    lab.sync(69).await.said(&["new", "read-only", "what to do"]);
    set_state(&mut lab, &place.join("state.db"));
    let output = place.join("assets.ndjson");
    lab.connector
        .run(&["sync", "--dry-run", "--output", output.to_str().unwrap()])
        .await
        .said(&["read-only"]);
    remount("rw");
    assert_recovers(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r29_a_state_file_of_somebody_else_is_69_and_names_the_file() {
    let lab = Simulated::new().await;
    lab.sync(0).await;
    if !is_root() {
        let state = lab.connector.state();
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o400)).unwrap();
        lab.sync(69).await.said(&["state.db"]);
        std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o600)).unwrap();
        return assert_recovers(&lab).await;
    }
    // For root every file can be written, so another user tries, who may read everything.
    let folder = lab.connector.folder().to_owned();
    let mode =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&folder, 0o755);
    for entry in std::fs::read_dir(&folder).unwrap() {
        mode(&entry.unwrap().path(), 0o644);
    }
    let user = lab.users()[0];
    lab.directory().set_text(user, "displayName", "changed");
    let program = folder.join("program");
    std::fs::copy(env!("CARGO_BIN_EXE_ad-connector"), &program).unwrap();
    mode(&program, 0o755);
    let id = NOBODY.to_string();
    let output = tokio::process::Command::new("setpriv")
        .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
        .arg(&program)
        .arg("sync")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs(lab.connector.clone_environment())
        .current_dir(&folder)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    if said.contains("setpriv:") {
        lab::skip!("another user cannot be taken here: {said}");
    }
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("state.db") && said.contains("what to do"), "{said}");
    mode(&folder, 0o700);
    assert_recovers(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r29_a_file_that_is_no_database_is_69_and_is_left_as_it_is() {
    let lab = Simulated::new().await;
    let state = lab.connector.state();
    let text = "this is not a database, but someone's notes\n".repeat(200);
    std::fs::write(&state, &text).unwrap();
    for command in ["sync", "run"] {
        let outcome = lab
            .connector
            .run(&[command])
            .await
            .ended_with(69)
            .said(&["state.db"]);
        assert!(outcome.text().contains("what to do"), "{}", outcome.text());
    }
    assert_eq!(std::fs::read_to_string(&state).unwrap(), text);
    std::fs::remove_file(&state).unwrap();
    assert_recovers(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r29_a_file_with_a_broken_middle_is_69_and_goes_on_once_it_is_mended() {
    let lab = Simulated::new().await;
    lab.sync(0).await;
    let state = lab.connector.state();
    let mut bytes = std::fs::read(&state).unwrap();
    let whole = bytes.clone();
    let middle = bytes.len() / 3..bytes.len() * 2 / 3;
    bytes[middle].fill(0xA5);
    std::fs::write(&state, &bytes).unwrap();
    lab.directory().touch(lab.users()[0]);
    let said = lab
        .connector
        .run(&["sync", "--baseline"])
        .await
        .ended_with(69)
        .said(&["state.db", "damaged"]);
    assert!(said.text().contains("what to do"), "{}", said.text());
    std::fs::write(&state, &whole).unwrap();
    assert_recovers(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_a_file_of_a_newer_version_is_69_with_both_versions_and_is_left_as_it_is() {
    let lab = Simulated::new().await;
    lab.sync(0).await;
    let state = lab.connector.state();
    let version = |set: Option<i32>| {
        let sql = rusqlite::Connection::open(&state).unwrap();
        let before: i32 = sql
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        if let Some(version) = set {
            sql.pragma_update(None, "user_version", version).unwrap();
        }
        before
    };
    let known = version(Some(99));
    for command in [&["sync"][..], &["run"], &["status"]] {
        let outcome = lab.connector.run(command).await.ended_with(69);
        outcome.said(&["state.db", "99", &known.to_string()]);
    }
    assert_eq!(version(Some(known)), 99, "it was not touched");
    assert_recovers(&lab).await;
}
