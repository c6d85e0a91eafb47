//! The part of `--help` that is written from the table of variables. Its tests write `.env.example`
//! and the reference in docs/configure.md from the same table.

use std::fmt::Write as _;

use super::variables::{DefaultValue, GROUPS};

/// Returns the variables for the end of `--help`: name, default and meaning of each, by group.
#[must_use]
pub fn help() -> String {
    let mut text =
        String::from("Environment (also read from .env; a secret NAME may be given as NAME_FILE):\n");
    for group in GROUPS {
        let _ = writeln!(text, "\n  {}", group.title);
        for variable in group.variables {
            let default = match variable.unset {
                DefaultValue::Required(_) => " [required]".to_owned(),
                DefaultValue::RequiredFor { condition, .. } => format!(" [required for {condition}]"),
                DefaultValue::Default(value) | DefaultValue::Described(value) => {
                    format!(" [default: {value}]")
                }
                DefaultValue::Nothing => String::new(),
            };
            let secret = if variable.secret { " (secret)" } else { "" };
            let _ = writeln!(
                text,
                "    {:<22} {}{secret}{default}",
                variable.name, variable.meaning
            );
        }
    }
    text
}

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;
