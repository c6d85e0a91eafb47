//! `manual`: what a package installs beside the program, made from the same declarations as
//! `--help`.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::{Generator as _, Shell};

use super::arguments::CommandLine;
use super::failure::CommandFailure;

use crate::exit_code::UNAVAILABLE;

/// The shells whose completions the package installs.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Fish, Shell::Zsh];

/// Writes `man/` (one page a command) and `completions/` into `folder`.
pub(super) fn run(folder: &Path) -> Result<u8, CommandFailure> {
    let written = || {
        let (pages, completions) = (folder.join("man"), folder.join("completions"));
        fs::create_dir_all(&pages)?;
        fs::create_dir_all(&completions)?;
        let command = CommandLine::command();
        clap_mangen::generate_to(command.clone(), &pages)?;
        for shell in SHELLS {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command.clone(), command.get_name(), &mut script);
            // clap_complete 4.6.11 sets one name and asks for another where the program's own has a
            // hyphen.
            let script = String::from_utf8_lossy(&script).replace("ad__subcmd__connector", "ad__connector");
            fs::write(completions.join(shell.file_name(command.get_name())), script)?;
        }
        Ok(())
    };
    written().map(|()| 0).map_err(|error: std::io::Error| {
        CommandFailure::new(
            UNAVAILABLE,
            format_args!("cannot write to {}: {error}", folder.display()),
            "name a folder that can be written to",
        )
    })
}
