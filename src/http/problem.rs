//! Refusal of a request: status, reason, next step, as JSON.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::check::StepFailure;
use crate::config::FieldProblem;
use crate::exit_code;
use crate::store::StoreError;
use crate::sync::RunError;

/// Every answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct HttpProblem {
    /// The HTTP status.
    status: u16,
    /// A word for programs.
    error: &'static str,
    /// The thing and the cause.
    reason: String,
    /// The next step.
    remedy: String,
    /// Mistakes of single keys, where the body of a connection has some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<FieldProblem>,
    #[serde(skip)]
    challenge: Option<&'static str>,
}

impl HttpProblem {
    /// Returns a problem with this status.
    pub(super) fn new(
        status: StatusCode,
        error: &'static str,
        reason: impl ToString,
        remedy: impl ToString,
    ) -> Self {
        Self {
            status: status.as_u16(),
            error,
            reason: reason.to_string(),
            remedy: remedy.to_string(),
            fields: Vec::new(),
            challenge: None,
        }
    }

    /// Returns 401; `challenge` says how the token is to be sent.
    pub(super) fn unauthorized(reason: &str, challenge: &'static str) -> Self {
        Self {
            challenge: Some(challenge),
            ..Self::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                reason,
                "send the value of HTTP_TOKEN, or to read that of HTTP_READ_TOKEN, as `Authorization: Bearer …`",
            )
        }
    }

    /// Returns 403: the origin or the address of the request is refused.
    pub(super) fn forbidden(reason: impl ToString, remedy: impl ToString) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", reason, remedy)
    }

    /// Returns 404.
    pub(super) fn not_found(reason: impl ToString, remedy: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", reason, remedy)
    }

    /// Returns 422: a parameter or a body is wrong.
    pub(super) fn invalid(reason: impl ToString) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            reason,
            "see /api/openapi.json for what the call takes",
        )
    }

    /// Returns 422: keys of the body of a connection have these mistakes.
    pub(super) fn of_fields(fields: Vec<FieldProblem>) -> Self {
        let count = match fields.len() {
            1 => "1 key is".to_owned(),
            several => format!("{several} keys are"),
        };
        Self {
            fields,
            remedy: "correct each key of `fields`".to_owned(),
            ..Self::invalid(format_args!("{count} not what a connection takes"))
        }
    }

    /// Returns the problem with the keys that it is about.
    pub(super) fn with_fields(self, fields: Vec<FieldProblem>) -> Self {
        Self { fields, ..self }
    }

    /// Returns 500: a defect.
    pub(super) fn internal(reason: impl ToString) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            reason,
            "this is a defect of ad-connector: please report it with the log",
        )
    }
}

impl From<StoreError> for HttpProblem {
    fn from(error: StoreError) -> Self {
        RunError::from(error).into()
    }
}

impl From<StepFailure> for HttpProblem {
    fn from(failure: StepFailure) -> Self {
        let (status, word) = match failure.exit_code {
            exit_code::USAGE => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            exit_code::REFUSED => (StatusCode::BAD_GATEWAY, "credentials_refused"),
            _ => (StatusCode::BAD_GATEWAY, "unreachable"),
        };
        Self::new(status, word, failure.message, failure.advice)
    }
}

impl From<RunError> for HttpProblem {
    fn from(error: RunError) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            &error,
            error.advice(),
        )
    }
}

impl IntoResponse for HttpProblem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let challenge = self.challenge;
        let mut response = (status, Json(self)).into_response();
        if let Some(challenge) = challenge {
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// The statuses that any call of the API may end with, for the document.
pub(super) struct RefusalResponses;

/// Further statuses, which only a change may end with.
pub(super) struct ChangeRefusals;

/// Statuses of a call that takes `If-Match`.
pub(super) struct RevisionRefusals;

impl IntoResponses for RevisionRefusals {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        described(&[
            ("400", "If-Match is not an entity tag."),
            ("412", "It was changed meanwhile."),
        ])
    }
}

impl IntoResponses for RefusalResponses {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        described(&[
            ("401", "A token is missing or wrong."),
            (
                "403",
                "The request comes from another site, the token only reads, or no token is configured.",
            ),
            ("404", "There is no such thing."),
            ("405", "The path does not know the method."),
            ("408", "It took too long."),
            ("422", "A parameter or the body is not what the call takes."),
            ("429", "Too many of these calls, or of wrong tokens, at once."),
            ("500", "A defect."),
            ("503", "The state file cannot be read."),
        ])
    }
}

impl IntoResponses for ChangeRefusals {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        described(&[
            (
                "409",
                "Another run holds the connection, the list is another one now, the name is taken, the connection is \
                 configured elsewhere, or there is no key for its secret.",
            ),
            ("413", "The body is too large."),
            ("415", "The body is not JSON."),
        ])
    }
}

fn described(statuses: &[(&str, &str)]) -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
    let problem = |description: &str| {
        let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
        ResponseBuilder::new()
            .description(description)
            .content("application/json", Content::new(Some(schema)))
            .build()
    };
    statuses
        .iter()
        .map(|(status, description)| ((*status).to_owned(), problem(description).into()))
        .collect()
}

/// The parameters of the query; a mistake in them is a [`HttpProblem`].
pub(super) struct CheckedQuery<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for CheckedQuery<T> {
    type Rejection = HttpProblem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpProblem> {
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection: QueryRejection| HttpProblem::invalid(rejection.body_text()))
    }
}

/// The body, JSON; a mistake in it is a [`HttpProblem`].
pub(super) struct CheckedBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> axum::extract::FromRequest<S> for CheckedBody<T> {
    type Rejection = HttpProblem;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, HttpProblem> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(bad_body(&rejection)),
        }
    }
}

fn bad_body(rejection: &JsonRejection) -> HttpProblem {
    let reason = rejection.body_text();
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => HttpProblem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            reason,
            "the configuration of a connection may have 1 MiB, any other body 16 KiB",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => HttpProblem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            reason,
            "send JSON with `Content-Type: application/json`",
        ),
        _ => HttpProblem::invalid(without_texts(&reason)),
    }
}

/// Returns what serde says without the texts of the body that it quotes: one may be a secret (R27).
fn without_texts(reason: &str) -> String {
    const QUOTED: &str = "string \"";
    match (reason.find(QUOTED), reason.rfind("\", expected")) {
        (Some(begin), Some(end)) if begin + QUOTED.len() <= end => {
            format!("{}string{}", &reason[..begin], &reason[end + 1..])
        }
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r27_no_text_of_a_body_is_repeated() {
        let error = |body: &str| {
            serde_json::from_str::<BTreeMap<String, u8>>(body)
                .unwrap_err()
                .to_string()
        };
        for text in ["hunter2", "a\\\", expected b", "string \\\"x"] {
            for body in [format!("\"{text}\""), format!("{{\"a\": \"{text}\"}}")] {
                let said = without_texts(&error(&body));
                assert!(said.starts_with("invalid type: string, expected "), "{said}");
                assert!(!said.contains("hunter2"));
            }
        }
        assert_eq!(without_texts("EOF while parsing"), "EOF while parsing");
    }
}
