//! What the mapping sees of an entry: its attributes, the moment at which it was read, and what is made of several attributes.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::directory::Entry;
use crate::identity::{DistinguishedName, Timestamp};
use crate::mapping::{GROUPS, MEMBER_COUNT, MEMBERS, Source};

/// An attribute that no server gives, and that the reader adds ([`super::membership`]): of a user or computer the distinguished name of
/// its primary group, of a group those of the objects that have it as their primary group.
pub(super) const PRIMARY: &str = "@primary";

/// An entry, and when it was read.
#[derive(Debug)]
pub struct Seen<'a> {
    entry: &'a Entry,
    at: Timestamp,
    /// The values of [`GROUPS`].
    groups: OnceCell<Vec<Vec<u8>>>,
    /// The value of [`MEMBER_COUNT`].
    member_count: OnceCell<Vec<Vec<u8>>>,
}

impl<'a> Seen<'a> {
    /// `entry` as read `at` that many seconds after the Unix epoch.
    #[must_use]
    pub fn new(entry: &'a Entry, at: i64) -> Self {
        Self {
            entry,
            at: Timestamp::from_epoch_seconds(at),
            groups: OnceCell::new(),
            member_count: OnceCell::new(),
        }
    }

    /// The names of all groups, sorted: LDAP values have no order. A name that is not UTF-8 stays as it is, so that the form
    /// refuses it (R15): a list without it would be wrong.
    fn groups(&self) -> Vec<Vec<u8>> {
        let readable = groups_of(self.entry)
            .filter_map(|(group, _)| group.rdn_value().map(|name| name.as_bytes().to_vec()));
        let unreadable = self
            .entry
            .values("memberOf")
            .filter(|group| str::from_utf8(group).is_err());
        let names: BTreeSet<Vec<u8>> = readable.chain(unreadable.map(<[u8]>::to_vec)).collect();
        names.into_iter().collect()
    }

    fn member_count(&self) -> Vec<Vec<u8>> {
        let count = self.entry.values("member").count() + self.entry.values(PRIMARY).count();
        vec![count.to_string().into_bytes()]
    }
}

/// The groups that the entry is a direct member of, in its own domain, and whether it is its primary one. Groups of other domains
/// are left out: whether they stand in `memberOf` depends on which controller is asked, and none tells of their changes.
pub(super) fn groups_of(entry: &Entry) -> impl Iterator<Item = (DistinguishedName, bool)> {
    let own = DistinguishedName::parse(&entry.dn).ok();
    let direct = entry.values("memberOf").map(|group| (group, false));
    let primary = entry.values(PRIMARY).map(|group| (group, true));
    direct.chain(primary).filter_map(move |(group, is_primary)| {
        let group = str::from_utf8(group).ok()?;
        let group = DistinguishedName::parse(group).ok()?;
        let near = own.as_ref().is_some_and(|own| own.shares_domain_with(&group));
        near.then_some((group, is_primary))
    })
}

impl Source for Seen<'_> {
    fn dn(&self) -> &str {
        &self.entry.dn
    }

    fn values<'a>(&'a self, attribute: &str) -> impl Iterator<Item = &'a [u8]> {
        let is = |name: &str| attribute.eq_ignore_ascii_case(name);
        // The empty name is that of no attribute.
        let (name, more, made): (&str, &str, &[Vec<u8>]) = if is(GROUPS) {
            ("", "", self.groups.get_or_init(|| self.groups()))
        } else if is(MEMBER_COUNT) {
            ("", "", self.member_count.get_or_init(|| self.member_count()))
        } else if is(MEMBERS) {
            ("member", PRIMARY, &[])
        } else {
            (attribute, "", &[])
        };
        let made = made.iter().map(Vec::as_slice);
        self.entry.values(name).chain(self.entry.values(more)).chain(made)
    }

    fn at(&self) -> Timestamp {
        self.at
    }
}
