//! Objects as they were read, with their assets.

use sha2::{Digest, Sha256};

use crate::identity::{Guid, Kind, LinkNote};

/// One object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectReading {
    /// objectGUID: the identity of the object (R7).
    pub guid: Guid,
    /// Its kind.
    pub kind: Kind,
    /// Its distinguished name, as the controller wrote it.
    pub dn: String,
    /// Its asset, or why there is none (R15).
    pub asset: Result<StagedAsset, String>,
    /// The objects that the asset names, sorted, each once; `None` where the mapping names none.
    pub linked: Option<Vec<LinkNote>>,
}

/// Asset to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedAsset {
    /// `externalAssetId` of the asset.
    pub external_id: String,
    /// One `assetData` element, byte-identical for the same content (R16).
    pub json: String,
}

/// First 16 octets of the SHA-256 of an asset. Two different versions of one object share them with
/// a chance of 2^-128.
pub(super) type Fingerprint = [u8; 16];

/// Returns the fingerprint of an asset.
pub(super) fn fingerprint(json: &str) -> Fingerprint {
    let digest: [u8; 32] = Sha256::digest(json.as_bytes()).into();
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    first
}
