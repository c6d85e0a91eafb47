//! The state of a world: a file, or a database of a real PostgreSQL server, and what must be true
//! of it whenever no process works on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use ad_connector::config::{self, StateLocation};
use ad_connector::store::{Store, StoreAccess};
use lab::postgres::Server;
use rusqlite::Connection;

/// Server of this process, which ends with it. Its commits wait for the disk, as those of a real
/// one do.
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(true));

/// Time after which a lease has ended, whatever its holder did before (docs/high-availability.md),
/// with time for a slow machine.
const LEASE_ENDS_WITHIN: Duration = Duration::from_secs(25);

/// Each selects what contradicts an invariant of the store (`src/store/mod.rs`), as one text a row.
const WRONG: [&str; 10] = [
    "SELECT 'version ' || s.seq || ' waits without its text' FROM stage AS s
     WHERE NOT EXISTS (SELECT 1 FROM document AS d WHERE d.seq = s.seq)",
    "SELECT 'text ' || d.seq || ' is of no version' FROM document AS d
     WHERE NOT EXISTS (SELECT 1 FROM stage AS s WHERE s.seq = d.seq)
         AND NOT EXISTS (SELECT 1 FROM asset AS a WHERE a.document = d.seq)",
    "SELECT 'asset ' || a.id || ' has lost its text' FROM asset AS a
     WHERE a.document IS NOT NULL AND NOT EXISTS (SELECT 1 FROM document AS d WHERE d.seq = a.document)",
    "SELECT 'object ' || o.id || ' has no asset' FROM object AS o
     WHERE NOT EXISTS (SELECT 1 FROM asset AS a WHERE a.id = o.asset)",
    "SELECT 'asset ' || a.id || ' belongs to no object of it' FROM asset AS a
     WHERE a.owner IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM object AS o WHERE o.id = a.owner AND o.asset = a.id)",
    "SELECT 'object ' || o.id || ' neither owns its asset nor waits for it' FROM object AS o
     JOIN asset AS a ON a.id = o.asset
     WHERE a.owner IS DISTINCT FROM o.id
         AND NOT EXISTS (SELECT 1 FROM contender AS c WHERE c.object = o.id AND c.asset = a.id)",
    "SELECT 'asset ' || r.asset || ' is removed and has an owner' FROM removed AS r
     JOIN asset AS a ON a.id = r.asset WHERE a.owner IS NOT NULL",
    "SELECT 'version ' || s.seq || ' is of no object and of nothing removed' FROM stage AS s
     WHERE NOT EXISTS (SELECT 1 FROM object AS o WHERE o.id = s.object)
         AND NOT EXISTS (SELECT 1 FROM removed AS r WHERE r.asset = s.asset AND s.object IS NULL)",
    "SELECT 'connection ' || c.id || ' is ' || c.state || ' with ' || count(r.id) || ' open runs'
     FROM connection AS c LEFT JOIN run AS r ON r.connection = c.id AND r.ended IS NULL
     GROUP BY c.id, c.state
     HAVING count(r.id) <> CASE WHEN c.state = 'Processing' THEN 1 ELSE 0 END",
    "SELECT 'the full read of connection ' || s.connection || ' has a slice twice' FROM slice AS s
     JOIN slice AS t ON t.connection = s.connection AND t.id > s.id AND t.low <= s.high AND s.low <= t.high",
];

/// Engine that keeps the state of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateEngine {
    Sqlite,
    Postgres,
}

/// State of one world.
#[derive(Debug, Clone)]
pub enum WorldState {
    File(PathBuf),
    /// Name of the database.
    Database(String),
}

impl StateEngine {
    /// The engine of the tests of single places: PostgreSQL with `CRASH_STATE=postgres`.
    pub fn asked_for() -> Self {
        match std::env::var("CRASH_STATE") {
            Ok(engine) if engine == "postgres" => Self::Postgres,
            _ => Self::Sqlite,
        }
    }

    /// An empty state; `file` is where it is if it is a file.
    pub fn new_state(self, file: PathBuf) -> WorldState {
        match self {
            Self::Sqlite => WorldState::File(file),
            Self::Postgres => WorldState::Database(SERVER.create_database()),
        }
    }
}

impl WorldState {
    /// `STATE_URL`.
    pub fn url(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite:{}", path.display()),
            Self::Database(name) => SERVER.url(name),
        }
    }

    /// The same as the program reads it.
    pub fn location(&self) -> StateLocation {
        let variables = BTreeMap::from([("STATE_URL".to_owned(), self.url())]);
        config::parse(&variables).unwrap().state
    }

    /// Returns the rows of a query that has one text a row; `$1` in it stands for `parameter`.
    pub fn texts(&self, query: &str, parameter: &str) -> Vec<String> {
        let query = query.replace("$1", &format!("'{parameter}'"));
        match self {
            Self::File(path) => {
                let sql = Connection::open(path).unwrap();
                let mut statement = sql.prepare(&query).unwrap();
                let rows = statement.query_map([], |row| row.get(0)).unwrap();
                rows.map(Result::unwrap).collect()
            }
            Self::Database(name) => SERVER.query(name, &query).lines().map(str::to_owned).collect(),
        }
    }

    /// Returns what contradicts that which must be true after every transaction. Before the schema
    /// was made there is nothing.
    pub fn contradictions(&self) -> Vec<String> {
        match Store::open(self.location(), StoreAccess::ReadOnly) {
            Ok(_) => self.texts(&WRONG.join(" UNION ALL "), ""),
            // Whether it may be unreadable is decided where its removed objects are read.
            Err(_) => Vec::new(),
        }
    }

    /// Seconds for which the lease of somebody who may be dead still holds; of a file there is
    /// none.
    pub fn held_for(&self) -> Option<f64> {
        let Self::Database(name) = self else { return None };
        let seconds = SERVER.query(
            name,
            "SELECT to_regclass('lease') IS NOT NULL AS is_there \\gset
             \\if :is_there
             SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM lease
             WHERE expires_at > clock_timestamp()
             \\endif",
        );
        (!seconds.is_empty()).then(|| seconds.parse().unwrap())
    }

    /// Waits until the lease of a holder that died has ended by itself.
    pub async fn outlive_lease(&self) {
        let begun = Instant::now();
        while let Some(seconds) = self.held_for() {
            assert!(
                begun.elapsed() < LEASE_ENDS_WITHIN,
                "the lease of a dead process still holds for {seconds} s"
            );
            tokio::time::sleep(Duration::from_secs_f64(seconds.clamp(0.05, 1.0))).await;
        }
    }

    /// Lets the lease of a holder that died end now, as if its time were over: `FOR UPDATE` waits
    /// for a transaction of that holder which the server has not ended yet, as whoever takes the
    /// lease over would.
    pub fn end_lease(&self) {
        if let Self::Database(name) = self
            && self.held_for().is_some()
        {
            SERVER.sql(
                name,
                "BEGIN; SELECT 1 FROM lease FOR UPDATE;
                 UPDATE lease SET expires_at = clock_timestamp() WHERE expires_at > clock_timestamp(); COMMIT",
            );
        }
    }
}

#[test]
fn a_state_that_contradicts_itself_is_found_in_both_engines() {
    for engine in [StateEngine::Sqlite, StateEngine::Postgres] {
        let folder = tempfile::tempdir().unwrap();
        let state = engine.new_state(folder.path().join("state.db"));
        let none = Vec::<String>::new();
        assert_eq!(state.contradictions(), none);
        drop(Store::open(state.location(), StoreAccess::ReadWrite).unwrap());
        assert_eq!(state.contradictions(), none);
        let spoil = "INSERT INTO document (seq, json) VALUES (7, '{}')";
        match &state {
            WorldState::File(path) => {
                assert_eq!(Connection::open(path).unwrap().execute(spoil, []).unwrap(), 1)
            }
            WorldState::Database(name) => SERVER.sql(name, spoil),
        }
        assert_eq!(state.contradictions(), ["text 7 is of no version"]);
    }
}
