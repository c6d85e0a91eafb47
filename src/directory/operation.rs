//! One search operation and its answer: entries piece by piece over the [`super::entry_channel`],
//! then the result from the library.
//!
//! INVARIANT: an [`OperationAnswer`] holds the [`ControllerLink`] until its result was read, and
//! only then puts it back. An answer that is dropped before ends the connection, which also makes
//! the server stop (RFC 4511 section 5.3).

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use ldap3::controls::RawControl;
use ldap3::{LdapError, Scope, SearchStream};
use tokio::time::timeout;

use super::ber::{BerElements, BerFault, INTEGER, SEQUENCE};
use super::bind;
use super::entry::Entry;
use super::entry_channel::{ChannelItem, PIECE};
use super::error::{DirectoryError, TimedPhase};
use super::message;
use super::result_code::LdapResult;
use super::session_line::SessionLine;
use super::transport::ControllerLink;
use crate::clock;
use crate::config::SearchScope;

/// Shortest wait before the time limit is checked again.
const SHORTEST: Duration = Duration::from_millis(1);

/// Longest wait for a server that itself waits for entries to be used up: as long as it keeps an
/// idle connection (`MaxConnIdleTime`, MS-ADTS 3.1.1.3.4.6).
const LONGEST_STALL: Duration = Duration::from_secs(900);

/// One search operation.
#[derive(Debug)]
pub struct SearchOperation<'a> {
    pub base: &'a str,
    pub scope: SearchScope,
    pub filter: &'a str,
    pub attributes: Vec<String>,
    pub controls: Vec<RawControl>,
    /// Most entries of the answer; an answer with more of them is unsound.
    pub most: usize,
}

/// The answer to one search operation, as far as it was read.
#[derive(Debug)]
pub struct OperationAnswer {
    link: ControllerLink,
    result: SearchStream<'static, String, Vec<String>>,
    entries: OperationEntries,
    ended: bool,
    /// Rest of the time limit of the operation. It goes by only while a caller waits for the
    /// server.
    left: Duration,
}

/// End of the answer to one search operation.
#[derive(Debug)]
pub struct OperationEnd {
    /// Continuation references among the entries.
    pub references: u64,
    pub outcome: LdapResult,
    pub controls: Vec<RawControl>,
}

/// Reason why an operation broke off.
enum BrokenOperation {
    /// The connection ended.
    Lost,
    /// The answer is unsound.
    Unsound(String),
}

impl SessionLine {
    /// Asks one search operation.
    ///
    /// # Errors
    /// When it could not be asked. The session can be used again only where the filter was the
    /// reason.
    pub async fn begin(&self, question: SearchOperation<'_>) -> Result<OperationAnswer, DirectoryError> {
        let mut held = self.link.lock().await;
        let mut link = held.take().ok_or_else(|| DirectoryError::Gone {
            host: self.host.clone(),
        })?;
        let scope = match question.scope {
            SearchScope::Base => Scope::Base,
            SearchScope::OneLevel => Scope::OneLevel,
            SearchScope::Subtree => Scope::Subtree,
        };
        let started = clock::timer_instant();
        link.ldap.with_controls(question.controls);
        let asked = link
            .ldap
            .streaming_search(question.base, scope, question.filter, question.attributes);
        match timeout(self.timeout, asked).await {
            Ok(Ok(result)) => Ok(OperationAnswer {
                link,
                result,
                entries: OperationEntries::at_most(question.most),
                ended: false,
                left: self.timeout.saturating_sub(started.elapsed()),
            }),
            Ok(Err(LdapError::FilterParsing)) => {
                *held = Some(link);
                Err(DirectoryError::Filter {
                    filter: question.filter.to_owned(),
                })
            }
            Ok(Err(_)) => Err(bind::lost(&mut link, self.host.clone(), &self.password).await),
            Err(_) => Err(self.late()),
        }
    }

    /// Reads the next entries of `answer`, a piece of them or the rest; none only at its end, after
    /// which [`SessionLine::end`] is to be called.
    ///
    /// # Errors
    /// When no complete answer can come any more. `answer` is to be dropped then.
    pub async fn more(&self, answer: &mut OperationAnswer) -> Result<Vec<Entry>, DirectoryError> {
        let limit = answer.left;
        let (started, stalled) = (clock::timer_instant(), answer.link.lane.stalled());
        let mut entries = Vec::new();
        let mut size = 0;
        let gathered = loop {
            let left = answer.left.max(SHORTEST);
            let gathered = timeout(left, answer.gather(&mut entries, &mut size)).await;
            // The time for which the entries before these wait is not the server's.
            let stalled = answer.link.lane.stalled().saturating_sub(stalled);
            let waited = started.elapsed().saturating_sub(stalled.min(LONGEST_STALL));
            let left = limit.saturating_sub(waited);
            answer.left = left;
            if gathered.is_ok() || left.is_zero() {
                break gathered;
            }
        };
        match gathered {
            Ok(Ok(())) => {
                if self.asks_for_extended_names() {
                    entries.iter_mut().for_each(Entry::expect_extended_names);
                }
                Ok(entries)
            }
            Ok(Err(broken)) => Err(self.broken(broken, &mut answer.link).await),
            Err(_) => Err(self.late()),
        }
    }

    /// Returns the result of an answer that was read to its end; then the next operation can be
    /// asked. An outcome that is no success is returned, not an error.
    ///
    /// # Errors
    /// As [`SessionLine::more`].
    pub async fn end(&self, mut answer: OperationAnswer) -> Result<OperationEnd, DirectoryError> {
        match timeout(answer.left, answer.result()).await {
            Ok(Ok(mut ending)) => {
                ending.outcome = ending.outcome.hiding(&self.password);
                *self.link.lock().await = Some(answer.link);
                self.round_trips.fetch_add(1, Ordering::Relaxed);
                self.referrals.fetch_add(ending.references, Ordering::Relaxed);
                Ok(ending)
            }
            Ok(Err(broken)) => Err(self.broken(broken, &mut answer.link).await),
            Err(_) => Err(self.late()),
        }
    }

    async fn broken(&self, broken: BrokenOperation, link: &mut ControllerLink) -> DirectoryError {
        match broken {
            BrokenOperation::Lost => bind::lost(link, self.host.clone(), &self.password).await,
            BrokenOperation::Unsound(what) => self.unsound(what),
        }
    }

    fn late(&self) -> DirectoryError {
        DirectoryError::Timeout {
            host: self.host.clone(),
            phase: TimedPhase::Search,
            after: self.timeout,
        }
    }
}

impl OperationAnswer {
    /// Returns `true` when all entries were read.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Adds to `entries`, of which `size` octets came, until a piece or the rest is there. Can be
    /// dropped and called again.
    async fn gather(&mut self, entries: &mut Vec<Entry>, size: &mut usize) -> Result<(), BrokenOperation> {
        while *size < PIECE && !self.ended {
            match self.link.lane.recv().await.ok_or(BrokenOperation::Lost)? {
                ChannelItem::Entries(run) => {
                    *size += run.len();
                    self.entries
                        .read(&run, entries)
                        .map_err(BrokenOperation::Unsound)?;
                }
                ChannelItem::Incomplete(message, reason) => {
                    *size += message.len();
                    self.entries
                        .read_incomplete(&message, reason, entries)
                        .map_err(BrokenOperation::Unsound)?;
                }
                ChannelItem::End => self.ended = true,
            }
        }
        Ok(())
    }

    async fn result(&mut self) -> Result<OperationEnd, BrokenOperation> {
        match self.result.next().await {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return Err(BrokenOperation::Lost),
        }
        let result = self.result.finish().await;
        Ok(OperationEnd {
            references: self.entries.references,
            outcome: LdapResult::new(result.rc, &result.matched, &result.text, result.refs),
            controls: result.ctrls.into_iter().map(|control| control.1).collect(),
        })
    }
}

/// Entries and references that one operation has found so far.
#[derive(Debug)]
pub struct OperationEntries {
    most: usize,
    entries: usize,
    references: u64,
}

impl OperationEntries {
    /// Returns a collection without entries, for at most so many of them.
    pub const fn at_most(most: usize) -> Self {
        Self {
            most,
            entries: 0,
            references: 0,
        }
    }

    /// Returns the number of continuation references so far; none is followed (R10).
    pub const fn references(&self) -> u64 {
        self.references
    }

    /// Reads a message with a part of an entry; `reason` says why the rest is missing.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_incomplete(
        &mut self,
        message: &Bytes,
        reason: String,
        entries: &mut Vec<Entry>,
    ) -> Result<(), String> {
        let before = entries.len();
        self.read(message, entries)?;
        if let Some(entry) = entries.get_mut(before) {
            entry.mark_incomplete(reason);
        }
        Ok(())
    }

    /// Reads the messages of one run.
    ///
    /// # Errors
    /// With what is wrong with them.
    pub fn read(&mut self, run: &Bytes, entries: &mut Vec<Entry>) -> Result<(), String> {
        let sent = |fault: BerFault| format!("the server sent {fault}");
        let mut messages = BerElements::new(run);
        while !messages.is_empty() {
            let mut parts = BerElements::new(messages.expect(SEQUENCE, "no LDAP message").map_err(sent)?);
            parts.expect(INTEGER, "no message id").map_err(sent)?;
            let Some((message::ENTRY, content)) = parts.next().map_err(sent)? else {
                self.references += 1;
                continue;
            };
            if self.entries == self.most {
                return Err(format!(
                    "the server sends more than the {} entries that were asked for",
                    self.most
                ));
            }
            self.entries += 1;
            entries.push(Entry::read(run.slice_ref(content)).map_err(sent)?);
        }
        Ok(())
    }
}
