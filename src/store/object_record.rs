//! Record of one object: everything that the store knows of it.

use super::error::StoreFault;
use super::removed::{LISTED, removal_of};
use super::sql::{Sql, SqlRow, values};
use super::{ConnectionId, Fate, RemovedObject, RunId, Store, StoreError, WaitingVersion};
use crate::identity::{Guid, Kind};

/// Most runs that the record of an object names, newest first.
const REMEMBERED_RUNS: i64 = 5;

/// Everything that the store knows of one object of a connection. Times are Unix seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectRecord {
    /// The object as last read, where an asset could be made of it and it is not removed.
    pub claim: Option<AssetClaim>,
    /// Version that upstream has still to accept; of a removed object, the one that says so.
    pub waiting: Option<WaitingVersion>,
    /// Reason why the mapping could make no asset of it when it was last read (R15), and since
    /// when.
    pub unmapped: Option<(String, i64)>,
    /// `true` when the next run reads it again, since it became the owner of an asset (R37).
    pub is_read_again: bool,
    /// Record since a read missed it (R22).
    pub missed: Option<MissedObject>,
    /// Assets under ids that the object had before (R37 b).
    pub former: Vec<FormerAsset>,
    /// Assets of it that are listed as removed, newest first.
    pub removed: Vec<RemovedObject>,
    /// Runs that rejected, could not map or removed it, newest first, at most [`REMEMBERED_RUNS`].
    pub runs: Vec<(RunId, Fate, String)>,
}

/// Asset whose id a live object claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetClaim {
    /// Kind of the object.
    pub kind: Kind,
    /// Distinguished name of the object, as last read.
    pub dn: String,
    /// `externalAssetId`.
    pub external_id: String,
    /// Owner of the asset where that is another object: its distinguished name and its connection.
    pub owner: Option<(String, String)>,
    /// Since when the object waits for that owner to go.
    pub waits_since: Option<i64>,
    /// The version that upstream accepted last of this object.
    pub accepted: Option<AcceptedVersion>,
    /// `true` when a version went out whose answer is not known.
    pub is_unanswered: bool,
    /// The run that has a version in flight now.
    pub in_flight: Option<RunId>,
}

/// Version that upstream holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedVersion {
    /// Time at which upstream accepted it.
    pub at: i64,
    /// In which run.
    pub run: RunId,
    /// The `assetData` element.
    pub asset: String,
}

/// Object that a read did not find where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedObject {
    /// Time at which a read missed it first.
    pub since: i64,
    /// `true` when the last look-up found it gone.
    pub is_gone: bool,
    /// Reason of the last look-up, once there was one.
    pub reason: Option<String>,
    /// Time at which the threshold first held its removal back (R23).
    pub held_at: Option<i64>,
    /// Controllers that miss it and never returned it: host, and since when.
    pub missed_on: Vec<(String, i64)>,
}

/// Asset under an id that its object has no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerAsset {
    /// Its `externalAssetId`.
    pub external_id: String,
    /// Time at which the threshold first held its removal back.
    pub held_at: Option<i64>,
    /// Reason why it is gone.
    pub reason: String,
}

/// Selects the object with the asset that it claims.
const CLAIM: &str = "
    SELECT o.kind, o.dn, a.external_id, w.dn AS owner, n.name AS owner_connection, c.since,
        CASE WHEN a.owner = o.id AND a.fingerprint IS NOT NULL THEN a.accepted_at END AS accepted_at,
        a.accepted_run, d.json, CASE WHEN a.owner = o.id AND a.sent <> 0 THEN 1 ELSE 0 END AS is_unanswered,
        (SELECT run.id FROM run WHERE run.id = a.out_run AND run.ended IS NULL AND a.owner = o.id) AS in_flight
    FROM object AS o JOIN asset AS a ON a.id = o.asset
        LEFT JOIN object AS w ON w.id = a.owner AND w.id <> o.id
        LEFT JOIN connection AS n ON n.id = w.connection
        LEFT JOIN contender AS c ON c.object = o.id
        LEFT JOIN document AS d ON d.seq = a.document
    WHERE o.connection = $1 AND o.guid = $2";

impl Store {
    /// Returns everything that is known of the object with this GUID.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn object_record(&self, connection: ConnectionId, guid: Guid) -> Result<ObjectRecord, StoreError> {
        let waiting = self.waiting(connection, guid)?;
        self.read(|sql| {
            let mut record = ObjectRecord {
                claim: sql.first(CLAIM, values![connection, guid], claim_of)?,
                waiting,
                removed: sql.rows(
                    &format!("{LISTED} AND r.guid = $2 ORDER BY r.id DESC"),
                    values![connection, guid],
                    removal_of,
                )?,
                runs: runs_of(sql, connection, guid)?,
                ..ObjectRecord::default()
            };
            sql.query(
                "SELECT r.why, r.since, r.verdict, coalesce(r.reason, '') AS reason, r.held_at, a.external_id
                 FROM recheck AS r LEFT JOIN asset AS a ON a.id = r.asset
                 WHERE r.connection = $1 AND r.guid = $2",
                values![connection, guid],
                &mut |row| {
                    note(&mut record, row)?;
                    Ok(true)
                },
            )?;
            if let Some(missed) = &mut record.missed {
                missed.missed_on = missed_on(sql, connection, guid)?;
            }
            Ok(record)
        })
    }

    /// Returns the reason why the entry with this name, which showed no readable objectGUID, could
    /// not be mapped, and since when.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unidentified(
        &self,
        connection: ConnectionId,
        dn: &str,
    ) -> Result<Option<(String, i64)>, StoreError> {
        self.read(|sql| {
            sql.first(
                "SELECT coalesce(reason, '') AS reason, since FROM recheck
                 WHERE connection = $1 AND dn = $2 AND guid IS NULL",
                values![connection, dn],
                |row| Ok((row.get("reason")?, row.get("since")?)),
            )
        })
    }

    /// Returns the live object that owns the asset with this id at the target of the connection:
    /// its GUID, its distinguished name and its connection.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn owner_of(
        &self,
        connection: ConnectionId,
        external_id: &str,
    ) -> Result<Option<(Guid, String, String)>, StoreError> {
        self.read(|sql| {
            sql.first(
                "SELECT o.guid, o.dn, n.name FROM connection AS c
                 JOIN asset AS a ON a.target = c.target AND a.external_id = $1
                 JOIN object AS o ON o.id = a.owner JOIN connection AS n ON n.id = o.connection
                 WHERE c.id = $2",
                values![external_id, connection],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
        })
    }
}

fn claim_of(row: &SqlRow<'_>) -> Result<AssetClaim, StoreFault> {
    let owner: Option<String> = row.get("owner")?;
    let connection: Option<String> = row.get("owner_connection")?;
    let (at, run, asset): (Option<i64>, Option<RunId>, Option<String>) = (
        row.get("accepted_at")?,
        row.get("accepted_run")?,
        row.get("json")?,
    );
    Ok(AssetClaim {
        kind: row.get("kind")?,
        dn: row.get("dn")?,
        external_id: row.get("external_id")?,
        owner: owner.zip(connection),
        waits_since: row.get("since")?,
        accepted: match (at, run, asset) {
            (Some(at), Some(run), Some(asset)) => Some(AcceptedVersion { at, run, asset }),
            _ => None,
        },
        is_unanswered: row.get("is_unanswered")?,
        in_flight: row.get("in_flight")?,
    })
}

/// Adds a row of `recheck` to the record.
fn note(record: &mut ObjectRecord, row: &SqlRow<'_>) -> Result<(), StoreFault> {
    let (why, reason): (String, String) = (row.get("why")?, row.get("reason")?);
    let (since, held_at) = (row.get("since")?, row.get("held_at")?);
    match why.as_str() {
        "unmapped" => record.unmapped = Some((reason, since)),
        "inherited" => record.is_read_again = true,
        "missing" => {
            let verdict: Option<String> = row.get("verdict")?;
            record.missed = Some(MissedObject {
                since,
                is_gone: verdict.as_deref() == Some("gone"),
                reason: Some(reason).filter(|reason| !reason.is_empty()),
                held_at,
                missed_on: Vec::new(),
            });
        }
        _ => record.former.push(FormerAsset {
            external_id: row.get::<Option<String>>("external_id")?.unwrap_or_default(),
            held_at,
            reason,
        }),
    }
    Ok(())
}

fn missed_on(sql: &dyn Sql, connection: ConnectionId, guid: Guid) -> Result<Vec<(String, i64)>, StoreFault> {
    sql.rows(
        "SELECT coalesce(w.host, 'a controller that was not read to its end') AS host, m.since
         FROM missed_on AS m
         LEFT JOIN watermark AS w ON w.connection = m.connection AND w.controller = m.controller
         WHERE m.connection = $1 AND m.guid = $2 ORDER BY m.since",
        values![connection, guid],
        |row| Ok((row.get("host")?, row.get("since")?)),
    )
}

fn runs_of(
    sql: &dyn Sql,
    connection: ConnectionId,
    guid: Guid,
) -> Result<Vec<(RunId, Fate, String)>, StoreFault> {
    sql.rows(
        "SELECT h.run, h.fate, h.reason FROM run_object AS h JOIN run AS r ON r.id = h.run
         WHERE r.connection = $1 AND h.guid = $2 ORDER BY h.id DESC LIMIT $3",
        values![connection, guid, REMEMBERED_RUNS],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )
}
