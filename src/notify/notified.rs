//! Conditions whose beginning was reported, in a file beside the state file.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Conditions that were reported: `CONNECTION/CONDITION`, a line each.
pub(super) struct NotifiedConditions {
    /// `None` where the state is no file: then it is only remembered.
    path: Option<PathBuf>,
    keys: BTreeSet<String>,
}

impl NotifiedConditions {
    /// Reads the file that belongs to the state file; without one, nothing was reported.
    pub(super) fn read(state: Option<&Path>) -> Self {
        let path = state.map(|state| {
            let mut path = state.as_os_str().to_owned();
            path.push(".notified");
            PathBuf::from(path)
        });
        let text = path
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        Self {
            path,
            keys: text.lines().map(str::to_owned).collect(),
        }
    }

    pub(super) fn has(&self, connection: &str, condition: &str) -> bool {
        self.keys.contains(&key(connection, condition))
    }

    /// Records that the beginning, or the end, was reported.
    pub(super) fn set(&mut self, connection: &str, condition: &str, begun: bool) -> io::Result<()> {
        match begun {
            true => self.keys.insert(key(connection, condition)),
            false => self.keys.remove(&key(connection, condition)),
        };
        let text: String = self.keys.iter().map(|key| format!("{key}\n")).collect();
        let Some(path) = &self.path else { return Ok(()) };
        let mut new = path.as_os_str().to_owned();
        new.push(".new");
        let new = PathBuf::from(new);
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(new, path)
    }
}

fn key(connection: &str, condition: &str) -> String {
    format!("{connection}/{condition}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notified_conditions_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.db");
        let mut notified = NotifiedConditions::read(Some(&state));
        assert!(!notified.has("corp", "runs_failed"));
        notified.set("corp", "runs_failed", true).unwrap();
        notified.set("corp", "removals_held", true).unwrap();
        notified.set("corp", "removals_held", false).unwrap();
        let again = NotifiedConditions::read(Some(&state));
        assert!(again.has("corp", "runs_failed") && !again.has("corp", "removals_held"));
        assert!(!again.has("other", "runs_failed"));
    }
}
