//! `AD_DELTA=dirsync`: changes by the DirSync control, on whatever controller.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::simulator::{self, Account, Action, Directory, On, Outcome};
use support::simulated::{PEOPLE, Simulated};
use support::{Assets, assert_same, changed};

/// Searches with the DirSync control, by the text that faults see.
const DIRSYNC: &str = "dirsync ";

async fn lab() -> Simulated {
    let mut lab = Simulated::new().await;
    lab.set("AD_DELTA", "dirsync");
    lab
}

/// With an account that sees deleted objects.
async fn lab_of_the_administrator() -> Simulated {
    let mut lab = Simulated::with(
        simulator::Options {
            directory: Directory::new("corp.example", PEOPLE),
            accounts: vec![Account::administrator()],
            ..Default::default()
        },
        Default::default(),
    )
    .await;
    lab.set("AD_DELTA", "dirsync");
    lab.set("AD_BIND_DN", "administrator@corp.example");
    lab
}

async fn synced(lab: &Simulated) -> Assets {
    lab.sync(0).await;
    lab.assert_converged();
    lab.expected()
}

async fn assert_increment(lab: &Simulated) {
    lab.assert_last_run("delta", "changes since the DirSync cookie of")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_changes_are_sent_once_and_no_changes_ask_little() {
    let lab = lab().await;
    let before = synced(&lab).await;
    lab.simulator.statistics().reset();
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    assert_increment(&lab).await;
    let counts = lab.simulator.statistics().counts();
    assert!(counts.entries < 10 && counts.searches < 10, "{counts:?}");

    let (users, groups, directory) = (lab.users(), lab.groups(), lab.directory());
    directory.set_text(users[0], "mail", "new@corp.example");
    directory.set(users[1], "displayName", &[]);
    directory.rename(users[3], "Renamed, Jr.");
    directory.move_to(users[5], "CN=Users,DC=corp,DC=example");
    directory.set_text(groups[0], "description", "Two\nlines");
    directory.set_text(users[4], "telephoneNumber", "+49 30 1234");
    directory.create_user(
        "CN=Users,DC=corp,DC=example",
        "Newcomer",
        &[("mail", "n@corp.example")],
    );
    let difference = changed(&before, &lab.expected());
    assert_eq!(difference.len(), 5);
    assert_same(&lab.sent_by_sync().await, &difference);
    assert_increment(&lab).await;
    assert_eq!(lab.sent_by(&["sync", "--baseline"]).await.len(), 0);
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    assert_increment(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r05_more_changes_than_an_answer_holds_are_all_read() {
    let lab = lab().await;
    let before = synced(&lab).await;
    for (number, user) in lab.users().into_iter().enumerate() {
        lab.directory()
            .set_text(user, "mail", &format!("new{number}@corp.example"));
    }
    let difference = changed(&before, &lab.expected());
    assert_eq!(difference.len(), 220);
    assert_same(&lab.sent_by_sync().await, &difference);
    assert_increment(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_another_controller_goes_on_with_the_changes() {
    let mut lab = lab().await;
    let second = lab.second(lab.directory());
    lab.set("AD_HOST", "127.0.0.1,127.0.0.2");
    let before = synced(&lab).await;
    lab.directory()
        .set_text(lab.users()[0], "mail", "new@corp.example");
    lab.simulator.faults().always(On::Connect, Action::Cut);
    assert_same(&lab.sent_by_sync().await, &changed(&before, &lab.expected()));
    assert_increment(&lab).await;
    // It is asked for all its containers, since the cookie is of the first one (R8).
    let containers = [simulator::Kind::Unit, simulator::Kind::Other]
        .iter()
        .map(|kind| lab.directory().all(*kind).len() as u64)
        .sum::<u64>();
    assert!(second.statistics().counts().entries < 10 + containers);

    lab.simulator.faults().clear();
    let asked = second.statistics().counts().searches;
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    assert_increment(&lab).await;
    assert_eq!(
        second.statistics().counts().searches,
        asked,
        "the order of AD_HOST"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r05_a_controller_that_breaks_off_is_followed_by_the_next_one_in_the_run() {
    let mut lab = lab().await;
    let second = lab.second(lab.directory());
    lab.set("AD_HOST", "127.0.0.1,127.0.0.2");
    let before = synced(&lab).await;
    for user in &lab.users()[..30] {
        lab.directory().set(*user, "displayName", &[]);
    }
    for action in [Action::CutAfterEntries(7), Action::Cut] {
        lab.simulator.faults().at_matching(On::Search, DIRSYNC, 1, action);
    }
    let sent = lab.sent_by_sync().await;
    assert_same(&sent, &changed(&before, &lab.expected()));
    assert_increment(&lab).await;
    assert!(second.statistics().counts().searches > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_a_refused_cookie_is_a_full_read_in_the_same_run() {
    for code in [1, 2, 12, 50, 53, 80] {
        let lab = lab().await;
        let before = synced(&lab).await;
        lab.directory()
            .set_text(lab.users()[0], "mail", "new@corp.example");
        let outcome = Outcome::error(code, "not this one\0");
        lab.simulator
            .faults()
            .at_matching(On::Search, DIRSYNC, 1, Action::Answer(outcome));
        assert_same(&lab.sent_by_sync().await, &changed(&before, &lab.expected()));
        lab.assert_last_run("baseline", "the DirSync cookie was refused")
            .await;
        assert_eq!(lab.sent_by_sync().await.len(), 0);
        assert_increment(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_a_controller_that_refuses_dirsync_is_read_in_full_each_time() {
    let lab = lab().await;
    let outcome = Outcome::error(12, "unknown");
    lab.simulator
        .faults()
        .always_matching(On::Search, DIRSYNC, Action::Answer(outcome));
    lab.sync(0).await.said(&["refuses DirSync", "AD_DELTA=usn"]);
    lab.assert_converged();
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    lab.assert_last_run("baseline", "no DirSync cookie is known yet")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_another_scope_or_method_is_a_full_read_that_sends_differences() {
    let mut lab = lab().await;
    synced(&lab).await;
    lab.set("AD_USER_FILTER", "(mail=*)");
    lab.set("REMOVAL_MAX_PERCENT", "100");
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    lab.assert_last_run("baseline", "filters, kinds or mapping changed")
        .await;
    lab.set("AD_DELTA", "usn");
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    lab.assert_last_run("delta", "changes since USN").await;
    // What was read by the other method is true as well.
    lab.set("AD_DELTA", "dirsync");
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    assert_increment(&lab).await;
    // Back in the first scope, nothing of it counts.
    lab.set("AD_DELTA", "usn");
    lab.unset("AD_USER_FILTER");
    lab.sync(0).await;
    lab.set("AD_DELTA", "dirsync");
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    lab.assert_last_run("baseline", "no DirSync cookie is known yet")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r08_what_comes_into_the_scope_and_what_leaves_it_is_noticed() {
    let mut lab = lab().await;
    lab.set("AD_BASE_CONTEXT", "OU=People,DC=corp,DC=example");
    lab.set("REMOVAL_MAX_PERCENT", "100");
    lab.sync(0).await;
    let (directory, users) = (lab.directory().clone(), lab.users());
    directory.move_to(users[0], "CN=Users,DC=corp,DC=example");
    directory.create_unit("DC=corp,DC=example", "Elsewhere");
    let outside = directory.create_user(
        "OU=Elsewhere,DC=corp,DC=example",
        "Outsider",
        &[("mail", "o@corp.example")],
    );
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    assert_increment(&lab).await;
    let gone = lab.external_id(users[0]);
    lab.connector.succeed(&["removed", "--json"]).await.said(&[&gone]);

    let unit = directory.find("OU=Elsewhere,DC=corp,DC=example").unwrap();
    directory.move_to(unit, "OU=People,DC=corp,DC=example");
    let sent = lab.sent_by_sync().await;
    assert_eq!(sent.keys().collect::<Vec<_>>(), [&lab.external_id(outside)]);
    lab.assert_last_run("baseline", "was renamed or moved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_tombstone_that_the_account_sees_is_a_removal_and_a_restored_object_a_change() {
    let lab = lab_of_the_administrator().await;
    synced(&lab).await;
    let user = lab.users()[3];
    let id = lab.external_id(user);
    lab.directory().delete(user);
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    assert_increment(&lab).await;
    lab.connector.succeed(&["removed", "--json"]).await.said(&[&id]);
    lab.directory().restore(user);
    let sent = lab.sent_by_sync().await;
    assert_eq!(sent.keys().collect::<Vec<_>>(), [&id]);
    assert_increment(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_answers_without_end_or_without_a_cookie_end_with_an_error() {
    let lab = lab().await;
    let before = synced(&lab).await;
    lab.directory()
        .set_text(lab.users()[0], "mail", "new@corp.example");
    for action in [Action::RepeatCookie, Action::EndlessPages, Action::TruncatedBer] {
        lab.simulator
            .faults()
            .always_matching(On::Search, DIRSYNC, action.clone());
        let outcome = lab.sync(69).await;
        assert!(
            outcome.stderr.contains("what to do"),
            "{action:?}: {}",
            outcome.stderr
        );
        lab.simulator.faults().clear();
    }
    assert_same(&lab.sent_by_sync().await, &changed(&before, &lab.expected()));
    assert_increment(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_whether_dirsync_will_work() {
    let lab = lab().await;
    lab.connector.succeed(&["check"]).await.said(&[
        "DirSync",
        "with object security",
        "DC=corp,DC=example",
        "everything works",
    ]);
    lab.simulator.faults().always_matching(
        On::Search,
        DIRSYNC,
        Action::Answer(Outcome::error(50, "insufficient")),
    );
    lab.connector.run(&["check"]).await.ended_with(69).said(&[
        "DirSync is refused",
        "what to do",
        "AD_DELTA=usn",
        "1 step failed: DirSync",
    ]);
}
