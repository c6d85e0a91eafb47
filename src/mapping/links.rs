//! Sources whose values name other objects: the asset changes when such an object is renamed,
//! without a change of the object that names it (R31).

use std::collections::BTreeSet;

use super::form::Form;
use super::{GROUPS, MEMBER_COUNT, MEMBERS, Mapping};
use crate::identity::Kind;

/// Part of the name of a linked object that an asset shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShownName {
    /// None; the object only counts.
    Nothing,
    /// The value of the first step: `Jane Doe` of `CN=Jane Doe,OU=Staff,…`.
    Rdn,
    /// The whole distinguished name, which every rename above the object changes too.
    Dn,
}

/// Attribute whose values name objects, as a mapping uses it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkAttribute {
    /// Name of the attribute in lower case.
    pub attribute: String,
    /// Part of the name that the asset shows.
    pub shown: ShownName,
    /// The source is [`GROUPS`], [`MEMBERS`] or [`MEMBER_COUNT`], to which primary groups belong.
    pub with_primary: bool,
}

/// Attributes of users, groups and computers that hold distinguished names (attributeSyntax 2.5.5.1
/// in MS-ADA1 to MS-ADA3, and those of Exchange), in lower case. An attribute that is missing here
/// is known by the form `dn_name`.
const DN_VALUED: &[&str] = &[
    "altrecipient",
    "assistant",
    "authorig",
    "dlmemsubmitperms",
    "homemdb",
    "lastknownparent",
    "managedby",
    "manager",
    "member",
    "memberof",
    "msds-assignedauthnpolicy",
    "msds-assignedauthnpolicysilo",
    "msds-hostserviceaccount",
    "msds-managedby",
    "msds-primarycomputer",
    "msexchcomanagedbylink",
    "nonsecuritymember",
    "owner",
    "publicdelegates",
    "roleoccupant",
    "secretary",
    "seealso",
    "uniquemember",
    "unauthorig",
];

impl Mapping {
    /// Returns the links that the rows of a kind show, sorted, each once; none for most mappings.
    #[must_use]
    pub fn links(&self, kind: Kind) -> Vec<LinkAttribute> {
        let sources = self.rows(kind).iter().flat_map(super::TableRow::sources);
        let links: BTreeSet<LinkAttribute> = sources
            .filter_map(|source| link(&source.name, source.form))
            .collect();
        links.into_iter().collect()
    }
}

fn link(source: &str, form: Form) -> Option<LinkAttribute> {
    let is = |name: &str| source.eq_ignore_ascii_case(name);
    let made = |attribute: &str, shown| {
        Some(LinkAttribute {
            attribute: attribute.to_owned(),
            shown,
            with_primary: true,
        })
    };
    if is(GROUPS) {
        return made("memberof", ShownName::Rdn);
    }
    if is(MEMBERS) {
        return made("member", ShownName::Dn);
    }
    if is(MEMBER_COUNT) {
        return made("member", ShownName::Nothing);
    }
    // These sources are the object's own name.
    if is("dn") || is("distinguishedName") {
        return None;
    }
    let attribute = source.to_ascii_lowercase();
    let shown = match form {
        Form::DnName => ShownName::Rdn,
        Form::Text | Form::List if DN_VALUED.contains(&attribute.as_str()) => ShownName::Dn,
        _ => return None,
    };
    Some(LinkAttribute {
        attribute,
        shown,
        with_primary: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(rows: &[&str]) -> Vec<(String, ShownName, bool)> {
        let mut text = "[[user]]\nsource = \"objectSid\"\ntarget = \"asset.assetHeader.externalAssetId\"\nrequired = true\n".to_owned();
        for (number, row) in rows.iter().enumerate() {
            text += &format!("[[user]]\n{row}\ntarget = \"asset.a{number}\"\n");
        }
        let mapping = Mapping::parse("test", &text).unwrap();
        let links = mapping.links(Kind::User);
        links
            .into_iter()
            .map(|link| (link.attribute, link.shown, link.with_primary))
            .collect()
    }

    #[test]
    fn r38_the_default_table_names_no_other_object() {
        let mapping = Mapping::builtin();
        assert!(Kind::ALL.into_iter().all(|kind| mapping.links(kind).is_empty()));
    }

    #[test]
    fn r31_what_names_another_object_is_known_by_its_form_or_its_attribute() {
        let of = |attribute: &str, shown, with_primary| vec![(attribute.to_owned(), shown, with_primary)];
        for (row, expected) in [
            ("source = \"@groups\"", of("memberof", ShownName::Rdn, true)),
            (
                "source = \"Manager\"\nform = \"dn_name\"",
                of("manager", ShownName::Rdn, false),
            ),
            ("source = \"manager\"", of("manager", ShownName::Dn, false)),
            (
                "source = \"memberOf\"\nform = \"list\"",
                of("memberof", ShownName::Dn, false),
            ),
            (
                "source = \"x-own\"\nform = \"dn_name\"",
                of("x-own", ShownName::Rdn, false),
            ),
            ("source = \"x-own\"", vec![]),
            ("source = \"distinguishedName\"\nform = \"dn_name\"", vec![]),
            ("source = \"dn\"", vec![]),
            ("source = \"mail\"", vec![]),
        ] {
            assert_eq!(links(&[row]), expected, "{row}");
        }
        let twice = links(&[
            "source = [\"manager\", \"secretary\"]",
            "source = \"manager\"\nform = \"dn_name\"",
        ]);
        assert_eq!(twice.len(), 3, "{twice:?}");
    }
}
