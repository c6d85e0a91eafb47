//! Trials of a configuration that is not stored, or not yet: nothing of it is.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::unfold;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use utoipa::ToSchema;

use crate::check::{self, CheckStep};
use crate::clock;
use crate::config::{ConnectionDocument, ConnectionSettings, in_the_body_s_words, parse_schedule};
use crate::directory::KnownControllers;
use crate::http::extract::{ConnectionName, ServiceState};
use crate::http::guards::Changer;
use crate::http::problem::{ChangeRefusals, CheckedBody, HttpProblem, RefusalResponses};
use crate::http::service::HttpService;
use crate::registry::ChangeError;
use crate::schedule::RunTimes;

/// Lets nginx pass on each step at once.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Type of a stream of JSON values, a line each.
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// Steps that wait for a slow reader.
const STEPS_AHEAD: usize = 4;

/// Next runs that are shown.
const NEXT_RUNS: usize = 5;

/// Tests the configuration of a connection that is not stored. The steps are those of
/// `ad-connector check`, a line each as it ends; the last line has `end` and the result.
#[utoipa::path(
    post, path = "/api/v1/connections/test", tag = "configuration", operation_id = "testConfiguration",
    request_body(content = ConnectionDocument, description = "The configuration, as for a creation."),
    security(("bearer" = []), ("basic" = [])),
    responses(
        (status = 200, description = "A step a line, as it ends.", body = String, content_type = "application/x-ndjson"),
        ChangeRefusals, RefusalResponses
    )
)]
pub(super) async fn test(
    changer: Changer,
    State(service): ServiceState,
    CheckedBody(body): CheckedBody<Value>,
) -> Result<Response, HttpProblem> {
    let settings = configuration(&service, None, body).await?;
    steps(&changer, &service, settings)
}

/// Tests a changed configuration of a stored connection. A password that is absent is the stored
/// one, unless the address changed.
#[utoipa::path(
    post, path = "/api/v1/connections/{name}/test", tag = "configuration", operation_id = "testConnection",
    params(("name" = String, Path, description = "Name")),
    request_body(content = ConnectionDocument, description = "The configuration, as for a change."),
    security(("bearer" = []), ("basic" = [])),
    responses(
        (status = 200, description = "A step a line, as it ends.", body = String, content_type = "application/x-ndjson"),
        ChangeRefusals, RefusalResponses
    )
)]
pub(super) async fn test_stored(
    changer: Changer,
    State(service): ServiceState,
    ConnectionName(name): ConnectionName,
    CheckedBody(body): CheckedBody<Value>,
) -> Result<Response, HttpProblem> {
    let settings = configuration(&service, Some(name), body).await?;
    steps(&changer, &service, settings)
}

/// Returns the settings of a body: those of a new connection, or those that are to replace the ones
/// of the connection `of`.
pub(super) async fn configuration(
    service: &HttpService,
    of: Option<String>,
    body: Value,
) -> Result<ConnectionSettings, HttpProblem> {
    let check = service.registry.edit(move |editor| match of {
        Some(name) => editor.check_replacement(&name, &body, clock::now()),
        None => editor.check_new(&body, clock::now()),
    });
    Ok(check.await?.settings)
}

/// Streams the steps of a check. One is made at a time.
fn steps(
    changer: &Changer,
    service: &HttpService,
    settings: ConnectionSettings,
) -> Result<Response, HttpProblem> {
    let permit = service.object_look_up()?;
    tracing::info!(
        connection = settings.name,
        asked_by = changer.asked_by(),
        "A configuration is tested."
    );
    let bind_guard = service.registry.bind_guard();
    let (sender, receiver) = mpsc::channel(STEPS_AHEAD);
    // It may lead to other controllers than those that the stored one knows.
    let known = KnownControllers::default();
    tokio::spawn(async move { check::run(&settings, &bind_guard, &known, sender).await });
    let stream = unfold(StepLines::new(receiver, permit), |mut lines| async move {
        let line = lines.next().await?;
        Some((Ok::<Bytes, Infallible>(line), lines))
    });
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, NDJSON);
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    Ok(response)
}

/// Lines of a check. The directory is free for another call when they are dropped.
struct StepLines {
    steps: mpsc::Receiver<CheckStep>,
    failed: Vec<String>,
    is_over: bool,
    _permit: OwnedSemaphorePermit,
}

impl StepLines {
    fn new(steps: mpsc::Receiver<CheckStep>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            steps,
            failed: Vec::new(),
            is_over: false,
            _permit: permit,
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        let line = match self.steps.recv().await {
            Some(step) => self.shown(step),
            None => {
                self.is_over = true;
                let result = if self.failed.is_empty() { "ok" } else { "failed" };
                json!({ "end": true, "result": result, "failed": self.failed })
            }
        };
        Some(Bytes::from(format!("{line}\n")))
    }

    fn shown(&mut self, step: CheckStep) -> Value {
        let (result, message, remedy) = match step.outcome {
            Ok(message) => ("ok", message, None),
            Err(failure) => {
                self.failed.push(step.step.clone());
                ("failed", failure.message, Some(failure.advice))
            }
        };
        let details: Vec<String> = step
            .details
            .iter()
            .map(|line| in_the_body_s_words(line))
            .collect();
        json!({
            "step": step.step,
            "result": result,
            "message": in_the_body_s_words(&message),
            "details": details,
            "remedy": remedy.map(|remedy| in_the_body_s_words(&remedy)),
        })
    }
}

/// Body of `schedule`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleTrial {
    /// One of the four forms, or `null`.
    #[schema(value_type = Option<Object>)]
    schedule: Value,
}

/// Next runs of a schedule.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NextRuns)]
pub(super) struct NextRunsView {
    /// Times of the next five; fewer where it ends.
    next_runs: Vec<String>,
    /// The schedule, as `runFrequency` of a connection shows it.
    text: String,
}

/// Shows the next runs of a schedule.
#[utoipa::path(
    post, path = "/api/v1/connections/schedule", tag = "configuration", operation_id = "previewSchedule",
    request_body = ScheduleTrial,
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "The next runs.", body = NextRunsView), ChangeRefusals, RefusalResponses)
)]
pub(super) async fn schedule(
    _: Changer,
    CheckedBody(ScheduleTrial { schedule }): CheckedBody<ScheduleTrial>,
) -> Result<Json<NextRunsView>, HttpProblem> {
    let now = clock::now();
    let sync = parse_schedule(&schedule, now).map_err(ChangeError::Invalid)?;
    let times = RunTimes::new(&sync).map_err(HttpProblem::invalid)?;
    let shown = |at: DateTime<Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    Ok(Json(NextRunsView {
        next_runs: times.next_runs(now, NEXT_RUNS).into_iter().map(shown).collect(),
        text: sync.text(),
    }))
}
