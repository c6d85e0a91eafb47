//! A bound connection to one controller, and the only way in which operations are sent over it.
//!
//! INVARIANT: one operation at a time, and none after one that broke off: an operation takes the
//! [`ControllerLink`] out and puts it back only when its answer was read to the end
//! ([`super::operation`]). A time-out, a malformed answer or a caller that stops waiting therefore
//! ends the connection, which also makes the server stop (RFC 4511 section 5.3).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::bind;
use super::bind_guard::BindGuard;
use super::chosen::ChosenController;
use super::dirsync::DirSyncPages;
use super::entry::Entry;
use super::error::DirectoryError;
use super::ranges;
use super::root_dse::{self, ControllerDefect, RootDse};
use super::search::{LdapSearch, Pages, SearchCounts};
use super::session_line::{EXTENDED_DN, SHOW_RECYCLED, SessionLine};
use super::stats_control::STATS;
use super::transport::{self, ControllerLink};
use crate::config;
use crate::identity::Guid;
use crate::tls::PeerCertificate;

/// Connects and binds to the controller at `endpoint`.
pub(super) async fn reach(
    endpoint: &ControllerEndpoint,
    settings: &config::DirectorySettings,
    guard: &BindGuard,
) -> Result<Session, DirectoryError> {
    let session = async {
        let (link, certificate) = transport::open(&endpoint.host, endpoint.address, settings, guard).await?;
        bound(link, certificate, endpoint, settings, guard).await
    };
    match session.await {
        Err(error) if settings.reach.is_restricted() => Err(error.without_foreign_octets()),
        result => result,
    }
}

/// Binds over a connection that is open, and returns the session.
pub(super) async fn bound(
    mut link: ControllerLink,
    certificate: Option<PeerCertificate>,
    endpoint: &ControllerEndpoint,
    settings: &config::DirectorySettings,
    guard: &BindGuard,
) -> Result<Session, DirectoryError> {
    let host = &endpoint.host;
    if !settings.auth.is_kerberos() || !cfg!(feature = "kerberos") {
        // A bind by Kerberos comes before the LDAP library has the connection
        // ([`transport::open`]).
        guard
            .attempt(settings, bind::bind(&mut link, host, settings))
            .await?;
    }
    tracing::debug!(controller = %host, "Bound to the controller.");
    let line = SessionLine {
        host: host.clone(),
        certificate,
        timeout: settings.timeout,
        page_size: settings.page_size,
        link: Mutex::new(Some(link)),
        round_trips: AtomicU64::new(0),
        password: settings.auth.secret(),
        pages: AtomicU64::new(0),
        referrals: AtomicU64::new(0),
        offers_stats: AtomicBool::new(false),
        offers_recycled: AtomicBool::new(false),
        offers_extended_names: AtomicBool::new(false),
        asks_for_extended_names: AtomicBool::new(false),
    };
    Ok(Session {
        line: Arc::new(line),
        endpoint: endpoint.clone(),
        guard: guard.clone(),
        chosen: ChosenController::default(),
        refuses_read_only: settings
            .domain
            .as_ref()
            .is_some_and(|domain| !domain.allow_read_only),
    })
}

/// One address of a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerEndpoint {
    /// As in `AD_HOST`.
    pub host: String,
    /// Address and port.
    pub address: SocketAddr,
}

/// A bound connection to one controller.
#[derive(Debug)]
pub struct Session {
    pub(super) line: Arc<SessionLine>,
    endpoint: ControllerEndpoint,
    guard: BindGuard,
    pub(super) chosen: ChosenController,
    /// A read-only controller is an error: it lacks attributes, which would look like changes.
    refuses_read_only: bool,
}

/// Counts of a session so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionCounters {
    /// Search operations asked and answered: pages, ranges and look-ups.
    pub round_trips: u64,
    /// Pages of searches.
    pub pages: u64,
    /// Continuation references, counted and not chased (R10).
    pub referrals: u64,
}

impl Session {
    /// Returns the host that was reached, as in `AD_HOST`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.line.host
    }

    /// Returns the address that was reached.
    #[must_use]
    pub const fn endpoint(&self) -> &ControllerEndpoint {
        &self.endpoint
    }

    /// Returns why this controller is read, and where it is.
    #[must_use]
    pub const fn chosen(&self) -> &ChosenController {
        &self.chosen
    }

    /// Connects and binds once more, to the same address: another address of the host may be
    /// another controller.
    ///
    /// # Errors
    /// As [`connect`].
    pub async fn connect_again(&self, settings: &config::DirectorySettings) -> Result<Self, DirectoryError> {
        self.guard.check(settings)?;
        reach(&self.endpoint, settings, &self.guard).await
    }

    /// Returns the certificate that the server showed and that was accepted; `None` without TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.line.certificate.as_ref()
    }

    /// Returns the counts of the session so far.
    #[must_use]
    pub fn counters(&self) -> SessionCounters {
        SessionCounters {
            round_trips: self.line.round_trips.load(Ordering::Relaxed),
            pages: self.line.pages.load(Ordering::Relaxed),
            referrals: self.line.referrals.load(Ordering::Relaxed),
        }
    }

    /// Reads rootDSE, anew at each call (R1 needs the USN of this moment).
    ///
    /// # Errors
    /// As any operation, and when what answers is no Active Directory controller.
    pub async fn root_dse(&mut self) -> Result<RootDse, DirectoryError> {
        let entry = self.line.object("", root_dse::ATTRIBUTES, false).await?;
        let entry = entry.ok_or_else(|| self.line.unsound("the server has no rootDSE".to_owned()))?;
        let root = RootDse::read(&entry).map_err(|defect| self.line.unusable(defect))?;
        if self.refuses_read_only && root.is_read_only() {
            return Err(self.line.unusable(ControllerDefect::ReadOnly));
        }
        let offers_stats = root.supported_controls.iter().any(|oid| oid == STATS);
        self.line.offers_stats.store(offers_stats, Ordering::Relaxed);
        let offers_recycled = root.supported_controls.iter().any(|oid| oid == SHOW_RECYCLED);
        self.line
            .offers_recycled
            .store(offers_recycled, Ordering::Relaxed);
        let offers_extended_names = root.supported_controls.iter().any(|oid| oid == EXTENDED_DN);
        self.line
            .offers_extended_names
            .store(offers_extended_names, Ordering::Relaxed);
        Ok(root)
    }

    /// Reads the `invocationId` of the controller's database: another one means another history of
    /// changes (R2).
    ///
    /// # Errors
    /// As any operation, and when the object that `dsServiceName` names shows none.
    pub async fn invocation_id(&mut self, root: &RootDse) -> Result<Guid, DirectoryError> {
        let settings = || root.ds_service_name.clone();
        let found = self.line.object(&settings(), &["invocationId"], false).await;
        let entry = match found {
            Ok(Some(entry)) => entry,
            Ok(None) => return Err(self.line.unusable(ControllerDefect::NoNtdsSettings(settings()))),
            Err(DirectoryError::Answer { .. }) => {
                return Err(self.line.unusable(ControllerDefect::NoInvocationId(settings())));
            }
            Err(error) => return Err(error),
        };
        entry
            .first("invocationId")
            .and_then(|value| Guid::from_bytes(value).ok())
            .ok_or_else(|| self.line.unusable(ControllerDefect::NoInvocationId(settings())))
    }

    /// Makes every later search and look-up ask for names with GUIDs
    /// ([`Entry::has_extended_names`]), where rootDSE, read before, offers them. DirSync searches
    /// never ask.
    pub fn ask_for_extended_names(&self) {
        let offers = self.line.offers_extended_names.load(Ordering::Relaxed);
        self.line.asks_for_extended_names.store(offers, Ordering::Relaxed);
    }

    /// Returns `true` when searches and look-ups ask for names with GUIDs.
    #[must_use]
    pub fn asks_for_extended_names(&self) -> bool {
        self.line.asks_for_extended_names()
    }

    /// Starts a search; nothing is asked before [`Pages::next`]. Other operations may come between
    /// its pages, not within one ([`Pages::is_within_page`]).
    #[must_use]
    pub fn search(&self, search: LdapSearch) -> Pages {
        Pages::new(Arc::clone(&self.line), search)
    }

    /// Runs a search to its end, and passes every entry to `take`.
    ///
    /// # Errors
    /// The search cannot be completed.
    pub async fn each_entry(
        &self,
        search: LdapSearch,
        mut take: impl FnMut(&Entry),
    ) -> Result<SearchCounts, DirectoryError> {
        let mut pages = self.search(search);
        while let Some(entries) = pages.next().await? {
            entries.iter().for_each(&mut take);
        }
        Ok(pages.counts())
    }

    /// Starts a DirSync search for the changes since `cookie` (of everything without one) of the
    /// objects in the naming context `base` that `filter` selects; nothing is asked before
    /// [`DirSyncPages::next`]. Other operations may come between its answers, not within one.
    #[must_use]
    pub fn changes(&self, base: &str, filter: &str, cookie: Vec<u8>, show_deleted: bool) -> DirSyncPages {
        DirSyncPages::new(
            Arc::clone(&self.line),
            base.to_owned(),
            filter.to_owned(),
            cookie,
            show_deleted,
        )
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

    /// Gives `take` the values of one attribute of an object, part by part (R11), so that their
    /// number does not matter; none when there is no such object or attribute. Values that change
    /// meanwhile may be left out or come twice.
    ///
    /// # Errors
    /// As any operation, and when the parts do not end.
    pub async fn each_value(
        &mut self,
        dn: &str,
        attribute: &str,
        take: &mut impl FnMut(&[u8]),
    ) -> Result<(), DirectoryError> {
        ranges::each(&self.line, dn, attribute, take).await
    }

    /// Ends the session. A search that is still open ends with it.
    pub async fn close(self) {
        let link = self.line.link.lock().await.take();
        if let Some(link) = link {
            link.close().await;
        }
    }
}
