use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::config::{self, StoredConfiguration, StoredVersion, body_with_documents, foreign_settings, load};

const CONNECTOR: &str = "8c2d7e1a-3b4f-4c5d-9e6f-1a2b3c4d5e6f";
const PASSWORD: &str = "pass$word ${X} \"7\"";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

/// Returns the variables of a service; they describe a connection of their own as well, which none
/// that is exported may inherit from.
fn service() -> BTreeMap<String, String> {
    [
        ("QUALYS_GATEWAY_URL", "https://gateway.example"),
        ("QUALYS_CLIENT_ID", "id"),
        ("QUALYS_CLIENT_SECRET", "secret"),
        ("QUALYS_CONNECTOR_UUID", "00000000-0000-4000-8000-000000000000"),
        ("AD_ALLOW_PLAINTEXT", "true"),
        ("AD_TIMEOUT", "1500ms"),
        ("AD_HOST", "other.example"),
        ("AD_DOMAIN", "other.example"),
        ("AD_SERVER_NAME", "other.example"),
        ("AD_BASE_CONTEXT", "DC=other"),
        ("AD_USER_FILTER", "(other=1)"),
        ("AD_COMPUTER_FILTER", "(other=2)"),
        ("AD_MEMBER_OF", "CN=Other"),
        ("AD_PASSWORD", "other"),
        (
            "AD_CERTIFICATE_SHA256",
            "0000000000000000000000000000000000000000000000000000000000000000",
        ),
        ("SYNC_CRON", "1 1 * * *"),
        ("BASELINE_CRON", "off"),
        ("SYNC_TIMEZONE", "Asia/Tokyo"),
        ("REMOVED_OBJECTS", "send"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn stored(value: &Value) -> ConnectionSettings {
    let inherited = InheritedVariables::of(&service());
    let uuid = Uuid::from_u128(0x8c2d_7e1a_3b4f_4c5d_9e6f_1a2b_3c4d_5e6f);
    let checked = inherited.check_new(value, uuid, now());
    let checked = checked.unwrap_or_else(|refused| panic!("{refused}: {value}"));
    let configuration = StoredConfiguration {
        uuid,
        body: &checked.body,
        password: config::password_of(&checked.settings),
        has_password: true,
        changed_at: now(),
    };
    let settings = inherited.settings(&configuration).unwrap();
    ConnectionSettings {
        stored: Some(StoredVersion {
            revision: 3,
            is_disabled: true,
        }),
        ..settings
    }
}

/// Saves the documents of an export as its commands do, and returns what a service reads of it.
fn read(exported: &str, folder: &Path) -> ConnectionSettings {
    let mut table = exported.to_owned();
    let files = exported.lines().filter_map(|line| {
        let (_, file) = line.strip_prefix("#   sed ")?.rsplit_once(" > ")?;
        Some(file.to_owned())
    });
    for file in files {
        let begin = format!("#{file}|");
        let lines = exported
            .split_terminator('\n')
            .filter_map(|line| line.strip_prefix(&begin));
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        let path = folder.join(&file);
        std::fs::write(&path, text).unwrap();
        table = table.replace(&format!("= \"{file}\""), &format!("= '{}'", path.display()));
    }
    let path = folder.join("connections.toml");
    std::fs::write(&path, table).unwrap();
    let mut environment = service();
    for line in exported.lines() {
        let named = line
            .strip_prefix("# ")
            .and_then(|line| line.split_once(" in the environment"));
        environment.extend(named.map(|(name, _)| (name.to_owned(), PASSWORD.to_owned())));
    }
    let mut read =
        load::import(&path, &environment, now()).unwrap_or_else(|refused| panic!("{refused}\n{exported}"));
    assert_eq!(read.len(), 1);
    let read = read.remove(0);
    assert!(read.has_uuid);
    read.settings
}

/// Exports a connection and reads that again; what it then says.
fn exported(settings: &ConnectionSettings, folder: &Path) -> (String, ConnectionSettings) {
    let text = export(settings, &InheritedVariables::of(&service())).unwrap();
    let again = read(&text, folder);
    // The digest of a mapping file is that of its content.
    assert_eq!(
        again.digest(),
        settings.digest(),
        "{text}\n{:?}\n{:?}",
        again.describe(),
        settings.describe()
    );
    assert_eq!(again.uuid, settings.uuid);
    assert_eq!(again.directory.certificates, settings.directory.certificates);
    assert_eq!(again.schedule.sync, settings.schedule.sync, "{text}");
    assert_eq!(again.schedule.baseline, settings.schedule.baseline, "{text}");
    assert_eq!(again.schedule.on_start, settings.schedule.on_start);
    assert!(!text.contains("secret") && !text.contains("pass$word"), "{text}");
    // And back into a body.
    let mut body = body_with_documents(&again).unwrap();
    if let Some(password) = config::password_of(&again) {
        assert_eq!(password.expose_secret(), PASSWORD);
        body["directory"]["password"] = json!("x");
    }
    let back = InheritedVariables::of(&service()).check_new(&body, again.uuid, now());
    let back = back
        .unwrap_or_else(|refused| panic!("{refused}\n{body:#}"))
        .settings;
    assert_eq!(foreign_settings(&again, &back), []);
    assert_eq!(back.digest(), settings.digest());
    assert_eq!(back.schedule.baseline, settings.schedule.baseline);
    (text, again)
}

fn maybe(values: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop_oneof![Just(Value::Null), values.prop_map(Value::from)]
}

fn text(pattern: &'static str) -> impl Strategy<Value = Value> {
    pattern.prop_map(Value::from)
}

fn one_of(values: &'static [&'static str]) -> impl Strategy<Value = Value> {
    proptest::sample::select(values).prop_map(|text| serde_json::from_str(text).unwrap())
}

fn certificate() -> String {
    let certificate = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
    certificate.cert.pem()
}

fn any_body() -> impl Strategy<Value = Value> {
    let directory = (
        one_of(&[
            r#"{"host": "dc1.corp.example", "transport": "ldap", "port": 3890}"#,
            r#"{"host": ["dc1.corp.example", "10.0.0.7"], "transport": "starttls"}"#,
            r#"{"domain": "corp.example", "site": "Paris"}"#,
            r#"{"domain": "corp.example", "site": "off", "port": 6360}"#,
        ]),
        text(r#"[A-Za-z\\"'@$ {é]{1,12}x"#),
        maybe(one_of(&[r#""name.example""#, r#""10.1.1.1""#])),
        maybe(Just(json!(["11".repeat(32)]))),
        any::<bool>(),
    );
    let profile = (
        maybe(one_of(&[r#""OU=A\\, b,DC=x""#, r#""DC=x""#])),
        one_of(&[r#""base""#, r#""onelevel""#, r#""subtree""#]),
        one_of(&[
            r#"["users"]"#,
            r#"["users", "computers"]"#,
            r#"["groups", "users"]"#,
            r#"["roles", "users"]"#,
            "null",
        ]),
        maybe(one_of(&[
            r#""(&(mail=*)(department=A\\28b))""#,
            r#""(mail=*)""#,
            r#""(&(mail=*)(memberOf:1.2.840.113556.1.4.1941:=CN=A,DC=x))""#,
        ])),
        maybe(one_of(&[r#""(description=\"$${x*)""#, r#""(cn=a*)""#])),
        maybe(one_of(&[
            r#"["CN=A,DC=x"]"#,
            r#"["CN=A,DC=x", "CN=B\\;C\\,(d),DC=x"]"#,
        ])),
        maybe(one_of(&[r#""off""#])),
        maybe(one_of(&["77", "1000"])),
    );
    let times = (
        one_of(&[
            "null",
            r#"{"cron": "*/7 * * * *", "timezone": "Asia/Colombo"}"#,
            r#"{"runFrequency": {"hours": 1, "minutes": 30}}"#,
            r#"{"runFrequency": {"minutes": 30}, "timezone": "Europe/Paris"}"#,
            r#"{"recurrence": "WEEKLY", "daysOfWeek": ["MON"], "startDate": "12/01/2026", "startTime": "02:30", "timezone": "Asia/Colombo"}"#,
            r#"{"once": true, "startDate": "12/01/2026", "startTime": "02:30", "timezone": "Asia/Colombo"}"#,
        ]),
        any::<bool>(),
        maybe(one_of(&[
            r#"{"cron": "off"}"#,
            r#"{"cron": "0 3 * * MON", "timezone": "Europe/Paris"}"#,
            r#"{"cron": "@weekly"}"#,
        ])),
    );
    let rest = (
        text("[a-z0-9][a-z0-9._-]{0,8}[a-z0-9]|qualys|state"),
        maybe(text(r#"[ -#%-~é]{0,20}|a \$\{x"#)),
        maybe(one_of(&[
            r##""# ä\n[[user]]\nsource = \"name\"\n""##,
            r##""[[user]]\r\nsource = 'x'""##,
            r##""a = 'x|y'\n\n\n""##,
        ])),
        maybe(one_of(&[
            r#"{"objects": "report", "maxCount": 18446744073709551615, "maxPercent": 0, "lag": "90m"}"#,
            r#"{"lag": "1500ms"}"#,
        ])),
        maybe(one_of(&[r#""A \"source\"""#])),
    );
    (directory, profile, times, rest).prop_map(|(directory, profile, times, rest)| {
        let mut of_directory = directory.0;
        of_directory["bindDn"] = directory.1;
        of_directory["serverName"] = directory.2;
        let is_tls = of_directory["transport"] != "ldap";
        of_directory["certificateSha256"] = if is_tls { directory.3 } else { Value::Null };
        of_directory["password"] = json!(PASSWORD);
        if directory.4 {
            of_directory["certificate"] = json!(certificate() + &certificate());
        }
        let mut body = json!({
            "name": rest.0, "description": rest.1, "directory": of_directory,
            "profile": {"baseContext": profile.0, "searchScope": profile.1, "assets": profile.2, "userFilter": profile.3,
                        "groupFilter": profile.4, "membersOf": profile.5, "delta": profile.6, "pageSize": profile.7},
            "baseline": times.2, "mapping": rest.2, "removals": rest.3,
            "upstream": {"connectorUuid": CONNECTOR, "source": rest.4},
        });
        if body["profile"]["membersOf"].is_null() {
            // A delta could not follow memberOf.
            body["profile"]["delta"] = json!("off");
        }
        body["profile"]["roleFilter"] = json!("(cn=role-*)");
        if times.1 {
            body["schedule"] = times.0;
        }
        body
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_exported_is_the_same_connection_in_a_file(body in any_body()) {
        let settings = stored(&body);
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (_, again) = exported(&settings, one.path());
        // And that of the file once more: it has its own way through the settings.
        exported(&again, other.path());
    }
}

#[test]
fn a_secret_has_a_variable_of_its_own() {
    let body = |name: &str| {
        json!({
            "name": name,
            "directory": {"host": ["dc1"], "bindDn": "x", "password": PASSWORD},
            "upstream": {"connectorUuid": CONNECTOR},
        })
    };
    for (name, variable) in [
        ("head-office.7", "HEAD_OFFICE_7_PASSWORD"),
        ("7x", "_7X_PASSWORD"),
        ("ad", "AD_PASSWORD"),
        ("qualys", "QUALYS_CONNECTION_PASSWORD"),
        ("state", "STATE_CONNECTION_PASSWORD"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (text, _) = exported(&stored(&body(name)), folder.path());
        assert!(
            text.contains(&format!("ad_password = \"${{{variable}}}\"\n")),
            "{text}"
        );
        assert!(text.contains("It is disabled"), "{text}");
    }
}

#[test]
fn another_gateway_is_written_with_references_to_its_secrets() {
    let mut environment = service();
    for (name, value) in [
        ("CONNECTION_NAME", "env"),
        ("AD_BIND_DN", "svc@corp.example"),
        ("QUALYS_AUTH", "password"),
        ("QUALYS_USERNAME", "user-7"),
        ("QUALYS_PASSWORD", "hunter-7"),
        ("QUALYS_GATEWAY_URL", "https://other.example"),
        ("QUALYS_TIMEOUT", "1m"),
        ("QUALYS_BATCH_BYTES", "1MiB"),
        ("HTTPS_PROXY", "http://me:proxy-7@proxy:3128"),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    for name in ["QUALYS_CLIENT_ID", "QUALYS_CLIENT_SECRET"] {
        environment.remove(name);
    }
    let settings = config::parse_at(&environment, now())
        .unwrap()
        .connections
        .remove(0);
    let text = export(&settings, &InheritedVariables::of(&service())).unwrap();
    for line in [
        "qualys_gateway_url = \"https://other.example\"",
        "qualys_auth = \"password\"",
        "qualys_username = \"${ENV_QUALYS_USERNAME}\"",
        "qualys_password = \"${ENV_QUALYS_PASSWORD}\"",
        "qualys_client_secret = \"\"",
        "qualys_timeout = \"1m\"",
        "qualys_batch_bytes = \"1048576B\"",
        "https_proxy = \"${ENV_HTTPS_PROXY}\"",
        "ad_password = \"${ENV_PASSWORD}\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    for secret in ["user-7", "hunter-7", "proxy-7"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(
        !text.contains("qualys_ingest_path"),
        "as the service has it: {text}"
    );
    let own = export(&settings, &InheritedVariables::of(&environment)).unwrap();
    assert!(
        !own.contains("qualys_gateway_url") && own.contains("qualys_connector_uuid"),
        "{own}"
    );
    // A stored connection cannot have that gateway.
    let mut body = body_with_documents(&settings).unwrap();
    body["directory"]["password"] = json!("x");
    let stored = InheritedVariables::of(&service())
        .check_new(&body, settings.uuid, now())
        .unwrap();
    let foreign = foreign_settings(&settings, &stored.settings);
    let named: Vec<&str> = foreign.iter().map(|one| one.variable).collect();
    for variable in [
        "QUALYS_GATEWAY_URL",
        "QUALYS_AUTH",
        "QUALYS_PASSWORD",
        "QUALYS_TIMEOUT",
        "HTTPS_PROXY",
    ] {
        assert_eq!(
            named.iter().filter(|name| **name == variable).count(),
            1,
            "{named:?}"
        );
    }
    assert!(!format!("{foreign:?}").contains("-7"), "{foreign:?}");
}

#[test]
fn another_secret_of_the_gateway_is_another_setting() {
    let mut environment = service();
    environment.insert("AD_BIND_DN".to_owned(), "svc@corp.example".to_owned());
    let one = config::parse_at(&environment, now())
        .unwrap()
        .connections
        .remove(0);
    environment.insert("QUALYS_CLIENT_SECRET".to_owned(), "secret-8".to_owned());
    let other = config::parse_at(&environment, now())
        .unwrap()
        .connections
        .remove(0);
    assert_eq!(foreign_settings(&one, &one), []);
    let foreign = foreign_settings(&one, &other);
    assert_eq!(foreign.len(), 1);
    assert_eq!(foreign[0].variable, "QUALYS_CLIENT_SECRET");
}
