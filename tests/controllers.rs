//! Several controllers: which of them is read, and what happens when one breaks off.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::simulator::{Action, Directory, Kind, On, Outcome, Simulator};
use support::simulated::{PEOPLE, Simulated};
use support::{assert_same, changed};

/// Two controllers of one domain, both named in `AD_HOST`, the first of them first.
async fn two() -> (Simulated, Simulator) {
    let mut lab = Simulated::new().await;
    let second = lab.second(lab.directory());
    lab.set("AD_HOST", "127.0.0.1,127.0.0.2");
    (lab, second)
}

/// No new connection gets through to the controller, and none that stands.
fn down(controller: &Simulator) {
    controller.faults().always(On::Connect, Action::Cut);
    controller.cut_connections();
}

fn up(controller: &Simulator) {
    controller.faults().clear();
}

fn asked(controller: &Simulator) -> usize {
    controller.statistics().counts().searches as usize
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_r17_a_change_while_the_first_controller_is_down_and_the_first_one_back() {
    let (lab, second) = two().await;
    lab.sync(0).await;
    lab.assert_converged();
    assert_eq!(asked(&second), 0, "in the order of AD_HOST");
    let before = lab.expected();

    down(&lab.simulator);
    lab.directory()
        .set_text(lab.users()[0], "mail", "new@corp.example");
    assert_same(&lab.sent_by_sync().await, &changed(&before, &lab.expected()));
    lab.assert_last_run("baseline", "no watermark for controller 127.0.0.2")
        .await;
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    lab.assert_last_run("delta", "changes since").await;

    up(&lab.simulator);
    let asked_before = asked(&second);
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    lab.assert_last_run("delta", "changes since").await;
    assert_eq!(
        asked(&second),
        asked_before,
        "both are known, so the order decides again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_a_controller_that_is_known_is_preferred_except_for_a_baseline() {
    let (lab, second) = two().await;
    down(&lab.simulator);
    lab.sync(0).await;
    up(&lab.simulator);
    let asked_before = asked(&lab.simulator);
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    lab.assert_last_run("delta", "changes since").await;
    assert_eq!(asked(&lab.simulator), asked_before, "nobody was read in full");

    let asked_before = asked(&second);
    assert_eq!(lab.sent_by(&["sync", "--baseline"]).await.len(), 0);
    assert_eq!(
        asked(&second),
        asked_before,
        "everything is read in any case: from the first"
    );
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    lab.assert_last_run("delta", "changes since").await;
    assert_eq!(asked(&second), asked_before);
}

#[tokio::test(flavor = "multi_thread")]
async fn r05_a_read_that_breaks_off_begins_again_on_the_next_controller_within_the_run() {
    for connections in ["1", "2"] {
        for action in [
            Action::Cut,
            Action::CutAfterEntries(40),
            Action::CutAfterBytes(9_000),
            Action::Answer(Outcome::error(51, "busy")),
            Action::Answer(Outcome::error(52, "unavailable")),
            Action::Notice(52),
        ] {
            let (mut lab, second) = two().await;
            lab.set("AD_CONNECTIONS", connections);
            lab.at_users_page(2, action.clone());
            let outcome = lab.sync(0).await;
            outcome.said(&["127.0.0.1", "broke off", "another one"]);
            lab.assert_converged();
            let summary = lab.receiver.summary();
            assert_eq!(
                summary.assets_received,
                lab.expected().len() as u64,
                "{action:?}: each once"
            );
            assert!(asked(&second) > 0);
            lab.assert_last_run("baseline", "no read has been completed")
                .await;
            let run = lab.last_run().await;
            assert_eq!(run["watermarkAfter"], second.highest_usn(), "{action:?}: {run}");
            // The watermark is of the controller that was read to its end: the other one is unknown.
            let asked_before = asked(&lab.simulator);
            assert_eq!(lab.sent_by_sync().await.len(), 0);
            assert_eq!(asked(&lab.simulator), asked_before);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r05_a_controller_that_goes_in_the_middle_of_a_baseline_or_a_delta_loses_nothing() {
    for (arguments, connections) in [
        (&["sync"][..], "1"),
        (&["sync", "--baseline"], "1"),
        (&["sync", "--baseline"], "2"),
    ] {
        let (mut lab, second) = two().await;
        lab.set("AD_CONNECTIONS", connections);
        lab.sync(0).await;
        let before = lab.expected();
        for (number, user) in lab.users().into_iter().enumerate().step_by(2) {
            lab.directory()
                .set_text(user, "mail", &format!("new{number}@corp.example"));
        }
        lab.at_users_page(2, Action::CutAfterEntries(3));
        lab.simulator.faults().from(On::Connect, 1, Action::Cut);
        let sent = lab.sent_by(arguments).await;
        assert_same(&sent, &changed(&before, &lab.expected()));
        assert_eq!(lab.last_run().await["watermarkAfter"], second.highest_usn());
        up(&lab.simulator);
        assert_eq!(lab.sent_by_sync().await.len(), 0);
        lab.assert_last_run("delta", "changes since").await;
        assert_eq!(lab.sent_by(&["sync", "--baseline"]).await.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r05_what_no_other_controller_would_answer_otherwise_is_not_asked_again() {
    for code in [3, 4, 50, 53] {
        let (lab, second) = two().await;
        lab.at_users_page(2, Action::Answer(Outcome::error(code, "no")));
        lab.sync(69).await;
        assert_eq!(asked(&second), 0, "{code}");
    }
    let (mut lab, second) = two().await;
    lab.set("AD_PASSWORD", "wrong");
    lab.sync(77).await;
    assert_eq!(second.statistics().counts().binds, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r05_when_every_controller_breaks_off_each_is_named_and_what_was_read_is_kept() {
    let (lab, second) = two().await;
    for controller in [&lab.simulator, &second] {
        controller
            .faults()
            .at_matching(On::Search, "objectClass=user", 2, Action::Cut);
    }
    lab.sync(69)
        .await
        .said(&["127.0.0.1: ", "127.0.0.2: ", "what to do"]);
    assert_eq!(lab.receiver.assets().len(), 100, "a page");
    assert!(lab.last_run().await["watermarkAfter"].is_null());
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_what_the_next_controller_does_not_hold_yet_is_not_removed() {
    let mut lab = Simulated::new().await;
    // The same domain before the newcomer was replicated.
    let behind = Directory::new("corp.example", PEOPLE);
    let second = lab.second(&behind);
    lab.set("AD_HOST", "127.0.0.1,127.0.0.2");
    lab.set("AD_CONNECTIONS", "1");
    lab.set("REMOVAL_MAX_PERCENT", "100");
    let newcomer = |directory: &Directory| {
        directory.create_user(
            "CN=Users,DC=corp,DC=example",
            "Newcomer",
            &[("mail", "n@corp.example")],
        )
    };
    let user = newcomer(lab.directory());
    // Users are read to their end, and the newcomer is on its way upstream.
    lab.simulator
        .faults()
        .always_matching(On::Search, "objectCategory=group", Action::Cut);
    lab.sync(0).await;
    assert!(asked(&second) > 0);
    assert!(lab.receiver.assets().contains_key(&lab.external_id(user)));
    let undecided = lab.connector.succeed(&["removed", "--json"]).await.stdout;
    assert_eq!(
        undecided.matches("\"state\":\"undecided\"").count(),
        1,
        "{undecided}"
    );
    assert_eq!(undecided.lines().count(), 1, "{undecided}");
    newcomer(&behind);
    lab.sync(0).await;
    assert_eq!(lab.connector.succeed(&["removed", "--json"]).await.stdout, "");
    assert_eq!(behind.all(Kind::User).len(), lab.users().len());
}
