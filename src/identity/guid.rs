//! `objectGUID`: identity of an object for as long as it lives (R7).

use std::fmt;
use std::str::FromStr;

/// GUID, in the 16 bytes of the wire.
///
/// The wire form (MS-DTYP 2.3.4.2) writes the first three fields little-endian and the last eight
/// bytes as they are; the text form (MS-DTYP 2.3.4.3) writes every field most significant byte
/// first. So `a34d55ee-…` in text begins with the bytes `ee 55 4d a3` on the wire (R14). The order
/// of two values is that of their wire bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

/// Reason for which a value is not a GUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuidError {
    /// The binary value has another length; with that length in bytes.
    #[error("a GUID is 16 bytes long, not {0}")]
    Length(usize),
    /// The text has another form.
    #[error(
        "a GUID is written as 8-4-4-4-12 hexadecimal digits, such as a34d55ee-0c1f-4d3b-9a51-2f6f0f1f7a10"
    )]
    Text,
}

/// Place on the wire of each byte of the text form.
const WIRE_PLACE: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// Places of the hyphens in the text form.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Length of the text form without braces.
const TEXT_LENGTH: usize = 36;

impl Guid {
    /// Returns the GUID in `bytes`, a value of an attribute such as `objectGUID`.
    ///
    /// # Errors
    /// `bytes` is not exactly 16 bytes long.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GuidError> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| GuidError::Length(bytes.len()))
    }

    /// Returns the bytes as on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for Guid {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Guid {
    type Err = GuidError;

    /// Reads the text form, in either case, with or without the braces that Windows tools put
    /// around it.
    fn from_str(text: &str) -> Result<Self, GuidError> {
        let bare = text
            .strip_prefix('{')
            .map_or(Some(text), |rest| rest.strip_suffix('}'))
            .ok_or(GuidError::Text)?;
        if bare.len() != TEXT_LENGTH || !HYPHENS.iter().all(|&at| bare.as_bytes().get(at) == Some(&b'-')) {
            return Err(GuidError::Text);
        }
        let mut digits = bare
            .bytes()
            .enumerate()
            .filter(|(at, _)| !HYPHENS.contains(at))
            .map(|(_, byte)| {
                char::from(byte)
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            });
        let mut wire = [0; 16];
        for place in WIRE_PLACE {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(GuidError::Text);
            };
            wire[place] = high << 4 | low;
        }
        Ok(Self(wire))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; TEXT_LENGTH];
        let mut at = 0;
        for place in WIRE_PLACE {
            if HYPHENS.contains(&at) {
                at += 1;
            }
            let byte = self.0[place];
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 0xf)];
            at += 2;
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Example of MS-DTYP 2.3.4.3's field order: every byte differs, so a swapped one shows.
    const WIRE: [u8; 16] = [
        0xee, 0x55, 0x4d, 0xa3, 0x1f, 0x0c, 0x3b, 0x4d, 0x9a, 0x51, 0x2f, 0x6f, 0x0f, 0x1e, 0x7a, 0x10,
    ];
    const TEXT: &str = "a34d55ee-0c1f-4d3b-9a51-2f6f0f1e7a10";

    #[test]
    fn r14_text_form_is_mixed_endian() {
        assert_eq!(Guid::from(WIRE).to_string(), TEXT);
        assert_eq!(Guid::from_bytes(&WIRE).unwrap().as_bytes(), &WIRE);
    }

    #[test]
    fn reads_its_own_text_in_any_case_and_with_braces() {
        for text in [TEXT.to_owned(), TEXT.to_uppercase(), format!("{{{TEXT}}}")] {
            assert_eq!(text.parse::<Guid>().unwrap(), Guid::from(WIRE), "{text}");
        }
    }

    #[test]
    fn r14_other_lengths_are_refused() {
        assert_eq!(Guid::from_bytes(&[]), Err(GuidError::Length(0)));
        assert_eq!(Guid::from_bytes(&WIRE[..15]), Err(GuidError::Length(15)));
        assert_eq!(Guid::from_bytes(&[0; 17]), Err(GuidError::Length(17)));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "{",
            "a34d55ee0c1f4d3b9a512f6f0f1e7a10",
            "a34d55ee-0c1f-4d3b-9a51-2f6f0f1e7a1",
            "a34d55ee-0c1f-4d3b-9a51-2f6f0f1e7a1g",
            "{a34d55ee-0c1f-4d3b-9a51-2f6f0f1e7a10",
            "a34d55ee-0c1f-4d3b-9a51+2f6f0f1e7a10",
            "a34d55ee-0c1f-4d3b-9a51-2f6f0f1e7aé",
        ] {
            assert_eq!(text.parse::<Guid>(), Err(GuidError::Text), "{text}");
        }
    }

    #[test]
    fn debug_shows_the_text_form() {
        assert_eq!(format!("{:?}", Guid::from(WIRE)), format!("Guid({TEXT})"));
    }

    proptest! {
        #[test]
        fn r12_any_bytes_and_any_text_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..40), text in "\\PC*") {
            prop_assert_eq!(Guid::from_bytes(&bytes).is_ok(), bytes.len() == 16);
            let _ = text.parse::<Guid>();
        }

        #[test]
        fn r14_text_and_bytes_round_trip(bytes: [u8; 16]) {
            let guid = Guid::from(bytes);
            prop_assert_eq!(guid.to_string().parse::<Guid>().unwrap(), guid);
        }
    }
}
