//! One run a connection at a time, also across processes (R21).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat};

use super::error::resolve;
use super::{ConnectionId, DatabaseError};
use crate::config::host_name;
use crate::exit_code;
use crate::failpoint::{self, Point};

/// The right to run a connection: an advisory lock (flock) on `<state file>.<number>.lock`, with
/// the number of its row, which a new name does not change. It lies beside the file itself where
/// symbolic links lead to it. The operating system takes it back when the value is dropped and when
/// the process dies, however it does. The file stays: were it deleted, two processes could hold
/// locks on two files of one name.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

/// Obstacle to a run of a connection.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds the connection.
    #[error("another run holds the connection: {by}")]
    Held {
        /// Process, host, command and since when.
        by: String,
    },
    /// The lock file cannot be created, locked or written.
    #[error("cannot lock {}: {cause}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Error of the operating system.
        cause: io::Error,
    },
    /// The database server failed, or the way to it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl LockError {
    /// Returns 4 when another run holds the connection, else 69 (EX_UNAVAILABLE of sysexits.h).
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Held { .. } => exit_code::BUSY,
            Self::Io { .. } => exit_code::UNAVAILABLE,
            Self::Database(error) => error.exit_code(),
        }
    }

    /// Returns the remedy for the operator.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Held { .. } => {
                "wait until that run has ended (`ad-connector status` shows it), or stop it".into()
            }
            Self::Database(error) => error.advice().into(),
            Self::Io { path, cause } if cause.kind() == io::ErrorKind::ReadOnlyFilesystem => format!(
                "the volume of {} is mounted read-only: mount it for writing, or point STATE_URL elsewhere",
                path.display()
            ),
            Self::Io { path, .. } => format!(
                "check that this user may write {} and its directory, and that the volume has space left",
                path.display()
            ),
        }
    }
}

impl FileLock {
    /// Takes the lock of a connection, at once or not at all. Others that are refused meanwhile are
    /// shown `purpose` (the command) and `now` (Unix seconds).
    ///
    /// # Errors
    /// [`LockError`].
    pub fn acquire(
        state: &Path,
        connection: ConnectionId,
        purpose: &str,
        now: i64,
    ) -> Result<Self, LockError> {
        let path = path_of(state, connection);
        let failed = |cause| LockError::Io {
            path: path.clone(),
            cause,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held {
                    by: named_in(&mut file),
                });
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        failpoint::pass(Point::Locked);
        let since = DateTime::from_timestamp(now, 0).unwrap_or_default();
        let holder = format!(
            "process {} on {}, {purpose}, since {}\n",
            std::process::id(),
            host_name(),
            since.to_rfc3339_opts(SecondsFormat::Secs, true)
        );
        file.set_len(0)
            .and_then(|()| file.write_all(holder.as_bytes()))
            .map_err(failed)?;
        Ok(Self { file })
    }

    /// Returns the holder of the lock of a connection, where a run holds it. A file that cannot be
    /// opened is not held: whoever holds it has made it.
    pub(super) fn holder(state: &Path, connection: ConnectionId) -> Option<String> {
        let mut file = File::open(path_of(state, connection)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(named_in(&mut file)),
            _ => None,
        }
    }
}

/// Returns the path of the lock of a connection.
fn path_of(state: &Path, connection: ConnectionId) -> PathBuf {
    let mut name = resolve(state).into_os_string();
    name.push(format!(".{}.lock", connection.0));
    PathBuf::from(name)
}

impl Drop for FileLock {
    fn drop(&mut self) {
        failpoint::pass(Point::Unlocking);
        // So the file does not name a holder that is gone.
        let _ = self.file.set_len(0);
        // Closing the file would not be enough: a process that is forked at this moment has it open
        // too, until it executes its program (flock(2)).
        let _ = self.file.unlock();
    }
}

/// Returns the holder of the lock, as it wrote itself into the file; it may not have written yet.
fn named_in(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file
        .rewind()
        .and_then(|()| file.take(1024).read_to_string(&mut text));
    match text.trim() {
        "" => "another process".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r21_a_lock_is_released_although_a_forked_process_has_its_file_open() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state.db");
        let lock = FileLock::acquire(&state, ConnectionId(1), "run", 0).unwrap();
        // Shares the open file as a fork does.
        let _forked = lock.file.try_clone().unwrap();
        drop(lock);
        FileLock::acquire(&state, ConnectionId(1), "sync", 0).unwrap();
    }
}
