//! A small directory, a gateway, and the program between them.

use lab::receiver::{self, Receiver};
use lab::simulator::{Account, Directory, ObjectId, Options, PASSWORD, People, Simulator};
use serde_json::Value;

use crate::support::{Connector, Outcome};

/// The base context of the connector.
pub const IN: &str = "OU=In,DC=corp,DC=example";
/// Beside it.
pub const OUT: &str = "OU=Out,DC=corp,DC=example";
/// Users in [`IN`]: one of them is 2.5 %, below the threshold.
pub const USERS: usize = 40;

/// 40 users and 20 groups in `OU=In`, four of the users in `OU=Deep` below it; nobody in `OU=Out`.
pub struct World {
    pub simulator: Simulator,
    pub receiver: Receiver,
    pub connector: Connector,
    pub users: Vec<ObjectId>,
    pub inside: ObjectId,
    pub outside: ObjectId,
    pub deep: ObjectId,
}

impl World {
    /// Synced once, by an account that may (or may not) read Deleted Objects.
    pub async fn new(reads_deleted: bool) -> World {
        let directory = Directory::new("corp.example", People::NONE);
        let inside = directory.create_unit("DC=corp,DC=example", "In");
        let outside = directory.create_unit("DC=corp,DC=example", "Out");
        let deep = directory.create_unit(IN, "Deep");
        let below = format!("OU=Deep,{IN}");
        let users = (0..USERS)
            .map(|number| {
                let parent = if number < 4 { &below } else { IN };
                let mail = format!("person{number}@corp.example");
                directory.create_user(parent, &format!("Person {number}"), &[("mail", &mail)])
            })
            .collect();
        for number in 0..20 {
            directory.create_group(IN, &format!("Team {number}"), -2_147_483_646, &[]);
        }
        let simulator = Simulator::start(Options {
            directory,
            ..Options::default()
        });
        let receiver = Receiver::start(receiver::Options::default()).await;
        let account = if reads_deleted {
            Account::administrator()
        } else {
            Account::reader()
        };
        let connector = Connector::delivering_to(&receiver)
            .with("AD_HOST", "127.0.0.1")
            .with("AD_PORT", &simulator.addr().port().to_string())
            .with("AD_TRANSPORT", "ldap")
            .with("AD_ALLOW_PLAINTEXT", "true")
            .with("AD_BIND_DN", &format!("{}@corp.example", account.name))
            .with("AD_PASSWORD", PASSWORD)
            .with("AD_BASE_CONTEXT", IN)
            .with("LOG_FORMAT", "json");
        let world = World {
            simulator,
            receiver,
            connector,
            users,
            inside,
            outside,
            deep,
        };
        world.connector.succeed(&["sync"]).await;
        assert_eq!(world.receiver.assets().len(), USERS + 20);
        world.receiver.reset();
        world
    }

    /// The same with one variable set.
    pub fn with(mut self, name: &str, value: &str) -> World {
        self.connector = self.connector.with(name, value);
        self
    }

    pub fn directory(&self) -> &Directory {
        self.simulator.directory()
    }

    /// The GUID of a user in its text form.
    pub fn guid(&self, user: ObjectId) -> String {
        ad_connector::identity::Guid::from(self.directory().guid(user)).to_string()
    }

    pub async fn sync(&self) -> Outcome {
        self.connector.succeed(&["sync"]).await
    }

    /// The objects that `removed` lists under `state`: GUID and reason, sorted.
    pub async fn listed(&self, state: &str) -> Vec<(String, String)> {
        let mut listed: Vec<_> = self
            .lines()
            .await
            .into_iter()
            .filter(|line| line["state"] == state)
            .map(|line| {
                let text = |name: &str| line[name].as_str().unwrap().to_owned();
                (text("vendorAssetId"), text("reason"))
            })
            .collect();
        listed.sort();
        listed
    }

    /// Checks that exactly these users are listed as removed, each with a reason that says `word`.
    #[track_caller]
    pub fn assert_listed(&self, listed: &[(String, String)], users: &[ObjectId], word: &str) {
        let mut guids: Vec<_> = users.iter().map(|user| self.guid(*user)).collect();
        guids.sort();
        let found: Vec<_> = listed.iter().map(|(guid, _)| guid.clone()).collect();
        assert_eq!(found, guids, "{listed:?}");
        assert!(
            listed.iter().all(|(_, reason)| reason.contains(word)),
            "{word}: {listed:?}"
        );
    }

    /// Everything that `removed --json` says.
    pub async fn lines(&self) -> Vec<Value> {
        let said = self.connector.succeed(&["removed", "--json"]).await.stdout;
        said.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The name of the held list.
    pub async fn held_list(&self) -> String {
        let lines = self.lines().await;
        let held = lines.iter().find(|line| line["state"] == "held").unwrap();
        held["list"].as_str().unwrap().to_owned()
    }

    /// What `status --json` says.
    pub async fn status(&self) -> Value {
        serde_json::from_str(&self.connector.succeed(&["status", "--json"]).await.stdout).unwrap()
    }

    /// The last run as `runs --json` tells it.
    pub async fn last_run(&self) -> Value {
        let said = self
            .connector
            .succeed(&["runs", "--limit", "1", "--json"])
            .await
            .stdout;
        serde_json::from_str(said.trim()).unwrap()
    }
}
