//! The directory: connection, bind, rootDSE, searches page by page, single look-ups. Reads only.
//!
//! The way of the octets: socket and TLS are ours ([`transport`]), a [`guard`] checks each message; entries take a [`lane`] of
//! their own and become an [`Entry`] each ([`exchange`]), the LDAP library decodes the rest. Whatever goes wrong ends as one [`DirectoryError`] with a cause and a
//! next step. No referral is ever chased (R10), and an error is never "not found" (R4).

mod ask;
mod ber;
mod bind;
mod bind_guard;
mod chosen;
mod controllers;
mod cost;
mod dirsync;
mod entry;
mod error;
mod exchange;
mod fault;
mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod guard;
mod hear;
#[cfg(feature = "kerberos")]
mod kerberos;
mod kerberos_fault;
mod lane;
mod message;
mod netlogon;
mod netlogon_ping;
mod oversized;
mod paging;
mod ranges;
#[cfg(all(test, feature = "kerberos"))]
#[path = "../../tests/windows_octets/recorded.rs"]
mod recorded;
mod result;
mod root_dse;
mod search;
mod session;
mod site;
mod srv;
mod tls;
mod tls_advice;
mod transport;

pub use bind_guard::{BindGuard, PutOff};
pub use chosen::{ChosenController, ControllerLocation};
pub use controllers::{Controllers, KnownControllers, Next};
pub use cost::Cost;
pub use dirsync::{Changes, DIRSYNC};
pub use entry::{Entry, Values};
pub use error::{DirectoryError, Phase};
pub use fault::FaultOf;
pub use guard::GuardFault;
pub use hear::{Heard, MESSAGE_ID, hear};
pub use kerberos_fault::{KerberosFault, Problem as KerberosProblem};
pub use result::Outcome;
pub use root_dse::{ControllerDefect, RootDse};
pub use search::{Pages, Search};
pub use session::{Counters, Endpoint, Session, connect};
pub use site::ControllerChoice;

/// Log targets that must never be shown below a level, whatever `LOG_LEVEL` says, as `(target, lowest level)`. What they
/// log today holds no password (a test looks, at trace), but the LDAP library prints whole values of its own where it
/// warns, and one line a message when a search is dropped.
pub const QUIET_LOG_TARGETS: [(&str, &str); 3] = [("ldap3", "error"), ("lber", "error"), ("rustls", "warn")];
