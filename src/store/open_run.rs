//! Run that is open.

use super::error::StoreFault;
use super::sql::{Sql, values};
use super::{ConnectionId, RunId};

/// Returns the connection of `run`, which must be open. In a transaction that writes it also proves
/// that this process still holds the connection (R34).
pub(super) fn open_run(sql: &dyn Sql, run: RunId) -> Result<ConnectionId, StoreFault> {
    let connection = sql
        .first(
            "SELECT connection FROM run WHERE id = $1 AND ended IS NULL",
            values![run],
            |row| row.get(0),
        )?
        .ok_or_else(|| unknown(run))?;
    sql.prove_lease(connection)?;
    Ok(connection)
}

/// Returns the fault of a run that does not exist, or has ended.
pub(super) fn unknown(run: RunId) -> StoreFault {
    StoreFault::Unknown(format!("run {run}"))
}
