//! A service without configured connections, between a simulated directory and a receiver; a
//! connection that is made over HTTP; and what must be true of what arrives.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lab::postgres::Server;
use lab::receiver::Delivery;
use lab::simulator::{self, Action, Directory, Kind, ObjectId, On, People};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::http::{Answered, Served, TOKEN};
use crate::support::simulated::Simulated;
use crate::support::{Assets, assert_same, expected};

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

/// Change of a connection over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Base,
    Mapping,
    Target,
    Description,
    Name,
    Disable,
    Delete,
    Purge,
}

impl Change {
    pub const ALL: [Self; 8] = [
        Self::Base,
        Self::Mapping,
        Self::Target,
        Self::Description,
        Self::Name,
        Self::Disable,
        Self::Delete,
        Self::Purge,
    ];

    pub fn deletes(self) -> bool {
        matches!(self, Self::Delete | Self::Purge)
    }
}

/// What a connection is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub description: String,
    /// Only the unit of the first user.
    pub is_narrow: bool,
    /// The mapping adds a mark to every asset.
    pub mark: Option<u32>,
    pub connector: usize,
}

impl Wanted {
    pub fn first() -> Self {
        Self {
            name: NAME.to_owned(),
            description: "as it was made".to_owned(),
            is_narrow: false,
            mark: None,
            connector: 0,
        }
    }

    /// The same after a change.
    pub fn after(&self, change: Change) -> Self {
        let mut after = self.clone();
        match change {
            Change::Base => after.is_narrow = !self.is_narrow,
            Change::Mapping => after.mark = Some(self.mark.unwrap_or(0) + 1),
            Change::Target => after.connector = 1 - self.connector,
            Change::Description => after.description.push('!'),
            Change::Name if self.name == NAME => after.name = OTHER_NAME.to_owned(),
            Change::Name => after.name = NAME.to_owned(),
            Change::Disable | Change::Delete | Change::Purge => {}
        }
        after
    }

    fn mapping(&self) -> String {
        let mut text = include_str!("../../config/mapping.toml").to_owned();
        if let Some(mark) = self.mark {
            for kind in ["user", "group"] {
                text.push_str(&format!(
                    "\n[[{kind}]]\nconstant = \"mark {mark}\"\ntarget = \"asset.assetDetail.mark\"\n"
                ));
            }
        }
        text.push_str("\n[removed]\nasset.assetDetail.lifecycle = \"REMOVED\"\n");
        text
    }
}

/// The three sides.
pub struct World {
    pub lab: Simulated,
    /// Instance that is asked.
    pub served: Served,
    /// A second instance on the same database, and that database.
    pub other: Option<Served>,
    database: Option<(Server, String)>,
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

    /// The same where a new connection runs at once.
    pub async fn starting() -> Self {
        let mut lab = lab().await;
        lab.set("SYNC_ON_START", "true");
        Self::of(lab).await
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

    /// What the receiver must hold of a connection.
    pub fn expected(&self, wanted: &Wanted) -> Assets {
        expected_of(self.lab.directory(), wanted)
    }

    /// The receiver holds what the directory and the configuration say, and of everything else
    /// only what is known to be gone.
    #[track_caller]
    pub fn assert_converged(&self, wanted: &Wanted, before: &[Delivery], what: &str) {
        let expected = self.expected(wanted);
        let held = self.lab.receiver.assets();
        let live: Assets = held
            .iter()
            .filter(|(id, _)| expected.contains_key(*id))
            .map(|(id, asset)| (id.clone(), asset.clone()))
            .collect();
        println!("{what}: {} live, {} held", live.len(), held.len());
        assert_same(&live, &expected);
        // A former target keeps what it holds.
        let target = CONNECTORS[wanted.connector];
        let of_others: BTreeSet<String> = before
            .iter()
            .filter(|delivery| delivery.connector_uuid != target)
            .flat_map(|delivery| delivery.external_ids.clone())
            .collect();
        for (id, asset) in held.iter().filter(|(id, _)| !expected.contains_key(*id)) {
            assert!(
                is_removal(asset) || of_others.contains(id),
                "{what}: {id} is gone or out of scope, and upstream does not know it: {asset}"
            );
        }
        assert_eq!(self.lab.receiver.violations(), Vec::<String>::new(), "{what}");
    }

    /// Everything that arrived after the first `mark` deliveries is of the configuration.
    #[track_caller]
    pub fn assert_only_of(&self, wanted: &Wanted, mark: usize, what: &str) {
        let ids: BTreeSet<String> = self.expected(wanted).into_keys().collect();
        for delivery in self.lab.receiver.deliveries().into_iter().skip(mark) {
            assert_eq!(
                delivery.connector_uuid, CONNECTORS[wanted.connector],
                "{what}: sent to the former target"
            );
            for (id, asset) in delivery.external_ids.iter().zip(&delivery.assets) {
                if is_removal(asset) {
                    continue;
                }
                assert!(
                    !wanted.is_narrow || ids.contains(id),
                    "{what}: {id} is not of the profile: {asset}"
                );
                assert_eq!(
                    asset["asset"]["assetDetail"]["mark"],
                    wanted
                        .mark
                        .map_or(Value::Null, |mark| json!(format!("mark {mark}"))),
                    "{what}: {id} is of the former mapping"
                );
            }
        }
    }

    /// Nothing was sent twice as it was.
    #[track_caller]
    pub fn assert_nothing_twice(&self, what: &str) {
        let again = sent_again(&self.lab.receiver.deliveries());
        assert!(again.is_empty(), "{what}: sent again as they were: {again:?}");
    }

    /// Rows of a connection that is purged, by table.
    pub fn rows_of(&self, connection: i64) -> Vec<(String, i64)> {
        let tables = match self.database {
            Some(_) => self.query(
                "SELECT table_name FROM information_schema.columns
                 WHERE column_name = 'connection' AND table_schema = current_schema()",
            ),
            None => self.query(
                "SELECT m.name FROM sqlite_master AS m, pragma_table_info(m.name) AS p
                 WHERE m.type = 'table' AND p.name = 'connection'",
            ),
        };
        assert!(tables.lines().count() > 5, "{tables}");
        let mut rows: Vec<(String, i64)> = tables
            .lines()
            .map(|table| (table, format!("connection = {connection}")))
            .chain([
                ("connection", format!("id = {connection}")),
                ("stored_connection", format!("name = '{NAME}'")),
                (
                    "connection_secret",
                    "uuid NOT IN (SELECT uuid FROM stored_connection)".to_owned(),
                ),
            ])
            .map(|(table, condition)| {
                let count = self.query(&format!("SELECT count(*) FROM {table} WHERE {condition}"));
                (table.to_owned(), count.parse().unwrap())
            })
            .collect();
        rows.retain(|(_, count)| *count > 0);
        rows
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

/// What the receiver must hold of a connection.
pub fn expected_of(directory: &Directory, wanted: &Wanted) -> Assets {
    let below = wanted.is_narrow.then(|| format!(",{}", narrow(directory)));
    let mut assets = Assets::new();
    for kind in [Kind::User, Kind::Group] {
        for id in directory.all(kind) {
            if below
                .as_ref()
                .is_some_and(|below| !directory.dn(id).ends_with(below))
            {
                continue;
            }
            let mut asset = expected::asset(directory, kind, id);
            if let Some(mark) = wanted.mark {
                asset["asset"]["assetDetail"]["mark"] = json!(format!("mark {mark}"));
            }
            assets.insert(expected::external_id(directory, id), asset);
        }
    }
    assets
}

fn is_removal(asset: &Value) -> bool {
    asset["asset"]["assetDetail"]["lifecycle"] == "REMOVED"
}

/// Ids of assets that arrived at one connector twice in a row as they were.
pub fn sent_again(deliveries: &[Delivery]) -> BTreeSet<String> {
    let mut last = std::collections::BTreeMap::new();
    let mut again = BTreeSet::new();
    for delivery in deliveries {
        for (id, asset) in delivery.external_ids.iter().zip(&delivery.assets) {
            let key = (delivery.connector_uuid.clone(), id.clone());
            if last.insert(key, asset.clone()).as_ref() == Some(asset) {
                again.insert(id.clone());
            }
        }
    }
    again
}
