//! `healthcheck`: for Docker.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::clock;
use crate::exit_code::UNAVAILABLE;
use crate::store::{State, StoreAccess};

use super::failure::CommandFailure;
use super::output::say;
use super::setup;

/// Time that the service may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Seconds that a run may be overdue before the service counts as dead.
const OVERDUE: i64 = 120;

/// Ends 0 while the service is alive: `/live` says so, or, with `HTTP_LISTEN=off`, no connection is
/// overdue.
pub(super) fn run() -> Result<u8, CommandFailure> {
    // A service without a connection is as alive as any other.
    let config = setup::service_configuration()?;
    match config.http.listen {
        Some(address) => answered(address),
        None => on_time(&setup::with_stored(config)?),
    }
}

fn answered(listen: SocketAddr) -> Result<u8, CommandFailure> {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    let unreachable = |error: std::io::Error| {
        CommandFailure::new(
            UNAVAILABLE,
            format_args!("the service does not answer on {address}: {error}"),
            "start it with `ad-connector run`, and look at its log",
        )
    };
    let status = status_line(address).map_err(unreachable)?;
    if status.split(' ').nth(1) == Some("200") {
        say("alive")?;
        return Ok(0);
    }
    Err(CommandFailure::new(
        UNAVAILABLE,
        format_args!("the service is not alive: {status}"),
        "look at its log, and restart it",
    ))
}

/// Sends one request by hand and returns the status line: an HTTP client with its TLS would cost
/// more start-up than the check itself.
fn status_line(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}

/// Returns an address to connect to: an unspecified one (0.0.0.0) is for listening only.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) if v4.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(v6) if v6.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

fn on_time(config: &crate::config::Config) -> Result<u8, CommandFailure> {
    let now = clock::unix_seconds();
    let store = setup::store(config, StoreAccess::ReadOnly)?;
    // Only connections that are configured count: one that was renamed leaves a row that is not run
    // any more.
    for connection in &config.connections {
        let Some(row) = store.connection(&connection.name)? else {
            continue;
        };
        let overdue = row.next_sync.is_some_and(|next| now - next > OVERDUE);
        if overdue && row.state != State::Processing {
            return Err(CommandFailure::new(
                UNAVAILABLE,
                format_args!("connection {} is overdue", row.name),
                "start the service with `ad-connector run`, and look at its log",
            ));
        }
    }
    say("alive")?;
    Ok(0)
}
