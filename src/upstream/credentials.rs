//! Credentials: the request for a token in the three modes, and the removal of secrets from all
//! texts (R27).

use std::ops::Range;

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};

use super::answer::GatewayAnswer;
use super::client::GatewayClient;
use super::error::UpstreamError;
use super::text;
use crate::config::UpstreamAuth;

/// Replacement for a secret.
const HIDDEN: &[u8] = b"[hidden]";
/// Length below which a text is not searched for: it would be found everywhere.
const SHORTEST: usize = 4;

/// Credentials in the form in which they are sent.
pub(super) enum TokenCredentials {
    /// Two headers, marked as sensitive.
    Headers {
        path: &'static str,
        id: HeaderValue,
        secret: HeaderValue,
    },
    /// A form.
    Form(SecretString),
}

impl TokenCredentials {
    pub(super) fn new(auth: &UpstreamAuth) -> Result<Self, UpstreamError> {
        let path = Self::path_of(auth);
        let (id, secret) = match auth {
            UpstreamAuth::Client { id, secret } | UpstreamAuth::Subscription { id, secret } => (id, secret),
            UpstreamAuth::Password { username, password } => {
                let (username, password) = (
                    encoded(username.expose_secret()),
                    encoded(password.expose_secret()),
                );
                return Ok(Self::Form(
                    format!("username={username}&password={password}&token=true").into(),
                ));
            }
        };
        Ok(Self::Headers {
            path,
            id: sensitive(id.expose_secret(), "QUALYS_CLIENT_ID")?,
            secret: sensitive(secret.expose_secret(), "QUALYS_CLIENT_SECRET")?,
        })
    }

    /// Returns the path of the token endpoint.
    pub(super) const fn path_of(auth: &UpstreamAuth) -> &'static str {
        match auth {
            UpstreamAuth::Client { .. } => "/auth/oidc",
            UpstreamAuth::Subscription { .. } => "/auth/oauth",
            UpstreamAuth::Password { .. } => "/auth",
        }
    }

    fn path(&self) -> &'static str {
        match self {
            Self::Headers { path, .. } => path,
            Self::Form(_) => "/auth",
        }
    }

    /// Returns the request for a token. The names of the headers are as Qualys writes them.
    pub(super) fn request(&self, client: &GatewayClient, gateway: &str) -> RequestBuilder {
        let request = client.post(&format!("{gateway}{}", self.path())).header(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        match self {
            Self::Headers { id, secret, .. } => request
                .header("clientId", id.clone())
                .header("clientSecret", secret.clone())
                .header(CONTENT_LENGTH, HeaderValue::from_static("0")),
            Self::Form(form) => request.body(form.expose_secret().to_owned()),
        }
    }
}

fn sensitive(secret: &str, variable: &'static str) -> Result<HeaderValue, UpstreamError> {
    let mut value = HeaderValue::from_str(secret).map_err(|_| UpstreamError::Setting {
        variable,
        reason: "it holds a character that no HTTP header can carry, perhaps a line break".to_owned(),
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Encodes as `application/x-www-form-urlencoded`, everything but the unreserved characters escaped
/// (RFC 3986 section 2.3).
fn encoded(text: &str) -> String {
    encoded_as(text, |byte| format!("%{byte:02X}"))
}

fn encoded_as(text: &str, escape: impl Fn(u8) -> String) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&escape(byte));
        }
    }
    encoded
}

/// Texts that must not be shown. They are removed from the texts of the gateway, since error pages
/// often repeat a request.
pub(super) struct SecretTexts(Vec<SecretString>);

impl SecretTexts {
    pub(super) fn new(auth: &UpstreamAuth) -> Self {
        let secrets = match auth {
            UpstreamAuth::Client { id, secret } | UpstreamAuth::Subscription { id, secret } => [id, secret],
            UpstreamAuth::Password { username, password } => [username, password],
        };
        Self::of(secrets.map(ExposeSecret::expose_secret))
    }

    /// Returns the forms of these secrets in which a text may show them.
    pub(super) fn of<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut texts: Vec<String> = secrets.into_iter().flat_map(forms).collect();
        texts.retain(|text| text.len() >= SHORTEST);
        // The longest first, since it may contain the others: a secret often begins with the id.
        texts.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        texts.dedup();
        Self(texts.into_iter().map(SecretString::from).collect())
    }

    /// Hides the credentials, this token and every text that looks like a token in an answer,
    /// before anything is read from it.
    pub(super) fn hide_in(&self, answer: &mut GatewayAnswer, token: Option<&str>) {
        self.hide(&mut answer.body, token);
        // Of the headers only this one is ever shown, and of it the host, where case has no
        // meaning.
        let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let host = location.and_then(|text| Url::parse(text).ok()?.host_str().map(str::to_lowercase));
        let known = self.0.iter().map(ExposeSecret::expose_secret);
        let mut secrets = token.into_iter().chain(known).chain(["eyJ"]);
        if host.is_some_and(|host| secrets.any(|secret| host.contains(&secret.to_lowercase()))) {
            answer
                .headers
                .insert(LOCATION, HeaderValue::from_static("hidden:"));
        }
    }

    /// Hides in a body what [`Self::hide_in`] hides in an answer.
    pub(super) fn hide(&self, body: &mut Vec<u8>, token: Option<&str>) {
        // JSON can write every character in several ways (`+` as `\u002b`); written again it has
        // the form that is searched for.
        if body.contains(&b'\\')
            && let Some(json) = text::json(body)
        {
            *body = json.to_string().into_bytes();
        }
        let known = self.0.iter().map(ExposeSecret::expose_secret);
        for secret in token
            .into_iter()
            .filter(|token| token.len() >= SHORTEST)
            .chain(known)
        {
            replace(body, |rest| {
                let at = position(rest, secret.as_bytes())?;
                Some(at..at + secret.len())
            });
        }
        // An older token, or one that was cut off.
        replace(body, |rest| {
            let at = position(rest, JWT)?;
            let long = rest.iter().skip(at).take_while(|byte| is_token(**byte)).count();
            Some(at..at + long)
        });
    }
}

/// Beginning of every JWT: base64url of `{"` (RFC 7519 section 3.1).
const JWT: &[u8] = b"eyJ";

/// Returns `true` for an octet of a b64token (RFC 6750 section 2.1).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// Replaces each range that `find` names in the rest of the body, in one pass whatever their
/// number.
fn replace(body: &mut Vec<u8>, find: impl Fn(&[u8]) -> Option<Range<usize>>) {
    let Some(mut found) = find(body) else { return };
    let mut hidden = Vec::with_capacity(body.len() + HIDDEN.len());
    let mut rest = body.as_slice();
    loop {
        hidden.extend_from_slice(rest.get(..found.start).unwrap_or_default());
        hidden.extend_from_slice(HIDDEN);
        rest = rest.get(found.end..).unwrap_or_default();
        match find(rest) {
            Some(next) => found = next,
            None => break,
        }
    }
    hidden.extend_from_slice(rest);
    *body = hidden;
}

fn position(body: &[u8], text: &[u8]) -> Option<usize> {
    body.windows(text.len()).position(|window| window == text)
}

/// Returns a secret as it is, and as JSON or a form would show it.
fn forms(secret: &str) -> [String; 4] {
    let quoted = serde_json::Value::from(secret).to_string();
    let inner = quoted
        .get(1..quoted.len().saturating_sub(1))
        .unwrap_or_default()
        .to_owned();
    [
        secret.to_owned(),
        inner,
        encoded(secret),
        encoded_as(secret, |byte| format!("%{byte:02x}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(password: &str) -> UpstreamAuth {
        UpstreamAuth::Password {
            username: "user-7".to_owned().into(),
            password: password.to_owned().into(),
        }
    }

    #[test]
    fn the_form_is_escaped() {
        let Ok(TokenCredentials::Form(form)) = TokenCredentials::new(&password("p&w=1 +ü%")) else {
            panic!("no form")
        };
        assert_eq!(
            form.expose_secret(),
            "username=user-7&password=p%26w%3D1%20%2B%C3%BC%25&token=true"
        );
    }

    #[test]
    fn r27_headers_are_sensitive() {
        let auth = UpstreamAuth::Client {
            id: "id-1".to_owned().into(),
            secret: "geheim".to_owned().into(),
        };
        let Ok(TokenCredentials::Headers { path, id, secret }) = TokenCredentials::new(&auth) else {
            panic!("no headers")
        };
        assert_eq!(path, "/auth/oidc");
        assert_eq!(format!("{id:?} {secret:?}"), "Sensitive Sensitive");
    }

    #[test]
    fn r27_a_secret_that_no_header_can_carry_is_refused_without_its_text() {
        let auth = UpstreamAuth::Subscription {
            id: "id-1".to_owned().into(),
            secret: "geh\neim".to_owned().into(),
        };
        let Err(error) = TokenCredentials::new(&auth) else {
            panic!("taken")
        };
        assert!(error.to_string().contains("QUALYS_CLIENT_SECRET"));
        assert!(!error.to_string().contains("eim"));
    }

    #[test]
    fn r27_every_form_of_a_secret_is_hidden_in_an_answer() {
        let secrets = SecretTexts::new(&password(r#"p"w&1"#));
        let mut body = br#"{"a":"p\"w&1","b":"p%22w%261","c":"user-7","d":"tok-9","e":"p\"w&1"}"#.to_vec();
        secrets.hide(&mut body, Some("tok-9"));
        let expected = r#"{"a":"[hidden]","b":"[hidden]","c":"[hidden]","d":"[hidden]","e":"[hidden]"}"#;
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn r27_a_secret_is_hidden_however_json_or_a_form_writes_it() {
        let secrets = SecretTexts::new(&password("p+w/\"1"));
        for spelling in [
            r#"p\u002bw\/\u00221"#,
            r#"\u0070+w/\"1"#,
            "p%2bw%2f%221",
            "p%2Bw%2F%221",
        ] {
            let mut body = format!(r#"{{"message":"no {spelling}"}}"#).into_bytes();
            secrets.hide(&mut body, None);
            assert_eq!(
                String::from_utf8(body).unwrap(),
                r#"{"message":"no [hidden]"}"#,
                "{spelling}"
            );
        }
    }

    #[test]
    fn r27_a_secret_that_begins_with_another_is_hidden_whole() {
        let auth = UpstreamAuth::Client {
            id: "abc-1".to_owned().into(),
            secret: "abc-1-geheim".to_owned().into(),
        };
        let mut body = b"abc-1-geheim of abc-1".to_vec();
        SecretTexts::new(&auth).hide(&mut body, None);
        assert_eq!(body, b"[hidden] of [hidden]");
    }

    #[test]
    fn r27_whatever_looks_like_a_token_is_hidden() {
        let mut body = br#"{"old":"eyJh.eyJz.c2ln","cut":"Bearer eyJhbGci"#.to_vec();
        SecretTexts::new(&password("pass-1")).hide(&mut body, Some("tok-9"));
        assert_eq!(body, br#"{"old":"[hidden]","cut":"Bearer [hidden]"#);
    }

    #[test]
    fn r27_hiding_ends_even_for_odd_secrets() {
        for odd in ["", "a", "[hidden]", "hidden"] {
            let mut body = b"say [hidden] or a".to_vec();
            SecretTexts::new(&password(odd)).hide(&mut body, None);
            assert!(body.starts_with(b"say"), "{odd}");
        }
    }
}
