//! Random octets of the system.

/// Failure of the system to give random octets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random octets: {0}")]
pub struct NoRandomOctets(String);

impl NoRandomOctets {
    /// Returns the remedy for the operator.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        "look for what the system lacks: getrandom(2) failed"
    }
}

/// Fills `octets` with random ones.
pub(super) fn fill(octets: &mut [u8]) -> Result<(), NoRandomOctets> {
    getrandom::fill(octets).map_err(|cause| NoRandomOctets(cause.to_string()))
}
