use super::*;
use crate::mapping::Form;

fn definition(name: &str, change: impl Fn(&mut AttributeDefinition)) -> AttributeDefinition {
    let mut definition = AttributeDefinition {
        name: name.to_owned(),
        oid: "1.2.3".to_owned(),
        link_id: None,
        system_flags: 0x10,
        search_flags: 0,
        syntax: AttributeSyntax::Text,
        length: None,
    };
    change(&mut definition);
    definition
}

/// Returns the faults and notes on a source that is named so.
fn of_source(
    named: &str,
    form: Form,
    delta: DeltaMethod,
    definition: &AttributeDefinition,
) -> (Vec<String>, Vec<String>) {
    let source = RowSource {
        name: named.to_owned(),
        form,
    };
    let mut findings = SchemaFindings::default();
    let place = "[[user]] asset.x".to_owned();
    let named = AttributeUse {
        name: schema::strip_options(&source.name),
        place,
        source: Some(&source),
    };
    findings.judge(&named, definition, delta);
    (findings.faults, findings.notes)
}

/// Returns the faults and notes on a term of a filter.
fn of_filter(delta: DeltaMethod, definition: &AttributeDefinition) -> (Vec<String>, Vec<String>) {
    let mut findings = SchemaFindings::default();
    let named = AttributeUse {
        name: &definition.name,
        place: "the extra filter for users".to_owned(),
        source: None,
    };
    findings.judge(&named, definition, delta);
    (findings.faults, findings.notes)
}

#[test]
fn r31_the_schema_finds_what_no_list_has() {
    for (definition, reason) in [
        (definition("corpTeamBL", |d| d.link_id = Some(7)), "back-link"),
        (definition("corpAge", |d| d.system_flags = 0x14), "constructed"),
        (
            definition("corpSeen", |d| d.system_flags = 0x11),
            "not replicated",
        ),
    ] {
        for delta in [DeltaMethod::Usn, DeltaMethod::DirSync] {
            for (faults, notes) in [
                of_source(&definition.name, Form::Text, delta, &definition),
                of_filter(delta, &definition),
            ] {
                assert_eq!((faults.len(), notes.len()), (1, 0), "{faults:?} {notes:?}");
                assert!(
                    faults[0].contains(reason) && faults[0].contains("AD_DELTA=off"),
                    "{faults:?}"
                );
            }
        }
        let (faults, _) = of_source(&definition.name, Form::Text, DeltaMethod::Off, &definition);
        assert_eq!(faults, [""; 0]);
        let (faults, notes) = of_filter(DeltaMethod::Off, &definition);
        assert_eq!(faults, [""; 0]);
        assert_eq!(notes.len(), usize::from(reason == "constructed"), "{notes:?}");
    }
}

#[test]
fn r31_the_status_of_an_account_is_tracked_otherwise() {
    let computed = definition("msDS-User-Account-Control-Computed", |d| {
        d.system_flags = 0x14;
        d.syntax = AttributeSyntax::Integer;
    });
    let (faults, notes) = of_source(&computed.name, Form::AccountStatus, DeltaMethod::Usn, &computed);
    assert_eq!((faults.len(), notes.len()), (0, 0));
    let (faults, _) = of_source(&computed.name, Form::UacFlags, DeltaMethod::Usn, &computed);
    assert!(faults[0].contains("account_status"), "{faults:?}");
}

#[test]
fn forms_oids_and_rights_are_named_with_the_remedy() {
    let usn = DeltaMethod::Usn;
    let guid = definition("schemaIDGUID", |d| {
        d.syntax = AttributeSyntax::Octets;
        d.length = Some(16);
    });
    let (faults, _) = of_source("schemaIDGUID", Form::Text, usn, &guid);
    assert!(faults[0].ends_with("holds octets, which the form text cannot read; write form = \"guid\""));
    let photo = definition("thumbnailPhoto", |d| d.syntax = AttributeSyntax::Octets);
    let (faults, notes) = of_source("thumbnailphoto", Form::Text, usn, &photo);
    assert!(
        faults.is_empty() && notes[0].contains("leaves out every value"),
        "{notes:?}"
    );
    let (faults, _) = of_source("1.2.3", Form::Text, usn, &definition("mail", |_| ()));
    assert!(faults[0].contains("write source = \"mail\""), "{faults:?}");
    let secret = definition("corpPin", |d| d.search_flags = 0x81);
    for (faults, notes) in [
        of_source("corpPin", Form::Text, usn, &secret),
        of_filter(usn, &secret),
    ] {
        assert!(
            faults.is_empty() && notes[0].contains("Control Access"),
            "{notes:?}"
        );
    }
    let changed = definition("whenChanged", |d| {
        d.system_flags = 0x13;
        d.syntax = AttributeSyntax::Time;
    });
    let (faults, notes) = of_source("whenChanged", Form::Iso8601, usn, &changed);
    assert!(
        faults.is_empty() && notes[0].contains("on each controller"),
        "{notes:?}"
    );
    assert_eq!(of_filter(usn, &changed), (Vec::new(), Vec::new()));
}

#[test]
fn a_name_that_the_schema_does_not_have_gets_the_nearest_one() {
    let all = [definition("employeeNumber", |_| ()), definition("mail", |_| ())];
    let named = |name| AttributeUse {
        name,
        place: "[[user]] asset.x".to_owned(),
        source: None,
    };
    assert_eq!(
        describe_unknown(&named("employeeNmber"), &all),
        "`employeeNmber` ([[user]] asset.x) is not in the schema; did you mean `employeeNumber`?"
    );
    assert!(
        describe_unknown(&named("costCentre"), &all).ends_with("leave it out, or extend the schema first")
    );
}

#[test]
fn names_are_asked_for_with_every_special_character_escaped() {
    assert_eq!(
        build_filter(&["mail", "1.2.3", "a*)(b"]),
        "(&(objectClass=attributeSchema)(|(lDAPDisplayName=mail)(attributeID=1.2.3)(lDAPDisplayName=a\\2a\\29\\28b)))"
    );
}
