//! Outcome of a campaign: what was met, and how long changes took.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::fault::FaultKind;
use crate::round::Phase;

/// Outcome of a campaign.
#[derive(Default)]
pub struct Score {
    /// Time from a fault until a change that was made at its beginning had arrived, by kind.
    pub times: BTreeMap<FaultKind, Vec<Duration>>,
    /// Number of times that each phase was met.
    pub met: BTreeMap<Phase, usize>,
}

impl Score {
    /// Adds the outcome of another pair.
    pub fn add(&mut self, other: Self) {
        for (kind, took) in other.times {
            self.times.entry(kind).or_default().extend(took);
        }
        for (phase, count) in other.met {
            *self.met.entry(phase).or_default() += count;
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Time until a change had arrived that was made when the fault began:"
        )?;
        writeln!(f, "fault      number     half  9 of 10  longest")?;
        for (kind, took) in &self.times {
            let mut took = took.clone();
            took.sort();
            let part = |tenths: usize| took[(took.len() - 1) * tenths / 10].as_secs_f64();
            writeln!(
                f,
                "{:<10} {:>6} {:>6.1} s {:>6.1} s {:>6.1} s",
                format!("{kind:?}"),
                took.len(),
                part(5),
                part(9),
                part(10)
            )?;
        }
        write!(f, "Met: {:?}", self.met)
    }
}
