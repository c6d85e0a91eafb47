//! SQLite as an engine of the store.

use std::fmt::Write as _;

use rusqlite::Connection;
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};

use super::ConnectionId;
use super::error::Fault;
use super::sql::{Columns, Insert, Row, Sql, Table, Value};

impl Sql for Connection {
    fn execute(&self, statement: &str, values: &[Value<'_>]) -> Result<usize, Fault> {
        let mut statement = self.prepare_cached(statement)?;
        bind(&mut statement, values)?;
        Ok(statement.raw_execute()?)
    }

    fn query(
        &self,
        statement: &str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&Row<'_>) -> Result<bool, Fault>,
    ) -> Result<(), Fault> {
        let mut statement = self.prepare_cached(statement)?;
        bind(&mut statement, values)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if !each(&Row(row))? {
                break;
            }
        }
        Ok(())
    }

    fn insert(
        &self,
        table: &Table,
        rows: &mut dyn FnMut(&mut Insert<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
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
        let mut statement = self.prepare_cached(&statement)?;
        rows(&mut |values| {
            bind(&mut statement, values)?;
            statement.raw_execute()?;
            Ok(())
        })
    }

    fn clear(&self, table: &Table) -> Result<(), Fault> {
        Sql::execute(self, &format!("DELETE FROM {}", table.name), &[])?;
        Ok(())
    }

    fn refuse_if_held(&self, _: ConnectionId) -> Result<(), Fault> {
        Ok(())
    }

    fn mark_abandoned(&self) -> Result<(), Fault> {
        Sql::execute(self, "UPDATE connection SET configured = 0", &[])?;
        Ok(())
    }

    fn is_shared(&self) -> bool {
        false
    }

    /// The lock on a file is as long as a run; nothing can take it away.
    fn prove_lease(&self, _: ConnectionId) -> Result<(), Fault> {
        Ok(())
    }
}

/// Binds the parameters `$1`, `$2` and so on, which SQLite numbers by their first use.
fn bind(statement: &mut rusqlite::Statement<'_>, values: &[Value<'_>]) -> Result<(), Fault> {
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

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(octets) => ValueRef::Blob(octets),
        }))
    }
}

impl Columns for rusqlite::Row<'_> {
    fn position(&self, name: &str) -> Option<usize> {
        self.as_ref().column_index(name).ok()
    }

    fn value(&self, position: usize) -> Result<Value<'_>, Fault> {
        Ok(match self.get_ref(position)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Text(text) => {
                Value::Text(std::str::from_utf8(text).map_err(|_| Fault::unreadable("a text"))?)
            }
            ValueRef::Blob(octets) => Value::Blob(octets),
            ValueRef::Real(_) => return Err(Fault::unreadable("a number")),
        })
    }
}
