//! Controllers of a domain, the order in which they are tried, and the faults of those that failed
//! (R39).

use std::collections::VecDeque;

use super::bind_guard::BindGuard;
use super::error::DirectoryError;
use super::fault::FaultOf;
use super::session::{Endpoint, Session, reach};
use super::{srv, transport};
use crate::config;

/// Controllers that do not complete a search, at most, before no other one is asked for it. The
/// cause may be the search (a filter that takes too long), and each attempt costs a controller a
/// read.
const MOST_BROKEN_READS: usize = 4;

/// Controllers that are left to be tried, in order, and what the others answered.
#[derive(Debug)]
pub struct Controllers {
    waiting: VecDeque<Waiting>,
    /// A controller that is tried a second time when no other one is left.
    second_attempt: SecondAttempt,
    /// Error of each controller that failed.
    failures: Vec<DirectoryError>,
    /// Controllers that did not complete a search.
    broken_reads: usize,
    guard: BindGuard,
}

/// A host, or one address of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Waiting {
    /// The name is not resolved yet.
    Host(String),
    Address {
        endpoint: Endpoint,
        /// The name has further addresses.
        is_one_of_several: bool,
    },
}

impl Waiting {
    fn host(&self) -> &String {
        match self {
            Self::Host(host) => host,
            Self::Address { endpoint, .. } => &endpoint.host,
        }
    }
}

/// Controller that is tried after one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another one.
    Other,
    /// The same one.
    Same,
}

/// A controller dropped the state of a paged search: the read begins again there, once in a run.
#[derive(Debug, PartialEq, Eq)]
enum SecondAttempt {
    Possible,
    On(Endpoint),
    Made,
}

impl Controllers {
    /// Returns the controllers that `settings` names, or those of the domain that it names.
    ///
    /// # Errors
    /// When DNS knows none of the domain, or the bind would be put off on every controller
    /// ([`BindGuard::check`]).
    pub async fn find(settings: &config::Directory, guard: &BindGuard) -> Result<Self, DirectoryError> {
        guard.check(settings)?;
        let hosts = match &settings.domain {
            Some(domain) if settings.hosts.is_empty() => {
                srv::controllers(domain, settings, &mut fastrand::Rng::new()).await?
            }
            _ => settings.hosts.clone(),
        };
        Ok(Self::of(hosts, guard))
    }

    fn of(hosts: Vec<String>, guard: &BindGuard) -> Self {
        Self {
            waiting: hosts.into_iter().map(Waiting::Host).collect(),
            second_attempt: SecondAttempt::Possible,
            failures: Vec::new(),
            broken_reads: 0,
            guard: guard.clone(),
        }
    }

    /// Puts the hosts in `known` before the others. Among themselves both stay in order.
    pub fn prefer(&mut self, known: &[String]) {
        self.waiting
            .make_contiguous()
            .sort_by_key(|waiting| !known.contains(waiting.host()));
    }

    /// Connects and binds to the next controller that can be used. Of a host with several addresses
    /// each is a controller.
    ///
    /// # Errors
    /// When none is left; [`DirectoryError::AllFailed`] names each with its cause. An error that is
    /// not of the controller ends the attempt at once: a refused account would be locked by further
    /// attempts (R40).
    pub async fn connect(&mut self, settings: &config::Directory) -> Result<Session, DirectoryError> {
        while let Some(next) = self.next() {
            let (endpoint, is_one_of_several) = match next {
                Waiting::Host(host) => {
                    match transport::resolve(&host, settings).await {
                        Ok(addresses) => self.put_first(&host, addresses),
                        Err(error) => self.pass_over(&host, error),
                    }
                    continue;
                }
                Waiting::Address {
                    endpoint,
                    is_one_of_several,
                } => (endpoint, is_one_of_several),
            };
            match reach(&endpoint, settings, &self.guard).await {
                Ok(session) => return Ok(session),
                Err(error) => match error.fault_of() {
                    FaultOf::Controller | FaultOf::ControllerOrSearch => {
                        let error = located(error, &endpoint, is_one_of_several);
                        self.pass_over(&endpoint.host, error);
                    }
                    FaultOf::Account | FaultOf::Request => return Err(error),
                },
            }
        }
        Err(self.all_failed())
    }

    /// Records that the controller at `endpoint`, which was connected, failed with `error`. Returns
    /// what [`Self::connect`] tries next: another controller, or the same one where it dropped the
    /// state of a search and no other one is left.
    ///
    /// # Errors
    /// When none is left, or the search rather than the controllers seems to be the cause: the
    /// error of each controller.
    pub fn leave(&mut self, endpoint: &Endpoint, error: DirectoryError) -> Result<Next, Box<DirectoryError>> {
        if error.is_dropped_paging_state() && self.second_attempt == SecondAttempt::Possible {
            self.second_attempt = SecondAttempt::On(endpoint.clone());
        }
        self.broken_reads += usize::from(error.fault_of() == FaultOf::ControllerOrSearch);
        self.record(error);
        if self.broken_reads >= MOST_BROKEN_READS {
            return Err(Box::new(self.all_failed()));
        }
        match (self.waiting.is_empty(), &self.second_attempt) {
            (false, _) => Ok(Next::Other),
            (true, SecondAttempt::On(again)) if again == endpoint => Ok(Next::Same),
            (true, SecondAttempt::On(_)) => Ok(Next::Other),
            (true, SecondAttempt::Possible | SecondAttempt::Made) => Err(Box::new(self.all_failed())),
        }
    }

    fn next(&mut self) -> Option<Waiting> {
        if let Some(next) = self.waiting.pop_front() {
            return Some(next);
        }
        match std::mem::replace(&mut self.second_attempt, SecondAttempt::Made) {
            SecondAttempt::On(endpoint) => Some(Waiting::Address {
                endpoint,
                is_one_of_several: false,
            }),
            SecondAttempt::Possible | SecondAttempt::Made => None,
        }
    }

    fn put_first(&mut self, host: &str, addresses: Vec<std::net::SocketAddr>) {
        let is_one_of_several = addresses.len() > 1;
        for address in addresses.into_iter().rev() {
            let host = host.to_owned();
            self.waiting.push_front(Waiting::Address {
                endpoint: Endpoint { host, address },
                is_one_of_several,
            });
        }
    }

    /// Records `error` of a controller that could not be used, and logs it where another one is
    /// tried.
    fn pass_over(&mut self, host: &str, error: DirectoryError) {
        if !self.waiting.is_empty() {
            let advice = error.advice();
            tracing::warn!(controller = host, %error, advice, "This controller cannot be used; the next one is tried.");
        }
        self.record(error);
    }

    /// Adds `error` to the failures: one entry for all addresses of a host that accept no
    /// connection, and one for a controller that failed in the same way twice.
    fn record(&mut self, error: DirectoryError) {
        if let (Some(DirectoryError::Connect { host, causes, .. }), DirectoryError::AtAddress { error, .. }) =
            (self.failures.last_mut().map(without_address), &error)
            && let DirectoryError::Connect {
                host: same,
                causes: more,
                ..
            } = error.as_ref()
            && same == host
        {
            causes.extend(more.iter().cloned());
            return;
        }
        if !self.failures.contains(&error) {
            self.failures.push(error);
        }
    }

    /// Returns one error for all that failed.
    fn all_failed(&mut self) -> DirectoryError {
        let untried = self.waiting.len();
        let mut causes = std::mem::take(&mut self.failures);
        match (causes.pop(), causes.is_empty()) {
            (Some(only), true) if untried == 0 => only,
            (last, _) => {
                causes.extend(last);
                DirectoryError::AllFailed { causes, untried }
            }
        }
    }
}

/// Returns `error` with the address that it is of, where the host has several. The error of a
/// connection names it itself.
fn located(error: DirectoryError, endpoint: &Endpoint, is_one_of_several: bool) -> DirectoryError {
    if is_one_of_several {
        DirectoryError::AtAddress {
            address: endpoint.address,
            error: Box::new(error),
        }
    } else {
        error
    }
}

fn without_address(error: &mut DirectoryError) -> &mut DirectoryError {
    match error {
        DirectoryError::AtAddress { error, .. } => error,
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Outcome;
    use crate::directory::guard::GuardFault;

    fn controllers(hosts: &[&str]) -> Controllers {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        Controllers::of(hosts, &BindGuard::default())
    }

    fn endpoint(host: &str) -> Endpoint {
        Endpoint {
            host: host.to_owned(),
            address: ([192, 0, 2, 1], 636).into(),
        }
    }

    /// The controllers after the first one was connected and failed with this.
    fn fails(controllers: &mut Controllers, error: DirectoryError) -> Result<Next, Box<DirectoryError>> {
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
            outcome: Outcome::new(code, "", "", vec![]),
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
            let mut controllers = controllers(&["a", "b", "c"]);
            let known: Vec<String> = known.iter().map(|&host: &&str| host.to_owned()).collect();
            controllers.prefer(&known);
            let hosts: Vec<&String> = controllers.waiting.iter().map(Waiting::host).collect();
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
                assert_eq!(fails(&mut many, search(host, code)), Ok(Next::Other), "{code}");
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
        assert_eq!(fails(&mut only, search("a", 12)), Ok(Next::Same));
        assert_eq!(only.waiting.len(), 0);
        assert_eq!(
            fails(&mut only, search("a", 12)),
            Err(Box::new(search("a", 12))),
            "once, and named once"
        );

        let mut two = controllers(&["a", "b"]);
        assert_eq!(fails(&mut two, search("a", 12)), Ok(Next::Other));
        assert_eq!(two.waiting, [Waiting::Host("b".to_owned())], "another one first");
        assert_eq!(fails(&mut two, gone("b")), Ok(Next::Other), "the first one again");
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

    fn plain(port: u16) -> config::Directory {
        config::Directory {
            hosts: vec![],
            domain: None,
            transport: config::Transport::Ldap,
            port,
            auth: config::Auth::Simple {
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
            controllers.put_first("corp.example", vec![nobody, first, second]);
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
        let Some(Waiting::Host(host)) = controllers.next() else {
            panic!("a host");
        };
        let addresses = vec![([192, 0, 2, 1], 636).into(), ([192, 0, 2, 2], 636).into()];
        controllers.put_first(&host, addresses.clone());
        let mut tried = Vec::new();
        while let Some(Waiting::Address { endpoint, .. }) = controllers.next() {
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
}
