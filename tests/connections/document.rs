//! A client that knows nothing but the OpenAPI document drives every call of connections, and sees
//! every status.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::Api;
use super::described::{Document, validate};
use super::refusals::configured;
use super::support::http::{Answered, READ_TOKEN};

/// Statuses that no request brings about by itself: limits of time, a defect, a state that fails.
const NOT_BY_A_REQUEST: [u16; 3] = [408, 500, 503];

/// A client made of the document: calls are named by `operationId`.
struct Client<'a> {
    api: &'a Api,
    document: Document,
}

/// Parameters, headers and body of a call.
#[derive(Default)]
struct Call<'a> {
    /// Values of parameters, by name.
    parameters: &'a [(&'a str, &'a str)],
    body: Option<Value>,
}

impl Client<'_> {
    /// Makes a call as the document describes it, and holds the answer against it.
    async fn call(&mut self, operation: &str, call: Call<'_>) -> Answered {
        let (path, method, described) = self.find(operation);
        let mut path = path;
        let mut query = Vec::new();
        let mut headers = Vec::new();
        let parameters = described["parameters"].as_array().cloned().unwrap_or_default();
        for parameter in &parameters {
            let name = parameter["name"].as_str().unwrap();
            let value = call
                .parameters
                .iter()
                .find(|(given, _)| *given == name)
                .map(|(_, value)| *value);
            let Some(value) = value else {
                assert_ne!(parameter["required"], true, "{operation} needs {name}");
                continue;
            };
            match parameter["in"].as_str().unwrap() {
                "path" => path = path.replace(&format!("{{{name}}}"), value),
                "query" => query.push(format!("{name}={value}")),
                "header" => headers.push((name.to_owned(), value.to_owned())),
                other => panic!("{other}"),
            }
        }
        for (name, _) in call.parameters {
            assert!(
                parameters.iter().any(|one| one["name"] == *name),
                "{operation} takes no {name}"
            );
        }
        assert!(
            described["security"]
                .as_array()
                .is_some_and(|schemes| schemes.iter().any(|one| one.get("bearer").is_some())),
            "{operation} says how it is allowed"
        );
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let mut request = self.api.request(&method, &path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        assert_eq!(
            call.body.is_some(),
            described["requestBody"].is_object(),
            "{operation}"
        );
        if let Some(body) = &call.body {
            let schema = &described["requestBody"]["content"]["application/json"]["schema"];
            validate(schema, &self.document.json["components"], body, operation);
            request = request.json(body);
        }
        let answer = self.api.send(request).await;
        self.document.check(&answer);
        answer
    }

    fn find(&self, operation: &str) -> (String, String, Value) {
        let paths = self.document.json["paths"].as_object().unwrap().iter();
        let mut all = paths.flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .iter()
                .map(move |(method, described)| (path, method, described))
        });
        let found = all.find(|(_, _, described)| described["operationId"] == operation);
        let (path, method, described) = found.unwrap_or_else(|| panic!("{operation} is not in the document"));
        (path.clone(), method.to_uppercase(), described.clone())
    }

    /// Sends octets that no client made of the document would send.
    async fn raw(
        &mut self,
        method: &str,
        path: &str,
        octets: String,
        media: &str,
        headers: &[(&str, &str)],
    ) -> Answered {
        let mut request = self
            .api
            .request(method, path)
            .header("content-type", media)
            .body(octets);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.api.send(request).await;
        self.document.check(&answer);
        answer
    }
}

fn named<'a>(name: &'a [(&'a str, &'a str)]) -> Call<'a> {
    Call {
        parameters: name,
        body: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_document_drives_every_call_and_sees_every_status() {
    let mut api = configured(None).await;
    api.lab.connector.unaudited("a history is purged");
    let api = api;
    let document = Document::of(&api.served).await;
    let mut client = Client { api: &api, document };
    let ok = |answer: Answered, status: u16| answer.with(status);
    let body = |body: Value| Call {
        parameters: &[],
        body: Some(body),
    };
    let mut whole = api.body("head-office");
    whole["schedule"] = json!({"cron": "0 0 1 1 *"});
    let created = ok(client.call("createConnection", body(whole.clone())).await, 201);
    let tag = created.headers["etag"].to_str().unwrap().to_owned();
    let name = [("name", "head-office")];
    let read = client
        .api
        .get(created.headers["location"].to_str().unwrap())
        .await
        .with(200);
    client.document.check(&read);
    assert_eq!(read.json()["configuration"], created.json()["configuration"]);
    client.document.check(&api.get(super::ALL).await.with(200));
    // What is read is what may be sent.
    let versioned = [("name", "head-office"), ("If-Match", tag.as_str())];
    let sent_back = Call {
        parameters: &versioned,
        body: Some(read.json()["configuration"].clone()),
    };
    let replaced = ok(client.call("replaceConnection", sent_back).await, 200);
    let stale = Call {
        parameters: &versioned,
        body: Some(whole.clone()),
    };
    ok(client.call("replaceConnection", stale).await, 412);
    let tag = replaced.headers["etag"].to_str().unwrap().to_owned();
    ok(
        client
            .call(
                "disableConnection",
                named(&[("name", "head-office"), ("If-Match", &tag)]),
            )
            .await,
        200,
    );
    ok(client.call("enableConnection", named(&name)).await, 200);
    ok(client.call("disableConnection", named(&versioned)).await, 412);
    ok(client.call("enableConnection", named(&versioned)).await, 412);
    for (operation, call) in [
        ("testConfiguration", body(whole.clone())),
        (
            "testConnection",
            Call {
                parameters: &name,
                body: Some(api.without_password("head-office")),
            },
        ),
        ("browseDirectory", body(json!({"connection": whole}))),
        (
            "previewConfiguration",
            body(json!({"connection": whole, "object": api.lab.directory().dn(api.lab.users()[1])})),
        ),
        (
            "previewSchedule",
            body(json!({"schedule": {"runFrequency": {"hours": 2}}})),
        ),
        ("readMapping", body(json!({"mapping": null}))),
    ] {
        ok(client.call(operation, call).await, 200);
    }
    refusals(&mut client, &whole).await;
    let tag = api.shown("head-office").await.1;
    ok(client.call("deleteConnection", named(&versioned)).await, 412);
    ok(
        client
            .call(
                "deleteConnection",
                named(&[("name", "head-office"), ("If-Match", &tag)]),
            )
            .await,
        204,
    );
    ok(
        client
            .call(
                "deleteConnection",
                named(&[("name", "head-office"), ("purge", "true")]),
            )
            .await,
        204,
    );
    ok(
        client
            .call(
                "deleteConnection",
                named(&[("name", "head-office"), ("purge", "true")]),
            )
            .await,
        404,
    );
    complete(&client.document);
    api.stop().await;
}

/// Every status of every call of connections was seen, but for those that no request brings about
/// or no path can have.
fn complete(document: &Document) {
    let of_connections = document.operations(|tag| tag == "configuration");
    assert_eq!(of_connections.len(), 11, "{of_connections:?}");
    let mut missing = BTreeSet::new();
    for (path, method) in of_connections {
        let responses = document.json["paths"][&path][&method]["responses"]
            .as_object()
            .unwrap();
        let takes_a_body = document.json["paths"][&path][&method]["requestBody"].is_object();
        for status in responses.keys().map(|status| status.parse::<u16>().unwrap()) {
            let never = NOT_BY_A_REQUEST.contains(&status)
                // Of wrong tokens at once alone, which tests/http/access.rs does; of looks at a
                // directory, tests/connections/trials.rs.
                || status == 429
                // The document lists these for every change.
                || (!takes_a_body && [413, 415, 422].contains(&status))
                || (status == 409 && ["/connections/schedule", "/mapping", "/connections/test"].iter().any(|call| path.ends_with(call)))
                || (status == 404 && !path.contains("{name}") && !path.ends_with("browse") && !path.ends_with("preview"))
                // A path whose other methods are those of a connection with this name.
                || status == 405;
            if !never && !document.seen.contains(&(path.clone(), method.clone(), status)) {
                missing.insert((path.clone(), method.clone(), status));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Every refusal that a request can bring about.
async fn refusals(client: &mut Client<'_>, whole: &Value) {
    let api = client.api;
    let one = "/api/v1/connections/head-office".to_owned();
    let calls = [
        ("POST", "/api/v1/connections".to_owned()),
        ("PUT", one.clone()),
        ("DELETE", one.clone()),
        ("POST", format!("{one}/disable")),
        ("POST", format!("{one}/enable")),
        ("POST", format!("{one}/test")),
        ("POST", "/api/v1/connections/test".to_owned()),
        ("POST", "/api/v1/connections/browse".to_owned()),
        ("POST", "/api/v1/connections/preview".to_owned()),
        ("POST", "/api/v1/connections/schedule".to_owned()),
        ("POST", "/api/v1/connections/mapping".to_owned()),
    ];
    for (method, path) in &calls {
        let verb = Method::from_bytes(method.as_bytes()).unwrap();
        let bare = api.served.request(verb.clone(), path).json(&json!({}));
        client.document.check(&api.send(bare).await.with(401));
        let reading = api
            .served
            .request(verb, path)
            .bearer_auth(READ_TOKEN)
            .json(&json!({}));
        client.document.check(&api.send(reading).await.with(403));
        if *method != "DELETE" && !path.ends_with("able") {
            let tag = [("if-match", "*")];
            client
                .raw(method, path, "{".to_owned(), "application/json", &tag)
                .await
                .with(422);
            client
                .raw(method, path, "{}".to_owned(), "text/plain", &tag)
                .await
                .with(415);
            let large = format!("{{\"mapping\": \"{}\"}}", "x".repeat(1 << 20));
            client
                .raw(method, path, large, "application/json", &tag)
                .await
                .with(413);
        }
        if ["PUT", "DELETE"].contains(method) || path.ends_with("able") {
            client
                .raw(
                    method,
                    path,
                    whole.to_string(),
                    "application/json",
                    &[("if-match", "7")],
                )
                .await
                .with(400);
            let nobody = path.replace("head-office", "nobody");
            client
                .raw(
                    method,
                    &nobody,
                    whole.to_string(),
                    "application/json",
                    &[("if-match", "*")],
                )
                .await
                .with(404);
        }
        if path.contains("head-office") {
            let path = path.replace("head-office", "active-directory");
            client
                .raw(
                    method,
                    &path,
                    whole.to_string(),
                    "application/json",
                    &[("if-match", "*")],
                )
                .await
                .with(409);
        }
        if ["PUT", "DELETE"].contains(method) {
            client
                .raw(method, path, whole.to_string(), "application/json", &[])
                .await
                .with(428);
        }
    }
    client.document.check(
        &api.call("DELETE", &format!("{one}?purge=7"), None, Some("*"))
            .await
            .with(422),
    );
    client
        .document
        .check(&api.post("/api/v1/connections/nobody/test", whole).await.with(404));
    client
        .document
        .check(&api.post("/api/v1/connections", whole).await.with(409));
    let mut second = whole.clone();
    second["name"] = json!("second");
    api.create(&second).await;
    client
        .document
        .check(&api.put("second", whole, "*").await.with(409));
    let mut elsewhere = api.without_password("second");
    elsewhere["directory"]["host"] = json!(["127.0.0.9"]);
    client
        .document
        .check(&api.put("second", &elsewhere, "*").await.with(422));
    for call in ["browse", "preview"] {
        let path = format!("/api/v1/connections/{call}");
        let mut trial = json!({"connection": whole, "of": "nobody"});
        if call == "preview" {
            trial["object"] = json!("x");
        }
        client.document.check(&api.post(&path, &trial).await.with(404));
        trial["of"] = json!("active-directory");
        client.document.check(&api.post(&path, &trial).await.with(409));
        trial["of"] = Value::Null;
        trial["connection"]["directory"]["password"] = json!("not-the-password-4711");
        client.document.check(&api.post(&path, &trial).await.with(502));
    }
}
