//! Who may ask what, and what every answer says to a browser.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use super::support::http::{Answered, READ_TOKEN, Served, TOKEN};
use super::support::simulated::Simulated;
use super::{CONNECTION, quiet, served};

/// Paths that show no names of people.
fn open() -> Vec<String> {
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
    for part in ["", "/runs", "/mapping"] {
        paths.push(format!("{CONNECTION}{part}"));
    }
    paths
}

/// Paths that show names of people.
fn personal() -> Vec<String> {
    ["/inventory", "/rejected", "/removed", "/runs/1/objects"]
        .map(|part| format!("{CONNECTION}{part}"))
        .to_vec()
}

/// One of everything that is read.
fn readable() -> Vec<String> {
    [open(), personal()].concat()
}

fn is_of_the_page(answer: &Answered) -> bool {
    matches!(answer.path.as_str(), "/" | "/page/app.js" | "/page/style.css")
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
    let page = is_of_the_page(answer) && answer.status == 200;
    assert_eq!(
        header("cache-control"),
        Some(if page { "no-cache" } else { "no-store" })
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_loopback_reading_is_open_to_this_machine_alone() {
    let (_lab, served) = served().await;
    for path in personal() {
        let refused = served.get(&path).await.with(401);
        says_to_browsers(&refused);
        assert!(
            refused.json()["remedy"]
                .as_str()
                .unwrap()
                .contains("HTTP_READ_TOKEN")
        );
        assert_eq!(
            refused.headers["www-authenticate"],
            "Bearer realm=\"ad-connector\""
        );
        for token in [TOKEN, READ_TOKEN] {
            says_to_browsers(&served.read_with(&path, token).await.with(200));
        }
        served.read_with(&path, "wrong").await.with(401);
    }
    for path in open() {
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
        let proxied = served
            .request(Method::GET, &path)
            .header("x-forwarded-for", "192.0.2.7");
        let refused = served.send(proxied).await.with(401);
        let asks_the_person = is_of_the_page(&refused);
        let challenge = refused.headers["www-authenticate"].to_str().unwrap();
        assert_eq!(challenge.starts_with("Basic "), asks_the_person, "{path}");
        served.read_with(&path, "wrong").await.with(401);
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
    lab.sync(0).await;
    let served = Served::start(&lab.connector).await;
    for path in readable() {
        let answer = served.get(&path).await.with(401);
        says_to_browsers(&answer);
        let asks_the_person = is_of_the_page(&answer);
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert_eq!(
            challenge.starts_with("Basic "),
            asks_the_person,
            "{path}: {challenge}"
        );
        for wrong in ["", &TOKEN[1..]] {
            served.read_with(&path, wrong).await.with(401);
        }
        for token in [TOKEN, READ_TOKEN] {
            served.read_with(&path, token).await.with(200);
        }
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
    lab.unset("HTTP_READ_TOKEN");
    let served = Served::start(&lab.connector).await;
    let guid = "00000000-0000-4000-8000-000000000000";
    let preview = format!("{CONNECTION}/inventory/{guid}/preview");
    let why = format!("{CONNECTION}/why?object={guid}");
    for path in personal().iter().chain([&preview, &why]) {
        for answer in [served.get(path).await, served.read(path).await] {
            let refused = answer.with(403).json();
            assert_eq!(refused["error"], "names_off");
            let remedy = refused["remedy"].as_str().unwrap();
            assert!(remedy.contains("HTTP_READ_TOKEN_FILE"), "{refused}");
        }
    }
    for request in [
        served
            .request(Method::POST, &format!("{CONNECTION}/sync"))
            .json(&json!({"mode": "delta"})),
        served
            .request(Method::POST, &format!("{CONNECTION}/approve-removals"))
            .json(&json!({"list": "x"})),
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_only_looks_changes_nothing() {
    let mut lab = Simulated::new().await;
    quiet(&mut lab);
    lab.unset("HTTP_TOKEN");
    for (token, error) in [(None, "changes_off"), (Some(TOKEN), "read_only")] {
        if let Some(token) = token {
            lab.set("HTTP_TOKEN", token);
        }
        let served = Served::start(&lab.connector).await;
        for (path, body) in [
            ("sync", json!({"mode": "delta"})),
            ("approve-removals", json!({"list": "x"})),
        ] {
            let request = served.request(Method::POST, &format!("{CONNECTION}/{path}"));
            let request = request.bearer_auth(READ_TOKEN).json(&body);
            let refused = served.send(request).await.with(403).json();
            assert_eq!(refused["error"], error);
            assert!(
                refused["remedy"].as_str().unwrap().contains("HTTP_TOKEN"),
                "{refused}"
            );
        }
        let connection = served.read_with(CONNECTION, READ_TOKEN).await.with(200);
        assert_eq!(connection.json()["changesAllowed"], token.is_some());
        assert!(super::history(&lab.connector).await.is_empty());
        served.service.stopped_with(0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrong_token_is_logged_with_its_address_and_answered_late_but_the_right_one_is_not() {
    let (_lab, mut served) = served().await;
    let began = Instant::now();
    let wrong = (0..4).map(|number| {
        let request = served.request(Method::GET, CONNECTION);
        let request = request.header("x-forwarded-for", "192.0.2.7");
        served.send(request.bearer_auth(format!("guess-{number}-of-many-more")))
    });
    let right = async {
        // They are on their way by then.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let asked = Instant::now();
        served.read(&format!("{CONNECTION}/inventory")).await.with(200);
        asked.elapsed()
    };
    let (wrong, right) = tokio::join!(futures_util::future::join_all(wrong), right);
    assert!(right < Duration::from_secs(1), "{right:?}");
    for answer in wrong {
        assert!(answer.with(401).body.contains("not the token"));
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(2), "four came within {took:?}");
    let line = "A request with a wrong token was refused. address=127.0.0.1 for 192.0.2.7";
    served.service.said_times(line, 4).await;
    assert!(!served.service.log().contains("guess-"));
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_changed_something_is_in_the_history_with_the_address() {
    let (lab, served) = served().await;
    for (forwarded, asked_by) in [
        (None, "API from 127.0.0.1"),
        (Some("203.0.113.9, 192.0.2.7"), "API from 127.0.0.1 for 192.0.2.7"),
    ] {
        let mut events = served.events(&format!("{CONNECTION}/events")).await;
        events.named("connection").await;
        let mut request = served.request(Method::POST, &format!("{CONNECTION}/sync"));
        if let Some(forwarded) = forwarded {
            request = request.header("x-forwarded-for", forwarded);
        }
        let request = request.bearer_auth(TOKEN).json(&json!({"mode": "delta"}));
        served.send(request).await.with(202);
        assert_eq!(events.named("run").await["askedBy"], asked_by);
        assert_eq!(super::history(&lab.connector).await[0]["askedBy"], asked_by);
    }
    served.service.stopped_with(0).await;
}
