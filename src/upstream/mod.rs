//! Qualys: tokens, requests, meaning of the answers, and retries.
//!
//! [`QualysGateway::sizing`] gives the size of a batch, [`QualysGateway::deliver`] sends one and
//! reports for each asset whether it was accepted, rejected, or neither ([`BatchDelivery`]). The
//! invariant of this module is R18: nothing counts as accepted that the gateway did not accept.

mod answer;
mod answer_counts;
#[cfg(test)]
#[path = "answer_table_tests.rs"]
mod answer_table;
mod api_server;
mod asset_errors;
mod backoff;
mod calls;
mod cause;
mod client;
mod credentials;
mod delivery;
mod error;
mod evidence;
mod failed_request;
#[cfg(any(test, fuzzing))]
#[path = "../../tests/fuzz/bodies/answer.rs"]
pub mod fuzzing;
mod ingest_check;
mod lesson;
mod refusal;
mod request;
mod retry;
mod retry_after;
mod run_record;
mod search;
mod search_evidence;
mod sender;
mod sizing;
mod text;
mod tls;
mod token;
mod webhook;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::tls::PeerCertificate;

pub use answer::{BatchDecision, GatewayAnswer, decide};
pub use api_server::{ApiAnswer, ApiFault, ApiServer};
pub use backoff::ClockPace;
pub use calls::CallRate;
pub use cause::FailureCause;
pub use delivery::BatchDelivery;
pub use error::UpstreamError;
pub use ingest_check::IngestCheck;
pub use refusal::RefusalKind;
pub use request::{Batch, BatchItem};
pub use run_record::RunRecord;
pub use search::BatchOccasion;
pub use sizing::{BatchSizing, LearntLimits, StagedBacklog};

pub use answer_counts::CLASSES;
pub use webhook::{Webhook, WebhookError};

use answer_counts::AnswerCounts;
use backoff::PauseGate;
use calls::CallHistory;
use client::GatewayClient;
use request::RequestEnvelope;
use token::{BearerToken, TokenSource};

/// One Qualys gateway with the account that posts to it. Shared by all senders: they have one
/// token, one pause and one limit of requests in flight.
pub struct QualysGateway {
    client: GatewayClient,
    tokens: TokenSource,
    url: String,
    ingest_path: String,
    connector_uuid: String,
    envelope: RequestEnvelope,
    sizing: BatchSizing,
    give_up_after: Duration,
    accept_unknown: bool,
    in_flight: Semaphore,
    gate: PauseGate,
    calls: CallHistory,
    pace: ClockPace,
    answer_counts: AnswerCounts,
}

impl QualysGateway {
    /// Returns a gateway that is ready to deliver; nothing is sent yet.
    ///
    /// # Errors
    /// [`UpstreamError::Setting`]: a certificate, the proxy or a credential cannot be used as it
    /// is.
    pub fn new(settings: &config::UpstreamSettings) -> Result<Self, UpstreamError> {
        Self::with_pace(settings, ClockPace::default())
    }

    /// Returns the gateway of [`QualysGateway::new`] at another pace, for tests.
    ///
    /// # Errors
    /// As [`QualysGateway::new`].
    pub fn with_pace(settings: &config::UpstreamSettings, pace: ClockPace) -> Result<Self, UpstreamError> {
        let client = GatewayClient::new(settings)?;
        Ok(Self {
            tokens: TokenSource::new(settings, client.clone(), pace.token_life())?,
            client,
            url: format!("{}{}", settings.gateway, settings.ingest_path),
            ingest_path: settings.ingest_path.clone(),
            connector_uuid: settings.connector_uuid.clone(),
            envelope: RequestEnvelope::new(&settings.connector_uuid, &settings.source),
            sizing: BatchSizing::new(settings),
            give_up_after: settings.give_up_after,
            accept_unknown: settings.accept_unknown,
            in_flight: Semaphore::new(settings.concurrency.max(1)),
            gate: PauseGate::default(),
            calls: CallHistory::default(),
            pace,
            answer_counts: AnswerCounts::default(),
        })
    }

    /// Asks for a token, once, to see whether the gateway can be reached and accepts the
    /// credentials.
    ///
    /// # Errors
    /// The failure; the request is never retried, so that the answer comes at once.
    pub async fn check(&self) -> Result<(), UpstreamError> {
        let token = self.tokens.current().await;
        token
            .map(|_| ())
            .map_err(|none| none.into_error(self.tokens.path()))
    }

    /// Returns the certificate that the gateway showed last, and whether it was accepted.
    #[must_use]
    pub fn certificate(&self) -> Option<(PeerCertificate, bool)> {
        self.client.certificate()
    }

    /// Returns the size of requests.
    pub const fn sizing(&self) -> &BatchSizing {
        &self.sizing
    }

    /// Delivers a batch, with all the waits, new tokens and halves that this takes, until each item
    /// is decided or `QUALYS_GIVE_UP_AFTER` is over. All batches of a run share its `record`.
    ///
    /// When `stop` is cancelled, waits end at once, and the request in flight is given 20 s (R26).
    pub async fn deliver(
        &self,
        batch: Batch,
        occasion: BatchOccasion,
        record: &RunRecord,
        stop: &CancellationToken,
    ) -> BatchDelivery {
        sender::deliver(self, batch, occasion, record, stop).await
    }

    /// Returns the time that all requests still wait, because the gateway asked for a pause, or
    /// announced that no call remains; `None` when neither is the case.
    #[must_use]
    pub fn paused_for(&self) -> Option<Duration> {
        let calls = self.calls.wait(|window| self.pace.real(window));
        self.gate.closed_for().max(calls)
    }

    /// Makes requests larger when one of so many assets was accepted and the backlog does not fit
    /// into the calls that the gateway still allows.
    pub fn adjust(&self, accepted: usize, backlog: StagedBacklog) {
        self.sizing.grow(accepted, backlog, self.calls.left());
    }

    /// Returns the calls that the gateway allows, where it announces that.
    #[must_use]
    pub fn call_rate(&self) -> Option<CallRate> {
        self.calls.rate()
    }

    /// Returns the duration of a call, once one was answered.
    #[must_use]
    pub fn call_takes(&self) -> Option<Duration> {
        self.calls.takes()
    }

    /// Returns the counts of answers to ingest requests since the start of the program: every one
    /// of [`CLASSES`] with its count.
    #[must_use]
    pub fn answers(&self) -> Vec<(&'static str, u64)> {
        self.answer_counts.counts()
    }

    fn request(&self, body: &Bytes, token: &BearerToken) -> RequestBuilder {
        self.client
            .post(&self.url)
            .header(AUTHORIZATION, token.header.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .body(body.clone())
    }
}

impl fmt::Debug for QualysGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
