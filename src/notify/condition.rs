//! Conditions of a connection that need a person.

use chrono::{DateTime, TimeDelta, Utc};

use crate::exit_code;
use crate::schedule::{ConnectionHandle, ConnectionTimetable};
use crate::store::{Outcome, RunRow, State};
use crate::sync::RunError;

/// Runs that failed in a row.
const FAILED_RUNS: usize = 3;

/// Runs that are examined: those that were stopped on purpose count neither way.
const RECENT_RUNS: usize = 20;

/// Days before its end from which a certificate is reported.
const CERTIFICATE_DAYS: i64 = 14;

/// Condition, and whether it holds; `None` when that is not known since the service started.
pub(super) struct NotifyCondition {
    pub(super) name: &'static str,
    pub(super) holds: Option<bool>,
    pub(super) text: String,
}

/// Returns every condition of the connection at `now`.
pub(super) async fn of(
    handle: &ConnectionHandle,
    now: DateTime<Utc>,
) -> Result<Vec<NotifyCondition>, RunError> {
    let connector = handle.connector();
    let id = connector.id;
    let (runs, held, row) = connector
        .on_store(move |store| {
            Ok((
                store.runs(id, RECENT_RUNS)?,
                store.held_list(id)?,
                store.connection_row(id)?,
            ))
        })
        .await?;
    let done = handle.done();
    let last_baseline =
        row.and_then(|row| row.last_baseline.or(row.entered.get(&State::Registered).copied()));
    let gateway = connector.upstream.certificate();
    let gateway = gateway.map(|(shown, _)| ("gateway".to_owned(), shown.not_after));
    Ok(vec![
        failed_runs(&runs),
        refused(done.last_exit_code),
        NotifyCondition {
            name: "removals_held",
            holds: Some(held.is_some()),
            text: match held {
                Some(list) => format!(
                    "more objects are gone than the threshold allows; nothing is removed before somebody approves the list {list} \
                     (`ad-connector removed`)"
                ),
                None => "no removals are held back any more".to_owned(),
            },
        },
        baseline(handle.timetable(), last_baseline, now),
        certificate("controller_certificate", done.directory.certificate, now),
        certificate("gateway_certificate", gateway, now),
    ])
}

fn failed_runs(runs: &[RunRow]) -> NotifyCondition {
    let ended: Vec<&RunRow> = runs
        .iter()
        .filter(|run| run.outcome.is_some_and(|outcome| outcome != Outcome::Stopped))
        .take(FAILED_RUNS)
        .collect();
    let failed = ended
        .iter()
        .take_while(|run| matches!(run.outcome, Some(Outcome::Failed | Outcome::Interrupted)))
        .count();
    NotifyCondition {
        name: "runs_failed",
        // A single later failure does not end the condition.
        holds: match failed {
            FAILED_RUNS => Some(true),
            0 => Some(false),
            _ => None,
        },
        text: match failed {
            0 => "a run succeeded again".to_owned(),
            _ => format!("{FAILED_RUNS} runs in a row failed; see `ad-connector status`"),
        },
    }
}

fn refused(exit_code: Option<u8>) -> NotifyCondition {
    let holds = match exit_code {
        Some(exit_code::REFUSED) => Some(true),
        // Both sides accepted the credentials.
        Some(exit_code::DONE | exit_code::REJECTED | exit_code::HELD) => Some(false),
        _ => None,
    };
    NotifyCondition {
        name: "credentials_refused",
        holds,
        text: match holds {
            Some(false) => "the credentials are accepted again".to_owned(),
            _ => "the directory or the gateway refuses the credentials; see `ad-connector status`".to_owned(),
        },
    }
}

/// Returns the condition of the baseline: a day ago the last complete one was older than two ticks
/// of `BASELINE_CRON`, as in the alert `AdConnectorBaselineOld` (docker/prometheus/rules.yaml): a
/// baseline itself takes time.
fn baseline(timetable: &ConnectionTimetable, last: Option<i64>, now: DateTime<Utc>) -> NotifyCondition {
    let ticks = last
        .and_then(|last| DateTime::from_timestamp(last, 0))
        .and_then(|last| timetable.baseline_ticks(last, now - TimeDelta::days(1)));
    let holds = ticks.is_some_and(|ticks| ticks >= 2);
    NotifyCondition {
        name: "baseline_old",
        holds: Some(holds),
        text: if holds {
            "no baseline was complete for two ticks of BASELINE_CRON and a day".to_owned()
        } else {
            "a baseline is complete".to_owned()
        },
    }
}

fn certificate(name: &'static str, shown: Option<(String, i64)>, now: DateTime<Utc>) -> NotifyCondition {
    let days = shown
        .as_ref()
        .map(|(_, ends)| (ends - now.timestamp()).div_euclid(86_400));
    let holds = days.map(|days| days < CERTIFICATE_DAYS);
    let host = shown.map(|(host, _)| host).unwrap_or_default();
    NotifyCondition {
        name,
        holds,
        text: match holds {
            Some(true) => format!(
                "the certificate of {host} ends in {} days",
                days.unwrap_or_default()
            ),
            _ => format!("the certificate of {host} was renewed"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::CronSchedule;

    const DAY: i64 = 86_400;

    #[test]
    fn a_certificate_is_reported_14_days_before_its_end() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let holds = |days: i64| {
            let ends = now.timestamp() + days * DAY + 60;
            certificate("x", Some(("dc1".to_owned(), ends)), now).holds
        };
        assert_eq!(holds(14), Some(false));
        assert_eq!(holds(13), Some(true));
        assert_eq!(holds(-3), Some(true));
        assert_eq!(certificate("x", None, now).holds, None, "none was seen yet");
        let text = certificate("x", Some(("dc1".to_owned(), now.timestamp() + 3 * DAY)), now).text;
        assert_eq!(text, "the certificate of dc1 ends in 3 days");
    }

    /// Returns a timetable with this `BASELINE_CRON`.
    fn timetable(baseline: Option<&str>) -> ConnectionTimetable {
        let cron = |text| CronSchedule::parse(text, chrono_tz::UTC).unwrap();
        ConnectionTimetable::new(cron("*/15 * * * *"), baseline.map(cron))
    }

    #[test]
    fn r33_a_baseline_is_too_old_a_day_after_its_second_tick() {
        let last = "2026-11-22T03:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let holds = |cron, now: &str| {
            let now = now.parse().unwrap();
            baseline(&timetable(cron), Some(last.timestamp()), now).holds
        };
        let weekly = Some("0 2 * * SUN");
        assert_eq!(holds(weekly, "2026-12-07T01:59:59Z"), Some(false));
        assert_eq!(holds(weekly, "2026-12-07T02:00:00Z"), Some(true));
        // On Sunday and on Monday: the time from one tick to the next is no measure.
        let uneven = Some("0 2 * * SUN,MON");
        assert_eq!(holds(uneven, "2026-11-29T23:59:59Z"), Some(false));
        assert_eq!(holds(uneven, "2026-11-30T01:59:59Z"), Some(false));
        assert_eq!(holds(uneven, "2026-11-30T02:00:00Z"), Some(true));
        assert_eq!(
            holds(None, "2030-01-01T00:00:00Z"),
            Some(false),
            "BASELINE_CRON=off"
        );
    }

    #[test]
    fn credentials_are_accepted_again_only_when_a_run_used_them() {
        for (code, holds) in [
            (Some(77), Some(true)),
            (Some(0), Some(false)),
            (Some(2), Some(false)),
            (Some(3), Some(false)),
            (Some(69), None),
            (Some(143), None),
            (None, None),
        ] {
            assert_eq!(refused(code).holds, holds, "{code:?}");
        }
    }
}
