//! The file of connections (`CONNECTIONS_FILE`): any number of directories in one service, each
//! with its profiles.
//!
//! It sets the same variables as the environment, under the same names in lower case, with the same
//! checks: each connection is read from a set of [`Variables`] of its own
//! ([`ConnectionVariables`]). The most specific place wins:
//!
//! profile > connection > real environment > `.env` > top level of the file > default.

mod checks;
mod file;
mod identity_key;
pub(super) mod keys;
mod layered;
mod parse;
mod reading;
mod schedule_table;
mod table;
#[cfg(test)]
mod tests;
mod value;

use std::path::Path;

use super::environment::Variables;
use super::refused::ValueFault;
use super::variables as v;

pub(super) use file::ConnectionsFile;
pub(super) use keys::{BASELINE, CONNECTION, LISTS, SCHEDULE, SHORT, UUID};
pub(super) use layered::{ConnectionVariables, WithoutName};

/// Read when `CONNECTIONS_FILE` is not set and there is such a file, relative to the working
/// directory.
pub(super) const DEFAULT: &str = "config/connections.toml";

/// Far above any file that a person writes; it stops a path such as /dev/zero.
const LARGEST: u64 = 4 << 20;

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
            Ok(_) => return Self::parse(&name, &text, environment),
        };
        let advice = format!(
            "make it a readable TOML file, or change {}",
            v::CONNECTIONS_FILE.name
        );
        let mut file = Self::empty(&name);
        file.problems.push(ValueFault::new(cause, advice).at(&name, 1));
        file
    }
}
