//! The last review of Qualys accounts: its summary, and its lists page by page.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{limited, position};
use crate::http::extract::ServiceState;
use crate::http::guards::NameReader;
use crate::http::problem::{CheckedQuery, HttpProblem, RefusalResponses};
use crate::http::service::HttpService;
use crate::review::{Finding, FindingCode, Review};

/// Findings that are new or resolved, shown with the summary at most.
const MOST_CHANGED: usize = 1_000;

/// Characters of a search at most.
const LONGEST_SEARCH: usize = 256;

/// Filter of a list, and the page of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ReviewFilter {
    /// A part of any value; case does not matter. 1 to 256 characters.
    #[param(min_length = 1, max_length = 256)]
    q: Option<String>,
    /// Only what has a finding of this kind, such as `gone`.
    code: Option<String>,
    /// Items at most, 1 to 200; 50 where it is missing.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// `next` of the page before.
    after: Option<String>,
}

/// Filter of the access, and the page of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AccessFilter {
    /// Only to this asset group, by its name; accounts that reach every group are included.
    asset_group: Option<String>,
    /// Only of this account.
    login: Option<String>,
    /// Items at most, 1 to 200; 50 where it is missing.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// `next` of the page before.
    after: Option<String>,
}

/// The last review in numbers, and what changed since the one before.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReviewStanding {
    /// Moment at which it was made.
    at: String,
    /// `true` when everything could be seen; where not, `incomplete` findings say what is missing.
    complete: bool,
    /// Accounts.
    users: usize,
    /// Asset groups.
    asset_groups: usize,
    /// Findings by kind.
    counts: BTreeMap<&'static str, usize>,
    /// Moment of the review before; `null` where there is none.
    #[schema(required)]
    previous_at: Option<String>,
    /// Findings that the review before does not have.
    #[schema(value_type = Vec<Object>)]
    new: Vec<Finding>,
    /// Findings that only the review before has.
    #[schema(value_type = Vec<Object>)]
    resolved: Vec<Finding>,
}

/// A page of a list of the last review.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReviewList {
    /// Items of this page; docs/api.md describes the keys.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    /// `after` of the next page; `null` at the end.
    #[schema(required)]
    next: Option<String>,
    /// Items of all pages.
    total: usize,
}

/// The last review in numbers.
#[utoipa::path(
    get, path = "/api/v1/review", tag = "review", operation_id = "getReview",
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "The last review.", body = ReviewStanding), RefusalResponses)
)]
pub(super) async fn standing(
    _: NameReader,
    State(service): ServiceState,
) -> Result<Json<ReviewStanding>, HttpProblem> {
    let mut last = reviews(&service, 2).await?.into_iter();
    let review = last.next().ok_or_else(no_review)?;
    let before = last.next();
    let changed = |one: &Review, other: &Review| -> Vec<Finding> {
        let new = one.new_since(other).into_iter().take(MOST_CHANGED);
        new.cloned().collect()
    };
    let (new, resolved) = before.as_ref().map_or_else(Default::default, |before| {
        (changed(&review, before), changed(before, &review))
    });
    let previous_at = before.as_ref().map(written);
    Ok(Json(ReviewStanding {
        at: written(&review),
        complete: review.complete,
        users: review.users.len(),
        asset_groups: review.asset_groups.len(),
        counts: review
            .counts()
            .into_iter()
            .map(|(code, count)| (code.name(), count))
            .collect(),
        previous_at,
        new,
        resolved,
    }))
}

/// The accounts of the last review with their partners, those with findings first.
#[utoipa::path(
    get, path = "/api/v1/review/users", tag = "review", operation_id = "listReviewedUsers",
    params(ReviewFilter),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "A page of them.", body = ReviewList), RefusalResponses)
)]
pub(super) async fn users(
    _: NameReader,
    State(service): ServiceState,
    CheckedQuery(wanted): CheckedQuery<ReviewFilter>,
) -> Result<Json<ReviewList>, HttpProblem> {
    let code = wanted.code()?;
    let mut review = latest(&service).await?;
    review
        .users
        .retain(|user| code.is_none_or(|code| user.findings.contains(&code)));
    // The gravest finding first; then by login.
    review.users.sort_by_cached_key(|user| {
        let gravest = user.findings.iter().min().copied();
        (gravest.is_none(), gravest, user.account.label().to_lowercase())
    });
    wanted.page(values(&review.users)?)
}

/// The asset groups of the last review.
#[utoipa::path(
    get, path = "/api/v1/review/asset-groups", tag = "review", operation_id = "listReviewedAssetGroups",
    params(ReviewFilter),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "A page of them.", body = ReviewList), RefusalResponses)
)]
pub(super) async fn asset_groups(
    _: NameReader,
    State(service): ServiceState,
    CheckedQuery(wanted): CheckedQuery<ReviewFilter>,
) -> Result<Json<ReviewList>, HttpProblem> {
    let code = wanted.code()?;
    let mut review = latest(&service).await?;
    let found = &review.findings;
    review.asset_groups.retain(|group| {
        let is_about = |finding: &Finding| finding.name.as_deref() == Some(group.label());
        code.is_none_or(|code| {
            found
                .iter()
                .any(|finding| finding.code == code && is_about(finding))
        })
    });
    wanted.page(values(&review.asset_groups)?)
}

/// The roles of the last review.
#[utoipa::path(
    get, path = "/api/v1/review/roles", tag = "review", operation_id = "listReviewedRoles",
    params(ReviewFilter),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "A page of them.", body = ReviewList), RefusalResponses)
)]
pub(super) async fn roles(
    _: NameReader,
    State(service): ServiceState,
    CheckedQuery(wanted): CheckedQuery<ReviewFilter>,
) -> Result<Json<ReviewList>, HttpProblem> {
    wanted.code()?;
    let review = latest(&service).await?;
    wanted.page(values(&review.roles)?)
}

/// The findings of the last review, the gravest first.
#[utoipa::path(
    get, path = "/api/v1/review/findings", tag = "review", operation_id = "listFindings",
    params(ReviewFilter),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "A page of them.", body = ReviewList), RefusalResponses)
)]
pub(super) async fn findings(
    _: NameReader,
    State(service): ServiceState,
    CheckedQuery(wanted): CheckedQuery<ReviewFilter>,
) -> Result<Json<ReviewList>, HttpProblem> {
    let code = wanted.code()?;
    let mut review = latest(&service).await?;
    review
        .findings
        .retain(|finding| code.is_none_or(|code| finding.code == code));
    wanted.page(values(&review.findings)?)
}

/// The access of accounts to asset groups in the last review, with the reason.
#[utoipa::path(
    get, path = "/api/v1/review/access", tag = "review", operation_id = "listAccess",
    params(AccessFilter),
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "A page of it.", body = ReviewList), RefusalResponses)
)]
pub(super) async fn access(
    _: NameReader,
    State(service): ServiceState,
    CheckedQuery(wanted): CheckedQuery<AccessFilter>,
) -> Result<Json<ReviewList>, HttpProblem> {
    let mut review = latest(&service).await?;
    review.access.retain(|access| {
        let group = wanted.asset_group.as_deref();
        group.is_none_or(|group| access.asset_group == group || access.asset_group == "*")
            && wanted.login.as_deref().is_none_or(|login| access.login == login)
    });
    paged(values(&review.access)?, wanted.limit, wanted.after.as_deref())
}

impl ReviewFilter {
    fn code(&self) -> Result<Option<FindingCode>, HttpProblem> {
        let Some(name) = self.code.as_deref() else {
            return Ok(None);
        };
        let code = FindingCode::from_name(name);
        code.map(Some).ok_or_else(|| {
            let known = FindingCode::ALL.map(FindingCode::name).join(", ");
            HttpProblem::invalid(format_args!("code: it is none of {known}"))
        })
    }

    fn page(&self, mut items: Vec<Value>) -> Result<Json<ReviewList>, HttpProblem> {
        if let Some(q) = &self.q {
            if !(1..=LONGEST_SEARCH).contains(&q.chars().count()) {
                return Err(HttpProblem::invalid(format_args!(
                    "q: its characters are not within 1 to {LONGEST_SEARCH}"
                )));
            }
            let q = q.to_lowercase();
            items.retain(|item| holds(item, &q));
        }
        paged(items, self.limit, self.after.as_deref())
    }
}

fn paged(
    items: Vec<Value>,
    limit: Option<usize>,
    after: Option<&str>,
) -> Result<Json<ReviewList>, HttpProblem> {
    let limit = limited(limit)?;
    let from: usize = position(after)?.unwrap_or(0);
    let total = items.len();
    let end = from.saturating_add(limit);
    Ok(Json(ReviewList {
        items: items.into_iter().skip(from).take(limit).collect(),
        next: (end < total).then(|| end.to_string()),
        total,
    }))
}

/// Returns whether any text of a value holds `q`, which is in lower case.
fn holds(value: &Value, q: &str) -> bool {
    match value {
        Value::String(text) => text.to_lowercase().contains(q),
        Value::Array(items) => items.iter().any(|item| holds(item, q)),
        Value::Object(fields) => fields.values().any(|field| holds(field, q)),
        _ => false,
    }
}

fn values<T: Serialize>(items: &[T]) -> Result<Vec<Value>, HttpProblem> {
    let values = items.iter().map(serde_json::to_value).collect::<Result<_, _>>();
    values.map_err(|error| HttpProblem::internal(format_args!("internal error: the review: {error}")))
}

fn written(review: &Review) -> String {
    review.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn no_review() -> HttpProblem {
    HttpProblem::not_found(
        "no review was made yet",
        "set QUALYS_API_URL, QUALYS_API_USERNAME and QUALYS_API_PASSWORD, and wait for REVIEW_CRON (docs/review.md)",
    )
}

async fn latest(service: &HttpService) -> Result<Review, HttpProblem> {
    let mut last = reviews(service, 1).await?.into_iter();
    last.next().ok_or_else(no_review)
}

/// Reads the last reviews, as few at a time as searches.
async fn reviews(service: &HttpService, limit: u32) -> Result<Vec<Review>, HttpProblem> {
    let _turn = service.searches.acquire().await.ok();
    let documents = service.read(move |store| store.reviews(limit)).await?;
    let read = |document: &String| serde_json::from_str(document);
    let reviews = documents.iter().map(read).collect::<Result<_, _>>();
    reviews.map_err(|error| HttpProblem::internal(format_args!("internal error: the stored review: {error}")))
}
