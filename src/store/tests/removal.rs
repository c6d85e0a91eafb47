//! Missed, gone, held back, and returned: R22 to R24.

use super::*;
use crate::identity::GuidSet;

fn marked(_: Kind, asset: &str) -> Option<String> {
    Some(asset.replace("}}", r#","gone":true}}"#))
}

fn unmarked(_: Kind, _: &str) -> Option<String> {
    None
}

fn no_limit() -> RemovalDecision {
    RemovalDecision::Threshold(RemovalLimits {
        max_count: u64::MAX,
        max_percent: 100,
        empty: Vec::new(),
    })
}

fn limit(max_count: u64) -> RemovalDecision {
    RemovalDecision::Threshold(RemovalLimits {
        max_count,
        max_percent: 100,
        empty: Vec::new(),
    })
}

/// Returns the end of a full read that met the objects `met`.
fn full(usn: u64, met: &[u8]) -> ReadEnd {
    let mut set = GuidSet::default();
    met.iter().for_each(|number| set.insert(guid(*number)));
    set.sort();
    let watermark = Watermark {
        controller: guid(200),
        scope: [1; 32],
        usn,
        read_at: NOW,
    };
    ReadEnd {
        met: Some(set),
        ..end_at(watermark)
    }
}

/// Returns the numbers of all candidates.
fn candidates(room: &Room) -> Vec<Guid> {
    room.store
        .candidates(
            room.connection,
            &[Kind::User],
            CandidateSelection::Every,
            None,
            99,
        )
        .unwrap()
        .into_iter()
        .map(|candidate| candidate.guid)
        .collect()
}

/// Finds these gone, and decides.
fn conclude(
    room: &Room,
    run: RunId,
    gone: &[u8],
    decision: &RemovalDecision,
    asset: fn(Kind, &str) -> Option<String>,
) -> RemovalConclusion {
    let verdicts: Vec<_> = gone
        .iter()
        .map(|number| (guid(*number), LookupVerdict::Gone("deleted".to_owned())))
        .collect();
    room.store.note_verdicts(run, &verdicts, NOW).unwrap();
    room.store.conclude_removals(run, decision, asset, NOW).unwrap()
}

fn removed(room: &Room) -> Vec<Guid> {
    let removed = room.store.removed(room.connection, None, None, 99).unwrap();
    removed.into_iter().map(|removal| removal.guid).collect()
}

/// Three users accepted, of whom the third is missed by the full read of the run that is given.
fn missing_third() -> (Room, RunId) {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a"), user(3, "a")]);
    room.drain(run);
    room.store
        .complete_read(run, &[], false, &full(7, &[1, 2]), NOW)
        .unwrap();
    (room, run)
}

#[test]
fn r03_r22_what_is_missed_commits_with_the_watermark() {
    let (room, run) = missing_third();
    assert_eq!(candidates(&room), [guid(3)]);
    assert_eq!(room.store.watermarks(room.connection).unwrap()[0].usn, 7);
    // A later delta says nothing about it.
    let delta = ReadEnd {
        met: None,
        missed: vec![guid(2), guid(9)],
        ..full(8, &[])
    };
    room.store.complete_read(run, &[], false, &delta, NOW).unwrap();
    assert_eq!(candidates(&room), [guid(2), guid(3)], "9 is nobody we know");
}

#[test]
fn r22_a_verdict_of_an_earlier_run_counts_no_more() {
    let (room, run) = missing_third();
    let gone = [(guid(3), LookupVerdict::Gone("deleted".to_owned()))];
    room.store.note_verdicts(run, &gone, NOW).unwrap();
    room.end(run);
    let run = room.run();
    assert_eq!(
        conclude(&room, run, &[], &no_limit(), unmarked),
        RemovalConclusion::default()
    );
    assert_eq!(removed(&room), []);
    assert_eq!(
        conclude(&room, run, &[3], &no_limit(), unmarked)
            .counts
            .total()
            .removed,
        1
    );
    assert_eq!((removed(&room), candidates(&room)), (vec![guid(3)], vec![]));
    assert_eq!(room.store.object(room.connection, guid(3)).unwrap(), None);
    assert_eq!(
        room.store.removed_asset(room.connection, guid(3)).unwrap(),
        Some(asset("a"))
    );
}

#[test]
fn r22_what_is_met_again_is_no_candidate_and_what_returns_is_sent() {
    let (room, run) = missing_third();
    room.stage(run, &[user(3, "a")]);
    assert_eq!(candidates(&room), []);
    assert_eq!(room.waiting(), 0);
    room.store
        .complete_read(run, &[], false, &full(8, &[1, 2]), NOW)
        .unwrap();
    conclude(&room, run, &[3], &no_limit(), unmarked);
    assert_eq!(room.stage(run, &[user(3, "a")]).staged, 1);
    assert_eq!(removed(&room), []);
}

#[test]
fn r22_an_asset_that_was_never_handed_out_goes_without_a_word() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a")]);
    room.store
        .complete_read(run, &[], false, &full(7, &[1]), NOW)
        .unwrap();
    let conclusion = conclude(&room, run, &[2], &no_limit(), marked);
    assert_eq!((conclusion.counts.total().removed, conclusion.staged), (0, 0));
    assert_eq!((room.waiting(), removed(&room)), (1, vec![]));
}

#[test]
fn r22_an_answer_after_the_removal_does_not_bring_the_object_back() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    let out = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    room.store
        .complete_read(run, &[], false, &full(7, &[]), NOW)
        .unwrap();
    assert_eq!(
        conclude(&room, run, &[1], &no_limit(), unmarked)
            .counts
            .total()
            .removed,
        1
    );
    room.store
        .settle(run, &out, &answered(&seqs(&out), &[], &[]), NOW)
        .unwrap();
    assert_eq!(room.store.object(room.connection, guid(1)).unwrap(), None);
    assert_eq!((removed(&room), room.waiting()), (vec![guid(1)], 0));
}

#[test]
fn r18_r24_the_removal_follows_what_is_out_and_its_return_follows_the_removal() {
    let (room, run) = missing_third();
    conclude(&room, run, &[3], &no_limit(), marked);
    let out = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    assert_eq!(assets(&out), [r#"{"asset":{"version":"a","gone":true}}"#]);
    assert!(out[0].removal);
    // It returns while the removal is out: its asset waits for the answer, and is sent then.
    assert_eq!(room.stage(run, &[user(3, "a")]).staged, 1);
    assert!(room.store.next_batch(run, 0, 9, ANY, 0).unwrap().is_empty());
    room.store
        .settle(run, &out, &answered(&seqs(&out), &[], &[]), NOW)
        .unwrap();
    assert_eq!(assets(&room.drain(run)), [asset("a")]);
    assert_eq!(removed(&room), []);
    assert!(room.store.object(room.connection, guid(3)).unwrap().is_some());
}

#[test]
fn r24_an_accepted_removal_is_told_once() {
    let (room, run) = missing_third();
    conclude(&room, run, &[3], &no_limit(), marked);
    assert_eq!(room.drain(run).len(), 1);
    let removal = room
        .store
        .removed(room.connection, None, None, 9)
        .unwrap()
        .remove(0);
    assert_eq!(removal.sent_at, Some(NOW));
    room.store
        .complete_read(run, &[], false, &full(9, &[1, 2]), NOW)
        .unwrap();
    assert_eq!((candidates(&room), room.waiting()), (vec![], 0));
}

#[test]
fn r24_an_unmappable_object_that_returns_is_not_told_removed() {
    let (room, run) = missing_third();
    conclude(&room, run, &[3], &no_limit(), marked);
    room.stage(run, &[unmappable(3, "no SID")]);
    assert_eq!((room.waiting(), removed(&room)), (0, vec![]));
}

#[test]
fn r23_held_together_and_let_through_by_the_name_of_the_list() {
    let (room, run) = missing_third();
    let held = conclude(&room, run, &[3], &limit(0), unmarked);
    assert_eq!(
        held.excess,
        [RemovalExcess {
            kind: Kind::User,
            gone: 1,
            known: 3
        }]
    );
    assert_eq!((held.counts.total().held, removed(&room)), (1, vec![]));
    let list = room.store.held_list(room.connection).unwrap().unwrap();
    let other = RemovalDecision::Approved("0123456789ab".to_owned());
    assert!(conclude(&room, run, &[3], &other, unmarked).refused);
    room.end(run);
    let run = room.run();
    // Not looked up again by this run: refused.
    let approved = RemovalDecision::Approved(list);
    assert!(conclude(&room, run, &[], &approved, unmarked).refused);
    assert_eq!(
        conclude(&room, run, &[3], &approved, unmarked)
            .counts
            .total()
            .removed,
        1
    );
    assert_eq!(room.store.held_list(room.connection).unwrap(), None);
}

#[test]
fn r23_count_percent_and_zero_results_each_hold() {
    let found = |gone, known| RemovalExcess {
        kind: Kind::User,
        gone,
        known,
    };
    let limits = |max_count, max_percent, empty: &[Kind]| RemovalLimits {
        max_count,
        max_percent,
        empty: empty.to_vec(),
    };
    let usual = limits(500, 10, &[]);
    assert!(!usual.are_exceeded_by(&found(500, 5_000)) && usual.are_exceeded_by(&found(501, 50_000)));
    assert!(!usual.are_exceeded_by(&found(2, 20)) && usual.are_exceeded_by(&found(3, 20)));
    assert!(usual.are_exceeded_by(&found(1, 0)));
    assert!(limits(500, 99, &[Kind::User]).are_exceeded_by(&found(1, 1_000)));
    assert!(!limits(500, 100, &[Kind::User]).are_exceeded_by(&found(1, 1)));
    assert!(limits(0, 100, &[]).are_exceeded_by(&found(1, 1_000)));
}

#[test]
fn r22_an_object_that_returned_was_rejected_and_is_gone_again_is_listed_again() {
    for decision in [marked as fn(Kind, &str) -> Option<String>, unmarked] {
        let (room, run) = missing_third();
        conclude(&room, run, &[3], &no_limit(), decision);
        room.end(run);
        // It returns, and upstream, which holds what it was before, does not take it.
        let run = room.run();
        room.drain(run);
        room.stage(run, &[user(3, "b")]);
        assert_eq!(removed(&room), []);
        let batch = room.store.next_batch(run, 0, 100, ANY, 0).unwrap();
        let rejected = [(seqs(&batch)[0], "no".to_owned())];
        room.store
            .settle(run, &batch, &answered(&[], &rejected, &[]), NOW)
            .unwrap();
        let delta = ReadEnd {
            met: None,
            missed: vec![guid(3)],
            ..full(9, &[])
        };
        room.store.complete_read(run, &[], false, &delta, NOW).unwrap();
        conclude(&room, run, &[3], &no_limit(), decision);
        assert_eq!(removed(&room), [guid(3)]);
    }
}
