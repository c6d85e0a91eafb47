//! From JSON to a schedule, or to all mistakes in it.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc, Weekday};
use chrono_tz::Tz;
use serde_json::Value;

use super::keys::{days_of_week, once, recurrence, run_frequency, start_date, start_time};
use super::{LocalStart, RunInterval, RunRecurrence, RunSchedule, ZonedCron};
use crate::config::field_problem::{FieldProblem, ObjectReader};
use crate::config::reader::FieldValue;
use crate::config::refused::ValueFault;
use crate::config::values::time;
use crate::config::variables::{BASELINE_CRON, DefaultValue};

const EXAMPLE: &str = "{\"cron\": \"*/15 * * * *\", \"timezone\": \"UTC\"}";
const ZONE_EXAMPLE: &str = "Europe/Berlin";

/// Keys that name the form of a schedule.
const FORMS: [&str; 4] = ["cron", "runFrequency", "recurrence", "once"];

/// Keys of a schedule, in the order in which they are reported.
const KEYS: [&str; 8] = [
    "cron",
    "runFrequency",
    "recurrence",
    "once",
    "daysOfWeek",
    "startDate",
    "startTime",
    "timezone",
];

/// Reads a schedule in one of its forms; `null` is a connection that runs by hand alone. `now`
/// decides whether a cron expression has a moment left.
///
/// # Errors
/// Every mistake, under the key `schedule` and the keys below it.
pub fn parse_schedule(value: &Value, now: DateTime<Utc>) -> Result<RunSchedule, Vec<FieldProblem>> {
    if value.is_null() {
        return Ok(RunSchedule::ByHand);
    }
    let mut object = ObjectReader::new("schedule", value, EXAMPLE)?;
    object.refuse_unknown(&KEYS);
    let given = GivenKeys::read(&mut object, now);
    let schedule = match form(&mut object) {
        Some("cron") => given.cron(),
        Some("runFrequency") => given.interval(&mut object),
        Some("recurrence") => given.recurrence(&mut object),
        Some(_) => given.once(&mut object),
        None => None,
    };
    object.conclude(schedule)
}

/// Reads the baselines: `{"cron": …, "timezone": …}`, where the cron expression `off`, or `null` in
/// place of it, is none. Without a key they are as by default; `null` in place of the object is
/// none as well.
///
/// # Errors
/// Every mistake, under the key `baseline` and the keys below it.
pub fn parse_baseline(value: &Value, now: DateTime<Utc>) -> Result<Option<ZonedCron>, Vec<FieldProblem>> {
    if value.is_null() {
        return Ok(None);
    }
    let mut object = ObjectReader::new("baseline", value, EXAMPLE)?;
    object.refuse_unknown(&["cron", "timezone"]);
    let is_off = value.get("cron").is_some_and(Value::is_null);
    let cron = object.text("cron", "0 2 * * SUN", on_one_line(time::cron_or_off(now)));
    let zone = object.text("timezone", ZONE_EXAMPLE, time::time_zone);
    let text = match (cron, BASELINE_CRON.unset) {
        (FieldValue::Absent, DefaultValue::Default(text)) if !is_off => Some(Some(text.to_owned())),
        (cron, _) => cron.optional().map(Option::flatten),
    };
    let zone = zone.optional().map(|zone| zone.unwrap_or(Tz::UTC));
    let baseline = text
        .zip(zone)
        .map(|(text, zone)| text.map(|text| ZonedCron { text, zone }));
    object.conclude(baseline)
}

/// Returns the key of the form, and notes what does not belong to it.
fn form(object: &mut ObjectReader<'_>) -> Option<&'static str> {
    let named: Vec<&str> = FORMS.into_iter().filter(|key| object.has(key)).collect();
    let [form] = named[..] else {
        let fault = if named.is_empty() {
            ValueFault::new(
                "names no form",
                "give one of cron, runFrequency, recurrence and once, or null to run by hand alone",
            )
        } else {
            ValueFault::new(
                format!("names {} forms: {}", named.len(), named.join(", ")),
                "keep one of them",
            )
        };
        object.refuse("", fault);
        return None;
    };
    let foreign: &[&str] = match form {
        "cron" => &["daysOfWeek", "startDate", "startTime"],
        "recurrence" => &[],
        _ => &["daysOfWeek"],
    };
    for key in foreign {
        if !object.value(key).is_some_and(is_filled) {
            continue;
        }
        let fault = ValueFault::new(
            format!("is no part of a schedule by {form}"),
            format!("remove it, or {form}"),
        );
        object.refuse(key, fault);
    }
    Some(form)
}

/// Returns a check that first refuses line breaks and tabs, as a variable does.
fn on_one_line<T>(check: impl Fn(&str) -> Result<T, ValueFault>) -> impl Fn(&str) -> Result<T, ValueFault> {
    move |text| {
        if text.chars().any(char::is_control) {
            let cause = "holds a control character (a line break, a tab)";
            return Err(ValueFault::new(
                cause,
                "write it on one line, with spaces between the fields",
            ));
        }
        check(text)
    }
}

/// Reports whether a value gives anything: an empty list does not.
fn is_filled(value: &Value) -> bool {
    value.as_array().is_none_or(|items| !items.is_empty())
}

/// Values of the keys, each checked by itself.
struct GivenKeys {
    cron: FieldValue<String>,
    minutes: FieldValue<u32>,
    /// `true` is WEEKLY.
    weekly: FieldValue<bool>,
    once: FieldValue<()>,
    days: FieldValue<Vec<Weekday>>,
    date: FieldValue<NaiveDate>,
    time: FieldValue<NaiveTime>,
    zone: FieldValue<Tz>,
}

impl GivenKeys {
    fn read(object: &mut ObjectReader<'_>, now: DateTime<Utc>) -> Self {
        Self {
            cron: object.text("cron", "*/15 * * * *", on_one_line(time::cron(now))),
            minutes: run_frequency(object),
            weekly: object.text("recurrence", "DAILY", recurrence),
            once: object.read("once", once),
            days: days_of_week(object),
            date: object.text("startDate", "12/31/2026", start_date),
            time: object.text("startTime", "02:30", start_time),
            zone: object.text("timezone", ZONE_EXAMPLE, time::time_zone),
        }
    }

    fn cron(self) -> Option<RunSchedule> {
        let zone = self.zone.optional()?.unwrap_or(Tz::UTC);
        let text = self.cron.optional()??;
        Some(RunSchedule::Cron(ZonedCron { text, zone }))
    }

    /// Returns an interval. Its start is a day with a time, or is left to the epoch.
    fn interval(self, object: &mut ObjectReader<'_>) -> Option<RunSchedule> {
        let needed = |other: &str| {
            ValueFault::new(
                format!("is required beside {other}"),
                format!("give both startDate and startTime, or remove {other}"),
            )
        };
        let is_without_start = self.date.is_absent() && self.time.is_absent();
        if is_without_start {
            let (minutes, zone) = (self.minutes.optional()??, self.zone.optional()?);
            return Some(RunSchedule::Interval(RunInterval {
                minutes,
                start: None,
                zone,
            }));
        }
        let date = object.require("startDate", self.date, needed("startTime"));
        let time = object.require("startTime", self.time, needed("startDate"));
        let zone = self.zone.optional()?.unwrap_or(Tz::UTC);
        let minutes = self.minutes.optional()??;
        let (date, time) = (date?, time?);
        Some(RunSchedule::Interval(RunInterval {
            minutes,
            start: Some(LocalStart { date, time, zone }),
            zone: None,
        }))
    }

    fn recurrence(self, object: &mut ObjectReader<'_>) -> Option<RunSchedule> {
        let days = match (&self.weekly, self.days) {
            (FieldValue::Given(false), FieldValue::Given(days)) if !days.is_empty() => {
                let fault = ValueFault::new(
                    "is for WEEKLY alone",
                    "remove it, or write WEEKLY as the recurrence",
                );
                object.refuse("daysOfWeek", fault);
                None
            }
            (FieldValue::Given(false), FieldValue::Given(_) | FieldValue::Absent) => Some(None),
            (FieldValue::Given(true), FieldValue::Given(days)) if !days.is_empty() => Some(Some(days)),
            (FieldValue::Given(true), FieldValue::Given(_) | FieldValue::Absent) => {
                let fault = ValueFault::new(
                    "names no day, so nothing would ever run",
                    "name at least one of SUN, MON, TUE, WED, THU, FRI, SAT, or write DAILY as the recurrence",
                );
                object.refuse("daysOfWeek", fault);
                None
            }
            _ => None,
        };
        let start = start(object, self.date, self.time, self.zone)?;
        Some(RunSchedule::Recurring(RunRecurrence { days: days?, start }))
    }

    fn once(self, object: &mut ObjectReader<'_>) -> Option<RunSchedule> {
        let start = start(object, self.date, self.time, self.zone)?;
        self.once.optional()??;
        Some(RunSchedule::Once(start))
    }
}

/// Returns the start of a schedule that has a time of day: day, time and zone are needed.
fn start(
    object: &mut ObjectReader<'_>,
    date: FieldValue<NaiveDate>,
    time: FieldValue<NaiveTime>,
    zone: FieldValue<Tz>,
) -> Option<LocalStart> {
    let required = |example: &str| ValueFault::new("is required", format!("write it, such as {example}"));
    let date = object.require("startDate", date, required("12/31/2026"));
    let time = object.require("startTime", time, required("02:30"));
    let zone = object.require("timezone", zone, required(ZONE_EXAMPLE));
    Some(LocalStart {
        date: date?,
        time: time?,
        zone: zone?,
    })
}
