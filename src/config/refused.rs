//! Problems of a configuration, all reported in one pass.

use std::fmt;

use super::variables;

use crate::exit_code;

/// Name of the file `.env`, under which its problems are reported.
pub(super) const DOTENV_FILE: &str = ".env";

/// The configuration as a whole is refused; every bad key is listed.
///
/// `Display` gives one line per problem, `NAME: cause; next step`. No value of a secret is in it
/// (R27).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    problems: Vec<ConfigProblem>,
}

/// One bad key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The variable, `.env` where the file itself is the problem, or `FILE:LINE` in the file of
    /// connections.
    pub name: String,
    /// Line in the file of connections, counted from 1.
    pub line: Option<usize>,
    /// Cause of the problem, lower-case, without a full stop.
    pub cause: String,
    /// Remedy.
    pub advice: String,
}

impl ConfigError {
    /// Sorts the problems: `.env` first, then the variables in the order of the reference, the file
    /// of connections line by line, then unknown names. A problem that comes twice (of each
    /// connection, by one variable) is kept once.
    pub(super) fn new(mut problems: Vec<ConfigProblem>) -> Self {
        problems.sort_by_cached_key(|problem| {
            let place = match problem.name.as_str() {
                DOTENV_FILE => 0,
                _ if problem.line.is_some() => usize::MAX - 1,
                name => variables::position(name).map_or(usize::MAX, |position| position + 1),
            };
            (place, problem.line, problem.name.clone())
        });
        let mut said = std::collections::BTreeSet::new();
        problems.retain(|problem| said.insert(problem.to_string()));
        Self { problems }
    }

    /// Returns every problem found, in a stable order.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }

    /// Returns the exit code of the program: always 64.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        exit_code::USAGE
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.name, self.cause, self.advice)
    }
}

/// Reason why a text is not a value of the kind asked for. It becomes a [`ConfigProblem`] once the
/// variable's name is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueFault {
    pub cause: String,
    pub advice: String,
}

impl ValueFault {
    pub fn new(cause: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            advice: advice.into(),
        }
    }

    pub fn of(self, name: &str) -> ConfigProblem {
        ConfigProblem {
            name: name.to_owned(),
            line: None,
            cause: self.cause,
            advice: self.advice,
        }
    }

    /// Returns the problem of a line of the file of connections.
    pub fn at(self, file: &str, line: usize) -> ConfigProblem {
        ConfigProblem {
            line: Some(line),
            ..self.of(&format!("{}:{line}", printable(file)))
        }
    }
}

/// Returns `text` between backquotes, as [`printable`].
pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", printable(text))
}

/// Returns `text` fit for one line of a terminal: control characters escaped, at most 80
/// characters.
pub(super) fn printable(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown = String::with_capacity(LONGEST + 3);
    for (index, character) in text.chars().enumerate() {
        if index == LONGEST {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Returns the candidate nearest to `text`, where one is near enough to be a likely slip of the
/// keyboard.
pub(crate) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // 0.75: measured on the known names: one or two slips in a name stay above it, another name
    // falls below.
    const LIKELY: f64 = 0.75;
    let wanted = text.to_ascii_lowercase();
    candidates
        .into_iter()
        // Lengths further apart than this cannot be alike; it spares the costly comparison.
        .filter(|candidate| candidate.len().abs_diff(wanted.len()) * 4 <= candidate.len().max(wanted.len()))
        .map(|candidate| {
            let likeness = strsim::normalized_damerau_levenshtein(&wanted, &candidate.to_ascii_lowercase());
            (likeness, candidate)
        })
        .filter(|(likeness, _)| *likeness >= LIKELY)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_a_line_of_its_own_in_the_order_of_the_reference() {
        let refused = ConfigError::new(vec![
            ValueFault::new("is unknown", "remove it").of("AD_ZEBRA"),
            ValueFault::new("is bad", "mend it").of("LOG_LEVEL"),
            ValueFault::new("is missing", "set it").of("AD_HOST"),
            ValueFault::new("line 3 is malformed", "mend it").of(".env"),
        ]);
        assert_eq!(
            refused.to_string(),
            ".env: line 3 is malformed; mend it\nAD_HOST: is missing; set it\nLOG_LEVEL: is bad; mend it\n\
             AD_ZEBRA: is unknown; remove it"
        );
        assert_eq!(refused.exit_code(), 64);
        assert_eq!(refused.problems().len(), 4);
    }

    #[test]
    fn what_is_quoted_stays_on_one_line_and_short() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), "`a\\nb\\u{1b}[31m`");
        assert_eq!(quoted(&"x".repeat(500)).chars().count(), 83);
    }

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["AD_HOST", "AD_PORT", "QUALYS_GATEWAY_URL"];
        assert_eq!(nearest("AD_HOSTS", names), Some("AD_HOST"));
        assert_eq!(nearest("ad_prot", names), Some("AD_PORT"));
        assert_eq!(nearest("QUALYS_GATEWAY_URI", names), Some("QUALYS_GATEWAY_URL"));
        assert_eq!(nearest("AD_SOMETHING_ELSE", names), None);
    }
}
