//! Marker beside the state file, by which the program notices that the file was replaced by a copy
//! from before: `<state file>.marker` has the identity of the state and the last number that was
//! given when something was sent. A file with the same identity and a lower number is older than
//! what was sent from it: upstream may hold something else than the file says (R17).
//!
//! The marker follows its commit, and only every now and then: it is at most as far as the file. So
//! the loss of a marker does no harm, and writing one does not wait for the disk.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::{StoreFault, resolve};
use super::sql::{Sql, values};
use crate::clock;
use crate::failpoint::Commit;

/// Time between two writes in a run, at least.
const INTERVAL: Duration = Duration::from_secs(1);

/// Octets read of a marker, at most; it has some 50.
const LIMIT: u64 = 1024;

/// Marker of a state file that is open for writing.
#[derive(Debug)]
pub(super) struct StateMarker {
    path: PathBuf,
    /// In hex.
    identity: String,
    written: Mutex<WrittenMarker>,
}

/// State of the marker on the disk, as far as this process wrote it.
#[derive(Debug, Default)]
struct WrittenMarker {
    number: Option<i64>,
    /// Time of the last attempt.
    at: Option<Instant>,
    /// An attempt failed, which is logged once.
    failed: bool,
}

impl StateMarker {
    /// Returns the marker of the state file `state`, and the number of the one that was `found`
    /// beside it where that is beyond the `last` number of the file: an older copy.
    pub(super) fn compared(
        state: &Path,
        found: Option<(String, i64)>,
        identity: String,
        last: i64,
    ) -> (Self, Option<i64>) {
        let number = found.and_then(|(of, number)| (of == identity).then_some(number));
        let marker = Self {
            path: path_of(state),
            identity,
            written: Mutex::new(WrittenMarker {
                number,
                ..WrittenMarker::default()
            }),
        };
        (marker, number.filter(|number| *number > last))
    }

    /// Brings the marker to where the file is after `commit`, if that is due.
    pub(super) fn follow(&self, commit: Commit, sql: &dyn Sql) {
        let due = match commit {
            Commit::NextBatch | Commit::Settle => {
                let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
                written.at.is_none_or(|at| at.elapsed() >= INTERVAL)
            }
            Commit::EndRun => true,
            _ => false,
        };
        if due {
            self.write(sql);
        }
    }

    fn write(&self, sql: &dyn Sql) {
        // A file that cannot be read fails the next transaction, which reports it.
        let Ok((_, last)) = standing(sql) else { return };
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.at = Some(clock::instant());
        if written.number == Some(last) {
            return;
        }
        match replace(&self.path, &format!("{} {last}\n", self.identity)) {
            Ok(()) => written.number = Some(last),
            Err(cause) if !written.failed => {
                written.failed = true;
                tracing::warn!(
                    error = %format_args!("cannot write {}: {cause}", self.path.display()),
                    advice = "let this user write the directory of the state file; until then a \
                        state file that is restored from an older copy is not noticed",
                    "The marker of the state file cannot be written."
                );
            }
            Err(_) => {}
        }
    }
}

/// Returns the identity of the state and the last number that it gave.
pub(super) fn standing(sql: &dyn Sql) -> Result<(String, i64), StoreFault> {
    let standing = sql.first("SELECT identity, last FROM sequence", &[], |row| {
        let octets: [u8; 16] = row.get("identity")?;
        let mut identity = String::new();
        for octet in octets {
            let _ = write!(identity, "{octet:02x}");
        }
        Ok((identity, row.get("last")?))
    })?;
    standing.ok_or_else(|| StoreFault::unreadable("sequence"))
}

/// Notes that everything sent with a number up to `number` is not known any more. Such a number is
/// not given again: it identifies the version that an answer belongs to (R18).
pub(super) fn note_restore(sql: &dyn Sql, number: i64, now: i64) -> Result<(), StoreFault> {
    // Unless another process just did.
    if sql.execute("UPDATE sequence SET last = $1 WHERE last < $1", values![number])? > 0 {
        sql.execute("UPDATE connection SET restored_at = $1", values![now])?;
    }
    Ok(())
}

fn path_of(state: &Path) -> PathBuf {
    let mut name = resolve(state).into_os_string();
    name.push(".marker");
    PathBuf::from(name)
}

/// Reads identity and number beside the state file `state`; nothing where there is no marker that
/// can be read.
pub(super) fn read(state: &Path) -> Option<(String, i64)> {
    let mut text = String::new();
    let file = fs::File::open(path_of(state)).ok()?;
    file.take(LIMIT).read_to_string(&mut text).ok()?;
    let (identity, number) = text.trim().split_once(' ')?;
    Some((identity.to_owned(), number.parse().ok()?))
}

/// Replaces a file as a whole, so that no reader sees a part of it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    // Of its own, since another process may write at the same time.
    name.push(format!(".{}", std::process::id()));
    let new = PathBuf::from(name);
    let replaced = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&new);
    }
    replaced
}
