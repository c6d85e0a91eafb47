use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// `AD_ALLOW_PLAINTEXT` is a permission, of which nothing is left once it is checked.
const WITHOUT_A_PLACE: [&str; 1] = ["AD_ALLOW_PLAINTEXT"];

#[test]
fn every_variable_is_described_and_no_secret_is_shown() {
    let given: BTreeMap<String, String> = [
        ("AD_HOST", "dc1"),
        ("AD_BIND_DN", "svc@corp.example"),
        ("AD_PASSWORD", "hunter-2"),
        ("AD_USER_FILTER", "(mail=*)"),
        ("QUALYS_GATEWAY_URL", "https://gateway.example"),
        ("QUALYS_CLIENT_ID", "client-7"),
        ("QUALYS_CLIENT_SECRET", "secret-7"),
        ("QUALYS_CONNECTOR_UUID", "8c2d7e1a-3b4f-4c5d-9e6f-000000000001"),
        ("HTTPS_PROXY", "http://me:proxy-7@proxy:3128"),
        ("HTTP_TOKEN", "token-of-sixteen-characters"),
        ("QUALYS_API_URL", "https://qualysapi.example"),
        ("QUALYS_API_USERNAME", "acme_api"),
        ("QUALYS_API_PASSWORD", "hunter-3"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let config = crate::config::parse(&given).unwrap();
    let described: Vec<DescribedVariable> = config
        .describe()
        .into_iter()
        .chain(config.connections[0].describe())
        .collect();
    let names: BTreeSet<&str> = described
        .iter()
        .map(|(name, _)| *name)
        .chain(WITHOUT_A_PLACE)
        .collect();
    let all: BTreeSet<&str> = v::all().map(|variable| variable.name).collect();
    assert_eq!(names, all);
    let text = format!("{described:?}");
    for part in ["dc1", "(mail=*)", "https://gateway.example", "[set]"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for secret in [
        "hunter-2", "hunter-3", "client-7", "secret-7", "proxy-7", "token-of",
    ] {
        assert!(!text.contains(secret), "{text}");
    }
}
