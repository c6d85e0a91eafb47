//! Opens the file: permissions, pragmas, identity, schema version and migrations (R28, R29).

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::{StoreFault, directory_of};
use super::{StoreAccess, StoreError};
use crate::failpoint::{self, Commit, Point, Progress};

/// Time that a call waits for another process to finish with the file.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(15);

/// Version of the schema that [`SCHEMA`] makes. Files with a lower one are of a time before the
/// first release, and are refused.
pub(super) const FIRST_VERSION: i32 = 15;

/// The schema version that this program writes.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a handful of files"
)]
pub const SCHEMA_VERSION: i32 = FIRST_VERSION + MIGRATIONS.len() as i32;

/// The schema of version [`FIRST_VERSION`].
const SCHEMA: &str = include_str!("schema/sqlite.sql");

/// `MIGRATIONS[n]` leads from schema version `FIRST_VERSION + n` to the next one. Append only:
/// files in the field hold every version.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("schema/sqlite_16.sql"),
    include_str!("schema/sqlite_17.sql"),
];

/// Tables of the page and of the batch that a transaction works on.
const TEMPORARY: &str = include_str!("schema/sqlite_temporary.sql");

/// "ADET" in ASCII; `file` and `sqlite3` show it.
const APPLICATION_ID: i32 = 0x4144_4554;

/// Pages of 4 KiB in the log before it is copied into the file. A baseline then writes each hot
/// page some 50 times less often than with SQLite's 1000, for a log of 80 MB at most while nobody
/// reads for long.
const CHECKPOINT_PAGES: i64 = 20_000;

/// Size to which the log is cut after a checkpoint, in bytes.
const LOG_LIMIT: i64 = 16 << 20;

/// Page cache, in KiB: it holds most of the index by GUID of a million objects (38 MB), which a
/// first read writes all over. Without it, pages are written to the log, read again and written
/// again within one transaction. With 8 MiB more, and 32 pages a commit, a first read of a million
/// objects took 146 MiB.
const CACHE_KIB: i64 = 24 << 10;

/// Page cache of the temporary tables, in KiB: it holds most of a transaction of a large read,
/// which some twenty statements walk through.
const TEMPORARY_CACHE_KIB: i64 = 4 << 10;

/// Prepared statements kept; the store has fewer.
const STATEMENTS: usize = 160;

/// Returns a connection to the file at `path`, ready for use.
pub(super) fn opened(path: &Path, access: StoreAccess) -> Result<Connection, StoreError> {
    opened_with(path, access, MIGRATIONS)
}

/// Opens the file as [`opened`] does, for any list of migrations.
pub(super) fn opened_with(
    path: &Path,
    access: StoreAccess,
    migrations: &[&str],
) -> Result<Connection, StoreError> {
    let known = version_after(migrations);
    let exists = path.try_exists().map_err(|cause| cannot_open(path, cause))?;
    match (access, exists) {
        (StoreAccess::ReadOnly, false) => {
            return Err(StoreError::Missing {
                path: path.to_owned(),
            });
        }
        (StoreAccess::Scratch, false) => return fresh_copy(migrations).map_err(|fault| fault.at(path)),
        (StoreAccess::ReadWrite, _) => create(path)?,
        (StoreAccess::ReadOnly | StoreAccess::Scratch, true) => {
            OpenOptions::new()
                .read(true)
                .open(path)
                .map_err(|cause| cannot_open(path, cause))?;
        }
    }
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX
        | match access {
            StoreAccess::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE,
            StoreAccess::ReadOnly | StoreAccess::Scratch => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
    let prepared = || -> Result<Connection, StoreFault> {
        let mut sql = Connection::open_with_flags(path, flags)?;
        settings(&sql)?;
        let found = version(&sql, path)?;
        refuse_unknown(found, known, path)?;
        match access {
            StoreAccess::ReadWrite => {
                write_ahead_log(&sql, path)?;
                migrate(&mut sql, path, migrations)?;
                temporary(&sql)?;
            }
            StoreAccess::ReadOnly | StoreAccess::Scratch if found < known => {
                return Err(StoreError::Older {
                    path: path.to_owned(),
                    found,
                    known,
                }
                .into());
            }
            StoreAccess::ReadOnly => {}
            StoreAccess::Scratch => sql = copy_of(&sql)?,
        }
        Ok(sql)
    };
    prepared().map_err(|fault| fault.at(path))
}

/// Refuses a file of a version that this program cannot continue (R28).
fn refuse_unknown(found: i32, known: i32, path: &Path) -> Result<(), StoreError> {
    let path = path.to_owned();
    if found > known {
        return Err(StoreError::Newer { path, found, known });
    }
    if (1..FIRST_VERSION).contains(&found) {
        return Err(StoreError::Former { path, found });
    }
    Ok(())
}

fn version_after(migrations: &[&str]) -> i32 {
    FIRST_VERSION + i32::try_from(migrations.len()).unwrap_or(0)
}

/// Copies the whole database to where a dry run may write: a nameless temporary file of SQLite,
/// which ends with the connection.
fn copy_of(source: &Connection) -> Result<Connection, StoreFault> {
    let mut copy = Connection::open("")?;
    // All pages in one step, so that they are of one moment.
    Backup::new(source, &mut copy)?.step(-1)?;
    settings(&copy)?;
    temporary(&copy)?;
    Ok(copy)
}

/// Creates an empty database of the present schema that ends with the connection.
pub(super) fn fresh() -> Result<Connection, StoreFault> {
    fresh_copy(MIGRATIONS)
}

/// Creates an empty database that ends with the connection.
fn fresh_copy(migrations: &[&str]) -> Result<Connection, StoreFault> {
    let mut sql = Connection::open("")?;
    settings(&sql)?;
    migrate(&mut sql, Path::new(""), migrations)?;
    temporary(&sql)?;
    Ok(sql)
}

fn temporary(sql: &Connection) -> Result<(), StoreFault> {
    // Nothing of them outlives a transaction, so their journal needs no disk.
    sql.execute_batch(&format!(
        "PRAGMA temp.journal_mode = MEMORY; PRAGMA temp.cache_size = {};",
        -TEMPORARY_CACHE_KIB
    ))?;
    Ok(sql.execute_batch(TEMPORARY)?)
}

fn cannot_open(path: &Path, cause: io::Error) -> StoreError {
    match cause.kind() {
        ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly {
            path: path.to_owned(),
            cause: cause.to_string(),
        },
        ErrorKind::StorageFull => StoreError::Full {
            path: path.to_owned(),
            cause: cause.to_string(),
        },
        _ => StoreError::CannotOpen {
            path: path.to_owned(),
            cause,
        },
    }
}

/// Makes sure that the file can be written. SQLite would report each of its failures as "unable to
/// open", and give the file the mode of the umask; its -wal and -shm files take their mode from the
/// file.
fn create(path: &Path) -> Result<(), StoreError> {
    let directory = directory_of(path);
    if !directory.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|cause| cannot_open(path, cause))?;
    }
    match OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
    {
        Ok(_) => Ok(()),
        // The file is there and readable: only writing is refused.
        Err(cause) if cause.kind() == ErrorKind::PermissionDenied && fs::File::open(path).is_ok() => {
            Err(StoreError::ReadOnly {
                path: path.to_owned(),
                cause: cause.to_string(),
            })
        }
        Err(cause) => Err(cannot_open(path, cause)),
    }
}

/// Settings of the connection, not of the file.
fn settings(sql: &Connection) -> Result<(), StoreFault> {
    sql.busy_timeout(BUSY_TIMEOUT)?;
    sql.set_prepared_statement_cache_capacity(STATEMENTS);
    sql.pragma_update(None, "foreign_keys", true)?;
    // A commit is on the disk when it returns, also after a loss of power: a watermark must not
    // come back older than what was sent to upstream, nor a stage older than its watermark.
    sql.pragma_update(None, "synchronous", "FULL")?;
    sql.pragma_update(None, "cache_size", -CACHE_KIB)?;
    sql.pragma_update(None, "temp_store", "FILE")?;
    sql.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    sql.pragma_update(None, "journal_size_limit", LOG_LIMIT)?;
    // A damaged or hostile file must not run anything of its own.
    sql.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

/// Returns the schema version of the file; 0 is an empty file.
fn version(sql: &Connection, path: &Path) -> Result<i32, StoreFault> {
    let number = |pragma| sql.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let (application_id, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = sql.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let empty = application_id == 0 && version == 0 && tables == 0;
    if application_id != APPLICATION_ID && !empty {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
            application_id,
        }
        .into());
    }
    Ok(version)
}

/// Readers and one writer side by side, and commits that append.
fn write_ahead_log(sql: &Connection, path: &Path) -> Result<(), StoreFault> {
    let mode: String = sql.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    let cause = format!("the volume supports no write-ahead log (SQLite stays in journal mode {mode})");
    Err(StoreError::Failed {
        path: path.to_owned(),
        cause,
    }
    .into())
}

/// Brings the file to the last of `migrations`, all steps in one transaction: it is of the old
/// version or of the new.
fn migrate(sql: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), StoreFault> {
    let transaction = sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again under the lock: another process may just have migrated.
    let found = version(&transaction, path)?;
    refuse_unknown(found, version_after(migrations), path)?;
    if found == version_after(migrations) {
        return Ok(transaction.commit()?);
    }
    let commit = Commit::Create;
    failpoint::pass(Point::In(commit, Progress::Begun));
    if found == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    let done = usize::try_from(found - FIRST_VERSION).unwrap_or(0);
    for migration in &migrations[done..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", version_after(migrations))?;
    failpoint::pass(Point::In(commit, Progress::Written));
    transaction.commit()?;
    failpoint::pass(Point::In(commit, Progress::Committed));
    Ok(())
}
