//! The GSS-API library (RFC 2743) with its Kerberos mechanism (RFC 4121): tickets, tokens,
//! protected messages.
//!
//! The library finds the credentials itself, by the variables that every Kerberos program knows:
//! `KRB5_CLIENT_KTNAME` (keytab), `KRB5CCNAME` (credential cache), `KRB5_CONFIG`.

use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext as _};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::Error;
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_KRB5_PRINCIPAL, OidSet};

use super::super::kerberos_fault::{KerberosFault, KerberosProblem};
use super::seal::SealLayer;
use crate::text::printable;

/// Parameters of a Kerberos exchange.
#[derive(Debug, Clone)]
pub struct GssTarget {
    /// The service: `ldap/dc1.corp.example`.
    pub service: String,
    /// The account, `user@REALM`; `None` leaves it to the library: the keytab's first entry, the
    /// cache's owner.
    pub principal: Option<String>,
    /// Channel bindings (RFC 5929), where there is a channel.
    pub binding: Option<Vec<u8>>,
    /// `true` when messages are to be sealed.
    pub seal: bool,
}

/// A security context, in negotiation or ready.
#[derive(Debug)]
pub struct GssContext {
    inner: ClientCtx,
    binding: Option<Vec<u8>>,
    needed: CtxFlags,
    /// Owner of the credentials, as the library names it.
    pub account: String,
}

impl GssContext {
    /// Gets a ticket for the service, and the first token for it. **Blocks** while the library asks
    /// key distribution centers.
    ///
    /// # Errors
    /// With what the library says.
    pub fn begin(target: &GssTarget) -> Result<(Self, Vec<u8>), KerberosFault> {
        let mechanisms = OidSet::singleton(GSS_MECH_KRB5).map_err(said)?;
        let principal = target.principal.as_deref().map(name).transpose()?;
        let credentials =
            Cred::acquire(principal.as_ref(), None, CredUsage::Initiate, Some(&mechanisms)).map_err(said)?;
        // Without a realm: the library asks the account's own, and follows referrals of the forest
        // from there.
        let service = name(&format!("{}@", target.service))?;
        let mut needed = CtxFlags::GSS_C_MUTUAL_FLAG | CtxFlags::GSS_C_INTEG_FLAG;
        if target.seal {
            needed |= CtxFlags::GSS_C_CONF_FLAG;
        }
        let asked = needed | CtxFlags::GSS_C_SEQUENCE_FLAG | CtxFlags::GSS_C_REPLAY_FLAG;
        let mut inner = ClientCtx::new(Some(credentials.clone()), service, asked, Some(GSS_MECH_KRB5));
        let token = inner.step(None, target.binding.as_deref()).map_err(said)?;
        // Where a keytab decides, the name is known only now.
        let account = credentials.name().map_err(said)?;
        let account = printable(&account.to_string());
        let context = Self {
            inner,
            binding: target.binding.clone(),
            needed,
            account,
        };
        Ok((context, token.map(|token| token.to_vec()).unwrap_or_default()))
    }

    /// Takes the service's token; gives the next one, where there is one.
    ///
    /// # Errors
    /// When the service is not the one that the ticket is for.
    pub fn step(&mut self, token: &[u8]) -> Result<Option<Vec<u8>>, KerberosFault> {
        let next = self
            .inner
            .step(Some(token), self.binding.as_deref())
            .map_err(said)?;
        Ok(next.map(|token| token.to_vec()))
    }

    /// Returns `true` when no further token is expected, and the service has proved itself.
    ///
    /// # Errors
    /// When the exchange is over and gave less than was asked for.
    pub fn is_complete(&self) -> Result<bool, KerberosFault> {
        if !self.inner.is_complete() {
            return Ok(false);
        }
        if self.inner.flags().map_err(said)?.contains(self.needed) {
            return Ok(true);
        }
        Err(KerberosFault::new(
            KerberosProblem::Weak,
            "the controller did not prove itself",
        ))
    }

    /// Protects `message` against alteration; it stays readable.
    ///
    /// # Errors
    /// With what the library says.
    pub fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>, KerberosFault> {
        Ok(self.inner.wrap(false, message).map_err(said)?.to_vec())
    }

    /// Returns the content of a protected message, sealed or not.
    ///
    /// # Errors
    /// When it was altered, repeated or left out.
    pub fn verify(&mut self, token: &[u8]) -> Result<Vec<u8>, KerberosFault> {
        Ok(self.inner.unwrap(token).map_err(said)?.to_vec())
    }
}

impl SealLayer for GssContext {
    fn seal(&mut self, message: &[u8]) -> Result<Vec<u8>, String> {
        let sealed = self.inner.wrap(true, message);
        sealed.map(|token| token.to_vec()).map_err(|error| told(&error))
    }

    fn open(&mut self, token: &[u8]) -> Result<Vec<u8>, String> {
        if !is_sealed(token) {
            return Err("a message that is not sealed with AES".to_owned());
        }
        let opened = self.inner.unwrap(token);
        opened
            .map(|message| message.to_vec())
            .map_err(|error| told(&error))
    }
}

/// Returns `true` when a token is sealed, of the form that AES keys have: token id `05 04`, and in
/// the flags "sealed" (RFC 4121 section 4.2.6.2). The library opens merely signed ones too, and
/// those of RC4.
fn is_sealed(token: &[u8]) -> bool {
    matches!(token, [0x05, 0x04, flags, ..] if flags & 0x02 != 0)
}

fn name(principal: &str) -> Result<Name, KerberosFault> {
    Name::new(principal.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)).map_err(said)
}

fn said(error: Error) -> KerberosFault {
    // The minor status of the Kerberos mechanism is a number of `krb5.h`, which are negative.
    let problem = KerberosProblem::of(error.major.bits(), error.minor.cast_signed());
    KerberosFault::new(problem, &told(&error))
}

/// Returns the text of the Kerberos mechanism, where there is one: `CLASS OF ERROR (ERROR)` is how
/// the library writes it. The library keeps the text for the thread that met the error, so it must
/// be asked for in that thread at once.
fn told(error: &Error) -> String {
    let text = error.to_string();
    let inner = text.split_once(" (").and_then(|(_, rest)| rest.strip_suffix(')'));
    printable(inner.unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_sealed_with_aes_counts_as_sealed() {
        assert!(is_sealed(&[0x05, 0x04, 0x03, 0xFF]));
        assert!(!is_sealed(&[0x05, 0x04, 0x01, 0xFF]), "signed alone");
        assert!(!is_sealed(&[0x60, 0x3F, 0x06]), "the form of RC4");
        assert!(!is_sealed(&[]));
    }
}
