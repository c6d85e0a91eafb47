//! Delivery of a dry run: the staged assets are written to the output, and nothing is posted.

use std::io::ErrorKind;

use super::output::write_assets;
use super::{Connector, RunError, RunRequest};
use crate::store::RunId;

/// Writes the staged assets to the output (`--dry-run`), one a line.
pub(super) async fn write_only(
    connector: &Connector,
    request: &RunRequest,
    run: RunId,
) -> Result<(), RunError> {
    let sizing = connector.upstream.sizing();
    let (assets, bytes) = (sizing.assets(), connector.settings.upstream.batch_bytes);
    let mut after = 0;
    loop {
        let items = connector
            .on_store(move |store| store.next_batch(run, after, assets, bytes, 0))
            .await?;
        let Some(last) = items.last() else { break };
        after = last.seq;
        match write_assets(request.output.as_deref(), &items) {
            // The reader has closed the pipe (`| head -1`). Nothing was sent, so nothing is lost.
            Err(RunError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => break,
            written => written?,
        }
    }
    Ok(())
}
