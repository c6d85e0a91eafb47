//! Limits of the addresses to which a connection that was made over HTTP may lead.
//!
//! Whoever may use HTTP is not thereby allowed to let this computer connect to anything (R35).
//! INVARIANT: the address that is checked is the one that is connected to, after the name was
//! resolved.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::variables as v;

/// Rule for the addresses that a connection may lead to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ReachPolicy {
    /// Any address: an operator wrote it, in the environment or in a file.
    #[default]
    Unrestricted,
    /// Addresses within limits: the connection was made over HTTP.
    Restricted(ReachLimits),
}

/// Limits of the connections that are made over HTTP (`HTTP_ALLOW_LOOPBACK_TARGETS`,
/// `HTTP_TARGET_PORTS`, `HTTP_TARGET_HOSTS`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachLimits {
    /// `HTTP_ALLOW_LOOPBACK_TARGETS`: this computer itself may be connected to.
    pub allow_loopback: bool,
    /// `HTTP_TARGET_PORTS`: ports that may be connected to.
    pub ports: Vec<u16>,
    /// `HTTP_TARGET_HOSTS`: hosts that may be connected to; `None` is every host.
    pub hosts: Option<Vec<TargetHost>>,
}

impl Default for ReachLimits {
    fn default() -> Self {
        Self {
            allow_loopback: false,
            ports: vec![389, 636],
            hosts: None,
        }
    }
}

/// Item of `HTTP_TARGET_HOSTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetHost {
    /// This name, lower-case, without a final dot.
    Name(String),
    /// Every name below this domain, lower-case, without a final dot.
    Below(String),
    /// This address.
    Address(IpAddr),
}

impl TargetHost {
    fn includes(&self, host: &str) -> bool {
        match self {
            Self::Name(name) => name == host,
            Self::Below(domain) => host
                .strip_suffix(domain)
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            Self::Address(address) => host.parse() == Ok(*address),
        }
    }
}

impl fmt::Display for TargetHost {
    /// Writes the item as the variable has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Below(domain) => write!(f, "*.{domain}"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// Reason why a connection that was made over HTTP may not lead somewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReachRefusal {
    /// The host is not one of those that are listed.
    #[error(
        "{host} is not among the hosts of {}, to which connections made over HTTP may lead",
        v::HTTP_TARGET_HOSTS.name
    )]
    Host {
        /// As it was asked for.
        host: String,
    },
    /// The port is not one of those that are listed.
    #[error(
        "port {port} is not among the ports of {}, to which connections made over HTTP may lead",
        v::HTTP_TARGET_PORTS.name
    )]
    Port {
        /// As it was asked for.
        port: u16,
    },
    /// The address is of a kind that no controller of a domain has.
    #[error("{address} is {kind}, to which connections made over HTTP may not lead")]
    Address {
        /// The address, after the name was resolved.
        address: IpAddr,
        /// Its kind.
        kind: SpecialAddress,
    },
}

impl ReachRefusal {
    /// Returns the next step for the reader of the refusal.
    #[must_use]
    pub fn advice(&self) -> String {
        let by_file = "or write the connection into the file of connections";
        match self {
            Self::Host { .. } => format!(
                "name a host of that list, let an operator add this one to {}, {by_file}",
                v::HTTP_TARGET_HOSTS.name
            ),
            Self::Port { .. } => format!(
                "use 636 for ldaps, 389 for starttls or ldap, let an operator add the port to {}, {by_file}",
                v::HTTP_TARGET_PORTS.name
            ),
            Self::Address {
                kind: SpecialAddress::Loopback,
                ..
            } => format!(
                "name a domain controller, let an operator set {}=true, {by_file}",
                v::HTTP_ALLOW_LOOPBACK_TARGETS.name
            ),
            Self::Address { .. } => format!(
                "name a domain controller, and check what the name resolves to here; no variable allows such an address, {by_file}"
            ),
        }
    }
}

/// Kind of an address that no controller has (RFC 6890).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialAddress {
    /// This computer.
    Loopback,
    /// No address, which some systems take for this computer.
    Unspecified,
    /// An address of the link, such as that of the metadata of a cloud.
    LinkLocal,
    /// An address of several hosts.
    Multicast,
    /// All hosts of the link, or reserved.
    Broadcast,
}

impl fmt::Display for SpecialAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "an address of this computer (loopback)",
            Self::Unspecified => "an unspecified address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast or reserved address",
        })
    }
}

impl SpecialAddress {
    /// Returns the kind of `address`; `None` for an address that a controller may have.
    #[must_use]
    pub fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    const fn of_v4(address: Ipv4Addr) -> Option<Self> {
        match address.octets() {
            // "This network" (RFC 791 section 3.2).
            [0, ..] => Some(Self::Unspecified),
            [127, ..] => Some(Self::Loopback),
            [169, 254, ..] => Some(Self::LinkLocal),
            [224..=239, ..] => Some(Self::Multicast),
            [240..=255, ..] => Some(Self::Broadcast),
            _ => None,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Option<Self> {
        if address.is_loopback() {
            return Some(Self::Loopback);
        }
        if address.is_unspecified() {
            return Some(Self::Unspecified);
        }
        match address.segments() {
            [0xfe80..=0xfebf, ..] => Some(Self::LinkLocal),
            [0xff00..=0xffff, ..] => Some(Self::Multicast),
            _ => embedded_v4(address).and_then(Self::of_v4),
        }
    }
}

/// Returns the IPv4 address that a system or a translator takes this address for.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let at = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        // IPv4-compatible and IPv4-mapped (RFC 4291 section 2.5.5), IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => at(high, low),
        // NAT64 (RFC 6052 section 2.1, RFC 8215).
        [0x64, 0xff9b, 0 | 1, .., high, low] => at(high, low),
        // 6to4 (RFC 3056 section 2).
        [0x2002, high, low, ..] => at(high, low),
        // Teredo (RFC 4380 section 4): the address is stored inverted.
        [0x2001, 0, .., high, low] => at(!high, !low),
        _ => None,
    }
}

impl ReachPolicy {
    /// Checks a host before it is resolved. An address in place of a name is checked wholly.
    ///
    /// # Errors
    /// The limit that excludes the host.
    pub fn check_host(&self, host: &str) -> Result<(), ReachRefusal> {
        match self {
            Self::Unrestricted => Ok(()),
            Self::Restricted(limits) => limits.check_host(host),
        }
    }

    /// Checks a port, of TCP or UDP.
    ///
    /// # Errors
    /// The limit that excludes the port.
    pub fn check_port(&self, port: u16) -> Result<(), ReachRefusal> {
        match self {
            Self::Restricted(limits) if !limits.ports.contains(&port) => Err(ReachRefusal::Port { port }),
            _ => Ok(()),
        }
    }

    /// Checks all of an address that is about to be connected to, or to be sent a datagram.
    ///
    /// # Errors
    /// The limit that excludes it.
    pub fn check(&self, host: &str, address: SocketAddr) -> Result<(), ReachRefusal> {
        self.check_host(host)?;
        self.check_port(address.port())?;
        match self {
            Self::Unrestricted => Ok(()),
            Self::Restricted(limits) => limits.check_address(address.ip()),
        }
    }

    /// Reports whether the connection was made over HTTP.
    #[must_use]
    pub const fn is_restricted(&self) -> bool {
        matches!(self, Self::Restricted(_))
    }
}

impl ReachLimits {
    fn check_host(&self, host: &str) -> Result<(), ReachRefusal> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let bare = bare.trim_end_matches('.').to_ascii_lowercase();
        if let Some(hosts) = &self.hosts
            && !hosts.iter().any(|item| item.includes(&bare))
        {
            let host = host.to_owned();
            return Err(ReachRefusal::Host { host });
        }
        match bare.parse() {
            Ok(address) => self.check_address(address),
            Err(_) => Ok(()),
        }
    }

    fn check_address(&self, address: IpAddr) -> Result<(), ReachRefusal> {
        match SpecialAddress::of(address) {
            None => Ok(()),
            Some(SpecialAddress::Loopback) if self.allow_loopback => Ok(()),
            Some(kind) => Err(ReachRefusal::Address { address, kind }),
        }
    }
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
