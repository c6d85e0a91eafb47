//! Connecting on behalf of somebody who may stop waiting.

use crate::config::DirectorySettings;
use crate::directory::{self, BindGuard, DirectoryError, KnownControllers, Session};

/// Connects and binds as [`directory::connect`] does, to the end also where the caller stops
/// waiting: a browser that goes away must not hide that the controller refused the password, or
/// reloading a page would lock the account (R40).
pub(super) async fn connect(
    settings: &DirectorySettings,
    bind_guard: &BindGuard,
    known: &KnownControllers,
) -> Result<Session, DirectoryError> {
    let (settings, bind_guard, known) = (settings.clone(), bind_guard.clone(), known.clone());
    let connected = tokio::spawn(async move { directory::connect(&settings, &bind_guard, &known).await });
    match connected.await {
        Ok(session) => session,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(DirectoryError::Internal {
                what: error.to_string(),
            }),
        },
    }
}
