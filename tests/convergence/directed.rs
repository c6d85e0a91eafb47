//! Histories that are not drawn: what two controllers can do to a reader, one case each, at its
//! smallest.

use lab::simulator::On;

use super::history::{Change, DirectoryFault, Event, History, Mode, Run, Setting, Step, Trouble};
use super::player;

const UNIT_OUTSIDE: u8 = 3;
const UNIT_CORP: u8 = 0;

pub fn setting() -> Setting {
    Setting {
        objects: 1,
        narrow: true,
        sees_deleted: false,
        tells_removals: false,
        removal_percent: 100,
        dirsync: false,
        controllers: 2,
        lag_is_over: false,
        page_size: 1000,
        connections: 1,
        batch_assets: 50,
        concurrency: 1,
        roles: false,
        ownership: None,
    }
}

fn change(on: usize, change: Change) -> Step {
    Step::Event(Event::Change(on, change))
}

fn replicate(from: usize, object: u16) -> Step {
    Step::Event(Event::ReplicateOne { from, object })
}

/// A run that can reach this controller alone.
fn run(on: usize, mode: Mode) -> Step {
    Step::Run(Run {
        down: Some(1 - on),
        ..Run::of(mode)
    })
}

#[track_caller]
pub fn assert_converges(setting: Setting, steps: Vec<Step>) {
    let history = History {
        seed: 1,
        setting,
        steps,
    };
    let mut trace = Vec::new();
    if let Err(wrong) = player::play(&history, &mut trace) {
        panic!("{wrong}\n{history}as it went:\n{}", trace.join("\n"));
    }
}

#[test]
fn r08_a_unit_that_was_recorded_elsewhere_is_news_on_a_controller_that_gets_it_later() {
    assert_converges(
        setting(),
        vec![
            run(0, Mode::Delta),
            run(1, Mode::Delta),
            change(1, Change::CreateUser(UNIT_OUTSIDE)),
            run(1, Mode::Delta),
            change(0, Change::MoveUnit(UNIT_OUTSIDE, UNIT_CORP)),
            run(0, Mode::Delta),
            replicate(0, u16::from(UNIT_OUTSIDE)),
            run(1, Mode::Delta),
        ],
    );
}

/// A cookie covers the move of a unit on the controller that gave it; another controller does not
/// have the move yet, and returns a user below the unit.
#[test]
fn r08_a_unit_whose_move_the_cookie_covers_is_news_on_a_controller_that_lags() {
    let empty = Setting {
        objects: 0,
        dirsync: true,
        ..setting()
    };
    for (moved_on, created_on, read_first) in [(0, 1, 0), (1, 0, 1)] {
        assert_converges(
            empty.clone(),
            vec![
                change(moved_on, Change::MoveUnit(UNIT_OUTSIDE, UNIT_CORP)),
                change(created_on, Change::CreateUser(UNIT_OUTSIDE)),
                run(read_first, Mode::Delta),
                run(1 - read_first, Mode::Delta),
            ],
        );
    }
}

#[test]
fn r02_an_older_version_elsewhere_and_back_again_leaves_the_newer_one() {
    for dirsync in [false, true] {
        assert_converges(
            Setting { dirsync, ..setting() },
            vec![
                run(0, Mode::Delta),
                run(1, Mode::Delta),
                change(0, Change::Describe(0)),
                run(0, Mode::Delta),
                run(1, Mode::Baseline),
                run(0, Mode::Delta),
                run(1, Mode::Delta),
            ],
        );
    }
}

#[test]
fn r02_what_another_controller_removed_is_back_with_one_that_has_it() {
    for (tells_removals, mode) in [(false, Mode::Delta), (true, Mode::Delta), (true, Mode::Baseline)] {
        assert_converges(
            Setting {
                sees_deleted: true,
                tells_removals,
                ..setting()
            },
            vec![
                run(0, Mode::Delta),
                run(1, Mode::Delta),
                change(0, Change::Delete(0)),
                run(0, Mode::Delta),
                run(1, mode),
                run(0, Mode::Delta),
                run(1, Mode::Delta),
            ],
        );
    }
}

#[test]
fn r02_a_full_read_is_not_resumed_over_what_another_controller_returned_meanwhile() {
    for nth in 20..26 {
        let mut steps = vec![run(0, Mode::Delta), run(1, Mode::Delta)];
        steps.extend((0..40).map(|who| change(1, Change::Describe(who))));
        let fault = |nth| DirectoryFault {
            controller: 0,
            on: On::Search,
            nth,
            trouble: Trouble::Cut,
        };
        steps.push(Step::Run(Run {
            down: Some(1),
            directory: (nth..nth + 8).map(fault).collect(),
            ..Run::of(Mode::Baseline)
        }));
        steps.extend([run(1, Mode::Delta), run(0, Mode::Baseline), run(1, Mode::Delta)]);
        assert_converges(
            Setting {
                objects: 40,
                page_size: 2,
                // With one connection nothing is resumed.
                connections: 2,
                narrow: false,
                ..setting()
            },
            steps,
        );
    }
}

#[test]
fn r22_what_a_controller_does_not_have_yet_is_not_removed_by_it() {
    for mode in [Mode::Delta, Mode::Baseline] {
        assert_converges(
            setting(),
            vec![
                run(0, Mode::Delta),
                run(1, Mode::Delta),
                change(0, Change::CreateUser(UNIT_CORP)),
                run(0, Mode::Delta),
                run(1, mode),
                run(1, mode),
                run(0, mode),
            ],
        );
    }
}

#[test]
fn r22_a_stale_place_out_of_scope_removes_nothing() {
    assert_converges(
        setting(),
        vec![
            change(0, Change::CreateUser(UNIT_OUTSIDE)),
            Step::Event(Event::ReplicateAll { from: 0 }),
            run(0, Mode::Delta),
            run(1, Mode::Delta),
            change(0, Change::Move(1, UNIT_CORP)),
            run(0, Mode::Delta),
            run(1, Mode::Delta),
            run(1, Mode::Baseline),
            run(1, Mode::Delta),
        ],
    );
}

#[test]
fn r22_a_candidate_that_another_controller_returns_is_not_forgotten() {
    assert_converges(
        Setting {
            sees_deleted: true,
            ..setting()
        },
        vec![
            run(0, Mode::Delta),
            change(1, Change::Delete(0)),
            run(1, Mode::Delta),
            run(0, Mode::Baseline),
            replicate(1, 5),
            run(1, Mode::Delta),
        ],
    );
}
