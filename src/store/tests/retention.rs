//! Time that each record is kept.

use super::sql::values;
use super::*;
use crate::failpoint::Commit;
use crate::identity::GuidSet;

const DAY: i64 = 86_400;

impl Room {
    fn count(&self, from: &str) -> i64 {
        let statement = format!("SELECT count(*) FROM {from}");
        self.store.read(|sql| sql.value(&statement, &[])).unwrap()
    }

    fn execute(&self, statement: &str) {
        self.store
            .write(Commit::Register, |sql| sql.execute(statement, &[]))
            .unwrap();
    }

    /// Nothing names an asset that is gone, and no text is without a version.
    #[track_caller]
    fn assert_whole(&self) {
        for from in [
            "document WHERE seq NOT IN (SELECT seq FROM stage)
                 AND seq NOT IN (SELECT document FROM asset WHERE document IS NOT NULL)",
            "asset WHERE document NOT IN (SELECT seq FROM document)",
            "asset WHERE owner NOT IN (SELECT id FROM object)",
            "object WHERE asset NOT IN (SELECT id FROM asset)",
            "stage WHERE asset NOT IN (SELECT id FROM asset)",
            "removed WHERE asset NOT IN (SELECT id FROM asset)",
            "contender WHERE asset NOT IN (SELECT id FROM asset)",
            "recheck WHERE asset NOT IN (SELECT id FROM asset)",
            "object WHERE changed_by NOT IN (SELECT id FROM controller)",
        ] {
            assert_eq!(self.count(from), 0, "{from}");
        }
    }

    /// A full read on `controller` that ends at `now` and meets these objects.
    fn full_read(&self, controller: u8, page: &[ObjectReading], now: i64) {
        self.full_read_with(controller, page, now, None);
    }

    /// The same with a cookie for DirSync.
    fn full_read_with(&self, controller: u8, page: &[ObjectReading], now: i64, cookie: Option<&[u8]>) {
        let run = self.run();
        self.store.read_from(run, guid(controller)).unwrap();
        let mut met = GuidSet::default();
        page.iter().for_each(|reading| met.insert(reading.guid));
        met.sort();
        let watermark = Watermark {
            controller: guid(controller),
            scope: [1; 32],
            usn: 9,
            read_at: now,
        };
        let container = Container {
            guid: guid(100),
            dn: "OU=Staff,DC=corp,DC=example".to_owned(),
        };
        let end = ReadEnd {
            met: Some(met),
            cookie: cookie.map(<[u8]>::to_vec),
            containers: vec![container],
            ended: now,
            ..end_at(watermark)
        };
        self.store.complete_read(run, page, false, &end, now).unwrap();
        self.store.end_run(run, &RunEnd::default(), now).unwrap();
    }

    /// Removes object `number`, which the last full read missed; `marked` is whether upstream is to
    /// know.
    fn remove(&self, number: u8, marked: bool) -> RunId {
        let run = self.run();
        let gone = [(guid(number), LookupVerdict::Gone("deleted".to_owned()))];
        self.store.note_verdicts(run, &gone, NOW).unwrap();
        let limits = RemovalLimits {
            max_count: 99,
            max_percent: 100,
            empty: Vec::new(),
        };
        let marked = |_, json: &str| marked.then(|| json.replace("}}", r#","gone":true}}"#));
        let decision = RemovalDecision::Threshold(limits);
        let concluded = self.store.conclude_removals(run, &decision, marked, NOW).unwrap();
        assert_eq!(concluded.counts.total().removed, 1);
        run
    }

    /// Ends a run `days` after now, which does nothing else.
    fn end_after(&self, days: i64, seconds: i64) {
        let run = self.run();
        let end = RunEnd::default();
        let at = NOW + days * DAY + seconds;
        self.store.end_run(run, &end, at).unwrap();
    }

    fn removed(&self) -> usize {
        let removed = self.store.removed(self.connection, None, None, 99).unwrap();
        removed.len()
    }
}

/// Users 1 and 2, accepted by upstream; then 1 is missing.
fn with_one_missing() -> Room {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a")]);
    room.drain(run);
    room.end(run);
    room.full_read(200, &[user(2, "a")], NOW);
    room
}

#[test]
fn removed_objects_are_listed_for_400_days_and_go_with_their_assets() {
    let room = with_one_missing();
    let run = room.remove(1, false);
    room.end(run);
    room.full_read(200, &[user(2, "a")], NOW);
    room.end_after(400, 0);
    assert_eq!(
        (room.removed(), room.count("asset"), room.count("document")),
        (1, 2, 2)
    );
    room.end_after(400, 1);
    assert_eq!(
        (room.removed(), room.count("asset"), room.count("document")),
        (0, 1, 1)
    );
    room.assert_whole();

    let run = room.run();
    assert_eq!(
        room.stage(run, &[user(1, "a"), user(2, "a")]).staged,
        1,
        "it is new"
    );
    assert_eq!(room.drain(run).len(), 1);
    room.assert_whole();
}

#[test]
fn r24_a_removal_that_upstream_has_not_accepted_is_kept_however_old() {
    let room = with_one_missing();
    let run = room.remove(1, true);
    room.end(run);
    room.end_after(500, 0);
    assert_eq!(room.removed(), 1);
    let run = room.run();
    let batch = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    assert!(batch[0].removal && batch[0].external_id == "S-1-5-21-1");
    let rejected = [(batch[0].seq, "not now".to_owned())];
    room.store
        .settle(run, &batch, &answered(&[], &rejected, &[]), NOW)
        .unwrap();
    room.store
        .end_run(run, &RunEnd::default(), NOW + 501 * DAY)
        .unwrap();
    assert_eq!(room.removed(), 1);
    let run = room.run();
    assert_eq!(room.drain(run).len(), 1);
    room.store
        .end_run(run, &RunEnd::default(), NOW + 502 * DAY)
        .unwrap();
    assert_eq!(
        (room.removed(), room.count("asset"), room.count("stage")),
        (0, 1, 0)
    );
    room.assert_whole();
}

#[test]
fn r37_an_asset_that_something_else_needs_outlives_the_list_of_removed_objects() {
    let needs = [
        "INSERT INTO recheck (connection, why, guid, kind, dn, asset, since)
             SELECT connection, 'replaced', guid, kind, dn, asset, 1 FROM removed",
        "INSERT INTO contender (object, asset, connection, since)
             SELECT (SELECT max(id) FROM object), asset, connection, 1 FROM removed",
        "UPDATE asset SET owner = (SELECT max(id) FROM object) WHERE owner IS NULL",
        "UPDATE object SET asset = (SELECT asset FROM removed)",
    ];
    for need in needs {
        let room = with_one_missing();
        let run = room.remove(1, false);
        room.end(run);
        room.execute(need);
        room.end_after(401, 0);
        assert_eq!(
            (room.removed(), room.count("asset"), room.count("document")),
            (0, 2, 2),
            "{need}"
        );
        room.full_read(200, &[], NOW);
        assert_eq!(room.count("asset"), 2, "{need}");
    }
}

#[test]
fn r37_an_asset_whose_version_is_in_flight_is_kept_until_it_is_settled() {
    let room = with_one_missing();
    let run = room.run();
    room.stage(run, &[user(1, "b")]);
    let batch = room.store.next_batch(run, 0, 9, ANY, 0).unwrap();
    room.execute(
        "INSERT INTO recheck (connection, why, guid, kind, dn, since, verdict, reason, run)
         SELECT connection, 'missing', guid, kind, dn, 1, 'gone', 'deleted',
             (SELECT max(id) FROM run)
         FROM object WHERE dn LIKE 'CN=User 1,%'",
    );
    let all = RemovalDecision::Threshold(RemovalLimits {
        max_count: 99,
        max_percent: 100,
        empty: Vec::new(),
    });
    room.store.conclude_removals(run, &all, |_, _| None, NOW).unwrap();
    assert_eq!(room.removed(), 1);
    // The end of a run of another connection.
    let other = room
        .store
        .register(derive_uuid("other"), "other", "", &AssetTarget::default(), NOW)
        .unwrap();
    let beside = begin(&room.store, other);
    room.store
        .end_run(beside, &RunEnd::default(), NOW + 401 * DAY)
        .unwrap();
    assert_eq!((room.removed(), room.count("asset")), (0, 2));
    room.store
        .settle(run, &batch, &answered(&seqs(&batch), &[], &[]), NOW)
        .unwrap();
    room.assert_whole();
    room.end(run);
    room.full_read(200, &[user(2, "a")], NOW);
    assert_eq!(room.count("asset"), 1);
    room.assert_whole();
}

#[test]
fn r37_assets_that_were_left_behind_go_with_the_next_full_read_and_no_others() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[user(1, "a"), user(2, "a")]);
    room.drain(run);
    room.end(run);
    let other = room
        .store
        .register(derive_uuid("other"), "other", "", &AssetTarget::default(), NOW)
        .unwrap();
    let run = begin(&room.store, other);
    room.store.stage_page(run, &[user(3, "a")], false, NOW).unwrap();
    room.end(run);
    room.store
        .register(derive_uuid("corp"), "corp", "", &target("new"), NOW)
        .unwrap();
    assert_eq!(room.count("asset WHERE owner IS NULL"), 2);
    room.end_after(0, 0);
    assert_eq!(room.count("asset"), 5, "only a full read looks for them");
    room.full_read(200, &[user(1, "a")], NOW);
    assert_eq!(room.count("asset WHERE owner IS NULL"), 0);
    assert_eq!((room.count("asset"), room.count("document")), (3, 3));
    room.assert_whole();
}

#[test]
fn r37_removed_and_contended_assets_stay_through_full_reads() {
    let room = with_one_missing();
    let run = room.remove(1, true);
    room.end(run);
    let twin = ObjectReading {
        guid: guid(3),
        ..user(2, "b")
    };
    room.full_read(200, &[user(2, "a"), twin.clone()], NOW);
    room.full_read(200, &[user(2, "a"), twin], NOW);
    assert_eq!(
        (room.removed(), room.count("asset"), room.count("contender")),
        (1, 2, 1)
    );
    room.assert_whole();
}

/// Runs that another process made, of which these many read completely.
fn runs(room: &Room, complete: i64, others: i64) {
    room.store
        .write(Commit::Register, |sql| {
            for run in 0..complete + others {
                let watermark = (run < complete).then_some(run);
                sql.execute(
                    "INSERT INTO run (connection, wanted, mode, reason, asked_by, started, ended,
                         watermark_after)
                     VALUES ($1, 'delta', 'delta', '', '', 1, 1, $2)",
                    values![room.connection, watermark],
                )?;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn r15_what_could_not_be_mapped_is_forgotten_when_no_kept_run_confirmed_it() {
    // Runs that fail ask for nothing, so these do not count.
    for (complete, kept) in [(500, false), (499, true)] {
        let room = Room::new();
        let run = room.run();
        room.store.read_from(run, guid(1)).unwrap();
        room.stage(run, &[unmappable(1, "no SID"), unmappable(2, "no SID")]);
        room.end(run);
        runs(&room, complete, 998 - complete);
        let run = room.run();
        room.end(run);
        assert_eq!(room.count("recheck"), 2, "their run is the oldest kept one");
        let run = room.run();
        room.store.read_from(run, guid(2)).unwrap();
        room.stage(run, &[unmappable(2, "no SID")]);
        room.end(run);
        let rejected = room.store.rejections(room.connection, 9).unwrap();
        let rejected: Vec<_> = rejected.iter().map(|rejection| rejection.guid).collect();
        let expected = if kept {
            vec![Some(guid(1)), Some(guid(2))]
        } else {
            vec![Some(guid(2))]
        };
        assert_eq!(rejected, expected, "{complete} complete reads");
    }
}

#[test]
fn r02_a_controller_that_was_not_read_for_a_year_is_forgotten() {
    let room = Room::new();
    let page = [user(1, "a"), user(2, "a")];
    room.full_read(1, &page, NOW);
    room.full_read(3, &page, NOW + 300 * DAY);
    room.full_read(2, &page, NOW + 365 * DAY - 1);
    assert_eq!((room.count("watermark"), room.count("container")), (3, 3));
    room.full_read(2, &page, NOW + 365 * DAY);
    let marks = room.store.watermarks(room.connection).unwrap();
    let marks: Vec<_> = marks.iter().map(|mark| mark.controller).collect();
    assert_eq!(marks, [guid(2), guid(3)]);
    assert_eq!(room.count("container"), 2);
    assert_eq!(room.count("last_change"), 0, "2 and 3 were read since");
    assert_eq!(room.count("controller"), 3, "1 returned the objects");
    room.assert_whole();

    let changed = [user(1, "b"), user(2, "b")];
    room.full_read(2, &changed, NOW + 366 * DAY);
    assert_eq!(room.count("controller"), 2);
    room.assert_whole();
}

#[test]
fn r02_changes_of_a_forgotten_controller_count_for_those_that_were_read_before_them() {
    let room = Room::new();
    room.full_read(3, &[user(1, "a")], NOW + 300 * DAY);
    // The clock of that time was wrong.
    room.full_read(1, &[user(1, "b")], NOW);
    room.full_read(2, &[user(1, "b")], NOW + 365 * DAY);
    assert_eq!(room.store.watermarks(room.connection).unwrap().len(), 2);
    let elsewhere = room
        .store
        .changed_elsewhere(room.connection, guid(3), false, 9)
        .unwrap();
    assert_eq!(elsewhere, [(Kind::User, guid(1))]);
}

#[test]
fn r02_changes_of_a_forgotten_controller_count_for_a_cookie_from_before_them() {
    let room = Room::new();
    room.full_read_with(3, &[user(1, "a")], NOW, Some(b"cookie"));
    room.full_read(1, &[user(1, "b")], NOW);
    room.full_read(2, &[user(1, "b")], NOW + 365 * DAY);
    assert_eq!(room.store.watermarks(room.connection).unwrap().len(), 1);
    let elsewhere = room
        .store
        .changed_elsewhere(room.connection, guid(2), true, 9)
        .unwrap();
    assert_eq!(elsewhere, [(Kind::User, guid(1))]);
}

#[test]
fn r22_a_forgotten_controller_proves_nothing_by_not_having_an_object() {
    let room = Room::new();
    room.full_read(1, &[user(1, "a")], NOW);
    room.full_read(2, &[user(1, "a"), user(2, "a")], NOW);
    // 1 misses 2, which it never returned.
    room.full_read(1, &[user(1, "a")], NOW);
    room.full_read(2, &[user(1, "a"), user(2, "a")], NOW + 300 * DAY);
    let proven = |controller| {
        let lag = std::time::Duration::from_secs(3_600 * 24 * 365 * 10);
        let guids = [guid(1), guid(2)];
        let proven = room
            .store
            .proven_by_absence(room.connection, guid(controller), &guids, lag, NOW)
            .unwrap();
        (proven.contains(&guid(1)), proven.contains(&guid(2)))
    };
    assert_eq!((proven(1), proven(2)), ((true, false), (true, true)));
    assert_eq!(room.count("missed_on"), 1);
    room.full_read(2, &[user(1, "a"), user(2, "a")], NOW + 365 * DAY);
    assert_eq!(room.count("missed_on"), 0);
    // 1 was the first to return object 1, and that is still known.
    assert_eq!((proven(1), proven(2)), ((true, false), (true, true)));
    // A watermark that is younger keeps what was missed.
    let room = Room::new();
    room.full_read(1, &[], NOW);
    room.full_read(2, &[user(2, "a")], NOW);
    room.full_read(1, &[], NOW);
    room.full_read(1, &[], NOW + DAY);
    room.full_read(2, &[user(2, "a")], NOW + 365 * DAY);
    assert_eq!((room.count("watermark"), room.count("missed_on")), (2, 1));
}
