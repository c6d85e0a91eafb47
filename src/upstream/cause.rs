//! Causes of failures on the way to the gateway, each with its remedy.

/// Cause of a failure that may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailureCause {
    /// There is no TLS connection; the remedy depends on the fault.
    Tls {
        /// Remedy.
        advice: String,
    },
    /// The name of the gateway has no address.
    Name,
    /// The proxy gives no connection to the gateway.
    Proxy,
    /// The proxy requires a log-in, or refuses the one that it received.
    ProxyLogin,
    /// The gateway limits the calls of the account.
    RateLimit,
    /// The gateway did not answer within `QUALYS_TIMEOUT`.
    TimedOut,
    /// A 2xx that states nothing known.
    NotUnderstood,
    /// A 2xx of the token endpoint that holds no token.
    NoToken,
    /// Anything else: no connection, a connection that broke, 5xx.
    Other,
}

impl FailureCause {
    /// Returns the remedy, one sentence.
    pub(super) fn advice(&self) -> String {
        let advice = match self {
            Self::Tls { advice } => advice,
            Self::Name => {
                "Check the host in QUALYS_GATEWAY_URL and that this machine can resolve it, or set HTTPS_PROXY."
            }
            Self::Proxy => "Check HTTPS_PROXY and that the proxy lets this machine reach the gateway.",
            Self::ProxyLogin => {
                "Give HTTPS_PROXY a user name and a password that the proxy accepts (`http://user:password@host:port`), or \
                 let the proxy pass this machine without; the next run sends what is staged first."
            }
            Self::RateLimit => {
                "The account's API limit is used up: run less often, or raise QUALYS_GIVE_UP_AFTER; the next run sends what \
                 is staged first."
            }
            Self::TimedOut => {
                "Lower QUALYS_BATCH_ASSETS or raise QUALYS_TIMEOUT, and check that this machine reaches QUALYS_GATEWAY_URL \
                 (firewall, HTTPS_PROXY); the next run sends what is staged first."
            }
            Self::NotUnderstood => {
                "Check that QUALYS_GATEWAY_URL, QUALYS_INGEST_PATH and HTTPS_PROXY lead to the gateway; only if it is the \
                 gateway that accepts assets with this answer, set QUALYS_ACCEPT_UNKNOWN=true; the next run sends what is \
                 staged first."
            }
            Self::NoToken => {
                "Check that QUALYS_GATEWAY_URL is the gateway of your platform (https://gateway.qg…), not the UI or the API \
                 server, and that no proxy on the way asks people to log in."
            }
            Self::Other => {
                "Check that this machine reaches QUALYS_GATEWAY_URL (firewall, HTTPS_PROXY); the next run sends what is \
                 staged first."
            }
        };
        advice.to_owned()
    }
}
