//! Tests of the reaching of controllers, and of the position at which a DirSync search goes on.

use super::*;
use crate::identity::GuidSet;

fn end_of_read(controller: u8, scope: u8, cookie: Option<&[u8]>) -> ReadEnd {
    let watermark = Watermark {
        controller: guid(controller),
        scope: [scope; 32],
        usn: 100,
        read_at: NOW,
    };
    ReadEnd {
        host: format!("dc{controller}"),
        server: format!("CN=NTDS Settings,CN=DC{controller}"),
        cookie: cookie.map(<[u8]>::to_vec),
        ..end_at(watermark)
    }
}

impl Room {
    fn complete(&self, end: &ReadEnd) {
        let run = self.run();
        self.store.complete_read(run, &[], false, end, NOW).unwrap();
        self.end(run);
    }

    fn hosts(&self) -> Vec<String> {
        let reached = self.store.reached(self.connection).unwrap();
        reached.into_iter().map(|one| one.host).collect()
    }

    fn octets(&self) -> Option<Vec<u8>> {
        let cookie = self.store.cookie(self.connection).unwrap();
        cookie.map(|cookie| cookie.octets)
    }
}

#[test]
fn r02_hosts_are_remembered_as_long_as_their_watermarks() {
    let room = Room::new();
    assert!(room.hosts().is_empty());
    room.complete(&end_of_read(1, 7, None));
    room.complete(&end_of_read(2, 7, None));
    assert_eq!(room.hosts(), ["dc1", "dc2"]);
    let servers = room.store.reached(room.connection).unwrap();
    assert_eq!(servers[1].server, "CN=NTDS Settings,CN=DC2");
    room.complete(&ReadEnd {
        host: "10.0.0.1".to_owned(),
        ..end_of_read(1, 7, None)
    });
    assert_eq!(room.hosts(), ["10.0.0.1", "dc2"], "as it was reached last");
    room.complete(&end_of_read(2, 8, None));
    assert_eq!(room.hosts(), ["dc2"], "of this scope");
}

#[test]
fn r02_r03_a_cookie_commits_with_its_read_and_goes_with_its_scope() {
    let room = Room::new();
    assert_eq!(room.octets(), None);
    room.complete(&end_of_read(1, 7, Some(b"one")));
    room.complete(&end_of_read(2, 7, Some(b"two")));
    assert_eq!(room.octets().unwrap(), b"two", "one, whatever the controller");
    room.complete(&end_of_read(1, 7, None));
    let cookie = room.store.cookie(room.connection).unwrap().unwrap();
    assert_eq!(cookie.octets, b"two", "a read without one leaves it");
    assert_eq!((cookie.scope, cookie.read_at), ([7; 32], NOW));
    room.complete(&end_of_read(1, 8, None));
    assert_eq!(room.octets(), None, "but not in another scope");
}

/// Tests with the marks of [`Store::changed_elsewhere`] and [`Store::proven_by_absence`].
impl Room {
    /// Reads `page` from `controller` in a run of its own; with an end, the read is complete.
    fn read(&self, controller: u8, page: &[ObjectReading], end: Option<&ReadEnd>) {
        let run = self.run();
        self.store.read_from(run, guid(controller)).unwrap();
        match end {
            None => drop(self.store.stage_page(run, page, false, NOW).unwrap()),
            Some(end) => drop(self.store.complete_read(run, page, false, end, NOW).unwrap()),
        }
        self.end(run);
    }

    /// The same, as a full read that gave `page` and nothing else.
    fn read_in_full(&self, controller: u8, page: &[ObjectReading]) {
        let mut met = GuidSet::default();
        page.iter().for_each(|reading| met.insert(reading.guid));
        met.sort();
        let end = ReadEnd {
            met: Some(met),
            ..end_of_read(controller, 7, None)
        };
        self.read(controller, page, Some(&end));
    }

    /// The same, as a delta.
    fn read_delta(&self, controller: u8, page: &[ObjectReading], missed: &[u8]) {
        let end = ReadEnd {
            missed: missed.iter().map(|number| guid(*number)).collect(),
            ..end_of_read(controller, 7, None)
        };
        self.read(controller, page, Some(&end));
    }

    fn changed_elsewhere(&self, controller: u8) -> Vec<Guid> {
        let mut changed: Vec<Guid> = self
            .store
            .changed_elsewhere(self.connection, guid(controller), false, 99)
            .unwrap()
            .into_iter()
            .map(|(kind, guid)| {
                assert_eq!(kind, Kind::User);
                guid
            })
            .collect();
        changed.sort();
        changed
    }

    /// Returns `true` when it proves that object `number` is gone when it does not return it,
    /// `later` seconds from now.
    fn proves(&self, controller: u8, number: u8, later: i64) -> bool {
        let lag = std::time::Duration::from_secs(60);
        self.store
            .proven_by_absence(
                self.connection,
                guid(controller),
                &[guid(number)],
                lag,
                NOW + later,
            )
            .unwrap()
            .contains(&guid(number))
    }
}

#[test]
fn r02_what_another_controller_changed_is_read_again_and_nothing_else() {
    let room = Room::new();
    let old = [user(1, "a"), user(2, "a"), user(3, "a")];
    room.read_in_full(1, &old);
    assert_eq!(
        room.changed_elsewhere(2),
        [],
        "never read: everything is read anyway"
    );
    // One changed, one as it was, one new; and one that the first controller will miss.
    room.read_in_full(2, &[user(1, "b"), user(2, "a"), user(3, "a"), user(4, "a")]);
    assert_eq!(room.changed_elsewhere(1), [guid(1), guid(4)]);
    assert_eq!(room.changed_elsewhere(2), [], "by itself");
    // The first one returns its version: that is a change for the second.
    room.read_delta(1, &[user(1, "a")], &[4]);
    assert_eq!(room.changed_elsewhere(1), []);
    assert_eq!(room.changed_elsewhere(2), [guid(1)]);
    room.read_delta(2, &[user(1, "a")], &[]);
    assert_eq!(room.changed_elsewhere(1), [], "it agrees now");
    assert_eq!(room.changed_elsewhere(2), []);
}

#[test]
fn r02_a_read_that_broke_off_changes_as_well_and_a_version_sent_once_more_does_not() {
    let room = Room::new();
    room.read_in_full(1, &[user(1, "a"), user(2, "a")]);
    room.read(2, &[user(2, "b")], None);
    assert_eq!(room.changed_elsewhere(1), [guid(2)]);
    room.read_delta(1, &[user(2, "a")], &[]);
    let run = room.run();
    room.drain(run);
    room.store.read_from(run, guid(2)).unwrap();
    room.store
        .stage_page(run, &[user(1, "a"), user(2, "a")], true, NOW)
        .unwrap();
    room.end(run);
    assert_eq!(room.changed_elsewhere(1), []);
}

#[test]
fn r02_what_another_controller_removed_is_asked_for_again() {
    let room = Room::new();
    room.read_in_full(1, &[user(1, "a"), user(2, "a")]);
    room.read_in_full(2, &[user(1, "a"), user(2, "a")]);
    let remove = |controller, number| {
        room.read_delta(controller, &[], &[number]);
        let run = room.run();
        room.drain(run);
        room.store.read_from(run, guid(controller)).unwrap();
        let gone = [(guid(number), LookupVerdict::Gone("deleted".to_owned()))];
        room.store.note_verdicts(run, &gone, NOW).unwrap();
        let limits = RemovalLimits {
            max_count: 9,
            max_percent: 100,
            empty: Vec::new(),
        };
        let decision = RemovalDecision::Threshold(limits);
        let conclusion = room.store.conclude_removals(run, &decision, |_, _| None, NOW);
        assert_eq!(conclusion.unwrap().counts.total().removed, 1);
        room.end(run);
    };
    remove(2, 1);
    assert_eq!(room.changed_elsewhere(1), [guid(1)]);
    assert_eq!(room.changed_elsewhere(2), []);
    // It is back, as the first one has it.
    room.read_delta(1, &[user(1, "a")], &[]);
    assert_eq!(room.changed_elsewhere(1), []);
    assert_eq!(room.changed_elsewhere(2), [guid(1)]);
    // Removed by both: asked of nobody any more.
    room.read_delta(2, &[user(1, "a")], &[]);
    remove(1, 2);
    room.read_delta(2, &[], &[]);
    assert_eq!(room.changed_elsewhere(2), []);
}

#[test]
fn r02_what_replaced_a_version_that_the_cookie_covers_is_read_again_on_any_controller() {
    let room = Room::new();
    let cookie = ReadEnd {
        met: Some(GuidSet::everything()),
        ..end_of_read(1, 7, Some(b"cookie"))
    };
    room.read(1, &[user(1, "new"), user(2, "new")], Some(&cookie));
    // An older version, from a read that breaks off.
    room.read(2, &[user(1, "old"), user(2, "new")], None);
    let changed = |controller, by_cookie| {
        let changed = room
            .store
            .changed_elsewhere(room.connection, guid(controller), by_cookie, 99);
        changed
            .unwrap()
            .into_iter()
            .map(|(_, guid)| guid)
            .collect::<Vec<_>>()
    };
    assert_eq!(changed(2, false), []);
    for controller in [1, 2, 3] {
        assert_eq!(changed(controller, true), [guid(1)], "{controller}");
    }
}

#[test]
fn r22_a_controller_proves_only_what_it_returned() {
    let room = Room::new();
    room.read_in_full(1, &[user(1, "a"), user(2, "a")]);
    assert!(room.proves(1, 1, 0) && room.proves(1, 2, 0));
    assert!(!room.proves(2, 1, 0) && !room.proves(2, 1, 9_999), "never read");
    // The second one lacks one of them: its watermark is newer than that, and it never returned it.
    room.read_in_full(2, &[user(1, "a")]);
    assert!(room.proves(2, 1, 0));
    assert!(!room.proves(2, 2, 0) && !room.proves(2, 2, 59), "missed");
    assert!(room.proves(2, 2, 60), "missed for REMOVAL_LAG");
    assert!(
        !room.proves(2, 2, -9_999),
        "a clock that was set back proves nothing"
    );
    // It arrives there, with no other version.
    room.read_delta(2, &[user(2, "a")], &[]);
    assert!(room.proves(2, 2, 0));
}

#[test]
fn r22_what_changed_by_a_read_that_broke_off_was_returned() {
    let room = Room::new();
    room.read(1, &[user(1, "a")], None);
    assert!(room.proves(1, 1, 0));
    assert!(!room.proves(2, 1, 0));
}

#[test]
fn r22_increments_that_began_elsewhere_prove_nothing_of_what_they_do_not_give() {
    let room = Room::new();
    room.read_in_full(1, &[user(1, "a"), user(2, "a")]);
    room.read_delta(2, &[user(2, "b")], &[]);
    assert!(!room.proves(2, 1, 0), "it was never asked for it");
    assert!(room.proves(2, 2, 0));
    room.read_in_full(2, &[user(1, "a"), user(2, "b")]);
    assert!(room.proves(2, 1, 0));
}

#[test]
fn r22_an_object_that_was_missed_and_came_elsewhere_is_asked_for_again() {
    let room = Room::new();
    room.read_in_full(1, &[user(1, "a")]);
    room.read_in_full(2, &[user(1, "a")]);
    // Killed before the look-up: the tombstone lies below the watermark from now on.
    room.read_delta(2, &[], &[1]);
    room.read_delta(1, &[user(1, "a")], &[]);
    assert_eq!(room.changed_elsewhere(2), [guid(1)]);
}

#[test]
fn r02_a_full_read_that_broke_off_is_not_resumed_after_another_controller_changed_something() {
    let room = Room::new();
    let begun = UnfinishedRead {
        controller: guid(1),
        scope: [7; 32],
        highest: 100,
        begun_at: NOW,
        containers: Vec::new(),
        slices: Vec::new(),
    };
    let begin = || {
        let run = room.run();
        room.store.read_from(run, guid(1)).unwrap();
        room.store.begin_full_read(run, &begun).unwrap();
        room.store.stage_page(run, &[user(1, "a")], false, NOW).unwrap();
        room.end(run);
    };
    let unfinished = || room.store.unfinished(room.connection).unwrap().is_some();
    begin();
    assert!(unfinished(), "by itself");
    room.read(2, &[user(1, "a")], None);
    assert!(unfinished(), "nothing is another");
    room.read(2, &[user(1, "b")], None);
    assert!(!unfinished());
}

#[test]
fn r08_containers_are_known_as_each_controller_returned_them() {
    let room = Room::new();
    let unit = |number, dn: &str| Container {
        guid: guid(number),
        dn: dn.to_owned(),
    };
    let read = |controller, full: bool, containers: Vec<Container>, gone: Vec<Guid>| {
        room.complete(&ReadEnd {
            met: full.then(GuidSet::default),
            containers,
            containers_gone: gone,
            watermark: Watermark {
                read_at: NOW + i64::from(controller),
                ..end_of_read(controller, 7, None).watermark
            },
            ..end_of_read(controller, 7, None)
        });
    };
    let known = |controller| -> Vec<String> {
        let containers = room.store.containers(room.connection, guid(controller)).unwrap();
        containers.into_iter().map(|container| container.dn).collect()
    };
    read(1, true, vec![unit(1, "OU=A"), unit(2, "OU=B")], vec![]);
    assert_eq!(known(2), ["OU=A", "OU=B"], "as the one that was read");
    read(2, true, vec![unit(1, "OU=Z"), unit(2, "OU=B")], vec![]);
    assert_eq!(
        (known(1), known(2)),
        (
            vec!["OU=A".into(), "OU=B".into()],
            vec!["OU=Z".into(), "OU=B".into()]
        )
    );
    // An increment on a third one goes on from the last.
    read(3, false, vec![unit(3, "OU=C")], vec![guid(2)]);
    assert_eq!(known(3), ["OU=Z", "OU=C"]);
    assert_eq!(known(2), ["OU=Z", "OU=B"]);
}

#[test]
fn r15_what_one_controller_returned_unmappable_is_not_forgotten_by_another_that_lacks_it() {
    let room = Room::new();
    room.read_in_full(1, &[user(1, "a")]);
    room.read_delta(1, &[unmappable(2, "no mail")], &[]);
    let noted = || room.store.rejections(room.connection, 9).unwrap().len();
    room.read_in_full(2, &[user(1, "a")]);
    assert_eq!(noted(), 1, "it may arrive there");
    room.read_delta(1, &[], &[]);
    assert_eq!(noted(), 0, "gone where it was");
}
