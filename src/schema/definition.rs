//! Definition of an attribute in the schema of a forest, as its `attributeSchema` object gives it
//! (MS-ADTS 3.1.1.2.3).

use super::{Untracked, table};

/// Definition of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeDefinition {
    /// `lDAPDisplayName`.
    pub name: String,
    /// `attributeID`.
    pub oid: String,
    /// `linkID`: even for a forward link, odd for a back-link (MS-ADTS 3.1.1.1.6).
    pub link_id: Option<i64>,
    /// `systemFlags` (MS-ADTS 2.2.10).
    pub system_flags: i64,
    /// `searchFlags` (MS-ADTS 2.2.9).
    pub search_flags: i64,
    /// `attributeSyntax`.
    pub syntax: AttributeSyntax,
    /// Number of octets or characters that both `rangeLower` and `rangeUpper` state.
    pub length: Option<i64>,
}

/// Kind of value, by `attributeSyntax` (MS-ADTS 3.1.1.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeSyntax {
    /// Object(DS-DN), 2.5.5.1: a distinguished name.
    Name,
    /// Any of the strings, and other syntaxes that are written as one: 2.5.5.2 to 2.5.5.7, 2.5.5.12
    /// to 2.5.5.14.
    Text,
    /// Boolean, 2.5.5.8.
    Boolean,
    /// Integer and Enumeration, 2.5.5.9.
    Integer,
    /// String(Octet), 2.5.5.10.
    Octets,
    /// Both string forms of a time, 2.5.5.11.
    Time,
    /// String(NT-Sec-Desc), 2.5.5.15.
    SecurityDescriptor,
    /// LargeInteger, 2.5.5.16.
    LargeInteger,
    /// String(Sid), 2.5.5.17.
    Sid,
}

impl AttributeSyntax {
    /// Returns the kind that `attributeSyntax` names; text for one that is not known.
    #[must_use]
    pub fn from_oid(oid: &str) -> Self {
        match oid {
            "2.5.5.1" => Self::Name,
            "2.5.5.8" => Self::Boolean,
            "2.5.5.9" => Self::Integer,
            "2.5.5.10" => Self::Octets,
            "2.5.5.11" => Self::Time,
            "2.5.5.15" => Self::SecurityDescriptor,
            "2.5.5.16" => Self::LargeInteger,
            "2.5.5.17" => Self::Sid,
            _ => Self::Text,
        }
    }

    /// Returns the name of the kind in a sentence.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Name => "a distinguished name",
            Self::Text => "text",
            Self::Boolean => "TRUE or FALSE",
            Self::Integer => "a number of 32 bits",
            Self::Octets => "octets",
            Self::Time => "a time",
            Self::SecurityDescriptor => "a security descriptor",
            Self::LargeInteger => "a number of 64 bits",
            Self::Sid => "a SID",
        }
    }
}

/// FLAG_ATTR_NOT_REPLICATED (MS-ADTS 2.2.10).
const NOT_REPLICATED: i64 = 0x1;
/// FLAG_ATTR_IS_CONSTRUCTED (MS-ADTS 2.2.10).
const CONSTRUCTED: i64 = 0x4;
/// fCONFIDENTIAL of `searchFlags` (MS-ADTS 2.2.9).
const CONFIDENTIAL: i64 = 0x80;

impl AttributeDefinition {
    /// Returns the reason for which a delta cannot follow the attribute (R31); `None` where it can.
    #[must_use]
    pub fn classify(&self) -> Option<Untracked> {
        let is = |name: &&str| name.eq_ignore_ascii_case(&self.name);
        if self.link_id.is_some_and(|id| id.rem_euclid(2) == 1) {
            Some(Untracked::BackLink)
        } else if self.system_flags & CONSTRUCTED != 0 && !is(&table::AMBIGUOUS_NAME) {
            Some(Untracked::Constructed)
        } else if self.system_flags & NOT_REPLICATED != 0 && !table::TRACKED.iter().any(is) {
            Some(Untracked::NotReplicated)
        } else {
            None
        }
    }

    /// Returns `true` when a delta follows the attribute, but each controller has a value of its
    /// own: after a change of controller every object that has it counts as changed.
    #[must_use]
    pub fn differs_by_controller(&self) -> bool {
        table::PER_CONTROLLER
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&self.name))
    }

    /// Returns `true` when Read Property is not enough to read it: it takes CONTROL_ACCESS as well
    /// (MS-ADTS 3.1.1.4.4).
    #[must_use]
    pub const fn is_confidential(&self) -> bool {
        self.search_flags & CONFIDENTIAL != 0
    }
}
