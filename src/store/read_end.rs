//! Outcome of a read, which commits with its last page: the watermark, the containers, and what it
//! missed.

use crate::identity::{Guid, GuidSet, Kind};

/// Outcome of a read, beside the objects that it gave. All of it commits with the last page (R3):
/// once the watermark has moved on, no other read would miss these objects again.
#[derive(Debug, Clone)]
pub struct ReadEnd {
    /// Point up to which the directory is known now.
    pub watermark: Watermark,
    /// Under which name of `AD_HOST` the controller was reached.
    pub host: String,
    /// Which server that is: the distinguished name of its settings (rootDSE dsServiceName).
    pub server: String,
    /// Position from which the next DirSync search goes on; `None` when changes are not found that
    /// way.
    pub cookie: Option<Vec<u8>>,
    /// The kinds that were read; only objects of these can be missed.
    pub kinds: Vec<Kind>,
    /// Known objects that changed, and were not found in scope.
    pub missed: Vec<Guid>,
    /// After a full read, everything that it met: every other known object is missed. `None` after
    /// a delta, which says nothing about what it did not give (R4).
    pub met: Option<GuidSet>,
    /// Places of the containers now; after a full read these are all.
    pub containers: Vec<Container>,
    /// Containers that are no more.
    pub containers_gone: Vec<Guid>,
    /// End of the read, Unix seconds.
    pub ended: i64,
}

/// A point that a domain controller has been read up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// The controller's invocationId.
    pub controller: Guid,
    /// Digest of what was read: base context, scope, filters, kinds and mapping.
    pub scope: [u8; 32],
    /// highestCommittedUSN from before the read (R1).
    pub usn: u64,
    /// Time when that was read, Unix seconds (R9).
    pub read_at: i64,
}

/// An organizational unit, a container, or whatever else has objects below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// objectGUID.
    pub guid: Guid,
    /// Its distinguished name, as the controller wrote it.
    pub dn: String,
}
