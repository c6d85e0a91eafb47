//! Choice between full read and delta, with its reason (R2, R9).

use std::fmt;

use chrono::DateTime;

use crate::config::DeltaMethod;
use crate::identity::Guid;
use crate::store::{Cookie, RunMode, Watermark};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Range of objects that a run requests from the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Objects whose uSNChanged is above `since`.
    Delta {
        /// Watermark of the last read from this controller.
        since: u64,
    },
    /// Objects that changed since `cookie`, by the DirSync control.
    DirSync {
        /// Cookie of the last read that gave one, whatever the controller.
        cookie: Cookie,
    },
    /// Every object in scope.
    Full {
        /// Reason for which a delta is not possible; logged and kept with the run.
        reason: String,
    },
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delta { since } => write!(f, "changes since USN {since}"),
            Self::DirSync { cookie } => {
                f.write_str("changes since the DirSync cookie of ")?;
                match DateTime::from_timestamp(cookie.read_at, 0) {
                    Some(time) => write!(f, "{}", time.format("%Y-%m-%dT%H:%M:%SZ")),
                    None => write!(f, "{} s", cookie.read_at),
                }
            }
            Self::Full { reason } => f.write_str(reason),
        }
    }
}

/// Facts that the plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct PlanFacts<'a> {
    /// Requested mode.
    pub requested: RunMode,
    /// Origin of the request, as a phrase: `baseline schedule`, `sync --baseline`.
    pub asked_by: &'a str,
    /// `AD_DELTA`.
    pub method: DeltaMethod,
    /// `true` when `AD_MEMBER_OF` is the reason for which it is off.
    pub by_membership: bool,
    /// invocationId of the controller.
    pub controller: Guid,
    /// Name of the controller, for the reason.
    pub host: &'a str,
    /// highestCommittedUSN of the controller, read before any search (R1).
    pub highest_committed_usn: u64,
    /// Digest of the present scope.
    pub scope: [u8; 32],
    /// tombstoneLifetime of the forest, days.
    pub tombstone_lifetime: u32,
    /// Seconds since the Unix epoch.
    pub now: i64,
    /// Every watermark of the connection.
    pub watermarks: &'a [Watermark],
    /// The DirSync cookie of the connection.
    pub cookie: Option<&'a Cookie>,
    /// `true` when this server was read before, as a controller with another invocationId.
    pub restored: bool,
}

/// Returns the plan for these facts. A delta needs a watermark of this very controller and scope
/// that is neither ahead of the controller nor older than the tombstone lifetime; for DirSync a
/// cookie of any controller is enough. Otherwise the plan is a full read.
#[must_use]
pub fn plan(facts: &PlanFacts<'_>) -> Plan {
    delta(facts).unwrap_or_else(|reason| Plan::Full { reason })
}

/// Returns the delta, or the reason for which none is possible.
fn delta(facts: &PlanFacts<'_>) -> Result<Plan, String> {
    if facts.requested == RunMode::Baseline {
        return Err(facts.asked_by.to_owned());
    }
    if facts.by_membership {
        return Err("the profile has AD_MEMBER_OF, and a change of membership is in no delta".to_owned());
    }
    match facts.method {
        DeltaMethod::Off => Err("AD_DELTA is off".to_owned()),
        DeltaMethod::Usn => by_usn(facts),
        DeltaMethod::DirSync => by_cookie(facts),
    }
}

const OTHER_SCOPE: &str = "base context, scope, filters, kinds or mapping changed since the last read";

fn by_usn(facts: &PlanFacts<'_>) -> Result<Plan, String> {
    if facts.watermarks.is_empty() {
        return Err("no read has been completed yet".to_owned());
    }
    if facts.watermarks.iter().all(|mark| mark.scope != facts.scope) {
        return Err(OTHER_SCOPE.to_owned());
    }
    let Some(mark) = own_mark(facts)? else {
        return Err(format!(
            "no watermark for controller {} (invocationId {}): another controller, or one restored from backup",
            facts.host, facts.controller
        ));
    };
    verify_tombstones("watermark", mark.read_at, facts)?;
    Ok(Plan::Delta { since: mark.usn })
}

fn by_cookie(facts: &PlanFacts<'_>) -> Result<Plan, String> {
    let Some(cookie) = facts.cookie else {
        return Err(if facts.watermarks.is_empty() {
            "no read has been completed yet".to_owned()
        } else {
            "no DirSync cookie is known yet".to_owned()
        });
    };
    if cookie.scope != facts.scope {
        return Err(OTHER_SCOPE.to_owned());
    }
    // No cookie shows that a controller lost changes that were read from it.
    own_mark(facts)?;
    if facts.restored {
        return Err(format!(
            "controller {} has another invocationId than before ({} now): it was restored from backup",
            facts.host, facts.controller
        ));
    }
    verify_tombstones("DirSync cookie", cookie.read_at, facts)?;
    Ok(Plan::DirSync {
        cookie: cookie.clone(),
    })
}

/// Returns the watermark of this controller and scope.
///
/// # Errors
/// The controller is behind it.
fn own_mark<'a>(facts: &PlanFacts<'a>) -> Result<Option<&'a Watermark>, String> {
    let mark = facts
        .watermarks
        .iter()
        .find(|mark| mark.scope == facts.scope && mark.controller == facts.controller);
    match mark {
        Some(mark) if facts.highest_committed_usn < mark.usn => Err(format!(
            "highestCommittedUSN {} of {} is below the watermark {}: the controller was rolled back",
            facts.highest_committed_usn, facts.host, mark.usn
        )),
        mark => Ok(mark),
    }
}

/// Verifies that everything that was deleted since `read_at` still has its tombstone.
fn verify_tombstones(what: &str, read_at: i64, facts: &PlanFacts<'_>) -> Result<(), String> {
    let age = facts.now.saturating_sub(read_at);
    if age < i64::from(facts.tombstone_lifetime) * DAY {
        return Ok(());
    }
    Err(format!(
        "the {what} is {} days old, tombstones live {} days",
        age / DAY,
        facts.tombstone_lifetime
    ))
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

    fn facts(watermarks: &[Watermark]) -> PlanFacts<'_> {
        PlanFacts {
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
            cookie: None,
            restored: false,
        }
    }

    fn cookie(scope: u8, age_days: i64) -> Cookie {
        Cookie {
            scope: [scope; 32],
            octets: b"xy".to_vec(),
            read_at: NOW - age_days * DAY,
            controller: Guid::from([1; 16]),
        }
    }

    fn reason(plan: Plan) -> String {
        match plan {
            Plan::Full { reason } => reason,
            delta => panic!("{delta}"),
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
            reason(plan(&PlanFacts {
                method: DeltaMethod::Off,
                ..facts(&marks)
            }))
            .contains("AD_DELTA")
        );
        let asked = PlanFacts {
            requested: RunMode::Baseline,
            asked_by: "baseline schedule",
            ..facts(&marks)
        };
        assert_eq!(reason(plan(&asked)), "baseline schedule");
    }

    #[test]
    fn r02_a_dirsync_cookie_is_good_for_any_controller_and_one_scope() {
        let marks = [mark(2, 7, 9_000, 1)];
        let by_cookie = |cookie: &Cookie, watermarks: &[Watermark]| {
            plan(&PlanFacts {
                method: DeltaMethod::DirSync,
                cookie: Some(cookie),
                ..facts(watermarks)
            })
        };
        for marks in [&marks[..], &[], &[mark(1, 7, 4_000, 90)]] {
            let Plan::DirSync { cookie } = by_cookie(&cookie(7, 59), marks) else {
                panic!("no increment");
            };
            assert_eq!(cookie.octets, b"xy");
        }
        assert!(
            by_cookie(&cookie(7, 1), &marks)
                .to_string()
                .starts_with("changes since the DirSync cookie of 20")
        );
        assert!(reason(by_cookie(&cookie(8, 1), &marks)).contains("mapping changed"));
        assert!(reason(by_cookie(&cookie(7, 60), &marks)).contains("60 days old"));
        assert!(reason(by_cookie(&cookie(7, 1), &[mark(1, 7, 5_001, 1)])).contains("rolled back"));
        let restored = PlanFacts {
            method: DeltaMethod::DirSync,
            cookie: Some(&cookie(7, 1)),
            restored: true,
            ..facts(&marks)
        };
        assert!(reason(plan(&restored)).contains("restored from backup"));
        for (watermarks, why) in [
            (&marks[..], "no DirSync cookie"),
            (&[], "no read has been completed"),
        ] {
            let method = DeltaMethod::DirSync;
            assert!(
                reason(plan(&PlanFacts {
                    method,
                    ..facts(watermarks)
                }))
                .contains(why)
            );
        }
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
