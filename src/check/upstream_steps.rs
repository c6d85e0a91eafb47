//! The steps of the gateway: token, certificate, ingest path.

use crate::config;
use crate::upstream::QualysGateway;

use super::{ReceiverGone, StepStream, shown, timed};

/// Asks the gateway for a token, and sends it a request without assets.
pub(super) async fn run(
    connection: &config::ConnectionSettings,
    steps: &StepStream,
) -> Result<(), ReceiverGone> {
    let upstream = match QualysGateway::new(&connection.upstream) {
        Ok(upstream) => upstream,
        Err(error) => return steps.told("upstream", Err(error.into()), Vec::new()).await,
    };
    let token = timed(async {
        upstream.check().await?;
        Ok(format!("{} gave a token", connection.upstream.gateway))
    });
    let token = token.await;
    let has_token = token.is_ok();
    match upstream.certificate() {
        Some((certificate, true)) => {
            steps.told("upstream", token, Vec::new()).await?;
            let why = "it leads to a trusted CA, and bears the expected name".to_owned();
            steps
                .told("gateway TLS", Ok(why), shown::certificate(&certificate))
                .await?;
        }
        Some((certificate, false)) => {
            let mut details = vec!["the gateway showed this certificate; nothing was sent to it:".to_owned()];
            details.extend(shown::certificate(&certificate));
            steps.told("upstream", token, details).await?;
        }
        None => steps.told("upstream", token, Vec::new()).await?,
    }
    if !has_token {
        return Ok(());
    }
    let check = match upstream.check_ingest().await {
        Ok(check) => check,
        Err(error) => return steps.told("ingest path", Err(error.into()), Vec::new()).await,
    };
    let path = &connection.upstream.ingest_path;
    let answer = format!(
        "a request without assets to {path} was answered: {}",
        check.answer
    );
    let details = vec![
        format!("proved: {}", check.proven.unwrap_or("nothing")),
        format!("not proved: {}", check.unproven),
    ];
    steps.told("ingest path", Ok(answer), details).await
}
