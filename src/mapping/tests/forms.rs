use super::*;

/// Returns one value in `form`.
fn formed(form: &str, value: impl AsRef<[u8]>) -> Option<serde_json::Value> {
    made(
        &format!("source = \"a\"\nform = \"{form}\""),
        &bare().with("a", value),
    )
}

fn text(form: &str, value: impl AsRef<[u8]>) -> Option<String> {
    formed(form, value).map(|json| json.as_str().unwrap().to_owned())
}

#[test]
fn text_is_unchanged() {
    assert_eq!(text("text", " Größe 🙂 ").unwrap(), " Größe 🙂 ");
    assert_eq!(text("text", b"\xff"), None);
    assert_eq!(text("text", ""), None);
}

#[test]
fn r16_the_smallest_value_that_is_not_empty_counts_in_any_order() {
    for (row, values, wanted) in [
        ("source = \"description\"", ["b", "a", "c"], "a"),
        (
            "source = \"proxyAddresses\"",
            ["smtp:j@x", "SMTP:jane@x", ""],
            "SMTP:jane@x",
        ),
        ("source = \"a\"", ["ä", "z", "Z"], "Z"),
        // Octet by octet, whatever the form.
        ("source = \"a\"\nform = \"integer\"", ["9", "10", ""], "10"),
        (
            "source = \"manager\"\nform = \"dn_name\"",
            ["CN=b,DC=x", "CN=a,DC=y", "cn=A,DC=x"],
            "a",
        ),
    ] {
        let [one, two, three] = values;
        for order in [[one, two, three], [three, two, one], [two, three, one]] {
            let values: Vec<&[u8]> = order.iter().map(|value| value.as_bytes()).collect();
            let name = row.split('"').nth(1).unwrap();
            let made = made(row, &bare().with_all(name, &values)).unwrap();
            let text = made.as_str().map_or_else(|| made.to_string(), str::to_owned);
            assert_eq!(text, wanted, "{order:?}");
        }
    }
    let row = "source = \"description\"";
    assert_eq!(made(row, &bare().with_all("description", &[b"", b""])), None);
    assert_eq!(made(row, &bare().with_all("description", &[])), None);
}

#[test]
fn r16_of_several_values_that_are_no_text_the_same_one_is_named() {
    let mapping = mapping("[[user]]\nsource = \"a\"\nform = \"list\"\ntarget = \"asset.x\"\nrequired = true");
    let reason = |values: &[&[u8]]| {
        let object = bare().with_all("a", values);
        mapping.apply(Kind::User, &object).unwrap_err().to_string()
    };
    let (one, two): (&[u8], &[u8]) = (b"\xff\xff\xff", b"\xfe");
    assert_eq!(reason(&[one, two, b"good"]), reason(&[two, b"good", one]));
}

#[test]
fn integers() {
    assert_eq!(formed("integer", "42").unwrap(), 42);
    assert_eq!(formed("integer", "-9223372036854775808").unwrap(), i64::MIN);
    for bad in ["4.2", "9223372036854775808", "+1", "", " 1", "one"] {
        assert_eq!(formed("integer", bad), None, "{bad}");
    }
}

#[test]
fn booleans() {
    assert_eq!(formed("boolean", "TRUE").unwrap(), true);
    assert_eq!(formed("boolean", "False").unwrap(), false);
    assert_eq!(formed("boolean", "1"), None);
}

#[test]
fn r14_sids_and_guids() {
    assert_eq!(text("sid", SID).unwrap(), SID_TEXT);
    assert_eq!(text("guid", GUID).unwrap(), GUID_TEXT);
    assert_eq!(text("sid", SID_TEXT), None);
    assert_eq!(text("guid", &GUID[1..]), None);
}

#[test]
fn moments_of_both_kinds_are_distinguished() {
    for value in [
        "134397870349999999",
        "20261122021034.0Z",
        "20261122021034Z",
        "20261122031034+0100",
    ] {
        assert_eq!(text("iso8601", value).unwrap(), "2026-11-22T02:10:34Z", "{value}");
        assert_eq!(
            formed("epoch_ms", value).unwrap(),
            1_795_313_434_000_i64,
            "{value}"
        );
    }
    // Fourteen digits without a zone are a FILETIME, early in 1601.
    assert_eq!(text("iso8601", "20261122021034").unwrap(), "1601-01-24T10:48:32Z");
}

#[test]
fn r13_never_is_absent_in_every_spelling() {
    for value in [
        "0",
        "9223372036854775807",
        "-1",
        "-9223372036854775808",
        "2650467744000000000",
        "99999999999999999999",
        "16010101000000.0Z",
    ] {
        assert_eq!(text("iso8601", value), None, "{value}");
        assert_eq!(formed("epoch_ms", value), None, "{value}");
    }
}

#[test]
fn r13_never_does_not_reject_but_garbage_does_when_required() {
    let mapping = mapping("[[user]]\nsource = \"pwdLastSet\"\ntarget = \"asset.x\"\nrequired = true");
    let cause = |value: &str| {
        mapping
            .apply(Kind::User, &bare().with("pwdLastSet", value))
            .unwrap_err()
            .cause
    };
    assert_eq!(cause("0"), UnmappableCause::Missing);
    assert!(matches!(cause("soon"), UnmappableCause::Undecodable(..)));
    assert!(matches!(cause("-"), UnmappableCause::Undecodable(..)));
}

#[test]
fn group_types() {
    for (value, wanted) in [
        ("-2147483646", Some("Security Group - Global")),
        ("2147483650", Some("Security Group - Global")),
        ("-2147483643", Some("Security Group - Builtin Local")),
        ("8", Some("Distribution Group - Universal")),
        ("16", None),
        ("4294967296", None),
        ("x", None),
    ] {
        assert_eq!(text("group_type", value).as_deref(), wanted, "{value}");
    }
}

#[test]
fn accounts_enabled_or_not() {
    assert_eq!(formed("account_enabled", "512").unwrap(), true);
    assert_eq!(formed("account_enabled", "66050").unwrap(), false);
    assert_eq!(formed("account_enabled", "-1").unwrap(), false);
    assert_eq!(formed("account_enabled", "yes"), None);
}

const STATUS: &str = "source = \"userAccountControl\"\nform = \"account_status\"";

#[test]
fn the_status_of_an_account_is_read_from_several_attributes() {
    const COMPUTED: &str = "msDS-User-Account-Control-Computed";
    // The object is read on 2026-11-22 at 10:06:40; the first of these is a second before that, the
    // second the very moment.
    let (before, now, after) = ("134398155990000000", "134398156000000000", "134398156010000000");
    for (control, computed, expires, wanted) in [
        ("512", None, None, "enabled"),
        ("512", Some("0"), Some("9223372036854775807"), "enabled"),
        ("512", Some("0"), Some("0"), "enabled"),
        ("514", Some("8388624"), Some(before), "disabled"),
        ("512", Some("8388624"), Some(before), "locked"),
        ("512", Some("8388608"), Some(before), "expired"),
        ("512", Some("8388608"), Some(now), "expired"),
        ("512", Some("8388608"), Some(after), "password_expired"),
        ("512", Some("16"), Some(after), "locked"),
        ("66048", Some("134217728"), Some(after), "enabled"),
        // Stale since Windows Server 2003: the bits of the computed attribute are the correct ones.
        ("8389136", Some("0"), None, "enabled"),
    ] {
        let mut account = bare().with("userAccountControl", control);
        for (name, value) in [(COMPUTED, computed), ("accountExpires", expires)] {
            if let Some(value) = value {
                account = account.with(name, value);
            }
        }
        assert_eq!(
            made(STATUS, &account).unwrap(),
            wanted,
            "{control} {computed:?} {expires:?}"
        );
    }
}

#[test]
fn no_account_has_no_status() {
    assert_eq!(made(STATUS, &bare()), None);
    let odd = bare().with("userAccountControl", "512");
    assert_eq!(made(STATUS, &odd.clone().with("userAccountControl", "on")), None);
    assert_eq!(
        made(STATUS, &odd.with("msDS-User-Account-Control-Computed", "x")),
        None
    );
}

#[test]
fn a_status_asks_for_all_its_attributes_and_nothing_else_does() {
    let with = mapping(&format!("[[user]]\n{STATUS}\ntarget = \"asset.x\""));
    assert_eq!(
        with.attributes(Kind::User),
        [
            "accountExpires",
            "msDS-User-Account-Control-Computed",
            "objectSid",
            "userAccountControl"
        ]
    );
    let without =
        mapping("[[user]]\nsource = \"userAccountControl\"\nform = \"uac_flags\"\ntarget = \"asset.x\"");
    assert_eq!(
        without.attributes(Kind::User),
        ["objectSid", "userAccountControl"]
    );
}

#[test]
fn switches_of_an_account_by_name() {
    assert_eq!(
        formed("uac_flags", "66050").unwrap().to_string(),
        r#"["ADS_UF_ACCOUNT_DISABLE","ADS_UF_NORMAL_ACCOUNT","ADS_UF_DONT_EXPIRE_PASSWD"]"#
    );
    for nothing in ["0", "-2147483648", "x", ""] {
        assert_eq!(formed("uac_flags", nothing), None, "{nothing}");
    }
}

#[test]
fn the_first_name_of_a_distinguished_name() {
    assert_eq!(
        text("dn_name", r"CN=Doe\, Jane,OU=Staff,DC=com").unwrap(),
        "Doe, Jane"
    );
    assert_eq!(text("dn_name", "no name"), None);
    assert_eq!(text("dn_name", "CN=,DC=com"), None);
}

#[test]
fn the_pseudo_source_dn() {
    assert_eq!(
        made("source = \"dn\"", &bare()).unwrap(),
        "CN=Jane Doe,OU=Staff,DC=example,DC=com"
    );
    assert_eq!(
        made("source = \"DN\"\nform = \"dn_name\"", &bare()).unwrap(),
        "Jane Doe"
    );
}

#[test]
fn lists() {
    assert_eq!(formed("list", "x\"y").unwrap().to_string(), r#"["x\"y"]"#);
    assert_eq!(formed("list", ""), None);
    let half = bare().with_all("a", &[b"good", b"\xff"]);
    assert_eq!(made("source = \"a\"\nform = \"list\"", &half), None);
}

#[test]
fn natural_forms_ignore_case() {
    for (attribute, form) in [
        ("objectSid", Form::Sid),
        ("OBJECTGUID", Form::Guid),
        ("whencreated", Form::Iso8601),
        ("pwdLastSet", Form::Iso8601),
        ("lastLogonTimestamp", Form::Iso8601),
        ("accountExpires", Form::Iso8601),
        ("groupType", Form::GroupType),
        ("userAccountControl", Form::Text),
        ("mail", Form::Text),
    ] {
        assert_eq!(Form::natural(attribute), form, "{attribute}");
    }
}

#[test]
fn names_and_forms_belong_together() {
    for form in Form::ALL {
        assert_eq!(Form::from_name(form.name()), Some(form));
    }
    assert_eq!(Form::from_name("Text"), None);
}
