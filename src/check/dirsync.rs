//! The step of `check` that says whether the controller finds changes by the DirSync control.

use crate::directory::{DIRSYNC, DirectoryError, RootDse, Session};
use crate::exit_code::UNAVAILABLE;
use crate::sync::ReadScope;

use super::failure::StepFailure;

/// Remedy for a refusal.
const ADVICE: &str = "DirSync with object security needs no right beyond reading, from Windows Server 2003 on: look at what stands between \
     this computer and the controller (a proxy, another directory server); or set AD_DELTA=usn";

/// Requests the position at which a search would go on, and no object.
pub(super) async fn step(
    root: &RootDse,
    scope: &ReadScope,
    session: &Session,
) -> Result<String, StepFailure> {
    if !root.supported_controls.iter().any(|oid| oid == DIRSYNC) {
        let cause = format_args!("the controller does not know the DirSync control {DIRSYNC}");
        return Err(StepFailure::new(UNAVAILABLE, cause, ADVICE));
    }
    let base = scope.naming_context().base;
    let mut changes = session.changes(&base, "(!(objectClass=*))", Vec::new(), false);
    loop {
        match changes.next().await {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error @ DirectoryError::Search { .. }) => {
                return Err(StepFailure::new(
                    UNAVAILABLE,
                    format_args!("DirSync is refused: {error}"),
                    ADVICE,
                ));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let cookie = changes.into_cookie().unwrap_or_default().len();
    Ok(format!(
        "with object security, for {base}: a cookie of {cookie} octets"
    ))
}
