//! Changes since a cookie, by the DirSync control (MS-ADTS 3.1.1.3.4.1.3): answer by answer, as
//! long as there is more.
//!
//! An entry shows objectGUID and the changed attributes of the object, and is therefore never
//! whole. A cookie is the controller's own: it is kept and sent back as it came, to this controller
//! or another one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ldap3::controls::RawControl;

use super::ber::{self, BerElements, BerFault, INTEGER, OCTET_STRING, SEQUENCE};
use super::entry::Entry;
use super::error::DirectoryError;
use super::operation::{OperationAnswer, SearchOperation};
use super::search::SearchCounts;
use super::session_line::{SHOW_DELETED, SessionLine};
use crate::config::SearchScope;

/// The control's OID.
pub const DIRSYNC: &str = "1.2.840.113556.1.4.841";

/// LDAP_DIRSYNC_OBJECT_SECURITY, 0x1: needs no right to replicate, shows what the account may read.
/// LDAP_DIRSYNC_INCREMENTAL_VALUES, 0x8000_0000: of `member` and the like the values that changed,
/// not all of them.
const FLAGS: i32 = i32::MIN | 0x1;

/// Octets that an answer should have, at most (`MaxBytes`).
const ANSWER: i32 = 1 << 20;

/// Longest cookie that is kept: it holds 24 to 32 octets for every controller that the domain ever
/// had.
const MAX_COOKIE: usize = 256 * 1024;

/// Most answers of one search. One of [`ANSWER`] octets holds a thousand objects and more.
const MAX_ANSWERS: u64 = 100_000;

/// Most answers without an entry in a row: a controller may give up the turn after some thousand
/// objects that the filter does not select.
const MAX_EMPTY: u32 = 10_000;

/// Most entries of one answer: servers that know no limit of octets give everything at once.
const MAX_ENTRIES: usize = 10_000_000;

/// The answers of one search. Dropping it between two answers leaves the session usable; dropping
/// it within one ends the connection.
#[derive(Debug)]
pub struct DirSyncPages {
    line: Arc<SessionLine>,
    base: String,
    filter: String,
    show_deleted: bool,
    cookie: Vec<u8>,
    state: DirSyncState,
    counts: SearchCounts,
    /// Answers since the last entry.
    empty: u32,
}

#[derive(Debug)]
enum DirSyncState {
    /// The next answer is to be asked for.
    Between,
    /// An answer is being read.
    Within(Box<OperationAnswer>),
    /// The last answer ended with result code 0.
    Complete,
    /// An answer failed, or its caller stopped waiting.
    Broken,
}

impl DirSyncPages {
    pub(super) fn new(
        line: Arc<SessionLine>,
        base: String,
        filter: String,
        cookie: Vec<u8>,
        show_deleted: bool,
    ) -> Self {
        Self {
            line,
            base,
            filter,
            show_deleted,
            cookie,
            state: DirSyncState::Between,
            counts: SearchCounts::default(),
            empty: 0,
        }
    }

    /// Reads the next entries, at least one of them; `None` only after the last answer ended with
    /// result code 0 (R4).
    ///
    /// # Errors
    /// Whenever the search cannot be completed. Every further call is an error too.
    pub async fn next(&mut self) -> Result<Option<Vec<Entry>>, DirectoryError> {
        loop {
            // A caller that stops waiting from here on leaves a broken search behind.
            let entries = match std::mem::replace(&mut self.state, DirSyncState::Broken) {
                DirSyncState::Between => {
                    let answer = self.ask().await?;
                    self.state = DirSyncState::Within(Box::new(answer));
                    continue;
                }
                DirSyncState::Within(answer) => self.within(answer).await?,
                DirSyncState::Complete => {
                    self.state = DirSyncState::Complete;
                    return Ok(None);
                }
                DirSyncState::Broken => {
                    return Err(DirectoryError::Gone {
                        host: self.line.host.clone(),
                    });
                }
            };
            if !entries.is_empty() {
                self.counts.entries += entries.len() as u64;
                return Ok(Some(entries));
            }
        }
    }

    async fn ask(&self) -> Result<OperationAnswer, DirectoryError> {
        let deleted = self.show_deleted.then(|| RawControl {
            ctype: SHOW_DELETED.to_owned(),
            crit: false,
            val: None,
        });
        let question = SearchOperation {
            base: &self.base,
            scope: SearchScope::Subtree,
            filter: &self.filter,
            // All attributes: a list would be one more condition under which a change is not shown.
            attributes: Vec::new(),
            controls: std::iter::once(request(&self.cookie)).chain(deleted).collect(),
            most: MAX_ENTRIES,
        };
        self.line.begin(question).await
    }

    async fn within(&mut self, mut answer: Box<OperationAnswer>) -> Result<Vec<Entry>, DirectoryError> {
        let line = Arc::clone(&self.line);
        let entries = line.more(&mut answer).await?;
        if !entries.is_empty() {
            self.empty = 0;
        }
        if !answer.has_ended() {
            self.state = DirSyncState::Within(answer);
            return Ok(entries);
        }
        let ending = line.end(*answer).await?;
        self.counts.referrals += ending.references;
        if !ending.outcome.is_success() {
            return Err(line.refused(&self.base, ending.outcome));
        }
        let unsound = |what: &str| line.unsound(what.to_owned());
        let (more, cookie) = response(&ending.controls).map_err(unsound)?;
        self.counts.pages += 1;
        self.empty += 1;
        line.pages.fetch_add(1, Ordering::Relaxed);
        if more && cookie == self.cookie {
            return Err(unsound(
                "the DirSync search goes in circles: the same cookie came again",
            ));
        }
        if more && (self.counts.pages >= MAX_ANSWERS || self.empty > MAX_EMPTY) {
            return Err(unsound("the DirSync search does not end"));
        }
        self.cookie = cookie;
        self.state = if more {
            DirSyncState::Between
        } else {
            DirSyncState::Complete
        };
        Ok(entries)
    }

    /// Returns the cookie at which the next search goes on: `None` before the end of this one.
    #[must_use]
    pub fn into_cookie(self) -> Option<Vec<u8>> {
        matches!(self.state, DirSyncState::Complete).then_some(self.cookie)
    }

    /// Returns what was read so far; an answer counts as a page.
    #[must_use]
    pub const fn counts(&self) -> SearchCounts {
        self.counts
    }
}

/// Returns the request control:
/// `SEQUENCE { Flags INTEGER, MaxBytes INTEGER, Cookie OCTET STRING }`. It must be critical.
fn request(cookie: &[u8]) -> RawControl {
    let mut parts = Vec::new();
    // As signed numbers of 32 bits, which is what Active Directory reads.
    ber::write(&mut parts, INTEGER, &FLAGS.to_be_bytes());
    ber::write(&mut parts, INTEGER, shortest(&ANSWER.to_be_bytes()));
    ber::write(&mut parts, OCTET_STRING, cookie);
    let mut value = Vec::new();
    ber::write(&mut value, SEQUENCE, &parts);
    RawControl {
        ctype: DIRSYNC.to_owned(),
        crit: true,
        val: Some(value),
    }
}

/// Returns a number that is not negative, without its leading octets that carry no value.
fn shortest(mut octets: &[u8]) -> &[u8] {
    while let [0, rest @ ..] = octets
        && rest.first().is_some_and(|next| *next < 0x80)
    {
        octets = rest;
    }
    octets
}

/// Returns `true` when more is to come, with the cookie to ask for it, or to keep.
fn response(controls: &[RawControl]) -> Result<(bool, Vec<u8>), &'static str> {
    let control = controls
        .iter()
        .find(|control| control.ctype == DIRSYNC)
        .ok_or("the answer to a DirSync search lacks the DirSync control")?;
    let (more, cookie) = parse(control.val.as_deref().unwrap_or_default())
        .map_err(|_| "the DirSync control of the answer is misshapen")?;
    if cookie.is_empty() {
        return Err("the answer to a DirSync search gives no cookie");
    }
    if cookie.len() > MAX_COOKIE {
        return Err("the DirSync cookie is larger than 256 KiB");
    }
    Ok((more, cookie.to_vec()))
}

/// Reads `SEQUENCE { MoreResults INTEGER, unused INTEGER, CookieServer OCTET STRING }`.
fn parse(value: &[u8]) -> Result<(bool, &[u8]), BerFault> {
    let mut parts = BerElements::new(BerElements::new(value).expect(SEQUENCE, "")?);
    let more = parts.expect(INTEGER, "")?;
    parts.expect(INTEGER, "")?;
    Ok((
        more.iter().any(|octet| *octet != 0),
        parts.expect(OCTET_STRING, "")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: &[u8]) -> Vec<RawControl> {
        vec![RawControl {
            ctype: DIRSYNC.to_owned(),
            crit: false,
            val: Some(value.to_vec()),
        }]
    }

    #[test]
    fn the_control_is_critical_and_asks_for_object_security_and_changed_values() {
        let control = request(b"xy");
        assert!(control.crit);
        assert_eq!(
            control.val.unwrap(),
            b"\x30\x0F\x02\x04\x80\x00\x00\x01\x02\x03\x10\x00\x00\x04\x02xy"
        );
    }

    #[test]
    fn the_answer_says_whether_there_is_more_and_where() {
        let done = b"\x30\x0A\x02\x01\x00\x02\x01\x00\x04\x02ab";
        assert_eq!(response(&answer(done)), Ok((false, b"ab".to_vec())));
        let more = b"\x30\x0B\x02\x02\x01\x00\x02\x01\x00\x04\x02ab";
        assert_eq!(response(&answer(more)), Ok((true, b"ab".to_vec())));
    }

    #[test]
    fn r12_an_answer_without_a_readable_cookie_is_an_error() {
        assert!(response(&[]).is_err());
        for wrong in [
            &b""[..],
            b"\x30\x00",
            b"\x30\x03\x02\x01\x00",
            b"\x30\x08\x02\x01\x00\x02\x01\x00\x04\x00",
            b"\x30\x7F\x02\x01\x00",
        ] {
            assert!(response(&answer(wrong)).is_err(), "{wrong:x?}");
        }
        let mut parts = b"\x02\x01\x00\x02\x01\x00".to_vec();
        ber::write(&mut parts, OCTET_STRING, &vec![1; MAX_COOKIE + 1]);
        let mut large = Vec::new();
        ber::write(&mut large, SEQUENCE, &parts);
        assert!(response(&answer(&large)).is_err());
    }
}
