//! Each key of the body reaches the setting that it stands for.

use std::collections::BTreeMap;

use ad_connector::config::{ConnectionSettings, MappingSource, password_of};
use lab::certificates::Authority;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Api, of};

const UUID: &str = "8c2d7e1a-3b4f-4c5d-9e6f-1a2b3c4d5e6f";
const MAPPING: &str = include_str!("../../config/mapping.toml");

fn described(settings: &ConnectionSettings) -> BTreeMap<&'static str, String> {
    settings.describe().into_iter().collect()
}

/// Sets `section.key` of a body.
fn set(body: &mut Value, path: &str, value: &Value) {
    match path.split_once('.') {
        Some((section, key)) => body[section][key] = value.clone(),
        None => body[path] = value.clone(),
    }
}

/// Each key with a value that is not its default, the variable that it stands for, and how `check`
/// shows that.
fn every_key() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    vec![
        (
            "description",
            json!("Head office"),
            "CONNECTION_DESCRIPTION",
            "Head office",
        ),
        (
            "directory.host",
            json!(["127.0.0.1", "127.0.0.2"]),
            "AD_HOST",
            "127.0.0.1,127.0.0.2",
        ),
        (
            "directory.transport",
            json!("starttls"),
            "AD_TRANSPORT",
            "starttls",
        ),
        ("directory.port", json!(389), "AD_PORT", "389"),
        (
            "directory.bindDn",
            json!("other@corp.example"),
            "AD_BIND_DN",
            "other@corp.example",
        ),
        (
            "directory.certificateSha256",
            json!(["ab".repeat(32)]),
            "AD_CERTIFICATE_SHA256",
            "ababab",
        ),
        (
            "directory.serverName",
            json!("dc9.corp.example"),
            "AD_SERVER_NAME",
            "dc9.corp.example",
        ),
        (
            "profile.baseContext",
            json!("OU=Staff,DC=corp,DC=example"),
            "AD_BASE_CONTEXT",
            "OU=Staff,DC=corp,DC=example",
        ),
        (
            "profile.searchScope",
            json!("onelevel"),
            "AD_SEARCH_SCOPE",
            "onelevel",
        ),
        (
            "profile.assets",
            json!(["groups", "computers"]),
            "AD_ASSETS",
            "groups,computers",
        ),
        (
            "profile.userFilter",
            json!("(department=a)"),
            "AD_USER_FILTER",
            "(department=a)",
        ),
        (
            "profile.groupFilter",
            json!("(cn=g*)"),
            "AD_GROUP_FILTER",
            "(cn=g*)",
        ),
        (
            "profile.membersOf",
            json!(["CN=A,DC=corp,DC=example", "CN=B\\;C,DC=corp,DC=example"]),
            "AD_MEMBER_OF",
            "CN=A,DC=corp,DC=example;CN=B",
        ),
        ("profile.delta", json!("off"), "AD_DELTA", "off"),
        ("profile.pageSize", json!(321), "AD_PAGE_SIZE", "321"),
        (
            "schedule",
            json!({"cron": "7 * * * *", "timezone": "Asia/Colombo"}),
            "SYNC_CRON",
            "7 * * * *",
        ),
        (
            "schedule",
            json!({"cron": "7 * * * *", "timezone": "Asia/Colombo"}),
            "SYNC_TIMEZONE",
            "Asia/Colombo",
        ),
        (
            "schedule",
            json!({"runFrequency": {"hours": 1, "minutes": 30}}),
            "schedule",
            "every 1 h 30 min",
        ),
        (
            "baseline",
            json!({"cron": "0 3 * * SAT"}),
            "BASELINE_CRON",
            "0 3 * * SAT",
        ),
        ("removals.objects", json!("send"), "REMOVED_OBJECTS", "send"),
        ("removals.maxCount", json!(7), "REMOVAL_MAX_COUNT", "7"),
        ("removals.maxPercent", json!(3), "REMOVAL_MAX_PERCENT", "3"),
        ("removals.lag", json!("36h"), "REMOVAL_LAG", "129600s"),
        (
            "upstream.connectorUuid",
            json!(UUID),
            "QUALYS_CONNECTOR_UUID",
            UUID,
        ),
        (
            "upstream.source",
            json!("Another Directory"),
            "QUALYS_SOURCE",
            "Another Directory",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_reaches_its_setting_and_no_other_one() {
    let api = Api::start().await;
    let created = api.create(&api.body("head-office")).await;
    let plain = described(&api.settings("head-office"));
    for (revision, (key, value, variable, shown)) in (1..).zip(every_key()) {
        let mut body = api.body("head-office");
        set(&mut body, key, &value);
        if key == "removals.objects" {
            // Nothing can be sent without a value that tells a removed object.
            body["mapping"] = json!(format!(
                "{MAPPING}\n[removed]\nasset.assetDetail.lifecycle = \"REMOVED\"\n"
            ));
        }
        let answer = api.put("head-office", &body, &format!("\"{revision}\"")).await;
        assert_eq!(answer.status, 200, "{key}: {}", answer.body);
        let settings = described(&api.settings("head-office"));
        assert!(
            settings[variable].contains(shown),
            "{key}: {variable} is {}",
            settings[variable]
        );
        let differing: Vec<&str> = settings
            .iter()
            .filter(|(name, text)| plain.get(*name) != Some(text))
            .map(|(name, _)| *name)
            .collect();
        let along: &[&str] = match key {
            "schedule" => &["SYNC_CRON", "SYNC_TIMEZONE", "schedule", "BASELINE_CRON"],
            // Each filter holds the groups, and changes of members are no changes of an object.
            "profile.membersOf" => &["AD_USER_FILTER", "AD_GROUP_FILTER", "AD_DELTA"],
            "removals.objects" => &["MAPPING_FILE"],
            "profile.assets" => &["AD_USER_FILTER", "AD_GROUP_FILTER", "AD_COMPUTER_FILTER"],
            _ => &[],
        };
        assert!(
            differing
                .iter()
                .all(|name| *name == variable || along.contains(name)),
            "{key} changed {differing:?}"
        );
        assert!(!differing.is_empty(), "{key} changed nothing");
        let mut expected = body.clone();
        expected["disabled"] = json!(false);
        expected["directory"]["password"] = Value::Null;
        let mut configuration = answer.json()["configuration"].clone();
        assert_eq!(configuration["directory"]["password"]["set"], true);
        configuration["directory"]["password"] = Value::Null;
        assert_eq!(configuration, expected, "{key}");
    }
    let answer = api
        .put("head-office", &api.body("head-office"), "*")
        .await
        .with(200)
        .json();
    assert_eq!(answer["uuid"], created["uuid"]);
    assert_eq!(
        described(&api.settings("head-office")),
        plain,
        "a key that is gone has its default again"
    );
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_no_variable_shows_reach_their_settings_too() {
    let api = Api::start().await;
    let authority = Authority::new("Another Authority");
    let der = base64(&authority.der());
    let mut body = api.body("head-office");
    body["directory"]["host"] = Value::Null;
    body["directory"]["domain"] = json!("corp.example");
    body["directory"]["site"] = json!("London");
    body["directory"]["password"] = json!("päss \"word\" ${NAME} \\ '7'");
    body["directory"]["certificate"] = json!(der);
    body["profile"]["assets"] = json!(["users", "computers"]);
    body["profile"]["computerFilter"] = json!("(operatingSystem=*)");
    body["mapping"] = json!(MAPPING);
    body["disabled"] = json!(true);
    let created = api.create(&body).await;
    assert_eq!(
        (&created["disabled"], &created["configuration"]["disabled"]),
        (&json!(true), &json!(true))
    );
    let settings = api.settings("head-office");
    assert_eq!(settings.mapping, MappingSource::Text(MAPPING.to_owned()));
    assert_eq!(settings.directory.certificates, Some(vec![authority.der()]));
    assert_eq!(
        password_of(&settings).unwrap().expose_secret(),
        "päss \"word\" ${NAME} \\ '7'"
    );
    assert!(settings.stored.unwrap().is_disabled);
    assert_eq!(settings.uuid.to_string(), created["uuid"]);
    let shown = described(&settings);
    for (variable, value) in [
        ("AD_DOMAIN", "corp.example"),
        ("AD_SITE", "London"),
        ("AD_ASSETS", "users,computers"),
        ("AD_COMPUTER_FILTER", "(operatingSystem=*)"),
    ] {
        assert_eq!(shown[variable], value);
    }
    let table = api
        .get(&format!("{}/mapping", of("head-office")))
        .await
        .with(200)
        .json();
    assert!(!table["kinds"].as_array().unwrap().is_empty(), "{table}");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_the_service_stand_for_no_key_of_the_directory() {
    let api = Api::with(&[
        ("REMOVAL_MAX_COUNT", "9"),
        ("SYNC_CRON", "1 1 1 1 *"),
        ("QUALYS_SOURCE", "Of the service"),
        ("AD_TIMEOUT", "7s"),
    ])
    .await;
    let mut body = api.body("head-office");
    body["profile"] = json!(null);
    body.as_object_mut().unwrap().remove("schedule");
    api.create(&body).await;
    let shown = described(&api.settings("head-office"));
    for (variable, value) in [
        ("AD_PAGE_SIZE", "1000"),
        ("REMOVAL_MAX_COUNT", "500"),
        ("SYNC_CRON", "*/15 * * * *"),
        ("QUALYS_SOURCE", "Of the service"),
        ("AD_TIMEOUT", "7s"),
    ] {
        assert!(
            shown[variable].to_lowercase().contains(&value.to_lowercase()),
            "{variable} is {}",
            shown[variable]
        );
    }
    api.stop().await;
}

fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_usize, |bits, octet| bits << 8 | usize::from(*octet))
            << (8 * (3 - chunk.len()));
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            text.push(if place <= chunk.len() {
                char::from(LETTERS[bits >> shift & 63])
            } else {
                '='
            });
        }
    }
    text
}
