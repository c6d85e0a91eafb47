//! Mistakes in a mapping file: all of them, each with its line.

use std::fmt;
use std::ops::Range;

/// Every mistake found in one mapping file, in the order of its lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct MappingErrors(Vec<MappingError>);

/// Mistake in a mapping file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingError {
    /// Name of the file, as it was given.
    pub file: String,
    /// Line, counted from 1; `None` when the file as a whole is at fault.
    pub line: Option<usize>,
    /// Description of the mistake; with the correct form, unless that is the remedy.
    pub reason: String,
    /// Correct form, where the reason does not say it.
    pub remedy: Option<String>,
}

impl MappingErrors {
    /// Returns the mistakes.
    #[must_use]
    pub fn as_slice(&self) -> &[MappingError] {
        &self.0
    }
}

impl fmt::Display for MappingErrors {
    /// Writes a line for each mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for MappingError {
    /// Writes `file:line: reason; remedy`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.reason)?,
            None => write!(f, "{}: {}", self.file, self.reason)?,
        }
        match &self.remedy {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

/// Mistakes collected while a file is read.
pub(super) struct MistakeReport<'a> {
    file: &'a str,
    text: &'a str,
    errors: Vec<MappingError>,
}

impl<'a> MistakeReport<'a> {
    pub(super) const fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            text,
            errors: Vec::new(),
        }
    }

    /// Adds a mistake at a place of the text, given in bytes.
    pub(super) fn at(&mut self, place: &Range<usize>, reason: impl Into<String>) {
        let line = self.line(place);
        self.push(Some(line), reason.into(), None);
    }

    /// Adds a mistake at a place of the text, with what to write instead.
    pub(super) fn at_with(&mut self, place: &Range<usize>, reason: impl Into<String>, remedy: String) {
        let line = self.line(place);
        self.push(Some(line), reason.into(), Some(remedy));
    }

    /// Adds a mistake of the file as a whole.
    pub(super) fn whole(&mut self, reason: impl Into<String>) {
        self.push(None, reason.into(), None);
    }

    /// Returns the line of a place, counted from 1.
    pub(super) fn line(&self, place: &Range<usize>) -> usize {
        let before = self
            .text
            .as_bytes()
            .get(..place.start)
            .unwrap_or(self.text.as_bytes());
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Returns `value`, unless a mistake was added.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, MappingErrors> {
        if self.errors.is_empty() {
            return Ok(value);
        }
        self.errors.sort_by_key(|error| error.line);
        Err(MappingErrors(self.errors))
    }

    fn push(&mut self, line: Option<usize>, reason: String, remedy: Option<String>) {
        self.errors.push(MappingError {
            file: self.file.to_owned(),
            line,
            reason,
            remedy,
        });
    }
}

/// Returns `did you mean …?` with the known name nearest to `name`, or the whole list when none
/// is near.
pub(super) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    /// Distance of two typing errors; a larger one makes a guess, not a help.
    const NEAR: usize = 2;
    let known: Vec<&str> = known.into_iter().collect();
    let name = name.to_lowercase();
    let distances = known
        .iter()
        .map(|other| (strsim::damerau_levenshtein(&name, other), *other));
    match distances.min() {
        Some((distance, nearest)) if distance <= NEAR => format!("did you mean `{nearest}`?"),
        _ => format!("known are {}", known.join(", ")),
    }
}
