//! Batches out, answers in, and what can be asked about them.

use super::*;

#[test]
fn a_batch_keeps_within_count_and_bytes_but_gives_at_least_one() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "b"), user(3, "c"), user(4, "d")]);
    let each = asset("a").len() + 2;
    let sizes = |most, bytes| {
        let batch = room.store.next_batch(run, 0, most, bytes, 2).unwrap();
        room.store
            .settle(run, &batch, &answered(&[], &[], &[]), NOW)
            .unwrap();
        batch.len()
    };
    assert_eq!(sizes(3, ANY), 3);
    assert_eq!(sizes(9, 2 * each), 2);
    assert_eq!(sizes(9, 2 * each - 1), 1);
    assert_eq!(sizes(9, 1), 1);
    assert_eq!(sizes(0, ANY), 1);
}

#[test]
fn r20_what_got_no_answer_stays_for_the_next_run() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a")]);
    let first = room.store.next_batch(run, 0, 1, ANY, 0).unwrap();
    room.store
        .settle(run, &first, &answered(&[], &[], &[]), NOW)
        .unwrap();
    let behind = room.store.next_batch(run, first[0].seq, 9, ANY, 0).unwrap();
    assert_eq!(behind.iter().map(|item| item.guid).collect::<Vec<_>>(), [guid(2)]);
    room.store
        .settle(run, &behind, &answered(&seqs(&behind), &[], &[]), NOW)
        .unwrap();
    room.end(run);
    assert_eq!(room.drain(room.run()), first);
}

#[test]
fn r20_the_stage_is_bounded_by_the_number_of_objects() {
    let room = Room::new();
    for version in 0..50 {
        let run = room.run();
        room.stage(
            run,
            &[user(1, &format!("{version}")), user(2, &format!("{version}"))],
        );
        let batch = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
        room.store
            .settle(run, &batch, &answered(&[], &[], &[]), NOW)
            .unwrap();
        room.end(run);
    }
    assert_eq!(room.waiting(), 2);
    assert_eq!(assets(&room.drain(room.run())), [asset("49"), asset("49")]);
}

#[test]
fn a_rejected_asset_waits_for_the_next_run_and_is_told_meanwhile() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a")]);
    let batch = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    let rejected = [(batch[1].seq, "name is too long".to_owned())];
    let counts = room
        .store
        .settle(run, &batch, &answered(&[batch[0].seq], &rejected, &[]), NOW + 3)
        .unwrap()
        .total();
    assert_eq!((counts.accepted, counts.rejected), (1, 1));
    assert_eq!(room.store.next_batch(run, 0, 9, ANY, 0).unwrap(), []);
    let told = room.store.rejections(room.connection, 9).unwrap();
    assert_eq!(
        told,
        [RejectedObject {
            guid: Some(guid(2)),
            kind: Kind::User,
            dn: batch[1].dn.clone(),
            external_id: Some("S-1-5-21-2".into()),
            reason: "name is too long".into(),
            since: NOW + 3,
            origin: RejectionOrigin::Upstream,
        }]
    );
    assert_eq!(
        room.store.rejection_counts(room.connection).unwrap(),
        BTreeMap::from([(Kind::User, 1)])
    );
    room.end(run);
    let run = room.run();
    assert_eq!(room.drain(run), [batch[1].clone()]);
    assert_eq!(room.store.rejections(room.connection, 9).unwrap(), []);
}

#[test]
fn r18_a_version_staged_while_another_is_out_stays_and_waits() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    let out = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    room.stage(run, &[user(1, "b")]);
    assert_eq!(room.store.next_batch(run, 0, 9, ANY, 0).unwrap(), []);
    room.store
        .settle(run, &out, &answered(&seqs(&out), &[], &[]), NOW)
        .unwrap();
    // What was accepted is recorded, although something newer waits.
    assert_eq!(
        room.store
            .object(room.connection, guid(1))
            .unwrap()
            .unwrap()
            .asset,
        asset("a")
    );
    assert_eq!(assets(&room.drain(run)), [asset("b")]);
    assert_eq!(
        room.store
            .object(room.connection, guid(1))
            .unwrap()
            .unwrap()
            .asset,
        asset("b")
    );
}

#[test]
fn nothing_is_out_any_more_when_a_run_has_ended() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    let out = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    room.end(run);
    assert!(matches!(
        room.store
            .settle(run, &out, &answered(&seqs(&out), &[], &[]), NOW),
        Err(StoreError::Unknown { .. })
    ));
    assert!(matches!(
        room.store.next_batch(run, 0, 9, ANY, 0),
        Err(StoreError::Unknown { .. })
    ));
    assert_eq!(room.drain(room.run()), out);
}

#[test]
fn pending_counts_kinds_and_knows_the_oldest() {
    let room = Room::new();
    let run = room.run();
    assert_eq!(
        room.store.pending(room.connection).unwrap(),
        PendingCounts::default()
    );
    let group = ObjectReading {
        kind: Kind::Group,
        ..user(9, "a")
    };
    room.store.stage_page(run, &[group], false, NOW + 1).unwrap();
    room.store
        .stage_page(run, &[user(1, "a"), user(2, "a")], false, NOW + 2)
        .unwrap();
    let pending = room.store.pending(room.connection).unwrap();
    assert_eq!(
        pending.counts,
        BTreeMap::from([(Kind::User, 2), (Kind::Group, 1)])
    );
    assert_eq!(pending.oldest, Some(NOW + 1));
}

#[test]
fn objects_are_found_by_guid_sid_and_name() {
    let room = Room::new();
    let run = room.run();
    let named = |number, dn: &str| ObjectReading {
        dn: dn.into(),
        ..user(number, "a")
    };
    let group = ObjectReading {
        kind: Kind::Group,
        ..named(3, "CN=Zürich Admins,OU=Doe,DC=corp")
    };
    room.stage(
        run,
        &[
            named(1, r"CN=Doe\, Jane,OU=Staff,DC=corp"),
            named(2, "CN=John Doe,DC=corp"),
            group,
        ],
    );
    room.drain(run);
    let find = |text: &str| -> Vec<Guid> {
        room.store
            .find(room.connection, text, 9)
            .unwrap()
            .iter()
            .map(|object| object.guid)
            .collect()
    };
    assert_eq!(find(&guid(2).to_string()), [guid(2)]);
    assert_eq!(find("s-1-5-21-3"), [guid(3)]);
    assert_eq!(find("ZÜRICH"), [guid(3)]);
    assert_eq!(find("doe, jane"), [guid(1)]);
    assert_eq!(find("DOE"), [guid(1), guid(2)]);
    assert_eq!(find("cn=john doe,dc=CORP"), [guid(2)]);
    assert!(find("nobody").is_empty());
    assert_eq!(room.store.find(room.connection, "doe", 1).unwrap().len(), 1);
    assert_eq!(
        room.store.object_counts(room.connection).unwrap(),
        BTreeMap::from([(Kind::User, 2), (Kind::Group, 1)])
    );
    let page = |kind, after| -> Vec<Guid> {
        let objects = room.store.objects(room.connection, kind, after, 2).unwrap();
        objects.iter().map(|object| object.guid).collect()
    };
    assert_eq!(page(None, None), [guid(1), guid(2)]);
    assert_eq!(page(None, Some(guid(2))), [guid(3)]);
    assert_eq!(page(Some(Kind::Group), None), [guid(3)]);
}
