//! From the creation of a connection to its deletion.

use std::time::Duration;

use ad_connector::config::password_of;
use ad_connector::store::{Store, StoreAccess};
use lab::simulator::{self, Action};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{ALL, Api, of, refused, tag_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_created_read_synced_and_listed() {
    let api = Api::start().await;
    let mut body = api.body("head-office");
    body["description"] = json!("Head office");
    let answer = api.post(ALL, &body).await.with(201);
    assert_eq!(answer.headers["location"], "/api/v1/connections/head-office");
    assert_eq!(tag_of(&answer), "\"1\"");
    let created = answer.json();
    for (key, value) in [
        ("name", json!("head-office")),
        ("description", json!("Head office")),
        ("origin", json!("api")),
        ("revision", json!(1)),
        ("disabled", json!(false)),
        ("state", json!("Registered")),
        ("nextSync", Value::Null),
        ("lastError", Value::Null),
    ] {
        assert_eq!(created[key], value, "{key} of {created}");
    }
    assert_eq!(created["createdAt"], created["updatedAt"]);
    assert!(created["createdAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(created["uuid"].as_str().unwrap().len(), 36);
    let (read, tag) = api.shown("head-office").await;
    assert_eq!(tag, "\"1\"");
    assert_eq!(read["configuration"], created["configuration"]);
    let list = api.get(ALL).await.with(200).json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["configuration"], created["configuration"]);
    // Without a token the state is shown on loopback, and no configuration.
    let open = api
        .send(api.served.request(reqwest::Method::GET, &of("head-office")))
        .await;
    assert_eq!(open.with(200).json()["configuration"], Value::Null);
    let run = api.sync("head-office").await;
    assert_eq!(run["outcome"], "processed", "{run}");
    api.lab.assert_converged();
    let (synced, _) = api.shown("head-office").await;
    assert_eq!(
        (&synced["state"], &synced["revision"]),
        (&json!("Processed"), &json!(1)),
        "{synced}"
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_makes_it_scheduled_also_after_a_restart() {
    let api = Api::start().await;
    let mut body = api.body("head-office");
    body["schedule"] = json!({"recurrence": "WEEKLY", "daysOfWeek": ["MON", "FRI"], "startDate": "12/01/2090", "startTime": "02:30", "timezone": "Asia/Colombo"});
    let created = api.create(&body).await;
    let scheduled = |view: &Value| {
        assert_eq!(
            view["nextSync"], "2090-11-30T21:00:00Z",
            "2:30 in Colombo on a Friday: {view}"
        );
        assert_eq!(view["timezone"], "Asia/Colombo", "{view}");
    };
    let mut shown = created;
    for _ in 0..100 {
        if shown["state"] == "Scheduled" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        shown = api.shown("head-office").await.0;
    }
    assert_eq!(shown["state"], "Scheduled", "{shown}");
    scheduled(&shown);
    let api = api.again(&["run"], &[]).await;
    api.known("head-office").await;
    let (again, tag) = api.shown("head-office").await;
    assert_eq!(
        (again["uuid"].clone(), tag.as_str()),
        (shown["uuid"].clone(), "\"1\"")
    );
    assert_eq!(again["configuration"], shown["configuration"]);
    scheduled(&again);
    assert_eq!(
        api.sync("head-office").await["outcome"],
        "processed",
        "its password opens again"
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_needs_the_revision_that_it_was_made_on() {
    let api = Api::start().await;
    api.create(&api.body("head-office")).await;
    let path = of("head-office");
    let mut body = api.without_password("head-office");
    body["description"] = json!("changed");
    for method in ["PUT", "DELETE"] {
        let body = (method == "PUT").then_some(&body);
        refused(api.call(method, &path, body, None).await, 428, "if_match_needed");
        for malformed in ["1", "\"1", "1\"", "\"1\" \"2\"", "", "\"1\",,", "*,\"1\""] {
            let answer = api.call(method, &path, body, Some(malformed)).await;
            refused(answer, 400, "malformed_if_match");
        }
        let mut twice = api
            .request(method, &path)
            .header("if-match", "\"1\"")
            .header("if-match", "\"1\"");
        if let Some(body) = body {
            twice = twice.json(body);
        }
        refused(api.send(twice).await, 400, "malformed_if_match");
        for other in [
            "\"2\"",
            "\"0\"",
            "W/\"1\"",
            "\"abc\"",
            "\"9999999999999999999\"",
            "\"-1\"",
            "\"2\", \"3\"",
        ] {
            let answer = api.call(method, &path, body, Some(other)).await;
            refused(answer, 412, "changed_meanwhile");
        }
    }
    for action in ["disable", "enable"] {
        let path = format!("{path}/{action}");
        refused(
            api.call("POST", &path, None, Some("1")).await,
            400,
            "malformed_if_match",
        );
        refused(
            api.call("POST", &path, None, Some("\"7\"")).await,
            412,
            "changed_meanwhile",
        );
    }
    let (unchanged, _) = api.shown("head-office").await;
    assert_eq!(
        (&unchanged["revision"], &unchanged["description"]),
        (&json!(1), &json!(""))
    );
    for (tag, next) in [("\"1\"", 2), ("*", 3), ("\"8\", \"3\"", 4)] {
        let answer = api.put("head-office", &body, tag).await.with(200);
        assert_eq!(tag_of(&answer), format!("\"{next}\""));
        assert_eq!(
            (&answer.json()["revision"], &answer.json()["description"]),
            (&json!(next), &json!("changed"))
        );
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_can_be_sent_back_and_changes_nothing() {
    let api = Api::start().await;
    let mut body = api.body("head-office");
    body["mapping"] = json!(std::fs::read_to_string("config/mapping.toml").unwrap());
    body["profile"]["membersOf"] = json!(["CN=Team,DC=corp,DC=example"]);
    body["baseline"] = json!({"cron": "0 3 * * SAT", "timezone": "Asia/Colombo"});
    body["disabled"] = json!(true);
    let created = api.create(&body).await;
    let digest = api.settings("head-office").digest();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let answer = api
        .put("head-office", &created["configuration"], "\"1\"")
        .await
        .with(200);
    let replaced = answer.json();
    for key in [
        "uuid",
        "name",
        "origin",
        "disabled",
        "createdAt",
        "configuration",
        "runFrequency",
        "baselineFrequency",
        "timezone",
        "directory",
    ] {
        assert_eq!(replaced[key], created[key], "{key}");
    }
    assert_eq!(replaced["revision"], 2);
    assert_ne!(replaced["updatedAt"], created["updatedAt"]);
    let settings = api.settings("head-office");
    assert_eq!(settings.digest(), digest);
    assert_eq!(
        password_of(&settings).unwrap().expose_secret(),
        simulator::PASSWORD,
        "it keeps its password"
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_keeps_identity_history_and_what_was_sent() {
    let api = Api::start().await;
    let created = api.create(&api.body("head-office")).await;
    let first = api.sync("head-office").await;
    let sent = api.lab.receiver.summary().assets_received;
    assert!(sent > 0);
    let answer = api
        .put("head-office", &api.without_password("London"), "\"1\"")
        .await
        .with(200);
    let renamed = answer.json();
    assert_eq!(
        (&renamed["name"], &renamed["uuid"]),
        (&json!("London"), &created["uuid"])
    );
    refused(api.get(&of("head-office")).await, 404, "not_found");
    let runs = api.get(&format!("{}/runs", of("London"))).await.with(200).json();
    assert_eq!(runs["items"][0]["run"], first["run"]);
    let second = api.sync("London").await;
    assert_eq!(second["outcome"], "processed", "{second}");
    assert_eq!(
        api.lab.receiver.summary().assets_received,
        sent,
        "nothing is sent again"
    );
    // The former name is free.
    let other = api.create(&api.body("head-office")).await;
    assert_ne!(other["uuid"], created["uuid"]);
    let taken = api
        .put("head-office", &api.without_password("London"), "\"1\"")
        .await;
    refused(taken, 409, "name_taken");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_connection_makes_no_runs_until_it_is_enabled() {
    let api = Api::start().await;
    let mut body = api.body("head-office");
    body["schedule"] = json!({"cron": "0 0 1 1 *"});
    api.create(&body).await;
    let path = of("head-office");
    let answer = api
        .call("POST", &format!("{path}/disable"), None, None)
        .await
        .with(200);
    assert_eq!(tag_of(&answer), "\"2\"");
    let disabled = answer.json();
    assert_eq!(
        (&disabled["disabled"], &disabled["state"], &disabled["nextSync"]),
        (&json!(true), &json!("Registered"), &Value::Null),
        "{disabled}"
    );
    assert_eq!(disabled["configuration"]["disabled"], true);
    // Again changes nothing.
    assert_eq!(
        tag_of(
            &api.call("POST", &format!("{path}/disable"), None, None)
                .await
                .with(200)
        ),
        "\"2\""
    );
    refused(
        api.post(&format!("{path}/sync"), &json!({"mode": "delta"})).await,
        409,
        "disabled",
    );
    let answer = api
        .call("POST", &format!("{path}/enable"), None, Some("\"2\""))
        .await
        .with(200);
    assert_eq!(
        (&answer.json()["disabled"], tag_of(&answer)),
        (&json!(false), "\"3\"".to_owned())
    );
    assert_eq!(api.sync("head-office").await["outcome"], "processed");
    body["disabled"] = json!(true);
    body["name"] = json!("second");
    let second = api.create(&body).await;
    assert_eq!(
        (&second["disabled"], &second["state"]),
        (&json!(true), &json!("Registered"))
    );
    refused(
        api.post(&format!("{}/sync", of("second")), &json!({"mode": "delta"}))
            .await,
        409,
        "disabled",
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_connection_leaves_its_history_until_it_is_purged() {
    let mut api = Api::start().await;
    api.lab.connector.unaudited("the history is purged");
    let path = of("head-office");
    let created = api.create(&api.body("head-office")).await;
    api.sync("head-office").await;
    let tag = api.shown("head-office").await.1;
    for query in ["?purge=maybe", "?purge=", "?porge=true"] {
        let answer = api
            .call("DELETE", &format!("{path}{query}"), None, Some(&tag))
            .await;
        refused(answer, 422, "invalid");
    }
    let answer = api.call("DELETE", &path, None, Some(&tag)).await.with(204);
    assert_eq!(answer.body, "");
    for (method, path) in [
        ("GET", path.clone()),
        ("DELETE", path.clone()),
        ("POST", format!("{path}/enable")),
    ] {
        refused(api.call(method, &path, None, Some(&tag)).await, 404, "not_found");
    }
    assert_eq!(api.get(ALL).await.with(200).json()["items"], json!([]));
    // The same name begins anew.
    let second = api.create(&api.body("head-office")).await;
    assert_ne!(second["uuid"], created["uuid"]);
    assert_eq!(
        api.get(&format!("{path}/runs")).await.with(200).json()["items"],
        json!([])
    );
    api.call("DELETE", &format!("{path}?purge=true"), None, Some("\"1\""))
        .await
        .with(204);
    let deleted = |api: &Api| {
        let store = Store::open(&api.lab.connector.state(), StoreAccess::ReadOnly).unwrap();
        let uuids = store
            .deleted_connections()
            .unwrap()
            .into_iter()
            .map(|one| one.uuid.to_string());
        (uuids.collect::<Vec<_>>(), store.connections().unwrap().len())
    };
    let (left, rows) = deleted(&api);
    assert_eq!(left, [created["uuid"].as_str().unwrap()], "the first one stays");
    assert_eq!(rows, 1, "with its history");
    // Purged after it was deleted; there is no revision to lose.
    api.call("DELETE", &format!("{path}?purge=true"), None, None)
        .await
        .with(204);
    assert_eq!(deleted(&api), (Vec::new(), 0));
    refused(
        api.call("DELETE", &format!("{path}?purge=true"), None, None)
            .await,
        404,
        "not_found",
    );
    let third = api.create(&api.body("head-office")).await;
    assert_eq!(third["revision"], 1);
    let run = api.sync("head-office").await;
    assert_eq!(run["outcome"], "processed", "{run}");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_waits_for_the_run_in_progress_and_a_second_run_is_refused() {
    let api = Api::start().await;
    api.create(&api.body("head-office")).await;
    api.lab.at_users_page(2, Action::Delay(Duration::from_secs(3)));
    let sync = format!("{}/sync", of("head-office"));
    let begun = api
        .post(&sync, &json!({"mode": "baseline"}))
        .await
        .with(202)
        .json();
    refused(
        api.post(&sync, &json!({"mode": "baseline"})).await,
        409,
        "run_in_progress",
    );
    let mut body = api.without_password("head-office");
    body["description"] = json!("during a run");
    let answer = api.put("head-office", &body, "\"1\"").await.with(200);
    assert_eq!(
        (tag_of(&answer).as_str(), &answer.json()["description"]),
        ("\"2\"", &json!("during a run"))
    );
    let runs = api
        .get(&format!("{}/runs", of("head-office")))
        .await
        .with(200)
        .json();
    assert_eq!(runs["items"][0]["run"], begun["run"]);
    assert!(!runs["items"][0]["ended"].is_null(), "it ended first: {runs}");
    let run = api.sync("head-office").await;
    assert_eq!(run["outcome"], "processed", "{run}");
    api.lab.assert_converged();
    api.lab.at_users_page(1, Action::Delay(Duration::from_secs(3)));
    api.post(&sync, &json!({"mode": "baseline"})).await.with(202);
    api.call("DELETE", &of("head-office"), None, Some("\"2\""))
        .await
        .with(204);
    refused(api.get(&of("head-office")).await, 404, "not_found");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_one_connection_stores_others_for_those_that_run_all() {
    let api = Api::start().await;
    api.create(&api.body("head-office")).await;
    let api = api.again(&["run", "--connection", "head-office"], &[]).await;
    api.known("head-office").await;
    let answer = api.post(ALL, &api.body("second")).await.with(201);
    let second = answer.json();
    assert_eq!(
        (&second["revision"], &second["origin"], tag_of(&answer).as_str()),
        (&json!(1), &json!("api"), "\"1\"")
    );
    assert!(
        second["lastErrorRemedy"]
            .as_str()
            .unwrap()
            .contains("--connection"),
        "{second}"
    );
    assert_eq!(second["configuration"]["name"], "second");
    refused(api.get(&of("second")).await, 404, "not_found");
    let api = api.again(&["run"], &[]).await;
    api.known("second").await;
    assert_eq!(api.shown("second").await.0["uuid"], second["uuid"]);
    api.stop().await;
}
