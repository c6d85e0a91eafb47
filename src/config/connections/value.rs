//! A value of the file as the text that the environment would hold.

use std::collections::BTreeSet;

use toml::de::DeValue;

use super::keys::LISTS;
use crate::config::environment::Variables;
use crate::config::refused::{ValueFault, quoted};
use crate::config::variables::{self as v, VariableDefinition};

/// Values of the environment that the file asks for, and what was asked.
pub(super) struct EnvironmentReferences<'a, V> {
    environment: &'a V,
    pub(super) names: BTreeSet<String>,
}

impl<'a, V: Variables> EnvironmentReferences<'a, V> {
    pub(super) fn new(environment: &'a V) -> Self {
        Self {
            environment,
            names: BTreeSet::new(),
        }
    }

    /// Returns the value of a variable that must be there.
    fn value(&mut self, name: &str) -> Result<String, ValueFault> {
        self.names.insert(name.to_owned());
        if let Some(doubt) = self.environment.doubt(name) {
            let cause = format!("names {name}, which in .env {}", doubt.cause);
            return Err(ValueFault::new(cause, doubt.advice));
        }
        match self.environment.get(name) {
            Some(value) if !value.is_empty() => value
                .into_string()
                .map_err(|_| ValueFault::new(format!("{name} is not UTF-8 text"), "write it in UTF-8")),
            _ => Err(ValueFault::new(
                format!("names {name}, which is not set"),
                format!("set {name} in the environment or in .env"),
            )),
        }
    }

    /// Returns `text` with each `${NAME}` replaced; `$${` stands for `${`.
    pub(super) fn replaced(&mut self, text: &str) -> Result<String, ValueFault> {
        let mut whole = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                whole.push_str(before);
                whole.push_str("${");
                rest = from.get(2..).unwrap_or_default();
                continue;
            }
            whole.push_str(before);
            let Some((name, after)) = from.get(2..).and_then(|inner| inner.split_once('}')) else {
                return Err(ValueFault::new(
                    "has a `${` that is not closed",
                    "write ${NAME}, or $${ for a plain ${",
                ));
            };
            if !is_name(name) {
                return Err(ValueFault::new(
                    "has a `${…}` that names no variable",
                    "write ${NAME} with letters, digits and _ in NAME, or $${ for a plain ${",
                ));
            }
            whole.push_str(&self.value(name)?);
            rest = after;
        }
        whole.push_str(rest);
        Ok(whole)
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns the text of `value` for `variable`, under the `name` of it or of its `_FILE` form. No
/// secret is in a fault (R27).
pub(super) fn text(
    variable: &VariableDefinition,
    name: &str,
    value: &DeValue<'_>,
    references: &mut EnvironmentReferences<'_, impl Variables>,
) -> Result<String, ValueFault> {
    match value {
        DeValue::String(text) => {
            if variable.secret && variable.name == name && !text.is_empty() && !is_reference(text) {
                return Err(literal_secret(variable));
            }
            if *variable == v::HTTPS_PROXY && text.contains('@') && !text.contains("${") {
                return Err(ValueFault::new(
                    "holds a password, which has no place in this file",
                    "write https_proxy = \"${NAME}\", and set NAME in the environment or in .env",
                ));
            }
            references.replaced(text)
        }
        _ if variable.secret => Err(literal_secret(variable)),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map(|number| number.to_string())
            .map_err(|_| ValueFault::new("is no number that can be read", "write a smaller one")),
        DeValue::Boolean(yes) => Ok(yes.to_string()),
        DeValue::Array(items) if LISTS.contains(&variable) => {
            let items: Result<Vec<String>, ValueFault> = items
                .iter()
                .map(|item| match item.get_ref() {
                    DeValue::String(item) if !item.contains(',') => references.replaced(item),
                    _ => Err(ValueFault::new(
                        "has an item that is no text, or holds a comma",
                        "write [\"one\", \"another\"]",
                    )),
                })
                .collect();
            Ok(items?.join(","))
        }
        DeValue::Array(_) => Err(ValueFault::new("is a list", "write one text in quotes")),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => Err(ValueFault::new(
            "is neither a text nor a whole number nor true or false",
            "put the value in quotes",
        )),
    }
}

/// Returns `true` when a text is one `${NAME}` and nothing else.
fn is_reference(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .is_some_and(is_name)
}

/// Returns the fault of a secret that stands in the file. A file of connections is copied,
/// compared, kept under version control: no place for a secret, whoever may read it today.
fn literal_secret(variable: &VariableDefinition) -> ValueFault {
    let key = variable.name.to_ascii_lowercase();
    let example = quoted(&format!("{key} = \"${{{}_2}}\"", variable.name));
    ValueFault::new(
        "is a secret, which has no place in this file",
        format!(
            "write {example} and set that variable in the environment or in .env, or give {key}_file the path of a file that holds it"
        ),
    )
}
