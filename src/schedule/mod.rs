//! When runs happen.

mod cron;

pub use cron::{Cron, CronError};
