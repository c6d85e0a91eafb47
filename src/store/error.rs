//! Errors of the state file (R29).

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};

use super::postgres::{DatabaseError, PostgresFault};
use super::{ConnectionRefusal, State};
use crate::exit_code;

/// Failure to open, read or write the state file. Nothing was half-written: every change is one
/// transaction.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no state file, and the caller may not create one.
    #[error("there is no state file {}", path.display())]
    Missing {
        /// The state file.
        path: PathBuf,
    },
    /// The file, or the directory it belongs in, cannot be opened or created.
    #[error("cannot open the state file {}: {cause}", path.display())]
    CannotOpen {
        /// The state file.
        path: PathBuf,
        /// Error of the operating system.
        cause: io::Error,
    },
    /// The file can be read, but not written.
    #[error("the state file {} cannot be written: {cause}", path.display())]
    ReadOnly {
        /// The state file.
        path: PathBuf,
        /// Message of SQLite or of the operating system.
        cause: String,
    },
    /// The disk is full.
    #[error("no space left for the state file {}: {cause}", path.display())]
    Full {
        /// The state file.
        path: PathBuf,
        /// Message of SQLite.
        cause: String,
    },
    /// The file is damaged, or no database at all.
    #[error("the state file {} is damaged: {cause}", path.display())]
    Corrupt {
        /// The state file.
        path: PathBuf,
        /// Message of SQLite.
        cause: String,
    },
    /// The file is a healthy database of another program.
    #[error("{} is a database of another program (application id {application_id:#x})", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// `PRAGMA application_id` of the file.
        application_id: i32,
    },
    /// The file was written by a newer version of the program (R28).
    #[error("the state file {} has schema version {found}; this program knows up to {known}", path.display())]
    Newer {
        /// The state file.
        path: PathBuf,
        /// Version of the file.
        found: i32,
        /// Newest version that this program knows.
        known: i32,
    },
    /// The file was written before the first release, by a version whose files cannot be migrated.
    #[error(
        "the state file {} has schema version {found}, of a time before the first release, which this program cannot \
         continue", path.display()
    )]
    Former {
        /// The state file.
        path: PathBuf,
        /// Version of the file.
        found: i32,
    },
    /// The file is of an older version, and was opened for reading only, so that it cannot be
    /// migrated.
    #[error("the state file {} has schema version {found}, older than {known}", path.display())]
    Older {
        /// The state file.
        path: PathBuf,
        /// Version of the file.
        found: i32,
        /// Version that this program needs.
        known: i32,
    },
    /// Another process held the file longer than [`super::BUSY_TIMEOUT`].
    #[error("the state file {} is busy: {cause}", path.display())]
    Busy {
        /// The state file.
        path: PathBuf,
        /// Message of SQLite.
        cause: String,
    },
    /// The connection's life does not allow the step; nothing was changed.
    #[error("a connection cannot go from {from} to {to}")]
    Transition {
        /// The state it is in.
        from: State,
        /// The state that was asked for.
        to: State,
    },
    /// A connection that is not registered, or a run that is unknown or has ended; nothing was
    /// changed.
    #[error("{what} is not in the state file {}, or has ended", path.display())]
    Unknown {
        /// The state file.
        path: PathBuf,
        /// The thing that was asked for, such as `run 7`.
        what: String,
    },
    /// The database server failed, or the way to it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The database has tables of these names that are another program's.
    #[error("the database {database} has tables of another program")]
    ForeignDatabase {
        /// URL of the database.
        database: String,
    },
    /// A state is copied only to where there is none.
    #[error("{} holds a state already", path.display())]
    NotEmpty {
        /// The state file, or the URL of the database.
        path: PathBuf,
    },
    /// A copy is not what was copied.
    #[error("the copy of the table {table} differs from the original")]
    Unequal {
        /// The table.
        table: &'static str,
    },
    /// Another instance or process runs the connection, so it is neither given another gateway or
    /// connector nor purged; nothing was changed (R21, R34).
    #[error("{holder} holds the connection: it is given no other gateway or connector UUID, and not purged")]
    HeldElsewhere {
        /// Instance or process.
        holder: String,
    },
    /// The connection was changed, disabled or deleted after the run had begun; nothing was stored.
    #[error("the connection was changed, disabled or deleted during the run")]
    ConnectionChanged,
    /// A change of a stored connection is refused; nothing was changed.
    #[error(transparent)]
    Refusal(#[from] ConnectionRefusal),
    /// Another instance holds the connection, or may hold it; nothing was stored (R34).
    #[error("another instance may hold the connection now")]
    LeaseLost,
    /// Input or output failed below SQLite, or SQLite refused something for a reason that has no
    /// case of its own.
    #[error("the state file {} failed: {cause}", path.display())]
    Failed {
        /// The state file.
        path: PathBuf,
        /// Message of SQLite.
        cause: String,
    },
}

impl StoreError {
    /// Returns 69 (EX_UNAVAILABLE of sysexits.h), but for a database server that refuses the user
    /// (77), and a connection that another instance holds (4).
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Database(error) => error.exit_code(),
            Self::Refusal(refusal) => refusal.exit_code(),
            Self::LeaseLost | Self::HeldElsewhere { .. } | Self::ConnectionChanged => exit_code::BUSY,
            _ => exit_code::UNAVAILABLE,
        }
    }
}

/// Returns the path of the file itself, whatever symbolic links lead to it: what lies beside the
/// file is found by every path to it.
pub(super) fn resolve(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    match (directory_of(path).canonicalize(), path.file_name()) {
        (Ok(directory), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    }
}

/// Returns the system's message where the file lies on a volume that is mounted read-only. SQLite
/// reports such a file as one that cannot be opened, or a failed write.
fn read_only_volume(path: &Path) -> Option<String> {
    let cause = OpenOptions::new().append(true).open(path).err()?;
    (cause.kind() == io::ErrorKind::ReadOnlyFilesystem).then(|| cause.to_string())
}

/// Returns the directory that a state file lives in.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Error that ends a transaction, of SQLite, of the database server or of the store itself.
#[derive(Debug)]
pub(super) enum StoreFault {
    Sql(rusqlite::Error),
    Postgres(PostgresFault),
    Refused(StoreError),
    /// A connection or run that does not exist.
    Unknown(String),
    /// A row that holds something else than it should.
    Unreadable(String),
}

impl From<rusqlite::Error> for StoreFault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for StoreFault {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<ConnectionRefusal> for StoreFault {
    fn from(refusal: ConnectionRefusal) -> Self {
        Self::Refused(refusal.into())
    }
}

impl StoreFault {
    /// Returns the fault of a row that holds something else in `place` than it should.
    pub(super) fn unreadable(place: &str) -> Self {
        Self::Unreadable(place.to_owned())
    }

    /// Returns the error as the operator sees it.
    pub(super) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Sql(error) => explained(path, &error),
            Self::Postgres(fault) => fault.of(&path.display().to_string()).into(),
            Self::Refused(error) => error,
            Self::Unknown(what) => StoreError::Unknown {
                path: path.to_owned(),
                what,
            },
            Self::Unreadable(place) => StoreError::Corrupt {
                path: path.to_owned(),
                cause: format!("{place} holds something else than this program writes"),
            },
        }
    }
}

/// Returns the meaning of SQLite's `error` for the file at `path`.
pub(super) fn explained(path: &Path, error: &rusqlite::Error) -> StoreError {
    let (path, cause) = (path.to_owned(), error.to_string());
    let Some(code) = error.sqlite_error() else {
        return StoreError::Failed { path, cause };
    };
    match code.code {
        ErrorCode::CannotOpen | ErrorCode::SystemIoFailure if let Some(cause) = read_only_volume(&path) => {
            StoreError::ReadOnly { path, cause }
        }
        ErrorCode::DiskFull => StoreError::Full { path, cause },
        // On a full volume the index of the log (-shm) cannot grow, and some file systems answer a
        // write with EDQUOT.
        _ if matches!(code.extended_code, SQLITE_IOERR_SHMSIZE | SQLITE_IOERR_WRITE) => {
            StoreError::Full { path, cause }
        }
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::ReadOnly { path, cause },
        ErrorCode::CannotOpen => StoreError::CannotOpen {
            path,
            cause: io::Error::other(cause),
        },
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt { path, cause },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy { path, cause },
        _ => StoreError::Failed { path, cause },
    }
}
