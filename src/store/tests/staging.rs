//! Tests of what is staged and what is not, and of the effect of an answer.

use super::*;

fn mark(controller: u8, scope: u8, usn: u64) -> Watermark {
    Watermark {
        controller: guid(controller),
        scope: [scope; 32],
        usn,
        read_at: NOW,
    }
}

#[test]
fn r03_watermark_commits_with_the_staged_objects() {
    let room = Room::new();
    let run = room.run();
    room.store.stage_page(run, &[user(1, "a")], false, NOW).unwrap();
    assert_eq!(room.store.watermarks(room.connection).unwrap(), []);
    room.store
        .complete_read(run, &[user(2, "a")], false, &end_at(mark(1, 1, 500)), NOW)
        .unwrap();
    assert_eq!(room.store.watermarks(room.connection).unwrap(), [mark(1, 1, 500)]);
    room.end(run);
    // Neither of the two is stored when the run is not open any more.
    let refused = room
        .store
        .complete_read(run, &[user(3, "a")], false, &end_at(mark(1, 1, 900)), NOW);
    assert!(matches!(refused, Err(StoreError::Unknown { .. })), "{refused:?}");
    assert_eq!(room.store.watermarks(room.connection).unwrap(), [mark(1, 1, 500)]);
    assert_eq!(room.waiting(), 2);
}

#[test]
fn r17_an_accepted_asset_is_not_staged_again() {
    let room = Room::new();
    let run = room.run();
    let counts = room.stage(run, &[user(2, "a"), user(1, "a")]);
    assert_eq!(
        counts,
        ObjectTotals {
            read: 2,
            staged: 2,
            ..ObjectTotals::default()
        }
    );
    assert_eq!(room.drain(run).len(), 2);
    let counts = room.stage(run, &[user(2, "a"), user(1, "b")]);
    assert_eq!(
        counts,
        ObjectTotals {
            read: 2,
            staged: 1,
            unchanged: 1,
            ..ObjectTotals::default()
        }
    );
    assert_eq!(assets(&room.drain(run)), [asset("b")]);
    let object = room.store.object(room.connection, guid(1)).unwrap().unwrap();
    assert_eq!((object.asset, object.accepted_run), (asset("b"), run));
}

#[test]
fn watermarks_of_controllers_stand_side_by_side_until_the_scope_changes() {
    let room = Room::new();
    let run = room.run();
    let reach = |watermark| {
        room.store
            .complete_read(run, &[], false, &end_at(watermark), NOW)
            .unwrap()
    };
    reach(mark(2, 1, 20));
    reach(mark(1, 1, 10));
    reach(mark(2, 1, 25));
    assert_eq!(
        room.store.watermarks(room.connection).unwrap(),
        [mark(1, 1, 10), mark(2, 1, 25)]
    );
    reach(mark(1, 9, 30));
    assert_eq!(room.store.watermarks(room.connection).unwrap(), [mark(1, 9, 30)]);
    let other = room
        .store
        .register(derive_uuid("branch"), "branch", "", &AssetTarget::default(), NOW)
        .unwrap();
    assert_eq!(room.store.watermarks(other).unwrap(), []);
}

#[test]
fn r17_resend_stages_what_upstream_holds_as_well() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    room.drain(run);
    let counts = room
        .store
        .stage_page(run, &[user(1, "a")], true, NOW)
        .unwrap()
        .total();
    assert_eq!((counts.staged, counts.unchanged), (1, 0));
    // An ordinary read of the same version leaves it there.
    assert_eq!(room.stage(run, &[user(1, "a")]).staged, 1);
    assert_eq!(assets(&room.drain(run)), [asset("a")]);
    assert_eq!(room.stage(run, &[user(1, "a")]).unchanged, 1);
}

#[test]
fn r18_one_asset_an_object_and_the_later_version_wins() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a"), user(1, "b")]);
    assert_eq!(room.waiting(), 2);
    room.stage(run, &[user(2, "b")]);
    room.stage(run, &[user(1, "b")]);
    let sent = room.drain(run);
    // Object 1 kept its place, object 2 went behind it.
    assert_eq!(
        sent.iter().map(|item| item.guid).collect::<Vec<_>>(),
        [guid(1), guid(2)]
    );
    assert_eq!(assets(&sent), [asset("b"), asset("b")]);
}

#[test]
fn a_return_to_the_accepted_version_withdraws_what_was_never_sent() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    room.drain(run);
    room.stage(run, &[user(1, "b")]);
    assert_eq!(room.stage(run, &[user(1, "a")]).unchanged, 1);
    assert_eq!(room.waiting(), 0);
}

#[test]
fn r17_a_return_to_the_accepted_version_withdraws_what_was_handed_out_and_never_went_out() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    room.drain(run);
    room.stage(run, &[user(1, "b")]);
    let kept = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    room.store
        .settle(run, &kept, &SettledBatch::default(), NOW)
        .unwrap();
    assert_eq!(room.stage(run, &[user(1, "a")]).unchanged, 1);
    assert_eq!(room.waiting(), 0);
}

#[test]
fn r18_a_return_to_the_accepted_version_follows_what_may_have_arrived() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    room.drain(run);
    room.stage(run, &[user(1, "b")]);
    let lost = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    room.store
        .settle(run, &lost, &answered(&[], &[], &[]), NOW)
        .unwrap();
    assert_eq!(room.stage(run, &[user(1, "a")]).staged, 1);
    assert_eq!(assets(&room.drain(run)), [asset("a")]);
}

#[test]
fn r18_a_rejection_does_not_tell_the_fate_of_an_earlier_version() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    room.drain(run);
    room.stage(run, &[user(1, "b")]);
    let lost = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    room.store
        .settle(run, &lost, &answered(&[], &[], &[]), NOW)
        .unwrap();
    room.stage(run, &[user(1, "c")]);
    let refused = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    room.store
        .settle(
            run,
            &refused,
            &answered(&[], &[(refused[0].seq, "no".into())], &[]),
            NOW,
        )
        .unwrap();
    // Upstream may hold b: a has to be sent again.
    assert_eq!(room.stage(run, &[user(1, "a")]).staged, 1);
    assert_eq!(assets(&room.drain(run)), [asset("a")]);
}

#[test]
fn r17_a_rejected_version_that_is_taken_back_is_forgotten() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    room.drain(run);
    room.stage(run, &[user(1, "b")]);
    let refused = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    room.store
        .settle(
            run,
            &refused,
            &answered(&[], &[(refused[0].seq, "no".into())], &[]),
            NOW,
        )
        .unwrap();
    assert_eq!(room.stage(run, &[user(1, "a")]).unchanged, 1);
    assert_eq!(room.waiting(), 0);
    assert_eq!(room.store.rejections(room.connection, 9).unwrap(), []);
}

#[test]
fn r18_a_rejected_version_that_may_have_arrived_is_followed_by_the_one_before() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    room.drain(run);
    room.stage(run, &[user(1, "b")]);
    let refused = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    let (seq, reason) = (refused[0].seq, "one of them, but not said which".to_owned());
    room.store
        .settle(run, &refused, &answered(&[], &[(seq, reason)], &[seq]), NOW)
        .unwrap();
    assert_eq!(room.stage(run, &[user(1, "a")]).staged, 1);
    assert_eq!(room.drain(run).len(), 1, "what upstream may hold is not \"a\"");
    assert_eq!(room.stage(run, &[user(1, "a")]).unchanged, 1);
}

#[test]
fn r07_a_rename_alone_changes_names_and_sends_nothing() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    room.drain(run);
    let moved = ObjectReading {
        dn: "CN=Moved,OU=Other,DC=corp,DC=example".into(),
        kind: Kind::Computer,
        ..user(1, "a")
    };
    assert_eq!(room.stage(run, std::slice::from_ref(&moved)).unchanged, 1);
    let object = room.store.object(room.connection, guid(1)).unwrap().unwrap();
    assert_eq!((object.dn, object.kind), (moved.dn, Kind::Computer));
    assert_eq!(room.waiting(), 0);
}

#[test]
fn r07_a_rename_reaches_an_asset_that_waits_or_is_out() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a")]);
    let out = room.store.next_batch(run, 0, 1, ANY, 0).unwrap();
    let renamed = |number| ObjectReading {
        dn: format!("CN=New {number},DC=corp,DC=example"),
        ..user(number, "a")
    };
    assert_eq!(room.stage(run, &[renamed(1), renamed(2)]).staged, 2);
    room.store
        .settle(run, &out, &answered(&seqs(&out), &[], &[]), NOW)
        .unwrap();
    room.drain(run);
    for number in [1, 2] {
        let object = room.store.object(room.connection, guid(number)).unwrap().unwrap();
        assert_eq!(object.dn, renamed(number).dn);
    }
}

#[test]
fn r15_an_unmappable_object_is_noted_and_leaves_what_waits_alone() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a")]);
    let counts = room.stage(
        run,
        &[
            unmappable(2, "objectSid is missing"),
            unmappable(3, "objectSid is 3 bytes long"),
        ],
    );
    assert_eq!(
        counts,
        ObjectTotals {
            read: 2,
            unmapped: 2,
            ..ObjectTotals::default()
        }
    );
    assert_eq!(room.waiting(), 2);
    room.store
        .stage_page(
            run,
            &[unmappable(3, "objectSid is 4 bytes long")],
            false,
            NOW + 50,
        )
        .unwrap();
    let rejections = room.store.rejections(room.connection, 9).unwrap();
    let told: Vec<_> = rejections
        .iter()
        .map(|found| (found.guid, found.reason.as_str(), found.since))
        .collect();
    assert_eq!(
        told,
        [
            (Some(guid(2)), "objectSid is missing", NOW),
            (Some(guid(3)), "objectSid is 4 bytes long", NOW)
        ]
    );
    assert_eq!(
        (rejections[0].origin, rejections[0].external_id.as_ref()),
        (RejectionOrigin::Mapping, None)
    );
    room.end(run);
    let next = room.run();
    let before = |run, kind| room.store.unmapped_before(room.connection, kind, run).unwrap();
    assert_eq!(before(run, Kind::User), [], "this run has read them");
    assert_eq!(before(next, Kind::User), [guid(2), guid(3)]);
    assert_eq!(before(next, Kind::Group), []);
    room.stage(next, &[user(3, "a")]);
    assert_eq!(before(next, Kind::User), [guid(2)]);
}

#[test]
fn connections_with_different_targets_do_not_see_each_other() {
    let room = Room::new();
    let other = room
        .store
        .register(derive_uuid("branch"), "branch", "", &target("another"), NOW)
        .unwrap();
    let (run, other_run) = (room.run(), begin(&room.store, other));
    room.stage(run, &[user(1, "a")]);
    room.stage(other_run, &[user(1, "b")]);
    assert_eq!(assets(&room.drain(other_run)), [asset("b")]);
    assert_eq!(room.store.object(room.connection, guid(1)).unwrap(), None);
    assert_eq!(assets(&room.drain(run)), [asset("a")]);
}

#[test]
fn r15_an_object_that_can_be_mapped_later_on_the_same_page_is_not_listed_any_more() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[unmappable(3, "objectSid is missing"), user(3, "a")]);
    assert_eq!(room.waiting(), 1);
    assert_eq!(room.store.rejections(room.connection, 9).unwrap(), []);
}

#[test]
fn r02_a_full_read_of_another_scope_that_broke_off_leaves_no_watermark_for_a_delta() {
    let room = Room::new();
    let run = room.run();
    room.store
        .complete_read(run, &[], false, &end_at(mark(1, 1, 500)), NOW)
        .unwrap();
    room.store.leave_other_scopes(run, mark(1, 1, 0).scope).unwrap();
    assert_eq!(room.store.watermarks(room.connection).unwrap(), [mark(1, 1, 500)]);
    room.store.leave_other_scopes(run, mark(1, 2, 0).scope).unwrap();
    let left = room.store.watermarks(room.connection).unwrap();
    assert_eq!(left.len(), 1, "it proves what was returned (R22)");
    assert_ne!(left[0].scope, mark(1, 1, 0).scope);
    assert_ne!(left[0].scope, mark(1, 2, 0).scope);
}
