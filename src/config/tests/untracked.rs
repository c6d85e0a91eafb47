//! Filters that a delta cannot follow (R31), and the ports of the global catalogue.

use super::*;

const FILTERS: [&str; 4] = [
    "AD_USER_FILTER",
    "AD_GROUP_FILTER",
    "AD_COMPUTER_FILTER",
    "AD_ROLE_FILTER",
];

#[test]
fn r31_a_filter_that_a_delta_cannot_follow_is_refused_with_reason_and_alternative() {
    for (filter, attribute, reason, alternative) in [
        (
            "memberOf=CN=Staff,DC=corp,DC=example",
            "memberOf",
            "back-link",
            "AD_MEMBER_OF",
        ),
        ("(MEMBEROF=*)", "MEMBEROF", "back-link", "AD_MEMBER_OF"),
        (
            "(&(mail=*)(!(|(cn=a)(memberof=x))))",
            "memberof",
            "back-link",
            "AD_MEMBER_OF",
        ),
        (
            "(1.2.840.113556.1.2.102=x)",
            "1.2.840.113556.1.2.102",
            "back-link",
            "AD_MEMBER_OF",
        ),
        (
            "(memberOf:1.2.840.113556.1.4.1941:=x)",
            "memberOf",
            "in-chain",
            "AD_MEMBER_OF",
        ),
        (
            "(memberOf:dn:1.2.840.113556.1.4.1941:=x)",
            "memberOf",
            "in-chain",
            "AD_MEMBER_OF",
        ),
        (
            "(manager:1.2.840.113556.1.4.1941:=x)",
            "manager",
            "in-chain",
            "AD_DELTA=off",
        ),
        (
            "(member:1.2.840.113556.1.4.1941:=x)",
            "member",
            "in-chain",
            "AD_DELTA=off",
        ),
        ("(directReports=*)", "directReports", "back-link", "leave it out"),
        (
            "(managedObjects=*)",
            "managedObjects",
            "back-link",
            "leave it out",
        ),
        ("(tokenGroups=x)", "tokenGroups", "constructed", "AD_MEMBER_OF"),
        (
            "(msDS-User-Account-Control-Computed:1.2.840.113556.1.4.803:=16)",
            "msDS-User-Account-Control-Computed",
            "constructed",
            "`lockoutTime`",
        ),
        (
            "(msDS-UserPasswordExpiryTimeComputed>=1)",
            "msDS-UserPasswordExpiryTimeComputed",
            "constructed",
            "`pwdLastSet`",
        ),
        (
            "(canonicalName=*)",
            "canonicalName",
            "constructed",
            "AD_BASE_CONTEXT",
        ),
        (
            "(primaryGroupToken=513)",
            "primaryGroupToken",
            "constructed",
            "`objectSid`",
        ),
        (
            "(lastLogon>=1)",
            "lastLogon",
            "not replicated",
            "`lastLogonTimestamp`",
        ),
        (
            "(lastlogon<=1)",
            "lastlogon",
            "not replicated",
            "`lastLogonTimestamp`",
        ),
        (
            "(logonCount~=1)",
            "logonCount",
            "not replicated",
            "`lastLogonTimestamp`",
        ),
        (
            "(badPwdCount=3)",
            "badPwdCount",
            "not replicated",
            "`lockoutTime`",
        ),
        (
            "(badPasswordTime=*)",
            "badPasswordTime",
            "not replicated",
            "`lockoutTime`",
        ),
        ("(lastLogoff=*)", "lastLogoff", "not replicated", "leave it out"),
    ] {
        for variable in FILTERS {
            for delta in ["", "usn", "dirsync"] {
                let lines = refusal(&[(variable, filter), ("AD_DELTA", delta)]);
                let [line] = lines.as_slice() else {
                    panic!("{filter}: {lines:?}")
                };
                let words = [&format!("`{attribute}`"), reason, alternative, "AD_DELTA=off"];
                assert!(line.starts_with(&format!("{variable}: ")), "{line}");
                assert!(words.iter().all(|word| line.contains(word)), "{words:?}: {line}");
            }
            // Where every run reads everything, nothing has to be followed.
            for everything in [
                ("AD_DELTA", "off"),
                ("AD_MEMBER_OF", "CN=Staff,DC=corp,DC=example"),
            ] {
                config(&[(variable, filter), everything]);
            }
        }
    }
}

#[test]
fn r31_filters_over_what_changes_with_the_object_are_taken() {
    for filter in [
        "(mail=*)",
        "(distinguishedName=CN=memberOf=x,DC=corp,DC=example)",
        "(description=memberOf=x)",
        "(description=\\28memberOf=x\\29)",
        "(member=CN=Jane,DC=corp,DC=example)",
        "(manager=*)",
        "(userAccountControl:1.2.840.113556.1.4.803:=2)",
        "(lastLogonTimestamp>=1)",
        "(memberOfX=1)",
        "(whenChanged>=20260101000000.0Z)",
        "(anr=smith)",
        "(&)",
    ] {
        for variable in FILTERS {
            config(&[(variable, filter)]);
        }
    }
}

#[test]
fn r31_every_attribute_of_every_filter_is_named_in_one_pass() {
    let bad = [
        ("AD_USER_FILTER", "(|(memberOf=a)(memberOf=b)(lastLogon=*))"),
        ("AD_COMPUTER_FILTER", "(logonCount=1)"),
        ("LOG_FORMAT", "xml"),
    ];
    assert_eq!(
        refused_names(&bad),
        [
            "AD_USER_FILTER",
            "AD_USER_FILTER",
            "AD_COMPUTER_FILTER",
            "LOG_FORMAT"
        ]
    );
    // The intended value of AD_DELTA is not known: only AD_DELTA itself is bad.
    assert_eq!(
        refused_names(&[("AD_USER_FILTER", "(memberOf=a)"), ("AD_DELTA", "x")]),
        ["AD_DELTA"]
    );
    // A bad group is bad, and a full read was asked for.
    assert_eq!(
        refused_names(&[("AD_USER_FILTER", "(memberOf=a)"), ("AD_MEMBER_OF", "x")]),
        ["AD_MEMBER_OF"]
    );
}

#[test]
fn r31_ports_of_the_global_catalogue_are_refused_with_those_to_use() {
    for port in ["3268", "3269", " 3269 "] {
        for transport in ["ldaps", "starttls"] {
            let lines = refusal(&[("AD_PORT", port), ("AD_TRANSPORT", transport)]);
            assert_eq!(lines.len(), 1, "{lines:?}");
            for word in [
                "AD_PORT: ",
                port.trim(),
                "global catalogue",
                "only a part of the attributes",
                "636",
                "389",
            ] {
                assert!(lines[0].contains(word), "{word}: {lines:?}");
            }
        }
    }
    for port in ["3267", "3270", "636", "389", "32680"] {
        config(&[("AD_PORT", port)]);
    }
}
