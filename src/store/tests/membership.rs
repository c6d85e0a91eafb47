//! Which groups objects name, and who went astray.

use std::collections::{BTreeSet, HashSet};

use super::*;
use crate::identity::DistinguishedName;

/// The groups of these names, and the members that some of them have.
struct Said {
    names: HashSet<u64>,
    groups: BTreeSet<u64>,
    links: Vec<(u64, u64)>,
}

impl Said {
    fn new(names: &[u64], groups: &[(u64, &[u8])]) -> Said {
        // A group may spell its members otherwise than they do themselves.
        let member = |number: &u8| DistinguishedName::fingerprint_of(&user(*number, "").dn.to_uppercase());
        let mut links: Vec<_> = groups
            .iter()
            .flat_map(|(group, members)| members.iter().map(move |number| (member(number), *group)))
            .collect();
        links.sort_unstable();
        Said {
            names: names.iter().copied().collect(),
            groups: groups.iter().map(|(group, _)| *group).collect(),
            links,
        }
    }
}

fn grouped(number: u8, groups: &[u64]) -> Reading {
    Reading {
        groups: Some(groups.to_vec()),
        ..user(number, "a")
    }
}

/// The numbers of the users that are astray, and the names that no group has.
fn astray(store: &Store, connection: ConnectionId, said: &Said) -> (Vec<u8>, Vec<u64>) {
    let said = Memberships {
        names: &said.names,
        groups: &said.groups,
        links: &said.links,
    };
    let astray = store.astray(connection, &[Kind::User], &said).unwrap();
    let mut numbers: Vec<u8> = astray
        .objects
        .iter()
        .map(|(_, guid)| guid.as_bytes()[0])
        .collect();
    numbers.sort_unstable();
    (numbers, astray.unknown.into_iter().collect())
}

#[test]
fn astray_is_who_names_other_groups_than_the_groups_say() {
    let room = Room::new();
    let run = room.run();
    let computer = Reading {
        kind: Kind::Computer,
        ..grouped(9, &[77])
    };
    room.stage(
        run,
        &[
            grouped(1, &[10, 20]),
            grouped(2, &[10]),
            grouped(3, &[]),
            user(4, "a"),
            computer,
        ],
    );
    let found = |names: &[u64], groups: &[(u64, &[u8])]| {
        astray(&room.store, room.connection, &Said::new(names, groups))
    };
    let none: (Vec<u8>, Vec<u64>) = (vec![], vec![]);
    assert_eq!(found(&[10, 20], &[]), none);
    assert_eq!(found(&[10, 20], &[(10, &[1, 2])]), none);
    // 2 left and 3 came; 20 is not asked.
    assert_eq!(found(&[10, 20], &[(10, &[1, 3])]), (vec![2, 3], vec![]));
    assert_eq!(
        found(&[10, 20], &[(10, &[1, 2, 4]), (20, &[1, 2])]),
        (vec![2, 4], vec![])
    );
    // Who is a member and no object of ours says nothing.
    assert_eq!(found(&[10, 20], &[(10, &[1, 2, 200])]), none);
    // A name that no group has.
    assert_eq!(found(&[10], &[(10, &[1, 2])]), (vec![1], vec![20]));
    // Read again, and with that in order.
    room.stage(run, &[grouped(2, &[]), grouped(3, &[10])]);
    assert_eq!(found(&[10, 20], &[(10, &[1, 3])]), none);
    // A reading without groups leaves them alone, also where it brings another version.
    room.stage(run, &[user(1, "b")]);
    assert_eq!(found(&[10, 20], &[(10, &[1, 3])]), none);
}

#[test]
fn r03_groups_are_noted_in_the_transaction_of_the_asset_and_stay_when_it_is_accepted() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[grouped(1, &[10])]);
    room.drain(run);
    let said = Said::new(&[10], &[(10, &[1])]);
    assert_eq!(astray(&room.store, room.connection, &said).0, [0_u8; 0]);
    // Unchanged as an asset, and of other groups: a group of another place by the same name.
    assert_eq!(room.stage(run, &[grouped(1, &[30])]).unchanged, 1);
    assert_eq!(
        astray(&room.store, room.connection, &Said::new(&[30], &[(30, &[1])])).0,
        [0_u8; 0]
    );
}

#[test]
fn a_dry_run_notes_groups_for_itself_alone() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[grouped(1, &[10]), grouped(2, &[10])]);
    room.drain(run);
    let said = Said::new(&[10], &[(10, &[2])]);
    let scratch = Store::open(room.store.path(), Access::Scratch).unwrap();
    assert_eq!(astray(&scratch, room.connection, &said).0, [1]);
    scratch
        .stage_page(run, &[grouped(1, &[])], false, None, NOW)
        .unwrap();
    assert_eq!(astray(&scratch, room.connection, &said).0, [0_u8; 0]);
    assert_eq!(astray(&room.store, room.connection, &said).0, [1]);
}

#[test]
fn names_of_groups_are_kept_between_reads_and_replaced_by_a_full_one() {
    let room = Room::new();
    let run = room.run();
    let end = |names: &[(u8, u64)], gone: &[u8], full: bool| ReadEnd {
        watermark: Watermark {
            controller: guid(200),
            scope: [0; 32],
            usn: 5,
            read_at: NOW,
        },
        host: "dc1".to_owned(),
        server: "CN=NTDS Settings,CN=DC1".to_owned(),
        cookie: None,
        kinds: vec![Kind::User],
        missed: Vec::new(),
        met: full.then(GuidSet::default),
        containers: Vec::new(),
        containers_gone: Vec::new(),
        groups: GroupNames {
            names: names
                .iter()
                .map(|(number, name)| (guid(*number), *name))
                .collect(),
            gone: gone.iter().map(|number| guid(*number)).collect(),
        },
    };
    let known = |end: ReadEnd| {
        room.store.complete_read(run, &[], false, &end, NOW).unwrap();
        room.store.group_names(room.connection).unwrap()
    };
    assert_eq!(
        known(end(&[(1, u64::MAX), (2, 7)], &[], true)),
        [(guid(1), u64::MAX), (guid(2), 7)]
    );
    assert_eq!(
        known(end(&[(2, 8), (3, 9)], &[1], false)),
        [(guid(2), 8), (guid(3), 9)]
    );
    assert_eq!(known(end(&[(3, 9)], &[], true)), [(guid(3), 9)]);
    assert_eq!(known(end(&[], &[], true)), []);
}
