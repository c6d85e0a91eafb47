//! Failure of a command: the thing, the cause, the next step, and the exit code.

use std::fmt;

use crate::check::{StepFailure, list_below};
use crate::exit_code::{INTERNAL, USAGE};
use crate::sync::RunError;

/// Error that ends a command early.
#[derive(Debug, Clone)]
pub(super) struct CommandFailure {
    code: u8,
    message: String,
    advice: String,
    is_of_database: bool,
}

impl CommandFailure {
    pub(super) fn new(code: u8, message: impl fmt::Display, advice: impl fmt::Display) -> Self {
        StepFailure::new(code, message, advice).into()
    }

    pub(super) fn internal(message: impl fmt::Display) -> Self {
        Self::new(
            INTERNAL,
            message,
            "this is a defect of ad-connector: please report it with the log",
        )
    }

    /// Returns the failure of a run, in the words of any other failure.
    pub(super) fn of_run(error: &RunError) -> Self {
        Self {
            is_of_database: error.is_of_database(),
            ..Self::new(error.exit_code(), error, error.advice())
        }
    }

    /// Returns the failure with the name of the connection, where there are several.
    pub(super) fn of_connection(self, name: Option<&str>) -> Self {
        match name {
            Some(name) => Self {
                message: format!("connection {name}: {}", self.message),
                ..self
            },
            None => self,
        }
    }

    /// Combines the failures of several connections, or of one of several: each under its name,
    /// with its remedy.
    pub(super) fn of_connections(failures: &[(&str, Self)]) -> Self {
        let lines: Vec<String> = failures
            .iter()
            .map(|(name, failure)| {
                let message = list_below(&format!("connection {name}:"), &failure.message());
                format!("{message}\n  what to do: {}", failure.advice())
            })
            .collect();
        let code = failures.iter().map(|(_, failure)| failure.exit_code()).max();
        Self::new(code.unwrap_or(USAGE), lines.join("\n"), "")
    }

    pub(super) fn exit_code(&self) -> u8 {
        self.code
    }

    /// Reports whether the database of the state cannot be used, which may be over in a moment.
    pub(super) fn is_of_database(&self) -> bool {
        self.is_of_database
    }

    /// Returns the thing and the cause; several lines where there are several causes.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Returns the next step; may be empty.
    pub(super) fn advice(&self) -> &str {
        &self.advice
    }

    /// Reports whether nothing is to be printed: the reader closed standard output, and nothing
    /// failed.
    pub(super) fn is_silent(&self) -> bool {
        self.message.is_empty()
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if !self.advice.is_empty() {
            write!(f, "\n  what to do: {}", self.advice)?;
        }
        Ok(())
    }
}

impl From<RunError> for CommandFailure {
    fn from(error: RunError) -> Self {
        Self::of_run(&error)
    }
}

impl From<crate::store::StoreError> for CommandFailure {
    fn from(error: crate::store::StoreError) -> Self {
        RunError::from(error).into()
    }
}

impl From<crate::directory::DirectoryError> for CommandFailure {
    fn from(error: crate::directory::DirectoryError) -> Self {
        RunError::from(error).into()
    }
}

impl From<crate::upstream::UpstreamError> for CommandFailure {
    fn from(error: crate::upstream::UpstreamError) -> Self {
        RunError::from(error).into()
    }
}

impl From<crate::config::ConfigError> for CommandFailure {
    fn from(refused: crate::config::ConfigError) -> Self {
        let in_a_file = refused.problems().iter().any(|problem| problem.line.is_some());
        let advice = if in_a_file {
            "mend what is named above; docs/connections.md describes the file, `ad-connector variables` every key"
        } else {
            "mend the variables named above; .env.example lists every one with its meaning"
        };
        Self::new(
            USAGE,
            list_below("the configuration is refused", &refused),
            advice,
        )
    }
}

impl From<StepFailure> for CommandFailure {
    fn from(failure: StepFailure) -> Self {
        Self {
            code: failure.exit_code,
            message: failure.message,
            advice: failure.advice,
            is_of_database: failure.is_of_database,
        }
    }
}

/// Standard output that cannot be written to: a closed pipe is the reader's decision, anything else
/// (a full disk) a failure.
impl From<std::io::Error> for CommandFailure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(0, "", "");
        }
        Self::new(INTERNAL, format_args!("cannot write the output: {error}"), "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_line_of_its_own() {
        let failure = CommandFailure::new(USAGE, list_below("refused", &"A: bad\nB: worse"), "mend them");
        assert_eq!(
            failure.to_string(),
            "error: refused\n  A: bad\n  B: worse\n  what to do: mend them"
        );
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let closed = CommandFailure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert!(closed.is_silent() && closed.exit_code() == 0);
        let full = CommandFailure::from(std::io::Error::from(std::io::ErrorKind::StorageFull));
        assert!(!full.is_silent() && full.exit_code() == INTERNAL);
    }
}
