//! Notes on the objects that assets name, and which of them are out of date.

use std::collections::BTreeSet;

use super::*;
use crate::identity::{LinkNote, LinkRelation, LinkState, LinkedName, NamedObject, object_number};

/// Returns the name of object `number`, with its GUID.
fn called(number: u8, dn: &str) -> LinkedName<'_> {
    LinkedName {
        guid: Some(guid(number)),
        dn: dn.as_bytes(),
    }
}

fn number(of: u8) -> u64 {
    object_number(&called(of, ""))
}

fn member_of(group: u8, dn: &str) -> LinkNote {
    LinkNote::by_rdn(&called(group, dn), LinkRelation::Member)
}

/// Returns user `number`, whose asset is made of these.
fn linked(number: u8, notes: &[LinkNote]) -> ObjectReading {
    let mut notes = notes.to_vec();
    notes.sort_unstable();
    ObjectReading {
        linked: Some(notes),
        ..user(number, "a")
    }
}

/// The state of a directory.
#[derive(Default)]
struct SliceContent {
    changed: Vec<NamedObject>,
    groups: Option<Vec<NamedObject>>,
    asked: BTreeSet<u64>,
    members: Vec<(u64, u64)>,
    by_name: bool,
}

impl SliceContent {
    fn changed(objects: &[NamedObject]) -> SliceContent {
        let mut changed = objects.to_vec();
        changed.sort_unstable();
        SliceContent {
            changed,
            ..SliceContent::default()
        }
    }

    fn members(groups: &[(u8, &[u8])]) -> SliceContent {
        let link = |group: u8| move |member: &u8| (number(*member), number(group));
        let mut members: Vec<_> = groups
            .iter()
            .flat_map(|(group, members)| members.iter().map(link(*group)))
            .collect();
        members.sort_unstable();
        SliceContent {
            asked: groups.iter().map(|(group, _)| number(*group)).collect(),
            members,
            ..SliceContent::default()
        }
    }

    /// Returns the numbers of the users that are to be read again.
    fn misnamed(&self, store: &Store, connection: ConnectionId) -> Vec<u8> {
        let state = LinkState {
            changed: &self.changed,
            groups: self.groups.as_deref(),
            asked: &self.asked,
            members: &self.members,
            grouped: &[Kind::User],
            by_guid: !self.by_name,
        };
        let misnamed = store
            .misnamed(connection, &[Kind::User, Kind::Group], &state)
            .unwrap();
        let mut numbers: Vec<u8> = misnamed.iter().map(|(_, guid)| guid.as_bytes()[0]).collect();
        numbers.sort_unstable();
        numbers
    }
}

#[test]
fn r31_an_object_is_misnamed_when_its_groups_say_other_members() {
    let room = Room::new();
    let run = room.run();
    let [ten, twenty] = [member_of(10, "CN=Ten,DC=x"), member_of(20, "CN=Twenty,DC=x")];
    let computer = ObjectReading {
        kind: Kind::Computer,
        ..linked(9, &[member_of(77, "CN=Other,DC=x")])
    };
    // By two names, of which one is the whole.
    let both = [
        ten,
        LinkNote::by_dn(&called(10, "CN=Ten,DC=x"), LinkRelation::Member),
        twenty,
    ];
    room.stage(
        run,
        &[
            linked(1, &both),
            linked(2, &[ten]),
            linked(3, &[]),
            user(4, "a"),
            computer,
        ],
    );
    let found = |groups: &[(u8, &[u8])]| SliceContent::members(groups).misnamed(&room.store, room.connection);
    assert_eq!(found(&[]), [0_u8; 0]);
    assert_eq!(found(&[(10, &[1, 2])]), [0_u8; 0]);
    // 2 left and 3 came; 20 is not asked.
    assert_eq!(found(&[(10, &[1, 3])]), [2, 3]);
    assert_eq!(found(&[(10, &[1, 2, 4]), (20, &[1, 2])]), [2, 4]);
    // A member that is no object of ours says nothing.
    assert_eq!(found(&[(10, &[1, 2, 200])]), [0_u8; 0]);
    // Read again, and with that in order.
    room.stage(run, &[linked(2, &[]), linked(3, &[ten])]);
    assert_eq!(found(&[(10, &[1, 3])]), [0_u8; 0]);
    // A reading without notes leaves them alone, also where it brings another version.
    room.stage(run, &[user(1, "b")]);
    assert_eq!(found(&[(10, &[1, 3])]), [0_u8; 0]);
}

#[test]
fn r38_an_object_is_misnamed_when_what_it_names_has_other_octets() {
    let room = Room::new();
    let run = room.run();
    let of = |dn: &str, note: fn(&LinkedName<'_>, LinkRelation) -> LinkNote| {
        note(&called(50, dn), LinkRelation::Other)
    };
    room.stage(
        run,
        &[
            linked(1, &[of("CN=Strasse,OU=A,DC=x", LinkNote::by_rdn)]),
            linked(2, &[of("CN=Strasse,OU=A,DC=x", LinkNote::by_dn)]),
            linked(3, &[of("CN=Strasse,OU=A,DC=x", LinkNote::unshown)]),
            linked(
                4,
                &[LinkNote::by_rdn(
                    &called(50, "CN=Strasse,OU=A,DC=x"),
                    LinkRelation::Primary,
                )],
            ),
            linked(5, &[member_of(51, "CN=Strasse,OU=A,DC=x")]),
        ],
    );
    let found = |object| SliceContent::changed(&[object]).misnamed(&room.store, room.connection);
    let present = |dn: &str| NamedObject::present(&called(50, dn));
    assert_eq!(found(present("CN=Strasse,OU=A,DC=x")), [0_u8; 0]);
    assert_eq!(found(present("CN=Straße,OU=A,DC=x")), [1, 2, 4]);
    assert_eq!(found(present("CN=strasse,OU=A,DC=x")), [1, 2, 4]);
    // Another place: only the whole name is another.
    assert_eq!(found(present("CN=Strasse,OU=B,DC=x")), [2]);
    assert_eq!(found(NamedObject::deleted(guid(50))), [1, 2, 3, 4]);
}

#[test]
fn r31_after_a_full_read_a_group_that_is_not_there_is_noticed() {
    let room = Room::new();
    let run = room.run();
    room.stage(
        run,
        &[
            linked(1, &[member_of(10, "CN=Ten,DC=x")]),
            linked(
                2,
                &[LinkNote::by_rdn(
                    &called(10, "CN=Ten,DC=x"),
                    LinkRelation::Primary,
                )],
            ),
            // No group: nothing is known of it.
            linked(
                3,
                &[LinkNote::by_rdn(&called(30, "CN=Boss,DC=x"), LinkRelation::Other)],
            ),
        ],
    );
    let found = |groups: &[(u8, &str)]| {
        let groups = groups
            .iter()
            .map(|(number, dn)| NamedObject::present(&called(*number, dn)));
        let found = SliceContent {
            groups: Some(groups.collect()),
            ..SliceContent::default()
        };
        found.misnamed(&room.store, room.connection)
    };
    assert_eq!(found(&[(10, "CN=Ten,OU=Elsewhere,DC=x")]), [0_u8; 0]);
    assert_eq!(found(&[(10, "CN=ten,DC=x")]), [1, 2]);
    assert_eq!(found(&[]), [1, 2]);
}

#[test]
fn r38_where_no_guids_come_names_stand_for_objects() {
    let room = Room::new();
    let run = room.run();
    let by_name = |dn: &'static str| LinkedName {
        guid: None,
        dn: dn.as_bytes(),
    };
    let group = by_name("CN=Ten,DC=x");
    room.stage(
        run,
        &[
            linked(1, &[LinkNote::by_rdn(&group, LinkRelation::Member)]),
            linked(2, &[]),
        ],
    );
    let dn = user(2, "a").dn;
    let member = object_number(&LinkedName {
        guid: None,
        dn: dn.as_bytes(),
    });
    let found = SliceContent {
        asked: BTreeSet::from([object_number(&group)]),
        members: vec![(member, object_number(&group))],
        by_name: true,
        ..SliceContent::default()
    };
    assert_eq!(found.misnamed(&room.store, room.connection), [1, 2]);
}

#[test]
fn r03_notes_commit_with_the_asset_and_stay_when_it_is_accepted() {
    let room = Room::new();
    let run = room.run();
    room.stage(run, &[linked(1, &[member_of(10, "CN=Ten,DC=x")])]);
    room.drain(run);
    let members = SliceContent::members(&[(10, &[1])]);
    assert_eq!(members.misnamed(&room.store, room.connection), [0_u8; 0]);
    // Unchanged as an asset, and of another group: one that has the same name.
    let other = linked(1, &[member_of(30, "CN=Ten,DC=x")]);
    assert_eq!(room.stage(run, &[other]).unchanged, 1);
    assert_eq!(
        SliceContent::members(&[(30, &[1])]).misnamed(&room.store, room.connection),
        [0_u8; 0]
    );
}

#[test]
fn a_dry_run_notes_links_for_itself_alone() {
    let room = Room::new();
    let run = room.run();
    let ten = member_of(10, "CN=Ten,DC=x");
    room.stage(run, &[linked(1, &[ten]), linked(2, &[ten])]);
    room.drain(run);
    let members = SliceContent::members(&[(10, &[2])]);
    let scratch = room.open(StoreAccess::Scratch).unwrap();
    assert_eq!(members.misnamed(&scratch, room.connection), [1]);
    scratch.stage_page(run, &[linked(1, &[])], false, NOW).unwrap();
    assert_eq!(members.misnamed(&scratch, room.connection), [0_u8; 0]);
    assert_eq!(members.misnamed(&room.store, room.connection), [1]);
}
