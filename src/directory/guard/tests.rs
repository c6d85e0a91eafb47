use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;
use crate::directory::ber::{OCTET_STRING, SEQUENCE, write};
use crate::directory::lane::Item;

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, tag, content);
    out
}

fn message(id: u8, tag: u8, content: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[element(0x02, &[id]), element(tag, content)].concat())
}

fn result() -> Vec<u8> {
    [
        element(0x0A, &[0]),
        element(OCTET_STRING, b""),
        element(OCTET_STRING, b""),
    ]
    .concat()
}

fn done(id: u8) -> Vec<u8> {
    message(id, 0x65, &result())
}

fn entry(id: u8, dn: &[u8]) -> Vec<u8> {
    message(
        id,
        0x64,
        &[element(OCTET_STRING, dn), element(SEQUENCE, &[])].concat(),
    )
}

/// Asks a search with message id 1, lets the server say `chunks`, and gives what came through and why the guard ended.
async fn through(chunks: Vec<Vec<u8>>) -> (Vec<u8>, Option<GuardFault>) {
    let (server, mut peer) = tokio::io::duplex(1 << 16);
    let (ours, mut library) = UnixStream::pair().unwrap();
    let faults = Faults::default();
    let (sender, mut lane) = lane::open();
    let guard = tokio::spawn(run(server, ours, sender, faults.clone()));
    let search = message(1, 0x63, &[]);
    library.write_all(&search).await.unwrap();
    let mut seen = vec![0; search.len()];
    peer.read_exact(&mut seen).await.unwrap();
    assert_eq!(seen, search);
    let speaker = tokio::spawn(async move {
        for chunk in chunks {
            if peer.write_all(&chunk).await.is_err() {
                return;
            }
        }
    });
    // All entries that were passed on come before the one result that may follow them.
    let mut passed = Vec::new();
    let mut ended = false;
    while let Some(item) = lane.recv().await {
        assert!(!ended, "nothing comes after the end");
        match item {
            Item::Entries(run) => passed.extend_from_slice(&run),
            Item::End => ended = true,
        }
    }
    let entries = passed.len();
    library.read_to_end(&mut passed).await.unwrap();
    assert_eq!(
        passed.len() > entries,
        ended,
        "the end is on the lane when the library is told"
    );
    speaker.await.unwrap();
    guard.await.unwrap();
    (passed, faults.get())
}

#[tokio::test]
async fn good_answers_come_through_as_they_are() {
    let good = [entry(1, b"CN=a"), entry(1, b"CN=b"), done(1)].concat();
    for size in [1, 2, 3, 7, 1000] {
        let chunks = good.chunks(size).map(<[u8]>::to_vec).collect();
        assert_eq!(
            through(chunks).await,
            (good.clone(), Some(GuardFault::Closed)),
            "chunks of {size}"
        );
    }
}

#[tokio::test]
async fn r12_nothing_of_a_bad_message_comes_through() {
    let good = entry(1, b"CN=a");
    for bad in [
        vec![0x30, 0x04, 0x02, 0x7F],
        message(1, 0x61, b""),
        message(2, 0x64, b""),
        b"garbage".to_vec(),
    ] {
        let (passed, fault) = through(vec![good.clone(), bad]).await;
        assert_eq!(passed, good, "and what was good before it does");
        assert!(
            !matches!(fault, None | Some(GuardFault::Closed | GuardFault::Truncated)),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn r12_an_answer_after_the_last_one_is_refused() {
    let (passed, fault) = through(vec![done(1), entry(1, b"CN=late")]).await;
    assert_eq!(passed, done(1));
    assert_eq!(fault, Some(GuardFault::Unasked(1)));
}

#[tokio::test]
async fn r12_one_request_is_not_answered_without_end() {
    let large = entry(1, &vec![b'x'; 15 << 20]);
    let (passed, fault) = through(vec![large; 20]).await;
    assert_eq!(fault, Some(GuardFault::TooMuch));
    assert!(passed.len() <= MAX_ANSWER);
}

#[tokio::test]
async fn r12_the_library_gets_no_large_result() {
    // Elements weigh more than octets: 0.6 MB of empty ones are 20 MB to the decoder.
    let referrals = element(0xA3, &[4, 0].repeat(300_000));
    let hollow = message(1, 0x65, &[result(), referrals].concat());
    let (passed, fault) = through(vec![hollow.clone()]).await;
    assert_eq!(
        (passed, fault),
        (vec![], Some(GuardFault::LongResult(hollow.len())))
    );
}

#[tokio::test]
async fn the_server_is_read_no_faster_than_its_entries_are_used_up() {
    let (server, mut peer) = tokio::io::duplex(1 << 12);
    let (ours, mut library) = UnixStream::pair().unwrap();
    let (sender, _lane) = lane::open();
    let guard = tokio::spawn(run(server, ours, sender, Faults::default()));
    library.write_all(&message(1, 0x63, &[])).await.unwrap();
    let one = entry(1, &vec![b'x'; 64 << 10]);
    let mut taken = 0;
    // Nobody takes the entries: the peer is stopped by the budget, not by the end of what it has to say.
    while let Ok(written) =
        tokio::time::timeout(std::time::Duration::from_millis(200), peer.write_all(&one)).await
    {
        written.unwrap();
        taken += one.len();
        assert!(taken < lane::AHEAD + (1 << 20), "nothing holds the server back");
    }
    guard.abort();
}

/// An independent check of what the library is handed: it must be decodable to its last octet.
fn decodable(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let Ok((rest, tag)) = ldap3::asn1::parse_tag(bytes) else {
            return false;
        };
        let Some(parts) = tag
            .match_id(16)
            .and_then(ldap3::asn1::StructureTag::expect_constructed)
        else {
            return false;
        };
        if !matches!(parts.get(1).map(|operation| operation.id), Some(4 | 5 | 19)) {
            return false;
        }
        bytes = rest;
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn r12_whatever_a_server_says_only_decodable_messages_come_through(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        size in 1_usize..64,
    ) {
        let mut bytes = [entry(1, b"CN=a"), message(1, 0x73, &element(OCTET_STRING, b"ldap://x")), done(1)].concat();
        for (at, octet) in damage {
            let at = at.index(bytes.len());
            bytes[at] = octet;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (passed, fault) = runtime.block_on(through(bytes.chunks(size).map(<[u8]>::to_vec).collect()));
        prop_assert!(decodable(&passed), "{:x?}", passed);
        prop_assert!(fault.is_some());
    }
}
