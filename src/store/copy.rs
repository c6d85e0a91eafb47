//! Copies of the whole state, from one engine to another, and their comparison.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::error::StoreFault;
use super::sql::{Sql, SqlRow, SqlTable, SqlValue, values};
use super::tables::TABLES;
use super::{Engine, Store, StoreError, open};
use crate::failpoint::Commit;

/// Content of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Rows of each table, equal on both sides.
    pub rows: Vec<(&'static str, u64)>,
}

/// Name, number of rows and digest of a table.
type TableDigest = (&'static str, (u64, [u8; 32]));

/// Tables whose numbers the database gives.
const NUMBERED: [&str; 7] = [
    "target",
    "connection",
    "run",
    "run_object",
    "controller",
    "recheck",
    "removed",
];

impl Store {
    /// Copies everything into `target`, which must be empty, in one transaction; then reads both
    /// and compares them. No other process may write meanwhile.
    ///
    /// # Errors
    /// When `target` holds a state, either cannot be used, or they are not equal afterwards.
    pub fn copy_to(&self, target: &Self) -> Result<Copied, StoreError> {
        self.snapshot(|from| {
            target.write(Commit::Create, |into| {
                let there: i64 = into.value(
                    "SELECT (SELECT count(*) FROM connection) + (SELECT count(*) FROM stored_connection)",
                    &[],
                )?;
                if there > 0 {
                    return Err(StoreError::NotEmpty {
                        path: target.path().to_owned(),
                    }
                    .into());
                }
                for table in ["sequence", "stored_change"] {
                    into.execute(&format!("DELETE FROM {table}"), &[])?;
                }
                TABLES
                    .iter()
                    .try_for_each(|table| copy_table(table, from, into))?;
                if let Engine::Postgres(_) = target.engine {
                    continue_numbers(into)?;
                }
                Ok(())
            })?;
            Ok(())
        })?;
        let (here, there) = (self.digests()?, target.digests()?);
        for ((name, of_here), (_, of_there)) in here.iter().zip(&there) {
            if of_here != of_there {
                return Err(StoreError::Unequal { table: name });
            }
        }
        let rows = here.into_iter().map(|(name, (rows, _))| (name, rows));
        Ok(Copied { rows: rows.collect() })
    }

    /// Returns a copy that ends with the process (a dry run).
    pub(super) fn scratch_copy(&self) -> Result<Self, StoreError> {
        let fresh = open::fresh().map_err(|fault| fault.at(self.path()))?;
        let copy = Self {
            path: self.path().to_owned(),
            engine: Engine::Sqlite(std::sync::Mutex::new(fresh)),
            marker: None,
        };
        self.copy_to(&copy)?;
        Ok(copy)
    }

    /// Returns the name, the number of rows and the digest of each table.
    fn digests(&self) -> Result<Vec<TableDigest>, StoreError> {
        self.snapshot(|sql| {
            let tables = TABLES.iter();
            tables
                .map(|table| Ok((table.name, digest(table, sql)?)))
                .collect()
        })
    }
}

fn copy_table(table: &SqlTable, from: &dyn Sql, into: &dyn Sql) -> Result<(), StoreFault> {
    into.insert(table, &mut |insert| {
        from.query(&select(table), &[], &mut |row| {
            insert(&values_of(table, row)?)?;
            Ok(true)
        })
    })
}

/// Selects all rows of a table in the order of all its columns.
fn select(table: &SqlTable) -> String {
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let columns = columns.join(", ");
    let mut order = String::new();
    // NULL comes first on one engine, and last on the other.
    for (place, (name, _)) in table.columns.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        let _ = write!(order, "{comma}{name} IS NULL, {name}");
    }
    format!("SELECT {columns} FROM {} ORDER BY {order}", table.name)
}

fn values_of<'r>(table: &SqlTable, row: &'r SqlRow<'_>) -> Result<Vec<SqlValue<'r>>, StoreFault> {
    (0..table.columns.len()).map(|place| row.value(place)).collect()
}

fn digest(table: &SqlTable, sql: &dyn Sql) -> Result<(u64, [u8; 32]), StoreFault> {
    let (mut hash, mut rows) = (Sha256::new(), 0);
    sql.query(&select(table), &[], &mut |row| {
        rows += 1;
        for value in values_of(table, row)? {
            match value {
                SqlValue::Null => hash.update([0]),
                SqlValue::Integer(number) => hash.update([&[1], number.to_be_bytes().as_slice()].concat()),
                // PostgreSQL stores no U+0000.
                SqlValue::Text(text) => update(&mut hash, 2, text.replace('\0', "\u{FFFD}").as_bytes()),
                SqlValue::Blob(octets) => update(&mut hash, 3, octets),
            }
        }
        Ok(true)
    })?;
    Ok((rows, hash.finalize().into()))
}

fn update(hash: &mut Sha256, class: u8, octets: &[u8]) {
    hash.update([class]);
    hash.update((octets.len() as u64).to_be_bytes());
    hash.update(octets);
}

/// Lets the numbers that the database gives begin behind those that were copied.
fn continue_numbers(sql: &dyn Sql) -> Result<(), StoreFault> {
    for table in NUMBERED.iter().chain(&["slice"]) {
        let next: i64 = sql.value(
            &format!(
                "SELECT setval(pg_get_serial_sequence('{table}', 'id'),
                     (SELECT coalesce(max(id), 0) + 1 FROM {table}), false)"
            ),
            values![],
        )?;
        debug_assert!(next > 0);
    }
    Ok(())
}
