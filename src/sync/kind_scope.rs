//! Objects of each kind that a run reads, and the digest of the whole scope (R2).

use sha2::{Digest, Sha256};

use super::entry_fields::OBJECT_GUID;
use crate::config::{ProfileSettings, SearchScope};
use crate::identity::{DistinguishedName, Kind};
use crate::mapping::Mapping;

/// Search for the objects of one kind.
#[derive(Debug, Clone)]
pub(super) struct KindScope {
    pub(super) kind: Kind,
    pub(super) filter: String,
    pub(super) extra: Option<String>,
    pub(super) attributes: Vec<String>,
}

/// Returns what is read, as far as it is known without the directory, and the mapping, in 32 bytes:
/// with another value what is staged is read again before it is sent.
pub(super) fn profile_digest(profile: &ProfileSettings, mapping: &Mapping) -> [u8; 32] {
    let base = profile
        .base_context
        .as_ref()
        .map_or("", DistinguishedName::as_str);
    digest(base, profile.scope, &kinds_of(profile, mapping), mapping)
}

/// Returns the searches for the kinds of a profile.
pub(super) fn kinds_of(profile: &ProfileSettings, mapping: &Mapping) -> Vec<KindScope> {
    // A group that matches the filter of roles is read as a role alone. AD takes the opposite of a
    // filter as true where the attribute is absent: such a group is no role.
    let mut roles = profile.assets.iter().filter(|(kind, _)| *kind == Kind::Role);
    let without_roles = roles.find_map(|(_, extra)| extra.as_deref()).map(opposite);
    let kind_of = |(kind, extra): &(Kind, Option<String>)| {
        let extra = match (&without_roles, extra) {
            (Some(without), extra) if *kind == Kind::Group => Some(match extra {
                Some(extra) => and(extra, Some(without)),
                None => without.clone(),
            }),
            (_, extra) => extra.clone(),
        };
        let mut attributes = mapping.attributes(*kind);
        if !attributes
            .iter()
            .any(|name| name.eq_ignore_ascii_case(OBJECT_GUID))
        {
            attributes.push(OBJECT_GUID.to_owned());
        }
        KindScope {
            kind: *kind,
            filter: and(kind.filter(), extra.as_deref()),
            extra,
            attributes,
        }
    };
    profile.assets.iter().map(kind_of).collect()
}

/// Returns the digest of a scope (R2).
pub(super) fn digest(base: &str, depth: SearchScope, kinds: &[KindScope], mapping: &Mapping) -> [u8; 32] {
    let mapped: Vec<Kind> = kinds.iter().map(|scope| scope.kind).collect();
    let links = mapped.iter().any(|kind| !mapping.links(*kind).is_empty());
    digest_of(base, depth, kinds, &mapping.digest(&mapped), links)
}

fn digest_of(
    base: &str,
    depth: SearchScope,
    kinds: &[KindScope],
    mapping: &[u8; 32],
    links: bool,
) -> [u8; 32] {
    let mut hash = Sha256::new();
    // Each part is preceded by its length, so that no two scopes have the same bytes.
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    part("scope 1");
    part(&base.to_lowercase());
    part(match depth {
        SearchScope::Subtree => "subtree",
        SearchScope::OneLevel => "onelevel",
        SearchScope::Base => "base",
    });
    for scope in kinds {
        part(scope.kind.name());
        part(&scope.filter);
    }
    if links {
        // Links are stored in another form than by earlier versions, or for the first time.
        part("links 2");
    }
    hash.update(mapping);
    hash.finalize().into()
}

/// Combines `filter` and `more`, both with their parentheses.
pub(super) fn and(filter: &str, more: Option<&str>) -> String {
    match more {
        Some(more) => format!("(&{filter}{more})"),
        None => filter.to_owned(),
    }
}

/// Returns the filter that matches where `filter` is certain not to.
pub(super) fn opposite(filter: &str) -> String {
    format!("(!{filter})")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters of what is read, by kind.
    fn filters(assets: &[(Kind, Option<&str>)]) -> Vec<String> {
        let profile = ProfileSettings {
            base_context: None,
            scope: SearchScope::Subtree,
            members_of: Vec::new(),
            assets: assets
                .iter()
                .map(|(kind, extra)| (*kind, extra.map(str::to_owned)))
                .collect(),
        };
        let scopes = kinds_of(&profile, &Mapping::builtin());
        scopes.into_iter().map(|scope| scope.filter).collect()
    }

    #[test]
    fn a_group_is_read_as_a_role_or_as_a_group() {
        let role = (Kind::Role, Some("(cn=Role*)"));
        let of_roles = "(&(objectCategory=group)(cn=Role*))";
        assert_eq!(filters(&[role]), [of_roles]);
        assert_eq!(
            filters(&[(Kind::Group, None), role]),
            ["(&(objectCategory=group)(!(cn=Role*)))", of_roles]
        );
        assert_eq!(
            filters(&[(Kind::Group, Some("(mail=*)")), role]),
            ["(&(objectCategory=group)(&(mail=*)(!(cn=Role*))))", of_roles]
        );
        // No other kind is concerned.
        let users = "(&(objectCategory=person)(objectClass=user))";
        assert_eq!(
            filters(&[(Kind::User, None), (Kind::Group, None)]),
            [users, "(objectCategory=group)"]
        );
        assert_eq!(filters(&[(Kind::User, None), role]), [users, of_roles]);
    }

    #[test]
    fn r28_notes_of_an_earlier_version_lead_to_a_full_read() {
        let digest = |links| digest_of("DC=x", SearchScope::Subtree, &[], &[0; 32], links);
        assert_ne!(digest(true), digest(false));
    }
}
