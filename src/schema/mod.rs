//! Attributes of the directory: which of them a delta cannot follow, and their definitions. No I/O.
//!
//! Invariant (R31): a change of an attribute that is neither refused here nor tracked by the run
//! changes the uSNChanged of its object.

mod definition;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;

pub use definition::{AttributeDefinition, AttributeSyntax};

/// Reason why the change of an attribute does not raise the uSNChanged of the object that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untracked {
    /// Computed from the links that other objects hold (MS-ADTS 3.1.1.1.6).
    BackLink,
    /// Computed when it is asked for (MS-ADTS 3.1.1.4.5).
    Constructed,
    /// Kept by each controller for itself (MS-ADTS 2.2.10).
    NotReplicated,
}

impl fmt::Display for Untracked {
    /// Predicate of a sentence about the attribute.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BackLink => {
                "is a back-link: it changes with the objects that link to this one, which leaves the uSNChanged of this one as \
                 it was, so a delta would miss it"
            }
            Self::Constructed => {
                "is constructed: the controller computes it when it is asked, and a change of it leaves uSNChanged as it was, so \
                 a delta would miss it"
            }
            Self::NotReplicated => {
                "is not replicated: each controller has a value of its own, and a change of it leaves uSNChanged as it was, so \
                 a delta would miss it"
            }
        })
    }
}

/// OID of LDAP_MATCHING_RULE_TRANSITIVE_EVAL, "in-chain" (MS-ADTS 3.1.1.3.4.4.3).
pub const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// Prefix with which older clients mark an OID (RFC 1779 section 2.3).
const OID_PREFIX: &str = "oid.";

/// Returns the reason for which a delta cannot follow `attribute`, by the published schema; `None`
/// where it can, or where the attribute is not known. The attribute is named by lDAPDisplayName or
/// OID, in any case, with or without options.
#[must_use]
pub fn classify(attribute: &str) -> Option<Untracked> {
    let name = strip_options(attribute);
    let is_in = |rows: &[table::SchemaAttribute]| {
        rows.iter()
            .any(|(known, oid)| known.eq_ignore_ascii_case(name) || *oid == name)
    };
    let is_further = |known: &&str| known.eq_ignore_ascii_case(name);
    if is_in(table::BACK_LINKS) || table::FURTHER_BACK_LINKS.iter().any(is_further) {
        Some(Untracked::BackLink)
    } else if is_in(table::CONSTRUCTED) {
        Some(Untracked::Constructed)
    } else if is_in(table::NOT_REPLICATED) {
        Some(Untracked::NotReplicated)
    } else {
        None
    }
}

/// Returns the alternative to `attribute` in a filter, where there is one.
#[must_use]
pub fn suggest_for_filter(attribute: &str) -> Option<&'static str> {
    find_alternative(attribute)
        .map(|(filter, _)| filter)
        .filter(|text| !text.is_empty())
}

/// Returns the alternative to `attribute` as the source of a row, where there is one.
#[must_use]
pub fn suggest_for_source(attribute: &str) -> Option<&'static str> {
    find_alternative(attribute)
        .map(|(_, source)| source)
        .filter(|text| !text.is_empty())
}

/// Returns the remedy: the alternative, or a full read in every run.
#[must_use]
pub fn describe_remedy(instead: Option<&str>) -> String {
    let or_off = "AD_DELTA=off, with which every run reads everything";
    match instead {
        Some(instead) => format!("{instead}, or set {or_off}"),
        None => format!("leave it out, or set {or_off}"),
    }
}

fn find_alternative(attribute: &str) -> Option<(&'static str, &'static str)> {
    let name = resolve_oid(strip_options(attribute));
    table::ALTERNATIVES
        .iter()
        .find(|(names, _, _)| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
        .map(|(_, filter, source)| (*filter, *source))
}

/// Returns the attribute description without its options (`;binary`, `;range=0-*`) and without the
/// mark of an OID.
#[must_use]
pub fn strip_options(attribute: &str) -> &str {
    let name = attribute.split(';').next().unwrap_or_default().trim();
    match name.get(..OID_PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(OID_PREFIX) => {
            name.get(OID_PREFIX.len()..).unwrap_or_default()
        }
        _ => name,
    }
}

/// Returns the name of the attribute that has this OID, by the table; else `name` itself.
fn resolve_oid(name: &str) -> &str {
    [table::BACK_LINKS, table::CONSTRUCTED, table::NOT_REPLICATED]
        .into_iter()
        .flatten()
        .find(|(_, oid)| *oid == name)
        .map_or(name, |(known, _)| known)
}
