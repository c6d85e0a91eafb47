//! Object that the mapping reads: the attributes of an entry, the time at which it was read, and
//! values that are computed from several attributes.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use crate::directory::Entry;
use crate::identity::Timestamp;
use crate::mapping::{GROUPS, MEMBER_COUNT, MEMBERS, ObjectSource};

use super::links::{MEMBER_OF, PRIMARY, groups_of, linked};

/// Entry with the time at which it was read.
#[derive(Debug)]
pub struct EntrySource<'a> {
    entry: &'a Entry,
    at: Timestamp,
    /// Values of [`GROUPS`].
    groups: OnceCell<Vec<Vec<u8>>>,
    /// Values of `memberOf` that a delta follows (R31).
    member_of: OnceCell<Vec<Vec<u8>>>,
    /// Value of [`MEMBER_COUNT`].
    member_count: OnceCell<Vec<Vec<u8>>>,
}

impl<'a> EntrySource<'a> {
    /// Returns the source for `entry` as read `at` that many seconds after the Unix epoch.
    #[must_use]
    pub fn new(entry: &'a Entry, at: i64) -> Self {
        Self {
            entry,
            at: Timestamp::from_epoch_seconds(at),
            groups: OnceCell::new(),
            member_of: OnceCell::new(),
            member_count: OnceCell::new(),
        }
    }

    /// Returns the names of all groups, sorted: LDAP values have no order. A name that is not UTF-8
    /// stays as it is, so that the form refuses it (R15): a list without it would be wrong.
    fn groups(&self) -> Vec<Vec<u8>> {
        let readable = groups_of(self.entry)
            .filter_map(|group| group.name.rdn_value().map(|name| name.as_bytes().to_vec()));
        let names: BTreeSet<Vec<u8>> = readable.chain(self.unreadable_groups()).collect();
        names.into_iter().collect()
    }

    /// Returns the names of the groups in `memberOf` that are not UTF-8.
    fn unreadable_groups(&self) -> impl Iterator<Item = Vec<u8>> {
        let values = self.entry.values(MEMBER_OF);
        values
            .filter(|group| str::from_utf8(group).is_err())
            .map(|group| linked(self.entry, group).dn.to_vec())
    }

    /// Returns the values of `memberOf` without the groups of other domains.
    fn member_of(&self) -> Vec<Vec<u8>> {
        let own = groups_of(self.entry).filter(|group| !group.is_primary);
        let names = own.map(|group| group.name.as_str().as_bytes().to_vec());
        names.chain(self.unreadable_groups()).collect()
    }

    fn member_count(&self) -> Vec<Vec<u8>> {
        let count = self.entry.values("member").count() + self.entry.values(PRIMARY).count();
        vec![count.to_string().into_bytes()]
    }
}

impl ObjectSource for EntrySource<'_> {
    fn dn(&self) -> &str {
        &self.entry.dn
    }

    fn values<'a>(&'a self, attribute: &str) -> impl Iterator<Item = &'a [u8]> {
        let is = |name: &str| attribute.eq_ignore_ascii_case(name);
        // No attribute has the empty name.
        let (name, more, made): (&str, &str, &[Vec<u8>]) = if is(GROUPS) {
            ("", "", self.groups.get_or_init(|| self.groups()))
        } else if is(MEMBER_COUNT) {
            ("", "", self.member_count.get_or_init(|| self.member_count()))
        } else if is(MEMBER_OF) {
            ("", "", self.member_of.get_or_init(|| self.member_of()))
        } else if is(MEMBERS) {
            ("member", PRIMARY, &[])
        } else {
            (attribute, "", &[])
        };
        let made = made.iter().map(Vec::as_slice);
        let given = self.entry.values(name).chain(self.entry.values(more));
        // The mapping receives names in the form without the control that asks for GUIDs.
        given.map(|value| linked(self.entry, value).dn).chain(made)
    }

    fn at(&self) -> Timestamp {
        self.at
    }
}
