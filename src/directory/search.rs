//! A search, page by page (R5): one operation a page, the critical paging control, the server's
//! cookie sent back as it came.
//!
//! A page is handed on in pieces, so that memory does not grow with its size. The values that its
//! entries lack ([`ranges`]) are asked for when the page has ended: one operation at a time.

use std::collections::VecDeque;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ldap3::controls::RawControl;

use super::entry::Entry;
use super::entry_channel::PIECE;
use super::error::DirectoryError;
use super::operation::{OperationAnswer, SearchOperation};
use super::paging::{self, PagingGuard};
use super::ranges;
use super::session_line::SessionLine;
use super::stats_control::{self, SearchCost};
use crate::config::SearchScope;
use crate::text::printable;

/// Most octets of a page's incomplete entries with the values that came: beyond, these values are
/// read once more from the first.
const SHELF: usize = PIECE;

/// Most octets of a page's incomplete entries without these values.
const MAX_SHELF: usize = 8 * PIECE;

/// Parameters of a search. They stay the same over all pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapSearch {
    /// DN of the base.
    pub base: String,
    /// Depth below the base.
    pub scope: SearchScope,
    /// LDAP filter (RFC 4515).
    pub filter: String,
    /// Attributes to return; none means all.
    pub attributes: Vec<String>,
    /// `true` when deleted objects are returned too.
    pub show_deleted: bool,
}

/// Counts of one or several searches.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SearchCounts {
    /// Entries that were returned.
    pub entries: u64,
    /// Pages read.
    pub pages: u64,
    /// Continuation references, none of which was followed (R10).
    pub referrals: u64,
}

impl AddAssign for SearchCounts {
    fn add_assign(&mut self, more: Self) {
        self.entries += more.entries;
        self.pages += more.pages;
        self.referrals += more.referrals;
    }
}

/// The pages of one search. Dropping it between two pages leaves the session usable, and the
/// controller forgets the rest; dropping it within a page ends the connection.
#[derive(Debug)]
pub struct Pages {
    line: Arc<SessionLine>,
    search: LdapSearch,
    state: SearchState,
    /// Entries of the last page whose attributes are not whole yet, copied.
    shelf: VecDeque<Entry>,
    shelved: usize,
    progress: PagingGuard,
    counts: SearchCounts,
    measured: bool,
    cost: Option<SearchCost>,
}

/// Progress of a search.
#[derive(Debug)]
enum SearchState {
    /// The next page is asked for with this cookie, empty for the first.
    Reading(Vec<u8>),
    /// A page is being answered.
    Within(Box<OperationAnswer>),
    /// The last page ended with result code 0.
    Complete,
    /// A page failed, or its caller stopped waiting: the rest is unknown, and no page is skipped.
    Broken,
}

impl Pages {
    pub(super) fn new(line: Arc<SessionLine>, search: LdapSearch) -> Self {
        Self {
            line,
            search,
            state: SearchState::Reading(Vec::new()),
            shelf: VecDeque::new(),
            shelved: 0,
            progress: PagingGuard::default(),
            counts: SearchCounts::default(),
            measured: tracing::enabled!(tracing::Level::DEBUG),
            cost: None,
        }
    }

    /// Returns the same search, for each page of which the controller is asked for the cost, where
    /// it offers to report it ([`Pages::cost`]). With a log at debug the cost is asked for without
    /// this call.
    #[must_use]
    pub fn measured(mut self) -> Self {
        self.measured = true;
        self
    }

    /// Reads the next entries, a page or a piece of a large one, at least one of them, every
    /// attribute whole (R11). `None` only after the last page ended with result code 0 (R4). They
    /// hold part of what the connection may have in memory: use them up or copy them
    /// ([`Entry::copied`]) before the next call.
    ///
    /// # Errors
    /// Whenever the search cannot be completed. Every further call is an error too: start the
    /// search again.
    pub async fn next(&mut self) -> Result<Option<Vec<Entry>>, DirectoryError> {
        loop {
            // A caller that stops waiting from here on leaves a broken search behind.
            let state = std::mem::replace(&mut self.state, SearchState::Broken);
            let (entries, state) = match state {
                state if !self.shelf.is_empty() && !matches!(state, SearchState::Within(_)) => {
                    (self.completed().await?, state)
                }
                SearchState::Reading(cookie) => {
                    let answer = self.ask(&cookie).await?;
                    (Vec::new(), SearchState::Within(Box::new(answer)))
                }
                SearchState::Within(answer) => self.within(answer).await?,
                SearchState::Complete => {
                    self.state = SearchState::Complete;
                    return Ok(None);
                }
                SearchState::Broken => {
                    return Err(DirectoryError::Gone {
                        host: self.line.host.clone(),
                    });
                }
            };
            self.state = state;
            if !entries.is_empty() {
                self.counts.entries += entries.len() as u64;
                return Ok(Some(entries));
            }
        }
    }

    /// Returns `true` when the controller holds further pages.
    #[must_use]
    pub fn has_more(&self) -> bool {
        matches!(&self.state, SearchState::Reading(cookie) if !cookie.is_empty())
    }

    /// Returns `true` when the page of the entries that came last goes on. No other operation can
    /// be asked over the session then.
    #[must_use]
    pub fn is_within_page(&self) -> bool {
        matches!(self.state, SearchState::Within(_)) || !self.shelf.is_empty()
    }

    /// Asks for the page that `cookie` names.
    async fn ask(&self, cookie: &[u8]) -> Result<OperationAnswer, DirectoryError> {
        let paging = paging::request(self.line.page_size, cookie);
        let question = SearchOperation {
            base: &self.search.base,
            scope: self.search.scope,
            filter: &self.search.filter,
            attributes: self.search.attributes.clone(),
            controls: std::iter::once(paging)
                .chain(self.line.deleted_control(self.search.show_deleted))
                .chain(self.line.extended_names_control())
                .chain(self.is_measured().then(stats_control::request))
                .collect(),
            most: usize::try_from(self.line.page_size).unwrap_or(usize::MAX),
        };
        self.line.begin(question).await
    }

    /// Reads the next piece of a page, and returns it with the state that follows. The last piece
    /// is given only when the page ended well.
    async fn within(
        &mut self,
        mut answer: Box<OperationAnswer>,
    ) -> Result<(Vec<Entry>, SearchState), DirectoryError> {
        let line = Arc::clone(&self.line);
        let mut entries = line.more(&mut answer).await?;
        self.progress.observe(&entries);
        for partial in entries.extract_if(.., |entry| ranges::is_partial(entry)) {
            self.shelve(&partial).map_err(|what| line.unsound(what))?;
        }
        if !answer.has_ended() {
            return Ok((entries, SearchState::Within(answer)));
        }
        let ending = line.end(*answer).await?;
        self.counts.referrals += ending.references;
        if self.is_measured() && self.progress.is_fresh() && stats_control::refuses(&ending.outcome) {
            tracing::debug!("The controller refuses to say what a search costs; it is not asked again.");
            line.offers_stats.store(false, Ordering::Relaxed);
            return Ok((entries, SearchState::Reading(Vec::new())));
        }
        if !ending.outcome.is_success() {
            return Err(line.refused(&self.search.base, ending.outcome));
        }
        self.note_cost(&ending.controls);
        let unsound = |what: &str| line.unsound(what.to_owned());
        let cookie = paging::cookie(&ending.controls).map_err(unsound)?;
        self.counts.pages += 1;
        line.pages.fetch_add(1, Ordering::Relaxed);
        if cookie.is_empty() {
            return Ok((entries, SearchState::Complete));
        }
        self.progress.turn(&cookie).map_err(unsound)?;
        Ok((entries, SearchState::Reading(cookie)))
    }

    /// Sets an entry aside until its page has ended.
    fn shelve(&mut self, entry: &Entry) -> Result<(), String> {
        let entry = if self.shelved + entry.size() <= SHELF {
            entry.copied()
        } else {
            ranges::emptied(entry)
        };
        self.shelved += entry.size();
        if self.shelved > MAX_SHELF {
            return Err(format!(
                "one page holds more than {} MiB of entries that are not whole; lower AD_PAGE_SIZE",
                MAX_SHELF >> 20
            ));
        }
        self.shelf.push_back(entry);
        Ok(())
    }

    /// Entries that were set aside, each whole now: a piece of them, or what is left.
    async fn completed(&mut self) -> Result<Vec<Entry>, DirectoryError> {
        let mut entries = Vec::new();
        let mut size = 0;
        while size < PIECE
            && let Some(entry) = self.shelf.pop_front()
        {
            self.shelved -= entry.size();
            if let Some(entry) = ranges::complete(&self.line, entry, self.search.show_deleted).await? {
                size += entry.size();
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn is_measured(&self) -> bool {
        self.measured && self.line.offers_stats.load(Ordering::Relaxed)
    }

    /// Keeps and logs the cost of a page that the controller reports.
    fn note_cost(&mut self, controls: &[RawControl]) {
        if !self.is_measured() {
            return;
        }
        match stats_control::told(controls) {
            Ok(Some(cost)) => {
                let cost = cost.hiding(&self.line.password);
                tracing::debug!(
                    filter = printable(&self.search.filter),
                    visited = cost.visited,
                    returned = cost.returned,
                    index = cost.index,
                    milliseconds = cost.milliseconds,
                    "The controller said what the page cost it."
                );
                self.cost = Some(cost);
            }
            Ok(None) => tracing::debug!("The controller does not say what the page cost it."),
            Err(error) => {
                tracing::debug!(%error, "What the page cost the controller cannot be understood; it is ignored.");
            }
        }
    }

    /// Returns the cost of the last page for the controller, where it was asked for and reported.
    #[must_use]
    pub const fn cost(&self) -> Option<&SearchCost> {
        self.cost.as_ref()
    }

    /// Returns what was read so far.
    #[must_use]
    pub const fn counts(&self) -> SearchCounts {
        self.counts
    }
}
