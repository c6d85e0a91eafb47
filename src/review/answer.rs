//! Answers of the Qualys API that are no list: errors, also those that come with HTTP 200, and what
//! to do about each.

use std::time::Duration;

use super::xml::Element;

/// Error that an answer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRefusal {
    /// Its number, where it has one.
    pub code: Option<u32>,
    /// Its text.
    pub text: String,
}

/// Reaction to an answer that is no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Too many calls: wait, for as long as the text says where it does.
    Wait(Option<Duration>),
    /// Trouble that may pass.
    Retry,
    /// The credentials, or the account, are refused.
    Credentials,
    /// The account lacks a right for the call.
    Denied,
    /// The call itself is refused.
    Refused,
}

/// Returns the error that a document holds, whichever of the forms it has; `None` for a list.
#[must_use]
pub fn refusal(root: &Element) -> Option<ApiRefusal> {
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse().ok());
    match root.name.as_str() {
        "GENERIC_RETURN" => {
            let returned = root.child("RETURN")?;
            Some(ApiRefusal {
                code: number(returned.attribute("number")),
                text: text_of(returned),
            })
        }
        "SIMPLE_RETURN" => {
            let response = root.child("RESPONSE").unwrap_or(root);
            Some(ApiRefusal {
                code: number(response.text_of("CODE")),
                text: response.filled("TEXT").unwrap_or_default(),
            })
        }
        "ServiceResponse" => {
            let code = root.text_of("responseCode").unwrap_or_default();
            let details = root.child("responseErrorDetails");
            let message = details.and_then(|details| details.filled("errorMessage"));
            (code != "SUCCESS").then(|| ApiRefusal {
                code: None,
                text: format!("{code} {}", message.unwrap_or_default())
                    .trim()
                    .to_owned(),
            })
        }
        _ => {
            let response = root.child("RESPONSE").unwrap_or(root);
            let error = root.child("ERROR").or_else(|| response.child("ERROR"))?;
            Some(ApiRefusal {
                code: number(error.attribute("number")).or_else(|| number(error.text_of("CODE"))),
                text: text_of(error),
            })
        }
    }
}

fn text_of(element: &Element) -> String {
    let inner = || element.filled("TEXT").or_else(|| element.filled("MESSAGE"));
    match element.text.as_str() {
        "" => inner().unwrap_or_default(),
        text => text.to_owned(),
    }
}

impl ApiRefusal {
    /// Decides by the code, and where there is none by the status.
    #[must_use]
    pub fn reaction(&self, status: u16) -> Reaction {
        match (self.code, status) {
            (Some(1920 | 1960 | 1965), _) => Reaction::Wait(asked_pause(&self.text)),
            (Some(999 | 1999), _) => Reaction::Retry,
            (Some(2000..=2003), _) => Reaction::Credentials,
            (Some(2010..=2012), _) => Reaction::Denied,
            (_, 200..=299) if says_limit(&self.text) => Reaction::Wait(asked_pause(&self.text)),
            (_, 200..=299) if says_denied(&self.text) => Reaction::Denied,
            (_, 200..=299) => Reaction::Refused,
            _ => of_status(status, &self.text),
        }
    }
}

/// Decides by the status of an answer that is no XML of Qualys.
#[must_use]
pub fn of_status(status: u16, text: &str) -> Reaction {
    match status {
        401 => Reaction::Credentials,
        403 => Reaction::Denied,
        409 | 429 => Reaction::Wait(asked_pause(text)),
        408 | 425 | 500..=599 => Reaction::Retry,
        _ => Reaction::Refused,
    }
}

fn says_limit(text: &str) -> bool {
    asked_pause(text).is_some()
}

fn says_denied(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    [
        "denied",
        "not authorized",
        "unauthorized",
        "not permitted",
        "permission",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// Reads `… cannot be run again for another N seconds`.
fn asked_pause(text: &str) -> Option<Duration> {
    let (_, after) = text.split_once("for another ")?;
    let (number, rest) = after.split_once(' ')?;
    let seconds: u64 = number.parse().ok()?;
    rest.trim_start()
        .starts_with("second")
        .then(|| Duration::from_secs(seconds.clamp(1, 3600)))
}

impl std::fmt::Display for ApiRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.code {
            Some(code) => write!(f, "{code} {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}
