//! A bound connection to one controller, and the one way in which anything is asked over it.
//!
//! INVARIANT: one operation at a time, and none after one that broke off: an operation takes the [`Link`] out and puts it
//! back only when its answer was read to the end. A time-out, a malformed answer or a caller that stops waiting
//! therefore ends the connection, which also tells the server to stop (RFC 4511 section 5.3).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ldap3::controls::RawControl;
use ldap3::{LdapError, Scope};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::bind;
use super::certificate::PeerCertificate;
use super::entry::Entry;
use super::error::{DirectoryError, Phase};
use super::ranges;
use super::result::Outcome;
use super::root_dse::{self, RootDse};
use super::search::{Pages, Search};
use super::transport::{self, Link};
use crate::config;
use crate::identity::Guid;

/// Makes the server return deleted objects too (MS-ADTS 3.1.1.3.4.1.14).
const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

/// Connects and binds to the first host of `settings` that can be used.
///
/// # Errors
/// When none can; [`DirectoryError::AllFailed`] names each with its cause. Refused credentials end the attempt at once:
/// trying them on every controller would lock the account.
pub async fn connect(settings: &config::Directory) -> Result<Session, DirectoryError> {
    let mut causes = Vec::new();
    let mut hosts = settings.hosts.iter().peekable();
    while let Some(host) = hosts.next() {
        match reach(host, settings).await {
            Ok(session) => return Ok(session),
            Err(error) if !error.lets_others_try() => return Err(error),
            Err(error) => {
                if hosts.peek().is_some() {
                    let advice = error.advice();
                    tracing::warn!(%host, %error, advice, "This controller cannot be used; the next one is tried.");
                }
                causes.push(error);
            }
        }
    }
    match (causes.pop(), causes.is_empty()) {
        (Some(only), true) => Err(only),
        (last, _) => {
            causes.extend(last);
            Err(DirectoryError::AllFailed { causes })
        }
    }
}

async fn reach(host: &str, settings: &config::Directory) -> Result<Session, DirectoryError> {
    let (mut link, certificate) = transport::open(host, settings).await?;
    bind::bind(&mut link, host, settings).await?;
    tracing::debug!(%host, "Bound to the controller.");
    let config::Auth::Simple { password, .. } = &settings.auth;
    let line = Line {
        host: host.to_owned(),
        certificate,
        timeout: settings.timeout,
        page_size: settings.page_size,
        link: Mutex::new(Some(link)),
        round_trips: AtomicU64::new(0),
        password: password.clone(),
        pages: AtomicU64::new(0),
        referrals: AtomicU64::new(0),
    };
    Ok(Session { line: Arc::new(line) })
}

/// A bound connection to one controller.
#[derive(Debug)]
pub struct Session {
    line: Arc<Line>,
}

/// What a session has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Search operations asked and answered: pages, ranges and look-ups.
    pub round_trips: u64,
    /// Pages of searches.
    pub pages: u64,
    /// Continuation references, counted and not chased (R10).
    pub referrals: u64,
}

impl Session {
    /// The host that was reached, as in `AD_HOST`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.line.host
    }

    /// The certificate that the server showed and that was accepted; `None` without TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.line.certificate.as_ref()
    }

    /// What the session has done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            round_trips: self.line.round_trips.load(Ordering::Relaxed),
            pages: self.line.pages.load(Ordering::Relaxed),
            referrals: self.line.referrals.load(Ordering::Relaxed),
        }
    }

    /// What the controller says about itself, asked anew at each call (R1 needs the USN of this moment).
    ///
    /// # Errors
    /// As any operation, and when what answers is no Active Directory controller.
    pub async fn root_dse(&mut self) -> Result<RootDse, DirectoryError> {
        let entry = self.line.object("", root_dse::ATTRIBUTES, false).await?;
        let entry = entry.ok_or_else(|| self.line.unsound("the server has no rootDSE".to_owned()))?;
        RootDse::read(&entry).map_err(|what| self.line.unsound(what))
    }

    /// The `invocationId` of the controller's database: another one means another history of changes (R2).
    ///
    /// # Errors
    /// As any operation, and when the object that `dsServiceName` names shows none.
    pub async fn invocation_id(&mut self, root: &RootDse) -> Result<Guid, DirectoryError> {
        let entry = self
            .line
            .object(&root.ds_service_name, &["invocationId"], false)
            .await?;
        let value = entry.as_ref().and_then(|entry| entry.first("invocationId"));
        value
            .and_then(|value| Guid::from_bytes(value).ok())
            .ok_or_else(|| {
                self.line.unsound(format!(
                    "\"{}\" shows no invocationId to the account",
                    root.ds_service_name
                ))
            })
    }

    /// Starts a search; nothing is asked before [`Pages::next`]. Other operations may come between its pages.
    #[must_use]
    pub fn search(&self, search: Search) -> Pages {
        Pages::new(Arc::clone(&self.line), search)
    }

    /// Reads one object by its DN, `<GUID=…>` or `<SID=…>`, with `attributes` whole (R11).
    /// `None` means that the controller says "no such object", and nothing else (R4).
    ///
    /// # Errors
    /// Every other answer than the object or "no such object".
    pub async fn lookup(
        &mut self,
        dn: &str,
        attributes: &[&str],
        show_deleted: bool,
    ) -> Result<Option<Entry>, DirectoryError> {
        self.line.object(dn, attributes, show_deleted).await
    }

    /// Ends the session. A search that is still open ends with it.
    pub async fn close(self) {
        let link = self.line.link.lock().await.take();
        if let Some(link) = link {
            link.close().await;
        }
    }
}

/// One connection with what its operations need; shared by a session and its searches.
#[derive(Debug)]
pub(super) struct Line {
    pub host: String,
    certificate: Option<PeerCertificate>,
    timeout: Duration,
    pub page_size: u32,
    /// To hide it, should the controller repeat it (R27).
    password: config::Secret,
    /// `None` once an operation broke off.
    link: Mutex<Option<Link>>,
    round_trips: AtomicU64,
    pub pages: AtomicU64,
    referrals: AtomicU64,
}

/// One search operation.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub base: &'a str,
    pub scope: config::SearchScope,
    pub filter: &'a str,
    pub attributes: Vec<&'a str>,
    pub controls: Vec<RawControl>,
    /// Entries above this are an answer to another question.
    pub most: usize,
}

/// The answer to one search operation, read to its `SearchResultDone`.
#[derive(Debug)]
pub(super) struct Reply {
    pub entries: Vec<Entry>,
    pub references: u64,
    pub outcome: Outcome,
    pub controls: Vec<RawControl>,
}

/// Why an operation broke off.
enum Broken {
    /// The connection ended.
    Lost,
    /// The filter could not be read; nothing was sent.
    Filter,
    /// The answer is unsound.
    Unsound(String),
}

impl Line {
    /// Asks one search operation within the time limit. An outcome that is no success is returned, not an error.
    ///
    /// # Errors
    /// When there was no complete answer. The session cannot be used any more then.
    pub async fn ask(&self, question: &Question<'_>) -> Result<Reply, DirectoryError> {
        let host = || self.host.clone();
        let mut held = self.link.lock().await;
        let mut link = held.take().ok_or_else(|| DirectoryError::Gone { host: host() })?;
        match timeout(self.timeout, exchange(&mut link, question)).await {
            Ok(Ok(mut reply)) => {
                reply.outcome = reply.outcome.hiding(&self.password);
                *held = Some(link);
                self.round_trips.fetch_add(1, Ordering::Relaxed);
                self.referrals.fetch_add(reply.references, Ordering::Relaxed);
                Ok(reply)
            }
            Ok(Err(Broken::Filter)) => {
                *held = Some(link);
                Err(DirectoryError::Filter {
                    filter: question.filter.to_owned(),
                })
            }
            Ok(Err(Broken::Unsound(what))) => Err(DirectoryError::Answer { host: host(), what }),
            Ok(Err(Broken::Lost)) => Err(bind::lost(&mut link, host(), &self.password).await),
            Err(_) => Err(DirectoryError::Timeout {
                host: host(),
                phase: Phase::Search,
                after: self.timeout,
            }),
        }
    }

    /// Reads one object; `None` for "no such object".
    ///
    /// # Errors
    /// As [`Session::lookup`].
    pub async fn object(
        &self,
        dn: &str,
        attributes: &[&str],
        show_deleted: bool,
    ) -> Result<Option<Entry>, DirectoryError> {
        let Some(mut entry) = self.shown(dn, attributes, show_deleted).await? else {
            return Ok(None);
        };
        ranges::complete(self, &mut entry, show_deleted).await?;
        Ok(Some(entry))
    }

    /// As [`Line::object`], but with ranges as the server gives them.
    ///
    /// # Errors
    /// As [`Session::lookup`].
    pub async fn shown(
        &self,
        dn: &str,
        attributes: &[&str],
        show_deleted: bool,
    ) -> Result<Option<Entry>, DirectoryError> {
        let question = Question {
            base: dn,
            scope: config::SearchScope::Base,
            filter: "(objectClass=*)",
            attributes: attributes.to_vec(),
            controls: deleted_control(show_deleted).into_iter().collect(),
            most: 1,
        };
        let Reply {
            mut entries, outcome, ..
        } = self.ask(&question).await?;
        match (outcome.code, entries.pop()) {
            (0, Some(entry)) => Ok(Some(entry)),
            (0, None) => Err(self.unsound(format!(
                "the server gives neither \"{dn}\" nor says that there is no such object"
            ))),
            (32, _) => Ok(None),
            _ => Err(DirectoryError::Search {
                host: self.host.clone(),
                base: dn.to_owned(),
                outcome,
            }),
        }
    }

    /// An error about what the server said.
    pub fn unsound(&self, what: String) -> DirectoryError {
        DirectoryError::Answer {
            host: self.host.clone(),
            what,
        }
    }
}

/// The show-deleted control, critical, when it is wanted.
pub(super) fn deleted_control(wanted: bool) -> Option<RawControl> {
    wanted.then(|| RawControl {
        ctype: SHOW_DELETED.to_owned(),
        crit: true,
        val: None,
    })
}

async fn exchange(link: &mut Link, question: &Question<'_>) -> Result<Reply, Broken> {
    let scope = match question.scope {
        config::SearchScope::Base => Scope::Base,
        config::SearchScope::OneLevel => Scope::OneLevel,
        config::SearchScope::Subtree => Scope::Subtree,
    };
    link.ldap.with_controls(question.controls.clone());
    let mut stream = link
        .ldap
        .streaming_search(
            question.base,
            scope,
            question.filter,
            question.attributes.as_slice(),
        )
        .await
        .map_err(|error| match error {
            LdapError::FilterParsing => Broken::Filter,
            _ => Broken::Lost,
        })?;
    let mut entries = Vec::new();
    let mut references = 0;
    while let Some(item) = stream.next().await.map_err(|_| Broken::Lost)? {
        if item.is_ref() {
            references += 1;
            continue;
        }
        if entries.len() == question.most {
            return Err(Broken::Unsound(format!(
                "the server sends more than the {} entries that were asked for",
                question.most
            )));
        }
        entries.push(Entry::take(item.0).map_err(|what| Broken::Unsound(format!("the server sent {what}")))?);
    }
    let result = stream.finish().await;
    let outcome = Outcome::new(result.rc, &result.matched, &result.text, result.refs);
    let controls = result.ctrls.into_iter().map(|control| control.1).collect();
    Ok(Reply {
        entries,
        references,
        outcome,
        controls,
    })
}
