//! Object that the mapping is applied to.

use crate::identity::Timestamp;

/// Object of the directory to which the mapping is applied.
pub trait ObjectSource {
    /// Returns the distinguished name, the value of the pseudo-source `dn`.
    fn dn(&self) -> &str;

    /// Returns the values of an attribute in any order, or those of a pseudo-source
    /// ([`GROUPS`](super::GROUPS), [`MEMBERS`](super::MEMBERS),
    /// [`MEMBER_COUNT`](super::MEMBER_COUNT)); none when it is absent. Names compare without case.
    fn values<'a>(&'a self, attribute: &str) -> impl Iterator<Item = &'a [u8]>;

    /// Returns the time at which the object was read: some states end by the clock alone, for
    /// example that of an account that expires.
    fn at(&self) -> Timestamp;
}
