use axum::response::IntoResponse as _;

use super::*;

fn access(address: &str, token: Option<&str>) -> AccessPolicy {
    let secret = |token: &str| Secret::from(token.to_owned());
    let http = HttpSettings {
        listen: None,
        token: token.map(secret),
        read_token: token.map(|_| secret("only-looks")),
        reach: crate::config::ReachLimits::default(),
    };
    AccessPolicy::new(address.parse().unwrap(), &http)
}

fn examined(
    access: &AccessPolicy,
    method: &Method,
    headers: &[(&'static str, &str)],
) -> Result<RequestRights, u16> {
    let headers = headers
        .iter()
        .map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().unwrap()))
        .collect();
    access
        .examine(method, &headers, BEARER)
        .map_err(|denial| match denial {
            RequestDenial::Problem(problem) => problem.into_response().status().as_u16(),
            RequestDenial::WrongToken => 401,
        })
}

#[test]
fn beyond_loopback_nothing_goes_without_the_token() {
    let access = access("0.0.0.0:8080", Some("s3cret"));
    let get = |headers: &[(&'static str, &str)]| examined(&access, &Method::GET, headers);
    assert_eq!(get(&[("host", "connector:8080")]), Err(401));
    assert_eq!(get(&[("authorization", "Bearer s3cre")]), Err(401));
    assert_eq!(get(&[("authorization", "Bearer")]), Err(401));
    assert_eq!(get(&[("authorization", "s3cret")]), Err(401));
    assert_eq!(
        get(&[("authorization", "bearer  s3cret")]),
        Ok(RequestRights::Change)
    );
    // x:s3cret, :s3cret, s3cret
    assert_eq!(
        get(&[("authorization", "Basic eDpzM2NyZXQ=")]),
        Ok(RequestRights::Change)
    );
    assert_eq!(
        get(&[("authorization", "Basic OnMzY3JldA==")]),
        Ok(RequestRights::Change)
    );
    assert_eq!(get(&[("authorization", "Basic czNjcmV0")]), Err(401));
}

#[test]
fn an_empty_credential_is_never_the_token() {
    let access = access("127.0.0.1:0", Some("s3cret"));
    assert_eq!(
        examined(&access, &Method::GET, &[("authorization", "Digest x")]),
        Err(401)
    );
    let none = self::access("127.0.0.1:0", None);
    assert_eq!(
        examined(&none, &Method::GET, &[("authorization", "Bearer ")]),
        Ok(RequestRights::Open)
    );
}

#[test]
fn on_loopback_only_this_machine_is_addressed() {
    let access = access("127.0.0.1:8080", Some("s3cret"));
    let get = |host: &str| examined(&access, &Method::GET, &[("host", host)]);
    for host in [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1:8080",
        "[::1]:8080",
        "a.localhost",
        "192.0.2.7",
    ] {
        assert_eq!(get(host), Ok(RequestRights::Open), "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
    ] {
        assert_eq!(get(host), Err(403), "{host}");
    }
    let proxied = [("host", "connector.example"), ("authorization", "Bearer s3cret")];
    assert_eq!(
        examined(&access, &Method::GET, &proxied),
        Ok(RequestRights::Change)
    );
}

#[test]
fn a_page_of_another_site_changes_and_reads_nothing() {
    let access = access("127.0.0.1:8080", Some("s3cret"));
    let token = ("authorization", "Bearer s3cret");
    let host = ("host", "localhost:8080");
    let post = |more: (&'static str, &str)| examined(&access, &Method::POST, &[token, host, more]);
    assert_eq!(
        post(("origin", "http://localhost:8080")),
        Ok(RequestRights::Change)
    );
    assert_eq!(post(("origin", "http://evil.example")), Err(403));
    assert_eq!(post(("origin", "null")), Err(403));
    assert_eq!(post(("sec-fetch-site", "cross-site")), Err(403));
    assert_eq!(post(("sec-fetch-site", "same-origin")), Ok(RequestRights::Change));
    let get = [host, ("sec-fetch-site", "same-site")];
    assert_eq!(examined(&access, &Method::GET, &get), Err(403));
    let link = [
        host,
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
    ];
    assert_eq!(
        examined(&access, &Method::GET, &link),
        Ok(RequestRights::Open),
        "a link to the page"
    );
}

#[test]
fn a_proxy_may_give_the_host_another_name_where_the_browser_says_whose_page_it_is() {
    let access = access("127.0.0.1:8080", Some("s3cret"));
    let post = |site: &'static str| {
        let headers = [
            ("authorization", "Bearer s3cret"),
            ("host", "127.0.0.1:8080"),
            ("origin", "https://connector.example"),
            ("sec-fetch-site", site),
        ];
        examined(&access, &Method::POST, &headers)
    };
    assert_eq!(post("same-origin"), Ok(RequestRights::Change));
    for site in ["same-site", "cross-site", "none", ""] {
        assert_eq!(post(site), Err(403), "{site}");
    }
}

#[test]
fn what_comes_by_way_of_a_proxy_needs_a_token_on_loopback_too() {
    let access = access("127.0.0.1:8080", Some("s3cret"));
    for name in ["x-forwarded-for", "forwarded", "via", "x-real-ip"] {
        let headers = [("host", "localhost:8080"), (name, "192.0.2.7")];
        assert_eq!(examined(&access, &Method::GET, &headers), Err(401), "{name}");
        let headers = [headers[0], headers[1], ("authorization", "Bearer only-looks")];
        assert_eq!(
            examined(&access, &Method::GET, &headers),
            Ok(RequestRights::ReadNames)
        );
    }
}

#[test]
fn each_token_gives_its_own_rights() {
    for address in ["127.0.0.1:8080", "0.0.0.0:8080"] {
        let access = access(address, Some("s3cret"));
        let rights = |token: &str| {
            let header = format!("Bearer {token}");
            examined(&access, &Method::GET, &[("authorization", &header)])
        };
        assert_eq!(rights("only-looks"), Ok(RequestRights::ReadNames));
        assert_eq!(rights("s3cret"), Ok(RequestRights::Change));
        assert_eq!(rights("only-look"), Err(401));
        assert_eq!(rights(""), Err(401));
    }
    assert!(
        RequestRights::Open < RequestRights::ReadNames && RequestRights::ReadNames < RequestRights::Change
    );
}

#[test]
fn a_client_is_the_peer_and_whom_it_names_last() {
    let client = |forwarded: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let mut extensions = Extensions::new();
        extensions.insert(PeerAddress([127, 0, 0, 1].into()));
        RequestSender::of(&extensions, &headers).to_string()
    };
    assert_eq!(client(&[]), "127.0.0.1");
    assert_eq!(client(&["192.0.2.7"]), "127.0.0.1 for 192.0.2.7");
    assert_eq!(client(&["203.0.113.9, 192.0.2.7"]), "127.0.0.1 for 192.0.2.7");
    assert_eq!(
        client(&["203.0.113.9", "2001:db8::1"]),
        "127.0.0.1 for 2001:db8::1"
    );
    assert_eq!(client(&["unknown"]), "127.0.0.1");
}
