//! From TOML to tables of texts, with every mistake noted at its line.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::file::{ConnectionsFile, FileConnection};
use super::keys::{self, BASELINE, CONNECTION, KeyPlace, PROFILE, SCHEDULE, UUID};
use super::reading::TableReading;
use super::table::{ConnectionTable, GivenValue, in_words};
use super::value::{self, EnvironmentReferences};
use crate::config::environment::Variables;
use crate::config::refused::{ValueFault, nearest, printable};

impl ConnectionsFile {
    /// Reads `text`, the contents of the file called `name`.
    pub(in crate::config) fn parse(name: &str, text: &str, environment: &impl Variables) -> Self {
        let mut file = Self::empty(name);
        // Editors on Windows begin a file with a byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        let (document, mistakes) = DeTable::parse_recoverable(text);
        let mut reading = TableReading {
            text,
            file: &mut file,
            environment,
        };
        reading.file.is_whole = mistakes.is_empty();
        for mistake in &mistakes {
            let fault = ValueFault::new(
                format!("is not TOML: {}", printable(mistake.message())),
                "write KEY = \"VALUE\", and [[connection]] above the keys of each connection",
            );
            reading.note(&mistake.span().unwrap_or(0..0), "", fault);
        }
        let (defaults, connections) = reading.table(document.get_ref(), 1, KeyPlace::Top, "");
        let connections: Vec<FileConnection> = connections
            .into_iter()
            .map(|(table, line)| {
                let label = format!("connection {}", named(table));
                let (table, profiles) = reading.table(table, line, KeyPlace::Inner, &label);
                let profiles = profiles
                    .into_iter()
                    .map(|(profile, line)| {
                        let label = format!("{label}, profile {}", named(profile));
                        reading.profile(profile, line, &label)
                    })
                    .collect();
                FileConnection { table, profiles }
            })
            .collect();
        file.defaults = defaults;
        file.connections = connections;
        file
    }
}

/// Returns the name of a connection, or a profile, in a message about it.
fn named(table: &DeTable<'_>) -> String {
    let name = ["name", "connection_name"]
        .iter()
        .find_map(|key| table.get(*key)?.get_ref().as_str());
    name.map_or_else(|| "without a name".to_owned(), printable)
}

type InnerTable<'t, 'i> = Vec<(&'t DeTable<'i>, usize)>;

impl<V: Variables> TableReading<'_, V> {
    /// Reads the keys of a table, and the tables that it holds: connections at the top level,
    /// profiles in a connection.
    fn table<'t, 'i>(
        &mut self,
        table: &'t DeTable<'i>,
        line: usize,
        place: KeyPlace,
        label: &str,
    ) -> (ConnectionTable, InnerTable<'t, 'i>) {
        let inner = match place {
            KeyPlace::Top => CONNECTION,
            KeyPlace::Inner => PROFILE,
        };
        let mut read = ConnectionTable {
            line,
            ..ConnectionTable::default()
        };
        let mut tables = Vec::new();
        for (key, value) in table {
            if key.get_ref() == inner {
                tables = self.tables(inner, value, label);
            } else if key.get_ref() == SCHEDULE {
                read.schedule = self.schedule(SCHEDULE, key, value, place, label);
            } else if key.get_ref() == BASELINE {
                read.baseline = self.schedule(BASELINE, key, value, place, label);
            } else if key.get_ref() == UUID {
                read.uuid = self.uuid(key, value, place, label);
            } else {
                self.key(&mut read, key, value, place, label);
            }
        }
        (read, tables)
    }

    fn profile(&mut self, table: &DeTable<'_>, line: usize, label: &str) -> ConnectionTable {
        let (read, deeper) = self.table(table, line, KeyPlace::Inner, label);
        if let Some((_, line)) = deeper.first() {
            let fault = ValueFault::new(
                "a profile has no profiles",
                "write [[connection.profile]] for each of them",
            );
            self.push(*line, label, fault);
        }
        read
    }

    fn tables<'t, 'i>(
        &mut self,
        inner: &str,
        value: &'t Spanned<DeValue<'i>>,
        label: &str,
    ) -> InnerTable<'t, 'i> {
        let rows = value
            .get_ref()
            .as_array()
            .map(|rows| rows.iter().collect::<Vec<_>>());
        let tables: Option<InnerTable<'t, 'i>> = rows.and_then(|rows| {
            rows.into_iter()
                .map(|row| Some((row.get_ref().as_table()?, self.line(&row.span()))))
                .collect()
        });
        tables.unwrap_or_else(|| {
            let path = if inner == PROFILE {
                "connection.profile"
            } else {
                inner
            };
            let fault = ValueFault::new(
                format!("`{inner}` is a list of tables"),
                format!("write [[{path}]], in double brackets, above the keys of each"),
            );
            self.note(&value.span(), label, fault);
            Vec::new()
        })
    }

    fn key(
        &mut self,
        read: &mut ConnectionTable,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        place: KeyPlace,
        label: &str,
    ) {
        let written = key.get_ref().as_ref();
        let line = self.line(&key.span());
        let said = in_words(label, &printable(written));
        let Some((variable, name)) = keys::variable(written, place) else {
            let known = keys::known(place);
            let advice = match nearest(written, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near}? Otherwise remove it"),
                None => "remove it; the keys are the variables of docs/configure.md in lower case".to_owned(),
            };
            return self.push(line, &said, ValueFault::new("is not a key of this table", advice));
        };
        if let Some((cause, advice)) = keys::misplaced(variable, place) {
            return self.push(line, &said, ValueFault::new(cause, advice));
        }
        let mut references = EnvironmentReferences::new(self.environment);
        let text = value::text(variable, &name, value.get_ref(), &mut references);
        self.file.references.append(&mut references.names);
        let text = match text {
            Ok(text) => Some(text),
            Err(fault) => {
                self.push(line, &said, fault);
                None
            }
        };
        let given = GivenValue {
            key: written.to_owned(),
            line,
            text,
        };
        if let Some(other) = read.keys.insert(name, given) {
            let cause = format!("says the same as {} in line {}", other.key, other.line);
            self.push(line, &said, ValueFault::new(cause, "keep one of the two"));
        }
    }
}
