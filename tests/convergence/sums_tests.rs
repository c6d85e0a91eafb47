//! The checks of the history find what is untrue.

use std::collections::BTreeMap;

use ad_connector::config::derive_uuid;
use ad_connector::identity::{Guid, Kind};
use ad_connector::store::{
    AssetTarget, Fate, KindCounts, ObjectTotals, Outcome, RunBasis, RunMode, RunObject, RunRow, Store,
    StoreAccess,
};
use lab::receiver::Ledger;

use super::sums::{check_run, check_sums, without_waiting};

/// A run that read ten users, of whom one could not be mapped, sent five, of which one was rejected, and its list.
fn truth() -> (RunRow, Vec<RunObject>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state.db"), StoreAccess::ReadWrite).unwrap();
    let connection = store
        .register(derive_uuid("corp"), "corp", "", &AssetTarget::default(), 0)
        .unwrap();
    store.schedule(connection, 0).unwrap();
    let id = store
        .begin_run(connection, RunMode::Delta, "a test", &RunBasis::default(), 0)
        .unwrap();
    let counts = ObjectTotals {
        read: 10,
        unchanged: 4,
        staged: 5,
        sent: 5,
        accepted: 4,
        rejected: 1,
        unmapped: 1,
        ..ObjectTotals::default()
    };
    let run = RunRow {
        outcome: Some(Outcome::Partial),
        counts: KindCounts(BTreeMap::from([(Kind::User, counts)])),
        requests: 2,
        ..store.run(id).unwrap()
    };
    let object = |fate| RunObject {
        place: 1,
        fate,
        guid: Some(Guid::from([1; 16])),
        kind: Kind::User,
        dn: "CN=A".to_owned(),
        external_id: None,
        reason: "no".to_owned(),
    };
    (run, vec![object(Fate::Rejected), object(Fate::Unmapped)])
}

/// What a receiver counted of it.
fn ledger() -> Ledger {
    Ledger {
        requests: 2,
        accepted: BTreeMap::from([("userAssetClass".to_owned(), 4)]),
        rejected: BTreeMap::from([("userAssetClass".to_owned(), 1)]),
        ..Ledger::default()
    }
}

#[test]
fn a_run_that_does_not_add_up_is_found() {
    let (run, objects) = truth();
    assert_eq!(check_run(&run, &objects), Ok(()));
    assert!(check_run(&run, &objects[..1]).is_err(), "the list is too short");
    let lies: [fn(&mut ObjectTotals); 6] = [
        |counts| counts.read += 1,
        |counts| counts.sent += 1,
        |counts| counts.accepted += 1,
        |counts| counts.removed += 1,
        |counts| counts.held += 1,
        |counts| (counts.rejected, counts.sent) = (0, 4),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let (mut run, objects) = truth();
        lie(run.counts.of(Kind::User));
        assert!(check_run(&run, &objects).is_err(), "lie {number}");
    }
    let mut processed = run;
    processed.outcome = Some(Outcome::Processed);
    assert!(check_run(&processed, &objects).is_err());
}

#[test]
fn a_history_that_the_receiver_does_not_confirm_is_found() {
    let (run, _) = truth();
    let runs = [run];
    assert_eq!(check_sums(&runs, &ledger(), 0, 100), Ok(()));
    let lies: [fn(&mut Ledger); 4] = [
        |ledger| ledger.requests += 1,
        |ledger| ledger.requests -= 1,
        |ledger| *ledger.accepted.get_mut("userAssetClass").unwrap() += 1,
        |ledger| ledger.rejected.clear(),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let mut ledger = ledger();
        lie(&mut ledger);
        assert!(check_sums(&runs, &ledger, 0, 100).is_err(), "lie {number}");
    }
    // Of another kind.
    let mut groups = ledger();
    groups.accepted = BTreeMap::from([("groupAssetClass".to_owned(), 4)]);
    assert!(check_sums(&runs, &groups, 0, 100).is_err());
    // The answer to one more batch may be lost with the process, but not to two.
    let mut dead = runs;
    dead[0].outcome = None;
    let mut more = ledger();
    *more.accepted.get_mut("userAssetClass").unwrap() += 100;
    assert_eq!(check_sums(&dead, &more, 0, 100), Ok(()));
    assert!(check_sums(&dead, &more, 0, 99).is_err());
}

#[test]
fn r37_an_object_that_waits_is_rejected_and_was_not_sent() {
    let (run, mut objects) = truth();
    objects[0].reason = "ID is already that of CN=B; CN=A has to wait until that is gone".to_owned();
    assert!(check_run(&run, &objects).is_err(), "it was sent");
    let mut unsent = run;
    unsent.counts.of(Kind::User).sent -= 1;
    assert_eq!(check_run(&unsent, &objects), Ok(()));
    let mut nothing_rejected = ledger();
    nothing_rejected.rejected.clear();
    let without = without_waiting(&unsent, &objects);
    assert_eq!(check_sums(&[without], &nothing_rejected, 0, 100), Ok(()));
    let processed = RunRow {
        outcome: Some(Outcome::Processed),
        ..unsent
    };
    assert!(check_run(&processed, &objects).is_err());
}
