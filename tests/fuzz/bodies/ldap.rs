//! Fuzzing with any octets as the answers of a server, through guard, LDAP library, entries, ranges
//! and pages.
//!
//! Compiled for the fuzzer and the tests alone. `tests/fuzz` generates the bytes; the test below
//! replays those that are kept.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::{Builder, Runtime};

use super::ber::{self, BerElements};
use super::bind_guard::BindGuard;
use super::error::DirectoryError;
use super::search::LdapSearch;
use super::{netlogon, session, transport};
use crate::config::{DeltaMethod, DirectoryAuth, DirectorySettings, LdapTransport, ReachPolicy, SearchScope};

/// `BindResponse` and `SearchResultDone`: the server waits for the next request after them.
const LAST: [u8; 2] = [0x61, 0x65];

/// Runs a client against `bytes`: the first octet is the number of octets that the server sends at
/// once, the others are the octets that it sends.
pub fn run(bytes: &[u8]) {
    thread_local! { static RUNTIME: Option<Runtime> = Builder::new_current_thread().enable_all().build().ok() }
    let Some((chunk, answers)) = bytes.split_first() else {
        return;
    };
    let chunk = usize::from(*chunk) * 16 + 1;
    RUNTIME.with(|runtime| {
        assert!(runtime.is_some());
        runtime
            .iter()
            .for_each(|runtime| runtime.block_on(talk(answers, chunk)));
    });
}

async fn talk(answers: &[u8], chunk: usize) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (said, ()) = tokio::join!(client(ours, answers.len()), server(theirs, answers, chunk));
    if let Err(error) = said {
        let told = format!("{error} {}", error.advice());
        assert!(!told.contains(char::is_control) && told.len() < 8000, "{told:?}");
        assert!(!told.contains("the-password"), "R27: {told}");
        assert!(
            !matches!(
                error,
                DirectoryError::Internal { .. } | DirectoryError::Timeout { .. }
            ),
            "{error}"
        );
    }
}

/// Binds, reads rootDSE, looks one object up, searches to the end.
async fn client(stream: DuplexStream, octets: usize) -> Result<(), DirectoryError> {
    let settings = settings();
    let link = transport::link(stream).await?;
    let mut session = session::bound(link, None, &endpoint(), &settings, &BindGuard::default()).await?;
    let root = session.root_dse().await?;
    session.invocation_id(&root).await?;
    let mut pages = session.search(LdapSearch {
        base: root.default_naming_context,
        scope: SearchScope::Subtree,
        filter: "(objectClass=*)".to_owned(),
        attributes: vec!["member".to_owned(), "objectSid".to_owned()],
        show_deleted: true,
    });
    let mut held = 0;
    while let Some(entries) = pages.next().await? {
        assert!(entries.len() <= 3 && !entries.is_empty());
        held += entries.iter().map(super::Entry::size).sum::<usize>();
    }
    // An octet of a name that is not UTF-8 is written as three.
    assert!(held <= 3 * octets, "{held} octets of entries out of {octets}");
    assert!(!pages.has_more());
    Ok(())
}

/// Sends, after each request, the octets up to the end of an answer.
async fn server(mut stream: DuplexStream, mut rest: &[u8], chunk: usize) {
    let mut request = [0; 4096];
    while !rest.is_empty() && matches!(stream.read(&mut request).await, Ok(count) if count > 0) {
        let (now, later) = rest.split_at(turn(rest));
        for piece in now.chunks(chunk) {
            if stream.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        rest = later;
    }
}

/// Returns the number of octets up to the end of the first message that ends an answer; all of them
/// where there is none.
fn turn(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..)
        && let Ok(Some(header)) = ber::header(rest)
    {
        let end = header.size + header.length;
        at += end;
        let mut parts = BerElements::new(rest.get(header.size..end).unwrap_or_default());
        let operation = parts.next().and_then(|_| parts.next());
        if matches!(operation, Ok(Some((tag, _))) if LAST.contains(&tag)) {
            return at.min(bytes.len());
        }
    }
    bytes.len()
}

fn endpoint() -> session::ControllerEndpoint {
    session::ControllerEndpoint {
        host: "dc1".to_owned(),
        address: ([127, 0, 0, 1], 389).into(),
    }
}

/// Returns settings with pages of three.
fn settings() -> DirectorySettings {
    DirectorySettings {
        hosts: vec!["dc1".to_owned()],
        domain: None,
        transport: LdapTransport::Ldap,
        port: 389,
        auth: DirectoryAuth::Simple {
            name: "someone".to_owned(),
            password: "the-password".into(),
        },
        certificates: None,
        pins: Vec::new(),
        server_name: None,
        page_size: 3,
        parallel_reads: 1,
        timeout: Duration::from_secs(20),
        delta: DeltaMethod::Usn,
        reach: ReachPolicy::Unrestricted,
    }
}

/// Decodes the octets as the answer to a netlogon ping: as a datagram, and as the value alone.
pub fn run_netlogon(bytes: &[u8]) {
    for answer in [netlogon::decode(bytes), netlogon::response(bytes, 1)] {
        match answer {
            Ok(answer) => {
                let next = answer.next_closest_site.iter();
                let names = [
                    &answer.domain,
                    &answer.host,
                    &answer.controller_site,
                    &answer.client_site,
                ];
                for name in names.into_iter().chain(next) {
                    assert!(name.len() <= 255 && !name.contains(char::is_control), "{name:?}");
                }
                assert!(!answer.roles().is_empty());
            }
            Err(error) => assert!(!error.to_string().contains(char::is_control)),
        }
    }
}

#[test]
fn r12_what_the_fuzzer_kept() {
    crate::fuzzing::replay("ldap", run);
}

#[test]
fn r12_what_the_fuzzer_kept_of_netlogon() {
    crate::fuzzing::replay("netlogon", run_netlogon);
}
