//! Sources of variables, and the names that are ours.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;

use super::refused::{ConfigError, ConfigProblem, ValueFault, nearest, printable};
use super::variables::is_ours;
use super::{dotenv, variables};

/// A set of variables: the process environment with `.env`, or a map in a test.
pub trait Variables {
    /// Returns the value as given; `None` when the variable is not there.
    fn get(&self, name: &str) -> Option<OsString>;

    /// Returns the names of all variables, in order.
    fn names(&self) -> Vec<String>;

    /// Returns the reason why the value of a name that is not ours may not be what was meant.
    fn doubt(&self, _name: &str) -> Option<ConfigProblem> {
        None
    }

    /// Returns the value of `schedule`, which only a file of connections has, as JSON.
    fn schedule(&self) -> Option<&serde_json::Value> {
        None
    }

    /// Returns the value of `baseline`, which only a file of connections has, as JSON.
    fn baseline(&self) -> Option<&serde_json::Value> {
        None
    }

    /// Reports whether baselines are given for this connection in particular, not for all.
    fn has_own_baseline(&self) -> bool {
        false
    }

    /// Returns `true` when a library of this process finds the variable by itself, as it does not
    /// when it stands in `.env` alone.
    fn is_exported(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

impl Variables for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<OsString> {
        BTreeMap::get(self, name).map(OsString::from)
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}

/// The process environment over the pairs of a `.env` file. It has no `Debug`: it holds secrets.
pub struct Environment {
    process: BTreeMap<OsString, OsString>,
    file: BTreeMap<String, String>,
    doubts: BTreeMap<String, ValueFault>,
}

impl Environment {
    /// Reads the process environment, and `.env` in `directory` when it is there. Nothing is
    /// written to the process environment, where every child and every debugger could read it.
    ///
    /// # Errors
    /// When `.env` cannot be read or parsed; each bad line is named.
    pub fn read(directory: &Path) -> Result<Self, ConfigError> {
        Self::over(std::env::vars_os(), directory)
    }

    pub(super) fn over(
        process: impl IntoIterator<Item = (OsString, OsString)>,
        directory: &Path,
    ) -> Result<Self, ConfigError> {
        let file = dotenv::read(directory)?;
        Ok(Self {
            process: process.into_iter().collect(),
            file: file.pairs,
            doubts: file.doubts,
        })
    }
}

impl Variables for Environment {
    /// Returns the value of the real environment, unless it is empty: an empty value counts as
    /// unset.
    fn get(&self, name: &str) -> Option<OsString> {
        let real = self.process.get(std::ffi::OsStr::new(name));
        match (real, self.file.get(name)) {
            (Some(value), _) if !value.is_empty() => Some(value.clone()),
            (real, written) => written.map(OsString::from).or_else(|| real.cloned()),
        }
    }

    fn names(&self) -> Vec<String> {
        let real = self.process.keys().filter_map(|name| name.to_str());
        let names: BTreeSet<&str> = real.chain(self.file.keys().map(String::as_str)).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    fn doubt(&self, name: &str) -> Option<ConfigProblem> {
        let real = self.process.get(std::ffi::OsStr::new(name));
        let is_real = real.is_some_and(|value| !value.is_empty());
        let doubt = self.doubts.get(name).filter(|_| !is_real)?;
        Some(doubt.clone().of(name))
    }

    fn is_exported(&self, name: &str) -> bool {
        let real = self.process.get(std::ffi::OsStr::new(name));
        real.is_some_and(|value| !value.is_empty())
    }
}

/// Variables that were renamed, with their present names.
const FORMER_NAMES: [(&str, &str); 1] = [("AD_CONNECTIONS", "AD_PARALLEL_READS")];

/// Returns a problem for each name that begins like ours and is none of ours. Of its value it is
/// only checked that there is one. `wanted` are names that the file of connections asks for: those
/// are no mistake.
pub(super) fn unknown_names(given: &impl Variables, wanted: &BTreeSet<String>) -> Vec<ConfigProblem> {
    let known: Vec<String> = variables::all()
        .flat_map(|variable| [Some(variable.name.to_owned()), variable.file_name()])
        .flatten()
        .collect();
    given
        .names()
        .into_iter()
        .filter(|name| is_ours(name) && !known.contains(name) && !wanted.contains(name))
        .filter(|name| given.get(name).is_some_and(|value| !value.is_empty()))
        .map(|name| {
            if let Some((_, present)) = FORMER_NAMES.iter().find(|(former, _)| *former == name) {
                return ValueFault::new("has another name now", format!("set {present} instead")).of(&name);
            }
            let advice = match (
                name.strip_suffix("_FILE"),
                nearest(&name, known.iter().map(String::as_str)),
            ) {
                (Some(stem), _) if known.iter().any(|known| known == stem) => {
                    format!("set {stem} itself, only secrets may be given as a file")
                }
                (_, Some(near)) => format!("did you mean {near}? Otherwise remove it"),
                (_, None) => "remove it, or see docs/configure.md for the known names".to_owned(),
            };
            ValueFault::new("is not a variable of ad-connector", advice).of(&printable(&name))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(process: &[(&str, &str)], file: &[(&str, &str)]) -> Environment {
        Environment {
            process: process
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            file: file
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            doubts: BTreeMap::new(),
        }
    }

    #[test]
    fn a_library_finds_what_is_in_the_real_environment_alone() {
        let environment = environment(&[("A", "real"), ("B", "")], &[("B", "file"), ("C", "file")]);
        assert!(environment.is_exported("A"));
        for name in ["B", "C", "D"] {
            assert!(!environment.is_exported(name), "{name}");
        }
    }

    #[test]
    fn the_real_environment_wins_over_the_file() {
        let environment = environment(
            &[("AD_HOST", "real")],
            &[("AD_HOST", "written"), ("AD_PORT", "3269")],
        );
        assert_eq!(environment.get("AD_HOST"), Some("real".into()));
        assert_eq!(environment.get("AD_PORT"), Some("3269".into()));
        assert_eq!(environment.get("AD_AUTH"), None);
        assert_eq!(environment.names(), ["AD_HOST", "AD_PORT"]);
    }

    #[test]
    fn an_empty_real_value_does_not_hide_the_file() {
        let environment = environment(&[("AD_PORT", "")], &[("AD_PORT", "3269")]);
        assert_eq!(environment.get("AD_PORT"), Some("3269".into()));
    }

    fn lines(name: &str, value: &str) -> Vec<String> {
        let given = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        unknown_names(&given, &BTreeSet::new())
            .iter()
            .map(ConfigProblem::to_string)
            .collect()
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_nearest() {
        for (name, near) in [
            ("AD_HOSTS", "AD_HOST"),
            ("AD_PASSWD", "AD_PASSWORD"),
            ("AD_PASSWORD_FIEL", "AD_PASSWORD_FILE"),
            ("QUALYS_GATEWAY", "QUALYS_GATEWAY_URL"),
            ("QUALYS_CLIENTID", "QUALYS_CLIENT_ID"),
            ("SYNC_TIMEZON", "SYNC_TIMEZONE"),
            ("LOG_LEVL", "LOG_LEVEL"),
            ("HTTP_LISTN", "HTTP_LISTEN"),
            ("REMOVAL_MAX_PERCENTAGE", "REMOVAL_MAX_PERCENT"),
        ] {
            assert_eq!(
                lines(name, "x"),
                [format!(
                    "{name}: is not a variable of ad-connector; did you mean {near}? Otherwise remove it"
                )]
            );
        }
        assert!(lines("AD_ENTIRELY_DIFFERENT", "x")[0].contains("docs/configure.md"));
    }

    #[test]
    fn a_former_name_is_refused_with_the_present_one() {
        assert_eq!(
            lines("AD_CONNECTIONS", "4"),
            ["AD_CONNECTIONS: has another name now; set AD_PARALLEL_READS instead"]
        );
        for (_, present) in FORMER_NAMES {
            assert!(lines(present, "4").is_empty());
        }
    }

    #[test]
    fn only_secrets_have_a_file_form() {
        assert!(
            lines("AD_HOST_FILE", "x")[0]
                .ends_with("set AD_HOST itself, only secrets may be given as a file")
        );
        assert!(lines("AD_PASSWORD_FILE", "x").is_empty());
    }

    #[test]
    fn what_is_empty_or_not_ours_is_let_alone() {
        assert!(lines("AD_HOSTS", "").is_empty());
        for name in [
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "http_proxy",
            "NO_PROXY",
            "PATH",
            "LOGNAME",
            "ADMIN",
            "STATE_DIRECTORY",
            "LOG_NAMESPACE",
            "NOTIFY_SOCKET",
            "AD_CONNECTOR_SERVICE_HOST",
            "AD_CONNECTOR_SERVICE_PORT_WEB",
            "AD_CONNECTOR_PORT",
            "AD_CONNECTOR_PORT_8080_TCP_ADDR",
            "ad_hosts",
        ] {
            assert!(lines(name, "x").is_empty(), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_cannot_move_the_cursor() {
        assert_eq!(
            lines("AD_\u{1b}[2JHOST", "x"),
            [
                "AD_\\u{1b}[2JHOST: is not a variable of ad-connector; remove it, or see docs/configure.md for the known names"
            ]
        );
    }

    #[test]
    fn r27_the_value_of_an_unknown_name_is_not_shown() {
        assert!(!lines("AD_PASSWD", "hunter2")[0].contains("hunter2"));
    }
}
