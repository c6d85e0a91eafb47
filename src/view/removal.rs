//! Objects that are gone or seem to be, and objects that did not get through.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::time;
use crate::store;

/// Which list of objects that are gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RemovalState {
    /// Seems gone, and is held back by the threshold until somebody approves the list.
    Held,
    /// Was missed; looked up again by the next run.
    Undecided,
    /// Gone.
    #[default]
    Removed,
}

/// An object that is gone, as `removed --json` and the API show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Removal {
    /// Name of the connection.
    pub connection: String,
    /// Which list it is on.
    pub state: RemovalState,
    /// `user`, `group` or `computer`.
    pub kind: &'static str,
    /// Where it was.
    pub dn: String,
    /// objectGUID.
    pub vendor_asset_id: String,
    /// Of its asset; `null` where it is not removed yet.
    #[schema(required)]
    pub external_asset_id: Option<String>,
    /// Why it counts as gone, or why that is not clear.
    pub reason: String,
    /// When it was removed, held back for the first time, or missed.
    #[schema(required)]
    pub at: Option<String>,
    /// The run that removed it.
    #[schema(required)]
    pub run: Option<i64>,
    /// When upstream accepted the asset that says so.
    #[schema(required)]
    pub sent_at: Option<String>,
    /// The list that is to be approved, where it is held back.
    #[schema(required)]
    pub list: Option<String>,
}

impl Removal {
    /// An object of one of the lists; `list` names that of the objects held back.
    #[must_use]
    pub fn new(connection: &str, state: RemovalState, list: Option<&str>, removal: &store::Removal) -> Self {
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

/// An object that did not get through, as `status --json` and the API show it. It is tried again by every run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// `user`, `group` or `computer`.
    pub kind: &'static str,
    /// Where there is an asset.
    #[schema(required)]
    pub external_asset_id: Option<String>,
    /// objectGUID; `null` where the entry showed none that can be read.
    #[schema(required)]
    pub vendor_asset_id: Option<String>,
    /// Its distinguished name.
    pub dn: String,
    /// Why.
    pub reason: String,
    /// Since when.
    #[schema(required)]
    pub since: Option<String>,
    /// Side that keeps it out of ETM: `mapping` (no asset can be made of it), `upstream` (the
    /// gateway rejected it) or `identity` (another live object has its externalAssetId).
    pub origin: &'static str,
}

impl Rejection {
    /// An object that did not get through.
    #[must_use]
    pub fn new(rejected: &store::Rejection) -> Self {
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
