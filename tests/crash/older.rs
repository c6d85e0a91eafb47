//! A state file from before the first release (R28).

use rusqlite::Connection;

use crate::support::simulated::Simulated;

#[tokio::test(flavor = "multi_thread")]
async fn r28_a_file_from_before_the_first_release_is_refused_and_a_new_one_is_filled() {
    let lab = Simulated::new().await;
    lab.sync(0).await;
    let state = lab.connector.state();
    Connection::open(&state)
        .unwrap()
        .pragma_update(None, "user_version", 11)
        .unwrap();
    for command in [&["status"][..], &["sync"], &["sync", "--dry-run"]] {
        lab.connector
            .run(command)
            .await
            .ended_with(69)
            .said(&["state.db", "schema version 11", "move"]);
    }
    for part in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(state.with_file_name(part));
    }
    lab.sync(0).await;
    lab.assert_converged();
}
