//! Steps of the way of an object, in their order, each with its result.

use super::{LocatedObject, TracedObject, moment};
use crate::store::{AssetClaim, RunId};
use crate::sync::inspection::{KindMatch, ObjectPlace, PartResult, PresentObject};

/// Result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepResult {
    /// The object has passed the step.
    Passed,
    /// The object stops here.
    Failed,
    /// The result is not known.
    Unknown,
    /// The object has not reached the step.
    NotReached,
}

impl StepResult {
    /// Returns the word used in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::NotReached => "not_reached",
        }
    }
}

/// Step of the way of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracedStep {
    /// Its name.
    pub name: &'static str,
    /// Its result.
    pub result: StepResult,
    /// Description of the result, in a few words.
    pub text: String,
    /// Details, a line each.
    pub details: Vec<String>,
    /// The run that it belongs to.
    pub run: Option<RunId>,
    /// Time of the step, Unix seconds.
    pub at: Option<i64>,
}

impl TracedStep {
    fn new(name: &'static str, result: StepResult, text: impl Into<String>) -> Self {
        Self {
            name,
            result,
            text: text.into(),
            details: Vec::new(),
            run: None,
            at: None,
        }
    }

    fn passed_if(name: &'static str, passed: bool, text: impl Into<String>) -> Self {
        let result = match passed {
            true => StepResult::Passed,
            false => StepResult::Failed,
        };
        Self::new(name, result, text)
    }

    fn at(self, at: i64, run: Option<RunId>) -> Self {
        Self {
            at: Some(at),
            run,
            ..self
        }
    }

    fn with(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }
}

impl TracedObject {
    /// Returns the steps of the way; none where it is not known which object is meant.
    #[must_use]
    pub fn steps(&self) -> Vec<TracedStep> {
        if self.named.len() > 1 {
            return Vec::new();
        }
        let mut steps = vec![self.in_directory()];
        steps.extend(
            self.present()
                .into_iter()
                .flat_map(|object| self.in_scope(object)),
        );
        match &self.record.claim {
            Some(claim) => {
                steps.push(identity(claim));
                steps.push(self.on_stage());
                steps.push(self.at_gateway(claim));
            }
            None if self.record.removed.is_empty() => {
                let text = match self.connection {
                    Some(_) => "the state knows no asset of it",
                    None => "no run has been made, so nothing was sent",
                };
                steps.push(TracedStep::new("stage", StepResult::NotReached, text));
            }
            None => {}
        }
        steps.extend(self.unmapped_before());
        steps.extend(self.missed_by_a_read());
        steps.extend(self.removals());
        steps.extend(self.in_history());
        steps
    }

    fn in_directory(&self) -> TracedStep {
        let name = "directory";
        let inspection = match &self.directory {
            Some(Ok(inspection)) => inspection,
            Some(Err(error)) => {
                return TracedStep::new(name, StepResult::Unknown, format!("cannot be read: {error}"));
            }
            None => {
                let (result, text) = match self.named.first() {
                    Some(one) => (
                        StepResult::Failed,
                        format!("{}, which shows the account no objectGUID", one.dn),
                    ),
                    None => (
                        StepResult::Failed,
                        "shows the account no object of this name".to_owned(),
                    ),
                };
                return TracedStep::new(name, result, text);
            }
        };
        let controller = &inspection.controller;
        match &inspection.object {
            LocatedObject::Present(object) => {
                TracedStep::new(name, StepResult::Passed, format!("{} on {controller}", object.dn))
            }
            LocatedObject::Deleted(dn) => {
                TracedStep::new(name, StepResult::Failed, format!("deleted on {controller}: {dn}"))
            }
            LocatedObject::Missing => TracedStep::new(
                name,
                StepResult::Failed,
                format!("{controller} returns no such object to the account"),
            ),
        }
    }

    /// Returns the steps of the scope's conditions and of the mapping.
    fn in_scope(&self, object: &PresentObject) -> Vec<TracedStep> {
        let base = self.inspection().map_or("", |found| found.base.as_str());
        let below = matches!(
            object.place,
            ObjectPlace::InScope | ObjectPlace::OutsideSearchScope
        );
        let base_text = match object.place {
            ObjectPlace::NoBase => format!("{base} does not exist, or the account may not see it"),
            _ if below => format!("below {base}"),
            _ => format!("not below {base}"),
        };
        let mut steps = vec![TracedStep::passed_if("base context", below, base_text)];
        if below {
            let reached = object.place == ObjectPlace::InScope;
            let text = match reached {
                true => "AD_SEARCH_SCOPE reaches it",
                false => "deeper than AD_SEARCH_SCOPE reaches",
            };
            steps.push(TracedStep::passed_if("search scope", reached, text));
        }
        let is_read = matches!(object.kind, KindMatch::Read(_));
        let kind_text = match object.kind {
            KindMatch::Read(kind) => format!("{}: a {kind}, {}", object.class, kind.filter()),
            KindMatch::NotRead(kind) => {
                format!(
                    "{}: a {kind}, and AD_ASSETS does not name {}",
                    object.class,
                    kind.plural()
                )
            }
            KindMatch::None => format!("{}: no user, group, computer or role", object.class),
        };
        steps.push(TracedStep::passed_if("object class", is_read, kind_text));
        if is_read {
            steps.push(extra_filter(object));
        }
        steps.push(mapping(object));
        steps
    }

    fn on_stage(&self) -> TracedStep {
        match &self.record.waiting {
            Some(waiting) => TracedStep::new(
                "stage",
                StepResult::Passed,
                format!("a version waits since {}", moment(waiting.staged_at)),
            )
            .at(waiting.staged_at, None),
            None if self.record.is_read_again => TracedStep::new(
                "stage",
                StepResult::Passed,
                "nothing waits; the next run reads the object again, since its id became free",
            ),
            None => TracedStep::new("stage", StepResult::Passed, "nothing waits"),
        }
    }

    fn at_gateway(&self, claim: &AssetClaim) -> TracedStep {
        let mut details = Vec::new();
        if let Some(run) = claim.in_flight {
            details.push(format!("a version is on the way in run {run}"));
        } else if claim.is_unanswered {
            details.push("a version was sent whose answer did not arrive; it is sent again".to_owned());
        }
        let waiting = self.record.waiting.as_ref();
        let rejected = waiting
            .and_then(|waiting| Some((waiting.rejected_at?, waiting.reject_reason.as_ref()?, waiting)));
        let accepted = claim
            .accepted
            .as_ref()
            .map(|accepted| format!("accepted at {} in run {}", moment(accepted.at), accepted.run));
        if let Some((at, reason, waiting)) = rejected {
            details.extend(accepted.map(|accepted| format!("an older version was {accepted}")));
            let text = format!(
                "rejected the version that waits, first at {}: {reason}",
                moment(at)
            );
            return TracedStep::new("gateway", StepResult::Failed, text)
                .with(details)
                .at(at, waiting.rejected_run);
        }
        match (&claim.accepted, accepted) {
            (Some(version), Some(text)) => TracedStep::new("gateway", StepResult::Passed, text)
                .with(details)
                .at(version.at, Some(version.run)),
            _ => TracedStep::new("gateway", StepResult::NotReached, "has accepted no asset of it")
                .with(details),
        }
    }

    fn unmapped_before(&self) -> Option<TracedStep> {
        let (reason, since) = self.record.unmapped.as_ref()?;
        let text = format!("runs reject the object since {}: {reason}", moment(*since));
        Some(TracedStep::new("rejected", StepResult::Failed, text).at(*since, None))
    }

    fn missed_by_a_read(&self) -> Option<TracedStep> {
        let missed = self.record.missed.as_ref()?;
        let reason = missed.reason.as_deref().unwrap_or("not looked up yet");
        let standing = match (missed.held_at, missed.is_gone) {
            (Some(at), _) => format!("gone, and held back by the threshold since {}", moment(at)),
            (None, true) => "gone".to_owned(),
            (None, false) => "not decided".to_owned(),
        };
        let text = format!(
            "a read missed it at {}: {standing} ({reason})",
            moment(missed.since)
        );
        let details = missed
            .missed_on
            .iter()
            .map(|(host, since)| format!("{host} never returned it, and misses it since {}", moment(*since)));
        Some(
            TracedStep::new("missed", StepResult::Failed, text)
                .with(details.collect())
                .at(missed.since, None),
        )
    }

    fn removals(&self) -> Vec<TracedStep> {
        let former = self.record.former.iter().map(|former| {
            let held = match former.held_at {
                Some(at) => format!(", held back by the threshold since {}", moment(at)),
                None => String::new(),
            };
            let text = format!(
                "its former asset {} is gone{held}: {}",
                former.external_id, former.reason
            );
            TracedStep::new("removal", StepResult::Unknown, text)
        });
        let removed = self.record.removed.iter().map(|removed| {
            let sent = match (removed.sent_at, self.sends_removals) {
                (Some(at), _) => format!("removal sent to ETM at {}", moment(at)),
                (None, true) => "removal not sent to ETM yet".to_owned(),
                (None, false) => "removal not sent to ETM (REMOVED_OBJECTS=report)".to_owned(),
            };
            let run = removed
                .run
                .map(|run| format!(" in run {run}"))
                .unwrap_or_default();
            let text = format!(
                "asset {} removed at {}{run}: {}; {sent}",
                removed.external_id.as_deref().unwrap_or("-"),
                moment(removed.at),
                removed.reason
            );
            TracedStep::new("removal", StepResult::Failed, text).at(removed.at, None)
        });
        former.chain(removed).collect()
    }

    fn in_history(&self) -> Option<TracedStep> {
        let runs: Vec<String> = self
            .record
            .runs
            .iter()
            .map(|(run, fate, reason)| format!("run {run}: {fate}, {reason}"))
            .collect();
        if runs.is_empty() {
            return None;
        }
        let text = "runs that name it, newest first";
        Some(TracedStep::new("history", StepResult::Unknown, text).with(runs))
    }
}

fn extra_filter(object: &PresentObject) -> TracedStep {
    let name = "extra filter";
    if object.filter.is_empty() {
        return TracedStep::new(name, StepResult::Passed, "none is set");
    }
    let unmet = object
        .filter
        .iter()
        .filter(|part| part.result != PartResult::Matches)
        .count();
    let parts = object.filter.iter().map(|part| {
        let result = match part.result {
            PartResult::Matches => "matches",
            PartResult::Refuses => "does not match",
            PartResult::Undefined => "cannot be read by the account",
        };
        format!("{} {}: {result}", part.variable, part.text)
    });
    let text = match (unmet, object.filter.len()) {
        (0, _) => "matches".to_owned(),
        (unmet, all) => format!("{unmet} of {all} parts do not match"),
    };
    TracedStep::passed_if(name, unmet == 0, text).with(parts.collect())
}

fn mapping(object: &PresentObject) -> TracedStep {
    let Some(mapped) = &object.mapped else {
        return TracedStep::new("mapping", StepResult::NotReached, "it is not in scope");
    };
    let counted = format!("{} values, {} absent", mapped.values, mapped.absent);
    let step = match &mapped.asset {
        Ok(asset) => TracedStep::new(
            "mapping",
            StepResult::Passed,
            format!("asset {}: {counted}", asset.external_id),
        ),
        Err(reason) => TracedStep::new(
            "mapping",
            StepResult::Failed,
            format!("no asset can be made of it: {reason}"),
        ),
    };
    step.with(mapped.rejected.clone())
}

fn identity(claim: &AssetClaim) -> TracedStep {
    let id = &claim.external_id;
    match (&claim.owner, claim.waits_since) {
        (Some((dn, connection)), Some(since)) => TracedStep::new(
            "identity",
            StepResult::Failed,
            format!(
                "{id} is already that of {dn} (connection {connection}); it waits since {}",
                moment(since)
            ),
        )
        .at(since, None),
        _ => TracedStep::new("identity", StepResult::Passed, format!("owns the asset {id}")),
    }
}
