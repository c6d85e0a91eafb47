//! Log of the decisions on requests.

use super::answer::BatchDecision;
use super::request::Batch;

/// Logs a decision. Reasons come from the gateway, cleaned; the run logs assets and ids of people.
pub(super) fn log_decision(decision: &BatchDecision, batch: &Batch, attempt: u64) {
    let (request_id, assets) = (batch.request_id, batch.items.len());
    match decision {
        BatchDecision::Accepted => {
            tracing::debug!(%request_id, assets, attempt, "The gateway accepted the batch.")
        }
        BatchDecision::AcceptedExcept(rejected) => tracing::warn!(
            %request_id, assets, attempt, rejected = rejected.len(), "The gateway accepted a part of the batch."
        ),
        BatchDecision::Wait { pause, reason } => tracing::warn!(
            %request_id, assets, attempt, seconds = pause.as_secs(), reason,
            "The gateway asks for a pause, so all requests wait."
        ),
        BatchDecision::NewToken { reason } => {
            tracing::debug!(%request_id, assets, attempt, reason, "The gateway refused the token.");
        }
        BatchDecision::Split { reason } => {
            tracing::info!(%request_id, assets, attempt, reason, "The batch is too large for the gateway.");
        }
        BatchDecision::Retry { reason, .. } | BatchDecision::NotUnderstood { reason } => {
            tracing::warn!(%request_id, assets, attempt, reason, "The batch was not delivered.");
        }
        BatchDecision::Refused { reason } => {
            tracing::warn!(
                %request_id, assets, attempt, reason,
                "The gateway refused the batch; the assets that are the cause are searched."
            );
        }
        // The run logs it when it concerns every request.
        BatchDecision::Final { reason, .. } | BatchDecision::ProxyRefused { reason } => {
            tracing::debug!(%request_id, assets, attempt, reason, "The gateway refused the request.");
        }
    }
}
