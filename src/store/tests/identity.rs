//! One owner per asset (R37).

use super::*;

/// Two connections to one target.
struct Pair {
    room: Room,
    other: ConnectionId,
}

impl Pair {
    fn new() -> Self {
        let room = Room::new();
        let other = room
            .store
            .register(derive_uuid("branch"), "branch", "", &AssetTarget::default(), NOW)
            .unwrap();
        Self { room, other }
    }

    fn begin(&self) -> (RunId, RunId) {
        (self.room.run(), begin(&self.room.store, self.other))
    }

    /// Objects of the other connection that its run reads again by GUID.
    fn read_again(&self, run: RunId) -> Vec<Guid> {
        self.store().unmapped_before(self.other, Kind::User, run).unwrap()
    }

    fn store(&self) -> &Store {
        &self.room.store
    }
}

/// Returns the object `number` with the id `id`.
fn with_id(number: u8, id: &str, version: &str) -> ObjectReading {
    ObjectReading {
        asset: Ok(StagedAsset {
            external_id: id.to_owned(),
            json: asset(version),
        }),
        ..user(number, version)
    }
}

/// Lets `run` find that the objects are gone, and sends it if nothing claims their ids.
fn lose(store: &Store, run: RunId, numbers: &[u8]) -> RemovalConclusion {
    let mut end = end_at(Watermark {
        controller: guid(99),
        scope: [1; 32],
        usn: 1,
        read_at: NOW,
    });
    end.missed = numbers.iter().map(|number| guid(*number)).collect();
    store.complete_read(run, &[], false, &end, NOW).unwrap();
    let verdicts: Vec<_> = end
        .missed
        .iter()
        .map(|guid| (*guid, LookupVerdict::Gone("not found".to_owned())))
        .collect();
    store.note_verdicts(run, &verdicts, NOW).unwrap();
    conclude(store, run, 100)
}

fn conclude(store: &Store, run: RunId, max_percent: u8) -> RemovalConclusion {
    let limits = RemovalLimits {
        max_count: 1000,
        max_percent,
        empty: Vec::new(),
    };
    store
        .conclude_removals(
            run,
            &RemovalDecision::Threshold(limits),
            |_, json| Some(format!("REMOVED {json}")),
            NOW,
        )
        .unwrap()
}

fn removed_ids(store: &Store, connection: ConnectionId) -> Vec<String> {
    let removed = store.removed(connection, None, None, 99).unwrap();
    removed
        .into_iter()
        .filter_map(|removal| removal.external_id)
        .collect()
}

fn reasons(store: &Store, connection: ConnectionId) -> Vec<String> {
    let rejections = store.rejections(connection, 99).unwrap();
    rejections.into_iter().map(|rejection| rejection.reason).collect()
}

#[test]
fn r37_an_object_that_moves_to_another_profile_is_not_removed_when_that_reads_it_first() {
    let pair = Pair::new();
    let (run, other_run) = pair.begin();
    pair.room.stage(run, &[user(1, "a")]);
    pair.room.drain(run);
    pair.room.stage(other_run, &[user(1, "b")]);
    assert_eq!(assets(&pair.room.drain(other_run)), [""; 0], "the owner keeps it");
    assert_eq!(lose(pair.store(), run, &[1]).counts.total().removed, 0);
    assert_eq!(assets(&pair.room.drain(run)), [""; 0]);
    assert_eq!(pair.read_again(other_run), [guid(1)], "what waits may be old");
    pair.room.stage(other_run, &[user(1, "c")]);
    assert_eq!(assets(&pair.room.drain(other_run)), [asset("c")]);
    assert_eq!(pair.read_again(other_run), []);
    assert_eq!(removed_ids(pair.store(), pair.room.connection), [""; 0]);
}

#[test]
fn r37_an_object_that_moves_to_another_profile_ends_live_when_its_removal_comes_first() {
    for (sent, answered_after) in [(false, false), (true, false), (true, true)] {
        let pair = Pair::new();
        let (run, other_run) = pair.begin();
        pair.room.stage(run, &[user(1, "a")]);
        pair.room.drain(run);
        assert_eq!(lose(pair.store(), run, &[1]).staged, 1);
        let batch = match sent {
            true => pair.store().next_batch(run, 0, 9, ANY, 0).unwrap(),
            false => Vec::new(),
        };
        pair.room.stage(other_run, &[user(1, "b")]);
        assert_eq!(removed_ids(pair.store(), pair.room.connection), [""; 0]);
        if sent {
            assert_eq!(
                assets(&pair.room.drain(other_run)),
                [""; 0],
                "another version is in flight"
            );
            let answer = match answered_after {
                true => answered(&seqs(&batch), &[], &[]),
                false => answered(&[], &[], &[]),
            };
            pair.store().settle(run, &batch, &answer, NOW).unwrap();
        }
        assert_eq!(assets(&pair.room.drain(other_run)), [asset("b")]);
        assert_eq!(assets(&pair.room.drain(run)), [""; 0]);
    }
}

#[test]
fn r37_of_two_objects_with_one_id_the_first_keeps_it_and_the_second_gets_it_when_that_is_gone() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[with_id(1, "S-1", "a"), with_id(2, "S-1", "b")]);
    let batch = room.drain(run);
    assert_eq!(assets(&batch), [asset("a")]);
    let reason = reasons(&room.store, room.connection).remove(0);
    for part in ["S-1", "CN=User 1,", "CN=User 2,"] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_eq!(conclude(&room.store, run, 100).counts.total().rejected, 1);
    assert_eq!(room.store.run(run).unwrap().counts.total().rejected, 1);
    let conclusion = lose(&room.store, run, &[1]);
    assert_eq!((conclusion.counts.total().removed, conclusion.staged), (0, 1));
    let after = batch[0].seq;
    let next = room.store.next_batch(run, after, 9, ANY, 0).unwrap();
    assert_eq!(
        assets(&next),
        [asset("b")],
        "a delivery that is under way finds it"
    );
    assert_eq!(reasons(&room.store, room.connection), [""; 0]);
}

#[test]
fn r37_an_object_with_another_id_leaves_the_old_one_as_a_removal() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[with_id(1, "S-1", "a")]);
    room.drain(run);
    room.stage(run, &[with_id(1, "S-2", "b")]);
    assert_eq!(conclude(&room.store, run, 100).counts.total().removed, 1);
    let sent = room.drain(run);
    let sent: Vec<_> = sent
        .iter()
        .map(|item| (item.external_id.as_str(), item.removal, item.asset.as_ref()))
        .collect();
    let removal = format!("REMOVED {}", asset("a"));
    assert_eq!(
        sent,
        [
            ("S-2", false, asset("b").as_str()),
            ("S-1", true, removal.as_str())
        ]
    );
    let removed = room.store.removed(room.connection, None, None, 9).unwrap();
    assert_eq!(removed[0].external_id.as_deref(), Some("S-1"));
    assert!(removed[0].reason.contains("S-2"), "{}", removed[0].reason);
    // The old id comes back.
    room.stage(run, &[with_id(1, "S-1", "a")]);
    assert_eq!(conclude(&room.store, run, 100).counts.total().removed, 1);
    assert_eq!(removed_ids(&room.store, room.connection), ["S-2"]);
    assert_eq!(room.drain(run).len(), 2);
}

#[test]
fn r23_r37_replaced_ids_above_the_threshold_are_held_and_go_back_with_the_mapping() {
    let room = Room::new();
    let run = room.run();
    let all = |prefix: &str| -> Vec<ObjectReading> {
        (1..=9)
            .map(|number| with_id(number, &format!("{prefix}-{number}"), "a"))
            .collect()
    };
    room.stage(run, &all("S"));
    room.drain(run);
    room.stage(run, &all("G"));
    let conclusion = conclude(&room.store, run, 10);
    assert_eq!(
        (conclusion.counts.total().held, conclusion.counts.total().removed),
        (9, 0)
    );
    assert!(room.store.held_list(room.connection).unwrap().is_some());
    room.stage(run, &all("S"));
    assert_eq!(room.store.held_list(room.connection).unwrap(), None);
    assert_eq!(
        conclude(&room.store, run, 10).counts.total().held,
        0,
        "nothing of G was sent"
    );
    assert_eq!(assets(&room.drain(run)), [""; 0]);
    room.stage(run, &all("G"));
    assert_eq!(conclude(&room.store, run, 10).counts.total().held, 9);
    let list = room.store.held_list(room.connection).unwrap().unwrap();
    let approved = room
        .store
        .conclude_removals(
            run,
            &RemovalDecision::Approved(list),
            |_, json| Some(format!("REMOVED {json}")),
            NOW,
        )
        .unwrap();
    assert_eq!(approved.counts.total().removed, 9);
    let sent = room.drain(run);
    let removals: Vec<&str> = sent
        .iter()
        .filter(|item| item.removal)
        .map(|item| item.external_id.as_str())
        .collect();
    assert_eq!((sent.len(), removals.len()), (18, 9));
    assert!(removals.iter().all(|id| id.starts_with("S-")));
}

#[test]
fn r37_two_objects_that_exchange_their_ids_remove_nothing() {
    for pages in [
        vec![vec![(1, "S-2"), (2, "S-1")]],
        vec![vec![(1, "S-2")], vec![(2, "S-1")]],
    ] {
        let room = Room::new();
        let run = room.run();
        room.stage(run, &[with_id(1, "S-1", "a"), with_id(2, "S-2", "b")]);
        room.drain(run);
        for page in pages {
            let page: Vec<ObjectReading> = page
                .into_iter()
                .map(|(number, id)| with_id(number, id, &format!("{number}")))
                .collect();
            room.stage(run, &page);
        }
        assert_eq!(conclude(&room.store, run, 100).counts.total().removed, 0);
        let sent = room.drain(run);
        let mut sent: Vec<_> = sent
            .iter()
            .map(|item| (item.external_id.as_str(), item.asset.to_string()))
            .collect();
        sent.sort();
        assert_eq!(sent, [("S-1", asset("2")), ("S-2", asset("1"))]);
        assert_eq!(removed_ids(&room.store, room.connection), [""; 0]);
        assert_eq!(reasons(&room.store, room.connection), [""; 0]);
    }
}

#[test]
fn a_removed_object_that_returns_without_an_asset_and_goes_again_is_listed_again() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    room.drain(run);
    lose(&room.store, run, &[1]);
    room.drain(run);
    room.stage(run, &[unmappable(1, "no SID")]);
    assert_eq!(removed_ids(&room.store, room.connection), [""; 0]);
    assert_eq!(lose(&room.store, run, &[1]).counts.total().removed, 1);
    assert_eq!(removed_ids(&room.store, room.connection), ["S-1-5-21-1"]);
}

#[test]
fn r20_r37_a_connection_with_another_target_sends_everything_there() {
    let pair = Pair::new();
    let (run, other_run) = pair.begin();
    pair.room.stage(run, &[user(1, "a"), user(2, "a")]);
    pair.room.drain(run);
    pair.room.stage(run, &[user(2, "b"), user(3, "waits")]);
    pair.room.stage(other_run, &[user(1, "other")]);
    lose(pair.store(), run, &[]);
    pair.room.end(run);
    let store = pair.store();
    store
        .register(derive_uuid("corp"), "corp", "", &target("new"), NOW)
        .unwrap();
    pair.room.stage(other_run, &[user(1, "other")]);
    assert_eq!(
        assets(&pair.room.drain(other_run)),
        [asset("other")],
        "the other one owns it now"
    );
    let run = pair.room.run();
    let sent = pair.room.drain(run);
    let mut sent = assets(&sent);
    sent.sort_unstable();
    assert_eq!(sent, [asset("a"), asset("b"), asset("waits")]);
    // And back: what that one certainly holds is not sent again.
    pair.room.end(run);
    store
        .register(derive_uuid("corp"), "corp", "", &AssetTarget::default(), NOW)
        .unwrap();
    let run = pair.room.run();
    let sent = pair.room.drain(run);
    let mut sent = assets(&sent);
    sent.sort_unstable();
    assert_eq!(sent, [asset("b"), asset("waits")]);
    assert_eq!(
        reasons(store, pair.room.connection).len(),
        1,
        "the other one keeps it"
    );
    assert_eq!(lose(store, run, &[2]).counts.total().removed, 1);
}

#[test]
fn r37_objects_of_a_connection_that_is_not_configured_yield_their_assets() {
    let pair = Pair::new();
    let (run, other_run) = pair.begin();
    pair.room.stage(run, &[user(1, "a"), user(2, "a")]);
    pair.room.drain(run);
    pair.room.stage(other_run, &[user(1, "b")]);
    assert_eq!(pair.room.drain(other_run).len(), 0);
    pair.store()
        .set_configured(&[(derive_uuid("branch"), "branch")])
        .unwrap();
    assert_eq!(pair.read_again(other_run), [guid(1)]);
    pair.room.stage(other_run, &[user(1, "b")]);
    assert_eq!(assets(&pair.room.drain(other_run)), [asset("b")], "what waits");
    pair.room.stage(other_run, &[user(2, "b")]);
    assert_eq!(
        assets(&pair.room.drain(other_run)),
        [asset("b")],
        "and what comes later"
    );
    // And when it is configured again, its objects wait.
    pair.store()
        .set_configured(&[(derive_uuid("branch"), "branch"), (derive_uuid("corp"), "corp")])
        .unwrap();
    pair.room.stage(run, &[user(1, "c"), user(2, "c")]);
    assert_eq!(pair.room.drain(run).len(), 0);
    assert_eq!(reasons(pair.store(), pair.room.connection).len(), 2);
}

#[test]
fn r37_an_object_that_waits_and_cannot_be_mapped_any_more_waits_no_longer() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[with_id(1, "S-1", "a"), with_id(2, "S-1", "b")]);
    room.drain(run);
    room.stage(run, &[unmappable(2, "no SID")]);
    assert_eq!(lose(&room.store, run, &[1]).counts.total().removed, 1);
    assert!(room.drain(run).iter().all(|item| item.removal));
    room.stage(run, &[with_id(2, "S-1", "b")]);
    assert_eq!(assets(&room.drain(run)), [asset("b")]);
}
