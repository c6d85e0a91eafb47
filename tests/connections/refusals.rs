//! Each status with which a call is refused.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::support::http::{READ_TOKEN, Served, TOKEN};
use super::support::simulated::Simulated;
use super::{ALL, Api, KEY, keys, of, refused};

/// Every call that needs the right to change.
fn changes() -> Vec<(&'static str, String)> {
    let one = of("head-office");
    vec![
        ("POST", ALL.to_owned()),
        ("PUT", one.clone()),
        ("DELETE", one.clone()),
        ("POST", format!("{one}/disable")),
        ("POST", format!("{one}/enable")),
        ("POST", format!("{one}/test")),
        ("POST", format!("{one}/sync")),
        ("POST", of("test")),
        ("POST", of("browse")),
        ("POST", of("preview")),
        ("POST", of("schedule")),
        ("POST", of("mapping")),
    ]
}

fn takes_a_body(method: &str, path: &str) -> bool {
    method != "DELETE" && !path.ends_with("able")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_needs_the_token_that_allows_it() {
    let api = Api::start().await;
    api.create(&api.body("head-office")).await;
    for (method, path) in changes() {
        let bare = || {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let request = api.served.request(method, &path).header("if-match", "\"1\"");
            request.json(&json!({}))
        };
        let wrong = |request: RequestBuilder| api.send(request);
        let problem = refused(wrong(bare()).await, 401, "unauthorized");
        assert!(problem["remedy"].as_str().unwrap().contains("HTTP_TOKEN"));
        refused(wrong(bare().bearer_auth(READ_TOKEN)).await, 403, "read_only");
        refused(
            wrong(bare().bearer_auth(TOKEN).header("origin", "http://evil.example")).await,
            403,
            "forbidden",
        );
    }
    refused(
        api.send(api.served.request(Method::POST, ALL).bearer_auth("wrong"))
            .await,
        401,
        "unauthorized",
    );
    let (unchanged, tag) = api.shown("head-office").await;
    assert_eq!((tag.as_str(), &unchanged["disabled"]), ("\"1\"", &json!(false)));
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_can_be_changed_at_all() {
    let api = Api::with(&[("HTTP_TOKEN", ""), ("HTTP_READ_TOKEN", "")]).await;
    for (method, path) in changes() {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = api.send(api.served.request(method, &path).json(&json!({}))).await;
        refused(answer, 403, "changes_off");
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_has_is_not_found() {
    let api = Api::start().await;
    let body = api.body("nobody");
    for (method, path) in changes()
        .into_iter()
        .filter(|(_, path)| path.contains("head-office"))
    {
        let path = path.replace("head-office", "nobody");
        let body = match path.ends_with("/sync") {
            true => json!({"mode": "delta"}),
            false => body.clone(),
        };
        let body = takes_a_body(method, &path).then_some(&body);
        refused(api.call(method, &path, body, Some("*")).await, 404, "not_found");
    }
    for call in ["browse", "preview"] {
        let body = json!({"connection": body, "of": "nobody", "object": "x"});
        let mut body = body;
        if call == "browse" {
            body.as_object_mut().unwrap().remove("object");
        }
        refused(api.post(&of(call), &body).await, 404, "not_found");
    }
    for name in ["%00", "a%2Fb", "%C3%A4", "..", "%FF", "a%0Ab"] {
        let answer = api.call("DELETE", &of(name), None, Some("*")).await;
        assert!(
            [400, 404, 405].contains(&answer.status.as_u16()),
            "{name}: {answer:?}"
        );
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_json_of_a_bounded_size() {
    let api = Api::start().await;
    api.create(&api.body("head-office")).await;
    for (method, path) in changes()
        .into_iter()
        .filter(|(method, path)| takes_a_body(method, path))
    {
        let request = || api.request(method, &path).header("if-match", "\"1\"");
        let typed = || request().header("content-type", "application/json");
        for malformed in [
            "",
            "{",
            "{\"a\":}",
            "[1,]",
            "\u{feff}{}",
            "nul",
            "{\"a\":1}x",
            "1e999",
            "{\"a\":1e999}",
        ] {
            refused(api.send(typed().body(malformed)).await, 422, "invalid");
        }
        for octets in [
            &b"{\"name\": \"\xff\xfe\"}"[..],
            b"\xff\xfe{\0}\0",
            b"{\"name\":\"\\ud800\"}",
        ] {
            refused(api.send(typed().body(octets)).await, 422, "invalid");
        }
        let deep = format!("{}{}", "[".repeat(100_000 / 8), "]".repeat(100_000 / 8));
        if !path.ends_with("sync") && !path.ends_with("schedule") {
            refused(api.send(typed().body(deep)).await, 422, "invalid");
        }
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
        ] {
            let answer = api.send(request().header("content-type", other).body("{}")).await;
            refused(answer, 415, "unsupported_media_type");
        }
        refused(
            api.send(request().body("{}")).await,
            415,
            "unsupported_media_type",
        );
        let size = if path.ends_with("sync") || path.ends_with("schedule") {
            16 << 10
        } else {
            1 << 20
        };
        let large = format!("{{\"description\": \"{}\"}}", "x".repeat(size));
        refused(api.send(typed().body(large)).await, 413, "too_large");
    }
    for scalar in ["null", "true", "7", "\"text\"", "[]", "[{}]"] {
        let answer = api
            .send(
                api.request("POST", ALL)
                    .header("content-type", "application/json")
                    .body(scalar),
            )
            .await;
        let problem = refused(answer, 422, "invalid");
        assert!(!keys(&problem).is_empty(), "{problem}");
    }
    for (method, path) in [
        ("PATCH", of("head-office")),
        ("PUT", ALL.to_owned()),
        ("GET", format!("{}/enable", of("head-office"))),
    ] {
        refused(
            api.call(method, &path, None, None).await,
            405,
            "method_not_allowed",
        );
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mistake_is_in_one_answer_and_names_the_key() {
    let api = Api::start().await;
    let bad = json!({
        "name": "a b", "nmae": "x", "mapping": "[[user]]\nto = 7\n", "disabled": "yes", "description": 7,
        "directory": {
            "host": ["127.0.0.1"], "hots": ["x"], "transport": "tls", "port": "636", "auth": "ntlm", "password": "••••",
            "certificate": "/etc/ssl/ca.pem", "certificateSha256": ["zz"], "serverName": 1, "site": 7, "domain": false,
        },
        "profile": {
            "baseContext": "nonsense", "searchScope": "all", "assets": ["printers"], "userFilter": "(a=b", "groupFilter": "x",
            "computerFilter": 1, "membersOf": "nonsense", "delta": "maybe", "pageSize": 0,
        },
        "schedule": {"cron": "nonsense"}, "baseline": {"cron": 7},
        "removals": {"objects": "perhaps", "maxCount": -1, "maxPercent": 101, "lag": "24"},
        "upstream": {"connectorUuid": "nonsense", "source": 7}, "host": "x",
    });
    let wanted = [
        "name",
        "nmae",
        "disabled",
        "description",
        "directory.hots",
        "directory.transport",
        "directory.port",
        "directory.auth",
        "directory.password",
        "directory.certificate",
        "directory.certificateSha256",
        "directory.serverName",
        "directory.site",
        "directory.domain",
        "profile.baseContext",
        "profile.searchScope",
        "profile.assets",
        "profile.userFilter",
        "profile.groupFilter",
        "profile.computerFilter",
        "profile.membersOf",
        "profile.delta",
        "profile.pageSize",
        "schedule.cron",
        "baseline.cron",
        "removals.objects",
        "removals.maxCount",
        "removals.maxPercent",
        "removals.lag",
        "upstream.connectorUuid",
        "upstream.source",
        "host",
    ];
    api.create(&api.body("head-office")).await;
    for (method, path) in [
        ("POST", ALL.to_owned()),
        ("POST", of("test")),
        ("PUT", of("head-office")),
        ("POST", format!("{}/test", of("head-office"))),
    ] {
        let problem = refused(
            api.call(method, &path, Some(&bad), Some("\"1\"")).await,
            422,
            "invalid",
        );
        let found = keys(&problem);
        for key in wanted {
            assert_eq!(
                found.iter().filter(|one| **one == key).count(),
                1,
                "{key} in {found:?} of {method} {path}"
            );
        }
        for field in problem["fields"].as_array().unwrap() {
            let text = field.to_string();
            assert!(
                field["reason"].as_str().unwrap().len() > 3 && field["remedy"].as_str().unwrap().len() > 3,
                "{text}"
            );
            assert!(
                !text.contains("AD_") && !text.contains("SYNC_") && !text.contains(".env"),
                "variables are no words of a body: {text}"
            );
        }
        let remedy = |key: &str| {
            let fields = problem["fields"].as_array().unwrap().iter();
            fields.clone().find(|field| field["key"] == key).unwrap()["remedy"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert!(remedy("directory.hots").contains("directory.host"));
        assert!(remedy("nmae").contains("name"));
        assert!(remedy("host").contains("directory.host"));
    }
    // A mapping is checked when everything else is right.
    let mut body = api.body("second");
    body["mapping"] = json!("[[user]]\nto = 7\n");
    let problem = refused(api.post(ALL, &body).await, 422, "invalid");
    assert!(keys(&problem).iter().all(|key| *key == "mapping"), "{problem}");
    assert!(
        problem["fields"][0]["reason"].as_str().unwrap().contains("line "),
        "{problem}"
    );
    let (unchanged, _) = api.shown("head-office").await;
    assert_eq!(unchanged["revision"], 1);
    assert_eq!(
        api.get(ALL).await.json()["items"].as_array().unwrap().len(),
        1,
        "nothing was stored"
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_taken_once() {
    let api = Api::start().await;
    api.create(&api.body("head-office")).await;
    api.create(&api.body("second")).await;
    let problem = refused(api.post(ALL, &api.body("head-office")).await, 409, "name_taken");
    assert!(problem["reason"].as_str().unwrap().contains("head-office"));
    refused(
        api.put("second", &api.without_password("head-office"), "\"1\"")
            .await,
        409,
        "name_taken",
    );
    let (second, _) = api.shown("second").await;
    assert_eq!(second["revision"], 1);
    // Another case is another name.
    api.create(&api.body("Head-Office")).await;
    api.stop().await;
}

/// Every change of a connection that is configured elsewhere, and a creation under its name.
async fn all_refused(api: &Api, name: &str, place: &str, origin: &str) {
    let shown = api.get(&of(name)).await.with(200);
    assert!(!shown.headers.contains_key("etag"));
    let shown = shown.json();
    assert_eq!(
        (&shown["origin"], &shown["revision"], &shown["createdAt"]),
        (&json!(origin), &Value::Null, &Value::Null)
    );
    assert_eq!(
        shown["configuration"]["directory"]["host"],
        json!(["127.0.0.1"]),
        "{shown}"
    );
    assert_eq!(
        shown["configuration"]["directory"]["password"],
        json!({"set": true})
    );
    let body = api.body("other");
    for (method, path) in changes() {
        if !path.contains("head-office/") && !path.ends_with("head-office") || path.ends_with("sync") {
            continue;
        }
        let path = path.replace("head-office", name);
        let body = takes_a_body(method, &path).then_some(&body);
        let problem = refused(api.call(method, &path, body, Some("*")).await, 409, "from_file");
        let text = problem.to_string();
        assert!(text.contains(place), "{text}");
    }
    let purge = api
        .call("DELETE", &format!("{}?purge=true", of(name)), None, Some("*"))
        .await;
    refused(purge, 409, "from_file");
    for call in ["browse", "preview"] {
        let mut body = json!({"connection": api.body("other"), "of": name});
        if call == "preview" {
            body["object"] = json!("x");
        }
        refused(api.post(&of(call), &body).await, 409, "from_file");
    }
    refused(api.post(ALL, &api.body(name)).await, 409, "name_taken");
    api.create(&api.body("other")).await;
    refused(
        api.put("other", &api.without_password(name), "*").await,
        409,
        "name_taken",
    );
}

/// A service whose connection is configured, by the environment or by a file.
pub async fn configured(file: Option<&str>) -> Api {
    let mut lab = Simulated::new().await;
    let environment = lab.connector.clone_environment();
    let port = lab.simulator.addr().port();
    for (name, value) in [
        ("SYNC_CRON", "59 59 23 31 12 *"),
        ("SYNC_ON_START", "false"),
        ("HTTP_LISTEN", "127.0.0.1:0"),
        ("HTTP_TOKEN", TOKEN),
        ("HTTP_READ_TOKEN", READ_TOKEN),
        ("SECRETS_KEY", KEY),
        ("HTTP_ALLOW_LOOPBACK_TARGETS", "true"),
        ("HTTP_TARGET_PORTS", &port.to_string()),
    ] {
        lab.set(name, value);
    }
    if let Some(text) = file {
        let path = lab.connector.folder().join("connections.toml");
        std::fs::write(&path, text).unwrap();
        lab.set("CONNECTIONS_FILE", path.to_str().unwrap());
    }
    Api {
        certificate: std::fs::read_to_string(&environment["AD_CERTIFICATE"]).unwrap(),
        uuid: environment["QUALYS_CONNECTOR_UUID"].clone(),
        served: Served::start(&lab.connector).await,
        lab,
        answers: Default::default(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_the_environment_is_read_only() {
    let api = configured(None).await;
    all_refused(&api, "active-directory", "the environment", "environment").await;
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_the_file_is_read_only() {
    let api = configured(Some("[[connection]]\nname = \"emea\"\n")).await;
    all_refused(&api, "emea", "connections.toml", "file").await;
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_no_secret_is_stored() {
    let api = Api::with(&[("SECRETS_KEY", "")]).await;
    let problem = refused(api.post(ALL, &api.body("head-office")).await, 409, "no_key");
    assert!(
        problem["remedy"].as_str().unwrap().contains("new-key"),
        "{problem}"
    );
    assert_eq!(
        api.get(ALL).await.json()["items"],
        json!([]),
        "nothing was stored"
    );
    // A test stores nothing, so it needs none.
    api.post(&of("test"), &api.body("head-office")).await.with(200);
    let mut lab = api.stop().await;
    lab.connector.unaudited("another process");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_another_key_no_secret_is_stored_and_the_sealed_ones_are_named() {
    let api = Api::start().await;
    api.create(&api.body("head-office")).await;
    let other = "HxwdGhsYGRYXFBUSExAREg8ODQwLCgkIBwYFBAMCAQA=";
    let api = api.again(&["run"], &[("SECRETS_KEY", other)]).await;
    api.known("head-office").await;
    let (shown, tag) = api.shown("head-office").await;
    assert!(
        shown["lastError"].as_str().unwrap().contains("does not open"),
        "{shown}"
    );
    assert_eq!(
        shown["configuration"]["directory"]["password"]["set"], true,
        "{shown}"
    );
    refused(
        api.get(&format!("{}/runs", of("head-office"))).await,
        409,
        "not_usable",
    );
    refused(
        api.post(&format!("{}/sync", of("head-office")), &json!({"mode": "delta"}))
            .await,
        409,
        "not_usable",
    );
    refused(api.post(ALL, &api.body("second")).await, 409, "other_key");
    refused(
        api.put("head-office", &api.body("head-office"), &tag).await,
        409,
        "other_key",
    );
    let absent = api
        .put("head-office", &api.without_password("head-office"), &tag)
        .await;
    assert_eq!(
        keys(&refused(absent, 422, "invalid")),
        ["directory.password"],
        "it does not open, so it is missing"
    );
    // With its key all opens again.
    let api = api.again(&["run"], &[("SECRETS_KEY", KEY)]).await;
    api.known("head-office").await;
    assert_eq!(api.sync("head-office").await["outcome"], "processed");
    api.stop().await;
}
