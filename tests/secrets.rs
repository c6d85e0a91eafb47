//! R27: a secret appears nowhere, whatever the log level, whatever goes wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::receiver::{Answer, Options};
use lab::simulator::{self, Account, Action, Directory, On};
use support::http::Served;
use support::secrets::{assert_none, assert_none_in_files, forms};
use support::simulated::{PEOPLE, Simulated};

const PASSWORD: &str = "Bind-Geheimnis & \"Ω\" 7731";
const CLIENT_ID: &str = "client-id-plover-4471";
const CLIENT_SECRET: &str = "client-secret-xyzzy-9982";
const HTTP_TOKEN: &str = "http-token-frobozz-5563";
const USERNAME: &str = "user-name-grue-2214";
const QUALYS_PASSWORD: &str = "qualys+password=zork%3358";
const PROXY_PASSWORD: &str = "proxy-password-lantern-6675";

fn secrets(lab: &Simulated) -> Vec<String> {
    let planted = [
        PASSWORD,
        CLIENT_ID,
        CLIENT_SECRET,
        HTTP_TOKEN,
        USERNAME,
        QUALYS_PASSWORD,
        PROXY_PASSWORD,
    ];
    planted
        .into_iter()
        .map(str::to_owned)
        .chain(lab.receiver.tokens())
        .collect()
}

/// Everything set up with secrets of its own.
async fn planted(format: &str) -> Simulated {
    let directory = simulator::Options {
        directory: Directory::new("corp.example", PEOPLE),
        accounts: vec![Account {
            password: PASSWORD.to_owned(),
            ..Account::reader()
        }],
        ..Default::default()
    };
    let gateway = Options {
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        username: USERNAME.to_owned(),
        password: QUALYS_PASSWORD.to_owned(),
        ..Options::default()
    };
    let mut lab = Simulated::with(directory, gateway).await;
    lab.set("AD_PASSWORD", PASSWORD);
    lab.set("QUALYS_CLIENT_ID", CLIENT_ID);
    lab.set("QUALYS_CLIENT_SECRET", CLIENT_SECRET);
    lab.set("HTTP_TOKEN", HTTP_TOKEN);
    lab.set("QUALYS_GIVE_UP_AFTER", "1s");
    lab.set("LOG_LEVEL", "trace");
    lab.set("LOG_FORMAT", format);
    lab
}

/// Runs commands with one variable set otherwise; nothing that they say or write holds a secret.
async fn assert_silent(lab: &mut Simulated, change: Option<(&str, &str)>, commands: &[&[&str]]) -> String {
    let before = lab.connector.clone_environment();
    if let Some((name, value)) = change {
        lab.set(name, value);
    }
    let mut said = String::new();
    for command in commands {
        said += &lab.connector.run(command).await.text();
    }
    lab.connector.restore_environment(before);
    assert_none(&format!("the output with {change:?}"), &said, &secrets(lab));
    said
}

async fn assert_no_secret_comes_out(format: &str) {
    let mut lab = planted(format).await;
    let everything: &[&[&str]] = &[
        &["check"],
        &["sync"],
        &["sync", "--baseline", "--resend", "--output", "assets.ndjson"],
        &["status"],
        &["status", "--json"],
        &["runs"],
        &["runs", "--json"],
        &["preview", "u0000003"],
        &["mapping", "show"],
        &["variables"],
        &["healthcheck"],
        &["--help"],
    ];
    let said = assert_silent(&mut lab, None, everything).await;
    lab.assert_converged();
    assert!(
        said.contains("run finished") && said.len() > 10_000,
        "a log at level trace: {} octets",
        said.len()
    );

    let both: &[&[&str]] = &[&["check"], &["sync", "--baseline", "--resend"]];
    let refused = "Wrong-Geheimnis-4410";
    for (name, value) in [
        ("AD_PASSWORD", refused),
        ("QUALYS_CLIENT_SECRET", refused),
        ("QUALYS_CLIENT_ID", refused),
    ] {
        let said = assert_silent(&mut lab, Some((name, value)), both).await;
        assert_none(name, &said, &[refused.to_owned()]);
        assert!(
            said.contains(name) || said.contains("QUALYS_CLIENT_SECRET"),
            "{said}"
        );
    }
    for change in [
        ("AD_PORT", "1"),
        ("AD_HOST", "no-such-host.invalid"),
        ("QUALYS_GATEWAY_URL", "http://127.0.0.1:9"),
        ("AD_CERTIFICATE", "/no/such/file"),
        ("AD_PAGE_SIZE", "many"),
        ("AD_PASWORD", PASSWORD),
        ("QUALYS_CLIENT_SECRET", "client-secret-xyzzy-9982\u{7f}"),
        ("HTTP_TOKEN", "http-token-frobozz-5563\nx"),
    ] {
        assert_silent(&mut lab, Some(change), both).await;
    }
    let url = format!("https://{USERNAME}:{PROXY_PASSWORD}@gateway.invalid");
    assert_silent(&mut lab, Some(("QUALYS_GATEWAY_URL", &url)), both).await;

    // A gateway, and a controller, that give back what they were told.
    let echo = format!("{{\"message\": \"bad call by {CLIENT_ID} with {CLIENT_SECRET}\"}}");
    lab.receiver.script([
        Answer::Status(400, Vec::new(), echo.clone()),
        Answer::RevokeToken,
        Answer::RevokeToken,
    ]);
    assert_silent(&mut lab, None, both).await;
    lab.receiver.reset();
    lab.receiver
        .script_tokens(std::iter::repeat_n(Answer::Status(500, Vec::new(), echo), 20));
    assert_silent(&mut lab, None, both).await;
    lab.receiver.reset();
    lab.simulator.faults().at(
        On::Search,
        4,
        Action::Answer(simulator::Outcome::error(
            1,
            format!("was bound with {PASSWORD}\0"),
        )),
    );
    assert_silent(
        &mut lab,
        None,
        &[
            &["sync", "--baseline"],
            &["status", "--json"],
            &["runs", "--json"],
        ],
    )
    .await;

    // By user name and password, through a proxy that is not there.
    lab.set("QUALYS_AUTH", "password");
    lab.set("QUALYS_USERNAME", USERNAME);
    lab.set("QUALYS_PASSWORD", QUALYS_PASSWORD);
    lab.unset("QUALYS_CLIENT_ID");
    lab.unset("QUALYS_CLIENT_SECRET");
    assert_silent(&mut lab, None, both).await;
    lab.set(
        "HTTPS_PROXY",
        &format!("http://someone:{PROXY_PASSWORD}@127.0.0.1:9"),
    );
    let said = assert_silent(
        &mut lab,
        Some(("QUALYS_GATEWAY_URL", "https://gateway.invalid")),
        both,
    )
    .await;
    assert!(said.contains("127.0.0.1") || said.contains("proxy"), "{said}");

    assert_none_in_files(lab.connector.folder(), &secrets(&lab));
    assert!(!lab.receiver.tokens().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_no_secret_in_the_log_as_text() {
    assert_no_secret_comes_out("text").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_no_secret_in_the_log_as_json() {
    assert_no_secret_comes_out("json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_secrets_from_files_work_and_stay_there() {
    let mut lab = planted("text").await;
    let outside = tempfile::tempdir().unwrap();
    for (name, value) in [("AD_PASSWORD", PASSWORD), ("QUALYS_CLIENT_SECRET", CLIENT_SECRET)] {
        let file = outside.path().join(name);
        std::fs::write(&file, format!("{value}\n")).unwrap();
        lab.unset(name);
        lab.set(&format!("{name}_FILE"), file.to_str().unwrap());
    }
    let said = assert_silent(&mut lab, None, &[&["check"], &["sync"]]).await;
    lab.assert_converged();
    assert!(said.contains("everything works"), "{said}");
    assert_none_in_files(lab.connector.folder(), &secrets(&lab));
    // Both ways at once: which one counts is not guessed.
    lab.set("AD_PASSWORD", PASSWORD);
    let said = assert_silent(&mut lab, None, &[&["check"]]).await;
    assert!(said.contains("AD_PASSWORD: is given twice"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_a_running_service_shows_no_secret_to_the_system() {
    let mut lab = planted("text").await;
    lab.set("SYNC_CRON", "59 59 23 31 12 *");
    let mut service = lab.connector.watch(&["run"]);
    service.said("run finished").await;
    let command = std::fs::read(format!("/proc/{}/cmdline", service.id())).unwrap();
    assert_none(
        "the process title",
        &String::from_utf8_lossy(&command),
        &secrets(&lab),
    );
    let outcome = service.stopped_with(0).await;
    assert_none("the log", &outcome.text(), &secrets(&lab));
    assert_none_in_files(lab.connector.folder(), &secrets(&lab));
}

/// Everything that is answered over HTTP, with the token and without, headers included.
async fn everything_served(served: &Served, guid: &str) -> String {
    let mut said = String::new();
    let of = "/api/v1/connections/active-directory";
    for path in [
        "/",
        "/page/app.js",
        "/metrics",
        "/live",
        "/ready",
        "/api/openapi.json",
        "/nowhere",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(
        [
            "",
            "/runs",
            "/inventory",
            "/rejected",
            "/removed",
            "/mapping",
            "/sync",
        ]
        .map(|part| format!("{of}{part}")),
    )
    .chain([
        format!("{of}/inventory/{guid}"),
        format!("{of}/inventory/{guid}/preview"),
    ]) {
        for token in [None, Some(HTTP_TOKEN), Some("wrong")] {
            let mut request = served.request(reqwest::Method::GET, &path);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = served.send(request).await;
            said += &format!("{:?}\n{}\n", answer.headers, answer.body);
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn r27_no_answer_over_http_holds_a_secret() {
    let mut lab = planted("text").await;
    lab.set("SYNC_CRON", "59 59 23 31 12 *");
    lab.set("SYNC_ON_START", "false");
    lab.set("HTTP_LISTEN", "127.0.0.1:0");
    lab.sync(0).await;
    let served = Served::start(&lab.connector).await;
    let guid = support::expected::guid(&lab.directory().guid(lab.users()[0]));
    let mut said = everything_served(&served, &guid).await;

    // A gateway, and a controller, that give back what they were told.
    let echo = format!("{{\"message\": \"bad call by {CLIENT_ID} with {CLIENT_SECRET}\"}}");
    lab.receiver.refuse_all(Answer::Status(400, Vec::new(), echo));
    lab.directory()
        .set_text(lab.users()[1], "mail", "new@corp.example");
    let mut events = served.events("/api/v1/connections/active-directory/events").await;
    for round in 0..2 {
        if round == 1 {
            let echo = simulator::Outcome::error(1, format!("was bound with {PASSWORD}\0"));
            lab.simulator.faults().always(On::Search, Action::Answer(echo));
        }
        let sync = served.request(reqwest::Method::POST, "/api/v1/connections/active-directory/sync");
        let sync = sync
            .bearer_auth(HTTP_TOKEN)
            .json(&serde_json::json!({"mode": "delta"}));
        served.send(sync).await.with(202);
        let run = events.named("run").await;
        assert_ne!(run["outcome"], "processed");
        said += &run.to_string();
        said += &everything_served(&served, &guid).await;
    }
    assert!(
        said.contains("bad call by") && said.contains("was bound with"),
        "{said}"
    );
    assert_none("the answers over HTTP", &said, &secrets(&lab));
    let outcome = served.service.stopped_with(0).await;
    assert_none("the log", &outcome.text(), &secrets(&lab));
}

#[test]
fn a_leak_is_recognised_in_every_form() {
    let secret = "a \"b\" ü+c/d";
    let forms = forms(secret);
    for leak in [
        format!("password={secret}"),
        format!("{:?}", Some(secret)),
        serde_json::json!({ "password": secret }).to_string(),
        format!("{:?}", secret.as_bytes()),
        "a+%22b%22+%C3%BC%2Bc%2Fd".to_owned(),
        "YSAiYiIgw7wrYy9k".to_owned(),
    ] {
        assert!(forms.iter().any(|form| leak.contains(form)), "{leak}");
    }
}
