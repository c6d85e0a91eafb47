//! A bound connection to one controller, and the one way in which anything is asked over it.
//!
//! INVARIANT: one operation at a time, and none after one that broke off: an operation takes the [`ControllerLink`] out and puts it
//! back only when its answer was read to the end ([`super::operation`]). A time-out, a malformed answer or a caller that stops waiting
//! therefore ends the connection, which also tells the server to stop (RFC 4511 section 5.3).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ldap3::controls::RawControl;
use tokio::sync::Mutex;

use super::bind;
use super::bind_guard::BindGuard;
use super::chosen::ChosenController;
use super::controllers::{Controllers, KnownControllers};
use super::dirsync::DirSyncPages;
use super::entry::Entry;
use super::error::DirectoryError;
use super::operation::SearchOperation;
use super::ranges;
use super::result_code::LdapResult;
use super::root_dse::{self, ControllerDefect, RootDse};
use super::search::{LdapSearch, Pages};
use super::stats_control::STATS;
use super::transport::{self, ControllerLink};
use crate::config;
use crate::identity::Guid;
use crate::text::printable;
use crate::tls::PeerCertificate;

/// Makes the server return deleted objects too (MS-ADTS 3.1.1.3.4.1.14).
pub(super) const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

/// Makes the server return deleted objects, and those that the recycle bin holds no longer (MS-ADTS
/// 3.1.1.3.4.1.26).
const SHOW_RECYCLED: &str = "1.2.840.113556.1.4.2064";

/// Makes the server write names with GUIDs (LDAP_SERVER_EXTENDED_DN_OID, MS-ADTS 3.1.1.3.4.1.5).
const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";

/// Value of that control: SEQUENCE { INTEGER 1 }, GUIDs and SIDs as text.
const EXTENDED_DN_AS_TEXT: [u8; 5] = [0x30, 3, 2, 1, 1];

/// Connects and binds to the first controller of `settings` that can be used. `guard` decides
/// whether a bind may be tried now.
///
/// # Errors
/// As [`Controllers::find`] and [`Controllers::connect`].
pub async fn connect(settings: &config::Directory, guard: &BindGuard) -> Result<Session, DirectoryError> {
    let known = KnownControllers::default();
    let mut controllers = Controllers::find(settings, guard, &known).await?;
    controllers.connect(settings).await
}

/// Connects and binds to the controller at `endpoint`.
pub(super) async fn reach(
    endpoint: &ControllerEndpoint,
    settings: &config::Directory,
    guard: &BindGuard,
) -> Result<Session, DirectoryError> {
    let (link, certificate) = transport::open(&endpoint.host, endpoint.address, settings, guard).await?;
    bound(link, certificate, endpoint, settings, guard).await
}

/// The session over a connection that is open.
pub(super) async fn bound(
    mut link: ControllerLink,
    certificate: Option<PeerCertificate>,
    endpoint: &ControllerEndpoint,
    settings: &config::Directory,
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

/// What a session has done so far.
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
    /// The host that was reached, as in `AD_HOST`.
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
    pub async fn connect_again(&self, settings: &config::Directory) -> Result<Self, DirectoryError> {
        self.guard.check(settings)?;
        reach(&self.endpoint, settings, &self.guard).await
    }

    /// The certificate that the server showed and that was accepted; `None` without TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.line.certificate.as_ref()
    }

    /// What the session has done so far.
    #[must_use]
    pub fn counters(&self) -> SessionCounters {
        SessionCounters {
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

    /// The `invocationId` of the controller's database: another one means another history of changes (R2).
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

    /// Starts a search; nothing is asked before [`Pages::next`]. Other operations may come between its pages, not within one
    /// ([`Pages::is_within_page`]).
    #[must_use]
    pub fn search(&self, search: LdapSearch) -> Pages {
        Pages::new(Arc::clone(&self.line), search)
    }

    /// Starts a DirSync search for what changed in the naming context `base` since `cookie`, none for everything, of what `filter`
    /// selects; nothing is asked before [`DirSyncPages::next`]. Other operations may come between its answers, not within one.
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

    /// Gives `take` the values of one attribute of an object, part by part (R11), so that their number does not matter; none when
    /// there is no such object or attribute. Values that change meanwhile may be left out or come twice.
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

/// One connection with what its operations need; shared by a session and its searches.
#[derive(Debug)]
pub(super) struct SessionLine {
    pub host: String,
    certificate: Option<PeerCertificate>,
    /// The limit of one operation.
    pub timeout: Duration,
    pub page_size: u32,
    /// To hide it, should the controller repeat it (R27).
    pub password: config::Secret,
    /// `None` while an operation is answered, and once one broke off.
    pub link: Mutex<Option<ControllerLink>>,
    pub round_trips: AtomicU64,
    pub pages: AtomicU64,
    pub referrals: AtomicU64,
    /// Whether rootDSE, once it was read, offers to say what a search costs.
    pub offers_stats: AtomicBool,
    /// `true` when it offers to show recycled objects.
    offers_recycled: AtomicBool,
    offers_extended_names: AtomicBool,
    asks_for_extended_names: AtomicBool,
}

impl SessionLine {
    /// Asks for at most one entry and gives the result with it, where it came.
    ///
    /// # Errors
    /// As any operation, but not for a result that is no success.
    pub async fn one(
        &self,
        question: SearchOperation<'_>,
    ) -> Result<(LdapResult, Option<Entry>), DirectoryError> {
        let mut answer = self.begin(question).await?;
        let mut entries = Vec::new();
        while !answer.has_ended() {
            entries.extend(self.more(&mut answer).await?);
        }
        let outcome = self.end(answer).await?.outcome;
        Ok((outcome, entries.pop()))
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
        if ranges::is_partial(&entry) {
            let whole = ranges::complete(self, entry, show_deleted).await?;
            entry = whole.ok_or_else(|| self.unsound(format!("\"{dn}\" vanished while it was read")))?;
        }
        match entry.incomplete() {
            None => Ok(Some(entry)),
            Some(reason) => Err(self.unsound(format!("\"{}\": {reason}", entry.dn))),
        }
    }

    /// As [`SessionLine::object`], but with ranges as the server gives them.
    ///
    /// # Errors
    /// As [`Session::lookup`].
    pub async fn shown(
        &self,
        dn: &str,
        attributes: &[&str],
        show_deleted: bool,
    ) -> Result<Option<Entry>, DirectoryError> {
        let (outcome, entry) = self.answer_about(dn, attributes, show_deleted).await?;
        match (outcome.code, entry) {
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

    /// Asks for one object and gives the result with the object, where it came.
    ///
    /// # Errors
    /// As any operation, but not for a result that is no success.
    pub async fn answer_about(
        &self,
        dn: &str,
        attributes: &[&str],
        show_deleted: bool,
    ) -> Result<(LdapResult, Option<Entry>), DirectoryError> {
        let question = SearchOperation {
            base: dn,
            scope: config::SearchScope::Base,
            filter: "(objectClass=*)",
            attributes: attributes.iter().map(|&name| name.to_owned()).collect(),
            controls: self
                .deleted_control(show_deleted)
                .into_iter()
                // What rootDSE names is used as a base, which has the plain form.
                .chain(self.extended_names_control().filter(|_| !dn.is_empty()))
                .collect(),
            most: 1,
        };
        self.one(question).await
    }

    /// Returns the control that shows deleted objects, critical, when it is wanted: with recycled
    /// ones where they are offered.
    pub fn deleted_control(&self, wanted: bool) -> Option<RawControl> {
        let control = if self.offers_recycled.load(Ordering::Relaxed) {
            SHOW_RECYCLED
        } else {
            SHOW_DELETED
        };
        wanted.then(|| RawControl {
            ctype: control.to_owned(),
            crit: true,
            val: None,
        })
    }

    /// Returns the error of a controller that cannot be read now.
    fn unusable(&self, defect: ControllerDefect) -> DirectoryError {
        DirectoryError::Unusable {
            host: self.host.clone(),
            defect,
        }
    }

    /// See [`Session::asks_for_extended_names`].
    pub fn asks_for_extended_names(&self) -> bool {
        self.asks_for_extended_names.load(Ordering::Relaxed)
    }

    /// The extended-DN control, critical, where searches ask for it.
    pub fn extended_names_control(&self) -> Option<RawControl> {
        self.asks_for_extended_names().then(|| RawControl {
            ctype: EXTENDED_DN.to_owned(),
            crit: true,
            val: Some(EXTENDED_DN_AS_TEXT.to_vec()),
        })
    }

    /// An error about what the server said, on one line whatever it said.
    pub fn unsound(&self, what: String) -> DirectoryError {
        DirectoryError::Answer {
            host: self.host.clone(),
            what: printable(&what),
        }
    }
}
