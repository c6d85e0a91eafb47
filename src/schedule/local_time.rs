//! Moments at which the clocks of a time zone show a time (R25).

use chrono::offset::LocalResult;
use chrono::{DateTime, Duration, NaiveDateTime, TimeZone as _, Utc};
use chrono_tz::Tz;

/// Hours that no clock is ahead of UTC or behind it.
const MOST_OFFSET: Duration = Duration::hours(26);

/// Returns the moment at which the clocks of `zone` show `local`: the first one where they show it
/// twice, and that right after the gap where a change of the clock skips it (R25).
pub(super) fn instant_of(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => at.to_utc(),
        LocalResult::None => end_of_gap(local, zone),
    }
}

/// Returns the first whole second at which the clocks of `zone` are past `local`, which they skip.
fn end_of_gap(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let is_past = |at: i64| {
        let at = DateTime::from_timestamp(at, 0).unwrap_or_default();
        at.with_timezone(&zone).naive_local() >= local
    };
    let mut before = (local.and_utc() - MOST_OFFSET).timestamp();
    let mut after = (local.and_utc() + MOST_OFFSET).timestamp();
    while after - before > 1 {
        let middle = before + (after - before) / 2;
        if is_past(middle) {
            after = middle;
        } else {
            before = middle;
        }
    }
    DateTime::from_timestamp(after, 0).unwrap_or_default()
}

/// Returns how many times `next_after` gives after `from` and not after `until`, counted up to
/// `most`.
pub(super) fn count_ticks(
    next_after: impl Fn(DateTime<Utc>) -> Option<DateTime<Utc>>,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    most: u64,
) -> u64 {
    let mut ticks = 0;
    let mut at = from;
    while ticks < most {
        match next_after(at) {
            Some(next) if next <= until => {
                ticks += 1;
                at = next;
            }
            _ => break,
        }
    }
    ticks
}
