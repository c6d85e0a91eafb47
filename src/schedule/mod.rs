//! When runs happen: cron expressions in a zone, what is due, the four states, and the service that starts runs.

mod cron;
mod desk;
mod lifecycle;
mod service;
mod timetable;

pub use cron::{Cron, CronError};
pub use desk::{Counter, Desk, Done, Live, Refused, open};
pub use lifecycle::Scheduled;
pub use service::{Beats, STOP_WITHIN, ServiceError, heartbeat, serve};
pub use timetable::{Next, Timetable};
