use super::*;

#[test]
fn r31_an_attribute_is_known_by_name_and_oid_in_any_case_with_options() {
    for name in [
        "memberOf",
        "MEMBEROF",
        "memberof",
        "memberOf;range=0-*",
        "memberOf;binary;lang-de",
        "1.2.840.113556.1.2.102",
        "OID.1.2.840.113556.1.2.102",
        "oid.1.2.840.113556.1.2.102;binary",
    ] {
        assert_eq!(classify(name), Some(Untracked::BackLink), "{name}");
        assert_eq!(suggest_for_source(name), Some("use `@groups`"), "{name}");
    }
    for (name, reason) in [
        ("directReports", Untracked::BackLink),
        ("managedObjects", Untracked::BackLink),
        ("isMemberOfDL", Untracked::BackLink),
        ("msExchDelegateListBL", Untracked::BackLink),
        ("tokenGroups", Untracked::Constructed),
        ("msds-user-account-control-computed", Untracked::Constructed),
        ("primaryGroupToken", Untracked::Constructed),
        ("canonicalName", Untracked::Constructed),
        ("lastLogon", Untracked::NotReplicated),
        ("1.2.840.113556.1.4.12", Untracked::NotReplicated),
    ] {
        assert_eq!(classify(name), Some(reason), "{name}");
    }
}

#[test]
fn r31_attributes_that_change_with_their_object_are_followed() {
    for name in [
        "",
        "member",
        "manager",
        "managedBy",
        "distinguishedName",
        "2.5.4.49",
        "objectGUID",
        "whenChanged",
        "uSNChanged",
        "anr",
        "lastLogonTimestamp",
        "lockoutTime",
        "pwdLastSet",
        "name",
        "cn",
        "memberOfX",
        "xmemberOf",
        "1.2.840.113556.1.2.1021",
        "1.2.840.113556.1.2.10",
        "employeeID",
    ] {
        assert_eq!(classify(name), None, "{name}");
    }
}

#[test]
fn every_alternative_is_of_an_attribute_of_the_lists_and_can_be_followed() {
    for (names, filter, source) in table::ALTERNATIVES {
        for name in *names {
            assert!(classify(name).is_some(), "{name}");
        }
        for text in [filter, source] {
            let quoted = text.split('`').skip(1).step_by(2);
            assert!(quoted.clone().all(|name| classify(name).is_none()), "{text}");
        }
    }
    assert_eq!(suggest_for_filter("directReports"), None);
    assert!(describe_remedy(None).starts_with("leave it out, or set AD_DELTA=off"));
}

#[test]
fn r31_a_definition_decides_for_attributes_that_no_list_has() {
    let plain = AttributeDefinition {
        name: "corpLevel".to_owned(),
        oid: "1.2.3".to_owned(),
        link_id: None,
        system_flags: 0x12,
        search_flags: 1,
        syntax: AttributeSyntax::Text,
        length: None,
    };
    assert_eq!(plain.classify(), None);
    let with = |change: fn(&mut AttributeDefinition)| {
        let mut definition = plain.clone();
        change(&mut definition);
        definition.classify()
    };
    assert_eq!(with(|d| d.link_id = Some(4)), None);
    assert_eq!(with(|d| d.link_id = Some(5)), Some(Untracked::BackLink));
    assert_eq!(with(|d| d.link_id = Some(-1_234_567)), Some(Untracked::BackLink));
    assert_eq!(with(|d| d.system_flags = 0x14), Some(Untracked::Constructed));
    assert_eq!(with(|d| d.system_flags = 0x13), Some(Untracked::NotReplicated));
    assert_eq!(with(|d| d.search_flags = 0x80), None);
    for tracked in ["DISTINGUISHEDNAME", "whenChanged", "objectguid"] {
        let definition = AttributeDefinition {
            name: tracked.to_owned(),
            system_flags: 0x13,
            ..plain.clone()
        };
        assert_eq!(definition.classify(), None, "{tracked}");
    }
    let ambiguous = AttributeDefinition {
        name: "anr".to_owned(),
        system_flags: 0x0800_0014,
        ..plain
    };
    assert_eq!(ambiguous.classify(), None);
}
