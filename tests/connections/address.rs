//! R35: a stored password goes to no other server than it was given for, and connections lead where
//! the operator lets them.

use lab::certificates::Authority;
use serde_json::{Value, json};

use super::{ALL, Api, keys, lines, of, refused};

/// The seven keys that decide who gets the password, each with another value.
fn other_addresses() -> [(&'static str, Value); 7] {
    [
        ("host", json!(["127.0.0.2"])),
        ("domain", json!("corp.example")),
        ("port", json!(636)),
        ("transport", json!("starttls")),
        ("certificate", json!(Authority::new("Another Authority").pem())),
        ("certificateSha256", json!(["00".repeat(32)])),
        ("serverName", json!("dc1.corp.example")),
    ]
}

/// The body with one key changed; a domain stands in place of the hosts.
fn changed(mut body: Value, key: &str, value: &Value) -> Value {
    let directory = body["directory"].as_object_mut().unwrap();
    if key == "domain" {
        directory.remove("host");
    }
    directory.insert(key.to_owned(), value.clone());
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn r35_a_changed_address_needs_the_password_again() {
    let api = Api::start().await;
    api.create(&api.body("head-office")).await;
    let one = of("head-office");
    for (key, value) in other_addresses() {
        for kept in [
            None,
            Some(json!({"set": true})),
            Some(json!({"set": true, "changedAt": "2026-11-30T00:00:00Z"})),
        ] {
            let mut body = changed(api.without_password("head-office"), key, &value);
            if let Some(kept) = kept {
                body["directory"]["password"] = kept;
            }
            let trial = json!({"connection": body, "of": "head-office"});
            let mut preview = trial.clone();
            preview["object"] = json!("person0");
            for (method, path, body) in [
                ("PUT", one.clone(), &body),
                ("POST", format!("{one}/test"), &body),
                ("POST", of("browse"), &trial),
                ("POST", of("preview"), &preview),
            ] {
                let answer = api.call(method, &path, Some(body), Some("\"1\"")).await;
                let problem = refused(answer, 422, "secret_required");
                assert_eq!(keys(&problem), ["directory.password"], "{method} {path}: {key}");
                assert!(
                    problem["reason"]
                        .as_str()
                        .unwrap()
                        .contains(&format!("directory.{key}")),
                    "{key}: {problem}"
                );
            }
        }
    }
    assert_eq!(
        api.lab.simulator.statistics().counts().connections,
        0,
        "nothing was dialled"
    );
    assert_eq!(api.shown("head-office").await.1, "\"1\"");
    for (revision, (key, value)) in (1..).zip(other_addresses()) {
        let body = changed(api.body("head-office"), key, &value);
        api.put("head-office", &body, &format!("\"{revision}\""))
            .await
            .with(200);
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r35_the_same_address_in_other_words_keeps_the_password() {
    let api = Api::start().await;
    api.create(&api.body("head-office")).await;
    let mut body = api.without_password("head-office");
    body["directory"]["host"] = json!("127.0.0.1");
    body["directory"]["transport"] = json!("ldaps");
    body["directory"]["auth"] = json!("simple");
    body["directory"]["serverName"] = Value::Null;
    body["directory"]["certificateSha256"] = json!([]);
    body["directory"]["certificate"] = json!(format!("\n{}\n\n", api.certificate));
    api.put("head-office", &body, "\"1\"").await.with(200);
    assert_eq!(
        api.sync("head-office").await["outcome"],
        "processed",
        "with the stored password"
    );
    // A mask is no password, and neither is nothing where one is needed.
    for (password, key) in [
        (json!("********"), "directory.password"),
        (json!("•••"), "directory.password"),
        (json!(""), "directory.password"),
        (Value::Null, "directory.password"),
    ] {
        let mut body = api.body("head-office");
        body["directory"]["password"] = password;
        let problem = refused(api.put("head-office", &body, "\"2\"").await, 422, "invalid");
        assert_eq!(keys(&problem), [key]);
    }
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r35_a_password_that_does_not_open_does_not_follow_an_address_later() {
    let api = Api::start().await;
    api.create(&api.body("head-office")).await;
    let api = api.again(&["run"], &[("SECRETS_KEY", "")]).await;
    api.known("head-office").await;
    let (shown, tag) = api.shown("head-office").await;
    assert!(
        shown["lastError"].as_str().unwrap().contains("SECRETS_KEY"),
        "{shown}"
    );
    refused(
        api.get(&format!("{}/runs", of("head-office"))).await,
        409,
        "not_usable",
    );
    let mut body = api.without_password("head-office");
    // Kerberos binds without a password, so that none is missing.
    body["directory"]["auth"] = json!("kerberos");
    body["directory"]["host"] = json!(["dc9.corp.example"]);
    let answer = api.put("head-office", &body, &tag).await;
    refused(answer, 422, "secret_required");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r35_no_address_of_the_computer_itself_without_the_variable() {
    let api = Api::with(&[("HTTP_ALLOW_LOOPBACK_TARGETS", "")]).await;
    let trial = |host: &str| {
        let mut body = api.body("head-office");
        body["directory"]["host"] = json!([host]);
        body
    };
    for host in [
        "127.0.0.1",
        "127.8.9.10",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "::",
        "169.254.169.254",
        "fe80::1",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
    ] {
        let body = trial(host);
        let wrapped = json!({"connection": body});
        let mut preview = wrapped.clone();
        preview["object"] = json!("x");
        for (path, body) in [
            (ALL.to_owned(), &body),
            (of("test"), &body),
            (of("browse"), &wrapped),
            (of("preview"), &preview),
        ] {
            let problem = refused(api.post(&path, body).await, 422, "invalid");
            assert_eq!(keys(&problem), ["directory.host"], "{host}");
            let text = problem.to_string();
            assert!(!text.contains("AD_"), "{text}");
        }
    }
    // A name is resolved when it is dialled, and checked then.
    let answer = api.post(&of("test"), &trial("localhost")).await.with(200);
    let steps = lines(&answer);
    let directory = steps.iter().find(|step| step["step"] == "directory").unwrap();
    assert_eq!(directory["result"], "failed", "{directory}");
    assert!(
        directory["message"].as_str().unwrap().contains("made over HTTP"),
        "{directory}"
    );
    let answer = api
        .post(&of("browse"), &json!({"connection": trial("localhost")}))
        .await;
    assert!([422, 502].contains(&answer.status.as_u16()), "{answer:?}");
    api.create(&trial("localhost")).await;
    let run = api.sync("head-office").await;
    assert_ne!(run["outcome"], "processed", "{run}");
    assert_eq!(api.lab.simulator.statistics().counts().connections, 0);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r35_ports_and_hosts_are_those_that_the_operator_lists() {
    let api = Api::with(&[
        ("HTTP_TARGET_PORTS", ""),
        ("HTTP_TARGET_HOSTS", "127.0.0.1,dc1.corp.example"),
    ])
    .await;
    let problem = refused(api.post(ALL, &api.body("head-office")).await, 422, "invalid");
    assert_eq!(keys(&problem), ["directory.port"], "{problem}");
    let mut body = api.body("head-office");
    body["directory"]["port"] = json!(636);
    for host in ["10.1.2.3", "dc2.corp.example", "corp.example"] {
        body["directory"]["host"] = json!([host]);
        let problem = refused(api.post(ALL, &body).await, 422, "invalid");
        assert_eq!(keys(&problem), ["directory.host"], "{problem}");
        assert!(
            problem["fields"][0].to_string().contains("HTTP_TARGET_HOSTS"),
            "{problem}"
        );
    }
    body["directory"]["host"] = json!(["127.0.0.1", "dc1.corp.example"]);
    api.create(&body).await;
    api.stop().await;
}
