//! Moments of each form against a reference that looks at the clocks of the zone minute by minute.

use chrono::{Datelike as _, Duration, NaiveDate, NaiveTime, TimeZone as _, Weekday};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;

use super::local_time::instant_of;
use super::*;
use crate::config::{LocalStart, RunInterval, RunRecurrence, RunSchedule, ZonedCron};
use chrono::{DateTime, Utc};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn local_start(date: &str, time: &str, zone: Tz) -> LocalStart {
    LocalStart {
        date: date.parse().unwrap(),
        time: NaiveTime::parse_from_str(time, "%H:%M").unwrap(),
        zone,
    }
}

fn times(schedule: RunSchedule) -> RunTimes {
    RunTimes::new(&schedule).unwrap()
}

fn daily(date: &str, time: &str, zone: Tz) -> RunTimes {
    let start = local_start(date, time, zone);
    times(RunSchedule::Recurring(RunRecurrence { days: None, start }))
}

fn weekly(days: &[Weekday], date: &str, time: &str, zone: Tz) -> RunTimes {
    let start = local_start(date, time, zone);
    let days = Some(days.to_vec());
    times(RunSchedule::Recurring(RunRecurrence { days, start }))
}

fn interval(minutes: u32, start: Option<LocalStart>) -> RunTimes {
    let zone = None;
    times(RunSchedule::Interval(RunInterval { minutes, start, zone }))
}

fn runs(times: &RunTimes, from: &str, count: usize) -> Vec<String> {
    let found = times.next_runs(at(from), count);
    found
        .iter()
        .map(|at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
        .collect()
}

#[test]
fn r25_a_day_of_a_recurrence_runs_once_at_both_changes_of_the_clock() {
    let berlin = daily("2026-10-24", "02:30", Tz::Europe__Berlin);
    assert_eq!(
        runs(&berlin, "2026-01-01T00:00:00Z", 3),
        [
            "2026-10-24T00:30:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-26T01:30:00Z"
        ]
    );
    assert_eq!(
        runs(&berlin, "2027-03-27T12:00:00Z", 2),
        ["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]
    );
    // A change of half an hour.
    assert_eq!(
        runs(
            &daily("2026-01-01", "02:15", Tz::Australia__Lord_Howe),
            "2026-10-03T12:00:00Z",
            2
        ),
        ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]
    );
}

#[test]
fn r25_a_day_that_a_zone_skips_as_a_whole_runs_right_after_it() {
    // Samoa went from the end of 2011-12-29 to the beginning of 2011-12-31.
    assert_eq!(
        runs(
            &daily("2011-12-01", "02:30", Tz::Pacific__Apia),
            "2011-12-29T00:00:00Z",
            3
        ),
        [
            "2011-12-29T12:30:00Z",
            "2011-12-30T10:00:00Z",
            "2011-12-30T12:30:00Z"
        ]
    );
    let friday = weekly(&[Weekday::Fri], "2011-12-01", "02:30", Tz::Pacific__Apia);
    assert_eq!(
        runs(&friday, "2011-12-29T00:00:00Z", 2),
        ["2011-12-30T10:00:00Z", "2012-01-05T12:30:00Z"]
    );
}

#[test]
fn r25_a_weekly_schedule_runs_on_its_days_from_its_first_day_on() {
    let weekly = weekly(
        &[Weekday::Mon, Weekday::Fri],
        "2026-12-02",
        "02:30",
        Tz::Asia__Colombo,
    );
    assert_eq!(
        runs(&weekly, "2026-11-22T00:00:00Z", 4),
        [
            "2026-12-03T21:00:00Z",
            "2026-12-06T21:00:00Z",
            "2026-12-10T21:00:00Z",
            "2026-12-13T21:00:00Z"
        ]
    );
    // The local day is another one than in UTC.
    let zone = Tz::Pacific__Kiritimati;
    assert_eq!(
        runs(
            &self::weekly(&[Weekday::Sun], "2026-12-01", "01:00", zone),
            "2026-11-22T00:00:00Z",
            1
        ),
        ["2026-12-05T11:00:00Z"]
    );
}

#[test]
fn r25_a_week_passes_where_the_clocks_are_set_back_over_midnight() {
    // 2010-11-07 00:01 became 2010-11-06 23:01: Sunday 00:00 was over before Saturday was.
    let sunday = weekly(&[Weekday::Sun], "2010-01-01", "00:00", Tz::America__St_Johns);
    assert_eq!(
        runs(&sunday, "2010-11-07T02:00:00Z", 2),
        ["2010-11-07T02:30:00Z", "2010-11-14T03:30:00Z"]
    );
    assert_eq!(runs(&sunday, "2010-11-07T02:45:00Z", 1), ["2010-11-14T03:30:00Z"]);
}

#[test]
fn r25_an_interval_is_elapsed_time_over_both_changes_of_the_clock() {
    let start = local_start("2026-10-24", "23:00", Tz::Europe__Berlin);
    let every = interval(90, Some(start));
    assert_eq!(
        runs(&every, "2026-01-01T00:00:00Z", 5),
        [
            "2026-10-24T21:00:00Z",
            "2026-10-24T22:30:00Z",
            "2026-10-25T00:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T03:00:00Z"
        ]
    );
    let day = interval(
        24 * 60,
        Some(local_start("2027-03-27", "12:00", Tz::Europe__Berlin)),
    );
    assert_eq!(
        runs(&day, "2027-03-27T11:00:00Z", 2),
        ["2027-03-28T11:00:00Z", "2027-03-29T11:00:00Z"],
        "13:00 by the clock after the change"
    );
}

#[test]
fn an_interval_without_a_start_does_not_depend_on_the_start_of_the_service() {
    let every = interval(90, None);
    for from in [
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:29:59.999Z",
        "2026-11-22T09:00:00Z",
    ] {
        assert_eq!(
            runs(&every, from, 2),
            ["2026-11-22T10:30:00Z", "2026-11-22T12:00:00Z"],
            "{from}"
        );
    }
    assert_eq!(runs(&every, "2026-11-22T10:30:00Z", 1), ["2026-11-22T12:00:00Z"]);
    assert_eq!(
        runs(&every, "2026-11-22T10:30:00.5Z", 1),
        ["2026-11-22T12:00:00Z"]
    );
}

#[test]
fn r25_once_is_once_and_then_never() {
    // The time does not exist in Berlin.
    let skipped = times(RunSchedule::Once(local_start(
        "2027-03-28",
        "02:30",
        Tz::Europe__Berlin,
    )));
    assert_eq!(
        runs(&skipped, "2026-11-22T10:00:00Z", 5),
        ["2027-03-28T01:00:00Z"]
    );
    assert_eq!(skipped.next_after(at("2027-03-28T01:00:00Z")), None);
    let doubled = times(RunSchedule::Once(local_start(
        "2026-10-25",
        "02:30",
        Tz::Europe__Berlin,
    )));
    assert_eq!(
        runs(&doubled, "2026-01-01T00:00:00Z", 5),
        ["2026-10-25T00:30:00Z"]
    );
    assert_eq!(
        doubled.next_after(at("2026-10-25T01:00:00Z")),
        None,
        "not when it occurs again"
    );
}

#[test]
fn nothing_is_due_by_hand() {
    let by_hand = times(RunSchedule::ByHand);
    assert!(runs(&by_hand, "2026-11-22T10:00:00Z", 5).is_empty());
    let timetable = ConnectionTimetable::new(by_hand, None);
    let now = at("2026-11-22T10:00:00Z");
    let stored = NextRuns {
        sync: Some(at("2026-11-22T09:00:00Z")),
        ..NextRuns::default()
    };
    assert_eq!(
        timetable.resumed(stored, now),
        NextRuns::default(),
        "of a schedule that is no more"
    );
}

#[test]
fn r25_a_missed_once_is_made_up_once() {
    let once = times(RunSchedule::Once(local_start("2026-11-22", "09:00", Tz::UTC)));
    let timetable = ConnectionTimetable::new(once, None);
    let stored = timetable.after(at("2026-11-21T00:00:00Z"));
    let now = at("2026-11-22T10:00:00Z");
    let next = timetable.resumed(stored, now);
    assert_eq!(next.due(now), Some(crate::store::RunMode::Delta));
    let after = timetable.following(next, crate::store::RunMode::Delta, None, now);
    assert_eq!(after, NextRuns::default());
    assert_eq!(timetable.resumed(after, now).due(now), None, "after a restart");
}

#[test]
fn the_start_of_the_service_starts_no_run_before_its_time() {
    let now = at("2026-11-22T10:00:00Z");
    let start = |date| local_start(date, "09:00", Tz::UTC);
    let recurring = |date| {
        let start = start(date);
        RunSchedule::Recurring(RunRecurrence { days: None, start })
    };
    for (schedule, may) in [
        (RunSchedule::default(), true),
        (RunSchedule::ByHand, false),
        (RunSchedule::Once(start("2026-11-22")), false),
        (recurring("2026-11-22"), true),
        (recurring("2026-11-23"), false),
    ] {
        assert_eq!(times(schedule.clone()).may_run_at_start(now), may, "{schedule:?}");
    }
}

/// Moments of the local times `wanted` between the two, found by a look at the clocks at each
/// minute: the first minute at which they show the time or a later one.
fn reference(
    zone: Tz,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    wanted: impl Fn(NaiveDate) -> bool,
    time: NaiveTime,
) -> Vec<DateTime<Utc>> {
    let local = |at: &DateTime<Utc>| at.with_timezone(&zone).naive_local();
    let (mut found, mut at) = (Vec::new(), from - Duration::days(4));
    // Local times that the clocks reached, or passed over, so far.
    let mut latest = local(&at);
    while at < until {
        at += Duration::minutes(1);
        let now = local(&at);
        if now <= latest {
            continue;
        }
        let days = latest.date().iter_days().take_while(|day| *day <= now.date());
        let due: Vec<NaiveDate> = days
            .filter(|day| wanted(*day) && (latest < day.and_time(time)) && (day.and_time(time) <= now))
            .collect();
        if !due.is_empty() && at > from && at <= until {
            found.push(at);
        }
        latest = now;
    }
    found
}

/// Changes of the clock that are special, beside random ones.
const SPECIAL: [(Tz, i32, u32); 9] = [
    (Tz::America__St_Johns, 2010, 311),
    (Tz::Australia__Lord_Howe, 2026, 276),
    (Tz::Australia__Lord_Howe, 2026, 94),
    (Tz::Pacific__Kiritimati, 1994, 364),
    (Tz::Pacific__Apia, 2011, 363),
    (Tz::Pacific__Kwajalein, 1993, 232),
    (Tz::America__Havana, 2026, 66),
    (Tz::America__Sao_Paulo, 2018, 307),
    (Tz::Antarctica__Troll, 2026, 87),
];

/// Strategy for a zone with a day of a year: half of them close to a change of the clock.
fn zone_and_day() -> impl Strategy<Value = (Tz, i32, u32)> {
    let zones = prop::sample::select(TZ_VARIANTS.to_vec());
    let any = (zones, 1972_i32..2060, 4_u32..360, any::<bool>());
    let near_change = any.prop_map(|(zone, year, day, is_near)| {
        let day = if is_near {
            change_in(zone, year).unwrap_or(day)
        } else {
            day
        };
        (zone, year, day)
    });
    prop_oneof![
        4 => near_change,
        1 => prop::sample::select(SPECIAL.to_vec()),
    ]
}

/// Day of the year with the first change of the clock in it, or with the last one in even years.
fn change_in(zone: Tz, year: i32) -> Option<u32> {
    let offset = |day: &u32| {
        let day = Utc.from_utc_datetime(&NaiveDate::from_yo_opt(year, *day)?.and_hms_opt(0, 0, 0)?);
        Some(chrono::Offset::fix(day.with_timezone(&zone).offset()))
    };
    let mut changes = (1..365_u32).filter(|day| offset(day) != offset(&(day + 1)));
    if year % 2 == 0 {
        changes.next_back()
    } else {
        changes.next()
    }
}

fn week_around(year: i32, day: u32) -> (DateTime<Utc>, DateTime<Utc>) {
    let midnight = NaiveDate::from_yo_opt(year, day)
        .unwrap()
        .and_time(NaiveTime::MIN);
    let middle = midnight.and_utc();
    (middle - Duration::days(3), middle + Duration::days(4))
}

fn moments(times: &RunTimes, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let all = times.next_runs(from, 20_000);
    all.into_iter().take_while(|at| *at <= until).collect()
}

/// Reports whether the clocks of the zone are whole minutes apart from UTC: otherwise no look at
/// each minute is exact.
fn is_in_minutes(zone: Tz, (from, until): (DateTime<Utc>, DateTime<Utc>)) -> bool {
    [from, until].iter().all(|at| {
        let offset = chrono::Offset::fix(at.with_timezone(&zone).offset());
        offset.local_minus_utc() % 60 == 0
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn r25_recurrences_are_as_a_look_at_the_clocks_of_each_minute(
        (zone, year, day) in zone_and_day(),
        minute in 0_u32..24 * 60,
        days in prop::sample::subsequence(
            vec![Weekday::Sun, Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat], 0..7),
        begins in 0_u64..6,
        near in any::<bool>(),
    ) {
        // Most changes are in the first hours of a day.
        let minute = if near { minute % 240 } else { minute };
        let range = week_around(year, day);
        prop_assume!(is_in_minutes(zone, range));
        let time = NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap();
        let first = range.0.date_naive() + chrono::Days::new(begins);
        let start = LocalStart { date: first, time, zone };
        let is_wanted = |date: NaiveDate| date >= first && (days.is_empty() || days.contains(&date.weekday()));
        let days_given = Some(days.clone()).filter(|days| !days.is_empty());
        let recurring = times(RunSchedule::Recurring(RunRecurrence { days: days_given, start }));
        let expected = reference(zone, range, is_wanted, time);
        prop_assert_eq!(moments(&recurring, range.0, range.1), expected.clone());
        let ticks = recurring.ticks_between(range.0, range.1, 1_000);
        prop_assert_eq!(ticks, expected.len() as u64);
        if days.is_empty() {
            // The same by cron, which has no first day.
            let (minute, hour) = (minute % 60, minute / 60);
            let cron = ZonedCron { text: format!("{minute} {hour} * * *"), zone };
            let cron = times(RunSchedule::Cron(cron));
            prop_assert_eq!(moments(&cron, range.0, range.1), reference(zone, range, |_| true, time));
        }
    }

    #[test]
    fn r25_once_is_as_a_look_at_the_clocks_of_each_minute(
        (zone, year, day) in zone_and_day(),
        offset in 0_u64..4,
        minute in 0_u32..24 * 60,
        near in any::<bool>(),
    ) {
        let minute = if near { minute % 240 } else { minute };
        let range = week_around(year, day);
        prop_assume!(is_in_minutes(zone, range));
        let time = NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap();
        let date = (range.0 + Duration::days(2)).date_naive() + chrono::Days::new(offset);
        let once = times(RunSchedule::Once(LocalStart { date, time, zone }));
        let expected = reference(zone, range, |day| day == date, time);
        prop_assert_eq!(once.next_runs(range.0, 5), expected);
    }

    #[test]
    fn r25_intervals_pass_on_as_time_does(
        (zone, year, day) in zone_and_day(),
        minute in 0_u32..24 * 60,
        length in 1_u32..3_000,
        has_start in any::<bool>(),
    ) {
        let (from, until) = week_around(year, day);
        prop_assume!(is_in_minutes(zone, (from, until)));
        let time = NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap();
        let date = (from + Duration::days(3)).date_naive();
        let start = has_start.then_some(LocalStart { date, time, zone });
        let every = interval(length, start);
        let anchor = match start {
            Some(_) => reference(zone, (from, until), |day| day == date, time)[0],
            None => DateTime::UNIX_EPOCH,
        };
        // Minute by minute, those are ticks that lie a whole number of intervals after the anchor.
        let minutes = std::iter::successors(Some(from + Duration::minutes(1)), |at| Some(*at + Duration::minutes(1)));
        let expected: Vec<DateTime<Utc>> = minutes
            .take_while(|at| *at <= until)
            .filter(|at| *at >= anchor && (*at - anchor).num_minutes() % i64::from(length) == 0)
            .collect();
        let found = moments(&every, from, until);
        prop_assert!(found == expected, "{:?} of {:?}", found.len(), expected.len());
    }
}

#[test]
fn a_gap_ends_where_the_clocks_go_on() {
    let local = |text: &str| text.parse().unwrap();
    for (zone, skipped, end) in [
        (Tz::Europe__Berlin, "2027-03-28T02:00:00", "2027-03-28T01:00:00Z"),
        (Tz::Europe__Berlin, "2027-03-28T02:59:59", "2027-03-28T01:00:00Z"),
        (Tz::Pacific__Apia, "2011-12-30T00:00:00", "2011-12-30T10:00:00Z"),
        (Tz::Pacific__Apia, "2011-12-30T23:59:59", "2011-12-30T10:00:00Z"),
    ] {
        assert_eq!(instant_of(local(skipped), zone), at(end), "{zone} {skipped}");
    }
}
