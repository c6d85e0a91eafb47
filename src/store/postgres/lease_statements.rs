//! Statements about leases (R34). Each is a transaction of its own, and judges time by the clock of
//! the database.

use super::session::DatabaseSession;
use crate::store::ConnectionId;
use crate::store::error::StoreFault;
use crate::store::sql::{Sql, values};

/// Time that a lease holds without being renewed, as the statements have it.
pub(super) const TTL: u64 = 15;

/// Condition that an instance is alive: one that did not report for 15 seconds counts as gone.
const LIVE: &str = "seen_at > clock_timestamp() - interval '15 seconds'";

const ENSURE: &str = "
    INSERT INTO lease (connection, epoch, holder, holder_name, purpose, digest, taken_at, expires_at)
    SELECT id, 0, '', '', '', '', '-infinity', '-infinity' FROM connection WHERE id = $1
    ON CONFLICT (connection) DO NOTHING";

/// Takes a lease that has ended. A transaction of the last holder that proves it right now is not
/// waited for: the lease is passed over.
const TAKE: &str = "
    UPDATE lease SET epoch = epoch + 1, holder = $2, holder_name = $3, purpose = $4,
        digest = CASE WHEN $5 = '' THEN digest ELSE $5 END,
        takeovers = takeovers + CASE WHEN holder NOT IN ('', $2) AND expires_at > '-infinity' THEN 1 ELSE 0 END,
        taken_at = clock_timestamp(), expires_at = clock_timestamp() + interval '15 seconds'
    WHERE connection = (SELECT connection FROM lease
        WHERE connection = $1 AND expires_at <= clock_timestamp() FOR UPDATE SKIP LOCKED)
    RETURNING epoch, takeovers";

/// Renews a lease, with the digest of the settings that its holder has now. One that was resigned
/// meanwhile stays so.
const RENEW: &str = "
    UPDATE lease SET expires_at = clock_timestamp() + interval '15 seconds',
        digest = CASE WHEN $4 = '' THEN digest ELSE $4 END
    WHERE connection = $1 AND holder = $2 AND epoch = $3 AND expires_at > '-infinity'";

/// Ends a lease and keeps its epoch.
const RESIGN: &str = "
    UPDATE lease SET expires_at = '-infinity' WHERE connection = $1 AND holder = $2 AND epoch = $3";

/// Proves a lease within a transaction, and keeps others from taking it until the commit.
const PROVE: &str = "
    SELECT 1 FROM lease WHERE connection = $1 AND holder = $2 AND epoch = $3 FOR KEY SHARE";

const HOLDER: &str = "
    SELECT holder, holder_name, purpose, digest,
        to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS since,
        CASE WHEN expires_at > clock_timestamp()
            THEN ceil(extract(epoch FROM expires_at - clock_timestamp()))::bigint ELSE 0 END AS seconds
    FROM lease WHERE connection = $1";

/// Marks the connections as not configured that no other instance has.
pub(super) const ABANDONED: &str = "
    UPDATE connection SET configured = 0
    WHERE NOT EXISTS (SELECT 1 FROM lease AS l WHERE l.connection = connection.id AND l.holder <> $1
            AND l.expires_at > clock_timestamp())
        AND NOT EXISTS (SELECT 1 FROM candidate AS c JOIN instance AS i ON i.holder = c.holder
            WHERE c.connection = connection.id AND i.holder <> $1 AND i.seen_at > clock_timestamp() - interval '15 seconds')";

/// Holder of a lease, as its row says.
#[derive(Debug, Clone)]
pub(super) struct LeaseHolder {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) purpose: String,
    pub(super) digest: String,
    pub(super) since: String,
    /// Time that the lease still holds; 0 where it has ended.
    pub(super) seconds: i64,
}

/// Identity of a holder.
#[derive(Debug, Clone, Copy)]
pub(super) struct InstanceIdentity<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
}

/// Returns an identity that no other holder has.
pub(super) fn new_id(session: &DatabaseSession) -> Result<String, StoreFault> {
    let row = session.batch("SELECT gen_random_uuid()")?;
    row.into_iter()
        .next()
        .flatten()
        .ok_or_else(|| StoreFault::unreadable("gen_random_uuid"))
}

/// Takes the lease of a connection where it has ended; returns its epoch, and how often one ended
/// without being resigned.
pub(super) fn take(
    sql: &dyn Sql,
    connection: ConnectionId,
    identity: InstanceIdentity<'_>,
    purpose: &str,
    digest: &str,
) -> Result<Option<(i64, i64)>, StoreFault> {
    sql.execute(ENSURE, values![connection])?;
    sql.first(
        TAKE,
        values![connection, identity.id, identity.name, purpose, digest],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Renews a lease; `false` when it is another's. An empty `digest` leaves that of the lease as it
/// is.
pub(super) fn renew(
    sql: &dyn Sql,
    connection: ConnectionId,
    id: &str,
    epoch: i64,
    digest: &str,
) -> Result<bool, StoreFault> {
    Ok(sql.execute(RENEW, values![connection, id, epoch, digest])? > 0)
}

/// Ends a lease.
pub(super) fn resign(
    sql: &dyn Sql,
    connection: ConnectionId,
    id: &str,
    epoch: i64,
) -> Result<(), StoreFault> {
    sql.execute(RESIGN, values![connection, id, epoch])?;
    Ok(())
}

/// Returns whether a lease is held, within a transaction that writes.
pub(super) fn prove(
    sql: &dyn Sql,
    connection: ConnectionId,
    id: &str,
    epoch: i64,
) -> Result<bool, StoreFault> {
    let row = sql.first(PROVE, values![connection, id, epoch], |_| Ok(()))?;
    Ok(row.is_some())
}

/// Returns the holder of a lease.
pub(super) fn holder(sql: &dyn Sql, connection: ConnectionId) -> Result<Option<LeaseHolder>, StoreFault> {
    sql.first(HOLDER, values![connection], |row| {
        Ok(LeaseHolder {
            id: row.get("holder")?,
            name: row.get("holder_name")?,
            purpose: row.get("purpose")?,
            digest: row.get("digest")?,
            since: row.get("since")?,
            seconds: row.get("seconds")?,
        })
    })
}

/// Notes that an instance lives and which connections it could run, those alone and with these
/// digests; forgets instances that do not live. A connection that was purged meanwhile is passed
/// over.
pub(super) fn announce(
    sql: &dyn Sql,
    identity: InstanceIdentity<'_>,
    candidates: &[(ConnectionId, String)],
) -> Result<(), StoreFault> {
    sql.execute(
        "INSERT INTO instance (holder, name, started_at, seen_at)
         VALUES ($1, $2, clock_timestamp(), clock_timestamp())
         ON CONFLICT (holder) DO UPDATE SET name = excluded.name, seen_at = excluded.seen_at",
        values![identity.id, identity.name],
    )?;
    let announced: Vec<(ConnectionId, String)> = sql.rows(
        "SELECT connection, digest FROM candidate WHERE holder = $1",
        values![identity.id],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    for (connection, _) in &announced {
        if !candidates.iter().any(|(of, _)| of == connection) {
            sql.execute(
                "DELETE FROM candidate WHERE holder = $1 AND connection = $2",
                values![identity.id, connection],
            )?;
        }
    }
    for (connection, digest) in candidates.iter().filter(|one| !announced.contains(one)) {
        sql.execute(
            "INSERT INTO candidate (holder, connection, digest)
             SELECT $1, id, $3 FROM connection WHERE id = $2
             ON CONFLICT (holder, connection) DO UPDATE SET digest = excluded.digest",
            values![identity.id, connection, digest],
        )?;
    }
    sql.execute(
        "DELETE FROM instance WHERE seen_at < clock_timestamp() - interval '60 seconds'",
        &[],
    )?;
    Ok(())
}

/// Forgets an instance.
pub(super) fn leave(sql: &dyn Sql, id: &str) -> Result<(), StoreFault> {
    sql.execute("DELETE FROM instance WHERE holder = $1", values![id])?;
    Ok(())
}

/// Lease of a connection that an instance could run, as it decides about it.
#[derive(Debug, Clone)]
pub(super) struct LeaseStanding {
    pub(super) connection: ConnectionId,
    /// Somebody holds it.
    pub(super) is_held: bool,
    /// Live instances that could run it with the digest of its last holder.
    pub(super) with_its_digest: i64,
    /// Live instances that could run it.
    pub(super) candidates: i64,
    /// That digest, and the name of that holder.
    pub(super) digest: String,
    pub(super) holder_name: String,
}

/// Returns the leases of the connections that an instance could run.
pub(super) fn standings(sql: &dyn Sql, id: &str) -> Result<Vec<LeaseStanding>, StoreFault> {
    sql.rows(
        &format!(
            "SELECT c.connection,
                 CASE WHEN l.expires_at > clock_timestamp() THEN 1 ELSE 0 END AS is_held,
                 (SELECT count(*) FROM candidate AS o JOIN instance AS i ON i.holder = o.holder
                     WHERE o.connection = c.connection AND o.digest = l.digest AND {LIVE}) AS with_its_digest,
                 (SELECT count(*) FROM candidate AS o JOIN instance AS i ON i.holder = o.holder
                     WHERE o.connection = c.connection AND {LIVE}) AS candidates,
                 coalesce(l.digest, '') AS digest, coalesce(l.holder_name, '') AS holder_name
             FROM candidate AS c LEFT JOIN lease AS l ON l.connection = c.connection
             WHERE c.holder = $1 ORDER BY c.connection"
        ),
        values![id],
        |row| {
            Ok(LeaseStanding {
                connection: row.get(0)?,
                is_held: row.get(1)?,
                with_its_digest: row.get(2)?,
                candidates: row.get(3)?,
                digest: row.get(4)?,
                holder_name: row.get(5)?,
            })
        },
    )
}
