//! The log, on standard error: text for people, JSON for machines.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

use crate::config::{Log, LogFormat};

/// Starts the log. A second call in one process changes nothing.
pub(super) fn start(log: &Log) {
    let filter = filter(&log.level);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // When nobody reads the log any more (journald restarts), that is no reason to panic over the complaint.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let _ = match log.format {
        LogFormat::Text => lines
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .with_target(false)
            .try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
    };
}

/// Libraries that tell at info what is news to nobody but their authors.
const CHATTY_LOG_TARGETS: [(&str, &str); 1] = [("tokio_cron_scheduler", "warn")];

/// The user's filter, with the libraries that print what they send capped last, so that no level can undo it (R27).
fn filter(level: &str) -> EnvFilter {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    crate::directory::QUIET_LOG_TARGETS
        .iter()
        .chain(&CHATTY_LOG_TARGETS)
        .filter_map(|(target, level)| format!("{target}={level}").parse::<Directive>().ok())
        .fold(filter, EnvFilter::add_directive)
}
