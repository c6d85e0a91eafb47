use super::*;
use crate::identity::Kind;

#[test]
fn the_least_configuration_has_the_defaults_of_the_contract() {
    let config = config(&[]);
    assert_eq!(config.connections.len(), 1);
    let connection = &config.connections[0];
    assert_eq!(connection.name, "active-directory");
    assert_eq!(connection.mapping, MappingSource::BuiltIn);
    let directory = &connection.directory;
    assert_eq!(directory.hosts, ["dc1.corp.example.com"]);
    assert_eq!((directory.transport, directory.port), (LdapTransport::Ldaps, 636));
    let DirectoryAuth::Simple { name, password } = &directory.auth else {
        panic!("{:?}", directory.auth)
    };
    assert_eq!(
        (name.as_str(), password.expose_secret()),
        ("svc@corp.example.com", "pa ss")
    );
    assert!(directory.certificates.is_none() && directory.pins.is_empty() && directory.server_name.is_none());
    assert_eq!(
        (directory.page_size, directory.parallel_reads, directory.delta),
        (1000, 2, DeltaMethod::Usn)
    );
    assert_eq!(directory.timeout, Duration::from_secs(60));
    let profile = &connection.profile;
    assert!(profile.base_context.is_none());
    assert_eq!(profile.scope, SearchScope::Subtree);
    assert_eq!(profile.assets, [(Kind::User, None), (Kind::Group, None)]);
    let schedule = &connection.schedule;
    assert_eq!(
        (
            schedule.sync.text().as_str(),
            schedule.baseline.as_ref().map(|cron| cron.text.as_str())
        ),
        ("*/15 * * * *", Some("0 2 * * SUN"))
    );
    assert_eq!((schedule.timezone(), schedule.on_start), (chrono_tz::UTC, true));
    let removal = &connection.removal;
    assert_eq!(
        (removal.send, removal.lag, removal.max_count, removal.max_percent),
        (false, Duration::from_secs(86_400), 500, 10)
    );
    let upstream = &connection.upstream;
    assert_eq!(upstream.source, "Microsoft Active Directory");
    assert_eq!(upstream.ingest_path, "/rest/2.0/am/connector/asset/data/sync");
    assert_eq!(
        (upstream.batch_assets, upstream.batch_bytes, upstream.concurrency),
        (BatchAssets::Auto, 4 << 20, 1)
    );
    assert_eq!(
        (upstream.timeout, upstream.give_up_after),
        (Duration::from_secs(90), Duration::from_secs(900))
    );
    assert!(!upstream.accept_unknown);
    assert!(
        upstream.https_proxy.is_none() && upstream.no_proxy.is_none() && upstream.certificates.is_empty()
    );
    assert_eq!(
        config.state.file(),
        Some(Path::new("/var/lib/ad-connector/state.db"))
    );
    assert_eq!(config.http.listen, Some(SocketAddr::from(([127, 0, 0, 1], 8080))));
    assert!(config.http.token.is_none());
    assert_eq!(
        (config.log.format, config.log.level.as_str()),
        (LogFormat::Text, "info")
    );
}

#[test]
fn every_variable_reaches_its_field() {
    let all = connection(&[
        ("CONNECTION_NAME", "corp"),
        ("CONNECTION_DESCRIPTION", "Head office"),
        ("AD_HOST", "dc1,dc2"),
        ("AD_TRANSPORT", "starttls"),
        ("AD_PORT", "3270"),
        ("AD_SERVER_NAME", "dc.corp"),
        ("AD_BASE_CONTEXT", "OU=Staff,DC=corp,DC=example"),
        ("AD_SEARCH_SCOPE", "onelevel"),
        ("AD_ASSETS", "computers,users"),
        ("AD_USER_FILTER", "department=Sales"),
        ("AD_GROUP_FILTER", "(cn=unused)"),
        ("AD_COMPUTER_FILTER", "(cn=PC*)"),
        ("AD_DELTA", "off"),
        ("AD_PAGE_SIZE", "500"),
        ("AD_PARALLEL_READS", "4"),
        ("AD_TIMEOUT", "500ms"),
        ("SYNC_CRON", "0 */5 * * * *"),
        ("BASELINE_CRON", "off"),
        ("SYNC_TIMEZONE", "America/New_York"),
        ("SYNC_ON_START", "false"),
        ("REMOVED_OBJECTS", "send"),
        ("REMOVAL_LAG", "0s"),
        ("REMOVAL_MAX_COUNT", "0"),
        ("REMOVAL_MAX_PERCENT", "100"),
        ("QUALYS_SOURCE", "AD"),
        ("QUALYS_INGEST_PATH", "/in"),
        ("QUALYS_BATCH_ASSETS", "7"),
        ("QUALYS_BATCH_BYTES", "1000B"),
        ("QUALYS_CONCURRENCY", "3"),
        ("QUALYS_TIMEOUT", "2h"),
        ("QUALYS_GIVE_UP_AFTER", "1d"),
        ("QUALYS_ACCEPT_UNKNOWN", "true"),
        ("HTTPS_PROXY", "http://u:p@proxy:3128"),
        ("NO_PROXY", "localhost"),
    ]);
    assert_eq!(
        (all.name.as_str(), all.description.as_str()),
        ("corp", "Head office")
    );
    assert_eq!(all.directory.hosts, ["dc1", "dc2"]);
    assert_eq!(
        (all.directory.transport, all.directory.port),
        (LdapTransport::StartTls, 3270)
    );
    assert_eq!(all.directory.server_name.as_deref(), Some("dc.corp"));
    assert_eq!(
        all.profile.base_context.unwrap().as_str(),
        "OU=Staff,DC=corp,DC=example"
    );
    assert_eq!(all.profile.scope, SearchScope::OneLevel);
    let extra = |filter: &str| Some(filter.to_owned());
    assert_eq!(
        all.profile.assets,
        [
            (Kind::User, extra("(department=Sales)")),
            (Kind::Computer, extra("(cn=PC*)"))
        ]
    );
    assert_eq!(
        (
            all.directory.delta,
            all.directory.page_size,
            all.directory.parallel_reads
        ),
        (DeltaMethod::Off, 500, 4)
    );
    assert_eq!(all.directory.timeout, Duration::from_millis(500));
    assert_eq!(
        (all.schedule.sync.text().as_str(), all.schedule.baseline.clone()),
        ("0 */5 * * * *", None)
    );
    assert_eq!(
        (all.schedule.timezone(), all.schedule.on_start),
        (chrono_tz::America::New_York, false)
    );
    assert_eq!(
        (
            all.removal.send,
            all.removal.lag,
            all.removal.max_count,
            all.removal.max_percent
        ),
        (true, Duration::ZERO, 0, 100)
    );
    let upstream = all.upstream;
    assert_eq!(
        (upstream.source.as_str(), upstream.ingest_path.as_str()),
        ("AD", "/in")
    );
    assert_eq!(
        (upstream.batch_assets, upstream.batch_bytes, upstream.concurrency),
        (BatchAssets::AtMost(7), 1000, 3)
    );
    assert_eq!(
        (upstream.timeout, upstream.give_up_after),
        (Duration::from_secs(7200), Duration::from_secs(86_400))
    );
    assert!(upstream.accept_unknown);
    assert_eq!(
        upstream.https_proxy.unwrap().expose_secret(),
        "http://u:p@proxy:3128"
    );
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
    let listed = variables::all()
        .flat_map(|variable| [Some(variable.name.to_owned()), variable.file_name()])
        .flatten();
    let lower_case = ["https_proxy", "no_proxy"].map(str::to_owned);
    assert_eq!(recorder.1.into_inner(), listed.chain(lower_case).collect());
}

#[test]
fn an_empty_value_counts_as_unset() {
    let names: Vec<&str> = variables::all().map(|variable| variable.name).collect();
    let empty: Vec<(&str, &str)> = names
        .iter()
        .filter(|name| !LEAST.iter().any(|(least, _)| least == *name))
        .map(|name| (*name, ""))
        .collect();
    assert_eq!(format!("{:?}", config(&empty)), format!("{:?}", config(&[])));
    assert_eq!(
        refused_names(&[("AD_HOST", ""), ("AD_PASSWORD", "")]),
        ["AD_HOST", "AD_PASSWORD"]
    );
    assert_eq!(refused_names(&[("AD_HOST", "  ")]), ["AD_HOST"]);
}

#[test]
fn spaces_around_a_value_are_no_part_of_it_but_of_a_secret() {
    let connection = connection(&[("AD_PORT", " 3270 "), ("AD_PASSWORD", " x ")]);
    assert_eq!(connection.directory.port, 3270);
    let DirectoryAuth::Simple { password, .. } = connection.directory.auth else {
        panic!("{:?}", connection.directory.auth)
    };
    assert_eq!(password.expose_secret(), " x ");
}

#[test]
fn the_proxy_is_read_in_either_case() {
    let proxy = |changes: &[(&str, &str)]| {
        connection(changes)
            .upstream
            .https_proxy
            .unwrap()
            .expose_secret()
            .to_owned()
    };
    assert_eq!(proxy(&[("https_proxy", "http://lower:1")]), "http://lower:1");
    assert_eq!(
        proxy(&[
            ("https_proxy", "http://lower:1"),
            ("HTTPS_PROXY", "http://upper:1")
        ]),
        "http://upper:1"
    );
    assert_eq!(
        connection(&[("no_proxy", "a,b")]).upstream.no_proxy.as_deref(),
        Some("a,b")
    );
    assert_eq!(refused_names(&[("https_proxy", "x://y")]), ["https_proxy"]);
}

#[test]
fn the_mapping_file_is_found_without_the_rest() {
    let of = |path: &str| {
        load::read_mapping_settings(&Given::from([("MAPPING_FILE".to_owned(), path.to_owned())]), None)
    };
    let named = |source| {
        Ok(vec![MappingSettings {
            connection: "active-directory".to_owned(),
            source,
            delta: DeltaMethod::Usn,
        }])
    };
    assert_eq!(of(""), named(MappingSource::BuiltIn));
    assert_eq!(of("/dev/null"), named(MappingSource::File("/dev/null".into())));
    let refused = of("/no/such").unwrap_err().to_string();
    assert!(
        refused.starts_with("MAPPING_FILE: `/no/such` cannot be read: "),
        "{refused}"
    );
}
