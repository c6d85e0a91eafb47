//! `why`: the whole way of one object, and every sentence that it may end in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

#[path = "why/ask.rs"]
mod ask;
#[path = "why/directory.rs"]
mod directory;
#[path = "why/names.rs"]
mod names;
#[path = "why/removal.rs"]
mod removal;
#[path = "why/scope.rs"]
mod scope;
#[path = "why/service.rs"]
mod service;
#[path = "why/upstream.rs"]
mod upstream;
#[allow(dead_code, reason = "shared with the tests of removals")]
#[path = "removal/world.rs"]
mod world;
