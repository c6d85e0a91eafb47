//! Settings of the review: defaults, what belongs together, and every mistake in one pass.

use std::collections::BTreeMap;

use super::*;
use crate::config::parse;

fn given(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let least = [
        ("AD_HOST", "dc1.corp.example"),
        ("AD_BIND_DN", "svc@corp.example"),
        ("AD_PASSWORD", "secret"),
        ("QUALYS_GATEWAY_URL", "https://gateway.example"),
        ("QUALYS_CLIENT_ID", "id"),
        ("QUALYS_CLIENT_SECRET", "secret"),
        ("QUALYS_CONNECTOR_UUID", "8c2d7e1a-3b4f-4c5d-9e6f-000000000001"),
    ];
    let all = least.iter().chain(changes);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

const ACCOUNT: [(&str, &str); 3] = [
    ("QUALYS_API_URL", "https://qualysapi.example/"),
    ("QUALYS_API_USERNAME", "acme_api"),
    ("QUALYS_API_PASSWORD", "secret"),
];

fn settings(changes: &[(&str, &str)]) -> ReviewSettings {
    let all: Vec<_> = ACCOUNT.iter().chain(changes).copied().collect();
    parse(&given(&all)).unwrap().review.unwrap()
}

/// Returns the names that are refused.
fn refused(changes: &[(&str, &str)]) -> Vec<String> {
    let refused = parse(&given(changes)).unwrap_err();
    refused
        .problems()
        .iter()
        .map(|problem| problem.name.clone())
        .collect()
}

#[test]
fn the_url_makes_a_review_and_everything_else_has_a_default() {
    assert!(parse(&given(&[])).unwrap().review.is_none());
    let settings = settings(&[]);
    assert_eq!(settings.url, "https://qualysapi.example");
    assert_eq!(settings.cron.as_deref(), Some("0 6 * * *"));
    assert_eq!(settings.attributes.len(), 5);
    assert_eq!(
        (
            settings.dormant_days,
            settings.never_used_days,
            settings.max_managers
        ),
        (90, 30, 5)
    );
    assert!(settings.allow.is_empty() && settings.role_groups.is_empty());
}

#[test]
fn url_and_account_belong_together() {
    assert_eq!(
        refused(&ACCOUNT[..1]),
        ["QUALYS_API_USERNAME", "QUALYS_API_PASSWORD"]
    );
    assert_eq!(refused(&ACCOUNT[1..]), ["QUALYS_API_URL"]);
}

#[test]
fn every_mistake_is_said_in_one_pass() {
    let changes = [
        ("QUALYS_API_URL", "http://qualysapi.example"),
        ("QUALYS_API_USERNAME", "a:b"),
        ("QUALYS_API_PASSWORD", "secret"),
        ("REVIEW_CRON", "soon"),
        ("REVIEW_MATCH", "mail,(bad"),
        ("REVIEW_ALLOW", "a,,b"),
        ("REVIEW_ROLE_GROUPS", "Manager"),
        ("REVIEW_DORMANT_DAYS", "0"),
        ("REVIEW_NEVER_USED_DAYS", "x"),
        ("REVIEW_MAX_MANAGERS", "-1"),
    ];
    let names: Vec<&str> = changes
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.ends_with("PASSWORD"))
        .collect();
    assert_eq!(refused(&changes), names);
}

#[test]
fn role_groups_are_split_at_semicolons_that_are_not_escaped() {
    let groups = settings(&[(
        "REVIEW_ROLE_GROUPS",
        "Manager=CN=Admins\\; all,DC=corp;User Administrator = CN=Helpdesk,DC=corp;",
    )])
    .role_groups;
    let shown: Vec<(&str, &str)> = groups
        .iter()
        .map(|one| (one.role.as_str(), one.group.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("Manager", "CN=Admins\\; all,DC=corp"),
            ("User Administrator", "CN=Helpdesk,DC=corp")
        ]
    );
    let role = ["CN=Admins,DC=corp", "=CN=Admins,DC=corp", "Manager=Admins"];
    for wrong in role {
        let all: Vec<_> = ACCOUNT
            .iter()
            .copied()
            .chain([("REVIEW_ROLE_GROUPS", wrong)])
            .collect();
        assert_eq!(refused(&all), ["REVIEW_ROLE_GROUPS"], "{wrong}");
    }
}

#[test]
fn logins_compare_without_case() {
    let settings = settings(&[("REVIEW_ALLOW", "break_glass, acme_x"), ("REVIEW_CRON", "off")]);
    assert!(settings.allows("Break_Glass") && !settings.allows("other"));
    assert_eq!(settings.cron, None);
}
