//! R18, R29: a process that dies anywhere leaves a file that goes on.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use super::locking::child;
use super::*;

/// Variable that gives the child the path of the state file.
const STATE: &str = "AD_CONNECTOR_TEST_CRASHING_STATE";

/// Objects in each page of the child.
const PAGE: u64 = 40;

/// Number of times that the child is killed.
const DEATHS: u64 = 20;

fn numbered(number: u64) -> ObjectReading {
    let mut bytes = [0; 16];
    // Spread, so that a page touches many of the tree's pages.
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    ObjectReading {
        guid: Guid::from(bytes),
        ..user(1, &format!("{number} {}", "x".repeat(400)))
    }
}

#[test]
#[ignore = "the process that r18_killed_anywhere_the_watermark_is_never_ahead_of_the_stage kills"]
fn child_stages_pages() {
    let store = Store::open(
        Path::new(&std::env::var_os(STATE).unwrap()),
        StoreAccess::ReadWrite,
    )
    .unwrap();
    let connection = store
        .register(derive_uuid("corp"), "corp", "", &AssetTarget::default(), NOW)
        .unwrap();
    let run = begin(&store, connection);
    let mut next = store
        .watermarks(connection)
        .unwrap()
        .first()
        .map_or(0, |mark| mark.usn);
    eprintln!("opened");
    loop {
        let page: Vec<ObjectReading> = (next..next + PAGE).map(numbered).collect();
        next += PAGE;
        // The watermark says how many objects were staged with it.
        let mark = Watermark {
            controller: guid(1),
            scope: [1; 32],
            usn: next,
            read_at: NOW,
        };
        store
            .complete_read(run, &page, false, &end_at(mark), NOW)
            .unwrap();
        if next.is_multiple_of(3 * PAGE) {
            let batch = store.next_batch(run, 0, 30, ANY, 0).unwrap();
            store
                .settle(run, &batch, &answered(&seqs(&batch), &[], &[]), NOW)
                .unwrap();
        }
    }
}

#[test]
fn r18_killed_anywhere_the_watermark_is_never_ahead_of_the_stage() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let mut random = fastrand::Rng::with_seed(20_261_122);
    let mut reached = 0;
    for death in 1..=DEATHS {
        let mut victim = child("store::tests::crash::child_stages_pages", STATE, &path);
        let mut said = BufReader::new(victim.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        assert!(
            said.any(|line| line == "opened"),
            "the child did not open the file at death {death}"
        );
        std::thread::sleep(Duration::from_micros(random.u64(0..60_000)));
        victim.kill().unwrap();
        victim.wait().unwrap();

        let store = Store::open(&path, StoreAccess::ReadWrite).unwrap();
        store.check().unwrap();
        let connection = store.connection("corp").unwrap().unwrap();
        assert_eq!(connection.state, State::Processing);
        let mark = store
            .watermarks(connection.id)
            .unwrap()
            .first()
            .map_or(0, |mark| mark.usn);
        assert!(
            mark >= reached,
            "the watermark went back from {reached} to {mark}"
        );
        let waiting: u64 = store.pending(connection.id).unwrap().counts.values().sum();
        let held: u64 = store.object_counts(connection.id).unwrap().values().sum();
        assert_eq!(waiting + held, mark, "at death {death}");
        reached = mark;
    }
    assert!(reached > 0, "the child never staged anything");
}
