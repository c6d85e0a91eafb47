//! The commands, one file each.

mod approve;
mod arguments;
mod check;
mod connections;
mod core_files;
mod failure;
mod healthcheck;
mod instances;
mod log_line;
mod logging;
mod manual;
mod mapping;
mod output;
mod preview;
mod removed;
mod review;
mod run;
mod runs;
mod secrets;
mod setup;
mod signals;
mod state;
mod status;
mod supervisor;
mod support_bundle;
mod sync;
mod why;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Command, CommandLine};
use failure::CommandFailure;

use crate::exit_code;

/// Runs the command that the command line names, and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    core_files::exclude();
    let arguments = match CommandLine::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    match caught(|| dispatch(arguments)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if !failure.is_silent() {
                output::complain(&failure);
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Returns a panic as an internal error: exit code 1, where Rust itself would end with 101.
fn caught(work: impl FnOnce() -> Result<u8, CommandFailure>) -> Result<u8, CommandFailure> {
    // Nothing is used after a panic but its message, so no half-changed value can be seen.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(CommandFailure::internal("the program panicked, see above")))
}

/// Checks that `arguments` are a command line that [`main`] takes: the documents are tested with
/// it.
///
/// # Errors
/// The message that the user would get.
pub fn understood(arguments: &[&str]) -> Result<(), String> {
    let program = std::iter::once("ad-connector");
    match CommandLine::try_parse_from(program.chain(arguments.iter().copied())) {
        Err(error) if error.use_stderr() => Err(error.to_string()),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn dispatch(arguments: CommandLine) -> Result<u8, CommandFailure> {
    let connection = arguments.connection.as_deref();
    match arguments.command {
        Command::Run => run::run(connection),
        Command::Sync(options) => sync::run(connection, &options),
        Command::Check => check::run(connection),
        Command::Status(options) => status::run(connection, &options),
        Command::Preview(options) => preview::run(connection, &options),
        Command::Why(options) => why::run(connection, &options),
        Command::Mapping(options) => mapping::run(connection, &options),
        Command::SupportBundle(options) => support_bundle::run(connection, &options),
        Command::Runs(options) => runs::run(connection, &options),
        Command::Removed(options) => removed::run(connection, &options),
        Command::Review(options) => review::run(connection, &options),
        Command::ApproveRemovals(options) => approve::run(connection, &options),
        Command::Instances(options) => instances::run(&options),
        Command::State(command) => state::run(&command),
        Command::Connections(command) => connections::run(&command),
        Command::Secrets(command) => secrets::run(&command),
        Command::Healthcheck => healthcheck::run(),
        Command::Variables => {
            output::say(crate::config::reference::help().trim_end())?;
            Ok(0)
        }
        Command::Manual { folder } => manual::run(&folder),
    }
}

/// Prints the error of clap, and returns its exit code. `--help` and `--version` are answers,
/// anything else is a mistake: 64, since clap's own 2 means «some objects were rejected» here.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::from(exit_code::USAGE)
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_internal_error() {
        let failure = caught(|| panic!("a defect")).unwrap_err();
        assert_eq!(failure.exit_code(), exit_code::INTERNAL);
        assert_eq!(caught(|| Ok(2)).unwrap(), 2);
    }
}
