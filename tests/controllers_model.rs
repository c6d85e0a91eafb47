//! Executable model of the rules for several controllers (R2, R22), without directory, store or
//! gateway.
//!
//! Controllers replicate object by object, in any order. A connector reads now one of them and now
//! another. The model holds what the connector records (`first_seq`, `changed_seq`, `changed_by`,
//! `known_seq`, `missed_on`), and random histories show that these records suffice: with every rule
//! no history goes wrong, and without any one of them some history does.

#![allow(clippy::expect_used, reason = "a failing check may panic")]

#[path = "controllers_model/connector.rs"]
mod connector;
#[path = "controllers_model/domain.rs"]
mod domain;

use std::fmt::Write as _;

use connector::{Connector, Ending, Rules};
use domain::{Domain, OBJECTS, State};
use fastrand::Rng;

/// Rng histories a set of rules is tried with.
const HISTORIES: u64 = 20_000;

/// Step of a history.
#[derive(Debug, Clone, Copy)]
enum Step {
    Write { on: usize, object: usize },
    MoveInto { on: usize, object: usize },
    MoveOut { on: usize, object: usize },
    Delete { on: usize, object: usize },
    Restore { on: usize, object: usize },
    Replicate { from: usize, to: usize, object: usize },
    ReplicateAll { from: usize, to: usize },
    Delta { on: usize, ending: Ending },
    FullRead { on: usize, ending: Ending },
}

fn draw(random: &mut Rng, controllers: usize) -> Step {
    let (on, to, object) = (
        random.usize(0..controllers),
        random.usize(0..controllers),
        random.usize(0..OBJECTS),
    );
    let ending = match random.usize(0..7) {
        0..2 => Ending::DuringRead,
        2 => Ending::BeforeLookUps,
        3 => Ending::DuringLookUps,
        _ => Ending::Complete,
    };
    match random.usize(0..26) {
        0..6 => Step::Write { on, object },
        6..8 => Step::Delete { on, object },
        8 => Step::Restore { on, object },
        9 => Step::MoveInto { on, object },
        10 => Step::MoveOut { on, object },
        11..15 => Step::Replicate { from: on, to, object },
        15 => Step::ReplicateAll { from: on, to },
        16..22 => Step::Delta { on, ending },
        _ => Step::FullRead { on, ending },
    }
}

struct History {
    domain: Domain,
    connector: Connector,
    trace: Vec<Step>,
}

impl History {
    fn take(&mut self, step: Step) -> Result<(), String> {
        self.trace.push(step);
        match step {
            Step::Write { on, object } => self.domain.write(on, object),
            Step::MoveInto { on, object } => self.domain.move_object(on, object, true),
            Step::MoveOut { on, object } => self.domain.move_object(on, object, false),
            Step::Delete { on, object } => self.domain.delete(on, object),
            Step::Restore { on, object } => self.domain.restore(on, object),
            Step::Replicate { from, to, object } => self.domain.replicate(from, to, object),
            Step::ReplicateAll { from, to } => self.domain.replicate_all(from, to),
            Step::Delta { on, ending } => return self.run(on, false, ending),
            Step::FullRead { on, ending } => return self.run(on, true, ending),
        }
        Ok(())
    }

    fn run(&mut self, on: usize, full: bool, ending: Ending) -> Result<(), String> {
        self.connector.run(&mut self.domain, on, full, ending);
        for removal in self.connector.removals.drain(..) {
            if self.domain.replicas[removal.on].records[removal.object].is_none() {
                return Err(format!(
                    "{} removed by controller {}, which never had it",
                    removal.object, removal.on
                ));
            }
            if !self.domain.left[removal.object] {
                return Err(format!(
                    "{} removed by controller {}, and it never left",
                    removal.object, removal.on
                ));
            }
        }
        if ending == Ending::Complete {
            self.holds_what_is_shown(on)
        } else {
            Ok(())
        }
    }

    /// Checks the promise: upstream holds what the controller that was read returned.
    fn holds_what_is_shown(&self, on: usize) -> Result<(), String> {
        for object in 0..OBJECTS {
            let Some(shown) = self.domain.shown(on, object) else {
                continue;
            };
            let held = self.connector.objects[object].map(|known| known.value);
            if held != Some(shown) {
                return Err(format!(
                    "after a run on {on}: {object} is {held:?} upstream and {shown} there"
                ));
            }
        }
        Ok(())
    }

    /// Checks that one run on any controller leads to the converged state, and that baselines
    /// remove what is gone.
    fn converge(&mut self, random: &mut Rng) -> Result<(), String> {
        let controllers = self.domain.replicas.len();
        for _ in 0..2 {
            for from in 0..controllers {
                for to in 0..controllers {
                    self.domain.replicate_all(from, to);
                }
            }
        }
        let on = random.usize(0..controllers);
        self.take(Step::Delta {
            on,
            ending: Ending::Complete,
        })?;
        if self.domain.shows_tombstones {
            self.nothing_left("after a delta", |state| state == State::Deleted)?;
        }
        // A full read that broke off is not resumed after a day.
        self.connector.unfinished = None;
        for on in 0..controllers {
            self.take(Step::FullRead {
                on,
                ending: Ending::Complete,
            })?;
        }
        self.nothing_left("after baselines", |state| state != State::InScope)
    }

    fn nothing_left(&self, when: &str, gone: impl Fn(State) -> bool) -> Result<(), String> {
        for object in 0..OBJECTS {
            let record = self.domain.replicas[0].records[object];
            if self.connector.objects[object].is_some() && record.is_some_and(|record| gone(record.state())) {
                return Err(format!("{when}: {object} is gone everywhere and not removed"));
            }
        }
        Ok(())
    }
}

/// Plays the history of `seed`; an error says what went wrong, and in which steps.
fn play(seed: u64, rules: Rules) -> Result<(), String> {
    let mut random = Rng::with_seed(seed);
    let controllers = 2 + usize::from(random.usize(0..3) == 0);
    let shows_tombstones = random.usize(0..2) == 0;
    let steps = 8 + random.usize(0..30);
    let mut history = History {
        domain: Domain::new(controllers, shows_tombstones, Rng::with_seed(!seed)),
        connector: Connector::new(controllers, rules, Rng::with_seed(seed ^ 0x5555)),
        trace: Vec::new(),
    };
    let outcome = (0..steps)
        .try_for_each(|_| history.take(draw(&mut random, controllers)))
        .and_then(|()| history.converge(&mut random));
    outcome.map_err(|wrong| {
        let mut text =
            format!("history {seed} ({controllers} controllers, tombstones {shows_tombstones}): {wrong}");
        for (number, step) in history.trace.iter().enumerate() {
            let _ = write!(text, "\n  {}. {step:?}", number + 1);
        }
        text
    })
}

/// Returns the shortest wrong history, and the number of wrong ones.
fn wrong_histories(rules: Rules) -> (usize, Option<String>) {
    let histories = std::env::var("MODEL_HISTORIES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(HISTORIES);
    let wrong: Vec<String> = (0..histories)
        .filter_map(|seed| play(seed, rules).err())
        .collect();
    (
        wrong.len(),
        wrong.into_iter().min_by_key(|text| text.lines().count()),
    )
}

#[track_caller]
fn assert_some_go_wrong(rules: Rules) {
    let (wrong, shortest) = wrong_histories(rules);
    let shortest = shortest.expect("without the rule no history goes wrong: the check cannot fail");
    println!("{wrong} wrong; the shortest is {shortest}");
}

#[test]
fn r02_r22_with_every_rule_no_history_goes_wrong() {
    let (wrong, shortest) = wrong_histories(Rules::ALL);
    assert_eq!(wrong, 0, "the shortest is {}", shortest.unwrap_or_default());
}

#[test]
fn r02_without_the_re_read_of_what_others_returned_some_go_wrong() {
    assert_some_go_wrong(Rules {
        reread: false,
        ..Rules::ALL
    });
}

#[test]
fn r02_without_the_re_read_of_what_others_removed_some_go_wrong() {
    assert_some_go_wrong(Rules {
        reread_removed: false,
        ..Rules::ALL
    });
}

#[test]
fn r02_without_the_re_read_at_the_end_of_a_resumed_full_read_some_go_wrong() {
    assert_some_go_wrong(Rules {
        reread_resumed: false,
        ..Rules::ALL
    });
}

#[test]
fn r22_without_the_witness_some_go_wrong() {
    assert_some_go_wrong(Rules {
        witness: false,
        ..Rules::ALL
    });
}

#[test]
fn r22_with_a_high_water_mark_instead_of_the_record_of_misses_some_go_wrong() {
    assert_some_go_wrong(Rules {
        record_misses: false,
        ..Rules::ALL
    });
}

#[test]
fn r22_with_misses_recorded_after_the_watermark_some_go_wrong() {
    assert_some_go_wrong(Rules {
        misses_commit_with_watermark: false,
        ..Rules::ALL
    });
}

#[test]
fn r22_with_a_place_out_of_scope_as_proof_of_any_controller_some_go_wrong() {
    assert_some_go_wrong(Rules {
        witness_of_scope: false,
        ..Rules::ALL
    });
}

#[test]
fn r02_with_the_return_of_a_candidate_not_counted_as_a_change_some_go_wrong() {
    assert_some_go_wrong(Rules {
        returns_are_changes: false,
        ..Rules::ALL
    });
}
