//! Reads variables one by one and collects every problem on the way.

use std::ffi::OsString;

use super::environment::Variables;
use super::refused::{Fault, Problem, quoted};
use super::secret::{self, Secret, SecretCheck, SecretFile};
use super::variables::{Unset, Variable};

/// What was found under a name.
///
/// `Bad` is apart from `Absent` so that a value already complained about is not called missing as well.
/// It has no `Debug`: it may hold a secret that is not wrapped yet (R27).
pub(super) enum Field<T> {
    Absent,
    Bad,
    Given(T),
}

impl<T> Field<T> {
    pub fn is_given(&self) -> bool {
        matches!(self, Self::Given(_))
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// `None` only when the value is bad; absent is `Some(None)`.
    pub fn optional(self) -> Option<Option<T>> {
        match self {
            Self::Absent => Some(None),
            Self::Bad => None,
            Self::Given(value) => Some(Some(value)),
        }
    }
}

/// Values out of [`Variables`]. `None` from a method means that a problem was noted.
pub(super) struct Reader<'a, V> {
    variables: &'a V,
    problems: Vec<Problem>,
    secret_files: Vec<SecretFile>,
}

impl<'a, V: Variables> Reader<'a, V> {
    pub fn new(variables: &'a V) -> Self {
        Self {
            variables,
            problems: Vec::new(),
            secret_files: Vec::new(),
        }
    }

    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Takes the files from which secrets were read.
    pub fn take_secret_files(&mut self) -> Vec<SecretFile> {
        std::mem::take(&mut self.secret_files)
    }

    /// How many problems were noted so far.
    pub fn count(&self) -> usize {
        self.problems.len()
    }

    /// Returns the value of a variable of a library; `None` where it is empty.
    pub fn given(&self, name: &str) -> Option<OsString> {
        self.variables.get(name).filter(|value| !value.is_empty())
    }

    /// Notes a variable of a library that is given in `.env` alone, where the library does not find it.
    pub fn must_be_exported(&mut self, name: &str) {
        if self.variables.get(name).is_some_and(|value| !value.is_empty())
            && !self.variables.is_exported(name)
        {
            let fault = Fault::new(
                "is read by the Kerberos library, which does not know .env",
                "set it in the real environment: `export`, `environment:` of compose, `Environment=` of systemd",
            );
            self.problems.push(fault.of(name));
        }
    }

    /// Notes that `variable` is bad.
    pub fn refuse(&mut self, variable: &Variable, fault: Fault) {
        self.problems.push(fault.of(variable.name));
    }

    /// Notes that `variable` is needed, and why.
    pub fn require(&mut self, variable: &Variable, why: &str) {
        let advice = match variable.file_name() {
            Some(file) => format!("set it, or {file} to the path of a file that holds it"),
            None => "set it".to_owned(),
        };
        self.refuse(
            variable,
            Fault::new(why, format!("{advice} ({})", variable.meaning)),
        );
    }

    /// A variable that may be absent.
    pub fn optional<T>(&mut self, variable: &Variable, check: impl Fn(&str) -> Result<T, Fault>) -> Field<T> {
        match self.text(variable) {
            Field::Given(text) => match check(&text) {
                Ok(value) => Field::Given(value),
                Err(fault) => {
                    self.refuse(variable, fault);
                    Field::Bad
                }
            },
            Field::Absent => Field::Absent,
            Field::Bad => Field::Bad,
        }
    }

    /// A variable with a default, or a required one.
    pub fn value<T>(&mut self, variable: &Variable, check: impl Fn(&str) -> Result<T, Fault>) -> Option<T> {
        match self.optional(variable, &check) {
            Field::Given(value) => Some(value),
            Field::Bad => None,
            Field::Absent => {
                if let Unset::Default(default) = variable.unset {
                    return check(default).map_err(|fault| self.refuse(variable, fault)).ok();
                }
                self.require(variable, "is required");
                None
            }
        }
    }

    /// A secret, from the variable or from the file that `NAME_FILE` names. Its value is in no problem (R27).
    pub fn secret(&mut self, variable: &'static Variable) -> Field<Secret> {
        self.checked_secret(variable, |_| Ok(()))
    }

    /// The same with a further check.
    pub fn checked_secret(&mut self, variable: &'static Variable, check: SecretCheck) -> Field<Secret> {
        let file = variable.file_name().map_or(Field::Absent, |name| self.raw(&name));
        let (text, path) = match (self.raw(variable.name), file) {
            (Field::Absent, Field::Absent) => return Field::Absent,
            (Field::Absent, Field::Given(path)) => match secret::read(&path) {
                Ok(text) => (text, Some(path)),
                Err(fault) => {
                    let name = variable.file_name().unwrap_or_default();
                    self.problems.push(fault.of(&name));
                    return Field::Bad;
                }
            },
            (Field::Given(text), Field::Absent) => (text, None),
            (Field::Given(_), Field::Given(_)) => {
                let both = Fault::new("is given twice, also by its _FILE form", "keep one of the two");
                self.refuse(variable, both);
                return Field::Bad;
            }
            _ => return Field::Bad,
        };
        let place = path
            .as_ref()
            .map_or_else(String::new, |path| format!(" in {}", quoted(path)));
        if let Err(fault) = secret::validate(variable, &text, &place, check) {
            self.refuse(variable, fault);
            return Field::Bad;
        }
        let secret = Secret::from(text);
        let file = path.map(|path| SecretFile::new(variable, &path, secret.clone(), check));
        self.secret_files.extend(file);
        Field::Given(secret)
    }

    /// The first of several spellings of one name that is set.
    pub fn either<T>(
        &mut self,
        variable: &Variable,
        other: &str,
        check: impl Fn(&str) -> Result<T, Fault>,
    ) -> Field<T> {
        match self.optional(variable, &check) {
            Field::Absent => {}
            found => return found,
        }
        match self.raw(other) {
            Field::Given(text) => match check(text.trim()) {
                Ok(value) => Field::Given(value),
                Err(fault) => {
                    self.problems.push(fault.of(other));
                    Field::Bad
                }
            },
            Field::Absent => Field::Absent,
            Field::Bad => Field::Bad,
        }
    }

    /// The value without spaces around it, of one line.
    fn text(&mut self, variable: &Variable) -> Field<String> {
        match self.raw(variable.name) {
            Field::Given(text) => match text.trim() {
                "" => Field::Absent,
                text if text.chars().any(char::is_control) => {
                    let advice = "write it on one line; in .env, put the value in single quotes";
                    let cause = "holds a control character (a line break, a tab)";
                    self.refuse(variable, Fault::new(cause, advice));
                    Field::Bad
                }
                text => Field::Given(text.to_owned()),
            },
            other => other,
        }
    }

    /// The value as given. An empty one counts as unset, because docker compose passes on what is not set so.
    fn raw(&mut self, name: &str) -> Field<String> {
        match self.variables.get(name) {
            None => Field::Absent,
            Some(value) if value.is_empty() => Field::Absent,
            Some(value) => match value.into_string() {
                Ok(text) => Field::Given(text),
                Err(_) => {
                    self.problems
                        .push(Fault::new("is not UTF-8 text", "write it in UTF-8").of(name));
                    Field::Bad
                }
            },
        }
    }
}
