//! Tests, containers, previews, schedules and mappings of a configuration that is not stored.

use std::time::Duration;

use lab::simulator::{Action, On};
use serde_json::{Value, json};

use super::{ALL, Api, keys, lines, of, refused};

/// Checks the form of a stream of steps; gives those that failed.
fn failed(steps: &[Value]) -> Vec<&str> {
    let (last, steps) = steps.split_last().unwrap();
    for step in steps {
        let keys: Vec<&str> = step.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["details", "message", "remedy", "result", "step"], "{step}");
        assert_eq!(step["result"] == "failed", step["remedy"].is_string(), "{step}");
        assert!(
            ["ok", "failed"].contains(&step["result"].as_str().unwrap()),
            "{step}"
        );
        assert!(
            step["details"].is_array() && step["message"].is_string(),
            "{step}"
        );
    }
    let failed: Vec<&str> = steps
        .iter()
        .filter(|step| step["result"] == "failed")
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    let result = if failed.is_empty() { "ok" } else { "failed" };
    assert_eq!(last, &json!({"end": true, "result": result, "failed": failed}));
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_tells_each_step_and_stores_nothing() {
    let api = Api::start().await;
    let answer = api.post(&of("test"), &api.body("head-office")).await.with(200);
    assert_eq!(answer.headers["x-accel-buffering"], "no");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let steps = lines(&answer);
    assert_eq!(failed(&steps), [""; 0], "{steps:?}");
    let names: Vec<&str> = steps.iter().filter_map(|step| step["step"].as_str()).collect();
    for step in ["settings", "directory", "users", "groups", "ingest path"] {
        assert!(names.contains(&step), "{names:?}");
    }
    assert_eq!(api.get(ALL).await.json()["items"], json!([]));
    assert_eq!(api.lab.receiver.summary().assets_received, 0);
    let mut body = api.body("head-office");
    body["directory"]["password"] = json!("not-the-password-4711");
    let answer = api.post(&of("test"), &body).await.with(200);
    let steps = lines(&answer);
    assert_eq!(failed(&steps), ["directory"], "{steps:?}");
    assert!(
        !answer.body.contains("AD_PASSWORD"),
        "variables are no words of a body: {}",
        answer.body
    );
    assert!(api.served.service.log().contains("A configuration is tested"));
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_connection_is_tested_with_its_password() {
    let api = Api::start().await;
    api.create(&api.body("head-office")).await;
    let path = format!("{}/test", of("head-office"));
    let steps = lines(
        &api.post(&path, &api.without_password("head-office"))
            .await
            .with(200),
    );
    assert_eq!(failed(&steps), [""; 0], "{steps:?}");
    let mut body = api.without_password("head-office");
    body["directory"]["password"] = json!({"set": true});
    body["directory"]["bindDn"] = json!("nobody@corp.example");
    let steps = lines(&api.post(&path, &body).await.with(200));
    assert_eq!(failed(&steps), ["directory"], "{steps:?}");
    // What is tested is not what is stored.
    let (stored, tag) = api.shown("head-office").await;
    assert_eq!(tag, "\"1\"");
    assert_ne!(
        stored["configuration"]["directory"]["bindDn"],
        "nobody@corp.example"
    );
    let without = api.post(&of("test"), &api.without_password("head-office")).await;
    assert_eq!(keys(&refused(without, 422, "invalid")), ["directory.password"]);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_look_at_a_directory_at_a_time_and_the_slot_is_free_again() {
    let api = Api::start().await;
    api.lab.simulator.faults().at(On::RootDse, 1, Action::Silence);
    let hanging = api.request("POST", &of("test")).json(&api.body("head-office"));
    let mut streamed = hanging.send().await.unwrap();
    assert!(
        streamed.chunk().await.unwrap().is_some(),
        "the first step comes before the test has ended"
    );
    let body = api.body("head-office");
    let wrapped = json!({"connection": body});
    let mut preview = wrapped.clone();
    preview["object"] = json!("x");
    for (path, body) in [
        (of("test"), &body),
        (of("browse"), &wrapped),
        (of("preview"), &preview),
    ] {
        refused(api.post(&path, body).await, 429, "too_many");
    }
    drop(streamed);
    for _ in 0..100 {
        if api.post(&of("browse"), &wrapped).await.status == 200 {
            api.stop().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the slot is not free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_listed_and_counted() {
    let api = Api::start().await;
    let browse = of("browse");
    let answer = api
        .post(
            &browse,
            &json!({"connection": api.body("x"), "of": null, "dn": null}),
        )
        .await
        .with(200)
        .json();
    assert_eq!(answer["dn"], "DC=corp,DC=example");
    assert_eq!(answer["isComplete"], true);
    let containers = answer["containers"].as_array().unwrap();
    assert!(!containers.is_empty());
    for container in containers {
        assert!(
            ["domain", "organizationalUnit", "container"].contains(&container["kind"].as_str().unwrap()),
            "{container}"
        );
        assert!(container["dn"].as_str().unwrap().ends_with("DC=corp,DC=example"));
    }
    let users = api.lab.users().len();
    let of_users = answer["counts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["kind"] == "users")
        .unwrap();
    assert_eq!(
        (&of_users["count"], &of_users["isComplete"], &of_users["reason"]),
        (&json!(users), &json!(true), &Value::Null)
    );
    let below = json!({"connection": api.body("x"), "dn": containers[0]["dn"]});
    assert_eq!(
        api.post(&browse, &below).await.with(200).json()["dn"],
        containers[0]["dn"]
    );
    for dn in ["nonsense", "", &"x".repeat(5000)] {
        let body = json!({"connection": api.body("x"), "dn": dn});
        refused(api.post(&browse, &body).await, 422, "invalid");
    }
    let gone = json!({"connection": api.body("x"), "dn": "OU=Gone,DC=corp,DC=example"});
    let answer = api.post(&browse, &gone).await;
    assert!([404, 422, 502].contains(&answer.status.as_u16()), "{answer:?}");
    api.create(&api.body("head-office")).await;
    let stored = json!({"connection": api.without_password("head-office"), "of": "head-office"});
    api.post(&browse, &stored).await.with(200);
    api.lab.simulator.faults().at(On::Connect, 1, Action::Cut);
    refused(api.post(&browse, &stored).await, 502, "unreachable");
    let mut wrong = api.body("x");
    wrong["directory"]["password"] = json!("not-the-password-4711");
    refused(
        api.post(&browse, &json!({"connection": wrong})).await,
        502,
        "credentials_refused",
    );
    for body in [
        json!({}),
        json!({"connection": api.body("x"), "more": 1}),
        json!({"connection": api.body("x"), "dn": 7}),
    ] {
        refused(api.post(&browse, &body).await, 422, "invalid");
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_shown_as_a_mapping_makes_it() {
    let api = Api::start().await;
    let preview = of("preview");
    let user = api.lab.users()[3];
    let dn = api.lab.directory().dn(user);
    let body = |mapping: Value, object: &str| json!({"connection": api.body("x"), "of": null, "mapping": mapping, "object": object});
    let answer = api.post(&preview, &body(Value::Null, &dn)).await.with(200).json();
    assert_eq!(
        (&answer["kind"], &answer["dn"], &answer["mistakes"]),
        (&json!("user"), &json!(dn), &json!([])),
        "{answer}"
    );
    assert_eq!(
        answer["asset"],
        api.lab.expected()[&api.lab.external_id(user)],
        "{answer}"
    );
    assert!(!answer["rows"].as_array().unwrap().is_empty());
    assert_eq!(
        (&answer["unmappable"], &answer["more"]),
        (&Value::Null, &json!(0))
    );
    // The text of the call stands over that of the body, and a body's over the built-in table.
    let table = std::fs::read_to_string("config/mapping.toml").unwrap();
    let answer = api
        .post(&preview, &body(json!(table), &dn))
        .await
        .with(200)
        .json();
    assert_eq!(answer["kind"], "user");
    for (of_call, of_body) in [
        (json!("[[user]]\nto = 7\n"), Value::Null),
        (Value::Null, json!("[[user]]\nto = 7\n")),
    ] {
        let mut body = body(of_call, &dn);
        body["connection"]["mapping"] = of_body;
        let answer = api.post(&preview, &body).await.with(200).json();
        assert_eq!(
            (&answer["asset"], &answer["kind"]),
            (&Value::Null, &Value::Null),
            "{answer}"
        );
        let mistakes = answer["mistakes"].as_array().unwrap();
        assert!(!mistakes.is_empty() && mistakes[0]["line"].is_u64(), "{answer}");
    }
    refused(
        api.post(&preview, &body(Value::Null, "nobody-at-all")).await,
        404,
        "not_found",
    );
    api.create(&api.body("head-office")).await;
    let stored =
        json!({"connection": api.without_password("head-office"), "of": "head-office", "object": dn});
    api.post(&preview, &stored).await.with(200);
    api.lab.simulator.faults().at(On::Connect, 1, Action::Cut);
    refused(api.post(&preview, &stored).await, 502, "unreachable");
    for body in [
        json!({"connection": api.body("x")}),
        json!({"object": "x"}),
        json!({"connection": 7, "object": "x"}),
    ] {
        refused(api.post(&preview, &body).await, 422, "invalid");
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_shows_its_next_runs() {
    let api = Api::start().await;
    let path = of("schedule");
    for (schedule, count, text) in [
        (
            json!({"cron": "*/15 * * * *", "timezone": "UTC"}),
            5,
            "*/15 * * * *",
        ),
        (
            json!({"runFrequency": {"hours": 1, "minutes": 30}}),
            5,
            "every 1 h 30 min",
        ),
        (
            json!({"recurrence": "DAILY", "daysOfWeek": [], "startDate": "12/01/2090", "startTime": "02:30", "timezone": "Asia/Colombo"}),
            5,
            "",
        ),
        (
            json!({"recurrence": "WEEKLY", "daysOfWeek": ["MON", "FRI"], "startDate": "12/01/2090", "startTime": "02:30", "timezone": "Asia/Colombo"}),
            5,
            "",
        ),
        (
            json!({"once": true, "startDate": "12/01/2090", "startTime": "02:30", "timezone": "Asia/Colombo"}),
            1,
            "",
        ),
        (
            json!({"once": true, "startDate": "12/01/2001", "startTime": "02:30", "timezone": "UTC"}),
            0,
            "once",
        ),
        (Value::Null, 0, ""),
    ] {
        let answer = api
            .post(&path, &json!({"schedule": schedule}))
            .await
            .with(200)
            .json();
        let runs = answer["nextRuns"].as_array().unwrap();
        assert_eq!(runs.len(), count, "{schedule}: {answer}");
        assert!(runs.iter().all(|at| at.as_str().unwrap().ends_with('Z')));
        assert!(
            !answer["text"].as_str().unwrap().is_empty() && answer["text"].as_str().unwrap().contains(text),
            "{answer}"
        );
    }
    for (schedule, key) in [
        (json!({}), "schedule"),
        (json!(7), "schedule"),
        (json!({"cron": "nonsense"}), "schedule.cron"),
        (json!({"cron": "* * * * *", "once": true}), "schedule"),
        (
            json!({"recurrence": "WEEKLY", "daysOfWeek": [], "startDate": "12/01/2090", "startTime": "02:30", "timezone": "UTC"}),
            "schedule.daysOfWeek",
        ),
        (
            json!({"recurrence": "DAILY", "startDate": "2090-12-01", "startTime": "02:30", "timezone": "UTC"}),
            "schedule.startDate",
        ),
        (
            json!({"recurrence": "DAILY", "startDate": "12/01/2090", "startTime": "24:00", "timezone": "UTC"}),
            "schedule.startTime",
        ),
        (
            json!({"recurrence": "DAILY", "startDate": "12/01/2090", "startTime": "02:30", "timezone": "Colombo"}),
            "schedule.timezone",
        ),
        (
            json!({"runFrequency": {"hours": 0, "minutes": 0}}),
            "schedule.runFrequency",
        ),
    ] {
        let problem = refused(
            api.post(&path, &json!({"schedule": schedule})).await,
            422,
            "invalid",
        );
        assert!(
            keys(&problem).iter().any(|found| found.starts_with(key)),
            "{schedule}: {problem}"
        );
    }
    for body in [json!({"schedule": null, "more": 1}), json!([])] {
        refused(api.post(&path, &body).await, 422, "invalid");
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_is_shown_as_rows_or_with_its_mistakes() {
    let api = Api::start().await;
    let path = of("mapping");
    let built_in = api.post(&path, &json!({"mapping": null})).await.with(200).json();
    assert!(built_in["text"].as_str().unwrap().contains("[[user]]"));
    assert_eq!(built_in["mistakes"], json!([]));
    let kinds: Vec<&str> = built_in["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["user", "group", "computer", "role"]);
    let again = api
        .post(&path, &json!({"mapping": built_in["text"]}))
        .await
        .with(200)
        .json();
    assert_eq!(
        (&again["kinds"], &again["removed"]),
        (&built_in["kinds"], &built_in["removed"])
    );
    let bad = api
        .post(&path, &json!({"mapping": "[[user]]\nto = 7\n[[grup]]\n"}))
        .await
        .with(200)
        .json();
    assert_eq!(bad["kinds"], json!([]));
    assert!(
        bad["mistakes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["reason"].is_string()),
        "{bad}"
    );
    assert!(!bad["mistakes"].as_array().unwrap().is_empty());
    for body in [json!({"mapping": 7}), json!({"mapping": null, "more": 1})] {
        refused(api.post(&path, &body).await, 422, "invalid");
    }
    api.stop().await;
}
