//! A service that has no connection yet.

use serde_json::json;

use super::{ALL, Api};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_connection_answers_everything() {
    let api = Api::start().await;
    for path in ["/live", "/ready"] {
        let answer = api.served.get(path).await.with(200);
        assert!(!answer.body.contains("error"), "{}", answer.body);
    }
    let page = api.served.get("/").await.with(200);
    assert!(
        page.body.contains("<html")
            && page.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
    );
    assert_eq!(
        api.get(ALL).await.with(200).json(),
        json!({"items": [], "next": null})
    );
    let metrics = api.served.get("/metrics").await.with(200).body;
    assert!(
        metrics.contains("ad_connector_") && metrics.trim_end().ends_with("# EOF"),
        "{metrics}"
    );
    api.get("/api/v1/instances").await.with(200);
    api.get("/api/openapi.json").await.with(200);
    assert_eq!(api.get("/api/v1/review").await.status, 404);
    let log = api.served.service.log();
    assert!(log.contains("connections=0"), "{log}");
    assert!(!log.contains("ERROR"), "{log}");
    for command in [
        vec!["sync"],
        vec!["check"],
        vec!["status"],
        vec!["runs"],
        vec!["preview", "x"],
        vec!["why", "x"],
        vec!["removed"],
    ] {
        let outcome = api.lab.connector.run(&command).await.ended_with(64);
        let text = outcome.text();
        assert!(
            text.contains("AD_HOST") || text.contains("connection"),
            "{command:?} says what to do: {text}"
        );
        assert!(!text.contains("panicked"));
    }
    // Once there is one, they work.
    api.create(&api.body("head-office")).await;
    for command in [vec!["check"], vec!["status"], vec!["mapping", "show"]] {
        api.lab.connector.succeed(&command).await;
    }
    let metrics = api.served.get("/metrics").await.with(200).body;
    assert!(metrics.contains("connection=\"head-office\""), "{metrics}");
    api.stop().await;
}
