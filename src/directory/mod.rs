//! The directory: connection, bind, rootDSE, searches page by page, single look-ups. Reads only.
//!
//! The octets pass these steps: this program owns socket and TLS ([`transport`]), and a [`guard`]
//! checks each message. Entries take a channel of their own ([`entry_channel`]) and become an
//! [`Entry`] each ([`operation`]); the LDAP library decodes the rest. Each fault ends as one
//! [`DirectoryError`] with a cause and a next step. No referral is ever chased (R10), and an error
//! is never "not found" (R4).

mod ber;
mod bind;
mod bind_guard;
mod chosen;
mod controllers;
mod dirsync;
mod entry;
mod entry_channel;
mod error;
mod fault;
mod fault_of;
mod frame;
#[cfg(any(test, fuzzing))]
#[path = "../../tests/fuzz/bodies/ldap.rs"]
pub mod fuzzing;
mod guard;
mod guard_fault;
#[cfg(feature = "kerberos")]
mod kerberos;
mod kerberos_fault;
mod locate;
mod message;
mod netlogon;
mod netlogon_ping;
mod object_lookup;
mod operation;
mod oversized;
mod paging;
mod put_off;
mod ranges;
mod received_octets;
#[cfg(all(test, feature = "kerberos"))]
#[path = "../../tests/windows_octets/recorded.rs"]
mod recorded;
mod replay;
mod result_code;
mod root_dse;
mod round_trip;
mod search;
mod session;
mod session_line;
mod site;
mod srv;
mod stats_control;
mod tls;
mod tls_advice;
mod transport;

pub use bind_guard::BindGuard;
pub use chosen::{ChosenController, ControllerLocation};
pub use controllers::{Controllers, KnownControllers, NextController, connect};
pub use dirsync::{DIRSYNC, DirSyncPages};
pub use entry::{AttributeValues, Entry};
pub use error::{DirectoryError, TimedPhase};
pub use fault_of::FaultOf;
pub use guard_fault::GuardFault;
pub use kerberos_fault::{KerberosFault, KerberosProblem};
pub use put_off::PutOff;
pub use replay::{MESSAGE_ID, ReplayedAnswer, replay};
pub use result_code::LdapResult;
pub use root_dse::{ControllerDefect, RootDse};
pub use search::{LdapSearch, Pages, SearchCounts};
pub use session::{ControllerEndpoint, Session, SessionCounters};
pub use site::ControllerChoice;
pub use stats_control::SearchCost;

/// Log targets that must never be shown below a level, whatever `LOG_LEVEL` says, as
/// `(target, lowest level)`. Their present messages hold no password (a test checks, at trace), but
/// the LDAP library prints whole values of its own where it warns, and one line a message when a
/// search is dropped.
pub const QUIET_LOG_TARGETS: [(&str, &str); 3] = [("ldap3", "error"), ("lber", "error"), ("rustls", "warn")];
