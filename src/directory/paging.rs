//! The simple paged results control (RFC 2696), and the detection of pages that repeat.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use ldap3::controls::RawControl;

use super::ber::{self, BerElements, BerFault, INTEGER, OCTET_STRING, SEQUENCE};
use super::entry::Entry;

/// The control's OID (MS-ADTS 3.1.1.3.4.1.1).
const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";

/// Longest cookie that is sent back. Active Directory's have some hundred octets.
const MAX_COOKIE: usize = 64 * 1024;

/// Empty pages in a row with a cookie. A controller may send some where its time slice ends before
/// anything matched.
const MAX_EMPTY: u32 = 1000;

/// Pages that may come a second time. Objects that change between two pages move to the end of a
/// search by uSNChanged, so a correct search can give a page again, most easily a small one. A
/// circle does not end.
const MAX_REPEATED: u32 = 32;

/// Most pages of one search: a thousand million entries at the usual page size.
const MAX_PAGES: u64 = 1_000_000;

/// Returns the request control for the next `size` entries, critical, so that a server without
/// paging refuses it.
pub fn request(size: u32, cookie: &[u8]) -> RawControl {
    let mut parts = Vec::new();
    let octets = i64::from(size).to_be_bytes();
    let zeros = octets
        .iter()
        .zip(&octets[1..])
        .take_while(|(octet, next)| **octet == 0 && **next < 0x80)
        .count();
    ber::write(&mut parts, INTEGER, octets.get(zeros..).unwrap_or_default());
    ber::write(&mut parts, OCTET_STRING, cookie);
    let mut value = Vec::new();
    ber::write(&mut value, SEQUENCE, &parts);
    RawControl {
        ctype: PAGED_RESULTS.to_owned(),
        crit: true,
        val: Some(value),
    }
}

/// Returns the cookie for the next page; empty after the last one.
///
/// # Errors
/// When the control is missing or misshapen: then it is unknown whether the result is complete
/// (R4).
pub fn cookie(controls: &[RawControl]) -> Result<Vec<u8>, &'static str> {
    let control = controls
        .iter()
        .find(|control| control.ctype == PAGED_RESULTS)
        .ok_or("the answer to a paged search lacks the paging control")?;
    let cookie = parse(control.val.as_deref().unwrap_or_default())
        .map_err(|_| "the paging control of the answer is misshapen")?;
    if cookie.len() > MAX_COOKIE {
        return Err("the paging cookie is larger than 64 KiB");
    }
    Ok(cookie.to_vec())
}

fn parse(value: &[u8]) -> Result<&[u8], BerFault> {
    let mut parts = BerElements::new(BerElements::new(value).expect(SEQUENCE, "")?);
    parts.expect(INTEGER, "")?; // an estimate of the result's size, which Active Directory leaves at 0
    parts.expect(OCTET_STRING, "")
}

/// Detects pages of one search that repeat without end (R12).
///
/// A repeated cookie proves nothing by itself: Samba's cookie names the search, and stays the same.
/// A repeated cookie with the same page proves it, and so do the same pages again and again.
#[derive(Debug, Default)]
pub struct PagingGuard {
    pages: u64,
    empty: u32,
    repeated: u32,
    /// Digests of the pages: 8 octets a page.
    seen: BTreeSet<u64>,
    /// The cookie that came last.
    cookie: Vec<u8>,
    /// The page that is being read.
    page: DefaultHasher,
    entries: u64,
}

impl PagingGuard {
    /// Returns `true` when nothing came yet.
    pub const fn is_fresh(&self) -> bool {
        self.pages == 0 && self.entries == 0
    }

    /// Records entries of the page that is being read.
    pub fn observe(&mut self, entries: &[Entry]) {
        for entry in entries {
            entry.hash(&mut self.page);
        }
        self.entries += entries.len() as u64;
    }

    /// Records the end of the page, which came with this cookie for a further one.
    ///
    /// # Errors
    /// With the reason, when the pages repeat.
    pub fn turn(&mut self, cookie: &[u8]) -> Result<(), &'static str> {
        let same_cookie = self.cookie == cookie;
        cookie.clone_into(&mut self.cookie);
        let digest = std::mem::take(&mut self.page).finish();
        let entries = std::mem::take(&mut self.entries);
        self.pages += 1;
        if self.pages > MAX_PAGES {
            return Err("the search does not end: a million pages came, each with a cookie for another");
        }
        if entries == 0 {
            self.empty += 1;
            if self.empty > MAX_EMPTY {
                return Err(
                    "the search does not end: a thousand empty pages in a row, each with a cookie for another",
                );
            }
            return Ok(());
        }
        self.empty = 0;
        if !self.seen.insert(digest) {
            if same_cookie {
                return Err("the search goes in circles: the same page came twice, with the same cookie");
            }
            self.repeated += 1;
        }
        if self.repeated > MAX_REPEATED {
            return Err("the search goes in circles: the same pages came again and again");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: usize) -> Vec<Entry> {
        vec![Entry::new(&format!("CN={number}"), vec![])]
    }

    fn turn(progress: &mut PagingGuard, entries: &[Entry]) -> Result<(), &'static str> {
        progress.observe(entries);
        let cookie = progress.pages.to_be_bytes();
        progress.turn(&cookie)
    }

    fn answer(value: Option<&[u8]>) -> Vec<RawControl> {
        vec![RawControl {
            ctype: PAGED_RESULTS.to_owned(),
            crit: false,
            val: value.map(<[u8]>::to_vec),
        }]
    }

    #[test]
    fn the_control_is_critical_and_its_size_a_positive_integer() {
        for (size, octets) in [
            (1_u32, vec![1_u8]),
            (127, vec![127]),
            (128, vec![0, 128]),
            (1000, vec![3, 0xE8]),
            (100_000, vec![1, 0x86, 0xA0]),
        ] {
            let control = request(size, b"xy");
            assert!(control.crit);
            let value = control.val.unwrap();
            let mut parts = BerElements::new(BerElements::new(&value).expect(SEQUENCE, "").unwrap());
            assert_eq!(parts.expect(INTEGER, "").unwrap(), octets);
            assert_eq!(parts.expect(OCTET_STRING, "").unwrap(), b"xy");
        }
    }

    #[test]
    fn r04_an_answer_without_a_readable_control_is_no_last_page() {
        assert!(cookie(&[]).is_err());
        for wrong in [
            None,
            Some(&b""[..]),
            Some(b"\x30\x00"),
            Some(b"\x30\x03\x02\x01\x00"),
            Some(b"\x30\x7F\x02\x01\x00"),
        ] {
            assert!(cookie(&answer(wrong)).is_err(), "{wrong:x?}");
        }
        assert_eq!(cookie(&answer(Some(b"\x30\x05\x02\x01\x00\x04\x00"))), Ok(vec![]));
        assert_eq!(
            cookie(&answer(Some(b"\x30\x07\x02\x01\x00\x04\x02ab"))),
            Ok(b"ab".to_vec())
        );
    }

    #[test]
    fn r12_an_oversized_cookie_is_not_sent_back() {
        let control = request(1, &vec![0; MAX_COOKIE + 1]);
        assert!(cookie(&[control]).is_err());
    }

    #[test]
    fn r12_the_same_pages_again_and_again_are_a_circle() {
        let mut progress = PagingGuard::default();
        for turns in 0..=MAX_REPEATED {
            assert_eq!(turn(&mut progress, &page(1)), Ok(()), "{turns}");
        }
        assert_eq!(turn(&mut progress, &page(2)), Ok(()), "a page that is new");
        assert!(turn(&mut progress, &page(1)).is_err());
    }

    #[test]
    fn r12_the_same_page_with_the_same_cookie_is_a_circle() {
        let mut progress = PagingGuard::default();
        for (number, sound) in [(1, true), (2, true), (3, true), (2, false)] {
            progress.observe(&page(number));
            assert_eq!(
                progress.turn(b"the name of the search").is_ok(),
                sound,
                "{number}"
            );
        }
    }

    #[test]
    fn r12_empty_pages_are_borne_for_a_while() {
        let mut progress = PagingGuard::default();
        for _ in 0..MAX_EMPTY {
            assert_eq!(turn(&mut progress, &[]), Ok(()));
        }
        assert_eq!(turn(&mut progress, &page(1)), Ok(()));
        for _ in 0..MAX_EMPTY {
            assert_eq!(turn(&mut progress, &[]), Ok(()));
        }
        assert!(turn(&mut progress, &[]).is_err());
    }

    #[test]
    fn r12_pages_without_end_end() {
        let mut progress = PagingGuard {
            pages: MAX_PAGES - 1,
            ..PagingGuard::default()
        };
        assert_eq!(turn(&mut progress, &page(1)), Ok(()));
        assert!(turn(&mut progress, &page(2)).is_err());
    }
}
