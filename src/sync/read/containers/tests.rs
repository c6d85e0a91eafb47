use super::*;
use crate::sync::entry_fields::{is_changed_after, is_newer};

fn guid(number: u8) -> Guid {
    Guid::from([number; 16])
}

fn entry(number: u8, dn: &str, class: &str, created: u64) -> Entry {
    let text = |value: &str| vec![value.as_bytes().to_vec()];
    Entry::new(
        dn,
        vec![
            ("objectGUID".to_owned(), vec![vec![number; 16]]),
            ("objectClass".to_owned(), text(class)),
            ("uSNCreated".to_owned(), text(&created.to_string())),
        ],
    )
}

/// Returns containers within `OU=In`.
fn containers() -> Containers {
    let at = |number, dn: &str| Container {
        guid: guid(number),
        dn: dn.to_owned(),
    };
    Containers::stored(vec![
        at(1, "OU=A,OU=In,DC=corp,DC=example"),
        at(3, "CN=PC,OU=In,DC=corp,DC=example"),
    ])
}

/// Returns the decision on object `number` seen at `dn`, changed since USN 100; the server
/// finds it within the base or not.
fn settled(
    number: u8,
    dn: &str,
    class: &str,
    created: u64,
    within: bool,
    meanwhile: bool,
) -> ContainerChanges {
    let entry = entry(number, dn, class, created);
    let mut containers = containers();
    containers.observe(&entry, guid(number), is_newer(&entry, 100), meanwhile);
    let within = within.then_some(guid(number)).into_iter().collect();
    containers.settle(&within)
}

#[test]
fn r08_a_container_that_comes_goes_or_is_renamed_in_scope_is_a_reason_to_read_everything() {
    let unit = "organizationalUnit";
    let moved = |number, dn, class, created, within| {
        settled(number, dn, class, created, within, false)
            .moved
            .unwrap_or_default()
    };
    assert!(moved(1, "OU=B,OU=In,DC=corp,DC=example", unit, 7, true).contains("renamed or moved"));
    assert!(
        moved(1, "OU=A,OU=Out,DC=corp,DC=example", unit, 7, false)
            .contains("renamed or moved to OU=A,OU=Out")
    );
    // Not known though it is old: it was outside, hidden, restored, or no container before.
    assert!(moved(2, "OU=Far,OU=In,DC=corp,DC=example", unit, 7, true).contains("renamed or moved to"));
    assert!(moved(9, "OU=X,OU=In,DC=corp,DC=example", unit, 100, true).contains("appeared"));
    // A computer with objects below it is no container by class, but known as one.
    assert!(moved(3, "CN=PC2,OU=In,DC=corp,DC=example", "computer", 7, true).contains("renamed"));
}

#[test]
fn r38_the_server_says_what_is_within_the_base_and_a_new_spelling_is_a_new_name() {
    let unit = "organizationalUnit";
    let (sharp, plain) = (
        "OU=Stra\u{df}e,OU=In,DC=corp,DC=example",
        "OU=a,OU=in,DC=corp,DC=example",
    );
    assert!(settled(9, sharp, unit, 7, true, false).moved.is_some());
    assert!(settled(9, sharp, unit, 7, false, false).moved.is_none());
    assert!(settled(1, plain, unit, 7, true, false).moved.is_some());
}

#[test]
fn r08_other_changes_of_containers_do_not_cost_a_full_read() {
    let unit = "organizationalUnit";
    let same = "OU=A,OU=In,DC=corp,DC=example";
    let nothing = ContainerChanges::default();
    assert_eq!(settled(1, same, unit, 7, true, false), nothing, "an attribute");
    assert_eq!(
        settled(2, "OU=Farther,DC=corp,DC=example", unit, 7, false, true),
        nothing,
        "outside"
    );
    let new = "OU=New,OU=In,DC=corp,DC=example";
    assert_eq!(settled(9, new, unit, 101, true, true), nothing, "new");
    let user = "CN=U,OU=In,DC=corp,DC=example";
    assert_eq!(settled(9, user, "user", 7, true, true), nothing, "no container");
}

#[test]
fn r08_a_container_that_changed_during_the_read_may_have_been_away_and_back() {
    let same = "OU=A,OU=In,DC=corp,DC=example";
    let settled = settled(1, same, "organizationalUnit", 7, true, true);
    assert_eq!((settled.moved, settled.unsteady), (None, vec![guid(1)]));
    let at = |usn: &str| {
        Entry::new(
            same,
            vec![("uSNChanged".to_owned(), vec![usn.as_bytes().to_vec()])],
        )
    };
    assert!(is_changed_after(&at("101"), 100) && !is_changed_after(&at("100"), 100));
    assert!(is_changed_after(&Entry::new(same, vec![]), 100), "unknown");
}

#[test]
fn r08_what_is_below_another_container_is_read_with_it_and_the_root_is_moved_nowhere() {
    let dns = [
        (1, "OU=A,OU=In,DC=corp"),
        (2, "OU=B,OU=A,OU=In,DC=corp"),
        (3, "OU=In,DC=corp"),
        (4, "OU=OU=In,DC=corp"),
    ];
    let of = |numbers: &[u8]| -> Vec<(Guid, String)> {
        let chosen = dns.iter().filter(|(number, _)| numbers.contains(number));
        chosen
            .map(|(number, dn)| (guid(*number), (*dn).to_owned()))
            .collect()
    };
    assert_eq!(topmost(&of(&[1, 2])), [guid(1)]);
    assert_eq!(topmost(&of(&[1, 2, 3, 4])), [guid(3), guid(4)]);
    assert_eq!(topmost(&of(&[2])), [guid(2)]);

    let mut containers = Containers::begun(&[Container {
        guid: guid(5),
        dn: "DC=corp,DC=example".to_owned(),
    }]);
    let root = entry(5, "DC=corp,DC=example", "domainDNS", 7);
    containers.observe(&root, guid(5), false, true);
    assert_eq!(
        containers.settle(&BTreeSet::from([guid(5)])),
        ContainerChanges::default()
    );
}

#[test]
fn what_was_observed_is_to_be_stored() {
    let mut containers = containers();
    let renamed = entry(3, "CN=PC2,OU=In,DC=corp,DC=example", "computer", 7);
    containers.observe(&renamed, guid(3), false, false);
    let dead = Entry::new(
        "CN=A\\0ADEL:1,CN=Deleted Objects,DC=corp,DC=example",
        vec![
            ("objectGUID".to_owned(), vec![vec![1; 16]]),
            ("isDeleted".to_owned(), vec![b"TRUE".to_vec()]),
        ],
    );
    containers.observe(&dead, guid(1), false, false);
    assert_eq!(containers.observed(), [guid(3)]);
    containers.settle(&BTreeSet::from([guid(3)]));
    let (changed, gone) = containers.changes();
    assert_eq!((changed.len(), gone), (1, vec![guid(1)]));
    assert_eq!(changed[0].dn, "CN=PC2,OU=In,DC=corp,DC=example");
}

#[test]
fn parents_that_are_no_container_are_given_once() {
    let mut containers = containers();
    for dn in [
        "CN=One,OU=A,OU=In,DC=corp,DC=example",
        "CN=Two\\, Jr.,CN=Odd\\\\,OU=In,DC=corp,DC=example",
        "CN=Three,CN=Odd\\\\,OU=In,DC=corp,DC=example",
    ] {
        containers.record_parent_of(dn);
    }
    assert_eq!(containers.take_orphans(), ["CN=Odd\\\\,OU=In,DC=corp,DC=example"]);
    containers.record_parent_of("CN=Four,CN=Odd\\\\,OU=In,DC=corp,DC=example");
    assert!(containers.take_orphans().is_empty());
}
