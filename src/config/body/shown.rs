//! From settings to the body that would make them.

use std::collections::BTreeMap;
use std::io;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};

use super::keys::{self, BodyForm, BodyKey};
use super::{password_of, reading};
use crate::config::directory::kind_of_filter;
use crate::config::values::{certificate, quantity};
use crate::config::variables as v;
use crate::config::{ConnectionSettings, MappingSource, ZonedCron};
use crate::identity::DistinguishedName;

/// Returns the body of a connection that the environment or the file configures, as far as a body
/// can say it, with its password in the form in which it is read. A mapping file stays a file.
#[must_use]
pub fn body_of(settings: &ConnectionSettings) -> Value {
    let described: BTreeMap<&'static str, String> = settings.describe().into_iter().collect();
    let mut body = Map::new();
    for key in keys::KEYS {
        let Some(value) = value_of(settings, key, &described) else {
            continue;
        };
        let place = match key.section {
            "" => Some(&mut body),
            section => body
                .entry(section)
                .or_insert_with(|| Value::Object(Map::new()))
                .as_object_mut(),
        };
        if let Some(place) = place {
            place.insert(key.name.to_owned(), value);
        }
    }
    Value::Object(body)
}

/// Returns the same body with the password, and with the text of the mapping file.
///
/// # Errors
/// When the mapping file cannot be read.
pub fn body_with_documents(settings: &ConnectionSettings) -> io::Result<Value> {
    let mut body = body_of(settings);
    if let MappingSource::File(path) = &settings.mapping {
        body["mapping"] = Value::from(std::fs::read_to_string(path)?);
    }
    if let Some(password) = password_of(settings) {
        body["directory"]["password"] = Value::from(password.expose_secret());
    }
    Ok(body)
}

/// Returns the value of a key; `None` where it has none.
fn value_of(
    settings: &ConnectionSettings,
    key: &BodyKey,
    described: &BTreeMap<&'static str, String>,
) -> Option<Value> {
    match key.form {
        BodyForm::Schedule => return Some(settings.schedule.sync.to_json()),
        BodyForm::Baseline => {
            return Some(ZonedCron::baseline_to_json(settings.schedule.baseline.as_ref()));
        }
        BodyForm::Certificate => {
            let certificates = settings.directory.certificates.as_ref()?;
            return Some(certificate::to_pem(certificates).into());
        }
        BodyForm::Document => {
            return match &settings.mapping {
                MappingSource::Text(text) => Some(text.as_str().into()),
                MappingSource::BuiltIn | MappingSource::File(_) => None,
            };
        }
        BodyForm::Names => {
            let names = settings.profile.members_of.iter().map(DistinguishedName::as_str);
            let names: Vec<&str> = names.collect();
            return (!names.is_empty()).then(|| names.into());
        }
        _ => {}
    }
    let variable = key.variable?;
    match variable.name {
        name if name == v::REMOVAL_LAG.name => Some(quantity::written(settings.removal.lag).into()),
        name => match kind_of_filter(name) {
            Some(kind) => settings.profile.own_filter(kind).map(Value::from),
            None => reading::value_of(key.form, described.get(name)?),
        },
    }
}
