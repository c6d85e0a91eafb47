//! Distinguished names (RFC 4514), as Active Directory compares them.

mod extended;
mod parse;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

pub use extended::LinkedName;

/// Distinguished name, syntax checked, kept as written.
///
/// Two names are equal when they name the same object: case, the way a character is escaped, and
/// spaces around the separators do not count. AD's own comparison (MS-ADTS 3.1.1.2.2.4.13) differs
/// in one thing: it also ignores accents; a base context is best copied from the directory rather
/// than typed.
#[derive(Debug, Clone)]
pub struct DistinguishedName {
    text: String,
    /// Steps from the object up to the root, as in the text.
    rdns: Vec<Rdn>,
}

/// Step of the path: `CN=Jane Doe`.
#[derive(Debug, Clone)]
struct Rdn {
    /// Beginning of the step in the text.
    start: usize,
    /// First attribute type, as written.
    kind: String,
    /// First value, unescaped.
    value: String,
    /// Form in which two steps are compared.
    folded: String,
}

/// Reason for which a text is not a distinguished name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{reason}, at character {at}: `{text}` is not a distinguished name such as OU=Staff,DC=example,DC=com"
)]
pub struct DnError {
    text: String,
    at: usize,
    reason: &'static str,
}

impl DistinguishedName {
    /// Parses `text`. The empty text is the name of the root (rootDSE), above all naming contexts.
    ///
    /// Accepted are all of RFC 4514 and the forms that servers write besides: raw or escaped line
    /// feeds in the names of deleted and conflicting objects (`CN=Jane\0ADEL:…`), a backslash
    /// before any character (Samba writes `\?`), spaces around separators, upper and lower case
    /// hex.
    ///
    /// # Errors
    /// `text` is not a distinguished name.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        match parse::rdns(text) {
            Ok(rdns) => Ok(Self {
                text: text.to_owned(),
                rdns,
            }),
            Err(fault) => Err(DnError {
                text: excerpt(text),
                at: text.get(..fault.at).map_or(0, |before| before.chars().count()) + 1,
                reason: fault.reason,
            }),
        }
    }

    /// Returns the name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the number of steps below the root; 0 is the root itself.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.rdns.len()
    }

    /// Returns the name of the parent; the root has none.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.rdns.split_first()?;
        let start = above.first().map_or(self.text.len(), |rdn| rdn.start);
        let rdns = above
            .iter()
            .map(|rdn| Rdn {
                start: rdn.start - start,
                ..rdn.clone()
            })
            .collect();
        Some(Self {
            text: self.text.get(start..).unwrap_or_default().to_owned(),
            rdns,
        })
    }

    /// Returns the attribute type of the first step, as written: `CN`, `OU`, `DC`. The root has
    /// none.
    #[must_use]
    pub fn rdn_type(&self) -> Option<&str> {
        self.rdns.first().map(|rdn| rdn.kind.as_str())
    }

    /// Returns the value of the first step, unescaped: `Doe, Jane` for `CN=Doe\, Jane,…`. The root
    /// has none.
    #[must_use]
    pub fn rdn_value(&self) -> Option<&str> {
        self.rdns.first().map(|rdn| rdn.value.as_str())
    }

    /// Returns `true` when the object is `base` or below it: the `subtree` scope (RFC 4511 section
    /// 4.5.1.2).
    #[must_use]
    pub fn is_within(&self, base: &Self) -> bool {
        self.depth()
            .checked_sub(base.depth())
            .and_then(|below| self.rdns.get(below..))
            .is_some_and(|above| folded(above).eq(folded(&base.rdns)))
    }

    /// Returns `true` when the object is an immediate child of `base`: the `onelevel` scope (RFC
    /// 4511 section 4.5.1.2).
    #[must_use]
    pub fn is_child_of(&self, base: &Self) -> bool {
        self.depth() == base.depth() + 1 && self.is_within(base)
    }

    /// Returns `true` when both objects are in the same domain: the steps at the end of their names
    /// that are of type `DC` are the same. These are labels of a DNS name, in which the case of
    /// ASCII letters does not count (RFC 4343).
    #[must_use]
    pub fn shares_domain_with(&self, other: &Self) -> bool {
        fn labels(name: &DistinguishedName) -> impl Iterator<Item = &str> {
            let steps = name.rdns.iter().rev();
            steps
                .take_while(|rdn| rdn.kind.eq_ignore_ascii_case("DC"))
                .map(|rdn| rdn.value.as_str())
        }
        labels(self).count() == labels(other).count()
            && labels(self)
                .zip(labels(other))
                .all(|(one, other)| one.eq_ignore_ascii_case(other))
    }

    /// Returns `value` with everything escaped that RFC 4514 section 2.4 requires, for use in a
    /// name.
    #[must_use]
    pub fn escape_value(value: &str) -> String {
        parse::escape(value)
    }
}

/// Returns `text` in the form for an error: on one line whatever a server sent, and of limited
/// length.
fn excerpt(text: &str) -> String {
    const SHOWN_CHARACTERS: usize = 200;
    let shown = text.chars().map(|character| {
        if character.is_control() {
            '\u{fffd}'
        } else {
            character
        }
    });
    let mut excerpt: String = shown.take(SHOWN_CHARACTERS).collect();
    if text.chars().nth(SHOWN_CHARACTERS).is_some() {
        excerpt.push('…');
    }
    excerpt
}

fn folded(rdns: &[Rdn]) -> impl Iterator<Item = &str> {
    rdns.iter().map(|rdn| rdn.folded.as_str())
}

impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        folded(&self.rdns).eq(folded(&other.rdns))
    }
}

impl Eq for DistinguishedName {}

impl Hash for DistinguishedName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        folded(&self.rdns).for_each(|step| step.hash(state));
    }
}

impl FromStr for DistinguishedName {
    type Err = DnError;

    fn from_str(text: &str) -> Result<Self, DnError> {
        Self::parse(text)
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
