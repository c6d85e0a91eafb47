//! A run in the state: its plan, its end, and its row.

use std::time::Duration;

use super::error::StoreFault;
use super::sql::SqlRow;
use super::{KindCounts, Outcome, RunId, RunMode};
use crate::identity::Guid;

/// Time of a run by phase. Delivery goes on beside the reading; the four follow each other, and
/// are the whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunPhases {
    /// Until it was known what to read: connecting, binding, planning.
    pub connecting: Duration,
    /// Until everything was read.
    pub reading: Duration,
    /// Looking up what was missed.
    pub examining: Duration,
    /// Delivering what the reading had left on the stage.
    pub delivering: Duration,
}

impl RunPhases {
    /// Returns each phase with its name, in their order.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, Duration); 4] {
        [
            ("connecting", self.connecting),
            ("reading", self.reading),
            ("examining", self.examining),
            ("delivering", self.delivering),
        ]
    }

    /// Returns the time of the whole run.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.connecting + self.reading + self.examining + self.delivering
    }
}

/// Controller that a run reads, and where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunController {
    /// Host, as in `AD_HOST` or as DNS names it.
    pub host: Option<String>,
    /// Reason why it was chosen.
    pub choice: Option<String>,
    /// Its site, as it names it.
    pub site: Option<String>,
    /// Site of this computer, as the controller names it; empty where no subnet of the directory
    /// holds the address of this computer.
    pub client_site: Option<String>,
    /// The controller is in the site whose controllers are tried first, or serves it.
    pub is_in_site: Option<bool>,
}

/// Knowledge about a run once it has looked at the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPlan {
    /// Amount that it reads.
    pub mode: RunMode,
    /// Reason why it reads that much: one sentence.
    pub reason: String,
    /// The domain controller's invocationId.
    pub controller: Option<Guid>,
    /// The domain controller, for people.
    pub read_from: RunController,
    /// The watermark that the run reads from (a USN).
    pub watermark_before: Option<u64>,
}

/// End of a run. What the run did was counted by each step of it ([`super::Store::run`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// [`Outcome::Processed`] makes the connection processed, every other outcome makes it
    /// scheduled with `error`.
    pub outcome: Outcome,
    /// Reason why it is not processed: one sentence.
    pub error: Option<String>,
    /// Advice about that.
    pub remedy: Option<String>,
    /// Requests upstream that were repeated ones.
    pub retries: u64,
    /// Time by phase; `None` when it was not measured.
    pub phases: Option<RunPhases>,
    /// LDAP pages read.
    pub pages: u64,
    /// Referrals and continuation references met (R10).
    pub referrals: u64,
}

impl Default for RunEnd {
    fn default() -> Self {
        Self {
            outcome: Outcome::Processed,
            error: None,
            remedy: None,
            retries: 0,
            phases: None,
            pages: 0,
            referrals: 0,
        }
    }
}

/// One run, as `runs` and the API show it. Times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its number.
    pub id: RunId,
    /// Mode that was asked for.
    pub wanted: RunMode,
    /// Mode that was used.
    pub mode: RunMode,
    /// Reason for that mode.
    pub reason: String,
    /// Origin of the request for it: `schedule`, `sync`, `API`.
    pub asked_by: String,
    /// Time of its beginning.
    pub started: i64,
    /// Time of its end; `None` while it runs, or after its process died.
    pub ended: Option<i64>,
    /// Its outcome, once it has ended.
    pub outcome: Option<Outcome>,
    /// Reason why it did not end as processed.
    pub error: Option<String>,
    /// Advice about that.
    pub remedy: Option<String>,
    /// Its time by phase, once it has ended.
    pub phases: Option<RunPhases>,
    /// Counts of the objects by outcome.
    pub counts: KindCounts,
    /// Requests upstream.
    pub requests: u64,
    /// Of those, repeated ones.
    pub retries: u64,
    /// LDAP pages read.
    pub pages: u64,
    /// Referrals and continuation references met.
    pub referrals: u64,
    /// The domain controller's invocationId.
    pub controller: Option<Guid>,
    /// The domain controller, for people.
    pub read_from: RunController,
    /// The watermark that the run read from.
    pub watermark_before: Option<u64>,
    /// The watermark that the run committed.
    pub watermark_after: Option<u64>,
    /// The name of the list of removals that the run held back (R23).
    pub held_list: Option<String>,
}

/// Reads a row of `run`; the counts are in another table.
pub(super) fn run_of(row: &SqlRow<'_>) -> Result<RunRow, StoreFault> {
    Ok(RunRow {
        id: row.get("id")?,
        wanted: row.get("wanted")?,
        mode: row.get("mode")?,
        reason: row.get("reason")?,
        asked_by: row.get("asked_by")?,
        started: row.get("started")?,
        ended: row.get("ended")?,
        outcome: row.get("outcome")?,
        error: row.get("error")?,
        remedy: row.get("remedy")?,
        phases: phases_of(row)?,
        counts: KindCounts::default(),
        requests: row.count("requests")?,
        retries: row.count("retries")?,
        pages: row.count("pages")?,
        referrals: row.count("referrals")?,
        controller: row.get("controller")?,
        read_from: RunController {
            host: row.get("host")?,
            choice: row.get("controller_choice")?,
            site: row.get("controller_site")?,
            client_site: row.get("client_site")?,
            is_in_site: row.get("in_site")?,
        },
        watermark_before: count_or_null(row, "watermark_before")?,
        watermark_after: count_or_null(row, "watermark_after")?,
        held_list: row.get("held_list")?,
    })
}

/// Reads the four phases of a run; `None` when they were not measured.
fn phases_of(row: &SqlRow<'_>) -> Result<Option<RunPhases>, StoreFault> {
    let phase =
        |column| -> Result<_, StoreFault> { Ok(count_or_null(row, column)?.map(Duration::from_millis)) };
    let phases = (
        phase("connecting_ms")?,
        phase("reading_ms")?,
        phase("examining_ms")?,
        phase("delivering_ms")?,
    );
    Ok(match phases {
        (Some(connecting), Some(reading), Some(examining), Some(delivering)) => Some(RunPhases {
            connecting,
            reading,
            examining,
            delivering,
        }),
        _ => None,
    })
}

/// Reads a number that is never negative, and may be missing.
fn count_or_null(row: &SqlRow<'_>, column: &str) -> Result<Option<u64>, StoreFault> {
    let number: Option<i64> = row.get(column)?;
    Ok(number.map(|number| u64::try_from(number).unwrap_or(0)))
}
