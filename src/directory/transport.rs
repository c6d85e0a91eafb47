//! The connection itself: socket, StartTLS, TLS, and the guard in front of the LDAP library.

use std::net::SocketAddr;
use std::time::Duration;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::ber::{self, INTEGER, SEQUENCE};
use super::bind_guard::BindGuard;
use super::entry_channel;
use super::error::{DirectoryError, TimedPhase, seconds};
use super::guard;
use super::guard_fault::{GuardFault, GuardFaults};
#[cfg(feature = "kerberos")]
use super::kerberos;
use super::message;
use super::round_trip::ask;
use super::tls;
use crate::config::{self, LdapTransport, ReachRefusal};
use crate::tls::PeerCertificate;

/// Longest wait for one address to accept a connection: a controller on the same continent answers
/// in a tenth of a second, and the next host waits behind a dead one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle time before the first keepalive probe: below the five minutes after which common firewalls
/// forget a connection.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// Time between keepalive probes.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// Largest StartTLS response. It holds a result code, an OID and a sentence.
const MAX_START_TLS: usize = 16 * 1024;

/// Cause of the error for octets that follow the answer to StartTLS.
const SURPLUS: &str = "further octets in clear text after the answer to StartTLS";

/// The OID of StartTLS (RFC 4511 section 4.14.1).
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// A connection to one controller, ready for [`super::bind`]. Dropping it ends it.
#[derive(Debug)]
pub struct ControllerLink {
    /// The library's handle. Operations go through it one at a time.
    pub ldap: Ldap,
    /// Channel of the entries of the open search, which the library does not get.
    pub lane: entry_channel::EntryReceiver,
    /// Reason why the guard ended the connection, once it has.
    pub faults: GuardFaults,
    driver: OwnedTask,
    guard: OwnedTask,
}

/// A task that ends with its owner.
#[derive(Debug)]
struct OwnedTask(JoinHandle<()>);

impl Drop for OwnedTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ControllerLink {
    /// Sends an unbind request to the server; gives up after a second.
    pub async fn close(mut self) {
        let goodbye = async {
            let _ = self.ldap.unbind().await;
            let _ = (&mut self.driver.0).await;
            let _ = (&mut self.guard.0).await;
        };
        let _ = timeout(Duration::from_secs(1), goodbye).await;
    }

    /// Waits until the guard has recorded the reason for the end of the connection. `None` when
    /// there is none: then the fault is in this program.
    pub async fn fault(&mut self) -> Option<GuardFault> {
        // The library has seen the end of its stream, so the guard is ending or has ended.
        let _ = timeout(Duration::from_secs(1), &mut self.guard.0).await;
        self.faults.get()
    }
}

/// Connects to `host` at `address`: TCP, then what `settings.transport` says, then Kerberos where
/// `settings.auth` says so and `guard` lets it.
///
/// # Errors
/// With the phase that failed and why. Takes at most [`CONNECT_TIMEOUT`] for TCP, and
/// `settings.timeout` for each of StartTLS, TLS, a Kerberos ticket and its bind.
#[cfg_attr(
    not(feature = "kerberos"),
    expect(unused_variables, reason = "only Kerberos binds here")
)]
pub async fn open(
    host: &str,
    address: SocketAddr,
    settings: &config::DirectorySettings,
    guard: &BindGuard,
) -> Result<(ControllerLink, Option<PeerCertificate>), DirectoryError> {
    let host = bare(host);
    let mut stream = connect(host, address, settings).await?;
    let limit = settings.timeout;
    let late = |phase| DirectoryError::Timeout {
        host: host.to_owned(),
        phase,
        after: limit,
    };
    match settings.transport {
        #[cfg(feature = "kerberos")]
        LdapTransport::Ldap if settings.auth.is_kerberos() => {
            let bound = kerberos::sealed(stream, host, settings);
            let stream = guard.attempt(settings, bound).await?;
            return Ok((link(stream).await?, None));
        }
        LdapTransport::Ldap => return Ok((link(stream).await?, None)),
        LdapTransport::Ldaps => {}
        LdapTransport::StartTls => {
            timeout(limit, start_tls(&mut stream, host))
                .await
                .map_err(|_| late(TimedPhase::StartTls))??;
        }
    }
    let (stream, certificate) = timeout(limit, tls::handshake(stream, host, settings))
        .await
        .map_err(|_| late(TimedPhase::Tls))?
        .map_err(|fault| DirectoryError::Tls {
            host: host.to_owned(),
            port: settings.port,
            transport: settings.transport,
            fault,
        })?;
    #[cfg(feature = "kerberos")]
    let stream = if settings.auth.is_kerberos() {
        let bound = kerberos::inside_tls(stream, host, settings);
        guard.attempt(settings, bound).await?
    } else {
        stream
    };
    Ok((link(stream).await?, certificate))
}

/// Returns a host, as written in a URL or in AD_HOST, without the brackets that an IPv6 address may
/// stand in.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// Returns the addresses of `host` in the order of the resolver, each once.
///
/// # Errors
/// When there is none.
pub async fn resolve(
    host: &str,
    settings: &config::DirectorySettings,
) -> Result<Vec<SocketAddr>, DirectoryError> {
    let host = bare(host);
    let limit = CONNECT_TIMEOUT.min(settings.timeout);
    let unknown = |cause: String| DirectoryError::Resolve {
        host: host.to_owned(),
        cause,
    };
    let within = settings.reach.check_host(host);
    within
        .and_then(|()| settings.reach.check_port(settings.port))
        .map_err(|refusal| out_of_reach(host, refusal))?;
    let found = timeout(limit, tokio::net::lookup_host((host, settings.port)))
        .await
        .map_err(|_| unknown(format!("no answer from DNS within {}", seconds(limit))))?
        .map_err(|error| unknown(error.to_string()))?;
    let mut addresses = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(unknown("the name has no address".to_owned()));
    }
    Ok(addresses)
}

fn out_of_reach(host: &str, refusal: ReachRefusal) -> DirectoryError {
    let host = host.to_owned();
    DirectoryError::OutOfReach { host, refusal }
}

/// Connects to `address`: the only place where a socket to a controller is made. An address that is
/// out of reach is refused here, whatever led to it, so that no answer of DNS can change between
/// the check and the connection (R35).
async fn connect(
    host: &str,
    address: SocketAddr,
    settings: &config::DirectorySettings,
) -> Result<TcpStream, DirectoryError> {
    let within = settings.reach.check(host, address);
    within.map_err(|refusal| out_of_reach(host, refusal))?;
    let limit = CONNECT_TIMEOUT.min(settings.timeout);
    let cause = match timeout(limit, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            tune(&stream, settings.timeout);
            return Ok(stream);
        }
        Ok(Err(error)) => format!("{address}: {error}"),
        Err(_) => format!("{address}: no answer within {}", seconds(limit)),
    };
    Err(DirectoryError::Connect {
        host: host.to_owned(),
        port: settings.port,
        causes: vec![cause],
    })
}

/// Sets the options of the socket: small requests leave at once, and a peer that vanished is
/// noticed. Where the system refuses, the connection works all the same, and the time limits of the
/// operations remain.
fn tune(stream: &TcpStream, limit: Duration) {
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY);
    let refused = [
        socket.set_tcp_nodelay(true),
        socket.set_tcp_keepalive(&keepalive),
        user_timeout(&socket, limit),
    ];
    for error in refused.into_iter().filter_map(Result::err) {
        tracing::debug!(%error, "The system refused a socket option.");
    }
}

#[cfg(target_os = "linux")]
fn user_timeout(socket: &SockRef<'_>, limit: Duration) -> std::io::Result<()> {
    socket.set_tcp_user_timeout(Some(limit))
}

#[cfg(not(target_os = "linux"))]
fn user_timeout(_: &SockRef<'_>, _: Duration) -> std::io::Result<()> {
    Ok(())
}

/// Asks for TLS and reads the one answer, in clear text.
async fn start_tls(stream: &mut TcpStream, host: &str) -> Result<(), DirectoryError> {
    let protocol = |fault| DirectoryError::Protocol {
        host: host.to_owned(),
        fault,
    };
    let mut name = Vec::new();
    ber::write(&mut name, 0x80, START_TLS);
    let mut parts = Vec::new();
    ber::write(&mut parts, INTEGER, &[1]);
    ber::write(&mut parts, 0x77, &name);
    let mut request = Vec::new();
    ber::write(&mut request, SEQUENCE, &parts);
    let answer = ask(stream, &request, MAX_START_TLS, SURPLUS)
        .await
        .map_err(protocol)?;
    let outcome =
        message::start_tls_outcome(&answer).map_err(|fault| protocol(GuardFault::Message(fault)))?;
    if outcome.is_success() {
        return Ok(());
    }
    Err(DirectoryError::StartTls {
        host: host.to_owned(),
        outcome,
    })
}

/// Puts the guard and the library behind `socket`.
///
/// # Errors
/// [`DirectoryError::Internal`], when the system has no sockets left.
pub async fn link<S>(socket: S) -> Result<ControllerLink, DirectoryError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let internal = |what: String| DirectoryError::Internal { what };
    let (ours, theirs) = UnixStream::pair().map_err(|error| internal(error.to_string()))?;
    let theirs = theirs.into_std().map_err(|error| internal(error.to_string()))?;
    let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs));
    let (connection, ldap) = LdapConnAsync::with_settings(settings, "ldapi:///")
        .await
        .map_err(|error| internal(error.to_string()))?;
    let faults = GuardFaults::default();
    let (to_reader, lane) = entry_channel::open();
    let guard = tokio::spawn(guard::run(socket, ours, to_reader, faults.clone()));
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.drive().await {
            tracing::debug!(%error, "The LDAP library ended the connection.");
        }
    });
    Ok(ControllerLink {
        ldap,
        lane,
        faults,
        driver: OwnedTask(driver),
        guard: OwnedTask(guard),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_is_taken_out_of_its_brackets() {
        assert_eq!(bare("[fe80::1]"), "fe80::1");
        assert_eq!(bare("fe80::1"), "fe80::1");
        assert_eq!(bare("dc1.corp.example"), "dc1.corp.example");
    }

    #[test]
    fn time_limits_are_written_for_people() {
        assert_eq!(seconds(Duration::from_secs(60)), "60 s");
        assert_eq!(seconds(Duration::from_millis(1500)), "1.5 s");
    }
}
