//! Schedules: cron expressions and time zones.

use chrono::{DateTime, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::Cron;

use crate::config::refused::{ValueFault, nearest, quoted};

/// Reads a cron expression of 5, 6 (seconds first) or 7 fields (year last), or a nickname such as
/// `@daily`, that has a moment to run after `now`. It is returned as written.
pub fn cron(now: DateTime<Utc>) -> impl Fn(&str) -> Result<String, ValueFault> {
    move |text| {
        let advice = "write minute, hour, day, month and weekday such as `*/15 * * * *`; seconds may go before, a year after";
        let bad =
            |cause: String| ValueFault::new(format!("{} is not a schedule: {cause}", quoted(text)), advice);
        // The time that croner takes grows with the square of the listed values; no schedule needs
        // as many as this.
        if text.len() > 200 {
            return Err(bad("it is longer than 200 characters".to_owned()));
        }
        if text.starts_with(['\'', '"']) {
            return Err(bad(
                "the quotes became part of it; `docker run --env-file` does not remove them".to_owned(),
            ));
        }
        let fields = text.split_whitespace().count();
        if !text.starts_with('@') && !(5..=7).contains(&fields) {
            return Err(bad(format!("it has {fields} of 5, 6 or 7 fields")));
        }
        if let Some(part) = text.split_whitespace().enumerate().find_map(idle_step(fields)) {
            return Err(ValueFault::new(
                format!(
                    "{} is not a schedule: the step of {} is longer than what it steps through, so it would never repeat",
                    quoted(text),
                    quoted(part)
                ),
                "write one value, or a step that comes more than once, such as `*/30 * * * *` or `0 */2 * * *`",
            ));
        }
        let schedule: Cron = text
            .parse()
            .map_err(|error: croner::errors::CronError| bad(reason(&error)))?;
        match schedule.find_next_occurrence(&now, false) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(ValueFault::new(
                format!("{} has no moment left to run", quoted(text)),
                "name a day that the calendar has, and a year that is not over",
            )),
        }
    }
}

/// Finds a part of a field with a step beyond its range, such as `*/90` among the minutes: only its
/// first value is ever due. `fields` says which field is which.
fn idle_step<'a>(fields: usize) -> impl FnMut((usize, &'a str)) -> Option<&'a str> {
    /// First and last value of second, minute, hour, day, month and weekday.
    const RANGES: [(u16, u16); 6] = [(0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
    let skipped = usize::from(fields == 5);
    move |(index, field)| {
        let (first, last) = *RANGES.get(index + skipped)?;
        field.split(',').find(|part| {
            let Some((range, step)) = part.split_once('/') else {
                return false;
            };
            let bounds = range.split_once('-');
            let bounds = bounds.and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
            // A name such as MON stands for a number within the field.
            let (from, to): (u16, u16) = bounds.unwrap_or((first, last));
            let step = step
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| step.parse::<u16>());
            step.is_some_and(|step| step.map_or(true, |step| step > to.saturating_sub(from)))
        })
    }
}

/// Returns croner's message without its repeated heading.
fn reason(error: &croner::errors::CronError) -> String {
    use croner::errors::CronError::{ComponentError, IllegalCharacters, InvalidPattern};
    match error {
        InvalidPattern(text) | IllegalCharacters(text) | ComponentError(text) => {
            text.trim_end_matches('.').to_owned()
        }
        other => other.to_string().trim_end_matches('.').to_owned(),
    }
}

/// Reads `BASELINE_CRON`: a cron expression, or `off` (`None`).
pub fn cron_or_off(now: DateTime<Utc>) -> impl Fn(&str) -> Result<Option<String>, ValueFault> {
    move |text| {
        if text == "off" {
            return Ok(None);
        }
        cron(now)(text).map(Some)
    }
}

/// Reads an IANA time zone, spelt as in its database.
pub fn time_zone(text: &str) -> Result<Tz, ValueFault> {
    text.parse().map_err(|_| {
        let names = || TZ_VARIANTS.into_iter().map(Tz::name);
        // Many people know the city of a time zone, but not its continent.
        let city = |name: &&str| {
            name.rsplit('/')
                .next()
                .is_some_and(|city| city.eq_ignore_ascii_case(text))
        };
        let advice = match names().find(city).or_else(|| nearest(text, names())) {
            Some(near) => format!("did you mean {near}?"),
            None => "write an IANA name such as Europe/Berlin or America/New_York".to_owned(),
        };
        ValueFault::new(format!("{} is not a time zone", quoted(text)), advice)
    })
}
