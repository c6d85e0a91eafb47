//! Texts that are written from the table of variables: `.env.example`, the reference in
//! docs/configure.md, `--help`.

use std::fmt::Write as _;

use super::connections::{self, CONNECTION, PROFILE};
use super::variables::{self, DefaultValue, GROUPS, VariableDefinition};

/// Returns the text of `.env.example`: the variables that must be set with an example, everything
/// else commented out with its default.
#[must_use]
pub fn env_example() -> String {
    let mut text = String::from(
        "# Configuration of ad-connector. Copy this file to .env and change what is not commented out.\n\
         # The real environment wins over this file. Put a value with a space or a special character in single quotes.\n\
         # A secret NAME may be kept in a file instead: NAME_FILE=/run/secrets/name\n",
    );
    for group in GROUPS {
        let _ = writeln!(text, "\n# ---- {} ----", group.title);
        for variable in group.variables {
            let _ = writeln!(text, "\n# {}{}", variable.meaning, example_note(variable));
            let (mark, value) = match variable.unset {
                DefaultValue::Required(example) => ("", example),
                DefaultValue::RequiredFor { example, .. } if !example.is_empty() => ("", example),
                _ => ("#", variable.default().unwrap_or_default()),
            };
            let _ = writeln!(text, "{mark}{}={}", variable.name, shell_quoted(value));
        }
    }
    text
}

fn example_note(variable: &VariableDefinition) -> String {
    match (variable.unset, variable.secret) {
        (DefaultValue::Described(default), _) => format!(" (default: {default})"),
        (DefaultValue::RequiredFor { condition, .. }, true) => format!(" (secret, required for {condition})"),
        (DefaultValue::RequiredFor { condition, .. }, false) => format!(" (required for {condition})"),
        (_, true) => " (secret)".to_owned(),
        _ => String::new(),
    }
}

/// Returns the value in single quotes, unless every character is one that no reader of a `.env`
/// file takes for anything but itself.
fn shell_quoted(value: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "._-/:@,".contains(character);
    if value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{value}'")
    }
}

/// Returns the tables of docs/configure.md, in Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::new();
    for group in GROUPS {
        let _ = writeln!(
            text,
            "\n### {}\n\n| Variable | Meaning | Default |\n|---|---|---|",
            group.title
        );
        for variable in group.variables {
            let secret = if variable.secret { " (secret)" } else { "" };
            let default = match variable.unset {
                DefaultValue::Required(_) => "required".to_owned(),
                DefaultValue::RequiredFor { condition, .. } => format!("required for {condition}"),
                DefaultValue::Default(value) => format!("`{value}`"),
                DefaultValue::Described(value) => value.to_owned(),
                DefaultValue::Nothing => String::new(),
            };
            let meaning = variable.meaning.replace('|', "\\|");
            let _ = writeln!(text, "| `{}` | {meaning}{secret} | {default} |", variable.name);
        }
    }
    text.push_str(&keys_of_the_file());
    text
}

/// Returns the section on the keys that the file of connections has beside the variables.
fn keys_of_the_file() -> String {
    let mut text = format!(
        "\n### File of connections\n\nEvery variable above is a key of the file: the same name in lower case. Those of \"{}\" \
         stand at its top level alone, `{}` not at all. In a `[[{CONNECTION}]]` and a `[[{CONNECTION}.{PROFILE}]]`, some have a short \
         name as well:\n\n| Key | Variable | Meaning |\n|---|---|---|\n",
        connections::PROCESS.join("\" and \""),
        variables::CONNECTIONS_FILE.name,
    );
    for (short, variable) in connections::SHORT {
        let _ = writeln!(
            text,
            "| `{short}` | `{}` | {} |",
            variable.name.to_ascii_lowercase(),
            variable.meaning
        );
    }
    let _ = writeln!(
        text,
        "| `[[{CONNECTION}]]` | | A directory, below the keys of the service; `name` is required |\n\
         | `[[{CONNECTION}.{PROFILE}]]` | | A part of the directory above it, as a connection of its own; `name` is required |\n"
    );
    text
}

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
