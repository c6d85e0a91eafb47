//! Pure values of Active Directory: no I/O, no async, no clock.
//!
//! Each type takes the bytes or the text that the directory gives, checks them once, and cannot hold anything else.
//! Nothing here panics, whatever a hostile or broken server sends (R12).

mod account_control;
mod dn;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod group_type;
mod guid;
mod kind;
mod sid;
mod timestamp;

pub use account_control::AccountControl;
pub use dn::{DistinguishedName, DnError, LinkedName};
pub use group_type::GroupType;
pub use guid::{Guid, GuidError};
pub use kind::Kind;
pub use sid::{Sid, SidError};
pub use timestamp::{TimeError, Timestamp};
