//! Tests of sources that a delta cannot follow (R31), and forms that do not fit a syntax.

use super::*;
use crate::schema::{AttributeDefinition, AttributeSyntax, Untracked};

/// Returns the sources of a kind that a delta cannot follow, in order.
fn untracked(mapping: &Mapping, kind: Kind) -> Vec<(String, Untracked)> {
    mapping
        .find_untracked_sources(kind)
        .map(|(_, source, reason)| (source.name.clone(), reason))
        .collect()
}

#[test]
fn r31_sources_that_a_delta_cannot_follow_are_found_in_every_row_kind_and_form() {
    for (source, reason) in [
        ("isMemberOfDL", Untracked::BackLink),
        ("ManagedObjects", Untracked::BackLink),
        ("1.2.840.113556.1.2.102", Untracked::BackLink),
        ("directReports", Untracked::BackLink),
        ("msDS-User-Account-Control-Computed", Untracked::Constructed),
        ("canonicalName", Untracked::Constructed),
        ("LASTLOGON", Untracked::NotReplicated),
        ("badPwdCount", Untracked::NotReplicated),
    ] {
        for form in ["text", "list", "integer", "iso8601", "dn_name"] {
            for kind in Kind::ALL {
                let rows = format!(
                    "[[{kind}]]\nsource = [\"mail\", \"{source}\"]\nform = \"{form}\"\ntarget = \"asset.x\""
                );
                let text = file(&rows).replacen("user", kind.name(), 1);
                let mapping = Mapping::parse("x", &text).unwrap();
                assert_eq!(untracked(&mapping, kind), [(source.to_owned(), reason)], "{form}");
            }
        }
    }
}

#[test]
fn r31_what_is_tracked_otherwise_is_no_fault() {
    for kind in Kind::ALL {
        assert_eq!(untracked(&Mapping::builtin(), kind), [], "{kind}");
    }
    for row in [
        "source = \"@groups\"",
        "source = \"userAccountControl\"\nform = \"account_status\"",
        "source = \"msDS-User-Account-Control-Computed\"\nform = \"account_status\"",
        "source = \"dn\"",
        "source = \"distinguishedName\"",
        "source = \"lastLogonTimestamp\"",
        "source = \"manager\"\nform = \"dn_name\"",
        "source = \"whenChanged\"",
        "source = \"memberOf\"\nform = \"list\"",
        "source = \"MemberOf\"\nform = \"dn_name\"",
        "constant = \"memberOf\"",
    ] {
        let mapping = mapping(&format!("[[user]]\n{row}\ntarget = \"asset.x\""));
        assert_eq!(untracked(&mapping, Kind::User), [], "{row}");
    }
}

/// Returns the form that is better than `form` for an attribute of this syntax.
fn better(form: Form, name: &str, syntax: AttributeSyntax, length: Option<i64>) -> Option<&'static str> {
    let definition = AttributeDefinition {
        name: name.to_owned(),
        oid: String::new(),
        link_id: None,
        system_flags: 0,
        search_flags: 0,
        syntax,
        length,
    };
    let name = name.to_owned();
    RowSource { name, form }.suggest_form(&definition)
}

#[test]
fn a_form_that_does_not_fit_the_syntax_gets_the_right_one() {
    assert_eq!(
        better(Form::Text, "securityIdentifier", AttributeSyntax::Sid, None),
        Some("sid")
    );
    assert_eq!(
        better(Form::List, "sIDHistory", AttributeSyntax::Sid, None),
        Some("sid")
    );
    assert_eq!(
        better(Form::Text, "schemaIDGUID", AttributeSyntax::Octets, Some(16)),
        Some("guid")
    );
    assert_eq!(
        better(Form::Text, "mS-DS-ConsistencyGuid", AttributeSyntax::Octets, None),
        Some("guid")
    );
    assert_eq!(
        better(Form::Text, "thumbnailPhoto", AttributeSyntax::Octets, None),
        Some("")
    );
    assert_eq!(
        better(
            Form::Text,
            "nTSecurityDescriptor",
            AttributeSyntax::SecurityDescriptor,
            None
        ),
        Some("")
    );
    assert_eq!(
        better(Form::Sid, "mail", AttributeSyntax::Text, None),
        Some("text")
    );
    assert_eq!(better(Form::DnName, "mail", AttributeSyntax::Text, None), None);
    assert_eq!(
        better(Form::Boolean, "x", AttributeSyntax::Integer, None),
        Some("integer")
    );
    assert_eq!(
        better(Form::Integer, "x", AttributeSyntax::Boolean, None),
        Some("boolean")
    );
    assert_eq!(
        better(Form::DnName, "pwdLastSet", AttributeSyntax::LargeInteger, None),
        Some("iso8601")
    );
    assert_eq!(
        better(Form::Iso8601, "manager", AttributeSyntax::Name, None),
        Some("text")
    );
    for syntax in [
        AttributeSyntax::Integer,
        AttributeSyntax::LargeInteger,
        AttributeSyntax::Time,
        AttributeSyntax::Name,
        AttributeSyntax::Boolean,
    ] {
        assert_eq!(better(Form::Text, "x", syntax, None), None, "{syntax:?}");
    }
}

#[test]
fn the_forms_of_the_default_table_fit_the_published_syntaxes() {
    for (name, syntax) in [
        ("objectSid", AttributeSyntax::Sid),
        ("objectGUID", AttributeSyntax::Octets),
        ("name", AttributeSyntax::Text),
        ("whenCreated", AttributeSyntax::Time),
        ("pwdLastSet", AttributeSyntax::LargeInteger),
        ("groupType", AttributeSyntax::Integer),
        ("lastLogonTimestamp", AttributeSyntax::LargeInteger),
        ("distinguishedName", AttributeSyntax::Name),
    ] {
        assert_eq!(better(Form::natural(name), name, syntax, None), None, "{name}");
    }
}
