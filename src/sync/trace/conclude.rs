//! Conclusion on one object: the sentence that ends a trace.

use super::phrases::NEXT_RUN;
use super::verdict::{TraceConclusion, TraceVerdict};
use super::{LocatedObject, TracedObject, moment};
use crate::directory::DirectoryError;
use crate::store::{AssetClaim, MissedObject, RemovedObject, WaitingVersion};
use crate::sync::inspection::PresentObject;

impl TracedObject {
    /// Concludes whether the object is in ETM, with the reason.
    #[must_use]
    pub fn conclude(&self) -> TraceConclusion {
        if self.named.len() > 1 {
            return self.ambiguous();
        }
        if let [named] = self.named.as_slice()
            && named.guid.is_none()
        {
            return self.unidentified(&named.dn);
        }
        let in_scope = self.present().is_some_and(|object| object.mapped.is_some());
        if let Some(missed) = self.record.missed.as_ref().filter(|_| !in_scope) {
            return self.missed(missed);
        }
        match (&self.record.claim, self.record.removed.first()) {
            (Some(claim), _) => self.known(claim),
            (None, Some(removed)) if !in_scope => self.removed(removed),
            (None, _) => self.not_known(),
        }
    }

    fn ambiguous(&self) -> TraceConclusion {
        TraceConclusion {
            verdict: TraceVerdict::Ambiguous,
            in_etm: None,
            sentence: format!(
                "{} objects have the name `{}`: each is listed.",
                self.named.len() + self.more,
                self.name
            ),
            remedy: Some("ask again with the GUID, SID or DN of one of them".to_owned()),
        }
    }

    fn unidentified(&self, dn: &str) -> TraceConclusion {
        let since = match &self.unidentified {
            Some((_, since)) => format!("runs reject it since {}", moment(*since)),
            None => "a run rejects it".to_owned(),
        };
        TraceConclusion {
            verdict: TraceVerdict::Unidentified,
            in_etm: Some(false),
            sentence: format!(
                "{dn} is not in ETM: the account may not read its objectGUID, by which objects are known, so {since}."
            ),
            remedy: Some("grant the account Read Property on all attributes of the object".to_owned()),
        }
    }

    /// Concludes on an object that a read missed, and that the directory does not return in scope
    /// now.
    fn missed(&self, missed: &MissedObject) -> TraceConclusion {
        let evidence = missed
            .reason
            .clone()
            .unwrap_or_else(|| "it was not looked up yet".to_owned());
        let still = self.subject("is still in ETM", "was never accepted by ETM");
        let in_etm = Some(self.accepted().is_some());
        if let Some(held_at) = missed.held_at {
            return TraceConclusion {
                verdict: TraceVerdict::Held,
                in_etm,
                sentence: format!(
                    "{still}: it is gone ({evidence}), but more objects are gone than the threshold allows, so its removal is held \
                     back since {}.",
                    moment(held_at)
                ),
                remedy: Some(
                    "see `ad-connector removed`, and let the list through with `ad-connector approve-removals` if it is right"
                        .to_owned(),
                ),
            };
        }
        TraceConclusion {
            verdict: TraceVerdict::Undecided,
            in_etm,
            sentence: format!(
                "{still}: a read missed it at {}, and it is not decided whether it is gone ({evidence}).",
                moment(missed.since)
            ),
            remedy: Some(
                "nothing: each run looks it up again; if it is there, let the account read all of it"
                    .to_owned(),
            ),
        }
    }

    fn removed(&self, removed: &RemovedObject) -> TraceConclusion {
        let asset = removed.external_id.as_deref().unwrap_or("an unknown id");
        let begin = format!(
            "{} was removed at {} in run {} on this evidence: {}",
            removed.dn,
            moment(removed.at),
            removed.run.unwrap_or_default(),
            removed.reason
        );
        let waiting = self.record.waiting.as_ref().filter(|waiting| waiting.removal);
        let (in_etm, sent, remedy) = match (removed.sent_at, waiting) {
            (Some(at), _) => (
                Some(false),
                format!("the removal was sent to ETM at {}", moment(at)),
                "nothing: ETM ages its asset out by its purge rules",
            ),
            (None, Some(waiting)) => {
                let rejection = match (waiting.rejected_at, &waiting.reject_reason) {
                    (Some(at), Some(reason)) => {
                        format!(", which the gateway rejected at {} ({reason})", moment(at))
                    }
                    _ => String::new(),
                };
                let sent =
                    format!("its asset {asset} is still in ETM until a run has sent the removal{rejection}");
                (Some(true), sent, NEXT_RUN)
            }
            (None, None) => (
                Some(true),
                format!(
                    "the removal was not sent to ETM, so its asset {asset} stays there until ETM's purge rules age it out"
                ),
                "nothing; or REMOVED_OBJECTS=send, which sends later removals to ETM",
            ),
        };
        TraceConclusion {
            verdict: TraceVerdict::Removed,
            in_etm,
            sentence: format!("{begin}; {sent}."),
            remedy: Some(remedy.to_owned()),
        }
    }

    /// Concludes on an object that the store knows as a live one.
    fn known(&self, claim: &AssetClaim) -> TraceConclusion {
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

    fn conflict(&self, external_id: &str, dn: &str, connection: &str) -> TraceConclusion {
        TraceConclusion {
            verdict: TraceVerdict::Conflict,
            in_etm: Some(false),
            sentence: format!(
                "{} is not in ETM: its externalAssetId {external_id} is already that of {dn} (connection {connection}), and it waits \
                 until that object is gone.",
                self.subject_name()
            ),
            remedy: Some(
                "give one of the two another value of what externalAssetId is mapped from".to_owned(),
            ),
        }
    }

    /// Concludes on an object of which the mapping makes no asset: as it is now, else as it was
    /// read last.
    fn mapping_refuses(&self) -> Option<TraceConclusion> {
        let now = self.present().and_then(|object| object.mapped.as_ref());
        let reason = match (now.map(|mapped| &mapped.asset), &self.record.unmapped) {
            (Some(Ok(_)), _) => return None,
            (Some(Err(reason)), _) => reason.clone(),
            (None, Some((reason, since))) if self.directory_error().is_some() => {
                format!("{reason} (since {})", moment(*since))
            }
            (None, _) => return None,
        };
        Some(TraceConclusion {
            verdict: TraceVerdict::Unmapped,
            in_etm: Some(self.accepted().is_some()),
            sentence: format!(
                "{}: the mapping can make no asset of it as it is: {reason}.",
                self.subject("", "is not in ETM")
            ),
            remedy: Some(
                "correct the value in the directory, let the account read it, or change the mapping; every run tries it again"
                    .to_owned(),
            ),
        })
    }

    /// Concludes on an object that the store does not know as a live one.
    fn not_known(&self) -> TraceConclusion {
        if let Some(conclusion) = self.mapping_refuses() {
            return conclusion;
        }
        if let Some(error) = self.directory_error() {
            return TraceConclusion {
                verdict: TraceVerdict::Unknown,
                in_etm: None,
                sentence: format!(
                    "Whether `{}` is in ETM cannot be answered: the directory cannot be read ({error}), and no run has read an object \
                     of that name.",
                    self.name
                ),
                remedy: Some(error.advice()),
            };
        }
        let Some(object) = self.present() else {
            return self.nowhere();
        };
        if object.mapped.is_none() {
            return TraceConclusion {
                verdict: TraceVerdict::OutOfScope,
                in_etm: Some(false),
                sentence: format!(
                    "{} is not in ETM: it is not in scope, since {}.",
                    object.dn,
                    self.scope_reason(object)
                ),
                remedy: object.scope_remedy(),
            };
        }
        if let (Some((dn, connection)), Some(external_id)) = (&self.id_owner, self.external_id()) {
            return self.conflict(&external_id, dn, connection);
        }
        self.in_scope_and_not_read(object)
    }

    fn in_scope_and_not_read(&self, object: &PresentObject) -> TraceConclusion {
        if self.last_run.is_none() {
            return self.not_read(&format!(
                "it is in scope, but no run has read the directory yet, and {} does",
                self.next_run()
            ));
        }
        if let (Some(usn), Some(watermark)) = (object.usn, self.watermark)
            && usn <= watermark
        {
            return TraceConclusion {
                verdict: TraceVerdict::PassedOver,
                in_etm: Some(false),
                sentence: format!(
                    "{} is not in ETM: it is in scope, but changed last at USN {usn} of a controller that the runs have read up to USN \
                     {watermark} without seeing it, so the account could not see it then.",
                    object.dn
                ),
                remedy: Some("run `ad-connector sync --baseline`, which reads everything".to_owned()),
            };
        }
        let begin = match self.record.removed.first() {
            Some(removed) => format!(
                "it is in scope again, which it was not when run {} removed it",
                removed.run.unwrap_or_default()
            ),
            None => "it is in scope, but changed after the last read".to_owned(),
        };
        self.not_read(&format!("{begin}, and {} reads and sends it", self.next_run()))
    }

    fn not_read(&self, why: &str) -> TraceConclusion {
        TraceConclusion {
            verdict: TraceVerdict::NotRead,
            in_etm: Some(false),
            sentence: format!(
                "{} is not in ETM yet: {why}{}.",
                self.subject_name(),
                self.failing()
            ),
            remedy: Some(self.run_remedy()),
        }
    }

    /// Concludes on an object that neither the store nor the directory has.
    fn nowhere(&self) -> TraceConclusion {
        if let Some(LocatedObject::Deleted(dn)) = self.inspection().map(|found| &found.object) {
            return TraceConclusion {
                verdict: TraceVerdict::Deleted,
                in_etm: Some(false),
                sentence: format!(
                    "`{}` is not in ETM: it is deleted in the directory ({dn}), and no run had sent it.",
                    self.name
                ),
                remedy: None,
            };
        }
        let forgotten = match self.record.runs.first() {
            Some((run, fate, reason)) => format!("; the last run that names it is {run} ({fate}: {reason})"),
            None => String::new(),
        };
        TraceConclusion {
            verdict: TraceVerdict::NotFound,
            in_etm: Some(false),
            sentence: format!(
                "`{}` is not in ETM: the directory shows the account no object of that name, and no run has read one{forgotten}.",
                self.name
            ),
            remedy: Some(
                "check the spelling, and that the account may see the object; a GUID, SID or DN is exact"
                    .to_owned(),
            ),
        }
    }
}
