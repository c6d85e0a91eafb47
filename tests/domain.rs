//! `AD_DOMAIN`: controllers are found by SRV record.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::dns::{Dns, Record, Zone};
use lab::simulator::{Action, On};
use support::simulated::Simulated;

/// Nothing in `AD_HOST`; `AD_DNS_SERVER` is the one that answers `zone`.
async fn lab(zone: Zone) -> (Simulated, Dns) {
    let mut lab = Simulated::new().await;
    let dns = Dns::start(zone).await;
    lab.unset("AD_HOST");
    lab.set("AD_DOMAIN", "corp.example");
    lab.set("AD_DNS_SERVER", &dns.addr().to_string());
    (lab, dns)
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_are_found_by_srv_record_and_tried_by_priority() {
    let records = ["127.0.0.9", "127.0.0.2", "127.0.0.1"];
    let records = records
        .iter()
        .enumerate()
        .map(|(number, host)| Record::of(number as u16, host));
    let (lab, _dns) = lab(Zone::Controllers("corp.example", records.collect())).await;
    let second = lab.second(lab.directory());
    // Nobody is at the first.
    lab.sync(0).await.said(&["127.0.0.9", "the next one is tried"]);
    lab.assert_converged();
    assert_eq!(lab.simulator.statistics().counts().connections, 0);
    lab.connector
        .succeed(&["check"])
        .await
        .said(&["127.0.0.2", "everything works"]);

    second.faults().always(On::Connect, Action::Cut);
    lab.directory()
        .set_text(lab.users()[0], "mail", "new@corp.example");
    assert_eq!(lab.sent_by_sync().await.len(), 1);
    lab.assert_last_run("baseline", "no watermark for controller 127.0.0.1")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_verified_in_the_certificate() {
    let (lab, _dns) = lab(Zone::Controllers(
        "corp.example",
        vec![Record::of(0, "localhost"), Record::of(1, "127.0.0.3")],
    ))
    .await;
    lab.sync(0).await;
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_answer_does_not_get_the_password() {
    let (mut lab, _dns) = lab(Zone::Controllers(
        "corp.example",
        vec![Record::of(0, "localhost")],
    ))
    .await;
    // Any public authority may have issued a certificate for such a host.
    lab.unset("AD_CERTIFICATE");
    lab.sync(69)
        .await
        .said(&["hosts of other domains", "AD_CERTIFICATE"]);
    assert_eq!(lab.simulator.statistics().counts().connections, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_dns_that_names_no_controller_is_explained() {
    for (zone, cause) in [
        (
            Zone::Controllers("other.example", vec![Record::of(0, "localhost")]),
            "there is no name",
        ),
        (Zone::Empty, "has no SRV record"),
        (
            Zone::Controllers("corp.example", vec![Record::of(0, "")]),
            "name no host",
        ),
        (
            Zone::Controllers("corp.example", vec![Record::of(0, "a\u{1b}[1mb")]),
            "name no host",
        ),
        (Zone::Failure, "corp.example"),
    ] {
        let (lab, _dns) = lab(zone.clone()).await;
        let outcome = lab.sync(69).await;
        let text = outcome.text();
        assert!(text.contains(cause), "{zone:?}: {text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        outcome.said(&["AD_DOMAIN", "AD_HOST", "what to do"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_dns_that_does_not_answer_is_explained() {
    for zone in [Zone::Silent, Zone::Garbage] {
        let (lab, _dns) = lab(zone).await;
        lab.sync(69)
            .await
            .said(&["corp.example", "AD_DOMAIN", "what to do"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r39_more_than_sixty_four_controllers_are_tried() {
    // Nobody is at the first two hundred addresses.
    let absent = (1..=200).map(|number| format!("127.0.9.{number}"));
    let records = absent.chain(["127.0.0.1".to_owned()]);
    let records = records
        .enumerate()
        .map(|(number, host)| Record::of(number as u16, &host));
    let (lab, _dns) = lab(Zone::Controllers("corp.example", records.collect())).await;
    let outcome = lab.sync(0).await;
    assert_eq!(outcome.stderr.matches("the next one is tried").count(), 200);
    lab.assert_converged();
}
