//! Connections and runs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::store::retention::KEPT_RUNS;

/// Brings a new connection into `state`.
fn in_state(state: State) -> (Room, Option<RunId>) {
    let room = Room::new();
    let run = match state {
        State::Registered => None,
        State::Scheduled => {
            room.store.schedule(room.connection, NOW).unwrap();
            None
        }
        State::Processing => Some(room.run()),
        State::Processed => {
            let run = room.run();
            room.end(run);
            Some(run)
        }
    };
    assert_eq!(the_connection(&room).state, state);
    (room, run)
}

fn the_connection(room: &Room) -> ConnectionRow {
    room.store.connection("corp").unwrap().unwrap()
}

#[test]
fn only_the_steps_of_the_contract_exist() {
    for &from in State::ALL {
        for &to in State::ALL {
            let (room, _) = in_state(from);
            let stepped = room.store.write(Commit::Register, |transaction| {
                connection::step(transaction, room.connection, to, NOW + 5)
            });
            let expected = matches!(
                (from, to),
                (
                    State::Registered | State::Processed | State::Processing,
                    State::Scheduled
                ) | (State::Scheduled, State::Processing)
                    | (State::Processing, State::Processed)
            );
            match stepped {
                Ok(()) => assert!(expected, "{from} to {to} does not exist"),
                Err(StoreError::Transition { from: is, to: wanted }) => {
                    assert!(!expected, "{from} to {to} exists");
                    assert_eq!((is, wanted), (from, to));
                }
                Err(other) => panic!("{other}"),
            }
            let after = the_connection(&room);
            let (state, since) = if expected { (to, NOW + 5) } else { (from, NOW) };
            assert_eq!((after.state, after.state_since), (state, since));
        }
    }
}

#[test]
fn each_method_takes_its_own_steps_alone() {
    for &from in State::ALL {
        let (room, _) = in_state(from);
        let scheduled = room.store.schedule(room.connection, NOW);
        assert_eq!(
            scheduled.is_ok(),
            matches!(from, State::Registered | State::Processed),
            "schedule from {from}"
        );

        let (room, _) = in_state(from);
        let begun = room
            .store
            .begin_run(room.connection, RunMode::Delta, "", &RunBasis::default(), NOW);
        // Whoever begins holds the lock, so a connection in processing was interrupted.
        assert_eq!(
            begun.is_ok(),
            matches!(from, State::Scheduled | State::Processing),
            "begin from {from}"
        );
        if begun.is_err() {
            assert_eq!(the_connection(&room).state, from);
            assert_eq!(
                room.store.runs(room.connection, 9).unwrap().len(),
                usize::from(from == State::Processed)
            );
        }

        let (room, run) = in_state(from);
        if let Some(run) = run {
            let ended = room.store.end_run(run, &RunEnd::default(), NOW);
            assert_eq!(ended.is_ok(), from == State::Processing, "end from {from}");
        }
    }
}

#[test]
fn a_connection_is_registered_once_and_its_description_follows() {
    let room = Room::new();
    room.store.schedule(room.connection, NOW + 1).unwrap();
    assert_eq!(
        room.store
            .register(
                derive_uuid("corp"),
                "corp",
                "renamed",
                &AssetTarget::default(),
                NOW + 2
            )
            .unwrap(),
        room.connection
    );
    let other = room
        .store
        .register(
            derive_uuid("branch"),
            "branch",
            "",
            &AssetTarget::default(),
            NOW + 3,
        )
        .unwrap();
    assert_ne!(other, room.connection);
    let connections = room.store.connections().unwrap();
    let names: Vec<&str> = connections
        .iter()
        .map(|connection| connection.name.as_str())
        .collect();
    assert_eq!(names, ["branch", "corp"]);
    let corp = the_connection(&room);
    assert_eq!(
        (corp.description.as_str(), corp.state, corp.state_since),
        ("renamed", State::Scheduled, NOW + 1)
    );
    assert_eq!(room.store.connection("nobody").unwrap(), None);
}

#[test]
fn a_processed_run_is_told_in_full() {
    let room = Room::new();
    room.store.schedule(room.connection, NOW).unwrap();
    let run = room
        .store
        .begin_run(
            room.connection,
            RunMode::Delta,
            "the schedule",
            &RunBasis::default(),
            NOW + 1,
        )
        .unwrap();
    let plan = RunPlan {
        mode: RunMode::Baseline,
        reason: "no watermark for this controller".into(),
        controller: Some(guid(7)),
        read_from: RunController {
            host: Some("dc1".to_owned()),
            choice: Some("AD_HOST names it".to_owned()),
            site: Some("Near".to_owned()),
            client_site: Some(String::new()),
            is_in_site: Some(false),
        },
        watermark_before: None,
    };
    room.store.plan_run(run, &plan).unwrap();
    let counts = ObjectTotals {
        read: 1,
        unchanged: 2,
        staged: 3,
        sent: 9,
        accepted: 4,
        rejected: 5,
        unmapped: 6,
        removed: 7,
        held: 8,
    };
    let mut by_kind = KindCounts::default();
    *by_kind.of(Kind::Group) = counts;
    // In two steps, as a run does it.
    for part in [counts, ObjectTotals::default()] {
        let part = KindCounts(BTreeMap::from([(Kind::Group, part)]));
        room.store
            .write(Commit::Register, |sql| {
                crate::store::history::add_counts(sql, run, &part)
            })
            .unwrap();
    }
    let mark = Watermark {
        controller: guid(7),
        scope: [1; 32],
        usn: 14,
        read_at: NOW,
    };
    room.store
        .complete_read(run, &[], false, &end_at(mark), NOW)
        .unwrap();
    let answer = SettledBatch {
        requests: 11,
        ..SettledBatch::default()
    };
    room.store.settle(run, &[], &answer, NOW).unwrap();
    let phases = RunPhases {
        connecting: Duration::from_millis(21),
        reading: Duration::from_millis(22),
        examining: Duration::from_millis(23),
        delivering: Duration::from_millis(24),
    };
    let end = RunEnd {
        retries: 15,
        phases: Some(phases),
        pages: 12,
        referrals: 13,
        ..RunEnd::default()
    };
    room.store.end_run(run, &end, NOW + 9).unwrap();
    let expected = RunRow {
        id: run,
        wanted: RunMode::Delta,
        mode: RunMode::Baseline,
        reason: plan.reason,
        asked_by: "the schedule".to_owned(),
        started: NOW + 1,
        ended: Some(NOW + 9),
        outcome: Some(Outcome::Processed),
        error: None,
        remedy: None,
        phases: Some(phases),
        counts: by_kind,
        requests: 11,
        retries: 15,
        pages: 12,
        referrals: 13,
        controller: Some(guid(7)),
        read_from: plan.read_from,
        watermark_before: None,
        watermark_after: Some(14),
        held_list: None,
    };
    assert_eq!(room.store.run(run).unwrap(), expected);
    assert_eq!(room.store.runs(room.connection, 5).unwrap(), [expected]);
    let connection = the_connection(&room);
    assert_eq!(connection.state, State::Processed);
    assert_eq!(connection.last_synced, Some(NOW + 9));
    assert_eq!(connection.last_successful_sync, Some(NOW + 9));
}

#[test]
fn a_run_that_fails_keeps_the_last_success_and_says_why() {
    let room = Room::new();
    let run = room.run();
    room.end(run);
    for (step, outcome) in (1_i64..).zip([Outcome::Failed, Outcome::Partial, Outcome::Stopped]) {
        let run = room.run();
        let end = RunEnd {
            outcome,
            error: Some(format!("{outcome} it was")),
            ..RunEnd::default()
        };
        room.store.end_run(run, &end, NOW + step).unwrap();
        let connection = the_connection(&room);
        assert_eq!(connection.state, State::Scheduled);
        assert_eq!(connection.last_error, Some(format!("{outcome} it was")));
        assert_eq!(
            (connection.last_synced, connection.last_successful_sync),
            (Some(NOW + step), Some(NOW))
        );
    }
    let run = room.run();
    room.end(run);
    assert_eq!(the_connection(&room).last_error, None);
}

#[test]
fn a_run_left_open_by_a_dead_process_is_closed_as_interrupted() {
    let room = Room::new();
    let dead = room.run();
    let store = room.open(StoreAccess::ReadWrite).unwrap();
    engines::hold(&store, room.connection);
    let next = store
        .begin_run(
            room.connection,
            RunMode::Delta,
            "a test",
            &RunBasis::default(),
            NOW + 60,
        )
        .unwrap();
    assert_ne!(next, dead);
    let runs = store.runs(room.connection, 5).unwrap();
    assert_eq!((runs[0].id, runs[0].outcome), (next, None));
    assert_eq!(
        (runs[1].id, runs[1].outcome, runs[1].ended),
        (dead, Some(Outcome::Interrupted), Some(NOW + 60))
    );
    let refused = store.end_run(dead, &RunEnd::default(), NOW);
    assert!(matches!(refused, Err(StoreError::Unknown { .. })), "{refused:?}");
}

#[test]
fn recovery_schedules_what_was_interrupted_and_nothing_else() {
    let room = Room::new();
    assert_eq!(room.store.recover(room.connection, NOW).unwrap(), None);
    assert_eq!(the_connection(&room).state, State::Registered);
    let dead = room.run();
    assert_eq!(room.store.recover(room.connection, NOW).unwrap(), Some(dead));
    let connection = the_connection(&room);
    assert_eq!(connection.state, State::Scheduled);
    assert!(connection.last_error.unwrap().contains("middle of the run"));
}

#[test]
fn the_next_times_and_skipped_ticks_are_kept() {
    let room = Room::new();
    room.store.set_next(room.connection, Some(5), None).unwrap();
    room.store.skip_ticks(room.connection, 1).unwrap();
    room.store.skip_ticks(room.connection, 1).unwrap();
    let connection = the_connection(&room);
    assert_eq!(
        (
            connection.next_sync,
            connection.next_baseline,
            connection.skipped_ticks
        ),
        (Some(5), None, 2)
    );
    let nobody = ConnectionId(99);
    assert!(matches!(
        room.store.set_next(nobody, None, None),
        Err(StoreError::Unknown { .. })
    ));
    assert!(matches!(
        room.store.skip_ticks(nobody, 1),
        Err(StoreError::Unknown { .. })
    ));
}

#[test]
fn old_runs_are_forgotten_by_connection() {
    let room = Room::new();
    let other = room
        .store
        .register(derive_uuid("branch"), "branch", "", &AssetTarget::default(), NOW)
        .unwrap();
    let kept = begin(&room.store, other);
    let first = room.run();
    room.store
        .write(Commit::Register, |sql| {
            for _ in 0..KEPT_RUNS {
                sql.execute(
                    "INSERT INTO run (connection, wanted, mode, reason, asked_by, started, ended)
                         VALUES ($1, 'delta', 'delta', '', '', 0, 1)",
                    sql::values![room.connection],
                )?;
            }
            Ok(())
        })
        .unwrap();
    let last = room.run();
    let runs = room.store.runs(room.connection, 5000).unwrap();
    assert_eq!(runs.len(), 1000);
    assert_eq!(runs[0].id, last);
    assert!(runs.iter().all(|run| run.id != first));
    assert_eq!(room.store.runs(other, 5).unwrap()[0].id, kept);
}
