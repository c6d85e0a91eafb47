use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;
use crate::directory::ber::{INTEGER, OCTET_STRING, SEQUENCE, write};
use crate::directory::entry_channel::ChannelItem;
use crate::directory::frame::FrameFault;
use crate::directory::guard_fault::MAX_ANSWER;

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

/// Asks a search with message id 1, lets the server send `chunks`, and returns the octets that came
/// through and the reason why the guard ended.
async fn through(chunks: Vec<Vec<u8>>) -> (Vec<u8>, Option<GuardFault>) {
    let (server, mut peer) = tokio::io::duplex(1 << 16);
    let (ours, mut library) = UnixStream::pair().unwrap();
    let faults = GuardFaults::default();
    let (sender, mut lane) = entry_channel::open();
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
            ChannelItem::Entries(run) | ChannelItem::Incomplete(run, _) => passed.extend_from_slice(&run),
            ChannelItem::End => ended = true,
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
async fn r15_an_entry_that_is_too_large_comes_as_its_name_and_guid() {
    let attribute = |name: &[u8], value: &[u8]| {
        let values = element(0x31, &element(OCTET_STRING, value));
        element(SEQUENCE, &[element(OCTET_STRING, name), values].concat())
    };
    let entry_of = |attributes: Vec<Vec<u8>>| {
        let list = element(SEQUENCE, &attributes.concat());
        message(1, 0x64, &[element(OCTET_STRING, b"CN=large"), list].concat())
    };
    let guid = attribute(b"objectGUID", &[7; 16]);
    let large = entry_of(vec![attribute(b"info", &vec![b'x'; 40 << 20]), guid.clone()]);
    let (small, end) = (entry(1, b"CN=a"), done(1));
    // The message id of the message that is made has its four octets.
    let made = [
        element(INTEGER, &[0, 0, 0, 1]),
        element(
            0x64,
            &[element(OCTET_STRING, b"CN=large"), element(SEQUENCE, &guid)].concat(),
        ),
    ];
    let made = element(SEQUENCE, &made.concat());
    let answer = [small.clone(), large.clone(), small.clone(), end.clone()].concat();
    for size in [100_000, 1 << 20, answer.len()] {
        let (passed, fault) = through(answer.chunks(size).map(<[u8]>::to_vec).collect()).await;
        assert_eq!(fault, Some(GuardFault::Closed));
        assert!(
            passed == [&small[..], &made, &small, &end].concat(),
            "chunks of {size}"
        );
    }
    let (passed, fault) = through(vec![small.clone(), large[..20 << 20].to_vec()]).await;
    assert_eq!((passed, fault), (small, Some(GuardFault::Truncated)));
}

#[tokio::test]
async fn r12_an_entry_that_is_too_large_must_answer_the_open_search() {
    let large = |id, tag| message(id, tag, &element(OCTET_STRING, &vec![b'x'; 17 << 20]));
    let through = async |message: Vec<u8>| through(vec![message]).await.1.unwrap();
    assert_eq!(through(large(2, 0x64)).await, GuardFault::Unasked(2));
    assert!(matches!(
        through(large(1, 0x65)).await,
        GuardFault::Frame(FrameFault::TooLong(_))
    ));
}

#[tokio::test]
async fn r15_a_result_whose_texts_are_not_utf_8_comes_as_text() {
    let texts = |text: &[u8]| {
        let referrals = element(0xA3, &element(OCTET_STRING, text));
        let parts = [
            element(0x0A, &[10]),
            element(OCTET_STRING, text),
            element(OCTET_STRING, text),
            referrals,
        ];
        let operation = element(0x65, &parts.concat());
        let controls = element(0xA0, &element(SEQUENCE, &element(OCTET_STRING, b"1.2")));
        element(SEQUENCE, &[element(INTEGER, &[1]), operation, controls].concat())
    };
    let (passed, fault) = through(vec![texts(b"a\xFFz")]).await;
    assert_eq!((passed, fault), (texts(b"a\\ffz"), Some(GuardFault::Closed)));
    let good = texts("Zürich".as_bytes());
    assert_eq!(through(vec![good.clone()]).await.0, good);
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
    let (sender, _lane) = entry_channel::open();
    let guard = tokio::spawn(run(server, ours, sender, GuardFaults::default()));
    library.write_all(&message(1, 0x63, &[])).await.unwrap();
    let one = entry(1, &vec![b'x'; 64 << 10]);
    let mut taken = 0;
    // Nobody takes the entries: the peer is stopped by the budget, not by the end of its octets.
    while let Ok(written) =
        tokio::time::timeout(std::time::Duration::from_millis(200), peer.write_all(&one)).await
    {
        written.unwrap();
        taken += one.len();
        assert!(
            taken < entry_channel::AHEAD + (1 << 20),
            "nothing holds the server back"
        );
    }
    guard.abort();
}

/// Checks independently the octets that the library is handed: they must be decodable to the last
/// one.
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
