//! `uuid` of a connection in the file: its identity, which a new name does not change.

use std::borrow::Cow;
use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeValue;
use uuid::Uuid;

use super::keys::{KeyPlace, PROFILE, UUID};
use super::table::{TableReading, in_words};
use super::value::EnvironmentReferences;
use super::{ConnectionsFile, FileConnection};
use crate::config::environment::Variables;
use crate::config::one_connection::derive_uuid;
use crate::config::refused::{ConfigProblem, ValueFault, printable, quoted};

/// Identity that a table gives.
pub(super) struct GivenUuid {
    /// `None` is a value that was complained about.
    pub(super) uuid: Option<Uuid>,
    pub(super) line: usize,
}

impl<V: Variables> TableReading<'_, V> {
    /// Reads the identity of a connection or a profile.
    pub(super) fn uuid(
        &mut self,
        key: &Spanned<Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        place: KeyPlace,
        label: &str,
    ) -> Option<GivenUuid> {
        let line = self.line(&key.span());
        let said = in_words(label, UUID);
        if place == KeyPlace::Top {
            let fault = ValueFault::new("is of one connection", "write it in each [[connection]]");
            self.push(line, &said, fault);
            return None;
        }
        let uuid = self.uuid_of(value.get_ref());
        let uuid = uuid.map_err(|fault| self.push(line, &said, fault)).ok();
        Some(GivenUuid { uuid, line })
    }

    fn uuid_of(&mut self, value: &DeValue<'_>) -> Result<Uuid, ValueFault> {
        const ADVICE: &str =
            "write one such as `uuidgen` prints, or as `ad-connector connections export` does";
        let DeValue::String(text) = value else {
            return Err(ValueFault::new("is not a text", ADVICE));
        };
        let mut references = EnvironmentReferences::new(self.environment);
        let text = references.replaced(text);
        self.file.references.append(&mut references.names);
        let text = text?;
        // The form of RFC 9562 section 4 alone: hexadecimal digits and hyphens.
        let uuid = Uuid::try_parse(&text)
            .ok()
            .filter(|uuid| uuid.to_string().eq_ignore_ascii_case(&text) && !uuid.is_nil());
        uuid.ok_or_else(|| ValueFault::new(format!("{} is not a UUID", quoted(&text)), ADVICE))
    }
}

impl ConnectionsFile {
    /// Returns the problems of identities: two connections with the same, and one of a connection
    /// that is not read, since it has profiles.
    pub(super) fn double_identities(&self) -> Vec<ConfigProblem> {
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
