use std::fmt::Debug;
use std::time::Duration;

use chrono::{DateTime, TimeZone as _, Utc};
use proptest::prelude::*;

use super::{certificate, filter, host, pin, plain, quantity, time, url};
use crate::config::refused::Fault;
use crate::identity::Kind;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 10, 0, 0).unwrap()
}

/// Each text is refused, the cause says this and the advice that.
fn refused<T: Debug>(check: impl Fn(&str) -> Result<T, Fault>, table: &[(&str, &str, &str)]) {
    for (text, cause, advice) in table {
        let fault = check(text).expect_err(text);
        assert!(fault.cause.contains(cause), "{text:?}: cause {:?} lacks {cause:?}", fault.cause);
        assert!(fault.advice.contains(advice), "{text:?}: advice {:?} lacks {advice:?}", fault.advice);
    }
}

fn taken<T: Debug + PartialEq>(check: impl Fn(&str) -> Result<T, Fault>, table: &[(&str, T)]) {
    for (text, value) in table {
        assert_eq!(check(text).as_ref(), Ok(value), "{text:?}");
    }
}

#[test]
fn numbers() {
    let percent = quantity::number(0_u8..=100);
    taken(&percent, &[("0", 0), ("100", 100), ("007", 7)]);
    refused(
        &percent,
        &[
            ("101", "`101` is out of range", "from 0 to 100"),
            ("300", "out of range", "from 0 to 100"),
            ("99999999999999999999999", "out of range", "from 0 to 100"),
            ("-1", "not a whole number", "from 0 to 100"),
            ("+1", "not a whole number", "from 0 to 100"),
            ("1.5", "not a whole number", "from 0 to 100"),
            ("10%", "`10%` is not a whole number", "from 0 to 100"),
            ("１", "not a whole number", "from 0 to 100"),
        ],
    );
    refused(quantity::number(1..=u16::MAX), &[("0", "out of range", "1 to 65535"), ("65536", "out of range", "")]);
}

#[test]
fn durations() {
    let check = quantity::duration(Duration::from_millis(1)..=Duration::from_secs(2 * 86_400));
    taken(
        &check,
        &[
            ("500ms", Duration::from_millis(500)),
            ("30s", Duration::from_secs(30)),
            ("15m", Duration::from_secs(900)),
            ("2h", Duration::from_secs(7_200)),
            ("1d", Duration::from_secs(86_400)),
            ("90 s", Duration::from_secs(90)),
        ],
    );
    refused(
        &check,
        &[
            ("30", "`30` has no unit", "write 30s if that is meant"),
            ("30sec", "unknown unit `sec`", "units are ms, s, m, h, d"),
            ("30S", "unknown unit `S`", "such as `30s`"),
            ("1.5h", "unknown unit", "such as `30s`"),
            ("1h30m", "unknown unit", "such as `30s`"),
            ("s", "does not begin with a whole number", "such as `30s`"),
            ("-5s", "does not begin with a whole number", "such as `30s`"),
            ("0s", "out of range", "from 1ms to 2d"),
            ("3d", "`3d` is out of range", "from 1ms to 2d"),
            ("18446744073709551615d", "too large", "such as `30s`"),
            ("99999999999999999999s", "too large", "such as `30s`"),
        ],
    );
}

#[test]
fn sizes() {
    let check = quantity::size(256..=64 << 20);
    taken(
        &check,
        &[
            ("4MiB", 4 << 20),
            ("512KiB", 512 << 10),
            ("4MB", 4_000_000),
            ("1000B", 1000),
            ("1KB", 1000),
            ("64MiB", 64 << 20),
        ],
    );
    refused(
        &check,
        &[
            ("4194304", "has no unit", "write 4194304B if that is meant"),
            ("4M", "unknown unit `M`", "KiB, MiB, GiB"),
            ("4mib", "unknown unit `mib`", "KiB, MiB, GiB"),
            ("1GiB", "out of range", "from 256B to 67108864B"),
            ("255B", "out of range", "from 256B"),
            ("99999999999GiB", "too large", "such as `4MiB`"),
        ],
    );
}

#[test]
fn words() {
    taken(plain::boolean, &[("true", true), ("false", false)]);
    refused(
        plain::boolean,
        &[
            ("yes", "`yes` is not a value of it", "`true` or `false`"),
            ("True", "`True`", "perhaps `true` is meant"),
            ("1", "`1`", "`true` or `false`"),
        ],
    );
    refused(
        plain::choice(&[("usn", 1), ("off", 2)]),
        &[("unsn", "`unsn`", "write `usn` or `off`, perhaps `usn`")],
    );
}

#[test]
fn connection_names() {
    taken(
        plain::connection_name,
        &[("active-directory", "active-directory".to_owned()), ("A.b_9", "A.b_9".to_owned())],
    );
    refused(
        plain::connection_name,
        &[
            ("a b", "holds ` `", "1 to 64"),
            ("a/b", "holds `/`", "1 to 64"),
            ("ü", "holds `ü`", "1 to 64"),
            ("..", "cannot be a name", "not `.` or `..`"),
            (&"x".repeat(65), "cannot be a name", "1 to 64"),
        ],
    );
    assert!(plain::connection_name(&"x".repeat(64)).is_ok());
}

#[test]
fn kinds_come_in_one_order() {
    taken(
        plain::kinds,
        &[
            ("users", vec![Kind::User]),
            ("groups, users", vec![Kind::User, Kind::Group]),
            ("computers,groups,users", Kind::ALL.to_vec()),
        ],
    );
    refused(
        plain::kinds,
        &[
            ("user", "`user` is not a kind", "did you mean `users`?"),
            ("users,printers", "`printers` is not a kind", "`computers`"),
            ("users,users", "`users` is listed twice", "once"),
            ("users,,groups", "empty item", "comma-separated"),
            (",", "empty item", "comma-separated"),
            ("Users", "`Users`", "`users`"),
        ],
    );
}

#[test]
fn uuids_have_their_text_form() {
    let lower = "a1b2c3d4-0000-4000-8000-00000000abcd";
    taken(plain::uuid, &[(lower, lower.to_owned()), (&lower.to_uppercase(), lower.to_owned())]);
    refused(
        plain::uuid,
        &[
            ("a1b2c3d4000040008000000000000abc", "is not a UUID", "8-4-4-4-12"),
            ("{a1b2c3d4-0000-4000-8000-00000000abcd}", "is not a UUID", "Qualys UI"),
            ("urn:uuid:a1b2c3d4-0000-4000-8000-00000000abcd", "is not a UUID", "Qualys UI"),
            ("g1b2c3d4-0000-4000-8000-00000000abcd", "is not a UUID", "Qualys UI"),
            ("connector", "`connector` is not a UUID", "Qualys UI"),
        ],
    );
}

#[test]
fn log_filters() {
    for text in ["info", "DEBUG", "off", "info,ldap3=error", "ad_connector::sync=trace,warn", "warn,[run]=debug"] {
        taken(plain::log_filter, &[(text, text.to_owned())]);
    }
    refused(
        plain::log_filter,
        &[
            ("inof", "`inof` is not a level", "did you mean `info`?"),
            ("verbose", "`verbose` is not a level", "TARGET=LEVEL"),
            ("info,ldap3=loud", "is not a log filter", "TARGET=LEVEL"),
            ("info,warnn", "`warnn` is not a level", "`warn`"),
        ],
    );
}

#[test]
fn hosts() {
    let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
    taken(
        host::hosts,
        &[
            ("dc1", list(&["dc1"])),
            ("dc1.corp.example.com, dc_2.corp.example.com.", list(&["dc1.corp.example.com", "dc_2.corp.example.com."])),
            ("10.0.0.1,[2001:db8::1],2001:DB8:0::2", list(&["10.0.0.1", "2001:db8::1", "2001:db8::2"])),
            ("::1", list(&["::1"])),
            ("3com.example", list(&["3com.example"])),
        ],
    );
    refused(
        host::hosts,
        &[
            ("dc1,,dc2", "empty item", "one comma"),
            ("dc1,", "empty item", "one comma"),
            ("ldaps://dc1", "is a URL", "AD_TRANSPORT"),
            ("dc1:636", "`dc1:636` has a port", "AD_PORT"),
            ("[::1]:636", "has a port", "AD_PORT"),
            ("10.0.0.1:389", "has a port", "AD_PORT"),
            ("10.0.0.256", "neither an IPv4 address nor a name", "host name"),
            ("[10.0.0.1]", "`[` does not belong", "host name"),
            ("fe80::1%eth0", "does not belong", "IP address"),
            ("dc 1", "` ` does not belong", "host name"),
            ("-dc1", "begins", "host name"),
            ("dc1..corp", "part between dots", "host name"),
            ("dömäne.example", "`ö` does not belong", "host name"),
            (&"a".repeat(64), "1 to 63", "host name"),
            (&"a.".repeat(200), "1 to 253", "host name"),
        ],
    );
}

#[test]
fn listen_addresses() {
    taken(
        host::listen,
        &[
            ("off", None),
            ("127.0.0.1:8080", Some("127.0.0.1:8080".parse().unwrap())),
            ("[::]:0", Some("[::]:0".parse().unwrap())),
            ("localhost:9", Some("127.0.0.1:9".parse().unwrap())),
        ],
    );
    refused(
        host::listen,
        &[
            ("127.0.0.1", "has no port", "127.0.0.1:8080"),
            ("8080", "not an address with a port", "`off`"),
            (":8080", "not an address with a port", "`off`"),
            ("OFF", "not an address", "`off`"),
            ("localhost:99999", "not an address", "`off`"),
        ],
    );
}

/// SHA-256 of the empty text, in the three notations.
const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const BASE64: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

#[test]
fn pins_in_every_notation_are_the_same() {
    use sha2::Digest as _;
    let sha256: [u8; 32] = sha2::Sha256::digest(b"").into();
    let colons = HEX.to_uppercase().as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect::<Vec<_>>().join(":");
    let url_safe = BASE64.replace('+', "-").replace('/', "_");
    for text in [HEX, &colons, BASE64, BASE64.trim_end_matches('='), &url_safe] {
        let pins = pin::pins(text).unwrap();
        assert_eq!((pins.len(), pins[0].sha256, pins[0].host.as_deref()), (1, sha256, None), "{text}");
        let pins = pin::pins(&format!("{HEX}, DC1.corp.example={text}")).unwrap();
        assert_eq!(pins.len(), 2, "{text}");
        assert_eq!((pins[1].sha256, pins[1].host.as_deref()), (sha256, Some("dc1.corp.example")), "{text}");
    }
}

#[test]
fn pins_of_another_form_are_refused() {
    refused(
        pin::pins,
        &[
            (&HEX[1..], "is not a SHA-256", "openssl x509"),
            ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "is not a SHA-256", "64 hexadecimal digits"),
            (&format!("{HEX},"), "empty item", "64 hexadecimal"),
            ("dc1=abc", "`abc` is not a SHA-256", "HOST="),
            (&format!("={HEX}"), "is not a host", "host name"),
            (&format!("d c={HEX}"), "is not a host", "host name"),
            (&HEX.replace('e', "g"), "is not a SHA-256", "openssl"),
            (&format!("{}+5", &HEX[2..]), "is not a SHA-256", "openssl"),
            // The last character carries bits beyond the 256th.
            (&BASE64.replace("U=", "V="), "is not a SHA-256", "base64"),
        ],
    );
}

#[test]
fn gateways() {
    let same = |text: &'static str| (text, text.to_owned());
    taken(
        url::gateway,
        &[
            same("https://gateway.qg1.apps.qualys.com"),
            ("https://gateway.example/", "https://gateway.example".to_owned()),
            ("https://gateway.example:8443/qualys//", "https://gateway.example:8443/qualys".to_owned()),
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
            ("https://user:hunter2@gateway.example", "holds credentials", "QUALYS_CLIENT_ID"),
            ("https://user@gateway.example", "holds credentials", "QUALYS_CLIENT_ID"),
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
        for fault in [url::gateway(text).err(), url::proxy(text).err(), url::state(text).err()].into_iter().flatten() {
            assert!(!format!("{fault:?}").contains("hunter2"), "{text}: {fault:?}");
        }
    }
}

#[test]
fn ingest_paths() {
    let default = "/rest/2.0/am/connector/asset/data/sync";
    taken(url::ingest_path, &[(default, default.to_owned()), ("/", "/".to_owned()), ("/a?b=%20", "/a?b=%20".to_owned())]);
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
    for text in ["http://proxy:3128", "https://user:pass@proxy.example", "proxy.example:3128", "10.0.0.1:3128"] {
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
    taken(
        url::state,
        &[
            ("sqlite:/var/lib/x.db", "/var/lib/x.db".into()),
            ("sqlite:///var/lib/x.db", "/var/lib/x.db".into()),
            ("sqlite:x.db", "x.db".into()),
            ("sqlite://x/y.db", "x/y.db".into()),
        ],
    );
    refused(
        url::state,
        &[
            ("/var/lib/x.db", "does not begin with `sqlite:`", "sqlite:PATH"),
            ("postgres://u:p@h/d", "names another store", "sqlite:PATH"),
            ("sqlite:", "has no path", "sqlite:PATH"),
            ("sqlite://", "has no path", "sqlite:PATH"),
            ("sqlite::memory:", "would forget", "sqlite:PATH"),
            ("sqlite:/x.db?mode=ro", "options", "sqlite:PATH"),
            ("sqlite:/var/lib/", "is a directory", "sqlite:PATH"),
        ],
    );
}

#[test]
fn filters() {
    let same = |text: &'static str| (text, text.to_owned());
    taken(
        filter::filter,
        &[
            same("(department=Sales)"),
            ("department=Sales", "(department=Sales)".to_owned()),
            ("!(cn=a)", "(!(cn=a))".to_owned()),
            ("&(a=b)(c=d)", "(&(a=b)(c=d))".to_owned()),
            same("(&(|(a=b)(c=*))(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"),
            same("(cn=a\\28b\\29)"),
            same("(cn=Müller*)"),
        ],
    );
    refused(
        filter::filter,
        &[
            ("(a=b", "a `)` is missing", "LDAP filter"),
            ("(&(a=b)(c=d", "2 `)` are missing", "LDAP filter"),
            ("(a=b))", "`)` follows its end", "LDAP filter"),
            ("(a=b)(c=d)", "`(c=d)` follows its end", "LDAP filter"),
            (")", "follows its end", "LDAP filter"),
            ("(&(a=b)(department))", "`(department)`: it has no `=`", "LDAP filter"),
            ("(&(a=b)())", "`()`: it is empty", "LDAP filter"),
            ("(=x)", "it has no attribute", "LDAP filter"),
            ("(a b=x)", "a space before its `=`", "LDAP filter"),
            ("(cn=CORP\\sales)", "not followed by two hexadecimal digits", "\\5c"),
            ("(cn=a**b)", "two `*` stand together", "LDAP filter"),
            ("(&a=b)", "malformed", "LDAP filter"),
            ("(!(a=b)(c=d))", "not followed by parts in parentheses", "LDAP filter"),
        ],
    );
}

#[test]
fn a_filter_nested_without_end_does_not_exhaust_the_stack() {
    let deep = |depth: usize| format!("{}(a=b){}", "(!".repeat(depth), ")".repeat(depth));
    assert!(filter::filter(&deep(49)).is_ok());
    refused(filter::filter, &[(&deep(50), "nested deeper than 50", ""), (&deep(200_000), "nested deeper", "")]);
}

#[test]
fn schedules() {
    for text in [
        "*/15 * * * *", "0 2 * * SUN", "30 */5 * * * *", "0 0 2 * * MON-FRI 2027", "@daily", "0 0 L * *", "0 9 * * MON#1",
        "0 0 29 2 *", "0 0 ? * 1",
    ] {
        taken(time::cron(now()), &[(text, text.to_owned())]);
    }
    refused(
        time::cron(now()),
        &[
            ("* * * *", "it has 4 of 5, 6 or 7 fields", "*/15 * * * *"),
            ("* * * * * * * *", "it has 8 of", "*/15 * * * *"),
            ("61 * * * *", "`61 * * * *` is not a schedule", "*/15 * * * *"),
            ("0 25 * * *", "is not a schedule", "*/15 * * * *"),
            ("*/0 * * * *", "is not a schedule", "*/15 * * * *"),
            ("every 15 minutes please now", "is not a schedule", "*/15 * * * *"),
            ("@never", "is not a schedule", "*/15 * * * *"),
            ("'*/15 * * * *'", "the quotes became part of it", ""),
            ("off", "it has 1 of", "*/15 * * * *"),
            (&"1,".repeat(200), "longer than 200", ""),
        ],
    );
    assert_eq!(time::cron_or_off(now())("off"), Ok(None));
    assert_eq!(time::cron_or_off(now())("@weekly"), Ok(Some("@weekly".to_owned())));
}

#[test]
fn a_schedule_without_a_moment_left_is_refused() {
    refused(
        time::cron(now()),
        &[
            ("0 0 30 2 *", "`0 0 30 2 *` has no moment left to run", "the calendar has"),
            ("0 0 31 4,6,9,11 *", "no moment left", "the calendar has"),
            ("0 0 0 1 1 * 2025", "no moment left", "a year that is not over"),
            ("* * * 30 2 *", "no moment left", "the calendar has"),
        ],
    );
    assert!(time::cron(now())("0 59 23 31 12 * 2026").is_ok());
}

#[test]
fn time_zones() {
    taken(time::time_zone, &[("UTC", chrono_tz::UTC), ("Europe/Berlin", chrono_tz::Europe::Berlin)]);
    refused(
        time::time_zone,
        &[
            ("Europe/Berln", "`Europe/Berln` is not a time zone", "did you mean Europe/Berlin?"),
            ("berlin", "is not a time zone", "did you mean Europe/Berlin?"),
            ("europe/berlin", "is not a time zone", "did you mean Europe/Berlin?"),
            ("New_York", "is not a time zone", "did you mean America/New_York?"),
            ("somewhere over the rainbow", "is not a time zone", "an IANA name"),
        ],
    );
}

const CA: &str = "-----BEGIN CERTIFICATE-----
MIIBfDCCASGgAwIBAgIUCwc9HImQ/VUvOCf6XoK80ukIjyMwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjIxMDMzMTdaGA8yMTI2MTAyOTEw
MzMxN1owEjEQMA4GA1UEAwwHVGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABLvYuPZec3lRPBCvy9oa6alggcLgS1e/nIEeRvvOrxGdISRyPHlEbYoXp0tu
oqptDH59kUXv3VxnK6PCnqcn696jUzBRMB0GA1UdDgQWBBRJo1t237EcjpVqFKUA
WINNSLidaTAfBgNVHSMEGDAWgBRJo1t237EcjpVqFKUAWINNSLidaTAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCQ5D8lDYbBF/GmrxIune+2BcgE
OvrmEV0q9T2lb9yFxAIhAN5BtXdX56SWz+mdmzv27mn/qSEuphVkHPVclouDuoUi
-----END CERTIFICATE-----
";

#[test]
fn certificates_in_der_and_pem_one_and_several() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let pem = certificate::certificates(&write("ca.pem", CA.as_bytes())).unwrap();
    assert_eq!(pem.len(), 1);
    assert_eq!(certificate::certificates(&write("ca.cer", &pem[0])).unwrap(), pem);
    let chain = format!("\u{feff}{}comment\r\n{CA}", CA.replace('\n', "\r\n"));
    assert_eq!(certificate::certificates(&write("chain.pem", chain.as_bytes())).unwrap(), [pem[0].clone(), pem[0].clone()]);
}

#[test]
fn what_is_no_certificate_is_refused_with_path_and_reason() {
    let directory = tempfile::tempdir().unwrap();
    let der = {
        let path = directory.path().join("ca.pem");
        std::fs::write(&path, CA).unwrap();
        certificate::certificates(path.to_str().unwrap()).unwrap().remove(0)
    };
    let section = |kind: &str, body: &str| format!("-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n").into_bytes();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", b" \n".to_vec(), "is empty"),
        ("garbage", b"hello".to_vec(), "is neither a DER nor a PEM certificate"),
        ("key", section("PRIVATE KEY", "aHVudGVyMg=="), "is a private key, not a certificate"),
        ("rsa", section("RSA PRIVATE KEY", "aHVudGVyMg=="), "is a private key, not a certificate"),
        ("locked", section("ENCRYPTED PRIVATE KEY", "aHVudGVyMg=="), "is a private key, not a certificate"),
        ("csr", section("CERTIFICATE REQUEST", "aHVudGVyMg=="), "is PEM without a CERTIFICATE section"),
        ("not-base64", section("CERTIFICATE", "hunter2!"), "is damaged PEM"),
        ("endless", CA.replace("-----END CERTIFICATE-----", "").into_bytes(), "is damaged PEM"),
        ("wrong", section("CERTIFICATE", "aHVudGVyMg=="), "certificate 1 does not parse"),
        ("trailing", [der.as_slice(), b"x"].concat(), "certificate 1 has bytes after its end"),
        ("truncated", der[..der.len() - 1].to_vec(), "is neither a DER nor a PEM certificate"),
        ("large", vec![b' '; (4 << 20) + 1], "it is larger than 4 MiB"),
    ];
    for (name, content, cause) in cases {
        let path = directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        let fault = certificate::certificates(path.to_str().unwrap()).unwrap_err();
        assert!(fault.cause.contains(cause), "{name}: {}", fault.cause);
        assert!(!fault.cause.contains("hunter2") && !fault.cause.contains("aHVudGVyMg"), "{}", fault.cause);
    }
    refused(
        certificate::certificates,
        &[("/no/such/file", "`/no/such/file`: cannot be read: No such file", "DER or PEM")],
    );
}

#[test]
fn files_are_opened_at_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(plain::file(file.path().to_str().unwrap()), Ok(file.path().to_owned()));
    refused(plain::file, &[("/no/such", "cannot be read: No such file", "readable"), ("/tmp", "is a directory", "readable")]);
}

proptest! {
    #[test]
    fn no_text_panics_a_check(text in "(?s).{0,60}") {
        every_check(&text);
    }

    #[test]
    fn no_likely_text_panics_a_check(
        text in "[0-9*/,LW#?@A-Z -]{0,30}|[()&|!=*\\\\a-f:<>~]{0,40}|[0-9]{0,25}[a-zA-Z]{0,3}|[0-9a-f:.\\[\\]%=,+/]{0,70}|[a-z:/@?#\\[\\].0-9]{0,40}"
    ) {
        every_check(&text);
    }

    #[test]
    fn no_cron_panics(text in "([0-9*]{1,4}([-/,#LW][0-9]{0,4}){0,2} ){4}[0-9*L]{1,2}([-/,#][0-9A-Z]{0,3})?( [0-9*]{1,5})?") {
        let _ = time::cron(now())(&text);
    }

    #[test]
    fn a_filter_that_is_taken_is_taken_again_unchanged(text in "[()&|!=*a-c]{0,12}|\\((&|\\||!)?(\\([a-c]=[a-c*]\\)){1,3}\\)") {
        if let Ok(filter) = filter::filter(&text) {
            prop_assert_eq!(filter::filter(&filter), Ok(filter.clone()));
            let joined = format!("(&(objectCategory=group){filter})");
            prop_assert!(ldap3::parse_filter(joined).is_ok());
        }
    }
}

fn every_check(text: &str) {
    let _ = quantity::number(0_u64..=u64::MAX)(text);
    let _ = quantity::duration(Duration::ZERO..=Duration::MAX)(text);
    let _ = quantity::size(0..=u64::MAX)(text);
    let _ = plain::boolean(text);
    let _ = plain::text(3)(text);
    let _ = plain::connection_name(text);
    let _ = plain::distinguished_name(text);
    let _ = plain::kinds(text);
    let _ = plain::uuid(text);
    let _ = plain::log_filter(text);
    let _ = host::hosts(text);
    let _ = host::listen(text);
    let _ = pin::pins(text);
    let _ = time::cron(now())(text);
    let _ = time::time_zone(text);
    let _ = url::gateway(text);
    let _ = url::ingest_path(text);
    let _ = url::proxy(text);
    let _ = url::state(text);
    let _ = filter::filter(text);
}
