//! Webhook of a chat: one message by POST, in the form that Slack and Teams accept.
//!
//! Its URL is a secret (R27): no error contains it.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use secrecy::ExposeSecret;

use super::client::GatewayClient;
use super::error::UpstreamError;
use crate::config::{self, Secret};

/// Pauses before the second and the third attempt; there is no fourth.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// Time for one attempt.
const WITHIN: Duration = Duration::from_secs(10);

/// Octets of an answer that are read.
const ANSWER: usize = 4 << 10;

/// Receiver of messages.
pub struct Webhook {
    client: GatewayClient,
    url: Secret,
}

/// Error of a message that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the webhook of NOTIFY_URL did not take the message: {reason}")]
pub struct WebhookError {
    reason: String,
}

impl Webhook {
    /// Returns the webhook at `url`, with the proxy and the roots of `settings`.
    ///
    /// # Errors
    /// A root or the proxy cannot be used as it is.
    pub fn new(url: &Secret, settings: &config::UpstreamSettings) -> Result<Self, UpstreamError> {
        let settings = config::UpstreamSettings {
            gateway: url.expose_secret().to_owned(),
            timeout: WITHIN,
            ..settings.clone()
        };
        Ok(Self {
            client: GatewayClient::new(&settings)?,
            url: url.clone(),
        })
    }

    /// Sends a message, in three attempts at most.
    ///
    /// # Errors
    /// It was not accepted.
    pub async fn send(&self, body: &str) -> Result<(), WebhookError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let (reason, is_final) = match self.attempt(body).await {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            match pauses.next().filter(|_| !is_final) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    return Err(WebhookError {
                        reason: reason.replace(self.url.expose_secret(), "[REDACTED]"),
                    });
                }
            }
        }
    }

    /// Makes one attempt; a failure comes with whether another one is useless.
    async fn attempt(&self, body: &str) -> Result<(), (String, bool)> {
        let request = self
            .client
            .post(self.url.expose_secret())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body.to_owned());
        let answer = self.client.exchange(request, ANSWER).await;
        let answer = answer.map_err(|failed| (failed.reason, false))?;
        match answer.status {
            200..=299 => Ok(()),
            status @ (408 | 425 | 429 | 500..) => Err((format!("status {status}"), false)),
            status => Err((format!("status {status}"), true)),
        }
    }
}
