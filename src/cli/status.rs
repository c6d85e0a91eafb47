//! `status`: where every connection stands.

use serde::Serialize;
use serde_json::json;
use unicode_width::UnicodeWidthStr;

use crate::clock;
use crate::config::{self, Config};
use crate::store::{ConnectionRow, Store, StoreAccess};
use crate::sync;
use crate::view::{self, ObjectCounts};

use super::arguments::StatusArguments;
use super::failure::CommandFailure;
use super::output::{one_line, say, visible};
use super::setup;

/// Rejections shown at most; `runs --run` shows all of a run.
const REJECTIONS: usize = 50;

/// Shows every chosen connection; one JSON object a connection and line with `--json`.
pub(super) fn run(connection: Option<&str>, options: &StatusArguments) -> Result<u8, CommandFailure> {
    let config = setup::configuration()?;
    let connections = setup::usable(&config, connection)?;
    let store = setup::store(&config, StoreAccess::ReadOnly)?;
    for unusable in config.unusable.iter().filter(|_| connection.is_none()) {
        show_unusable(unusable, options.json)?;
    }
    for chosen in connections {
        let Some(row) = store.connection(&chosen.name)? else {
            show_unregistered(chosen, options.json)?;
            continue;
        };
        let status = ShownConnection::of(&store, &row, &config, chosen)?;
        if options.json {
            say(serde_json::to_string(&status).map_err(CommandFailure::internal)?)?;
        } else {
            say(status.text().trim_end())?;
        }
    }
    Ok(0)
}

/// Shows a stored connection that cannot be used, with the reason in place of the last error.
fn show_unusable(unusable: &config::UnusableConnection, json: bool) -> Result<(), CommandFailure> {
    if json {
        return say(json!({
            "name": unusable.name,
            "state": null,
            "lastSynced": null,
            "lastSuccessfulSync": null,
            "nextSync": null,
            "lastError": unusable.reason,
            "lastErrorRemedy": unusable.remedy,
            "counts": {},
            "rejected": [],
        }));
    }
    say(format_args!(
        "{}: cannot be used: {}",
        unusable.name,
        one_line(&unusable.reason)
    ))?;
    say(format_args!("  what to do       {}", one_line(&unusable.remedy)))
}

/// Shows a connection that is configured and was never run: in JSON, it has no state.
fn show_unregistered(chosen: &config::ConnectionSettings, json: bool) -> Result<(), CommandFailure> {
    if json {
        return say(json!({
            "name": chosen.name,
            "description": chosen.description,
            "state": null,
            "lastSynced": null,
            "lastSuccessfulSync": null,
            "nextSync": null,
            "lastError": null,
            "runFrequency": chosen.schedule.sync.text(),
            "counts": {},
            "rejected": [],
        }));
    }
    say(format_args!(
        "{}: not registered yet; `ad-connector run` or `ad-connector sync` registers it",
        chosen.name
    ))
}

/// A connection as `status --json` shows it.
#[derive(Debug, Serialize)]
pub(super) struct ShownConnection {
    #[serde(flatten)]
    connection: view::ConnectionView,
    rejected: Vec<view::RejectionView>,
    /// Age of the last complete baseline in seconds.
    #[serde(skip)]
    baseline_age: Option<i64>,
}

impl ShownConnection {
    pub(super) fn of(
        store: &Store,
        row: &ConnectionRow,
        config: &Config,
        chosen: &config::ConnectionSettings,
    ) -> Result<Self, CommandFailure> {
        let counted = ObjectCounts::of(store, row.id)?;
        // The last one may go on; then the one before is the last that ended.
        let runs = store.runs(row.id, 2)?;
        let last = runs.iter().find(|run| run.ended.is_some());
        let changes = config.http.token.is_some();
        let now = clock::unix_seconds();
        Ok(Self {
            connection: view::ConnectionView::new(row, &counted, last, chosen, changes, now),
            baseline_age: row.last_baseline.map(|at| now - at),
            rejected: store
                .rejections(row.id, REJECTIONS)?
                .iter()
                .map(view::RejectionView::new)
                .collect(),
        })
    }

    fn text(&self) -> String {
        let standing = &self.connection;
        let or_dash = |value: &Option<String>| value.as_deref().map_or_else(|| "-".to_owned(), one_line);
        let mut lines = vec![
            format!("{}  {}", standing.name, standing.state),
            format!("  last run         {}", or_dash(&standing.last_synced)),
            format!("  last success     {}", or_dash(&standing.last_successful_sync)),
            format!(
                "  next run         {}  ({})",
                or_dash(&standing.next_sync),
                standing.run_frequency
            ),
            format!(
                "  last complete baseline  {}{}",
                or_dash(&standing.last_complete_baseline),
                self.baseline_age.map(ago).unwrap_or_default()
            ),
            match standing.baseline_due {
                false => format!("  next baseline    {}", or_dash(&standing.next_baseline)),
                true => format!(
                    "  next baseline    due since {}, with the next scheduled run",
                    or_dash(&standing.next_baseline)
                ),
            },
            format!("  last error       {}", or_dash(&standing.last_error)),
        ];
        let last_run = standing.last_run.as_ref();
        if let Some(controller) = last_run.and_then(view::RunView::describe_controller) {
            lines.push(format!("  controller       {}", one_line(&controller)));
        }
        if let Some(remedy) = &standing.last_error_remedy {
            lines.push(format!("  what to do       {}", one_line(remedy)));
        }
        if let Some(name) = &standing.held_by {
            lines.push(format!("  held by          {}", one_line(name)));
        }
        if let Some(at) = &standing.restored_at {
            lines.push(format!("  restored         {at}: {}", sync::RESTORED));
            lines.push(format!("  what to do       {}", sync::RESTORED_ADVICE));
        }
        for (kind, counts) in &standing.counts {
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
        if let (Some(requests), Some(through)) = (standing.backlog_requests, &standing.backlog_through) {
            let plural = if requests == 1 { "" } else { "s" };
            lines.push(format!(
                "  backlog          about {requests} request{plural}, through at {through} or so"
            ));
        }
        if standing.skipped_ticks > 0 {
            lines.push(format!("  skipped ticks    {}", standing.skipped_ticks));
        }
        for rejected in &self.rejected {
            lines.push(format!(
                "  rejected         {}  {}: {}",
                rejected.kind,
                one_line(&rejected.dn),
                one_line(&rejected.reason)
            ));
        }
        lines.join("\n") + "\n"
    }
}

/// Returns an age in its largest whole unit: `, 6 days ago`.
fn ago(seconds: i64) -> String {
    let (number, unit) = match seconds {
        ..60 => return ", less than a minute ago".to_owned(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        86_400.. => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!(", {number} {unit}{plural} ago")
}

/// Returns the rows with their columns aligned, two spaces in front and between. A cell stays on
/// its line.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    // The width is that of the visible text.
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| visible(&one_line(cell)).into_owned()))
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    rows.iter()
        .map(|row| {
            let line: String = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("  {cell}{:1$}", "", width - cell.width()))
                .collect();
            line.trim_end().to_owned() + "\n"
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r33_an_age_has_its_largest_unit() {
        for (seconds, text) in [
            (-5, ", less than a minute ago"),
            (59, ", less than a minute ago"),
            (60, ", 1 minute ago"),
            (7_199, ", 1 hour ago"),
            (86_399, ", 23 hours ago"),
            (15 * 86_400, ", 15 days ago"),
        ] {
            assert_eq!(ago(seconds), text, "{seconds}");
        }
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

    #[test]
    fn columns_are_measured_as_a_terminal_shows_them() {
        let rows = ["CN=山田太郎", "CN=e\u{301}va", "CN=a\u{202e}b", "CN=abcdefgh"]
            .map(|name| [name.to_owned(), "x".to_owned()]);
        let expected = [
            "  CN=山田太郎  x",
            "  CN=e\u{301}va       x",
            "  CN=a\\u202eb  x",
            "  CN=abcdefgh  x",
        ];
        assert_eq!(columns(&rows).lines().collect::<Vec<_>>(), expected);
    }
}
