//! Facts about the controller that a run reads, for the log and the history.

use crate::directory::Session;
use crate::store::RunController;

/// Logs the site of this computer where it is another one than `before`, as the last run that knew
/// it recorded it: once, and not in each run.
pub(super) fn log_new_site(session: &Session, before: Option<&str>) {
    let Some(location) = &session.chosen().location else {
        return;
    };
    let (controller, site) = (session.host(), location.client_site.as_str());
    if before == Some(site) {
        return;
    }
    if site.is_empty() {
        tracing::warn!(
            controller,
            advice = "add the subnet to its site in Active Directory Sites and Services, or name the site in AD_SITE",
            "No subnet of the directory holds the address of this computer, so no controller counts as near."
        );
    } else {
        tracing::info!(
            controller,
            client_site = site,
            "The site of this computer is known now."
        );
    }
}

/// Returns the controller of the session, and where it is, for the history.
pub(super) fn controller_of(session: &Session) -> RunController {
    let chosen = session.chosen();
    let location = chosen.location.as_ref();
    RunController {
        host: Some(session.host().to_owned()),
        choice: chosen.choice.map(|choice| choice.to_string()),
        site: location.map(|location| location.controller_site.clone()),
        client_site: location.map(|location| location.client_site.clone()),
        is_in_site: location.map(|location| location.is_in_site),
    }
}
