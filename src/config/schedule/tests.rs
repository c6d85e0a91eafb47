use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::*;
use crate::config::FieldProblem;

fn now() -> DateTime<Utc> {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn parsed(value: &Value) -> RunSchedule {
    parse_schedule(value, now()).unwrap()
}

fn start(date: &str, time: &str, zone: Tz) -> LocalStart {
    LocalStart {
        date: date.parse().unwrap(),
        time: time.parse().unwrap(),
        zone,
    }
}

const COLOMBO: Tz = Tz::Asia__Colombo;

fn weekly() -> Value {
    json!({"recurrence": "WEEKLY", "daysOfWeek": ["MON", "FRI"], "startDate": "12/01/2026",
           "startTime": "02:30", "timezone": "Asia/Colombo"})
}

fn once() -> Value {
    json!({"once": true, "startDate": "12/01/2026", "startTime": "02:30", "timezone": "UTC"})
}

/// Returns `value` with a key of another value.
fn with(mut value: Value, key: &str, other: Value) -> Value {
    value[key] = other;
    value
}

/// Returns `value` without a key.
fn without(mut value: Value, key: &str) -> Value {
    value.as_object_mut().unwrap().remove(key);
    value
}

#[test]
fn each_form_is_read_and_shown() {
    let morning = start("2026-12-01", "02:30:00", COLOMBO);
    let cron = |text: &str, zone| {
        RunSchedule::Cron(ZonedCron {
            text: text.to_owned(),
            zone,
        })
    };
    let interval = |minutes, start, zone| RunSchedule::Interval(RunInterval { minutes, start, zone });
    let recurring =
        |days: Option<Vec<Weekday>>| RunSchedule::Recurring(RunRecurrence { days, start: morning });
    let timed = |form: Value| {
        let mut form = form;
        for (key, value) in [
            ("startDate", "12/01/2026"),
            ("startTime", "02:30"),
            ("timezone", "Asia/Colombo"),
        ] {
            form[key] = json!(value);
        }
        form
    };
    for (form, schedule, text) in [
        (Value::Null, RunSchedule::ByHand, "by hand"),
        (
            json!({"cron": "*/15 * * * *"}),
            cron("*/15 * * * *", Tz::UTC),
            "*/15 * * * *",
        ),
        (
            json!({"cron": "@daily", "timezone": "Asia/Colombo", "once": null}),
            cron("@daily", COLOMBO),
            "@daily",
        ),
        (
            json!({"runFrequency": {"hours": 1, "minutes": 30}}),
            interval(90, None, None),
            "every 1 h 30 min",
        ),
        (
            json!({"runFrequency": {"minutes": 15}, "timezone": "Asia/Colombo", "daysOfWeek": []}),
            interval(15, None, Some(COLOMBO)),
            "every 15 min",
        ),
        (
            timed(json!({"runFrequency": {"hours": 8784, "minutes": 0}})),
            interval(RunInterval::MOST_MINUTES, Some(morning), None),
            "every 8784 h, from 2026-12-01 02:30 Asia/Colombo",
        ),
        (
            timed(json!({"recurrence": "DAILY", "daysOfWeek": []})),
            recurring(None),
            "daily at 02:30 Asia/Colombo, from 2026-12-01",
        ),
        (
            timed(json!({"recurrence": "DAILY"})),
            recurring(None),
            "daily at 02:30 Asia/Colombo, from 2026-12-01",
        ),
        (
            timed(json!({"recurrence": "WEEKLY", "daysOfWeek": ["FRI", "SUN", "MON"]})),
            recurring(Some(vec![Weekday::Sun, Weekday::Mon, Weekday::Fri])),
            "SUN, MON, FRI at 02:30 Asia/Colombo, from 2026-12-01",
        ),
        (
            timed(json!({"once": true})),
            RunSchedule::Once(morning),
            "once, 2026-12-01 02:30 Asia/Colombo",
        ),
    ] {
        let read = parsed(&form);
        assert_eq!(read, schedule, "{form}");
        assert_eq!(read.text(), text);
        assert_eq!(parsed(&read.to_json()), read, "{}", read.to_json());
    }
    assert_eq!(parsed(&weekly()).to_json(), weekly());
    assert_eq!(
        parsed(&json!({"runFrequency": {"hours": 1, "minutes": 90}})).to_json(),
        json!({"runFrequency": {"hours": 2, "minutes": 30}})
    );
}

#[test]
fn every_mistake_is_reported_with_key_reason_and_remedy() {
    let minutes = |value: Value| json!({"runFrequency": {"minutes": value}});
    let weekly_with = |key: &str, value: Value| with(weekly(), key, value);
    let interval = json!({"runFrequency": {"hours": 1}});
    for (form, expected) in [
        (
            json!("daily"),
            "schedule: is a text, where an object is needed; write it as {\"cron\"",
        ),
        (json!([]), "schedule: is a list"),
        (
            json!({}),
            "schedule: names no form; give one of cron, runFrequency, recurrence and once, or null",
        ),
        (
            with(weekly(), "cron", json!("@daily")),
            "schedule: names 2 forms: cron, recurrence; keep one of them",
        ),
        (
            json!({"cron": "@daily", "startDate": "12/01/2026"}),
            "schedule.startDate: is no part of a schedule by cron; remove it, or cron",
        ),
        (
            json!({"cron": "@daily", "daysOfWeek": ["MON"]}),
            "schedule.daysOfWeek: is no part of a schedule by cron",
        ),
        (
            with(interval.clone(), "daysOfWeek", json!(["MON"])),
            "schedule.daysOfWeek: is no part of a schedule by runFrequency",
        ),
        (
            json!({"cron": "* *"}),
            "schedule.cron: `* *` is not a schedule: it has 2 of 5, 6 or 7 fields; write",
        ),
        (
            json!({"cron": "0 0 30 2 *"}),
            "schedule.cron: `0 0 30 2 *` has no moment left",
        ),
        (
            json!({"cron": "0 0 1 1\n*"}),
            "schedule.cron: holds a control character",
        ),
        (
            json!({"cron": 15}),
            "schedule.cron: is a number, where a text is needed; write it in quotes",
        ),
        (json!({"cron": "off"}), "schedule.cron: `off` is not a schedule"),
        (
            json!({"cron": "@daily", "timezone": "Colombo"}),
            "schedule.timezone: `Colombo` is not a time zone; did you mean Asia/Colombo?",
        ),
        (
            weekly_with("timezone", json!("Mars/Olympus")),
            "schedule.timezone: `Mars/Olympus` is not a time zone",
        ),
        (
            weekly_with("timezone", json!("+05:30")),
            "schedule.timezone: `+05:30` is not a time zone",
        ),
        (
            weekly_with("daysOfWeek", json!([])),
            "schedule.daysOfWeek: names no day",
        ),
        (
            without(weekly(), "daysOfWeek"),
            "schedule.daysOfWeek: names no day",
        ),
        (
            weekly_with("daysOfWeek", json!(["Mon"])),
            "schedule.daysOfWeek: `Mon` is not a day of the week; did you mean MON?",
        ),
        (
            weekly_with("daysOfWeek", json!(["MON", "MON"])),
            "schedule.daysOfWeek: names MON twice",
        ),
        (
            weekly_with("daysOfWeek", json!([1])),
            "schedule.daysOfWeek: has a number among its items",
        ),
        (
            weekly_with("daysOfWeek", json!("MON")),
            "schedule.daysOfWeek: is a text, where a list is needed",
        ),
        (
            weekly_with("daysOfWeek", json!(vec!["XXX"; 5_000])),
            "schedule.daysOfWeek: has 5000 items, where a week has 7 days",
        ),
        (
            weekly_with("recurrence", json!("DAILY")),
            "schedule.daysOfWeek: is for WEEKLY alone",
        ),
        (
            weekly_with("recurrence", json!("WEEKLI")),
            "schedule.recurrence: `WEEKLI` is not a recurrence; did you mean WEEKLY?",
        ),
        (
            weekly_with("recurrence", json!("MONTHLY")),
            "schedule.recurrence: `MONTHLY` is not a recurrence; write one of DAILY, WEEKLY",
        ),
        (
            weekly_with("startDate", json!("2026-12-01")),
            "schedule.startDate: `2026-12-01` is not a date of the form mm/dd/yyyy; write month",
        ),
        (
            weekly_with("startDate", json!("1/2/2026")),
            "schedule.startDate: `1/2/2026` is not a date of the form",
        ),
        (
            weekly_with("startDate", json!("12/01/2026/")),
            "schedule.startDate: `12/01/2026/` is not a date of the form",
        ),
        (
            weekly_with("startDate", json!("+2/01/2026")),
            "schedule.startDate: `+2/01/2026` is not a date of the form",
        ),
        (
            weekly_with("startDate", json!("02/30/2026")),
            "schedule.startDate: `02/30/2026` is no day of the calendar",
        ),
        (
            weekly_with("startDate", json!("31/12/2026")),
            "schedule.startDate: `31/12/2026` is no day of the calendar; write month, day",
        ),
        (
            weekly_with("startDate", json!("00/01/2026")),
            "schedule.startDate: `00/01/2026` is no day",
        ),
        (
            weekly_with("startDate", json!("12/01/99999")),
            "schedule.startDate: `12/01/99999` is not a date of the form",
        ),
        (
            weekly_with("startDate", json!("12/01/9999")),
            "schedule.startDate: `12/01/9999` is of a year that no schedule reaches; write a year from 1970 to 2099",
        ),
        (
            weekly_with("startDate", json!("12/01/1969")),
            "schedule.startDate: `12/01/1969` is of a year",
        ),
        (
            weekly_with("startDate", json!("x".repeat(100_000))),
            "schedule.startDate: `xxx",
        ),
        (
            weekly_with("startTime", json!("24:00")),
            "schedule.startTime: `24:00` is not a time of day of the form HH:MM; write 00:00 to 23:59",
        ),
        (
            weekly_with("startTime", json!("02:60")),
            "schedule.startTime: `02:60` is not",
        ),
        (
            weekly_with("startTime", json!("2:30")),
            "schedule.startTime: `2:30` is not",
        ),
        (
            weekly_with("startTime", json!("02:30:00")),
            "schedule.startTime: `02:30:00` is not",
        ),
        (
            weekly_with("startTime", json!("２:30")),
            "schedule.startTime: `２:30` is not",
        ),
        (
            weekly_with("startTime", json!(230)),
            "schedule.startTime: is a number",
        ),
        (
            without(weekly(), "startDate"),
            "schedule.startDate: is required; write it, such as 12/31/2026",
        ),
        (
            without(weekly(), "startTime"),
            "schedule.startTime: is required; write it, such as 02:30",
        ),
        (
            with(weekly(), "timezone", Value::Null),
            "schedule.timezone: is required; write it, such as Europe/Berlin",
        ),
        (without(once(), "startDate"), "schedule.startDate: is required"),
        (
            with(once(), "once", json!(false)),
            "schedule.once: is false, which is no form; remove it, or write true",
        ),
        (
            with(once(), "once", json!("true")),
            "schedule.once: is a text, where true is needed",
        ),
        (
            with(interval.clone(), "startTime", json!("02:30")),
            "schedule.startDate: is required beside startTime; give both",
        ),
        (
            with(interval.clone(), "startDate", json!("12/01/2026")),
            "schedule.startTime: is required beside startDate; give both",
        ),
        (
            json!({"runFrequency": 90}),
            "schedule.runFrequency: is a number, where an object is needed",
        ),
        (
            json!({"runFrequency": {}}),
            "schedule.runFrequency: is shorter than one minute",
        ),
        (
            minutes(json!(0)),
            "schedule.runFrequency: is shorter than one minute",
        ),
        (
            minutes(json!(-15)),
            "schedule.runFrequency.minutes: is less than 0",
        ),
        (
            minutes(json!(0.5)),
            "schedule.runFrequency.minutes: is not a whole number",
        ),
        (
            minutes(json!("15")),
            "schedule.runFrequency.minutes: is a text, where a whole number",
        ),
        (
            minutes(json!(8784 * 60 + 1)),
            "schedule.runFrequency: is longer than 366 days",
        ),
        (
            minutes(json!(u64::MAX)),
            "schedule.runFrequency: is longer than 366 days",
        ),
        (
            json!({"runFrequency": {"hours": u64::MAX, "minutes": u64::MAX}}),
            "schedule.runFrequency: is longer than 366 days",
        ),
        (
            json!({"runFrequency": {"hour": 1, "minutes": 1}}),
            "schedule.runFrequency.hour: is not a key of this object; did you mean hours?",
        ),
        (
            with(weekly(), "dayOfWeek", json!([])),
            "schedule.dayOfWeek: is not a key of this object; did you mean daysOfWeek?",
        ),
        (
            with(weekly(), "colour", json!(1)),
            "schedule.colour: is not a key of this object; remove it; the keys are cron,",
        ),
    ] {
        let problems = parse_schedule(&form, now()).unwrap_err();
        let said: Vec<String> = problems.iter().map(FieldProblem::to_string).collect();
        assert_eq!(said.len(), 1, "{said:#?}");
        assert!(said[0].starts_with(expected), "{expected}\n{}", said[0]);
        assert!(
            said[0].len() < 400 && !problems[0].remedy.is_empty(),
            "{}",
            said[0]
        );
    }
}

#[test]
fn all_mistakes_of_a_schedule_come_in_one_answer() {
    let form = json!({"recurrence": "WEEKLY", "daysOfWeek": ["MO", 5], "startDate": "02/30/2026", "startTime": "24:00",
                      "timezone": "Europe/Berlim", "everyDay": true, "runFrequency": {"hours": 0.5, "seconds": 1}});
    let problems = parse_schedule(&form, now()).unwrap_err();
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "schedule.everyDay",
            "schedule.runFrequency.seconds",
            "schedule.runFrequency.hours",
            "schedule.daysOfWeek",
            "schedule.daysOfWeek",
            "schedule.startDate",
            "schedule.startTime",
            "schedule.timezone",
            "schedule",
        ]
    );
}

#[test]
fn a_moment_that_is_over_is_a_schedule_without_a_next_run() {
    let over = json!({"once": true, "startDate": "01/01/2020", "startTime": "02:30", "timezone": "UTC"});
    assert!(matches!(parsed(&over), RunSchedule::Once(_)));
}

#[test]
fn baselines_have_a_zone_of_their_own_and_can_be_off() {
    let read = |value: &Value| parse_baseline(value, now()).unwrap();
    let of = |text: &str, zone| {
        Some(ZonedCron {
            text: text.to_owned(),
            zone,
        })
    };
    assert_eq!(
        read(&json!({"cron": "0 3 * * *", "timezone": "Asia/Colombo"})),
        of("0 3 * * *", COLOMBO)
    );
    assert_eq!(
        read(&json!({"timezone": "Asia/Colombo"})),
        of("0 2 * * SUN", COLOMBO)
    );
    assert_eq!(read(&json!({})), of("0 2 * * SUN", Tz::UTC));
    for off in [
        Value::Null,
        json!({"cron": "off", "timezone": "UTC"}),
        json!({"cron": null}),
    ] {
        assert_eq!(read(&off), None, "{off}");
    }
    for baseline in [of("0 3 * * *", COLOMBO), None] {
        assert_eq!(read(&ZonedCron::baseline_to_json(baseline.as_ref())), baseline);
    }
    let problems = parse_baseline(&json!({"cron": "no", "timezone": 5, "once": true}), now()).unwrap_err();
    let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["baseline.once", "baseline.cron", "baseline.timezone"]);
    assert_eq!(
        RunSchedule::default().default_baseline(),
        of("0 2 * * SUN", Tz::UTC)
    );
    assert_eq!(RunSchedule::default().text(), "*/15 * * * *");
    assert_eq!(RunSchedule::ByHand.default_baseline(), None);
}
