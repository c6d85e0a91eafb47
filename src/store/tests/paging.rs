//! Pages of what people look through.

use super::*;
use crate::store::RejectionPlace;

#[test]
fn every_object_that_did_not_get_through_is_on_one_page() {
    let room = Room::new();
    let run = room.run();
    // Five of upstream, the third also of the mapping, and two of the mapping alone.
    let people: Vec<ObjectReading> = (1..=5).map(|number| user(number, "1")).collect();
    room.stage(run, &people);
    let batch = room.store.next_batch(run, 0, 100, ANY, 0).unwrap();
    let refused: Vec<(u64, String)> = seqs(&batch)
        .into_iter()
        .map(|seq| (seq, "no".to_owned()))
        .collect();
    room.store
        .settle(run, &batch, &answered(&[], &refused, &[]), NOW)
        .unwrap();
    let unmappable = |number| ObjectReading {
        asset: Err("no name".to_owned()),
        ..user(number, "1")
    };
    room.stage(run, &[unmappable(3), unmappable(7), unmappable(8)]);
    let nameless = ["CN=b", "CN=a/b"].map(|dn| UnidentifiedEntry {
        kind: Kind::User,
        dn: dn.to_owned(),
        reason: "no GUID".to_owned(),
    });
    room.store.note_unidentified(run, &nameless, NOW).unwrap();

    let all = room.store.rejections(room.connection, 100).unwrap();
    assert_eq!(all.len(), 10);
    for limit in 1..=4 {
        let mut paged = Vec::new();
        let mut after: Option<RejectionPlace> = None;
        loop {
            let page = room
                .store
                .rejections_after(room.connection, after.as_ref(), limit)
                .unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= limit);
            // As the API hands it out and takes it back.
            after = Some(RejectionPlace::from(last).to_string().parse().unwrap());
            paged.extend(page);
        }
        assert_eq!(paged, all, "pages of {limit}");
    }
    for text in ["", "x", "mapping/nonsense/CN=a"] {
        assert!(text.parse::<RejectionPlace>().is_err(), "{text}");
    }
}

#[test]
fn runs_go_on_from_a_number_and_a_waiting_version_is_shown_with_its_reason() {
    let room = Room::new();
    for _ in 0..5 {
        let run = room.run();
        room.end(run);
    }
    let all = room.store.runs(room.connection, 100).unwrap();
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = room.store.runs_before(room.connection, before, 2).unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id.number());
        paged.extend(page);
    }
    assert_eq!((paged.len(), paged), (5, all));

    let run = room.run();
    room.stage(run, &[user(1, "1")]);
    let waiting = || room.store.waiting(room.connection, guid(1)).unwrap();
    assert_eq!(
        waiting().map(|waiting| (waiting.asset, waiting.rejected_at)),
        Some((asset("1"), None))
    );
    let batch = room.store.next_batch(run, 0, 100, ANY, 0).unwrap();
    let refused: Vec<(u64, String)> = seqs(&batch)
        .into_iter()
        .map(|seq| (seq, "no".to_owned()))
        .collect();
    room.store
        .settle(run, &batch, &answered(&[], &refused, &[]), NOW)
        .unwrap();
    let told = waiting().map(|waiting| (waiting.rejected_at, waiting.reject_reason));
    assert_eq!(told, Some((Some(NOW), Some("no".to_owned()))));
    assert_eq!(room.store.waiting(room.connection, guid(2)).unwrap(), None);
}

#[test]
fn a_run_tells_who_asked_what_to_do_and_what_its_time_went_to_and_a_connection_when_it_was_what() {
    let room = Room::new();
    let run = room.run();
    let phases = RunPhases {
        connecting: std::time::Duration::from_millis(1),
        reading: std::time::Duration::from_millis(20),
        examining: std::time::Duration::from_millis(300),
        delivering: std::time::Duration::from_millis(4000),
    };
    let end = RunEnd {
        outcome: Outcome::Failed,
        error: Some("it broke".to_owned()),
        remedy: Some("mend it".to_owned()),
        retries: 7,
        phases: Some(phases),
        ..RunEnd::default()
    };
    room.store.end_run(run, &end, NOW + 9).unwrap();
    let told = room.store.runs(room.connection, 1).unwrap().remove(0);
    assert_eq!((told.asked_by.as_str(), told.retries), ("a test", 7));
    assert_eq!(
        (told.remedy.as_deref(), told.phases),
        (Some("mend it"), Some(phases))
    );
    let row = room.store.connection("corp").unwrap().unwrap();
    assert_eq!(row.last_error_remedy.as_deref(), Some("mend it"));
    let entered: Vec<(State, i64)> = row.entered.into_iter().collect();
    assert_eq!(
        entered,
        [
            (State::Registered, NOW),
            (State::Scheduled, NOW + 9),
            (State::Processing, NOW)
        ]
    );
    // A run whose process died shows only what is known: its phases were not measured.
    let run = room.run();
    room.store.recover(room.connection, NOW + 20).unwrap();
    let dead = room.store.run(run).unwrap();
    assert_eq!((dead.phases, dead.remedy.is_some()), (None, true));
}
