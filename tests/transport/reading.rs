//! Pages (R4, R5), references (R10), ranges (R11) and look-ups.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ad_connector::directory::DirectoryError;
use tokio::time::timeout;

use super::server::*;

/// A server with one group of `members` members, which gives at most 1500 of them at once as Windows does.
async fn group_server(members: usize) -> Server {
    Server::bound(move |mut wire| async move {
        while let Some(request) = wire.request().await {
            let value = |number: usize| format!("CN=user{number}").into_bytes();
            let from = range_of(&request).unwrap_or(0);
            let to = members.min(from + 1500);
            let values: Vec<_> = (from..to).map(value).collect();
            let guid = ("objectGUID", vec![vec![7_u8; 16]]);
            let attributes = if members <= 1500 {
                vec![guid, ("member", values)]
            } else if to == members {
                vec![
                    guid,
                    (
                        Box::leak(format!("member;range={from}-*").into_boxed_str()) as &str,
                        values,
                    ),
                ]
            } else {
                let name: &str = Box::leak(format!("member;range={from}-{}", to - 1).into_boxed_str());
                vec![guid, ("member", vec![]), (name, values)]
            };
            let cookie = cookie_of(&request).map(|_| &b""[..]);
            wire.send(
                [
                    entry(request.id, "CN=g", &attributes),
                    done(request.id, 0, "", cookie),
                ]
                .concat(),
            )
            .await;
        }
    })
    .await
}

/// Where the range begins that a request asks for.
fn range_of(request: &Request) -> Option<usize> {
    let text = String::from_utf8_lossy(&request.content).into_owned();
    let (_, rest) = text.split_once("member;range=")?;
    rest.split_once('-')?.0.parse().ok()
}

#[tokio::test]
async fn r11_members_come_whole_at_every_boundary() {
    for members in [0, 1, 1499, 1500, 1501, 3000, 3001] {
        let server = group_server(members).await;
        let session = connect(&settings(server.port)).await.unwrap();
        let mut pages = session.search(search());
        let page = pages.next().await.unwrap().unwrap();
        let found: Vec<_> = page[0].values("member").map(<[u8]>::to_vec).collect();
        let expected: Vec<_> = (0..members)
            .map(|number| format!("CN=user{number}").into_bytes())
            .collect();
        assert_eq!(found.len(), members);
        assert_eq!(found, expected);
        assert!(page[0].attributes().all(|(name, _)| !name.contains("range")));
        assert!(pages.next().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn r11_a_range_that_fails_fails_the_page() {
    let server = Server::bound(|mut wire| async move {
        let request = wire.request().await.unwrap();
        let part = ("member;range=0-1", vec![b"a".to_vec(), b"b".to_vec()]);
        wire.send(
            [
                entry(request.id, "CN=g", &[part]),
                done(request.id, 0, "", Some(b"")),
            ]
            .concat(),
        )
        .await;
        while let Some(request) = wire.request().await {
            wire.send(done(request.id, 51, "busy", None)).await;
        }
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let mut pages = session.search(search());
    assert!(
        matches!(pages.next().await.unwrap_err(), DirectoryError::Search { outcome, .. } if outcome.code == 51)
    );
    assert!(pages.next().await.is_err());
}

#[tokio::test]
async fn r11_values_that_change_under_the_reading_are_read_again() {
    let server = Server::bound(|mut wire| async move {
        while let Some(request) = wire.request().await {
            let two = vec![b"a".to_vec(), b"b".to_vec()];
            match range_of(&request) {
                None => {
                    let part = entry(
                        request.id,
                        "CN=g",
                        &[("member", vec![]), ("member;range=0-1", two)],
                    );
                    wire.send([part, done(request.id, 0, "", Some(b""))].concat())
                        .await;
                }
                // The values beyond the first part were removed in the meantime: Windows says operationsError.
                Some(2) => {
                    wire.send(done(request.id, 1, "range out of bounds", None)).await;
                }
                Some(_) => {
                    let part = entry(request.id, "CN=g", &[("member;range=0-*", vec![b"c".to_vec()])]);
                    wire.send([part, done(request.id, 0, "", None)].concat()).await;
                }
            }
        }
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let page = session.search(search()).next().await.unwrap().unwrap();
    assert_eq!(page[0].values("member").collect::<Vec<_>>(), [b"c"]);
}

#[tokio::test]
async fn r05_pages_repeat_the_request_with_the_cookie_as_it_came() {
    let cookies: [&[u8]; 3] = [b"\x00\xFFfirst", b"\x00\xFFsecond", b""];
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    let server = Server::bound(move |mut wire| {
        let log = Arc::clone(&log);
        async move {
            for (number, cookie) in cookies.iter().enumerate() {
                let request = wire.request().await.unwrap();
                let reference = message(
                    request.id,
                    0x73,
                    &element(0x04, b"ldap://other.example/DC=other"),
                    &[],
                );
                let page = [
                    entry(request.id, &format!("CN={number}"), &[]),
                    reference,
                    done(request.id, 0, "", Some(cookie)),
                ];
                log.lock().unwrap().push(request);
                wire.send(page.concat()).await;
            }
            wire.until_gone().await;
        }
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let mut pages = session.search(search());
    let mut names = Vec::new();
    while let Some(page) = pages.next().await.unwrap() {
        names.extend(page.into_iter().map(|entry| entry.dn));
    }
    assert_eq!(names, ["CN=0", "CN=1", "CN=2"]);
    assert_eq!(
        (pages.counts().pages, pages.counts().referrals),
        (3, 3),
        "r10: references are counted"
    );
    assert_eq!(server.accepted(), 1, "r10: and never chased");
    let requests = requests.lock().unwrap();
    assert!(
        requests.windows(2).all(|two| two[0].content == two[1].content),
        "the parameters stay the same"
    );
    let sent: Vec<_> = requests
        .iter()
        .map(|request| cookie_of(request).unwrap())
        .collect();
    assert_eq!(
        sent,
        [
            b"".to_vec(),
            b"\x00\xFFfirst".to_vec(),
            b"\x00\xFFsecond".to_vec()
        ]
    );
    let counters = session.counters();
    assert_eq!(
        (counters.round_trips, counters.pages, counters.referrals),
        (3, 3, 3)
    );
}

#[tokio::test]
async fn r04_an_error_in_the_middle_of_paging_is_an_error_and_stays_one() {
    let server = Server::bound(|mut wire| async move {
        let request = wire.request().await.unwrap();
        wire.send(
            [
                entry(request.id, "CN=a", &[]),
                done(request.id, 0, "", Some(b"c")),
            ]
            .concat(),
        )
        .await;
        let request = wire.request().await.unwrap();
        wire.send([entry(request.id, "CN=b", &[]), done(request.id, 51, "busy", None)].concat())
            .await;
        wire.until_gone().await;
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let mut pages = session.search(search());
    assert_eq!(pages.next().await.unwrap().unwrap().len(), 1);
    let error = pages.next().await.unwrap_err();
    assert!(error.to_string().contains("result 51 (busy)"), "{error}");
    assert!(pages.next().await.is_err());
}

#[tokio::test]
async fn r04_a_page_without_the_paging_control_is_no_last_page() {
    let server = Server::bound(|mut wire| async move {
        let request = wire.request().await.unwrap();
        wire.send([entry(request.id, "CN=a", &[]), done(request.id, 0, "", None)].concat())
            .await;
        wire.until_gone().await;
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let error = session.search(search()).next().await.unwrap_err();
    assert!(error.to_string().contains("lacks the paging control"), "{error}");
}

#[tokio::test]
async fn a_missing_base_context_is_named_with_the_nearest_object() {
    let server = Server::bound(|mut wire| async move {
        let request = wire.request().await.unwrap();
        let parts = [
            element(0x0A, &[32]),
            element(0x04, b"DC=corp,DC=example"),
            element(0x04, b"0000208D: NameErr\0"),
        ];
        wire.send(message(request.id, 0x65, &parts.concat(), &[])).await;
        wire.until_gone().await;
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let error = session.search(search()).next().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("nearest object \"DC=corp,DC=example\""),
        "{error}"
    );
    assert!(error.advice().contains("AD_BASE_CONTEXT"));
    assert_eq!(error.exit_code(), 69);
}

#[tokio::test]
async fn r04_only_no_such_object_is_not_found() {
    let server = Server::bound(|mut wire| async move {
        while let Some(request) = wire.request().await {
            let code = [32_u8, 0, 1, 10, 50, 51, 80][request.id as usize - 2];
            wire.send(done(request.id, code, "", None)).await;
        }
    })
    .await;
    let mut session = connect(&settings(server.port)).await.unwrap();
    assert_eq!(session.lookup("<GUID=00>", &["name"], true).await, Ok(None));
    for code in [0, 1, 10, 50, 51, 80] {
        assert!(
            session.lookup("<GUID=00>", &["name"], true).await.is_err(),
            "{code}"
        );
    }
}

#[tokio::test]
async fn a_lookup_may_show_deleted_objects_and_comes_between_pages() {
    let server = Server::bound(|mut wire| async move {
        while let Some(request) = wire.request().await {
            let deleted = request
                .controls
                .windows(22)
                .any(|window| window == b"1.2.840.113556.1.4.417");
            let name = format!(
                "CN={},deleted={deleted},id={}",
                request.asks_for("<GUID="),
                request.id
            );
            let cookie = cookie_of(&request).map(|cookie| if cookie.is_empty() { &b"c"[..] } else { b"" });
            wire.send([entry(request.id, &name, &[]), done(request.id, 0, "", cookie)].concat())
                .await;
        }
    })
    .await;
    let mut session = connect(&settings(server.port)).await.unwrap();
    let mut pages = session.search(search());
    assert_eq!(
        pages.next().await.unwrap().unwrap()[0].dn,
        "CN=false,deleted=false,id=2"
    );
    let found = session
        .lookup("<GUID=00>", &["name"], true)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.dn, "CN=true,deleted=true,id=3");
    assert_eq!(
        pages.next().await.unwrap().unwrap()[0].dn,
        "CN=false,deleted=false,id=4"
    );
    assert_eq!(pages.next().await, Ok(None));
    session.close().await;
    assert_eq!(pages.next().await, Ok(None), "what was complete stays complete");
}

#[tokio::test]
async fn a_caller_that_stops_waiting_ends_the_connection() {
    let server = Server::bound(|mut wire| async move { wire.until_gone().await }).await;
    let mut session = connect(&settings(server.port)).await.unwrap();
    let mut pages = session.search(search());
    assert!(timeout(Duration::from_millis(50), pages.next()).await.is_err());
    assert!(matches!(pages.next().await, Err(DirectoryError::Gone { .. })));
    assert!(matches!(
        session.lookup(BASE, &[], false).await,
        Err(DirectoryError::Gone { .. })
    ));
}

#[tokio::test]
async fn an_entry_of_megabytes_passes() {
    let value: Vec<u8> = (0..5 << 20).map(|octet: u32| octet.to_be_bytes()[3]).collect();
    let sent = value.clone();
    let server = Server::bound(move |mut wire| {
        let attributes = [("thumbnailPhoto", vec![sent.clone(), b"x".to_vec()])];
        async move {
            let request = wire.request().await.unwrap();
            wire.send(
                [
                    entry(request.id, "CN=a", &attributes),
                    done(request.id, 0, "", Some(b"")),
                ]
                .concat(),
            )
            .await;
            wire.until_gone().await;
        }
    })
    .await;
    let session = connect(&settings(server.port)).await.unwrap();
    let page = session.search(search()).next().await.unwrap().unwrap();
    assert_eq!(page[0].first("thumbnailphoto"), Some(value.as_slice()));
}

#[tokio::test]
async fn root_dse_and_invocation_id_are_read_from_the_controller_itself() {
    let text = |value: &str| vec![value.as_bytes().to_vec()];
    let server = Server::bound(move |mut wire| async move {
        let mut usn = 8036;
        while let Some(request) = wire.request().await {
            let found = if request.asks_for("invocationId") {
                assert!(request.asks_for("CN=NTDS Settings,CN=DC1"));
                entry(
                    request.id,
                    "CN=NTDS Settings,CN=DC1",
                    &[("invocationId", vec![vec![9; 16]])],
                )
            } else {
                usn += 1;
                let attributes = [
                    ("defaultNamingContext", text(BASE)),
                    ("dsServiceName", text("CN=NTDS Settings,CN=DC1")),
                    ("highestCommittedUSN", text(&usn.to_string())),
                ];
                entry(request.id, "", &attributes)
            };
            wire.send([found, done(request.id, 0, "", None)].concat()).await;
        }
    })
    .await;
    let mut session = connect(&settings(server.port)).await.unwrap();
    let root = session.root_dse().await.unwrap();
    assert_eq!(
        (root.highest_committed_usn, root.default_naming_context.as_str()),
        (8037, BASE)
    );
    assert_eq!(
        session.root_dse().await.unwrap().highest_committed_usn,
        8038,
        "asked anew at each call"
    );
    assert_eq!(session.invocation_id(&root).await.unwrap().as_bytes(), &[9; 16]);
}

#[tokio::test]
async fn operations_can_move_to_other_threads() {
    let server = group_server(3).await;
    let settings = settings(server.port);
    let read = tokio::spawn(async move {
        let mut session = connect(&settings).await?;
        let mut pages = session.search(search());
        let page = pages.next().await?;
        session.lookup(BASE, &["member"], false).await?;
        Ok::<_, DirectoryError>(page.map_or(0, |page| page.len()))
    });
    assert_eq!(read.await.unwrap(), Ok(1));
}
