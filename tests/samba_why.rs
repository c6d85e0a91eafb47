//! `why` against a real Active Directory (Samba): the server decides which condition an object does
//! not meet (R38).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Options, Receiver};
use lab::samba::Change;
use serde_json::Value;
use support::Connector;

/// Denies everybody to read `department` (MS-ADA1: schemaIDGUID).
const NO_DEPARTMENT: &str = "(OD;;RP;bf96794f-0de6-11d0-a285-00aa003049e2;;AU)";

/// Answer of `why --json`, which must end with 0.
async fn why(connector: &Connector, name: &str) -> Value {
    let said = connector.succeed(&["why", name, "--json"]).await.stdout;
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

#[track_caller]
fn assert_is(answer: &Value, verdict: &str, words: &[&str]) {
    assert_eq!(answer["verdict"], verdict, "{answer:#}");
    for word in words {
        assert!(answer.to_string().contains(word), "{word}: {answer:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r38_a_real_controller_says_why_an_object_is_in_etm_or_not() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(Options::default()).await;
    let unit = domain.fresh_unit("why");
    let (inside, outside) = (format!("OU=In,{unit}"), format!("OU=Out,{unit}"));
    let odd = format!("OU=Odd\\, \\\"Deep\\\" \u{e4}\\+\u{f6},{inside}");
    let name = |name: &str, unit: &str| format!("CN={name},{unit}");
    domain.apply(&[
        Change::add(&inside, "organizationalUnit", &[]),
        Change::add(&outside, "organizationalUnit", &[]),
        Change::add(&odd, "organizationalUnit", &[]),
        Change::user(&inside, "Anna", "whyanna"),
        Change::set(&name("Anna", &inside), "department", "Sales"),
        Change::user(&odd, "Berta", "whyberta"),
        Change::set(&name("Berta", &odd), "department", "Sales"),
        Change::user(&inside, "Carla", "whycarla"),
        Change::set(&name("Carla", &inside), "department", "Research"),
        Change::user(&inside, "Dora", "whydora"),
        Change::set(&name("Dora", &inside), "department", "Sales"),
        Change::deny(&name("Dora", &inside), NO_DEPARTMENT),
        Change::user(&outside, "Emma", "whyemma"),
        Change::set(&name("Emma", &outside), "department", "Sales"),
        Change::add(&name("PC", &inside), "computer", &[("sAMAccountName", "WHYPC$")]),
        Change::add(&name("Card", &inside), "contact", &[]),
    ]);
    let connector = Connector::new(&domain, &receiver)
        .with("AD_BASE_CONTEXT", &inside)
        .with("AD_ASSETS", "users")
        .with("AD_USER_FILTER", "(&(mail=*)(department=Sales))");
    let answer = why(&connector, "whyanna").await;
    assert_is(&answer, "not_read", &["no run has read the directory yet"]);
    assert!(!connector.state().exists());

    connector.succeed(&["sync"]).await;
    let answer = why(&connector, "whyanna@corp.example").await;
    assert_is(
        &answer,
        "in_etm",
        &["in run 1", "the same now", &domain.place().host()],
    );
    let answer = why(&connector, "whyberta").await;
    assert_is(&answer, "in_etm", &["CN=Berta"]);
    let again = why(&connector, answer["dn"].as_str().unwrap()).await;
    assert_eq!(again["vendorAssetId"], answer["vendorAssetId"]);
    let again = why(&connector, answer["externalAssetId"].as_str().unwrap()).await;
    assert_eq!(again["vendorAssetId"], answer["vendorAssetId"]);
    let answer = why(&connector, "whycarla").await;
    let words = ["(mail=*): matches", "(department=Sales): does not match"];
    assert_is(&answer, "out_of_scope", &words);
    // Samba takes what the account may not read for a value that is not there.
    let answer = why(&connector, "whydora").await;
    let words = ["(mail=*): matches", "(department=Sales): does not match"];
    assert_is(&answer, "out_of_scope", &words);
    let answer = why(&connector, "whyemma").await;
    assert_is(&answer, "out_of_scope", &["not below the base context"]);
    let answer = why(&connector, "WHYPC$").await;
    assert_is(&answer, "out_of_scope", &["AD_ASSETS does not name computers"]);
    let answer = why(&connector, &name("Card", &inside)).await;
    assert_is(
        &answer,
        "out_of_scope",
        &["contact", "no user, group, computer or role"],
    );

    domain.apply(&[
        Change::undeny(&name("Dora", &inside), NO_DEPARTMENT),
        Change::delete(&name("Anna", &inside)),
    ]);
    let answer = why(&connector, "whyanna@corp.example").await;
    assert_is(&answer, "leaving", &["still in ETM"]);
    connector
        .run(&["sync", "--baseline"])
        .await
        .ended_with(3)
        .said(&["1 of 3 users"]);
    let answer = why(&connector, "whyanna@corp.example").await;
    assert_is(&answer, "held", &["approve-removals"]);
    // Other tests read the whole domain.
    domain.apply(&[Change::delete(&unit)]);
}
