//! SQLite as an engine of the store.

use std::fmt::Write as _;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::error::StoreFault;
use super::sql::{Columns, Insert, Sql, SqlRow, SqlTable, SqlValue};
use super::{ConnectionId, FileLock, StoreError, statement_count};

impl Sql for Connection {
    fn execute(&self, statement: &str, values: &[SqlValue<'_>]) -> Result<usize, StoreFault> {
        statement_count::note();
        let mut statement = self.prepare_cached(statement)?;
        bind(&mut statement, values)?;
        Ok(statement.raw_execute()?)
    }

    fn query(
        &self,
        statement: &str,
        values: &[SqlValue<'_>],
        each: &mut dyn FnMut(&SqlRow<'_>) -> Result<bool, StoreFault>,
    ) -> Result<(), StoreFault> {
        statement_count::note();
        let mut statement = self.prepare_cached(statement)?;
        bind(&mut statement, values)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if !each(&SqlRow(row))? {
                break;
            }
        }
        Ok(())
    }

    fn insert(
        &self,
        table: &SqlTable,
        rows: &mut dyn FnMut(&mut Insert<'_>) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault> {
        let mut statement = format!(
            "INSERT INTO {} ({}) VALUES (",
            table.name,
            table
                .columns
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", ")
        );
        for position in 1..=table.columns.len() {
            let comma = if position == 1 { "" } else { ", " };
            let _ = write!(statement, "{comma}${position}");
        }
        statement.push(')');
        statement_count::note();
        let mut statement = self.prepare_cached(&statement)?;
        rows(&mut |values| {
            bind(&mut statement, values)?;
            statement.raw_execute()?;
            Ok(())
        })
    }

    fn clear(&self, table: &SqlTable) -> Result<(), StoreFault> {
        Sql::execute(self, &format!("DELETE FROM {}", table.name), &[])?;
        Ok(())
    }

    fn refuse_if_held(&self, connection: ConnectionId) -> Result<(), StoreFault> {
        let state = self.path().filter(|path| !path.is_empty());
        match state.and_then(|path| FileLock::holder(Path::new(path), connection)) {
            Some(holder) => Err(StoreError::HeldElsewhere { holder }.into()),
            None => Ok(()),
        }
    }

    fn mark_abandoned(&self) -> Result<(), StoreFault> {
        Sql::execute(self, "UPDATE connection SET configured = 0", &[])?;
        Ok(())
    }

    fn is_shared(&self) -> bool {
        false
    }

    /// The lock on a file lasts as long as a run, and cannot be taken away.
    fn prove_lease(&self, _: ConnectionId) -> Result<(), StoreFault> {
        Ok(())
    }
}

/// Binds the parameters `$1`, `$2` and so on, which SQLite numbers by their first use.
fn bind(statement: &mut rusqlite::Statement<'_>, values: &[SqlValue<'_>]) -> Result<(), StoreFault> {
    debug_assert_eq!(statement.parameter_count(), values.len());
    for (place, value) in values.iter().enumerate() {
        debug_assert_eq!(
            statement.parameter_name(place + 1),
            Some(format!("${}", place + 1).as_str())
        );
        statement.raw_bind_parameter(place + 1, value)?;
    }
    Ok(())
}

impl ToSql for SqlValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            SqlValue::Null => ValueRef::Null,
            SqlValue::Integer(number) => ValueRef::Integer(*number),
            SqlValue::Text(text) => ValueRef::Text(text.as_bytes()),
            SqlValue::Blob(octets) => ValueRef::Blob(octets),
        }))
    }
}

impl Columns for rusqlite::Row<'_> {
    fn position(&self, name: &str) -> Option<usize> {
        self.as_ref().column_index(name).ok()
    }

    fn value(&self, position: usize) -> Result<SqlValue<'_>, StoreFault> {
        Ok(match self.get_ref(position)? {
            ValueRef::Null => SqlValue::Null,
            ValueRef::Integer(number) => SqlValue::Integer(number),
            ValueRef::Text(text) => {
                SqlValue::Text(std::str::from_utf8(text).map_err(|_| StoreFault::unreadable("a text"))?)
            }
            ValueRef::Blob(octets) => SqlValue::Blob(octets),
            ValueRef::Real(_) => return Err(StoreFault::unreadable("a number")),
        })
    }
}
