//! One owner for each asset at the gateway (R37): objects that move between profiles, objects in
//! two profiles, and objects whose externalAssetId changes, is taken over, or is claimed twice.
//! Against the simulator and the receiver, with the real program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

#[path = "identity/addresses.rs"]
mod addresses;
#[path = "identity/checks.rs"]
mod checks;
#[path = "identity/mappings.rs"]
mod mappings;
#[path = "identity/octets.rs"]
mod octets;
#[path = "identity/overlapping.rs"]
mod overlapping;
#[path = "identity/profiles.rs"]
mod profiles;
#[path = "identity/recreated.rs"]
mod recreated;
#[path = "identity/sids.rs"]
mod sids;
#[path = "identity/targets.rs"]
mod targets;
#[path = "identity/world.rs"]
mod world;
