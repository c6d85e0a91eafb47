//! `connections delete`: a stored connection, with its history where that is asked for.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use uuid::Uuid;

use crate::clock;
use crate::config::Config;
use crate::exit_code::USAGE;
use crate::registry::{ChangeError, ConnectionEditor};
use crate::store::{Store, StoreAccess};

use super::refused;
use crate::cli::arguments::ConnectionsDelete;
use crate::cli::failure::CommandFailure;
use crate::cli::output::{one_line, say};

/// Time that a run of the connection has to end: what R26 gives it, and a second for the rest.
const RUN_ENDS_WITHIN: Duration = Duration::from_secs(26);

/// Pause between two looks whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Deletes a stored connection.
pub(super) fn run(config: &Config, options: &ConnectionsDelete) -> Result<u8, CommandFailure> {
    let store = Store::open(&config.state, StoreAccess::ReadWrite)?;
    let editor = ConnectionEditor {
        config,
        store: &store,
    };
    let name = one_line(&options.name);
    match editor.stored(&options.name) {
        Ok(stored) => {
            confirm(options)?;
            let uuid = editor
                .delete(&options.name, stored.revision, clock::now())
                .map_err(|error| refused(&error))?;
            say(format_args!("{name}: deleted; what it sent stays in ETM"))?;
            if options.purge {
                purge(&editor, uuid, &name)?;
            }
        }
        Err(ChangeError::Unknown(_)) if options.purge => {
            let deleted = store.deleted_connections()?;
            let mut former = deleted.iter().filter(|one| one.content.name == options.name);
            let Some(first) = former.next() else {
                return Err(refused(&ChangeError::Unknown(options.name.clone())));
            };
            confirm(options)?;
            purge(&editor, first.uuid, &name)?;
            for other in former {
                purge(&editor, other.uuid, &name)?;
            }
        }
        Err(error) => return Err(refused(&error)),
    }
    Ok(0)
}

/// Asks for the name on a terminal, unless that is not wanted.
fn confirm(options: &ConnectionsDelete) -> Result<(), CommandFailure> {
    if options.yes {
        return Ok(());
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(CommandFailure::new(
            USAGE,
            "nothing is deleted without being confirmed, and there is no terminal to ask on",
            "give --yes as well",
        ));
    }
    let what = if options.purge {
        "with its history and its list of removed objects"
    } else {
        "and keep its history"
    };
    let mut output = std::io::stderr().lock();
    write!(
        output,
        "Type the name to delete {} {what}: ",
        one_line(&options.name)
    )?;
    output.flush()?;
    let mut typed = String::new();
    input.lock().read_line(&mut typed)?;
    if typed.trim() == options.name {
        Ok(())
    } else {
        Err(CommandFailure::new(
            USAGE,
            "that is not the name; nothing is deleted",
            "type the name as it is shown, or give --yes",
        ))
    }
}

/// Forgets what is stored of a connection that is deleted, as soon as no run of it goes on.
fn purge(editor: &ConnectionEditor<'_>, uuid: Uuid, name: &str) -> Result<(), CommandFailure> {
    let until = clock::instant() + RUN_ENDS_WITHIN;
    loop {
        // The store refuses it while a run of another process or instance holds the connection.
        match editor.purge(uuid).map_err(|error| refused(&error)) {
            Ok(()) => {
                say(format_args!(
                    "{name}: history and list of removed objects are forgotten"
                ))?;
                return Ok(());
            }
            Err(failure) if failure.exit_code() == crate::exit_code::BUSY && clock::instant() < until => {
                std::thread::sleep(LOOK_AGAIN);
            }
            Err(failure) => {
                return Err(CommandFailure::new(
                    failure.exit_code(),
                    format_args!(
                        "{name} is deleted, and its history is not forgotten: {}",
                        failure.message()
                    ),
                    "give the command again, with --purge, when the run has ended",
                ));
            }
        }
    }
}
