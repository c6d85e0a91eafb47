//! A search, page by page (R5): one operation a page, the critical paging control, the server's cookie sent back as it came.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::entry::Entry;
use super::error::DirectoryError;
use super::paging::{self, Progress};
use super::ranges;
use super::session::{Line, Question, deleted_control};
use crate::config::SearchScope;

/// Most octets of entries in one page, ranges included: a page is held in memory as a whole.
const MAX_PAGE: usize = 256 * 1024 * 1024;

/// What is searched for. It stays the same over all pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// DN of the base.
    pub base: String,
    /// How far below the base.
    pub scope: SearchScope,
    /// LDAP filter (RFC 4515).
    pub filter: String,
    /// Attributes to return; none means all.
    pub attributes: Vec<String>,
    /// Whether deleted objects are returned too.
    pub show_deleted: bool,
}

/// The pages of one search. Dropping it early leaves the session usable; the controller forgets the rest.
#[derive(Debug)]
pub struct Pages {
    line: Arc<Line>,
    search: Search,
    state: State,
    progress: Progress,
    pages: u64,
    referrals: u64,
}

/// How far a search has come.
#[derive(Debug)]
enum State {
    /// The next page is asked for with this cookie, empty for the first.
    Reading(Vec<u8>),
    /// The last page ended with result code 0.
    Complete,
    /// A page failed, or its caller stopped waiting: the rest is unknown, and no page is skipped.
    Broken,
}

impl Pages {
    pub(super) fn new(line: Arc<Line>, search: Search) -> Self {
        let state = State::Reading(Vec::new());
        Self {
            line,
            search,
            state,
            progress: Progress::default(),
            pages: 0,
            referrals: 0,
        }
    }

    /// The next page with at least one entry, every attribute of it whole (R11). `None` only after the last page ended
    /// with result code 0 (R4).
    ///
    /// # Errors
    /// Whenever the search cannot be completed. Every further call is an error too: start the search again.
    pub async fn next(&mut self) -> Result<Option<Vec<Entry>>, DirectoryError> {
        loop {
            let cookie = match std::mem::replace(&mut self.state, State::Broken) {
                State::Reading(cookie) => cookie,
                State::Complete => {
                    self.state = State::Complete;
                    return Ok(None);
                }
                State::Broken => {
                    return Err(DirectoryError::Gone {
                        host: self.line.host.clone(),
                    });
                }
            };
            let (entries, cookie) = self.page(&cookie).await?;
            self.state = if cookie.is_empty() {
                State::Complete
            } else {
                State::Reading(cookie)
            };
            if !entries.is_empty() {
                return Ok(Some(entries));
            }
        }
    }

    /// Whether the controller holds further pages.
    #[must_use]
    pub fn has_more(&self) -> bool {
        matches!(&self.state, State::Reading(cookie) if !cookie.is_empty())
    }

    /// One page with the cookie for the next.
    async fn page(&mut self, cookie: &[u8]) -> Result<(Vec<Entry>, Vec<u8>), DirectoryError> {
        let line = Arc::clone(&self.line);
        let paging = paging::request(line.page_size, cookie);
        let question = Question {
            base: &self.search.base,
            scope: self.search.scope,
            filter: &self.search.filter,
            attributes: self.search.attributes.iter().map(String::as_str).collect(),
            controls: std::iter::once(paging)
                .chain(deleted_control(self.search.show_deleted))
                .collect(),
            most: usize::try_from(line.page_size).unwrap_or(usize::MAX),
        };
        let mut reply = line.ask(&question).await?;
        self.referrals += reply.references;
        if !reply.outcome.is_success() {
            return Err(DirectoryError::Search {
                host: line.host.clone(),
                base: self.search.base.clone(),
                outcome: reply.outcome,
            });
        }
        let unsound = |what: &str| line.unsound(what.to_owned());
        let next = paging::cookie(&reply.controls).map_err(unsound)?;
        if !next.is_empty() {
            self.progress.observe(&reply.entries).map_err(unsound)?;
        }
        let mut size = 0;
        for entry in &mut reply.entries {
            ranges::complete(&line, entry, self.search.show_deleted).await?;
            size += entry.size();
            if size > MAX_PAGE {
                return Err(unsound(
                    "one page of entries is larger than 256 MiB; lower AD_PAGE_SIZE",
                ));
            }
        }
        self.pages += 1;
        line.pages.fetch_add(1, Ordering::Relaxed);
        Ok((reply.entries, next))
    }

    /// Continuation references met so far; none was followed (R10).
    #[must_use]
    pub const fn referrals(&self) -> u64 {
        self.referrals
    }

    /// Pages read so far.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.pages
    }
}
