//! Schedule of the runs: the moments of a schedule in its zone, due runs, the four states, and the
//! service that starts runs.

mod connection_handle;
mod connection_set;
mod cron;
mod local_time;
mod run_times;
#[cfg(test)]
mod run_times_tests;
mod scheduled_connection;
mod service;
mod tenure;
#[cfg(test)]
mod tests;
mod timetable;

pub use connection_handle::{
    CommandRefusal, ConnectionHandle, ConnectionWorker, CurrentRun, ServiceTotals, open,
};
pub use connection_set::{ConnectionFault, ConnectionSet, ServedConnection, StoredState};
pub use cron::{CronError, CronSchedule};
pub use run_times::RunTimes;
pub use scheduled_connection::ScheduledConnection;
pub use service::{Heartbeats, STOP_WITHIN, ServiceError, heartbeat, keep};
pub use timetable::{ConnectionTimetable, NextRuns};
