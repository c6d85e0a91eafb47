//! Texts that removals are made of: none that the gateway refused, while there is another, and no
//! removal is lost for want of one (R24, R37).

use super::*;

/// Fate of a version that was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Accepted,
    /// It is certainly not there.
    Refused,
    /// It may be there all the same.
    RefusedUnclear,
    None,
}

/// Sends what waits, which gets this answer.
fn send(room: &Room, run: RunId, answer: Answer) {
    let batch = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    assert_eq!(batch.len(), 1, "{batch:?}");
    settle(room, run, &batch, answer);
}

fn settle(room: &Room, run: RunId, batch: &[HandedOutVersion], answer: Answer) {
    let all = seqs(batch);
    let rejected: Vec<_> = all.iter().map(|seq| (*seq, "no".to_owned())).collect();
    let answer = match answer {
        Answer::Accepted => answered(&all, &[], &[]),
        Answer::Refused => answered(&[], &rejected, &[]),
        Answer::RefusedUnclear => answered(&[], &rejected, &all),
        Answer::None => answered(&[], &[], &[]),
    };
    room.store.settle(run, batch, &answer, NOW).unwrap();
}

/// Returns a user with this number under the id of user 1.
fn owner(number: u8, version: &str) -> ObjectReading {
    ObjectReading {
        guid: guid(number),
        ..user(1, version)
    }
}

/// Removes the user in a run; returns what is sent of it.
fn removal(room: &Room, number: u8) -> Vec<String> {
    let run = room.run();
    let mut end = end_at(Watermark {
        controller: guid(99),
        scope: [1; 32],
        usn: 1,
        read_at: NOW,
    });
    end.missed = vec![guid(number)];
    let store = &room.store;
    store.complete_read(run, &[], false, &end, NOW).unwrap();
    let gone = [(guid(number), LookupVerdict::Gone("deleted".to_owned()))];
    store.note_verdicts(run, &gone, NOW).unwrap();
    let limits = RemovalLimits {
        max_count: 9,
        max_percent: 100,
        empty: Vec::new(),
    };
    let marked = |_, json: &str| Some(format!("REMOVED {json}"));
    store
        .conclude_removals(run, &RemovalDecision::Threshold(limits), marked, NOW)
        .unwrap();
    let sent = room.drain(run);
    store.check().unwrap();
    room.end(run);
    sent.into_iter().map(|item| item.asset.to_string()).collect()
}

fn removed(version: &str) -> Vec<String> {
    vec![format!("REMOVED {}", asset(version))]
}

#[test]
fn r37_a_removal_is_made_of_what_upstream_accepted_last_even_of_a_former_owner() {
    for answer in [Answer::Refused, Answer::RefusedUnclear, Answer::None] {
        let room = Room::new();
        let run = room.run();
        room.stage(run, &[owner(1, "a")]);
        send(&room, run, Answer::Accepted);
        // User 1 has another id; user 2 has this one now.
        let other = ObjectReading {
            guid: guid(1),
            ..user(3, "c")
        };
        room.stage(run, &[other]);
        send(&room, run, Answer::Accepted);
        room.stage(run, &[owner(2, "b")]);
        send(&room, run, answer);
        room.end(run);
        assert_eq!(removal(&room, 2), removed("a"), "{answer:?}");
    }
}

#[test]
fn r24_a_removal_is_not_made_of_a_text_that_was_refused_while_another_one_may_be_upstream() {
    // The process dies, or gets no answer.
    for answer in [None, Some(Answer::None)] {
        let room = Room::new();
        let run = room.run();
        room.stage(run, &[owner(1, "a")]);
        match answer {
            Some(answer) => send(&room, run, answer),
            None => drop(room.store.next_batch(run, 0, 9, ANY, 0).unwrap()),
        }
        room.end(run);
        let run = room.run();
        room.stage(run, &[owner(1, "b")]);
        send(&room, run, Answer::Refused);
        room.end(run);
        assert_eq!(removal(&room, 1), removed("a"), "{answer:?}");
    }
}

#[test]
fn r24_a_removal_is_made_of_a_new_text_where_the_one_before_was_refused() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[owner(1, "a")]);
    send(&room, run, Answer::RefusedUnclear);
    room.stage(run, &[owner(1, "b")]);
    room.end(run);
    assert_eq!(removal(&room, 1), removed("b"));
}

#[test]
fn r24_a_removal_is_not_lost_where_every_text_was_refused() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[owner(1, "a")]);
    send(&room, run, Answer::RefusedUnclear);
    room.end(run);
    assert_eq!(removal(&room, 1), removed("a"));
}

#[test]
fn r24_a_text_replaced_in_flight_is_kept_only_if_it_may_have_arrived() {
    let cases = [
        (Answer::Accepted, Some("a")),
        (Answer::None, Some("a")),
        (Answer::RefusedUnclear, Some("b")),
        (Answer::Refused, None),
    ];
    for (answer, text) in cases {
        let room = Room::new();
        let run = room.run();
        room.stage(run, &[owner(1, "a")]);
        let out = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
        room.stage(run, &[owner(1, "b")]);
        settle(&room, run, &out, answer);
        room.end(run);
        let wanted = text.map(removed).unwrap_or_default();
        assert_eq!(removal(&room, 1), wanted, "{answer:?}");
        let texts: i64 = room
            .store
            .read(|sql| sql.value("SELECT count(*) FROM document", &[]))
            .unwrap();
        assert!(texts <= 1, "{answer:?}: {texts} texts are left");
    }
}

#[test]
fn r32_what_a_run_ended_at_is_behind_what_waits_in_the_next_one() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a"), user(3, "a"), user(4, "a")]);
    let first = room.store.next_batch(run, 0, 3, ANY, 0).unwrap();
    let ended = SettledBatch {
        ended_run: true,
        ..answered(&[], &[(first[1].seq, "no".to_owned())], &[])
    };
    room.store.settle(run, &first, &ended, NOW).unwrap();
    room.end(run);
    let run = room.run();
    let next = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    let order: Vec<Guid> = next.iter().map(|item| item.guid).collect();
    assert_eq!(order, [guid(2), guid(4), guid(1), guid(3)]);
    let texts = assets(&next);
    assert_eq!(texts, vec![asset("a"); 4]);
    room.store
        .settle(run, &next, &answered(&seqs(&next), &[], &[]), NOW)
        .unwrap();
    assert_eq!(room.waiting(), 0);
}

#[test]
fn r18_what_was_put_behind_may_still_have_arrived() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    send(&room, run, Answer::Accepted);
    room.stage(run, &[user(1, "b"), user(2, "a")]);
    let out = room.store.next_batch(run, 0, 1, ANY, 0).unwrap();
    let ended = SettledBatch {
        ended_run: true,
        ..answered(&[], &[], &[])
    };
    room.store.settle(run, &out, &ended, NOW).unwrap();
    room.end(run);
    // Back to what was accepted before: it is sent all the same.
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    assert_eq!(assets(&room.drain(run)), [asset("a"), asset("a")]);
}
