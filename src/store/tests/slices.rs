//! A full read that broke off: what is remembered of it, and when it is forgotten.

use super::*;
use crate::identity::GuidSet;

/// Returns a full read of USNs up to 999, without slices.
fn begun() -> UnfinishedRead {
    UnfinishedRead {
        controller: guid(201),
        scope: [9; 32],
        highest: 999,
        begun_at: NOW,
        containers: vec![Container {
            guid: guid(202),
            dn: "OU=Staff,DC=corp,DC=example".to_owned(),
        }],
        slices: Vec::new(),
    }
}

/// Returns a slice with user `number`.
fn slice(usns: std::ops::RangeInclusive<u64>, number: u8) -> ReadSlice {
    let mut found = SliceContent {
        kinds: [Kind::User].into(),
        parents: ["CN=PC\\0AOne,DC=corp,DC=example".to_owned()].into(),
        ..SliceContent::default()
    };
    found.guids.insert(guid(number));
    ReadSlice { usns, found }
}

fn end_of_read(met: Option<GuidSet>) -> ReadEnd {
    let watermark = Watermark {
        controller: guid(201),
        scope: [9; 32],
        usn: 999,
        read_at: NOW,
    };
    ReadEnd {
        met,
        ..end_at(watermark)
    }
}

impl Room {
    /// Returns the slices that are remembered.
    fn ranges(&self) -> Vec<(u64, u64)> {
        let unfinished = self.store.unfinished(self.connection).unwrap();
        let slices = unfinished.into_iter().flat_map(|unfinished| unfinished.slices);
        slices
            .map(|slice| (*slice.usns.start(), *slice.usns.end()))
            .collect()
    }
}

#[test]
fn r03_a_slice_is_remembered_with_the_objects_that_it_holds() {
    let room = Room::new();
    let run = room.run();
    room.store.begin_full_read(run, &begun()).unwrap();
    // Refused: nothing of it is stored, so the slice is not read.
    let refused = room.store.stage_slices(
        RunId::numbered(99),
        &[user(1, "a")],
        false,
        &[slice(0..=99, 1)],
        NOW,
    );
    assert!(refused.is_err());
    assert!(room.ranges().is_empty());

    let page = [user(1, "a"), user(2, "a")];
    let slices = [slice(500..=999, 2), slice(0..=99, 1)];
    room.store.stage_slices(run, &page, false, &slices, NOW).unwrap();
    room.end(run);
    assert_eq!(room.waiting(), 2);
    let UnfinishedRead {
        controller,
        scope,
        highest,
        begun_at,
        containers,
        slices,
    } = room.store.unfinished(room.connection).unwrap().unwrap();
    let wanted = begun();
    assert_eq!(
        (controller, scope, highest, begun_at, containers),
        (
            wanted.controller,
            wanted.scope,
            wanted.highest,
            wanted.begun_at,
            wanted.containers
        )
    );
    assert_eq!((&slices[0].usns, &slices[1].usns), (&(0..=99), &(500..=999)));
    let found = &slices[0].found;
    assert_eq!(found.kinds, [Kind::User].into());
    assert_eq!(
        found.parents,
        ["CN=PC\\0AOne,DC=corp,DC=example".to_owned()].into()
    );
    assert!(found.guids.contains(guid(1)) && !found.guids.contains(guid(2)));
}

#[test]
fn a_full_read_that_begins_or_ends_forgets_the_slices_and_a_delta_does_not() {
    let room = Room::new();
    let run = room.run();
    let again = |room: &Room| {
        room.store.begin_full_read(run, &begun()).unwrap();
        room.store
            .stage_slices(run, &[], false, &[slice(0..=99, 1)], NOW)
            .unwrap();
    };
    again(&room);
    again(&room);
    assert_eq!(room.ranges(), [(0, 99)], "of the read before nothing is left");
    let end = |met| {
        room.store
            .complete_read(run, &[], false, &end_of_read(met), NOW)
            .unwrap()
    };
    end(None);
    assert_eq!(room.ranges(), [(0, 99)]);
    end(Some(GuidSet::default()));
    assert!(room.store.unfinished(room.connection).unwrap().is_none());
}

#[test]
fn connections_have_slices_of_their_own() {
    let room = Room::new();
    let other = room
        .store
        .register(derive_uuid("other"), "other", "", &AssetTarget::default(), NOW)
        .unwrap();
    let (run, run_of_other) = (room.run(), begin(&room.store, other));
    for run in [run, run_of_other] {
        room.store.begin_full_read(run, &begun()).unwrap();
    }
    room.store
        .stage_slices(run, &[], false, &[slice(0..=99, 1)], NOW)
        .unwrap();
    assert_eq!(room.ranges(), [(0, 99)]);
    assert!(room.store.unfinished(other).unwrap().unwrap().slices.is_empty());
}

#[test]
fn a_dry_run_goes_on_too_and_the_file_stays_as_it_is() {
    let room = Room::new();
    let run = room.run();
    room.store.begin_full_read(run, &begun()).unwrap();
    room.store
        .stage_slices(run, &[user(1, "a")], false, &[slice(0..=99, 1)], NOW)
        .unwrap();
    room.end(run);

    let scratch = room.open(StoreAccess::Scratch).unwrap();
    let seen = scratch.unfinished(room.connection).unwrap().unwrap();
    assert_eq!((seen.containers.len(), seen.slices.len()), (1, 1));
    let run = begin(&scratch, room.connection);
    scratch
        .stage_slices(run, &[user(2, "a")], false, &[slice(100..=999, 2)], NOW)
        .unwrap();
    scratch
        .complete_read(run, &[], false, &end_of_read(Some(GuidSet::default())), NOW)
        .unwrap();
    assert!(scratch.unfinished(room.connection).unwrap().is_none());
    assert_eq!(room.ranges(), [(0, 99)]);
}

#[test]
fn r33_a_full_read_that_is_complete_is_remembered_and_a_delta_is_not() {
    let room = Room::new();
    let (tick, now) = (NOW + 100, NOW + 300);
    let store = &room.store;
    let complete = |met, ended| {
        let run = room.run();
        let end = ReadEnd {
            ended,
            ..end_of_read(met)
        };
        store.complete_read(run, &[], false, &end, NOW).unwrap();
        room.end(run);
        let row = store.connection("corp").unwrap().unwrap();
        (row.last_baseline, row.baseline_due(now))
    };
    assert_eq!(complete(Some(GuidSet::default()), NOW), (Some(NOW), None));
    store.set_next(room.connection, None, Some(tick)).unwrap();
    assert_eq!(complete(None, NOW + 200), (Some(NOW), Some(tick)), "a delta");
    let row = store.connection("corp").unwrap().unwrap();
    assert_eq!(row.baseline_due(tick - 1), None, "not yet");
    for (ended, due) in [
        (tick - 1, Some(tick)),
        (tick, None),
        (now, None),
        // The clock was set back since.
        (now + 1, Some(tick)),
    ] {
        assert_eq!(complete(Some(GuidSet::default()), ended), (Some(ended), due));
    }
}
