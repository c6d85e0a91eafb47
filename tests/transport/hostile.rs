//! R12: what a hostile or broken server sends ends in an error with the reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ad_connector::directory::{DirectoryError, GuardFault, TimedPhase};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::server::*;

/// Whatever a server does, nobody waits longer than this for an error.
const SOON: Duration = Duration::from_secs(10);

/// The error of connecting to a server that answers the bind with `bytes`.
async fn bind_answered_with(bytes: Vec<u8>) -> DirectoryError {
    let server = Server::plain(move |mut wire| {
        let bytes = bytes.clone();
        async move {
            wire.request().await;
            wire.send(bytes).await;
            wire.until_gone().await;
        }
    })
    .await;
    timeout(SOON, connect(&settings(server.port)))
        .await
        .expect("in time")
        .unwrap_err()
}

/// The error of a search that is answered with `bytes`, after a bind that went well. The id of the search is 2.
async fn search_answered_with(bytes: Vec<u8>) -> DirectoryError {
    let server = Server::bound(move |mut wire| {
        let bytes = bytes.clone();
        async move {
            wire.request().await;
            wire.send(bytes).await;
            wire.until_gone().await;
        }
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    timeout(SOON, session.search(search()).next())
        .await
        .expect("in time")
        .unwrap_err()
}

fn fault(error: DirectoryError) -> GuardFault {
    match error {
        DirectoryError::Protocol { fault, .. } => fault,
        other => panic!("another error: {other}"),
    }
}

#[tokio::test]
async fn r12_two_megabytes_of_nested_ber_before_the_bind() {
    let fault = fault(bind_answered_with([0x30, 0x84, 0x01, 0x00, 0x00, 0x00].repeat(350_000)).await);
    assert!(matches!(fault, GuardFault::Frame(_)), "{fault}");
}

#[tokio::test]
async fn r12_two_megabytes_of_properly_nested_ber() {
    // Each level fits exactly into the one around it.
    let mut bytes = Vec::with_capacity(2_000_004);
    let levels = 333_333_u32;
    for level in 0..levels {
        bytes.extend([0x30, 0x84]);
        bytes.extend(((levels - level - 1) * 6 + 2).to_be_bytes());
    }
    bytes.extend([0x30, 0x00]);
    let error = bind_answered_with(bytes).await;
    assert!(error.to_string().contains("nested more than"), "{error}");
}

#[tokio::test]
async fn r12_a_gigabyte_is_refused_by_its_header_and_not_read() {
    let sent = Arc::new(AtomicUsize::new(0));
    let gone = Arc::new(Notify::new());
    let (count, signal) = (Arc::clone(&sent), Arc::clone(&gone));
    let server = Server::plain(move |mut wire| {
        let (count, signal) = (Arc::clone(&count), Arc::clone(&signal));
        async move {
            wire.request().await;
            wire.send([0x30, 0x84, 0x40, 0x00, 0x00, 0x00]).await;
            let chunk = vec![0_u8; 64 * 1024];
            while count.load(Ordering::SeqCst) < 1 << 30 && wire.send(&chunk).await {
                count.fetch_add(chunk.len(), Ordering::SeqCst);
            }
            signal.notify_one();
        }
    })
    .await;
    let error = timeout(SOON, connect(&settings(server.port)))
        .await
        .expect("in time")
        .unwrap_err();
    assert!(
        error.to_string().contains("a message of 1073741830 octets"),
        "{error}"
    );
    timeout(SOON, gone.notified()).await.expect("the client closed");
    assert!(
        sent.load(Ordering::SeqCst) < 32 << 20,
        "only what socket buffers hold was taken"
    );
}

#[tokio::test]
async fn r12_an_inner_element_beyond_its_outer() {
    let error = search_answered_with(vec![0x30, 0x05, 0x02, 0x01, 0x02, 0x64, 0x7F]).await;
    assert!(
        error.to_string().contains("longer than the one around it"),
        "{error}"
    );
}

#[tokio::test]
async fn r12_silence_ends_with_the_time_limit() {
    let server = Server::plain(|mut wire| async move { wire.until_gone().await }).await;
    let error = timeout(SOON, connect(&impatient(server.port)))
        .await
        .expect("in time")
        .unwrap_err();
    assert!(
        matches!(
            error,
            DirectoryError::Timeout {
                phase: TimedPhase::Bind,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("within 0.3 s"), "{error}");
}

#[tokio::test]
async fn r12_an_answer_octet_by_octet_does_not_stretch_the_time_limit() {
    let server = Server::bound(|mut wire| async move {
        wire.request().await;
        let bytes = entry(2, "CN=a", &[("name", vec![vec![b'x'; 4096]])]);
        for octet in bytes {
            if !wire.send([octet]).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let session = connect(&impatient(server.port)).await.unwrap();
    let error = timeout(SOON, session.search(search()).next())
        .await
        .expect("in time")
        .unwrap_err();
    assert!(
        matches!(
            error,
            DirectoryError::Timeout {
                phase: TimedPhase::Search,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn r12_entries_that_trickle_do_not_stretch_the_time_limit_of_a_page() {
    let server = Server::bound(|mut wire| async move {
        wire.request().await;
        let mut number = 0;
        while wire.send(entry(2, &format!("CN={number}"), &[])).await {
            number += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let mut session = connect(&impatient(server.port)).await.unwrap();
    let error = timeout(SOON, session.search(search()).next())
        .await
        .expect("in time")
        .unwrap_err();
    assert!(
        matches!(
            error,
            DirectoryError::Timeout {
                phase: TimedPhase::Search,
                ..
            }
        ),
        "{error}"
    );
    let error = session.lookup(BASE, &["name"], false).await.unwrap_err();
    assert!(
        matches!(error, DirectoryError::Gone { .. }),
        "nothing is asked after a time-out: {error}"
    );
}

#[tokio::test]
async fn r12_garbage_and_other_protocols_are_named() {
    let http = b"HTTP/1.1 400 Bad Request\r\nServer: proxy\r\n\r\n".to_vec();
    let error = bind_answered_with(http).await;
    assert!(
        error
            .to_string()
            .contains("it begins with \"HTTP/1.1 400 Bad Request"),
        "{error}"
    );
    assert!(error.advice().contains("another service"), "{}", error.advice());
    let error = bind_answered_with(vec![0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46]).await;
    assert_eq!(fault(error.clone()), GuardFault::SpeaksTls);
    assert!(
        error.advice().contains("AD_TRANSPORT=ldaps"),
        "{}",
        error.advice()
    );
    let error = bind_answered_with((0..=255).rev().collect()).await;
    assert!(matches!(fault(error), GuardFault::NotLdap(_)));
}

#[tokio::test]
async fn r12_a_connection_closed_at_any_point_is_an_error() {
    let at_once = Server::plain(|_| async {}).await;
    let error = connect(&settings(at_once.port)).await.unwrap_err();
    assert!(matches!(fault(error), GuardFault::Closed | GuardFault::Broken(_)));

    let after_bind = Server::bound(|mut wire| async move {
        wire.request().await;
    })
    .await;
    let session = connect(&settings(after_bind.port)).await.unwrap();
    let error = session.search(search()).next().await.unwrap_err();
    assert_eq!(fault(error), GuardFault::Closed);

    let whole = entry(2, "CN=a", &[("name", vec![b"a".to_vec()])]);
    let half = Server::bound(move |mut wire| {
        let half = whole[..whole.len() / 2].to_vec();
        async move {
            wire.request().await;
            wire.send(half).await;
        }
    })
    .await;
    let session = connect(&settings(half.port)).await.unwrap();
    let error = session.search(search()).next().await.unwrap_err();
    assert_eq!(fault(error), GuardFault::Truncated);
}

#[tokio::test]
async fn r04_entries_before_a_cut_are_not_handed_out() {
    let server = Server::bound(|mut wire| async move {
        wire.request().await;
        for number in 0..10 {
            wire.send(entry(2, &format!("CN={number}"), &[])).await;
        }
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let mut pages = session.search(search());
    assert_eq!(fault(pages.next().await.unwrap_err()), GuardFault::Closed);
    assert!(
        pages.next().await.is_err(),
        "a broken search never says that it is complete"
    );
    assert_eq!(pages.counts().pages, 0);
}

#[tokio::test]
async fn r12_operations_out_of_place_are_refused() {
    let modify_response = message(2, 0x67, &result(0, ""), &[]);
    assert!(matches!(
        fault(search_answered_with(modify_response).await),
        GuardFault::Message(_)
    ));
    let bind_response = message(2, 0x61, &result(0, ""), &[]);
    assert_eq!(
        fault(search_answered_with(bind_response).await),
        GuardFault::Unasked(2)
    );
    let other_id = done(9, 0, "", Some(b""));
    assert_eq!(
        fault(search_answered_with(other_id).await),
        GuardFault::Unasked(9)
    );
    let intermediate = message(2, 0x79, &[], &[]);
    assert!(matches!(
        fault(search_answered_with(intermediate).await),
        GuardFault::Message(_)
    ));
}

#[tokio::test]
async fn r12_entries_of_a_wrong_shape_are_errors() {
    let shapes: [&[u8]; 5] = [
        &[],
        &element(0x04, b"CN=a"),
        &element(0x04, &[0xFF]),
        &element(0x02, &[1]),
        &element(0x30, &[]),
    ];
    for shape in shapes {
        let error =
            search_answered_with([message(2, 0x64, shape, &[]), done(2, 0, "", Some(b""))].concat()).await;
        assert!(
            matches!(error, DirectoryError::Answer { .. }),
            "{shape:x?}: {error}"
        );
    }
}

#[tokio::test]
async fn r12_results_of_a_wrong_shape_are_errors() {
    for shape in [
        vec![],
        element(0x0A, &[0]),
        [element(0x0A, &[49]), element(0x04, &[0xFF])].concat(),
        [element(0x0A, &[49]), element(0x04, b""), element(0x02, &[1])].concat(),
    ] {
        let error = search_answered_with(message(2, 0x65, &shape, &[])).await;
        assert!(matches!(fault(error), GuardFault::Message(_)));
    }
}

#[tokio::test]
async fn r15_a_result_with_texts_that_are_not_utf_8_is_a_result() {
    let texts = [
        element(0x0A, &[53]),
        element(0x04, b"CN=\xFF"),
        element(0x04, b"caf\xE9\0"),
    ];
    match search_answered_with(message(2, 0x65, &texts.concat(), &[])).await {
        DirectoryError::Search { outcome, .. } => {
            let texts = (outcome.matched.as_str(), outcome.diagnostic.as_str());
            assert_eq!((outcome.code, texts), (53, ("CN=\\ff", "caf\\e9")));
        }
        other => panic!("another error: {other}"),
    }
}

#[tokio::test]
async fn a_notice_of_disconnection_gives_its_reason() {
    let name = element(0x8A, b"1.3.6.1.4.1.1466.20036");
    let microsoft = message(0, 0x78, &result(52, "The server is shutting down"), &name);
    let error = search_answered_with(microsoft).await;
    assert!(
        error
            .to_string()
            .contains("result 52 (unavailable), \"The server is shutting down\""),
        "{error}"
    );
}

#[tokio::test]
async fn a_notice_between_two_requests_is_told_at_the_next() {
    let server = Server::bound(|mut wire| async move {
        let request = wire.request().await.unwrap();
        let name = element(0x8A, b"1.3.6.1.4.1.1466.20036");
        let notice = message(0, 0x78, &[result(52, "idle too long"), name].concat(), &[]);
        wire.send(
            [
                entry(request.id, "CN=a", &[]),
                done(request.id, 0, "", Some(b"more")),
                notice,
            ]
            .concat(),
        )
        .await;
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let mut pages = session.search(search());
    assert!(
        pages.next().await.unwrap().is_some(),
        "the page before it was whole"
    );
    let error = pages.next().await.unwrap_err();
    assert!(error.to_string().contains("\"idle too long\""), "{error}");
}

#[tokio::test]
async fn other_notifications_are_ignored_but_not_for_ever() {
    let name = element(0x8A, b"1.2.3.4");
    let notification = message(0, 0x78, &[result(0, ""), name].concat(), &[]);
    let few = notification.repeat(5);
    let server = Server::bound(move |mut wire| {
        let few = few.clone();
        async move {
            wire.request().await;
            wire.send([few, entry(2, "CN=a", &[]), done(2, 0, "", Some(b""))].concat())
                .await;
            wire.until_gone().await;
        }
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let page = session.search(search()).next().await.unwrap().unwrap();
    assert_eq!(page[0].dn, "CN=a");
    let error = search_answered_with(notification.repeat(101)).await;
    assert_eq!(fault(error), GuardFault::Notifications);
}

#[tokio::test]
async fn r12_the_same_page_for_ever_is_a_circle() {
    let server = Server::bound(|mut wire| async move {
        while let Some(request) = wire.request().await {
            wire.send(
                [
                    entry(request.id, "CN=a", &[]),
                    done(request.id, 0, "", Some(b"again")),
                ]
                .concat(),
            )
            .await;
        }
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let mut pages = session.search(search());
    assert!(pages.next().await.unwrap().is_some());
    let error = pages.next().await.unwrap_err();
    assert!(error.to_string().contains("in circles"), "{error}");
}

#[tokio::test]
async fn r12_empty_pages_for_ever_end() {
    let server = Server::bound(|mut wire| async move {
        while let Some(request) = wire.request().await {
            wire.send(done(request.id, 0, "", Some(b"more"))).await;
        }
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let error = timeout(SOON, session.search(search()).next())
        .await
        .expect("in time")
        .unwrap_err();
    assert!(error.to_string().contains("empty pages"), "{error}");
}

#[tokio::test]
async fn r12_more_entries_than_asked_for_are_refused() {
    let server = Server::bound(|mut wire| async move {
        wire.request().await;
        let mut number = 0;
        while wire.send(entry(2, &format!("CN={number}"), &[])).await {
            number += 1;
        }
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let error = timeout(SOON, session.search(search()).next())
        .await
        .expect("in time")
        .unwrap_err();
    assert!(
        error.to_string().contains("more than the 1000 entries"),
        "{error}"
    );
}
