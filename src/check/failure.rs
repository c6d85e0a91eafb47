//! Failure of a step: the thing, the cause, the next step, and the exit code of a command that ends
//! with it.

use std::fmt;

use crate::directory::DirectoryError;
use crate::exit_code::USAGE;
use crate::mapping::MappingErrors;
use crate::sync::RunError;
use crate::upstream::UpstreamError;

/// Reason why a step failed, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepFailure {
    /// Exit code of a command that ends with this failure.
    pub exit_code: u8,
    /// The thing and the cause; several lines where there are several causes.
    pub message: String,
    /// The next step, as a clause after «what to do:»; may be empty.
    pub advice: String,
    /// The database of the state cannot be used, which may be over in a moment.
    pub is_of_database: bool,
}

impl StepFailure {
    /// Returns a failure with this exit code.
    #[must_use]
    pub fn new(exit_code: u8, message: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self {
            exit_code,
            message: message.to_string(),
            advice: as_clause(&advice.to_string()),
            is_of_database: false,
        }
    }
}

/// Returns the advice as it stands after «what to do:»: no capital letter at its beginning, unless
/// that begins a name, no full stop.
fn as_clause(advice: &str) -> String {
    let advice = advice.trim_end_matches('.');
    let mut letters = advice.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => first
            .to_lowercase()
            .chain(std::iter::once(second))
            .chain(letters)
            .collect(),
        _ => advice.to_owned(),
    }
}

/// Returns a heading and each of the lines below it.
pub fn list_below(heading: &str, lines: &impl fmt::Display) -> String {
    let mut text = heading.to_owned();
    for line in lines.to_string().lines() {
        text.push_str("\n  ");
        text.push_str(line);
    }
    text
}

impl fmt::Display for StepFailure {
    /// Writes the cause, and the next step on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.advice.is_empty() {
            write!(f, "\n  what to do: {}", self.advice)?;
        }
        Ok(())
    }
}

impl From<RunError> for StepFailure {
    fn from(error: RunError) -> Self {
        Self {
            is_of_database: error.is_of_database(),
            ..Self::new(error.exit_code(), &error, error.advice())
        }
    }
}

impl From<DirectoryError> for StepFailure {
    fn from(error: DirectoryError) -> Self {
        RunError::from(error).into()
    }
}

impl From<UpstreamError> for StepFailure {
    fn from(error: UpstreamError) -> Self {
        RunError::from(error).into()
    }
}

impl From<MappingErrors> for StepFailure {
    fn from(errors: MappingErrors) -> Self {
        Self::new(
            USAGE,
            list_below("the mapping is refused", &errors),
            "mend the mapping file; docs/mapping.md describes it",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_reads_the_same_whoever_gives_it() {
        assert_eq!(as_clause("Check the host."), "check the host");
        assert_eq!(as_clause("AD_HOST is wrong"), "AD_HOST is wrong");
        assert_eq!(as_clause("raise it"), "raise it");
        assert_eq!(as_clause(""), "");
    }

    #[test]
    fn every_cause_has_a_line_of_its_own() {
        let failure = StepFailure::new(USAGE, list_below("refused", &"A: bad\nB: worse"), "mend them");
        assert_eq!(
            failure.to_string(),
            "refused\n  A: bad\n  B: worse\n  what to do: mend them"
        );
    }
}
