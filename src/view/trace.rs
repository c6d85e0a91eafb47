//! Trace of one object, as `why --json` and the API show it.

use serde::Serialize;
use utoipa::ToSchema;

use super::time;
use crate::sync::{self, KindMatch};

/// The whole way of one object, and whether it is in ETM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectTrace {
    /// Name of the connection.
    pub connection: String,
    /// Name that was asked for.
    pub name: String,
    /// `true` when ETM holds an asset of it, in whatever version; `null` when that is not known.
    #[schema(required)]
    pub in_etm: Option<bool>,
    /// Reason, as a word: `in_etm`, `unverified`, `outdated`, `waiting`, `sending`, `unanswered`,
    /// `rejected`, `conflict`, `unmapped`, `unidentified`, `out_of_scope`, `leaving`, `held`,
    /// `undecided`, `removed`, `not_read`, `passed_over`, `deleted`, `not_found`, `ambiguous` or
    /// `unknown`.
    pub verdict: &'static str,
    /// Reason, as a sentence.
    pub sentence: String,
    /// Remedy.
    #[schema(required)]
    pub remedy: Option<String>,
    /// `user`, `group`, `computer` or `role`; `null` where it is none of them, or not known.
    #[schema(required)]
    pub kind: Option<&'static str>,
    /// Its distinguished name: the present one, else the last that was read.
    #[schema(required)]
    pub dn: Option<String>,
    /// objectGUID.
    #[schema(required)]
    pub vendor_asset_id: Option<String>,
    /// `externalAssetId` of its asset.
    #[schema(required)]
    pub external_asset_id: Option<String>,
    /// Its way, step by step.
    pub steps: Vec<TraceStep>,
    /// Objects of this name, where there are several.
    pub candidates: Vec<TraceCandidate>,
    /// Number of further ones.
    pub more_candidates: usize,
}

/// Step of the way of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TraceStep {
    /// Its name: `directory`, `base context`, `search scope`, `object class`, `extra filter`,
    /// `mapping`, `identity`, `stage`, `gateway`, `rejected`, `missed`, `removal` or `history`.
    pub step: &'static str,
    /// `passed`, `failed`, `unknown` or `not_reached`.
    pub result: &'static str,
    /// Description of the result.
    pub text: String,
    /// Details, a line each: parts of the filter, rejected values, runs.
    pub details: Vec<String>,
    /// Number of the run that the step belongs to.
    #[schema(required)]
    pub run: Option<i64>,
    /// Time of the step.
    #[schema(required)]
    pub at: Option<String>,
}

/// Object that a name means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TraceCandidate {
    /// Its object class.
    pub class: String,
    /// Its distinguished name.
    pub dn: String,
    /// objectGUID; `null` where the account may not read it.
    #[schema(required)]
    pub vendor_asset_id: Option<String>,
    /// objectSid.
    #[schema(required)]
    pub sid: Option<String>,
}

impl ObjectTrace {
    /// Returns the view of the trace of an object by the connection with this name.
    #[must_use]
    pub fn new(connection: &str, trace: &sync::TracedObject) -> Self {
        let conclusion = trace.conclude();
        let named = trace.named.iter().filter(|_| trace.named.len() > 1);
        Self {
            connection: connection.to_owned(),
            name: trace.name.clone(),
            in_etm: conclusion.in_etm,
            verdict: conclusion.verdict.name(),
            sentence: conclusion.sentence,
            remedy: conclusion.remedy,
            kind: kind_of(trace),
            dn: trace.dn().map(str::to_owned),
            vendor_asset_id: trace.guid.map(|guid| guid.to_string()),
            external_asset_id: trace.external_id(),
            steps: trace.steps().into_iter().map(step).collect(),
            candidates: named.map(candidate).collect(),
            more_candidates: trace.more,
        }
    }
}

fn kind_of(trace: &sync::TracedObject) -> Option<&'static str> {
    let present = trace.present().map(|object| object.kind);
    let claimed = || trace.record.claim.as_ref().map(|claim| claim.kind);
    let removed = || trace.record.removed.first().map(|removed| removed.kind);
    let kind = match present {
        Some(KindMatch::Read(kind) | KindMatch::NotRead(kind)) => Some(kind),
        Some(KindMatch::None) => None,
        None => claimed().or_else(removed),
    };
    kind.map(crate::identity::Kind::name)
}

fn step(step: sync::TracedStep) -> TraceStep {
    TraceStep {
        step: step.name,
        result: step.result.name(),
        text: step.text,
        details: step.details,
        run: step.run.map(crate::store::RunId::number),
        at: time(step.at),
    }
}

fn candidate(named: &sync::ObjectOfName) -> TraceCandidate {
    TraceCandidate {
        class: named.class.clone(),
        dn: named.dn.clone(),
        vendor_asset_id: named.guid.map(|guid| guid.to_string()),
        sid: named.sid.clone(),
    }
}
