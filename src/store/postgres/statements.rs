//! PostgreSQL as an engine of the store.
//!
//! Each statement is parsed and executed in one round trip, without a name: a pooler may give every
//! transaction another session of the server, which would not know a statement that was prepared
//! before. Temporary tables are created by the transaction that needs them, and end with it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::pin::pin;

use futures_util::TryStreamExt as _;
use tokio_postgres::types::{ToSql, Type};

use super::fault::PostgresFault;
use super::lease_statements;
use super::leases::Leases;
use super::parameters::{ColumnArray, Parameter};
use super::session::DatabaseSession;
use crate::store::error::StoreFault;
use crate::store::sql::{Insert, Sql, SqlRow, SqlTable, SqlValue};
use crate::store::{ConnectionId, statement_count};

/// Rows inserted by one statement, at most.
const ROWS: usize = 5000;

/// Octets of these, about.
const OCTETS: usize = 8 << 20;

/// Definitions of the temporary tables.
const TEMPORARY: &str = include_str!("../schema/postgres_temporary.sql");

/// Statements of a transaction, or of reads outside one.
pub(super) struct Statements<'s> {
    session: &'s DatabaseSession,
    /// Temporary tables that the transaction has created.
    created: RefCell<BTreeSet<&'static str>>,
    /// In a transaction that writes.
    leases: Option<&'s Leases>,
}

impl<'s> Statements<'s> {
    /// Statements that only read.
    pub(super) const fn reading(session: &'s DatabaseSession) -> Self {
        Self {
            session,
            created: RefCell::new(BTreeSet::new()),
            leases: None,
        }
    }

    /// Statements of a transaction that writes.
    pub(super) const fn writing(session: &'s DatabaseSession, leases: &'s Leases) -> Self {
        Self {
            session,
            created: RefCell::new(BTreeSet::new()),
            leases: Some(leases),
        }
    }

    fn insert_arrays(&self, statement: &str, arrays: &[ColumnArray]) -> Result<(), StoreFault> {
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> = arrays
            .iter()
            .map(|array| (array as &(dyn ToSql + Sync), array.of()))
            .collect();
        statement_count::note();
        self.session
            .wait(self.session.client.execute_typed(statement, &parameters))?;
        Ok(())
    }
}

/// Returns parameters with their types.
macro_rules! typed {
    ($owned:ident, $values:expr) => {{
        $owned = $values.iter().map(|value| Parameter(*value)).collect::<Vec<_>>();
        $owned
            .iter()
            .map(|parameter| (parameter as &(dyn ToSql + Sync), parameter.of()))
            .collect::<Vec<_>>()
    }};
}

impl Sql for Statements<'_> {
    fn execute(&self, statement: &str, values: &[SqlValue<'_>]) -> Result<usize, StoreFault> {
        statement_count::note();
        let owned;
        let parameters = typed!(owned, values);
        let rows = self
            .session
            .wait(self.session.client.execute_typed(statement, &parameters))?;
        Ok(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    fn query(
        &self,
        statement: &str,
        values: &[SqlValue<'_>],
        each: &mut dyn FnMut(&SqlRow<'_>) -> Result<bool, StoreFault>,
    ) -> Result<(), StoreFault> {
        statement_count::note();
        let owned: Vec<Parameter<'_>> = values.iter().map(|value| Parameter(*value)).collect();
        let parameters = owned.iter().map(|parameter| (parameter, parameter.of()));
        let rows = self
            .session
            .wait(self.session.client.query_typed_raw(statement, parameters))?;
        let mut rows = pin!(rows);
        while let Some(row) = self.session.wait(rows.try_next())? {
            if !each(&SqlRow(&row))? {
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
        let mut statement = format!("INSERT INTO {} (", table.name);
        let mut arrays = String::new();
        for (place, (name, _)) in table.columns.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let _ = write!(statement, "{comma}{name}");
            let _ = write!(arrays, "{comma}${}", place + 1);
        }
        let _ = write!(statement, ") SELECT * FROM unnest({arrays})");
        let empty = || -> Vec<ColumnArray> {
            let columns = table.columns.iter();
            columns.map(|(_, class)| ColumnArray::new(*class)).collect()
        };
        let (mut columns, mut count) = (empty(), 0);
        rows(&mut |values| {
            for (column, value) in columns.iter_mut().zip(values) {
                column.push(*value)?;
            }
            count += 1;
            if count >= ROWS || columns.iter().map(ColumnArray::octets).sum::<usize>() >= OCTETS {
                self.insert_arrays(&statement, &std::mem::replace(&mut columns, empty()))?;
                count = 0;
            }
            Ok(())
        })?;
        if count > 0 {
            self.insert_arrays(&statement, &columns)?;
        }
        Ok(())
    }

    fn clear(&self, table: &SqlTable) -> Result<(), StoreFault> {
        let is_new = self.created.borrow_mut().insert(table.name);
        if !is_new {
            self.execute(&format!("DELETE FROM {}", table.name), &[])?;
            return Ok(());
        }
        let named = format!("CREATE TEMP TABLE {} (", table.name);
        let definition = TEMPORARY
            .split(';')
            .find_map(|text| text.find(&named).map(|at| &text[at..]));
        let definition = definition.ok_or_else(|| StoreFault::unreadable(table.name))?;
        statement_count::note();
        self.session.batch(definition)?;
        Ok(())
    }

    fn refuse_if_held(&self, connection: ConnectionId) -> Result<(), StoreFault> {
        match self.leases {
            Some(leases) => leases.refuse_if_held(self, connection),
            None => Ok(()),
        }
    }

    fn mark_abandoned(&self) -> Result<(), StoreFault> {
        let own = self.leases.and_then(Leases::known_id).unwrap_or_default();
        self.execute(lease_statements::ABANDONED, &[SqlValue::Text(&own)])?;
        Ok(())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn prove_lease(&self, connection: ConnectionId) -> Result<(), StoreFault> {
        self.leases
            .map_or(Ok(()), |leases| leases.prove(self, connection))
    }
}

impl From<PostgresFault> for StoreFault {
    fn from(fault: PostgresFault) -> Self {
        Self::Postgres(fault)
    }
}
