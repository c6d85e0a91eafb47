//! A full read that broke off goes on with what is missing, and nothing of what happened meanwhile escapes it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::simulator::{self, Action, Controller, Directory, ObjectId, On, PASSWORD, People};
use support::simulated::{PEOPLE, Simulated};
use support::{assert_same, expected, parse_ndjson};

/// Part of the filter of every slice, and of no other search.
const SLICE: &str = "uSNChanged<=";

/// A directory whose people have the lowest USNs, so that a slice holds few objects, read over two connections.
async fn dense(people: People) -> Simulated {
    let options = simulator::Options {
        directory: Directory::new("corp.example", people),
        controller: Controller {
            usn_offset: -990,
            ..Controller::numbered(1)
        },
        ..simulator::Options::default()
    };
    let mut lab = Simulated::with(options, Default::default()).await;
    lab.set("AD_PARALLEL_READS", "2");
    lab.set("AD_PAGE_SIZE", "7");
    lab
}

/// 250 objects whose full read broke off after a part of its slices; the account sees deleted objects.
async fn broken_off() -> Simulated {
    let mut lab = dense(PEOPLE).await;
    lab.set("AD_BIND_DN", "administrator@corp.example");
    lab.set("AD_PASSWORD", PASSWORD);
    break_off(&lab, 12).await;
    lab
}

/// A sync whose connection is cut at the `nth` page of a slice.
async fn break_off(lab: &Simulated, nth: usize) {
    lab.simulator
        .faults()
        .at_matching(On::Search, SLICE, nth, Action::Cut);
    lab.sync(69).await;
    assert!(lab.simulator.faults().all_happened());
}

/// The searches for slices since the statistics were reset.
fn slices(lab: &Simulated) -> usize {
    let searches = lab.simulator.statistics().searches();
    searches
        .iter()
        .filter(|search| search.filter.contains(SLICE))
        .count()
}

/// The last run was a full read that went on, or one from the beginning.
async fn assert_resumed(lab: &Simulated, resumed: bool) {
    let run = lab.last_run().await;
    assert_eq!(run["mode"], "baseline", "{run}");
    let reason = run["reason"].as_str().unwrap();
    assert_eq!(
        reason.contains("resumes the full read that began at"),
        resumed,
        "{run}"
    );
}

/// Every asset is upstream as it should be, and came once.
fn assert_each_once(lab: &Simulated) {
    lab.assert_converged();
    let summary = lab.receiver.summary();
    assert_eq!(summary.assets_received, lab.expected().len() as u64, "sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_read_cut_off_at_half_reads_the_other_half() {
    let all = 4_400;
    let mut lab = dense(People {
        users: 4_000,
        groups: 400,
        ..PEOPLE
    })
    .await;
    lab.set("AD_PAGE_SIZE", "100");
    break_off(&lab, 28).await;
    let first = lab.simulator.statistics().counts().entries;
    lab.simulator.statistics().reset();
    lab.sync(0).await;
    let second = lab.simulator.statistics().counts().entries;
    println!("{first} entries of {all} before the cut, {second} after it");
    assert_resumed(&lab, true).await;
    assert_each_once(&lab);
    assert!((all / 3..all * 2 / 3).contains(&first), "{first}");
    // What is read again: at most a slice a connection, and the containers.
    assert!(second < all - first + 2 * 400 + 50, "{second}");
    // The next one is from the beginning.
    assert_eq!(lab.sent_by(&["sync", "--baseline"]).await.len(), 0);
    assert_resumed(&lab, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r03_killed_it_goes_on_with_what_was_stored() {
    let lab = dense(PEOPLE).await;
    lab.simulator
        .faults()
        .at_matching(On::Search, SLICE, 40, Action::Silence);
    let mut running = lab.connector.start(&["sync"]);
    lab.simulator.faults().happened().await;
    // The other connection and the delivery come to their end; whatever is held is lost.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    running.kill().await.unwrap();
    lab.receiver.idle().await;
    lab.simulator.statistics().reset();
    lab.sync(0).await;
    assert_resumed(&lab, true).await;
    assert_each_once(&lab);
    let read = lab.simulator.statistics().counts().entries;
    assert!(read < 250, "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r04_what_changed_came_and_went_since_the_first_part_is_seen() {
    let lab = broken_off().await;
    let (directory, users) = (lab.directory().clone(), lab.users());
    lab.receiver.idle().await;
    // Of every part something: the lowest USNs are read already.
    let read: Vec<ObjectId> = read_already(&lab, &users);
    assert!(read.len() > 5 && read.len() < users.len(), "{}", read.len());
    directory.set_text(read[0], "mail", "new@corp.example");
    directory.set_text(users[users.len() - 1], "mail", "last@corp.example");
    directory.create_user("CN=Users,DC=corp,DC=example", "Newcomer", &[]);
    let gone = read[1];
    let gone_id = lab.external_id(gone);
    directory.delete(gone);
    lab.sync(0).await;
    assert_resumed(&lab, true).await;
    let run = lab.last_run().await;
    assert_eq!(run["counts"]["users"]["removed"], 1, "{run}");
    let mut held = lab.receiver.assets();
    assert!(held.remove(&gone_id).is_some());
    assert_same(&held, &lab.expected());
    assert_eq!(lab.receiver.violations(), Vec::<String>::new());
    // Neither a delta nor a full read finds anything left.
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    assert_eq!(lab.sent_by(&["sync", "--baseline"]).await.len(), 0);
    assert_eq!(lab.last_run().await["counts"]["users"]["removed"], 0);
}

/// Those of `users` that upstream holds.
fn read_already(lab: &Simulated, users: &[ObjectId]) -> Vec<ObjectId> {
    let held = lab.receiver.assets();
    let read = |id: &&ObjectId| held.contains_key(&lab.external_id(**id));
    users.iter().filter(read).copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_what_the_first_part_could_not_map_stays_on_the_list_and_is_tried_again() {
    let mut lab = dense(PEOPLE).await;
    let mail = "target = \"asset.assetDetail.userAssetClass.email\"";
    let table = include_str!("../config/mapping.toml").replace(mail, &format!("{mail}\nrequired = true"));
    std::fs::write(lab.connector.folder().join("mapping.toml"), table).unwrap();
    lab.set("MAPPING_FILE", "mapping.toml");
    let users = lab.users();
    let bad = |lab: &Simulated| {
        let bad = |id: &&ObjectId| lab.directory().text(**id, "mail").is_none();
        users.iter().filter(bad).count()
    };
    break_off(&lab, 24).await;
    let listed = |status: serde_json::Value| status["rejected"].as_array().unwrap().len();
    let before = listed(lab.status().await);
    assert!(before > 0 && before < bad(&lab), "{before}");
    lab.sync(2).await;
    assert_resumed(&lab, true).await;
    assert_eq!(listed(lab.status().await), bad(&lab));
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_a_unit_that_moved_since_lets_the_full_read_begin_anew() {
    let mut lab = dense(PEOPLE).await;
    let (people, other) = ("OU=People,DC=corp,DC=example", "CN=Users,DC=corp,DC=example");
    lab.directory().create_unit(people, "Team");
    let unit = format!("OU=Team,{people}");
    for number in 0..20 {
        lab.directory()
            .create_user(&unit, &format!("Member {number}"), &[]);
    }
    let team = lab.directory().find(&unit).unwrap();
    for (name, value) in [("AD_BASE_CONTEXT", people), ("AD_ASSETS", "users")] {
        lab.set(name, value);
    }
    // Away when the second part is read, back before the third: at both ends it is where it was.
    break_off(&lab, 12).await;
    lab.directory().move_to(team, other);
    break_off(&lab, 12).await;
    assert_resumed(&lab, false).await;
    lab.directory().move_to(team, people);
    let said = lab.sync(0).await;
    assert!(said.stderr.contains("was renamed or moved to"), "{}", said.stderr);
    assert_resumed(&lab, false).await;
    let users: Vec<ObjectId> = lab.users();
    let inside = users
        .into_iter()
        .filter(|id| lab.directory().dn(*id).ends_with(people));
    let (held, wanted) = (lab.receiver.assets(), expected::assets(lab.directory()));
    for id in inside {
        assert_eq!(
            held.get(&lab.external_id(id)),
            Some(&wanted[&lab.external_id(id)]),
            "{}",
            lab.directory().dn(id)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_another_scope_another_controller_one_rolled_back_or_all_again_begins_anew() {
    let mut lab = broken_off().await;
    lab.set("AD_USER_FILTER", "(displayName=*)");
    break_off(&lab, 12).await;
    assert_resumed(&lab, false).await;
    break_off(&lab, 12).await;
    assert_resumed(&lab, true).await;
    lab.unset("AD_USER_FILTER");
    break_off(&lab, 12).await;
    assert_resumed(&lab, false).await;

    lab.simulator.swap_controller(Controller::numbered(2));
    break_off(&lab, 12).await;
    assert_resumed(&lab, false).await;
    lab.simulator.roll_back_usn(3);
    break_off(&lab, 12).await;
    assert_resumed(&lab, false).await;

    lab.simulator
        .faults()
        .at_matching(On::Search, SLICE, 12, Action::Cut);
    lab.connector
        .run(&["sync", "--baseline", "--resend"])
        .await
        .ended_with(69);
    assert_resumed(&lab, false).await;
    // Without slices nothing is gone on with.
    lab.set("AD_PARALLEL_READS", "1");
    lab.simulator.statistics().reset();
    lab.sync(0).await;
    assert_resumed(&lab, false).await;
    assert_eq!(slices(&lab), 0);
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_goes_on_as_the_sync_does() {
    let lab = broken_off().await;
    lab.receiver.idle().await;
    let (dry, sent) = lab.dry_run_then_sync().await;
    assert_resumed(&lab, true).await;
    assert_same(&parse_ndjson(&dry), &parse_ndjson(&sent));
    let (written, all) = (dry.lines().count(), lab.expected().len());
    assert!(0 < written && written < all, "{written}");
    assert_each_once(&lab);
}
