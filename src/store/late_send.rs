//! Requests that may have arrived after the lease of their sender had ended (R34): the holder sends
//! what was in them once more, since the gateway may hold an older version now.

use super::bulk_tables::{DOCUMENT, STAGE};
use super::error::StoreFault;
use super::sql::{Sql, values};
use super::{ConnectionId, Engine, HandedOutVersion, Store, StoreError, ownership};
use crate::failpoint::Commit;

/// Lists what upstream holds of these assets and does not wait to be sent anyway.
const LIVE: &str = "
    SELECT a.id, a.owner, o.kind, a.fingerprint, d.json
    FROM late_send AS l JOIN asset AS a ON a.id = l.asset JOIN object AS o ON o.id = a.owner
    JOIN document AS d ON d.seq = a.document
    WHERE l.connection = $1 AND a.fingerprint IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM stage AS s WHERE s.object = a.owner)
    ORDER BY a.id";

/// Records the removed ones as gone once more, so that upstream gets their removal once more.
const REMOVED: &str = "
    INSERT INTO recheck (connection, why, guid, kind, dn, asset, since, verdict, reason)
    SELECT m.connection, 'replaced', m.guid, m.kind, m.dn, m.asset, $2, 'gone', m.reason
    FROM late_send AS l JOIN removed AS m ON m.asset = l.asset JOIN asset AS a ON a.id = l.asset
    WHERE l.connection = $1 AND a.owner IS NULL AND m.sent_at IS NOT NULL
    ON CONFLICT (asset) WHERE asset IS NOT NULL DO NOTHING";

/// Notes the assets of a request, which are in the table of released ones.
const NOTE: &str = "
    INSERT INTO late_send (connection, asset) SELECT $1, asset FROM released WHERE true
    ON CONFLICT (connection, asset) DO NOTHING";

/// Marks the fate of the versions behind `$2` as unknown.
const SENT_AGAIN: &str = "
    UPDATE asset SET sent = s.seq FROM stage AS s
    WHERE s.connection = $1 AND s.seq >= $2 AND asset.id = s.asset";

impl Store {
    /// Records what was sent without the certainty that the lease still held. It needs no lease,
    /// since it only adds work. With a file there is never any.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn note_late_send(
        &self,
        connection: ConnectionId,
        items: &[HandedOutVersion],
    ) -> Result<(), StoreError> {
        if let Engine::Sqlite(_) = self.engine {
            return Ok(());
        }
        self.write(Commit::Settle, |sql| {
            sql.clear(&ownership::RELEASED)?;
            sql.insert(&ownership::RELEASED, &mut |insert| {
                items.iter().try_for_each(|item| insert(values![item.row]))
            })?;
            sql.execute(NOTE, values![connection])?;
            Ok(())
        })
    }
}

/// Stages what was sent late once more. Its fate is unknown from now on, so that nothing takes it
/// for what upstream holds (R17).
pub(super) fn stage(sql: &dyn Sql, connection: ConnectionId, now: i64) -> Result<(), StoreFault> {
    if !sql.is_shared() {
        return Ok(());
    }
    let late = sql.rows(LIVE, values![connection], |row| {
        let (asset, owner): (i64, i64) = (row.get(0)?, row.get(1)?);
        let kind: String = row.get(2)?;
        Ok((asset, owner, kind, row.get::<[u8; 16]>(3)?, row.get::<String>(4)?))
    })?;
    if !late.is_empty() {
        let first = ownership::take_numbers(sql, late.len())?;
        sql.insert(&DOCUMENT, &mut |insert| {
            let mut texts = (first..).zip(&late);
            texts.try_for_each(|(number, (.., json))| insert(values![number, json]))
        })?;
        sql.insert(&STAGE, &mut |insert| {
            let mut versions = (first..).zip(&late);
            versions.try_for_each(|(number, (asset, owner, kind, fingerprint, _))| {
                insert(values![connection, number, owner, asset, kind, fingerprint, now])
            })
        })?;
        sql.execute(SENT_AGAIN, values![connection, first])?;
    }
    sql.execute(REMOVED, values![connection, now])?;
    sql.execute("DELETE FROM late_send WHERE connection = $1", values![connection])?;
    Ok(())
}
