//! Any text as `.env` and as an environment, any bytes as a certificate file: a configuration or a
//! refusal, on clean lines, without a secret.
//!
//! Compiled for the fuzzer and the tests alone. `tests/fuzz` makes up the bytes; the test below
//! replays what is kept of them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::refused::{ConfigError, ConfigProblem};
use super::values::certificate;
use super::variables::is_ours;
use super::{Config, connections, dotenv, load, parse_at, variables};

/// Text that is put into every secret, to be looked for in all output.
const CANARY: &str = "hunter2.Zq7";

/// Checks the text up to the first NUL, also as a file of connections; behind it a certificate
/// file.
pub fn run(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (text, file) = bytes.split_at(end);
    certificates(file.get(1..).unwrap_or_default());
    let Ok(text) = str::from_utf8(text) else { return };
    if text.contains(CANARY) {
        return;
    }
    // As docker's --env-file reads it, and as dotenvy does.
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    environment(
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    );
    match dotenv::parse(text) {
        Ok(pairs) => environment(pairs),
        Err(problems) => clean(&problems),
    }
    connections(text);
    // `AD_HOST=${AD_PASSWORD}` is shown: its author has made the secret public.
    if !text.contains('$') {
        planted_in(text);
    }
}

fn certificates(content: &[u8]) {
    match certificate::decode(content) {
        Ok(found) => assert!(!found.is_empty() && found.iter().all(|der| !der.is_empty())),
        Err(cause) => assert!(
            cause.len() < 500 && !cause.contains(char::is_control),
            "{cause:?}"
        ),
    }
}

/// Checks a file of connections. A value under a key that is a secret's, or was meant to be, is a
/// secret: it has no place in the file and is shown nowhere. The value that a `${…}` names is the
/// canary.
fn connections(text: &str) {
    // The fuzzer leaves the machine's own files out.
    if text.contains("file") || text.contains("certificate") {
        return;
    }
    let planted = |line: &str| match line.split_once("= \"") {
        Some((key, value)) if is_secret(&key.trim().to_ascii_uppercase()) => {
            format!("{key}= \"{CANARY}{value}\n")
        }
        _ => format!("{line}\n"),
    };
    let file: String = text.lines().map(planted).collect();
    let secret = || BTreeMap::from([("SECRET".to_owned(), CANARY.to_owned())]);
    let file = connections::ConnectionsFile::parse("connections.toml", &file, &secret());
    match load::from_file(file, &secret(), now()) {
        Ok(config) => {
            assert!(!config.connections.is_empty());
            sound(&config);
        }
        Err(refused) => {
            clean(refused.problems());
            // A name of the directory that is made of a secret is no secret any more.
            assert!(
                text.contains("SECRET") || !refused.to_string().contains(CANARY),
                "R27: {refused}"
            );
        }
    }
}

/// Puts the canary into every secret of `text`, also where the line is malformed, and checks the
/// outcome.
fn planted_in(text: &str) {
    let lines = text.lines().map(|line| match line.split_once('=') {
        Some((name, value)) if is_secret(name.trim().trim_start_matches("export ").trim()) => {
            format!("{name}={CANARY}{value}\n")
        }
        _ => format!("{line}\n"),
    });
    match dotenv::parse(&lines.collect::<String>()) {
        Ok(pairs) => environment(pairs),
        Err(problems) => {
            clean(&problems);
            assert!(!ConfigError::new(problems).to_string().contains(CANARY), "R27");
        }
    }
}

fn environment(mut given: BTreeMap<String, String>) {
    for (name, value) in &mut given {
        if is_secret(name) {
            let middle = value.floor_char_boundary(value.len() / 2);
            value.insert_str(middle, CANARY);
        } else if reads_a_file(name) && !value.is_empty() {
            // The fuzzer leaves the machine's own files out.
            "/no/such/file".clone_into(value);
        }
    }
    let secrets = given.values().any(|value| value.contains(CANARY));
    let said = match parse_at(&given, now()) {
        Ok(config) => {
            sound(&config);
            assert_eq!(config.connections.is_empty(), config.missing.is_some());
            format!("{config:?}")
        }
        Err(refused) => {
            clean(refused.problems());
            assert_eq!(parse_at(&given, now()).err().as_ref(), Some(&refused));
            format!("{refused} {refused:?}")
        }
    };
    assert!(!secrets || !said.contains(CANARY), "R27: {said}");
}

/// Returns `true` for the name of a secret, or of a value that may hold one: a proxy's password, or
/// a value under a name that was meant to be one of ours.
fn is_secret(name: &str) -> bool {
    let known = variables::all().find(|variable| variable.name == name);
    match known {
        Some(variable) => variable.secret || name == "HTTPS_PROXY",
        None => name == "https_proxy" || (is_ours(name) && !reads_a_file(name)),
    }
}

fn reads_a_file(name: &str) -> bool {
    let secret = variables::all().any(|variable| variable.file_name().as_deref() == Some(name));
    secret || ["AD_CERTIFICATE", "QUALYS_CA_CERTIFICATE", "CONNECTIONS_FILE"].contains(&name)
}

/// Checks that each problem is one line that names its variable, and that nothing in it moves the
/// cursor of a terminal.
fn clean(problems: &[ConfigProblem]) {
    assert!(!problems.is_empty());
    for problem in problems {
        let line = problem.to_string();
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(
            ![&problem.name, &problem.cause, &problem.advice]
                .iter()
                .any(|part| part.is_empty()),
            "{line:?}"
        );
    }
}

/// Checks the properties on which the rest of the program relies.
fn sound(config: &Config) {
    for connection in &config.connections {
        let (directory, profile, upstream) =
            (&connection.directory, &connection.profile, &connection.upstream);
        assert!(!connection.name.is_empty() && connection.name.len() <= 64 && !connection.name.contains('/'));
        assert!(
            directory.hosts.is_empty() == directory.domain.is_some()
                && directory.port > 0
                && !directory.timeout.is_zero()
        );
        assert!((1..=100_000).contains(&directory.page_size) && (1..=16).contains(&directory.parallel_reads));
        assert!(!profile.assets.is_empty());
        for filter in profile.assets.iter().filter_map(|(_, filter)| filter.as_deref()) {
            assert!(ldap3::parse_filter(filter).is_ok(), "{filter}");
        }
        let sync = &connection.schedule.sync;
        if let super::RunSchedule::Cron(cron) = sync {
            let cron = cron.text.parse::<croner::Cron>();
            assert!(cron.is_ok_and(|cron| cron.find_next_occurrence(&now(), false).is_ok()));
        }
        assert_eq!(super::parse_schedule(&sync.to_json(), now()).as_ref(), Ok(sync));
        assert!(connection.removal.max_percent <= 100);
        let gateway = reqwest::Url::parse(&format!("{}{}", upstream.gateway, upstream.ingest_path));
        assert!(
            gateway.is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.username().is_empty())
        );
        assert!(!upstream.timeout.is_zero() && !upstream.give_up_after.is_zero());
        assert!(
            upstream.batch_assets != crate::config::BatchAssets::AtMost(0)
                && upstream.batch_bytes > 0
                && upstream.concurrency > 0
        );
    }
    let names: std::collections::BTreeSet<&str> = config
        .connections
        .iter()
        .map(|connection| connection.name.as_str())
        .collect();
    assert_eq!(names.len(), config.connections.len());
}

/// Returns 2026-11-22, 10:00 UTC.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_341_600, 0).unwrap_or_default()
}

#[test]
fn r27_what_the_fuzzer_kept() {
    crate::fuzzing::replay("environment", run);
}
