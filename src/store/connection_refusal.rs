//! Refusals of changes of stored connections.

use uuid::Uuid;

use crate::exit_code;
use crate::secrets::SealError;

/// Reason for which a change of a stored connection is refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionRefusal {
    /// There is no such connection, or it is deleted.
    #[error("no stored connection has the UUID {uuid}")]
    Unknown {
        /// The identity.
        uuid: Uuid,
    },
    /// Another connection that is configured has the name.
    #[error("another connection is named `{name}`")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Another connection has the identity, perhaps a deleted one.
    #[error("another stored connection has the UUID {uuid}, perhaps a deleted one")]
    UuidTaken {
        /// The identity.
        uuid: Uuid,
    },
    /// Somebody else changed the connection first.
    #[error("the connection was changed meanwhile; its revision is {current} now")]
    Changed {
        /// Its revision now.
        current: i64,
    },
    /// The process has no key.
    #[error("no secret can be stored without SECRETS_KEY")]
    NoKey,
    /// The secrets in the state are sealed with a key that the process does not have.
    #[error("this process has another SECRETS_KEY than the state, so it stores no secret: {0}")]
    OtherKey(SealError),
    /// A secret could not be sealed.
    #[error("a secret cannot be sealed: {0}")]
    NotSealed(SealError),
}

impl ConnectionRefusal {
    /// Returns the exit code: 64 where the person asked for something else than there can be, 4
    /// where somebody else was first, 69 otherwise.
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::Unknown { .. } | Self::NameTaken { .. } | Self::UuidTaken { .. } | Self::NoKey => {
                exit_code::USAGE
            }
            Self::Changed { .. } => exit_code::BUSY,
            Self::OtherKey(_) | Self::NotSealed(_) => exit_code::UNAVAILABLE,
        }
    }

    /// Returns the remedy for the operator.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "list the connections, and name one of them",
            Self::NameTaken { .. } => "give one of the two another name",
            Self::UuidTaken { .. } => "leave the UUID out, or purge the deleted connection",
            Self::Changed { .. } => "read the connection again, and repeat the change on what it is now",
            Self::NoKey => "set SECRETS_KEY to what `ad-connector secrets new-key` prints",
            Self::OtherKey(_) => {
                "give every instance the same SECRETS_KEY, or add the older key to SECRETS_KEY_OLD"
            }
            Self::NotSealed(error) => error.advice(),
        }
    }
}
