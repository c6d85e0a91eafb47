//! Full read or delta, and why (R2, R9).

use std::fmt;

use crate::config::DeltaMethod;
use crate::identity::Guid;
use crate::store::{RunMode, Watermark};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// What a run asks the directory for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Objects whose uSNChanged is above `since`.
    Delta {
        /// The watermark of the last read from this controller.
        since: u64,
    },
    /// Every object in scope.
    Full {
        /// Why a delta would not do; logged and kept with the run.
        reason: String,
    },
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delta { since } => write!(f, "changes since USN {since}"),
            Self::Full { reason } => f.write_str(reason),
        }
    }
}

/// What the plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What was asked for.
    pub requested: RunMode,
    /// Who asked, as a phrase: `baseline schedule`, `sync --baseline`.
    pub asked_by: &'a str,
    /// `AD_DELTA`.
    pub method: DeltaMethod,
    /// Whether `AD_MEMBER_OF` is why it is off.
    pub by_membership: bool,
    /// The controller's invocationId.
    pub controller: Guid,
    /// The controller's name, for the reason.
    pub host: &'a str,
    /// Its highestCommittedUSN, read before any search (R1).
    pub highest_committed_usn: u64,
    /// Digest of the present scope.
    pub scope: [u8; 32],
    /// tombstoneLifetime of the forest, days.
    pub tombstone_lifetime: u32,
    /// Seconds since the Unix epoch.
    pub now: i64,
    /// Every watermark of the connection.
    pub watermarks: &'a [Watermark],
}

/// The plan for these facts. A delta needs a watermark of this very controller and scope that is neither ahead of the
/// controller nor older than the tombstone lifetime; anything else is a full read.
#[must_use]
pub fn plan(facts: &Facts<'_>) -> Plan {
    match reason_for_full(facts) {
        Err(reason) => Plan::Full { reason },
        Ok(since) => Plan::Delta { since },
    }
}

/// The USN to start a delta from, or why there is none.
fn reason_for_full(facts: &Facts<'_>) -> Result<u64, String> {
    if facts.requested == RunMode::Baseline {
        return Err(facts.asked_by.to_owned());
    }
    if facts.by_membership {
        return Err("the profile has AD_MEMBER_OF, and a change of membership is in no delta".to_owned());
    }
    if facts.method == DeltaMethod::Off {
        return Err("AD_DELTA is off".to_owned());
    }
    if facts.watermarks.is_empty() {
        return Err("no read has been completed yet".to_owned());
    }
    let of_scope: Vec<&Watermark> = facts
        .watermarks
        .iter()
        .filter(|mark| mark.scope == facts.scope)
        .collect();
    if of_scope.is_empty() {
        return Err("base context, scope, filters, kinds or mapping changed since the last read".to_owned());
    }
    let Some(mark) = of_scope
        .into_iter()
        .find(|mark| mark.controller == facts.controller)
    else {
        return Err(format!(
            "no watermark for controller {} (invocationId {}): another controller, or one restored from backup",
            facts.host, facts.controller
        ));
    };
    if facts.highest_committed_usn < mark.usn {
        return Err(format!(
            "highestCommittedUSN {} of {} is below the watermark {}: the controller was rolled back",
            facts.highest_committed_usn, facts.host, mark.usn
        ));
    }
    let age = facts.now.saturating_sub(mark.read_at);
    if age >= i64::from(facts.tombstone_lifetime) * DAY {
        return Err(format!(
            "the watermark is {} days old, tombstones live {} days",
            age / DAY,
            facts.tombstone_lifetime
        ));
    }
    Ok(mark.usn)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_342_000;

    fn guid(byte: u8) -> Guid {
        Guid::from_bytes(&[byte; 16]).unwrap()
    }

    fn mark(controller: u8, scope: u8, usn: u64, age_days: i64) -> Watermark {
        Watermark {
            controller: guid(controller),
            scope: [scope; 32],
            usn,
            read_at: NOW - age_days * DAY,
        }
    }

    fn facts(watermarks: &[Watermark]) -> Facts<'_> {
        Facts {
            requested: RunMode::Delta,
            asked_by: "schedule",
            method: DeltaMethod::Usn,
            by_membership: false,
            controller: guid(1),
            host: "dc1",
            highest_committed_usn: 5_000,
            scope: [7; 32],
            tombstone_lifetime: 60,
            now: NOW,
            watermarks,
        }
    }

    fn reason(plan: Plan) -> String {
        match plan {
            Plan::Full { reason } => reason,
            Plan::Delta { since } => panic!("a delta since {since}"),
        }
    }

    #[test]
    fn r02_an_exact_match_is_a_delta() {
        let marks = [mark(2, 7, 9_000, 1), mark(1, 7, 4_000, 1)];
        assert_eq!(plan(&facts(&marks)), Plan::Delta { since: 4_000 });
        let marks = [mark(1, 7, 5_000, 1)];
        assert_eq!(
            plan(&facts(&marks)),
            Plan::Delta { since: 5_000 },
            "equal to highestCommittedUSN: nothing changed"
        );
    }

    #[test]
    fn r02_anything_else_is_a_full_read_that_says_why() {
        assert!(reason(plan(&facts(&[]))).contains("no read has been completed"));
        assert!(reason(plan(&facts(&[mark(1, 8, 4_000, 1)]))).contains("mapping changed"));
        assert!(reason(plan(&facts(&[mark(2, 7, 4_000, 1)]))).contains("no watermark for controller dc1"));
        assert!(reason(plan(&facts(&[mark(1, 7, 5_001, 1)]))).contains("rolled back"));
        let marks = [mark(1, 7, 4_000, 1)];
        assert!(
            reason(plan(&Facts {
                method: DeltaMethod::Off,
                ..facts(&marks)
            }))
            .contains("AD_DELTA")
        );
        let asked = Facts {
            requested: RunMode::Baseline,
            asked_by: "baseline schedule",
            ..facts(&marks)
        };
        assert_eq!(reason(plan(&asked)), "baseline schedule");
    }

    #[test]
    fn r09_a_watermark_older_than_the_tombstone_lifetime_is_a_full_read() {
        assert_eq!(
            plan(&facts(&[mark(1, 7, 4_000, 59)])),
            Plan::Delta { since: 4_000 }
        );
        assert!(reason(plan(&facts(&[mark(1, 7, 4_000, 60)]))).contains("60 days old"));
    }

    #[test]
    fn r29_a_clock_that_stepped_back_does_not_age_a_watermark() {
        assert_eq!(
            plan(&facts(&[mark(1, 7, 4_000, -400)])),
            Plan::Delta { since: 4_000 }
        );
    }
}
