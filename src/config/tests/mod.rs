mod combinations;
mod fields;
mod pins;
mod secrets;
mod untracked;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeZone as _, Utc};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use super::*;

type Given = BTreeMap<String, String>;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 10, 0, 0).unwrap()
}

/// The least that is a configuration.
const LEAST: &[(&str, &str)] = &[
    ("AD_HOST", "dc1.corp.example.com"),
    ("AD_BIND_DN", "svc@corp.example.com"),
    ("AD_PASSWORD", "pa ss"),
    ("QUALYS_GATEWAY_URL", "https://gateway.example"),
    ("QUALYS_CLIENT_ID", "id"),
    ("QUALYS_CLIENT_SECRET", "secret"),
    ("QUALYS_CONNECTOR_UUID", "a1b2c3d4-0000-4000-8000-00000000abcd"),
];

/// Returns [`LEAST`], changed: an empty value takes a variable away.
fn given(changes: &[(&str, &str)]) -> Given {
    LEAST
        .iter()
        .chain(changes)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn config(changes: &[(&str, &str)]) -> Config {
    parse_at(&given(changes), now()).unwrap()
}

fn connection(changes: &[(&str, &str)]) -> ConnectionSettings {
    config(changes).connections.remove(0)
}

fn refusal(changes: &[(&str, &str)]) -> Vec<String> {
    parse_at(&given(changes), now())
        .unwrap_err()
        .to_string()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Returns the names that are refused, and nothing more.
fn refused_names(changes: &[(&str, &str)]) -> Vec<String> {
    let refused = parse_at(&given(changes), now()).unwrap_err();
    refused
        .problems()
        .iter()
        .map(|problem| problem.name.clone())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_value_anywhere_panics(values in proptest::collection::vec("(?s).{0,40}|[0-9*a-z:/=,()\\[\\]@ .-]{0,40}", 70)) {
        let given: Given = variables::all()
            .map(|variable| variable.name.to_owned())
            .zip(values)
            .collect();
        if let Err(refused) = parse_at(&given, now()) {
            prop_assert!(!refused.problems().is_empty());
            prop_assert_eq!(refused.to_string().lines().count(), refused.problems().len());
        }
    }
}
