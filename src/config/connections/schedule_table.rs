//! The schedule and the baselines of a connection in the file: tables in the form of the API, or
//! `"off"`.

use std::borrow::Cow;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KeyPlace, SCHEDULE};
use super::reading::TableReading;
use super::table::{GivenSchedule, SchedulePlaces, in_words};
use super::value::EnvironmentReferences;
use crate::config::environment::Variables;
use crate::config::refused::{ValueFault, printable, quoted};
use crate::config::schedule::OFF;

/// Returns `advice` about JSON as it is about TOML, which has no `null`.
pub(super) fn in_toml(advice: &str) -> String {
    advice
        .replace("\": ", "\" = ")
        .replace("or null to", &format!("or {SCHEDULE} = \"{OFF}\" to"))
}

impl<V: Variables> TableReading<'_, V> {
    /// Reads the value of `name`, the schedule or the baselines of a connection or a profile.
    pub(super) fn schedule(
        &mut self,
        name: &'static str,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        place: KeyPlace,
        label: &str,
    ) -> Option<GivenSchedule> {
        let line = self.line(&key.span());
        if place == KeyPlace::Top {
            let fault = ValueFault::new("is of one connection", "write it in each [[connection]]");
            self.push(line, name, fault);
            return None;
        }
        let mut places = SchedulePlaces::default();
        let value = match value.get_ref() {
            DeValue::String(text) if text == OFF => Value::Null,
            DeValue::String(text) => {
                let others = if name == SCHEDULE {
                    ", another form of docs/connections.md,"
                } else {
                    ""
                };
                let fault = ValueFault::new(
                    format!("{} is not a schedule", quoted(text)),
                    format!("write {{ cron = \"*/15 * * * *\", timezone = \"UTC\" }}{others} or \"off\""),
                );
                self.push(line, &in_words(label, name), fault);
                Value::Null
            }
            other => self.json(other, line, name, label, &mut places),
        };
        Some(GivenSchedule { value, places, line })
    }

    /// Returns a value as JSON. What JSON does not have becomes text, which the check of the
    /// schedule refuses.
    fn json(
        &mut self,
        value: &DeValue<'_>,
        line: usize,
        path: &str,
        label: &str,
        places: &mut SchedulePlaces,
    ) -> Value {
        match value {
            DeValue::String(text) => Value::String(self.replaced(text, line, path, label, places)),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Value::from(number.as_str()), Value::from),
            DeValue::Float(number) => number
                .as_str()
                .parse::<f64>()
                .map_or_else(|_| Value::from(number.as_str()), Value::from),
            DeValue::Boolean(yes) => Value::from(*yes),
            DeValue::Datetime(time) => Value::from(time.to_string()),
            DeValue::Array(items) => items
                .iter()
                .map(|item| self.json(item.get_ref(), line, path, label, places))
                .collect(),
            DeValue::Table(table) => self.json_object(table, path, label, places),
        }
    }

    fn json_object(
        &mut self,
        table: &DeTable<'_>,
        path: &str,
        label: &str,
        places: &mut SchedulePlaces,
    ) -> Value {
        let pairs = table.iter().map(|(key, value)| {
            let line = self.line(&key.span());
            let path = format!("{path}.{}", printable(key.get_ref()));
            places.lines.insert(path.clone(), line);
            let value = self.json(value.get_ref(), line, &path, label, places);
            (key.get_ref().to_string(), value)
        });
        Value::Object(pairs.collect())
    }

    /// Returns a text with each `${NAME}` replaced, or as it is where that is a problem.
    fn replaced(
        &mut self,
        text: &str,
        line: usize,
        path: &str,
        label: &str,
        places: &mut SchedulePlaces,
    ) -> String {
        let mut references = EnvironmentReferences::new(self.environment);
        let replaced = references.replaced(text);
        self.file.references.append(&mut references.names);
        replaced.unwrap_or_else(|fault| {
            self.push(line, &in_words(label, path), fault);
            places.bad.insert(path.to_owned());
            text.to_owned()
        })
    }
}
