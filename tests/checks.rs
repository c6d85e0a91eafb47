//! `check`: every step that works, and every one that does not, with what to do about it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::certificates::{Authority, Shape};
use lab::receiver::{Answer, Options as GatewayOptions, Receiver};
use lab::simulator::{Account, Action, On, Outcome, Refusal, Twist};
use support::simulated::Simulated;

/// `check` ends with `code`, and exactly these steps failed, with these words.
async fn assert_check_fails(lab: &Simulated, code: i32, steps: &[&str], words: &[&str]) {
    let outcome = lab.connector.run(&["check"]).await.ended_with(code).said(words);
    let out = &outcome.stdout;
    let failed: Vec<&str> = out
        .lines()
        .filter_map(|line| line.strip_prefix("  FAILED  "))
        .map(|line| line[..15].trim_end())
        .collect();
    assert_eq!(failed, steps, "{out}");
    assert_eq!(out.matches("what to do: ").count(), steps.len(), "{out}");
    assert!(out.trim_end().ends_with(&steps.join(", ")), "{out}");
    assert_eq!(outcome.stderr, "", "said once, and in one place");
    assert_eq!(lab.receiver.summary().requests, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_every_step_that_works() {
    let lab = Simulated::new().await;
    let outcome = lab.connector.succeed(&["check"]).await;
    let steps = [
        "configuration",
        "store",
        "settings",
        "mapping",
        "directory",
        "certificate",
        "rootDSE",
        "delta",
        "base context",
        "users",
        "groups",
        "schema",
        "deleted objects",
        "upstream",
        "ingest path",
    ];
    let told: Vec<&str> = outcome
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("  ok      "))
        .map(|line| line[..15].trim_end())
        .collect();
    assert_eq!(told, steps, "{}", outcome.stdout);
    outcome.said(&[
        "connection active-directory",
        "at least 100 found",
        "everything works",
        "gave a token",
        "status 400: assetData is empty",
        "proved: the path exists",
        "not proved: that the account",
    ]);
    let summary = lab.receiver.summary();
    assert_eq!((summary.requests, summary.checks), (0, 1), "no asset is posted");
    assert_eq!(lab.receiver.violations(), Vec::<String>::new());
    // A gateway that takes it proves more.
    lab.receiver.script([Answer::Accept]);
    let outcome = lab.connector.succeed(&["check"]).await;
    outcome.said(&[
        "proved: the path takes requests of this account",
        "not proved: that an asset",
    ]);
    // One that is busy proves nothing, and is no failure.
    for status in [429, 503] {
        lab.receiver.script([Answer::status(status)]);
        let outcome = lab.connector.succeed(&["check"]).await;
        outcome.said(&["proved: nothing", &format!("status {status}")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_a_gateway_that_takes_no_request() {
    let lab = Simulated::new().await;
    let cases = [
        (Answer::status(302), 69, "QUALYS_GATEWAY_URL"),
        (Answer::status(403), 77, "may import"),
        (Answer::status(404), 69, "QUALYS_INGEST_PATH"),
        (Answer::status(405), 69, "QUALYS_INGEST_PATH"),
        (Answer::status(407), 77, "HTTPS_PROXY"),
        (Answer::status(415), 69, "QUALYS_INGEST_PATH"),
        (Answer::Html, 69, "Please log in to the proxy."),
    ];
    for (answer, code, word) in cases {
        lab.receiver.script([answer]);
        assert_check_fails(&lab, code, &["ingest path"], &[word]).await;
    }
    lab.receiver.script([Answer::status(401), Answer::status(401)]);
    assert_check_fails(&lab, 77, &["ingest path"], &["with a new token too"]).await;
    lab.receiver.script_tokens([Answer::Html]);
    assert_check_fails(
        &lab,
        69,
        &["upstream"],
        &["a page for people", "QUALYS_GATEWAY_URL"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_explains_the_gateway_s_certificate() {
    let authority = Authority::new("Inspecting Proxy");
    let mut lab = Simulated::new().await;
    let good = lab.connector.clone_environment();
    let shown = |names: &[&str]| {
        let folder = lab.connector.folder().join(names.join("-"));
        let (certificate, key) = authority.server(names, Shape::Sound).write(&folder, "gateway");
        let read = |path| std::fs::read_to_string(path).unwrap();
        (read(certificate), read(key))
    };
    let cases = [
        (
            shown(&["127.0.0.1"]),
            false,
            Some(("issued by a CA that is not trusted", "QUALYS_CA_CERTIFICATE")),
        ),
        (
            shown(&["gateway.example"]),
            true,
            Some(("is for gateway.example, not for 127.0.0.1", "QUALYS_GATEWAY_URL")),
        ),
        (shown(&["127.0.0.1"]), true, None),
    ];
    let root = authority.write(&lab.connector.folder().join("root"));
    for (tls, trusted, fault) in cases {
        let gateway = Receiver::start(GatewayOptions {
            tls: Some(tls),
            ..GatewayOptions::default()
        })
        .await;
        lab.connector.restore_environment(good.clone());
        lab.set("QUALYS_GATEWAY_URL", &gateway.url());
        if trusted {
            lab.set("QUALYS_CA_CERTIFICATE", root.to_str().unwrap());
        }
        match fault {
            Some((fault, advice)) => {
                let words = [
                    fault,
                    advice,
                    "the gateway showed this certificate",
                    "Inspecting Proxy",
                ];
                assert_check_fails(&lab, 69, &["upstream"], &words).await;
            }
            None => {
                let outcome = lab.connector.succeed(&["check"]).await;
                outcome.said(&["gateway TLS", "Inspecting Proxy", "SHA-256", "everything works"]);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_shows_bind_name_and_filters_as_the_program_has_them() {
    let mut lab = Simulated::new().await;
    lab.set("AD_BIND_DN", r"CORP\nobody");
    lab.set("AD_USER_FILTER", r"(cn=a\2ab)");
    lab.set("AD_COMPUTER_FILTER", "(cn=unused)");
    let outcome = lab.connector.run(&["check"]).await.ended_with(77);
    let text = outcome
        .said(&[r"bind name CORP\nobody", r"extra filter for users (cn=a\2ab)"])
        .stdout;
    assert!(!text.contains("unused"), "computers are not read:\n{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_explains_what_the_directory_refuses() {
    let mut lab = Simulated::new().await;
    let good = lab.connector.clone_environment();
    lab.set("AD_PASSWORD", "wrong");
    assert_check_fails(&lab, 77, &["directory"], &["password is wrong", "AD_PASSWORD"]).await;
    lab.connector.restore_environment(good.clone());
    for (refusal, word) in [
        (Refusal::PasswordExpired, "expired"),
        (Refusal::Disabled, "disabled"),
        (Refusal::LockedOut, "locked"),
        (Refusal::MustChange, "changed"),
    ] {
        lab.simulator
            .set_accounts(vec![Account::refused(lab::simulator::READER, refusal)]);
        assert_check_fails(&lab, 77, &["directory"], &[word]).await;
    }
    lab.simulator.set_accounts(vec![Account::reader()]);

    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .to_string();
    lab.set("AD_PORT", &closed);
    assert_check_fails(&lab, 69, &["directory"], &[&closed, "refused", "firewall"]).await;
    lab.connector.restore_environment(good.clone());

    lab.set("AD_BASE_CONTEXT", "OU=Nowhere,DC=corp,DC=example");
    assert_check_fails(&lab, 69, &["base context"], &["OU=Nowhere", "AD_BASE_CONTEXT"]).await;
    lab.set("AD_BASE_CONTEXT", "OU=People,DC=corp,DC=example");
    assert_check_fails(&lab, 69, &["groups"], &["nothing matches", "AD_SEARCH_SCOPE"]).await;
    lab.connector.restore_environment(good.clone());
    lab.set("AD_USER_FILTER", "(sn=nobody)");
    assert_check_fails(&lab, 69, &["users"], &["(sn=nobody)", "extra filter"]).await;
    lab.connector.restore_environment(good.clone());

    let other = Authority::new("Another Authority").write(&lab.connector.folder().join("other"));
    lab.set("AD_CERTIFICATE", other.to_str().unwrap());
    assert_check_fails(&lab, 69, &["directory"], &["Lab Authority", "AD_CERTIFICATE"]).await;
    lab.connector.restore_environment(good.clone());
    lab.set("AD_SERVER_NAME", "dc9.corp.example");
    assert_check_fails(
        &lab,
        69,
        &["directory"],
        &["dc9.corp.example", "127.0.0.1", "AD_SERVER_NAME"],
    )
    .await;
    lab.connector.restore_environment(good);

    lab.simulator
        .faults()
        .always(On::RootDse, Action::Answer(Outcome::error(52, "later\0")));
    assert_check_fails(&lab, 69, &["rootDSE"], &["52"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_when_the_account_could_not_see_changes() {
    let lab = Simulated::new().await;
    lab.at_users_page(1, Action::Twist(Twist::WrongTypes));
    assert_check_fails(
        &lab,
        69,
        &["users"],
        &["no uSNChanged", "Read Property", "AD_DELTA=off"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_explains_what_upstream_store_and_mapping_refuse_and_the_worst_code_counts() {
    let mut lab = Simulated::new().await;
    let good = lab.connector.clone_environment();
    lab.set("QUALYS_CLIENT_SECRET", "wrong");
    assert_check_fails(
        &lab,
        77,
        &["upstream"],
        &["refused the credentials", "QUALYS_CLIENT_SECRET"],
    )
    .await;
    lab.set("AD_PORT", "1");
    assert_check_fails(&lab, 77, &["directory", "upstream"], &["port 1"]).await;
    lab.connector.restore_environment(good.clone());

    lab.set("QUALYS_GATEWAY_URL", "http://127.0.0.1:9");
    lab.set(
        "STATE_URL",
        &format!("sqlite:{}", lab.connector.folder().display()),
    );
    assert_check_fails(
        &lab,
        69,
        &["store", "upstream"],
        &["QUALYS_GATEWAY_URL", "STATE_URL"],
    )
    .await;
    lab.connector.restore_environment(good.clone());

    std::fs::write(
        lab.connector.folder().join("damaged.db"),
        "no database at all, whatever its name says",
    )
    .unwrap();
    lab.set("STATE_URL", "sqlite:damaged.db");
    assert_check_fails(&lab, 69, &["store"], &["damaged"]).await;
    lab.connector.restore_environment(good.clone());

    std::fs::write(
        lab.connector.folder().join("bad.toml"),
        "[[user]]\nsource = \"mail\"\n[[group]]\nform = \"x\"\n",
    )
    .unwrap();
    lab.set("MAPPING_FILE", "bad.toml");
    assert_check_fails(
        &lab,
        64,
        &["mapping"],
        &["bad.toml:1", "bad.toml:3", "docs/mapping.md"],
    )
    .await;
    lab.set("AD_PASSWORD", "wrong");
    assert_check_fails(&lab, 77, &["mapping", "directory"], &["bad.toml:1"]).await;
}
