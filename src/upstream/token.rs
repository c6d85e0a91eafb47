//! Bearer token: requested once for all senders, renewed before it ends.
//!
//! Invariant: a token is discarded only by a sender that saw *that* token refused. Otherwise,
//! senders that were refused together would each discard the new token of the one before.

use std::time::{Duration, SystemTime};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::answer::{self, GatewayAnswer};
use super::cause::FailureCause;
use super::client::{GatewayClient, NoAnswer};
use super::credentials::{SecretTexts, TokenCredentials, is_token};
use super::error::UpstreamError;
use super::evidence;
use super::retry_after;
use super::text;
use crate::clock;
use crate::config;

/// Longest token that is accepted. Servers limit a header to 8 KiB or so.
const LONGEST: usize = 16 << 10;

/// Bearer token, with the time at which it is renewed.
#[derive(Clone)]
pub(super) struct BearerToken {
    text: SecretString,
    /// `Bearer …`, marked as sensitive.
    pub(super) header: HeaderValue,
    /// Monotonic time, so that setting the clock neither ends a token nor prolongs it.
    renew_at: Instant,
    /// Number that distinguishes two tokens, even if the gateway returns the same text again.
    number: u64,
}

impl BearerToken {
    /// Returns the text for [`SecretTexts::hide`].
    pub(super) fn text(&self) -> &str {
        self.text.expose_secret()
    }
}

/// Reason for which there is no token now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoToken {
    /// The credentials are refused; another request may lock the account.
    Refused(String),
    /// Another request gives the same answer.
    Final(String),
    /// Rate limited.
    Wait(Duration, String),
    /// The proxy requires a log-in.
    ProxyRefused(String),
    /// A 2xx that holds no token.
    Unusable(String),
    /// Failure that may pass, with the pause that was asked for.
    Retry(Option<Duration>, String),
    /// There was no answer.
    NoAnswer(NoAnswer),
}

impl NoToken {
    /// Returns the error for a request that is not made again.
    pub(super) fn into_error(self, path: &str) -> UpstreamError {
        let path = path.to_owned();
        match self {
            Self::Refused(reason) => UpstreamError::CredentialsRefused { path, reason },
            Self::Final(reason) | Self::Unusable(reason) => UpstreamError::NoToken { path, reason },
            Self::ProxyRefused(reason) => UpstreamError::ProxyRefused { reason },
            Self::Wait(pause, reason) => UpstreamError::Unavailable {
                cause: FailureCause::RateLimit,
                reason: format!("{path}: {reason}; it asked to wait {} s", pause.as_secs()),
            },
            Self::Retry(_, reason) => UpstreamError::Unavailable {
                cause: FailureCause::Other,
                reason: format!("{path}: {reason}"),
            },
            Self::NoAnswer(none) => none.into_error(&path),
        }
    }
}

/// Source of the token: requests it and keeps it.
pub(super) struct TokenSource {
    /// Credentials. The secrets in it may be replaced at any time ([`config::Secret`]).
    auth: config::UpstreamAuth,
    gateway: String,
    client: GatewayClient,
    /// Age at which a token is renewed.
    life: Duration,
    current: Mutex<CurrentToken>,
}

#[derive(Default)]
struct CurrentToken {
    token: Option<BearerToken>,
    given: u64,
}

impl TokenSource {
    pub(super) fn new(
        settings: &config::UpstreamSettings,
        client: GatewayClient,
        life: Duration,
    ) -> Result<Self, UpstreamError> {
        TokenCredentials::new(&settings.auth)?;
        Ok(Self {
            auth: settings.auth.clone(),
            gateway: settings.gateway.clone(),
            client,
            life,
            current: Mutex::default(),
        })
    }

    /// Returns the path of the token endpoint.
    pub(super) fn path(&self) -> &'static str {
        TokenCredentials::path_of(&self.auth)
    }

    /// Hides the credentials and this token in an answer (R27).
    pub(super) fn hide_in(&self, answer: &mut GatewayAnswer, token: Option<&BearerToken>) {
        SecretTexts::new(&self.auth).hide_in(answer, token.map(BearerToken::text));
    }

    /// Returns the current token, or a new one. While one caller requests it, the others wait for
    /// its result.
    pub(super) async fn current(&self) -> Result<BearerToken, NoToken> {
        let mut current = self.current.lock().await;
        let asked_at = clock::timer_instant();
        if let Some(token) = current.token.as_ref().filter(|token| asked_at < token.renew_at) {
            return Ok(token.clone());
        }
        current.token = None;
        let credentials =
            TokenCredentials::new(&self.auth).map_err(|error| NoToken::Final(error.to_string()))?;
        let secrets = SecretTexts::new(&self.auth);
        let request = credentials.request(&self.client, &self.gateway);
        let exchanged = self.client.exchange(request, 2 * LONGEST).await;
        let mut answer = exchanged.map_err(NoToken::NoAnswer)?;
        let text = judge(&mut answer, &secrets, clock::system_time())?;
        let mut header = HeaderValue::from_str(&format!("Bearer {}", text.expose_secret()))
            .map_err(|_| NoToken::Unusable("the token cannot be sent as a header".to_owned()))?;
        header.set_sensitive(true);
        current.given += 1;
        let token = BearerToken {
            text,
            header,
            renew_at: asked_at + self.life,
            number: current.given,
        };
        current.token = Some(token.clone());
        tracing::debug!(path = self.path(), "The gateway gave a token.");
        Ok(token)
    }

    /// Discards this token, if it is still the current one.
    pub(super) async fn refused(&self, refused: &BearerToken) {
        let mut current = self.current.lock().await;
        if current
            .token
            .as_ref()
            .is_some_and(|token| token.number == refused.number)
        {
            current.token = None;
        }
    }
}

/// Reads the token in an answer of the token endpoint, or returns what to do instead, without the
/// secrets that the answer may repeat (R27).
pub(super) fn judge(
    answer: &mut GatewayAnswer,
    secrets: &SecretTexts,
    now: SystemTime,
) -> Result<SecretString, NoToken> {
    let read_as_it_is = read(answer, now);
    match read_as_it_is {
        // These errors quote nothing.
        Ok(_) | Err(NoToken::Unusable(_)) if (200..300).contains(&answer.status) => read_as_it_is,
        _ => {
            secrets.hide_in(answer, None);
            read(answer, now)
        }
    }
}

/// Reads an answer as [`judge`] does, without hiding its secrets.
fn read(answer: &GatewayAnswer, now: SystemTime) -> Result<SecretString, NoToken> {
    let reason = || answer::describe(answer);
    match answer.status {
        200..=299 => token_in(answer),
        300..=399 => Err(NoToken::Final(answer::redirected(answer))),
        400 | 401 | 403 => Err(NoToken::Refused(reason())),
        409 | 429 => Err(NoToken::Wait(
            retry_after::rate_limit(&answer.headers, now),
            reason(),
        )),
        407 => Err(NoToken::ProxyRefused(reason())),
        408 | 425 | 500..=599 => Err(NoToken::Retry(
            retry_after::retry_after(&answer.headers, now),
            reason(),
        )),
        _ => Err(NoToken::Final(reason())),
    }
}

/// Returns a JWT as plain text, as documented; also as a JSON text or as `token` or `access_token`
/// of a JSON object. The errors quote nothing of the body: half of a token is a secret too.
fn token_in(answer: &GatewayAnswer) -> Result<SecretString, NoToken> {
    let unusable = |what: &str| Err(NoToken::Unusable(format!("status {}, but {what}", answer.status)));
    if answer.cut {
        return unusable("the answer is too long for a token");
    }
    let body = answer.body.trim_ascii();
    let text = match text::json(body) {
        Some(Value::Object(object)) => {
            if let Some(code) = evidence::account_code(&object) {
                return Err(NoToken::Refused(format!(
                    "status {}: {}",
                    answer.status,
                    text::line(&code, 100)
                )));
            }
            match ["token", "access_token"]
                .iter()
                .find_map(|key| object.get(*key)?.as_str())
            {
                Some(token) => token.trim().to_owned(),
                None => return unusable("the answer holds no token"),
            }
        }
        Some(Value::String(token)) => token.trim().to_owned(),
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    if text.is_empty() {
        return unusable("the answer is empty");
    }
    if text.len() > LONGEST {
        return unusable("the answer is too long for a token");
    }
    if text::is_page(body) {
        return unusable(
            "the answer is a page for people and no token, so it comes from a website, a log-in or a proxy, not from the \
             gateway; it holds characters that no token has",
        );
    }
    // b64token of RFC 6750 section 2.1: anything else would forge a header.
    if !text.bytes().all(is_token) {
        return unusable("the answer holds characters that no token has");
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r27_a_refusal_in_a_2xx_does_not_repeat_the_secret() {
        let auth = config::UpstreamAuth::Client {
            id: "id-1".into(),
            secret: "geheim".into(),
        };
        let mut answer = GatewayAnswer {
            status: 200,
            body: br#"{"code":"INVALID_CREDENTIALS","message":"geheim"}"#.to_vec(),
            ..GatewayAnswer::default()
        };
        let Err(refused) = judge(&mut answer, &SecretTexts::new(&auth), SystemTime::UNIX_EPOCH) else {
            panic!("a token")
        };
        assert_eq!(
            refused,
            NoToken::Refused("status 200: INVALID_CREDENTIALS".to_owned())
        );
    }

    fn read_body(status: u16, body: &[u8]) -> Result<String, NoToken> {
        let answer = GatewayAnswer {
            status,
            body: body.to_vec(),
            ..GatewayAnswer::default()
        };
        read(&answer, SystemTime::UNIX_EPOCH).map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn a_token_is_taken_in_every_form_it_comes_in() {
        let forms: [&[u8]; 6] = [
            b"eyJh.eyJz.c2ln",
            b"  eyJh.eyJz.c2ln\r\n",
            br#""eyJh.eyJz.c2ln""#,
            br#"{"token":"eyJh.eyJz.c2ln"}"#,
            br#"{"access_token":"eyJh.eyJz.c2ln","expires_in":14400}"#,
            br#"{ "token_type":"Bearer", "access_token":" eyJh.eyJz.c2ln " }"#,
        ];
        for status in [200, 201, 202] {
            for form in forms {
                assert_eq!(read_body(status, form), Ok("eyJh.eyJz.c2ln".to_owned()));
            }
        }
    }

    #[test]
    fn what_is_no_token_is_refused_and_not_quoted() {
        let long = vec![b'a'; LONGEST + 1];
        let bodies: [&[u8]; 9] = [
            b"",
            b" \n ",
            &long,
            b"geheim\r\nX-Other: 1",
            b"geheim\x00",
            b"<html>geheim</html>",
            br#"{"geheim":"geheim"}"#,
            br#"{"token":""}"#,
            "gehéim".as_bytes(),
        ];
        for body in bodies {
            let Err(NoToken::Unusable(reason)) = read_body(200, body) else {
                panic!("{body:?} taken")
            };
            assert!(!reason.contains("geh"), "{reason}");
        }
    }

    #[test]
    fn r19_each_answer_of_the_token_endpoint_has_its_class() {
        for status in [400, 401, 403] {
            assert!(
                matches!(read_body(status, b""), Err(NoToken::Refused(_))),
                "{status}"
            );
        }
        assert!(matches!(
            read_body(200, br#"{"responseCode":"INVALID_CREDENTIALS"}"#),
            Err(NoToken::Refused(_))
        ));
        for status in [302, 404, 405, 415] {
            assert!(
                matches!(read_body(status, b""), Err(NoToken::Final(_))),
                "{status}"
            );
        }
        for status in [409, 429] {
            assert!(matches!(read_body(status, b""), Err(NoToken::Wait(pause, _)) if pause.as_secs() == 60));
        }
        assert!(matches!(read_body(407, b""), Err(NoToken::ProxyRefused(_))));
        for status in [408, 500, 502, 503, 504] {
            assert!(
                matches!(read_body(status, b""), Err(NoToken::Retry(None, _))),
                "{status}"
            );
        }
    }
}
