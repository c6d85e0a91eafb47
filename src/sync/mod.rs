//! One run: plan (full or delta, with the reason) → read → map → stage → deliver → conclude.
//!
//! [`run`] shows all of it on one screen. Reading, staging and delivering run in parallel, joined
//! by a bounded channel (reader → stager) and by the durable stage (stager → deliverer), so that
//! the directory never waits for the gateway (R6).

mod connector;
mod delivery;
mod delivery_answers;
mod dry_run;
mod entry_fields;
mod entry_source;
mod error;
mod filter_part;
mod gateway_limits;
mod inspection;
mod kind_scope;
mod known_controllers;
mod late_send;
mod links;
mod object_name;
mod other_runs;
mod output;
mod plan;
mod progress;
mod read;
mod removal_log;
mod report;
mod restored;
mod run;
mod scope;
mod stager;
mod trace;

pub use crate::clock::Clock;
pub use connector::{Connector, RunRequest};
pub use entry_source::EntrySource;
pub use error::RunError;
pub use gateway_limits::BacklogEstimate;
pub use inspection::{
    FilterPart, Inspection, KindMatch, LocatedObject, MappedObject, ObjectOfName, ObjectPlace, PartResult,
    PresentObject, find_by_name, inspect, read_in_scope,
};
pub use known_controllers::known_controllers;
pub use object_name::filter_by_name;
pub use output::AssetOutput;
pub use plan::{Plan, PlanFacts, plan};
pub use progress::{BegunRun, DirectoryProgress, ProgressSnapshot, RunPhase, RunProgress};
pub use read::complete;
pub use report::RunReport;
pub use restored::{RESTORED, RESTORED_ADVICE, warn_of_restore};
pub use run::run;
pub use scope::ReadScope;
pub use trace::{StepResult, TraceConclusion, TraceVerdict, TracedObject, TracedStep, Tracer};
