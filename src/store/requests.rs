//! Several instances: their names, the connections that each holds, and runs that were asked for at
//! one that does not hold the connection.

use super::error::StoreFault;
use super::sql::{Sql, values};
use super::{ConnectionId, Engine, RunBasis, RunId, RunMode, Store, StoreError, run_basis};
use crate::failpoint::Commit;

/// Service that shares the state, as the others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceRow {
    /// `INSTANCE_NAME`.
    pub name: String,
    /// Time of its last report, Unix seconds.
    pub seen_at: i64,
    /// Names of the connections that it holds.
    pub connections: Vec<String>,
}

/// Run that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedRun {
    /// Extent of its read.
    pub mode: RunMode,
    /// List of removals that it is to let through.
    pub approve: Option<String>,
    /// Name of the one who asked.
    pub asked_by: String,
}

/// Time after which a request for a run has expired.
const WAITED: &str = "asked_at < clock_timestamp() - interval '60 seconds'";

impl Store {
    /// Returns the instances, by name. Of a file there are none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn instances(&self) -> Result<Vec<InstanceRow>, StoreError> {
        if let Engine::Sqlite(_) = self.engine {
            return Ok(Vec::new());
        }
        self.read(|sql| {
            let mut instances = Vec::new();
            let found = sql.rows(
                "SELECT holder, name, extract(epoch FROM seen_at)::bigint FROM instance ORDER BY name, holder",
                &[],
                |row| Ok((row.get::<String>(0)?, row.get(1)?, row.get(2)?)),
            )?;
            for (holder, name, seen_at) in found {
                let connections = sql.rows(
                    "SELECT c.name FROM lease AS l JOIN connection AS c ON c.id = l.connection
                     WHERE l.holder = $1 AND l.expires_at > clock_timestamp() ORDER BY c.name",
                    values![holder],
                    |row| row.get(0),
                )?;
                instances.push(InstanceRow {
                    name,
                    seen_at,
                    connections,
                });
            }
            Ok(instances)
        })
    }

    /// Requests a run from the instance that holds a connection.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn request_run(&self, connection: ConnectionId, request: &RequestedRun) -> Result<(), StoreError> {
        self.write(Commit::SetNext, |sql| {
            sql.execute(&format!("DELETE FROM run_request WHERE {WAITED}"), &[])?;
            sql.execute(
                "INSERT INTO run_request (connection, mode, resend, approve, asked_by, asked_at)
                 VALUES ($1, $2, 0, $3, $4, clock_timestamp())",
                values![connection, request.mode, request.approve, request.asked_by],
            )?;
            Ok(())
        })
    }

    /// Takes the oldest run that was asked for at another instance, for a run that works with
    /// `basis`.
    ///
    /// # Errors
    /// [`StoreError::ConnectionChanged`] when the stored connection is another one now: the request
    /// stays for who runs that. When the database cannot be read or written.
    pub fn take_run_request(
        &self,
        connection: ConnectionId,
        basis: &RunBasis,
    ) -> Result<Option<RequestedRun>, StoreError> {
        if let Engine::Sqlite(_) = self.engine {
            return Ok(None);
        }
        let find = format!(
            "SELECT id, mode, approve, asked_by FROM run_request
             WHERE connection = $1 AND NOT {WAITED} ORDER BY id LIMIT 1"
        );
        let found = self.read(|sql| sql.first(&find, values![connection], |row| row.get::<i64>(0)))?;
        if found.is_none() {
            return Ok(None);
        }
        self.write(Commit::SetNext, |sql| {
            sql.prove_lease(connection)?;
            run_basis::refuse_changed(sql, connection, basis)?;
            let found = sql.first(&find, values![connection], |row| {
                let request = RequestedRun {
                    mode: row.get(1)?,
                    approve: row.get(2)?,
                    asked_by: row.get(3)?,
                };
                Ok((row.get::<i64>(0)?, request))
            })?;
            let Some((id, request)) = found else {
                return Ok(None);
            };
            sql.execute("DELETE FROM run_request WHERE id = $1", values![id])?;
            Ok(Some(request))
        })
    }

    /// Returns the last run of a connection that this one asked for, behind `after`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn run_asked_by(
        &self,
        connection: ConnectionId,
        asked_by: &str,
        after: Option<RunId>,
    ) -> Result<Option<(RunId, i64)>, StoreError> {
        let after = after.map_or(0, RunId::number);
        self.read(|sql| {
            sql.first(
                "SELECT id, started FROM run WHERE connection = $1 AND asked_by = $2 AND id > $3
                 ORDER BY id DESC LIMIT 1",
                values![connection, asked_by, after],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        })
    }
}

/// Returns the name of the instance that holds a connection. With a file there is none.
pub(super) fn holder(sql: &dyn Sql, connection: ConnectionId) -> Result<Option<String>, StoreFault> {
    if !sql.is_shared() {
        return Ok(None);
    }
    sql.first(
        "SELECT holder_name FROM lease WHERE connection = $1 AND expires_at > clock_timestamp()",
        values![connection],
        |row| row.get(0),
    )
}
