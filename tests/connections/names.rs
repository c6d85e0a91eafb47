//! Connections whose names are those of calls.

use serde_json::json;

use super::{ALL, Api, lines, of, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_have_the_name_of_a_call() {
    let mut api = Api::start().await;
    api.lab.connector.unaudited("a history is purged");
    for name in ["test", "browse", "preview", "schedule", "mapping", "sync", "enable", "runs", "events"] {
        let answer = api.post(ALL, &api.body(name)).await.with(201);
        assert_eq!(answer.headers["location"], of(name));
        let (shown, tag) = api.shown(name).await;
        assert_eq!(shown["name"], name);
        let mut body = api.without_password(name);
        // Larger than what other calls take.
        body["mapping"] = json!(format!("{}\n# {}\n", std::fs::read_to_string("config/mapping.toml").unwrap(), "x".repeat(100_000)));
        let answer = api.put(name, &body, &tag).await.with(200);
        assert_eq!(answer.json()["revision"], 2);
        api.call("POST", &format!("{}/disable", of(name)), None, None).await.with(200);
        api.call("POST", &format!("{}/enable", of(name)), None, None).await.with(200);
        let steps = lines(&api.post(&format!("{}/test", of(name)), &api.without_password(name)).await.with(200));
        assert_eq!(steps.last().unwrap()["result"], "ok", "{steps:?}");
        api.get(&format!("{}/mapping", of(name))).await.with(200);
        api.get(&format!("{}/runs", of(name))).await.with(200);
    }
    assert_eq!(api.sync("test").await["outcome"], "processed");
    // The calls are still those.
    assert_eq!(lines(&api.post(&of("test"), &api.body("other")).await.with(200)).last().unwrap()["end"], true);
    api.post(&of("browse"), &json!({"connection": api.body("other")})).await.with(200);
    api.post(&of("schedule"), &json!({"schedule": null})).await.with(200);
    api.post(&of("mapping"), &json!({"mapping": null})).await.with(200);
    for name in ["test", "browse", "preview", "schedule", "mapping", "sync", "enable", "runs", "events"] {
        api.call("DELETE", &format!("{}?purge=true", of(name)), None, Some("\"4\"")).await.with(204);
        refused(api.get(&of(name)).await, 404, "not_found");
    }
    api.stop().await;
}
