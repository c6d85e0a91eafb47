//! From a schedule back to the forms in which it can be written.

use serde_json::{Value, json};

use super::{DAYS, LocalStart, RunInterval, RunSchedule, ZonedCron};

impl RunSchedule {
    /// Returns the schedule in the form that [`super::parse_schedule`] reads.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::ByHand => Value::Null,
            Self::Cron(cron) => cron.to_json(),
            Self::Interval(interval) => {
                let frequency = json!({"hours": interval.minutes / 60, "minutes": interval.minutes % 60});
                let mut form = json!({"runFrequency": frequency});
                match (interval.start, interval.zone) {
                    (Some(start), _) => start.add_to(&mut form),
                    (None, Some(zone)) => form["timezone"] = json!(zone.name()),
                    (None, None) => {}
                }
                form
            }
            Self::Recurring(recurrence) => {
                let days: Vec<&str> = self.day_names();
                let name = if recurrence.days.is_some() {
                    "WEEKLY"
                } else {
                    "DAILY"
                };
                let mut form = json!({"recurrence": name, "daysOfWeek": days});
                recurrence.start.add_to(&mut form);
                form
            }
            Self::Once(start) => {
                let mut form = json!({"once": true});
                start.add_to(&mut form);
                form
            }
        }
    }

    /// Returns the schedule as the value of `schedule` in the file of connections.
    #[must_use]
    pub fn to_toml(&self) -> String {
        match self {
            Self::ByHand => format!("\"{}\"", super::OFF),
            _ => inline(&self.to_json()),
        }
    }

    /// Returns the schedule in words, for `runFrequency`: a cron expression as it was written.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::ByHand => "by hand".to_owned(),
            Self::Cron(cron) => cron.text.clone(),
            Self::Interval(interval) => {
                let from = interval
                    .start
                    .map(|start| format!(", from {} {}", start.date, at(&start)));
                format!("every {}{}", length(interval), from.unwrap_or_default())
            }
            Self::Recurring(recurrence) => {
                let days = match recurrence.days {
                    None => "daily".to_owned(),
                    Some(_) => self.day_names().join(", "),
                };
                let start = &recurrence.start;
                format!("{days} at {}, from {}", at(start), start.date)
            }
            Self::Once(start) => format!("once, {} {}", start.date, at(start)),
        }
    }

    /// Returns the days of a weekly schedule as they are written.
    fn day_names(&self) -> Vec<&'static str> {
        let days = match self {
            Self::Recurring(recurrence) => recurrence.days.as_deref().unwrap_or_default(),
            _ => &[],
        };
        let named = DAYS.iter().filter(|(_, day)| days.contains(day));
        named.map(|(name, _)| *name).collect()
    }
}

impl ZonedCron {
    /// Returns expression and zone in the form of the API.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"cron": self.text, "timezone": self.zone.name()})
    }

    /// Returns the baselines as the value of `baseline` in the file of connections.
    #[must_use]
    pub fn baseline_to_toml(baseline: Option<&Self>) -> String {
        baseline.map_or_else(|| format!("\"{}\"", super::OFF), |cron| inline(&cron.to_json()))
    }

    /// Returns the baselines in the form that [`super::parse_baseline`] reads.
    #[must_use]
    pub fn baseline_to_json(baseline: Option<&Self>) -> Value {
        baseline.map_or_else(|| json!({"cron": super::OFF}), Self::to_json)
    }
}

impl LocalStart {
    fn add_to(&self, form: &mut Value) {
        form["startDate"] = json!(self.date.format("%m/%d/%Y").to_string());
        form["startTime"] = json!(self.time.format("%H:%M").to_string());
        form["timezone"] = json!(self.zone.name());
    }
}

fn at(start: &LocalStart) -> String {
    format!("{} {}", start.time.format("%H:%M"), start.zone.name())
}

fn length(interval: &RunInterval) -> String {
    match (interval.minutes / 60, interval.minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// Returns a value as TOML on one line. Texts of a schedule hold no character that JSON and TOML
/// escape in different ways.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let pairs: Vec<String> = object
                .iter()
                .map(|(key, value)| format!("{key} = {}", inline(value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}
