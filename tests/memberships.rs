//! Memberships, where a mapping asks for them: `@groups`, `@members`, `@member_count`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::simulator::People;
use serde_json::json;
use support::Assets;
use support::grouped::{GLOBAL, GROUPS, Lab, MEMBERS, OUTSIDE, class_of, groups_of};
use support::simulated::Simulated;

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_membership_sends_exactly_the_user() {
    a_change_of_membership(Lab::of_users(250).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_membership_that_dirsync_tells_sends_exactly_the_user() {
    let mut lab = Lab::of_users(250).await;
    lab.simulated.set("AD_DELTA", "dirsync");
    a_change_of_membership(lab).await;
}

/// What both ways of finding changes must do.
async fn a_change_of_membership(lab: Lab) {
    let team = lab.group("Team", &(0..240).collect::<Vec<_>>());
    lab.group("Nobody", &[]);
    let sent = lab.simulated.sent_by_sync().await;
    assert_eq!(sent.len(), 250);
    let of = |user: usize| groups_of(&sent[&lab.simulated.external_id(lab.users[user])]).clone();
    assert_eq!(of(3), json!(["Domain Users", "Team"]));
    assert_eq!(of(240), json!(["Domain Users"]));
    lab.sends(&[]).await;

    lab.directory().add_members(team, &lab.some(&[240]));
    lab.entries();
    lab.sends(&[(240, &["Domain Users", "Team"])]).await;
    assert!(lab.entries() < 30, "what did not change is not read");
    lab.simulated.assert_last_run("delta", "changes since").await;
    lab.sends(&[]).await;

    lab.directory().remove_members(team, &lab.some(&[0, 7]));
    lab.sends(&[(0, &["Domain Users"]), (7, &["Domain Users"])]).await;

    // Both at once, and a change of the group that is none of its members.
    lab.directory().add_members(team, &lab.some(&[0]));
    lab.directory().remove_members(team, &lab.some(&[1]));
    lab.sends(&[(0, &["Domain Users", "Team"]), (1, &["Domain Users"])])
        .await;
    lab.directory().set_text(team, "description", "the best");
    lab.directory().touch(lab.users[9]);
    lab.sends(&[]).await;

    // A full read sends no difference either, and knows as much afterwards.
    lab.simulated.connector.succeed(&["sync", "--baseline"]).await;
    lab.directory().remove_members(team, &lab.some(&[2]));
    lab.sends(&[(2, &["Domain Users"])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_new_renamed_moved_or_deleted() {
    groups_that_come_and_go(Lab::of_users(5).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_dirsync_tells_of_is_new_renamed_moved_or_deleted() {
    let mut lab = Lab::of_users(5).await;
    lab.simulated.set("AD_DELTA", "dirsync");
    groups_that_come_and_go(lab).await;
}

/// What both ways of finding changes must do.
async fn groups_that_come_and_go(mut lab: Lab) {
    let team = lab.group("Team", &[0, 1]);
    lab.simulated.connector.succeed(&["sync"]).await;
    let other = lab.group("Other", &[1, 2]);
    lab.sends(&[
        (1, &["Domain Users", "Other", "Team"]),
        (2, &["Domain Users", "Other"]),
    ])
    .await;

    // One leaves at the same time.
    lab.directory().remove_members(team, &lab.some(&[0]));
    lab.directory().rename(team, "Crew");
    lab.sends(&[(0, &["Domain Users"]), (1, &["Crew", "Domain Users", "Other"])])
        .await;

    // Another place, the same name: the asset is the same. It is known by its new name from then on.
    lab.directory().move_to(team, "CN=Builtin,DC=corp,DC=example");
    lab.sends(&[]).await;
    lab.directory().add_members(team, &lab.some(&[4]));
    lab.sends(&[(4, &["Crew", "Domain Users"])]).await;

    // Deleted: an account that may read deleted objects hears of it at once.
    lab.simulated.set(
        "AD_BIND_DN",
        &format!("{}@corp.example", lab::simulator::Account::administrator().name),
    );
    lab.simulated
        .set("AD_PASSWORD", &lab::simulator::Account::administrator().password);
    lab.directory().delete(other);
    lab.sends(&[(1, &["Crew", "Domain Users"]), (2, &["Domain Users"])])
        .await;
    lab.sends(&[]).await;
    lab.directory().restore(other);
    lab.sends(&[
        (1, &["Crew", "Domain Users", "Other"]),
        (2, &["Domain Users", "Other"]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_group_that_the_account_does_not_see_is_noticed_by_the_baseline() {
    let lab = Lab::of_users(3).await;
    let team = lab.group("Team", &[0, 1]);
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().delete(team);
    lab.sends(&[]).await;
    let sent = lab.simulated.sent_by(&["sync", "--baseline"]).await;
    assert_eq!(sent.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_the_account_does_not_see_makes_nobody_go_astray() {
    let lab = Lab::of_users(120).await;
    let hidden = lab.group("Hidden", &(0..100).collect::<Vec<_>>());
    let team = lab.group("Team", &[0, 1]);
    lab.directory().hide(hidden);
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.entries();
    lab.directory().add_members(team, &lab.some(&[2]));
    lab.sends(&[(2, &["Domain Users", "Hidden", "Team"])]).await;
    assert!(lab.entries() < 30, "nobody is read for the hidden one");
}

#[tokio::test(flavor = "multi_thread")]
async fn f09_primary_groups_are_groups() {
    let lab = Lab::of_users(4).await;
    let staff = lab.directory().create_group(OUTSIDE, "Staff", GLOBAL, &[]);
    let rid = lab.simulated.external_id(staff);
    let rid = rid.rsplit_once('-').unwrap().1;
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().set_text(lab.users[1], "primaryGroupID", rid);
    lab.directory().set_text(lab.users[2], "primaryGroupID", rid);
    lab.sends(&[(1, &["Staff"]), (2, &["Staff"])]).await;
    lab.directory().rename(staff, "Personnel");
    lab.sends(&[(1, &["Personnel"]), (2, &["Personnel"])]).await;
    let domain_users = lab
        .directory()
        .find(&format!("CN=Domain Users,{OUTSIDE}"))
        .unwrap();
    lab.directory().rename(domain_users, "Everybody");
    lab.sends(&[(0, &["Everybody"]), (3, &["Everybody"])]).await;
    // A change of the group is none of those whose primary group it is.
    lab.entries();
    lab.directory().add_members(domain_users, &lab.some(&[1]));
    lab.sends(&[(1, &["Everybody", "Personnel"])]).await;
    assert!(lab.entries() < 20);
    // A primary group that the account does not see.
    lab.directory().set_text(lab.users[0], "primaryGroupID", "4711");
    lab.sends(&[(0, &[])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_within_groups_are_not_opened() {
    let lab = Lab::of_users(3).await;
    let inner = lab.group("Inner", &[0]);
    let outer = lab.group("Outer", &[1]);
    lab.directory().add_members(outer, &[inner]);
    lab.simulated.connector.succeed(&["sync"]).await;
    let assets = lab.simulated.receiver.assets();
    let of = |user: usize| groups_of(&assets[&lab.simulated.external_id(lab.users[user])]).clone();
    assert_eq!(of(0), json!(["Domain Users", "Inner"]));
    assert_eq!(of(1), json!(["Domain Users", "Outer"]));
    lab.directory().remove_members(outer, &[inner]);
    lab.sends(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_and_stores_nothing() {
    let lab = Lab::of_users(4).await;
    let team = lab.group("Team", &[0]);
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().add_members(team, &lab.some(&[1]));
    for _ in 0..2 {
        let told = lab
            .simulated
            .connector
            .succeed(&["sync", "--dry-run", "--output", "-"])
            .await
            .stdout;
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains("\"groups\":[\"Domain Users\",\"Team\"]"), "{told}");
    }
    lab.sends(&[(1, &["Domain Users", "Team"])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r03_a_read_that_breaks_off_forgets_no_change_of_membership() {
    let lab = Lab::of_users(6).await;
    let team = lab.group("Team", &[0, 1]);
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().add_members(team, &lab.some(&[2, 3]));
    lab.directory().remove_members(team, &lab.some(&[0]));
    // The connection is cut when the members are asked for, then when the users are looked up.
    for filter in ["objectClass=*", "objectGUID="] {
        lab.simulated.simulator.faults().at_matching(
            lab::simulator::On::Search,
            filter,
            if filter == "objectGUID=" { 1 } else { 2 },
            lab::simulator::Action::Cut,
        );
        lab.simulated.sync(69).await;
    }
    lab.simulated.receiver.reset();
    lab.sends(&[
        (0, &["Domain Users"]),
        (2, &["Domain Users", "Team"]),
        (3, &["Domain Users", "Team"]),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_sources_nothing_is_asked_for_them() {
    let lab = Lab::new("users,groups", "", People::NONE, 3).await;
    let team = lab.group("Team", &[0]);
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().add_members(team, &lab.some(&[1]));
    lab.simulated.connector.succeed(&["sync"]).await;
    for search in lab.simulated.simulator.statistics().searches() {
        let asked = format!("{} {:?}", search.filter, search.attributes);
        for name in ["memberOf", "member", "primaryGroupID"] {
            assert!(!asked.contains(name), "{asked}");
        }
    }
}

/// Assets of the groups of a directory in which `count` users are members of each.
async fn whole(lab: &Simulated) -> Assets {
    lab.connector.succeed(&["sync"]).await;
    lab.receiver.assets()
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_groups_come_whole_at_every_edge() {
    let people = People {
        seed: 3,
        users: 3_100,
        groups: 0,
        computers: 0,
    };
    let mut lab = Lab::new("groups", MEMBERS, people, 0).await.simulated;
    lab.set("AD_BASE_CONTEXT", "DC=corp,DC=example");
    lab.set("AD_PAGE_SIZE", "1000");
    let users = lab.users();
    let sizes = [0, 1, 1_499, 1_500, 1_501, 3_001];
    let groups = sizes.map(|size| {
        let group = lab
            .directory()
            .create_group(OUTSIDE, &format!("Of {size}"), GLOBAL, &[]);
        lab.directory().add_members(group, &users[..size]);
        group
    });
    let assets = whole(&lab).await;
    for (size, group) in sizes.into_iter().zip(groups) {
        let class = class_of(&assets[&lab.external_id(group)]);
        assert_eq!(class["memberCount"], size);
        let mut expected: Vec<String> = users[..size]
            .iter()
            .map(|user| lab.directory().dn(*user))
            .collect();
        expected.sort_unstable();
        match size {
            0 => assert_eq!(class.get("members"), None),
            _ => assert_eq!(class["members"], json!(expected)),
        }
    }
    // Whoever has Domain Users as primary group is one of its members.
    let domain_users = lab
        .directory()
        .find(&format!("CN=Domain Users,{OUTSIDE}"))
        .unwrap();
    let class = class_of(&assets[&lab.external_id(domain_users)]).clone();
    assert_eq!(class["memberCount"], 3_100);
    assert_eq!(class["members"].as_array().unwrap().len(), 3_100);

    // Exactly the group, whole again.
    lab.directory().remove_members(groups[5], &users[..1]);
    let sent = lab.sent_by_sync().await;
    assert_eq!(sent.len(), 1);
    assert_eq!(class_of(&sent[&lab.external_id(groups[5])])["memberCount"], 3_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_group_of_100_000_members_comes_whole_within_bounded_memory() {
    let people = People {
        seed: 3,
        users: 100_000,
        groups: 0,
        computers: 0,
    };
    let mut lab = Lab::new("groups", MEMBERS, people, 0).await.simulated;
    lab.set("AD_BASE_CONTEXT", OUTSIDE);
    lab.set("AD_PAGE_SIZE", "1000");
    lab.set("AD_TIMEOUT", "60s");
    lab.set("QUALYS_BATCH_BYTES", "32MiB");
    let users = lab.users();
    let group = lab.directory().create_group(OUTSIDE, "All", GLOBAL, &[]);
    lab.directory().add_members(group, &users);
    lab.directory().delete(
        lab.directory()
            .find(&format!("CN=Domain Users,{OUTSIDE}"))
            .unwrap(),
    );
    let (outcome, _, peak) = lab.connector.measured(&["sync"]).await;
    outcome.ended_with(0);
    let assets = lab.receiver.assets();
    let class = class_of(&assets[&lab.external_id(group)]);
    assert_eq!(class["memberCount"], 100_000);
    assert_eq!(class["members"].as_array().unwrap().len(), 100_000);
    assert!(peak < 128 * 1024, "{peak} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_100_000_members_is_found_within_bounded_memory() {
    let people = People {
        seed: 3,
        users: 100_000,
        groups: 0,
        computers: 0,
    };
    let mut lab = Lab::new("users", GROUPS, people, 3).await;
    lab.simulated.set("AD_PAGE_SIZE", "1000");
    lab.simulated.set("AD_TIMEOUT", "60s");
    let all = lab.directory().create_group(OUTSIDE, "All", GLOBAL, &[]);
    lab.directory().add_members(all, &lab.simulated.users());
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().remove_members(all, &lab.some(&[1]));
    lab.entries();
    lab.simulated.receiver.reset();
    let (outcome, _, peak) = lab.simulated.connector.measured(&["sync"]).await;
    outcome.ended_with(0);
    let sent = lab.simulated.receiver.assets();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        groups_of(&sent[&lab.simulated.external_id(lab.users[1])]),
        &json!(["Domain Users"])
    );
    // The parts of `member`: one entry each.
    assert!(lab.entries() < 100);
    assert!(peak < 64 * 1024, "{peak} KiB");
}
