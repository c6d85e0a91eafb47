//! Objects that go: noticed, looked up one by one, held above the threshold, reported or sent, and taken back when they
//! return. Against the simulator and the receiver, with the real program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

#[path = "removal/approving.rs"]
mod approving;
#[path = "removal/lagging.rs"]
mod lagging;
#[path = "removal/naming.rs"]
mod naming;
#[path = "removal/noticing.rs"]
mod noticing;
#[path = "removal/sending.rs"]
mod sending;
#[path = "removal/world.rs"]
mod world;
