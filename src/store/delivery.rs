//! Hands out what waits on the stage, and takes in what upstream answered (R18, R20).

use std::collections::BTreeSet;

use rusqlite::{Transaction, named_params, params};

use super::answer::Answer;
use super::error::Fault;
use super::run::open_run;
use super::value::stored;
use super::{ConnectionId, Flights, InFlight, KindCounts, RunId, Store, StoreError, history};
use crate::failpoint::Commit;
use crate::identity::{Guid, Kind};

/// One version of one object's asset, handed out to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place in the order of the stage; another version of the object has another.
    pub seq: u64,
    /// objectGUID.
    pub guid: Guid,
    /// The object's kind.
    pub kind: Kind,
    /// The object's distinguished name.
    pub dn: String,
    /// `externalAssetId` of the asset.
    pub external_id: String,
    /// One `assetData` element.
    pub asset: String,
    /// Whether it says that the object is gone.
    pub removal: bool,
}

/// What upstream said of a batch, each item by its seq.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answered {
    /// Accepted.
    pub accepted: Vec<u64>,
    /// Rejected, with upstream's reason.
    pub rejected: Vec<(u64, String)>,
    /// Of the rejected, those that may have arrived all the same: an earlier attempt of theirs was not answered, or the answer
    /// did not say which assets it rejects.
    pub unclear: Vec<u64>,
    /// Requests that it took. Without any, nothing of the batch went out.
    pub requests: u64,
}

impl Store {
    /// Hands out what is to be sent next, in the order of the stage, from behind `after` (0 for the first batch of a run, then the
    /// last `seq` got): at most `max_assets` items, whose assets and `item_overhead` for each stay within `max_bytes`; one item is
    /// given even if it alone is larger. Rows that upstream rejected in this run are left for the next one.
    ///
    /// Every batch handed out goes to [`Self::settle`], also when no answer came. The batch ends before an object of
    /// which an earlier version is still out: an empty batch while others are out means "ask again after the next
    /// settle", an empty batch while none is out means that the stage holds nothing more for this run.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written.
    pub fn next_batch(
        &self,
        run: RunId,
        after: u64,
        max_assets: usize,
        max_bytes: usize,
        item_overhead: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let room = Room {
            after,
            assets: max_assets,
            bytes: max_bytes,
            item_overhead,
        };
        Ok(self.turn(run, &[], Some(room), 0)?.1)
    }

    /// Takes in what became of a batch of `run`, all of it in one transaction. `items` is the whole batch as it was handed out;
    /// those that are neither accepted nor rejected got no answer, and stay to be sent
    /// again. What was accepted leaves the stage; of an object that was staged anew meanwhile the newer version stays. What
    /// was rejected stays until the next run. Gives how many were sent, accepted and rejected, by kind.
    ///
    /// # Errors
    /// When the run is not open or the file cannot be written; the batch then is still out, and settling it can be repeated.
    pub fn settle(
        &self,
        run: RunId,
        items: &[Item],
        answered: &Answered,
        now: i64,
    ) -> Result<KindCounts, StoreError> {
        let settled = [(items.to_vec(), answered.clone())];
        Ok(self.turn(run, &settled, None, now)?.0)
    }

    /// [`Self::settle`] for every batch of `settled`, then [`Self::next_batch`] if there is `room` for one, in one
    /// transaction: a commit waits for the disk.
    ///
    /// # Errors
    /// As either; then nothing of both was done, and it can be repeated.
    pub fn turn(
        &self,
        run: RunId,
        settled: &[(Vec<Item>, Answered)],
        room: Option<Room>,
        now: i64,
    ) -> Result<(KindCounts, Vec<Item>), StoreError> {
        let commit = if settled.is_empty() {
            Commit::NextBatch
        } else {
            Commit::Settle
        };
        self.write_in_flight(commit, |transaction, in_flight| {
            let connection = open_run(transaction, run)?;
            let answer = Answer {
                transaction,
                connection,
                run,
                now,
            };
            let mut counts = KindCounts::default();
            let mut landing = BTreeSet::new();
            for (items, answered) in settled {
                answer.take_in(items, answered, in_flight, &mut counts)?;
                let landed = items.iter().map(|item| (connection, item.guid, stored(item.seq)));
                landing.extend(landed.filter(|(connection, guid, seq)| {
                    in_flight
                        .get(&(*connection, *guid))
                        .is_some_and(|out| out.seq == *seq)
                }));
            }
            if !settled.is_empty() {
                history::add(transaction, run, &counts)?;
                let requests: u64 = settled.iter().map(|(_, answered)| answered.requests).sum();
                transaction
                    .prepare_cached("UPDATE run SET requests = requests + ? WHERE id = ?")?
                    .execute(params![stored(requests), run])?;
            }
            let is_out = |guid| {
                in_flight
                    .get(&(connection, guid))
                    .is_some_and(|out| !landing.contains(&(connection, guid, out.seq)))
            };
            let (batch, out) = match room {
                Some(room) => handed_out(transaction, connection, run, room, is_out)?,
                None => (Vec::new(), Vec::new()),
            };
            let change = move |in_flight: &mut Flights| {
                for (connection, guid, _) in landing {
                    in_flight.remove(&(connection, guid));
                }
                in_flight.extend(out);
            };
            Ok(((counts, batch), change))
        })
    }
}

/// What a batch may be.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// The last `seq` handed out in this run, 0 before the first.
    pub after: u64,
    /// Most assets of it.
    pub assets: usize,
    /// Most octets of these together.
    pub bytes: usize,
    /// Octets that each of them takes besides its own.
    pub item_overhead: usize,
}

/// The next rows of the stage that fit, and what is in flight with them.
type HandedOut = (Vec<Item>, Vec<((ConnectionId, Guid), InFlight)>);

fn handed_out(
    transaction: &Transaction<'_>,
    connection: ConnectionId,
    run: RunId,
    room: Room,
    is_out: impl Fn(Guid) -> bool,
) -> Result<HandedOut, Fault> {
    let (mut batch, mut out) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    // NOT INDEXED: in the order of the table itself, so that only what is handed out is read.
    let mut waiting = transaction.prepare_cached(
        "SELECT seq, guid, card.kind, dn, external_id, (SELECT json FROM text WHERE text.id = stage.asset), sent,
             removal
         FROM stage NOT INDEXED CROSS JOIN card ON card.id = stage.object
         WHERE seq > :after AND stage.connection = :connection AND rejected_run IS NOT :run ORDER BY seq",
    )?;
    let mut rows = waiting
        .query(named_params! { ":after": stored(room.after), ":connection": connection, ":run": run })?;
    while let Some(row) = rows.next()? {
        let guid = row.get(1)?;
        bytes += row.get_ref(5)?.as_bytes()?.len() + room.item_overhead;
        let full = batch.len() >= room.assets || bytes > room.bytes;
        if (full && !batch.is_empty()) || is_out(guid) {
            break;
        }
        let seq: i64 = row.get(0)?;
        let sent_before = row.get(6)?;
        out.push(((connection, guid), InFlight { seq, sent_before }));
        batch.push(Item {
            seq: u64::try_from(seq).unwrap_or(0),
            guid,
            kind: row.get(2)?,
            dn: row.get(3)?,
            external_id: row.get(4)?,
            asset: row.get(5)?,
            removal: row.get(7)?,
        });
    }
    if let Some(last) = batch.last() {
        // The very rows that were handed out.
        transaction
            .prepare_cached(
                "UPDATE stage NOT INDEXED SET sent = seq
                 WHERE seq > :after AND seq <= :last AND connection = :connection AND rejected_run IS NOT :run",
            )?
            .execute(named_params! {
                ":after": stored(room.after), ":last": stored(last.seq), ":connection": connection, ":run": run,
            })?;
    }
    Ok((batch, out))
}
