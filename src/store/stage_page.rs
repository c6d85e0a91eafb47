//! Pages: what was read becomes objects, their assets get owners (R37), and what upstream does not
//! hold is staged (R17, R18).

use super::bulk_tables::DOCUMENT;
use super::error::StoreFault;
use super::ownership;
use super::page_statements as statements;
use super::reading::{Fingerprint, ObjectReading};
use super::sql::{Class, Sql, SqlTable, SqlValue, values};
use super::{ConnectionId, KindCounts, RunId, witness};
use crate::identity::{Guid, Kind, link_notes};

/// One page: an object each (schema/sqlite_temporary.sql).
const PAGE: SqlTable = SqlTable {
    name: "page",
    columns: &[
        ("position", Class::Integer),
        ("first_with_id", Class::Integer),
        ("guid", Class::Blob),
        ("kind", Class::Text),
        ("dn", Class::Text),
        ("external_id", Class::Text),
        ("fingerprint", Class::Blob),
        ("reason", Class::Text),
        ("linked", Class::Blob),
    ],
};

/// Page of a run, in the transaction that stores it.
pub(super) struct PageWriter<'a> {
    pub(super) sql: &'a dyn Sql,
    pub(super) connection: ConnectionId,
    pub(super) run: RunId,
    /// Stage also what upstream holds.
    pub(super) resend: bool,
    pub(super) now: i64,
}

impl PageWriter<'_> {
    /// Stores the readings, each of another object, and returns what became of them.
    pub(super) fn store(&self, page: &[(&ObjectReading, Fingerprint)]) -> Result<KindCounts, StoreFault> {
        if page.is_empty() {
            return Ok(KindCounts::default());
        }
        let Self {
            sql,
            connection,
            run,
            now,
            ..
        } = *self;
        self.fill(page)?;
        let number = ownership::take_numbers(sql, page.len())?;
        let controller = witness::controller_of(sql, run)?;
        let controller_number = controller
            .map(|controller| witness::controller_number(sql, controller))
            .transpose()?;
        let target: i64 = sql.value("SELECT target FROM connection WHERE id = $1", values![connection])?;

        sql.execute(statements::FIND, values![number, connection, target])?;
        sql.execute(statements::NEW_ASSETS, values![target])?;
        let mut changes = sql.execute(
            statements::NEW_OBJECTS,
            values![connection, number, controller_number],
        )?;
        if page.iter().any(|(reading, _)| reading.kind.is_group()) {
            sql.execute(statements::RECLASSIFIED, values![run])?;
        }
        self.claim()?;
        changes += sql.execute(
            statements::FOUND_AGAIN,
            values![number, controller_number, connection],
        )?;
        self.forget(&statements::RETURNED, values![connection])?;
        self.forget(&statements::CLAIMED, &[])?;

        sql.execute(statements::DECIDE, values![self.resend])?;
        changes += sql.execute(statements::CHANGED, values![number, controller_number])?;
        for statement in statements::WITHDRAW {
            sql.execute(statement, &[])?;
        }
        sql.execute(statements::UPDATE_KIND, &[])?;
        if sql.execute(statements::STAGE, values![connection, number, now])? > 0 {
            self.store_documents(page, number)?;
        }
        self.unmapped(controller)?;
        if changes > 0 {
            witness::record_change(sql, connection, controller, number)?;
        }
        self.count()
    }

    /// Runs those of the statements whose table has rows.
    fn forget(&self, statements: &[(&str, &str)], values: &[SqlValue<'_>]) -> Result<(), StoreFault> {
        for (table, statement) in statements {
            let any = self
                .sql
                .first(&format!("SELECT 1 FROM {table} LIMIT 1"), &[], |_| Ok(()))?;
            if any.is_some() {
                self.sql.execute(statement, values)?;
            }
        }
        Ok(())
    }

    fn fill(&self, page: &[(&ObjectReading, Fingerprint)]) -> Result<(), StoreFault> {
        self.sql.clear(&PAGE)?;
        let mut first_with_id = std::collections::HashMap::new();
        self.sql.insert(&PAGE, &mut |insert| {
            for (position, (reading, fingerprint)) in page.iter().enumerate() {
                let position = as_number(position);
                let asset = reading.asset.as_ref().ok();
                let id = asset.map(|asset| asset.external_id.as_str());
                let first = id.map_or(position, |id| *first_with_id.entry(id).or_insert(position));
                insert(values![
                    position,
                    first,
                    reading.guid,
                    reading.kind,
                    reading.dn,
                    id,
                    asset.map(|_| fingerprint),
                    reading.asset.as_ref().err(),
                    asset.and(reading.linked.as_deref()).map(link_notes::pack),
                ])?;
            }
            Ok(())
        })
    }

    /// Gives every asset that the page claims its owner (R37).
    fn claim(&self) -> Result<(), StoreFault> {
        let Self {
            sql, connection, now, ..
        } = *self;
        sql.clear(&ownership::RELEASED)?;
        sql.execute(statements::LEAVE_CONTEST, &[])?;
        if sql.execute(statements::RELEASED, &[])? > 0 {
            sql.execute(statements::REPLACED, values![connection, now])?;
        }
        sql.execute(statements::ABANDONED, &[])?;
        ownership::release(sql)?;
        sql.execute(statements::UPDATE_OBJECTS, &[])?;
        ownership::pass_on(sql, Some(connection))?;
        sql.execute(statements::CLAIM, &[])?;
        sql.execute(statements::CONTEND, values![connection, now])?;
        Ok(())
    }

    fn store_documents(&self, page: &[(&ObjectReading, Fingerprint)], number: i64) -> Result<(), StoreFault> {
        let staged: Vec<i64> = self.sql.rows(
            "SELECT position FROM page WHERE verdict = 'stage' ORDER BY position",
            &[],
            |row| row.get(0),
        )?;
        self.sql.insert(&DOCUMENT, &mut |insert| {
            for position in &staged {
                let reading = usize::try_from(*position).ok().and_then(|at| page.get(at));
                if let Some((ObjectReading { asset: Ok(asset), .. }, _)) = reading {
                    insert(values![number + position, asset.json])?;
                }
            }
            Ok(())
        })
    }

    fn unmapped(&self, controller: Option<Guid>) -> Result<(), StoreFault> {
        let Self {
            sql,
            connection,
            run,
            now,
            ..
        } = *self;
        if sql.execute(statements::DECIDE_UNMAPPED, values![connection, run])? > 0 {
            sql.execute(statements::RECORD_UNMAPPED, values![run])?;
            sql.execute(statements::UNMAPPED, values![connection, now, run, controller])?;
        }
        Ok(())
    }

    fn count(&self) -> Result<KindCounts, StoreFault> {
        let mut counts = KindCounts::default();
        self.sql.query(statements::COUNT, &[], &mut |row| {
            let kind: Kind = row.get("kind")?;
            let objects = row.count("objects")?;
            let counts = counts.of(kind);
            match row.value("verdict")?.text() {
                Some("stage" | "waits") => counts.staged += objects,
                Some("held") => counts.unchanged += objects,
                Some("unmapped") => counts.unmapped += objects,
                // Counted when it came for the first time.
                _ => return Ok(true),
            }
            counts.read += objects;
            Ok(true)
        })?;
        Ok(counts)
    }
}

fn as_number(position: usize) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}
