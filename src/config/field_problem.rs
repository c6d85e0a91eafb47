//! Keys of a JSON object, read one by one, with every problem on the way.

use std::fmt;

use serde_json::{Map, Value};

use super::reader::FieldValue;
use super::refused::{ValueFault, nearest, printable};

/// Bad key of a JSON object. All of them are reported together.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct FieldProblem {
    /// Path of the key, such as `schedule.startDate`.
    pub key: String,
    /// Cause, in lower case, without a full stop; the key is its subject. No secret is in it (R27).
    pub reason: String,
    /// Remedy.
    pub remedy: String,
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.reason, self.remedy)
    }
}

/// Returns the keys with their causes on one line.
#[must_use]
pub fn list_problems(problems: &[FieldProblem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|one| format!("{} {}", one.key, one.reason))
        .collect();
    lines.join("; ")
}

/// Values out of a JSON object. `null` is as good as absent.
pub(super) struct ObjectReader<'a> {
    path: String,
    object: &'a Map<String, Value>,
    problems: Vec<FieldProblem>,
}

impl<'a> ObjectReader<'a> {
    /// Reads the object at `path`.
    ///
    /// # Errors
    /// The value is no object; `example` shows one.
    pub(super) fn new(path: &str, value: &'a Value, example: &str) -> Result<Self, Vec<FieldProblem>> {
        match value.as_object() {
            Some(object) => Ok(Self {
                path: path.to_owned(),
                object,
                problems: Vec::new(),
            }),
            None => Err(vec![FieldProblem {
                key: path.to_owned(),
                reason: format!("is {}, where an object is needed", kind(value)),
                remedy: format!("write it as {example}"),
            }]),
        }
    }

    /// Returns `value` where it was complete, else every problem that was found.
    pub(super) fn conclude<T>(self, value: Option<T>) -> Result<T, Vec<FieldProblem>> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(self.problems),
        }
    }

    /// Reports whether the key is there, with another value than `null`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.object.get(key).filter(|value| !value.is_null())
    }

    /// Notes that a key is bad; the empty key is the object itself.
    pub(super) fn refuse(&mut self, key: &str, fault: ValueFault) {
        let key = if key.is_empty() {
            self.path.clone()
        } else {
            format!("{}.{}", self.path, printable(key))
        };
        self.problems.push(FieldProblem {
            key,
            reason: fault.cause,
            remedy: fault.advice,
        });
    }

    /// Notes each key that is none of `known`, with the nearest one that is.
    pub(super) fn refuse_unknown(&mut self, known: &[&str]) {
        let object = self.object;
        for key in object.keys().filter(|key| !known.contains(&key.as_str())) {
            let advice = match nearest(key, known.iter().copied()) {
                Some(near) => format!("did you mean {near}? Otherwise remove it"),
                None => format!("remove it; the keys are {}", known.join(", ")),
            };
            self.refuse(key, ValueFault::new("is not a key of this object", advice));
        }
    }

    /// Reads a value by `check`.
    pub(super) fn read<T>(
        &mut self,
        key: &str,
        check: impl FnOnce(&Value) -> Result<T, ValueFault>,
    ) -> FieldValue<T> {
        let Some(value) = self.value(key) else {
            return FieldValue::Absent;
        };
        match check(value) {
            Ok(value) => FieldValue::Given(value),
            Err(fault) => {
                self.refuse(key, fault);
                FieldValue::Bad
            }
        }
    }

    /// Reads a text by `check`.
    pub(super) fn text<T>(
        &mut self,
        key: &str,
        example: &str,
        check: impl FnOnce(&str) -> Result<T, ValueFault>,
    ) -> FieldValue<T> {
        self.read(key, |value| match value.as_str() {
            Some(text) => check(text),
            None => Err(ValueFault::new(
                format!("is {}, where a text is needed", kind(value)),
                format!("write it in quotes, such as \"{example}\""),
            )),
        })
    }

    /// Returns a value that must be there; `None` when it is absent, which is noted, or bad.
    pub(super) fn require<T>(&mut self, key: &str, value: FieldValue<T>, fault: ValueFault) -> Option<T> {
        match value {
            FieldValue::Given(value) => Some(value),
            FieldValue::Bad => None,
            FieldValue::Absent => {
                self.refuse(key, fault);
                None
            }
        }
    }

    /// Adds the problems of an object within this one.
    pub(super) fn extend(&mut self, problems: Vec<FieldProblem>) {
        self.problems.extend(problems);
    }
}

/// Returns the kind of a value with its article.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
