//! Reads variables one by one and collects every problem on the way.

use std::ffi::OsString;

use super::environment::Variables;
use super::refused::{ConfigProblem, ValueFault, quoted};
use super::secret::{self, Secret, SecretCheck, SecretFile};
use super::variables::{DefaultValue, VariableDefinition};

/// Value that was found under a name.
///
/// `Bad` is apart from `Absent` so that a value already complained about is not called missing as
/// well. It has no `Debug`: it may hold a secret that is not wrapped yet (R27).
pub(super) enum FieldValue<T> {
    Absent,
    Bad,
    Given(T),
}

impl<T> FieldValue<T> {
    pub fn is_given(&self) -> bool {
        matches!(self, Self::Given(_))
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Returns `None` only when the value is bad; absent is `Some(None)`.
    pub fn optional(self) -> Option<Option<T>> {
        match self {
            Self::Absent => Some(None),
            Self::Bad => None,
            Self::Given(value) => Some(Some(value)),
        }
    }
}

/// Values out of [`Variables`]. `None` from a method means that a problem was noted.
pub(super) struct VariableReader<'a, V> {
    variables: &'a V,
    problems: Vec<ConfigProblem>,
    secret_files: Vec<SecretFile>,
}

impl<'a, V: Variables> VariableReader<'a, V> {
    pub fn new(variables: &'a V) -> Self {
        Self {
            variables,
            problems: Vec::new(),
            secret_files: Vec::new(),
        }
    }

    pub fn into_problems(self) -> Vec<ConfigProblem> {
        self.problems
    }

    /// Takes the files from which secrets were read.
    pub fn take_secret_files(&mut self) -> Vec<SecretFile> {
        std::mem::take(&mut self.secret_files)
    }

    /// Returns the number of problems that were found so far.
    pub fn count(&self) -> usize {
        self.problems.len()
    }

    /// Returns the value of a variable of a library; `None` where it is empty.
    pub fn given(&self, name: &str) -> Option<OsString> {
        self.variables.get(name).filter(|value| !value.is_empty())
    }

    /// Notes a variable of a library that is given in `.env` alone, where the library does not find
    /// it.
    pub fn must_be_exported(&mut self, name: &str) {
        if self.variables.get(name).is_some_and(|value| !value.is_empty())
            && !self.variables.is_exported(name)
        {
            let fault = ValueFault::new(
                "is read by the Kerberos library, which does not know .env",
                "set it in the real environment: `export`, `environment:` of compose, `Environment=` of systemd",
            );
            self.problems.push(fault.of(name));
        }
    }

    /// Notes that `variable` is bad.
    pub fn refuse(&mut self, variable: &VariableDefinition, fault: ValueFault) {
        self.problems.push(fault.of(variable.name));
    }

    /// Notes that a key of a schedule is bad.
    pub fn refuse_key(&mut self, key: &str, fault: ValueFault) {
        self.problems.push(fault.of(key));
    }

    /// Notes that `variable` is needed, and why.
    pub fn require(&mut self, variable: &VariableDefinition, why: &str) {
        let advice = match variable.file_name() {
            Some(file) => format!("set it, or {file} to the path of a file that holds it"),
            None => "set it".to_owned(),
        };
        self.refuse(
            variable,
            ValueFault::new(why, format!("{advice} ({})", variable.meaning)),
        );
    }

    /// Reads a variable that may be absent.
    pub fn optional<T>(
        &mut self,
        variable: &VariableDefinition,
        check: impl Fn(&str) -> Result<T, ValueFault>,
    ) -> FieldValue<T> {
        match self.text(variable) {
            FieldValue::Given(text) => match check(&text) {
                Ok(value) => FieldValue::Given(value),
                Err(fault) => {
                    self.refuse(variable, fault);
                    FieldValue::Bad
                }
            },
            FieldValue::Absent => FieldValue::Absent,
            FieldValue::Bad => FieldValue::Bad,
        }
    }

    /// Reads a variable with a default, or a required one.
    pub fn value<T>(
        &mut self,
        variable: &VariableDefinition,
        check: impl Fn(&str) -> Result<T, ValueFault>,
    ) -> Option<T> {
        match self.optional(variable, &check) {
            FieldValue::Given(value) => Some(value),
            FieldValue::Bad => None,
            FieldValue::Absent => {
                if let DefaultValue::Default(default) = variable.unset {
                    return check(default).map_err(|fault| self.refuse(variable, fault)).ok();
                }
                self.require(variable, "is required");
                None
            }
        }
    }

    /// Reads a secret, from the variable or from the file that `NAME_FILE` names. Its value is in
    /// no problem (R27).
    pub fn secret(&mut self, variable: &'static VariableDefinition) -> FieldValue<Secret> {
        self.checked_secret(variable, |_| Ok(()))
    }

    /// Reads a secret in the same way, with a further check.
    pub fn checked_secret(
        &mut self,
        variable: &'static VariableDefinition,
        check: SecretCheck,
    ) -> FieldValue<Secret> {
        let file = variable
            .file_name()
            .map_or(FieldValue::Absent, |name| self.raw(&name));
        let (text, path) = match (self.raw(variable.name), file) {
            (FieldValue::Absent, FieldValue::Absent) => return FieldValue::Absent,
            (FieldValue::Absent, FieldValue::Given(path)) => match secret::read(&path) {
                Ok(text) => (text, Some(path)),
                Err(fault) => {
                    let name = variable.file_name().unwrap_or_default();
                    self.problems.push(fault.of(&name));
                    return FieldValue::Bad;
                }
            },
            (FieldValue::Given(text), FieldValue::Absent) => (text, None),
            (FieldValue::Given(_), FieldValue::Given(_)) => {
                let both = ValueFault::new("is given twice, also by its _FILE form", "keep one of the two");
                self.refuse(variable, both);
                return FieldValue::Bad;
            }
            _ => return FieldValue::Bad,
        };
        let place = path
            .as_ref()
            .map_or_else(String::new, |path| format!(" in {}", quoted(path)));
        if let Err(fault) = secret::validate(variable, &text, &place, check) {
            self.refuse(variable, fault);
            return FieldValue::Bad;
        }
        let secret = Secret::from(text);
        let file = path.map(|path| SecretFile::new(variable, &path, secret.clone(), check));
        self.secret_files.extend(file);
        FieldValue::Given(secret)
    }

    /// Reads a secret in the same way that is not read again while the program runs.
    pub fn fixed_secret(
        &mut self,
        variable: &'static VariableDefinition,
        check: SecretCheck,
    ) -> FieldValue<Secret> {
        let files = self.secret_files.len();
        let found = self.checked_secret(variable, check);
        self.secret_files.truncate(files);
        found
    }

    /// Reads the first of several spellings of one name that is set.
    pub fn either<T>(
        &mut self,
        variable: &VariableDefinition,
        other: &str,
        check: impl Fn(&str) -> Result<T, ValueFault>,
    ) -> FieldValue<T> {
        match self.optional(variable, &check) {
            FieldValue::Absent => {}
            found => return found,
        }
        match self.raw(other) {
            FieldValue::Given(text) => match check(text.trim()) {
                Ok(value) => FieldValue::Given(value),
                Err(fault) => {
                    self.problems.push(fault.of(other));
                    FieldValue::Bad
                }
            },
            FieldValue::Absent => FieldValue::Absent,
            FieldValue::Bad => FieldValue::Bad,
        }
    }

    /// Returns the schedule that a file of connections has in place of a cron expression.
    pub fn schedule(&self) -> Option<&'a serde_json::Value> {
        self.variables.schedule()
    }

    /// Returns the baselines that a file of connections has in place of a cron expression.
    pub fn baseline(&self) -> Option<&'a serde_json::Value> {
        self.variables.baseline()
    }

    /// Reports whether baselines are given for this connection in particular.
    pub fn has_own_baseline(&self) -> bool {
        self.variables.has_own_baseline()
    }

    /// Reads the value without spaces around it, of one line.
    fn text(&mut self, variable: &VariableDefinition) -> FieldValue<String> {
        match self.raw(variable.name) {
            FieldValue::Given(text) => match text.trim() {
                "" => FieldValue::Absent,
                text if text.chars().any(char::is_control) => {
                    let advice = "write it on one line; in .env, put the value in single quotes";
                    let cause = "holds a control character (a line break, a tab)";
                    self.refuse(variable, ValueFault::new(cause, advice));
                    FieldValue::Bad
                }
                text => FieldValue::Given(text.to_owned()),
            },
            other => other,
        }
    }

    /// Reads the value as given. An empty one counts as unset, because docker compose passes on an
    /// unset variable as an empty one.
    fn raw(&mut self, name: &str) -> FieldValue<String> {
        match self.variables.get(name) {
            None => FieldValue::Absent,
            Some(value) if value.is_empty() => FieldValue::Absent,
            Some(value) => match value.into_string() {
                Ok(text) => FieldValue::Given(text),
                Err(_) => {
                    self.problems
                        .push(ValueFault::new("is not UTF-8 text", "write it in UTF-8").of(name));
                    FieldValue::Bad
                }
            },
        }
    }
}
