//! View of a run in progress.

use serde::Serialize;
use utoipa::ToSchema;

use super::{run::seconds, time};
use crate::sync;

/// Progress of the run that this service executes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Progress)]
pub struct ProgressView {
    /// Number of the run.
    pub run: i64,
    /// Requested mode: `delta` or `baseline`.
    pub wanted: &'static str,
    /// Mode that the plan chose; the requested one, until that is known.
    pub mode: &'static str,
    /// Origin of the request.
    pub asked_by: String,
    /// `connecting`, `reading`, `examining` or `delivering`, in this order. Delivery runs in
    /// parallel with the reading.
    pub phase: &'static str,
    /// Time at which it began.
    #[schema(required)]
    pub started: Option<String>,
    /// Seconds since it began.
    pub elapsed_seconds: f64,
    /// Objects read from the directory.
    pub read: u64,
    /// Assets staged for delivery.
    pub staged: u64,
    /// Assets that upstream accepted.
    pub accepted: u64,
    /// Objects that could not be mapped, and assets that upstream refused.
    pub rejected: u64,
}

impl ProgressView {
    /// Returns the present progress; `None` before the run began.
    #[must_use]
    pub fn of(progress: &sync::RunProgress) -> Option<Self> {
        let begun = progress.begun().borrow().clone()?;
        let now = progress.snapshot();
        Some(Self {
            run: begun.run.number(),
            wanted: begun.wanted.name(),
            mode: progress.mode().unwrap_or(begun.wanted).name(),
            asked_by: begun.asked_by,
            phase: progress.phase().unwrap_or(sync::RunPhase::Connecting).name(),
            started: time(Some(begun.at)),
            elapsed_seconds: seconds(progress.phases().total()),
            read: now.read,
            staged: now.staged,
            accepted: now.accepted,
            rejected: now.rejected,
        })
    }
}
