//! What the mapping sees of an entry.

use crate::directory::Entry;
use crate::identity::Timestamp;
use crate::mapping::Source;

/// An entry, and when it was read.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    entry: &'a Entry,
    at: Timestamp,
}

impl<'a> Seen<'a> {
    /// `entry` as read `at` that many seconds after the Unix epoch.
    #[must_use]
    pub fn new(entry: &'a Entry, at: i64) -> Self {
        Self {
            entry,
            at: Timestamp::from_epoch_seconds(at),
        }
    }
}

impl Source for Seen<'_> {
    fn dn(&self) -> &str {
        &self.entry.dn
    }

    fn values<'a>(&'a self, attribute: &str) -> impl Iterator<Item = &'a [u8]> {
        self.entry.values(attribute)
    }

    fn at(&self) -> Timestamp {
        self.at
    }
}
