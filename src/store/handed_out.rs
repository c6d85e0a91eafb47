//! Versions that are handed out to be sent.

use std::sync::Arc;

use super::reading::Fingerprint;
use crate::identity::{Guid, Kind};

/// One version of one object's asset, handed out to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOutVersion {
    /// Place in the order of the stage; another version of the object has another.
    pub seq: u64,
    /// objectGUID.
    pub guid: Guid,
    /// Kind of the object.
    pub kind: Kind,
    /// Distinguished name of the object.
    pub dn: String,
    /// `externalAssetId` of the asset.
    pub external_id: String,
    /// One `assetData` element.
    pub asset: Arc<str>,
    /// `true` when it says that the object is gone.
    pub removal: bool,
    /// Row of the asset.
    pub(super) row: i64,
    pub(super) fingerprint: Fingerprint,
}
