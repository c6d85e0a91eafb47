//! Check of the ingest path: a request without assets, of which nothing is stored.

use super::QualysGateway;
use super::answer::{self, BatchDecision};
use super::cause::FailureCause;
use super::error::UpstreamError;
use super::request::Batch;
use super::text;
use crate::clock;

/// Octets of the answer that are read.
const ANSWER: usize = 1 << 20;

/// Result of the check: no answer proves everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestCheck {
    /// Answer of the gateway.
    pub answer: String,
    /// Proof that the answer gives; `None` for nothing.
    pub proven: Option<&'static str>,
    /// Questions that it leaves open.
    pub unproven: &'static str,
}

impl QualysGateway {
    /// Sends a request without assets, once, and describes what its answer proves about the ingest
    /// path.
    ///
    /// # Errors
    /// Obstacle to any request.
    pub async fn check_ingest(&self) -> Result<IngestCheck, UpstreamError> {
        check(self).await
    }
}

/// Sends the request, with one new token when the first is refused.
async fn check(upstream: &QualysGateway) -> Result<IngestCheck, UpstreamError> {
    let path = &upstream.ingest_path;
    let body = upstream
        .envelope
        .body(&Batch::new(&upstream.connector_uuid, Vec::new()));
    let mut renewed = false;
    loop {
        let token = upstream.tokens.current().await;
        let token = token.map_err(|none| none.into_error(upstream.tokens.path()))?;
        let request = upstream.request(&body, &token);
        let exchanged = upstream.client.exchange(request, ANSWER).await;
        let mut answer = exchanged.map_err(|none| none.into_error(path))?;
        upstream.tokens.hide_in(&mut answer, Some(&token));
        let decision = answer::decide(&answer, &[], clock::system_time(), false);
        let is_page = text::is_page(&answer.body);
        match decision {
            BatchDecision::NewToken { .. } if !renewed => {
                renewed = true;
                upstream.tokens.refused(&token).await;
            }
            decision => return judge(decision, answer::describe(&answer), is_page, path),
        }
    }
}

fn judge(
    decision: BatchDecision,
    answer: String,
    is_page: bool,
    path: &str,
) -> Result<IngestCheck, UpstreamError> {
    let path = path.to_owned();
    let (proven, unproven) = match decision {
        BatchDecision::Accepted => (
            Some("the path takes requests of this account"),
            "that an asset of this connector and source is accepted: only a run shows that",
        ),
        BatchDecision::NewToken { reason } => {
            return Err(UpstreamError::CredentialsRefused {
                path,
                reason: format!("{reason}, with a new token too"),
            });
        }
        BatchDecision::ProxyRefused { reason } => return Err(UpstreamError::ProxyRefused { reason }),
        BatchDecision::Final { reason, denied } => {
            return Err(UpstreamError::IngestRefused { path, denied, reason });
        }
        BatchDecision::NotUnderstood { reason } if is_page => {
            return Err(UpstreamError::Unavailable {
                cause: FailureCause::NotUnderstood,
                reason: format!("{path}: {reason}"),
            });
        }
        BatchDecision::Wait { .. } | BatchDecision::Retry { .. } => {
            (None, "the path: the gateway gave no answer to the request itself")
        }
        BatchDecision::AcceptedExcept(_)
        | BatchDecision::Split { .. }
        | BatchDecision::Refused { .. }
        | BatchDecision::NotUnderstood { .. } => (
            Some("the path exists and takes the token"),
            "that the account may import, that connector and source are known, and that an asset is accepted: the gateway \
             takes no request without assets, and only a run shows it",
        ),
    };
    Ok(IngestCheck {
        answer,
        proven,
        unproven,
    })
}
