//! Views of objects that are gone or seem to be, and of objects that are rejected.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time;
use crate::store;

/// List of objects that are gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RemovalState {
    /// The object seems to be gone, and is held back by the threshold until the list is approved.
    Held,
    /// The object was missed; the next run looks it up again.
    Undecided,
    /// The object is gone.
    #[default]
    Removed,
}

/// Object that is gone, as `removed --json` and the API show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Removal)]
pub struct RemovalView {
    /// Name of the connection.
    pub connection: String,
    /// List that contains the object.
    pub state: RemovalState,
    /// `user`, `group`, `computer` or `role`.
    pub kind: &'static str,
    /// Last distinguished name.
    pub dn: String,
    /// objectGUID.
    pub vendor_asset_id: String,
    /// `externalAssetId` of its asset; `null` where it is not removed yet.
    #[schema(required)]
    pub external_asset_id: Option<String>,
    /// Reason for which it counts as gone, or for which that is not clear.
    pub reason: String,
    /// Time at which it was removed, held back for the first time, or missed.
    #[schema(required)]
    pub at: Option<String>,
    /// Number of the run that removed it.
    #[schema(required)]
    pub run: Option<i64>,
    /// Time at which upstream accepted the asset of the removal.
    #[schema(required)]
    pub sent_at: Option<String>,
    /// Name of the list that is to be approved, where the object is held back.
    #[schema(required)]
    pub list: Option<String>,
}

impl RemovalView {
    /// Returns an object of one of the lists; `list` is the name of that of the objects held back.
    #[must_use]
    pub fn new(
        connection: &str,
        state: RemovalState,
        list: Option<&str>,
        removal: &store::RemovedObject,
    ) -> Self {
        Self {
            connection: connection.to_owned(),
            state,
            kind: removal.kind.name(),
            dn: removal.dn.clone(),
            vendor_asset_id: removal.guid.to_string(),
            external_asset_id: removal.external_id.clone(),
            reason: removal.reason.clone(),
            at: time(Some(removal.at)),
            run: removal.run,
            sent_at: time(removal.sent_at),
            list: list.filter(|_| state == RemovalState::Held).map(str::to_owned),
        }
    }
}

/// Object that is rejected, as `status --json` and the API show it. It is tried again by every run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Rejection)]
pub struct RejectionView {
    /// `user`, `group`, `computer` or `role`.
    pub kind: &'static str,
    /// `externalAssetId`, where there is an asset.
    #[schema(required)]
    pub external_asset_id: Option<String>,
    /// objectGUID; `null` where the entry has none that can be read.
    #[schema(required)]
    pub vendor_asset_id: Option<String>,
    /// Its distinguished name.
    pub dn: String,
    /// Reason for the rejection.
    pub reason: String,
    /// Time since which it is rejected.
    #[schema(required)]
    pub since: Option<String>,
    /// Part that keeps it out of ETM: `mapping` (no asset can be made of it), `upstream` (the
    /// gateway rejected it) or `identity` (another live object has its externalAssetId).
    pub origin: &'static str,
}

impl RejectionView {
    /// Returns the view of a rejected object.
    #[must_use]
    pub fn new(rejected: &store::RejectedObject) -> Self {
        Self {
            kind: rejected.kind.name(),
            external_asset_id: rejected.external_id.clone(),
            vendor_asset_id: rejected.guid.map(|guid| guid.to_string()),
            dn: rejected.dn.clone(),
            reason: rejected.reason.clone(),
            since: time(Some(rejected.since)),
            origin: rejected.origin.name(),
        }
    }
}
