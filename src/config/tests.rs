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

/// [`LEAST`], changed: an empty value takes a variable away.
fn given(changes: &[(&str, &str)]) -> Given {
    LEAST.iter().chain(changes).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn config(changes: &[(&str, &str)]) -> Config {
    parse_at(&given(changes), now()).unwrap()
}

fn connection(changes: &[(&str, &str)]) -> Connection {
    config(changes).connections.remove(0)
}

fn refusal(changes: &[(&str, &str)]) -> Vec<String> {
    parse_at(&given(changes), now()).unwrap_err().to_string().lines().map(str::to_owned).collect()
}

/// The names that are refused, and nothing more.
fn refused_names(changes: &[(&str, &str)]) -> Vec<String> {
    let refused = parse_at(&given(changes), now()).unwrap_err();
    refused.problems().iter().map(|problem| problem.name.clone()).collect()
}

#[test]
fn the_least_configuration_has_the_defaults_of_the_contract() {
    let config = config(&[]);
    assert_eq!(config.connections.len(), 1);
    let connection = &config.connections[0];
    assert_eq!(connection.name, "active-directory");
    assert_eq!(connection.mapping_file, None);
    let directory = &connection.directory;
    assert_eq!(directory.hosts, ["dc1.corp.example.com"]);
    assert_eq!((directory.transport, directory.port), (Transport::Ldaps, 636));
    let Auth::Simple { name, password } = &directory.auth;
    assert_eq!((name.as_str(), password.expose_secret()), ("svc@corp.example.com", "pa ss"));
    assert!(directory.certificates.is_none() && directory.pins.is_empty() && directory.server_name.is_none());
    assert_eq!((directory.page_size, directory.connections, directory.delta), (1000, 2, DeltaMethod::Usn));
    assert_eq!(directory.timeout, Duration::from_secs(60));
    let profile = &connection.profile;
    assert!(profile.base_context.is_none());
    assert_eq!(profile.scope, SearchScope::Subtree);
    assert_eq!(profile.assets, [(Kind::User, None), (Kind::Group, None)]);
    let schedule = &connection.schedule;
    assert_eq!((schedule.sync_cron.as_str(), schedule.baseline_cron.as_deref()), ("*/15 * * * *", Some("0 2 * * SUN")));
    assert_eq!((schedule.timezone, schedule.on_start), (chrono_tz::UTC, true));
    let removal = &connection.removal;
    assert_eq!((removal.send, removal.max_count, removal.max_percent), (false, 500, 10));
    let upstream = &connection.upstream;
    assert_eq!(upstream.source, "Microsoft Active Directory");
    assert_eq!(upstream.ingest_path, "/rest/2.0/am/connector/asset/data/sync");
    assert_eq!((upstream.batch_assets, upstream.batch_bytes, upstream.concurrency), (500, 4 << 20, 1));
    assert_eq!((upstream.timeout, upstream.give_up_after), (Duration::from_secs(90), Duration::from_secs(900)));
    assert!(upstream.https_proxy.is_none() && upstream.no_proxy.is_none() && upstream.certificates.is_empty());
    assert_eq!(config.state, Path::new("/var/lib/ad-connector/state.db"));
    assert_eq!(config.http.listen, Some(SocketAddr::from(([127, 0, 0, 1], 8080))));
    assert!(config.http.token.is_none());
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Text, "info"));
}

#[test]
fn every_variable_reaches_its_field() {
    let all = connection(&[
        ("CONNECTION_NAME", "corp"),
        ("CONNECTION_DESCRIPTION", "Head office"),
        ("AD_HOST", "dc1,dc2"),
        ("AD_TRANSPORT", "starttls"),
        ("AD_PORT", "3268"),
        ("AD_SERVER_NAME", "dc.corp"),
        ("AD_BASE_CONTEXT", "OU=Staff,DC=corp,DC=example"),
        ("AD_SEARCH_SCOPE", "onelevel"),
        ("AD_ASSETS", "computers,users"),
        ("AD_USER_FILTER", "department=Sales"),
        ("AD_GROUP_FILTER", "(cn=unused)"),
        ("AD_COMPUTER_FILTER", "(cn=PC*)"),
        ("AD_DELTA", "off"),
        ("AD_PAGE_SIZE", "500"),
        ("AD_CONNECTIONS", "4"),
        ("AD_TIMEOUT", "500ms"),
        ("SYNC_CRON", "0 */5 * * * *"),
        ("BASELINE_CRON", "off"),
        ("SYNC_TIMEZONE", "America/New_York"),
        ("SYNC_ON_START", "false"),
        ("REMOVED_OBJECTS", "send"),
        ("REMOVAL_MAX_COUNT", "0"),
        ("REMOVAL_MAX_PERCENT", "100"),
        ("QUALYS_SOURCE", "AD"),
        ("QUALYS_INGEST_PATH", "/in"),
        ("QUALYS_BATCH_ASSETS", "7"),
        ("QUALYS_BATCH_BYTES", "1000B"),
        ("QUALYS_CONCURRENCY", "3"),
        ("QUALYS_TIMEOUT", "2h"),
        ("QUALYS_GIVE_UP_AFTER", "1d"),
        ("HTTPS_PROXY", "http://u:p@proxy:3128"),
        ("NO_PROXY", "localhost"),
    ]);
    assert_eq!((all.name.as_str(), all.description.as_str()), ("corp", "Head office"));
    assert_eq!(all.directory.hosts, ["dc1", "dc2"]);
    assert_eq!((all.directory.transport, all.directory.port), (Transport::StartTls, 3268));
    assert_eq!(all.directory.server_name.as_deref(), Some("dc.corp"));
    assert_eq!(all.profile.base_context.unwrap().as_str(), "OU=Staff,DC=corp,DC=example");
    assert_eq!(all.profile.scope, SearchScope::OneLevel);
    let extra = |filter: &str| Some(filter.to_owned());
    assert_eq!(all.profile.assets, [(Kind::User, extra("(department=Sales)")), (Kind::Computer, extra("(cn=PC*)"))]);
    assert_eq!((all.directory.delta, all.directory.page_size, all.directory.connections), (DeltaMethod::Off, 500, 4));
    assert_eq!(all.directory.timeout, Duration::from_millis(500));
    assert_eq!((all.schedule.sync_cron.as_str(), all.schedule.baseline_cron), ("0 */5 * * * *", None));
    assert_eq!((all.schedule.timezone, all.schedule.on_start), (chrono_tz::America::New_York, false));
    assert_eq!((all.removal.send, all.removal.max_count, all.removal.max_percent), (true, 0, 100));
    let upstream = all.upstream;
    assert_eq!((upstream.source.as_str(), upstream.ingest_path.as_str()), ("AD", "/in"));
    assert_eq!((upstream.batch_assets, upstream.batch_bytes, upstream.concurrency), (7, 1000, 3));
    assert_eq!((upstream.timeout, upstream.give_up_after), (Duration::from_secs(7200), Duration::from_secs(86_400)));
    assert_eq!(upstream.https_proxy.unwrap().expose_secret(), "http://u:p@proxy:3128");
    assert_eq!(upstream.no_proxy.as_deref(), Some("localhost"));
}

/// Notes which names are asked for.
struct Recorder(Given, RefCell<BTreeSet<String>>);

impl Variables for Recorder {
    fn get(&self, name: &str) -> Option<OsString> {
        self.1.borrow_mut().insert(name.to_owned());
        Variables::get(&self.0, name)
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

#[test]
fn what_is_read_is_what_the_table_lists() {
    let recorder = Recorder(given(&[]), RefCell::default());
    parse_at(&recorder, now()).unwrap();
    let listed = variables::all().flat_map(|variable| [Some(variable.name.to_owned()), variable.file_name()]).flatten();
    let lower_case = ["https_proxy", "no_proxy"].map(str::to_owned);
    assert_eq!(recorder.1.into_inner(), listed.chain(lower_case).collect());
}

#[test]
fn nothing_set_names_what_is_required_and_nothing_else() {
    let refused = parse_at(&Given::new(), now()).unwrap_err();
    let names: Vec<&str> = refused.problems().iter().map(|problem| problem.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "AD_HOST", "AD_BIND_DN", "AD_PASSWORD", "QUALYS_GATEWAY_URL", "QUALYS_CLIENT_ID", "QUALYS_CLIENT_SECRET",
            "QUALYS_CONNECTOR_UUID",
        ]
    );
    assert_eq!(refused.exit_code(), 64);
    assert!(refused.to_string().contains("AD_PASSWORD: is required for AD_AUTH=simple; set it, or AD_PASSWORD_FILE"));
}

#[test]
fn every_bad_key_is_named_in_one_pass() {
    let bad: Vec<(&str, &str)> = vec![
        ("CONNECTION_NAME", "a b"), ("AD_HOST", "dc1,"), ("AD_TRANSPORT", "tls"), ("AD_PORT", "0"), ("AD_AUTH", "ntlm"),
        ("AD_CERTIFICATE", "/no/such"), ("AD_CERTIFICATE_SHA256", "x"), ("AD_SERVER_NAME", "a:1"),
        ("AD_ALLOW_PLAINTEXT", "yes"), ("AD_SEARCH_SCOPE", "sub"), ("AD_ASSETS", "people"), ("AD_USER_FILTER", "("),
        ("AD_GROUP_FILTER", "x"), ("AD_COMPUTER_FILTER", ")"), ("AD_DELTA", "x"), ("AD_PAGE_SIZE", "0"),
        ("AD_CONNECTIONS", "17"), ("AD_TIMEOUT", "60"), ("SYNC_CRON", "x"), ("BASELINE_CRON", "0 0 30 2 *"),
        ("SYNC_TIMEZONE", "CEST"), ("SYNC_ON_START", "1"), ("MAPPING_FILE", "/no/such"), ("REMOVED_OBJECTS", "delete"),
        ("REMOVAL_MAX_COUNT", "-1"), ("REMOVAL_MAX_PERCENT", "101"), ("QUALYS_GATEWAY_URL", "http://x"),
        ("QUALYS_AUTH", "basic"), ("QUALYS_CONNECTOR_UUID", "x"), ("QUALYS_INGEST_PATH", "x"),
        ("QUALYS_CA_CERTIFICATE", "/no/such"), ("QUALYS_BATCH_ASSETS", "0"), ("QUALYS_BATCH_BYTES", "4"),
        ("QUALYS_CONCURRENCY", "33"), ("QUALYS_TIMEOUT", "0s"), ("QUALYS_GIVE_UP_AFTER", "31d"), ("HTTPS_PROXY", "x://y"),
        ("STATE_URL", "x"), ("HTTP_LISTEN", "x"), ("LOG_FORMAT", "xml"), ("LOG_LEVEL", "loud"), ("AD_BASE", "x"),
    ];
    let expected: Vec<&str> = bad.iter().map(|(name, _)| *name).collect();
    assert_eq!(refused_names(&bad), expected);
    for line in refusal(&bad) {
        let (_, rest) = line.split_once(": ").unwrap();
        assert!(rest.contains("; "), "{line}");
    }
}

#[test]
fn an_empty_value_counts_as_unset() {
    let names: Vec<&str> = variables::all().map(|variable| variable.name).collect();
    let empty: Vec<(&str, &str)> = names.iter().filter(|name| !LEAST.iter().any(|(least, _)| least == *name)).map(|name| (*name, "")).collect();
    assert_eq!(format!("{:?}", config(&empty)), format!("{:?}", config(&[])));
    assert_eq!(refused_names(&[("AD_HOST", ""), ("AD_PASSWORD", "")]), ["AD_HOST", "AD_PASSWORD"]);
    assert_eq!(refused_names(&[("AD_HOST", "  ")]), ["AD_HOST"]);
}

#[test]
fn spaces_around_a_value_are_no_part_of_it_but_of_a_secret() {
    let connection = connection(&[("AD_PORT", " 3269 "), ("AD_PASSWORD", " x ")]);
    assert_eq!(connection.directory.port, 3269);
    let Auth::Simple { password, .. } = connection.directory.auth;
    assert_eq!(password.expose_secret(), " x ");
}

#[test]
fn what_this_version_does_not_do_is_said_plainly() {
    for (changes, line) in [
        (&[("AD_HOST", ""), ("AD_DOMAIN", "corp.example")][..], "AD_DOMAIN: finding controllers by SRV record is not available in this version; use AD_HOST"),
        (&[("AD_AUTH", "kerberos"), ("AD_PASSWORD", ""), ("AD_BIND_DN", "")], "AD_AUTH: `kerberos` is not available in this version; use AD_AUTH=simple"),
        (&[("AD_DELTA", "dirsync")], "AD_DELTA: `dirsync` is not available in this version; use AD_DELTA=usn"),
    ] {
        let lines = refusal(changes);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with(line), "{lines:?}");
    }
    assert_eq!(connection(&[("AD_DOMAIN", "corp.example")]).directory.hosts, ["dc1.corp.example.com"]);
}

#[test]
fn the_port_follows_the_transport() {
    assert_eq!(connection(&[("AD_TRANSPORT", "starttls")]).directory.port, 389);
    assert_eq!(connection(&[("AD_TRANSPORT", "ldap"), ("AD_ALLOW_PLAINTEXT", "true")]).directory.port, 389);
    assert_eq!(connection(&[("AD_PORT", "1636")]).directory.port, 1636);
}

#[test]
fn a_password_goes_over_plain_ldap_only_when_allowed() {
    for allowed in ["", "false"] {
        let lines = refusal(&[("AD_TRANSPORT", "ldap"), ("AD_ALLOW_PLAINTEXT", allowed)]);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("AD_TRANSPORT: `ldap` would send the password unencrypted; use ldaps or starttls"));
        assert!(lines[0].contains("AD_ALLOW_PLAINTEXT=true"));
    }
    assert!(parse_at(&given(&[("AD_TRANSPORT", "ldap"), ("AD_ALLOW_PLAINTEXT", "true")]), now()).is_ok());
}

#[test]
fn a_bad_value_brings_no_misleading_second_complaint() {
    assert_eq!(refused_names(&[("AD_TRANSPORT", "tls")]), ["AD_TRANSPORT"]);
    assert_eq!(refused_names(&[("AD_TRANSPORT", "ldap"), ("AD_ALLOW_PLAINTEXT", "yes")]), ["AD_ALLOW_PLAINTEXT"]);
    assert_eq!(refused_names(&[("AD_HOST", "a,,b")]), ["AD_HOST"]);
    assert_eq!(refused_names(&[("AD_HOST", ""), ("AD_DOMAIN", "a b")]).len(), 2);
    assert_eq!(refused_names(&[("AD_PASSWORD", ""), ("AD_PASSWORD_FILE", "/no/such")]), ["AD_PASSWORD_FILE"]);
    assert_eq!(refused_names(&[("QUALYS_AUTH", "x"), ("QUALYS_CLIENT_ID", "")]), ["QUALYS_AUTH"]);
    assert_eq!(refused_names(&[("HTTP_LISTEN", "0.0.0.0:1"), ("HTTP_TOKEN", "a b")]), ["HTTP_TOKEN"]);
    assert_eq!(refused_names(&[("QUALYS_CLIENT_SECRET", ""), ("QUALYS_CLIENT_SECRET_FILE", "/no")]), ["QUALYS_CLIENT_SECRET_FILE"]);
}

#[test]
fn the_kind_of_authentication_follows_from_what_is_set() {
    let auth = |changes: &[(&str, &str)]| connection(changes).upstream.auth;
    assert!(matches!(auth(&[]), UpstreamAuth::Client { .. }));
    assert!(matches!(auth(&[("QUALYS_AUTH", "client")]), UpstreamAuth::Client { .. }));
    let UpstreamAuth::Subscription { id, secret } = auth(&[("QUALYS_AUTH", "subscription")]) else { panic!() };
    assert_eq!((id.expose_secret(), secret.expose_secret()), ("id", "secret"));
    let account = [("QUALYS_USERNAME", "user"), ("QUALYS_PASSWORD", "p w")];
    let alone = [&account[..], &[("QUALYS_CLIENT_ID", ""), ("QUALYS_CLIENT_SECRET", "")]].concat();
    let UpstreamAuth::Password { username, password } = auth(&alone) else { panic!() };
    assert_eq!((username.expose_secret(), password.expose_secret()), ("user", "p w"));
    assert!(matches!(auth(&[&account[..], &[("QUALYS_AUTH", "password")]].concat()), UpstreamAuth::Password { .. }));
    assert!(matches!(auth(&[&account[..], &[("QUALYS_AUTH", "client")]].concat()), UpstreamAuth::Client { .. }));
    let both = refusal(&account);
    assert_eq!(both.len(), 1);
    assert!(both[0].starts_with("QUALYS_AUTH: is ambiguous"), "{both:?}");
}

#[test]
fn half_a_pair_names_the_missing_half() {
    for (changes, missing) in [
        (&[("QUALYS_CLIENT_SECRET", "")][..], &["QUALYS_CLIENT_SECRET"][..]),
        (&[("QUALYS_CLIENT_ID", "")], &["QUALYS_CLIENT_ID"]),
        (&[("QUALYS_CLIENT_ID", ""), ("QUALYS_CLIENT_SECRET", ""), ("QUALYS_USERNAME", "u")], &["QUALYS_PASSWORD"]),
        (&[("QUALYS_USERNAME", "u")], &["QUALYS_PASSWORD"]),
        (&[("QUALYS_CLIENT_ID", ""), ("QUALYS_PASSWORD", "p")], &["QUALYS_CLIENT_ID", "QUALYS_USERNAME"]),
        (&[("QUALYS_AUTH", "password")], &["QUALYS_USERNAME", "QUALYS_PASSWORD"]),
        (&[("QUALYS_AUTH", "subscription"), ("QUALYS_CLIENT_ID", "")], &["QUALYS_CLIENT_ID"]),
    ] {
        assert_eq!(refused_names(changes), missing, "{changes:?}");
    }
}

#[test]
fn listening_beyond_loopback_needs_a_token() {
    for address in ["0.0.0.0:8080", "[::]:8080", "10.0.0.1:80"] {
        let lines = refusal(&[("HTTP_LISTEN", address)]);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with(&format!("HTTP_TOKEN: is required to listen on {address}")), "{lines:?}");
        let http = config(&[("HTTP_LISTEN", address), ("HTTP_TOKEN", "token")]).http;
        assert_eq!(http.token.unwrap().expose_secret(), "token");
    }
    for address in ["127.0.0.1:80", "[::1]:80", "127.1.2.3:80", "off"] {
        assert!(config(&[("HTTP_LISTEN", address)]).http.token.is_none(), "{address}");
    }
}

#[test]
fn the_proxy_is_read_in_either_case() {
    let proxy = |changes: &[(&str, &str)]| connection(changes).upstream.https_proxy.unwrap().expose_secret().to_owned();
    assert_eq!(proxy(&[("https_proxy", "http://lower:1")]), "http://lower:1");
    assert_eq!(proxy(&[("https_proxy", "http://lower:1"), ("HTTPS_PROXY", "http://upper:1")]), "http://upper:1");
    assert_eq!(connection(&[("no_proxy", "a,b")]).upstream.no_proxy.as_deref(), Some("a,b"));
    assert_eq!(refused_names(&[("https_proxy", "x://y")]), ["https_proxy"]);
}

fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

#[test]
fn any_secret_may_be_in_a_file() {
    for (content, secret) in [
        ("plain", "plain"),
        ("newline\n", "newline"),
        ("windows\r\n", "windows"),
        ("\u{feff}mark", "mark"),
        (" space ", " space "),
    ] {
        let file = file(content.as_bytes());
        let path = file.path().to_str().unwrap();
        let connection = connection(&[("AD_PASSWORD", ""), ("AD_PASSWORD_FILE", path)]);
        let Auth::Simple { password, .. } = connection.directory.auth;
        assert_eq!(password.expose_secret(), secret);
    }
    let file = file(b"from-file");
    let path = file.path().to_str().unwrap();
    let upstream = connection(&[
        ("QUALYS_CLIENT_ID", ""), ("QUALYS_CLIENT_ID_FILE", path), ("QUALYS_CLIENT_SECRET", ""),
        ("QUALYS_CLIENT_SECRET_FILE", path),
    ]).upstream;
    let UpstreamAuth::Client { id, secret } = upstream.auth else { panic!() };
    assert_eq!((id.expose_secret(), secret.expose_secret()), ("from-file", "from-file"));
    let token = config(&[("HTTP_TOKEN_FILE", path), ("HTTP_LISTEN", "0.0.0.0:1")]).http.token.unwrap();
    assert_eq!(token.expose_secret(), "from-file");
}

#[test]
fn r27_a_bad_secret_file_is_named_and_its_content_is_not() {
    for (content, name, cause) in [
        (&b""[..], "AD_PASSWORD_FILE", "is empty"),
        (b"\r\n", "AD_PASSWORD_FILE", "is empty"),
        (b"hunter2\nhunter2\n", "AD_PASSWORD", "control character in "),
        (b"hunter2\xff\n", "AD_PASSWORD_FILE", "is not UTF-8"),
        (&[b'x'; 70_000], "AD_PASSWORD_FILE", "is larger than 64 KiB"),
    ] {
        let file = file(content);
        let path = file.path().to_str().unwrap();
        let lines = refusal(&[("AD_PASSWORD", ""), ("AD_PASSWORD_FILE", path)]);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with(&format!("{name}: ")) && lines[0].contains(cause), "{lines:?}");
        assert!(lines[0].contains(path) && !lines[0].contains("hunter2"), "{lines:?}");
    }
    assert_eq!(
        refusal(&[("AD_PASSWORD", ""), ("AD_PASSWORD_FILE", "/no/such/file")]),
        ["AD_PASSWORD_FILE: `/no/such/file` cannot be read: No such file or directory (os error 2); \
          give the path of a readable file that holds the secret alone"]
    );
    assert_eq!(
        refusal(&[("AD_PASSWORD_FILE", "/no/such/file")]),
        ["AD_PASSWORD: is given twice, also by its _FILE form; keep one of the two"]
    );
}

#[test]
fn control_characters_are_refused_everywhere() {
    for variable in variables::all().filter(|variable| variable.name != "MAPPING_FILE") {
        let mut given = given(&[("QUALYS_AUTH", "client")]);
        given.insert(variable.name.to_owned(), "a\nb".to_owned());
        let refused = parse_at(&given, now()).unwrap_err();
        assert_eq!(refused.problems().len(), 1, "{refused}");
        let problem = &refused.problems()[0];
        assert_eq!(problem.name, variable.name);
        assert!(problem.cause.contains("control character"), "{problem}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_not_utf_8_is_refused_without_showing_it() {
    use std::os::unix::ffi::OsStringExt as _;
    let directory = tempfile::tempdir().unwrap();
    let process = LEAST.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let bad = [("AD_PASSWORD", b"hunter2\xff".to_vec()), ("AD_HOST", b"dc\xff".to_vec())];
    let process = process.chain(bad.map(|(name, value)| (name.into(), OsString::from_vec(value))));
    let environment = Environment::over(process, directory.path()).unwrap();
    let refused = parse_at(&environment, now()).unwrap_err().to_string();
    assert_eq!(
        refused,
        "AD_HOST: is not UTF-8 text; write it in UTF-8\nAD_PASSWORD: is not UTF-8 text; write it in UTF-8"
    );
}

#[test]
fn a_malformed_env_file_stops_before_anything_is_called_missing() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(".env"), "AD_HOST=dc1\nAD_PASSWORD=one two\n").unwrap();
    let refused = Environment::read(directory.path()).err().unwrap();
    assert_eq!(
        refused.to_string(),
        ".env: line 2 (AD_PASSWORD) is malformed; put the value in single quotes: AD_PASSWORD='…'"
    );
    assert_eq!(refused.exit_code(), 64);
}

const SECRETS: [&str; 7] = [
    "AD_PASSWORD", "QUALYS_CLIENT_ID", "QUALYS_CLIENT_SECRET", "QUALYS_USERNAME", "QUALYS_PASSWORD", "HTTP_TOKEN",
    "HTTPS_PROXY",
];

/// `hunter2` in every place for a secret, in each of several shapes.
fn planted(shape: &str) -> Vec<(&'static str, String)> {
    SECRETS.iter().map(|name| (*name, shape.to_owned())).collect()
}

#[test]
fn r27_no_secret_is_in_the_debug_print_of_a_configuration() {
    for auth in ["client", "subscription", "password"] {
        let mut given = given(&[("QUALYS_AUTH", auth), ("HTTP_LISTEN", "0.0.0.0:1")]);
        given.extend(planted("hunter2").into_iter().map(|(name, value)| (name.to_owned(), value)));
        given.insert("HTTPS_PROXY".to_owned(), "http://user:hunter2@proxy:3128".to_owned());
        let config = parse_at(&given, now()).unwrap();
        for printed in [format!("{config:?}"), format!("{config:#?}")] {
            assert!(!printed.contains("hunter2"), "{printed}");
            assert!(printed.contains("REDACTED"));
        }
    }
}

#[test]
fn r27_no_secret_is_in_a_refusal() {
    for shape in ["hunter2", " hunter2", "hunter2\n", "hunter2\u{7}", "hünter2 hunter2", "x://u:hunter2@h", "://hunter2"] {
        for auth in ["", "client", "password", "x"] {
            let secrets = planted(shape);
            let mut changes: Vec<(&str, &str)> = secrets.iter().map(|(name, value)| (*name, value.as_str())).collect();
            changes.extend([("QUALYS_AUTH", auth), ("AD_TRANSPORT", "x"), ("AD_PASSWD", shape), ("AD_PASSWORD_FILE", "/no")]);
            let refused = parse_at(&given(&changes), now()).unwrap_err();
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
            assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_value_anywhere_panics(values in proptest::collection::vec("(?s).{0,40}|[0-9*a-z:/=,()\\[\\]@ .-]{0,40}", 53)) {
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
