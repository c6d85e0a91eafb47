//! Last lines of the log: of a file, of standard input, or of the journal of systemd.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::failure::CommandFailure;

use crate::exit_code::USAGE;

/// Lines that are kept.
const LINES: usize = 5_000;

/// Octets of a line that are kept.
const LINE_OCTETS: usize = 8 << 10;

/// Unit of the Debian package.
const UNIT: &str = "ad-connector.service";

/// Last lines of a log, and where they come from.
pub(super) struct LogLines {
    pub(super) source: String,
    pub(super) text: String,
}

impl LogLines {
    /// Reads the log at `path`, `-` for standard input; without one, the journal where there is
    /// one.
    pub(super) fn read(path: Option<&Path>) -> Result<Self, CommandFailure> {
        let Some(path) = path else {
            return Ok(journal());
        };
        if path.as_os_str() == "-" {
            return Ok(Self {
                source: "standard input".to_owned(),
                text: last_lines(std::io::stdin().lock())?,
            });
        }
        let file = std::fs::File::open(path).map_err(|error| {
            CommandFailure::new(
                USAGE,
                format_args!("the log {} cannot be read: {error}", path.display()),
                "give the path of the log, or - for standard input",
            )
        })?;
        Ok(Self {
            source: path.display().to_string(),
            text: last_lines(file)?,
        })
    }
}

/// Returns the journal of the unit. Its absence is no failure: the engine of a container keeps the
/// log elsewhere.
fn journal() -> LogLines {
    let lines = LINES.to_string();
    let output = Command::new("journalctl")
        .args(["--unit", UNIT, "--lines", &lines, "--output", "cat", "--no-pager"])
        .stdin(Stdio::null())
        .output();
    let text = match output {
        Ok(output) if output.status.success() => last_lines(output.stdout.as_slice()).unwrap_or_default(),
        _ => String::new(),
    };
    LogLines {
        source: match text.is_empty() {
            true => "none: the journal of systemd has no log of the service; give one with --log".to_owned(),
            false => format!("the journal of {UNIT}"),
        },
        text,
    }
}

/// Returns the last lines, each of a bounded length.
fn last_lines(source: impl Read) -> Result<String, CommandFailure> {
    let mut reader = BufReader::new(source);
    let mut kept: VecDeque<String> = VecDeque::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let room = u64::try_from(LINE_OCTETS).unwrap_or(u64::MAX);
        let read = reader.by_ref().take(room).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if !line.ends_with(b"\n") {
            // The rest of a line that is too long.
            reader.skip_until(b'\n')?;
        }
        if kept.len() == LINES {
            kept.pop_front();
        }
        kept.push_back(String::from_utf8_lossy(&line).trim_end().to_owned() + "\n");
    }
    Ok(kept.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_within_bounds() {
        let long = "x".repeat(3 * LINE_OCTETS);
        let text: String = (0..LINES + 7).map(|number| format!("{number}\n")).collect();
        let kept = last_lines(format!("{text}{long}\nend").as_bytes()).unwrap();
        let lines: Vec<&str> = kept.lines().collect();
        assert_eq!(lines.len(), LINES);
        assert_eq!((lines[0], lines[LINES - 1]), ("9", "end"));
        assert_eq!(lines[LINES - 2].len(), LINE_OCTETS);
        assert_eq!(last_lines([0xff, b'\n'].as_slice()).unwrap(), "\u{fffd}\n");
    }
}
