//! Runs the real program for the integration tests: its environment, its commands, what it said and how it ended.

// Every test crate compiles this file for itself and uses a part of it; a failing check may panic as in any test.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod expected;
pub mod forests;
pub mod grouped;
pub mod http;
pub mod secrets;
pub mod service;
pub mod simulated;
pub mod sites;
pub mod sums;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ad_connector::config::StateLocation;
use ad_connector::store::{RunRow, Store, StoreAccess};
use lab::receiver::{Books, Ledger, Options, Receiver};
use lab::samba::{Change, Domain};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A command that takes longer hangs. The longest, a baseline of the whole domain in a debug build, takes a few seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// A connector UUID that no other connector of the process has, so that the receiver can tell them apart.
fn uuid() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("8c2d7e1a-3b4f-4c5d-9e6f-{number:012x}")
}

/// `externalAssetId` to `assetData` element.
pub type Assets = BTreeMap<String, Value>;

/// The program with an environment and a folder of its own: working directory, state file. When it is dropped, its history is
/// held against what the receiver counted ([`sums`]).
#[derive(Debug)]
pub struct Connector {
    /// `QUALYS_CONNECTOR_UUID`.
    uuid: String,
    books: Books,
    /// Why its history is not the whole of what it sent.
    unaudited: Option<&'static str>,
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

impl Connector {
    /// With an upstream and a state file, without a directory.
    pub fn delivering_to(receiver: &Receiver) -> Connector {
        let defaults = Options::default();
        let folder = tempfile::tempdir().unwrap();
        let state = format!("sqlite:{}", folder.path().join("state.db").display());
        let connector = Connector {
            uuid: uuid(),
            books: receiver.books(),
            unaudited: None,
            folder,
            environment: BTreeMap::new(),
        };
        let uuid = connector.uuid.clone();
        connector
            .with("QUALYS_GATEWAY_URL", &receiver.url())
            .with("QUALYS_CLIENT_ID", &defaults.client_id)
            .with("QUALYS_CLIENT_SECRET", &defaults.client_secret)
            .with("QUALYS_CONNECTOR_UUID", &uuid)
            .with("STATE_URL", &state)
            .with("HTTP_LISTEN", "off")
    }

    /// With everything that a sync of `domain` over LDAPS by the plain account needs.
    pub fn new(domain: &Domain, receiver: &Receiver) -> Connector {
        let account = domain.place().connector();
        Connector::delivering_to(receiver)
            .with("AD_HOST", &domain.place().host())
            .with("AD_BIND_DN", &account.principal)
            .with("AD_PASSWORD", account.password)
            .with("AD_CERTIFICATE", domain.authority().to_str().unwrap())
    }

    /// Its settings, as the program would read them from its environment.
    pub fn settings(&self) -> ad_connector::config::ConnectionSettings {
        let mut config = ad_connector::config::parse(&self.environment).unwrap();
        config.connections.remove(0)
    }

    /// The same with one variable set.
    pub fn with(mut self, name: &str, value: &str) -> Connector {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same without one variable.
    pub fn without(mut self, name: &str) -> Connector {
        self.environment.remove(name);
        self
    }

    /// Its folder: the working directory, with the state file.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The state file.
    pub fn state(&self) -> PathBuf {
        self.folder().join("state.db")
    }

    /// Where its state is: the file, or the database of `STATE_URL`.
    pub fn location(&self) -> StateLocation {
        let url = self.environment.get("STATE_URL");
        if url.is_some_and(|url| url.starts_with("postgres:")) {
            ad_connector::config::parse(&self.environment).unwrap().state
        } else {
            (&self.state()).into()
        }
    }

    /// Lets its history differ from what the receiver counted, since the test takes the state file away, replaces it, or
    /// lets another gateway answer.
    pub fn unaudited(&mut self, reason: &'static str) {
        self.unaudited = Some(reason);
    }

    /// Runs one command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Outcome {
        let child = self.start(arguments);
        let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
        let output = output
            .unwrap_or_else(|_| panic!("{arguments:?} did not end within {LIMIT:?}"))
            .unwrap();
        Outcome::of(&arguments.join(" "), output)
    }

    /// Runs one command that must end with 0.
    pub async fn succeed(&self, arguments: &[&str]) -> Outcome {
        self.run(arguments).await.ended_with(0)
    }

    /// Starts one command. It is killed when dropped.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Starts one command with one more variable.
    pub fn start_with(&self, name: &str, value: &str, arguments: &[&str]) -> Child {
        self.command(arguments).env(name, value).spawn().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ad-connector"));
        // Nothing of the tester's own environment: no proxy, no variable of a real installation.
        command
            .env_clear()
            .envs(&self.environment)
            .args(arguments)
            .current_dir(self.folder());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        if self.unaudited.is_none() && !std::thread::panicking() {
            let (ledger, unread) = self.books.of(&self.uuid);
            assert_agree(self.location(), &ledger, unread);
        }
    }
}

/// Assets in flight when a process dies, at most: as many as the first requests of
/// `QUALYS_BATCH_ASSETS=auto` hold, one request at a time.
const IN_FLIGHT: u64 = 500;

/// Checks the state, where there is one that can be read. `unread` is how many requests came of
/// which the receiver read nothing.
#[track_caller]
fn assert_agree(state: StateLocation, ledger: &Ledger, unread: u64) {
    let Ok(store) = Store::open(&state, StoreAccess::ReadOnly) else {
        return;
    };
    let connections = store.connections().unwrap();
    let mut runs: Vec<RunRow> = connections
        .iter()
        .flat_map(|connection| store.runs(connection.id, usize::MAX).unwrap())
        .collect();
    for run in &mut runs {
        let objects = store.run_objects(run.id, None, usize::MAX).unwrap();
        if let Err(wrong) = sums::check_run(run, &objects) {
            panic!("the history is not true of run {}: {wrong}\n{run:?}", run.id);
        }
        *run = sums::without_waiting(run, &objects);
    }
    if let Err(wrong) = sums::check_sums(&runs, ledger, unread, IN_FLIGHT) {
        panic!("the history is not what the receiver counted: {wrong}\n{ledger:?}\n{runs:?}");
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Outcome {
    command: String,
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// What it said on standard output.
    pub stdout: String,
    /// What it said on standard error.
    pub stderr: String,
}

impl Outcome {
    /// Returns the outcome of a command that ended with this output.
    pub fn of(command: &str, output: std::process::Output) -> Outcome {
        Outcome {
            command: command.to_owned(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Checks the exit code.
    #[track_caller]
    pub fn ended_with(self, code: i32) -> Outcome {
        assert_eq!(self.code, Some(code), "`{}` said:\n{}", self.command, self.text());
        self
    }

    /// Checks that it said each of these, whatever the case.
    #[track_caller]
    pub fn said(self, words: &[&str]) -> Outcome {
        let text = self.text().to_lowercase();
        for word in words {
            assert!(
                text.contains(&word.to_lowercase()),
                "`{}` did not say {word}:\n{text}",
                self.command
            );
        }
        self
    }

    /// Everything it said.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Checks that both are the same, key by key; says the first differences and not 2,000 assets.
#[track_caller]
pub fn assert_same(actual: &Assets, expected: &Assets) {
    let mut differences = Vec::new();
    for (id, asset) in expected {
        match actual.get(id) {
            None => differences.push(format!("{id} is missing: {asset}")),
            Some(other) if other != asset => {
                differences.push(format!("{id} is\n  {other}\nand should be\n  {asset}"))
            }
            Some(_) => {}
        }
    }
    differences.extend(
        actual
            .iter()
            .filter(|(id, _)| !expected.contains_key(*id))
            .map(|(id, asset)| format!("{id} is too much: {asset}")),
    );
    let count = differences.len();
    differences.truncate(5);
    assert!(
        count == 0,
        "{count} differences, the first of them:\n{}",
        differences.join("\n")
    );
}

/// The assets of `after` that `before` had not, or had otherwise.
pub fn changed(before: &Assets, after: &Assets) -> Assets {
    after
        .iter()
        .filter(|(id, asset)| before.get(*id) != Some(asset))
        .map(|(id, asset)| (id.clone(), asset.clone()))
        .collect()
}

/// The assets of an NDJSON text, one `assetData` element a line.
pub fn parse_ndjson(text: &str) -> Assets {
    let elements = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut assets = Assets::new();
    for element in elements {
        let id = element["asset"]["assetHeader"]["externalAssetId"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(assets.insert(id.clone(), element).is_none(), "{id} came twice");
    }
    assets
}

/// Syncs once into an empty receiver, and checks that exactly `expected` arrived.
pub async fn assert_arrives(connector: &Connector, receiver: &Receiver, expected: &Assets) {
    receiver.reset();
    connector.succeed(&["sync"]).await;
    assert_same(&receiver.assets(), expected);
    assert_eq!(receiver.violations(), Vec::<String>::new());
}

/// Ten users, `Person 0` to `Person 9`, and the group `Team` in `unit`. Account names begin with `account`.
pub fn people(unit: &str, account: &str) -> Vec<Change> {
    let user = |number| Change::user(unit, &format!("Person {number}"), &format!("{account}{number}"));
    let mut changes: Vec<_> = (0..10).map(user).collect();
    changes.push(Change::group(unit, "Team", &format!("{account}team")));
    changes
}
