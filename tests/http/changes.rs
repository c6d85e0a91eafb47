//! Runs that are asked for over HTTP, and the events that tell of them.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use lab::simulator::{Action, On};
use serde_json::{Value, json};

use super::support::http::Served;
use super::support::simulated::Simulated;
use super::{CONNECTION, history, quiet, served};

/// Sender of a request, in the history.
const ASKED_BY: &str = "API from 127.0.0.1";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_is_asked_for_watched_and_remembered() {
    let (lab, served) = served().await;
    let mut events = served.events(&format!("{CONNECTION}/events")).await;
    let (name, connection) = events.next().await;
    assert_eq!(
        (name.as_str(), &connection["state"]),
        ("connection", &json!("Scheduled"))
    );
    assert_eq!(connection["progress"], Value::Null);

    // The directory answers the third page only when it is told to.
    let (open, held) = channel::<()>();
    let held = Mutex::new(held);
    let wait = move || {
        let _ = tokio::task::block_in_place(|| held.lock().unwrap().recv());
    };
    lab.at_users_page(3, Action::Run(Arc::new(wait)));
    let sync = format!("{CONNECTION}/sync");
    let begun = served
        .post(&sync, &json!({"mode": "baseline"}))
        .await
        .with(202)
        .json();
    let run = begun["run"].as_i64().unwrap();

    let connection = events.named("connection").await;
    assert_eq!(connection["state"], "Processing", "{connection}");
    let progress = loop {
        let progress = events.named("progress").await;
        if progress["read"] == 200 {
            break progress;
        }
    };
    assert_eq!(
        (&progress["run"], &progress["askedBy"]),
        (&json!(run), &json!(ASKED_BY))
    );
    assert_eq!(
        (&progress["phase"], &progress["mode"]),
        (&json!("reading"), &json!("baseline"))
    );
    assert_eq!(served.json(CONNECTION).await["progress"]["run"], run);

    let refused = served
        .post(&sync, &json!({"mode": "delta"}))
        .await
        .with(409)
        .json();
    assert_eq!(refused["error"], "run_in_progress");
    let reason = refused["reason"].as_str().unwrap();
    assert!(
        reason.contains(&format!("run {run} ")) && reason.contains(ASKED_BY),
        "{reason}"
    );

    open.send(()).unwrap();
    let ended = events.named("run").await;
    assert_eq!(
        (&ended["run"], &ended["outcome"]),
        (&json!(run), &json!("processed"))
    );
    assert_eq!(
        (&ended["wanted"], &ended["askedBy"]),
        (&json!("baseline"), &json!(ASKED_BY))
    );
    let connection = served.json(CONNECTION).await;
    assert_eq!(connection["state"], "Processed");
    assert_eq!(connection["lastRun"], ended);
    assert_eq!(connection["states"]["Processed"], connection["stateSince"]);
    assert!(connection["states"]["Processing"].is_string(), "{connection}");
    assert_eq!(
        history(&lab.connector).await[0],
        ended,
        "the command tells the same"
    );
    let seconds: f64 = ended["phases"]
        .as_object()
        .unwrap()
        .values()
        .map(|value| value.as_f64().unwrap())
        .sum();
    assert!(
        (seconds - ended["seconds"].as_f64().unwrap()).abs() < 0.01,
        "{ended}"
    );

    // The stream ends with the service, which does not wait for it.
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_command_beside_the_service_is_told_as_the_holder_and_seen() {
    let (lab, served) = served().await;
    let lock = lab.connector.folder().join("state.db.1.lock");
    std::fs::write(
        &lock,
        "process 1 on elsewhere, sync, since 2026-11-22T10:00:00Z\n",
    )
    .unwrap();
    let lock = std::fs::File::open(lock).unwrap();
    lock.lock().unwrap();
    let sync = format!("{CONNECTION}/sync");
    let refused = served
        .post(&sync, &json!({"mode": "delta"}))
        .await
        .with(409)
        .json();
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("process 1 on elsewhere, sync"), "{reason}");
    drop(lock);

    let mut events = served.events(&format!("{CONNECTION}/events")).await;
    events.named("connection").await;
    lab.sync(0).await;
    let run = events.named("run").await;
    assert_eq!(
        (&run["askedBy"], &run["outcome"]),
        (&json!("sync"), &json!("processed"))
    );
    // The service goes on as before.
    served.post(&sync, &json!({"mode": "delta"})).await.with(202);
    assert_eq!(events.named("run").await["askedBy"], ASKED_BY);
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failed_run_is_shown_with_its_remedy() {
    let (lab, served) = served().await;
    lab.simulator.faults().at(On::Connect, 1, Action::Cut);
    let mut events = served.events(&format!("{CONNECTION}/events")).await;
    events.named("connection").await;
    served
        .post(&format!("{CONNECTION}/sync"), &json!({"mode": "delta"}))
        .await
        .with(202);
    let run = events.named("run").await;
    assert_eq!(run["outcome"], "failed");
    let connection = served.json(CONNECTION).await;
    assert_eq!(connection["lastError"], run["error"]);
    assert_eq!(connection["lastErrorRemedy"], run["remedy"]);
    assert!(run["remedy"].as_str().unwrap().len() > 10, "{run}");
    assert_eq!(connection["state"], "Scheduled");
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r23_held_removals_are_listed_and_exactly_that_list_is_approved() {
    let mut lab = Simulated::new().await;
    quiet(&mut lab);
    lab.set("REMOVAL_MAX_COUNT", "5");
    lab.sync(0).await;
    for user in lab.users().iter().take(12) {
        lab.directory().delete(*user);
    }
    lab.connector.run(&["sync", "--baseline"]).await.ended_with(3);
    let served = Served::start(&lab.connector).await;
    let held = list(&served, "held").await;
    assert_eq!(held.len(), 12);
    let connection = served.json(CONNECTION).await;
    let name = connection["heldList"].as_str().unwrap();
    assert!(
        held.iter()
            .all(|removal| removal["list"] == name && removal["state"] == "held")
    );
    assert_eq!(connection["counts"]["users"]["held"], 12);
    assert!(
        connection["lastErrorRemedy"]
            .as_str()
            .unwrap()
            .contains("approve-removals")
    );

    let approve = format!("{CONNECTION}/approve-removals");
    let refused = served
        .post(&approve, &json!({"list": "0123456789ab"}))
        .await
        .with(409)
        .json();
    assert_eq!(refused["error"], "list_changed");
    assert!(list(&served, "removed").await.is_empty());

    let mut events = served.events(&format!("{CONNECTION}/events")).await;
    events.named("connection").await;
    let begun = served
        .post(&approve, &json!({"list": name}))
        .await
        .with(202)
        .json();
    let run = events.named("run").await;
    assert_eq!(
        (&run["run"], &run["outcome"]),
        (&begun["run"], &json!("processed"))
    );
    assert_eq!(
        (&run["askedBy"], &run["counts"]["users"]["removed"]),
        (&json!(ASKED_BY), &json!(12))
    );
    assert_eq!(list(&served, "removed").await.len(), 12);
    assert_eq!(served.json(CONNECTION).await["heldList"], Value::Null);
    let again = served
        .post(&approve, &json!({"list": name}))
        .await
        .with(409)
        .json();
    assert_eq!(again["error"], "list_changed");
    served.service.stopped_with(0).await;
}

/// A whole list, in pages of five.
async fn list(served: &Served, state: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("{CONNECTION}/removed?state={state}&limit=5{after}");
        let page = served.json(&path).await;
        all.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return all,
        }
    }
}
