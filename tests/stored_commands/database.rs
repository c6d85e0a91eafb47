//! The same commands where the state is in PostgreSQL, and the name that is typed on a terminal.

use lab::postgres::Server;
use support::Outcome;
use tokio::process::Command;

use super::*;

/// Runs a command on a terminal of its own, types a line when it is asked for the name, and prints
/// what the terminal showed.
const ON_A_TERMINAL: &str = "
import os, pty, sys
typed, program = sys.argv[1], sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(program[0], program)
shown = b''
while True:
    try:
        more = os.read(terminal, 4096)
    except OSError:
        break
    if not more:
        break
    if b'Type the name' not in shown and b'Type the name' in shown + more:
        os.write(terminal, typed.encode() + b'\\n')
    shown += more
print(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

/// Deletes `head-office`, with `more` options, on a terminal on which `typed` is typed.
async fn delete_by_typing(lab: &Simulated, typed: &str, more: &[&str]) -> Outcome {
    let mut command = Command::new("python3");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(lab.connector.clone_environment())
        .args(["-c", ON_A_TERMINAL, typed, env!("CARGO_BIN_EXE_ad-connector")])
        .args(["connections", "delete", "head-office"])
        .args(more)
        .current_dir(lab.connector.folder())
        .kill_on_drop(true);
    Outcome::of("connections delete", command.output().await.unwrap())
}

async fn names(lab: &Simulated) -> Vec<Value> {
    let listed = json(lab, &["connections", "list", "--json"]).await;
    listed.into_iter().map(|one| one["name"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_deleted_when_its_name_is_typed_and_by_nothing_else() {
    let (lab, _) = stored().await;
    for typed in ["", "y", "yes", "head", "HEAD-OFFICE", "head-office x"] {
        delete_by_typing(&lab, typed, &[]).await.ended_with(64).said(&[
            "Type the name to delete head-office and keep its history",
            "that is not the name",
        ]);
        assert_eq!(names(&lab).await, ["head-office"], "{typed}");
    }
    let deleted = delete_by_typing(&lab, "head-office", &[]).await.ended_with(0);
    let deleted = deleted.said(&["head-office: deleted"]);
    assert!(!deleted.text().contains("forgotten"), "{}", deleted.text());
    assert!(names(&lab).await.is_empty());
    delete_by_typing(&lab, "another", &["--purge"])
        .await
        .ended_with(64)
        .said(&["with its history and its list of removed objects"]);
    delete_by_typing(&lab, "head-office", &["--purge"])
        .await
        .ended_with(0)
        .said(&["forgotten"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_in_postgresql_are_listed_shown_exported_imported_and_deleted() {
    let (mut lab, table) = without_directory().await;
    lab.connector.unaudited("its state is no file");
    let server = Server::start(false);
    let database = server.create_database();
    lab.set("STATE_URL", &server.url(&database));
    lab.set("SECRETS_KEY", KEY);
    lab.connector
        .succeed(&["connections", "list"])
        .await
        .said(&["no connection is configured or stored"]);
    import(&lab, &table, &[])
        .await
        .ended_with(0)
        .said(&["head-office: created, revision 1"]);
    import(&lab, &table, &[])
        .await
        .ended_with(64)
        .said(&["--replace"]);
    import(&lab, &table, &["--replace"]).await.ended_with(0);
    assert_eq!(names(&lab).await, ["head-office"]);
    lab.sync(0).await;
    lab.assert_converged();
    lab.connector
        .succeed(&["connections", "list"])
        .await
        .said(&["head-office", "Processed"]);
    let shown = json(&lab, &["connections", "show", "head-office", "--json"])
        .await
        .remove(0);
    assert_eq!(
        shown["configuration"]["directory"]["password"]["set"], true,
        "{shown}"
    );
    let exported = lab
        .connector
        .succeed(&["connections", "export", "head-office"])
        .await
        .stdout;
    assert!(!exported.contains(lab::simulator::PASSWORD), "{exported}");
    // What the database holds of the secret is sealed.
    let secrets = server.query(&database, "SELECT count(*) FROM connection_secret");
    assert_ne!(secrets, "0");
    lab.connector
        .run(&["connections", "delete", "head-office"])
        .await
        .ended_with(64)
        .said(&["--yes"]);
    delete_by_typing(&lab, "head-offices", &[]).await.ended_with(64);
    assert_eq!(names(&lab).await, ["head-office"]);
    delete_by_typing(&lab, "head-office", &[])
        .await
        .ended_with(0)
        .said(&["head-office: deleted"]);
    assert!(names(&lab).await.is_empty());
    assert_eq!(
        server.query(&database, "SELECT count(*) FROM connection_secret"),
        "0"
    );

    // The file goes on where the state was, and comes back once the history is forgotten.
    let file = write(&lab, "connections.toml", &exported);
    lab.set("CONNECTIONS_FILE", file.to_str().unwrap());
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    assert_eq!(json(&lab, &["runs", "--json"]).await.len(), 2);
    lab.unset("CONNECTIONS_FILE");
    import(&lab, &exported, &[])
        .await
        .ended_with(64)
        .said(&["--purge"]);
    delete_by_typing(&lab, "head-office", &["--purge"])
        .await
        .ended_with(0)
        .said(&["forgotten"]);
    import(&lab, &exported, &[])
        .await
        .ended_with(0)
        .said(&["created"]);
    lab.receiver.reset();
    lab.sync(0).await;
    lab.assert_converged();
}
