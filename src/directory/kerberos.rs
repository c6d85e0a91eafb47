//! The bind by Kerberos: SASL with the mechanism GSSAPI (RFC 4752), before the LDAP library gets
//! the connection.
//!
//! INVARIANT: inside TLS the ticket is bound to the server's certificate ([`channel_binding`]) and
//! no layer lies on top; without TLS everything after the bind is sealed ([`seal`]). There is no
//! bind with less.

mod channel_binding;
mod gss;
mod seal;

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use self::gss::{GssContext, GssTarget};
use self::seal::{LONGEST, SealedStream};
use super::ber::{self, BerElements, BerFault, INTEGER, OCTET_STRING, SEQUENCE};
use super::error::{DirectoryError, TimedPhase};
use super::guard_fault::GuardFault;
use super::kerberos_fault::{KerberosFault, KerberosProblem};
use super::message::{self, AnswerOperation, LdapMessage};
use super::result_code::LdapResult;
use super::round_trip::ask;
use crate::config::{self, DirectoryAuth};

/// The SASL mechanism (RFC 4752).
const MECHANISM: &[u8] = b"GSSAPI";

/// `saslBindInProgress` (RFC 4511 appendix A).
const IN_PROGRESS: u32 = 14;

/// Security layers, as bits of the first octet (RFC 4752 section 3.3): none, and confidentiality.
const NO_LAYER: u8 = 1;
const CONFIDENTIALITY: u8 = 4;

/// Most tokens of one exchange. Kerberos takes two, and the layer one more.
const MOST_STEPS: u32 = 10;

/// Largest answer to one step. A controller's token with the data of a domain trust is a few
/// kilobytes.
const MAX_ANSWER: usize = 256 * 1024;

/// Cause of the error for octets that follow the answer to a step: without TLS they would be taken
/// for the first of the sealed octets.
const SURPLUS: &str = "further octets after the answer to a bind";

/// Proves the account inside TLS, where `AD_AUTH` says so. The connection stays what it is.
///
/// # Errors
/// [`DirectoryError::Kerberos`] when Kerberos or the controller refuses; else as any operation.
pub async fn inside_tls(
    mut stream: TlsStream<TcpStream>,
    host: &str,
    settings: &config::DirectorySettings,
) -> Result<TlsStream<TcpStream>, DirectoryError> {
    if settings.auth.is_kerberos() {
        let shown = stream.get_ref().1.peer_certificates();
        let binding = shown.and_then(|chain| channel_binding::of(chain.first()?));
        if binding.is_none() {
            tracing::debug!(controller = %host, "The signature of the server certificate knows no channel binding.");
        }
        bind(
            &mut stream,
            target(binding, false, host, settings),
            host,
            settings,
        )
        .await?;
    }
    Ok(stream)
}

/// Proves the account on a connection without TLS, and seals what follows.
///
/// # Errors
/// As [`inside_tls`].
pub async fn sealed<S>(
    mut stream: S,
    host: &str,
    settings: &config::DirectorySettings,
) -> Result<SealedStream<S, GssContext>, DirectoryError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (context, most) = bind(&mut stream, target(None, true, host, settings), host, settings).await?;
    SealedStream::new(stream, context, most).ok_or_else(|| DirectoryError::Kerberos {
        host: host.to_owned(),
        fault: KerberosFault::new(
            KerberosProblem::Weak,
            &format!("it takes sealed buffers of {most} octets only"),
        ),
    })
}

fn target(
    binding: Option<Vec<u8>>,
    seal: bool,
    host: &str,
    settings: &config::DirectorySettings,
) -> GssTarget {
    // An address is no name that a key distribution center knows.
    let name = match &settings.server_name {
        Some(name) if host.parse::<IpAddr>().is_ok() => name,
        _ => host,
    };
    let principal = match &settings.auth {
        DirectoryAuth::Kerberos { principal, .. } => principal.clone(),
        DirectoryAuth::Simple { .. } => None,
    };
    GssTarget {
        service: format!("ldap/{}", name.trim_end_matches('.')),
        principal,
        binding,
        seal,
    }
}

/// Gets the ticket, then runs the exchange. Gives the context, and the longest token that the other
/// side takes.
async fn bind<S>(
    stream: &mut S,
    target: GssTarget,
    host: &str,
    settings: &config::DirectorySettings,
) -> Result<(GssContext, usize), DirectoryError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let limit = settings.timeout;
    let late = |phase| DirectoryError::Timeout {
        host: host.to_owned(),
        phase,
        after: limit,
    };
    let fault = |fault| DirectoryError::Kerberos {
        host: host.to_owned(),
        fault,
    };
    let seal = target.seal;
    let service = target.service.clone();
    let (context, token) = timeout(limit, ticket(target))
        .await
        .map_err(|_| late(TimedPhase::Ticket))?
        .map_err(|error| match error {
            TicketFault::Kerberos(error) => fault(error),
            TicketFault::Thread(what) => DirectoryError::Internal { what },
        })?;
    let account = context.account.clone();
    let bound = timeout(limit, exchange(stream, context, token, seal))
        .await
        .map_err(|_| late(TimedPhase::Bind))?
        .map_err(|broken| match broken {
            ExchangeFault::Kerberos(error) => fault(error),
            ExchangeFault::Connection(fault) => DirectoryError::Protocol {
                host: host.to_owned(),
                fault,
            },
        })?;
    tracing::debug!(controller = %host, account, service, sealed = seal, "Kerberos proved the account to the controller.");
    Ok(bound)
}

/// Reason why there is no ticket.
enum TicketFault {
    Kerberos(KerberosFault),
    Thread(String),
}

/// Reason why an exchange ended early.
enum ExchangeFault {
    Kerberos(KerberosFault),
    Connection(GuardFault),
}

impl From<KerberosFault> for ExchangeFault {
    fn from(fault: KerberosFault) -> Self {
        Self::Kerberos(fault)
    }
}

impl From<BerFault> for ExchangeFault {
    fn from(fault: BerFault) -> Self {
        Self::Connection(GuardFault::Message(fault))
    }
}

/// Asks the library for a ticket on a thread of its own, whose end is not waited for: the library
/// cannot be interrupted, and neither the runtime nor the end of the program shall hang on a key
/// distribution center that is silent.
async fn ticket(target: GssTarget) -> Result<(GssContext, Vec<u8>), TicketFault> {
    let (answer, answered) = oneshot::channel();
    let started = std::thread::Builder::new()
        .name("kerberos".to_owned())
        .spawn(move || {
            // Nobody waits any more after a time-out.
            let _ = answer.send(GssContext::begin(&target));
        });
    started.map_err(|error| TicketFault::Thread(error.to_string()))?;
    match answered.await {
        Ok(begun) => begun.map_err(TicketFault::Kerberos),
        Err(_) => Err(TicketFault::Thread("the Kerberos thread ended early".to_owned())),
    }
}

/// Runs the steps of the bind, after which the server has accepted.
async fn exchange<S>(
    stream: &mut S,
    mut context: GssContext,
    first: Vec<u8>,
    seal: bool,
) -> Result<(GssContext, usize), ExchangeFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut token = Some(first);
    for id in 1..MOST_STEPS {
        let (outcome, answered) = step(stream, id, token.as_deref()).await?;
        if outcome.code != IN_PROGRESS {
            // A success before the layer was agreed upon does not count.
            return Err(KerberosFault::refused(outcome).into());
        }
        if !context.is_complete()? {
            token = context.step(&answered)?;
            continue;
        }
        let offer = context.verify(&answered)?;
        let (choice, most) = choose(&offer, seal)?;
        let choice = context.sign(&choice)?;
        let (outcome, _) = step(stream, id + 1, Some(&choice)).await?;
        if outcome.is_success() {
            return Ok((context, most));
        }
        return Err(KerberosFault::refused(outcome).into());
    }
    Err(KerberosFault::new(KerberosProblem::Other, "the controller asks for step after step").into())
}

/// Returns the answer to the server's offer of layers (RFC 4752 section 3.1), and the longest token
/// that it takes.
fn choose(offer: &[u8], seal: bool) -> Result<([u8; 4], usize), KerberosFault> {
    let [layers, size @ ..] = <[u8; 4]>::try_from(offer).map_err(|_| {
        KerberosFault::new(
            KerberosProblem::Other,
            "the offer of security layers is malformed",
        )
    })?;
    let wanted = if seal { CONFIDENTIALITY } else { NO_LAYER };
    if layers & wanted == 0 {
        let said = format!("it offers the security layers {layers:#05b}, and {wanted:#05b} is needed");
        return Err(KerberosFault::new(KerberosProblem::Weak, &said));
    }
    let [_, high, middle, low] = if seal { LONGEST } else { 0 }.to_be_bytes();
    let theirs = size
        .iter()
        .fold(0_usize, |size, &octet| (size << 8) | usize::from(octet));
    Ok(([wanted, high, middle, low], theirs))
}

/// Sends one bind request and reads its answer: the result, and the server's token, empty where
/// there is none.
async fn step<S>(
    stream: &mut S,
    id: u32,
    token: Option<&[u8]>,
) -> Result<(LdapResult, Vec<u8>), ExchangeFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer = ask(stream, &request(id, token), MAX_ANSWER, SURPLUS)
        .await
        .map_err(ExchangeFault::Connection)?;
    match message::answer(&answer)? {
        LdapMessage::Notification { outcome, .. } => {
            Err(ExchangeFault::Connection(GuardFault::Disconnected(outcome)))
        }
        LdapMessage::Answer {
            id: answered,
            answer: AnswerOperation::Bind,
        } if answered == id => Ok(outcome_and_token(&answer)?),
        LdapMessage::Answer { id, .. } => Err(ExchangeFault::Connection(GuardFault::Unasked(id))),
    }
}

/// Encodes a `BindRequest` with `SaslCredentials` (RFC 4511 section 4.2).
fn request(id: u32, token: Option<&[u8]>) -> Vec<u8> {
    let mut credentials = Vec::new();
    ber::write(&mut credentials, OCTET_STRING, MECHANISM);
    if let Some(token) = token {
        ber::write(&mut credentials, OCTET_STRING, token);
    }
    let mut bind = Vec::new();
    ber::write(&mut bind, INTEGER, &[3]); // the version of LDAP
    ber::write(&mut bind, OCTET_STRING, b""); // the name is in the ticket
    ber::write(&mut bind, 0xA3, &credentials);
    let mut parts = Vec::new();
    // Less than 128: one octet.
    ber::write(&mut parts, INTEGER, &[u8::try_from(id).unwrap_or(u8::MAX >> 1)]);
    ber::write(&mut parts, 0x60, &bind);
    let mut request = Vec::new();
    ber::write(&mut request, SEQUENCE, &parts);
    request
}

/// Reads result and `serverSaslCreds` of a whole `BindResponse`, which [`message::answer`]
/// accepted.
fn outcome_and_token(bytes: &[u8]) -> Result<(LdapResult, Vec<u8>), BerFault> {
    let mut parts = BerElements::new(BerElements::new(bytes).expect(SEQUENCE, "no LDAP message")?);
    parts.expect(INTEGER, "no message id")?;
    let content = parts.expect(0x61, "no bind response")?;
    let (outcome, _) = message::result(content)?;
    let mut elements = BerElements::new(content);
    let mut token = Vec::new();
    while let Some((tag, content)) = elements.next()? {
        if tag == 0x87 {
            token = content.to_vec();
        }
    }
    Ok((outcome, token))
}

#[cfg(test)]
mod tests;
