//! Who may ask what, and what every answer says to a browser.

use reqwest::Method;
use serde_json::json;

use super::support::http::{Answered, Served, TOKEN};
use super::support::simulated::Simulated;
use super::{CONNECTION, quiet, served};

/// One of everything that is read.
fn readable() -> Vec<String> {
    let mut paths: Vec<String> = [
        "/",
        "/page/app.js",
        "/page/style.css",
        "/metrics",
        "/api/openapi.json",
        "/api/v1/connections",
    ]
    .map(str::to_owned)
    .to_vec();
    for part in ["", "/runs", "/inventory", "/rejected", "/removed", "/mapping"] {
        paths.push(format!("{CONNECTION}{part}"));
    }
    paths
}

#[track_caller]
fn says_to_browsers(answer: &Answered) {
    let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap());
    let policy = header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(header("x-content-type-options"), Some("nosniff"));
    assert_eq!(header("referrer-policy"), Some("no-referrer"));
    assert_eq!(header("access-control-allow-origin"), None);
    let page =
        matches!(answer.path.as_str(), "/" | "/page/app.js" | "/page/style.css") && answer.status == 200;
    assert_eq!(
        header("cache-control"),
        Some(if page { "no-cache" } else { "no-store" })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_loopback_reading_is_open_to_this_machine_alone() {
    let (_lab, served) = served().await;
    for path in readable() {
        let answer = served.get(&path).await.with(200);
        says_to_browsers(&answer);
        // A host name that was made to point here: a page of its own origin could read the answer.
        let rebound = served.request(Method::GET, &path).header("host", "evil.example");
        let answer = served.send(rebound).await.with(403);
        says_to_browsers(&answer);
        let proxied = served
            .request(Method::GET, &path)
            .header("host", "connector.example");
        served.send(proxied.bearer_auth(TOKEN)).await.with(200);
        served
            .send(served.request(Method::GET, &path).bearer_auth("wrong"))
            .await
            .with(401);
    }
    for path in ["/live", "/ready"] {
        let request = served.request(Method::GET, path).header("host", "evil.example");
        says_to_browsers(&served.send(request).await.with(200));
    }
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn beyond_loopback_everything_but_the_health_needs_the_token() {
    let mut lab = Simulated::new().await;
    quiet(&mut lab);
    lab.set("HTTP_LISTEN", "0.0.0.0:0");
    let served = Served::start(&lab.connector).await;
    for path in readable() {
        let answer = served.get(&path).await.with(401);
        says_to_browsers(&answer);
        let asks_the_person = matches!(path.as_str(), "/" | "/page/app.js" | "/page/style.css");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert_eq!(
            challenge.starts_with("Basic "),
            asks_the_person,
            "{path}: {challenge}"
        );
        for wrong in ["", "wrong", &TOKEN[1..], &format!("{TOKEN}x")] {
            served
                .send(served.request(Method::GET, &path).bearer_auth(wrong))
                .await
                .with(401);
        }
        served
            .send(served.request(Method::GET, &path).bearer_auth(TOKEN))
            .await
            .with(200);
        let basic = served
            .request(Method::GET, &path)
            .basic_auth("anybody", Some(TOKEN));
        served.send(basic).await.with(200);
    }
    served.get("/live").await.with(200);
    served.get("/ready").await.with(200);
    let change = served.request(Method::POST, &format!("{CONNECTION}/sync"));
    served
        .send(change.json(&json!({"mode": "delta"})))
        .await
        .with(401);
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_token_nothing_is_changed_and_the_reason_says_what_to_set() {
    let mut lab = Simulated::new().await;
    quiet(&mut lab);
    lab.unset("HTTP_TOKEN");
    let served = Served::start(&lab.connector).await;
    let guid = "00000000-0000-4000-8000-000000000000";
    for request in [
        served
            .request(Method::POST, &format!("{CONNECTION}/sync"))
            .json(&json!({"mode": "delta"})),
        served
            .request(Method::POST, &format!("{CONNECTION}/approve-removals"))
            .json(&json!({"list": "x"})),
        served.request(Method::GET, &format!("{CONNECTION}/inventory/{guid}/preview")),
    ] {
        for request in [request.try_clone().unwrap(), request.bearer_auth("")] {
            let refused = served.send(request).await.with(403).json();
            assert_eq!(refused["error"], "changes_off");
            assert!(
                refused["remedy"].as_str().unwrap().contains("HTTP_TOKEN"),
                "{refused}"
            );
        }
    }
    assert_eq!(served.json(CONNECTION).await["changesAllowed"], false);
    assert!(super::history(&lab.connector).await.is_empty());
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_page_is_not_sent_again_to_who_has_it() {
    let (_lab, served) = served().await;
    for path in ["/", "/page/app.js", "/page/style.css"] {
        let answer = served.get(path).await.with(200);
        let tag = answer.headers["etag"].to_str().unwrap();
        let again = served.request(Method::GET, path).header("if-none-match", tag);
        let answer = served.send(again).await.with(304);
        assert!(answer.body.is_empty());
        let other = served.request(Method::GET, path).header("if-none-match", "\"x\"");
        served.send(other).await.with(200);
    }
    served.service.stopped_with(0).await;
}
