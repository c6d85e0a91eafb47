//! Decision whether a full read resumes an earlier one that broke off.
//!
//! The objects that the earlier read returned and staged stay as correct as those that a delta
//! builds on: every later change is above its watermark, and is read at the end. So the same
//! conditions hold as for a watermark (R2).

use chrono::DateTime;

use crate::identity::Guid;
use crate::store::UnfinishedRead;

/// Seconds after which a full read begins anew. A change that no delta shows (a right that was
/// given or taken, a deletion that the account may not see) is missed in the part that was read
/// before, so that must not be long ago; and it is half of the shortest life of a tombstone, so
/// none has vanished before it is searched (R9).
const LIMIT: u64 = 86_400;

/// Facts that the resumption depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResumptionFacts {
    /// invocationId of the controller.
    pub(super) controller: Guid,
    /// Digest of the present scope.
    pub(super) scope: [u8; 32],
    /// highestCommittedUSN of the controller now.
    pub(super) highest_committed_usn: u64,
    /// Seconds since the Unix epoch.
    pub(super) now: i64,
}

/// Returns the reason for which `unfinished` is not to be resumed; `None` when it is.
pub(super) fn unfit(unfinished: &UnfinishedRead, facts: &ResumptionFacts) -> Option<String> {
    if unfinished.slices.is_empty() {
        return Some("nothing of it was read to its end".to_owned());
    }
    if unfinished.controller != facts.controller {
        return Some(format!(
            "it was of the controller with invocationId {}",
            unfinished.controller
        ));
    }
    if unfinished.scope != facts.scope {
        return Some("base context, scope, filters, kinds or mapping changed since".to_owned());
    }
    if facts.highest_committed_usn < unfinished.highest {
        return Some(format!(
            "highestCommittedUSN {} is below {}, which it was then: the controller was rolled back",
            facts.highest_committed_usn, unfinished.highest
        ));
    }
    // A clock that stepped gives no age, in either direction (R29).
    if facts.now.abs_diff(unfinished.begun_at) >= LIMIT {
        return Some(format!("it began at {}", time(unfinished)));
    }
    None
}

/// Describes the resumption of `unfinished`, as the reason of the run.
pub(super) fn describe(unfinished: &UnfinishedRead) -> String {
    let read: u128 = unfinished
        .slices
        .iter()
        .map(|slice| (u128::from(*slice.usns.end()) + 1).saturating_sub(u128::from(*slice.usns.start())))
        .sum();
    format!(
        "resumes the full read that began at {}, of which {} % is done",
        time(unfinished),
        read * 100 / (u128::from(unfinished.highest) + 1)
    )
}

fn time(unfinished: &UnfinishedRead) -> String {
    DateTime::from_timestamp(unfinished.begun_at, 0).map_or_else(
        || format!("{} s", unfinished.begun_at),
        |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{ReadSlice, SliceContent};

    const NOW: i64 = 1_795_342_000;

    fn facts() -> ResumptionFacts {
        ResumptionFacts {
            controller: Guid::from([1; 16]),
            scope: [7; 32],
            highest_committed_usn: 5_000,
            now: NOW,
        }
    }

    fn unfinished() -> UnfinishedRead {
        let slice = |usns| ReadSlice {
            usns,
            found: SliceContent::default(),
        };
        UnfinishedRead {
            controller: facts().controller,
            scope: facts().scope,
            highest: 3_999,
            begun_at: NOW - 3_600,
            containers: Vec::new(),
            slices: vec![slice(0..=999), slice(2_000..=3_399)],
        }
    }

    #[test]
    fn r02_a_full_read_goes_on_only_where_everything_agrees() {
        assert_eq!(unfit(&unfinished(), &facts()), None);
        let unfit = |facts: ResumptionFacts| unfit(&unfinished(), &facts).unwrap_or_default();
        let highest_committed_usn = 3_998;
        assert!(
            unfit(ResumptionFacts {
                highest_committed_usn,
                ..facts()
            })
            .contains("rolled back")
        );
        let controller = Guid::from([2; 16]);
        assert!(
            unfit(ResumptionFacts {
                controller,
                ..facts()
            })
            .contains("invocationId 01010101")
        );
        let scope = [8; 32];
        assert!(unfit(ResumptionFacts { scope, ..facts() }).contains("mapping changed"));
    }

    #[test]
    fn r09_r29_a_full_read_of_yesterday_or_of_a_clock_that_stepped_begins_anew() {
        for (age, fits) in [
            (0, true),
            (86_399, true),
            (86_400, false),
            (-60, true),
            (-86_400, false),
        ] {
            let begun = UnfinishedRead {
                begun_at: NOW - age,
                ..unfinished()
            };
            assert_eq!(unfit(&begun, &facts()).is_none(), fits, "{age}");
        }
    }

    #[test]
    fn nothing_read_is_nothing_to_go_on_with() {
        let begun = UnfinishedRead {
            slices: Vec::new(),
            ..unfinished()
        };
        assert!(unfit(&begun, &facts()).is_some());
    }

    #[test]
    fn the_description_names_how_much_is_done() {
        assert_eq!(
            describe(&unfinished()),
            "resumes the full read that began at 2026-11-22T09:06:40Z, of which 60 % is done"
        );
    }
}
