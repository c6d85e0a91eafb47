//! Reading of a body: unknown keys, types of values, and what no variable can say.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::keys::{self, BodyForm, BodyKey};
use crate::config::FieldProblem;
use crate::config::refused::{ValueFault, nearest, printable, quoted};
use crate::config::values::certificate;
use crate::config::{RunSchedule, ScheduleSettings, Secret, ZonedCron, parse_baseline, parse_schedule};

/// Longest text of one key, octets; a mapping or a bundle of certificates may be larger.
const LONGEST_TEXT: usize = 16 << 10;

/// Longest mapping, and longest bundle of certificates, octets.
const LONGEST_DOCUMENT: usize = 256 << 10;

/// Values in a list at most.
const LONGEST_LIST: usize = 1_000;

/// Change of a secret by a body.
#[derive(Debug, Clone)]
pub enum PasswordChange {
    /// Absent or in the form in which it is read: it stays as it is.
    Keep,
    /// Null: it is removed.
    Remove,
    /// A text: the new value.
    Set(Secret),
}

/// Body of a connection whose keys and types are known.
#[derive(Debug, Default)]
pub struct ConnectionBody {
    /// Everything but secrets and keys that are null, as it is stored.
    stored: Map<String, Value>,
    /// Values of variables, by name.
    texts: BTreeMap<&'static str, String>,
    password: Option<PasswordChange>,
    certificates: Option<Vec<Vec<u8>>>,
    mapping: Option<String>,
    schedule: Option<RunSchedule>,
    baseline: Option<Option<ZonedCron>>,
    is_disabled: bool,
}

impl ConnectionBody {
    /// Reads a body, and returns it with the mistakes that were found. `now` decides whether a
    /// schedule has a moment left.
    #[must_use]
    pub fn read(value: &Value, now: DateTime<Utc>) -> (Self, Vec<FieldProblem>) {
        let mut body = Self::default();
        let mut problems = Vec::new();
        match value {
            Value::Object(object) => body.read_section("", object, now, &mut problems),
            _ => problems.push(problem(
                "",
                "the body is not a JSON object",
                "send an object such as {\"name\": \"head-office\", \"directory\": {…}}",
            )),
        }
        (body, problems)
    }

    fn read_section(
        &mut self,
        section: &'static str,
        object: &Map<String, Value>,
        now: DateTime<Utc>,
        problems: &mut Vec<FieldProblem>,
    ) {
        let known = keys::names_in(section);
        for (name, value) in object {
            let found = keys::KEYS
                .iter()
                .find(|key| key.section == section && key.name == *name);
            let inner = known.iter().find(|known| **known == *name && section.is_empty());
            match (found, inner, value) {
                (Some(key), _, value) if matches!(key.form, BodyForm::Schedule | BodyForm::Baseline) => {
                    problems.extend(self.read_times(key, value, now).err().into_iter().flatten());
                }
                (Some(key), _, value) => {
                    if let Err(fault) = self.read_value(key, value) {
                        problems.push(problem(&key.path(), fault.cause, fault.advice));
                    }
                }
                (None, Some(_), Value::Null) => {}
                (None, Some(inner), Value::Object(object)) => self.read_section(inner, object, now, problems),
                (None, Some(inner), _) => {
                    problems.push(problem(
                        inner,
                        "is not an object",
                        "write it as {…}, or leave it out",
                    ));
                }
                (None, None, _) => problems.push(unknown(section, name, &known)),
            }
        }
    }

    fn read_value(&mut self, key: &'static BodyKey, value: &Value) -> Result<(), ValueFault> {
        if key.form == BodyForm::Secret {
            self.password = Some(read_secret(value)?);
            return Ok(());
        }
        if value.is_null() {
            return Ok(());
        }
        match key.form {
            BodyForm::Secret | BodyForm::Schedule | BodyForm::Baseline => {}
            BodyForm::Text => {
                let text = read_text(value, LONGEST_TEXT)?;
                self.set(key, text.to_owned());
            }
            BodyForm::List => self.set(key, read_list(value, ',')?),
            BodyForm::Names => self.set(key, read_list(value, ';')?),
            BodyForm::Number => match value.as_u64() {
                Some(number) => self.set(key, number.to_string()),
                None => return Err(fault("is not a whole number", "write digits, without quotes")),
            },
            BodyForm::Certificate => {
                let text = read_document(value)?;
                self.certificates = (!text.is_empty()).then(|| read_certificates(text)).transpose()?;
            }
            BodyForm::Document => {
                let text = read_document(value)?;
                self.mapping = (!text.trim().is_empty()).then(|| text.to_owned());
            }
            BodyForm::Flag => match value.as_bool() {
                Some(flag) => self.is_disabled = flag,
                None => {
                    return Err(fault(
                        "is not true or false",
                        "write true or false, without quotes",
                    ));
                }
            },
        }
        self.store(key, value);
        Ok(())
    }

    /// Reads the times of the runs. A schedule that is null means no times; baselines that are null
    /// have their default.
    fn read_times(
        &mut self,
        key: &'static BodyKey,
        value: &Value,
        now: DateTime<Utc>,
    ) -> Result<(), Vec<FieldProblem>> {
        if key.form == BodyForm::Schedule {
            self.schedule = Some(parse_schedule(value, now)?);
        } else if !value.is_null() {
            self.baseline = Some(parse_baseline(value, now)?);
        }
        self.store(key, value);
        Ok(())
    }

    /// Sets a variable; an empty text counts as absent.
    fn set(&mut self, key: &'static BodyKey, text: String) {
        if let Some(variable) = key.variable
            && !text.is_empty()
        {
            self.texts.insert(variable.name, text);
        }
    }

    fn store(&mut self, key: &'static BodyKey, value: &Value) {
        let place = match key.section {
            "" => Some(&mut self.stored),
            section => self
                .stored
                .entry(section)
                .or_insert_with(|| Value::Object(Map::new()))
                .as_object_mut(),
        };
        if let Some(place) = place {
            place.insert(key.name.to_owned(), value.clone());
        }
    }

    /// Returns the variables that the body sets.
    pub(super) fn texts(&self) -> BTreeMap<&'static str, &str> {
        let texts = self.texts.iter();
        texts.map(|(name, text)| (*name, text.as_str())).collect()
    }

    /// Returns the change of the password.
    pub(super) fn password(&self) -> &PasswordChange {
        self.password.as_ref().unwrap_or(&PasswordChange::Keep)
    }

    /// Returns the certificates, DER.
    pub(super) fn certificates(&self) -> Option<&Vec<Vec<u8>>> {
        self.certificates.as_ref()
    }

    /// Returns the text of the mapping.
    pub(super) fn mapping(&self) -> Option<&str> {
        self.mapping.as_deref()
    }

    /// Returns the times of the runs; `usual` has those of a body without any. A service that
    /// starts is no reason for a run.
    pub(super) fn schedule(&self, usual: &ScheduleSettings) -> ScheduleSettings {
        let sync = self.schedule.clone().unwrap_or_else(|| usual.sync.clone());
        let baseline = self.baseline.clone().unwrap_or_else(|| sync.default_baseline());
        ScheduleSettings {
            sync,
            baseline,
            on_start: false,
        }
    }

    /// Returns `true` when no runs are to be made.
    pub(super) fn is_disabled(&self) -> bool {
        self.is_disabled
    }

    /// Returns the body without secrets. `disabled` is not in it: the store has it in a column.
    pub(super) fn into_stored(mut self) -> Value {
        self.stored.remove("disabled");
        Value::Object(self.stored)
    }
}

fn fault(cause: &str, advice: &str) -> ValueFault {
    ValueFault::new(cause, advice)
}

fn problem(key: &str, reason: impl Into<String>, remedy: impl Into<String>) -> FieldProblem {
    FieldProblem {
        key: key.to_owned(),
        reason: reason.into(),
        remedy: remedy.into(),
    }
}

fn unknown(section: &str, name: &str, known: &[&str]) -> FieldProblem {
    let of_section = |name: &str| match section {
        "" => printable(name),
        section => format!("{section}.{}", printable(name)),
    };
    // A key of another section is likelier meant than one that is only spelt alike.
    let elsewhere = keys::KEYS.iter().find(|key| key.name == name);
    let remedy = match (elsewhere, nearest(name, known.iter().copied())) {
        (Some(key), _) => format!("write it as {}", key.path()),
        (None, Some(near)) => format!("did you mean {}? Otherwise remove it", of_section(near)),
        (None, None) => format!("remove it; known are {}", known.join(", ")),
    };
    problem(&of_section(name), "is not a key of a connection", remedy)
}

fn read_text(value: &Value, longest: usize) -> Result<&str, ValueFault> {
    let Value::String(text) = value else {
        return Err(fault("is not a text", "write it in quotes"));
    };
    if text.len() > longest {
        let cause = format!("is {} octets long", text.len());
        return Err(ValueFault::new(cause, format!("write at most {longest} octets")));
    }
    if let Some((_, rest)) = text.split_once("${")
        && let Some((name, _)) = rest.split_once('}')
    {
        return Err(ValueFault::new(
            format!("names the variable {}, and over HTTP none is read", quoted(name)),
            "write the value itself",
        ));
    }
    Ok(text.trim())
}

fn read_document(value: &Value) -> Result<&str, ValueFault> {
    match value {
        Value::String(text) if text.len() <= LONGEST_DOCUMENT => Ok(text),
        Value::String(_) => Err(fault("is larger than 256 KiB", "leave out what is not needed")),
        _ => Err(fault("is not a text", "write it in quotes")),
    }
}

/// Reads a list of texts, or one text, joined by `separator`, which none of them may hold.
fn read_list(value: &Value, separator: char) -> Result<String, ValueFault> {
    let items = match value {
        Value::Array(items) if items.len() > LONGEST_LIST => {
            return Err(fault("has more than 1000 values", "leave out what is not needed"));
        }
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let is_list = value.is_array();
    let mut texts = Vec::with_capacity(items.len());
    for item in items {
        let text = read_text(item, LONGEST_TEXT).map_err(|found| {
            if is_list {
                found
            } else {
                fault("is not a list of texts", "write [\"…\", \"…\"]")
            }
        })?;
        if is_list && separator == ',' && text.contains(separator) {
            return Err(ValueFault::new(
                format!("{} holds a comma", quoted(text)),
                "write each value as a text of its own",
            ));
        }
        if is_list && text.is_empty() {
            return Err(fault("holds an empty text", "remove it"));
        }
        texts.push(text);
    }
    Ok(texts.join(&separator.to_string()))
}

/// Reads the change of a secret. A text that consists of the characters by which programs mask one
/// is refused: it was copied from a form that showed it so.
fn read_secret(value: &Value) -> Result<PasswordChange, ValueFault> {
    match value {
        Value::Null => Ok(PasswordChange::Remove),
        Value::String(text) if text.is_empty() => Err(fault(
            "is empty",
            "leave the key out to keep the stored secret, or write null to remove it",
        )),
        Value::String(text) if text.len() > LONGEST_TEXT => Err(fault("is too long", "write at most 16 KiB")),
        Value::String(text) if text.chars().all(|character| "*•●".contains(character)) => Err(fault(
            "consists of the characters by which a secret is hidden",
            "write the secret itself, or leave the key out to keep the stored one",
        )),
        Value::String(text) => Ok(PasswordChange::Set(Secret::from(text.as_str()))),
        Value::Object(object)
            if object.get("set").is_some_and(Value::is_boolean)
                && object.keys().all(|key| key == "set" || key == "changedAt") =>
        {
            Ok(PasswordChange::Keep)
        }
        _ => Err(fault(
            "is neither a text nor null",
            "write the secret as a text, or leave the key out to keep the stored one",
        )),
    }
}

/// Reads certificates in PEM, or one in DER as base64. A path is neither.
fn read_certificates(text: &str) -> Result<Vec<Vec<u8>>, ValueFault> {
    let advice = "paste the CA certificate as PEM (-----BEGIN CERTIFICATE-----), or as base64 of its DER form; \
                  a path is not read";
    let content = if text.contains("-----BEGIN ") {
        text.as_bytes().to_vec()
    } else {
        let compact: String = text.split_whitespace().collect();
        STANDARD
            .decode(compact)
            .map_err(|_| fault("is neither PEM nor base64", advice))?
    };
    certificate::decode(&content).map_err(|cause| ValueFault::new(cause, advice))
}

/// Returns the value of a key of this form from the text of its variable; `None` where there is
/// none, or none can be shown.
pub(super) fn value_of(form: BodyForm, text: &str) -> Option<Value> {
    if text.is_empty() {
        return None;
    }
    let list = |separator| Value::from(text.split(separator).map(str::to_owned).collect::<Vec<_>>());
    Some(match form {
        BodyForm::Text => Value::from(text),
        BodyForm::List => list(','),
        BodyForm::Names => list(';'),
        BodyForm::Number => Value::from(text.parse::<u64>().ok()?),
        BodyForm::Secret => json!({ "set": true }),
        BodyForm::Certificate
        | BodyForm::Document
        | BodyForm::Flag
        | BodyForm::Schedule
        | BodyForm::Baseline => return None,
    })
}
