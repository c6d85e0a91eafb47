//! A full read in slices of uSNChanged, so that several connections can read side by side.
//!
//! Why these slices neither overlap nor leave a gap: at every moment an object has one uSNChanged, so among the slices of
//! `0..=H` it is in one alone. A change while the read runs lifts it above `H`, out of every slice; the delta from `H`
//! that ends a full read (R4) finds it there. uSNChanged is indexed in AD (MS-ADA3, uSNChanged: searchFlags holds fATTINDEX), so a slice costs what it holds.

use std::ops::RangeInclusive;

use crate::config;
use crate::directory::{self, DirectoryError, RootDse, Session};

/// Entries that a slice should hold: few enough that all connections end at about the same time, enough that the cost of a
/// search does not count.
const WANTED: u64 = 4_000;

/// Slices that the whole range is cut into at first, before anything is known about how full it is.
const FIRST_CUT: u64 = 32;

/// Further connections for a full read (`AD_CONNECTIONS`), all to the controller of `first` and not behind it: a name may
/// stand for several controllers, and another one's USNs mean something else (R2). One that cannot be had is done without.
pub(super) async fn helpers(settings: &config::Directory, first: &Session, known: &RootDse) -> Vec<Session> {
    let same_host = config::Directory {
        hosts: vec![first.host().to_owned()],
        ..settings.clone()
    };
    let mut helpers = Vec::new();
    while helpers.len() + 1 < settings.connections {
        match helper(&same_host, known).await {
            Ok(Some(session)) => helpers.push(session),
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

async fn helper(settings: &config::Directory, known: &RootDse) -> Result<Option<Session>, DirectoryError> {
    let mut session = directory::connect(settings).await?;
    let root = session.root_dse().await?;
    let same = root.ds_service_name == known.ds_service_name
        && root.highest_committed_usn >= known.highest_committed_usn;
    Ok(same.then_some(session))
}

/// Hands out the slices of `0..=highest`, narrower where objects lie close, wider where there are few.
#[derive(Debug)]
pub(super) struct Slices {
    next: Option<u64>,
    highest: u64,
    width: u64,
}

impl Slices {
    /// The slices up to `highest`, the highestCommittedUSN read before (R1).
    pub(super) fn up_to(highest: u64) -> Self {
        Self {
            next: Some(0),
            highest,
            width: (highest / FIRST_CUT).max(1),
        }
    }

    /// The next slice; `None` when the range is handed out.
    pub(super) fn next(&mut self) -> Option<RangeInclusive<u64>> {
        let low = self.next?;
        let high = low.saturating_add(self.width - 1).min(self.highest);
        self.next = high.checked_add(1).filter(|next| *next <= self.highest);
        Some(low..=high)
    }

    /// Learns from a slice that was read how wide the next ones should be: as many USNs as should hold [`WANTED`] entries, at
    /// most eight times wider or narrower than before, since neighbouring ranges differ.
    pub(super) fn learn(&mut self, slice: &RangeInclusive<u64>, entries: u64) {
        let width = (slice.end() - slice.start()).saturating_add(1);
        let wanted = width.saturating_mul(WANTED) / entries.max(1);
        self.width = wanted.clamp((width / 8).max(1), width.saturating_mul(8).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All slices of a directory in which every `gap`-th USN holds an object.
    fn all(highest: u64, gap: u64) -> Vec<RangeInclusive<u64>> {
        let mut slices = Slices::up_to(highest);
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
