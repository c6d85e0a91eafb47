//! The history of runs: their counts, and the objects that they list.

use std::collections::BTreeMap;

use super::*;

/// Returns all that the history holds of a run's objects: fate, whether it has a GUID, reason.
fn told(room: &Room, run: RunId) -> Vec<(Fate, bool, String)> {
    let objects = room.store.run_objects(run, None, 999).unwrap();
    let told = objects.into_iter();
    told.map(|object| (object.fate, object.guid.is_some(), object.reason))
        .collect()
}

fn nameless(dn: &str) -> UnidentifiedEntry {
    UnidentifiedEntry {
        kind: Kind::User,
        dn: dn.to_owned(),
        reason: "objectGUID is missing".to_owned(),
    }
}

/// Returns the end of a read that met everything of these users.
fn end_of_read(usn: u64) -> ReadEnd {
    end_at(Watermark {
        controller: guid(1),
        scope: [1; 32],
        usn,
        read_at: NOW,
    })
}

#[test]
fn a_run_that_died_tells_what_it_did_until_then() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a"), unmappable(3, "no SID")]);
    let batch = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    let rejected = [(batch[1].seq, "name is too long".to_owned())];
    room.store
        .settle(run, &batch, &answered(&[batch[0].seq], &rejected, &[]), NOW)
        .unwrap();
    room.store
        .complete_read(run, &[], false, &end_of_read(77), NOW)
        .unwrap();
    room.store.recover(room.connection, NOW).unwrap();
    let history = room.store.run(run).unwrap();
    assert_eq!(
        history.counts.total(),
        ObjectTotals {
            read: 3,
            staged: 2,
            sent: 2,
            accepted: 1,
            rejected: 1,
            unmapped: 1,
            ..ObjectTotals::default()
        }
    );
    assert_eq!((history.requests, history.watermark_after), (1, Some(77)));
    assert_eq!(history.outcome, Some(Outcome::Interrupted));
    assert_eq!(
        told(&room, run),
        [
            (Fate::Unmapped, true, "no SID".to_owned()),
            (Fate::Rejected, true, "name is too long".to_owned())
        ]
    );
}

#[test]
fn what_never_went_out_is_not_counted_as_sent() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a")]);
    let batch = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    let counts = room
        .store
        .settle(run, &batch, &SettledBatch::default(), NOW)
        .unwrap();
    assert_eq!(counts.total(), ObjectTotals::default());
}

#[test]
fn an_object_that_cannot_be_mapped_is_counted_and_told_once_a_run() {
    let room = Room::new();
    let run = room.run();
    let page = [unmappable(1, "no SID")];
    assert_eq!(room.stage(run, &page).unmapped, 1);
    assert_eq!(room.stage(run, &page), ObjectTotals::default(), "read once more");
    room.store
        .note_unidentified(run, &[nameless("CN=A"), nameless("CN=A")], NOW)
        .unwrap();
    let total = room.store.run(run).unwrap().counts.total();
    assert_eq!((total.read, total.unmapped), (2, 2));
    assert_eq!(told(&room, run).len(), 2);
    room.end(run);
    let run = room.run();
    assert_eq!(room.stage(run, &page).unmapped, 1, "and again by the next run");
}

#[test]
fn r15_what_could_not_be_identified_is_kept_by_name_until_a_read_does_not_find_it() {
    let room = Room::new();
    let run = room.run();
    let names = |run| {
        let before = |after: &str| {
            room.store
                .unidentified_before(room.connection, Kind::User, run, after, 1)
                .unwrap()
        };
        let (mut names, mut page) = (Vec::new(), before(""));
        while let Some(name) = page.pop() {
            page = before(&name);
            names.push(name);
        }
        names
    };
    let found = [nameless("CN=A"), nameless("CN=B")];
    room.store.note_unidentified(run, &found, NOW).unwrap();
    room.store
        .complete_read(run, &[], false, &end_of_read(7), NOW)
        .unwrap();
    room.end(run);
    let run = room.run();
    assert_eq!(names(run), ["CN=A", "CN=B"]);
    let rejections = room.store.rejections(room.connection, 9).unwrap();
    assert_eq!(rejections.len(), 2);
    assert!(rejections.iter().all(|one| one.guid.is_none()));
    assert_eq!(
        room.store.rejection_counts(room.connection).unwrap(),
        BTreeMap::from([(Kind::User, 2)])
    );
    room.store
        .note_unidentified(run, &[nameless("CN=B")], NOW)
        .unwrap();
    assert_eq!(
        names(run),
        ["CN=A"],
        "what this run has read is not asked for again"
    );
    room.store
        .complete_read(run, &[], false, &end_of_read(8), NOW)
        .unwrap();
    room.end(run);
    assert_eq!(names(room.run()), ["CN=B"]);
}

#[test]
fn lists_of_old_runs_go_as_a_whole_and_their_counts_stay() {
    let room = Room::new();
    let runs: Vec<RunId> = (0..3)
        .map(|_| {
            let run = room.run();
            room.stage(run, &[unmappable(1, "no SID"), unmappable(2, "no SID")]);
            room.end(run);
            run
        })
        .collect();
    // As if as many had come since as are kept.
    room.store
        .write(Commit::Register, |sql| {
            sql.execute(
                "UPDATE run_object SET id = id + 99995 WHERE run = $1",
                sql::values![runs[2]],
            )?;
            crate::store::history::forget_old(sql)
        })
        .unwrap();
    assert_eq!(
        runs.iter().map(|run| told(&room, *run).len()).collect::<Vec<_>>(),
        [0, 2, 2]
    );
    assert_eq!(room.store.run(runs[0]).unwrap().counts.total().unmapped, 2);
}

#[test]
fn r37_a_class_that_changes_is_listed_and_counted_as_nothing() {
    let room = Room::new();
    let of = |kind, version| ObjectReading {
        kind,
        ..user(1, version)
    };
    let run = room.run();
    room.stage(run, &[of(Kind::Group, "a")]);
    room.drain(run);
    room.end(run);
    let run = room.run();
    let counts = room
        .store
        .stage_page(run, &[of(Kind::Role, "b")], false, NOW)
        .unwrap();
    assert_eq!(counts.0.keys().copied().collect::<Vec<_>>(), [Kind::Role]);
    assert_eq!(counts.total().staged, 1);
    let listed = room.store.run_objects(run, None, 9).unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(
        (listed[0].fate, listed[0].kind, listed[0].reason.as_str()),
        (Fate::Reclassified, Kind::Group, "became a role")
    );
    assert_eq!(listed[0].external_id.as_deref(), Some("S-1-5-21-1"));
    let sent = room.drain(run);
    assert_eq!((sent.len(), sent[0].kind), (1, Kind::Role));
    // Nothing is gone.
    assert!(
        room.store
            .removed(room.connection, None, None, 9)
            .unwrap()
            .is_empty()
    );
    // Once more as a role is no change.
    room.stage(run, &[of(Kind::Role, "b")]);
    assert_eq!(room.store.run_objects(run, None, 9).unwrap().len(), 1);
    room.end(run);
}
