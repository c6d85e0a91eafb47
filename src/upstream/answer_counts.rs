//! Counts of the gateway's answers since the start of the program.

use std::sync::atomic::{AtomicU64, Ordering};

/// Classes in which answers are counted. A status that has a meaning of its own (R19) is not
/// counted in its hundred.
pub const CLASSES: [&str; 9] = ["2xx", "3xx", "4xx", "5xx", "401", "409", "413", "429", "none"];

/// Number of answers to ingest requests in each class.
#[derive(Debug, Default)]
pub(super) struct AnswerCounts([AtomicU64; CLASSES.len()]);

impl AnswerCounts {
    /// Counts an answer; `None` is no answer.
    pub(super) fn count(&self, status: Option<u16>) {
        let class = class(status);
        let found = CLASSES.iter().zip(&self.0).find(|(name, _)| **name == class);
        if let Some((_, counter)) = found {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns every class with its count.
    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        CLASSES
            .into_iter()
            .zip(&self.0)
            .map(|(class, counter)| (class, counter.load(Ordering::Relaxed)))
            .collect()
    }
}

const fn class(status: Option<u16>) -> &'static str {
    match status {
        None => "none",
        Some(401) => "401",
        Some(409) => "409",
        Some(413) => "413",
        Some(429) => "429",
        Some(..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(500..) => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_a_class_that_is_counted() {
        let counts = AnswerCounts::default();
        for status in 100..=999 {
            counts.count(Some(status));
        }
        counts.count(None);
        assert_eq!(counts.counts().iter().map(|(_, count)| count).sum::<u64>(), 901);
        assert_eq!(
            counts.counts()[2],
            ("4xx", 96),
            "without the four that are counted apart"
        );
    }
}
