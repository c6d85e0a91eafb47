//! Owners of assets (R37): an asset at the gateway belongs to one live object of one connection. An
//! object that claims the id of another's asset waits, and gets it when that one is gone.

use super::error::StoreFault;
use super::sql::{Class, Sql, SqlTable, values};
use super::{ConnectionId, KindCounts, RunId};

/// Assets that lost their owner in this transaction.
pub(super) const RELEASED: SqlTable = SqlTable {
    name: "released",
    columns: &[("asset", Class::Integer)],
};

/// Keeps the text that waits where the asset has no other and a version of it may be upstream: a
/// removal is made of it.
///
/// A text that the asset has stays, even if upstream accepted it from a former owner: it is what
/// upstream accepted last under the id, so it accepts the removal too. The text that waits may have
/// been refused, and a removal made of it would be refused as well. Upstream knows an asset by its
/// id (R37), so the removal is that of the asset that it holds under it.
const KEEP_TEXT: &str = "
    UPDATE asset SET document = s.seq FROM stage AS s
    WHERE asset.id IN (SELECT asset FROM released) AND asset.document IS NULL AND asset.sent <> 0
        AND s.object = asset.owner AND s.asset = asset.id";

/// Takes the owner from the released assets.
pub(super) const RELEASE: &str = "UPDATE asset SET owner = NULL WHERE id IN (SELECT asset FROM released)";

/// Gives released assets to the objects that wait longest for them.
const PASS_ON: &str = "
    UPDATE asset SET owner = (SELECT c.object FROM contender AS c WHERE c.asset = asset.id
        ORDER BY c.since, c.object LIMIT 1)
    WHERE owner IS NULL
        AND id IN (SELECT r.asset FROM released AS r CROSS JOIN contender AS c WHERE c.asset = r.asset)";

/// Ends the waiting of the new owners.
const END_CONTEST: &str = "
    DELETE FROM contender WHERE object IN (
        SELECT a.owner FROM released AS r CROSS JOIN asset AS a
        WHERE a.id = r.asset AND a.owner IS NOT NULL)";

/// Forgets that the assets of new owners are gone.
const NOT_GONE: &str = "
    DELETE FROM recheck WHERE asset IN (
        SELECT a.id FROM released AS r CROSS JOIN asset AS a
        WHERE a.id = r.asset AND a.owner IS NOT NULL)";

/// Lists what waits of the new owners that another connection reads, with the run of that one that
/// is under way: the next one reads them.
const WAITING_ELSEWHERE: &str = "
    INSERT INTO recheck (connection, why, guid, kind, dn, since, run)
    SELECT o.connection, 'inherited', o.guid, o.kind, o.dn, s.staged_at,
        coalesce((SELECT max(run.id) FROM run WHERE run.connection = o.connection AND run.ended IS NULL), 0)
    FROM released AS r CROSS JOIN asset AS a CROSS JOIN object AS o CROSS JOIN stage AS s
    WHERE a.id = r.asset AND o.id = a.owner AND s.object = o.id AND o.connection IS DISTINCT FROM $1
    ON CONFLICT (connection, why, guid) WHERE guid IS NOT NULL AND asset IS NULL DO NOTHING";

/// Lists what waits of the new owners: whether it is of this connection, and upstream does not hold
/// it for certain.
const WAITING: &str = "
    SELECT s.connection, s.seq, s.asset,
        CASE WHEN s.connection IS NOT DISTINCT FROM $1 AND (a.sent <> 0 OR a.fingerprint IS DISTINCT FROM s.fingerprint)
            THEN 1 ELSE 0 END AS is_ready
    FROM released AS r CROSS JOIN asset AS a CROSS JOIN stage AS s
    WHERE a.id = r.asset AND s.object = a.owner AND s.asset = a.id";

/// Versions that move on the stage (schema/sqlite_temporary.sql).
const MOVING: SqlTable = SqlTable {
    name: "moving",
    columns: &[
        ("seq", Class::Integer),
        ("connection", Class::Integer),
        ("asset", Class::Integer),
        ("number", Class::Integer),
    ],
};

/// Version on the stage.
pub(super) struct StagedVersion {
    pub(super) connection: ConnectionId,
    pub(super) seq: i64,
    pub(super) asset: i64,
}

/// Gives versions their new numbers, wherever the former ones are.
const PUT_BEHIND: [&str; 4] = [
    "UPDATE asset SET sent = (SELECT m.number FROM moving AS m WHERE m.seq = asset.sent)
     WHERE id IN (SELECT asset FROM moving) AND sent IN (SELECT seq FROM moving)",
    "UPDATE asset SET document = (SELECT m.number FROM moving AS m WHERE m.seq = asset.document)
     WHERE id IN (SELECT asset FROM moving) AND document IN (SELECT seq FROM moving)",
    "UPDATE document SET seq = (SELECT m.number FROM moving AS m WHERE m.seq = document.seq)
     WHERE seq IN (SELECT seq FROM moving)",
    "UPDATE stage SET seq = (SELECT m.number FROM moving AS m WHERE m.seq = stage.seq)
     WHERE (connection, seq) IN (SELECT connection, seq FROM moving)",
];

/// Deletes versions from the stage, and their texts unless those are kept for their assets.
const WITHDRAW: [&str; 2] = [
    "DELETE FROM document WHERE seq IN (
         SELECT m.seq FROM moving AS m CROSS JOIN asset AS a
         WHERE a.id = m.asset AND a.document IS DISTINCT FROM m.seq)",
    "DELETE FROM stage WHERE (connection, seq) IN (SELECT connection, seq FROM moving)",
];

/// Takes `count` numbers from the sequence and returns the first of them.
pub(super) fn take_numbers(sql: &dyn Sql, count: usize) -> Result<i64, StoreFault> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let last: i64 = sql.value(
        "UPDATE sequence SET last = last + $1 RETURNING last",
        values![count],
    )?;
    Ok(last - count + 1)
}

/// Takes the owner from every asset in `released`.
pub(super) fn release(sql: &dyn Sql) -> Result<(), StoreFault> {
    sql.execute(KEEP_TEXT, &[])?;
    sql.execute(RELEASE, &[])?;
    Ok(())
}

/// Gives the assets of objects whose connection is not configured any more to those that wait for
/// them.
pub(super) fn pass_on_abandoned(sql: &dyn Sql) -> Result<(), StoreFault> {
    sql.clear(&RELEASED)?;
    sql.execute(
        "INSERT INTO released (asset)
         SELECT DISTINCT a.id FROM contender AS c CROSS JOIN asset AS a CROSS JOIN object AS o
             CROSS JOIN connection AS n
         WHERE a.id = c.asset AND o.id = a.owner AND n.id = o.connection AND n.configured = 0",
        &[],
    )?;
    release(sql)?;
    pass_on(sql, None)?;
    Ok(())
}

/// Gives the assets in `released` to objects that wait for them, and returns how many versions of
/// the connection that is `running` can be sent now. These get new numbers, so that a delivery that
/// is under way finds them. Objects of other connections are read again by the next run of theirs,
/// since the version that waits may be older than the one that upstream holds (R18).
pub(super) fn pass_on(sql: &dyn Sql, running: Option<ConnectionId>) -> Result<u64, StoreFault> {
    if sql.execute(PASS_ON, &[])? == 0 {
        return Ok(0);
    }
    sql.execute(END_CONTEST, &[])?;
    sql.execute(NOT_GONE, &[])?;
    sql.execute(WAITING_ELSEWHERE, values![running])?;
    let (mut ready, mut withdrawn) = (Vec::new(), Vec::new());
    sql.query(WAITING, values![running], &mut |row| {
        let version = StagedVersion {
            connection: row.get("connection")?,
            seq: row.get("seq")?,
            asset: row.get("asset")?,
        };
        match row.get("is_ready")? {
            true => ready.push(version),
            false => withdrawn.push(version),
        }
        Ok(true)
    })?;
    withdraw(sql, &withdrawn)?;
    put_behind(sql, &ready)?;
    Ok(ready.len() as u64)
}

/// Gives versions new numbers, each with its text: they are behind all others of the stage.
pub(super) fn put_behind(sql: &dyn Sql, versions: &[StagedVersion]) -> Result<(), StoreFault> {
    if versions.is_empty() {
        return Ok(());
    }
    let number = take_numbers(sql, versions.len())?;
    fill(sql, versions, Some(number))?;
    for statement in PUT_BEHIND {
        sql.execute(statement, &[])?;
    }
    Ok(())
}

/// Takes versions from the stage, each with its text unless that is kept for its asset.
pub(super) fn withdraw(sql: &dyn Sql, versions: &[StagedVersion]) -> Result<(), StoreFault> {
    if versions.is_empty() {
        return Ok(());
    }
    fill(sql, versions, None)?;
    for statement in WITHDRAW {
        sql.execute(statement, &[])?;
    }
    Ok(())
}

/// Writes versions into their temporary table, with numbers from `first` on.
fn fill(sql: &dyn Sql, versions: &[StagedVersion], first: Option<i64>) -> Result<(), StoreFault> {
    sql.clear(&MOVING)?;
    sql.insert(&MOVING, &mut |insert| {
        let mut numbered = (0..).zip(versions);
        numbered.try_for_each(|(position, version)| {
            let number = first.map(|first| first + position);
            insert(values![version.seq, version.connection, version.asset, number])
        })
    })
}

/// Reason that an object waits, in a query that has the contender `c`, the asset `a`, the waiting
/// object `o`, the owner `w` and its connection `n`.
pub(super) const CONFLICT: &str = "'externalAssetId ' || a.external_id || ' is already that of ' || w.dn
    || ' (connection ' || n.name || '); ' || o.dn || ' has to wait until that is gone'";

/// The contenders with what [`CONFLICT`] needs.
pub(super) const CONTENDERS: &str = "contender AS c JOIN asset AS a ON a.id = c.asset
    JOIN object AS o ON o.id = c.object JOIN object AS w ON w.id = a.owner
    JOIN connection AS n ON n.id = w.connection";

/// Records in the history of the run the objects that wait for the asset of another, and counts
/// them as rejected.
pub(super) fn record_conflicts(
    sql: &dyn Sql,
    connection: ConnectionId,
    run: RunId,
    counts: &mut KindCounts,
) -> Result<(), StoreFault> {
    sql.execute(
        &format!(
            "INSERT INTO run_object (run, fate, guid, kind, dn, external_id, reason)
             SELECT $1, 'rejected', o.guid, o.kind, o.dn, a.external_id, {CONFLICT}
             FROM {CONTENDERS} WHERE c.connection = $2 ORDER BY c.object"
        ),
        values![run, connection],
    )?;
    sql.query(
        "SELECT o.kind, count(*) AS objects FROM contender AS c JOIN object AS o ON o.id = c.object
         WHERE c.connection = $1 GROUP BY o.kind",
        values![connection],
        &mut |row| {
            counts.of(row.get("kind")?).rejected += row.count("objects")?;
            Ok(true)
        },
    )
}
