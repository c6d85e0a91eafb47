//! SQL as the store writes it, and the trait that an engine implements.
//!
//! A statement is one text that SQLite and PostgreSQL both understand: parameters are `$1`, `$2`
//! and so on in the order of their first use, booleans are 0 and 1, and `ON CONFLICT` and
//! `IS NOT DISTINCT FROM` replace the forms that one engine alone knows. Work on sets goes through
//! a [`SqlTable`]: [`Sql::insert`] writes rows, and statements read them.

use super::ConnectionId;
use super::error::StoreFault;

/// Value of a parameter or of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SqlValue<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// Class of the types of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Integer,
    Text,
    Blob,
}

/// Table that rows are written to in bulk.
#[derive(Debug)]
pub(super) struct SqlTable {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Class)],
}

/// Consumer of the rows of a bulk insertion.
pub(super) type Insert<'a> = dyn FnMut(&[SqlValue<'_>]) -> Result<(), StoreFault> + 'a;

/// Transaction of an SQL engine, or a connection that only reads.
pub(super) trait Sql {
    /// Runs a statement and returns the number of rows that it changed.
    fn execute(&self, statement: &str, values: &[SqlValue<'_>]) -> Result<usize, StoreFault>;

    /// Runs a query and gives `each` its rows until that returns `false`.
    fn query(
        &self,
        statement: &str,
        values: &[SqlValue<'_>],
        each: &mut dyn FnMut(&SqlRow<'_>) -> Result<bool, StoreFault>,
    ) -> Result<(), StoreFault>;

    /// Inserts the rows that `rows` produces, in the order of the columns of `table`.
    fn insert(
        &self,
        table: &SqlTable,
        rows: &mut dyn FnMut(&mut Insert<'_>) -> Result<(), StoreFault>,
    ) -> Result<(), StoreFault>;

    /// Makes an empty temporary table, which lives as long as the transaction. Every transaction
    /// does so before it uses the table.
    fn clear(&self, table: &SqlTable) -> Result<(), StoreFault>;

    /// Refuses to go on while another instance holds a connection.
    fn refuse_if_held(&self, connection: ConnectionId) -> Result<(), StoreFault>;

    /// Marks the connections as not configured that no other instance has.
    fn mark_abandoned(&self) -> Result<(), StoreFault>;

    /// Returns whether several instances may share the state.
    fn is_shared(&self) -> bool;

    /// Proves that this process may run a connection, within a transaction that writes; nobody else
    /// can get that right before the commit (R34).
    fn prove_lease(&self, connection: ConnectionId) -> Result<(), StoreFault>;
}

impl dyn Sql + '_ {
    /// Returns the rows of a query.
    pub(super) fn rows<T>(
        &self,
        statement: &str,
        values: &[SqlValue<'_>],
        mut row_of: impl FnMut(&SqlRow<'_>) -> Result<T, StoreFault>,
    ) -> Result<Vec<T>, StoreFault> {
        let mut rows = Vec::new();
        self.query(statement, values, &mut |row| {
            rows.push(row_of(row)?);
            Ok(true)
        })?;
        Ok(rows)
    }

    /// Returns the first row of a query.
    pub(super) fn first<T>(
        &self,
        statement: &str,
        values: &[SqlValue<'_>],
        row_of: impl Fn(&SqlRow<'_>) -> Result<T, StoreFault>,
    ) -> Result<Option<T>, StoreFault> {
        let mut first = None;
        self.query(statement, values, &mut |row| {
            first = Some(row_of(row)?);
            Ok(false)
        })?;
        Ok(first)
    }

    /// Returns the only value of a query that always has a row, such as a count.
    pub(super) fn value<T: FromValue>(
        &self,
        statement: &str,
        values: &[SqlValue<'_>],
    ) -> Result<T, StoreFault> {
        self.first(statement, values, |row| row.get(0))?
            .ok_or_else(|| StoreFault::unreadable(statement))
    }
}

/// Columns of a row, as an engine gives them.
pub(super) trait Columns {
    /// Returns the position of a column.
    fn position(&self, name: &str) -> Option<usize>;

    /// Returns the value at a position.
    fn value(&self, position: usize) -> Result<SqlValue<'_>, StoreFault>;
}

/// Row of a query.
pub(super) struct SqlRow<'r>(pub(super) &'r dyn Columns);

/// Name or position of a column.
pub(super) trait Column: Copy {
    fn position(self, columns: &dyn Columns) -> Result<usize, StoreFault>;
}

impl Column for usize {
    fn position(self, _: &dyn Columns) -> Result<usize, StoreFault> {
        Ok(self)
    }
}

impl Column for &str {
    fn position(self, columns: &dyn Columns) -> Result<usize, StoreFault> {
        columns.position(self).ok_or_else(|| StoreFault::unreadable(self))
    }
}

impl SqlRow<'_> {
    /// Returns the value of a column.
    pub(super) fn get<T: FromValue>(&self, column: impl Column) -> Result<T, StoreFault> {
        let position = column.position(self.0)?;
        T::from_value(self.0.value(position)?)
            .ok_or_else(|| StoreFault::unreadable(&format!("column {position}")))
    }

    /// Returns the value of a column without copying it.
    pub(super) fn value(&self, column: impl Column) -> Result<SqlValue<'_>, StoreFault> {
        self.0.value(column.position(self.0)?)
    }

    /// Returns the number in a column that is never negative.
    pub(super) fn count(&self, column: impl Column) -> Result<u64, StoreFault> {
        Ok(u64::try_from(self.get::<i64>(column)?).unwrap_or(0))
    }
}

impl<'a> SqlValue<'a> {
    /// Returns the text, or nothing where it is another type.
    pub(super) const fn text(self) -> Option<&'a str> {
        match self {
            SqlValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the octets, or nothing where it is another type.
    pub(super) const fn blob(self) -> Option<&'a [u8]> {
        match self {
            SqlValue::Blob(octets) => Some(octets),
            _ => None,
        }
    }
}

/// Type that can be a parameter.
pub(super) trait ToValue {
    fn to_value(&self) -> SqlValue<'_>;
}

/// Type that a column can hold; `None` where it holds something else.
pub(super) trait FromValue: Sized {
    fn from_value(value: SqlValue<'_>) -> Option<Self>;
}

/// Parameters of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        &[$($crate::store::sql::ToValue::to_value(&$value)),*]
    };
}
pub(super) use values;

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> SqlValue<'_> {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> SqlValue<'_> {
        self.as_ref().map_or(SqlValue::Null, ToValue::to_value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: SqlValue<'_>) -> Option<Self> {
        match value {
            SqlValue::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// Implements both directions for a type; the two expressions convert it.
macro_rules! stored_as {
    ($variant:ident, $type:ty, |$this:ident| $to:expr, $from:expr) => {
        impl $crate::store::sql::ToValue for $type {
            fn to_value(&self) -> $crate::store::sql::SqlValue<'_> {
                let $this = self;
                $crate::store::sql::SqlValue::$variant($to)
            }
        }

        impl $crate::store::sql::FromValue for $type {
            fn from_value(value: $crate::store::sql::SqlValue<'_>) -> Option<Self> {
                let $crate::store::sql::SqlValue::$variant(value) = value else {
                    return None;
                };
                let from: fn(_) -> Option<$type> = $from;
                from(value)
            }
        }
    };
}
pub(super) use stored_as;

stored_as!(Integer, i64, |number| *number, Some);
stored_as!(Integer, bool, |yes| i64::from(*yes), |number: i64| Some(
    number != 0
));
stored_as!(Text, String, |text| text.as_str(), |text: &str| Some(
    text.to_owned()
));
stored_as!(Blob, Vec<u8>, |octets| octets.as_slice(), |octets: &[u8]| Some(
    octets.to_vec()
));
stored_as!(Blob, [u8; 16], |octets| octets.as_slice(), |octets: &[u8]| octets
    .try_into()
    .ok());
stored_as!(Blob, [u8; 32], |octets| octets.as_slice(), |octets: &[u8]| octets
    .try_into()
    .ok());
impl ToValue for str {
    fn to_value(&self) -> SqlValue<'_> {
        SqlValue::Text(self)
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> SqlValue<'_> {
        SqlValue::Blob(self)
    }
}
