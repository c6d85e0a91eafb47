//! Content of a file of connections.

use std::collections::BTreeSet;

use super::table::ConnectionTable;
use crate::config::refused::ConfigProblem;

/// Content of a file of connections, as far as it could be read.
pub(in crate::config) struct ConnectionsFile {
    /// As it was named.
    pub(super) name: String,
    /// Its top level.
    pub(super) defaults: ConnectionTable,
    pub(super) connections: Vec<FileConnection>,
    /// Variables that a `${…}` named: no mistakes, whatever they are called.
    pub(in crate::config) references: BTreeSet<String>,
    /// `true` when the file is TOML throughout. Otherwise tables may be lost, and their variables
    /// are not called missing.
    pub(in crate::config) is_whole: bool,
    pub(in crate::config) problems: Vec<ConfigProblem>,
}

/// A `[[connection]]`.
pub(super) struct FileConnection {
    pub(super) table: ConnectionTable,
    pub(super) profiles: Vec<ConnectionTable>,
}

impl ConnectionsFile {
    /// Returns a file in which nothing was read yet.
    pub(super) fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            defaults: ConnectionTable::default(),
            connections: Vec::new(),
            references: BTreeSet::new(),
            is_whole: false,
            problems: Vec::new(),
        }
    }
}
