//! What the receiver remembers.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use axum::http::Version;
use serde::Serialize;
use serde_json::Value;

use super::answer::{Answer, Rule};
use super::form::Parsed;
use super::ledger::Ledger;
use super::span::Span;

/// One batch of which something was kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// `connectorMetaData.requestId`.
    pub request_id: String,
    /// `connectorMetaData.connectorUuid`.
    pub connector_uuid: String,
    /// `externalAssetId` of each kept asset, in the order of the request.
    pub external_ids: Vec<String>,
    /// The kept `assetData` elements, in the same order.
    pub assets: Vec<Value>,
    /// How it was answered, as in [`Request::answer`].
    pub answer: String,
}

/// One ingest request whose body was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `connectorMetaData.requestId`.
    pub request_id: String,
    /// `externalAssetId` of each asset, in the order of the request.
    pub external_ids: Vec<String>,
    /// Bytes of the body.
    pub bytes: usize,
    /// Of HTTP.
    pub version: Version,
    /// How it was answered.
    pub answer: String,
}

/// Counts of everything since the start or the last reset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Ingest requests whose body was read.
    pub requests: u64,
    /// Requests without assets, which are no [`Summary::requests`].
    pub checks: u64,
    /// Requests of which something was kept.
    pub deliveries: u64,
    /// Assets kept, counting every delivery of the same one.
    pub assets_received: u64,
    /// Assets rejected one by one.
    pub assets_rejected: u64,
    /// Different `externalAssetId`s kept.
    pub assets: u64,
    /// Tokens given out.
    pub tokens_issued: u64,
    /// Token requests refused.
    pub tokens_refused: u64,
    /// Ingest requests beyond the rate.
    pub limited: u64,
    /// Ingest requests answered 401 because of their token.
    pub unauthorized: u64,
    /// See [`super::Receiver::violations`].
    pub violations: u64,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) assets: BTreeMap<String, Value>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) requests: Vec<Request>,
    pub(super) violations: Vec<String>,
    /// Token → valid until; `None` was revoked.
    pub(super) tokens: BTreeMap<String, Option<Instant>>,
    pub(super) ingest_script: VecDeque<Answer>,
    pub(super) token_script: VecDeque<Answer>,
    /// Answers what no script does.
    pub(super) rule: Option<Rule>,
    pub(super) counts: Summary,
    /// Times of the ingest requests of the last window.
    pub(super) calls: VecDeque<Instant>,
    /// `connectorUuid` → what was counted of it.
    pub(super) ledgers: BTreeMap<String, Ledger>,
    /// Requests whose body was not read, since the start: nobody knows whose.
    pub(super) unread: u64,
    /// Ingest requests in the order of their arrival.
    pub(super) spans: BTreeMap<u64, Span>,
    /// Number of the last of them, which never goes back.
    pub(super) span_number: u64,
    /// `requestId` → what came under it, to see that a retry repeats it.
    digests: BTreeMap<String, u64>,
    /// Never goes back, so that a token is never given out twice.
    token_number: u64,
}

impl State {
    /// A new token with the look of a JWT.
    pub(super) fn issue_token(&mut self, valid_until: Instant) -> String {
        self.token_number += 1;
        self.counts.tokens_issued += 1;
        let token = format!(
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJsYWIifQ.receiver-token-{}",
            self.token_number
        );
        self.tokens.insert(token.clone(), Some(valid_until));
        token
    }

    /// Whether the token was given out, not revoked, and is not too old.
    pub(super) fn is_valid(&self, token: &str, now: Instant) -> bool {
        self.tokens
            .get(token)
            .copied()
            .flatten()
            .is_some_and(|until| now < until)
    }

    /// Loudly remembers a mistake of the client.
    pub(super) fn violate(&mut self, what: impl Into<String>) {
        let what = what.into();
        tracing::error!(
            violation = what,
            "A request does not have the form of the contract."
        );
        self.violations.push(what);
        self.counts.violations += 1;
    }

    /// Notes a request; one `requestId` with two contents is a violation.
    pub(super) fn note(
        &mut self,
        parsed: &Parsed,
        body: &[u8],
        version: Version,
        answer: &Answer,
        keep: bool,
    ) {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let digest = hasher.finish();
        self.counts.requests += 1;
        self.ledger(parsed).requests += 1;
        if self
            .digests
            .insert(parsed.request_id.clone(), digest)
            .is_some_and(|before| before != digest)
        {
            self.violate(format!(
                "requestId {} came with two different bodies",
                parsed.request_id
            ));
        }
        if keep {
            self.requests.push(Request {
                request_id: parsed.request_id.clone(),
                external_ids: parsed.assets.iter().map(|(id, _)| id.clone()).collect(),
                bytes: body.len(),
                version,
                answer: format!("{answer:?}"),
            });
        }
    }

    /// The answer of the rule, where there is one.
    pub(super) fn ruled(&self, parsed: &Parsed) -> Option<Answer> {
        self.rule.as_ref()?.answer(&parsed.assets)
    }

    /// The ledger of the connector that sent this.
    pub(super) fn ledger(&mut self, parsed: &Parsed) -> &mut Ledger {
        self.ledgers.entry(parsed.connector_uuid.clone()).or_default()
    }

    /// Keeps the assets of a batch, all but the rejected.
    pub(super) fn keep(
        &mut self,
        parsed: Parsed,
        rejected: &BTreeMap<String, String>,
        answer: &Answer,
        keep_delivery: bool,
    ) {
        let is_known = parsed
            .assets
            .iter()
            .all(|(id, asset)| self.assets.get(id) == Some(asset));
        self.ledger(&parsed)
            .keep(&parsed.assets, rejected, answer, is_known);
        let before = parsed.assets.len();
        let kept: Vec<_> = parsed
            .assets
            .into_iter()
            .filter(|(id, _)| !rejected.contains_key(id))
            .collect();
        self.counts.assets_rejected += (before - kept.len()) as u64;
        self.counts.assets_received += kept.len() as u64;
        if kept.is_empty() {
            return;
        }
        self.counts.deliveries += 1;
        if keep_delivery {
            self.deliveries.push(Delivery {
                request_id: parsed.request_id,
                connector_uuid: parsed.connector_uuid,
                external_ids: kept.iter().map(|(id, _)| id.clone()).collect(),
                assets: kept.iter().map(|(_, asset)| asset.clone()).collect(),
                answer: format!("{answer:?}"),
            });
        }
        self.assets.extend(kept);
    }

    pub(super) fn summary(&self) -> Summary {
        Summary {
            assets: self.assets.len() as u64,
            ..self.counts.clone()
        }
    }

    pub(super) fn reset(&mut self) {
        let tokens = std::mem::take(&mut self.tokens);
        *self = Self {
            tokens,
            token_number: self.token_number,
            span_number: self.span_number,
            ledgers: std::mem::take(&mut self.ledgers),
            unread: self.unread,
            rule: self.rule.take(),
            calls: std::mem::take(&mut self.calls),
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(ids: &[&str]) -> Parsed {
        let assets = ids
            .iter()
            .map(|id| ((*id).to_owned(), json!({"asset": {"of": id}})))
            .collect();
        Parsed {
            request_id: "one".to_owned(),
            connector_uuid: "two".to_owned(),
            assets,
        }
    }

    #[test]
    fn a_retry_must_repeat_the_request() {
        let mut state = State::default();
        for body in [b"same", b"same", b"else"] {
            state.note(&parsed(&["a"]), body, Version::HTTP_11, &Answer::Accept, true);
        }
        assert_eq!(state.violations, ["requestId one came with two different bodies"]);
        assert_eq!((state.counts.requests, state.requests.len()), (3, 3));
    }

    #[test]
    fn the_rejected_are_not_kept() {
        let mut state = State::default();
        state.keep(
            parsed(&["a", "b"]),
            &BTreeMap::from([("a".to_owned(), "bad".to_owned())]),
            &Answer::Accept,
            true,
        );
        state.keep(
            parsed(&["c"]),
            &BTreeMap::from([("c".to_owned(), "bad".to_owned())]),
            &Answer::Accept,
            true,
        );
        assert_eq!(state.assets.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(state.deliveries.len(), 1);
        let summary = state.summary();
        assert_eq!(
            (summary.assets, summary.assets_received, summary.assets_rejected),
            (1, 1, 2)
        );
    }

    #[test]
    fn tokens_end_and_survive_a_reset() {
        let mut state = State::default();
        let now = Instant::now();
        let later = now + std::time::Duration::from_secs(1);
        let token = state.issue_token(later);
        assert!(
            state.is_valid(&token, now) && !state.is_valid(&token, later) && !state.is_valid("other", now)
        );
        state.reset();
        assert!(state.is_valid(&token, now));
        assert_ne!(state.issue_token(later), token);
        state.tokens.insert(token.clone(), None);
        assert!(!state.is_valid(&token, now));
    }
}
