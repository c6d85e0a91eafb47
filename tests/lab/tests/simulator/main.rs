//! The simulator as its clients see it: over raw LDAP messages, and through OpenLDAP's `ldapsearch`.

mod client;
mod controller;
mod faults;
mod ldapsearch;

use std::collections::BTreeMap;

use client::{Ask, Client, Found};
use lab::simulator::{Directory, Kind, Options, People, Simulator};

const USERS: &str = "CN=Users,DC=corp,DC=example";
const PEOPLE: &str = "(&(objectCategory=person)(objectClass=user))";
const GLOBAL: i32 = -2_147_483_646;

fn with_people(count: u32) -> Simulator {
    Simulator::start(Options {
        directory: Directory::new("corp.example", People::of(count, 5)),
        ..Options::default()
    })
}

fn empty() -> Simulator {
    Simulator::start(Options::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_user_comes_once_over_pages_as_the_directory_holds_it() {
    let simulator = with_people(2_600);
    let directory = simulator.directory();
    let ask = Ask {
        filter: PEOPLE,
        attributes: &["*"],
        ..Ask::default()
    };
    let found = Client::reader(simulator.addr()).search_paged(&ask, 300);
    let offset = simulator.controller().usn_offset;
    let mut expected: BTreeMap<String, _> = directory
        .all(Kind::User)
        .into_iter()
        .map(|id| (directory.dn(id), directory.attributes(id)))
        .collect();
    assert_eq!((found.len(), expected.len()), (2_080, 2_080));
    for entry in found {
        let mut attributes = expected.remove(&entry.dn).expect("no entry comes twice");
        for usn in ["uSNChanged", "uSNCreated"] {
            let sequence: i64 = String::from_utf8(attributes[usn][0].clone())
                .unwrap()
                .parse()
                .unwrap();
            attributes.insert(usn.to_owned(), vec![(sequence + offset).to_string().into_bytes()]);
        }
        assert_eq!(entry.attributes, attributes, "{}", entry.dn);
    }
    let counts = simulator.statistics().counts();
    assert_eq!(
        (counts.searches, counts.pages, counts.entries, counts.binds),
        (1, 7, 2_080, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unpaged_search_ends_at_a_thousand_entries() {
    let simulator = with_people(1_300);
    let found = Client::reader(simulator.addr()).search(&Ask {
        filter: PEOPLE,
        ..Ask::default()
    });
    assert_eq!((found.entries.len(), found.code), (1_000, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_usns_gives_exactly_what_changed() {
    let simulator = with_people(3_000);
    let directory = simulator.directory();
    let before = simulator.highest_usn();
    let users = directory.all(Kind::User);
    directory.set_text(users[7], "title", "Queen");
    directory.rename(users[1_999], "Renamed");
    let filter = format!(
        "(&(objectCategory=person)(objectClass=user)(uSNChanged>={}))",
        before + 1
    );
    let mut client = Client::reader(simulator.addr());
    let dns = |found: Found| {
        found
            .entries
            .into_iter()
            .map(|entry| entry.dn)
            .collect::<Vec<_>>()
    };
    let changed = dns(client.search(&Ask {
        filter: &filter,
        ..Ask::default()
    }));
    assert_eq!(changed, [directory.dn(users[7]), directory.dn(users[1_999])]);
    let half = format!(
        "(&(objectCategory=person)(objectClass=user)(uSNChanged<={}))",
        before - 1_500
    );
    let rest = format!(
        "(&(objectCategory=person)(objectClass=user)(uSNChanged>={}))",
        before - 1_499
    );
    let count = |client: &mut Client, filter: &str| {
        client
            .search_paged(
                &Ask {
                    filter,
                    ..Ask::default()
                },
                1_000,
            )
            .len()
    };
    assert_eq!(count(&mut client, &half) + count(&mut client, &rest), 2_400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_usns_in_which_nothing_lies_is_empty() {
    let simulator = empty();
    let filter = "(&(objectClass=user)(uSNChanged>=0)(uSNChanged<=100))";
    let mut client = Client::reader(simulator.addr());
    let ask = Ask {
        filter,
        ..Ask::default()
    };
    let found = client.search(&ask);
    assert_eq!((found.entries.len(), found.code), (0, 0));
    assert_eq!(client.search_paged(&ask, 10).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_changes_between_pages_moves_out_of_its_slice() {
    let simulator = with_people(1_000);
    let directory = simulator.directory().clone();
    let last = *directory.all(Kind::User).last().unwrap();
    let dn = directory.dn(last);
    let filter = format!("(&(objectClass=user)(uSNChanged<={}))", simulator.highest_usn());
    simulator.faults().before_page(2, move || directory.touch(last));
    let entries = Client::reader(simulator.addr()).search_paged(
        &Ask {
            filter: &filter,
            ..Ask::default()
        },
        100,
    );
    assert_eq!(entries.len(), 849);
    assert!(entries.iter().all(|entry| entry.dn != dn));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_is_worthless_on_another_connection() {
    let simulator = with_people(500);
    let ask = Ask {
        filter: PEOPLE,
        page: Some((100, Vec::new())),
        ..Ask::default()
    };
    let mut client = Client::reader(simulator.addr());
    let cookie = client.search(&ask).cookie.unwrap();
    let next = Ask {
        page: Some((100, cookie)),
        ..ask
    };
    assert_eq!(Client::reader(simulator.addr()).search(&next).code, 53);
    assert_eq!(client.search(&next).entries.len(), 100);
    assert_eq!(client.search(&next).code, 53, "a cookie serves once");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_groups_come_in_ranges() {
    let simulator = empty();
    let directory = simulator.directory();
    let users: Vec<_> = (0..3_001)
        .map(|number| directory.create_user(USERS, &format!("User {number}"), &[]))
        .collect();
    let mut client = Client::reader(simulator.addr());
    for (count, plain, first) in [
        (1_499, 1_499, None),
        (1_500, 1_500, None),
        (1_501, 0, Some(1_500)),
    ] {
        let group = directory.create_group(USERS, &format!("Group {count}"), GLOBAL, &[]);
        directory.add_members(group, &users[..count]);
        let dn = directory.dn(group);
        let found = client.search(&Ask {
            base: &dn,
            scope: 0,
            attributes: &["member"],
            ..Ask::default()
        });
        let attributes = &found.entries[0].attributes;
        assert_eq!(attributes["member"].len(), plain, "{count}");
        assert_eq!(
            attributes.get("member;range=0-1499").map(Vec::len),
            first,
            "{count}"
        );
    }
    let group = directory.create_group(USERS, "All", GLOBAL, &[]);
    directory.add_members(group, &users);
    let dn = directory.dn(group);
    let mut range = |range: &str| {
        let found = client.search(&Ask {
            base: &dn,
            scope: 0,
            attributes: &[range],
            ..Ask::default()
        });
        let first = found
            .entries
            .first()
            .map(|entry| entry.attributes.iter().next().unwrap());
        (
            found.code,
            first.map(|(name, values)| (name.clone(), values.len())),
        )
    };
    assert_eq!(
        range("member;range=1500-*"),
        (0, Some(("member;range=1500-2999".to_owned(), 1_500)))
    );
    assert_eq!(
        range("member;range=3000-*"),
        (0, Some(("member;range=3000-*".to_owned(), 1)))
    );
    assert_eq!(
        range("member;range=10-19"),
        (0, Some(("member;range=10-19".to_owned(), 10)))
    );
    assert_eq!(range("member;range=3001-*"), (1, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstones_are_shown_to_those_who_ask_and_may() {
    let simulator = empty();
    let directory = simulator.directory();
    let user = directory.create_user(USERS, "Ada", &[]);
    let guid: String = directory
        .guid(user)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let base = format!("<GUID={guid}>");
    directory.delete(user);
    let deleted = [("1.2.840.113556.1.4.417", true)];
    let plain = Ask {
        base: &base,
        scope: 0,
        attributes: &["isDeleted"],
        ..Ask::default()
    };
    let asked = Ask {
        controls: &deleted,
        ..plain.clone()
    };
    let mut reader = Client::reader(simulator.addr());
    let mut administrator = Client::bound(simulator.addr(), "administrator");
    assert_eq!(reader.search(&plain).code, 32);
    assert_eq!(
        reader.search(&asked).code,
        32,
        "a plain account may not read deleted objects"
    );
    assert_eq!(administrator.search(&plain).code, 32);
    let found = administrator.search(&asked);
    assert_eq!(found.entries[0].text("isDeleted").as_deref(), Some("TRUE"));
    assert_eq!(found.entries[0].dn, directory.dn(user));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_base_names_the_nearest_ancestor() {
    let simulator = empty();
    let mut client = Client::reader(simulator.addr());
    let found = client.search(&Ask {
        base: "OU=Nope,CN=Users,DC=corp,DC=example",
        ..Ask::default()
    });
    assert_eq!((found.code, found.matched.as_str()), (32, USERS));
    assert!(
        found.message.starts_with("0000208D: NameErr"),
        "{}",
        found.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_reach_as_deep_as_they_say() {
    let simulator = with_people(400);
    let mut client = Client::reader(simulator.addr());
    let mut count = |base: &str, scope| {
        client
            .search(&Ask {
                base,
                scope,
                ..Ask::default()
            })
            .entries
            .len()
    };
    assert_eq!(count("OU=People,DC=corp,DC=example", 0), 1);
    assert_eq!(count("OU=People,DC=corp,DC=example", 1), 12);
    assert_eq!(count("OU=People,DC=corp,DC=example", 2), 1 + 12 + 320);
    assert_eq!(
        count("ou=berlin,ou=people,dc=CORP,dc=example", 2) - 1,
        count("OU=Berlin,OU=People,DC=corp,DC=example", 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_from_the_domain_head_gets_references_unless_it_declines() {
    let simulator = empty();
    let mut client = Client::reader(simulator.addr());
    assert_eq!(client.search(&Ask::default()).references, 3);
    let declined = [("1.2.840.113556.1.4.1339", true)];
    assert_eq!(
        client
            .search(&Ask {
                controls: &declined,
                ..Ask::default()
            })
            .references,
        0
    );
    assert_eq!(
        client
            .search(&Ask {
                base: USERS,
                ..Ask::default()
            })
            .references,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_control_is_refused_when_critical() {
    let simulator = empty();
    let mut client = Client::reader(simulator.addr());
    for (critical, code) in [(true, 12), (false, 0)] {
        let controls = [("1.2.3.4", critical)];
        assert_eq!(
            client
                .search(&Ask {
                    controls: &controls,
                    ..Ask::default()
                })
                .code,
            code
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_objects_do_not_exist_for_the_account() {
    let simulator = with_people(100);
    let directory = simulator.directory();
    let user = directory.all(Kind::User)[3];
    let dn = directory.dn(user);
    directory.hide(user);
    let mut client = Client::reader(simulator.addr());
    assert_eq!(
        client
            .search(&Ask {
                base: &dn,
                scope: 0,
                ..Ask::default()
            })
            .code,
        32
    );
    let entries = client.search_paged(
        &Ask {
            filter: PEOPLE,
            ..Ask::default()
        },
        1_000,
    );
    assert_eq!(entries.len(), 79);
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_are_chosen_without_regard_to_case() {
    let simulator = with_people(20);
    let mut client = Client::reader(simulator.addr());
    let attributes = ["OBJECTGUID", "samaccountname", "nonsense"];
    let found = client.search(&Ask {
        filter: PEOPLE,
        attributes: &attributes,
        ..Ask::default()
    });
    let names: Vec<_> = found.entries[0].attributes.keys().cloned().collect();
    assert_eq!(names, ["objectGUID", "sAMAccountName"]);
    let found = client.search(&Ask {
        filter: PEOPLE,
        attributes: &["1.1"],
        ..Ask::default()
    });
    assert!(found.entries.len() == 16 && found.entries[0].attributes.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_search_ends_and_the_connection_lives() {
    let simulator = Simulator::start(Options {
        max_page_size: None,
        directory: Directory::new("corp.example", People::of(60_000, 1)),
        ..Options::default()
    });
    let mut client = Client::reader(simulator.addr());
    let id = client.start_search(&Ask {
        filter: PEOPLE,
        ..Ask::default()
    });
    client.send(&[0x50, 1, u8::try_from(id).unwrap()], None);
    client.start_search(&Ask {
        base: USERS,
        scope: 0,
        ..Ask::default()
    });
    let mut entries = 0;
    while let Some((0x64, ..)) = client.receive() {
        entries += 1;
    }
    assert!((1..48_001).contains(&entries), "{entries}");
}
