//! The steps of the directory: connecting, logging in, rootDSE, delta.

use crate::clock;
use crate::config;
use crate::directory::{BindGuard, KnownControllers, RootDse, Session};

use super::connecting::connect;
use super::{ReceiverGone, StepStream, controller, shown};

/// Connects and reads rootDSE; none where one of both failed.
pub(super) async fn run(
    connection: &config::ConnectionSettings,
    bind_guard: &BindGuard,
    known: &KnownControllers,
    steps: &StepStream,
) -> Result<Option<(Session, RootDse)>, ReceiverGone> {
    let started = clock::instant();
    let mut session = match connect(&connection.directory, bind_guard, known).await {
        Ok(session) => session,
        Err(error) => {
            let refused = error.refused_certificates();
            let mut details = Vec::new();
            for (host, certificate) in &refused {
                details.push(format!(
                    "{host} showed this certificate; nothing was sent to it but the refusal:"
                ));
                details.extend(shown::certificate(certificate));
            }
            if !refused.is_empty() {
                details.extend(shown::pin(&refused));
            }
            steps
                .told("directory", Err(error.clone().into()), details)
                .await?;
            return Ok(None);
        }
    };
    let connected = format!(
        "connected to {} and logged in, {} ms",
        session.host(),
        started.elapsed().as_millis()
    );
    let chosen = controller::describe(session.chosen());
    steps.told("directory", Ok(connected), chosen).await?;
    if let Some(certificate) = session.certificate() {
        let pinned = connection.directory.pins_for(session.host()).next().is_some();
        let why = if pinned {
            "it is pinned by AD_CERTIFICATE_SHA256"
        } else {
            "it leads to a trusted CA, and bears the expected name"
        };
        let mut details = shown::certificate(certificate);
        details.extend(shown::pin(&[(session.host(), certificate)]));
        steps.told("certificate", Ok(why.to_owned()), details).await?;
    }
    let root = match session.root_dse().await {
        Ok(root) => root,
        Err(error) => {
            steps.told("rootDSE", Err(error.into()), Vec::new()).await?;
            return Ok(None);
        }
    };
    let told = format!(
        "{}, {}",
        root.dns_host_name.as_deref().unwrap_or("no dnsHostName"),
        root.default_naming_context
    );
    steps.told("rootDSE", Ok(told), Vec::new()).await?;
    let delta = session.invocation_id(&root).await.map(|id| {
        format!(
            "by uSNChanged: invocationId {}, highestCommittedUSN {}",
            id, root.highest_committed_usn
        )
    });
    steps.told("delta", delta.map_err(Into::into), Vec::new()).await?;
    Ok(Some((session, root)))
}
