//! Schedule of the runs: cron expressions in a zone, due runs, the four states, and the service
//! that starts runs.

mod connection_handle;
mod connection_set;
mod cron;
mod scheduled_connection;
mod service;
mod tenure;
mod timetable;

pub use connection_handle::{
    CommandRefusal, ConnectionHandle, ConnectionWorker, CurrentRun, ServiceTotals, open,
};
pub use connection_set::{ConnectionFault, ConnectionSet, ServedConnection, StoredState};
pub use cron::{CronError, CronSchedule};
pub use scheduled_connection::ScheduledConnection;
pub use service::{Heartbeats, STOP_WITHIN, ServiceError, heartbeat, keep};
pub use timetable::{ConnectionTimetable, NextRuns};
