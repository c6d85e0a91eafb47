//! A service without configured connections, between a simulated directory and a receiver; a
//! connection that is made over HTTP; and what must be true of what arrives.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::postgres::Server;
use lab::simulator::{self, Action, Directory, Kind, ObjectId, On, People};
use reqwest::Method;
use serde_json::{Value, json};

use crate::checks::expected_of;
use crate::support::Assets;
use crate::support::http::{Answered, Served, TOKEN};
use crate::support::simulated::Simulated;
use crate::wanted::{Change, Wanted};

/// Name of the connection, and its name after a change of that.
pub const NAME: &str = "head-office";
pub const OTHER_NAME: &str = "main-office";

/// Three pages of each kind of search, six batches of fifty.
const PEOPLE: People = People {
    seed: 18,
    users: 260,
    groups: 40,
    computers: 0,
};

/// Assets of a request.
pub const BATCH: usize = 50;

/// Longest time for any answer to a change (R26, and the rest of a page).
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// Longest time for anything else.
const LIMIT: Duration = Duration::from_secs(60);

/// Connector UUIDs: the first, and the one after a change.
pub const CONNECTORS: [&str; 2] = [
    "8c2d7e1a-3b4f-4c5d-9e6f-aaaaaaaaaaaa",
    "8c2d7e1a-3b4f-4c5d-9e6f-bbbbbbbbbbbb",
];

/// Key of the secrets, base64 of 32 octets.
pub const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The three sides.
pub struct World {
    pub lab: Simulated,
    /// Instance that is asked.
    pub served: Served,
    /// A second instance on the same database, and that database.
    pub other: Option<Served>,
    pub database: Option<(Server, String)>,
    /// Name of a place at which the program is to wait.
    pause: PathBuf,
    certificate: String,
}

/// Request that was sent and is not answered yet.
pub struct Asked {
    answer: tokio::task::JoinHandle<(u16, String)>,
    at: Instant,
}

impl Asked {
    /// Its status and body, and the time that it took.
    pub async fn answered(self) -> (u16, Value, Duration) {
        let (status, body) = tokio::time::timeout(LIMIT, self.answer).await.unwrap().unwrap();
        let body = serde_json::from_str(&body).unwrap_or(Value::Null);
        (status, body, self.at.elapsed())
    }
}

/// Simulator, receiver and the variables of a service that has no connection of its own.
pub async fn lab() -> Simulated {
    let mut lab = Simulated::with(
        simulator::Options {
            directory: Directory::new("corp.example", PEOPLE),
            ..Default::default()
        },
        Default::default(),
    )
    .await;
    for name in ["AD_HOST", "AD_PORT", "AD_BIND_DN", "AD_PASSWORD", "AD_PAGE_SIZE"] {
        lab.unset(name);
    }
    let port = lab.simulator.addr().port().to_string();
    for (name, value) in [
        ("QUALYS_BATCH_ASSETS", BATCH.to_string().as_str()),
        ("HTTP_LISTEN", "127.0.0.1:0"),
        ("HTTP_TOKEN", TOKEN),
        ("HTTP_ALLOW_LOOPBACK_TARGETS", "true"),
        ("HTTP_TARGET_PORTS", &port),
        ("SECRETS_KEY", KEY),
        ("SYNC_ON_START", "false"),
        ("LOG_LEVEL", "info"),
    ] {
        lab.set(name, value);
    }
    lab.connector
        .unaudited("its history goes with the connection, and it has two connectors");
    lab
}

impl World {
    pub async fn new() -> Self {
        Self::of(lab().await).await
    }

    async fn of(mut lab: Simulated) -> Self {
        let pause = lab.connector.folder().join("pause");
        lab.set("PAUSE_FILE", pause.to_str().unwrap());
        let certificate = certificate(&mut lab);
        let served = Served::listening(&lab.connector).await;
        Self {
            lab,
            served,
            other: None,
            database: None,
            pause,
            certificate,
        }
    }

    /// Two instances on one PostgreSQL database, the second with this key.
    pub async fn pair(second_key: &str) -> Self {
        let mut lab = lab().await;
        let server = Server::start(false);
        let database = server.create_database();
        lab.set("STATE_URL", &server.url(&database));
        let pause = lab.connector.folder().join("pause");
        lab.set("PAUSE_FILE", pause.to_str().unwrap());
        let certificate = certificate(&mut lab);
        lab.set("INSTANCE_NAME", "one");
        let served = Served::listening(&lab.connector).await;
        lab.set("INSTANCE_NAME", "two");
        lab.set("SECRETS_KEY", second_key);
        let other = Served::listening(&lab.connector).await;
        Self {
            lab,
            served,
            other: Some(other),
            database: Some((server, database)),
            pause,
            certificate,
        }
    }

    /// Asks the other instance from now on.
    pub fn turn(&mut self) {
        if let Some(other) = &mut self.other {
            std::mem::swap(&mut self.served, other);
        }
    }

    /// Asks an instance that does not hold the connection from now on, where there are two.
    pub fn turn_from_holder(&mut self, name: &str) {
        if self.other.is_none() {
            return;
        }
        let held = self.held_by(name);
        assert_eq!(held.len(), 1, "{name} has one holder: {held:?}");
        if self.instance() == held[0] {
            self.turn();
        }
        assert_ne!(self.instance(), held[0]);
    }

    /// Waits until both instances know the connection, where there are two, and one holds it.
    pub async fn seen_by_both(&self, name: &str) {
        let Some(other) = &self.other else { return };
        let begun = Instant::now();
        let path = format!("/api/v1/connections/{name}");
        while other.read(&path).await.status != 200 || self.held_by(name).len() != 1 {
            assert!(begun.elapsed() < Duration::from_secs(8), "{name} is not seen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Name of the instance that is asked.
    pub fn instance(&self) -> &'static str {
        let other = self.other.as_ref().map(|other| other.service.id());
        match other.is_none_or(|other| self.served.service.id() < other) {
            true => "one",
            false => "two",
        }
    }

    /// Names of the instances that hold a connection now.
    pub fn held_by(&self, name: &str) -> Vec<String> {
        let found = self.query(&format!(
            "SELECT l.holder_name FROM lease AS l JOIN connection AS c ON c.id = l.connection
             WHERE c.name = '{name}' AND l.expires_at > clock_timestamp()"
        ));
        found
            .lines()
            .map(str::to_owned)
            .filter(|line| !line.is_empty())
            .collect()
    }

    /// Asks the state; one value a line.
    pub fn query(&self, statement: &str) -> String {
        if let Some((server, database)) = &self.database {
            return server.query(database, statement);
        }
        let state = rusqlite::Connection::open(self.lab.connector.state()).unwrap();
        let mut statement = state.prepare(statement).unwrap();
        let mut rows = statement.query([]).unwrap();
        let mut lines = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            lines.push(match row.get_ref(0).unwrap() {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                other => panic!("{other:?}"),
            });
        }
        lines.join("\n")
    }

    /// The service as it was, started again after it died.
    pub async fn restart(&mut self) {
        self.served = Served::listening(&self.lab.connector).await;
    }

    /// Body of a connection.
    pub fn body(&self, wanted: &Wanted) -> Value {
        let unit = wanted.is_narrow.then(|| narrow(self.lab.directory()));
        body(self.lab.simulator.addr().port(), &self.certificate, wanted, unit)
    }

    /// Makes a connection.
    pub async fn create(&self, wanted: &Wanted) {
        let body = self.body(wanted);
        self.served.post("/api/v1/connections", &body).await.with(201);
    }

    /// Sends a request with the token, and goes on.
    pub fn ask(&self, method: Method, path: &str, body: Option<&Value>, tag: Option<&str>) -> Asked {
        let mut request = self.served.request(method, path).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(tag) = tag {
            request = request.header("If-Match", tag);
        }
        let at = Instant::now();
        let answer = tokio::spawn(async move {
            match request.send().await {
                Ok(response) => (
                    response.status().as_u16(),
                    response.text().await.unwrap_or_default(),
                ),
                Err(error) => (0, error.to_string()),
            }
        });
        Asked { answer, at }
    }

    /// Asks for a change of the connection.
    pub fn ask_change(&self, change: Change, before: &Wanted) -> Asked {
        let path = format!("/api/v1/connections/{}", before.name);
        match change {
            Change::Disable => self.ask(Method::POST, &format!("{path}/disable"), None, None),
            Change::Delete => self.ask(Method::DELETE, &path, None, Some("*")),
            Change::Purge => self.ask(Method::DELETE, &format!("{path}?purge=true"), None, Some("*")),
            change => {
                let mut body = self.body(&before.after(change));
                // The address stays, so the password does.
                body["directory"]["password"] = Value::Null;
                body["directory"].as_object_mut().unwrap().remove("password");
                self.ask(Method::PUT, &path, Some(&body), Some("*"))
            }
        }
    }

    /// Asks for a run.
    pub fn ask_run(&self, name: &str, mode: &str) -> Asked {
        let path = format!("/api/v1/connections/{name}/sync");
        self.ask(Method::POST, &path, Some(&json!({"mode": mode})), None)
    }

    /// Runs the connection until a run of it is over; gives that run.
    pub async fn run(&self, name: &str, mode: &str) -> Value {
        let begun = Instant::now();
        let run = loop {
            let (status, answer, _) = self.ask_run(name, mode).answered().await;
            if status == 202 {
                break answer["run"].clone();
            }
            assert!(
                status == 409 && begun.elapsed() < LIMIT,
                "{status} {answer}\n{}",
                self.served.service.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        loop {
            let path = format!("/api/v1/connections/{name}");
            let connection = self.served.json(&path).await;
            if connection["lastRun"]["run"].as_i64() >= run.as_i64() {
                return connection["lastRun"].clone();
            }
            assert!(
                begun.elapsed() < LIMIT,
                "{connection}\n{}",
                self.served.service.log()
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Runs the connection until everything of it is upstream.
    pub async fn run_to_the_end(&self, name: &str) {
        let mut last = Value::Null;
        for _ in 0..4 {
            last = self.run(name, "delta").await;
            if last["outcome"] == "processed" {
                return;
            }
        }
        panic!("no run was processed: {last}\n{}", self.served.service.log());
    }

    pub async fn get(&self, name: &str) -> Answered {
        self.served.read(&format!("/api/v1/connections/{name}")).await
    }

    /// Lets the program wait at a place of it.
    pub fn pause_at(&self, place: &str) {
        std::fs::write(&self.pause, place).unwrap();
    }

    /// Waits until it does; `false` when it does not come there.
    pub async fn paused(&self) -> bool {
        let reached = self.pause.with_extension("reached");
        for _ in 0..2_000 {
            if reached.exists() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    /// Lets it go on, and wait nowhere.
    pub fn go_on(&self) {
        let _ = std::fs::remove_file(&self.pause);
        let _ = std::fs::remove_file(self.pause.with_extension("reached"));
    }

    /// The `nth` page of users comes only when the sender is dropped; `reached` is told before.
    pub fn hold_page(&self, nth: usize) -> PageHold {
        let (action, hold) = PageHold::new();
        self.lab.at_users_page(nth, action);
        hold
    }

    /// The same of the next connection.
    pub fn hold_connect(&self) -> PageHold {
        let (action, hold) = PageHold::new();
        self.lab.simulator.faults().at(On::Connect, 1, action);
        hold
    }

    /// Changes most of the directory: other names, some gone.
    pub fn disturb(&self) {
        let directory = self.lab.directory();
        for user in self.lab.users().iter().skip(20) {
            directory.set_text(
                *user,
                "displayName",
                &format!("disturbed {}", directory.dn(*user).len()),
            );
        }
        for user in self.lab.users().iter().take(6) {
            directory.delete(*user);
        }
        directory.delete(self.lab.groups()[0]);
    }

    /// Returns the assets of a connection that the receiver must hold.
    pub fn expected(&self, wanted: &Wanted) -> Assets {
        expected_of(self.lab.directory(), wanted)
    }
}

/// Holds the directory at a request.
pub struct PageHold {
    reached: tokio::sync::watch::Receiver<bool>,
    _open: std::sync::mpsc::Sender<()>,
}

impl PageHold {
    fn new() -> (Action, Self) {
        let (open, held) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let (tell, reached) = tokio::sync::watch::channel(false);
        let wait = move || {
            tell.send_replace(true);
            let _ = tokio::task::block_in_place(|| held.lock().unwrap().recv_timeout(LIMIT));
        };
        let hold = Self { reached, _open: open };
        (Action::Run(std::sync::Arc::new(wait)), hold)
    }

    pub async fn reached(&mut self) -> bool {
        let reached = self.reached.wait_for(|reached| *reached);
        tokio::time::timeout(Duration::from_secs(20), reached)
            .await
            .is_ok()
    }
}

/// Body of a connection to the simulator at `port`.
pub fn body(port: u16, certificate: &str, wanted: &Wanted, unit: Option<String>) -> Value {
    json!({
        "name": wanted.name, "description": wanted.description,
        "directory": {"host": ["127.0.0.1"], "port": port, "bindDn": format!("{}@corp.example", simulator::READER),
            "password": simulator::PASSWORD, "certificate": certificate},
        "profile": {"baseContext": unit, "pageSize": 100},
        "schedule": {"cron": "59 59 23 31 12 *", "timezone": "UTC"}, "baseline": null,
        "mapping": wanted.mapping(),
        "removals": {"objects": "send", "maxCount": 100_000, "maxPercent": 100, "lag": "0s"},
        "upstream": {"connectorUuid": CONNECTORS[wanted.connector]},
    })
}

/// The certificate of the directory's authority as text; the variable is not needed any more.
pub fn certificate(lab: &mut Simulated) -> String {
    let path = lab.connector.clone_environment()["AD_CERTIFICATE"].clone();
    lab.unset("AD_CERTIFICATE");
    std::fs::read_to_string(path).unwrap()
}

/// Unit of the last user.
pub fn narrow(directory: &Directory) -> String {
    let last: ObjectId = *directory.all(Kind::User).last().unwrap();
    directory.dn(directory.parent(last).unwrap())
}
