//! `why`: the whole way of one object, ending in one sentence on why it is or is not in ETM.

use std::sync::Arc;

use crate::clock;
use crate::config::{self, Config};
use crate::directory::BindGuard;
use crate::store::{Store, StoreAccess, StoreError};
use crate::sync::{TraceVerdict, TracedObject, Tracer};
use crate::view::{ObjectTrace, TraceStep};

use super::arguments::WhyArguments;
use super::failure::CommandFailure;
use super::output::{one_line, say};
use super::setup;

/// Shows what every chosen connection knows of the object; one JSON object a connection and line
/// with `--json`.
pub(super) fn run(connection: Option<&str>, options: &WhyArguments) -> Result<u8, CommandFailure> {
    let config = setup::configuration_for_a_reader()?;
    let connections = setup::chosen(&config, connection)?;
    let store = store(&config)?;
    let runtime = setup::runtime()?;
    let bind_guard = BindGuard::default();
    let (mut code, mut holders) = (0, Vec::new());
    for chosen in &connections {
        let guard = bind_guard.for_connection();
        let trace = runtime.block_on(trace(chosen, store.as_ref(), &guard, &options.name))?;
        let shown = ObjectTrace::new(&chosen.name, &trace);
        if options.json {
            say(serde_json::to_string(&shown).map_err(CommandFailure::internal)?)?;
        } else {
            show(&shown)?;
        }
        if shown.in_etm == Some(true) {
            holders.push(chosen.name.as_str());
        }
        code = code.max(exit_code(&trace));
    }
    if connections.len() > 1 && !options.json {
        say(match holders.as_slice() {
            [] => "No connection has it in ETM for certain.".to_owned(),
            holders => format!("It is in ETM by {}.", holders.join(" and ")),
        })?;
    }
    Ok(code)
}

/// Returns the state file, where there is one: before the first run there is none.
fn store(config: &Config) -> Result<Option<Arc<Store>>, CommandFailure> {
    match Store::open(&config.state, StoreAccess::ReadOnly) {
        Ok(store) => Ok(Some(Arc::new(store))),
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn trace(
    connection: &config::ConnectionSettings,
    store: Option<&Arc<Store>>,
    bind_guard: &BindGuard,
    name: &str,
) -> Result<TracedObject, CommandFailure> {
    let mapping = setup::mapping(connection)?;
    let store = match store {
        Some(store) => store.connection(&connection.name)?.map(|row| (store, row.id)),
        None => None,
    };
    let tracer = Tracer {
        settings: connection,
        mapping: &mapping,
        bind_guard,
        store,
        now: clock::unix_seconds(),
    };
    Ok(tracer.trace(name).await?)
}

/// Returns the exit code of the directory's error where that leaves the answer open, else 0.
fn exit_code(trace: &TracedObject) -> u8 {
    let error = trace
        .directory_error()
        .filter(|_| trace.conclude().verdict == TraceVerdict::Unknown);
    error.map_or(0, crate::directory::DirectoryError::exit_code)
}

/// Prints every step, and the sentence as the last line.
fn show(trace: &ObjectTrace) -> Result<(), CommandFailure> {
    say(format_args!("{}: {}", trace.connection, one_line(&trace.name)))?;
    for step in &trace.steps {
        show_step(step)?;
    }
    for candidate in &trace.candidates {
        say(format_args!(
            "  {:<8} {}  {}  {}",
            one_line(&candidate.class),
            candidate.vendor_asset_id.as_deref().unwrap_or("-"),
            candidate.sid.as_deref().unwrap_or("-"),
            one_line(&candidate.dn),
        ))?;
    }
    if trace.more_candidates > 0 {
        say(format_args!("  and {} more", trace.more_candidates))?;
    }
    if let Some(remedy) = &trace.remedy {
        say(format_args!("  what to do: {}", one_line(remedy)))?;
    }
    say(one_line(&trace.sentence))
}

fn show_step(step: &TraceStep) -> Result<(), CommandFailure> {
    let result = match step.result {
        "passed" => "ok",
        "failed" => "no",
        "unknown" => "?",
        _ => "-",
    };
    say(format_args!(
        "  {result:<3} {:<13} {}",
        step.step,
        one_line(&step.text)
    ))?;
    step.details
        .iter()
        .try_for_each(|detail| say(format_args!("{:20}{}", "", one_line(detail))))
}
