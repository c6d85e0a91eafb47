//! Names of groups, where a mapping asks for them (`@groups`): known by their octets, and groups by
//! their GUIDs (R38).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::simulator::ObjectId;
use support::grouped::{GLOBAL, Lab, OUTSIDE};

/// Names that some comparisons take for the same, each of which is another name of the asset.
async fn names_that_fold_alike(lab: Lab) {
    let [team, other] = ["admins", "Other"].map(|name| lab.group(name, &[0, 1]));
    lab.simulated.connector.succeed(&["sync"]).await;
    for name in [
        "Admins",
        "ADMINS",
        "Strasse",
        "Straße",
        "STRASSE",
        "Zürich",
        "Zu\u{308}rich",
        "Zurich",
        "what?",
        "What?",
        "#1, \"+\\<>;=",
        " admins ",
    ] {
        lab.directory().rename(team, name);
        let mut groups = ["Domain Users", "Other", name];
        groups.sort_unstable();
        lab.sends(&[(0, &groups), (1, &groups)]).await;
    }
    lab.sends(&[]).await;
    // Members are known in each of these.
    lab.directory().remove_members(other, &lab.some(&[0]));
    lab.sends(&[(0, &[" admins ", "Domain Users"])]).await;
    lab.directory().remove_members(team, &lab.some(&[1]));
    lab.sends(&[(1, &["Domain Users", "Other"])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_a_group_is_renamed_to_what_a_comparison_may_take_for_the_same() {
    names_that_fold_alike(Lab::of_users(4).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_a_group_is_renamed_so_and_dirsync_tells() {
    let mut lab = Lab::of_users(4).await;
    lab.simulated.set("AD_DELTA", "dirsync");
    names_that_fold_alike(lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_units_and_groups_that_a_comparison_may_take_for_one_are_two() {
    let lab = Lab::of_users(4).await;
    let [one, other] = ["Straße", "Strasse"].map(|name| {
        lab.directory().create_unit("DC=corp,DC=example", name);
        let unit = format!("OU={name},DC=corp,DC=example");
        lab.directory().create_group(&unit, "Team", GLOBAL, &[])
    });
    lab.directory().add_members(one, &lab.some(&[0, 1]));
    lab.directory().add_members(other, &lab.some(&[1, 2]));
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.directory().remove_members(other, &lab.some(&[2]));
    lab.sends(&[(2, &["Domain Users"])]).await;
    lab.directory().remove_members(one, &lab.some(&[0]));
    lab.sends(&[(0, &["Domain Users"])]).await;
    lab.directory().rename(one, "Crew");
    lab.sends(&[(1, &["Crew", "Domain Users", "Team"])]).await;
}

async fn a_unit_of_groups_is_renamed(lab: Lab) {
    let unit = lab.directory().create_unit("DC=corp,DC=example", "Groups");
    let teams: Vec<ObjectId> = (0..20)
        .map(|number| {
            let place = "OU=Groups,DC=corp,DC=example";
            let team = lab
                .directory()
                .create_group(place, &format!("Team {number}"), GLOBAL, &[]);
            lab.directory()
                .add_members(team, &lab.some(&(0..100).collect::<Vec<_>>()));
            team
        })
        .collect();
    lab.simulated.connector.succeed(&["sync"]).await;
    lab.entries();
    lab.sends(&[]).await;
    let nothing = lab.entries();
    lab.directory().rename(unit, "Renamed");
    lab.sends(&[]).await;
    let read = lab.entries();
    assert!(read <= nothing + 10, "the unit alone is read: {read}, {nothing}");
    // Neither now nor later: a group that changes has its members under its new place.
    lab.sends(&[]).await;
    assert!(lab.entries() <= nothing);
    lab.directory().touch(teams[3]);
    lab.sends(&[]).await;
    assert!(lab.entries() <= nothing + 10, "a group and its members' names");
    lab.directory().remove_members(teams[3], &lab.some(&[7]));
    let expected: Vec<String> = (0..20)
        .filter(|number| *number != 3)
        .map(|number| format!("Team {number}"))
        .chain(["Domain Users".to_owned()])
        .collect();
    let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    expected.sort_unstable();
    lab.sends(&[(7, &expected)]).await;
    lab.directory().move_to(teams[4], OUTSIDE);
    lab.entries();
    lab.sends(&[]).await;
    assert!(
        lab.entries() <= nothing + 10,
        "nobody is read for a group that is somewhere else"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_a_unit_of_groups_that_is_renamed_reads_nobody_again() {
    a_unit_of_groups_is_renamed(Lab::of_users(120).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_a_unit_of_groups_that_dirsync_tells_of_reads_nobody_again() {
    let mut lab = Lab::of_users(120).await;
    lab.simulated.set("AD_DELTA", "dirsync");
    a_unit_of_groups_is_renamed(lab).await;
}
