//! `runs`: the history, newest first, or one run with the objects that it names.

use crate::exit_code::USAGE;
use crate::store::{RunObject, RunRow, Store, StoreAccess};
use crate::view::{self, time};

use super::arguments::RunsArguments;
use super::failure::CommandFailure;
use super::output::say;
use super::setup;
use super::status::columns;

/// Objects read from the state file at a time.
const CHUNK: usize = 500;

/// Shows the runs of every chosen connection; one JSON object a run and line with `--json`.
pub(super) fn run(connection: Option<&str>, options: &RunsArguments) -> Result<u8, CommandFailure> {
    let config = setup::configuration()?;
    let connections = setup::chosen(&config, connection)?;
    let store = setup::store(&config, StoreAccess::ReadOnly)?;
    let mut found = false;
    for chosen in connections {
        let Some(row) = store.connection(&chosen.name)? else {
            continue;
        };
        let limit = options.run.map_or(options.limit as usize, |_| usize::MAX);
        let mut runs = store.runs(row.id, limit)?;
        if let Some(number) = options.run {
            runs.retain(|run| run.id.number() == number);
            if runs.is_empty() {
                continue;
            }
        }
        found = true;
        if options.json {
            for run in &runs {
                say(serde_json::to_string(&view::RunView::new(&chosen.name, run))
                    .map_err(CommandFailure::internal)?)?;
            }
        } else {
            say(&chosen.name)?;
            let heads = [
                "run", "started", "s", "mode", "outcome", "read", "changed", "sent", "accepted", "rejected",
                "removed", "held", "why",
            ];
            let mut table = vec![heads.map(str::to_owned)];
            table.extend(runs.iter().map(line));
            say(columns(&table).trim_end())?;
        }
        if let ([run], Some(_)) = (runs.as_slice(), options.run) {
            objects(&store, &chosen.name, run, options.json)?;
        }
    }
    match options.run {
        Some(number) if !found => Err(CommandFailure::new(
            USAGE,
            format_args!("run {number} is not in the history"),
            "see `ad-connector runs --limit 1000` for those that are",
        )),
        _ => Ok(0),
    }
}

/// Prints every object that the run names.
fn objects(store: &Store, connection: &str, run: &RunRow, json: bool) -> Result<(), CommandFailure> {
    if let Some(list) = run.held_list.as_ref().filter(|_| !json) {
        say(format_args!(
            "  held back: list {list}; `ad-connector removed` shows what is held back now"
        ))?;
    }
    let total = run.counts.total();
    let expected = total.rejected + total.unmapped + total.removed;
    let (mut after, mut any) = (None, false);
    loop {
        let page = store.run_objects(run.id, after, CHUNK)?;
        let Some(last) = page.last() else { break };
        (after, any) = (Some(last.place), true);
        if json {
            page.iter()
                .map(|object| view::RunObjectView::new(connection, run.id.number(), object))
                .try_for_each(|object| {
                    say(serde_json::to_string(&object).map_err(CommandFailure::internal)?)
                })?;
        } else {
            let rows: Vec<_> = page.iter().map(object_line).collect();
            say(columns(&rows).trim_end())?;
        }
    }
    if !json && !any && expected > 0 {
        say("  the list of this run is no longer kept")?;
    }
    Ok(())
}

fn object_line(object: &RunObject) -> [String; 5] {
    [
        object.fate.to_string(),
        object.kind.to_string(),
        object
            .guid
            .map_or_else(|| "-".to_owned(), |guid| guid.to_string()),
        object.dn.clone(),
        object.reason.clone(),
    ]
}

fn line(run: &RunRow) -> [String; 13] {
    let total = run.counts.total();
    let why = run
        .error
        .as_ref()
        .map_or_else(|| run.reason.clone(), |error| format!("{}; {error}", run.reason));
    [
        run.id.to_string(),
        time(Some(run.started)).unwrap_or_default(),
        run.ended
            .map_or_else(|| "-".to_owned(), |ended| (ended - run.started).to_string()),
        run.mode.to_string(),
        run.outcome
            .map_or_else(|| "running".to_owned(), |outcome| outcome.to_string()),
        total.read.to_string(),
        total.staged.to_string(),
        total.sent.to_string(),
        total.accepted.to_string(),
        (total.rejected + total.unmapped).to_string(),
        total.removed.to_string(),
        total.held.to_string(),
        why,
    ]
}
