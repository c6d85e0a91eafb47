//! A directory whose mapping asks for memberships.

use lab::simulator::{Directory, ObjectId, Options, People};
use serde_json::{Value, json};

use super::simulated::Simulated;

/// Rows for the groups of users.
pub const GROUPS: &str =
    "[[user]]\nsource = \"@groups\"\ntarget = \"asset.assetDetail.userAssetClass.groups\"\n";
/// Rows for the members of groups.
pub const MEMBERS: &str = "[[group]]\nsource = \"@members\"\ntarget = \"asset.assetDetail.groupAssetClass.members\"\n\
                       [[group]]\nsource = \"@member_count\"\ntarget = \"asset.assetDetail.groupAssetClass.memberCount\"\n";
/// A global security group (MS-ADTS 2.2.12).
pub const GLOBAL: i32 = -2_147_483_646;
/// Where groups are.
pub const OUTSIDE: &str = "CN=Users,DC=corp,DC=example";
/// Base context.
pub const INSIDE: &str = "OU=Few,DC=corp,DC=example";

/// A directory of which the accounts in [`INSIDE`] are read, and groups [`OUTSIDE`] of that.
pub struct Lab {
    pub simulated: Simulated,
    pub users: Vec<ObjectId>,
}

impl Lab {
    /// So many users, as `assets` says, read with these rows; primary group of all is Domain Users.
    pub async fn new(assets: &str, rows: &str, people: People, users: usize) -> Lab {
        let directory = Directory::new("corp.example", people);
        directory.create_unit("DC=corp,DC=example", "Few");
        let domain_users = directory.create_group(OUTSIDE, "Domain Users", GLOBAL, &[]);
        directory.set_rid(domain_users, 513);
        let users = (0..users)
            .map(|number| directory.create_user(INSIDE, &format!("User {number}"), &[]))
            .collect();
        let options = Options {
            directory,
            ..Options::default()
        };
        let mut simulated = Simulated::with(options, Default::default()).await;
        let table = format!("{}\n{rows}", include_str!("../../config/mapping.toml"));
        std::fs::write(simulated.connector.folder().join("mapping.toml"), table).unwrap();
        simulated.set("MAPPING_FILE", "mapping.toml");
        simulated.set("AD_ASSETS", assets);
        simulated.set("AD_BASE_CONTEXT", INSIDE);
        Lab { simulated, users }
    }

    /// Users with [`GROUPS`] alone.
    pub async fn of_users(users: usize) -> Lab {
        Lab::new("users", GROUPS, People::NONE, users).await
    }

    pub fn directory(&self) -> &Directory {
        self.simulated.directory()
    }

    pub fn group(&self, name: &str, members: &[usize]) -> ObjectId {
        let group = self.directory().create_group(OUTSIDE, name, GLOBAL, &[]);
        self.directory().add_members(group, &self.some(members));
        group
    }

    pub fn some(&self, users: &[usize]) -> Vec<ObjectId> {
        users.iter().map(|user| self.users[*user]).collect()
    }

    /// Runs `sync`, which must send exactly these users with these groups.
    pub async fn sends(&self, expected: &[(usize, &[&str])]) {
        let sent = self.simulated.sent_by_sync().await;
        let expected: Vec<_> = expected
            .iter()
            .map(|(user, groups)| {
                let groups = if groups.is_empty() {
                    Value::Null
                } else {
                    json!(groups)
                };
                (self.simulated.external_id(self.users[*user]), groups)
            })
            .collect();
        let mut expected: Vec<(String, Value)> = expected;
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        let sent: Vec<_> = sent
            .into_iter()
            .map(|(id, asset)| (id, groups_of(&asset).clone()))
            .collect();
        assert_eq!(sent, expected);
    }

    /// The entries that the directory gave since the last call.
    pub fn entries(&self) -> u64 {
        let statistics = self.simulated.simulator.statistics();
        let entries = statistics.counts().entries;
        statistics.reset();
        entries
    }
}

/// Values of `@groups`.
pub fn groups_of(asset: &Value) -> &Value {
    &asset["asset"]["assetDetail"]["userAssetClass"]["groups"]
}

/// The class of a group's asset.
pub fn class_of(asset: &Value) -> &Value {
    &asset["asset"]["assetDetail"]["groupAssetClass"]
}
