//! From JSON to a schedule, or to all mistakes in it.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc, Weekday};
use chrono_tz::Tz;
use serde_json::Value;

use super::{DAYS, LocalStart, RunInterval, RunRecurrence, RunSchedule, ZonedCron};
use crate::config::field_problem::{FieldProblem, ObjectReader, kind};
use crate::config::reader::FieldValue;
use crate::config::refused::{ValueFault, nearest, quoted};
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

/// Years in which a schedule may start: UNIX time begins with the first one, and the time zone
/// database foresees changes of the clock up to the last one.
const YEARS: std::ops::RangeInclusive<u16> = 1970..=2099;

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

/// Reads `runFrequency`, in minutes.
fn run_frequency(object: &mut ObjectReader<'_>) -> FieldValue<u32> {
    const EXAMPLE: &str = "{\"hours\": 1, \"minutes\": 30}";
    let Some(value) = object.value("runFrequency") else {
        return FieldValue::Absent;
    };
    let minutes = ObjectReader::new("schedule.runFrequency", value, EXAMPLE).and_then(|mut frequency| {
        frequency.refuse_unknown(&["hours", "minutes"]);
        let hours = frequency.read("hours", whole_number).optional();
        let minutes = frequency.read("minutes", whole_number).optional();
        let length = hours.zip(minutes).and_then(|(hours, minutes)| {
            let (hours, minutes) = (hours.unwrap_or(0), minutes.unwrap_or(0));
            let length = hours.saturating_mul(60).saturating_add(minutes);
            let fault = if length == 0 {
                ValueFault::new(
                    "is shorter than one minute",
                    format!("write one minute or more, such as {EXAMPLE}"),
                )
            } else if length > RunInterval::MOST_MINUTES {
                ValueFault::new(
                    "is longer than 366 days",
                    "write 8784 hours or less, or a schedule that runs once",
                )
            } else {
                return Some(length);
            };
            frequency.refuse("", fault);
            None
        });
        frequency.conclude(length)
    });
    match minutes {
        Ok(minutes) => FieldValue::Given(minutes),
        Err(problems) => {
            object.extend(problems);
            FieldValue::Bad
        }
    }
}

fn whole_number(value: &Value) -> Result<u32, ValueFault> {
    let number = value
        .as_u64()
        .map(|number| u32::try_from(number).unwrap_or(u32::MAX));
    number.ok_or_else(|| {
        let cause = match value.as_f64() {
            Some(number) if number < 0.0 => "is less than 0".to_owned(),
            Some(_) => "is not a whole number".to_owned(),
            None => format!("is {}, where a whole number is needed", kind(value)),
        };
        ValueFault::new(cause, "write a whole number without quotes, such as 1")
    })
}

fn recurrence(text: &str) -> Result<bool, ValueFault> {
    match text {
        "DAILY" => Ok(false),
        "WEEKLY" => Ok(true),
        _ => Err(unknown_word(text, "a recurrence", &["DAILY", "WEEKLY"])),
    }
}

fn once(value: &Value) -> Result<(), ValueFault> {
    match value {
        Value::Bool(true) => Ok(()),
        Value::Bool(false) => Err(ValueFault::new(
            "is false, which is no form",
            "remove it, or write true",
        )),
        other => Err(ValueFault::new(
            format!("is {}, where true is needed", kind(other)),
            "write true without quotes",
        )),
    }
}

fn days_of_week(object: &mut ObjectReader<'_>) -> FieldValue<Vec<Weekday>> {
    let days = object.read("daysOfWeek", |value| {
        value.as_array().cloned().ok_or_else(|| {
            ValueFault::new(
                format!("is {}, where a list is needed", kind(value)),
                "write a list such as [\"MON\", \"FRI\"]",
            )
        })
    });
    let FieldValue::Given(items) = days else {
        return if days.is_absent() {
            FieldValue::Absent
        } else {
            FieldValue::Bad
        };
    };
    // A list of thousands of items would be answered by as many problems.
    if items.len() > DAYS.len() {
        let fault = ValueFault::new(
            format!("has {} items, where a week has 7 days", items.len()),
            "name each day once",
        );
        object.refuse("daysOfWeek", fault);
        return FieldValue::Bad;
    }
    let names: Vec<&str> = DAYS.iter().map(|(name, _)| *name).collect();
    let mut found = Vec::new();
    let mut is_bad = false;
    for item in &items {
        let day = item
            .as_str()
            .and_then(|text| DAYS.iter().find(|(name, _)| *name == text));
        let fault = match (day, item.as_str()) {
            (Some((name, day)), _) if found.contains(day) => {
                ValueFault::new(format!("names {name} twice"), "name each day once")
            }
            (Some((_, day)), _) => {
                found.push(*day);
                continue;
            }
            (None, Some(text)) => unknown_word(text, "a day of the week", &names),
            (None, None) => ValueFault::new(
                format!("has {} among its items, where a text is needed", kind(item)),
                "write a list such as [\"MON\", \"FRI\"]",
            ),
        };
        object.refuse("daysOfWeek", fault);
        is_bad = true;
    }
    if is_bad {
        return FieldValue::Bad;
    }
    found.sort_by_key(Weekday::num_days_from_sunday);
    FieldValue::Given(found)
}

fn unknown_word(text: &str, what: &str, words: &[&str]) -> ValueFault {
    let advice = match nearest(text, words.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("write one of {}", words.join(", ")),
    };
    ValueFault::new(format!("{} is not {what}", quoted(text)), advice)
}

/// Reads digits in groups of these lengths, with `between` between them.
fn groups<const N: usize>(text: &str, between: char, lengths: [usize; N]) -> Option<[u16; N]> {
    let mut parts = text.split(between);
    let mut numbers = [0; N];
    for (number, length) in numbers.iter_mut().zip(lengths) {
        let part = parts.next()?;
        let is_number = part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = is_number.then(|| part.parse().ok()).flatten()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn start_date(text: &str) -> Result<NaiveDate, ValueFault> {
    const ADVICE: &str = "write month, day and year in this order as mm/dd/yyyy, such as 12/31/2026";
    let Some([month, day, year]) = groups(text, '/', [2, 2, 4]) else {
        let cause = format!("{} is not a date of the form mm/dd/yyyy", quoted(text));
        return Err(ValueFault::new(cause, ADVICE));
    };
    if !YEARS.contains(&year) {
        return Err(ValueFault::new(
            format!("{} is of a year that no schedule reaches", quoted(text)),
            format!("write a year from {} to {}", YEARS.start(), YEARS.end()),
        ));
    }
    NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day))
        .ok_or_else(|| ValueFault::new(format!("{} is no day of the calendar", quoted(text)), ADVICE))
}

fn start_time(text: &str) -> Result<NaiveTime, ValueFault> {
    let numbers = groups(text, ':', [2, 2]);
    numbers
        .and_then(|[hour, minute]| NaiveTime::from_hms_opt(u32::from(hour), u32::from(minute), 0))
        .ok_or_else(|| {
            ValueFault::new(
                format!("{} is not a time of day of the form HH:MM", quoted(text)),
                "write 00:00 to 23:59; midnight is 00:00 of the day that begins",
            )
        })
}
