//! Sealing and opening.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{KeyId, NoRandomOctets, SecretKey, SecretKeys, random};

/// Octets of the names of keys.
const KEY_ID: usize = 8;

/// Octets of a nonce: so many that a random one is never used twice.
const NONCE: usize = 24;

/// Octets of the tag that authenticates.
const TAG: usize = 16;

/// Lengths of plain texts are multiples of this.
const STEP: usize = 32;

/// Octets that hold the length of the text in front of it.
const LENGTH: usize = 4;

/// Beginning of the associated data: the program and the version of the form.
const CONTEXT: &str = "ad-connector/v1";

/// Place of a sealed secret: in no other one does it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretPlace<'a> {
    /// Identity of the connection.
    pub connection: Uuid,
    /// Name of the field, such as `directory.password`.
    pub field: &'a str,
}

/// Sealed secret as it is stored: key id, nonce, cipher text with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret(Vec<u8>);

/// Obstacle to sealing or opening. None shows anything of a secret or a key (R27).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key that it was sealed with is not there.
    #[error("it is sealed with the key {0}, which is neither SECRETS_KEY nor among SECRETS_KEY_OLD")]
    UnknownKey(KeyId),
    /// The key is there, but what is stored was changed, or is that of another place.
    #[error("it does not open with its key {0}: it was changed, or moved from another connection or field")]
    DoesNotOpen(KeyId),
    /// The stored octets are too few for a sealed secret.
    #[error("what is stored is too short to be a sealed secret")]
    TooShort,
    /// The text is too long to be sealed.
    #[error("a secret of {0} octets is too long")]
    TooLong(usize),
    /// The system has no random octets.
    #[error(transparent)]
    NoRandomOctets(#[from] NoRandomOctets),
}

impl SealError {
    /// Returns the remedy for the operator.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::UnknownKey(_) => {
                "add that key to SECRETS_KEY_OLD, or supply the secret of the connection again"
            }
            Self::DoesNotOpen(_) | Self::TooShort => {
                "supply the secret of the connection again, and find out who wrote into the state"
            }
            Self::TooLong(_) => "use a shorter secret",
            Self::NoRandomOctets(error) => error.advice(),
        }
    }
}

impl SealedSecret {
    /// Seals `text` for `place` with `key`.
    ///
    /// # Errors
    /// The text is absurdly long, or the system has no random octets.
    pub fn seal(key: &SecretKey, place: SecretPlace<'_>, text: &str) -> Result<Self, SealError> {
        let too_long = || SealError::TooLong(text.len());
        let length = u32::try_from(text.len()).map_err(|_| too_long())?;
        let padded = (LENGTH + text.len()).next_multiple_of(STEP);
        let mut plain = Zeroizing::new(Vec::with_capacity(padded));
        plain.extend_from_slice(&length.to_be_bytes());
        plain.extend_from_slice(text.as_bytes());
        plain.resize(padded, 0);
        let mut nonce = [0; NONCE];
        random::fill(&mut nonce)?;
        let associated = associated_data(key.id(), place);
        let payload = Payload {
            msg: plain.as_slice(),
            aad: &associated,
        };
        let cipher_text = cipher(key)
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| too_long())?;
        Ok(Self([&key.id().0, nonce.as_slice(), &cipher_text].concat()))
    }

    /// Opens what was sealed for `place`, with the key of `keys` that it names.
    ///
    /// # Errors
    /// The key is not there, or what is stored is not what was sealed for this place.
    pub fn open(&self, keys: &SecretKeys, place: SecretPlace<'_>) -> Result<Zeroizing<String>, SealError> {
        let id = self.key_id()?;
        let key = keys.find(id).ok_or(SealError::UnknownKey(id))?;
        let does_not_open = || SealError::DoesNotOpen(id);
        let (nonce, cipher_text) = self.0[KEY_ID..].split_at(NONCE);
        let nonce = XNonce::try_from(nonce).map_err(|_| SealError::TooShort)?;
        let associated = associated_data(id, place);
        let payload = Payload {
            msg: cipher_text,
            aad: &associated,
        };
        let plain = cipher(key)
            .decrypt(&nonce, payload)
            .map(Zeroizing::new)
            .map_err(|_| does_not_open())?;
        let text = plain
            .split_first_chunk::<LENGTH>()
            .and_then(|(length, rest)| {
                let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
                std::str::from_utf8(rest.get(..length)?).ok()
            })
            .ok_or_else(does_not_open)?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Returns the name of the key that it is sealed with.
    ///
    /// # Errors
    /// [`SealError::TooShort`].
    pub fn key_id(&self) -> Result<KeyId, SealError> {
        if self.0.len() < KEY_ID + NONCE + STEP + TAG {
            return Err(SealError::TooShort);
        }
        let mut id = [0; KEY_ID];
        id.copy_from_slice(&self.0[..KEY_ID]);
        Ok(KeyId(id))
    }

    /// Returns what is stored.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SealedSecret {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets)
    }
}

fn cipher(key: &SecretKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*key.octets).into())
}

/// Returns what is authenticated with a secret. Each part is preceded by its length, so that no two
/// places have the same octets.
fn associated_data(key: KeyId, place: SecretPlace<'_>) -> Vec<u8> {
    let parts: [&[u8]; 4] = [
        CONTEXT.as_bytes(),
        place.connection.as_bytes(),
        place.field.as_bytes(),
        &key.0,
    ];
    let mut octets = Vec::new();
    for part in parts {
        octets.extend_from_slice(&(part.len() as u64).to_be_bytes());
        octets.extend_from_slice(part);
    }
    octets
}
