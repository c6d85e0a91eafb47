//! What a kill interrupted, as the places say that the program passed before (`ad_connector::failpoint`).

use std::collections::BTreeMap;
use std::fmt;

/// A part of the program's work: it goes on from one of the first places to one of the second.
struct Phase(&'static str, &'static [&'static str], &'static [&'static str]);

/// Reading, staging and delivering go on side by side, so a kill may interrupt several.
const PHASES: [Phase; 12] = [
    Phase("starting", &[START], &["locked"]),
    Phase("beginning the run", &["locked"], &["begin_run.committed"]),
    Phase(
        "connecting",
        &["begin_run.committed"],
        &["plan_run.begun", "end_run.begun"],
    ),
    Phase(
        "reading",
        &["plan_run.committed"],
        &["complete_read.begun", "end_run.begun"],
    ),
    Phase("staging", &["stage_page.begun"], &["stage_page.committed"]),
    Phase(
        "completing the read",
        &["complete_read.begun"],
        &["complete_read.committed"],
    ),
    Phase("delivering", &["posting"], &["answered"]),
    Phase("settling", &["answered"], &["settle.committed"]),
    Phase(
        "looking up what is missing",
        &["complete_read.committed"],
        &["conclude.begun", "end_run.begun"],
    ),
    Phase("removing", &["conclude.begun"], &["conclude.committed"]),
    Phase("ending the run", &["end_run.begun"], &["unlocking"]),
    Phase("between runs, or at the end", &["unlocking"], &["locked"]),
];

/// Stands for the program's first instruction.
const START: &str = "";

/// How often each phase was interrupted.
#[derive(Debug, Default)]
pub struct Histogram(BTreeMap<&'static str, u64>);

impl Histogram {
    /// Counts a kill after these places, one a line.
    pub fn count(&mut self, passed: &str) {
        for phase in interrupted(passed) {
            *self.0.entry(phase).or_default() += 1;
        }
    }

    /// Adds the counts of another one.
    pub fn add(&mut self, other: &Self) {
        for (phase, count) in &other.0 {
            *self.0.entry(phase).or_default() += count;
        }
    }

    /// The phases that no kill interrupted.
    pub fn missed(&self) -> Vec<&'static str> {
        let names = PHASES.iter().map(|phase| phase.0);
        names.filter(|name| !self.0.contains_key(name)).collect()
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Phase(name, ..) in &PHASES {
            writeln!(
                f,
                "  {:>5}  {name}",
                self.0.get(name).copied().unwrap_or_default()
            )?;
        }
        Ok(())
    }
}

fn interrupted(passed: &str) -> Vec<&'static str> {
    let places: Vec<&str> = std::iter::once(START).chain(passed.lines()).collect();
    let last = |of: &[&str]| places.iter().rposition(|place| of.contains(place));
    PHASES
        .iter()
        .filter(|Phase(_, from, to)| last(from).is_some_and(|from| last(to).is_none_or(|to| to < from)))
        .map(|phase| phase.0)
        .collect()
}

#[test]
fn a_kill_interrupts_what_was_begun_and_not_ended() {
    assert_eq!(interrupted(""), ["starting"]);
    let run = "register.committed\nlocked\nbegin_run.committed\nplan_run.begun\nplan_run.committed\n";
    assert_eq!(interrupted(run), ["reading"]);
    assert_eq!(
        interrupted(&format!("{run}stage_page.begun\nposting\n")),
        ["reading", "staging", "delivering"]
    );
    assert_eq!(
        interrupted(&format!("{run}posting\nanswered\nsettle.written\n")),
        ["reading", "settling"]
    );
    assert_eq!(
        interrupted(&format!("{run}end_run.begun\nend_run.committed\nunlocking\n")),
        ["between runs, or at the end"]
    );
}

#[test]
fn every_place_of_a_phase_exists() {
    let points: Vec<String> = ad_connector::failpoint::Point::all()
        .iter()
        .map(ToString::to_string)
        .collect();
    for Phase(name, from, to) in &PHASES {
        for place in from.iter().chain(*to).filter(|place| **place != START) {
            assert!(points.iter().any(|point| point == place), "{name}: {place}");
        }
    }
}
