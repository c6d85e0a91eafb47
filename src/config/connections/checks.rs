//! Checks of a file of connections as a whole: names, identities and schedules that contradict each
//! other.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::file::{ConnectionsFile, FileConnection};
use super::keys::{self, BASELINE, CONNECTION, PROFILE, UUID};
use super::table::{ConnectionTable, GivenSchedule, GivenUuid};
use crate::config::environment::Variables;
use crate::config::one_connection::derive_uuid;
use crate::config::refused::{ConfigProblem, ValueFault, printable, quoted};
use crate::config::variables as v;

impl ConnectionsFile {
    /// Checks the file as a whole: names that are missing or come twice, no connection, and names
    /// in the environment that can be meant for one connection alone.
    pub(in crate::config) fn check(&mut self, environment: &impl Variables) {
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

    /// Returns the problems of a connection that gives its times in both ways.
    fn double_schedules(&self, connection: &FileConnection) -> Vec<ConfigProblem> {
        let outer = &connection.table;
        let name = |table: &ConnectionTable| {
            let name = table.text(v::CONNECTION_NAME.name).unwrap_or_default();
            printable(name)
        };
        let mut problems = self.beside(outer, None, &name(outer));
        for profile in &connection.profiles {
            let label = format!("{}.{}", name(outer), name(profile));
            problems.extend(self.beside(profile, outer.schedule.as_ref(), &label));
        }
        problems
    }

    /// Returns the problems of a table within one that has the schedule `outer`.
    fn beside(
        &self,
        table: &ConnectionTable,
        outer: Option<&GivenSchedule>,
        name: &str,
    ) -> Vec<ConfigProblem> {
        let problem = |variable: &v::VariableDefinition, of: &GivenSchedule, advice: &str| {
            let (key, line) = table.place(variable.name)?;
            let cause = format!(
                "connection {name}: {key}: stands beside the schedule of line {}",
                of.line
            );
            Some(ValueFault::new(cause, advice).at(&self.name, line))
        };
        let baselines = table.baseline.as_ref().and_then(|own| {
            let (key, line) = table.place(v::BASELINE_CRON.name)?;
            let cause = format!(
                "connection {name}: {key}: stands beside the {BASELINE} of line {}",
                own.line
            );
            Some(ValueFault::new(cause, "keep one of the two").at(&self.name, line))
        });
        let mut problems: Vec<ConfigProblem> = match (&table.schedule, outer) {
            (Some(own), _) => [&v::SYNC_CRON, &v::SYNC_TIMEZONE]
                .into_iter()
                .filter_map(|variable| {
                    problem(
                        variable,
                        own,
                        "keep one of the two; a schedule has a timezone of its own",
                    )
                })
                .collect(),
            (None, Some(outer)) if !table.has(v::SYNC_CRON.name) => {
                let advice = "write a schedule with that timezone in the profile, or remove it";
                problem(&v::SYNC_TIMEZONE, outer, advice).into_iter().collect()
            }
            _ => Vec::new(),
        };
        problems.extend(baselines);
        problems
    }

    /// Returns the problems of identities: two connections with the same, and one of a connection
    /// that is not read, since it has profiles.
    fn double_identities(&self) -> Vec<ConfigProblem> {
        let mut problems: Vec<ConfigProblem> = self
            .connections
            .iter()
            .filter_map(|connection| self.idle_identity(connection))
            .collect();
        let mut seen: BTreeMap<Uuid, String> = BTreeMap::new();
        let nothing = BTreeMap::<String, String>::new();
        for layered in self.connections(&nothing) {
            let name = layered.connection().unwrap_or_default().to_owned();
            let (uuid, line) = match layered.given_uuid() {
                Some(GivenUuid { uuid: None, .. }) => continue,
                Some(GivenUuid {
                    uuid: Some(uuid),
                    line,
                }) => (*uuid, *line),
                None if name.is_empty() => continue,
                None => (derive_uuid(&name), layered.line()),
            };
            match seen.get(&uuid) {
                // Two of the same name are another problem.
                Some(first) if *first != name => {
                    let cause = format!(
                        "connection {}: {UUID}: is that of {} as well",
                        printable(&name),
                        quoted(first)
                    );
                    let fault = ValueFault::new(cause, "give each connection a UUID of its own");
                    problems.push(fault.at(&self.name, line));
                }
                Some(_) => {}
                None => {
                    seen.insert(uuid, name);
                }
            }
        }
        problems
    }

    fn idle_identity(&self, connection: &FileConnection) -> Option<ConfigProblem> {
        let given = connection.table.uuid.as_ref()?;
        if connection.profiles.is_empty() {
            return None;
        }
        let fault = ValueFault::new(
            format!("{UUID}: is of one connection, and this one is read as its profiles"),
            format!("write it in each [[connection.{PROFILE}]]"),
        );
        Some(fault.at(&self.name, given.line))
    }
}
