//! Conclusion on one object: the sentence that ends a trace.

use super::phrases::NEXT_RUN;
use super::verdict::{TraceConclusion, TraceVerdict};
use super::{TracedObject, moment};
use crate::store::{MissedObject, RemovedObject};

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

    pub(super) fn conflict(&self, external_id: &str, dn: &str, connection: &str) -> TraceConclusion {
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
    pub(super) fn mapping_refuses(&self) -> Option<TraceConclusion> {
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
}
