//! Connections that are created, tested, changed and deleted over HTTP: the contract of every call,
//! against the running program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/described.rs"]
mod described;

mod address;
mod core_files;
mod document;
mod editors;
mod fields;
mod fuzzed;
mod lifecycle;
mod names;
mod none;
mod refusals;
mod sealed;
mod trials;

use std::sync::Mutex;

use ad_connector::config::{self, ConnectionSettings};
use ad_connector::registry::StoredSettings;
use ad_connector::store::{Store, StoreAccess};
use lab::simulator;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use support::http::{Answered, READ_TOKEN, Served, TOKEN};
use support::simulated::Simulated;

/// The calls for all connections.
const ALL: &str = "/api/v1/connections";

/// `SECRETS_KEY` of the tests.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A service without a connection, between a simulated directory and a receiver. Connections over
/// HTTP may lead to the directory.
struct Api {
    lab: Simulated,
    served: Served,
    uuid: String,
    certificate: String,
    /// Everything that was answered.
    answers: Mutex<String>,
}

impl Api {
    async fn start() -> Api {
        Api::with(&[]).await
    }

    /// The same with these variables; an empty value removes one.
    async fn with(variables: &[(&str, &str)]) -> Api {
        let (lab, uuid, certificate) = prepared(variables).await;
        Api {
            served: Served::listening(&lab.connector).await,
            lab,
            uuid,
            certificate,
            answers: Mutex::default(),
        }
    }

    /// The same state served anew, by this command and with these variables.
    async fn again(self, arguments: &[&str], variables: &[(&str, &str)]) -> Api {
        let (uuid, certificate) = (self.uuid.clone(), self.certificate.clone());
        let mut lab = self.stop().await;
        set(&mut lab, variables);
        Api {
            served: Served::running(&lab.connector, arguments).await,
            lab,
            uuid,
            certificate,
            answers: Mutex::default(),
        }
    }

    /// A body with which everything works. No run begins by itself.
    fn body(&self, name: &str) -> Value {
        json!({
            "name": name,
            "directory": {
                "host": ["127.0.0.1"],
                "port": self.lab.simulator.addr().port(),
                "bindDn": format!("{}@corp.example", simulator::READER),
                "password": simulator::PASSWORD,
                "certificate": self.certificate,
            },
            "profile": {"pageSize": 100},
            "schedule": null,
            "upstream": {"connectorUuid": self.uuid},
        })
    }

    /// The body without its password.
    fn without_password(&self, name: &str) -> Value {
        let mut body = self.body(name);
        body["directory"].as_object_mut().unwrap().remove("password");
        body
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.served.request(method, path).bearer_auth(TOKEN)
    }

    async fn send(&self, request: RequestBuilder) -> Answered {
        let answer = self.served.send(request).await;
        let mut answers = self.answers.lock().unwrap();
        answers.push_str(&format!("{:?}\n{}\n", answer.headers, answer.body));
        answer
    }

    async fn call(&self, method: &str, path: &str, body: Option<&Value>, tag: Option<&str>) -> Answered {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        self.send(request).await
    }

    async fn get(&self, path: &str) -> Answered {
        self.call("GET", path, None, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answered {
        self.call("POST", path, Some(body), None).await
    }

    async fn put(&self, name: &str, body: &Value, tag: &str) -> Answered {
        self.call("PUT", &of(name), Some(body), Some(tag)).await
    }

    async fn create(&self, body: &Value) -> Value {
        self.post(ALL, body).await.with(201).json()
    }

    /// Waits until the service has read the connection from the state.
    async fn known(&self, name: &str) {
        for _ in 0..100 {
            if self.get(&of(name)).await.status == 200 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{name} is not known: {}", self.served.service.log());
    }

    /// The connection, and its `ETag`.
    async fn shown(&self, name: &str) -> (Value, String) {
        let answer = self.get(&of(name)).await.with(200);
        (answer.json(), tag_of(&answer))
    }

    /// The settings of a stored connection, as the program would read them from the state.
    fn settings(&self, name: &str) -> ConnectionSettings {
        let config = config::parse(&self.lab.connector.clone_environment()).unwrap();
        let store = Store::open(&self.lab.connector.state(), StoreAccess::ReadOnly).unwrap();
        let stored = StoredSettings::read(&config, &store).unwrap();
        let found = stored.into_iter().find(|one| one.name == name).unwrap();
        found.settings.unwrap()
    }

    /// Runs a sync and waits for its end; gives the run as the history has it.
    async fn sync(&self, name: &str) -> Value {
        let path = format!("{}/sync", of(name));
        let begun = self.post(&path, &json!({"mode": "delta"})).await.with(202).json();
        self.ended(name, &begun["run"]).await
    }

    /// Waits until a run has ended.
    async fn ended(&self, name: &str, run: &Value) -> Value {
        loop {
            let runs = self.get(&format!("{}/runs", of(name))).await.with(200).json();
            let items = runs["items"].as_array().unwrap().iter();
            let found = items
                .clone()
                .find(|one| &one["run"] == run && !one["ended"].is_null());
            if let Some(found) = found {
                return found.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    async fn stop(self) -> Simulated {
        assert!(!self.served.service.log().contains("panicked"));
        self.served.service.stopped_with(0).await;
        self.lab
    }
}

/// Returns the parts that the service needs, with these variables.
async fn prepared(variables: &[(&str, &str)]) -> (Simulated, String, String) {
    let mut lab = Simulated::new().await;
    let environment = lab.connector.clone_environment();
    let certificate = std::fs::read_to_string(&environment["AD_CERTIFICATE"]).unwrap();
    let uuid = environment["QUALYS_CONNECTOR_UUID"].clone();
    let own = [
        "AD_HOST",
        "AD_PORT",
        "AD_BIND_DN",
        "AD_PASSWORD",
        "AD_CERTIFICATE",
        "AD_PAGE_SIZE",
        "QUALYS_CONNECTOR_UUID",
    ];
    for name in own {
        lab.unset(name);
    }
    let ports = lab.simulator.addr().port().to_string();
    set(
        &mut lab,
        &[
            ("HTTP_LISTEN", "127.0.0.1:0"),
            ("HTTP_TOKEN", TOKEN),
            ("HTTP_READ_TOKEN", READ_TOKEN),
            ("SECRETS_KEY", KEY),
            ("HTTP_ALLOW_LOOPBACK_TARGETS", "true"),
            ("HTTP_TARGET_PORTS", &format!("389,636,{ports}")),
        ],
    );
    set(&mut lab, variables);
    (lab, uuid, certificate)
}

/// Sets variables; an empty value removes one.
fn set(lab: &mut Simulated, variables: &[(&str, &str)]) {
    for (name, value) in variables {
        if value.is_empty() {
            lab.unset(name);
        } else {
            lab.set(name, value);
        }
    }
}

/// Path of a connection.
fn of(name: &str) -> String {
    format!("{ALL}/{name}")
}

fn tag_of(answer: &Answered) -> String {
    answer.headers["etag"].to_str().unwrap().to_owned()
}

/// Checks a refusal: status, word, reason and remedy.
#[track_caller]
fn refused(answer: Answered, status: u16, word: &str) -> Value {
    let body = answer.with(status).json();
    assert_eq!(body["error"], word, "{body}");
    assert_eq!(body["status"], status, "{body}");
    for key in ["reason", "remedy"] {
        assert!(body[key].as_str().unwrap().len() > 3, "{body}");
    }
    body
}

/// The keys of `fields`.
fn keys(problem: &Value) -> Vec<&str> {
    let fields = problem["fields"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    fields
        .iter()
        .map(|field| field["key"].as_str().unwrap())
        .collect()
}

/// The lines of a stream.
fn lines(answer: &Answered) -> Vec<Value> {
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    answer
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
