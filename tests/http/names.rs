//! No name of a person comes out of any address without a token, whatever happened before.

use std::collections::BTreeSet;

use lab::receiver::Answer;
use lab::simulator::{Action, On, Outcome};
use serde_json::{Value, json};

use super::support::expected;
use super::support::http::{READ_TOKEN, Served, TOKEN};
use super::support::simulated::Simulated;
use super::{CONNECTION, quiet};

/// A part of the name of everybody in question.
const NAME: &str = "quuxley";

/// Every address of the API, as its document lists them, and the others.
async fn addresses(served: &Served, guid: &str, run: &Value) -> Vec<String> {
    let document = served.get("/api/openapi.json").await.with(200).json();
    let calls = document["paths"].as_object().unwrap();
    let mut addresses: Vec<String> = calls
        .iter()
        .filter(|(path, call)| call.get("get").is_some() && !path.ends_with("/events"))
        .map(|(path, _)| {
            path.replace("{name}", "active-directory")
                .replace("{guid}", guid)
                .replace("{run}", &run.to_string())
        })
        .collect();
    assert!(addresses.len() >= 10, "{addresses:?}");
    for query in ["?state=held", "?state=undecided"] {
        addresses.push(format!("{CONNECTION}/removed{query}"));
    }
    addresses.push(format!("{CONNECTION}/inventory?q={NAME}"));
    addresses.extend(["/", "/metrics", "/live", "/ready", "/nowhere"].map(str::to_owned));
    addresses
}

/// Collects what every address and the events answer, with this token or without.
async fn told(served: &Served, guid: &str, run: &Value, token: Option<&str>) -> String {
    let mut told = String::new();
    for path in addresses(served, guid, run).await {
        let answer = match token {
            Some(token) => served.read_with(&path, token).await,
            None => served.get(&path).await,
        };
        told += &format!("{path} {:?} {}\n", answer.headers, answer.body);
    }
    let request = served.request(reqwest::Method::GET, &format!("{CONNECTION}/events"));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let mut stream = request.send().await.unwrap();
    told += std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap();
    told
}

/// A run, which ends as an event without a token tells.
async fn run(served: &Served, mode: &str) -> Value {
    let mut events = served.events(&format!("{CONNECTION}/events")).await;
    events.named("connection").await;
    let sync = format!("{CONNECTION}/sync");
    served.post(&sync, &json!({"mode": mode})).await.with(202);
    let run = events.named("run").await;
    assert!(!run.to_string().to_lowercase().contains(NAME), "{run}");
    run
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_token_no_name_comes_out_of_any_address() {
    let mut lab = Simulated::new().await;
    quiet(&mut lab);
    lab.set("REMOVAL_MAX_COUNT", "1");
    lab.set("QUALYS_GIVE_UP_AFTER", "1s");
    let directory = lab.directory().clone();
    let people: Vec<_> = (0..6)
        .map(|number| {
            let name = format!("Anna Quuxley {number}");
            let mail = format!("anna.quuxley{number}@corp.example");
            directory.create_user(
                "DC=corp,DC=example",
                &name,
                &[("mail", &mail), ("displayName", &name)],
            )
        })
        .collect();
    lab.sync(0).await;
    // One cannot be mapped, one is refused; two that are gone are held back.
    directory.set(people[0], "objectSid", &[b"broken"]);
    let refused = lab.external_id(people[1]);
    directory.set_text(people[1], "mail", "a.quuxley@corp.example");
    let reason = r#"{"message": "Anna Quuxley has no licence"}"#;
    lab.receiver
        .refuse([refused], Answer::Status(400, Vec::new(), reason.to_owned()));
    directory.delete(people[2]);
    directory.delete(people[3]);
    let served = Served::start(&lab.connector).await;
    let guid = expected::guid(&directory.guid(people[1]));
    let held = run(&served, "baseline").await;
    assert_eq!(held["counts"]["users"]["held"], 2, "{held}");
    let mut outcomes = BTreeSet::from([held["outcome"].as_str().unwrap().to_owned()]);
    let latest = held["run"].clone();
    all_told(&served, &guid, &latest).await;

    // The gateway refuses everything and repeats names, as its errors do; then the directory does.
    let page = format!("no such user: {NAME}");
    for fault in 0..4 {
        lab.receiver.refuse_nothing();
        directory.set_text(people[4], "mail", &format!("{fault}.quuxley@corp.example"));
        match fault {
            0 => lab
                .receiver
                .refuse_all(Answer::Status(400, Vec::new(), reason.to_owned())),
            1 => lab
                .receiver
                .refuse_all(Answer::Status(403, Vec::new(), page.clone())),
            2 => lab
                .receiver
                .refuse_all(Answer::Status(200, Vec::new(), page.clone())),
            _ => {
                let outcome = Outcome::error(51, "problem with CN=Anna Quuxley 5,DC=corp,DC=example");
                lab.simulator.faults().always(On::Search, Action::Answer(outcome));
            }
        }
        let failed = run(&served, "delta").await;
        outcomes.insert(failed["outcome"].as_str().unwrap().to_owned());
        all_told(&served, &guid, &latest).await;
    }
    assert!(
        outcomes.contains("failed") && outcomes.contains("partial"),
        "{outcomes:?}"
    );
    served.service.stopped_with(0).await;
}

/// With either token names are told, without one none is.
async fn all_told(served: &Served, guid: &str, run: &Value) {
    for token in [TOKEN, READ_TOKEN] {
        let told = told(served, guid, run, Some(token)).await.to_lowercase();
        for path in ["inventory", "rejected", "removed?state=held", "runs/"] {
            let line = told
                .lines()
                .find(|line| line.starts_with(&format!("{CONNECTION}/{path}")) && line.contains(NAME));
            assert!(line.is_some(), "no names in {path}: {told}");
        }
    }
    let open = told(served, guid, run, None).await.to_lowercase();
    // The search itself is in the address, before the answer.
    let open = open.replace(&format!("?q={NAME}"), "");
    assert!(!open.contains(NAME), "{open}");
    assert!(!open.contains("@corp.example"), "{open}");
}
