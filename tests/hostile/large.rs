//! Objects that are too large to be held: each is rejected alone, and is not missed (R15, R22).

use std::time::Duration;

use lab::simulator::{Action, On, Twist};

use super::support::{self, simulated::Simulated};
use super::{FLOOD, at_a_user, one_by_one};

/// How an object can be too large, and what is said about it.
pub(super) fn objects() -> Vec<(Action, &'static str)> {
    vec![
        (
            Action::Twist(Twist::Oversized(100 << 20)),
            "octets; the most that is taken",
        ),
        (
            Action::Twist(Twist::ManyValues(1_000_000)),
            "more than 400000 elements",
        ),
        (
            Action::Twist(Twist::ManyAttributes(1_000_000)),
            "sends it as a message of",
        ),
    ]
}

/// A sync that meets an object which is too large rejects it alone, with its name and GUID, in
/// bounded memory; it is not missed.
async fn assert_rejected_alone(lab: &Simulated, arguments: &[&str], words: &str) {
    let (outcome, took, peak) = lab.connector.measured(arguments).await;
    let outcome = outcome
        .ended_with(2)
        .said(&[words, "leave its largest attributes out of the mapping"]);
    assert!(took < Duration::from_secs(60), "{words} took {took:?}");
    assert!(peak < FLOOD, "{words} took {peak} KiB:\n{}", outcome.text());
    assert!(lab.simulator.faults().all_happened(), "{words}");
    let status = lab.status().await;
    let rejected = status["rejected"].as_array().unwrap();
    assert_eq!(rejected.len(), 1, "{words}: {status}");
    let user = lab
        .users()
        .into_iter()
        .find(|user| rejected[0]["dn"] == lab.directory().dn(*user));
    let guid = support::expected::guid(&lab.directory().guid(user.unwrap()));
    assert_eq!(rejected[0]["vendorAssetId"], guid.as_str());
    let removed = lab.connector.succeed(&["removed", "--json"]).await.stdout;
    assert_eq!(removed, "", "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_an_object_that_is_too_large_is_rejected_alone_and_not_missed() {
    for (action, words) in objects() {
        let mut lab = one_by_one().await;
        lab.set("AD_TIMEOUT", "50s");
        let all = lab.expected().len();
        at_a_user(&lab, &action);
        assert_rejected_alone(&lab, &["sync"], words).await;
        assert_eq!(lab.receiver.assets().len(), all - 1);
        // It is tried again, and then ETM has it.
        lab.sync(0).await;
        lab.assert_last_run("delta", "").await;
        lab.assert_converged();
        // A full read that gets it so again does not take it for gone (R22).
        at_a_user(&lab, &action);
        assert_rejected_alone(&lab, &["sync", "--baseline"], words).await;
        // Nor does a delta.
        for user in lab.users().into_iter().take(2) {
            lab.directory().set_text(user, "displayName", "Changed");
        }
        lab.sync(0).await;
        lab.directory()
            .set_text(lab.users()[0], "displayName", "Changed again");
        at_a_user(&lab, &action);
        assert_rejected_alone(&lab, &["sync"], words).await;
        lab.sync(0).await;
        lab.assert_converged();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_large_object_without_a_guid_is_not_taken_for_gone() {
    let mut lab = one_by_one().await;
    lab.set("AD_TIMEOUT", "50s");
    lab.sync(0).await;
    let user = lab.users()[3];
    lab.directory().hide_guid(user);
    lab.simulator.faults().always_matching(
        On::Search,
        "objectClass=user",
        Action::Twist(Twist::Oversized(17 << 20)),
    );
    // Every user is too large; one of them cannot even be told by its GUID.
    let outcome = lab.connector.run(&["sync", "--baseline"]).await.ended_with(2);
    outcome.said(&["objectGUID is missing or not 16 octets long; the controller sends it as"]);
    assert_eq!(lab.status().await["rejected"].as_array().unwrap().len(), 12);
    let removed = lab.connector.succeed(&["removed", "--json"]).await.stdout;
    assert_eq!(removed.lines().count(), 1, "{removed}");
    assert!(removed.contains("\"state\":\"undecided\""), "{removed}");
    lab.simulator.faults().clear();
    lab.directory().show_guid(user);
    lab.sync(0).await;
    lab.assert_converged();
}
