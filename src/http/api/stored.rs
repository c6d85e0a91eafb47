//! Connections that are created, changed and deleted here.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{IF_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use super::connections::{TaggedConnection, shown};
use crate::clock;
use crate::config::{ConnectionDocument, ConnectionOrigin, FieldProblem};
use crate::http::access::RequestRights;
use crate::http::extract::{ConnectionName, ServiceState, unknown_connection};
use crate::http::guards::Changer;
use crate::http::problem::{
    ChangeRefusals, CheckedBody, CheckedQuery, HttpProblem, RefusalResponses, RevisionRefusals,
};
use crate::http::service::HttpService;
use crate::http::standing::with_stored;
use crate::registry::{ChangeError, ConnectionChange, ConnectionEditor};
use crate::schedule::{ConnectionFault, ServedConnection};
use crate::store::ConnectionRefusal;
use crate::view::ConnectionView;

/// Entity tags of `If-Match` (RFC 9110 section 13.1.1).
enum RevisionCondition {
    /// `*`: whatever it is.
    Any,
    /// One of these.
    OneOf(Vec<i64>),
}

impl RevisionCondition {
    /// Reads the header. A weak tag never matches, since the comparison is a strong one.
    fn read(headers: &HeaderMap) -> Result<Option<Self>, HttpProblem> {
        let mut values = headers.get_all(IF_MATCH).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let malformed = || {
            HttpProblem::new(
                StatusCode::BAD_REQUEST,
                "malformed_if_match",
                "If-Match is not an entity tag",
                "send the value of ETag as it came, with its quotes: If-Match: \"7\"",
            )
        };
        if values.next().is_some() {
            return Err(malformed());
        }
        let text = value.to_str().map_err(|_| malformed())?.trim();
        if text == "*" {
            return Ok(Some(Self::Any));
        }
        let mut revisions = Vec::new();
        for tag in text.split(',').map(str::trim) {
            let (tag, is_weak) = tag.strip_prefix("W/").map_or((tag, false), |tag| (tag, true));
            let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let inner = inner.filter(|inner| !inner.contains('"')).ok_or_else(malformed)?;
            // A tag that is none of ours matches nothing.
            revisions.extend(inner.parse::<i64>().ok().filter(|_| !is_weak));
        }
        Ok(Some(Self::OneOf(revisions)))
    }

    /// Reads the header, which is required.
    fn required(headers: &HeaderMap) -> Result<Self, HttpProblem> {
        Self::read(headers)?.ok_or_else(|| {
            HttpProblem::new(
                StatusCode::PRECONDITION_REQUIRED,
                "if_match_needed",
                "the call needs the revision that the change was made on, so that no change is lost",
                "send the value of ETag of GET as If-Match",
            )
        })
    }

    /// Returns the revision that a change of the connection is to find. The store has it: what runs
    /// here may still be the former one, as long as a run of that has not ended.
    fn expected(&self, editor: &ConnectionEditor<'_>, name: &str) -> Result<i64, ChangeError> {
        let current = editor.stored(name)?.revision;
        match self {
            Self::OneOf(revisions) if !revisions.contains(&current) => {
                Err(ChangeError::Refused(ConnectionRefusal::Changed { current }))
            }
            Self::Any | Self::OneOf(_) => Ok(current),
        }
    }
}

/// Creates a connection. It is Registered, and Scheduled as soon as its next run is known.
#[utoipa::path(
    post, path = "/api/v1/connections", tag = "configuration", operation_id = "createConnection",
    request_body(content = ConnectionDocument, description = "The configuration; docs/connections.md describes every key."),
    security(("bearer" = []), ("basic" = [])),
    responses(
        (status = 201, description = "The connection.", body = ConnectionView,
         headers(("Location" = String, description = "Its address."), ("ETag" = String, description = "Its revision."))),
        ChangeRefusals, RefusalResponses
    )
)]
pub(super) async fn create(
    changer: Changer,
    rights: RequestRights,
    State(service): ServiceState,
    CheckedBody(body): CheckedBody<Value>,
) -> Result<impl IntoResponse, HttpProblem> {
    let change = service
        .registry
        .edit(move |editor| editor.create(&body, clock::now()))
        .await?;
    service.registry.settle().await;
    tracing::info!(
        connection = change.name,
        asked_by = changer.asked_by(),
        "A connection was created."
    );
    let location = format!("/api/v1/connections/{}", change.name);
    let tagged = changed(&service, &change, rights).await?;
    let mut response = (StatusCode::CREATED, tagged).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Replaces the configuration of a connection. A run in progress ends first with what it began.
#[utoipa::path(
    put, path = "/api/v1/connections/{name}", tag = "configuration", operation_id = "replaceConnection",
    params(("name" = String, Path, description = "Name"), ("If-Match" = String, Header, description = "ETag of the version that was read")),
    request_body(content = ConnectionDocument, description = "The whole configuration. A secret that is absent stays as it is."),
    security(("bearer" = []), ("basic" = [])),
    responses(
        (status = 200, description = "The connection.", body = ConnectionView, headers(("ETag" = String, description = "Its revision."))),
        (status = 428, description = "If-Match is missing.", body = HttpProblem),
        RevisionRefusals, ChangeRefusals, RefusalResponses
    )
)]
pub(super) async fn replace(
    changer: Changer,
    rights: RequestRights,
    State(service): ServiceState,
    ConnectionName(name): ConnectionName,
    headers: HeaderMap,
    CheckedBody(body): CheckedBody<Value>,
) -> Result<TaggedConnection, HttpProblem> {
    let condition = RevisionCondition::required(&headers)?;
    let edit = service.registry.edit(move |editor| {
        let expected = condition.expected(&editor, &name)?;
        editor.replace(&name, expected, &body, clock::now())
    });
    let change = edit.await?;
    service.registry.settle().await;
    tracing::info!(
        connection = change.name,
        asked_by = changer.asked_by(),
        "A connection was changed."
    );
    changed(&service, &change, rights).await
}

/// Parameters of the deletion.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DeletionQuery {
    /// Forget the history and the list of removed objects too.
    #[serde(default)]
    #[param(required = false, default = false)]
    purge: bool,
}

/// Time in which a deletion answers, whatever goes on.
const DELETED_WITHIN: Duration = Duration::from_secs(28);

/// Deletes a connection. A run in progress ends first with what it began. What it sent stays
/// upstream. With `purge` it forgets one that was deleted before as well.
#[utoipa::path(
    delete, path = "/api/v1/connections/{name}", tag = "configuration", operation_id = "deleteConnection",
    params(("name" = String, Path, description = "Name"), DeletionQuery,
           ("If-Match" = Option<String>, Header, description = "ETag of the version that was read; not needed for one that was deleted before")),
    security(("bearer" = []), ("basic" = [])),
    responses(
        (status = 204, description = "It is gone."),
        (status = 428, description = "If-Match is missing.", body = HttpProblem),
        RevisionRefusals, ChangeRefusals, RefusalResponses
    )
)]
pub(super) async fn delete(
    changer: Changer,
    State(service): ServiceState,
    ConnectionName(name): ConnectionName,
    headers: HeaderMap,
    CheckedQuery(DeletionQuery { purge }): CheckedQuery<DeletionQuery>,
) -> Result<StatusCode, HttpProblem> {
    let deadline = clock::timer_instant() + DELETED_WITHIN;
    if purge && purge_deleted(&service, &name, deadline).await? {
        tracing::info!(
            connection = name,
            asked_by = changer.asked_by(),
            purged = true,
            "A connection was deleted."
        );
        return Ok(StatusCode::NO_CONTENT);
    }
    let condition = RevisionCondition::required(&headers)?;
    let deleted = name.clone();
    let edit = service.registry.edit(move |editor| {
        let expected = condition.expected(&editor, &deleted)?;
        editor.delete(&deleted, expected, clock::now())
    });
    let uuid = edit.await?;
    // Purged when no run of it uses the rows any more.
    service.registry.settle().await;
    if purge {
        service.registry.purge(uuid, deadline).await?;
    }
    tracing::info!(
        connection = name,
        asked_by = changer.asked_by(),
        purged = purge,
        "A connection was deleted."
    );
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets the connections with this name that were deleted before. Returns `false` where there is
/// one that is not deleted. Nothing can be lost by a change meanwhile, so no revision is asked for.
async fn purge_deleted(
    service: &HttpService,
    name: &str,
    deadline: tokio::time::Instant,
) -> Result<bool, HttpProblem> {
    let name = name.to_owned();
    let edit = service.registry.edit(move |editor| match editor.stored(&name) {
        Err(ChangeError::Unknown(_)) => editor.deleted(&name),
        stored => stored.map(|_| Vec::new()),
    });
    let deleted = edit.await?;
    for uuid in &deleted {
        service.registry.purge(*uuid, deadline).await?;
    }
    Ok(!deleted.is_empty())
}

/// Stops the runs of a connection, until it is enabled. A run in progress ends first with what it
/// began.
#[utoipa::path(
    post, path = "/api/v1/connections/{name}/disable", tag = "configuration", operation_id = "disableConnection",
    params(("name" = String, Path, description = "Name"),
           ("If-Match" = Option<String>, Header, description = "ETag of the version that is meant; any where it is missing")),
    security(("bearer" = []), ("basic" = [])),
    responses(
        (status = 200, description = "The connection.", body = ConnectionView, headers(("ETag" = String, description = "Its revision."))),
        RevisionRefusals, ChangeRefusals, RefusalResponses
    )
)]
pub(super) async fn disable(
    changer: Changer,
    rights: RequestRights,
    State(service): ServiceState,
    ConnectionName(name): ConnectionName,
    headers: HeaderMap,
) -> Result<TaggedConnection, HttpProblem> {
    set_disabled(&changer, rights, &service, name, &headers, true).await
}

/// Lets a connection run again.
#[utoipa::path(
    post, path = "/api/v1/connections/{name}/enable", tag = "configuration", operation_id = "enableConnection",
    params(("name" = String, Path, description = "Name"),
           ("If-Match" = Option<String>, Header, description = "ETag of the version that is meant; any where it is missing")),
    security(("bearer" = []), ("basic" = [])),
    responses(
        (status = 200, description = "The connection.", body = ConnectionView, headers(("ETag" = String, description = "Its revision."))),
        RevisionRefusals, ChangeRefusals, RefusalResponses
    )
)]
pub(super) async fn enable(
    changer: Changer,
    rights: RequestRights,
    State(service): ServiceState,
    ConnectionName(name): ConnectionName,
    headers: HeaderMap,
) -> Result<TaggedConnection, HttpProblem> {
    set_disabled(&changer, rights, &service, name, &headers, false).await
}

async fn set_disabled(
    changer: &Changer,
    rights: RequestRights,
    service: &Arc<HttpService>,
    name: String,
    headers: &HeaderMap,
    is_disabled: bool,
) -> Result<TaggedConnection, HttpProblem> {
    let condition = RevisionCondition::read(headers)?;
    let edit = service.registry.edit(move |editor| {
        let expected = condition.map(|condition| condition.expected(&editor, &name));
        editor.set_disabled(&name, is_disabled, expected.transpose()?, clock::now())
    });
    let change = edit.await?;
    service.registry.settle().await;
    tracing::info!(
        connection = change.name,
        asked_by = changer.asked_by(),
        disabled = is_disabled,
        "A connection was changed."
    );
    changed(service, &change, rights).await
}

/// Returns a connection after a change of it. Where a run of the former configuration has not ended
/// yet, the rest of the view is still that of the former one.
async fn changed(
    service: &Arc<HttpService>,
    change: &ConnectionChange,
    rights: RequestRights,
) -> Result<TaggedConnection, HttpProblem> {
    let mut served = service.registry.set().all().into_iter();
    let connection = served
        .find(|one| one.uuid == change.uuid)
        .unwrap_or_else(|| ServedConnection {
            name: change.name.clone(),
            uuid: change.uuid,
            origin: ConnectionOrigin::Api,
            handle: Err(ConnectionFault {
                reason: "the connection is stored, and this service does not run it yet".to_owned(),
                remedy: "a service that was started with --connection runs that one alone: start it without"
                    .to_owned(),
            }),
            stored: None,
        });
    let view = shown(service, &connection, rights).await?;
    Ok(TaggedConnection(ConnectionView {
        name: change.name.clone(),
        ..with_stored(view, &change.state)
    }))
}

impl From<ChangeError> for HttpProblem {
    fn from(error: ChangeError) -> Self {
        let conflict = |word, remedy: &str| Self::new(StatusCode::CONFLICT, word, &error, remedy);
        match &error {
            ChangeError::Unknown(name) => unknown_connection(name),
            ChangeError::FromFile { place, .. } => conflict("from_file", &format!("change it in {place}")),
            ChangeError::NameTaken(_) => conflict("name_taken", "choose another name"),
            ChangeError::Invalid(fields) => Self::of_fields(fields.clone()),
            ChangeError::SecretRequired(keys) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "secret_required",
                &error,
                "send the password as directory.password together with the new address",
            )
            .with_fields(vec![FieldProblem {
                key: "directory.password".to_owned(),
                reason: format!("is required, since {} changed", keys.join(", ")),
                remedy: "enter the password of the account again".to_owned(),
            }]),
            ChangeError::Refused(refusal) => match refusal {
                ConnectionRefusal::Unknown { .. } => {
                    Self::not_found(&error, "GET /api/v1/connections lists them")
                }
                ConnectionRefusal::Changed { .. } => Self::new(
                    StatusCode::PRECONDITION_FAILED,
                    "changed_meanwhile",
                    &error,
                    "read the connection again, and repeat the change on what it is now",
                ),
                ConnectionRefusal::NoKey => conflict("no_key", refusal.advice()),
                ConnectionRefusal::OtherKey(_) => conflict("other_key", refusal.advice()),
                refusal => conflict("refused", refusal.advice()),
            },
            ChangeError::Held(_) => conflict(
                "run_in_progress",
                "wait until that run has ended, and send the deletion with purge=true again",
            ),
            ChangeError::Store(failure) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                failure,
                failure.advice(),
            ),
        }
    }
}

#[cfg(test)]
mod tests;
