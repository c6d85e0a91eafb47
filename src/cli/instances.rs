//! `instances`: which services share the state, and what each of them holds.

use crate::store::StoreAccess;
use crate::view::InstanceView;

use super::arguments::Instances;
use super::failure::CommandFailure;
use super::output::{one_line, say};
use super::setup;

/// Shows every instance; all as one JSON array with `--json`.
pub(super) fn run(options: &Instances) -> Result<u8, CommandFailure> {
    let config = setup::configuration()?;
    let store = setup::store(&config, StoreAccess::ReadOnly)?;
    let instances: Vec<InstanceView> = store.instances()?.into_iter().map(InstanceView::from).collect();
    if options.json {
        say(serde_json::to_string(&instances).map_err(CommandFailure::internal)?)?;
        return Ok(0);
    }
    if instances.is_empty() {
        say(match config.state.file() {
            Some(_) => {
                "the state is a file of this host; several instances share one in PostgreSQL (STATE_URL)"
            }
            None => "no service runs",
        })?;
    }
    for instance in instances {
        let held = match instance.connections.join(", ") {
            none if none.is_empty() => "nothing".to_owned(),
            names => names,
        };
        say(format_args!(
            "{}  seen {}  holds {}",
            one_line(&instance.name),
            instance.seen_at.unwrap_or_default(),
            one_line(&held)
        ))?;
    }
    Ok(0)
}
