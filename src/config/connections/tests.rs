mod identities;
mod refusals;
mod schedules;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeZone as _, Utc};
use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use super::{ConnectionsFile, keys};
use crate::config::{Config, ConfigError, DeltaMethod, DirectoryAuth, Environment, load, variables};
use crate::identity::Kind;

type Given = BTreeMap<String, String>;

const UUID: &str = "a1b2c3d4-0000-4000-8000-00000000abcd";

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 10, 0, 0).unwrap()
}

fn given(pairs: &[(&str, &str)]) -> Given {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Returns the environment of most tests: the gateway, and a secret for each directory.
fn environment() -> Given {
    given(&[
        ("QUALYS_GATEWAY_URL", "https://gateway.example"),
        ("QUALYS_CLIENT_ID", "id"),
        ("QUALYS_CLIENT_SECRET", "secret"),
        ("QUALYS_CONNECTOR_UUID", UUID),
        ("EMEA_PASSWORD", "one $ecret"),
        ("APAC_PASSWORD", "another"),
    ])
}

fn parsed(text: &str, environment: &Given) -> Result<Config, ConfigError> {
    load::from_file(
        ConnectionsFile::parse("connections.toml", text, environment),
        environment,
        now(),
    )
}

/// Returns the lines of the refusal.
fn refusal(text: &str, environment: &Given) -> Vec<String> {
    let refused = parsed(text, environment).unwrap_err().to_string();
    refused.lines().map(str::to_owned).collect()
}

const EMEA: &str = r#"
[[connection]]
name = "emea"
ad_host = "dc1.emea.example"
ad_bind_dn = 'EMEA\svc'
ad_password = "${EMEA_PASSWORD}"
"#;

const APAC: &str = r#"
[[connection]]
name = "apac"
description = "Singapore and Tokyo"
ad_host = ["dc1.apac.example", "dc2.apac.example"]
ad_port = 3270
ad_transport = "ldaps"
ad_bind_dn = "svc@apac.example"
ad_password = "${APAC_PASSWORD}"
sync_cron = "*/5 * * * *"
sync_on_start = false
"#;

fn password(connection: &crate::config::ConnectionSettings) -> &str {
    let DirectoryAuth::Simple { password, .. } = &connection.directory.auth else {
        panic!("another way to prove the account")
    };
    password.expose_secret()
}

#[test]
fn each_connection_has_what_it_says_and_the_defaults_of_all() {
    let text = format!("ad_timeout = \"7s\"\nstate_url = \"sqlite:/var/lib/x.db\"\n{EMEA}{APAC}");
    let config = parsed(&text, &environment()).unwrap();
    let [emea, apac] = config.connections.as_slice() else {
        panic!("{config:?}");
    };
    assert_eq!((emea.name.as_str(), apac.name.as_str()), ("emea", "apac"));
    assert_eq!(apac.description, "Singapore and Tokyo");
    assert_eq!(apac.directory.hosts, ["dc1.apac.example", "dc2.apac.example"]);
    assert_eq!((emea.directory.port, apac.directory.port), (636, 3270));
    assert_eq!((password(emea), password(apac)), ("one $ecret", "another"));
    assert_eq!(apac.schedule.sync.text(), "*/5 * * * *");
    assert!(emea.schedule.on_start && !apac.schedule.on_start);
    for connection in [emea, apac] {
        assert_eq!(connection.directory.timeout.as_secs(), 7);
        assert_eq!(connection.upstream.gateway, "https://gateway.example");
    }
    assert_eq!(
        config.state.file().and_then(std::path::Path::to_str),
        Some("/var/lib/x.db")
    );
}

#[test]
fn the_most_specific_place_wins() {
    let profile = "[[connection.profile]]\nname = \"a\"\n";
    let key = |value| format!("sync_timezone = \"{value}\"\n");
    let zone = |text: &str, environment: &Given| {
        parsed(text, environment).unwrap().connections[0]
            .schedule
            .timezone()
    };
    let (plain, mut said) = (environment(), environment());
    said.insert("SYNC_TIMEZONE".to_owned(), "Europe/Paris".to_owned());
    let top = key("Asia/Tokyo");
    let connection = format!("{EMEA}{}", key("Europe/Berlin"));
    let all = format!("{top}{connection}{profile}{}", key("Europe/Rome"));
    assert_eq!(zone(&all, &said).name(), "Europe/Rome");
    assert_eq!(
        zone(&format!("{top}{connection}{profile}"), &said).name(),
        "Europe/Berlin"
    );
    assert_eq!(
        zone(&format!("{top}{EMEA}{profile}"), &said).name(),
        "Europe/Paris"
    );
    assert_eq!(
        zone(&format!("{top}{EMEA}{profile}"), &plain).name(),
        "Asia/Tokyo"
    );
    assert_eq!(zone(&format!("{EMEA}{profile}"), &plain).name(), "UTC");
    // An empty text takes back the value of the outer layers.
    assert_eq!(
        zone(&format!("{connection}{profile}{}", key("")), &said).name(),
        "UTC"
    );
}

#[test]
fn a_secret_of_a_connection_stands_over_one_of_the_environment_in_any_form() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "of the file\n").unwrap();
    let path = file.to_str().unwrap();
    let mut environment = environment();
    environment.insert("AD_PASSWORD".to_owned(), "of all".to_owned());
    let named = EMEA.replace(
        "ad_password = \"${EMEA_PASSWORD}\"",
        &format!("ad_password_file = \"{path}\""),
    );
    let text = format!(
        "{named}{}",
        APAC.replace("ad_password = \"${APAC_PASSWORD}\"", "")
    );
    let config = parsed(&text, &environment).unwrap();
    assert_eq!(password(&config.connections[0]), "of the file");
    assert_eq!(password(&config.connections[1]), "of all");
    environment.insert("AD_PASSWORD".to_owned(), String::new());
    environment.insert("AD_PASSWORD_FILE".to_owned(), path.to_owned());
    assert_eq!(
        password(&parsed(EMEA, &environment).unwrap().connections[0]),
        "one $ecret"
    );
    // The proxy has a second spelling in the environment, which stands over the top level of the
    // file as well.
    environment.insert("https_proxy".to_owned(), "http://real:1".to_owned());
    let text = format!("https_proxy = \"http://written:1\"\n{EMEA}");
    let config = parsed(&text, &environment).unwrap();
    assert_eq!(
        config.connections[0]
            .upstream
            .https_proxy
            .as_ref()
            .unwrap()
            .expose_secret(),
        "http://real:1"
    );
}

#[test]
fn profiles_are_connections_that_inherit() {
    let text = format!(
        r#"{EMEA}ad_user_filter = "(department=*)"
        [[connection.profile]]
        name = "staff"
        ad_base_context = "OU=Staff,DC=emea,DC=example"
        [[connection.profile]]
        name = "admins"
        description = "Who may do everything"
        member_of = 'CN=Ad*mins\, (all),DC=emea,DC=example'
        ad_assets = ["users"]
        {APAC}"#
    );
    let config = parsed(&text, &environment()).unwrap();
    let names: Vec<&str> = config
        .connections
        .iter()
        .map(|connection| connection.name.as_str())
        .collect();
    assert_eq!(names, ["emea.staff", "emea.admins", "apac"]);
    let [staff, admins, _] = config.connections.as_slice() else {
        panic!("{names:?}");
    };
    assert_eq!(
        staff.profile.base_context.as_ref().unwrap().as_str(),
        "OU=Staff,DC=emea,DC=example"
    );
    assert_eq!(staff.directory.delta, DeltaMethod::Usn);
    assert_eq!(staff.directory.hosts, admins.directory.hosts);
    assert_eq!(admins.description, "Who may do everything");
    assert_eq!(
        admins.directory.delta,
        DeltaMethod::Off,
        "a change of membership is in no delta"
    );
    let filter = admins.profile.assets[0].1.as_deref().unwrap();
    assert_eq!(
        filter,
        r"(&(department=*)(memberOf:1.2.840.113556.1.4.1941:=CN=Ad\2amins\5c, \28all\29,DC=emea,DC=example))"
    );
    assert!(ldap3::parse_filter(filter).is_ok());
    assert_eq!(
        admins
            .profile
            .assets
            .iter()
            .map(|(kind, _)| *kind)
            .collect::<Vec<_>>(),
        [Kind::User]
    );
}

#[test]
fn what_a_reference_names_may_begin_like_ours_and_must_be_set() {
    let emea = EMEA.replace("EMEA_PASSWORD", "AD_PASSWORD_EMEA");
    let text =
        format!("{emea}ad_server_name = \"$${{x\"\nconnection_description = \"a $5 ${{SITE}}-${{SITE}}\"\n");
    let mut environment = environment();
    environment.insert("SITE".to_owned(), "${AD_HOST}".to_owned());
    environment.insert("AD_PASSWORD_EMEA".to_owned(), "x".to_owned());
    let refused = refusal(&text, &environment);
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(
        refused[0].contains("ad_server_name: ") && refused[0].contains("`${x`"),
        "{refused:?}"
    );
    let text = text.replace("ad_server_name", "qualys_source");
    let config = parsed(&text, &environment).unwrap();
    assert_eq!(config.connections[0].upstream.source, "${x");
    assert_eq!(
        config.connections[0].description, "a $5 ${AD_HOST}-${AD_HOST}",
        "once, not again and again"
    );
    environment.remove("AD_PASSWORD_EMEA");
    assert_eq!(
        refusal(&text, &environment),
        [
            "connections.toml:6: connection emea: ad_password: names AD_PASSWORD_EMEA, which is not set; set AD_PASSWORD_EMEA in the environment or in .env"
        ]
    );
    environment.insert("AD_PASSWORD_EMAE".to_owned(), "x".to_owned());
    assert!(refusal(&text, &environment)[1].starts_with("AD_PASSWORD_EMAE: is not a variable"));
}

#[test]
fn r27_what_env_says_in_two_ways_is_no_secret_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let set = |line: &str, real: &[(&str, &str)]| {
        std::fs::write(folder.path().join(".env"), format!("EMEA_PASSWORD={line}\n")).unwrap();
        let real = real.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Environment::over(real, folder.path()).unwrap()
    };
    let refused = |environment: &Environment| {
        let file = ConnectionsFile::parse("connections.toml", EMEA, environment);
        load::from_file(file, environment, now()).unwrap_err().to_string()
    };
    let said = refused(&set("hunter2$x", &[]));
    assert!(
        said.contains("ad_password: names EMEA_PASSWORD, which in .env has a `$` outside single quotes"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
    assert!(!refused(&set("'hunter2$x'", &[])).contains("EMEA_PASSWORD"));
    assert!(!refused(&set("hunter2$x", &[("EMEA_PASSWORD", "real")])).contains("EMEA_PASSWORD"));
}

#[test]
fn everything_that_the_environment_can_say_the_file_can() {
    for variable in variables::all() {
        let key = variable.name.to_ascii_lowercase();
        let placed = [keys::KeyPlace::Top, keys::KeyPlace::Inner]
            .into_iter()
            .filter(|place| {
                keys::variable(&key, *place).is_some() && keys::misplaced(variable, *place).is_none()
            })
            .count();
        assert_eq!(placed == 0, *variable == variables::CONNECTIONS_FILE, "{key}");
    }
    for process in keys::PROCESS {
        assert!(variables::GROUPS.iter().any(|group| group.title == process));
    }
    let lists: Vec<&str> = keys::LISTS.iter().map(|variable| variable.name).collect();
    let separated = variables::all().filter(|variable| variable.meaning.contains("comma-separated"));
    assert_eq!(lists, separated.map(|variable| variable.name).collect::<Vec<_>>());
}

#[test]
fn the_example_that_is_shipped_is_a_file_of_connections() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/connections.example.toml");
    let example = std::fs::read_to_string(path).unwrap();
    let environment = given(&[
        ("QUALYS_CLIENT_ID", "id"),
        ("QUALYS_CLIENT_SECRET", "secret"),
        ("EMEA_PASSWORD", "one"),
        ("APAC_PASSWORD", "two"),
    ]);
    let names = |text: &str| {
        let text = text.replace("00000000-0000-0000-0000-000000000000", UUID);
        let config = parsed(&text, &environment).unwrap_or_else(|refused| panic!("{refused}"));
        let names = config.connections.into_iter().map(|connection| connection.name);
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&example), ["emea.staff", "emea.admins", "apac"]);
    // The keys that are commented out are good as well, but for files that are not here and a
    // secret that is set twice.
    let elsewhere = ["ad_certificate", "mapping_file", "ad_password_file"];
    let uncommented: String = example
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') && !elsewhere.iter().any(|name| key.starts_with(name)) => key,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_eq!(names(&uncommented), names(&example));
    assert!(
        uncommented
            .lines()
            .filter(|line| line.contains(" = ") && !line.starts_with('#'))
            .count()
            > 20
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_file_panics_and_every_refusal_is_clean(
        lines in proptest::collection::vec(
            "\\[\\[connection\\]\\]|\\[\\[connection\\.profile\\]\\]|name = \"[a-z.]{0,3}\"|[a-z_]{1,9} = .{0,12}|(ad_host|ad_password|sync_cron|member_of|https_proxy|ad_assets) = (\"[^\"\\\\]{0,12}\"|[0-9]{1,3}|true|\\[\"[a-z,]{0,5}\"\\])|schedule = (\"off\"|\\{ (once = true|recurrence = \"(DAILY|WEEKLY)\"|runFrequency = \\{ minutes = [0-9]{1,4} \\})(, (startDate|startTime|timezone|daysOfWeek) = \"[0-9/:A-Z]{0,10}\"){0,3} \\})|\\PC{0,20}",
            0..25,
        )
    ) {
        let text = lines.join("\n");
        match parsed(&text, &environment()) {
            Ok(config) => prop_assert!(!config.connections.is_empty()),
            Err(refused) => {
                prop_assert!(!refused.problems().is_empty());
                for problem in refused.problems() {
                    prop_assert!(!problem.to_string().contains(char::is_control), "{:?}", problem);
                }
            }
        }
    }
}
