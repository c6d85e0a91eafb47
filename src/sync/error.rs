//! Errors of a run.

use std::path::PathBuf;

use crate::directory::DirectoryError;
use crate::exit_code;
use crate::store::{LockError, StoreError};
use crate::upstream::UpstreamError;

/// Error that kept a run from completing its request.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The directory could not be read to its end.
    #[error(transparent)]
    Directory(Box<DirectoryError>),
    /// Upstream did not accept everything.
    #[error(transparent)]
    Upstream(UpstreamError),
    /// The state file failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Answers of the gateway could not be stored; nothing is lost, since the assets stay staged
    /// (R18).
    #[error(
        "the gateway's answers to {assets} assets could not be stored, which are sent again by the next run: {cause}"
    )]
    AnswersNotStored {
        /// Assets of which the answer is not stored.
        assets: usize,
        /// Error of the last attempt.
        #[source]
        cause: Box<RunError>,
    },
    /// Another run holds the connection (R21).
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The file of `--output` cannot be opened.
    #[error("--output: cannot write {}: {cause}", path.display())]
    OutputFile {
        /// The file.
        path: PathBuf,
        /// Error of the operating system.
        cause: std::io::Error,
    },
    /// The output cannot be written to any more.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
    /// A signal ended the run; everything staged is kept (R26).
    #[error("stopped by a signal")]
    Stopped,
    /// Containers of the directory move faster than it can be read.
    #[error(
        "organizational units or containers were renamed or moved during every one of several full reads"
    )]
    Unsteady,
    /// The list of removals that was approved is not the one that is held back now (R23).
    #[error("the removals held back are not the list {list} any more; nothing was removed")]
    ListChanged {
        /// The list that was approved.
        list: String,
    },
    /// A defect: part of the run panicked. What was staged is kept.
    #[error("internal error: the {task} task panicked: {cause}")]
    Panicked {
        /// Part of the run.
        task: &'static str,
        /// Message of the panic.
        cause: String,
    },
}

impl From<DirectoryError> for RunError {
    fn from(error: DirectoryError) -> Self {
        Self::Directory(Box::new(error))
    }
}

impl From<Box<DirectoryError>> for RunError {
    fn from(error: Box<DirectoryError>) -> Self {
        Self::Directory(error)
    }
}

impl From<UpstreamError> for RunError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Stopped { .. } => Self::Stopped,
            error => Self::Upstream(error),
        }
    }
}

impl RunError {
    /// Returns the exit code of the contract.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Directory(error) => error.exit_code(),
            Self::Upstream(error) => error.exit_code(),
            Self::Store(error) => error.exit_code(),
            Self::AnswersNotStored { cause, .. } => cause.exit_code(),
            Self::Lock(error) => error.exit_code(),
            Self::Unsteady => exit_code::UNAVAILABLE,
            Self::ListChanged { .. } => exit_code::HELD,
            Self::OutputFile { .. } => exit_code::USAGE,
            Self::Output(_) | Self::Panicked { .. } => exit_code::INTERNAL,
            Self::Stopped => exit_code::TERMINATED,
        }
    }

    /// Returns `true` where the database of the state cannot be used.
    #[must_use]
    pub const fn is_of_database(&self) -> bool {
        matches!(self, Self::Store(StoreError::Database(_)))
    }

    /// Returns the remedy for the operator.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Directory(error) => error.advice(),
            Self::Upstream(error) => error.advice(),
            Self::Store(error) => error.advice(),
            Self::AnswersNotStored { cause, .. } => cause.advice(),
            Self::Lock(error) => error.advice(),
            Self::OutputFile { .. } => "give a path that can be written".to_owned(),
            Self::Output(_) => "check the path, the rights and the free space of --output".to_owned(),
            Self::Stopped => "the next run goes on with what is staged".to_owned(),
            Self::Unsteady => "wait until the directory is reorganised; the next run reads everything".to_owned(),
            Self::ListChanged { .. } => {
                "see `ad-connector removed` for the list as it is now, and approve that".to_owned()
            }
            Self::Panicked { .. } => {
                "this is a defect of ad-connector: please report it with the log; the next run goes on with what is staged".to_owned()
            }
        }
    }
}
