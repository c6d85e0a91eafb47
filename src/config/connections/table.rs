//! Content of one table of the file: texts, schedules and the identity, each with its line.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

/// The keys of one table, as the variables that they say.
#[derive(Default)]
pub(super) struct ConnectionTable {
    /// Line at which it begins, counted from 1.
    pub(super) line: usize,
    /// By the name of the variable, or of its `_FILE` form. `None` is a value that was complained
    /// about.
    pub(super) keys: BTreeMap<String, GivenValue>,
    /// Schedule in a form of the API, in place of `sync_cron`.
    pub(super) schedule: Option<GivenSchedule>,
    /// Baselines in the form of the API, in place of `baseline_cron`.
    pub(super) baseline: Option<GivenSchedule>,
    /// Identity of the connection.
    pub(super) uuid: Option<GivenUuid>,
}

/// Value of one key.
pub(super) struct GivenValue {
    /// Key, as written.
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) text: Option<String>,
}

impl ConnectionTable {
    /// Returns the text under the name of a variable, where there is one; it may be empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.keys.get(name)?.text.as_deref()
    }

    /// Returns `true` when something is written under the name of a variable.
    pub(super) fn has(&self, name: &str) -> bool {
        self.keys.contains_key(name)
    }

    /// Returns `true` when the value that is written there was complained about.
    pub(super) fn is_bad(&self, name: &str) -> bool {
        self.keys.get(name).is_some_and(|given| given.text.is_none())
    }

    /// Returns key, as written, and line.
    pub(super) fn place(&self, name: &str) -> Option<(&str, usize)> {
        self.keys.get(name).map(|given| (given.key.as_str(), given.line))
    }
}

/// Schedule of a table, not checked yet.
pub(super) struct GivenSchedule {
    /// As the API would get it.
    pub(super) value: Value,
    pub(super) places: SchedulePlaces,
    /// Line of the schedule itself.
    pub(super) line: usize,
}

/// Keys of a schedule, by their path, such as `schedule.startDate`.
#[derive(Default)]
pub(super) struct SchedulePlaces {
    pub(super) lines: BTreeMap<String, usize>,
    /// Keys whose values were complained about.
    pub(super) bad: BTreeSet<String>,
}

impl GivenSchedule {
    /// Returns the line of a key, else that of the schedule.
    pub(super) fn line(&self, path: &str) -> usize {
        self.places.lines.get(path).copied().unwrap_or(self.line)
    }

    /// Returns `true` when the value of a key was complained about.
    pub(super) fn is_bad(&self, path: &str) -> bool {
        self.places.bad.contains(path)
    }
}

/// Identity that a table gives.
pub(super) struct GivenUuid {
    /// `None` is a value that was complained about.
    pub(super) uuid: Option<Uuid>,
    pub(super) line: usize,
}

/// Joins the two texts: `connection emea: ad_host`.
pub(super) fn in_words(label: &str, rest: &str) -> String {
    if label.is_empty() {
        rest.to_owned()
    } else {
        format!("{label}: {rest}")
    }
}
