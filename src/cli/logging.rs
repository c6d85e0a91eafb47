//! The log, on standard error: text for people, JSON for machines.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::format::JsonFields;

use super::log_line::JsonLine;
use super::output::{one_line, visible};
use crate::config::{LogFormat, LogSettings};

/// Starts the log. A second call in one process changes nothing.
pub(super) fn start(log: &LogSettings) {
    let filter = filter(&log.level);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A log that is not read any more (journald restarts) must not cause a panic when the error
        // is written to it.
        .log_internal_errors(false)
        .with_writer(|| OneLine(io::stderr()));
    let _ = match log.format {
        LogFormat::Text => lines.with_ansi(false).with_target(false).try_init(),
        LogFormat::Json => lines
            .fmt_fields(JsonFields::new())
            .event_format(JsonLine)
            .try_init(),
    };
}

/// Libraries that log at info what matters to their authors alone.
const CHATTY_LOG_TARGETS: [(&str, &str); 1] = [("tokio_cron_scheduler", "warn")];

/// Writes every event as one line of what can be seen. The library escapes the message, but not
/// what is shown of an error or a name, which the directory or the gateway may have chosen: that
/// could forge events or rewrite the terminal. For the same reason there are no colours: the escape
/// sequences of a forgery would look the same.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    /// `event` is a whole event; the library hands each over at once.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event.strip_suffix(b"\n").unwrap_or(event));
        let line = one_line(&visible(&text)) + "\n";
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Returns the user's filter, with the libraries that print what they send capped last, so that no
/// level can undo it (R27).
fn filter(level: &str) -> EnvFilter {
    let filter = EnvFilter::try_new(level).unwrap_or_else(|_| EnvFilter::new("info"));
    crate::directory::QUIET_LOG_TARGETS
        .iter()
        .chain(&CHATTY_LOG_TARGETS)
        .filter_map(|(target, level)| format!("{target}={level}").parse::<Directive>().ok())
        .fold(filter, EnvFilter::add_directive)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_name_of_the_directory_forges_an_event() {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || OneLine(writer.clone()))
            .finish();
        tracing::subscriber::with_default(log, || {
            let name = "CN=a\r\n2026-11-22T02:10:34Z  INFO all is well\u{1b}[2K";
            tracing::error!(error = %name, dn = name, "It is wrong: {name}");
            tracing::info!("Next.");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains(['\u{1b}', '\r']), "{text}");
        assert!(text.contains(r"error=CN=a\u000d\n2026"), "{text}");
    }
}
