//! The engine that the tests of the store run on, and what only a database has.

use std::sync::LazyLock;

use tempfile::TempDir;

use super::*;
use crate::config;
use crate::store::sql::values;

/// Server of this process; it ends with it. Its commits wait for the disk where that is measured.
static SERVER: LazyLock<lab::postgres::Server> =
    LazyLock::new(|| lab::postgres::Server::start(std::env::var_os("SPEED_OBJECTS").is_some()));

/// Returns whether the tests run on PostgreSQL (`TEST_STATE=postgres`).
pub(super) fn on_postgres() -> bool {
    std::env::var("TEST_STATE").is_ok_and(|engine| engine == "postgres")
}

/// Returns where the state of a test is.
pub(super) fn location(directory: &TempDir) -> StateLocation {
    if on_postgres() {
        StateLocation::Database(Box::new(new_database("one")))
    } else {
        StateLocation::File(directory.path().join("state.db"))
    }
}

/// Creates an empty database.
pub(super) fn new_database(instance: &str) -> config::Database {
    config::Database {
        host: SERVER.folder().to_str().unwrap().to_owned(),
        port: SERVER.port,
        user: lab::postgres::ROLE.to_owned(),
        name: SERVER.create_database(),
        is_encrypted: false,
        password: None,
        certificates: Vec::new(),
        instance: instance.to_owned(),
    }
}

impl Store {
    /// Returns the database of the file.
    pub(super) fn sqlite(&self) -> MutexGuard<'_, rusqlite::Connection> {
        match &self.engine {
            Engine::Sqlite(sqlite) => locked(sqlite),
            Engine::Postgres(_) => panic!("the state is a file"),
        }
    }
}

/// Returns an address of the server.
pub(super) fn address() -> String {
    SERVER.address.to_string()
}

/// Runs statements in a database.
pub(super) fn sql(database: &config::Database, statements: &str) {
    SERVER.sql(&database.name, statements);
}

/// Holds a connection for the rest of the test.
pub(super) fn hold(store: &Store, connection: ConnectionId) {
    if let Engine::Postgres(engine) = &store.engine {
        if store.sending_right(connection).is_some() {
            return;
        }
        // As if the time of whoever held it was over.
        store
            .write(Commit::SetNext, |sql| {
                sql.execute(
                    "UPDATE lease SET expires_at = '-infinity' WHERE connection = $1",
                    values![connection],
                )
            })
            .unwrap();
        let lock = store.lock(connection, "test", "", NOW).unwrap();
        engine.leases.keep(connection);
        drop(lock);
    }
}
