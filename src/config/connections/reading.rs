//! State of the reading of a file, and the problems that it notes at their lines.

use std::ops::Range;

use super::file::ConnectionsFile;
use super::table::in_words;
use crate::config::refused::ValueFault;

/// Reading of the text of one file into `file`.
pub(super) struct TableReading<'a, V> {
    pub(super) text: &'a str,
    pub(super) file: &'a mut ConnectionsFile,
    pub(super) environment: &'a V,
}

impl<V> TableReading<'_, V> {
    pub(super) fn note(&mut self, place: &Range<usize>, label: &str, fault: ValueFault) {
        self.push(self.line(place), label, fault);
    }

    pub(super) fn push(&mut self, line: usize, label: &str, fault: ValueFault) {
        let cause = in_words(label, &fault.cause);
        let problem = ValueFault::new(cause, fault.advice).at(&self.file.name, line);
        self.file.problems.push(problem);
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
}
