//! Object that the mapping is applied to.

use crate::identity::Timestamp;

/// An object of the directory, as the mapping sees it.
pub trait ObjectSource {
    /// The distinguished name, which the pseudo-source `dn` gives.
    fn dn(&self) -> &str;

    /// The values of an attribute in any order, or those of a pseudo-source ([`GROUPS`](super::GROUPS),
    /// [`MEMBERS`](super::MEMBERS), [`MEMBER_COUNT`](super::MEMBER_COUNT)); none when it is absent. Names compare without case.
    fn values<'a>(&'a self, attribute: &str) -> impl Iterator<Item = &'a [u8]>;

    /// When the object was read: some things are over by the clock alone, an account that expires for one.
    fn at(&self) -> Timestamp;
}
