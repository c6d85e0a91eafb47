//! Errors of the directory: one sentence with the cause, one with the next step.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::fault_of::FaultOf;
use super::frame::FrameFault;
use super::guard_fault::GuardFault;
use super::kerberos_fault::KerberosFault;
use super::put_off::PutOff;
use super::result_code::{self, LdapResult};
use super::root_dse::ControllerDefect;
use crate::config::{LdapTransport, ReachRefusal};
use crate::exit_code;
use crate::tls::PeerCertificate;
use crate::tls::TlsFault;

/// Returns a time limit as text.
pub fn seconds(limit: Duration) -> String {
    if limit.subsec_millis() == 0 {
        format!("{} s", limit.as_secs())
    } else {
        format!("{:.1} s", limit.as_secs_f64())
    }
}

/// A step with a time limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimedPhase {
    /// The StartTLS request and its answer.
    StartTls,
    /// The TLS handshake.
    Tls,
    /// The request for a Kerberos ticket.
    Ticket,
    /// The bind.
    Bind,
    /// One search operation: a page, a look-up.
    Search,
}

impl fmt::Display for TimedPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StartTls => "StartTLS",
            Self::Tls => "the TLS handshake",
            Self::Ticket => "the request for a Kerberos ticket",
            Self::Bind => "the bind",
            Self::Search => "a search",
        })
    }
}

/// Reason why the directory could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// No controller of the domain is known.
    #[error("no controller of the domain {domain} is found by DNS: {cause}")]
    Discover {
        /// `AD_DOMAIN`.
        domain: String,
        /// Text of the resolver.
        cause: String,
    },
    /// No address for the name.
    #[error("{host}: the name cannot be resolved: {cause}")]
    Resolve {
        /// As in `AD_HOST`.
        host: String,
        /// Text of the resolver.
        cause: String,
    },
    /// No address of the host accepts a connection.
    #[error("{host}: no connection to port {port} ({})", causes.join("; "))]
    Connect {
        /// As in `AD_HOST`.
        host: String,
        /// `AD_PORT`.
        port: u16,
        /// One cause an address.
        causes: Vec<String>,
    },
    /// The connection may not lead there: it was made over HTTP (R35).
    #[error("{host}: {refusal}")]
    OutOfReach {
        /// As in `AD_HOST`, or as DNS names it.
        host: String,
        /// The limit.
        refusal: ReachRefusal,
    },
    /// StartTLS was refused.
    #[error("{host}: {}: {outcome}", result_code::start_tls_meaning(outcome).cause)]
    StartTls {
        /// As in `AD_HOST`.
        host: String,
        /// The server's answer.
        outcome: LdapResult,
    },
    /// No TLS connection.
    #[error("{host}: {fault}")]
    Tls {
        /// As in `AD_HOST`.
        host: String,
        /// `AD_PORT`.
        port: u16,
        /// `AD_TRANSPORT`.
        transport: LdapTransport,
        /// Why.
        fault: TlsFault,
    },
    /// The bind was answered with an error.
    #[error("{host}: {} ({account}): {outcome}", result_code::bind_meaning(outcome).cause)]
    Bind {
        /// As in `AD_HOST`.
        host: String,
        /// `AD_BIND_DN`.
        account: String,
        /// The server's answer.
        outcome: LdapResult,
    },
    /// Kerberos could not prove the account.
    #[error("{host}: {fault}")]
    Kerberos {
        /// As in `AD_HOST`.
        host: String,
        /// Why.
        fault: KerberosFault,
    },
    /// A search was answered with an error.
    #[error("{host}: {} (base \"{}\"): {outcome}", result_code::search_meaning(outcome).cause, crate::text::printable(base))]
    Search {
        /// As in `AD_HOST`.
        host: String,
        /// The base of the search; the server may have named it.
        base: String,
        /// The server's answer.
        outcome: LdapResult,
    },
    /// A step took longer than its limit.
    #[error("{host}: no answer to {phase} within {}", seconds(*after))]
    Timeout {
        /// As in `AD_HOST`.
        host: String,
        /// The step.
        phase: TimedPhase,
        /// Its limit.
        after: Duration,
    },
    /// The connection ended, or was ended because of what came over it.
    #[error("{host}: {fault}")]
    Protocol {
        /// As in `AD_HOST`.
        host: String,
        /// Why.
        fault: GuardFault,
    },
    /// The server's messages are well-formed, but their content is not valid.
    #[error("{host}: {what}")]
    Answer {
        /// As in `AD_HOST`.
        host: String,
        /// Cause, to be read after the name of the host.
        what: String,
    },
    /// The controller answers, and cannot be read now (R39).
    #[error("{host}: {defect}")]
    Unusable {
        /// As in `AD_HOST`.
        host: String,
        /// Why.
        defect: ControllerDefect,
    },
    /// An error of one address of a name that has several.
    #[error("{error} (at {address})")]
    AtAddress {
        /// The address.
        address: SocketAddr,
        /// The error.
        error: Box<DirectoryError>,
    },
    /// The bind is not tried, since the account was refused a short time ago (R40).
    #[error(transparent)]
    PutOff(#[from] Box<PutOff>),
    /// A search filter cannot be read.
    #[error("the search filter \"{}\" cannot be read", crate::text::printable(filter))]
    Filter {
        /// The filter.
        filter: String,
    },
    /// An earlier operation broke off, and the connection went with it.
    #[error("{host}: the connection was given up when an earlier operation broke off")]
    Gone {
        /// As in `AD_HOST`.
        host: String,
    },
    /// No controller could be used.
    #[error("no controller can be used: {}{}", list(causes), untried_clause(*untried))]
    AllFailed {
        /// The error of each controller, in the order in which they were tried.
        causes: Vec<DirectoryError>,
        /// Controllers that were not tried: too many others did not complete the same searches.
        untried: usize,
    },
    /// A fault of this program or its computer.
    #[error("the connection could not be set up on this computer: {what}")]
    Internal {
        /// Cause, to be read after the name of the failed step.
        what: String,
    },
}

/// Controllers that the error of a run names, at most. The log has a warning for each.
const MOST_NAMED: usize = 64;

fn list(causes: &[DirectoryError]) -> String {
    let mut named: Vec<String> = causes.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    if let Some(more) = causes.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        named.push(format!(
            "{more} more controllers failed, each with its reason in the log"
        ));
    }
    named.join("; ")
}

fn untried_clause(untried: usize) -> String {
    match untried {
        0 => String::new(),
        1 => "; 1 more controller was not tried, since the cause seems to be the search".to_owned(),
        more => format!("; {more} more controllers were not tried, since the cause seems to be the search"),
    }
}

impl DirectoryError {
    /// Returns the exit code of the command that ends with this error: 77 when the credentials were
    /// refused, 64 when the settings do not let the connection lead there, else 69.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            _ if self.refuses_credentials() => exit_code::REFUSED,
            _ if self.is_out_of_reach() => exit_code::USAGE,
            _ => exit_code::UNAVAILABLE,
        }
    }

    /// Reports whether no controller could be used because the connection may lead to none of them.
    #[must_use]
    pub fn is_out_of_reach(&self) -> bool {
        match self {
            Self::OutOfReach { .. } => true,
            Self::AtAddress { error, .. } => error.is_out_of_reach(),
            Self::AllFailed { causes, .. } => !causes.is_empty() && causes.iter().all(Self::is_out_of_reach),
            _ => false,
        }
    }

    /// Returns the same error without what a server that does not speak LDAP sent: whoever uses
    /// HTTP may name any server within reach.
    #[must_use]
    pub(super) fn without_foreign_octets(self) -> Self {
        match self {
            Self::Protocol {
                host,
                fault: GuardFault::NotLdap(_),
            } => Self::Protocol {
                host,
                fault: GuardFault::OtherProtocol,
            },
            other => other,
        }
    }

    /// Reports whether the account was judged and refused.
    #[must_use]
    pub fn refuses_credentials(&self) -> bool {
        self.fault_of() == FaultOf::Account
    }

    /// Reports whether the base of a search does not exist for the account, or lies in no naming
    /// context of the controller.
    #[must_use]
    pub fn is_base_missing(&self) -> bool {
        match self {
            Self::Search { outcome, .. } => outcome.code == 32 || result_code::is_base_outside(outcome),
            _ => false,
        }
    }

    /// Reports whether this connection's log has the refusal already (R40).
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        matches!(self, Self::PutOff(put_off) if put_off.repeated)
    }

    /// Returns the certificates that were refused, each with the host that showed it, in the order
    /// of `AD_HOST`.
    #[must_use]
    pub fn refused_certificates(&self) -> Vec<(&str, &PeerCertificate)> {
        match self {
            Self::Tls { host, fault, .. } => fault
                .refused()
                .map(|refused| (host.as_str(), refused))
                .into_iter()
                .collect(),
            Self::AllFailed { causes, .. } => causes.iter().flat_map(Self::refused_certificates).collect(),
            Self::AtAddress { error, .. } => error.refused_certificates(),
            _ => Vec::new(),
        }
    }

    /// Returns the next step for the reader of the error.
    #[must_use]
    pub fn advice(&self) -> String {
        match self {
            Self::Resolve { .. } => {
                "check the spelling in AD_HOST and this computer's DNS servers; inside a container, its DNS settings".to_owned()
            }
            Self::Discover { .. } => {
                "check AD_DOMAIN, and that this computer asks a DNS server that knows the domain (or name one in AD_DNS_SERVER); or \
                 name the controllers in AD_HOST"
                    .to_owned()
            }
            Self::Connect { port, .. } => {
                format!("check that the controller runs, and that firewalls let this computer reach port {port}")
            }
            Self::OutOfReach { refusal, .. } => refusal.advice(),
            Self::StartTls { outcome, .. } => result_code::start_tls_meaning(outcome).advice.to_owned(),
            Self::Tls { port, transport, fault, .. } => fault.advice(*transport, *port),
            Self::Bind { outcome, .. } => result_code::bind_meaning(outcome).advice.to_owned(),
            Self::Kerberos { fault, .. } => fault.advice().to_owned(),
            Self::Search { outcome, .. } => result_code::search_meaning(outcome).advice.to_owned(),
            Self::Timeout { phase: TimedPhase::Search, .. } => {
                "raise AD_TIMEOUT or lower AD_PAGE_SIZE; look at the controller's load".to_owned()
            }
            Self::Timeout { phase: TimedPhase::Ticket, .. } => {
                "check that firewalls let this computer reach port 88 (TCP and UDP) of the controllers, and what krb5.conf names as kdc"
                    .to_owned()
            }
            Self::Timeout { phase: TimedPhase::Bind, .. } => {
                "check that AD_PORT fits AD_TRANSPORT, and the controller's load".to_owned()
            }
            Self::Timeout { phase: TimedPhase::StartTls | TimedPhase::Tls, .. } => {
                "check that AD_PORT fits AD_TRANSPORT: 636 for ldaps, 389 for starttls".to_owned()
            }
            Self::Protocol { fault, .. } => protocol_advice(fault).to_owned(),
            Self::Answer { .. } => {
                "check that AD_HOST is an Active Directory controller and that nothing alters its traffic".to_owned()
            }
            Self::Unusable { defect, .. } => defect.advice().to_owned(),
            Self::AtAddress { error, .. } => error.advice(),
            Self::PutOff(put_off) => put_off.advice(),
            Self::Filter { .. } => "correct AD_USER_FILTER, AD_GROUP_FILTER or AD_COMPUTER_FILTER".to_owned(),
            Self::Gone { .. } => "connect again; the error before this one says why".to_owned(),
            Self::AllFailed { causes, untried } if *untried > 0 => causes.last().map_or_else(String::new, Self::advice),
            Self::AllFailed { causes, .. } => causes.first().map_or_else(
                || "set AD_HOST".to_owned(),
                |first| format!("for the first of them: {}", first.advice()),
            ),
            Self::Internal { .. } => "check this computer's limits of open files and memory".to_owned(),
        }
    }
}

fn protocol_advice(fault: &GuardFault) -> &'static str {
    match fault {
        GuardFault::SpeaksTls => "this port expects TLS: set AD_TRANSPORT=ldaps",
        GuardFault::NotLdap(_) | GuardFault::OtherProtocol => {
            "check AD_HOST and AD_PORT: another service answers there"
        }
        GuardFault::Closed | GuardFault::Truncated | GuardFault::Broken(_) => {
            "check AD_PORT and AD_TRANSPORT, and whether the controller restarted or a firewall cut the connection; the next run tries again"
        }
        GuardFault::Disconnected(_) => {
            "wait until the controller serves again, or name another one in AD_HOST"
        }
        GuardFault::TooMuch => "lower AD_PAGE_SIZE",
        GuardFault::Frame(FrameFault::TooLong(_) | FrameFault::TooMany) => {
            "an object is larger than any that is taken: leave its largest attribute out of the mapping table, or the object out of \
             the extra filter; where no object is that large, check that nothing alters the traffic of AD_HOST"
        }
        GuardFault::Frame(_)
        | GuardFault::LongResult(_)
        | GuardFault::Message(_)
        | GuardFault::Unasked(_)
        | GuardFault::Notifications => {
            "check that AD_HOST is an Active Directory controller and that nothing alters its traffic"
        }
    }
}

#[cfg(test)]
mod tests;
