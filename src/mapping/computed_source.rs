//! Sources that are no attributes: the reader of the directory computes their values from others.

use super::form::Form;
use crate::identity::Kind;

/// Names of the groups that the object is a direct member of, its primary group included.
pub const GROUPS: &str = "@groups";
/// Distinguished names of the group's direct members, those included that have it as their primary
/// group.
pub const MEMBERS: &str = "@members";
/// Number of the group's direct members.
pub const MEMBER_COUNT: &str = "@member_count";

/// Source that is no attribute.
#[derive(Debug)]
pub(super) struct ComputedSource {
    pub(super) name: &'static str,
    /// Kinds whose rows may name it.
    pub(super) kinds: &'static [Kind],
    /// Form that it has where a row names none.
    pub(super) form: Form,
    /// Attributes from which it is computed.
    pub(super) needs: &'static [&'static str],
}

/// All such sources. The RID of an object's primary group is in `primaryGroupID`, and its domain in
/// the object's own SID (MS-ADTS 3.1.1.1.9.2): such a membership is in neither `member` nor
/// `memberOf`.
pub(super) const PSEUDO: [ComputedSource; 3] = [
    ComputedSource {
        name: GROUPS,
        kinds: &[Kind::User, Kind::Computer],
        form: Form::List,
        needs: &["memberOf", "objectSid", "primaryGroupID"],
    },
    ComputedSource {
        name: MEMBERS,
        kinds: &[Kind::Group, Kind::Role],
        form: Form::List,
        needs: &["member", "objectSid"],
    },
    ComputedSource {
        name: MEMBER_COUNT,
        kinds: &[Kind::Group, Kind::Role],
        form: Form::Integer,
        needs: &["member", "objectSid"],
    },
];

/// Returns the pseudo-source of this name, in any case.
pub(super) fn named(name: &str) -> Option<&'static ComputedSource> {
    PSEUDO
        .iter()
        .find(|pseudo| pseudo.name.eq_ignore_ascii_case(name))
}
