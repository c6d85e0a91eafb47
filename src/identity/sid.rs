//! `objectSid`: security identifier.

use std::fmt;

/// Most sub-authorities of a SID (MS-DTYP 2.4.2.2, `SubAuthorityCount`).
const MAX_SUB_AUTHORITIES: usize = 15;

/// Bytes before the first sub-authority: revision, count, 48-bit authority (MS-DTYP 2.4.2.2).
const HEADER: usize = 8;

/// Only defined revision (MS-DTYP 2.4.2.2, `Revision`).
const REVISION: u8 = 1;

/// Complete SID: 48-bit identifier authority and up to 15 sub-authorities (R14).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid {
    /// Identifier authority, below 2^48.
    authority: u64,
    /// Number of `sub_authorities` that count; the others are 0.
    count: u8,
    sub_authorities: [u32; MAX_SUB_AUTHORITIES],
}

/// Reason for which a value is not a SID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SidError {
    /// The value is too short to have a header; with the length in bytes.
    #[error("a SID is at least 8 bytes long, not {0}")]
    Short(usize),
    /// The revision is not defined.
    #[error("a SID has revision 1, not {0}")]
    Revision(u8),
    /// The value has more sub-authorities than a SID can have.
    #[error("a SID has at most 15 sub-authorities, not {0}")]
    Count(u8),
    /// The length and the count of sub-authorities disagree.
    #[error("a SID of {count} sub-authorities is {expected} bytes long, not {length}")]
    Length {
        /// Count that the value states.
        count: u8,
        /// Length in bytes that belongs to the count.
        expected: usize,
        /// Length in bytes of the value.
        length: usize,
    },
}

impl Sid {
    /// Returns the SID in `bytes` (MS-DTYP 2.4.2.2): revision, count, authority big-endian,
    /// sub-authorities little-endian.
    ///
    /// # Errors
    /// The revision is not 1, the count is above 15, or the length does not belong to the count.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SidError> {
        let (&[revision, count, a, b, c, d, e, g], rest) = bytes
            .split_first_chunk::<HEADER>()
            .ok_or(SidError::Short(bytes.len()))?;
        if revision != REVISION {
            return Err(SidError::Revision(revision));
        }
        let subs = usize::from(count);
        if subs > MAX_SUB_AUTHORITIES {
            return Err(SidError::Count(count));
        }
        let expected = HEADER + 4 * subs;
        if bytes.len() != expected {
            return Err(SidError::Length {
                count,
                expected,
                length: bytes.len(),
            });
        }
        let mut sub_authorities = [0; MAX_SUB_AUTHORITIES];
        for (sub, wire) in sub_authorities.iter_mut().zip(rest.as_chunks::<4>().0) {
            *sub = u32::from_le_bytes(*wire);
        }
        Ok(Self {
            authority: u64::from_be_bytes([0, 0, a, b, c, d, e, g]),
            count,
            sub_authorities,
        })
    }

    /// Returns the sub-authorities; the last one of a domain account is its relative identifier
    /// (RID).
    #[must_use]
    pub fn sub_authorities(&self) -> &[u32] {
        self.sub_authorities
            .get(..usize::from(self.count))
            .unwrap_or_default()
    }
}

impl fmt::Display for Sid {
    /// Writes `S-1-5-21-…`; an authority of 2^32 and above is written as `0x` and 12 hexadecimal
    /// digits (MS-DTYP 2.4.2.1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.authority <= u64::from(u32::MAX) {
            write!(f, "S-1-{}", self.authority)?;
        } else {
            write!(f, "S-1-0x{:012x}", self.authority)?;
        }
        // One call for all of them: the SID of every object is written.
        let mut text = [0; MAX_SUB_AUTHORITIES * 11];
        let mut start = text.len();
        for sub in self.sub_authorities().iter().rev() {
            let mut number = *sub;
            loop {
                start -= 1;
                text[start] = b'0' + (number % 10) as u8;
                number /= 10;
                if number == 0 {
                    break;
                }
            }
            start -= 1;
            text[start] = b'-';
        }
        f.write_str(str::from_utf8(&text[start..]).unwrap_or_default())
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(authority: u64, subs: &[u32]) -> Vec<u8> {
        let mut bytes = vec![1, u8::try_from(subs.len()).unwrap()];
        bytes.extend_from_slice(&authority.to_be_bytes()[2..]);
        for sub in subs {
            bytes.extend_from_slice(&sub.to_le_bytes());
        }
        bytes
    }

    fn text(authority: u64, subs: &[u32]) -> String {
        Sid::from_bytes(&wire(authority, subs)).unwrap().to_string()
    }

    #[test]
    fn r14_a_domain_account() {
        let bytes = [
            1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0xdc, 0xf4, 0xdc, 0x3b, 0x83, 0x3d, 0x2b, 0x46, 0x82, 0x8b,
            0xa6, 0x28, 0, 2, 0, 0,
        ];
        let sid = Sid::from_bytes(&bytes).unwrap();
        assert_eq!(sid.to_string(), "S-1-5-21-1004336348-1177238915-682003330-512");
        assert_eq!(sid.sub_authorities().last(), Some(&512));
    }

    #[test]
    fn r14_well_known_and_builtin() {
        assert_eq!(text(1, &[0]), "S-1-1-0");
        assert_eq!(text(5, &[32, 544]), "S-1-5-32-544");
        assert_eq!(text(16, &[12288]), "S-1-16-12288");
    }

    #[test]
    fn r14_the_whole_48_bit_authority() {
        assert_eq!(text(u64::from(u32::MAX), &[7]), "S-1-4294967295-7");
        assert_eq!(text(1 << 32, &[7]), "S-1-0x000100000000-7");
        assert_eq!(text(0xffff_ffff_ffff, &[7]), "S-1-0xffffffffffff-7");
    }

    #[test]
    fn r14_fifteen_sub_authorities_and_the_greatest_values() {
        let subs = [u32::MAX; 15];
        assert_eq!(text(5, &subs), format!("S-1-5{}", "-4294967295".repeat(15)));
    }

    #[test]
    fn r14_sixteen_sub_authorities_are_refused() {
        let mut bytes = wire(5, &[1; 15]);
        bytes[1] = 16;
        bytes.extend_from_slice(&[0; 4]);
        assert_eq!(Sid::from_bytes(&bytes), Err(SidError::Count(16)));
    }

    #[test]
    fn r14_length_must_belong_to_the_count() {
        let whole = wire(5, &[21, 1, 2, 3, 500]);
        for cut in 0..whole.len() {
            assert!(Sid::from_bytes(&whole[..cut]).is_err(), "{cut} bytes");
        }
        let mut long = whole.clone();
        long.push(0);
        assert_eq!(
            Sid::from_bytes(&long),
            Err(SidError::Length {
                count: 5,
                expected: 28,
                length: 29
            })
        );
    }

    #[test]
    fn r14_other_revisions_are_refused() {
        let mut bytes = wire(5, &[18]);
        bytes[0] = 2;
        assert_eq!(Sid::from_bytes(&bytes), Err(SidError::Revision(2)));
    }

    #[test]
    fn debug_shows_the_text_form() {
        assert_eq!(
            format!("{:?}", Sid::from_bytes(&wire(5, &[18])).unwrap()),
            "Sid(S-1-5-18)"
        );
    }

    proptest! {
        #[test]
        fn r12_any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(sid) = Sid::from_bytes(&bytes) {
                prop_assert!(sid.to_string().starts_with("S-1-"));
            }
        }

        #[test]
        fn r14_every_part_shows_in_the_text(authority in 0..1u64 << 48, subs in proptest::collection::vec(any::<u32>(), 0..=15)) {
            let text = text(authority, &subs);
            let mut parts = text.split('-').skip(2);
            let shown = parts.next().unwrap();
            let read = shown.strip_prefix("0x").map_or_else(|| shown.parse(), |hex| u64::from_str_radix(hex, 16));
            prop_assert_eq!(read.unwrap(), authority);
            prop_assert_eq!(parts.map(|sub| sub.parse::<u32>().unwrap()).collect::<Vec<_>>(), subs);
        }
    }
}
