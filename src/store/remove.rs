//! Statements that remove what is gone (R22, R24, R37). Each decides for all that leaves at once.

use sha2::{Digest, Sha256};

use super::bulk_tables::{DOCUMENT, STAGE};
use super::error::StoreFault;
use super::reading::fingerprint;
use super::removal_decision::{IS_LISTED, Leaving, RemovalConclusion, is_gone};
use super::sql::{Sql, SqlTable, values};
use super::{ConnectionId, RunId, ownership, witness};
use crate::identity::Kind;

/// Assets read at a time to make the versions of them that say that the object is gone.
const CHUNK: i64 = 500;

/// Rows of `recheck` that leave (schema/sqlite_temporary.sql).
const LEAVING: SqlTable = SqlTable {
    name: "leaving",
    columns: &[],
};

/// Ends the waiting of the objects that leave.
const LEAVE_CONTEST: &str = "
    DELETE FROM contender WHERE object IN (SELECT object FROM leaving WHERE object IS NOT NULL)";

/// Lists the assets that belonged to what leaves.
const RELEASED: &str = "
    INSERT INTO released (asset)
    SELECT DISTINCT l.asset FROM leaving AS l JOIN asset AS a ON a.id = l.asset
    WHERE a.owner IS NULL OR a.owner = l.object";

/// Lists the assets as removed that upstream holds or may hold and no live object claims. What
/// never left the stage is nothing to report.
const REMOVED: &str = "
    INSERT INTO removed (connection, asset, guid, kind, dn, reason, removed_at, run)
    SELECT $1, l.asset, l.guid, l.kind, l.dn, l.reason, $2, $3
    FROM leaving AS l JOIN released AS r ON r.asset = l.asset JOIN asset AS a ON a.id = l.asset
    WHERE a.owner IS NULL AND (a.accepted_at IS NOT NULL OR a.sent <> 0)
    ORDER BY l.recheck
    ON CONFLICT (asset) DO UPDATE SET connection = excluded.connection, guid = excluded.guid,
        kind = excluded.kind, dn = excluded.dn, reason = excluded.reason,
        removed_at = excluded.removed_at, run = excluded.run, sent_at = NULL";

/// Records these in the history of the run.
const RECORD: &str = "
    INSERT INTO run_object (run, fate, guid, kind, dn, external_id, reason)
    SELECT $1, 'removed', m.guid, m.kind, m.dn, a.external_id, m.reason
    FROM released AS r CROSS JOIN removed AS m CROSS JOIN asset AS a
    WHERE m.asset = r.asset AND a.id = r.asset ORDER BY m.id";

/// Forgets what upstream holds of them, so that an object that comes back is sent again.
const FORGET: &str = "
    UPDATE asset SET fingerprint = NULL
    WHERE owner IS NULL AND id IN (SELECT asset FROM released)";

/// Forgets all else that is known of the objects that leave.
const FORGET_OBJECTS: [&str; 4] = [
    "DELETE FROM document WHERE seq IN (
         SELECT s.seq FROM leaving AS l JOIN stage AS s ON s.object = l.object
         JOIN asset AS a ON a.id = s.asset WHERE a.document IS DISTINCT FROM s.seq)",
    "DELETE FROM stage WHERE object IN (SELECT object FROM leaving WHERE object IS NOT NULL)",
    "DELETE FROM object WHERE id IN (SELECT object FROM leaving WHERE object IS NOT NULL)",
    "DELETE FROM recheck WHERE id IN (SELECT recheck FROM leaving)",
];

/// Forgets assets that nothing needs any more: upstream never got them, and no object claims them.
const FORGET_ASSETS: &str = "
    DELETE FROM asset WHERE owner IS NULL AND accepted_at IS NULL AND sent = 0
        AND id IN (SELECT asset FROM released)";

/// Selects what was removed just now, with the last text of its asset.
const TEXTS: &str = "
    SELECT r.asset, m.kind, d.json FROM released AS r
    CROSS JOIN removed AS m CROSS JOIN asset AS a CROSS JOIN document AS d
    WHERE r.asset > $1 AND m.asset = r.asset AND a.id = r.asset AND d.seq = a.document
    ORDER BY r.asset LIMIT $2";

/// Removal of everything that is gone, in one transaction.
pub(super) struct RemovalTransaction<'a> {
    pub(super) sql: &'a dyn Sql,
    pub(super) connection: ConnectionId,
    pub(super) run: RunId,
    pub(super) now: i64,
}

impl RemovalTransaction<'_> {
    /// Removes the objects that are gone, or only some of them, and stages the assets that report
    /// that to upstream.
    pub(super) fn remove(
        &self,
        leaving: Leaving,
        marked: &dyn Fn(Kind, &str) -> Option<String>,
        conclusion: &mut RemovalConclusion,
    ) -> Result<(), StoreFault> {
        let Self {
            sql,
            connection,
            run,
            now,
        } = *self;
        sql.clear(&LEAVING)?;
        sql.clear(&ownership::RELEASED)?;
        let which = match leaving {
            Leaving::All => "",
            Leaving::Held => " AND r.held_at IS NOT NULL",
            Leaving::Listed => &format!(" AND {IS_LISTED}"),
        };
        sql.execute(
            &format!(
                "INSERT INTO leaving (recheck, guid, kind, dn, object, asset, reason)
                 SELECT r.id, r.guid, r.kind, coalesce(o.dn, r.dn), o.id, coalesce(r.asset, o.asset), r.reason
                 FROM recheck AS r LEFT JOIN object AS o
                     ON r.asset IS NULL AND o.connection = r.connection AND o.guid = r.guid
                 WHERE {}{which}",
                is_gone("$1", "$2")
            ),
            values![connection, run],
        )?;
        self.note_removed_by()?;
        sql.execute(LEAVE_CONTEST, &[])?;
        sql.execute(RELEASED, &[])?;
        ownership::release(sql)?;
        conclusion.staged += ownership::pass_on(sql, Some(connection))?;
        sql.execute(REMOVED, values![connection, now, run])?;
        sql.execute(RECORD, values![run])?;
        sql.execute(FORGET, &[])?;
        for statement in FORGET_OBJECTS {
            sql.execute(statement, &[])?;
        }
        sql.execute(FORGET_ASSETS, &[])?;
        sql.query(
            "SELECT m.kind, count(*) AS objects FROM released AS r CROSS JOIN removed AS m
             WHERE m.asset = r.asset GROUP BY m.kind",
            &[],
            &mut |row| {
                conclusion.counts.of(row.get("kind")?).removed += row.count("objects")?;
                Ok(true)
            },
        )?;
        conclusion.staged += self.stage_removals(marked)?;
        Ok(())
    }

    /// Records for the other controllers what this one showed to be gone (R2), and forgets all else
    /// that was known of these objects.
    fn note_removed_by(&self) -> Result<(), StoreFault> {
        let Self {
            sql, connection, run, ..
        } = *self;
        for statement in [
            "DELETE FROM recheck WHERE connection = $1 AND why IN ('unmapped', 'inherited') AND asset IS NULL
                 AND guid IN (SELECT guid FROM leaving WHERE object IS NOT NULL)",
            "DELETE FROM missed_on WHERE connection = $1
                 AND guid IN (SELECT guid FROM leaving WHERE object IS NOT NULL)",
        ] {
            sql.execute(statement, values![connection])?;
        }
        let Some(controller) = witness::controller_of(sql, run)? else {
            return Ok(());
        };
        let number = ownership::take_numbers(sql, 1)?;
        let removed = sql.execute(
            "INSERT INTO removed_by (connection, guid, kind, controller, seq)
             SELECT $1, guid, kind, $2, $3 FROM leaving WHERE object IS NOT NULL
             ON CONFLICT (connection, guid) DO UPDATE SET kind = excluded.kind,
                 controller = excluded.controller, seq = excluded.seq",
            values![connection, controller, number],
        )?;
        if removed > 0 {
            witness::record_change(sql, connection, Some(controller), number)?;
        }
        Ok(())
    }

    /// Stages the versions that say that the objects are gone; returns how many.
    fn stage_removals(&self, marked: &dyn Fn(Kind, &str) -> Option<String>) -> Result<u64, StoreFault> {
        let Self {
            sql, connection, now, ..
        } = *self;
        let (mut staged, mut after) = (0, 0);
        loop {
            let removed: Vec<(i64, Kind, String)> = sql.rows(TEXTS, values![after, CHUNK], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
            let Some((last, ..)) = removed.last() else {
                return Ok(staged);
            };
            after = *last;
            let number = ownership::take_numbers(sql, removed.len())?;
            let versions: Vec<(i64, i64, Kind, String)> = (number..)
                .zip(&removed)
                .filter_map(|(seq, (asset, kind, text))| Some((seq, *asset, *kind, marked(*kind, text)?)))
                .collect();
            sql.insert(&DOCUMENT, &mut |insert| {
                let mut texts = versions.iter();
                texts.try_for_each(|(seq, _, _, json)| insert(values![seq, json]))
            })?;
            sql.insert(&STAGE, &mut |insert| {
                versions.iter().try_for_each(|(seq, asset, kind, json)| {
                    let object = None::<i64>;
                    insert(values![
                        connection,
                        seq,
                        object,
                        asset,
                        kind,
                        fingerprint(json),
                        now
                    ])
                })
            })?;
            staged += versions.len() as u64;
        }
    }
}

/// Returns the name of the held list: 12 hex digits of the SHA-256 of its GUIDs and replaced ids in
/// order.
pub(super) fn held_list(sql: &dyn Sql, connection: ConnectionId) -> Result<Option<String>, StoreFault> {
    let mut hash = Sha256::new();
    let mut any = false;
    sql.query(
        "SELECT r.guid, a.external_id FROM recheck AS r LEFT JOIN asset AS a ON a.id = r.asset
         WHERE r.connection = $1 AND r.held_at IS NOT NULL ORDER BY r.guid, a.external_id",
        values![connection],
        &mut |row| {
            hash.update(row.value(0)?.blob().unwrap_or_default());
            hash.update(row.value(1)?.text().unwrap_or_default().as_bytes());
            any = true;
            Ok(true)
        },
    )?;
    let octets = hash.finalize();
    let name: String = octets
        .iter()
        .take(6)
        .map(|octet| format!("{octet:02x}"))
        .collect();
    Ok(any.then_some(name))
}
