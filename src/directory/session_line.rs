//! One connection to a controller, shared by a session and its searches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ldap3::controls::RawControl;
use tokio::sync::Mutex;

use super::error::DirectoryError;
use super::result_code::{LdapResult, without};
use super::root_dse::ControllerDefect;
use super::transport::ControllerLink;
use crate::config;
use crate::text::printable;
use crate::tls::PeerCertificate;

/// Makes the server return deleted objects too (MS-ADTS 3.1.1.3.4.1.14).
pub(super) const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

/// Makes the server return deleted objects, and those that the recycle bin holds no longer (MS-ADTS
/// 3.1.1.3.4.1.26).
pub(super) const SHOW_RECYCLED: &str = "1.2.840.113556.1.4.2064";

/// Makes the server write names with GUIDs (LDAP_SERVER_EXTENDED_DN_OID, MS-ADTS 3.1.1.3.4.1.5).
pub(super) const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";

/// Value of that control: SEQUENCE { INTEGER 1 }, GUIDs and SIDs as text.
const EXTENDED_DN_AS_TEXT: [u8; 5] = [0x30, 3, 2, 1, 1];

/// One connection with what its operations need; shared by a session and its searches.
#[derive(Debug)]
pub(super) struct SessionLine {
    pub host: String,
    pub certificate: Option<PeerCertificate>,
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
    /// `true` when rootDSE, once it was read, offers to report the cost of a search.
    pub offers_stats: AtomicBool,
    /// `true` when it offers to show recycled objects.
    pub offers_recycled: AtomicBool,
    pub offers_extended_names: AtomicBool,
    pub asks_for_extended_names: AtomicBool,
}

impl SessionLine {
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
    pub fn unusable(&self, defect: ControllerDefect) -> DirectoryError {
        DirectoryError::Unusable {
            host: self.host.clone(),
            defect: defect.hiding(&self.password),
        }
    }

    /// Reports whether searches ask for names with GUIDs.
    pub fn asks_for_extended_names(&self) -> bool {
        self.asks_for_extended_names.load(Ordering::Relaxed)
    }

    /// Returns the extended-DN control, critical, where searches ask for it.
    pub fn extended_names_control(&self) -> Option<RawControl> {
        self.asks_for_extended_names().then(|| RawControl {
            ctype: EXTENDED_DN.to_owned(),
            crit: true,
            val: Some(EXTENDED_DN_AS_TEXT.to_vec()),
        })
    }

    /// Returns the error of a search that the server did not carry out. The server may have named
    /// the base.
    pub fn refused(&self, base: &str, outcome: LdapResult) -> DirectoryError {
        DirectoryError::Search {
            host: self.host.clone(),
            base: without(base, &self.password),
            outcome,
        }
    }

    /// Returns the error for an unsound answer of the server, on one line whatever the answer
    /// holds.
    pub fn unsound(&self, what: String) -> DirectoryError {
        DirectoryError::Answer {
            host: self.host.clone(),
            what: printable(&without(&what, &self.password)),
        }
    }
}
