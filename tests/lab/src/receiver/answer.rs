//! The answers a test can ask for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

/// Says why an asset (one `assetData` element) is rejected, or `None` to accept it.
pub type Judge = Arc<dyn Fn(&Value) -> Option<String> + Send + Sync>;

/// Gives the answer to a request with these assets (`externalAssetId`, `assetData` element); `None`
/// accepts it.
#[derive(Clone)]
pub struct Rule(Arc<RuleFn>);

type RuleFn = dyn Fn(&[(String, Value)]) -> Option<Answer> + Send + Sync;

impl Rule {
    pub fn new(rule: impl Fn(&[(String, Value)]) -> Option<Answer> + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    pub(super) fn answer(&self, assets: &[(String, Value)]) -> Option<Answer> {
        (self.0)(assets)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rule")
    }
}

/// How the receiver answers one request. "Keeps" means that the batch counts as delivered.
#[derive(Clone)]
pub enum Answer {
    /// Keeps the batch; 200 as documented.
    Accept,
    /// Keeps the batch, but answers with this status and body.
    AcceptWith(u16, String),
    /// Keeps nothing; this status, headers and body.
    Status(u16, Vec<(String, String)>, String),
    /// Keeps all but these (`externalAssetId` → reason), and lists them in the given form.
    Reject(ErrorForm, BTreeMap<String, String>),
    /// Keeps all but those that the judge rejects; 207 with a map.
    RejectBy(Judge),
    /// Keeps nothing; 200 whose body carries this `responseCode` and message.
    ErrorBody200(String, String),
    /// Makes the token of this request worthless, and answers 401.
    RevokeToken,
    /// Answers with this status before the body is read, and closes: as balancers refuse what is too large.
    Early(u16),
    /// Closes the connection before the body is read.
    CutBefore,
    /// Keeps the batch, then closes the connection without an answer.
    CutAfter,
    /// Reads the body, keeps nothing, is silent this long, then closes.
    Hang(Duration),
    /// Keeps the batch, then waits this long before the ordinary answer.
    Slow(Duration),
    /// Keeps nothing; 200 with a body that never ends.
    EndlessBody,
    /// Keeps nothing; 200 announcing a terabyte, of which 2 MiB come.
    HugeContentLength,
    /// Keeps nothing; 302 to this address.
    Redirect(String),
    /// Keeps nothing; 200 with the page of a proxy.
    Html,
}

/// How rejected assets are listed. No public page documents it, so a client must take several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorForm {
    /// 207, `{"ID": "reason"}`.
    Map207,
    /// 200, `{"ID": "reason"}`.
    Map200,
    /// 200, `{"ID": ["reason"]}`.
    MapOfLists,
    /// 207, `[{"externalAssetId": "ID", "message": "reason"}]`.
    List,
    /// 207, `{"ID": "reason"}` where ID is an asset that the batch does not hold.
    UnknownId,
}

impl Answer {
    /// A bare status, no headers, no body.
    pub fn status(code: u16) -> Self {
        Self::Status(code, Vec::new(), String::new())
    }

    /// A bare status with one header.
    pub fn with_header(code: u16, name: &str, value: &str) -> Self {
        Self::Status(code, vec![(name.to_owned(), value.to_owned())], String::new())
    }

    /// Whether nothing of the batch counts as delivered.
    pub(super) fn keeps_nothing(&self) -> bool {
        !matches!(
            self,
            Self::Accept
                | Self::AcceptWith(..)
                | Self::Reject(..)
                | Self::RejectBy(_)
                | Self::CutAfter
                | Self::Slow(_)
        )
    }

    /// Rejects one asset, see [`Answer::Reject`].
    pub fn reject(form: ErrorForm, external_id: &str, reason: &str) -> Self {
        Self::Reject(
            form,
            BTreeMap::from([(external_id.to_owned(), reason.to_owned())]),
        )
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code, ..) | Self::AcceptWith(code, _) => write!(f, "status {code}"),
            Self::Early(code) => write!(f, "early status {code}"),
            Self::Reject(form, ids) => write!(f, "reject {} as {form:?}", ids.len()),
            Self::ErrorBody200(code, _) => write!(f, "200 with {code}"),
            Self::Hang(long) => write!(f, "hang {long:?}"),
            Self::Slow(long) => write!(f, "slow {long:?}"),
            Self::Accept => f.write_str("accept"),
            Self::RejectBy(_) => f.write_str("reject by predicate"),
            Self::RevokeToken => f.write_str("revoke token"),
            Self::CutBefore => f.write_str("cut before"),
            Self::CutAfter => f.write_str("cut after"),
            Self::EndlessBody => f.write_str("endless body"),
            Self::HugeContentLength => f.write_str("huge content length"),
            Self::Redirect(_) => f.write_str("redirect"),
            Self::Html => f.write_str("html"),
        }
    }
}

/// The documented answer to an accepted batch.
pub(super) fn accepted() -> Value {
    json!({
        "message": "All assets are submitted for processing.",
        "responseCode": "SUCCESSFULLY_PUBLISHED",
        "assetsError": {},
    })
}

/// Status and body of a partial rejection.
pub(super) fn rejected(form: ErrorForm, reasons: &BTreeMap<String, String>) -> (u16, Value) {
    let errors = match form {
        ErrorForm::Map207 | ErrorForm::Map200 => json!(reasons),
        ErrorForm::MapOfLists => reasons
            .iter()
            .map(|(id, reason)| (id.clone(), json!([reason])))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        ErrorForm::List => reasons
            .iter()
            .map(|(id, reason)| json!({"externalAssetId": id, "message": reason}))
            .collect::<Vec<_>>()
            .into(),
        ErrorForm::UnknownId => json!({"no-such-asset": "unknown"}),
    };
    let status = match form {
        ErrorForm::Map200 | ErrorForm::MapOfLists => 200,
        ErrorForm::Map207 | ErrorForm::List | ErrorForm::UnknownId => 207,
    };
    let body = json!({"message": "Some assets failed.", "responseCode": "PARTIALLY_PUBLISHED", "assetsError": errors});
    (status, body)
}
