//! End of one LDAP message, and the check that a decoder which trusts its structure can be given
//! it.
//!
//! INVARIANT: a message that [`FrameScan::advance`] reports as whole has definite lengths only,
//! lies within [`MAX_MESSAGE`], [`MAX_DEPTH`] and [`MAX_ELEMENTS`], and every element in it ends
//! inside the one around it. Each limit trips as soon as the octets that break it have arrived: a
//! header that claims a gigabyte is refused before anything is stored for it.

use super::ber::{self, BerFault, SEQUENCE};

/// Largest message, in octets. The largest that a controller sends is a group with its members:
/// Windows hands out 1500 of them at a time (`MaxValRange`, MS-ADTS 3.1.1.3.4.6), Samba all at
/// once; 16 MiB hold 160 000 members of 100 octets.
pub const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// Deepest nesting. The deepest message that LDAP defines for a client is a search entry: message,
/// entry, attribute list, attribute, set, value, which makes 6.
pub const MAX_DEPTH: usize = 12;

/// Most elements in one message. Each may become a value of an asset (tens of octets even when it
/// is empty), so that a message of empty elements would take thirty times its length in memory.
/// More than [`MAX_MESSAGE`] of members.
pub const MAX_ELEMENTS: usize = 400_000;

/// Reason why a message is refused before it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The first octet is not that of an LDAP message.
    #[error("it does not begin as an LDAP message does")]
    NotLdap,
    /// The header claims more than [`MAX_MESSAGE`].
    #[error("a message of {0} octets; the most that is taken is {MAX_MESSAGE}")]
    TooLong(usize),
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("a message nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// More elements than [`MAX_ELEMENTS`].
    #[error("a message of more than {MAX_ELEMENTS} elements")]
    TooMany,
    /// Not BER as LDAP uses it.
    #[error("a message with {0}")]
    Ber(#[from] BerFault),
}

/// The incremental check of one message. Fed with the octets from its start as they arrive, it
/// looks at each header once.
#[derive(Debug, Default)]
pub struct FrameScan {
    /// Offset of the next header.
    at: usize,
    /// Ends of the constructed elements around `at`, outermost first.
    ends: Vec<usize>,
    /// Headers seen.
    elements: usize,
}

/// A message whose structure was checked to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeMessage {
    /// Octets of the message.
    pub length: usize,
    /// Elements in it, itself included.
    pub elements: usize,
}

impl FrameScan {
    /// Returns the number of octets of the message, once its header has arrived.
    #[must_use]
    pub fn announced(&self) -> Option<usize> {
        self.ends.first().copied()
    }

    /// Begins with the next message.
    pub fn restart(&mut self) {
        self.ends.clear();
        (self.at, self.elements) = (0, 0);
    }

    /// Goes on with `bytes`, which begin where the message begins and may hold less or more than
    /// it. `None` means: well-formed so far, more octets are needed.
    ///
    /// # Errors
    /// As soon as no further octets could make it acceptable.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<WholeMessage>, FrameFault> {
        loop {
            if self.at > bytes.len() {
                return Ok(None); // inside a primitive that has not arrived in full
            }
            while self.ends.last() == Some(&self.at) {
                self.ends.pop();
                if self.ends.is_empty() {
                    return Ok(Some(WholeMessage {
                        length: self.at,
                        elements: self.elements,
                    }));
                }
            }
            let rest = bytes.get(self.at..).unwrap_or_default();
            if self.ends.is_empty() && rest.first().is_some_and(|tag| *tag != SEQUENCE) {
                return Err(FrameFault::NotLdap);
            }
            let Some(header) = ber::header(rest)? else {
                return self.fits_header(rest);
            };
            let content = self.at + header.size;
            let end = content + header.length;
            match self.ends.last() {
                None if end > MAX_MESSAGE => return Err(FrameFault::TooLong(end)),
                Some(outer) if end > *outer => return Err(BerFault::Overrun.into()),
                _ => {}
            }
            self.elements += 1;
            if self.elements > MAX_ELEMENTS {
                return Err(FrameFault::TooMany);
            }
            if header.is_constructed() {
                if self.ends.len() == MAX_DEPTH {
                    return Err(FrameFault::TooDeep);
                }
                self.ends.push(end);
                self.at = content;
            } else {
                self.at = end;
            }
        }
    }

    /// Checks that a header of which only the `present` octets have arrived can still end inside
    /// the element around it.
    fn fits_header(&self, present: &[u8]) -> Result<Option<WholeMessage>, FrameFault> {
        // The second octet holds the number of length octets that follow.
        let size = match present {
            [_, first, ..] => 2 + usize::from(first & 0x7F),
            _ => 2,
        };
        match self.ends.last() {
            Some(outer) if self.at + size > *outer => Err(BerFault::Overrun.into()),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
