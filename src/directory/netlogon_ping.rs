//! The netlogon ping over UDP (CLDAP, MS-ADTS 6.3.3): one datagram to a controller, one back.
//!
//! INVARIANT: an answer is a hint. Nothing proves who sent it, so it says in which order
//! controllers are tried, and nothing else: no name or address of it is ever connected to, and no
//! certificate is judged by it ([`super::site`]).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::select_ok;
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::netlogon::{self, NetlogonAnswer};
use super::srv::NamedController;
use crate::clock;
use crate::config::ReachPolicy;

/// Addresses of one controller that are asked: usually one of IPv4 and one of IPv6.
const MOST_ADDRESSES: usize = 2;

/// Time after which the only repetition is sent.
const REPEAT_AFTER: Duration = Duration::from_millis(500);

/// Longest datagram that is read. An answer has some 200 octets, and seven names of 255 at most.
const LONGEST_DATAGRAM: usize = 4096;

/// Datagrams read from one address, at most: those that are no answer are skipped.
const MOST_DATAGRAMS: usize = 16;

/// Largest message id (RFC 4511 section 4.1.1.1).
const LARGEST_ID: u32 = i32::MAX as u32;

/// Asks the controller about itself, and returns the first answer of one of its addresses that is
/// about `domain`. None where no such answer comes before `until`, or every address refuses. An
/// address that is out of `reach` is sent nothing (R35).
pub async fn ping(
    controller: NamedController,
    domain: &str,
    reach: &ReachPolicy,
    until: Instant,
) -> Option<NetlogonAnswer> {
    reach.check_host(&controller.host).ok()?;
    reach.check_port(controller.ldap_port).ok()?;
    let name = (controller.host.as_str(), controller.ldap_port);
    let found = timeout_at(until, lookup_host(name)).await.ok()?.ok()?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        let is_new = !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES;
        if is_new && reach.check(&controller.host, address).is_ok() {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return None;
    }
    let asked = addresses
        .into_iter()
        .map(|address| Box::pin(ping_address(address, domain, until)));
    match select_ok(asked).await {
        Ok((answer, _)) => Some(answer),
        Err(error) => {
            tracing::debug!(controller = controller.host, %error, "The netlogon ping was not answered.");
            None
        }
    }
}

async fn ping_address(address: SocketAddr, domain: &str, until: Instant) -> io::Result<NetlogonAnswer> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    // The system drops what comes from other addresses, and reports an ICMP message of refusal.
    socket.connect(address).await?;
    let message_id = fastrand::u32(1..=LARGEST_ID);
    let request = netlogon::request(message_id, domain);
    socket.send(&request).await?;
    let mut repeat_at = Some(clock::timer_instant() + REPEAT_AFTER).filter(|at| *at < until);
    let mut octets = [0; LONGEST_DATAGRAM];
    let mut datagrams = 0;
    while datagrams < MOST_DATAGRAMS {
        match timeout_at(repeat_at.unwrap_or(until), socket.recv(&mut octets)).await {
            Ok(received) => {
                datagrams += 1;
                let received = octets.get(..received?).unwrap_or_default();
                match netlogon::response(received, message_id) {
                    Ok(answer) if answer.is_of(domain) => return Ok(answer),
                    Ok(_) => tracing::debug!(%address, "A netlogon answer is about another domain."),
                    Err(error) => tracing::debug!(%address, %error, "A datagram is no netlogon answer."),
                }
            }
            Err(_) if repeat_at.take().is_some() => {
                socket.send(&request).await?;
            }
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(io::Error::other("too many datagrams that are no answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::config::ReachLimits;

    const DOMAIN: &str = "domain.test";

    /// The value of a controller of `domain.test`, in its site.
    const VALUE: &[u8] = include_bytes!("../../tests/fuzz/corpus/netlogon/windows");

    fn entry(id: &[u8], value: &[u8]) -> Vec<u8> {
        let element = |tag: u8, content: &[u8]| {
            let mut out = Vec::new();
            super::super::ber::write(&mut out, tag, content);
            out
        };
        let attribute = [element(4, b"netlogon"), element(0x31, &element(4, value))].concat();
        let entry = [vec![4, 0], element(0x30, &element(0x30, &attribute))].concat();
        element(0x30, &[element(2, id), element(0x64, &entry)].concat())
    }

    /// Returns the message id of a request, as it is encoded.
    fn id_of(request: &[u8]) -> Vec<u8> {
        let length = usize::from(request[3]);
        request[4..4 + length].to_vec()
    }

    async fn server() -> (UdpSocket, NamedController) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let controller = NamedController {
            host: "127.0.0.1".to_owned(),
            ldap_port: socket.local_addr().unwrap().port(),
        };
        (socket, controller)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(2)
    }

    #[tokio::test]
    async fn an_answer_counts_only_with_the_id_of_the_request_and_from_the_address_that_was_asked() {
        let (socket, controller) = server().await;
        let serving = async {
            let mut request = [0; 512];
            let (length, client) = socket.recv_from(&mut request).await.unwrap();
            let id = id_of(&request[..length]);
            let mut other = id.clone();
            let last = other.last_mut().unwrap();
            *last ^= 1;
            let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let mut forged = VALUE[..].to_vec();
            // The flags: every role.
            forged[4..8].fill(0xFF);
            stranger.send_to(&entry(&id, &forged), client).await.unwrap();
            for wrong in [
                entry(&other, &forged),
                b"rubbish".to_vec(),
                Vec::new(),
                entry(&id, &VALUE[..40]),
            ] {
                socket.send_to(&wrong, client).await.unwrap();
            }
            socket.send_to(&entry(&id, VALUE), client).await.unwrap();
        };
        let (answer, ()) = tokio::join!(
            ping(controller, DOMAIN, &ReachPolicy::Unrestricted, soon()),
            serving
        );
        assert_eq!(answer, Some(netlogon::decode(VALUE).unwrap()));
    }

    #[tokio::test]
    async fn an_answer_of_another_domain_is_none() {
        let (socket, controller) = server().await;
        let serving = async {
            let mut request = [0; 512];
            let (length, client) = socket.recv_from(&mut request).await.unwrap();
            let answer = entry(&id_of(&request[..length]), VALUE);
            for _ in 0..2 * MOST_DATAGRAMS {
                socket.send_to(&answer, client).await.unwrap();
            }
        };
        let (answer, ()) = tokio::join!(
            ping(controller, "other.test", &ReachPolicy::Unrestricted, soon()),
            serving
        );
        assert_eq!(answer, None);
    }

    #[tokio::test]
    async fn a_lost_datagram_is_repeated_once() {
        let (socket, controller) = server().await;
        let serving = async {
            let mut request = [0; 512];
            socket.recv_from(&mut request).await.unwrap();
            let (length, client) = socket.recv_from(&mut request).await.unwrap();
            let answer = entry(&id_of(&request[..length]), VALUE);
            socket.send_to(&answer, client).await.unwrap();
        };
        let (answer, ()) = tokio::join!(
            ping(controller, DOMAIN, &ReachPolicy::Unrestricted, soon()),
            serving
        );
        assert!(answer.is_some());
    }

    #[tokio::test]
    async fn a_silent_controller_takes_no_longer_than_is_given() {
        let (_socket, controller) = server().await;
        let started = Instant::now();
        let until = started + Duration::from_millis(700);
        assert_eq!(
            ping(controller, DOMAIN, &ReachPolicy::Unrestricted, until).await,
            None
        );
        assert!(started.elapsed() < Duration::from_millis(1200));
    }

    #[tokio::test]
    async fn a_port_that_is_closed_is_noticed_at_once() {
        let (socket, controller) = server().await;
        drop(socket);
        let started = Instant::now();
        assert_eq!(
            ping(controller, DOMAIN, &ReachPolicy::Unrestricted, soon()).await,
            None
        );
        assert!(started.elapsed() < Duration::from_millis(400));
    }

    #[tokio::test]
    async fn r35_what_is_out_of_reach_is_sent_nothing() {
        let (socket, controller) = server().await;
        let port = controller.ldap_port;
        // A name, so that only its addresses show where it leads to.
        let controller = NamedController {
            host: "localhost".to_owned(),
            ..controller
        };
        let limits = |allow_loopback, ports| {
            ReachPolicy::Restricted(ReachLimits {
                allow_loopback,
                ports,
                hosts: None,
            })
        };
        let until = || Instant::now() + Duration::from_millis(200);
        for reach in [limits(false, vec![port]), limits(true, vec![389])] {
            assert_eq!(ping(controller.clone(), DOMAIN, &reach, until()).await, None);
        }
        let nothing = timeout_at(until(), socket.recv(&mut [0; 512])).await;
        assert!(nothing.is_err());
        let reach = limits(true, vec![port]);
        let _ = ping(controller, DOMAIN, &reach, until()).await;
        assert!(timeout_at(until(), socket.recv(&mut [0; 512])).await.is_ok());
    }
}
