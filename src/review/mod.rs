//! Review of the accounts of the Qualys console against the directories.
//!
//! Nothing is written, to Qualys or to a directory. The invariant of this module is R36: a list
//! that was cut, restricted or failed leads to "unknown", never to "gone".

mod access;
mod account;
mod answer;
mod asset_group;
mod call;
mod conclude;
mod csv;
mod directories;
mod document;
mod element;
mod error;
mod facts;
mod finding;
#[cfg(any(test, fuzzing))]
#[path = "../../tests/fuzz/bodies/console.rs"]
pub mod fuzzing;
mod html;
mod keys;
mod lists;
mod partner;
pub mod role;
mod role_group;
mod run;
mod schedule;
mod xml;

pub use access::{AccessList, AccessReason, AccessTarget, GroupAccess, UnitNumbers, access, target_name};
pub use account::{AccountStatus, ConsoleAccount, LastLogin};
pub use asset_group::AssetGroup;
pub use csv::csv;
pub use directories::Source;
pub use document::{Review, ReviewedAccess, ReviewedAccount, ReviewedRole};
pub use error::ReviewError;
pub use finding::{Finding, FindingCode, FindingEvidence};
pub use html::html;
pub use lists::{ConsoleReader, Listed};
pub use partner::{FoundPartner, Partner};
pub use run::Reviewer;
pub use schedule::ReviewSchedule;

#[cfg(test)]
mod tests;
