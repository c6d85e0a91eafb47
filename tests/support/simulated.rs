//! A simulated directory, a receiver, and the program set up between them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use lab::certificates::{Authority, Shape};
use lab::receiver;
use lab::simulator::{self, Action, Controller, Directory, Kind, ObjectId, On, People, Simulator, Tls};
use serde_json::Value;

use super::{Assets, Connector, Outcome, assert_same, expected};

/// The way from end to end. The directory speaks LDAPS with a certificate of its own authority.
pub struct Simulated {
    pub simulator: Simulator,
    pub receiver: receiver::Receiver,
    pub connector: Connector,
    tls: Tls,
}

/// Who there is where a test does not care: three pages of 100.
pub const PEOPLE: People = People {
    seed: 7,
    users: 220,
    groups: 30,
    computers: 10,
};

impl Simulated {
    /// [`PEOPLE`], read in pages of 100 and sent in batches of 100.
    pub async fn new() -> Simulated {
        Simulated::of(PEOPLE).await
    }

    /// The same with other people.
    pub async fn of(people: People) -> Simulated {
        let directory = Directory::new("corp.example", people);
        Simulated::with(
            simulator::Options {
                directory,
                ..Default::default()
            },
            Default::default(),
        )
        .await
    }

    /// Both sides as the options say; `tls` and `listen` are taken care of.
    pub async fn with(directory: simulator::Options, gateway: receiver::Options) -> Simulated {
        let authority = Authority::new("Lab Authority");
        let certificate = authority.server(
            &["127.0.0.1", "127.0.0.2", "127.0.0.3", "localhost"],
            Shape::Sound,
        );
        let tls = Tls::Ldaps(certificate.server_config());
        let simulator = Simulator::start(simulator::Options {
            tls: tls.clone(),
            ..directory
        });
        let receiver = receiver::Receiver::start(gateway).await;
        let connector = Connector::delivering_to(&receiver);
        let authority = authority.write(connector.folder());
        let connector = connector
            .with("AD_HOST", "127.0.0.1")
            .with("AD_PORT", &simulator.addr().port().to_string())
            .with("AD_BIND_DN", &format!("{}@corp.example", simulator::READER))
            .with("AD_PASSWORD", simulator::PASSWORD)
            .with("AD_CERTIFICATE", authority.to_str().unwrap())
            .with("AD_PAGE_SIZE", "100")
            // Page after page, so that a test can say at which of them something happens.
            .with("AD_PARALLEL_READS", "1")
            .with("AD_TIMEOUT", "20s")
            .with("QUALYS_BATCH_ASSETS", "100");
        Simulated {
            simulator,
            receiver,
            connector,
            tls,
        }
    }

    /// A further controller, of `directory`, at 127.0.0.2 and the port of the first. `AD_HOST` is to name it.
    pub fn second(&self, directory: &Directory) -> Simulator {
        Simulator::start(simulator::Options {
            listen: (Ipv4Addr::new(127, 0, 0, 2), self.simulator.addr().port()).into(),
            directory: directory.clone(),
            controller: Controller::numbered(2),
            tls: self.tls.clone(),
            ..Default::default()
        })
    }

    /// A further controller of the same directory, at 127.0.0.`number` and the port of the first.
    pub fn another(&self, number: u8, netlogon: Option<simulator::Netlogon>) -> Simulator {
        Simulator::start(simulator::Options {
            listen: (Ipv4Addr::new(127, 0, 0, number), self.simulator.addr().port()).into(),
            directory: self.directory().clone(),
            controller: Controller::numbered(number),
            tls: self.tls.clone(),
            netlogon,
            ..Default::default()
        })
    }

    /// Sets a variable of the program.
    pub fn set(&mut self, name: &str, value: &str) {
        self.connector
            .environment
            .insert(name.to_owned(), value.to_owned());
    }

    /// Removes a variable of the program.
    pub fn unset(&mut self, name: &str) {
        self.connector.environment.remove(name);
    }

    /// The directory.
    pub fn directory(&self) -> &Directory {
        self.simulator.directory()
    }

    /// All users, in the order of their creation.
    pub fn users(&self) -> Vec<ObjectId> {
        self.directory().all(Kind::User)
    }

    /// All groups, in the order of their creation.
    pub fn groups(&self) -> Vec<ObjectId> {
        self.directory().all(Kind::Group)
    }

    /// Lets something happen at the `nth` page of users or the `nth` search for them from now.
    pub fn at_users_page(&self, nth: usize, action: Action) {
        self.simulator
            .faults()
            .at_matching(On::Search, "objectClass=user", nth, action);
    }

    /// What the receiver must hold of the directory as it is now.
    pub fn expected(&self) -> Assets {
        expected::assets(self.directory())
    }

    /// `externalAssetId` of an object.
    pub fn external_id(&self, id: ObjectId) -> String {
        expected::external_id(self.directory(), id)
    }

    /// Runs `sync`, which must end with `code`.
    pub async fn sync(&self, code: i32) -> Outcome {
        self.connector.run(&["sync"]).await.ended_with(code)
    }

    /// The receiver holds what the directory has, and every request had the right form.
    #[track_caller]
    pub fn assert_converged(&self) {
        assert_same(&self.receiver.assets(), &self.expected());
        assert_eq!(self.receiver.violations(), Vec::<String>::new());
    }

    /// Runs `sync`, which must succeed; gives exactly what was sent by it. What the receiver held before is forgotten.
    pub async fn sent_by_sync(&self) -> Assets {
        self.sent_by(&["sync"]).await
    }

    /// The same for any command.
    pub async fn sent_by(&self, arguments: &[&str]) -> Assets {
        self.receiver.reset();
        self.connector.succeed(arguments).await;
        assert_eq!(self.receiver.violations(), Vec::<String>::new());
        let sent = self.receiver.assets();
        assert_eq!(
            self.receiver.summary().assets_received,
            sent.len() as u64,
            "an asset was sent twice"
        );
        sent
    }

    /// Runs `sync --dry-run`, which must leave the state file as it is, then `sync`; gives the assets that each wrote.
    pub async fn dry_run_then_sync(&self) -> (String, String) {
        let state = std::fs::read(self.connector.state()).unwrap();
        let dry = ["sync", "--dry-run", "--output", "-"];
        let dry = self.connector.succeed(&dry).await.stdout;
        assert!(
            std::fs::read(self.connector.state()).unwrap() == state,
            "the state file changed"
        );
        let sent = self.connector.succeed(&["sync", "--output", "-"]).await.stdout;
        (dry, sent)
    }

    /// The latest run of the history.
    pub async fn last_run(&self) -> Value {
        let text = self
            .connector
            .succeed(&["runs", "--json", "--limit", "1"])
            .await
            .stdout;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// `status --json`.
    pub async fn status(&self) -> Value {
        self.connector.status().await
    }

    /// The last run was one of this mode for a reason that contains `reason`.
    pub async fn assert_last_run(&self, mode: &str, reason: &str) {
        let run = self.last_run().await;
        assert_eq!(run["mode"], mode, "{run}");
        assert!(run["reason"].as_str().unwrap().contains(reason), "{run}");
    }
}

impl Connector {
    /// Its variables, to be restored later.
    pub fn clone_environment(&self) -> BTreeMap<String, String> {
        self.environment.clone()
    }

    /// Sets all variables as they were.
    pub fn restore_environment(&mut self, environment: BTreeMap<String, String>) {
        self.environment = environment;
    }

    /// `status --json`.
    pub async fn status(&self) -> Value {
        let text = self.succeed(&["status", "--json"]).await.stdout;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}
