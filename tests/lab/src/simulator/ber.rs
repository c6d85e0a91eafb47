//! The part of BER (X.690) that LDAP uses: definite lengths, one-byte tags.

use thiserror::Error;

/// The longest request that is read, 10 MiB: a domain controller's `MaxReceiveBuffer` (MS-ADTS 3.1.1.3.4.6).
pub const LONGEST_REQUEST: usize = 10 * 1024 * 1024;

/// A character for the names of objects, which the wire gets as [`NOT_UTF_8`]: of the same length,
/// so that no length changes.
pub const UNREADABLE: char = '\u{F8FF}';

/// Octets that stand in no text.
pub const NOT_UTF_8: [u8; 3] = [0xFF, 0xFE, 0xFD];

/// Tag of a BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// Tag of an INTEGER.
pub const INTEGER: u8 = 0x02;
/// Tag of an OCTET STRING.
pub const OCTETS: u8 = 0x04;
/// Tag of an ENUMERATED.
pub const ENUMERATED: u8 = 0x0A;
/// Tag of a SEQUENCE.
pub const SEQUENCE: u8 = 0x30;
/// Tag of a SET.
pub const SET: u8 = 0x31;

/// Why bytes are not the BER that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BerError {
    /// The element is longer than what is left of its parent.
    #[error("the element ends before its length says")]
    Truncated,
    /// Another tag stands here.
    #[error("tag {found:#04x} where {expected:#04x} was expected")]
    Tag {
        /// What stands there.
        found: u8,
        /// What the grammar wants.
        expected: u8,
    },
    /// An indefinite length, a length of more than four bytes, or a frame above [`LONGEST_REQUEST`].
    #[error("the length is not acceptable")]
    Length,
    /// An integer of no or more than eight bytes, or text that is no UTF-8.
    #[error("the value is not acceptable")]
    Value,
    /// Filters nested deeper than the server follows.
    #[error("nested too deeply")]
    Depth,
}

/// Reads elements one after the other from a slice.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The tag of the next element.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    /// Takes the next element: its tag and its contents.
    ///
    /// # Errors
    /// When it is cut off or its length is not acceptable.
    pub fn element(&mut self) -> Result<(u8, &'a [u8]), BerError> {
        let (header, length) = header(self.bytes)?.ok_or(BerError::Truncated)?;
        let contents = self
            .bytes
            .get(header..header + length)
            .ok_or(BerError::Truncated)?;
        let tag = self.bytes[0];
        self.bytes = &self.bytes[header + length..];
        Ok((tag, contents))
    }

    /// Takes the next element, which must have this tag.
    ///
    /// # Errors
    /// As [`Reader::element`], and when the tag is another one.
    pub fn expect(&mut self, expected: u8) -> Result<&'a [u8], BerError> {
        match self.element()? {
            (tag, contents) if tag == expected => Ok(contents),
            (found, _) => Err(BerError::Tag { found, expected }),
        }
    }

    /// Takes the next element when it has this tag.
    ///
    /// # Errors
    /// As [`Reader::element`].
    pub fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, BerError> {
        if self.peek() == Some(tag) {
            self.expect(tag).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Takes an INTEGER or ENUMERATED.
    ///
    /// # Errors
    /// As [`Reader::expect`], and when it does not fit 64 bits.
    pub fn integer(&mut self, tag: u8) -> Result<i64, BerError> {
        integer(self.expect(tag)?)
    }

    /// Takes an OCTET STRING that holds UTF-8.
    ///
    /// # Errors
    /// As [`Reader::expect`], and when it is no UTF-8.
    pub fn text(&mut self) -> Result<&'a str, BerError> {
        std::str::from_utf8(self.expect(OCTETS)?).map_err(|_| BerError::Value)
    }

    /// Takes a BOOLEAN.
    ///
    /// # Errors
    /// As [`Reader::expect`], and when it is not one byte long.
    pub fn boolean(&mut self) -> Result<bool, BerError> {
        match self.expect(BOOLEAN)? {
            [byte] => Ok(*byte != 0),
            _ => Err(BerError::Value),
        }
    }
}

/// The value of an integer's contents.
///
/// # Errors
/// When it does not fit 64 bits.
pub fn integer(contents: &[u8]) -> Result<i64, BerError> {
    if contents.is_empty() || contents.len() > 8 {
        return Err(BerError::Value);
    }
    let sign = if contents[0] & 0x80 == 0 { 0 } else { -1 };
    Ok(contents
        .iter()
        .fold(sign, |value, &byte| value << 8 | i64::from(byte)))
}

/// How long the frame at the start of `bytes` is, header included; `None` while the header is not whole.
///
/// # Errors
/// When the length is indefinite or above [`LONGEST_REQUEST`].
pub fn frame_length(bytes: &[u8]) -> Result<Option<usize>, BerError> {
    match header(bytes)? {
        Some((_, length)) if length > LONGEST_REQUEST => Err(BerError::Length),
        Some((header, length)) => Ok(Some(header + length)),
        None => Ok(None),
    }
}

/// Length of the header (tag and length bytes) and of the contents.
fn header(bytes: &[u8]) -> Result<Option<(usize, usize)>, BerError> {
    let Some(&first) = bytes.get(1) else {
        return Ok(None);
    };
    if first < 0x80 {
        return Ok(Some((2, usize::from(first))));
    }
    let count = usize::from(first & 0x7F);
    if count == 0 || count > 4 {
        return Err(BerError::Length);
    }
    let Some(length) = bytes.get(2..2 + count) else {
        return Ok(None);
    };
    Ok(Some((
        2 + count,
        length
            .iter()
            .fold(0, |length, &byte| length << 8 | usize::from(byte)),
    )))
}

/// Writes elements to the end of a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

/// A constructed element that is still open: where its length stands.
#[derive(Debug)]
#[must_use]
pub struct Open(usize);

impl Writer {
    /// What was written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was written, taken out; the writer is empty afterwards.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets everything after the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// Opens a constructed element. Its length takes five bytes (`84` and four more), as a domain controller writes it.
    pub fn open(&mut self, tag: u8) -> Open {
        self.bytes.extend([tag, 0x84, 0, 0, 0, 0]);
        Open(self.bytes.len())
    }

    /// Closes the element: its length is now known.
    pub fn close(&mut self, open: Open) {
        let length = u32::try_from(self.bytes.len() - open.0).unwrap();
        self.bytes[open.0 - 4..open.0].copy_from_slice(&length.to_be_bytes());
    }

    /// Writes a primitive element; [`UNREADABLE`] in it leaves as octets that are not UTF-8.
    pub fn octets(&mut self, tag: u8, contents: &[u8]) {
        // Most values have no such octet, and no other is looked at twice.
        if contents.contains(&0xEF)
            && let Ok(text) = str::from_utf8(contents)
            && text.contains(UNREADABLE)
        {
            let parts: Vec<&[u8]> = text.split(UNREADABLE).map(str::as_bytes).collect();
            self.primitive(tag, &parts.join(NOT_UTF_8.as_slice()));
        } else {
            self.primitive(tag, contents);
        }
    }

    fn primitive(&mut self, tag: u8, contents: &[u8]) {
        self.bytes.push(tag);
        if contents.len() < 0x80 {
            self.bytes.push(u8::try_from(contents.len()).unwrap());
        } else {
            self.bytes.push(0x84);
            self.bytes
                .extend(u32::try_from(contents.len()).unwrap().to_be_bytes());
        }
        self.bytes.extend_from_slice(contents);
    }

    /// Writes an INTEGER or ENUMERATED with as few bytes as possible.
    pub fn integer(&mut self, tag: u8, value: i64) {
        let bytes = value.to_be_bytes();
        let redundant = |at: usize| {
            let sign = bytes[at + 1] & 0x80 != 0;
            (bytes[at] == 0 && !sign) || (bytes[at] == 0xFF && sign)
        };
        let start = (0..7).find(|&at| !redundant(at)).unwrap_or(7);
        self.octets(tag, &bytes[start..]);
    }

    /// Appends bytes that are BER already.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_they_were_written() {
        for value in [
            0,
            1,
            127,
            128,
            255,
            256,
            -1,
            -128,
            -129,
            i64::MAX,
            i64::MIN,
            1_000_000,
        ] {
            let mut writer = Writer::default();
            writer.integer(INTEGER, value);
            assert_eq!(Reader::new(writer.bytes()).integer(INTEGER), Ok(value));
        }
        let mut writer = Writer::default();
        writer.integer(INTEGER, 128);
        assert_eq!(writer.bytes(), [2, 2, 0, 128]);
    }

    #[test]
    fn constructed_elements_nest() {
        let mut writer = Writer::default();
        let outer = writer.open(SEQUENCE);
        writer.octets(OCTETS, &[b'x'; 300]);
        writer.close(outer);
        let mut reader = Reader::new(writer.bytes());
        let mut inner = Reader::new(reader.expect(SEQUENCE).unwrap());
        assert_eq!(inner.text().unwrap().len(), 300);
        assert!(inner.is_empty() && reader.is_empty());
        assert_eq!(frame_length(writer.bytes()), Ok(Some(writer.len())));
    }

    #[test]
    fn bad_lengths_are_errors() {
        assert_eq!(Reader::new(&[4, 5, 1]).element(), Err(BerError::Truncated));
        assert_eq!(Reader::new(&[4, 0x80, 0, 0]).element(), Err(BerError::Length));
        assert_eq!(
            frame_length(&[0x30, 0x84, 0x7F, 0xFF, 0xFF, 0xFF]),
            Err(BerError::Length)
        );
        assert_eq!(frame_length(&[0x30, 0x84, 0]), Ok(None));
        assert_eq!(Reader::new(&[2, 0]).integer(INTEGER), Err(BerError::Value));
        let wrong = BerError::Tag {
            found: 4,
            expected: 2,
        };
        assert_eq!(Reader::new(&[4, 1, 0]).integer(INTEGER), Err(wrong));
    }
}
