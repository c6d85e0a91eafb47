//! Conclusions on an object that the store knows as a live one.

use super::verdict::{TraceConclusion, TraceVerdict};
use super::{LocatedObject, TracedObject, moment};
use crate::directory::DirectoryError;
use crate::store::{AssetClaim, WaitingVersion};

impl TracedObject {
    /// Concludes on an object that the store knows as a live one.
    pub(super) fn known(&self, claim: &AssetClaim) -> TraceConclusion {
        if let Some(conclusion) = self.mapping_refuses() {
            return conclusion;
        }
        if let Some((dn, connection)) = claim.owner.as_ref().filter(|_| claim.waits_since.is_some()) {
            return self.conflict(&claim.external_id, dn, connection);
        }
        if let Some(object) = self.present().filter(|object| object.mapped.is_none()) {
            return self.leaving(&self.scope_reason(object));
        }
        match self.inspection().map(|inspection| &inspection.object) {
            Some(LocatedObject::Deleted(_)) => return self.leaving("it is deleted in the directory"),
            Some(LocatedObject::Missing) => {
                return self.leaving(
                    "the controller returns no such object, so it is deleted or hidden from the account",
                );
            }
            Some(LocatedObject::Present(_)) | None => {}
        }
        match &self.record.waiting {
            Some(waiting) => self.waiting(claim, waiting),
            None => self.settled(claim),
        }
    }

    /// Concludes on an object of which nothing waits.
    fn settled(&self, claim: &AssetClaim) -> TraceConclusion {
        let Some(accepted) = self.accepted() else {
            if claim.is_unanswered {
                return self.unanswered(claim);
            }
            return self.not_read(&format!(
                "the version that waited was withdrawn, and {} reads it again",
                self.next_run()
            ));
        };
        let now = self.present().and_then(|object| object.mapped.as_ref());
        match (now.map(|mapped| &mapped.asset), self.directory_error()) {
            (Some(Ok(asset)), _) if asset.json == accepted.asset => TraceConclusion {
                verdict: TraceVerdict::InEtm,
                in_etm: Some(true),
                sentence: format!(
                    "{} is in ETM: the gateway accepted its asset {} at {} in run {}, and the directory gives the same now.",
                    self.subject_name(),
                    claim.external_id,
                    moment(accepted.at),
                    accepted.run
                ),
                remedy: None,
            },
            (Some(_), _) => TraceConclusion {
                verdict: TraceVerdict::Outdated,
                in_etm: Some(true),
                sentence: format!(
                    "{}: the directory gives another one now, which {} reads and sends{}.",
                    self.subject("", ""),
                    self.next_run(),
                    self.failing()
                ),
                remedy: Some(self.run_remedy()),
            },
            (None, error) => TraceConclusion {
                verdict: TraceVerdict::Unverified,
                in_etm: Some(true),
                sentence: format!(
                    "{} is in ETM as far as the state knows: the gateway accepted its asset {} at {} in run {}, and the directory \
                     cannot be read now to compare{}.",
                    self.subject_name(),
                    claim.external_id,
                    moment(accepted.at),
                    accepted.run,
                    error.map(|error| format!(" ({error})")).unwrap_or_default()
                ),
                remedy: error.map(DirectoryError::advice),
            },
        }
    }

    fn unanswered(&self, claim: &AssetClaim) -> TraceConclusion {
        TraceConclusion {
            verdict: TraceVerdict::Unanswered,
            in_etm: None,
            sentence: format!(
                "{} may be in ETM: its asset {} was sent and no answer arrived, so {} sends it again{}.",
                self.subject_name(),
                claim.external_id,
                self.next_run(),
                self.failing()
            ),
            remedy: Some(self.run_remedy()),
        }
    }

    /// Concludes on an object of which a version waits on the stage.
    fn waiting(&self, claim: &AssetClaim, waiting: &WaitingVersion) -> TraceConclusion {
        let begin = self.subject("", "is not in ETM yet");
        let in_etm = Some(self.accepted().is_some());
        let version = match self.accepted() {
            Some(_) => "the newer one",
            None => "its asset",
        };
        if let Some(run) = claim.in_flight {
            return TraceConclusion {
                verdict: TraceVerdict::Sending,
                in_etm,
                sentence: format!("{begin}: {version} is on the way to the gateway in run {run} now."),
                remedy: Some("ask again in a minute".to_owned()),
            };
        }
        if let (Some(at), Some(reason)) = (waiting.rejected_at, &waiting.reject_reason) {
            let run = waiting
                .rejected_run
                .map(|run| format!(" in run {run}"))
                .unwrap_or_default();
            return TraceConclusion {
                verdict: TraceVerdict::Rejected,
                in_etm,
                sentence: format!(
                    "{}: the gateway rejected {version}{run}, first at {}: {reason}.",
                    self.subject("", "is not in ETM"),
                    moment(at)
                ),
                remedy: Some("correct what the gateway names; every run tries it again".to_owned()),
            };
        }
        if claim.is_unanswered && self.accepted().is_none() {
            return self.unanswered(claim);
        }
        TraceConclusion {
            verdict: TraceVerdict::Waiting,
            in_etm,
            sentence: format!(
                "{begin}: {version} waits since {}, and {} sends it{}.",
                moment(waiting.staged_at),
                self.next_run(),
                self.failing()
            ),
            remedy: Some(self.run_remedy()),
        }
    }

    /// Concludes on an object that is not, or no longer, in scope; ETM may hold an asset of it.
    fn leaving(&self, why: &str) -> TraceConclusion {
        TraceConclusion {
            verdict: TraceVerdict::Leaving,
            in_etm: Some(self.accepted().is_some()),
            sentence: format!(
                "{}: {why}, and {} decides on its removal{}.",
                self.subject("is still in ETM", "is not in ETM"),
                self.next_run(),
                self.failing()
            ),
            remedy: Some(self.run_remedy()),
        }
    }
}
