//! Rules for values: pure functions from text to a checked value, or to the cause and the remedy.

pub(super) mod certificate;
pub(super) mod filter;
pub(super) mod host;
pub(super) mod no_proxy;
pub(super) mod pin;
pub(super) mod plain;
pub(super) mod quantity;
pub(super) mod state;
pub(super) mod time;
pub(super) mod url;

#[cfg(test)]
mod tests;
