use super::*;

#[test]
fn nothing_set_names_what_is_required_and_nothing_else() {
    let refused = parse_at(&Given::new(), now()).unwrap().missing.unwrap();
    let names: Vec<&str> = refused
        .problems()
        .iter()
        .map(|problem| problem.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "AD_HOST",
            "AD_BIND_DN",
            "AD_PASSWORD",
            "QUALYS_GATEWAY_URL",
            "QUALYS_CLIENT_ID",
            "QUALYS_CLIENT_SECRET",
            "QUALYS_CONNECTOR_UUID",
        ]
    );
    assert_eq!(refused.exit_code(), 64);
    assert!(
        refused
            .to_string()
            .contains("AD_PASSWORD: is required for AD_AUTH=simple; set it, or AD_PASSWORD_FILE")
    );
}

#[test]
fn every_bad_key_is_named_in_one_pass() {
    let bad: Vec<(&str, &str)> = vec![
        ("CONNECTION_NAME", "a b"),
        ("AD_HOST", "dc1,"),
        ("AD_TRANSPORT", "tls"),
        ("AD_PORT", "0"),
        ("AD_AUTH", "ntlm"),
        ("AD_CERTIFICATE", "/no/such"),
        ("AD_CERTIFICATE_SHA256", "x"),
        ("AD_SERVER_NAME", "a:1"),
        ("AD_ALLOW_PLAINTEXT", "yes"),
        ("AD_BASE_CONTEXT", "corp.example.com"),
        ("AD_SEARCH_SCOPE", "sub"),
        ("AD_ASSETS", "people"),
        ("AD_USER_FILTER", "("),
        ("AD_GROUP_FILTER", "x"),
        ("AD_COMPUTER_FILTER", ")"),
        ("AD_ROLE_FILTER", "(&"),
        ("AD_DELTA", "x"),
        ("AD_PAGE_SIZE", "0"),
        ("AD_PARALLEL_READS", "17"),
        ("AD_TIMEOUT", "60"),
        ("SYNC_CRON", "x"),
        ("BASELINE_CRON", "0 0 30 2 *"),
        ("SYNC_TIMEZONE", "CEST"),
        ("SYNC_ON_START", "1"),
        ("MAPPING_FILE", "/no/such"),
        ("REMOVED_OBJECTS", "delete"),
        ("REMOVAL_MAX_COUNT", "-1"),
        ("REMOVAL_MAX_PERCENT", "101"),
        ("QUALYS_GATEWAY_URL", "http://x"),
        ("QUALYS_AUTH", "basic"),
        ("QUALYS_CONNECTOR_UUID", "x"),
        ("QUALYS_INGEST_PATH", "x"),
        ("QUALYS_CA_CERTIFICATE", "/no/such"),
        ("QUALYS_BATCH_ASSETS", "0"),
        ("QUALYS_BATCH_BYTES", "4"),
        ("QUALYS_CONCURRENCY", "33"),
        ("QUALYS_TIMEOUT", "0s"),
        ("QUALYS_GIVE_UP_AFTER", "31d"),
        ("QUALYS_ACCEPT_UNKNOWN", "yes"),
        ("HTTPS_PROXY", "x://y"),
        ("STATE_URL", "x"),
        ("HTTP_LISTEN", "x"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
        ("AD_BASE", "x"),
    ];
    let expected: Vec<&str> = bad.iter().map(|(name, _)| *name).collect();
    assert_eq!(refused_names(&bad), expected);
    for line in refusal(&bad) {
        let (_, rest) = line.split_once(": ").unwrap();
        assert!(rest.contains("; "), "{line}");
    }
}

#[test]
fn controllers_are_named_or_found_in_a_domain() {
    let both = connection(&[("AD_DOMAIN", "corp.example")]).directory;
    assert_eq!(both.hosts, ["dc1.corp.example.com"]);
    assert_eq!(both.domain, None, "the host is what was meant");
    for (server, address) in [
        ("", None),
        ("10.0.0.53", Some("10.0.0.53:53")),
        ("[::1]:5353", Some("[::1]:5353")),
    ] {
        let found = connection(&[
            ("AD_HOST", ""),
            ("AD_DOMAIN", "corp.example"),
            ("AD_DNS_SERVER", server),
        ]);
        assert_eq!(found.directory.hosts, [""; 0]);
        let domain = found.directory.domain.unwrap();
        assert_eq!(domain.name, "corp.example");
        assert_eq!(domain.dns_server, address.map(|address| address.parse().unwrap()));
    }
    assert_eq!(refused_names(&[("AD_HOST", "")]), ["AD_HOST"]);
    assert_eq!(
        refused_names(&[("AD_HOST", ""), ("AD_DOMAIN", "10.0.0.1")]),
        ["AD_DOMAIN"]
    );
    assert_eq!(
        refused_names(&[("AD_DNS_SERVER", "dns.example")]),
        ["AD_DNS_SERVER"]
    );
}

#[test]
fn the_site_and_read_only_controllers_are_settings_of_the_domain() {
    let domain = |site: &str, allow: &str| {
        let given = [
            ("AD_HOST", ""),
            ("AD_DOMAIN", "corp.example"),
            ("AD_SITE", site),
            ("AD_ALLOW_RODC", allow),
        ];
        connection(&given).directory.domain.unwrap()
    };
    let defaults = domain("", "");
    assert_eq!(
        (&defaults.site, defaults.allow_read_only),
        (&SitePolicy::Auto, false)
    );
    assert_eq!(domain("off", "true").site, SitePolicy::Off);
    assert!(domain("off", "true").allow_read_only);
    assert_eq!(
        domain("Straße 1", "false").site,
        SitePolicy::Named("Straße 1".to_owned())
    );
    for (name, value) in [
        ("AD_SITE", "Auto"),
        ("AD_SITE", "OFF"),
        ("AD_SITE", "CN=Branch,CN=Sites"),
        ("AD_SITE", "branch.corp"),
        ("AD_SITE", &"x".repeat(64)),
        ("AD_ALLOW_RODC", "yes"),
    ] {
        let given = [("AD_HOST", ""), ("AD_DOMAIN", "corp.example"), (name, value)];
        assert_eq!(refused_names(&given), [name], "{value}");
    }
}

/// Variables that Kerberos is without are refused in directory.rs, with every build.
#[cfg(feature = "kerberos")]
#[test]
fn kerberos_needs_neither_name_nor_password() {
    const BARE: [(&str, &str); 3] = [("AD_AUTH", "kerberos"), ("AD_PASSWORD", ""), ("AD_BIND_DN", "")];
    let principal = |changes: &[(&str, &str)]| match connection(&[&BARE, changes].concat()).directory.auth {
        DirectoryAuth::Kerberos { principal, .. } => principal,
        DirectoryAuth::Simple { .. } => panic!("a simple bind"),
    };
    assert_eq!(principal(&[]), None);
    assert_eq!(
        principal(&[("AD_BIND_DN", "svc@corp.example")]).as_deref(),
        Some("svc@CORP.EXAMPLE")
    );
    // It seals what TLS does not protect.
    assert_eq!(principal(&[("AD_TRANSPORT", "ldap")]), None);
    let address = ("AD_HOST", "192.0.2.1,dc1.corp.example");
    assert_eq!(
        principal(&[address, ("AD_SERVER_NAME", "dc2.corp.example")]),
        None
    );
    for (change, line) in [
        (
            address,
            "AD_HOST: `192.0.2.1` is an address, and Kerberos knows a controller by its name; write",
        ),
        (
            ("AD_PASSWORD", "x"),
            "AD_PASSWORD: is not used by AD_AUTH=kerberos; remove it",
        ),
        (
            ("AD_BIND_DN", "CORP\\svc"),
            "AD_BIND_DN: `CORP\\svc` is no Kerberos principal; write user@REALM",
        ),
        (("AD_SERVER_NAME", "a:1"), "AD_SERVER_NAME: "),
    ] {
        let lines = refusal(&[&BARE[..], &[change]].concat());
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with(line), "{lines:?}");
    }
}

#[test]
fn the_port_follows_the_transport() {
    assert_eq!(connection(&[("AD_TRANSPORT", "starttls")]).directory.port, 389);
    assert_eq!(
        connection(&[("AD_TRANSPORT", "ldap"), ("AD_ALLOW_PLAINTEXT", "true")])
            .directory
            .port,
        389
    );
    assert_eq!(connection(&[("AD_PORT", "1636")]).directory.port, 1636);
}

#[test]
fn a_password_goes_over_plain_ldap_only_when_allowed() {
    for allowed in ["", "false"] {
        let lines = refusal(&[("AD_TRANSPORT", "ldap"), ("AD_ALLOW_PLAINTEXT", allowed)]);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].starts_with(
                "AD_TRANSPORT: `ldap` would send the password unencrypted; use ldaps or starttls"
            )
        );
        assert!(lines[0].contains("AD_ALLOW_PLAINTEXT=true"));
    }
    assert!(
        parse_at(
            &given(&[("AD_TRANSPORT", "ldap"), ("AD_ALLOW_PLAINTEXT", "true")]),
            now()
        )
        .is_ok()
    );
}

#[test]
fn a_bad_value_brings_no_misleading_second_complaint() {
    assert_eq!(refused_names(&[("AD_TRANSPORT", "tls")]), ["AD_TRANSPORT"]);
    assert_eq!(
        refused_names(&[("AD_TRANSPORT", "ldap"), ("AD_ALLOW_PLAINTEXT", "yes")]),
        ["AD_ALLOW_PLAINTEXT"]
    );
    assert_eq!(refused_names(&[("AD_HOST", "a,,b")]), ["AD_HOST"]);
    assert_eq!(
        refused_names(&[("AD_HOST", ""), ("AD_DOMAIN", "a\tb")]),
        ["AD_DOMAIN"]
    );
    assert_eq!(
        refused_names(&[("AD_PASSWORD", ""), ("AD_PASSWORD_FILE", "/no/such")]),
        ["AD_PASSWORD_FILE"]
    );
    assert_eq!(
        refused_names(&[("QUALYS_AUTH", "x"), ("QUALYS_CLIENT_ID", "")]),
        ["QUALYS_AUTH"]
    );
    assert_eq!(
        refused_names(&[
            ("HTTP_LISTEN", "0.0.0.0:1"),
            ("HTTP_TOKEN", "a token with blanks")
        ]),
        ["HTTP_TOKEN"]
    );
    assert_eq!(
        refused_names(&[("QUALYS_CLIENT_SECRET", ""), ("QUALYS_CLIENT_SECRET_FILE", "/no")]),
        ["QUALYS_CLIENT_SECRET_FILE"]
    );
}

#[test]
fn the_kind_of_authentication_follows_from_what_is_set() {
    let auth = |changes: &[(&str, &str)]| connection(changes).upstream.auth;
    assert!(matches!(auth(&[]), UpstreamAuth::Client { .. }));
    assert!(matches!(
        auth(&[("QUALYS_AUTH", "client")]),
        UpstreamAuth::Client { .. }
    ));
    let UpstreamAuth::Subscription { id, secret } = auth(&[("QUALYS_AUTH", "subscription")]) else {
        panic!()
    };
    assert_eq!((id.expose_secret(), secret.expose_secret()), ("id", "secret"));
    let account = [("QUALYS_USERNAME", "user"), ("QUALYS_PASSWORD", "p w")];
    let alone = [
        &account[..],
        &[("QUALYS_CLIENT_ID", ""), ("QUALYS_CLIENT_SECRET", "")],
    ]
    .concat();
    let UpstreamAuth::Password { username, password } = auth(&alone) else {
        panic!()
    };
    assert_eq!(
        (username.expose_secret(), password.expose_secret()),
        ("user", "p w")
    );
    assert!(matches!(
        auth(&[&account[..], &[("QUALYS_AUTH", "password")]].concat()),
        UpstreamAuth::Password { .. }
    ));
    assert!(matches!(
        auth(&[&account[..], &[("QUALYS_AUTH", "client")]].concat()),
        UpstreamAuth::Client { .. }
    ));
    let both = refusal(&account);
    assert_eq!(both.len(), 1);
    assert!(both[0].starts_with("QUALYS_AUTH: is ambiguous"), "{both:?}");
}

#[test]
fn half_a_pair_names_the_missing_half() {
    for (changes, missing) in [
        (&[("QUALYS_CLIENT_SECRET", "")][..], &["QUALYS_CLIENT_SECRET"][..]),
        (&[("QUALYS_CLIENT_ID", "")], &["QUALYS_CLIENT_ID"]),
        (
            &[
                ("QUALYS_CLIENT_ID", ""),
                ("QUALYS_CLIENT_SECRET", ""),
                ("QUALYS_USERNAME", "u"),
            ],
            &["QUALYS_PASSWORD"],
        ),
        (&[("QUALYS_USERNAME", "u")], &["QUALYS_PASSWORD"]),
        (
            &[("QUALYS_CLIENT_ID", ""), ("QUALYS_PASSWORD", "p")],
            &["QUALYS_CLIENT_ID", "QUALYS_USERNAME"],
        ),
        (
            &[("QUALYS_AUTH", "password")],
            &["QUALYS_USERNAME", "QUALYS_PASSWORD"],
        ),
        (
            &[("QUALYS_AUTH", "subscription"), ("QUALYS_CLIENT_ID", "")],
            &["QUALYS_CLIENT_ID"],
        ),
    ] {
        assert_eq!(refused_names(changes), missing, "{changes:?}");
    }
}

/// As short as a token may be.
const TOKEN: &str = "0123456789abcdef";

#[test]
fn a_token_has_sixteen_characters_and_those_who_only_look_have_another_one() {
    for name in ["HTTP_TOKEN", "HTTP_READ_TOKEN"] {
        for short in ["x", "change-me", &TOKEN[1..]] {
            let lines = refusal(&[(name, short)]);
            assert_eq!(lines.len(), 1);
            assert!(
                lines[0].starts_with(&format!("{name}: is shorter than 16 characters")),
                "{lines:?}"
            );
            assert!(short == "x" || !lines[0].contains(short), "{lines:?}");
        }
        assert!(refused_names(&[(name, "a token with blanks")]) == [name]);
        config(&[(name, TOKEN)]);
    }
    assert_eq!(
        refused_names(&[("HTTP_TOKEN", TOKEN), ("HTTP_READ_TOKEN", TOKEN)]),
        ["HTTP_READ_TOKEN"]
    );
    config(&[("HTTP_TOKEN", TOKEN), ("HTTP_READ_TOKEN", &format!("{TOKEN}0"))]);
}

#[test]
fn listening_beyond_loopback_needs_a_token() {
    for address in ["0.0.0.0:8080", "[::]:8080", "10.0.0.1:80"] {
        let lines = refusal(&[("HTTP_LISTEN", address)]);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].starts_with(&format!("HTTP_TOKEN: is required to listen on {address}"))
                && lines[0].contains("HTTP_READ_TOKEN"),
            "{lines:?}"
        );
        let http = config(&[("HTTP_LISTEN", address), ("HTTP_TOKEN", TOKEN)]).http;
        assert_eq!(http.token.unwrap().expose_secret(), TOKEN);
        let http = config(&[("HTTP_LISTEN", address), ("HTTP_READ_TOKEN", TOKEN)]).http;
        assert!(http.token.is_none());
        assert_eq!(http.read_token.unwrap().expose_secret(), TOKEN);
    }
    for address in ["127.0.0.1:80", "[::1]:80", "127.1.2.3:80", "off"] {
        assert!(
            config(&[("HTTP_LISTEN", address)]).http.token.is_none(),
            "{address}"
        );
    }
}

#[test]
fn roles_need_their_filter() {
    for assets in ["roles", "users,groups,roles"] {
        let error = refusal(&[("AD_ASSETS", assets)]);
        assert_eq!(error.len(), 1, "{error:?}");
        let said = &error[0];
        assert!(
            said.starts_with("AD_ROLE_FILTER: is required with `roles` in AD_ASSETS"),
            "{said}"
        );
        config(&[("AD_ASSETS", assets), ("AD_ROLE_FILTER", "cn=Role*")]);
    }
    // Without roles it may be there or not, and a bad one is one mistake.
    config(&[("AD_ROLE_FILTER", "(cn=Role*)")]);
    assert_eq!(
        refused_names(&[("AD_ASSETS", "roles"), ("AD_ROLE_FILTER", "(")]),
        ["AD_ROLE_FILTER"]
    );
    // What is to be read is not known.
    assert_eq!(refused_names(&[("AD_ASSETS", "rolls")]), ["AD_ASSETS"]);
}
