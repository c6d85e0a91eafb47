//! Assets that a run has not sent although they could be sent: the run of another connection has a
//! version of them in flight (R18), or they came to this connection while it ran (R37).

use super::error::StoreFault;
use super::open_run::open_run;
use super::rejections::rejection_of;
use super::sql::{Sql, values};
use super::{ConnectionId, Fate, KindCounts, RejectedObject, RunId, Store, StoreError, history};
use crate::failpoint::Commit;

/// Assets on the stage that a run has still to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsentAssets {
    /// Connection whose run has them in flight; `None` when they can be sent now.
    pub in_flight: Option<ConnectionId>,
    /// Name of that connection.
    pub holder: String,
    /// Number of these assets.
    pub assets: u64,
}

/// Versions on the stage of connection `$2` that its run `$1` has neither sent nor seen rejected,
/// with the connection `n` whose run has another version in flight.
const UNSENT: &str = "stage AS s
    JOIN asset AS a ON a.id = s.asset
    LEFT JOIN object AS o ON o.id = s.object
    LEFT JOIN removed AS m ON m.asset = s.asset AND s.object IS NULL
    LEFT JOIN run AS r ON r.id = a.out_run AND r.ended IS NULL AND r.id <> $1
    LEFT JOIN connection AS n ON n.id = r.connection
    WHERE s.connection = $2 AND s.rejected_run IS DISTINCT FROM $1
        AND (a.owner = s.object OR (a.owner IS NULL AND s.object IS NULL))";

/// Objects that became owners of their assets in the run, and are read again by the next one.
const INHERITED: &str = "
    SELECT c.guid, c.kind, c.dn, a.external_id, c.since, 'identity' AS origin,
        'externalAssetId ' || a.external_id || ' was that of another connection until now; ' || c.dn
            || ' has to wait until the next run reads it' AS reason
    FROM recheck AS c
    JOIN object AS o ON o.connection = c.connection AND o.guid = c.guid
    JOIN asset AS a ON a.id = o.asset
    WHERE c.connection = $1 AND c.why = 'inherited' AND c.run = $2
        AND NOT EXISTS (SELECT 1 FROM run_object AS x
            WHERE x.run = $2 AND x.fate = 'rejected' AND x.guid = c.guid)";

impl Store {
    /// Returns what the run has still to send, by the connection that has it in flight.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be read.
    pub fn unsent(&self, run: RunId) -> Result<Vec<UnsentAssets>, StoreError> {
        self.read(|sql| {
            let connection = open_run(sql, run)?;
            sql.rows(
                &format!("SELECT n.id, n.name, count(*) AS assets FROM {UNSENT} GROUP BY n.id, n.name"),
                values![run, connection],
                |row| {
                    Ok(UnsentAssets {
                        in_flight: row.get("id")?,
                        holder: row.get::<Option<String>>("name")?.unwrap_or_default(),
                        assets: row.count("assets")?,
                    })
                },
            )
        })
    }

    /// Records in the history of the run, as rejected, what it leaves to the next one, and returns
    /// that.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn record_unsent(&self, run: RunId) -> Result<Vec<RejectedObject>, StoreError> {
        let found = |sql: &dyn Sql| all_unsent(sql, open_run(sql, run)?, run);
        if self.read(found)?.is_empty() {
            return Ok(Vec::new());
        }
        self.write(Commit::Settle, |sql| {
            let unsent = found(sql)?;
            let mut counts = KindCounts::default();
            let objects = unsent.iter().map(|one| {
                counts.of(one.kind).rejected += 1;
                history::RecordedObject {
                    fate: Fate::Rejected,
                    guid: one.guid,
                    kind: one.kind,
                    dn: &one.dn,
                    external_id: one.external_id.as_deref(),
                    reason: &one.reason,
                }
            });
            history::record_objects(sql, run, objects)?;
            history::add_counts(sql, run, &counts)?;
            Ok(unsent)
        })
    }
}

fn all_unsent(
    sql: &dyn Sql,
    connection: ConnectionId,
    run: RunId,
) -> Result<Vec<RejectedObject>, StoreFault> {
    let mut unsent = sql.rows(
        &format!(
            "SELECT coalesce(o.guid, m.guid) AS guid, s.kind, coalesce(o.dn, m.dn) AS dn, a.external_id,
                 s.staged_at AS since, 'identity' AS origin,
                 'externalAssetId ' || a.external_id || ' is in flight in the run of connection '
                     || coalesce(n.name, '') || '; ' || coalesce(o.dn, m.dn)
                     || ' has to wait until that is answered' AS reason
             FROM {UNSENT} ORDER BY s.seq"
        ),
        values![run, connection],
        rejection_of,
    )?;
    unsent.extend(sql.rows(INHERITED, values![connection, run], rejection_of)?);
    Ok(unsent)
}
