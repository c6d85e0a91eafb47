//! Sealing of secrets, so that the state holds none that can be read (R35). No input or output but
//! random octets of the system.
//!
//! A sealed secret opens only with its key and in its place: the identity of the connection and the
//! name of the field are authenticated with it (XChaCha20-Poly1305). It names its key, so that
//! several keys may be in use while one replaces another. Its length is a multiple of 32 octets
//! above a constant, so that it says little about the length of the secret.

mod key;
mod random;
mod sealed;

pub use key::{KeyId, SecretKey, SecretKeyFault, SecretKeys};
pub use random::NoRandomOctets;
pub use sealed::{SealError, SealedSecret, SecretPlace};

#[cfg(test)]
mod tests;
