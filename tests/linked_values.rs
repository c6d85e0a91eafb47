//! Attributes that name other objects: the asset follows the object that it names (R31), which is
//! known by its GUID (R38).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::simulator::message::EXTENDED_DN;
use lab::simulator::{Account, Directory, ObjectId, Options, People};
use serde_json::{Value, json};
use support::simulated::Simulated;

const MANAGER: &str = "[[user]]\nsource = \"manager\"\nform = \"dn_name\"\ntarget = \"asset.assetDetail.userAssetClass.shown\"\n";
const MANAGER_DN: &str =
    "[[user]]\nsource = \"manager\"\ntarget = \"asset.assetDetail.userAssetClass.shown\"\n";
const MEMBER_OF: &str =
    "[[user]]\nsource = \"memberOf\"\nform = \"list\"\ntarget = \"asset.assetDetail.userAssetClass.shown\"\n";
const MANAGED_BY: &str = "[[group]]\nsource = \"managedBy\"\nform = \"dn_name\"\ntarget = \"asset.assetDetail.groupAssetClass.shown\"\n";
const MEMBERS: &str =
    "[[group]]\nsource = \"@members\"\ntarget = \"asset.assetDetail.groupAssetClass.shown\"\n";
const COUNT: &str =
    "[[group]]\nsource = \"@member_count\"\ntarget = \"asset.assetDetail.groupAssetClass.shown\"\n";

const INSIDE: &str = "OU=Few,DC=corp,DC=example";
const OUTSIDE: &str = "OU=Managers,DC=corp,DC=example";
const GLOBAL: i32 = -2_147_483_646;

/// A directory of which [`INSIDE`] is read: so many users and a group; what they name is
/// [`OUTSIDE`].
struct Lab {
    simulated: Simulated,
    users: Vec<ObjectId>,
    group: ObjectId,
    outside: ObjectId,
}

impl Lab {
    async fn new(rows: &str, users: usize) -> Lab {
        Lab::with(rows, users, Options::default()).await
    }

    async fn with(rows: &str, users: usize, options: Options) -> Lab {
        let directory = Directory::new("corp.example", People::NONE);
        directory.create_unit("DC=corp,DC=example", "Few");
        let outside = directory.create_unit("DC=corp,DC=example", "Managers");
        let users = (0..users)
            .map(|number| directory.create_user(INSIDE, &format!("User {number}"), &[]))
            .collect();
        let group = directory.create_group(INSIDE, "Team", GLOBAL, &[]);
        let options = Options { directory, ..options };
        let mut simulated = Simulated::with(options, Default::default()).await;
        let table = format!("{}\n{rows}", include_str!("../config/mapping.toml"));
        std::fs::write(simulated.connector.folder().join("mapping.toml"), table).unwrap();
        simulated.set("MAPPING_FILE", "mapping.toml");
        simulated.set("AD_ASSETS", "users,groups");
        simulated.set("AD_BASE_CONTEXT", INSIDE);
        Lab {
            simulated,
            users,
            group,
            outside,
        }
    }

    fn by(mut self, delta: &str) -> Lab {
        self.simulated.set("AD_DELTA", delta);
        self
    }

    fn sees_deleted(mut self) -> Lab {
        let Account { name, password, .. } = Account::administrator();
        self.simulated.set("AD_BIND_DN", &format!("{name}@corp.example"));
        self.simulated.set("AD_PASSWORD", &password);
        self
    }

    fn directory(&self) -> &Directory {
        self.simulated.directory()
    }

    fn manager(&self, name: &str) -> ObjectId {
        self.directory().create_user(OUTSIDE, name, &[])
    }

    /// Makes `attribute` of `object` a link to `to`.
    fn link(&self, object: ObjectId, attribute: &str, to: ObjectId) {
        let guid: String = self
            .directory()
            .guid(to)
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        self.directory()
            .set_text(object, attribute, &format!("<GUID={guid}>"));
    }

    /// Runs a delta, which must send exactly these objects, each with what it shows.
    async fn sends(&self, expected: &[(ObjectId, Value)]) {
        self.runs("delta", expected).await;
    }

    async fn runs(&self, mode: &str, expected: &[(ObjectId, Value)]) {
        let sent = self.simulated.sent_by_sync().await;
        let mut expected: Vec<_> = expected
            .iter()
            .map(|(object, shown)| (self.simulated.external_id(*object), shown.clone()))
            .collect();
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        let sent: Vec<_> = sent
            .into_iter()
            .map(|(id, asset)| {
                let detail = &asset["asset"]["assetDetail"];
                let class = detail.get("userAssetClass").unwrap_or(&detail["groupAssetClass"]);
                (id, class["shown"].clone())
            })
            .collect();
        assert_eq!(sent, expected);
        let reason = if mode == "delta" { "changes since" } else { "" };
        self.simulated.assert_last_run(mode, reason).await;
    }

    /// The entries that the directory gave since the last call.
    fn entries(&self) -> u64 {
        let statistics = self.simulated.simulator.statistics();
        let entries = statistics.counts().entries;
        statistics.reset();
        entries
    }
}

async fn the_manager(delta: &str) {
    let lab = Lab::new(MANAGER, 60).await.by(delta).sees_deleted();
    let [ada, bob] = ["Ada Strasse", "Bob"].map(|name| lab.manager(name));
    for number in 0..50 {
        lab.link(lab.users[number], "manager", ada);
    }
    for number in 50..53 {
        lab.link(lab.users[number], "manager", bob);
    }
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.sends(&[]).await;
    let bobs = |shown: Value| [50, 51, 52].map(|number| (lab.users[number], shown.clone()));
    // In letters, in case alone, and in letters that some comparisons take for the same.
    for name in [
        "Robert",
        "robert",
        "RÖBERT",
        "RO\u{308}BERT",
        "R\\#=+,\"<>; é",
        " R ",
        "?R?",
    ] {
        lab.directory().rename(bob, name);
        lab.entries();
        lab.sends(&bobs(json!(name))).await;
        assert!(lab.entries() < 40, "who names somebody else is not read");
    }
    // Somewhere else, by the same name: nothing is sent, and nobody read.
    lab.directory().move_to(bob, "CN=Users,DC=corp,DC=example");
    lab.sends(&[]).await;
    lab.entries();
    lab.sends(&[]).await;
    let nothing = lab.entries();
    lab.directory().move_to(bob, OUTSIDE);
    lab.entries();
    lab.sends(&[]).await;
    assert!(
        lab.entries() <= nothing + 3,
        "the manager, in both forms of a search"
    );
    // Any other change of a manager neither.
    lab.directory().touch(ada);
    lab.entries();
    lab.sends(&[]).await;
    assert!(lab.entries() <= nothing + 3);
    // Another manager is a change of the user.
    lab.link(lab.users[53], "manager", bob);
    lab.sends(&[(lab.users[53], json!("?R?"))]).await;
    lab.directory().delete(bob);
    let none = [50, 51, 52, 53].map(|number| (lab.users[number], Value::Null));
    lab.sends(&none).await;
    lab.sends(&[]).await;
    // What named it before is not known any more: a manager who is restored shows with the next
    // baseline.
    lab.directory().restore(bob);
    lab.sends(&[]).await;
    let sent = lab.simulated.sent_by(&["sync", "--baseline"]).await;
    assert_eq!(sent.len(), none.len());
    let sent = lab.simulated.sent_by(&["sync", "--baseline"]).await;
    assert!(sent.is_empty(), "{sent:?}");
    lab.directory().rename(bob, "Bob");
    lab.sends(&none.map(|(user, _)| (user, json!("Bob")))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_people_follow_the_name_of_their_manager() {
    the_manager("usn").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_people_follow_the_name_of_their_manager_that_dirsync_reports() {
    the_manager("dirsync").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_a_manager_whose_deletion_is_not_seen_goes_with_the_next_baseline() {
    let lab = Lab::new(MANAGER, 3).await;
    let bob = lab.manager("Bob");
    lab.link(lab.users[1], "manager", bob);
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().delete(bob);
    lab.sends(&[]).await;
    let sent = lab.simulated.sent_by(&["sync", "--baseline"]).await;
    assert_eq!(
        sent.keys().collect::<Vec<_>>(),
        [&lab.simulated.external_id(lab.users[1])]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_two_managers_that_a_comparison_may_take_for_one_are_two() {
    let lab = Lab::new(MANAGER, 4).await;
    let [one, other] = ["Straße", "Strasse"].map(|name| lab.manager(name));
    lab.link(lab.users[0], "manager", one);
    lab.link(lab.users[1], "manager", other);
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().rename(other, "Gasse");
    lab.sends(&[(lab.users[1], json!("Gasse"))]).await;
    lab.directory().rename(one, "Strasse");
    lab.sends(&[(lab.users[0], json!("Strasse"))]).await;
}

async fn the_whole_name(delta: &str) {
    let lab = Lab::new(MANAGER_DN, 30).await.by(delta);
    let bob = lab.manager("Bob");
    let users: Vec<ObjectId> = lab.users[..3].to_vec();
    users.iter().for_each(|user| lab.link(*user, "manager", bob));
    lab.simulated.connector.succeed(&["sync"]).await;
    let shown = |dn: String| -> Vec<_> { users.iter().map(|user| (*user, json!(dn))).collect() };
    lab.directory().move_to(bob, "CN=Users,DC=corp,DC=example");
    lab.sends(&shown("CN=Bob,CN=Users,DC=corp,DC=example".to_owned()))
        .await;
    lab.directory().move_to(bob, OUTSIDE);
    lab.sends(&shown(format!("CN=Bob,{OUTSIDE}"))).await;
    // The manager does not change with the unit that holds it, which lies outside the base context.
    lab.directory().rename(lab.outside, "Heads");
    lab.runs(
        "baseline",
        &shown("CN=Bob,OU=Heads,DC=corp,DC=example".to_owned()),
    )
    .await;
    lab.sends(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_an_asset_that_shows_a_whole_name_follows_the_units_above_it() {
    the_whole_name("usn").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_an_asset_that_shows_a_whole_name_follows_the_units_that_dirsync_reports() {
    the_whole_name("dirsync").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_an_asset_that_shows_a_name_alone_costs_no_full_read_for_a_unit() {
    let lab = Lab::new(MANAGER, 30).await;
    let bob = lab.manager("Bob");
    lab.link(lab.users[3], "manager", bob);
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().rename(lab.outside, "Heads");
    lab.sends(&[]).await;
    lab.directory().rename(bob, "Robert");
    lab.sends(&[(lab.users[3], json!("Robert"))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_memberships_by_whole_names_are_followed_as_well() {
    let lab = Lab::new(MEMBER_OF, 5).await.sees_deleted();
    let crew = lab.directory().create_group(OUTSIDE, "Crew", GLOBAL, &[]);
    lab.directory().add_members(crew, &lab.users[..2]);
    lab.simulated.connector.succeed(&["sync"]).await;
    let crew_dn = json!([format!("CN=Crew,{OUTSIDE}")]);
    lab.directory().add_members(crew, &lab.users[2..3]);
    lab.sends(&[(lab.users[2], crew_dn)]).await;
    lab.directory().rename(crew, "crew");
    let renamed = json!([format!("CN=crew,{OUTSIDE}")]);
    lab.sends(&[0, 1, 2].map(|user| (lab.users[user], renamed.clone())))
        .await;
    lab.directory().remove_members(crew, &lab.users[..1]);
    lab.sends(&[(lab.users[0], Value::Null)]).await;
    lab.directory().delete(crew);
    lab.sends(&[1, 2].map(|user| (lab.users[user], Value::Null)))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_a_group_follows_its_manager_and_its_members() {
    let lab = Lab::new(MANAGED_BY, 2).await;
    let bob = lab.manager("Bob");
    lab.link(lab.group, "managedBy", bob);
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().rename(bob, "bob");
    lab.sends(&[(lab.group, json!("bob"))]).await;

    let lab = Lab::new(MEMBERS, 0).await.sees_deleted();
    let [ada, bob] = ["Ada", "Bob"].map(|name| lab.manager(name));
    lab.directory().add_members(lab.group, &[ada, bob]);
    lab.simulated.connector.succeed(&["sync"]).await;
    let ada_dn = format!("CN=Ada,{OUTSIDE}");
    lab.directory().rename(bob, "Robert");
    lab.sends(&[(lab.group, json!([ada_dn, format!("CN=Robert,{OUTSIDE}")]))])
        .await;
    lab.directory().delete(bob);
    lab.sends(&[(lab.group, json!([ada_dn]))]).await;
    lab.sends(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_the_number_of_members_follows_a_deletion_and_no_name() {
    let lab = Lab::new(COUNT, 0).await.sees_deleted();
    let [ada, bob] = ["Ada", "Bob"].map(|name| lab.manager(name));
    lab.directory().add_members(lab.group, &[ada, bob]);
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().rename(ada, "Adele");
    lab.entries();
    lab.sends(&[]).await;
    assert!(lab.entries() < 10);
    lab.directory().delete(bob);
    lab.sends(&[(lab.group, json!(1))]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_every_connection_of_a_full_read_asks_for_guids() {
    let mut lab = Lab::new(MANAGER, 400).await;
    lab.simulated.set("AD_PARALLEL_READS", "4");
    let bob = lab.manager("Bob");
    lab.users.iter().for_each(|user| lab.link(*user, "manager", bob));
    lab.simulated.connector.succeed(&["sync"]).await;
    let all = |name: &str| -> Vec<_> { lab.users.iter().map(|user| (*user, json!(name))).collect() };
    lab.directory().rename(bob, "bob");
    lab.sends(&all("bob")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_guids_are_asked_for_where_the_mapping_names_objects_alone() {
    for (rows, asks) in [("", false), (MANAGER, true)] {
        let lab = Lab::new(rows, 3).await;
        lab.simulated.connector.succeed(&["sync"]).await;
        lab.directory().touch(lab.users[0]);
        lab.simulated.connector.succeed(&["sync"]).await;
        let searches = lab.simulated.simulator.statistics().searches();
        let asking = searches
            .iter()
            .filter(|search| search.controls.iter().any(|oid| oid == EXTENDED_DN));
        assert_eq!(asking.count() > 0, asks, "{searches:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_a_controller_that_gives_no_guids_is_read_by_names() {
    let options = Options {
        extended_names: false,
        ..Options::default()
    };
    let lab = Lab::with(
        &format!("{MANAGER}\n{}", MEMBER_OF.replace("shown", "groups")),
        5,
        options,
    )
    .await;
    let bob = lab.manager("Bob");
    lab.link(lab.users[0], "manager", bob);
    let crew = lab.directory().create_group(OUTSIDE, "Crew", GLOBAL, &[]);
    lab.directory().add_members(crew, &lab.users[3..4]);
    lab.simulated.connector.succeed(&["sync"]).await;
    let searches = lab.simulated.simulator.statistics().searches();
    assert!(
        !searches
            .iter()
            .any(|search| search.controls.iter().any(|oid| oid == EXTENDED_DN))
    );
    // Members and names of groups are followed; for the rename of a manager it takes a baseline.
    lab.directory().add_members(crew, &lab.users[4..]);
    lab.sends(&[(lab.users[4], Value::Null)]).await;
    lab.directory().rename(crew, "crew");
    lab.sends(&[3, 4].map(|user| (lab.users[user], Value::Null)))
        .await;
    lab.directory().rename(bob, "Robert");
    lab.sends(&[]).await;
    let sent = lab.simulated.sent_by(&["sync", "--baseline"]).await;
    assert_eq!(
        sent.keys().collect::<Vec<_>>(),
        [&lab.simulated.external_id(lab.users[0])]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_members_beyond_the_first_range_are_known_by_guid_too() {
    let lab = Lab::new(MEMBERS, 0).await;
    let members: Vec<ObjectId> = (0..1_600)
        .map(|number| lab.manager(&format!("M{number:04}")))
        .collect();
    lab.directory().add_members(lab.group, &members);
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().rename(members[1_599], "m1599");
    let mut shown: Vec<String> = members.iter().map(|member| lab.directory().dn(*member)).collect();
    shown.sort_unstable();
    lab.sends(&[(lab.group, json!(shown))]).await;
}
