//! Speed of the stage. Measures, and judges nothing:
//! `cargo test --release --lib store::tests::speed -- --ignored --nocapture`.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Instant;

use super::*;
use crate::identity::{LinkNote, LinkRelation, LinkState, LinkedName, NamedObject};

/// Objects of a measurement; `SPEED_OBJECTS` gives another number.
static OBJECTS: LazyLock<u64> = LazyLock::new(|| {
    let given = std::env::var("SPEED_OBJECTS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(1_000_000)
});
const PAGE: u64 = 1000;

fn person(number: u64, version: u64) -> ObjectReading {
    let guid = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let name = format!("Person Number {number}");
    ObjectReading {
        guid: Guid::from(guid.to_be_bytes()),
        kind: Kind::User,
        dn: format!("CN={name},OU=Staff,OU=Headquarters,DC=corp,DC=example,DC=com"),
        asset: Ok(StagedAsset {
            external_id: format!("S-1-5-21-1004336348-1177238915-682003330-{number}"),
            json: format!(
                r#"{{"asset":{{"assetHeader":{{"externalAssetId":"S-1-5-21-1004336348-1177238915-682003330-{number}","vendorAssetId":"{guid:032x}"}},"assetDetail":{{"userAssetClass":{{"name":"{name}","email":"person.{number}@corp.example.com","displayName":"{name} the {version}th","activationDate":"2026-11-22T02:10:34Z","passwordLastChangedAt":"2026-11-22T02:10:34Z"}}}}}}}}"#
            ),
        }),
        linked: None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn told(what: &str, begun: Instant) {
    let rate = *OBJECTS as f64 / begun.elapsed().as_secs_f64() / 1000.0;
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = memory
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or_default()
        .to_owned();
    println!("{what:<32} {rate:>7.1} k/s  {memory}");
}

#[test]
#[ignore = "a measurement, in release"]
fn a_million_objects() {
    let room = Room::new();
    let run = room.run();
    let read = |what: &str, version| {
        let begun = Instant::now();
        for first in (0..*OBJECTS).step_by(1000) {
            let page: Vec<ObjectReading> = (first..first + PAGE)
                .map(|number| person(number, version))
                .collect();
            room.stage(run, &page);
        }
        told(what, begun);
    };
    let deliver = |what: &str| {
        let begun = Instant::now();
        loop {
            let batch = room.store.next_batch(run, 0, 500, ANY, 0).unwrap();
            if batch.is_empty() {
                break;
            }
            room.store
                .settle(run, &batch, &answered(&seqs(&batch), &[], &[]), NOW)
                .unwrap();
        }
        told(what, begun);
    };
    read("staged, new", 1);
    let begun = Instant::now();
    assert_eq!(room.waiting(), *OBJECTS);
    told("pending()", begun);
    read("read again while they wait", 1);
    deliver("sent and accepted, new");
    read("unchanged", 1);
    read("staged, changed", 2);
    deliver("sent and accepted, changed");
    let begun = Instant::now();
    room.store.object_counts(room.connection).unwrap();
    told("object_counts()", begun);
    let begun = Instant::now();
    assert_eq!(
        room.store
            .find(room.connection, &format!("number {}", *OBJECTS - 1), 9)
            .unwrap()
            .len(),
        1
    );
    told("find()", begun);
    for file in std::fs::read_dir(room.directory.path()).unwrap() {
        let file = file.unwrap();
        println!(
            "{:?}: {} MiB",
            file.file_name(),
            file.metadata().unwrap().len() >> 20
        );
    }
}

#[test]
#[ignore = "a measurement, in release"]
fn a_million_objects_that_name_ten_others() {
    let room = Room::new();
    let run = room.run();
    let named = |number: u64| {
        NamedObject::present(&LinkedName {
            guid: Some(person(number, 0).guid),
            dn: b"CN=Group,OU=Groups,DC=example,DC=com",
        })
    };
    let begun = Instant::now();
    for first in (0..*OBJECTS).step_by(1000) {
        let page: Vec<ObjectReading> = (first..first + PAGE)
            .map(|number| {
                let notes = (0..10).map(|group| {
                    let object = LinkedName {
                        guid: Some(person((number + group * 7) % 50_000, 0).guid),
                        dn: b"CN=Group,OU=Groups,DC=example,DC=com",
                    };
                    LinkNote::by_rdn(&object, LinkRelation::Member)
                });
                let mut notes: Vec<LinkNote> = notes.collect();
                notes.sort_unstable();
                ObjectReading {
                    linked: Some(notes),
                    ..person(number, 1)
                }
            })
            .collect();
        room.stage(run, &page);
    }
    told("staged with ten notes each", begun);
    for changed in [1, 1_000, 100_000] {
        let mut changed: Vec<NamedObject> = (0..changed).map(named).collect();
        changed.sort_unstable();
        let state = LinkState {
            changed: &changed,
            groups: None,
            asked: &BTreeSet::new(),
            members: &[],
            grouped: &[Kind::User],
            by_guid: true,
        };
        let begun = Instant::now();
        let misnamed = room
            .store
            .misnamed(room.connection, &[Kind::User], &state)
            .unwrap();
        told(&format!("misnamed(), {} changed", changed.len()), begun);
        assert!(misnamed.is_empty());
    }
}
