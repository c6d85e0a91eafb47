use super::*;

#[test]
fn gateways() {
    let same = |text: &'static str| (text, text.to_owned());
    taken(
        url::gateway,
        &[
            same("https://gateway.qg1.apps.qualys.com"),
            ("https://gateway.example/", "https://gateway.example".to_owned()),
            (
                "https://gateway.example:8443/qualys//",
                "https://gateway.example:8443/qualys".to_owned(),
            ),
            ("HTTPS://Gateway.Example", "https://gateway.example".to_owned()),
            same("http://127.0.0.1:9000"),
            same("http://127.8.9.10"),
            same("http://[::1]:9000"),
            same("http://localhost:9000"),
        ],
    );
    refused(
        url::gateway,
        &[
            ("gateway.example", "has no scheme", "https://"),
            ("http://gateway.example", "unencrypted", "https://"),
            ("http://localhost.example", "unencrypted", "loopback"),
            ("http://127.0.0.1.example", "unencrypted", "loopback"),
            ("http://10.0.0.1", "unencrypted", "loopback"),
            ("ftp://gateway.example", "is not https", "https://"),
            ("https://", "is not a URL", "https://"),
            ("https://gateway.example?x=1", "query", "https://"),
            ("https://gateway.example/#x", "fragment", "https://"),
            (
                "https://user:hunter2@gateway.example",
                "holds credentials",
                "QUALYS_CLIENT_ID",
            ),
            (
                "https://user@gateway.example",
                "holds credentials",
                "QUALYS_CLIENT_ID",
            ),
        ],
    );
}

#[test]
fn r27_a_password_in_a_url_is_not_shown() {
    for text in [
        "https://user:hunter2@gateway.example",
        "http://user:hunter2@gateway.example",
        "user:hunter2@gateway.example",
        "https://user:hunter2@:x",
        "https://user:hunter2@gateway.example?q",
        "socks5://user:hunter2@proxy",
        "http://user:hunter2@",
        "postgres://user:hunter2@db/state",
    ] {
        for fault in [
            url::gateway(text).err(),
            url::proxy(text).err(),
            state::location(text).err(),
        ]
        .into_iter()
        .flatten()
        {
            assert!(!format!("{fault:?}").contains("hunter2"), "{text}: {fault:?}");
        }
    }
}

#[test]
fn ingest_paths() {
    let default = "/rest/2.0/am/connector/asset/data/sync";
    taken(
        url::ingest_path,
        &[
            (default, default.to_owned()),
            ("/", "/".to_owned()),
            ("/a?b=%20", "/a?b=%20".to_owned()),
        ],
    );
    refused(
        url::ingest_path,
        &[
            ("rest/2.0", "does not begin with one `/`", "/rest/2.0"),
            ("//evil.example/x", "does not begin with one `/`", "/rest/2.0"),
            ("/a b", "holds ` `", "/rest/2.0"),
            ("/a#b", "holds `#`", "/rest/2.0"),
            ("/ä", "holds `ä`", "/rest/2.0"),
        ],
    );
}

#[test]
fn proxies() {
    for text in [
        "http://proxy:3128",
        "https://user:pass@proxy.example",
        "proxy.example:3128",
        "10.0.0.1:3128",
    ] {
        taken(url::proxy, &[(text, text.to_owned())]);
    }
    refused(
        url::proxy,
        &[
            ("socks5://proxy:1080", "neither http nor https", "http://proxy"),
            ("http://", "is not a URL", "http://proxy"),
            ("http://proxy:port", "is not a URL", "http://proxy"),
        ],
    );
}

#[test]
fn states() {
    let file = |text: &str| state::location(text).map(|location| location.to_string());
    taken(
        file,
        &[
            ("sqlite:/var/lib/x.db", "/var/lib/x.db".into()),
            ("sqlite:///var/lib/x.db", "/var/lib/x.db".into()),
            ("sqlite:x.db", "x.db".into()),
            ("sqlite://x/y.db", "x/y.db".into()),
        ],
    );
    refused(
        file,
        &[
            ("/var/lib/x.db", "does not begin with `sqlite:`", "sqlite:PATH"),
            ("postgres://u:p@h/d", "holds a password", "STATE_PASSWORD"),
            ("mysql://u:p@h/d", "names another store", "sqlite:PATH"),
            ("sqlite:", "has no path", "sqlite:PATH"),
            ("sqlite://", "has no path", "sqlite:PATH"),
            ("sqlite::memory:", "would forget", "sqlite:PATH"),
            ("sqlite:/x.db?mode=ro", "options", "sqlite:PATH"),
            ("sqlite:/var/lib/", "is a directory", "sqlite:PATH"),
        ],
    );
}
