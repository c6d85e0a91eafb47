use super::*;
use crate::directory::LdapResult;
use crate::directory::guard_fault::GuardFault;

fn controllers(hosts: &[&str]) -> Controllers {
    read_before(hosts, &[])
}

impl WaitingController {
    fn host(&self) -> &String {
        match self {
            Self::Host(host, _) => host,
            Self::Address { endpoint, .. } => &endpoint.host,
        }
    }
}

fn read_before(hosts: &[&str], known: &[&str]) -> Controllers {
    let hosts = hosts
        .iter()
        .map(|&host| (host.to_owned(), ControllerChoice::Listed));
    let known: Vec<String> = known.iter().map(|&host| host.to_owned()).collect();
    Controllers::of(hosts.collect(), &known, &BindGuard::default())
}

fn endpoint(host: &str) -> ControllerEndpoint {
    ControllerEndpoint {
        host: host.to_owned(),
        address: ([192, 0, 2, 1], 636).into(),
    }
}

/// Records that the next controller, which was connected, failed with `error`.
fn fails(
    controllers: &mut Controllers,
    error: DirectoryError,
) -> Result<NextController, Box<DirectoryError>> {
    let next = controllers.next().unwrap();
    controllers.leave(&endpoint(next.host()), error)
}

fn gone(host: &str) -> DirectoryError {
    DirectoryError::Gone {
        host: host.to_owned(),
    }
}

fn search(host: &str, code: u32) -> DirectoryError {
    DirectoryError::Search {
        host: host.to_owned(),
        base: "DC=corp".to_owned(),
        outcome: LdapResult::new(code, "", "", vec![]),
    }
}

#[test]
fn r02_controllers_that_are_known_come_first_and_else_the_order_holds() {
    for (known, order) in [
        (&[][..], ["a", "b", "c"]),
        (&["c", "b"], ["b", "c", "a"]),
        (&["a", "b", "c"], ["a", "b", "c"]),
        (&["x", "C"], ["a", "b", "c"]),
    ] {
        let controllers = read_before(&["a", "b", "c"], known);
        let hosts: Vec<&String> = controllers.waiting.iter().map(WaitingController::host).collect();
        assert_eq!(hosts, order.iter().collect::<Vec<_>>());
    }
}

#[test]
fn r39_a_run_fails_only_when_every_controller_failed_and_names_each() {
    let names: Vec<String> = (1..=100).map(|number| format!("dc{number}")).collect();
    let mut many = controllers(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for (number, host) in names.iter().enumerate() {
        let error = match number % 3 {
            0 => gone(host),
            1 => search(host, 52),
            _ => DirectoryError::Protocol {
                host: host.clone(),
                fault: GuardFault::Closed,
            },
        };
        let left = fails(&mut many, error);
        assert_eq!(left.is_err(), number == 99, "{host}");
        if let Err(all) = left {
            let text = all.to_string();
            assert!(
                names[..64].iter().all(|host| text.contains(&format!("{host}: "))),
                "{text}"
            );
            assert!(text.ends_with("; 36 more controllers failed, each with its reason in the log"));
            assert!(!text.contains("not tried"), "{text}");
        }
    }
    let only = fails(&mut controllers(&["a"]), gone("a"));
    assert_eq!(only, Err(Box::new(gone("a"))), "as it was");
}

#[test]
fn r39_a_search_that_no_controller_completes_is_not_put_to_all_of_them() {
    for code in [1, 3, 11, 12, 53, 80] {
        let mut many = controllers(&["a", "b", "c", "d", "e", "f"]);
        for host in ["a", "b", "c"] {
            assert_eq!(
                fails(&mut many, search(host, code)),
                Ok(NextController::Other),
                "{code}"
            );
        }
        let all = fails(&mut many, search("d", code)).unwrap_err();
        let text = all.to_string();
        assert!(text.contains("a: ") && text.contains("d: "), "{text}");
        assert!(
            text.contains("2 more controllers were not tried, since the cause seems to be the search"),
            "{text}"
        );
        assert_eq!(all.advice(), search("d", code).advice());
        assert_eq!(all.exit_code(), 69);
    }
}

#[test]
fn r39_a_dropped_paging_state_begins_again_once_on_the_same_controller_when_no_other_is_left() {
    let mut only = controllers(&["a"]);
    assert_eq!(fails(&mut only, search("a", 12)), Ok(NextController::Same));
    assert_eq!(only.waiting.len(), 0);
    assert_eq!(
        fails(&mut only, search("a", 12)),
        Err(Box::new(search("a", 12))),
        "once, and named once"
    );

    let mut two = controllers(&["a", "b"]);
    assert_eq!(fails(&mut two, search("a", 12)), Ok(NextController::Other));
    assert_eq!(
        two.waiting,
        [WaitingController::Host("b".to_owned(), ControllerChoice::Listed)],
        "another one first"
    );
    assert_eq!(
        fails(&mut two, gone("b")),
        Ok(NextController::Other),
        "the first one again"
    );
    assert_eq!(two.next().unwrap().host(), "a");
    assert_eq!(two.next(), None);

    for code in [1, 3, 11, 51, 52, 53, 80] {
        let mut only = controllers(&["a"]);
        let error = search("a", code);
        assert_eq!(fails(&mut only, error.clone()), Err(Box::new(error)), "{code}");
    }
}

/// Answers every bind at the address with this result code, from the port of the first on.
async fn answering(address: std::net::IpAddr, port: u16, code: u8) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind((address, port)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                // BindResponse of the first message.
                let answer = [0x30, 0x0C, 0x02, 1, 1, 0x61, 7, 0x0A, 1, code, 4, 0, 4, 0];
                let _ = stream.write_all(&answer).await;
                let _ = stream.read(&mut request).await;
            });
        }
    });
    address
}

fn plain(port: u16) -> config::DirectorySettings {
    config::DirectorySettings {
        hosts: vec![],
        domain: None,
        transport: config::LdapTransport::Ldap,
        port,
        auth: config::DirectoryAuth::Simple {
            name: "svc".to_owned(),
            password: "secret".into(),
        },
        certificates: None,
        pins: vec![],
        server_name: None,
        page_size: 1000,
        parallel_reads: 1,
        timeout: std::time::Duration::from_secs(10),
        delta: config::DeltaMethod::Usn,
        reach: config::ReachPolicy::Unrestricted,
    }
}

#[tokio::test]
async fn r39_the_second_address_of_a_name_is_used_when_the_first_is_at_fault() {
    for (code, bound) in [
        (1, true),
        (2, true),
        (52, true),
        (53, true),
        (80, true),
        (49, false),
        (8, false),
    ] {
        let first = answering([127, 0, 0, 1].into(), 0, code).await;
        let second = answering([127, 0, 0, 2].into(), first.port(), 0).await;
        let nobody = (std::net::IpAddr::from([127, 0, 0, 3]), first.port()).into();
        let mut controllers = controllers(&[]);
        controllers.put_first(
            "corp.example",
            vec![nobody, first, second],
            ControllerChoice::Listed,
        );
        let session = controllers.connect(&plain(first.port())).await;
        assert_eq!(session.is_ok(), bound, "{code}");
        if let Ok(session) = session {
            assert_eq!(session.endpoint().address, second);
            let failures = format!("{:?}", controllers.failures);
            assert!(
                failures.contains("127.0.0.3") && failures.contains("127.0.0.1"),
                "{failures}"
            );
            // A further connection is to the same address.
            let again = session.connect_again(&plain(first.port())).await.unwrap();
            assert_eq!(again.endpoint(), session.endpoint());
        }
    }
}

#[test]
fn r39_each_address_of_a_name_is_tried_before_the_next_host() {
    let mut controllers = controllers(&["a", "b"]);
    let Some(WaitingController::Host(host, choice)) = controllers.next() else {
        panic!("a host");
    };
    let addresses = vec![([192, 0, 2, 1], 636).into(), ([192, 0, 2, 2], 636).into()];
    controllers.put_first(&host, addresses.clone(), choice);
    let mut tried = Vec::new();
    while let Some(WaitingController::Address { endpoint, .. }) = controllers.next() {
        let error = DirectoryError::Connect {
            host: endpoint.host.clone(),
            port: 636,
            causes: vec![format!("{}: refused", endpoint.address)],
        };
        controllers.record(located(error, &endpoint, true));
        tried.push(endpoint.address);
    }
    assert_eq!(tried, addresses);
    let text = controllers.failures[0].to_string();
    assert_eq!(controllers.failures.len(), 1);
    assert!(
        text.contains("(192.0.2.1:636: refused; 192.0.2.2:636: refused)"),
        "{text}"
    );
}
