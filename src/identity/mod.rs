//! Pure values of Active Directory: no I/O, no async, no clock.

mod dn;
mod kind;

pub use dn::{DistinguishedName, DnError};
pub use kind::Kind;
