//! `status`: where every connection stands.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde::Serialize;
use serde_json::json;

use crate::identity::Kind;
use crate::store::{Access, Connection, Rejection, Store};

use super::arguments::Status;
use super::failure::Failure;
use super::output::{one_line, say};
use super::setup;

/// Rejections shown at most; `runs --run` shows all of a run.
const REJECTIONS: usize = 50;

/// Shows every chosen connection; one JSON object a connection and line with `--json`.
pub(super) fn run(connection: Option<&str>, options: &Status) -> Result<u8, Failure> {
    let config = setup::configuration()?;
    let connections = setup::chosen(&config, connection)?;
    let store = setup::store(&config, Access::ReadOnly)?;
    for chosen in connections {
        let Some(row) = store.connection(&chosen.name)? else {
            say(format_args!(
                "{}: not registered yet; `ad-connector run` or `ad-connector sync` registers it",
                chosen.name
            ))?;
            continue;
        };
        let status = Standing::of(&store, &row, &chosen.schedule.sync_cron)?;
        if options.json {
            say(serde_json::to_string(&status).map_err(Failure::internal)?)?;
        } else {
            say(status.text().trim_end())?;
        }
    }
    Ok(0)
}

/// A connection as `status --json` shows it; the names follow the Qualys connector API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    name: String,
    description: String,
    state: &'static str,
    state_since: Option<String>,
    last_synced: Option<String>,
    last_successful_sync: Option<String>,
    next_sync: Option<String>,
    next_baseline: Option<String>,
    last_error: Option<String>,
    run_frequency: String,
    skipped_ticks: u64,
    counts: BTreeMap<&'static str, KindStanding>,
    oldest_pending: Option<String>,
    rejected: Vec<serde_json::Value>,
}

/// How many objects of a kind there are.
#[derive(Debug, Default, Serialize)]
struct KindStanding {
    /// Upstream holds an asset of these.
    accepted: u64,
    /// Staged, not accepted yet; rejected ones included.
    pending: u64,
    /// Cannot be mapped, or refused by upstream.
    rejected: u64,
    /// Gone from the directory.
    removed: u64,
    /// Gone as it seems, but held back by the threshold.
    held: u64,
}

impl Standing {
    fn of(store: &Store, row: &Connection, frequency: &str) -> Result<Self, Failure> {
        let mut counts: BTreeMap<&'static str, KindStanding> = BTreeMap::new();
        let mut of =
            |kind: Kind, set: &dyn Fn(&mut KindStanding)| set(counts.entry(kind.plural()).or_default());
        for (kind, known) in store.object_counts(row.id)? {
            of(kind, &|standing| standing.accepted = known);
        }
        let pending = store.pending(row.id)?;
        for (kind, waiting) in &pending.counts {
            of(*kind, &|standing| standing.pending = *waiting);
        }
        for (kind, refused) in store.rejection_counts(row.id)? {
            of(kind, &|standing| standing.rejected = refused);
        }
        for (kind, (removed, held)) in store.removal_counts(row.id)? {
            of(kind, &|standing| {
                (standing.removed, standing.held) = (removed, held)
            });
        }
        Ok(Self {
            name: row.name.clone(),
            description: row.description.clone(),
            state: row.state.name(),
            state_since: time(Some(row.state_since)),
            last_synced: time(row.last_synced),
            last_successful_sync: time(row.last_successful_sync),
            next_sync: time(row.next_sync),
            next_baseline: time(row.next_baseline),
            last_error: row.last_error.clone(),
            run_frequency: frequency.to_owned(),
            skipped_ticks: row.skipped_ticks,
            counts,
            oldest_pending: time(pending.oldest),
            rejected: store
                .rejections(row.id, REJECTIONS)?
                .iter()
                .map(rejection)
                .collect(),
        })
    }

    fn text(&self) -> String {
        let or_dash = |value: &Option<String>| value.as_deref().map_or_else(|| "-".to_owned(), one_line);
        let mut lines = vec![
            format!("{}  {}", self.name, self.state),
            format!("  last run         {}", or_dash(&self.last_synced)),
            format!("  last success     {}", or_dash(&self.last_successful_sync)),
            format!(
                "  next run         {}  ({})",
                or_dash(&self.next_sync),
                self.run_frequency
            ),
            format!("  next baseline    {}", or_dash(&self.next_baseline)),
            format!("  last error       {}", or_dash(&self.last_error)),
        ];
        for (kind, counts) in &self.counts {
            lines.push(format!(
                "  {kind:<16} {} in ETM, {} waiting, {} rejected, {} removed",
                counts.accepted, counts.pending, counts.rejected, counts.removed
            ));
            if counts.held > 0 {
                lines.push(format!(
                    "  held back        {} {kind} that seem to be gone: see `ad-connector removed`",
                    counts.held
                ));
            }
        }
        if self.skipped_ticks > 0 {
            lines.push(format!("  skipped ticks    {}", self.skipped_ticks));
        }
        for rejected in &self.rejected {
            let field = |name: &str| one_line(rejected[name].as_str().unwrap_or("-"));
            lines.push(format!(
                "  rejected         {}  {}: {}",
                field("kind"),
                field("dn"),
                field("reason")
            ));
        }
        lines.join("\n") + "\n"
    }
}

fn rejection(rejected: &Rejection) -> serde_json::Value {
    json!({
        "kind": rejected.kind.name(),
        "externalAssetId": rejected.external_id,
        "vendorAssetId": rejected.guid.map(|guid| guid.to_string()),
        "dn": rejected.dn,
        "reason": rejected.reason,
        "since": time(Some(rejected.since)),
    })
}

/// Unix seconds as the product writes times everywhere: UTC, whole seconds.
pub(super) fn time(seconds: Option<i64>) -> Option<String> {
    let at = DateTime::from_timestamp(seconds?, 0)?;
    Some(at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Rows with their columns aligned, two spaces in front and between. A cell stays on its line.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| one_line(cell)))
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    rows.iter()
        .map(|row| {
            let line: String = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("  {cell:<width$}"))
                .collect();
            line.trim_end().to_owned() + "\n"
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_whole_seconds() {
        assert_eq!(time(Some(1_795_313_434)).as_deref(), Some("2026-11-22T02:10:34Z"));
        assert_eq!(time(None), None);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            ["a".to_owned(), "längst".to_owned()],
            ["bcd".to_owned(), "x".to_owned()],
        ];
        assert_eq!(columns(&rows), "  a    längst\n  bcd  x\n");
        let forged = [["CN=a\nCN=b".to_owned(), "x".to_owned()]];
        assert_eq!(columns(&forged), "  CN=a\\nCN=b  x\n", "one row, one line");
    }
}
