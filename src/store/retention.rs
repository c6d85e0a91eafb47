//! Retention: deletion of data that is old, or that nothing needs any more. Without it the file
//! would grow with time, and not only with the directory. [`super::run`] bounds the runs,
//! [`history`] their lists.

use super::error::StoreFault;
use super::sql::{Class, Sql, SqlTable, values};
use super::{ConnectionId, history};

/// Runs kept for each connection: a week and a half of runs every quarter of an hour.
pub(super) const KEPT_RUNS: i64 = 1000;

/// Seconds after which a watermark leads to a full read (R9): a year is twice the usual
/// tombstoneLifetime of 180 days (MS-ADTS 3.1.1.5.5).
pub(super) const LONGEST_TOMBSTONE_LIFETIME: i64 = 365 * 86_400;

/// Seconds that a removed object is listed: more than a year, so that a yearly audit finds it.
const KEPT_REMOVED: i64 = 400 * 86_400;

/// Removed objects forgotten at the end of a run, at most: some 0.2 s.
const REMOVED_AT_ONCE: i64 = 2_000;

/// Assets forgotten at the end of a full read, at most: a second or two.
const ASSETS_AT_ONCE: i64 = 100_000;

/// Assets that are forgotten (schema/sqlite_temporary.sql).
pub(super) const UNNEEDED: SqlTable = SqlTable {
    name: "unneeded",
    columns: &[("asset", Class::Integer)],
};

/// Lists assets that have been removed for so long that the list of removed objects ends before
/// them. What upstream has still to accept stays.
const OLD_REMOVED: &str = "
    INSERT INTO unneeded (asset)
    SELECT m.asset FROM removed AS m WHERE m.removed_at < $1
        AND NOT EXISTS (SELECT 1 FROM stage AS s WHERE s.asset = m.asset AND s.object IS NULL)
    ORDER BY m.removed_at LIMIT $2";

/// Condition on an asset `a` that nothing needs it but, perhaps, an object ([`CLAIMED`]). A version
/// in flight is about to be settled.
const NOTHING_NEEDS: &str = "a.owner IS NULL
    AND NOT EXISTS (SELECT 1 FROM removed AS m WHERE m.asset = a.id)
    AND NOT EXISTS (SELECT 1 FROM recheck AS r WHERE r.asset = a.id)
    AND NOT EXISTS (SELECT 1 FROM contender AS c WHERE c.asset = a.id)
    AND NOT EXISTS (SELECT 1 FROM stage AS s WHERE s.asset = a.id AND s.object IS NULL)
    AND NOT EXISTS (SELECT 1 FROM run WHERE run.id = a.out_run AND run.ended IS NULL)";

/// Keeps what an object claims: the asset of an object whose connection is not configured may have
/// no owner. So of the stage only removals matter above. The join goes through all objects, and
/// looks each up in the few assets.
const CLAIMED: &str = "
    DELETE FROM unneeded WHERE asset IN (
        SELECT u.asset FROM object AS o CROSS JOIN unneeded AS u WHERE u.asset = o.asset)";

/// Forgets the assets in `unneeded` with their texts.
const FORGET_ASSETS: [&str; 2] = [
    "DELETE FROM document WHERE seq IN (
         SELECT a.document FROM unneeded AS u JOIN asset AS a ON a.id = u.asset
         WHERE a.document IS NOT NULL)",
    "DELETE FROM asset WHERE id IN (SELECT asset FROM unneeded)",
];

/// Forgets what could not be mapped and was confirmed by none of the runs that are kept. Every
/// complete read asks for all of it (R15), but does not conclude from the answer of another
/// controller than the one that returned it; so what a retired controller returned would stay
/// forever. Runs that read nothing asked for nothing: at least `$2` of the runs were complete
/// reads.
const FORGET_UNMAPPED: &str = "
    DELETE FROM recheck WHERE connection = $1 AND why = 'unmapped'
        AND run < (SELECT min(id) FROM run WHERE connection = $1)
        AND (SELECT count(*) FROM run
            WHERE connection = $1 AND watermark_after IS NOT NULL) >= $2";

/// Forgets the data of controllers that were not read for so long that a read of them would be a
/// full one (R9). Each statement has the connection, the first two also the time. A controller
/// without a watermark proves nothing about what it returned (R22), so nothing is taken for gone
/// because `missed_on` does not name it any more. A change counts while there is a watermark or a
/// cookie from before it (R2).
const FORGET_CONTROLLERS: [&str; 4] = [
    "DELETE FROM watermark WHERE connection = $1 AND read_at <= $2",
    "DELETE FROM missed_on WHERE connection = $1 AND since <= $2
         AND controller NOT IN (SELECT controller FROM watermark WHERE connection = $1)",
    "DELETE FROM container WHERE connection = $1
         AND controller NOT IN (SELECT controller FROM watermark WHERE connection = $1)",
    "DELETE FROM last_change WHERE connection = $1
         AND controller NOT IN (SELECT controller FROM watermark WHERE connection = $1)
         AND NOT EXISTS (SELECT 1 FROM watermark AS w
             WHERE w.connection = $1 AND w.seq < last_change.seq)
         AND NOT EXISTS (SELECT 1 FROM dirsync_cookie AS d
             WHERE d.connection = $1 AND d.seq < last_change.seq)",
];

/// Forgets the numbers of controllers that no object and no watermark has.
const FORGET_NUMBERS: &str = "
    DELETE FROM controller WHERE invocation_id NOT IN (SELECT controller FROM watermark)
        AND id NOT IN (SELECT changed_by FROM object WHERE changed_by IS NOT NULL)";

/// Forgets what is old, at the end of a run of the connection: old lists of runs, removed objects,
/// what could not be mapped.
pub(super) fn after_run(sql: &dyn Sql, connection: ConnectionId, now: i64) -> Result<(), StoreFault> {
    history::forget_old(sql)?;
    sql.execute(FORGET_UNMAPPED, values![connection, KEPT_RUNS / 2])?;
    sql.clear(&UNNEEDED)?;
    let oldest = now.saturating_sub(KEPT_REMOVED);
    if sql.execute(OLD_REMOVED, values![oldest, REMOVED_AT_ONCE])? == 0 {
        return Ok(());
    }
    sql.execute(
        "DELETE FROM removed WHERE asset IN (SELECT asset FROM unneeded)",
        &[],
    )?;
    forget_unneeded(sql)
}

/// Forgets those of the assets in `unneeded` that nothing needs any more.
pub(super) fn forget_unneeded(sql: &dyn Sql) -> Result<(), StoreFault> {
    sql.execute(
        &format!(
            "DELETE FROM unneeded WHERE NOT EXISTS (
                 SELECT 1 FROM asset AS a WHERE a.id = unneeded.asset AND {NOTHING_NEEDS})"
        ),
        &[],
    )?;
    forget_assets(sql)
}

/// Forgets assets without an owner that nothing needs, and the data of controllers that were not
/// read for long. It looks at every asset without an owner and at every object, so it is called at
/// the end of a full read, after its watermark is stored.
pub(super) fn after_full_read(sql: &dyn Sql, of: ConnectionId, now: i64) -> Result<(), StoreFault> {
    sql.clear(&UNNEEDED)?;
    let unneeded = sql.execute(
        &format!(
            "INSERT INTO unneeded (asset)
             SELECT a.id FROM asset AS a WHERE {NOTHING_NEEDS} ORDER BY a.id LIMIT $1"
        ),
        values![ASSETS_AT_ONCE],
    )?;
    if unneeded > 0 {
        forget_assets(sql)?;
    }
    let oldest = now.saturating_sub(LONGEST_TOMBSTONE_LIFETIME);
    for statement in &FORGET_CONTROLLERS[..2] {
        sql.execute(statement, values![of, oldest])?;
    }
    for statement in &FORGET_CONTROLLERS[2..] {
        sql.execute(statement, values![of])?;
    }
    sql.execute(FORGET_NUMBERS, &[])?;
    Ok(())
}

/// Forgets the assets in `unneeded` that no object claims.
fn forget_assets(sql: &dyn Sql) -> Result<(), StoreFault> {
    sql.execute(CLAIMED, &[])?;
    for statement in FORGET_ASSETS {
        sql.execute(statement, &[])?;
    }
    Ok(())
}
