//! The schema of the database: created and migrated in one transaction, by one instance at a time
//! (R28).

use super::fault::PostgresFault;
use super::session::DatabaseSession;
use crate::failpoint::{self, Commit, Point, Progress};
use crate::store::StoreError;
use crate::store::error::StoreFault;
use crate::store::open::{FIRST_VERSION, SCHEMA_VERSION};

/// The schema of version [`FIRST_VERSION`].
const SCHEMA: &str = include_str!("../schema/postgres.sql");

/// `MIGRATIONS[n]` leads from schema version `FIRST_VERSION + n` to the next one, as those of the
/// file do: the versions are the same.
pub(in crate::store) const MIGRATIONS: &[&str] = &[
    include_str!("../schema/postgres_16.sql"),
    include_str!("../schema/postgres_17.sql"),
];

/// Reads the version; NULL where the table does not exist, and how many tables of that name there
/// are that belong to another program.
const VERSION: &str = "
    SELECT to_regclass('ad_connector') IS NOT NULL, to_regclass('connection') IS NOT NULL
        OR to_regclass('object') IS NOT NULL OR to_regclass('run') IS NOT NULL";

/// Returns the version of the schema; 0 where there is none.
fn version(session: &DatabaseSession, database: &str) -> Result<i32, StoreFault> {
    let found = session.batch(VERSION)?;
    let is = |place: usize| found.get(place).and_then(Option::as_deref) == Some("t");
    if !is(0) {
        return match is(1) {
            true => Err(StoreError::ForeignDatabase {
                database: database.to_owned(),
            }
            .into()),
            false => Ok(0),
        };
    }
    present(session)
}

/// Returns the version of a schema that is there.
pub(super) fn present(session: &DatabaseSession) -> Result<i32, StoreFault> {
    let version = session.batch("SELECT schema_version FROM ad_connector")?;
    parsed(version.into_iter().next().flatten())
}

/// Reads a version as the server sends it.
pub(super) fn parsed(version: Option<String>) -> Result<i32, StoreFault> {
    version
        .and_then(|version| version.parse().ok())
        .ok_or_else(|| StoreFault::unreadable("ad_connector"))
}

/// Makes sure that the database can be read by this program.
pub(super) fn check(session: &DatabaseSession, database: &str) -> Result<(), StoreFault> {
    let found = version(session, database)?;
    let path = database.into();
    match found {
        0 => Err(StoreError::Missing { path }.into()),
        _ if found > SCHEMA_VERSION => Err(StoreError::Newer {
            path,
            found,
            known: SCHEMA_VERSION,
        }
        .into()),
        _ if found < SCHEMA_VERSION => Err(StoreError::Older {
            path,
            found,
            known: SCHEMA_VERSION,
        }
        .into()),
        _ => Ok(()),
    }
}

/// Creates the schema, or brings it to the present version. Another instance that does the same
/// waits, and finds it done.
pub(super) fn migrate(session: &DatabaseSession, database: &str, begin: &str) -> Result<(), StoreFault> {
    match check(session, database) {
        Ok(()) => return Ok(()),
        Err(StoreFault::Refused(StoreError::Missing { .. } | StoreError::Older { .. })) => {}
        Err(fault) => return Err(fault),
    }
    let begun = session.batch(begin)?;
    if begun.last().and_then(Option::as_deref) == Some("0") {
        return Err(PostgresFault::Standby.into());
    }
    let commit = Commit::Create;
    failpoint::pass(Point::In(commit, Progress::Begun));
    // Read again under the lock.
    let found = version(session, database)?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer {
            path: database.into(),
            found,
            known: SCHEMA_VERSION,
        }
        .into());
    }
    if found == 0 {
        session.batch(SCHEMA)?;
        session.batch("INSERT INTO ad_connector (schema_version) VALUES (0)")?;
    }
    let done = usize::try_from(found - FIRST_VERSION).unwrap_or(0);
    for migration in &MIGRATIONS[done..] {
        session.batch(migration)?;
    }
    session.batch(&format!(
        "UPDATE ad_connector SET schema_version = {SCHEMA_VERSION}"
    ))?;
    failpoint::pass(Point::In(commit, Progress::Written));
    session.batch("COMMIT")?;
    failpoint::pass(Point::In(commit, Progress::Committed));
    Ok(())
}
