//! Evidence in the body of a 2xx about the batch.
//!
//! No public page documents the body of an answer that reports a failure, so every word for a
//! failure counts, at any depth. For a success only what is documented counts: a `responseCode` of
//! success, or an empty `assetsError` (R18).

use serde_json::{Map, Value};

use super::text;

/// Depth to which a body is read.
const DEEPEST: usize = 6;

/// Statements of one body.
#[derive(Debug, Default)]
pub(super) struct Evidence<'a> {
    /// The account or its token is refused.
    pub(super) account: bool,
    /// The batch was accepted.
    pub(super) success: bool,
    /// A part of the batch was accepted.
    pub(super) partial: bool,
    /// Something failed, besides the assets of `errors`.
    pub(super) failure: bool,
    /// Filled `assetsError`s.
    pub(super) errors: Vec<&'a Value>,
    /// Other filled lists of errors, which may name single assets.
    pub(super) failures: Vec<&'a Value>,
}

impl<'a> Evidence<'a> {
    /// Reads a body.
    pub(super) fn read(body: &'a Value) -> Self {
        let mut evidence = Self::default();
        match body {
            Value::Object(object) => evidence.add_object(object, DEEPEST),
            other => evidence.add_within(other, DEEPEST),
        }
        evidence
    }

    fn add_object(&mut self, object: &'a Map<String, Value>, depth: usize) {
        for (key, value) in object {
            let name: String = words(key).collect();
            match name.as_str() {
                "ASSETSERROR" if is_filled(value) => self.errors.push(value),
                "ASSETSERROR" => {
                    let is_empty_list = matches!(value, Value::Object(_) | Value::Array(_));
                    self.success |= depth == DEEPEST && is_empty_list;
                }
                // The gateway may repeat the request.
                "ASSET" | "ASSETDATA" => {}
                name if CODES.contains(&name) => match value {
                    Value::Object(_) | Value::Array(_) => self.add_within(value, depth),
                    code => self.add_code(name, code, depth == DEEPEST),
                },
                name if SUCCESSES.contains(&name) => {
                    let text = value.as_str().unwrap_or_default();
                    self.failure |= *value == Value::Bool(false) || text.eq_ignore_ascii_case("false");
                }
                _ if words(key).any(|word| FAULTS.contains(&word.as_str())) => match value {
                    Value::Array(_) | Value::Object(_) if is_filled(value) => self.failures.push(value),
                    value => self.failure |= is_filled(value),
                },
                _ => self.add_within(value, depth),
            }
        }
    }

    /// Reads the content of a value that has no meaning itself.
    fn add_within(&mut self, value: &'a Value, depth: usize) {
        let Some(deeper) = depth.checked_sub(1) else {
            return;
        };
        match value {
            Value::Object(object) => self.add_object(object, deeper),
            Value::Array(items) => items.iter().for_each(|item| self.add_within(item, deeper)),
            _ => {}
        }
    }

    fn add_code(&mut self, name: &str, value: &Value, is_outermost: bool) {
        let code = match value {
            Value::String(code) => code.trim().to_owned(),
            Value::Number(code) => code.to_string(),
            Value::Bool(false) => "FAILED".to_owned(),
            _ => return,
        };
        match CodeClass::of(&code) {
            CodeClass::Account => self.account = true,
            CodeClass::Success => self.success |= is_outermost && name == "RESPONSECODE",
            CodeClass::Partial => self.partial = true,
            CodeClass::Failure => self.failure = true,
            CodeClass::Unknown => self.failure |= name == "ERRORCODE" && is_filled(value),
        }
    }
}

/// Meaning of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CodeClass {
    Account,
    Success,
    Partial,
    Failure,
    Unknown,
}

/// Keys whose value is a code.
const CODES: [&str; 11] = [
    "RESPONSECODE",
    "ERRORCODE",
    "CODE",
    "STATUS",
    "STATUSCODE",
    "HTTPSTATUS",
    "RETURNCODE",
    "RESULT",
    "RESULTCODE",
    "OUTCOME",
    "STATE",
];

/// Keys whose `false` is a failure.
const SUCCESSES: [&str; 7] = [
    "SUCCESS",
    "ISSUCCESS",
    "SUCCESSFUL",
    "SUCCEEDED",
    "OK",
    "ACCEPTED",
    "VALID",
];

/// Codes of success, the first of which is the only one that is documented.
const ACCEPTANCES: [&str; 11] = [
    "SUCCESSFULLY_PUBLISHED",
    "SUCCESS",
    "SUCCESSFUL",
    "SUCCESSFULLY",
    "SUCCEEDED",
    "PUBLISHED",
    "ACCEPTED",
    "OK",
    "200",
    "201",
    "202",
];

/// Codes that refuse the account or its token: `INVALID_CREDENTIALS` and 2001 (account expired),
/// which are documented, and their likes.
const ACCOUNT: [&str; 20] = [
    "INVALID_CREDENTIALS",
    "2001",
    "401",
    "BAD_CREDENTIALS",
    "CREDENTIALS_EXPIRED",
    "UNAUTHORIZED",
    "UNAUTHENTICATED",
    "NOT_AUTHENTICATED",
    "AUTHENTICATION_FAILED",
    "AUTHENTICATION_FAILURE",
    "AUTHENTICATION_REQUIRED",
    "INVALID_TOKEN",
    "TOKEN_INVALID",
    "TOKEN_EXPIRED",
    "EXPIRED_TOKEN",
    "ACCOUNT_EXPIRED",
    "ACCOUNT_DISABLED",
    "ACCOUNT_INACTIVE",
    "ACCOUNT_LOCKED",
    "ACCOUNT_SUSPENDED",
];

/// Words of keys and codes that mean a failure.
const FAULTS: [&str; 18] = [
    "ERROR",
    "ERRORS",
    "FAULT",
    "FAULTS",
    "FAULTSTRING",
    "FAIL",
    "FAILED",
    "FAILURE",
    "FAILURES",
    "EXCEPTION",
    "EXCEPTIONS",
    "INVALID",
    "REJECTED",
    "REJECTION",
    "REJECTIONS",
    "DENIED",
    "UNPROCESSED",
    "UNSUCCESSFUL",
];

/// Further words of codes that mean a failure.
const BAD: [&str; 20] = [
    "NOT",
    "NO",
    "BAD",
    "MISSING",
    "REFUSED",
    "FORBIDDEN",
    "UNAUTHORIZED",
    "UNKNOWN",
    "UNSUPPORTED",
    "UNEXPECTED",
    "UNAVAILABLE",
    "EXPIRED",
    "EXCEEDED",
    "TIMEOUT",
    "ABORTED",
    "CANCELLED",
    "MALFORMED",
    "ILLEGAL",
    "CONFLICT",
    "INCOMPLETE",
];

impl CodeClass {
    /// Returns the class of a code. Only a whole code is one of success or of the account: a word
    /// in it is not enough (`UNEXPECTED_TOKEN` is no refused token).
    pub(super) fn of(code: &str) -> Self {
        let whole: Vec<String> = words(code).collect();
        let joined = whole.join("_");
        let holds = |list: &[&str]| whole.iter().any(|word| list.contains(&word.as_str()));
        if ACCOUNT.contains(&joined.as_str()) {
            Self::Account
        } else if ACCEPTANCES.contains(&joined.as_str()) {
            Self::Success
        } else if joined == "207" || holds(&["PARTIAL", "PARTIALLY"]) {
            Self::Partial
        } else if holds(&FAULTS) {
            // SUCCESS_WITH_ERRORS.
            if joined.starts_with("SUCCESS") {
                Self::Partial
            } else {
                Self::Failure
            }
        } else if holds(&BAD) || joined.parse::<u64>().is_ok_and(|number| number >= 300) {
            Self::Failure
        } else {
            Self::Unknown
        }
    }
}

/// Octets that are looked at of a text that is no JSON.
const TEXT: usize = 4 << 10;

/// Returns `true` when a text that is no JSON contains a word for a failure.
pub(super) fn speaks_of_failure(body: &[u8]) -> bool {
    let beginning = body.get(..TEXT).unwrap_or(body);
    words(&String::from_utf8_lossy(beginning)).any(|word| FAULTS.contains(&word.as_str()))
}

/// Returns the words of a key, a code or a text, in capitals: `assetsError`, `ASSETS_ERROR` and
/// `assets error` have the same.
fn words(text: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in text.chars() {
        let starts = letter.is_uppercase() && before.is_lowercase();
        if (starts || !letter.is_alphanumeric()) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_uppercase());
        }
        before = letter;
    }
    words.into_iter().filter(|word| !word.is_empty())
}

/// Returns `true` for a value other than `null`, `false`, `""`, `[]`, `{}` and `0`, which state
/// that there is no error.
pub(super) fn is_filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => {
            !["", "0", "NONE", "NULL", "FALSE"].contains(&text.trim().to_ascii_uppercase().as_str())
        }
        Value::Array(items) => !items.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

/// Returns the code of a body, when it refuses the account.
pub(super) fn account_code(object: &Map<String, Value>) -> Option<String> {
    let code = text::field(object, &["responseCode", "errorCode", "code"])?;
    (CodeClass::of(&code) == CodeClass::Account).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r19_a_code_is_matched_whole() {
        let cases = [
            ("SUCCESSFULLY_PUBLISHED", CodeClass::Success),
            ("Accepted", CodeClass::Success),
            ("201", CodeClass::Success),
            ("SUCCESS_NOT_REACHED", CodeClass::Failure),
            ("SUCCESS_WITH_ERRORS", CodeClass::Partial),
            ("PARTIALLY_PUBLISHED", CodeClass::Partial),
            ("UNSUCCESSFUL", CodeClass::Failure),
            ("NOT_PUBLISHED", CodeClass::Failure),
            ("500", CodeClass::Failure),
            ("2002", CodeClass::Failure),
            ("RECEIVED", CodeClass::Unknown),
            ("ACCEPTED_LATER", CodeClass::Unknown),
            ("INVALID_CREDENTIALS", CodeClass::Account),
            ("invalid credentials", CodeClass::Account),
            ("InvalidCredentials", CodeClass::Account),
            ("2001", CodeClass::Account),
            ("TOKEN_EXPIRED", CodeClass::Account),
            // Words of the account in codes about something else.
            ("UNEXPECTED_TOKEN", CodeClass::Failure),
            ("SERVICE_ACCOUNT_CLASS_INVALID", CodeClass::Failure),
            ("INVALID_ACCOUNT_NAME_IN_ASSET", CodeClass::Failure),
            ("JSON_TOKEN", CodeClass::Unknown),
            ("TOKEN", CodeClass::Unknown),
        ];
        for (code, expected) in cases {
            assert_eq!(CodeClass::of(code), expected, "{code}");
        }
    }

    #[test]
    fn words_are_found_in_any_spelling() {
        for text in ["assetsError", "ASSETS_ERROR", "assets-error", "Assets error"] {
            assert_eq!(words(text).collect::<Vec<_>>(), ["ASSETS", "ERROR"], "{text}");
        }
        assert_eq!(words("--").count(), 0);
    }
}
