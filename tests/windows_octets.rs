//! Octets that real domain controllers of Windows sent: every file of `tests/data/windows` is
//! served to the client by a TCP peer, through guard, LDAP library and pages, and must come out as
//! `expected.json` says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

#[path = "windows_octets/compare.rs"]
mod compare;
#[path = "windows_octets/objects.rs"]
mod objects;
#[path = "windows_octets/peer.rs"]
mod peer;
#[path = "windows_octets/recorded.rs"]
mod recorded;

use std::collections::BTreeMap;

use ad_connector::config::{LdapTransport, SearchScope};
use ad_connector::directory::{
    BindGuard, DIRSYNC, DirectoryError, GuardFault, KnownControllers, LdapSearch, MESSAGE_ID, Pages, Session,
    connect, replay,
};
use compare::{assert_entries, assert_outcome, assert_root_dse};
use peer::{Peer, Turn, each_message};
use recorded::{Recorded, all, octets, read, with_id};

/// Octets that arrive at once: one by one, out of step with every header, a segment on Ethernet,
/// everything.
const CHUNKS: [usize; 4] = [1, 7, 1460, 1 << 20];

const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
const STATS: &str = "1.2.840.113556.1.4.970";

const DONE: &str = "messages/odd/2019-done-plain.bin";
const LAST_PAGE: &str = "messages/pages/2019-done-last.bin";

/// How a file was exercised; counted, so that no file goes another way unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Answer,
    Entry,
    Page,
    FailedSearch,
    Reference,
    Bind,
    StartTls,
    EndsConnection,
    Control,
    SecurityLayer,
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_every_recorded_file_comes_out_as_it_was_understood_elsewhere() {
    let files = all();
    for size in CHUNKS {
        let mut ways = BTreeMap::new();
        for file in &files {
            println!("{} in chunks of {size}", file.name);
            *ways.entry(exercise(file, size).await).or_insert(0) += 1;
        }
        assert_eq!(ways.values().sum::<usize>(), files.len());
        let counts: Vec<_> = ways.into_iter().collect();
        assert_eq!(
            counts,
            [
                (Way::Answer, 5),
                (Way::Entry, 40),
                (Way::Page, 8),
                (Way::FailedSearch, 3),
                (Way::Reference, 3),
                (Way::Bind, 14),
                (Way::StartTls, 2),
                (Way::EndsConnection, 2),
                (Way::Control, 4),
                (Way::SecurityLayer, 2),
            ]
        );
    }
}

/// Serves a file to the place that meets it, and compares.
async fn exercise(file: &Recorded, size: usize) -> Way {
    if file.name.starts_with("controls/") {
        assert_control(file, size).await;
        return Way::Control;
    }
    if file.name.starts_with("sasl/") {
        assert_frame(file, size).await;
        return Way::SecurityLayer;
    }
    if file.name.starts_with("answers/") {
        assert_answer(&file.octets, file.messages(), size).await;
        return Way::Answer;
    }
    let [message] = file.messages() else {
        panic!("{} is no single message", file.name);
    };
    let operation = message["operation"].as_str().unwrap();
    match (operation, message["code"].as_u64()) {
        ("searchResultEntry", _) => {
            assert_looked_up(file, size).await;
            Way::Entry
        }
        ("searchResultDone", Some(0)) => {
            assert_page(file, size).await;
            Way::Page
        }
        ("searchResultDone", _) => {
            assert_failed_search(file, size).await;
            Way::FailedSearch
        }
        ("searchResultReference", _) => {
            let octets = [file.octets.clone(), read(LAST_PAGE)].concat();
            assert_answer(&octets, file.messages(), size).await;
            Way::Reference
        }
        ("bindResponse", _) => {
            assert_bound(file, size).await;
            Way::Bind
        }
        ("extendedResponse", _) if message["id"] == 0 => {
            assert_ends_connection(file, size).await;
            Way::EndsConnection
        }
        ("extendedResponse", _) => {
            assert_start_tls(file, size).await;
            Way::StartTls
        }
        ("addResponse", _) => {
            assert_ends_connection(file, size).await;
            Way::EndsConnection
        }
        other => panic!("nothing exercises {other:?} of {}", file.name),
    }
}

/// A bound session; the peer answers what follows with `turns`.
async fn session(mut turns: Vec<Turn>, size: usize) -> (Session, Peer) {
    turns.insert(0, Turn::Answer(read("messages/binds/gc-simple-success.bin")));
    let peer = Peer::start(turns, size).await;
    let session = connect(
        &peer.settings,
        &BindGuard::default(),
        &KnownControllers::default(),
    )
    .await
    .unwrap();
    (session, peer)
}

fn everything(session: &Session) -> Pages {
    session.search(LdapSearch {
        base: "DC=corp,DC=example".to_owned(),
        scope: SearchScope::Subtree,
        filter: "(objectClass=*)".to_owned(),
        attributes: Vec::new(),
        show_deleted: false,
    })
}

/// A whole answer, through a search, and through the guard in chunks that are cut exactly so.
async fn assert_answer(octets: &[u8], messages: &[serde_json::Value], size: usize) {
    let of = |operation: &str| {
        let found = messages
            .iter()
            .filter(|message| message["operation"] == operation);
        found.collect::<Vec<_>>()
    };
    let references = of("searchResultReference").len() as u64;
    let (session, peer) = session(vec![Turn::Answer(octets.to_vec())], size).await;
    let mut pages = everything(&session);
    let mut entries = Vec::new();
    while let Some(piece) = pages.next().await.unwrap() {
        entries.extend(piece);
    }
    assert_entries(&entries, &of("searchResultEntry"));
    let counts = pages.counts();
    assert_eq!((counts.referrals, counts.pages), (references, 1));
    session.close().await;
    assert_eq!(peer.requests().await.len(), 3, "bind, one page, unbind");

    let adapted: Vec<u8> = each_message(octets)
        .flat_map(|message| with_id(message, MESSAGE_ID))
        .collect();
    let heard = replay(adapted.chunks(size), 1000);
    assert_eq!(heard.fault, None);
    assert_entries(&heard.entries, &of("searchResultEntry"));
    assert_eq!(heard.references, references);
    assert!(heard.outcome.unwrap().is_success());
}

/// One entry, looked up by name; that of rootDSE is read as such too.
async fn assert_looked_up(file: &Recorded, size: usize) {
    let message = &file.messages()[0];
    let dn = message["dn"].as_str().unwrap();
    let answer = || Turn::Answer([file.octets.clone(), read(DONE)].concat());
    let (mut session, _peer) = session(vec![answer(), answer()], size).await;
    let entry = session.lookup(dn, &[], false).await.unwrap().unwrap();
    assert_entries(&[entry], &[message]);
    if dn.is_empty() {
        assert_root_dse(session.root_dse().await, message);
    }
    session.close().await;
}

/// The end of a page: its cookie, if there is one, comes back as it was.
async fn assert_page(file: &Recorded, size: usize) {
    let control = &file.messages()[0]["controls"][0];
    let turns = vec![Turn::Answer(file.octets.clone()), Turn::Answer(read(LAST_PAGE))];
    let (session, peer) = session(turns, size).await;
    let mut pages = everything(&session);
    let end = pages.next().await;
    let requests = async {
        session.close().await;
        peer.requests().await
    };
    if control.is_null() {
        // Nobody knows whether more would come (R4).
        let error = end.unwrap_err().to_string();
        assert!(error.contains("lacks the paging control"), "{error}");
        return;
    }
    assert_eq!(control["oid"], PAGED_RESULTS);
    assert!(end.unwrap().is_none());
    let cookie = octets(&control["cookie"]);
    assert_eq!(pages.counts().pages, if cookie.is_empty() { 1 } else { 2 });
    assert_cookie(&requests.await, &cookie);
}

/// Requests that came: bind, a page without a cookie, and one with `cookie`, unless that is empty.
fn assert_cookie(requests: &[Vec<u8>], cookie: &[u8]) {
    assert_eq!(requests.len(), if cookie.is_empty() { 3 } else { 4 });
    // The cookie stands last: within the value of the last control.
    assert!(cookie.is_empty() || requests[2].ends_with(cookie));
    assert!(requests[1].ends_with(&[0x04, 0x00]));
}

/// A result that is no success: "no such object" is an answer to a look-up alone (R4).
async fn assert_failed_search(file: &Recorded, size: usize) {
    let message = &file.messages()[0];
    let answer = || Turn::Answer(file.octets.clone());
    let (mut session, _peer) = session(vec![answer(), answer()], size).await;
    match everything(&session).next().await.unwrap_err() {
        DirectoryError::Search { outcome, .. } => assert_outcome(&outcome, message),
        other => panic!("{other:?}"),
    }
    match (session.lookup("CN=a", &[], false).await, message["code"].as_u64()) {
        (Ok(None), Some(32)) => {}
        (Err(DirectoryError::Search { outcome, .. }), Some(10)) => assert_outcome(&outcome, message),
        other => panic!("{other:?}"),
    }
    let heard = replay(with_id(&file.octets, MESSAGE_ID).chunks(size), 1);
    assert_outcome(&heard.outcome.unwrap(), message);
}

/// The answer to a simple bind; those to other binds have the same parts and more.
async fn assert_bound(file: &Recorded, size: usize) {
    let message = &file.messages()[0];
    let turns = vec![
        Turn::Answer(file.octets.clone()),
        Turn::Answer([read("messages/users/2019-krbtgt-all.bin"), read(DONE)].concat()),
    ];
    let peer = Peer::start(turns, size).await;
    match (
        connect(
            &peer.settings,
            &BindGuard::default(),
            &KnownControllers::default(),
        )
        .await,
        message["code"].as_u64(),
    ) {
        (Ok(mut session), Some(0)) => {
            assert!(session.lookup("CN=krbtgt", &[], false).await.unwrap().is_some());
            session.close().await;
        }
        (Err(error), Some(_)) => match only(error) {
            DirectoryError::Bind { outcome, .. } => assert_outcome(&outcome, message),
            other => panic!("{}: {other:?}", file.name),
        },
        other => panic!("{}: {other:?}", file.name),
    }
}

/// The one reason why no controller of one can be used.
fn only(error: DirectoryError) -> DirectoryError {
    match error {
        DirectoryError::AllFailed { mut causes, .. } if causes.len() == 1 => causes.remove(0),
        other => other,
    }
}

/// The answer to StartTLS: TLS begins, or the reason is kept.
async fn assert_start_tls(file: &Recorded, size: usize) {
    let message = &file.messages()[0];
    let turns = vec![Turn::Answer(file.octets.clone())];
    let mut peer = Peer::start(turns, size).await;
    peer.settings.transport = LdapTransport::StartTls;
    peer.settings.timeout = std::time::Duration::from_millis(300);
    let error = only(
        connect(
            &peer.settings,
            &BindGuard::default(),
            &KnownControllers::default(),
        )
        .await
        .unwrap_err(),
    );
    let requests = peer.requests().await;
    match (error, message["code"].as_u64()) {
        (DirectoryError::StartTls { outcome, .. }, Some(52)) => assert_outcome(&outcome, message),
        // The peer cannot go on; the client has begun with a TLS record.
        (DirectoryError::Timeout { .. } | DirectoryError::Tls { .. }, Some(0)) => {
            assert!(requests[1].starts_with(&[0x16, 0x03]));
        }
        other => panic!("{}: {other:?}", file.name),
    }
}

/// A message that answers no search of a client that only reads.
async fn assert_ends_connection(file: &Recorded, size: usize) {
    let message = &file.messages()[0];
    let (session, _peer) = session(vec![Turn::Answer(file.octets.clone())], size).await;
    match (
        everything(&session).next().await.unwrap_err(),
        message["operation"].as_str(),
    ) {
        (
            DirectoryError::Protocol {
                fault: GuardFault::Disconnected(outcome),
                ..
            },
            Some("extendedResponse"),
        ) => assert_outcome(&outcome, message),
        (DirectoryError::Protocol { fault, .. }, Some("addResponse")) => {
            assert!(
                fault.to_string().contains("an operation that no client expects"),
                "{fault}"
            );
        }
        other => panic!("{}: {other:?}", file.name),
    }
}

/// A control value, on the result of a search.
async fn assert_control(file: &Recorded, size: usize) {
    let expected = &file.expected["control"];
    let with = |controls: &[(&str, &[u8])]| Turn::Answer(compare::done_with(controls));
    let last = || Turn::Answer(read(LAST_PAGE));
    if file.name.starts_with("controls/paged-") {
        let (session, peer) = session(vec![with(&[(PAGED_RESULTS, &file.octets)]), last()], size).await;
        assert!(everything(&session).next().await.unwrap().is_none());
        session.close().await;
        assert_cookie(&peer.requests().await, &octets(&expected["cookie"]));
    } else if file.name.starts_with("controls/dirsync-") {
        let last = read("controls/dirsync-value-1.bin");
        let turns = vec![with(&[(DIRSYNC, &file.octets)]), with(&[(DIRSYNC, &last)])];
        let (session, peer) = session(turns, size).await;
        let mut changes = session.changes("DC=corp,DC=example", "(objectClass=*)", Vec::new(), false);
        assert!(changes.next().await.unwrap().is_none());
        let (answers, kept) = (changes.counts().pages, changes.into_cookie().unwrap());
        session.close().await;
        let cookie = octets(&expected["cookie"]);
        // A first number that is not 0 says that there is more, to be asked for with the cookie.
        if expected["first"] == 0 {
            assert_eq!((answers, kept), (1, cookie));
        } else {
            assert_eq!(answers, 2);
            assert!(peer.requests().await[2].ends_with(&cookie));
        }
    } else {
        assert_eq!(file.name, "controls/stats-value.bin");
        let root = [read("messages/rootdse/2019-matrix-all.bin"), read(DONE)].concat();
        let end = with(&[
            (PAGED_RESULTS, b"\x30\x05\x02\x01\x00\x04\x00"),
            (STATS, &file.octets),
        ]);
        let (mut session, _peer) = session(vec![Turn::Answer(root), end], size).await;
        session.root_dse().await.unwrap();
        let mut pages = everything(&session).measured();
        assert!(pages.next().await.unwrap().is_none());
        compare::assert_cost(pages.cost().unwrap(), expected);
    }
}

/// A frame of a security layer. Nothing agreed on one here, so it is refused;
/// `directory::kerberos::seal` splits them. What is only signed can be read all the same, and is
/// served as what it is.
async fn assert_frame(file: &Recorded, size: usize) {
    let (session, _peer) = session(vec![Turn::Octets(file.octets.clone())], size).await;
    match everything(&session).next().await.unwrap_err() {
        DirectoryError::Protocol {
            fault: GuardFault::NotLdap(_),
            ..
        } => {}
        other => panic!("{}: {other:?}", file.name),
    }
    let frame = &file.expected["frame"];
    if frame["sealed"] == false {
        // Length, header of the token (RFC 4121 section 4.2.6.2), and the checksum, which the
        // rotation has put before the text.
        let start = 4 + 16 + usize::try_from(frame["right_rotation"].as_u64().unwrap()).unwrap();
        let messages = frame["messages"].as_array().unwrap();
        assert_answer(&file.octets[start..], messages, size).await;
    }
}
