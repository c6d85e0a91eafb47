//! Scope of a run, and the searches in it.

use std::ops::RangeInclusive;

use crate::config::{ProfileSettings, SearchScope};
use crate::directory::{LdapSearch, RootDse};
use crate::identity::{DistinguishedName, Guid, Kind};
use crate::mapping::Mapping;

use super::entry_fields::OBJECT_GUID;
use super::kind_scope::{KindScope, and, digest, kinds_of, opposite};

/// GUIDs in one retry filter. 100 terms keep the filter near 6 KB, far below AD's default limit of
/// 256 KB for a request (MaxReceiveBuffer is 10 MB; MS-ADTS 3.1.1.3.4.6).
const GUIDS_PER_FILTER: usize = 100;

/// Names in one retry filter: a name is usually a few hundred octets at most, so the filter stays
/// as small.
const NAMES_PER_FILTER: usize = 25;

/// Profile bound to the directory that it is read from.
#[derive(Debug, Clone)]
pub struct ReadScope {
    base: String,
    naming_context: String,
    depth: SearchScope,
    kinds: Vec<KindScope>,
    digest: [u8; 32],
}

impl ReadScope {
    /// Returns the scope of `profile` with the attributes that `mapping` needs. Where the profile
    /// names no base context, it is the domain root that rootDSE names (`defaultNamingContext`).
    #[must_use]
    pub fn new(profile: &ProfileSettings, mapping: &Mapping, root: &RootDse) -> Self {
        let base = match &profile.base_context {
            Some(base) => base.as_str().to_owned(),
            None => root.default_naming_context.clone(),
        };
        let kinds = kinds_of(profile, mapping);
        let digest = digest(&base, profile.scope, &kinds, mapping);
        Self {
            naming_context: naming_context_of(&base, root),
            base,
            depth: profile.scope,
            kinds,
            digest,
        }
    }

    /// Returns the base context.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Returns base context, scope, filters, kinds and mapping in 32 bytes: another value means
    /// that no watermark counts (R2).
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Returns the kinds that are read, in order.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.kinds.iter().map(|scope| scope.kind)
    }

    /// Returns the search for every object of `kind` in scope.
    #[must_use]
    pub fn everything(&self, kind: Kind) -> Option<LdapSearch> {
        self.search(kind, None)
    }

    /// Returns the search for the objects of `kind` in scope whose uSNChanged is in `usns`, both
    /// ends included.
    #[must_use]
    pub fn slice(&self, kind: Kind, usns: &RangeInclusive<u64>) -> Option<LdapSearch> {
        let (low, high) = (usns.start(), usns.end());
        self.search(kind, Some(&format!("(uSNChanged>={low})(uSNChanged<={high})")))
    }

    /// Returns the search for the objects of `kind` in scope whose uSNChanged is above `usn`. AD's
    /// filters know `>=` alone.
    #[must_use]
    pub fn changed_since(&self, kind: Kind, usn: u64) -> Option<LdapSearch> {
        self.search(kind, Some(&format!("(uSNChanged>={})", usn.saturating_add(1))))
    }

    /// Returns the search for the objects of `kind` in scope that match `filter`, which has its
    /// parentheses.
    #[must_use]
    pub fn matching(&self, kind: Kind, filter: &str) -> Option<LdapSearch> {
        self.search(kind, Some(filter))
    }

    /// Returns the searches for the objects of `kind` in scope that have one of these GUIDs.
    #[must_use]
    pub fn with_guids(&self, kind: Kind, guids: &[Guid]) -> Vec<LdapSearch> {
        guids
            .chunks(GUIDS_PER_FILTER)
            .filter_map(|chunk| self.search(kind, Some(&one_of(chunk))))
            .collect()
    }

    /// Returns the searches for the objects that have one of these GUIDs, of any kind, anywhere in
    /// the naming context; without attributes.
    #[must_use]
    pub fn anywhere(&self, guids: &[Guid]) -> Vec<LdapSearch> {
        chunks(guids, &self.naming_context())
    }

    /// Returns the searches for those of these objects that are in scope by their place, whatever
    /// they are: the server compares names (R38).
    #[must_use]
    pub fn placed_in_scope(&self, guids: &[Guid]) -> Vec<LdapSearch> {
        chunks(guids, &self.everywhere(self.depth))
    }

    /// Returns the searches for those of these objects that are the base context or below it.
    #[must_use]
    pub fn placed_within_base(&self, guids: &[Guid]) -> Vec<LdapSearch> {
        chunks(guids, &self.everywhere(SearchScope::Subtree))
    }

    /// Returns the search of the base context and everything below it, without filter.
    #[must_use]
    pub fn within_base(&self) -> LdapSearch {
        self.everywhere(SearchScope::Subtree)
    }

    /// Returns the search for every object of `kind` in scope that is below this container of the
    /// scope.
    #[must_use]
    pub fn below(&self, kind: Kind, container: Guid) -> Option<LdapSearch> {
        Some(LdapSearch {
            base: format!("<GUID={container}>"),
            ..self
                .search(kind, None)
                .filter(|_| self.depth == SearchScope::Subtree)?
        })
    }

    fn everywhere(&self, depth: SearchScope) -> LdapSearch {
        LdapSearch {
            base: self.base.clone(),
            scope: depth,
            attributes: vec![OBJECT_GUID.to_owned()],
            ..self.naming_context()
        }
    }

    /// Returns the searches for the objects of `kind` in scope that have one of these distinguished
    /// names.
    #[must_use]
    pub fn with_names(&self, kind: Kind, names: &[String]) -> Vec<LdapSearch> {
        names
            .chunks(NAMES_PER_FILTER)
            .filter_map(|chunk| {
                let terms: String = chunk
                    .iter()
                    .map(|name| format!("(distinguishedName={})", escaped(name.as_bytes())))
                    .collect();
                self.search(kind, Some(&format!("(|{terms})")))
            })
            .collect()
    }

    /// Returns the search for the groups of the naming context that have one of these SIDs, as
    /// octets; for their names alone.
    #[must_use]
    pub fn with_sids(&self, sids: &[Vec<u8>]) -> LdapSearch {
        let terms: String = sids
            .iter()
            .map(|sid| format!("(objectSid={})", escaped(sid)))
            .collect();
        LdapSearch {
            filter: and(Kind::Group.filter(), Some(&format!("(|{terms})"))),
            attributes: vec!["objectSid".to_owned()],
            ..self.naming_context()
        }
    }

    /// Returns the search for this object, if it matches the whole filter of the kind; at any
    /// place.
    #[must_use]
    pub fn only(&self, kind: Kind, guid: Guid) -> Option<LdapSearch> {
        Some(LdapSearch {
            base: format!("<GUID={guid}>"),
            scope: SearchScope::Base,
            ..self.search(kind, None)?
        })
    }

    /// Returns the search for this object, if it is of the kind and the extra filter is certain not
    /// to match, nor that of another kind that it may be now. All in one search, so that an object
    /// that becomes a role or a group meanwhile is either. A filter over an attribute that the
    /// account may not read is neither true nor false (RFC 4511 section 4.5.1.7), so neither it nor
    /// its opposite returns the object. `None` without an extra filter.
    #[must_use]
    pub fn refused_by_extra_filter(&self, kind: Kind, guid: Guid) -> Option<LdapSearch> {
        let extras: Option<Vec<&str>> = self
            .kinds_for(kind)
            .map(|other| self.extra_filter(other))
            .collect();
        let extras = extras.filter(|extras| !extras.is_empty())?;
        let opposites: String = extras.into_iter().map(opposite).collect();
        let filter = and(kind.filter(), Some(&opposites));
        Some(Self::object_alone(guid, &filter))
    }

    /// Returns the kinds that are read, and as which an object of `kind` may be found now.
    pub fn kinds_for(&self, kind: Kind) -> impl Iterator<Item = Kind> + '_ {
        self.kinds().filter(move |read| read.may_become(kind))
    }

    /// Returns the part of the extra filter of groups that leaves roles out, where both are read.
    #[must_use]
    pub fn without_roles(&self) -> Option<String> {
        self.extra_filter(Kind::Group)?;
        self.extra_filter(Kind::Role).map(opposite)
    }

    /// Returns the extra filter of `kind`, where it has one.
    #[must_use]
    pub fn extra_filter(&self, kind: Kind) -> Option<&str> {
        let scope = self.kinds.iter().find(|scope| scope.kind == kind)?;
        scope.extra.as_deref()
    }

    /// Returns the search for this object, if it matches `filter`; at any place and of any kind.
    #[must_use]
    pub fn object_alone(guid: Guid, filter: &str) -> LdapSearch {
        LdapSearch {
            base: format!("<GUID={guid}>"),
            scope: SearchScope::Base,
            filter: filter.to_owned(),
            attributes: vec![OBJECT_GUID.to_owned()],
            show_deleted: false,
        }
    }

    /// Returns the search of the naming context that holds the base context, without filter and
    /// attributes.
    #[must_use]
    pub fn naming_context(&self) -> LdapSearch {
        LdapSearch {
            base: self.naming_context.clone(),
            scope: SearchScope::Subtree,
            filter: String::new(),
            attributes: Vec::new(),
            show_deleted: false,
        }
    }

    fn search(&self, kind: Kind, narrowed: Option<&str>) -> Option<LdapSearch> {
        let scope = self.kinds.iter().find(|scope| scope.kind == kind)?;
        Some(LdapSearch {
            base: self.base.clone(),
            scope: self.depth,
            filter: and(&scope.filter, narrowed),
            attributes: scope.attributes.clone(),
            show_deleted: false,
        })
    }
}

/// Returns the innermost naming context that holds `base`; the domain where none does, so that the
/// search reports the error.
fn naming_context_of(base: &str, root: &RootDse) -> String {
    let Ok(base) = DistinguishedName::parse(base) else {
        return root.default_naming_context.clone();
    };
    root.naming_contexts
        .iter()
        .filter_map(|context| DistinguishedName::parse(context).ok())
        .filter(|context| base.is_within(context))
        .max_by_key(DistinguishedName::depth)
        .map_or_else(
            || root.default_naming_context.clone(),
            |context| context.as_str().to_owned(),
        )
}

/// Returns copies of `frame` for the objects that have one of these GUIDs.
fn chunks(guids: &[Guid], frame: &LdapSearch) -> Vec<LdapSearch> {
    let one = |chunk| LdapSearch {
        filter: one_of(chunk),
        ..frame.clone()
    };
    guids.chunks(GUIDS_PER_FILTER).map(one).collect()
}

/// Returns the filter for objects that have one of these GUIDs.
fn one_of(guids: &[Guid]) -> String {
    let terms: String = guids
        .iter()
        .map(|guid| format!("(objectGUID={})", escaped(guid.as_bytes())))
        .collect();
    format!("(|{terms})")
}

/// Returns octets as a filter value, every one of them escaped (RFC 4515 section 3).
pub(super) fn escaped(octets: &[u8]) -> String {
    octets.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
