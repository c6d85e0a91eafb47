//! What is staged, what is not, and what an answer does.

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
    room.store
        .stage_page(run, &[user(1, "a")], false, None, NOW)
        .unwrap();
    assert_eq!(room.store.watermarks(room.connection).unwrap(), []);
    room.store
        .stage_page(run, &[user(2, "a")], false, Some(&mark(1, 1, 500)), NOW)
        .unwrap();
    assert_eq!(room.store.watermarks(room.connection).unwrap(), [mark(1, 1, 500)]);
    room.end(run);
    // Neither of the two is stored when the run is not open any more.
    let refused = room
        .store
        .stage_page(run, &[user(3, "a")], false, Some(&mark(1, 1, 900)), NOW);
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
        Counts {
            read: 2,
            staged: 2,
            ..Counts::default()
        }
    );
    assert_eq!(room.drain(run).len(), 2);
    let counts = room.stage(run, &[user(2, "a"), user(1, "b")]);
    assert_eq!(
        counts,
        Counts {
            read: 2,
            staged: 1,
            unchanged: 1,
            ..Counts::default()
        }
    );
    assert_eq!(assets(&room.drain(run)), [asset("b")]);
    let object = room.store.object(room.connection, guid(1)).unwrap().unwrap();
    assert_eq!((object.asset, object.accepted_run), (asset("b"), run));
}
