use super::*;

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
        let DirectoryAuth::Simple { password, .. } = connection.directory.auth else {
            panic!("{:?}", connection.directory.auth)
        };
        assert_eq!(password.expose_secret(), secret);
    }
    let file = file(b"from-file");
    let path = file.path().to_str().unwrap();
    let upstream = connection(&[
        ("QUALYS_CLIENT_ID", ""),
        ("QUALYS_CLIENT_ID_FILE", path),
        ("QUALYS_CLIENT_SECRET", ""),
        ("QUALYS_CLIENT_SECRET_FILE", path),
    ])
    .upstream;
    let UpstreamAuth::Client { id, secret } = upstream.auth else {
        panic!()
    };
    assert_eq!(
        (id.expose_secret(), secret.expose_secret()),
        ("from-file", "from-file")
    );
    let file = self::file(b"token-from-a-file\n");
    let path = file.path().to_str().unwrap();
    for name in ["HTTP_TOKEN_FILE", "HTTP_READ_TOKEN_FILE"] {
        let http = config(&[(name, path), ("HTTP_LISTEN", "0.0.0.0:1")]).http;
        let token = http.token.or(http.read_token).unwrap();
        assert_eq!(token.expose_secret(), "token-from-a-file");
    }
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
        assert!(
            lines[0].starts_with(&format!("{name}: ")) && lines[0].contains(cause),
            "{lines:?}"
        );
        assert!(
            lines[0].contains(path) && !lines[0].contains("hunter2"),
            "{lines:?}"
        );
    }
    assert_eq!(
        refusal(&[("AD_PASSWORD", ""), ("AD_PASSWORD_FILE", "/no/such/file")]),
        [
            "AD_PASSWORD_FILE: `/no/such/file` cannot be read: No such file or directory (os error 2); \
          give the path of a readable file that holds the secret alone"
        ]
    );
    assert_eq!(
        refusal(&[("AD_PASSWORD_FILE", "/no/such/file")]),
        ["AD_PASSWORD: is given twice, also by its _FILE form; keep one of the two"]
    );
}

#[test]
fn the_placeholders_of_the_example_are_refused() {
    for name in ["AD_PASSWORD", "QUALYS_CLIENT_ID", "QUALYS_CLIENT_SECRET"] {
        let lines = refusal(&[(name, "change-me")]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        let expected = format!("{name}: is still the `change-me` of the example; set it to your own");
        assert!(lines[0].starts_with(&expected), "{lines:?}");
        let file = file(b"change-me\n");
        let path = file.path().to_str().unwrap();
        let lines = refusal(&[(name, ""), (&format!("{name}_FILE"), path)]);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("of the example in `/"), "{lines:?}");
    }
    assert_eq!(
        refusal(&[("AD_PASSWORD", "change-me"), ("QUALYS_CLIENT_ID", "change-me")]).len(),
        2
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
    let process = LEAST
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let bad = [
        ("AD_PASSWORD", b"hunter2\xff".to_vec()),
        ("AD_HOST", b"dc\xff".to_vec()),
    ];
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
    std::fs::write(
        directory.path().join(".env"),
        "AD_HOST=dc1\nAD_PASSWORD=one two\n",
    )
    .unwrap();
    let refused = Environment::read(directory.path()).err().unwrap();
    assert_eq!(
        refused.to_string(),
        ".env: line 2 (AD_PASSWORD) is malformed; put the value in single quotes: AD_PASSWORD='…'"
    );
    assert_eq!(refused.exit_code(), 64);
}

#[test]
fn r35_the_keys_of_secrets_are_checked_and_not_shown() {
    let key = crate::secrets::SecretKey::generate().unwrap();
    let older = crate::secrets::SecretKey::generate().unwrap();
    let (text, old) = (key.expose_text(), older.expose_text());
    let keys = config(&[
        ("SECRETS_KEY", &text),
        ("SECRETS_KEY_OLD", &format!("{}, {}", *old, *text)),
    ])
    .secrets;
    let keys = keys.unwrap();
    assert_eq!(keys.present().id(), key.id());
    assert!(keys.find(older.id()).is_some());
    assert!(config(&[]).secrets.is_none());
    // From a file, which is not read again at SIGHUP.
    let file = file(format!("{}\n", *text).as_bytes());
    let from_file = config(&[("SECRETS_KEY_FILE", file.path().to_str().unwrap())]);
    assert_eq!(from_file.secrets.unwrap().present().id(), key.id());
    assert_eq!(from_file.secret_files.len(), 0);
    let zeros = format!("{}=", "A".repeat(43));
    for (name, value, cause) in [
        ("SECRETS_KEY", "hunter2!", "is not base64"),
        ("SECRETS_KEY", "aHVudGVyMg==", "stands for 7 octets, not 32"),
        ("SECRETS_KEY", zeros.as_str(), "32 times the same octet"),
        ("SECRETS_KEY_OLD", "aHVudGVyMg==", "number 1 stands for 7 octets"),
    ] {
        let changes = match name {
            "SECRETS_KEY" => vec![(name, value)],
            _ => vec![("SECRETS_KEY", text.as_str()), (name, value)],
        };
        let refused = parse_at(&given(&changes), now()).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains(cause) && said.contains(name), "{said}");
        assert!(
            name != "SECRETS_KEY" || said.contains("ad-connector secrets new-key"),
            "{said}"
        );
        assert!(
            !said.contains(value) && !format!("{refused:?}").contains(value),
            "{said}"
        );
    }
    let refused = parse_at(&given(&[("SECRETS_KEY_OLD", &old)]), now()).unwrap_err();
    assert!(
        refused.to_string().contains("SECRETS_KEY: is required"),
        "{refused}"
    );
}

const SECRETS: [&str; 8] = [
    "AD_PASSWORD",
    "QUALYS_CLIENT_ID",
    "QUALYS_CLIENT_SECRET",
    "QUALYS_USERNAME",
    "QUALYS_PASSWORD",
    "HTTP_TOKEN",
    "HTTP_READ_TOKEN",
    "HTTPS_PROXY",
];

/// Returns `hunter2` in every place for a secret, in each of several shapes; tokens are long, and
/// differ.
fn planted(shape: &str) -> Vec<(&'static str, String)> {
    let value = |name: &&str| match *name {
        "HTTP_TOKEN" | "HTTP_READ_TOKEN" => format!("{shape}-for-{name}"),
        _ => shape.to_owned(),
    };
    SECRETS.iter().map(|name| (*name, value(name))).collect()
}

#[test]
fn r27_no_secret_is_in_the_debug_print_of_a_configuration() {
    for auth in ["client", "subscription", "password"] {
        let mut given = given(&[("QUALYS_AUTH", auth), ("HTTP_LISTEN", "0.0.0.0:1")]);
        given.extend(
            planted("hunter2")
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        given.insert(
            "HTTPS_PROXY".to_owned(),
            "http://user:hunter2@proxy:3128".to_owned(),
        );
        let config = parse_at(&given, now()).unwrap();
        for printed in [format!("{config:?}"), format!("{config:#?}")] {
            assert!(!printed.contains("hunter2"), "{printed}");
            assert!(printed.contains("REDACTED"));
        }
    }
}

#[test]
fn r27_no_secret_is_in_a_refusal() {
    for shape in [
        "hunter2",
        " hunter2",
        "hunter2\n",
        "hunter2\u{7}",
        "hünter2 hunter2",
        "x://u:hunter2@h",
        "://hunter2",
    ] {
        for auth in ["", "client", "password", "x"] {
            let secrets = planted(shape);
            let mut changes: Vec<(&str, &str)> = secrets
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            changes.extend([
                ("QUALYS_AUTH", auth),
                ("AD_TRANSPORT", "x"),
                ("AD_PASSWD", shape),
                ("AD_PASSWORD_FILE", "/no"),
            ]);
            let refused = parse_at(&given(&changes), now()).unwrap_err();
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
            assert!(!format!("{refused:?}").contains("hunter2"), "{refused:?}");
        }
    }
}
