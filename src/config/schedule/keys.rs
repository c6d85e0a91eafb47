//! Values of the keys of a schedule, each by itself.

use chrono::{NaiveDate, NaiveTime, Weekday};
use serde_json::Value;

use super::{DAYS, RunInterval};
use crate::config::field_problem::{ObjectReader, kind};
use crate::config::reader::FieldValue;
use crate::config::refused::{ValueFault, nearest, quoted};

/// Years in which a schedule may start: UNIX time begins with the first one, and the time zone
/// database foresees changes of the clock up to the last one.
const YEARS: std::ops::RangeInclusive<u16> = 1970..=2099;

/// Reads `runFrequency`, in minutes.
pub(super) fn run_frequency(object: &mut ObjectReader<'_>) -> FieldValue<u32> {
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

pub(super) fn recurrence(text: &str) -> Result<bool, ValueFault> {
    match text {
        "DAILY" => Ok(false),
        "WEEKLY" => Ok(true),
        _ => Err(unknown_word(text, "a recurrence", &["DAILY", "WEEKLY"])),
    }
}

pub(super) fn once(value: &Value) -> Result<(), ValueFault> {
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

pub(super) fn days_of_week(object: &mut ObjectReader<'_>) -> FieldValue<Vec<Weekday>> {
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

pub(super) fn start_date(text: &str) -> Result<NaiveDate, ValueFault> {
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

pub(super) fn start_time(text: &str) -> Result<NaiveTime, ValueFault> {
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
