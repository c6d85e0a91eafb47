//! Values in the binary form of PostgreSQL. The schema has three types only: BIGINT, TEXT, BYTEA.

use std::borrow::Cow;
use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::store::error::StoreFault;
use crate::store::sql::{Class, Columns, SqlValue};

type ParameterFault = Box<dyn Error + Sync + Send>;

/// Parameter of a statement.
#[derive(Debug)]
pub(super) struct Parameter<'a>(pub(super) SqlValue<'a>);

impl Parameter<'_> {
    /// Returns the type that the statement is parsed with. That of NULL is left to the server.
    pub(super) const fn of(&self) -> Type {
        match self.0 {
            SqlValue::Null => Type::UNKNOWN,
            SqlValue::Integer(_) => Type::INT8,
            SqlValue::Text(_) => Type::TEXT,
            SqlValue::Blob(_) => Type::BYTEA,
        }
    }
}

impl ToSql for Parameter<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, ParameterFault> {
        match self.0 {
            SqlValue::Null => return Ok(IsNull::Yes),
            SqlValue::Integer(number) => out.put_i64(number),
            SqlValue::Text(text) => out.put_slice(storable(text).as_bytes()),
            SqlValue::Blob(octets) => out.put_slice(octets),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Returns a text as the server takes it: it stores no U+0000, so that becomes U+FFFD.
fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// Column of rows that are inserted together: an array of one dimension.
#[derive(Debug)]
pub(super) struct ColumnArray {
    class: Class,
    rows: i32,
    has_null: bool,
    elements: BytesMut,
}

impl ColumnArray {
    pub(super) fn new(class: Class) -> Self {
        Self {
            class,
            rows: 0,
            has_null: false,
            elements: BytesMut::new(),
        }
    }

    /// Appends a value.
    pub(super) fn push(&mut self, value: SqlValue<'_>) -> Result<(), StoreFault> {
        self.rows += 1;
        let text;
        let octets: &[u8] = match (self.class, value) {
            (_, SqlValue::Null) => {
                self.has_null = true;
                self.elements.put_i32(-1);
                return Ok(());
            }
            (Class::Integer, SqlValue::Integer(number)) => {
                self.elements.put_i32(8);
                self.elements.put_i64(number);
                return Ok(());
            }
            (Class::Text, SqlValue::Text(given)) => {
                text = storable(given);
                text.as_bytes()
            }
            (Class::Blob, SqlValue::Blob(octets)) => octets,
            _ => return Err(StoreFault::unreadable("a value to insert")),
        };
        let length = i32::try_from(octets.len()).map_err(|_| StoreFault::unreadable("a value to insert"))?;
        self.elements.put_i32(length);
        self.elements.put_slice(octets);
        Ok(())
    }

    /// Returns how many octets it holds.
    pub(super) fn octets(&self) -> usize {
        self.elements.len()
    }

    /// Returns the type of the array.
    pub(super) const fn of(&self) -> Type {
        match self.class {
            Class::Integer => Type::INT8_ARRAY,
            Class::Text => Type::TEXT_ARRAY,
            Class::Blob => Type::BYTEA_ARRAY,
        }
    }
}

impl ToSql for ColumnArray {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, ParameterFault> {
        let element = match self.class {
            Class::Integer => Type::INT8,
            Class::Text => Type::TEXT,
            Class::Blob => Type::BYTEA,
        };
        let dimensions = 1;
        let first = 1;
        out.put_i32(dimensions);
        out.put_i32(i32::from(self.has_null));
        out.put_u32(element.oid());
        out.put_i32(self.rows);
        out.put_i32(first);
        out.put_slice(&self.elements);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Value of a column as the server sent it.
struct Received<'a>(&'a Type, &'a [u8]);

impl<'a> FromSql<'a> for Received<'a> {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, ParameterFault> {
        // The names of types are static, but the reference that comes in is not.
        Ok(Self(known(of).ok_or("a type that no column has")?, raw))
    }

    fn accepts(of: &Type) -> bool {
        known(of).is_some()
    }
}

/// Returns the type, where it is one that a column or an expression of ours has.
fn known(of: &Type) -> Option<&'static Type> {
    const KNOWN: [Type; 8] = [
        Type::INT8,
        Type::INT4,
        Type::INT2,
        Type::BOOL,
        Type::TEXT,
        Type::VARCHAR,
        Type::NAME,
        Type::BYTEA,
    ];
    static TYPES: [Type; 8] = KNOWN;
    TYPES.iter().find(|known| *known == of)
}

impl Columns for tokio_postgres::Row {
    fn position(&self, name: &str) -> Option<usize> {
        self.columns().iter().position(|column| column.name() == name)
    }

    fn value(&self, position: usize) -> Result<SqlValue<'_>, StoreFault> {
        let unreadable = || StoreFault::unreadable(&format!("column {position}"));
        let received: Option<Received<'_>> = self.try_get(position).map_err(|_| unreadable())?;
        let Some(Received(of, raw)) = received else {
            return Ok(SqlValue::Null);
        };
        let value = match *of {
            Type::INT8 => raw.try_into().ok().map(i64::from_be_bytes).map(SqlValue::Integer),
            Type::INT4 => raw
                .try_into()
                .ok()
                .map(|octets| SqlValue::Integer(i64::from(i32::from_be_bytes(octets)))),
            Type::INT2 => raw
                .try_into()
                .ok()
                .map(|octets| SqlValue::Integer(i64::from(i16::from_be_bytes(octets)))),
            Type::BOOL => raw.first().map(|octet| SqlValue::Integer(i64::from(*octet))),
            Type::BYTEA => Some(SqlValue::Blob(raw)),
            _ => std::str::from_utf8(raw).ok().map(SqlValue::Text),
        };
        value.ok_or_else(unreadable)
    }
}
