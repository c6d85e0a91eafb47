//! The variables of one connection: profile over connection over environment over the top level of
//! the file.

use std::collections::BTreeSet;
use std::ffi::OsString;

use super::file::ConnectionsFile;
use super::keys::{self, BASELINE, SCHEDULE, forms};
use super::schedule_table::in_toml;
use super::table::{ConnectionTable, GivenSchedule, GivenUuid, in_words};
use crate::config::environment::Variables;
use crate::config::refused::{ConfigProblem, ValueFault, printable};
use crate::config::variables as v;

/// Variables of a connection of the file, or of the process.
pub(in crate::config) struct ConnectionVariables<'a, V> {
    file: &'a ConnectionsFile,
    /// From the inside out: profile, connection. None for the process.
    inner: Vec<&'a ConnectionTable>,
    environment: &'a V,
    /// `CONNECTION`, or `CONNECTION.PROFILE`.
    connection: Option<String>,
}

/// Variables of the environment without those of one connection: a file that is imported stands
/// beside the connection that they name.
pub(in crate::config) struct WithoutName<'a, V>(pub(in crate::config) &'a V);

impl<V: Variables> Variables for WithoutName<'_, V> {
    fn get(&self, name: &str) -> Option<OsString> {
        let is_hidden = keys::PER_CONNECTION.iter().any(|variable| variable.name == name);
        if is_hidden { None } else { self.0.get(name) }
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn doubt(&self, name: &str) -> Option<ConfigProblem> {
        self.0.doubt(name)
    }

    fn is_exported(&self, name: &str) -> bool {
        self.0.is_exported(name)
    }
}

impl ConnectionsFile {
    /// Returns the variables of the process: the environment over the file's top level.
    pub(in crate::config) fn process<'a, V: Variables>(
        &'a self,
        environment: &'a V,
    ) -> ConnectionVariables<'a, V> {
        ConnectionVariables::new(self, environment, Vec::new(), None)
    }

    /// Returns the variables of each connection that the file describes, in its order: one for
    /// every profile, where a connection has profiles.
    pub(in crate::config) fn connections<'a, V: Variables>(
        &'a self,
        environment: &'a V,
    ) -> Vec<ConnectionVariables<'a, V>> {
        let name =
            |table: &ConnectionTable| table.text(v::CONNECTION_NAME.name).unwrap_or_default().to_owned();
        self.connections
            .iter()
            .flat_map(|connection| {
                let outer = &connection.table;
                let whole = || ConnectionVariables::new(self, environment, vec![outer], Some(name(outer)));
                let profile = |profile| {
                    let name = format!("{}.{}", name(outer), name(profile));
                    ConnectionVariables::new(self, environment, vec![profile, outer], Some(name))
                };
                if connection.profiles.is_empty() {
                    vec![whole()]
                } else {
                    connection.profiles.iter().map(profile).collect()
                }
            })
            .collect()
    }
}

/// Source of the value of a variable.
enum VariableSource<'a> {
    Table(&'a ConnectionTable),
    Environment,
    Nowhere,
}

impl<'a, V: Variables> ConnectionVariables<'a, V> {
    fn new(
        file: &'a ConnectionsFile,
        environment: &'a V,
        inner: Vec<&'a ConnectionTable>,
        connection: Option<String>,
    ) -> Self {
        Self {
            file,
            inner,
            environment,
            connection,
        }
    }

    /// Returns the name of the connection; `None` for the process.
    pub(in crate::config) fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }

    /// Returns the line where the table of the connection, or of its profile, begins.
    pub(super) fn line(&self) -> usize {
        self.inner.first().map_or(1, |table| table.line)
    }

    /// Returns the innermost layer that sets the variable in any of its forms: `ad_password_file`
    /// of a connection stands over `AD_PASSWORD` of the environment. An empty text in the file
    /// takes back the value of the outer layers; in the environment it counts as nothing.
    fn said(&self, name: &str) -> VariableSource<'a> {
        let forms = forms(name);
        let has = |table: &ConnectionTable| forms.iter().any(|form| table.has(form));
        if let Some(table) = self.inner.iter().find(|table| has(table)) {
            return VariableSource::Table(table);
        }
        let in_environment =
            |form: &String| self.environment.get(form).is_some_and(|value| !value.is_empty());
        if forms.iter().any(in_environment) {
            return VariableSource::Environment;
        }
        if has(&self.file.defaults) {
            return VariableSource::Table(&self.file.defaults);
        }
        VariableSource::Nowhere
    }

    /// Returns the innermost schedule, unless a table further in has a `sync_cron`.
    fn given_schedule(&self) -> Option<&'a GivenSchedule> {
        let decisive = |table: &&&ConnectionTable| table.schedule.is_some() || table.has(v::SYNC_CRON.name);
        self.inner.iter().find(decisive)?.schedule.as_ref()
    }

    /// Returns the innermost baselines, unless a table further in has a `baseline_cron`.
    fn given_baseline(&self) -> Option<&'a GivenSchedule> {
        let decisive =
            |table: &&&ConnectionTable| table.baseline.is_some() || table.has(v::BASELINE_CRON.name);
        self.inner.iter().find(decisive)?.baseline.as_ref()
    }

    /// Returns what the table of the connection, or of its profile, says under `uuid`.
    pub(super) fn given_uuid(&self) -> Option<&'a GivenUuid> {
        self.inner.first()?.uuid.as_ref()
    }

    /// Returns the identity that the file gives the connection.
    pub(in crate::config) fn uuid(&self) -> Option<uuid::Uuid> {
        self.given_uuid()?.uuid
    }

    /// Names a problem with these variables as the file names them: with file, line, connection and
    /// key, unless the cause is in the environment.
    pub(in crate::config) fn in_the_files_words(&self, problem: ConfigProblem) -> ConfigProblem {
        let ConfigProblem {
            name, cause, advice, ..
        } = problem;
        let of_connection = || {
            let label = self.connection.as_ref().filter(|name| !name.is_empty());
            label.map_or_else(String::new, |name| format!("connection {}", printable(name)))
        };
        let of_schedule = match name.split('.').next() {
            Some(SCHEDULE) => self.given_schedule(),
            Some(BASELINE) => self.given_baseline(),
            _ => None,
        };
        if let Some(schedule) = of_schedule {
            let cause = in_words(&in_words(&of_connection(), &name), &cause);
            let advice = in_toml(&advice);
            return ValueFault::new(cause, advice).at(&self.file.name, schedule.line(&name));
        }
        let (line, label, key) = match self.said(&name) {
            VariableSource::Environment => return ValueFault::new(cause, advice).of(&name),
            // A default of the file is bad for the file, not for each of its connections.
            VariableSource::Table(table) if std::ptr::eq(table, &raw const self.file.defaults) => {
                let (key, line) = place(table, &name);
                (line, String::new(), key)
            }
            VariableSource::Table(table) => {
                let (key, line) = place(table, &name);
                (line, of_connection(), key)
            }
            VariableSource::Nowhere if self.connection.is_none() => {
                return ValueFault::new(cause, advice).of(&name);
            }
            VariableSource::Nowhere => (self.line(), of_connection(), name.to_ascii_lowercase()),
        };
        let cause = in_words(&in_words(&label, &key), &keys::in_lower_case(&cause));
        let advice = keys::in_lower_case(&advice).replace("; in .env, put the value in single quotes", "");
        ValueFault::new(cause, advice).at(&self.file.name, line)
    }

    /// Returns `true` when a value of the file was complained about already, so that it need not be
    /// called missing as well.
    pub(in crate::config) fn is_known_to_be_bad(&self, name: &str) -> bool {
        let is_bad_in = |table: &ConnectionTable| forms(name).iter().any(|form| table.is_bad(form));
        let mut given = self.given_schedule().into_iter().chain(self.given_baseline());
        given.any(|schedule| schedule.is_bad(name))
            || matches!(self.said(name), VariableSource::Table(table) if is_bad_in(table))
    }
}

/// Returns key and line of a variable in the table that sets it, in whichever form.
fn place(table: &ConnectionTable, name: &str) -> (String, usize) {
    let others = forms(name);
    let found = std::iter::once(name)
        .chain(others.iter().map(String::as_str))
        .find_map(|form| table.place(form));
    found.map_or_else(
        || (name.to_ascii_lowercase(), table.line),
        |(key, line)| (key.to_owned(), line),
    )
}

impl<V: Variables> Variables for ConnectionVariables<'_, V> {
    fn get(&self, name: &str) -> Option<OsString> {
        if name == v::CONNECTION_NAME.name {
            return self.connection.as_ref().map(OsString::from);
        }
        match self.said(name) {
            VariableSource::Table(table) => table.text(name).map(OsString::from),
            VariableSource::Environment => self.environment.get(name),
            VariableSource::Nowhere => None,
        }
    }

    fn schedule(&self) -> Option<&serde_json::Value> {
        self.given_schedule().map(|schedule| &schedule.value)
    }

    fn baseline(&self) -> Option<&serde_json::Value> {
        self.given_baseline().map(|baseline| &baseline.value)
    }

    fn has_own_baseline(&self) -> bool {
        self.inner.iter().any(|table| table.has(v::BASELINE_CRON.name))
    }

    fn is_exported(&self, name: &str) -> bool {
        self.environment.is_exported(name)
    }

    fn names(&self) -> Vec<String> {
        let said = v::all().filter(|variable| !matches!(self.said(variable.name), VariableSource::Nowhere));
        let said = said.map(|variable| variable.name.to_owned());
        let names: BTreeSet<String> = self.environment.names().into_iter().chain(said).collect();
        names.into_iter().collect()
    }
}
