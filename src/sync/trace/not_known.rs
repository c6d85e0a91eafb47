//! Conclusions on an object that the store does not know as a live one.

use super::verdict::{TraceConclusion, TraceVerdict};
use super::{LocatedObject, TracedObject};
use crate::sync::inspection::PresentObject;

impl TracedObject {
    /// Concludes on an object that the store does not know as a live one.
    pub(super) fn not_known(&self) -> TraceConclusion {
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

    pub(super) fn not_read(&self, why: &str) -> TraceConclusion {
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
