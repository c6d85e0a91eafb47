//! View of a run of the history.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::time;
use crate::store::{self, ObjectTotals, RunPhases};

/// Run as `runs --json` and the API show it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Run)]
pub struct RunView {
    /// Name of the connection.
    pub connection: String,
    /// Number of the run.
    pub run: i64,
    /// Requested mode: `delta` or `baseline`.
    pub wanted: &'static str,
    /// Mode that the plan chose.
    pub mode: &'static str,
    /// Origin of the request.
    pub asked_by: String,
    /// Reason for the mode.
    pub reason: String,
    /// Time at which it began.
    #[schema(required)]
    pub started: Option<String>,
    /// Time at which it ended; `null` during the run, and after its process died.
    #[schema(required)]
    pub ended: Option<String>,
    /// Duration; `null` when it was not measured.
    #[schema(required)]
    pub seconds: Option<f64>,
    /// Durations of its phases.
    #[schema(required)]
    pub phases: Option<PhaseSeconds>,
    /// `processed`, `partial`, `failed`, `stopped` or `interrupted`; `null` during the run.
    #[schema(required)]
    pub outcome: Option<&'static str>,
    /// Error because of which it did not end as processed.
    #[schema(required)]
    pub error: Option<String>,
    /// Remedy for it.
    #[schema(required)]
    pub remedy: Option<String>,
    /// Counts by kind: `users`, `groups`, `computers`, `roles`.
    #[schema(value_type = BTreeMap<String, KindCountsView>)]
    pub counts: BTreeMap<&'static str, KindCountsView>,
    /// Requests to the gateway, repeated ones included.
    pub requests: u64,
    /// Repeated requests among these.
    pub retries: u64,
    /// Pages read from the directory.
    pub pages: u64,
    /// Referrals that were not followed.
    pub referrals: u64,
    /// invocationId of the domain controller.
    #[schema(required)]
    pub controller: Option<String>,
    /// Host that was read.
    #[schema(required)]
    pub controller_host: Option<String>,
    /// Reason for which that controller was chosen.
    #[schema(required)]
    pub controller_choice: Option<String>,
    /// Site of the controller, as it names it; `null` without `AD_DOMAIN`.
    #[schema(required)]
    pub controller_site: Option<String>,
    /// Site of the connector's computer, as the controller names it; empty where no subnet of the
    /// directory holds its address.
    #[schema(required)]
    pub client_site: Option<String>,
    /// `true` when the controller is in the site whose controllers are tried first, or serves it.
    #[schema(required)]
    pub controller_in_site: Option<bool>,
    /// USN from which the run read.
    #[schema(required)]
    pub watermark_before: Option<u64>,
    /// USN up to which the directory was known after it.
    #[schema(required)]
    pub watermark_after: Option<u64>,
    /// Name of the list of removals that the run held back.
    #[schema(required)]
    pub held_list: Option<String>,
}

/// Object that a run rejected, could not map, removed, or found in another class, as `runs --run
/// --json` and the API show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RunObject)]
pub struct RunObjectView {
    /// Name of the connection.
    pub connection: String,
    /// Number of the run.
    pub run: i64,
    /// Result for the object: `rejected`, `unmapped`, `removed`, or `reclassified` for a group that
    /// became a role, or a role that became a group; these are in no count.
    pub state: &'static str,
    /// `user`, `group`, `computer` or `role`; of a reclassified object the one that it was.
    pub kind: &'static str,
    /// Its distinguished name.
    pub dn: String,
    /// objectGUID; `null` where the entry has none that can be read.
    #[schema(required)]
    pub vendor_asset_id: Option<String>,
    /// `externalAssetId`, where there is an asset.
    #[schema(required)]
    pub external_asset_id: Option<String>,
    /// Reason for the result.
    pub reason: String,
}

impl RunObjectView {
    /// Returns the view of an object of the run with this number.
    #[must_use]
    pub fn new(connection: &str, run: i64, object: &store::RunObject) -> Self {
        Self {
            connection: connection.to_owned(),
            run,
            state: object.fate.name(),
            kind: object.kind.name(),
            dn: object.dn.clone(),
            vendor_asset_id: object.guid.map(|guid| guid.to_string()),
            external_asset_id: object.external_id.clone(),
            reason: object.reason.clone(),
        }
    }
}

/// Durations of the phases of a run, in seconds. Delivery runs in parallel with the reading.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct PhaseSeconds {
    /// Connecting, binding, choosing the plan.
    pub connecting: f64,
    /// Reading the directory.
    pub reading: f64,
    /// Looking up the objects that the read missed.
    pub examining: f64,
    /// Delivering the assets that are left on the stage after the read.
    pub delivering: f64,
}

/// Results for the objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = KindCounts)]
pub struct KindCountsView {
    /// Objects read from the directory.
    pub read: u64,
    /// Objects read that are equal to the version that upstream holds.
    pub unchanged: u64,
    /// Objects read whose assets were staged.
    pub changed: u64,
    /// Assets that were sent in a request, whatever the answer was.
    pub sent: u64,
    /// Assets sent that upstream accepted.
    pub accepted: u64,
    /// Assets sent that upstream rejected.
    pub rejected: u64,
    /// Objects read of which the mapping could make no asset.
    pub unmapped: u64,
    /// Objects that count as gone.
    pub removed: u64,
    /// Objects that count as gone, but are held back by the threshold.
    pub held: u64,
}

impl KindCountsView {
    /// Returns each count with its name.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("read", self.read),
            ("unchanged", self.unchanged),
            ("changed", self.changed),
            ("sent", self.sent),
            ("accepted", self.accepted),
            ("rejected", self.rejected),
            ("unmapped", self.unmapped),
            ("removed", self.removed),
            ("held", self.held),
        ]
    }
}

impl From<&ObjectTotals> for KindCountsView {
    fn from(counts: &ObjectTotals) -> Self {
        Self {
            read: counts.read,
            unchanged: counts.unchanged,
            changed: counts.staged,
            sent: counts.sent,
            accepted: counts.accepted,
            rejected: counts.rejected,
            unmapped: counts.unmapped,
            removed: counts.removed,
            held: counts.held,
        }
    }
}

impl From<&RunPhases> for PhaseSeconds {
    fn from(phases: &RunPhases) -> Self {
        Self {
            connecting: seconds(phases.connecting),
            reading: seconds(phases.reading),
            examining: seconds(phases.examining),
            delivering: seconds(phases.delivering),
        }
    }
}

/// Returns seconds, to the millisecond.
pub(super) fn seconds(long: Duration) -> f64 {
    (long.as_secs_f64() * 1000.0).round() / 1000.0
}

impl RunView {
    /// Returns the view of a run of the connection with this name.
    #[must_use]
    pub fn new(connection: &str, run: &store::RunRow) -> Self {
        let counts = run.counts.0.iter();
        Self {
            connection: connection.to_owned(),
            run: run.id.number(),
            wanted: run.wanted.name(),
            mode: run.mode.name(),
            asked_by: run.asked_by.clone(),
            reason: run.reason.clone(),
            started: time(Some(run.started)),
            ended: time(run.ended),
            seconds: run.phases.map(|phases| seconds(phases.total())),
            phases: run.phases.as_ref().map(PhaseSeconds::from),
            outcome: run.outcome.map(store::Outcome::name),
            error: run.error.clone(),
            remedy: run.remedy.clone(),
            counts: counts
                .map(|(kind, counts)| (kind.plural(), counts.into()))
                .collect(),
            requests: run.requests,
            retries: run.retries,
            pages: run.pages,
            referrals: run.referrals,
            controller: run.controller.map(|guid| guid.to_string()),
            controller_host: run.read_from.host.clone(),
            controller_choice: run.read_from.choice.clone(),
            controller_site: run.read_from.site.clone(),
            client_site: run.read_from.client_site.clone(),
            controller_in_site: run.read_from.is_in_site,
            watermark_before: run.watermark_before,
            watermark_after: run.watermark_after,
            held_list: run.held_list.clone(),
        }
    }

    /// Returns the controller that was read, with its site and why it was chosen, as one line for
    /// people.
    #[must_use]
    pub fn describe_controller(&self) -> Option<String> {
        let mut text = self.controller_host.clone()?;
        match (self.controller_site.as_deref(), self.client_site.as_deref()) {
            (Some(site), Some("")) => {
                text += &format!(", site {site}; no subnet of the directory holds this computer's address");
            }
            (Some(site), Some(own)) if site == own => text += &format!(", site {site}, as this computer"),
            (Some(site), Some(own)) => text += &format!(", site {site}; this computer is in site {own}"),
            _ => {}
        }
        if let Some(choice) = &self.controller_choice {
            text += &format!(" (why this one: {choice})");
        }
        Some(text)
    }
}
