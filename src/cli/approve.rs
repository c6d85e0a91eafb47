//! `approve-removals`: lets the removals through that the threshold holds back, if they are still
//! the same (R23).

use tokio_util::sync::CancellationToken;

use crate::directory::BindGuard;
use crate::exit_code::INTERNAL;
use crate::store::{RunMode, StoreAccess};
use crate::sync::{RunError, RunRequest};
use crate::view::RemovalState;

use super::arguments::ApproveArguments;
use super::failure::CommandFailure;
use super::output::say;
use super::removed::{RemovalLists, show_candidates};
use super::{setup, signals, sync};

/// Shows the list that is held back and lets exactly that list through.
pub(super) fn run(connection: Option<&str>, options: &ApproveArguments) -> Result<u8, CommandFailure> {
    let config = setup::configuration()?;
    let connection = setup::one(&config, connection)?;
    let store = setup::store(&config, StoreAccess::ReadWrite)?;
    let scheduled = setup::connector(connection, &store, &BindGuard::default())?;
    let id = scheduled.connector.id;
    let Some(held) = store.held_list(id)? else {
        return match &options.list {
            None => {
                say(format_args!("{}: no removals are held back", connection.name))?;
                Ok(0)
            }
            Some(list) => Err(RunError::ListChanged { list: list.clone() }.into()),
        };
    };
    if let Some(list) = options
        .list
        .as_ref()
        .filter(|list| !list.eq_ignore_ascii_case(&held))
    {
        return Err(RunError::ListChanged { list: list.clone() }.into());
    }
    say(format_args!(
        "{}: removals held back, list {held}",
        connection.name
    ))?;
    let lists = RemovalLists {
        store: &store,
        connection: id,
    };
    show_candidates(&lists, RemovalState::Held)?;
    let runtime = setup::runtime()?;
    let code = runtime.block_on(async {
        let stop = CancellationToken::new();
        let signalled = signals::cancel_on_signal_or_hangup(stop.clone())?;
        let request = RunRequest {
            approve: Some(held),
            ..RunRequest::new(RunMode::Delta, "approve-removals")
        };
        let Some(report) = signals::in_time(&stop, scheduled.run(request, &stop)).await else {
            return Ok(signalled.exit_code().unwrap_or(INTERNAL));
        };
        let report = report?;
        let code = sync::told(&report, None);
        if report.total().removed > 0 {
            say(format_args!("{} objects are removed", report.total().removed))?;
        }
        Ok::<u8, CommandFailure>(signalled.exit_code().unwrap_or(code))
    });
    runtime.shutdown_background();
    code
}
