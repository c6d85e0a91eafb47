use super::*;

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
    refused(
        quantity::number(1..=u16::MAX),
        &[("0", "out of range", "1 to 65535"), ("65536", "out of range", "")],
    );
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
        &[
            ("active-directory", "active-directory".to_owned()),
            ("A.b_9", "A.b_9".to_owned()),
        ],
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
            ("roles,computers,groups,users", Kind::ALL.to_vec()),
        ],
    );
    refused(
        plain::kinds,
        &[
            ("user", "`user` is not a kind", "did you mean `users`?"),
            ("users,printers", "`printers` is not a kind", "`roles`"),
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
    taken(
        plain::uuid,
        &[
            (lower, lower.to_owned()),
            (&lower.to_uppercase(), lower.to_owned()),
        ],
    );
    refused(
        plain::uuid,
        &[
            ("a1b2c3d4000040008000000000000abc", "is not a UUID", "8-4-4-4-12"),
            (
                "{a1b2c3d4-0000-4000-8000-00000000abcd}",
                "is not a UUID",
                "Qualys UI",
            ),
            (
                "urn:uuid:a1b2c3d4-0000-4000-8000-00000000abcd",
                "is not a UUID",
                "Qualys UI",
            ),
            (
                "g1b2c3d4-0000-4000-8000-00000000abcd",
                "is not a UUID",
                "Qualys UI",
            ),
            ("connector", "`connector` is not a UUID", "Qualys UI"),
            (
                "00000000-0000-0000-0000-000000000000",
                "is still the one of the example",
                "copy it from the connector's page",
            ),
        ],
    );
}

#[test]
fn log_filters() {
    for text in [
        "info",
        "DEBUG",
        "off",
        "info,ldap3=error",
        "ad_connector::sync=trace,warn",
        "warn,[run]=debug",
    ] {
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
            (
                "(&(a=b)(department))",
                "`(department)`: it has no `=`",
                "LDAP filter",
            ),
            ("(&(a=b)())", "`()`: it is empty", "LDAP filter"),
            ("(=x)", "it has no attribute", "LDAP filter"),
            ("(a b=x)", "a space before its `=`", "LDAP filter"),
            (
                "(cn=CORP\\sales)",
                "not followed by two hexadecimal digits",
                "\\5c",
            ),
            ("(cn=a**b)", "two `*` stand together", "LDAP filter"),
            ("(&a=b)", "malformed", "LDAP filter"),
            (
                "(!(a=b)(c=d))",
                "not followed by parts in parentheses",
                "LDAP filter",
            ),
        ],
    );
}

#[test]
fn a_filter_nested_without_end_does_not_exhaust_the_stack() {
    let deep = |depth: usize| format!("{}(a=b){}", "(!".repeat(depth), ")".repeat(depth));
    assert!(filter::filter(&deep(49)).is_ok());
    refused(
        filter::filter,
        &[
            (&deep(50), "nested deeper than 50", ""),
            (&deep(200_000), "nested deeper", ""),
        ],
    );
}

#[test]
fn files_are_opened_at_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(
        plain::file(file.path().to_str().unwrap()),
        Ok(file.path().to_owned())
    );
    refused(
        plain::file,
        &[
            ("/no/such", "cannot be read: No such file", "readable"),
            ("/tmp", "is a directory", "readable"),
        ],
    );
}

#[test]
fn base_contexts() {
    for text in [
        "DC=corp,DC=example",
        "OU=R\\, D,DC=corp",
        "ou=Staff, dc=corp, dc=example",
    ] {
        assert_eq!(plain::distinguished_name(text).unwrap().as_str(), text);
    }
    refused(
        plain::distinguished_name,
        &[
            (
                "corp.example.com",
                "`corp.example.com` is not a distinguished name",
                "copy the attribute distinguishedName",
            ),
            (
                "DC=corp,",
                "is not a distinguished name",
                "copy the attribute distinguishedName",
            ),
            (
                "OU=a\\",
                "is not a distinguished name",
                "copy the attribute distinguishedName",
            ),
        ],
    );
}
