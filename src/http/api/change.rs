//! Runs that somebody asks for.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::WantedMode;
use crate::http::extract::{NamedConnection, ServiceState};
use crate::http::guards::Changer;
use crate::http::problem::{ChangeRefusals, CheckedBody, HttpProblem, RefusalResponses};
use crate::schedule::CommandRefusal;
use crate::store::{LockError, RunMode, StoreError};
use crate::sync::{RunError, RunRequest};

/// Body of `sync`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Sync)]
pub(super) struct SyncBody {
    /// Extent of the read.
    mode: WantedMode,
}

/// A run that has begun.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Begun)]
pub(super) struct StartedRun {
    /// Its number in the history.
    run: i64,
    /// The mode that was asked for.
    mode: WantedMode,
}

/// Body of `approve-removals`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Approval)]
pub(super) struct ApprovalBody {
    /// The list that is held back, as `removed` names it.
    list: String,
}

/// A run that lets removals through.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Approved)]
pub(super) struct ApprovedRun {
    /// Its number in the history.
    run: i64,
    /// The list.
    list: String,
}

/// Starts a run.
#[utoipa::path(
    post, path = "/api/v1/connections/{name}/sync", tag = "changes", operation_id = "sync",
    params(("name" = String, Path, description = "CONNECTION_NAME")),
    request_body = SyncBody,
    security(("bearer" = []), ("basic" = [])),
    responses((status = 202, description = "The run has begun.", body = StartedRun), ChangeRefusals, RefusalResponses)
)]
pub(super) async fn sync(
    changer: Changer,
    NamedConnection(handle): NamedConnection,
    CheckedBody(SyncBody { mode }): CheckedBody<SyncBody>,
) -> Result<(StatusCode, Json<StartedRun>), HttpProblem> {
    let begun = handle
        .ask(RunRequest::new(mode.into(), &changer.asked_by()))
        .await?;
    let run = begun.run.number();
    Ok((StatusCode::ACCEPTED, Json(StartedRun { run, mode })))
}

/// Lets the removals through that the threshold holds back, if they are still the same.
#[utoipa::path(
    post, path = "/api/v1/connections/{name}/approve-removals", tag = "changes", operation_id = "approveRemovals",
    params(("name" = String, Path, description = "CONNECTION_NAME")),
    request_body = ApprovalBody,
    security(("bearer" = []), ("basic" = [])),
    responses((status = 202, description = "The run has begun.", body = ApprovedRun), ChangeRefusals, RefusalResponses)
)]
pub(super) async fn approve_removals(
    changer: Changer,
    State(service): ServiceState,
    NamedConnection(handle): NamedConnection,
    CheckedBody(ApprovalBody { list }): CheckedBody<ApprovalBody>,
) -> Result<(StatusCode, Json<ApprovedRun>), HttpProblem> {
    let id = handle.connector().id;
    let held = service.read(move |store| store.held_list(id)).await?;
    let Some(list) = held.filter(|held| held.eq_ignore_ascii_case(&list)) else {
        return Err(CommandRefusal::Run(RunError::ListChanged { list }).into());
    };
    let request = RunRequest {
        approve: Some(list.clone()),
        ..RunRequest::new(RunMode::Delta, &changer.asked_by())
    };
    let begun = handle.ask(request).await?;
    let run = begun.run.number();
    Ok((StatusCode::ACCEPTED, Json(ApprovedRun { run, list })))
}

impl From<CommandRefusal> for HttpProblem {
    fn from(refused: CommandRefusal) -> Self {
        let busy = |remedy: &str| Self::new(StatusCode::CONFLICT, "run_in_progress", &refused, remedy);
        match &refused {
            CommandRefusal::Busy(_) | CommandRefusal::AboutToRun => busy("wait until that run has ended"),
            CommandRefusal::Run(error @ RunError::Lock(LockError::Held { .. })) => busy(&error.advice()),
            CommandRefusal::Run(RunError::ListChanged { .. }) => Self::new(
                StatusCode::CONFLICT,
                "list_changed",
                &refused,
                "look at `removed?state=held` for the list as it is now, and approve that",
            ),
            CommandRefusal::Run(error @ RunError::Store(StoreError::ConnectionChanged)) => Self::new(
                StatusCode::CONFLICT,
                "changed_meanwhile",
                error,
                "read the connection again, and ask again",
            ),
            CommandRefusal::Run(error) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                error,
                error.advice(),
            ),
            CommandRefusal::NoHolder => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                &refused,
                "see `/api/v1/instances` for who holds the connection, and ask again",
            ),
            CommandRefusal::Disabled => Self::new(
                StatusCode::CONFLICT,
                "disabled",
                &refused,
                "enable it first: POST /api/v1/connections/NAME/enable",
            ),
            CommandRefusal::Stopping => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                &refused,
                "ask again once it is up",
            ),
        }
    }
}
