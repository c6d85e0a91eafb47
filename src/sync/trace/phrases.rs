//! Phrases that several conclusions share.

use super::{TracedObject, moment};
use crate::store::{AcceptedVersion, Outcome, State};

/// Advice where the next run settles the case.
pub(super) const NEXT_RUN: &str = "nothing, or `ad-connector sync` for a run now";

impl TracedObject {
    /// Returns the version that upstream holds.
    pub(super) fn accepted(&self) -> Option<&AcceptedVersion> {
        self.record.claim.as_ref()?.accepted.as_ref()
    }

    /// Returns the distinguished name, else the name that was asked for.
    pub(super) fn subject_name(&self) -> String {
        self.dn()
            .map_or_else(|| format!("`{}`", self.name), str::to_owned)
    }

    /// Begins a sentence: `held` (or that the version is older) where ETM holds an asset, `else`
    /// `not_held`.
    pub(super) fn subject(&self, held: &str, not_held: &str) -> String {
        let name = self.subject_name();
        match self.accepted() {
            None => format!("{name} {not_held}"),
            Some(accepted) => {
                let held = if held.is_empty() {
                    "is in ETM in an older version"
                } else {
                    held
                };
                format!(
                    "{name} {held}, accepted at {} in run {}",
                    moment(accepted.at),
                    accepted.run
                )
            }
        }
    }

    /// Names the run that continues with the object.
    pub(super) fn next_run(&self) -> String {
        let Some(connection) = &self.connection else {
            return "the first run".to_owned();
        };
        match (connection.state, connection.next_sync) {
            (State::Processing, _) => "the run that goes on now, or the next one,".to_owned(),
            (_, Some(at)) => format!("the next run (due {})", moment(at)),
            (_, None) => "the next run".to_owned(),
        }
    }

    /// Returns the last run where it failed.
    fn failed_run(&self) -> Option<&str> {
        let run = self.last_run.as_ref()?;
        let failed = matches!(run.outcome, Some(Outcome::Failed | Outcome::Interrupted));
        run.error.as_deref().filter(|_| failed)
    }

    pub(super) fn failing(&self) -> String {
        self.failed_run()
            .map(|error| format!("; but the last run failed: {error}"))
            .unwrap_or_default()
    }

    pub(super) fn run_remedy(&self) -> String {
        let failed = self.last_run.as_ref().filter(|_| self.failed_run().is_some());
        failed
            .and_then(|run| run.remedy.clone())
            .unwrap_or_else(|| NEXT_RUN.to_owned())
    }
}
