//! When runs happen: cron expressions in a zone, what is due, the four states, and the service that starts runs.

mod cron;
mod desk;
mod lifecycle;
mod service;
mod timetable;

pub use cron::{CronError, CronSchedule};
pub use desk::{CommandRefusal, ConnectionHandle, ConnectionWorker, CurrentRun, ServiceTotals, open};
pub use lifecycle::ScheduledConnection;
pub use service::{Heartbeats, STOP_WITHIN, ServiceError, heartbeat, serve};
pub use timetable::{ConnectionTimetable, NextRuns};
