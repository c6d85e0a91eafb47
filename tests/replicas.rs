//! Two controllers that hold different states of one domain, and the real program between them (R2,
//! R22).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::simulator::{Action, Directory, ObjectId, On, Options, People, Simulator};
use serde_json::{Value, json};
use support::simulated::Simulated;

const GROUPS: &str = "[[user]]\nsource = \"@groups\"\ntarget = \"asset.assetDetail.userAssetClass.groups\"\n";
const GLOBAL: i32 = -2_147_483_646;
const USERS: &str = "CN=Users,DC=corp,DC=example";

/// Two controllers, each with a replica, and the program, which reads the one that is up.
struct Pair {
    lab: Simulated,
    second: Simulator,
    directories: [Directory; 2],
    user: ObjectId,
    group: ObjectId,
}

impl Pair {
    /// One user, who is a member of the group `Before`; both controllers were read.
    async fn with_groups() -> Self {
        let first = Directory::new("corp.example", People::NONE);
        let domain_users = first.create_group(USERS, "Domain Users", GLOBAL, &[]);
        first.set_rid(domain_users, 513);
        let user = first.create_user(USERS, "Ada", &[("mail", "ada@corp.example")]);
        let group = first.create_group(USERS, "Before", GLOBAL, &[]);
        first.add_members(group, &[user]);
        let directories = [first.clone(), first.replica()];
        let options = Options {
            directory: first,
            ..Options::default()
        };
        let mut lab = Simulated::with(options, Default::default()).await;
        let table = format!("{}\n{GROUPS}", include_str!("../config/mapping.toml"));
        std::fs::write(lab.connector.folder().join("mapping.toml"), table).unwrap();
        lab.set("MAPPING_FILE", "mapping.toml");
        lab.set("AD_ASSETS", "users");
        lab.set("AD_HOST", "127.0.0.1,127.0.0.2");
        let second = lab.second(&directories[1]);
        let pair = Self {
            lab,
            second,
            directories,
            user,
            group,
        };
        for on in [0, 1] {
            pair.run_on(on).await;
        }
        assert_eq!(pair.groups(), json!(["Before", "Domain Users"]));
        pair
    }

    /// Runs `sync` while the other controller is down.
    async fn run_on(&self, on: usize) {
        let controllers = [&self.lab.simulator, &self.second];
        let other = controllers[1 - on].faults();
        other.always(On::Connect, Action::Cut);
        self.lab.sync(0).await;
        other.clear();
    }

    /// The groups of the user, as upstream has them.
    fn groups(&self) -> Value {
        let asset = &self.lab.receiver.assets()[&self.lab.external_id(self.user)];
        asset["asset"]["assetDetail"]["userAssetClass"]["groups"].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_r31_a_group_that_was_renamed_elsewhere_gets_its_name_on_each_controller() {
    let pair = Pair::with_groups().await;
    pair.directories[0].rename(pair.group, "Zulu");
    pair.run_on(0).await;
    assert_eq!(pair.groups(), json!(["Domain Users", "Zulu"]));
    // The other one still has the old name, and may have it sent; with the new one its members
    // follow.
    pair.run_on(1).await;
    pair.directories[0].replicate_object(pair.group, &pair.directories[1]);
    pair.run_on(1).await;
    assert_eq!(pair.groups(), json!(["Domain Users", "Zulu"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_r31_a_membership_that_ended_elsewhere_ends_on_each_controller() {
    let pair = Pair::with_groups().await;
    pair.directories[0].remove_members(pair.group, &[pair.user]);
    pair.run_on(0).await;
    assert_eq!(pair.groups(), json!(["Domain Users"]));
    pair.run_on(1).await;
    pair.directories[0].replicate_object(pair.group, &pair.directories[1]);
    pair.run_on(1).await;
    assert_eq!(pair.groups(), json!(["Domain Users"]));
    pair.directories[1].add_members(pair.group, &[pair.user]);
    pair.run_on(1).await;
    assert_eq!(pair.groups(), json!(["Before", "Domain Users"]));
    pair.run_on(0).await;
    pair.directories[1].replicate_all(&pair.directories[0]);
    pair.run_on(0).await;
    assert_eq!(pair.groups(), json!(["Before", "Domain Users"]));
}
