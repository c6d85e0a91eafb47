//! ad-connector: reads users and groups from Microsoft Active Directory and delivers them to Qualys
//! ETM.
//!
//! Data takes one way through the modules:
//! `directory::Entry` → `mapping::Asset` → `store` (stage) → `upstream::Batch` → accepted →
//! `store`.
//! [`sync`] is the only module that knows these four.

// Tests may ask for the time.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod check;
pub mod cli;
mod clock;
pub mod config;
pub mod directory;
mod exit_code;
pub mod failpoint;
#[cfg(test)]
#[path = "../tests/fuzz/bodies/replay.rs"]
mod fuzzing;
pub mod http;
pub mod identity;
pub mod mapping;
pub mod notify;
pub mod registry;
pub mod review;
pub mod schedule;
pub mod schema;
pub mod secrets;
pub mod store;
pub mod sync;
mod text;
pub mod tls;
pub mod upstream;
pub mod view;
