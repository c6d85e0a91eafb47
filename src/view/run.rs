//! A run of the history.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::time;
use crate::store::{self, Counts, Phases};

/// A run as `runs --json` and the API show it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Name of the connection.
    pub connection: String,
    /// Its number.
    pub run: i64,
    /// What was asked for: `delta` or `baseline`.
    pub wanted: &'static str,
    /// What was done.
    pub mode: &'static str,
    /// Who asked.
    pub asked_by: String,
    /// Why it read that much.
    pub reason: String,
    /// When it began.
    #[schema(required)]
    pub started: Option<String>,
    /// When it ended; `null` while it goes on, and after its process died.
    #[schema(required)]
    pub ended: Option<String>,
    /// How long it took; `null` when nobody measured it.
    #[schema(required)]
    pub seconds: Option<f64>,
    /// What that went to.
    #[schema(required)]
    pub phases: Option<PhaseSeconds>,
    /// `processed`, `partial`, `failed`, `stopped` or `interrupted`; `null` while it goes on.
    #[schema(required)]
    pub outcome: Option<&'static str>,
    /// Why it did not end as processed.
    #[schema(required)]
    pub error: Option<String>,
    /// What to do about it.
    #[schema(required)]
    pub remedy: Option<String>,
    /// By kind: `users`, `groups`, `computers`.
    #[schema(value_type = BTreeMap<String, KindCounts>)]
    pub counts: BTreeMap<&'static str, KindCounts>,
    /// Requests to the gateway, repeated ones included.
    pub requests: u64,
    /// Repeated ones.
    pub retries: u64,
    /// Pages read from the directory.
    pub pages: u64,
    /// Referrals that were not followed.
    pub referrals: u64,
    /// The domain controller's invocationId.
    #[schema(required)]
    pub controller: Option<String>,
    /// The host that was read.
    #[schema(required)]
    pub controller_host: Option<String>,
    /// Why that controller was chosen.
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
    /// The USN that the run read from.
    #[schema(required)]
    pub watermark_before: Option<u64>,
    /// The USN up to which the directory was known after it.
    #[schema(required)]
    pub watermark_after: Option<u64>,
    /// Names the list of removals that the run held back.
    #[schema(required)]
    pub held_list: Option<String>,
}

/// An object that a run did not get through, or removed, as `runs --run --json` and the API show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunObject {
    /// Name of the connection.
    pub connection: String,
    /// Number of the run.
    pub run: i64,
    /// What became of it: `rejected`, `unmapped` or `removed`.
    pub state: &'static str,
    /// `user`, `group` or `computer`.
    pub kind: &'static str,
    /// Its distinguished name.
    pub dn: String,
    /// objectGUID; `null` where the entry showed none that can be read.
    #[schema(required)]
    pub vendor_asset_id: Option<String>,
    /// Where there is an asset.
    #[schema(required)]
    pub external_asset_id: Option<String>,
    /// Why.
    pub reason: String,
}

impl RunObject {
    /// An object of the run with this number.
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

/// What the time of a run went to, in seconds. Delivery goes on beside the reading.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct PhaseSeconds {
    /// Connecting, binding, deciding what to read.
    pub connecting: f64,
    /// Reading the directory.
    pub reading: f64,
    /// Looking up what the reading missed.
    pub examining: f64,
    /// Delivering what the reading left on the stage.
    pub delivering: f64,
}

/// What became of the objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct KindCounts {
    /// Read from the directory.
    pub read: u64,
    /// Of those, equal to what upstream holds.
    pub unchanged: u64,
    /// Of those, put on the stage.
    pub changed: u64,
    /// Assets that went out in a request, whatever the answer was.
    pub sent: u64,
    /// Of those sent, accepted by upstream.
    pub accepted: u64,
    /// Of those sent, rejected by upstream.
    pub rejected: u64,
    /// Of those read, the mapping could make no asset of.
    pub unmapped: u64,
    /// Concluded to be gone.
    pub removed: u64,
    /// Gone, but held back by the threshold.
    pub held: u64,
}

impl KindCounts {
    /// Each count with its name.
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

impl From<&Counts> for KindCounts {
    fn from(counts: &Counts) -> Self {
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

impl From<&Phases> for PhaseSeconds {
    fn from(phases: &Phases) -> Self {
        Self {
            connecting: seconds(phases.connecting),
            reading: seconds(phases.reading),
            examining: seconds(phases.examining),
            delivering: seconds(phases.delivering),
        }
    }
}

/// Seconds, to the millisecond.
pub(super) fn seconds(long: Duration) -> f64 {
    (long.as_secs_f64() * 1000.0).round() / 1000.0
}

impl Run {
    /// A run of the connection with this name.
    #[must_use]
    pub fn new(connection: &str, run: &store::Run) -> Self {
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
