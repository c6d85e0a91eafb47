//! Targets of connections. With another target than before, everything of a connection is to be
//! sent there, and what waits goes there. What the former target holds stays as it is; nobody can
//! say anything there any more.

use super::error::StoreFault;
use super::sql::{Sql, values};
use super::{ConnectionId, ownership};

/// Gateway URL and connector UUID that assets are posted to. Connections with the same target share
/// their assets (R37).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssetTarget {
    /// URL of the gateway.
    pub gateway: String,
    /// UUID of the connector.
    pub connector: String,
}

/// Returns the number of a target, a new one where it has none.
pub(super) fn number(sql: &dyn Sql, target: &AssetTarget) -> Result<i64, StoreFault> {
    let AssetTarget { gateway, connector } = target;
    sql.execute(
        "INSERT INTO target (gateway, connector) VALUES ($1, $2)
         ON CONFLICT (gateway, connector) DO NOTHING",
        values![gateway, connector],
    )?;
    sql.value(
        "SELECT id FROM target WHERE gateway = $1 AND connector = $2",
        values![gateway, connector],
    )
}

/// Ends everything that concerns the assets of the former target: removals that wait, ids that were
/// replaced, the waiting for other owners.
const LEAVE: [&str; 4] = [
    "DELETE FROM document WHERE seq IN (SELECT seq FROM stage WHERE connection = $1 AND object IS NULL)",
    "DELETE FROM stage WHERE connection = $1 AND object IS NULL",
    "DELETE FROM recheck WHERE connection = $1 AND why = 'replaced'",
    "DELETE FROM contender WHERE connection = $1",
];

/// Lists the objects whose asset the former target holds and of which nothing waits: it is staged
/// for the new one, as it is.
const STAGE: &str = "
    INSERT INTO stage (connection, seq, object, asset, kind, fingerprint, staged_at)
    SELECT o.connection, $1 + row_number() OVER (ORDER BY o.id), o.id, o.asset, o.kind, a.fingerprint, $2
    FROM object AS o JOIN asset AS a ON a.id = o.asset AND a.owner = o.id
    WHERE o.connection = $3 AND a.fingerprint IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM stage AS s WHERE s.object = o.id)";

/// Copies their texts.
const COPY_TEXTS: &str = "
    INSERT INTO document (seq, json)
    SELECT s.seq, d.json FROM stage AS s JOIN asset AS a ON a.id = s.asset
    JOIN document AS d ON d.seq = a.document
    WHERE s.connection = $1 AND s.seq > $2";

/// Lists the assets of the former target that lose their owner.
const RELEASED: &str = "
    INSERT INTO released (asset)
    SELECT DISTINCT o.asset FROM object AS o JOIN asset AS a ON a.id = o.asset
    WHERE o.connection = $1 AND a.owner = o.id";

/// Stores an asset of the new target for every id, owned by the first object that claims it.
const NEW_ASSETS: &str = "
    INSERT INTO asset (id, target, external_id, owner)
    SELECT $1 + row_number() OVER (ORDER BY min(o.id)), $2, a.external_id, min(o.id)
    FROM object AS o JOIN asset AS a ON a.id = o.asset
    WHERE o.connection = $3 GROUP BY a.external_id
    ON CONFLICT (target, external_id) DO NOTHING";

/// Moves objects and what waits of them to the assets of the new target, takes those that have no
/// owner, and waits for those of others.
const MOVE: [&str; 4] = [
    "UPDATE object SET asset = (SELECT n.id FROM asset AS n JOIN asset AS f ON f.external_id = n.external_id
         WHERE f.id = object.asset AND n.target = $1) WHERE connection = $2",
    "UPDATE stage SET asset = o.asset FROM object AS o JOIN asset AS a ON a.id = o.asset
     WHERE o.id = stage.object AND a.target = $1 AND stage.connection = $2",
    "UPDATE asset SET owner = c.first
     FROM (SELECT asset, min(id) AS first FROM object
         WHERE asset IN (SELECT id FROM asset WHERE target = $1 AND owner IS NULL) AND connection = $2
         GROUP BY asset) AS c
     WHERE c.asset = asset.id",
    "INSERT INTO contender (object, asset, connection, since)
     SELECT o.id, o.asset, o.connection, s.staged_at FROM object AS o JOIN asset AS a ON a.id = o.asset
     JOIN stage AS s ON s.object = o.id
     WHERE a.target = $1 AND o.connection = $2 AND a.owner <> o.id",
];

/// Takes from the stage what the new target holds already, since the connection had it before.
const HELD: [&str; 4] = [
    "DELETE FROM removed WHERE asset IN (SELECT asset FROM object WHERE connection = $1)",
    "DELETE FROM recheck WHERE asset IN (SELECT asset FROM object WHERE connection = $1)",
    "DELETE FROM document WHERE seq IN (
         SELECT s.seq FROM stage AS s JOIN asset AS a ON a.id = s.asset
         WHERE s.connection = $1 AND a.owner = s.object AND a.sent = 0 AND a.fingerprint = s.fingerprint)",
    "DELETE FROM stage WHERE connection = $1 AND NOT EXISTS (
         SELECT 1 FROM document AS d WHERE d.seq = stage.seq)",
];

/// Moves everything of a connection to another target.
pub(super) fn retarget(
    sql: &dyn Sql,
    connection: ConnectionId,
    target: i64,
    now: i64,
) -> Result<(), StoreFault> {
    for statement in LEAVE {
        sql.execute(statement, values![connection])?;
    }
    let objects: i64 = sql.value(
        "SELECT count(*) FROM object WHERE connection = $1",
        values![connection],
    )?;
    let objects = usize::try_from(objects).unwrap_or(0);
    let number = ownership::take_numbers(sql, objects + 1)?;
    sql.execute(STAGE, values![number, now, connection])?;
    sql.execute(COPY_TEXTS, values![connection, number])?;
    sql.clear(&ownership::RELEASED)?;
    sql.execute(RELEASED, values![connection])?;
    // Nothing is removed there any more, so no text is kept.
    sql.execute(ownership::RELEASE, &[])?;
    ownership::pass_on(sql, None)?;
    let number = ownership::take_numbers(sql, objects + 1)?;
    sql.execute(NEW_ASSETS, values![number, target, connection])?;
    for statement in MOVE {
        sql.execute(statement, values![target, connection])?;
    }
    for statement in HELD {
        sql.execute(statement, values![connection])?;
    }
    Ok(())
}
