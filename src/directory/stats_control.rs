//! Cost of a search for the controller: the STATS control (`LDAP_SERVER_GET_STATS_OID`, MS-ADTS
//! 3.1.1.3.4.1.6).
//!
//! It is asked for only where rootDSE offers it, and never critical: nothing depends on the answer,
//! so one that cannot be understood is ignored, and a search that was refused with it is asked
//! again without.

use ldap3::controls::RawControl;

use super::ber::{BerElements, BerFault, INTEGER, OCTET_STRING, SEQUENCE};
use super::result_code::{LdapResult, without};
use crate::config::Secret;
use crate::text::printable;

/// The control's OID.
pub const STATS: &str = "1.2.840.113556.1.4.970";

/// Tags of the pairs in an answer to a request without a value (`StatsResponseValueV2` and `V3`:
/// Windows Server 2003 and later). Windows 2000 gives none of these but the first.
mod tag {
    pub const CALL_TIME: u64 = 3;
    pub const ENTRIES_RETURNED: u64 = 5;
    pub const ENTRIES_VISITED: u64 = 6;
    pub const INDEX: u64 = 8;
}

/// Cost of a page for the controller, in its own figures. All are zero and empty for an account
/// without the right to debug the controller (`SE_DEBUG_PRIVILEGE`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchCost {
    /// Entries that were looked at.
    pub visited: u64,
    /// Entries that matched.
    pub returned: u64,
    /// The indices that led to them, as the controller writes it: `idx_objectCategory:1021:N;`.
    /// Printable.
    pub index: String,
    /// Duration, in milliseconds.
    pub milliseconds: u64,
}

impl SearchCost {
    /// Returns `true` when there is anything in it.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.visited > 0 || self.returned > 0 || !self.index.is_empty()
    }

    /// Returns `true` when far more was looked at than matched: above the thresholds by which a
    /// controller itself logs a search as inefficient (1,000 entries visited, of which less than a
    /// tenth is returned; "Inefficient Search Results Threshold").
    #[must_use]
    pub const fn is_inefficient(&self) -> bool {
        self.visited > 1_000 && self.returned < self.visited / 10
    }

    /// Returns the same figures without `secret`, should the server repeat it (R27).
    #[must_use]
    pub fn hiding(self, secret: &Secret) -> Self {
        Self {
            index: without(&self.index, secret),
            ..self
        }
    }
}

/// Returns the request control. Without a value it asks for the search as usual, and for the
/// figures beside it.
#[must_use]
pub fn request() -> RawControl {
    RawControl {
        ctype: STATS.to_owned(),
        crit: false,
        val: None,
    }
}

/// Returns `true` when the request control may be why a search was refused, though it was not
/// critical: MS-ADTS says of some versions that a client without `SE_DEBUG_PRIVILEGE` must not send
/// it. The codes are unavailableCriticalExtension, insufficientAccessRights and unwillingToPerform
/// (RFC 4511 appendix A).
#[must_use]
pub const fn refuses(outcome: &LdapResult) -> bool {
    matches!(outcome.code, 12 | 50 | 53)
}

/// Returns the cost that the controls of an answer report; `None` when there is no such control.
///
/// # Errors
/// When it cannot be understood.
pub fn told(controls: &[RawControl]) -> Result<Option<SearchCost>, BerFault> {
    let control = controls.iter().find(|control| control.ctype == STATS);
    control
        .map(|control| read(control.val.as_deref().unwrap_or_default()))
        .transpose()
}

fn read(value: &[u8]) -> Result<SearchCost, BerFault> {
    let mut pairs =
        BerElements::new(BerElements::new(value).expect(SEQUENCE, "statistics that are no sequence")?);
    let mut cost = SearchCost::default();
    let mut known = false;
    while !pairs.is_empty() {
        let tag = number(pairs.expect(INTEGER, "statistics without a tag")?)?;
        let (kind, content) = pairs
            .next()?
            .ok_or(BerFault::Unexpected("a tag without its value"))?;
        let place = match tag {
            tag::CALL_TIME => &mut cost.milliseconds,
            tag::ENTRIES_RETURNED => &mut cost.returned,
            tag::ENTRIES_VISITED => &mut cost.visited,
            tag::INDEX if kind == OCTET_STRING => {
                cost.index = printable(&String::from_utf8_lossy(content));
                continue;
            }
            _ => continue,
        };
        if kind != INTEGER {
            return Err(BerFault::Unexpected("statistics of another type"));
        }
        *place = number(content)?;
        known |= tag == tag::ENTRIES_VISITED;
    }
    if known {
        Ok(cost)
    } else {
        Err(BerFault::Unexpected(
            "statistics that do not say how many entries were visited",
        ))
    }
}

/// Reads an INTEGER of up to 64 bits. Counters of 32 bits may come as negative numbers, above 2³¹.
fn number(content: &[u8]) -> Result<u64, BerFault> {
    match content {
        [] => Err(BerFault::Unexpected("a number without octets")),
        [first, ..] if content.len() <= 4 && *first >= 0x80 => {
            let wide = [[0xFF; 4].as_slice(), content].concat();
            let low = wide
                .iter()
                .fold(0_u32, |value, octet| (value << 8) | u32::from(*octet));
            Ok(u64::from(low))
        }
        [first, ..] if content.len() > 9 || *first >= 0x80 || (content.len() == 9 && *first > 0) => {
            Err(BerFault::Unexpected("a number out of range"))
        }
        all => Ok(all
            .iter()
            .fold(0_u64, |value, octet| (value << 8) | u64::from(*octet))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directory::ber::write;

    fn pair(tag: u8, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, INTEGER, &[tag]);
        write(&mut out, kind, content);
        out
    }

    fn value(pairs: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, SEQUENCE, &pairs.concat());
        out
    }

    fn answer(value: Option<&[u8]>) -> Vec<RawControl> {
        vec![RawControl {
            val: value.map(<[u8]>::to_vec),
            ..request()
        }]
    }

    #[test]
    fn the_figures_of_windows_server_2008_are_read() {
        let pairs = [
            pair(1, INTEGER, &[1]),
            pair(3, INTEGER, &[15]),
            pair(5, INTEGER, &[3, 0xE8]),
            pair(6, INTEGER, &[0, 0xC3, 0x50]),
            pair(7, OCTET_STRING, b" (objectCategory=CN=Person) \0"),
            pair(8, OCTET_STRING, b"idx_objectCategory:50000:N;\0"),
            pair(9, INTEGER, &[7]),
            pair(15, INTEGER, &[0]),
        ];
        let cost = told(&answer(Some(&value(&pairs)))).unwrap().unwrap();
        assert_eq!(
            (cost.visited, cost.returned, cost.milliseconds),
            (50_000, 1_000, 15)
        );
        assert_eq!(cost.index, "idx_objectCategory:50000:N;");
        assert!(cost.is_told() && cost.is_inefficient());
        assert_eq!(told(&[]), Ok(None));
    }

    #[test]
    fn zeros_say_nothing() {
        let pairs = [5, 6].map(|tag| pair(tag, INTEGER, &[0]));
        let mut with_index = pairs.to_vec();
        with_index.push(pair(8, OCTET_STRING, b"\0"));
        for pairs in [pairs.to_vec(), with_index] {
            assert!(!told(&answer(Some(&value(&pairs)))).unwrap().unwrap().is_told());
        }
    }

    #[test]
    fn a_search_is_inefficient_by_the_thresholds_of_the_controller() {
        let cost = |visited, returned| SearchCost {
            visited,
            returned,
            ..SearchCost::default()
        };
        assert!(cost(1_001, 99).is_inefficient());
        assert!(!cost(1_001, 100).is_inefficient() && !cost(1_000, 0).is_inefficient());
    }

    #[test]
    fn counters_of_32_bits_are_never_negative() {
        assert_eq!(number(&[0xFF, 0xFF, 0xFF, 0xFE]), Ok(u64::from(u32::MAX) - 1));
        assert_eq!(number(&[0x80, 0, 0, 0]), Ok(1 << 31));
        assert_eq!(number(&[0x80]), Ok(u64::from(u32::MAX) - 127));
        assert_eq!(number(&[0, 0xFF, 0xFF, 0xFF, 0xFF]), Ok(u64::from(u32::MAX)));
        assert_eq!(
            number(&[0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
            Ok(u64::MAX)
        );
        assert!(number(&[1, 0, 0, 0, 0, 0, 0, 0, 0]).is_err() && number(&[]).is_err());
        assert!(number(&[0xFF; 8]).is_err());
    }

    #[test]
    fn what_cannot_be_understood_is_an_error_to_be_ignored() {
        let by_name = value(&[value(&[pair(1, INTEGER, &[1])])]);
        for wrong in [
            None,
            Some(&b""[..]),
            Some(b"\x30\x00"),
            Some(b"\x30\x7F\x02\x01\x06"),
            Some(&value(&[pair(6, OCTET_STRING, b"many")])),
            Some(&value(&[pair(1, INTEGER, &[1]), pair(2, INTEGER, &[1])])),
            Some(&value(&[pair(6, INTEGER, &[])])),
            Some(b"\x30\x03\x02\x01\x06"),
            Some(&by_name),
        ] {
            assert!(told(&answer(wrong)).is_err(), "{wrong:x?}");
        }
    }

    proptest! {
        #[test]
        fn r12_no_octets_are_too_much(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = told(&answer(Some(&octets)));
            let _ = told(&answer(Some(&value(&[octets]))));
        }
    }

    #[test]
    fn r27_a_password_that_the_server_repeats_is_hidden() {
        let pairs = [
            pair(6, INTEGER, &[1]),
            pair(8, OCTET_STRING, b"idx_Geheim7:1\x1b[2J"),
        ];
        let cost = told(&answer(Some(&value(&pairs)))).unwrap().unwrap();
        let cost = cost.hiding(&Secret::from("Geheim7"));
        assert_eq!(cost.index, "idx_[hidden]:1 [2J");
    }
}
