//! Stager of a run: maps every entry and commits the results, some pages at a time, to the store.
//!
//! Invariant kept here: the watermark, and the objects that the read missed, commit in the same
//! transaction as the last page of the read (R3). So a part is always held back until it is known
//! whether another page follows.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::clock;
use crate::directory::Entry;
use crate::identity::Kind;
use crate::store::{
    ObjectReading, ReadEnd, ReadSlice, RemovalConclusion, RemovalDecision, RunId, StagedAsset,
    UnidentifiedEntry,
};

use super::entry_fields::guid_of;
use super::links::MappingLinks;
use super::read::ReadPiece;
use super::{Connector, EntrySource, RunError, RunProgress, removal_log};

/// Bounds of one commit: it waits for the disk, and rewrites the indexes.
struct CommitBounds {
    /// Pages, or pieces of large ones.
    pieces: usize,
    /// Octets of assets.
    octets: usize,
    /// Time that a page is held back for others: the commit does not wait for a directory that is
    /// slower than that, and the pages that it returned are delivered meanwhile.
    patience: Duration,
}

/// Bounds at the beginning of a read, so that the delivery begins soon.
const SOON: CommitBounds = CommitBounds {
    pieces: 4,
    octets: 2 << 20,
    patience: Duration::from_millis(100),
};

/// Bounds of a large read.
const LARGE: CommitBounds = CommitBounds {
    pieces: 20,
    octets: 10 << 20,
    patience: Duration::from_secs(1),
};

/// Staged objects above which a read is large: the delivery has enough to do.
const MANY: u64 = 20_000;

impl CommitBounds {
    /// Returns the bounds after so many objects were staged.
    const fn after(staged: u64) -> &'static Self {
        if staged < MANY { &SOON } else { &LARGE }
    }
}

/// Maps and commits the entries from `pieces`. The number of staged assets is sent over `staged`,
/// whose drop means that no more will follow. Returns what became of the objects found gone.
/// Blocks: run it on a blocking thread.
pub(super) fn stage(
    connector: &Connector,
    run: RunId,
    now: i64,
    resend: bool,
    progress: &RunProgress,
    mut pieces: mpsc::Receiver<ReadPiece>,
    staged: &watch::Sender<u64>,
) -> Result<RemovalConclusion, RunError> {
    let mut stager = Stager {
        connector,
        run,
        now,
        resend,
        progress,
        staged,
        unidentified: Vec::new(),
        links: MappingLinks::of(&connector.mapping),
        conclusion: RemovalConclusion::default(),
    };
    let mut held = HeldReadings::default();
    let runtime = Handle::current();
    loop {
        let bounds = CommitBounds::after(*staged.borrow());
        let next = match held.due(bounds) {
            None => pieces.blocking_recv(),
            Some(due) => match runtime.block_on(timeout_at(due, pieces.recv())) {
                Ok(next) => next,
                Err(_) => {
                    stager.commit(&held.take_ripe(), None)?;
                    continue;
                }
            },
        };
        let Some(piece) = next else { break };
        match piece {
            ReadPiece::Page(kind, entries) => {
                let page = stager.map(kind, &entries);
                // The connection that returned them waits for their memory; the next steps may take
                // a while.
                drop(entries);
                held.add(page);
                if held.is_full(bounds) {
                    stager.commit(&held.take_ripe(), None)?;
                }
            }
            // Its pages are committed, or held back.
            ReadPiece::Slice(slice) => held.last.slices.push(*slice),
            ReadPiece::Store(stored) => {
                stager.commit(&held.take(), None)?;
                // Ignored for the same reason as below.
                let _ = stored.send(());
            }
            ReadPiece::Complete(end, stored) => {
                stager.commit(&held.take(), Some(&end))?;
                // The receiver is gone when the run was stopped meanwhile.
                let _ = stored.send(());
            }
            ReadPiece::Conclude(decision) => {
                stager.commit(&held.take(), None)?;
                stager.conclude(&decision)?;
            }
        }
    }
    // The read broke off: the entries until then are correct all the same, and are kept.
    stager.commit(&held.take(), None)?;
    Ok(stager.conclusion)
}

/// Readings that are not committed yet.
#[derive(Default)]
struct HeldReadings {
    /// All but the last page, with the time of its beginning and its size.
    ripe: CommitPortion,
    since: Option<Instant>,
    pieces: usize,
    octets: usize,
    /// Last page: the read may end with it.
    last: CommitPortion,
    last_since: Option<Instant>,
}

/// Readings that are committed together.
#[derive(Default)]
struct CommitPortion {
    readings: Vec<ObjectReading>,
    /// Ranges of a full read that ended with these, or before.
    slices: Vec<ReadSlice>,
}

impl CommitPortion {
    fn append(&mut self, more: Self) {
        self.readings.extend(more.readings);
        self.slices.extend(more.slices);
    }
}

impl HeldReadings {
    fn add(&mut self, readings: Vec<ObjectReading>) {
        if let Some(last_since) = self.last_since.replace(clock::timer_instant()) {
            self.since.get_or_insert(last_since);
            let last = std::mem::take(&mut self.last);
            let assets = last
                .readings
                .iter()
                .filter_map(|reading| reading.asset.as_ref().ok());
            self.octets += assets.map(|asset| asset.json.len()).sum::<usize>();
            self.pieces += 1;
            self.ripe.append(last);
        }
        self.last.readings = readings;
    }

    /// Returns the time at which the ripe part is to be committed; `None` when there is none.
    fn due(&self, bounds: &CommitBounds) -> Option<Instant> {
        self.since.map(|since| since + bounds.patience)
    }

    const fn is_full(&self, bounds: &CommitBounds) -> bool {
        self.pieces >= bounds.pieces || self.octets >= bounds.octets
    }

    /// Takes all but the last page.
    fn take_ripe(&mut self) -> CommitPortion {
        (self.since, self.pieces, self.octets) = (None, 0, 0);
        std::mem::take(&mut self.ripe)
    }

    fn take(&mut self) -> CommitPortion {
        let mut all = self.take_ripe();
        self.last_since = None;
        all.append(std::mem::take(&mut self.last));
        all
    }
}

struct Stager<'a> {
    connector: &'a Connector,
    run: RunId,
    now: i64,
    resend: bool,
    progress: &'a RunProgress,
    staged: &'a watch::Sender<u64>,
    /// Entries of the pages that are not committed yet.
    unidentified: Vec<UnidentifiedEntry>,
    links: MappingLinks,
    conclusion: RemovalConclusion,
}

impl Stager<'_> {
    fn map(&mut self, kind: Kind, entries: &[Entry]) -> Vec<ObjectReading> {
        entries
            .iter()
            .filter_map(|entry| self.map_one(kind, entry))
            .collect()
    }

    /// Returns the reading of one entry; `None` without a GUID: such an entry is recorded by its
    /// name.
    fn map_one(&mut self, kind: Kind, entry: &Entry) -> Option<ObjectReading> {
        let Some(guid) = guid_of(entry) else {
            let mut reason = "objectGUID is missing or not 16 octets long".to_owned();
            if let Some(unfit) = entry.unfit() {
                reason = format!("{reason}; {unfit}");
            }
            self.record_unmapped(kind, &entry.dn, "unknown", &reason);
            self.unidentified.push(UnidentifiedEntry {
                kind,
                dn: entry.dn.clone(),
                reason,
            });
            return None;
        };
        let asset = match entry.unfit() {
            Some(reason) => Err(reason.to_owned()),
            None => self
                .connector
                .mapping
                .apply(kind, &EntrySource::new(entry, self.now))
                .map_err(|unmappable| unmappable.to_string()),
        };
        let asset = match asset {
            Ok(asset) => Ok(StagedAsset {
                external_id: asset.external_id,
                json: asset.json,
            }),
            Err(reason) => {
                self.record_unmapped(kind, &entry.dn, &guid.to_string(), &reason);
                Err(reason)
            }
        };
        Some(ObjectReading {
            guid,
            kind,
            dn: entry.dn.clone(),
            asset,
            linked: self.links.notes(kind, entry),
        })
    }

    fn record_unmapped(&mut self, kind: Kind, dn: &str, guid: &str, reason: &str) {
        self.progress.add_rejected(1);
        tracing::warn!(
            %kind,
            dn,
            guid,
            reason,
            "The object cannot be mapped; it is tried again on the next run."
        );
    }

    fn commit(&mut self, held: &CommitPortion, end: Option<&ReadEnd>) -> Result<(), RunError> {
        let store = &self.connector.store;
        let (page, slices) = (&held.readings, &held.slices);
        if page.is_empty() && slices.is_empty() && self.unidentified.is_empty() && end.is_none() {
            return Ok(());
        }
        if !self.unidentified.is_empty() {
            store.note_unidentified(self.run, &std::mem::take(&mut self.unidentified), self.now)?;
        }
        let counts = match end {
            None => store.stage_slices(self.run, page, self.resend, slices, self.now)?,
            Some(end) => store.complete_read(self.run, page, self.resend, end, self.now)?,
        };
        self.add_staged_rows(counts.total().staged);
        Ok(())
    }

    fn add_staged_rows(&self, rows: u64) {
        self.progress.add_staged(rows);
        self.staged.send_modify(|staged| *staged += rows);
    }

    /// Lets the store decide on everything that was found gone, and logs the result.
    fn conclude(&mut self, decision: &RemovalDecision) -> Result<(), RunError> {
        let Connector {
            store,
            mapping,
            settings,
            ..
        } = self.connector;
        let send = settings.removal.send;
        let marked = |kind, asset: &str| send.then(|| mapping.removed_asset(kind, asset)).flatten();
        let conclusion = store.conclude_removals(self.run, decision, marked, self.now)?;
        if let RemovalDecision::Threshold(_) = decision {
            self.log_conflicts()?;
            removal_log::log_reclassified(self.connector, self.run)?;
        }
        self.add_staged_rows(conclusion.staged);
        removal_log::log_removals(self.connector, self.run, &conclusion)?;
        self.conclusion = conclusion;
        Ok(())
    }

    /// Logs the objects that wait for the asset of another.
    fn log_conflicts(&self) -> Result<(), RunError> {
        let Connector { store, id, .. } = self.connector;
        store.for_each_conflict(*id, |conflict| {
            self.progress.add_rejected(1);
            tracing::warn!(
                kind = %conflict.kind,
                dn = conflict.dn,
                external_asset_id = conflict.external_id,
                reason = conflict.reason,
                "The object has the identity of another one; it is not sent before that is gone."
            );
        })?;
        Ok(())
    }
}
