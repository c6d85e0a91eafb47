//! `runs`: the history, newest first.

use serde_json::json;

use crate::store::{Access, Run};

use super::arguments::Runs;
use super::failure::Failure;
use super::output::say;
use super::setup;
use super::status::{columns, time};

/// Shows the runs of every chosen connection; one JSON object a run and line with `--json`.
pub(super) fn run(connection: Option<&str>, options: &Runs) -> Result<u8, Failure> {
    let config = setup::configuration()?;
    let connections = setup::chosen(&config, connection)?;
    let store = setup::store(&config, Access::ReadOnly)?;
    for chosen in connections {
        let Some(row) = store.connection(&chosen.name)? else {
            continue;
        };
        let runs = store.runs(row.id, options.limit as usize)?;
        if options.json {
            for run in &runs {
                say(json(&chosen.name, run))?;
            }
        } else {
            say(&chosen.name)?;
            let heads = [
                "run", "started", "s", "mode", "outcome", "read", "changed", "sent", "rejected", "removed",
                "held", "why",
            ];
            let mut table = vec![heads.map(str::to_owned)];
            table.extend(runs.iter().map(line));
            say(columns(&table).trim_end())?;
        }
    }
    Ok(0)
}

fn line(run: &Run) -> [String; 12] {
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
        total.accepted.to_string(),
        (total.rejected + total.unmapped).to_string(),
        total.removed.to_string(),
        total.held.to_string(),
        why,
    ]
}

fn json(connection: &str, run: &Run) -> serde_json::Value {
    let counts: serde_json::Map<String, serde_json::Value> = run
        .counts
        .0
        .iter()
        .map(|(kind, counts)| {
            let counts = json!({
                "read": counts.read, "unchanged": counts.unchanged, "changed": counts.staged,
                "sent": counts.accepted, "rejected": counts.rejected, "unmapped": counts.unmapped,
                "removed": counts.removed, "held": counts.held,
            });
            (kind.plural().to_owned(), counts)
        })
        .collect();
    json!({
        "connection": connection,
        "run": run.id.number(),
        "mode": run.mode.name(),
        "reason": run.reason,
        "started": time(Some(run.started)),
        "ended": time(run.ended),
        "outcome": run.outcome.map(|outcome| outcome.name()),
        "error": run.error,
        "counts": counts,
        "requests": run.requests,
        "pages": run.pages,
        "referrals": run.referrals,
        "controller": run.controller.map(|guid| guid.to_string()),
        "watermarkBefore": run.watermark_before,
        "watermarkAfter": run.watermark_after,
    })
}
