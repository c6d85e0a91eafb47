//! Directory simulator, ETM receiver, Qualys console, Samba AD harness and certificates: what the
//! tests, the benchmarks and the demo run against.

pub mod certificates;
pub mod console;
pub mod dns;
pub mod postgres;
pub mod proxy;
pub mod receiver;
pub mod samba;
pub mod simulator;
pub mod skip;
