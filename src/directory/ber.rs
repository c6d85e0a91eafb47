//! The little of BER that LDAP uses (RFC 4511 section 5.1): definite lengths, single-octet tags, no
//! constructed strings.
//!
//! Nothing here copies, recurses or trusts a length before it was compared with what is there.

/// `UNIVERSAL 1`
pub const BOOLEAN: u8 = 0x01;
/// `UNIVERSAL 2`
pub const INTEGER: u8 = 0x02;
/// `UNIVERSAL 4`, primitive: LDAP forbids the constructed form (RFC 4511 section 5.1).
pub const OCTET_STRING: u8 = 0x04;
/// `UNIVERSAL 10`
pub const ENUMERATED: u8 = 0x0A;
/// `UNIVERSAL 16`, constructed
pub const SEQUENCE: u8 = 0x30;
/// `UNIVERSAL 17`, constructed
pub const SET: u8 = 0x31;

/// The bit of an identifier octet that says: the content is itself a row of elements.
const CONSTRUCTED: u8 = 0x20;

/// Most length octets that are read. Active Directory always writes four (`84 00 00 01 2c`); more
/// cannot be needed below 4 GiB.
const MAX_LENGTH_OCTETS: usize = 4;

/// Identifier and length of one element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BerHeader {
    /// The identifier octet: class, form and number in one.
    pub tag: u8,
    /// Octets of the header itself, 2 to 6.
    pub size: usize,
    /// Octets of the content.
    pub length: usize,
}

impl BerHeader {
    /// `true` when the content is a row of elements.
    #[must_use]
    pub const fn is_constructed(self) -> bool {
        self.tag & CONSTRUCTED != 0
    }
}

/// Reason why bytes are not BER as LDAP uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BerFault {
    /// A tag number above 30. LDAP has none.
    #[error("a tag of several octets")]
    LongTag,
    /// `80`: forbidden by RFC 4511 section 5.1.
    #[error("an indefinite length")]
    IndefiniteLength,
    /// More length octets than a message below 4 GiB can need.
    #[error("a length of {0} octets")]
    LongLength(usize),
    /// An element claims more octets than the one around it has left.
    #[error("an element that is longer than the one around it")]
    Overrun,
    /// An element that was expected is not there, or is of another type.
    #[error("{0}")]
    Unexpected(&'static str),
}

/// Reads the header at the start of `bytes`; `None` when more octets are needed to know it.
///
/// # Errors
/// When no further octet could make it a header that LDAP allows.
pub fn header(bytes: &[u8]) -> Result<Option<BerHeader>, BerFault> {
    let Some(&tag) = bytes.first() else {
        return Ok(None);
    };
    if tag & 0x1F == 0x1F {
        return Err(BerFault::LongTag);
    }
    let Some(&first) = bytes.get(1) else {
        return Ok(None);
    };
    if first < 0x80 {
        return Ok(Some(BerHeader {
            tag,
            size: 2,
            length: usize::from(first),
        }));
    }
    let octets = usize::from(first & 0x7F);
    if octets == 0 {
        return Err(BerFault::IndefiniteLength);
    }
    if octets > MAX_LENGTH_OCTETS {
        return Err(BerFault::LongLength(octets));
    }
    let Some(rest) = bytes.get(2..2 + octets) else {
        return Ok(None);
    };
    let length = rest
        .iter()
        .fold(0_usize, |length, &octet| (length << 8) | usize::from(octet));
    Ok(Some(BerHeader {
        tag,
        size: 2 + octets,
        length,
    }))
}

/// Walks over a row of elements.
#[derive(Debug, Clone, Copy)]
pub struct BerElements<'a> {
    rest: &'a [u8],
}

impl<'a> BerElements<'a> {
    /// Returns the elements that `bytes` consist of.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns `true` when nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the octets that are left.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Returns the tag of the next element.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Reads tag and content of the next element; `None` at the end.
    ///
    /// # Errors
    /// When what is left does not begin with a whole element.
    pub fn next(&mut self) -> Result<Option<(u8, &'a [u8])>, BerFault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let header = header(self.rest)?.ok_or(BerFault::Overrun)?;
        let content = self.rest.get(header.size..).unwrap_or_default();
        let (content, rest) = content.split_at_checked(header.length).ok_or(BerFault::Overrun)?;
        self.rest = rest;
        Ok(Some((header.tag, content)))
    }

    /// Reads the content of the next element, which must have this tag.
    ///
    /// # Errors
    /// [`BerFault::Unexpected`] with `what` when it is missing or another one; else as
    /// [`BerElements::next`].
    pub fn expect(&mut self, tag: u8, what: &'static str) -> Result<&'a [u8], BerFault> {
        match self.next()? {
            Some((found, content)) if found == tag => Ok(content),
            _ => Err(BerFault::Unexpected(what)),
        }
    }
}

/// Reads a non-negative INTEGER or ENUMERATED of at most 32 bits, which is all that LDAP messages
/// hold (`maxInt`, RFC 4511 section 4.1.1).
///
/// # Errors
/// [`BerFault::Unexpected`] with `what` when it is empty, negative or larger.
pub fn number(content: &[u8], what: &'static str) -> Result<u32, BerFault> {
    let significant = match content {
        [] => return Err(BerFault::Unexpected(what)),
        [first, ..] if *first >= 0x80 => return Err(BerFault::Unexpected(what)),
        [0, rest @ ..] => rest,
        all => all,
    };
    if significant.len() > 4 {
        return Err(BerFault::Unexpected(what));
    }
    let value = significant
        .iter()
        .fold(0_u32, |value, &octet| (value << 8) | u32::from(octet));
    i32::try_from(value).map_err(|_| BerFault::Unexpected(what))?;
    Ok(value)
}

/// Appends one element: tag, shortest definite length, content.
pub fn write(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let length = content.len();
    if let (true, Ok(short)) = (length < 0x80, u8::try_from(length)) {
        out.push(short);
    } else {
        let octets = length.to_be_bytes();
        let significant: Vec<u8> = octets.into_iter().skip_while(|octet| *octet == 0).collect();
        out.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
        out.extend_from_slice(&significant);
    }
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_known_only_when_all_its_octets_are_there() {
        let full = [0x30, 0x84, 0x00, 0x00, 0x01, 0x2C];
        for cut in 0..full.len() {
            assert_eq!(header(&full[..cut]), Ok(None), "{cut} octets");
        }
        assert_eq!(
            header(&full),
            Ok(Some(BerHeader {
                tag: 0x30,
                size: 6,
                length: 300
            }))
        );
    }

    #[test]
    fn forms_that_ldap_forbids_are_refused_at_once() {
        assert_eq!(header(&[0x30, 0x80]), Err(BerFault::IndefiniteLength));
        assert_eq!(header(&[0x30, 0x85]), Err(BerFault::LongLength(5)));
        assert_eq!(header(&[0x30, 0xFF]), Err(BerFault::LongLength(127)));
        assert_eq!(header(&[0x1F]), Err(BerFault::LongTag));
        assert_eq!(header(&[0xBF]), Err(BerFault::LongTag));
    }

    #[test]
    fn an_element_longer_than_what_is_left_is_an_overrun() {
        let mut elements = BerElements::new(&[0x04, 0x02, b'a', b'b', 0x04, 0x03, b'c']);
        assert_eq!(elements.next(), Ok(Some((0x04, b"ab".as_slice()))));
        assert_eq!(elements.next(), Err(BerFault::Overrun));
    }

    #[test]
    fn numbers_stay_within_the_range_of_ldap() {
        assert_eq!(number(&[0x31], "n"), Ok(49));
        assert_eq!(number(&[0x00, 0x80], "n"), Ok(128));
        assert_eq!(number(&[0x7F, 0xFF, 0xFF, 0xFF], "n"), Ok(2_147_483_647));
        for wrong in [
            &[][..],
            &[0x80],
            &[0xFF, 0xFF],
            &[0x00, 0x80, 0, 0, 0],
            &[0x01, 0, 0, 0, 0],
        ] {
            assert_eq!(number(wrong, "n"), Err(BerFault::Unexpected("n")), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let content = vec![7_u8; length];
            let mut out = Vec::new();
            write(&mut out, OCTET_STRING, &content);
            let mut elements = BerElements::new(&out);
            assert_eq!(
                elements.next(),
                Ok(Some((OCTET_STRING, content.as_slice()))),
                "{length}"
            );
            assert!(elements.is_empty());
        }
    }
}
