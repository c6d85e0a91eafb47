//! The variables of one connection: profile over connection over environment over the top level of the file.

use std::collections::BTreeSet;
use std::ffi::OsString;

use super::File;
use super::keys::{self, forms};
use super::table::{Table, in_words};
use crate::config::environment::Variables;
use crate::config::refused::{Fault, Problem, printable};
use crate::config::variables as v;

/// What a connection of the file, or the process, is told.
pub(in crate::config) struct Layered<'a, V> {
    file: &'a File,
    /// From the inside out: profile, connection. None for the process.
    inner: Vec<&'a Table>,
    environment: &'a V,
    /// `CONNECTION`, or `CONNECTION.PROFILE`.
    connection: Option<String>,
}

/// Where a variable is said.
enum Said<'a> {
    Table(&'a Table),
    Environment,
    Nowhere,
}

impl<'a, V: Variables> Layered<'a, V> {
    pub(super) fn new(
        file: &'a File,
        environment: &'a V,
        inner: Vec<&'a Table>,
        connection: Option<String>,
    ) -> Self {
        Self {
            file,
            inner,
            environment,
            connection,
        }
    }

    /// The name of the connection; `None` for the process.
    pub(in crate::config) fn connection(&self) -> Option<&str> {
        self.connection.as_deref()
    }

    /// The line where the table of the connection, or of its profile, begins.
    pub(super) fn line(&self) -> usize {
        self.inner.first().map_or(1, |table| table.line)
    }

    /// The innermost layer that says the variable in any of its forms: `ad_password_file` of a connection stands over
    /// `AD_PASSWORD` of the environment. An empty text in the file takes back what is said further out; in the environment it
    /// counts as nothing.
    fn said(&self, name: &str) -> Said<'a> {
        let forms = forms(name);
        let has = |table: &Table| forms.iter().any(|form| table.has(form));
        if let Some(table) = self.inner.iter().find(|table| has(table)) {
            return Said::Table(table);
        }
        let in_environment =
            |form: &String| self.environment.get(form).is_some_and(|value| !value.is_empty());
        if forms.iter().any(in_environment) {
            return Said::Environment;
        }
        if has(&self.file.defaults) {
            return Said::Table(&self.file.defaults);
        }
        Said::Nowhere
    }

    /// A problem with these variables, named as the file names them: with file, line, connection and key, unless the
    /// environment says what is wrong.
    pub(in crate::config) fn in_the_files_words(&self, problem: Problem) -> Problem {
        let Problem {
            name, cause, advice, ..
        } = problem;
        let of_connection = || {
            let label = self.connection.as_ref().filter(|name| !name.is_empty());
            label.map_or_else(String::new, |name| format!("connection {}", printable(name)))
        };
        let (line, label, key) = match self.said(&name) {
            Said::Environment => return Fault::new(cause, advice).of(&name),
            // A default of the file is bad for the file, not for each of its connections.
            Said::Table(table) if std::ptr::eq(table, &raw const self.file.defaults) => {
                let (key, line) = place(table, &name);
                (line, String::new(), key)
            }
            Said::Table(table) => {
                let (key, line) = place(table, &name);
                (line, of_connection(), key)
            }
            Said::Nowhere if self.connection.is_none() => return Fault::new(cause, advice).of(&name),
            Said::Nowhere => (self.line(), of_connection(), name.to_ascii_lowercase()),
        };
        let cause = in_words(&in_words(&label, &key), &keys::in_lower_case(&cause));
        let advice = keys::in_lower_case(&advice).replace("; in .env, put the value in single quotes", "");
        Fault::new(cause, advice).at(&self.file.name, line)
    }

    /// Whether a value of the file was complained about already: that it is missing is no news.
    pub(in crate::config) fn is_known_to_be_bad(&self, name: &str) -> bool {
        matches!(self.said(name), Said::Table(table) if forms(name).iter().any(|form| table.is_bad(form)))
    }
}

/// Key and line of a variable in the table that says it, in whichever form.
fn place(table: &Table, name: &str) -> (String, usize) {
    let others = forms(name);
    let found = std::iter::once(name)
        .chain(others.iter().map(String::as_str))
        .find_map(|form| table.place(form));
    found.map_or_else(
        || (name.to_ascii_lowercase(), table.line),
        |(key, line)| (key.to_owned(), line),
    )
}

impl<V: Variables> Variables for Layered<'_, V> {
    fn get(&self, name: &str) -> Option<OsString> {
        if name == v::CONNECTION_NAME.name {
            return self.connection.as_ref().map(OsString::from);
        }
        match self.said(name) {
            Said::Table(table) => table.text(name).map(OsString::from),
            Said::Environment => self.environment.get(name),
            Said::Nowhere => None,
        }
    }

    fn is_exported(&self, name: &str) -> bool {
        self.environment.is_exported(name)
    }

    fn names(&self) -> Vec<String> {
        let said = v::all().filter(|variable| !matches!(self.said(variable.name), Said::Nowhere));
        let said = said.map(|variable| variable.name.to_owned());
        let names: BTreeSet<String> = self.environment.names().into_iter().chain(said).collect();
        names.into_iter().collect()
    }
}
