//! Names with octets that are not UTF-8: the object alone is rejected, and nothing beside it
//! notices (R15).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::simulator::{Action, On, Outcome, Twist, UNREADABLE};
use support::simulated::Simulated;

/// How such a name is shown.
const SHOWN: &str = "\\ff\\fe\\fd";

fn bad(name: &str) -> String {
    format!("{name}{UNREADABLE}")
}

/// The names and reasons of what was rejected.
async fn rejected(lab: &Simulated) -> Vec<(String, String)> {
    let status = lab.status().await;
    let mut rejected: Vec<_> = status["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert!(one["vendorAssetId"].is_string(), "each has its GUID: {one}");
            let text = |key: &str| one[key].as_str().unwrap().to_owned();
            (text("dn"), text("reason"))
        })
        .collect();
    rejected.sort();
    rejected
}

async fn removed(lab: &Simulated) -> String {
    lab.connector.succeed(&["removed", "--json"]).await.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_an_object_with_an_unreadable_name_is_rejected_alone() {
    for connections in ["1", "4"] {
        let mut lab = Simulated::new().await;
        lab.set("AD_PARALLEL_READS", connections);
        let (users, groups) = (lab.users(), lab.groups());
        let (user, group, leaver) = (users[5], groups[2], users[7]);
        lab.directory().rename(user, &bad("Zoe"));
        lab.directory().rename(group, &bad("Staff"));
        lab.directory().add_members(group, &[users[6]]);
        let outcome = lab.sync(2).await;
        assert_eq!(outcome.stderr.matches("cannot be mapped").count(), 2);
        let found = rejected(&lab).await;
        assert_eq!(found.len(), 2);
        for ((dn, reason), name) in found.iter().zip(["Staff", "Zoe"]) {
            assert!(dn.starts_with(&format!("CN={name}{SHOWN},")), "{dn}");
            assert!(
                reason.contains("not UTF-8") && reason.contains("rename it"),
                "{reason}"
            );
        }
        assert_eq!(lab.receiver.assets().len(), 248);

        // One that ETM has gets such a name: it is rejected, not removed, by a delta and by a full
        // read.
        let id = lab.external_id(leaver);
        lab.directory().rename(leaver, &bad("Yan"));
        for arguments in [&["sync"][..], &["sync"], &["sync", "--baseline"]] {
            lab.connector.run(arguments).await.ended_with(2);
            assert_eq!(rejected(&lab).await.len(), 3, "{arguments:?}");
            assert_eq!(removed(&lab).await, "");
            assert!(lab.receiver.assets().contains_key(&id));
        }

        // Renamed again, each becomes an asset.
        for (object, name) in [(user, "Zoe"), (group, "Staff"), (leaver, "Yan")] {
            lab.directory().rename(object, name);
        }
        lab.sync(0).await;
        lab.assert_last_run("delta", "changes since").await;
        lab.assert_converged();
        assert!(rejected(&lab).await.is_empty());

        // And deleted under such a name, it is gone.
        lab.directory().rename(user, &bad("Zoe"));
        lab.directory().delete(user);
        lab.connector.succeed(&["sync", "--baseline"]).await;
        assert_eq!(removed(&lab).await.lines().count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_unreadable_neighbours_and_containers_do_not_end_a_read() {
    for method in ["usn", "dirsync"] {
        let mut lab = Simulated::new().await;
        lab.set("AD_DELTA", method);
        lab.sync(0).await;
        let root = lab.directory().domain().dn;
        // Whatever changes in the naming context passes the watch: a contact, a container, a group
        // and a computer.
        let unit = lab.directory().create_unit(&root, &bad("Outside"));
        let inside = lab.directory().dn(unit);
        lab.directory().create_other(&inside, &bad("Contact"), "contact");
        let computer = lab.directory().create_computer(&inside, &bad("PC"), &[]);
        lab.sync(0).await;
        lab.assert_last_run("delta", "").await;
        lab.assert_converged();

        // Everything in an OU of such a name has it in its own.
        let user = lab
            .directory()
            .create_user(&inside, "Plain", &[("sAMAccountName", "plain")]);
        lab.sync(2)
            .await
            .said(&["OU=Outside\\\\ff\\\\fe\\\\fd", "not UTF-8"]);
        assert_eq!(rejected(&lab).await.len(), 1);
        // The OU is renamed and its objects with it.
        lab.directory().rename(unit, "Readable");
        lab.directory().rename(computer, "PC");
        lab.sync(0).await;
        assert!(lab.directory().dn(user).contains("OU=Readable"));
        lab.assert_converged();
        lab.directory().rename(unit, &bad("Again"));
        lab.sync(2).await;
        assert_eq!(rejected(&lab).await.len(), 1);
        assert_eq!(removed(&lab).await, "");
        lab.connector.run(&["sync", "--baseline"]).await.ended_with(2);
        assert_eq!(removed(&lab).await, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_an_unreadable_value_rejects_the_object_that_must_have_it() {
    let mut lab = Simulated::new().await;
    let rows = r#"
[[user]]
source = "manager"
target = "asset.assetDetail.userAssetClass.manager"
form = "dn_name"

[[group]]
source = "member"
target = "asset.assetDetail.groupAssetClass.members"
form = "list"
"#;
    let text = [include_str!("../config/mapping.toml"), rows].concat();
    let path = lab.connector.folder().join("mapping.toml");
    std::fs::write(&path, &text).unwrap();
    lab.set("MAPPING_FILE", "mapping.toml");
    lab.set("AD_ASSETS", "users,groups");
    let users = lab.users();
    let (boss, report) = (users[4], users[9]);
    lab.directory().rename(boss, &bad("Boss"));
    let dn = lab.directory().dn(boss);
    lab.directory().set_text(report, "manager", &dn);
    lab.directory().set_text(report, "displayName", "Report");
    let group = lab.groups()[1];
    lab.directory().add_members(group, &[boss, report]);
    lab.sync(2).await;
    assert_eq!(
        rejected(&lab).await.len(),
        1,
        "where nothing requires the value, the key is left out"
    );
    let asset = &lab.receiver.assets()[&lab.external_id(report)];
    let class = &asset["asset"]["assetDetail"]["userAssetClass"];
    assert_eq!(
        (&class["displayName"], &class["manager"]),
        (&"Report".into(), &().into())
    );
    let id = lab.external_id(group);
    let class = lab.receiver.assets()[&id]["asset"]["assetDetail"]["groupAssetClass"].clone();
    assert!(class["name"].is_string() && class["members"].is_null(), "{class}");

    let with = rows.replace("form = ", "required = true\nform = ");
    std::fs::write(&path, [include_str!("../config/mapping.toml"), &with].concat()).unwrap();
    let outcome = lab
        .sync(2)
        .await
        .said(&["manager cannot be decoded", "member cannot be decoded"]);
    // Those that name the boss; others have no such attribute at all.
    let names = |id: &lab::simulator::ObjectId| {
        let attributes = lab.directory().attributes(*id);
        let values = ["manager", "member"]
            .into_iter()
            .filter_map(|name| attributes.get(name));
        values.flatten().any(|value| value == dn.as_bytes())
    };
    let count = lab
        .users()
        .iter()
        .chain(&lab.groups())
        .filter(|id| names(id))
        .count();
    assert!(count >= 2);
    assert_eq!(outcome.stderr.matches("cannot be decoded").count(), count);
    assert_eq!(removed(&lab).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_the_members_of_a_group_with_an_unreadable_name_do_not_lose_it_unnoticed() {
    let mut lab = Simulated::new().await;
    let row = "\n[[user]]\nsource = \"@groups\"\ntarget = \"asset.assetDetail.userAssetClass.groups\"\n";
    let path = lab.connector.folder().join("mapping.toml");
    std::fs::write(&path, [include_str!("../config/mapping.toml"), row].concat()).unwrap();
    lab.set("MAPPING_FILE", "mapping.toml");
    let (user, other) = (lab.users()[9], lab.users()[10]);
    let root = lab.directory().domain().dn;
    let group = lab
        .directory()
        .create_group(&root, &bad("Crew"), -2_147_483_646, &[]);
    lab.directory().add_members(group, &[user]);
    lab.sync(2).await;
    assert_eq!(rejected(&lab).await.len(), 1, "the group alone");
    let groups = |id| {
        let asset = lab.receiver.assets()[&lab.external_id(id)].clone();
        asset["asset"]["assetDetail"]["userAssetClass"]["groups"].clone()
    };
    assert!(
        groups(user).is_null() && groups(other).is_array(),
        "half a list would be wrong"
    );

    std::fs::write(
        &path,
        [include_str!("../config/mapping.toml"), row, "required = true\n"].concat(),
    )
    .unwrap();
    lab.sync(2).await.said(&["@groups cannot be decoded"]);
    assert_eq!(rejected(&lab).await.len(), 2, "the group and its member");
    lab.directory().rename(group, "Crew");
    lab.sync(0).await;
    assert!(groups(user).as_array().unwrap().contains(&"Crew".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_r22_a_look_up_that_gives_an_unreadable_name_ends_nothing() {
    let mut lab = Simulated::new().await;
    let root = lab.directory().domain().dn;
    let [inside, outside] = ["In", "Out"].map(|name| {
        let unit = lab.directory().create_unit(&root, name);
        lab.directory().dn(unit)
    });
    let create = |name: &str| lab.directory().create_user(&inside, name, &[]);
    let [stays, leaves] = ["Stays", "Leaves"].map(create);
    // So that one of them is less than the threshold.
    for number in 0..30 {
        create(&format!("User {number}"));
    }
    lab.set("AD_BASE_CONTEXT", &inside);
    lab.sync(0).await;
    assert_eq!(lab.receiver.assets().len(), 32);
    lab.directory().rename(leaves, &bad("Leaves"));
    lab.directory().move_to(leaves, &outside);
    lab.directory().set_text(stays, "displayName", "Changed");
    for arguments in [&["sync"][..], &["sync", "--baseline"]] {
        lab.receiver.reset();
        lab.connector.run(arguments).await.ended_with(0);
        // Whether it is in scope is said by the name, or by the controller; another object is not
        // concerned.
        let removed = removed(&lab).await;
        assert_eq!(removed.lines().count(), 1, "{removed}");
        assert!(
            removed.contains(&format!("CN=Leaves{SHOWN}").replace('\\', "\\\\")),
            "{removed}"
        );
    }
    lab.directory().rename(leaves, "Leaves");
    lab.sync(0).await;
    assert!(removed(&lab).await.contains("left the scope"));
}

/// A mapping that takes all members of groups as they are, beside the usual rows.
fn map_members(lab: &mut Simulated) {
    let row = "\n[[group]]\nsource = \"info\"\ntarget = \"asset.assetDetail.groupAssetClass.info\"\nform = \"list\"\n";
    let text = [include_str!("../config/mapping.toml"), row].concat();
    std::fs::write(lab.connector.folder().join("mapping.toml"), text).unwrap();
    lab.set("MAPPING_FILE", "mapping.toml");
    lab.set("AD_PAGE_SIZE", "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_an_object_that_goes_between_its_page_and_its_further_values_ends_nothing() {
    type Change = fn(&lab::simulator::Directory, lab::simulator::ObjectId);
    let cases: [(&str, Change); 4] = [
        ("deleted", |directory, group| directory.delete(group)),
        ("hidden", |directory, group| directory.hide(group)),
        ("renamed", |directory, group| directory.rename(group, "Renamed")),
        ("moved", |directory, group| {
            let root = directory.domain().dn;
            let unit = directory.create_unit(&root, "Elsewhere");
            let to = directory.dn(unit);
            directory.move_to(group, &to);
        }),
    ];
    for (what, change) in cases {
        for known in [false, true] {
            let mut lab = Simulated::of(lab::simulator::People {
                groups: 30,
                users: 3,
                ..support::simulated::PEOPLE
            })
            .await;
            map_members(&mut lab);
            if known {
                lab.sync(0).await;
            }
            let group = lab.groups()[0];
            lab.directory().set_text(group, "description", "Changed");
            let faults = lab.simulator.faults();
            faults.at_matching(
                On::Search,
                "objectCategory=group",
                1,
                Action::Twist(Twist::Ranges(2500)),
            );
            // The first look-up is for the controller itself.
            let directory = lab.directory().clone();
            let run = std::sync::Arc::new(move || change(&directory, group));
            faults.at_matching(On::Search, "(objectClass=*)", 2, Action::Run(run));
            faults.always_matching(On::Search, "(objectClass=*)", Action::Twist(Twist::Ranges(2500)));
            let id = lab.external_id(group);
            lab.sync(0).await;
            assert!(faults.all_happened(), "{what}");
            let stays = ["renamed", "moved"].contains(&what);
            let info = |asset: &serde_json::Value| {
                let info = &asset["asset"]["assetDetail"]["groupAssetClass"]["info"];
                info.as_array().map(Vec::len)
            };
            let asset = lab.receiver.assets().get(&id).cloned();
            // The delta at the end of a full read reads it again, as it is then.
            assert_eq!(
                asset.as_ref().and_then(info),
                (stays && known).then_some(2500),
                "{what} {known}"
            );
            faults.clear();
            // The account does not see deleted objects: a full read misses them.
            lab.connector.succeed(&["sync", "--baseline"]).await;
            let gone = matches!(what, "deleted" | "hidden");
            let asset = lab.receiver.assets().get(&id).cloned();
            assert_eq!(asset.is_none(), gone && !known, "{what} {known}");
            assert_eq!(
                removed(&lab).await.lines().count(),
                usize::from(gone && known),
                "{what} {known}"
            );
            if !gone {
                let asset = asset.unwrap();
                let class = &asset["asset"]["assetDetail"]["groupAssetClass"];
                assert_eq!(
                    class["name"],
                    lab.directory().text(group, "name").unwrap(),
                    "{what}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_what_a_controller_says_instead_of_further_values() {
    let answer = |code| Action::Answer(Outcome::error(code, "0000: a reason, data 0\0"));
    // Referral, as of an object that is in another domain now: not found, and nothing is concluded
    // (R22). operationsError, again and again: the values change all the time. busy: the controller
    // is the fault.
    for (code, times, exit, words) in [(10, 1, 0, ""), (1, 3, 2, "keep changing"), (51, 1, 69, "busy")] {
        let mut lab = Simulated::of(lab::simulator::People {
            groups: 30,
            users: 3,
            ..support::simulated::PEOPLE
        })
        .await;
        map_members(&mut lab);
        lab.sync(0).await;
        let group = lab.groups()[0];
        lab.directory().set_text(group, "description", "Changed");
        let faults = lab.simulator.faults();
        faults.at_matching(
            On::Search,
            "objectCategory=group",
            1,
            Action::Twist(Twist::Ranges(2500)),
        );
        for nth in 2..2 + times {
            faults.at_matching(On::Search, "(objectClass=*)", nth, answer(code));
        }
        lab.connector.run(&["sync"]).await.ended_with(exit).said(&[words]);
        faults.clear();
        assert_eq!(removed(&lab).await, "", "{code}");
        lab.sync(0).await;
        lab.assert_converged();
    }
}
