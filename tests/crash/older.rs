//! A state file from before the first release (R28).

use ad_connector::store::SCHEMA_VERSION;
use rusqlite::Connection;

use crate::support::simulated::Simulated;

#[tokio::test(flavor = "multi_thread")]
async fn r28_a_file_from_before_the_first_release_is_refused_and_left_alone() {
    let lab = Simulated::new().await;
    lab.sync(0).await;
    let state = lab.connector.state();
    let set_version = |version: i32| {
        let sql = Connection::open(&state).unwrap();
        sql.pragma_update(None, "user_version", version).unwrap();
    };
    set_version(11);
    for command in [&["status"][..], &["sync"], &["sync", "--dry-run"]] {
        lab.connector
            .run(command)
            .await
            .ended_with(69)
            .said(&["state.db", "schema version 11", "move"]);
    }
    set_version(SCHEMA_VERSION);
    lab.sync(0).await;
    lab.assert_converged();
}
