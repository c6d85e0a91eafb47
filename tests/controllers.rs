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
            lab.set("AD_PARALLEL_READS", connections);
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
        lab.set("AD_PARALLEL_READS", connections);
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
async fn r05_r39_what_no_other_controller_would_answer_otherwise_is_not_asked_again() {
    for (code, message) in [
        (4, ""),
        (10, ""),
        (16, ""),
        (34, ""),
        (50, ""),
        (1, OUTSIDE),
        (32, OUTSIDE),
    ] {
        let (lab, second) = two().await;
        lab.at_users_page(2, Action::Answer(Outcome::error(code, message)));
        let outcome = lab.sync(69).await;
        assert_eq!(asked(&second), 0, "{code}");
        if message == OUTSIDE {
            outcome.said(&["AD_BASE_CONTEXT", "no naming context"]);
        }
    }
    let (mut lab, second) = two().await;
    lab.set("AD_PASSWORD", "wrong");
    lab.sync(77).await;
    assert_eq!(second.statistics().counts().binds, 0);
}

/// Words of Windows for a base that lies in no naming context, and for a lost session.
const OUTSIDE: &str = "000020D6: SvcErr: DSID-031007E5, problem 5012 (DIR_ERROR), data 0\n\0";
const LOST: &str = "000004DC: LdapErr: DSID-0C090A5A, comment: In order to perform this operation a successful bind must be \
                    completed on the connection., data 0, v4f7c\0";

fn refused_bind(sub_code: &str) -> Action {
    let message = format!(
        "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {sub_code}, v4563\0"
    );
    Action::Answer(Outcome::error(49, message))
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_a_bind_that_the_controller_did_not_judge_is_tried_on_the_next_one() {
    let not_judged = [1, 2, 3, 11, 12, 51, 52, 53, 80].map(|code| Action::Answer(Outcome::error(code, "no")));
    let not_judged = not_judged
        .into_iter()
        .chain(["51f", "54f", "6ba"].map(refused_bind))
        .chain([
            Action::Cut,
            Action::Notice(2),
            Action::Notice(8),
            Action::Notice(52),
        ]);
    let (lab, second) = two().await;
    for (number, action) in not_judged.enumerate() {
        lab.simulator.faults().clear();
        lab.simulator.faults().always(On::Bind, action.clone());
        let binds = second.statistics().counts().binds;
        lab.sync(0).await.said(&if number == 0 {
            vec!["127.0.0.1", "the next one is tried"]
        } else {
            vec![]
        });
        assert!(second.statistics().counts().binds > binds, "{number} {action:?}");
    }
    lab.assert_converged();
    let judged = [
        "525", "52e", "52f", "530", "531", "532", "533", "568", "569", "701", "773", "775", "0",
    ]
    .map(refused_bind);
    let judged = judged.into_iter().zip(std::iter::repeat(77));
    let judged = judged.chain([34, 48].map(|code| (Action::Answer(Outcome::error(code, "no")), 77)));
    let judged = judged.chain([7, 8, 13].map(|code| (Action::Answer(Outcome::error(code, "no")), 69)));
    for (number, (action, code)) in judged.enumerate() {
        lab.simulator.faults().clear();
        lab.simulator.faults().always(On::Bind, action);
        let before = (
            lab.simulator.statistics().counts().connections,
            second.statistics().counts().connections,
        );
        // The second one is known to the store, and would be preferred.
        lab.connector.run(&["sync", "--baseline"]).await.ended_with(code);
        let after = (
            lab.simulator.statistics().counts().connections,
            second.statistics().counts().connections,
        );
        assert_eq!((after.0 - before.0, after.1 - before.1), (1, 0), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_a_search_that_the_controller_did_not_do_is_done_by_the_next_one() {
    let actions = [1, 3, 11, 12, 51, 52, 53, 80].map(|code| Action::Answer(Outcome::error(code, "no")));
    let actions = actions.into_iter().chain([
        Action::Answer(Outcome::error(1, LOST)),
        Action::AnswerAfterEntries(40, Outcome::error(12, "no")),
        Action::Notice(2),
        Action::Notice(8),
        Action::Notice(123),
    ]);
    for (number, action) in actions.enumerate() {
        let (mut lab, second) = two().await;
        lab.set("AD_PARALLEL_READS", if number % 2 == 0 { "1" } else { "2" });
        lab.at_users_page(2, action.clone());
        lab.sync(0).await.said(&["127.0.0.1", "broke off", "another one"]);
        lab.assert_converged();
        assert!(asked(&second) > 0, "{action:?}");
        assert_eq!(lab.last_run().await["watermarkAfter"], second.highest_usn());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_a_controller_that_is_not_ready_is_not_read() {
    let no_such_object = || Action::Answer(Outcome::error(32, "0000208D: NameErr\0"));
    let (lab, second) = two().await;
    for (on, action, word) in [
        (
            On::RootDse,
            Action::RootDse("highestCommittedUSN", None),
            "highestCommittedUSN",
        ),
        (
            On::RootDse,
            Action::RootDse("highestCommittedUSN", Some("many")),
            "no number",
        ),
        (
            On::RootDse,
            Action::RootDse("dsServiceName", None),
            "dsServiceName",
        ),
        (
            On::RootDse,
            Action::RootDse("defaultNamingContext", None),
            "defaultNamingContext",
        ),
        (
            On::RootDse,
            Action::RootDse("isSynchronized", Some("FALSE")),
            "isSynchronized",
        ),
        (
            On::RootDse,
            Action::Answer(Outcome::error(52, "no")),
            "cannot serve",
        ),
        (On::Search, no_such_object(), "NTDS Settings"),
        (
            On::Search,
            Action::AnswerAfterEntries(0, Outcome::success()),
            "invocationId",
        ),
    ] {
        lab.simulator.faults().clear();
        lab.simulator.faults().at(on, 1, action);
        let before = asked(&second);
        let outcome = lab.connector.succeed(&["sync", "--baseline"]).await;
        outcome.said(&["127.0.0.1", word, "another one"]);
        assert!(asked(&second) > before, "{word}");
        assert_eq!(lab.last_run().await["watermarkAfter"], second.highest_usn());
    }
    lab.assert_converged();
    // Nothing was read from the first one, so the second one bears witness to a removal.
    lab.simulator
        .faults()
        .at(On::RootDse, 1, Action::RootDse("isSynchronized", Some("FALSE")));
    lab.directory().delete(lab.users()[0]);
    lab.connector.succeed(&["sync", "--baseline"]).await;
    let removed = lab.connector.succeed(&["removed", "--json"]).await.stdout;
    assert_eq!(removed.lines().count(), 1, "{removed}");
    assert!(!removed.contains("undecided"), "{removed}");
    // What is missing, or says that everything is well, is no fault.
    for value in [None, Some("TRUE")] {
        lab.simulator.faults().clear();
        lab.simulator
            .faults()
            .always(On::RootDse, Action::RootDse("isSynchronized", value));
        let before = asked(&second);
        lab.connector.succeed(&["sync", "--baseline"]).await;
        assert_eq!(asked(&second), before);
    }
    // No controller is ready.
    for controller in [&lab.simulator, &second] {
        controller.faults().clear();
        controller
            .faults()
            .always(On::RootDse, Action::RootDse("isSynchronized", Some("FALSE")));
    }
    lab.sync(69)
        .await
        .said(&["127.0.0.1: rootDSE", "127.0.0.2: rootDSE", "repadmin"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_a_dropped_paging_state_begins_again_by_itself_where_there_is_one_controller() {
    let broke_off = "000020E6: SvcErr: DSID-031406E4, problem 5012 (DIR_ERROR), data 7\n\0";
    let dropped = "00000057: LdapErr: DSID-0C090B19, comment: Error processing control, data 0, v4563\0";
    for (connections, code, message) in [("1", 12, dropped), ("2", 12, dropped), ("1", 1, broke_off)] {
        let mut lab = Simulated::new().await;
        lab.set("AD_PARALLEL_READS", connections);
        lab.at_users_page(2, Action::Answer(Outcome::error(code, message)));
        lab.sync(0).await.said(&["broke off", "begins again there"]);
        lab.assert_converged();
        assert_eq!(lab.sent_by_sync().await.len(), 0);
        lab.assert_last_run("delta", "changes since").await;
        // A removal is seen in such a run: it is the same controller.
        lab.directory().delete(lab.users()[0]);
        lab.at_users_page(2, Action::Answer(Outcome::error(code, message)));
        lab.connector.succeed(&["sync", "--baseline"]).await;
        let removed = lab.connector.succeed(&["removed", "--json"]).await.stdout;
        assert_eq!(removed.lines().count(), 1, "{removed}");
        assert!(!removed.contains("undecided"), "{removed}");
    }
    // Once, and not for anything else.
    let lab = Simulated::new().await;
    lab.simulator.faults().always_matching(
        On::Search,
        "objectClass=user",
        Action::Answer(Outcome::error(12, dropped)),
    );
    let outcome = lab.sync(69).await;
    let outcome = outcome.said(&["begins again there", "result 12"]);
    assert_eq!(outcome.stderr.matches("begins again there").count(), 1);
    for code in [3, 11, 51, 52, 53, 80] {
        let lab = Simulated::new().await;
        lab.at_users_page(2, Action::Answer(Outcome::error(code, "no")));
        let outcome = lab.sync(69).await;
        assert!(!outcome.stderr.contains("begins again there"), "{code}");
    }
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
    lab.set("AD_PARALLEL_READS", "1");
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
