//! A search entry that is larger than what is held: read as it arrives, its name and its small
//! attributes kept, the rest discarded.
//!
//! INVARIANT: of the octets that were given to [`OversizedEntry::advance`], at most [`MAX_NAME`]
//! and [`MAX_KEPT`] are held. A message that is no search entry, or is longer than
//! [`MAX_OVERSIZED`], is refused as without this module.
//!
//! So one such object is rejected alone (R15) and identified by its objectGUID (R7): a read that
//! did not keep it would take it for gone (R22).

use super::ber::{self, BerFault, INTEGER, OCTET_STRING, SEQUENCE};
use super::frame::FrameFault;
use super::message;

/// Largest message of which the beginning is kept, in octets.
pub const MAX_OVERSIZED: usize = 256 * 1024 * 1024;

/// Longest distinguished name of such an entry, in octets.
const MAX_NAME: usize = 64 * 1024;

/// Largest attribute that is kept, in octets: the attributes by which the service decides
/// (objectGUID, isDeleted, objectClass, USNs) are smaller.
const MAX_ATTRIBUTE: usize = 4 * 1024;

/// Most octets of attributes that are kept of one entry.
const MAX_KEPT: usize = 64 * 1024;

/// A search entry of which the rest is to come.
#[derive(Debug)]
pub struct OversizedEntry {
    /// The message id.
    pub id: u32,
    /// Octets of the whole message.
    pub length: usize,
    /// Reason why it is not read as a whole.
    fault: FrameFault,
    part: OversizedPart,
    /// Octets of the message that were not seen yet.
    message_left: usize,
    /// Octets of the entry in it that were not seen yet.
    entry_left: usize,
    /// Octets that are discarded before the next part.
    discard: usize,
    name: Vec<u8>,
    attributes: Vec<u8>,
}

/// The part of the message that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OversizedPart {
    Name,
    AttributeList,
    Attribute,
}

/// Form of the beginning of a message that is too large.
#[derive(Debug)]
pub enum OversizedBeginning {
    /// Too short to see what it is.
    Unknown,
    /// A search entry, whose name follows after so many octets.
    Entry(OversizedEntry, usize),
}

/// Progress of a call of [`OversizedEntry::advance`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OversizedAdvance {
    /// Octets that were used up.
    pub consumed: usize,
    /// Octets of these that are held from now on.
    pub kept: usize,
    /// `true` when the message has ended with them.
    pub ended: bool,
}

impl OversizedEntry {
    /// Looks at the beginning of a message that was refused with `fault`.
    ///
    /// # Errors
    /// `fault`, when its entries cannot be skipped: it is another message, or it was refused for
    /// another reason than its size.
    pub fn begin(bytes: &[u8], fault: FrameFault) -> Result<OversizedBeginning, FrameFault> {
        if !matches!(fault, FrameFault::TooLong(_) | FrameFault::TooMany) {
            return Err(fault);
        }
        let mut at = 0;
        let mut header = |tag: u8, limit: usize| -> Result<Option<(usize, usize)>, FrameFault> {
            let Some(header) = ber::header(bytes.get(at..).unwrap_or_default())? else {
                return Ok(None);
            };
            if header.tag != tag {
                return Err(fault);
            }
            at += header.size;
            let end = at + header.length;
            if end > limit {
                return Err(fault);
            }
            let content = at;
            // The message id alone is a primitive, and is stepped over.
            if tag == INTEGER {
                at = end;
            }
            Ok(Some((content, end)))
        };
        let Some((_, message_end)) = header(SEQUENCE, MAX_OVERSIZED)? else {
            return Ok(OversizedBeginning::Unknown);
        };
        let Some((id, id_end)) = header(INTEGER, message_end)? else {
            return Ok(OversizedBeginning::Unknown);
        };
        let Some(id) = bytes.get(id..id_end) else {
            return Ok(OversizedBeginning::Unknown);
        };
        let id = ber::number(id, "a message id out of range")?;
        let Some((content, entry_end)) = header(message::ENTRY, message_end)? else {
            return Ok(OversizedBeginning::Unknown);
        };
        let entry = Self {
            id,
            length: message_end,
            fault,
            part: OversizedPart::Name,
            message_left: message_end - content,
            entry_left: entry_end - content,
            discard: 0,
            name: Vec::new(),
            attributes: Vec::new(),
        };
        Ok(OversizedBeginning::Entry(entry, content))
    }

    /// Goes on with `bytes`, which begin after what was consumed before.
    ///
    /// # Errors
    /// When it is no entry after all, or its name is too long to be kept.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<OversizedAdvance, FrameFault> {
        let held = self.held();
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let step = if self.discard > 0 {
                let discarded = self.discard.min(rest.len());
                self.discard -= discarded;
                (discarded > 0).then_some(discarded)
            } else if self.message_left == 0 {
                None
            } else {
                self.next_part(rest)?
            };
            let Some(step) = step else {
                return Ok(OversizedAdvance {
                    consumed: at,
                    kept: self.held() - held,
                    ended: self.message_left == 0,
                });
            };
            at += step;
            self.message_left = self.message_left.saturating_sub(step);
            self.entry_left = self.entry_left.saturating_sub(step);
        }
    }

    /// Takes the next part from the start of `rest` and gives its octets, none when more are
    /// needed.
    fn next_part(&mut self, rest: &[u8]) -> Result<Option<usize>, FrameFault> {
        if self.part == OversizedPart::Attribute && self.entry_left == 0 {
            // Controls, which nobody asked for.
            self.discard = self.message_left;
            return Ok(Some(0));
        }
        let Some(header) = ber::header(rest)? else {
            return Ok(None);
        };
        let (tag, missing) = match self.part {
            OversizedPart::Name => (OCTET_STRING, "an entry without a name"),
            OversizedPart::AttributeList => (SEQUENCE, "an entry without attributes"),
            OversizedPart::Attribute => (SEQUENCE, "an attribute that is no sequence"),
        };
        if header.tag != tag {
            return Err(BerFault::Unexpected(missing).into());
        }
        let whole = header.size + header.length;
        if whole > self.entry_left {
            return Err(BerFault::Overrun.into());
        }
        match self.part {
            OversizedPart::Name if header.length > MAX_NAME => Err(self.fault),
            OversizedPart::Name => Ok(rest.get(header.size..whole).map(|name| {
                self.name = name.to_vec();
                self.part = OversizedPart::AttributeList;
                whole
            })),
            OversizedPart::AttributeList if whole != self.entry_left => {
                Err(BerFault::Unexpected("an entry with too many parts").into())
            }
            OversizedPart::AttributeList => {
                self.part = OversizedPart::Attribute;
                Ok(Some(header.size))
            }
            OversizedPart::Attribute if whole > MAX_ATTRIBUTE || self.attributes.len() + whole > MAX_KEPT => {
                self.discard = whole;
                Ok(Some(0))
            }
            OversizedPart::Attribute => Ok(rest.get(..whole).map(|attribute| {
                self.attributes.extend_from_slice(attribute);
                whole
            })),
        }
    }

    /// Returns the number of octets that are held.
    pub const fn held(&self) -> usize {
        self.name.len() + self.attributes.len()
    }

    /// Returns a message with the entry as far as it was kept, and the reason why that is not all
    /// of it.
    pub fn finish(&self) -> (Vec<u8>, String) {
        let mut entry = Vec::new();
        ber::write(&mut entry, OCTET_STRING, &self.name);
        ber::write(&mut entry, SEQUENCE, &self.attributes);
        let mut message = Vec::new();
        ber::write(&mut message, INTEGER, &self.id.to_be_bytes());
        ber::write(&mut message, message::ENTRY, &entry);
        let mut whole = Vec::new();
        ber::write(&mut whole, SEQUENCE, &message);
        let reason = format!(
            "the controller sends it as {}; leave its largest attributes out of the mapping",
            self.fault
        );
        (whole, reason)
    }
}

#[cfg(test)]
mod tests;
