//! Two units of a directory, the connections that read them, and the receiver that they share.

use std::panic::Location;

use lab::receiver::{self, Answer, Receiver};
use lab::simulator::{Account, Directory, ObjectId, Options, PASSWORD, People, Simulator};
use serde_json::Value;

use crate::support::{Connector, Outcome, expected};

/// Base context of the only connection, or of a profile.
pub const EAST: &str = "OU=East,DC=corp,DC=example";
/// Unit inside [`EAST`].
pub const DEEP: &str = "OU=Deep,OU=East,DC=corp,DC=example";
/// Base context of another profile.
pub const WEST: &str = "OU=West,DC=corp,DC=example";
/// Unit that nobody reads.
pub const OUT: &str = "OU=Out,DC=corp,DC=example";
/// Users in [`EAST`], and in [`WEST`]. One of them is 5 %, two are 10 %: below the threshold.
pub const USERS: usize = 20;
/// Groups in [`EAST`].
pub const GROUPS: usize = 11;

/// Directory, receiver and program. When it is dropped, every request must have had the form of the
/// contract, in which no externalAssetId comes twice (R37d).
pub struct World {
    pub simulator: Simulator,
    pub receiver: Receiver,
    pub connector: Connector,
    /// Users of [`EAST`]: `east0@corp.example` to `east19@corp.example`.
    pub east: Vec<ObjectId>,
    /// Users of [`WEST`], named likewise.
    pub west: Vec<ObjectId>,
    /// Connections, in the order in which [`World::settle`] runs them.
    pub names: Vec<String>,
    /// Source of externalAssetId of users.
    identity: String,
}

impl World {
    /// One connection that reads [`EAST`], and sends removals. It has not run yet.
    pub async fn new() -> World {
        let directory = Directory::new("corp.example", People::NONE);
        for unit in ["East", "West", "Out"] {
            directory.create_unit("DC=corp,DC=example", unit);
        }
        directory.create_unit(EAST, "Deep");
        let users = |parent: &str, name: &str| -> Vec<ObjectId> {
            let names = (0..USERS).map(|number| format!("{name}{number}"));
            names
                .map(|name| {
                    let mail = format!("{name}@corp.example");
                    let attributes = [("mail", mail.as_str()), ("sAMAccountName", &name)];
                    directory.create_user(parent, &name, &attributes)
                })
                .collect()
        };
        let (east, west) = (users(EAST, "east"), users(WEST, "west"));
        for number in 0..GROUPS {
            directory.create_group(EAST, &format!("Team {number}"), -2_147_483_646, &[]);
        }
        let simulator = Simulator::start(Options {
            directory,
            ..Options::default()
        });
        let receiver = Receiver::start(receiver::Options::default()).await;
        let account = Account::administrator();
        let connector = Connector::delivering_to(&receiver)
            .with("AD_HOST", "127.0.0.1")
            .with("AD_PORT", &simulator.addr().port().to_string())
            .with("AD_TRANSPORT", "ldap")
            .with("AD_ALLOW_PLAINTEXT", "true")
            .with("AD_BIND_DN", &format!("{}@corp.example", account.name))
            .with("AD_PASSWORD", PASSWORD)
            .with("AD_BASE_CONTEXT", EAST)
            .with("REMOVED_OBJECTS", "send");
        let mapping = connector.folder().join("mapping.toml");
        let connector = connector.with("MAPPING_FILE", mapping.to_str().unwrap());
        let mut world = World {
            simulator,
            receiver,
            connector,
            east,
            west,
            names: vec!["active-directory".to_owned()],
            identity: String::new(),
        };
        world.identify_by("objectSid");
        world
    }

    /// [`World::new`] with users identified by `source`, synced once.
    pub async fn identified_by(source: &str) -> World {
        let mut world = World::new().await;
        world.identify_by(source);
        world.settle().await;
        world.forget();
        world
    }

    /// The same with one variable set.
    pub fn with(mut self, name: &str, value: &str) -> World {
        self.set(name, value);
        self
    }

    /// Sets one variable of the program.
    pub fn set(&mut self, name: &str, value: &str) {
        let mut environment = self.connector.clone_environment();
        environment.insert(name.to_owned(), value.to_owned());
        self.connector.restore_environment(environment);
    }

    /// Takes externalAssetId from `source`: of users, and of groups where that is objectGUID.
    pub fn identify_by(&mut self, source: &str) {
        let builtin = include_str!("../../config/mapping.toml");
        let (kinds, form) = match source {
            "objectSid" => (0, "sid"),
            "objectGUID" => (2, "guid"),
            _ => (1, "text"),
        };
        let row = |source: &str, form: &str| {
            let target = "asset.assetHeader.externalAssetId";
            format!("source = \"{source}\"\ntarget = \"{target}\"\nform = \"{form}\"")
        };
        let text = builtin.replacen(&row("objectSid", "sid"), &row(source, form), kinds);
        let removed = "\n[removed]\nasset.assetDetail.lifecycle = \"REMOVED\"\n";
        std::fs::write(self.connector.folder().join("mapping.toml"), text + removed).unwrap();
        self.identity = source.to_owned();
    }

    /// Reads these profiles of the connection `corp`, each with its keys.
    pub fn profiles(mut self, profiles: &[(&str, &str)]) -> World {
        let mut text = "[[connection]]\nname = \"corp\"\n".to_owned();
        for (name, keys) in profiles {
            text.push_str(&format!("\n[[connection.profile]]\nname = \"{name}\"\n{keys}\n"));
        }
        let folder = self.connector.folder().join("config");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("connections.toml"), text).unwrap();
        self.names = profiles.iter().map(|(name, _)| format!("corp.{name}")).collect();
        self
    }

    pub fn directory(&self) -> &Directory {
        self.simulator.directory()
    }

    /// Creates a user with this log-on name and address.
    pub fn create(&self, parent: &str, name: &str, account: &str, mail: &str) -> ObjectId {
        let attributes = [("mail", mail), ("sAMAccountName", account)];
        self.directory().create_user(parent, name, &attributes)
    }

    /// Gives the user another objectSid in one change, as a move between domains does.
    pub fn set_rid(&self, user: ObjectId, rid: u32) {
        self.directory().set_rid(user, rid);
        self.directory().touch(user);
    }

    /// objectGUID in its text form.
    pub fn guid(&self, object: ObjectId) -> String {
        expected::guid(&self.directory().guid(object))
    }

    /// externalAssetId of a user as the directory is now.
    pub fn id(&self, user: ObjectId) -> String {
        let directory = self.directory();
        match self.identity.as_str() {
            "objectSid" => directory.sid(user).unwrap(),
            "objectGUID" => self.guid(user),
            attribute => directory.text(user, attribute).unwrap(),
        }
    }

    /// Runs `sync` of one connection, which must end with one of these codes.
    #[track_caller]
    pub fn sync(&self, name: &str, codes: &[i32]) -> impl Future<Output = Outcome> {
        let place = Location::caller();
        async move { self.ended(&["sync", "--connection", name], codes, place).await }
    }

    /// Runs a command, which must end with one of these codes.
    #[track_caller]
    pub fn run(&self, arguments: &[&str], codes: &[i32]) -> impl Future<Output = Outcome> {
        let place = Location::caller();
        async move { self.ended(arguments, codes, place).await }
    }

    async fn ended(&self, arguments: &[&str], codes: &[i32], place: &Location<'_>) -> Outcome {
        let outcome = self.connector.run(arguments).await;
        assert!(
            outcome.code.is_some_and(|code| codes.contains(&code)),
            "{place}: {arguments:?} ended with {:?}, not {codes:?}:\n{}",
            outcome.code,
            outcome.text()
        );
        outcome
    }

    /// Runs every connection three times: rejections may be left after the first round, the second
    /// ends with 0, and the third has nothing to send. Then nothing waits.
    pub async fn settle(&self) {
        for codes in [&[0, 2][..], &[0]] {
            for name in &self.names {
                self.sync(name, codes).await;
            }
        }
        let before = self.receiver.summary().requests;
        for name in &self.names {
            self.sync(name, &[0]).await;
        }
        assert_eq!(self.receiver.summary().requests, before, "there was more to send");
        for name in &self.names {
            let status = self.status(name).await;
            assert_eq!(status["oldestPending"], Value::Null, "{status}");
        }
    }

    /// Runs the only connection until it is settled. In the end, and after a first run that ends
    /// with 0 (the promise), each id is that of its user.
    pub async fn converge(&self, live: &[(&str, ObjectId)]) {
        let first = self.sync(&self.names[0], &[0, 2]).await;
        if first.code == Some(0) {
            self.assert_live(live).await;
        }
        self.settle().await;
        self.assert_live(live).await;
    }

    /// Checks the requests so far, and forgets them.
    pub fn forget(&self) {
        assert_eq!(self.receiver.violations(), Vec::<String>::new());
        self.receiver.reset();
    }

    /// Returns what was delivered under this id since [`World::forget`], the oldest first.
    pub fn delivered(&self, id: &str) -> Vec<Value> {
        let deliveries = self.receiver.deliveries();
        let assets = deliveries.into_iter().flat_map(|delivery| delivery.assets);
        assets
            .filter(|asset| asset["asset"]["assetHeader"]["externalAssetId"] == id)
            .collect()
    }

    /// From now on the gateway gives every request this answer.
    pub fn answer_always(&mut self, answer: Answer) {
        self.set("QUALYS_GIVE_UP_AFTER", "100ms");
        self.receiver.script(std::iter::repeat_n(answer, 1_000));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.receiver.violations(), Vec::<String>::new());
        }
    }
}
