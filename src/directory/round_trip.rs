//! One question and its one answer over a connection that the LDAP library does not have yet:
//! StartTLS, the steps of a SASL bind.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::ber::BerFault;
use super::frame::FrameScan;
use super::guard_fault::{self, GuardFault};

/// Sends `request` and reads the whole message of at most `most` octets that answers it. `surplus`
/// is the cause of the error for octets after it.
///
/// Octets after the answer were not asked for: an attacker in between may have put them there, so
/// that they are taken for octets under the protection that begins (RFC 4511 section 6 warns of
/// it). So they are refused, not carried over.
///
/// # Errors
/// When no whole, well-formed message comes, or more than one. No time limit of its own.
pub async fn ask<S>(
    stream: &mut S,
    request: &[u8],
    most: usize,
    surplus: &'static str,
) -> Result<Vec<u8>, GuardFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |error: std::io::Error| GuardFault::Broken(error.to_string());
    stream.write_all(request).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut answer = Vec::new();
    let mut scan = FrameScan::default();
    let whole = loop {
        if answer.len() > most {
            return Err(GuardFault::TooMuch);
        }
        match stream.read_buf(&mut answer).await.map_err(broken)? {
            0 if answer.is_empty() => return Err(GuardFault::Closed),
            0 => return Err(GuardFault::Truncated),
            _ => {}
        }
        if let Some(whole) = scan
            .advance(&answer)
            .map_err(|fault| guard_fault::refusal(fault, &answer))?
        {
            break whole;
        }
    };
    if answer.len() > whole.length {
        return Err(GuardFault::Message(BerFault::Unexpected(surplus)));
    }
    Ok(answer)
}
