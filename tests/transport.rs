//! The transport keeps its promise against anything that answers on the port: an error with the reason, in time and in
//! bounded memory (R12); pages, ranges and look-ups as R4, R5, R10 and R11 say; TLS failures explained.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic, its helpers too"
)]

#[path = "transport/binds.rs"]
mod binds;
#[path = "transport/hostile.rs"]
mod hostile;
#[path = "transport/reach.rs"]
mod reach;
#[path = "transport/reading.rs"]
mod reading;
#[path = "transport/server.rs"]
mod server;
#[path = "transport/tls.rs"]
mod tls;
