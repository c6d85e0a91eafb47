//! Ranges of uSNChanged into which a full read is divided, so that several connections can read in
//! parallel.
//!
//! These ranges neither overlap nor leave a gap: at every moment an object has one uSNChanged, so
//! among the ranges of `0..=H` it is in one alone. A change during the read raises it above `H`,
//! out of every range; the delta from `H` that ends a full read (R4) finds it there. uSNChanged is
//! indexed in AD (MS-ADA3, uSNChanged: searchFlags holds fATTINDEX), so the cost of a range is that
//! of its objects.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use crate::config;
use crate::directory::{DirectoryError, RootDse, Session};

/// Most entries that a range should hold: few enough that all connections end at about the same
/// time, enough that the cost of a search does not count.
const WANTED: u64 = 4_000;

/// Pages that a range should hold where they are small.
const PAGES: u64 = 4;

/// Ranges that the whole is divided into at first, before its density is known, unless they would
/// be narrower than their wanted number of objects: a USN is of one object. None becomes wider than
/// these: after an empty range most of the objects may lie close together, and a range that holds
/// them all is read by one connection, and read again as a whole when the read breaks off in it.
const FIRST_CUT: u64 = 32;

/// Pages that a range of a small directory may hold at most: it is read again in seconds when the
/// read breaks off in it.
const SMALL: u64 = 16;

/// Opens further connections for a full read (`AD_PARALLEL_READS`), all to the controller of
/// `first` and not behind it: a name may stand for several controllers, and another one's USNs mean
/// something else (R2). When a connection cannot be opened, the read continues with fewer.
pub(super) async fn helpers(
    settings: &config::DirectorySettings,
    first: &Session,
    known: &RootDse,
) -> Vec<Session> {
    let mut helpers = Vec::new();
    while helpers.len() + 1 < settings.parallel_reads {
        match helper(settings, first, known).await {
            Ok(Some(session)) => {
                if first.asks_for_extended_names() {
                    session.ask_for_extended_names();
                }
                helpers.push(session);
            }
            Ok(None) => {
                tracing::debug!(
                    controller = first.host(),
                    "The name leads to another controller; the read goes on with fewer connections."
                );
                break;
            }
            Err(error) => {
                tracing::debug!(controller = first.host(), %error, "No further connection to the controller; the read goes on with fewer.");
                break;
            }
        }
    }
    helpers
}

async fn helper(
    settings: &config::DirectorySettings,
    first: &Session,
    known: &RootDse,
) -> Result<Option<Session>, DirectoryError> {
    let mut session = first.connect_again(settings).await?;
    let root = session.root_dse().await?;
    let same = root.ds_service_name == known.ds_service_name
        && root.highest_committed_usn >= known.highest_committed_usn;
    Ok(same.then_some(session))
}

/// Source of the ranges of `0..=highest`, narrower where objects lie close, wider where there are
/// few.
#[derive(Debug)]
pub(super) struct UsnRanges {
    /// Parts that are not handed out yet, in order.
    missing: VecDeque<RangeInclusive<u64>>,
    width: u64,
    /// Entries that a range should hold.
    wanted: u64,
    widest: u64,
    /// USN below which no object is expected.
    oldest: u64,
}

impl UsnRanges {
    /// Returns the ranges up to `highest`, the highestCommittedUSN read before (R1), without those
    /// that were read already: `finished`, in any order. They are read in pages of `page` entries.
    pub(super) fn missing(
        highest: u64,
        finished: impl IntoIterator<Item = RangeInclusive<u64>>,
        page: u32,
    ) -> Self {
        let mut finished: Vec<_> = finished.into_iter().collect();
        finished.sort_unstable_by_key(|slice| *slice.start());
        let mut missing = VecDeque::new();
        // The first USN that is not known to be read; `None` after the largest number that there
        // is.
        let mut next = Some(0);
        for slice in finished {
            let Some(low) = next else { break };
            if let Some(high) = slice.start().checked_sub(1).map(|high| high.min(highest))
                && low <= high
            {
                missing.push_back(low..=high);
            }
            next = slice.end().checked_add(1).map(|next| next.max(low));
        }
        if let Some(low) = next.filter(|low| *low <= highest) {
            missing.push_back(low..=highest);
        }
        let wanted = (PAGES * u64::from(page)).clamp(1, WANTED);
        let widest = (highest / FIRST_CUT).max(wanted);
        Self {
            missing,
            width: widest,
            wanted,
            widest,
            oldest: 0,
        }
    }

    /// Adapts the ranges to a directory that is small for so many connections: a range for each,
    /// since a controller whose index of uSNChanged is not ordered (Samba's default) examines every
    /// object of a kind for each range. They are to hold about as much as each other: nothing is
    /// expected below `oldest`.
    pub(super) fn shared_by(mut self, connections: usize, page: u32, oldest: u64) -> Self {
        let share_above = |usn: u64| {
            let above = |part: &RangeInclusive<u64>| part.end().saturating_sub(usn.max(*part.start()));
            let missing: u64 = self.missing.iter().map(above).sum();
            (missing / (connections as u64).max(1)).saturating_add(1)
        };
        // Without the expectation, which may be wrong: a range of everything must not be large.
        if share_above(0) <= SMALL * u64::from(page) {
            let share = share_above(oldest).max(self.width);
            (self.width, self.widest, self.oldest) = (share, share, oldest);
        }
        self
    }

    /// Returns the next range; `None` when everything is handed out.
    pub(super) fn next(&mut self) -> Option<RangeInclusive<u64>> {
        let (low, end) = self.missing.pop_front()?.into_inner();
        let high = low.max(self.oldest).saturating_add(self.width - 1).min(end);
        if high < end {
            self.missing.push_front(high + 1..=end);
        }
        Some(low..=high)
    }

    /// Learns from a range that was read how wide the next ones should be: as many USNs as should
    /// hold the wanted entries, at most eight times wider or narrower than before, since
    /// neighbouring ranges differ.
    pub(super) fn learn(&mut self, slice: &RangeInclusive<u64>, entries: u64) {
        let width = (slice.end() - slice.start()).saturating_add(1);
        let wanted = width.saturating_mul(self.wanted) / entries.max(1);
        self.width = wanted
            .clamp((width / 8).max(1), width.saturating_mul(8).max(1))
            .clamp(self.wanted, self.widest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns all ranges of a directory in which every `gap`-th USN holds an object.
    fn all(highest: u64, gap: u64) -> Vec<RangeInclusive<u64>> {
        let mut slices = UsnRanges::missing(highest, [], 1_000);
        let mut all = Vec::new();
        while let Some(slice) = slices.next() {
            slices.learn(&slice, (slice.end() - slice.start()) / gap);
            all.push(slice);
            assert!(all.len() < 100_000, "the slices end");
        }
        all
    }

    #[test]
    fn slices_cover_everything_once() {
        for highest in [0, 1, 2, 31, 32, 33, 1_000, 123_457, 50_000_000, u64::MAX] {
            for gap in [1, 3, 1_000, u64::MAX] {
                if highest / gap > 100_000_000 {
                    continue;
                }
                let slices = all(highest, gap);
                assert_eq!(*slices[0].start(), 0);
                assert_eq!(*slices[slices.len() - 1].end(), highest);
                for pair in slices.windows(2) {
                    assert_eq!(*pair[0].end() + 1, *pair[1].start(), "no gap and no overlap");
                }
            }
        }
    }

    #[test]
    fn a_small_directory_is_cut_into_a_slice_for_each_connection() {
        let cut = |highest, connections, page, oldest| {
            let mut slices = UsnRanges::missing(highest, [], page).shared_by(connections, page, oldest);
            std::iter::from_fn(|| slices.next()).collect::<Vec<_>>()
        };
        assert_eq!(cut(14_001, 2, 1_000, 0), [0..=7_000, 7_001..=14_001]);
        assert_eq!(cut(14_001, 2, 1_000, 4_001), [0..=9_001, 9_002..=14_001]);
        assert_eq!(cut(14_001, 1, 1_000, 0), [0..=14_001]);
        assert_eq!(cut(14_000, 2, 1_000, 99_999), [0..=14_000]);
        assert_eq!(cut(19_999, 4, 1_000, 0).len(), 4);
        // Too many objects to be read again.
        assert!(cut(1_000_000, 2, 1_000, 0).len() >= 32);
        assert!(cut(14_000, 2, 10, 0).len() >= 32);
    }

    #[test]
    fn what_is_missing_and_what_is_finished_cover_everything_once() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let (highest, page) = (
                [40, 1_000, u64::MAX][rng.usize(0..3)],
                [1, 7, 1_000][rng.usize(0..3)],
            );
            // A read that broke off, of which any ranges are finished; and others that resumed it.
            let mut finished = Vec::new();
            for _ in 0..rng.usize(0..4) {
                let mut slices = UsnRanges::missing(highest, finished.clone(), page);
                for _ in 0..rng.usize(0..12) {
                    let Some(slice) = slices.next() else { break };
                    slices.learn(&slice, rng.u64(0..20_000));
                    if rng.bool() {
                        finished.push(slice);
                    }
                }
                rng.shuffle(&mut finished);
            }
            let mut slices = UsnRanges::missing(highest, finished.clone(), page);
            while let Some(slice) = slices.next() {
                slices.learn(&slice, 1);
                finished.push(slice);
            }
            finished.sort_unstable_by_key(|slice| *slice.start());
            assert_eq!(*finished[0].start(), 0);
            assert_eq!(*finished[finished.len() - 1].end(), highest);
            for pair in finished.windows(2) {
                assert_eq!(*pair[0].end() + 1, *pair[1].start(), "no gap and no overlap");
            }
        }
    }

    #[test]
    fn what_a_damaged_file_says_of_slices_is_never_a_gap() {
        for finished in [
            vec![RangeInclusive::new(5, 3)],
            vec![0..=u64::MAX, 3..=4],
            vec![3..=6, 4..=5, 90..=200],
            vec![100..=200],
        ] {
            let mut slices = UsnRanges::missing(99, finished.clone(), 2);
            let mut covered: Vec<u64> = finished
                .into_iter()
                .flat_map(|slice| *slice.start()..=(*slice.end()).min(99))
                .collect();
            while let Some(slice) = slices.next() {
                covered.extend(slice);
            }
            assert!((0..=99).all(|usn| covered.contains(&usn)));
        }
    }

    #[test]
    fn slices_become_as_wide_as_they_should_hold() {
        let dense = all(1_000_000, 1);
        let entries = dense.iter().map(|slice| slice.end() - slice.start() + 1);
        assert!(
            entries.skip(5).all(|entries| entries <= 2 * WANTED),
            "a dense directory is cut fine"
        );
        assert!(
            all(50_000_000, 1_000_000).len() < 64,
            "an empty one is not searched in a thousand pieces"
        );
    }
}
