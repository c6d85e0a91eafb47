//! R27, R35: secrets of connections are sealed in the state, and in no answer, log or error.

use serde_json::{Value, json};

use super::support::http::{READ_TOKEN, TOKEN};
use super::support::secrets::{assert_none, assert_none_in_files};
use super::{ALL, Api, KEY, of};

const FIRST: &str = "Erstes \"Wörd\" \\ <7> +/=&?";
const SECOND: &str = "Second-Passphrase-0815-%41";
const REFUSED: &str = "Refused-Passphrase-4711";

#[tokio::test(flavor = "multi_thread")]
async fn r27_no_secret_leaves_the_service() {
    let mut api = Api::with(&[("LOG_LEVEL", "trace")]).await;
    api.lab.connector.unaudited("a history is purged");
    let secret = api.lab.connector.clone_environment()["QUALYS_CLIENT_SECRET"].clone();
    let with = |password: Value| {
        let mut body = api.body("head-office");
        body["directory"]["password"] = password;
        body
    };
    api.create(&with(json!(FIRST))).await;
    // Each way in which a password can be sent, sent well or badly.
    let wrong = [
        json!([SECOND]),
        json!({"value": SECOND}),
        json!({"set": SECOND}),
        json!({"set": true, "value": SECOND}),
        json!(format!("{SECOND}\u{0}")),
        json!(format!("{SECOND}\n{FIRST}")),
    ];
    for password in wrong {
        for (method, path) in [
            ("POST", ALL.to_owned()),
            ("PUT", of("head-office")),
            ("POST", of("test")),
        ] {
            api.call(method, &path, Some(&with(password.clone())), Some("*"))
                .await;
        }
    }
    for octets in [
        format!("\"{SECOND}\""),
        format!("[\"{SECOND}\"]"),
        format!("{{\"connection\": \"{SECOND}\", \"object\": 7}}"),
        format!("{{\"dn\": [\"{SECOND}\"], \"connection\": {{}}}}"),
        format!("{{\"password\": \"{SECOND}"),
        format!("{{\"schedule\": \"{SECOND}\"}}"),
    ] {
        for call in ["", "/test", "/browse", "/preview", "/schedule", "/mapping"] {
            // A list of one text is a mapping, which is answered.
            if call == "/mapping" && octets.starts_with('[') {
                continue;
            }
            let request = api
                .request("POST", &format!("{ALL}{call}"))
                .header("content-type", "application/json");
            api.send(request.body(octets.clone())).await;
        }
    }
    let mut elsewhere = with(json!(SECOND));
    elsewhere["password"] = json!(SECOND);
    elsewhere["profile"]["password"] = json!(SECOND);
    elsewhere["directory"]["bindPassword"] = json!(SECOND);
    api.post(ALL, &elsewhere).await.with(422);
    let tag = api.shown("head-office").await.1;
    api.put("head-office", &with(json!(SECOND)), &tag).await.with(200);
    api.post(&of("test"), &with(json!(REFUSED))).await.with(200);
    api.post(&of("browse"), &json!({"connection": with(json!(REFUSED))}))
        .await
        .with(502);
    api.post(
        &of("preview"),
        &json!({"connection": with(json!(REFUSED)), "object": "x"}),
    )
    .await
    .with(502);
    let run = api.sync("head-office").await;
    assert_ne!(run["outcome"], "processed", "the password is wrong");
    for path in [
        ALL,
        &of("head-office"),
        &format!("{}/runs", of("head-office")),
        "/api/v1/instances",
        "/metrics",
        "/",
        "/api/openapi.json",
    ] {
        api.get(path).await.with(200);
    }
    let commands = [
        vec!["check"],
        vec!["status", "--json"],
        vec!["runs", "--json"],
        vec!["support-bundle", "bundle.tar.gz"],
    ];
    for command in commands {
        let outcome = api.lab.connector.run(&command).await;
        api.answers.lock().unwrap().push_str(&outcome.text());
    }
    let octets: String = (0..32_u8).map(|octet| format!("{octet:02x}")).collect();
    let secrets: Vec<String> = [FIRST, SECOND, REFUSED, KEY, TOKEN, READ_TOKEN, &secret, &octets]
        .map(str::to_owned)
        .to_vec();
    let answers = api.answers.lock().unwrap().clone();
    assert!(answers.len() > 10_000);
    assert_none("an answer", &answers, &secrets);
    assert_none("the log", &api.served.service.log(), &secrets);
    assert_none_in_files(api.lab.connector.folder(), &secrets);
    // Also behind a deletion: neither the file nor its log keeps what was there.
    let tag = api.shown("head-office").await.1;
    api.call(
        "DELETE",
        &format!("{}?purge=true", of("head-office")),
        None,
        Some(&tag),
    )
    .await
    .with(204);
    assert_none_in_files(api.lab.connector.folder(), &secrets);
    let answers = api.answers.lock().unwrap().clone();
    assert_none("an answer", &answers, &secrets);
    api.stop().await;
}
