//! Keys that secrets are sealed with.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::NoRandomOctets;
use super::random;

/// Octets of a key.
const LENGTH: usize = 32;

/// Name of a key in what is sealed with it: the first octets of its SHA-256. It says nothing about
/// the key, and may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub(super) [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// Key of 32 random octets. Its `Debug` shows the id alone (R27).
#[derive(Clone)]
pub struct SecretKey {
    pub(super) octets: Zeroizing<[u8; LENGTH]>,
    id: KeyId,
}

/// Reason for which a text is no key. It shows nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretKeyFault {
    /// The text is something else than base64.
    #[error("is not base64")]
    NotBase64,
    /// The text stands for another number of octets.
    #[error("stands for {0} octets, not {LENGTH}")]
    WrongLength(usize),
    /// All octets are equal.
    #[error("is {LENGTH} times the same octet, which anybody can guess")]
    Guessable,
}

impl SecretKey {
    /// Reads a key as `SECRETS_KEY` has it: base64 of 32 octets.
    ///
    /// # Errors
    /// [`SecretKeyFault`].
    pub fn parse(text: &str) -> Result<Self, SecretKeyFault> {
        let decoded = STANDARD.decode(text.trim());
        let decoded = Zeroizing::new(decoded.map_err(|_| SecretKeyFault::NotBase64)?);
        let octets = <[u8; LENGTH]>::try_from(decoded.as_slice())
            .map_err(|_| SecretKeyFault::WrongLength(decoded.len()))?;
        if octets.iter().all(|octet| *octet == octets[0]) {
            return Err(SecretKeyFault::Guessable);
        }
        Ok(Self::of(octets))
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// [`NoRandomOctets`].
    pub fn generate() -> Result<Self, NoRandomOctets> {
        let mut octets = [0; LENGTH];
        random::fill(&mut octets)?;
        Ok(Self::of(octets))
    }

    fn of(octets: [u8; LENGTH]) -> Self {
        let octets = Zeroizing::new(octets);
        let digest = Sha256::digest(*octets);
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Self {
            octets,
            id: KeyId(id),
        }
    }

    /// Returns the key as [`Self::parse`] reads it.
    #[must_use]
    pub fn expose_text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(*self.octets))
    }

    /// Returns its name.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.id)
    }
}

/// Keys of a process: the present one (`SECRETS_KEY`) and older ones, which only open
/// (`SECRETS_KEY_OLD`).
#[derive(Debug, Clone)]
pub struct SecretKeys {
    present: SecretKey,
    older: Vec<SecretKey>,
}

impl SecretKeys {
    /// Returns these keys.
    #[must_use]
    pub const fn new(present: SecretKey, older: Vec<SecretKey>) -> Self {
        Self { present, older }
    }

    /// Returns the present key.
    #[must_use]
    pub const fn present(&self) -> &SecretKey {
        &self.present
    }

    /// Returns whether there are older keys.
    #[must_use]
    pub const fn has_older(&self) -> bool {
        !self.older.is_empty()
    }

    /// Returns the key with this name, present or older.
    #[must_use]
    pub fn find(&self, id: KeyId) -> Option<&SecretKey> {
        std::iter::once(&self.present)
            .chain(&self.older)
            .find(|key| key.id == id)
    }
}
