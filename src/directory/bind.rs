//! The bind, by which the service authenticates to the controller.

use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::error::{DirectoryError, TimedPhase};
use super::guard_fault::GuardFault;
use super::result_code::LdapResult;
use super::transport::ControllerLink;
use crate::config::{self, DirectoryAuth, Secret};

/// Binds `link` as the settings say.
///
/// # Errors
/// [`DirectoryError::Bind`] when the controller refuses; else as any operation. The password is in
/// none of them (R27).
pub async fn bind(
    link: &mut ControllerLink,
    host: &str,
    settings: &config::DirectorySettings,
) -> Result<(), DirectoryError> {
    let (name, password) = match &settings.auth {
        DirectoryAuth::Simple { name, password } => (name, password),
        // Done before the library got the connection ([`super::transport`]).
        DirectoryAuth::Kerberos { .. } if cfg!(feature = "kerberos") => return Ok(()),
        DirectoryAuth::Kerberos { .. } => {
            return Err(DirectoryError::Internal {
                what: "this program was built without Kerberos".to_owned(),
            });
        }
    };
    let host = || host.to_owned();
    let refused = |outcome| DirectoryError::Bind {
        host: host(),
        account: name.clone(),
        outcome: LdapResult::hiding(outcome, password),
    };
    if name.is_empty() || password.expose_secret().is_empty() {
        // The controller would take it for an anonymous bind and accept it (RFC 4513 section
        // 5.1.2).
        return Err(refused(LdapResult::new(
            48,
            "",
            "an empty name or password is not sent",
            vec![],
        )));
    }
    let answer = timeout(
        settings.timeout,
        link.ldap.simple_bind(name, password.expose_secret()),
    )
    .await;
    match answer {
        Err(_) => Err(DirectoryError::Timeout {
            host: host(),
            phase: TimedPhase::Bind,
            after: settings.timeout,
        }),
        Ok(Ok(result)) if result.rc == 0 => Ok(()),
        Ok(Ok(result)) => Err(refused(LdapResult::new(
            result.rc,
            &result.matched,
            &result.text,
            result.refs,
        ))),
        // The library's own error is left out: it may hold the request, and the guard has the exact
        // reason.
        Ok(Err(_)) => Err(lost(link, host(), password).await),
    }
}

/// Returns the error for an operation during which the connection ended; `password` is not in it,
/// even if the server repeats it.
pub async fn lost(link: &mut ControllerLink, host: String, password: &Secret) -> DirectoryError {
    match link.fault().await {
        Some(fault) => DirectoryError::Protocol {
            host,
            fault: fault.hiding(password),
        },
        // The library could not go on with the answer, or the guard is late: in any case the fault
        // is of this connection (R39).
        None => DirectoryError::Protocol {
            host,
            fault: GuardFault::Broken("the LDAP library ended it".to_owned()),
        },
    }
}
