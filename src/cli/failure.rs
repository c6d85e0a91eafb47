//! Why a command failed: the thing, the cause, the next step, and the exit code.

use std::fmt;

use crate::sync::RunError;

/// Done, but some objects were rejected.
pub(super) const REJECTED: u8 = 2;
/// A defect of the program.
pub(super) const INTERNAL: u8 = 1;
/// Configuration or command line refused (`EX_USAGE` of sysexits.h).
pub(super) const USAGE: u8 = 64;
/// Directory, upstream or store cannot be reached (`EX_UNAVAILABLE`).
pub(super) const UNAVAILABLE: u8 = 69;

/// What ends a command early.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    code: u8,
    message: String,
    advice: String,
}

impl Failure {
    pub(super) fn new(code: u8, message: impl fmt::Display, advice: impl fmt::Display) -> Self {
        Self {
            code,
            message: message.to_string(),
            advice: advice.to_string(),
        }
    }

    pub(super) fn internal(message: impl fmt::Display) -> Self {
        Self::new(
            INTERNAL,
            message,
            "this is a defect of ad-connector: please report it with the log",
        )
    }

    pub(super) fn exit_code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if !self.advice.is_empty() {
            write!(f, "\n  what to do: {}", self.advice)?;
        }
        Ok(())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::new(error.exit_code(), &error, error.advice())
    }
}

impl From<crate::store::StoreError> for Failure {
    fn from(error: crate::store::StoreError) -> Self {
        RunError::from(error).into()
    }
}

impl From<crate::directory::DirectoryError> for Failure {
    fn from(error: crate::directory::DirectoryError) -> Self {
        RunError::from(error).into()
    }
}

impl From<crate::upstream::UpstreamError> for Failure {
    fn from(error: crate::upstream::UpstreamError) -> Self {
        RunError::from(error).into()
    }
}

impl From<crate::config::Refused> for Failure {
    fn from(refused: crate::config::Refused) -> Self {
        Self::new(
            USAGE,
            refused,
            "mend the variables named above; .env.example lists every one with its meaning",
        )
    }
}

impl From<crate::mapping::MappingErrors> for Failure {
    fn from(errors: crate::mapping::MappingErrors) -> Self {
        Self::new(
            USAGE,
            errors,
            "mend the mapping file; docs/mapping.md describes it",
        )
    }
}

/// Standard output that cannot be written to (a closed pipe, a full disk).
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(INTERNAL, format_args!("cannot write the output: {error}"), "")
    }
}
