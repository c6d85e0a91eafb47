//! The file of connections (`CONNECTIONS_FILE`): any number of directories in one service, each
//! with its profiles.
//!
//! It sets the same variables as the environment, under the same names in lower case, with the same
//! checks: each connection is read from a set of [`Variables`] of its own
//! ([`ConnectionVariables`]). The most specific place wins:
//!
//! profile > connection > real environment > `.env` > top level of the file > default.

mod identity_key;
mod keys;
mod layered;
mod schedule_table;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::environment::Variables;
use super::refused::{ConfigProblem, ValueFault, quoted};
use super::variables as v;
pub(super) use layered::{ConnectionVariables, WithoutName};
use table::ConnectionTable;

pub(super) use keys::{BASELINE, CONNECTION, LISTS, PROCESS, PROFILE, SCHEDULE, SHORT, UUID};

/// Read when `CONNECTIONS_FILE` is not set and there is such a file, relative to the working
/// directory.
pub(super) const DEFAULT: &str = "config/connections.toml";

/// Far above any file that a person writes; it stops a path such as /dev/zero.
const LARGEST: u64 = 4 << 20;

/// Content of a file of connections, as far as it could be read.
pub(super) struct ConnectionsFile {
    /// As it was named.
    name: String,
    /// Its top level.
    defaults: ConnectionTable,
    connections: Vec<FileConnection>,
    /// Variables that a `${…}` named: no mistakes, whatever they are called.
    pub(super) references: BTreeSet<String>,
    /// `true` when the file is TOML throughout. Otherwise tables may be lost, and their variables
    /// are not called missing.
    pub(super) is_whole: bool,
    pub(super) problems: Vec<ConfigProblem>,
}

/// A `[[connection]]`.
struct FileConnection {
    table: ConnectionTable,
    profiles: Vec<ConnectionTable>,
}

impl ConnectionsFile {
    /// Reads the file at `path`; `environment` is asked for what a `${…}` names.
    pub(super) fn read(path: &Path, environment: &impl Variables) -> Self {
        use std::io::Read as _;

        let name = path.display().to_string();
        let mut text = String::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text));
        let cause = match read {
            Err(error) => format!("cannot be read: {error}"),
            Ok(length) if u64::try_from(length).is_ok_and(|length| length > LARGEST) => {
                "is larger than 4 MiB".to_owned()
            }
            Ok(_) => return table::parse(&name, &text, environment),
        };
        let advice = format!(
            "make it a readable TOML file, or change {}",
            v::CONNECTIONS_FILE.name
        );
        let mut file = Self::empty(&name);
        file.problems.push(ValueFault::new(cause, advice).at(&name, 1));
        file
    }

    /// Reads `text`, the contents of the file called `name`.
    #[cfg(any(test, fuzzing))]
    pub(super) fn parse(name: &str, text: &str, environment: &impl Variables) -> Self {
        table::parse(name, text, environment)
    }

    fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            defaults: ConnectionTable::default(),
            connections: Vec::new(),
            references: BTreeSet::new(),
            is_whole: false,
            problems: Vec::new(),
        }
    }

    /// Returns the variables of the process: the environment over the file's top level.
    pub(super) fn process<'a, V: Variables>(&'a self, environment: &'a V) -> ConnectionVariables<'a, V> {
        ConnectionVariables::new(self, environment, Vec::new(), None)
    }

    /// Returns the variables of each connection that the file describes, in its order: one for
    /// every profile, where a connection has profiles.
    pub(super) fn connections<'a, V: Variables>(
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

    /// Checks the file as a whole: names that are missing or come twice, no connection, and names
    /// in the environment that can be meant for one connection alone.
    pub(super) fn check(&mut self, environment: &impl Variables) {
        let mut problems = Vec::new();
        if self.connections.is_empty() && self.is_whole {
            let fault = ValueFault::new(
                "has no [[connection]]",
                "write a [[connection]] table for each directory (see docs/configure.md), or remove the file",
            );
            problems.push(fault.at(&self.name, 1));
        }
        for variable in keys::PER_CONNECTION {
            if environment
                .get(variable.name)
                .is_some_and(|value| !value.is_empty())
            {
                let fault = ValueFault::new(
                    format!("would be of every connection in {}", quoted(&self.name)),
                    "remove it: each [[connection]] of the file has its own name and description",
                );
                problems.push(fault.of(variable.name));
            }
        }
        let mut seen = BTreeMap::new();
        for connection in &self.connections {
            let tables = std::iter::once((&connection.table, CONNECTION));
            let profiles = connection.profiles.iter().map(|profile| (profile, PROFILE));
            for (table, what) in tables.chain(profiles) {
                if table.text(v::CONNECTION_NAME.name).is_none() && !table.is_bad(v::CONNECTION_NAME.name) {
                    let fault =
                        ValueFault::new(format!("the [[{what}]] has no name"), "write name = \"…\" in it");
                    problems.push(fault.at(&self.name, table.line));
                }
            }
        }
        let nothing = BTreeMap::<String, String>::new();
        for layered in self.connections(&nothing) {
            let (Some(name), line) = (layered.connection(), layered.line()) else {
                continue;
            };
            if name.is_empty() || name.starts_with('.') || name.ends_with('.') {
                continue;
            }
            if let Some(first) = seen.insert(name.to_owned(), line) {
                let fault = ValueFault::new(
                    format!(
                        "a second connection is named {}, after that of line {first}",
                        quoted(name)
                    ),
                    "give each connection, and each profile of a connection, a name of its own",
                );
                problems.push(fault.at(&self.name, line));
            }
        }
        for connection in &self.connections {
            problems.extend(self.double_schedules(connection));
        }
        problems.extend(self.double_identities());
        self.problems.extend(problems);
    }
}
