use proptest::prelude::*;

use super::*;

fn dn(text: &str) -> DistinguishedName {
    DistinguishedName::parse(text).unwrap()
}

#[test]
fn takes_a_name_apart() {
    let name = dn("CN=Jane Doe,OU=Staff,DC=example,DC=com");
    assert_eq!(name.depth(), 4);
    assert_eq!(name.rdn_type(), Some("CN"));
    assert_eq!(name.rdn_value(), Some("Jane Doe"));
    assert_eq!(name.to_string(), "CN=Jane Doe,OU=Staff,DC=example,DC=com");
}

#[test]
fn walks_up_to_the_root() {
    let mut name = dn("CN=a\\,b , OU=Staff ,DC=com");
    let mut steps = vec![name.as_str().to_owned()];
    while let Some(parent) = name.parent() {
        assert_eq!(dn(parent.as_str()), parent);
        assert_eq!(parent.rdn_value(), dn(parent.as_str()).rdn_value());
        steps.push(parent.as_str().to_owned());
        name = parent;
    }
    assert_eq!(
        steps,
        ["CN=a\\,b , OU=Staff ,DC=com", "OU=Staff ,DC=com", "DC=com", ""]
    );
}

#[test]
fn the_empty_name_is_the_root() {
    for text in ["", "   "] {
        let root = dn(text);
        assert_eq!((root.depth(), root.rdn_value(), root.parent()), (0, None, None));
        assert!(dn("DC=com").is_within(&root));
    }
}

#[test]
fn unescapes_values() {
    for (text, value) in [
        (r"CN=Doe\, Jane,DC=com", "Doe, Jane"),
        (r"CN=Doe\2C Jane,DC=com", "Doe, Jane"),
        (r"CN=\c4\8d\C4\8D", "čč"),
        (r"CN=\ two spaces \ ,DC=com", " two spaces  "),
        (r#"CN=\#1\+1\=2\;\<\>\\\""#, r#"#1+1=2;<>\""#),
        ("CN=  loose  ", "loose"),
        ("CN=a=b", "a=b"),
        ("CN=", ""),
        ("CN=#04024869", "#04024869"),
    ] {
        let text = if text.ends_with(r"\\\") {
            format!("{text}\"")
        } else {
            text.to_owned()
        };
        assert_eq!(dn(&text).rdn_value(), Some(value), "{text}");
    }
}

#[test]
fn reads_deleted_and_conflicting_names() {
    let guid = "a34d55ee-0c1f-4d3b-9a51-2f6f0f1e7a10";
    for mark in ["DEL", "CNF"] {
        let escaped = dn(&format!(
            "CN=Jane\\0A{mark}:{guid},CN=Deleted Objects,DC=example,DC=com"
        ));
        let raw = dn(&format!(
            "CN=Jane\n{mark}:{guid},CN=Deleted Objects,DC=example,DC=com"
        ));
        assert_eq!(escaped.rdn_value(), Some(format!("Jane\n{mark}:{guid}").as_str()));
        assert_eq!(escaped, raw);
    }
}

#[test]
fn equal_when_only_the_spelling_differs() {
    let name = dn(r"CN=Doe\, Jane,OU=Größe,DC=Example,DC=com");
    for other in [
        r"cn=doe\2c jane,ou=GRÖßE,dc=example,dc=COM",
        r"CN = Doe\2C\20Jane ,  OU= Gr\c3\b6ße,DC=example , DC=com",
        r"CN=\44oe\, Jane,OU=Größe,DC=Example,DC=com",
    ] {
        assert_eq!(dn(other), name, "{other}");
    }
    assert_eq!(dn("CN=ΟΔΟΣ"), dn("CN=οδος"));
    assert_eq!(dn("CN=a+SN=b"), dn("sn=B + cn=A"));
}

#[test]
fn a_separator_in_a_value_is_not_a_separator() {
    assert_ne!(dn(r"CN=a\,DC=com"), dn("CN=a,DC=com"));
    assert_ne!(dn(r"CN=a\+SN=b"), dn("CN=a+SN=b"));
    assert_ne!(dn(r"CN=\ a"), dn("CN=a"));
}

#[test]
fn r08_within_a_base_by_whole_steps() {
    let base = dn("OU=Staff,DC=example,DC=com");
    for (text, within, child) in [
        ("OU=Staff,DC=example,DC=com", true, false),
        ("ou=STAFF, dc=Example, dc=com", true, false),
        ("CN=Jane,OU=Staff,DC=example,DC=com", true, true),
        ("CN=Jane,OU=Berlin,ou=staff,dc=example,dc=com", true, false),
        ("CN=Jane,OU=Other Staff,DC=example,DC=com", false, false),
        ("CN=Jane,DC=example,DC=com", false, false),
        ("DC=example,DC=com", false, false),
        (r"CN=Jane\,OU=Staff,DC=example,DC=com", false, false),
        ("CN=Jane,OU=Staff,DC=example,DC=com,DC=net", false, false),
        ("", false, false),
    ] {
        assert_eq!(
            (dn(text).is_within(&base), dn(text).is_child_of(&base)),
            (within, child),
            "{text}"
        );
    }
}

#[test]
fn refuses_what_is_no_name_and_says_where() {
    for (text, at, reason) in [
        ("Staff", 6, "`=` is missing"),
        ("OU=Staff,", 10, "attribute type"),
        ("OU=Staff,,DC=com", 10, "attribute type"),
        ("=x", 1, "attribute type"),
        ("<GUID=a34d55ee-0c1f-4d3b-9a51-2f6f0f1e7a10>", 1, "attribute type"),
        ("CN=\"Doe, Jane\"", 4, "without a"),
        ("CN=é;DC=com", 5, "without a"),
        ("CN=a\\", 6, "nothing follows"),
        ("CN=\\FF", 4, "not UTF-8"),
        ("OU Staff=a", 4, "`=` is missing"),
    ] {
        let error = DistinguishedName::parse(text).unwrap_err();
        assert_eq!(error.at, at, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn r12_an_error_stays_short_and_on_one_line() {
    let error = DistinguishedName::parse(&format!("CN=a\n{};", "x".repeat(100_000))).unwrap_err();
    let text = error.to_string();
    assert!(text.len() < 500 && !text.contains('\n'), "{text}");
    assert_eq!(error.at, 100_006);
}

proptest! {
    #[test]
    fn r12_any_text_is_answered(text in "\\PC*", likely in "[CN=,+\\\\# \"a0Ff;é\n]{0,30}") {
        for text in [text, likely] {
            if let Ok(name) = DistinguishedName::parse(&text) {
                prop_assert_eq!(name.as_str(), &text);
                prop_assert!(name.is_within(&name));
                if let Some(parent) = name.parent() {
                    prop_assert!(name.is_child_of(&parent));
                }
            }
        }
    }

    #[test]
    fn any_value_survives_escaping(value in any::<String>(), above in any::<String>()) {
        let text = format!("CN={},OU={}", DistinguishedName::escape_value(&value), DistinguishedName::escape_value(&above));
        let name = DistinguishedName::parse(&text).unwrap();
        prop_assert_eq!(name.rdn_value(), Some(value.as_str()));
        let parent = name.parent().unwrap();
        prop_assert_eq!(parent.rdn_value(), Some(above.as_str()));
        prop_assert_eq!(name.depth(), 2);
    }

    #[test]
    fn r38_a_backslash_before_any_character_is_accepted(value in "[^\\x00-\\x1f\\\\ 0-9a-fA-F,+;<>\"=#]{1,20}") {
        let escaped: String = value.chars().flat_map(|character| ['\\', character]).collect();
        let name = dn(&format!("CN={escaped},DC=com"));
        prop_assert_eq!(name.rdn_value(), Some(value.as_str()));
    }
}

#[test]
fn r38_every_escape_that_a_server_writes_is_accepted() {
    for (text, value) in [
        // Samba.
        (r"CN=who\? me\?,DC=com", "who? me?"),
        (r"CN=a\3Db\3Bc,DC=com", "a=b;c"),
        // Windows, which escapes every number sign and equals sign.
        (r"CN=a\#b\=c,DC=com", "a#b=c"),
        (r"CN=\ a \ ,DC=com", " a  "),
        (r"CN=a\/b\*c\é,DC=com", "a/b*cé"),
        (r"CN=\g\zz,DC=com", "gzz"),
        (r"CN=a\4,DC=com", "a4"),
        (r"CN=\4g,DC=com", "4g"),
        ("CN=?=?,DC=com", "?=?"),
        (r"CN=a+OU=b\?,DC=com", "a"),
        (
            r"CN=Jane\0ADEL:a34d55ee-0c1f-4d3b-9a51-2f6f0f1f7a10,DC=com",
            "Jane\nDEL:a34d55ee-0c1f-4d3b-9a51-2f6f0f1f7a10",
        ),
    ] {
        let name = dn(text);
        assert_eq!(name.rdn_value(), Some(value), "{text}");
        assert_eq!(name.parent().unwrap().as_str(), "DC=com", "{text}");
    }
}

#[test]
fn domains_are_distinguished_by_the_end_of_the_name() {
    let name = |text: &str| DistinguishedName::parse(text).unwrap();
    let jane = name("CN=Jane,OU=Staff,DC=corp,DC=example");
    assert!(jane.shares_domain_with(&name("CN=All,CN=Users,dc=Corp,dc=example")));
    // Only ASCII letters are equal without case: that is DNS.
    let straße = name("CN=Jane,DC=straße");
    assert!(!straße.shares_domain_with(&name("CN=All,DC=strasse")));
    assert!(straße.shares_domain_with(&name("CN=All,DC=STRAßE")));
    assert!(!jane.shares_domain_with(&name("CN=All,CN=Users,DC=emea,DC=corp,DC=example")));
    assert!(!jane.shares_domain_with(&name("CN=All,CN=Users,DC=example")));
}
