//! A database that is down, or full, for a while (R29).

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::pair::{Pair, blocking};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r29_a_database_that_is_down_at_the_start_or_goes_away_is_waited_for() {
    let mut pair = Pair::new().await;
    pair.ways[0].cut();
    pair.point_to(0);
    pair.lab
        .sync(69)
        .await
        .said(&["cannot be reached", "what to do", "STATE_URL"]);
    pair.start(0);
    pair.answers(0, "/ready", 503).await;
    pair.answers(0, "/live", 200).await;
    // Reads secrets again, and leaves a service that waits for its state as it is.
    pair.signal(0, "HUP").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    pair.answers(0, "/live", 200).await;
    pair.ways[0].restore();
    pair.answers(0, "/ready", 200).await;
    pair.arrived("the first read").await;
    pair.ways[0].cut();
    pair.answers(0, "/ready", 503).await;
    pair.answers(0, "/live", 200).await;
    pair.rename_first("changed meanwhile");
    tokio::time::sleep(Duration::from_secs(2)).await;
    pair.ways[0].restore();
    pair.arrived("a change from meanwhile").await;
    pair.answers(0, "/ready", 200).await;
    pair.end(0, "TERM").await;
}

/// Lock of the transactions that write, as the program takes it.
const WRITE_LOCK: &str = "7017227083353583973";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r29_a_database_that_fails_while_a_service_starts_is_waited_for() {
    let mut pair = Pair::new().await;
    pair.start(0);
    pair.answers(0, "/ready", 200).await;
    pair.arrived("the first read").await;
    pair.end(0, "TERM").await;
    // The state is opened, and then the registration of the connection waits for the lock.
    let hold = format!("SELECT pg_advisory_lock({WRITE_LOCK}); SELECT pg_sleep(60)");
    let mut holder = pair.server.begin_query(&pair.database, &hold);
    pair.counts(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted",
        "1",
    )
    .await;
    pair.start(0);
    pair.counts(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
        "1",
    )
    .await;
    blocking(|| pair.server.crash());
    holder.wait().unwrap();
    pair.rename_first("changed meanwhile");
    pair.arrived("a change from meanwhile").await;
    pair.answers(0, "/ready", 200).await;
    pair.end(0, "TERM").await;
}

/// Volume in memory of a few MiB; unmounted when dropped.
struct SmallVolume(PathBuf);

impl SmallVolume {
    /// Returns `None` where nothing can be mounted.
    fn mounted(at: &Path) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=40m,mode=0777", "tmpfs"])
            .arg(at)
            .output();
        mounted
            .is_ok_and(|mounted| mounted.status.success())
            .then(|| Self(at.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Leaves no room on it.
    fn fill(&self) {
        // It ends with an error when nothing is left.
        let filled = Command::new("dd")
            .args(["if=/dev/zero", "bs=4k"])
            .arg(format!("of={}", self.filler().display()))
            .output();
        assert!(!filled.unwrap().status.success());
    }

    fn empty(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallVolume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r29_a_database_without_space_stores_nothing_and_goes_on_with_room_again() {
    let mut pair = Pair::new().await;
    let place = pair.server.folder().join("small");
    let Some(volume) = SmallVolume::mounted(&place) else {
        lab::skip!("no file system can be mounted here, which needs root and CAP_SYS_ADMIN");
    };
    // PostgreSQL wants a folder of its own user.
    let tables = place.join("tables");
    let made = lab::postgres::unprivileged("mkdir").arg(&tables).status();
    assert!(made.unwrap().success());
    std::fs::set_permissions(&tables, std::fs::Permissions::from_mode(0o700)).unwrap();
    blocking(|| {
        let create = format!("CREATE TABLESPACE small LOCATION '{}'", tables.display());
        pair.server.sql("postgres", &create);
        pair.server
            .sql("postgres", "CREATE DATABASE small TABLESPACE small");
    });
    pair.database = "small".to_owned();
    pair.start(0);
    pair.answers(0, "/ready", 200).await;
    pair.arrived("the first read").await;
    volume.fill();
    let sent = pair.lab.receiver.assets();
    for (number, user) in pair.lab.users().into_iter().enumerate() {
        let name = format!("{number} {}", "long".repeat(200));
        pair.lab.directory().set_text(user, "displayName", &name);
    }
    pair.says(0, 0, "has no space left")
        .await
        .said(&["small", "53100", "free space"]);
    pair.answers(0, "/ready", 503).await;
    pair.answers(0, "/live", 200).await;
    let unchanged = pair.lab.groups().len();
    volume.empty();
    pair.arrived("what was changed while it was full").await;
    pair.answers(0, "/ready", 200).await;
    let again = pair.lab.receiver.summary().assets_received - sent.len() as u64;
    assert!(
        again <= (pair.lab.users().len() + crate::pair::BATCH) as u64,
        "{again} assets were sent for {} users; {unchanged} groups are as they were",
        pair.lab.users().len()
    );
    pair.end(0, "TERM").await;
}
