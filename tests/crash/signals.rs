//! SIGTERM in each phase of a run (R26): it ends in time with 143, and what was staged is sent by the next run. The phases
//! of the service are in tests/service.rs.

use std::time::Duration;

use lab::receiver::Answer;
use lab::simulator::{Action, On};

use crate::support::simulated::Simulated;

/// Sends SIGTERM once `reached` has come, and lets the next run bring everything over.
async fn stopped_once(lab: &Simulated, reached: impl Future<Output = ()>, within: Duration) {
    stopped(lab, reached, within).await;
    lab.sync(0).await;
    lab.assert_converged();
    let sent = lab.receiver.summary().requests;
    lab.sync(0).await;
    assert_eq!(lab.receiver.summary().requests, sent, "nothing is left to send");
}

/// Sends SIGTERM once `reached` has come.
async fn stopped(lab: &Simulated, reached: impl Future<Output = ()>, within: Duration) {
    let running = lab.connector.watch(&["sync"]);
    reached.await;
    running.signal("TERM").await;
    let (outcome, took) = running.ended_within(Duration::from_secs(25)).await;
    outcome.ended_with(143);
    assert!(took <= within, "it took {took:?}");
    lab.simulator.faults().clear();
    lab.receiver.clear_scripts();
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_while_it_connects() {
    for on in [On::Bind, On::RootDse] {
        let lab = Simulated::new().await;
        lab.simulator.faults().at(on, 1, Action::Silence);
        stopped_once(&lab, lab.simulator.faults().happened(), Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_while_it_reads_and_stages() {
    for nth in [2, 3, 5] {
        let lab = Simulated::new().await;
        lab.simulator.faults().at(On::Search, nth, Action::Silence);
        stopped_once(&lab, lab.simulator.faults().happened(), Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_while_it_delivers() {
    let lab = Simulated::new().await;
    lab.receiver
        .script([Answer::Accept, Answer::Slow(Duration::from_millis(500))]);
    stopped_once(&lab, lab.receiver.arrived(2), Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_while_it_waits_as_long_as_the_gateway_asked() {
    let lab = Simulated::new().await;
    lab.receiver
        .script([Answer::with_header(429, "X-RateLimit-ToWait-Sec", "600")]);
    stopped_once(&lab, lab.receiver.arrived(1), Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_while_it_gets_a_token() {
    let lab = Simulated::new().await;
    lab.receiver
        .script_tokens([Answer::Hang(Duration::from_secs(60))]);
    stopped_once(&lab, lab.receiver.tokens_asked(1), Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_while_it_looks_up_what_is_missing() {
    let mut lab = Simulated::new().await;
    lab.set("AD_BIND_DN", "administrator@corp.example");
    lab.sync(0).await;
    lab.directory().delete(lab.users()[0]);
    // The look-up in the naming context; the searches of a delta have filters of their own.
    lab.simulator
        .faults()
        .at_matching(On::Search, "(objectGUID=", 2, Action::Silence);
    stopped(&lab, lab.simulator.faults().happened(), Duration::from_secs(5)).await;
    lab.sync(0).await;
    assert_eq!(
        crate::ledger::removed(&lab.connector.state()).len(),
        1,
        "it is removed by the next run"
    );
}
