//! Every way in which TLS to a controller succeeds or fails, by the real program and real handshakes. What it says is the table
//! of docs/tls.md: `UPDATE_REFERENCE=1 cargo test --test tls` writes it anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing check may panic"
)]

mod cases;
mod files;
mod issued;
mod servers;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;

use futures_util::StreamExt as _;
use lab::certificates::{Authority, Shape};
use lab::receiver::{Options, Receiver};
use lab::simulator::{PASSWORD, READER};

use cases::Case;
use servers::Server;
use support::{Connector, Outcome};

/// Programs that run side by side.
const AT_ONCE: usize = 3;

const BEGIN: &str = "<!-- cases: begin, written by tests/tls -->\n";
const END: &str = "<!-- cases: end -->\n";

fn connector(receiver: &Receiver, port: u16, ca: &Path) -> Connector {
    Connector::delivering_to(receiver)
        .with("AD_HOST", "127.0.0.1")
        .with("AD_PORT", &port.to_string())
        .with("AD_BIND_DN", &format!("{READER}@corp.example"))
        .with("AD_PASSWORD", PASSWORD)
        .with("AD_CERTIFICATE", ca.to_str().unwrap())
        .with("AD_TIMEOUT", "20s")
}

/// Message and remedy of a command that failed.
fn said(outcome: &Outcome) -> (String, String) {
    let text = outcome.stderr.as_str();
    let bad = |line: &&str| line.starts_with("  AD_");
    if let Some(line) = text.lines().find(bad) {
        let (message, remedy) = line.trim().split_once("; ").unwrap();
        return (message.to_owned(), remedy.to_owned());
    }
    let error = text.split("\nerror: ").last().unwrap();
    let (message, remedy) = error
        .strip_prefix("error: ")
        .unwrap_or(error)
        .trim_end()
        .split_once("\n  what to do: ")
        .unwrap_or_else(|| panic!("no remedy in {text}"));
    (message.to_owned(), remedy.to_owned())
}

/// What was said, without what is another at each run.
fn constant(text: &str, port: u16, folder: &Path) -> String {
    let text = text.split("; shown was a ").next().unwrap();
    let text = text.replace(&format!("{}/", folder.display()), "");
    let text = text.replace(&port.to_string(), "PORT");
    let words = text.split(' ').map(|word| {
        let (name, digits) = word.split_once('=').unwrap_or(("", word));
        match digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => format!("{name}=…"),
            false => word.to_owned(),
        }
    });
    words
        .collect::<Vec<_>>()
        .join(" ")
        .replace("127.0.0.1", "dc1.corp.example")
        .trim_start_matches("dc1.corp.example: ")
        .to_owned()
}

/// What `check` says of the certificate that was refused: the two lines that are needed to compare it and to pin it.
fn pin_of(check: &Outcome) -> String {
    let value = |label: &str| {
        let line = check
            .stdout
            .lines()
            .find_map(|line| line.trim().strip_prefix(label));
        line.unwrap_or_else(|| panic!("no {label} in {}", check.stdout))
            .trim()
            .to_owned()
    };
    let pin = value("AD_CERTIFICATE_SHA256=");
    assert_eq!(pin, format!("127.0.0.1={}", value("SHA-256 ")));
    for label in [
        "subject ",
        "names ",
        "issuer ",
        "valid ",
        "in base64 ",
        "public key ",
    ] {
        assert!(!value(label).is_empty());
    }
    assert!(check.stdout.contains("nothing was sent to it") && check.stdout.contains("administrator"));
    pin
}

/// Runs one case; gives its row.
async fn row(case: Case, receiver: &Receiver, ca: &Path) -> String {
    let mut connector = connector(receiver, case.server.port, ca);
    for (name, value) in &case.settings {
        connector = connector.with(name, value);
    }
    let context = |outcome: &Outcome| format!("{}:\n{}", case.name, outcome.text());
    let check = connector.run(&["check"]).await;
    assert_eq!(check.code, Some(case.code), "{}", context(&check));
    let sync = connector.run(&["sync"]).await;
    assert_eq!(sync.code, Some(case.code), "{}", context(&sync));
    if case.code == 0 {
        assert!(
            check.stdout.contains("  ok      certificate"),
            "{}",
            context(&check)
        );
        return format!("| {} | 0 | connects | |\n", case.name);
    }
    assert_eq!(
        case.server.binds(),
        0,
        "nothing goes to whom nobody vouches for: {}",
        case.name
    );
    let (message, remedy) = said(&sync);
    assert!(
        message.contains(case.cause),
        "{:?} in {message}\n{}",
        case.cause,
        context(&sync)
    );
    assert!(
        remedy.contains(case.remedy),
        "{:?} in {remedy}\n{}",
        case.remedy,
        context(&sync)
    );
    if case.code == 69 {
        assert!(
            check.stdout.contains(case.cause) && check.stdout.contains(case.remedy),
            "{}",
            context(&check)
        );
    }
    if case.pin_helps {
        let pinned = connector.with("AD_CERTIFICATE_SHA256", &pin_of(&check));
        let check = pinned.succeed(&["check"]).await;
        assert!(
            check.stdout.contains("it is pinned by AD_CERTIFICATE_SHA256"),
            "{}",
            context(&check)
        );
    }
    let offers_a_pin = check.stdout.contains("  AD_CERTIFICATE_SHA256=");
    assert_eq!(offers_a_pin, case.pin_helps, "{}", context(&check));
    let folder = ca.parent().unwrap();
    let [message, remedy] = [message, remedy].map(|text| constant(&text, case.server.port, folder));
    format!("| {} | {} | {message} | {remedy} |\n", case.name, case.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_says_what_the_table_says() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("Lab CA");
    let file = ca.write(folder.path());
    let receiver = Receiver::start(Options::default()).await;
    let cases = cases::all(&ca, folder.path()).await;
    let rows: Vec<String> = futures_util::stream::iter(cases)
        .map(|case| row(case, &receiver, &file))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let table = format!(
        "| The controller's certificate, or what it does | Exit code | Message | What to do |\n|---|---|---|---|\n{}",
        rows.concat()
    );

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tls.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}\n{table}\n{END}{after}")).unwrap();
    } else {
        assert_eq!(
            written.trim(),
            table.trim(),
            "UPDATE_REFERENCE=1 writes docs/tls.md anew"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_certificate_forges_no_line_of_check() {
    let receiver = Receiver::start(Options::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("Lab CA").write(folder.path());
    let forged =
        Authority::new("CN\n  ok      everything\u{1b}[2Kworks\n").server(&["127.0.0.1"], Shape::Sound);
    let server = Server::ldaps(&forged);
    let check = connector(&receiver, server.port, &ca)
        .run(&["check"])
        .await
        .ended_with(69);
    assert!(!check.stdout.contains('\u{1b}'), "{}", check.stdout);
    let told: Vec<&str> = check
        .stdout
        .lines()
        .filter(|line| line.starts_with("  ok"))
        .collect();
    assert!(told.iter().all(|line| !line.contains("everything")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_controller_that_was_refused_is_shown_and_one_line_pins_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let ca = Authority::new("Lab CA").write(folder.path());
    let receiver = Receiver::start(Options::default()).await;
    let server = Server::ldaps(&Authority::new("Other CA").server(&["dc1.corp.example"], Shape::Sound));
    let connector = connector(&receiver, server.port, &ca).with("AD_HOST", "127.0.0.1,127.0.0.2");
    let check = connector.run(&["check"]).await.ended_with(69);
    let line = check
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("AD_CERTIFICATE_SHA256="));
    // The simulator listens on the first of them alone.
    let (host, pin) = line.unwrap().split_once('=').unwrap();
    assert_eq!((host, pin.len()), ("127.0.0.1", 64), "{}", check.stdout);
    let both = connector.with("AD_HOST", "127.0.0.1,localhost");
    let check = both.run(&["check"]).await.ended_with(69);
    let line = check
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("AD_CERTIFICATE_SHA256="));
    assert_eq!(line.unwrap(), format!("127.0.0.1={pin},localhost={pin}"));
    both.with("AD_CERTIFICATE_SHA256", line.unwrap())
        .succeed(&["check"])
        .await;
}
