//! Pure values of Active Directory: no I/O, no async, no clock.
//!
//! Each type takes the bytes or the text that the directory gives, checks them once, and cannot
//! hold anything else. Nothing here panics, whatever a hostile or broken server sends (R12).

mod account_control;
mod dn;
#[cfg(any(test, fuzzing))]
#[path = "../../tests/fuzz/bodies/identity.rs"]
pub mod fuzzing;
mod group_type;
mod guid;
mod guid_set;
mod kind;
pub mod link_notes;
mod sid;
mod timestamp;

pub use account_control::AccountControl;
pub use dn::{DistinguishedName, DnError, LinkedName};
pub use group_type::GroupType;
pub use guid::{Guid, GuidError};
pub use guid_set::GuidSet;
pub use kind::Kind;
pub use link_notes::{LinkNote, LinkRelation, LinkState, NamedObject, object_number};
pub use sid::{Sid, SidError};
pub use timestamp::{TimeError, Timestamp};
