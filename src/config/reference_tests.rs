//! Set `UPDATE_REFERENCE=1` to write the files anew:
//! `UPDATE_REFERENCE=1 cargo test --lib config::reference`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::*;
use crate::config::connections::keys::{self, CONNECTION, PROFILE};
use crate::config::variables::{self, PREFIXES, VariableDefinition};
use crate::config::{Environment, parse};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn equal_or_written_anew(path: &str, expected: &str) {
    let place = root(path);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&place, expected).unwrap();
    }
    let found = std::fs::read_to_string(&place).unwrap_or_default();
    assert!(
        found == expected,
        "{path} differs from src/config/variables.rs; write it anew with\n    \
         UPDATE_REFERENCE=1 cargo test --lib config::reference\nexpected:\n{expected}"
    );
}

/// Returns the text of `.env.example`: the variables that must be set with an example, everything
/// else commented out with its default.
fn env_example() -> String {
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
fn markdown() -> String {
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
        keys::PROCESS.join("\" and \""),
        variables::CONNECTIONS_FILE.name,
    );
    for (short, variable) in keys::SHORT {
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

#[test]
fn the_example_file_is_made_of_the_table() {
    equal_or_written_anew(".env.example", &env_example());
}

#[test]
fn the_page_on_configuration_holds_the_table() {
    const BEGIN: &str = "<!-- reference: begin, written from src/config/variables.rs -->\n";
    const END: &str = "<!-- reference: end -->\n";
    let page = std::fs::read_to_string(root("docs/configure.md")).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    equal_or_written_anew(
        "docs/configure.md",
        &format!("{before}{BEGIN}{}{END}{after}", markdown()),
    );
}

fn environment(text: &str) -> Environment {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(".env"), text).unwrap();
    Environment::over([], directory.path()).unwrap()
}

#[test]
fn the_example_file_is_a_valid_configuration_but_for_its_placeholders_and_says_the_defaults() {
    let refused = parse(&environment(&env_example())).unwrap_err();
    let refused: Vec<_> = refused
        .problems()
        .iter()
        .map(|problem| problem.name.as_str())
        .collect();
    let own = [
        "AD_PASSWORD",
        "QUALYS_CLIENT_ID",
        "QUALYS_CLIENT_SECRET",
        "QUALYS_CONNECTOR_UUID",
    ];
    assert_eq!(refused, own);
    let uuid = "a1b2c3d4-0000-4000-8000-00000000abcd";
    let example = env_example()
        .replace("00000000-0000-0000-0000-000000000000", uuid)
        .replace("change-me", "own");
    let as_it_is = parse(&environment(&example)).unwrap();
    let uncommented: String = example
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(assignment) if !assignment.starts_with(' ') => format!("{assignment}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let with_defaults = crate::config::Config {
        // Here the defaults are given, and there they are not.
        inherited: as_it_is.inherited.clone(),
        ..parse(&environment(&uncommented)).unwrap()
    };
    assert_eq!(format!("{with_defaults:?}"), format!("{as_it_is:?}"));
    assert_eq!(
        uncommented
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .count(),
        variables::all().count()
    );
}

#[test]
fn each_list_names_every_variable_once() {
    let names: BTreeSet<&str> = variables::all().map(|variable| variable.name).collect();
    assert_eq!(names.len(), variables::all().count());
    assert_eq!(names.len(), 81);
    for name in names {
        assert_eq!(markdown().matches(&format!("| `{name}` |")).count(), 1, "{name}");
        assert_eq!(
            help()
                .lines()
                .filter(|line| line.trim_start().starts_with(&format!("{name} ")))
                .count(),
            1,
            "{name}"
        );
    }
}

#[test]
fn every_variable_is_described_in_one_line_and_has_a_known_prefix() {
    for variable in variables::all() {
        assert!(
            !variable.meaning.is_empty() && !variable.meaning.contains('\n'),
            "{}",
            variable.name
        );
        assert!(!variable.meaning.ends_with('.'), "{}", variable.name);
        let ours = PREFIXES.iter().any(|prefix| variable.name.starts_with(prefix));
        assert!(
            ours || ["HTTPS_PROXY", "NO_PROXY"].contains(&variable.name),
            "{}",
            variable.name
        );
    }
}

#[test]
fn the_secrets_are_those_of_the_contract() {
    let secrets: Vec<&str> = variables::all()
        .filter(|variable| variable.secret)
        .map(|variable| variable.name)
        .collect();
    assert_eq!(
        secrets,
        [
            "AD_PASSWORD",
            "QUALYS_CLIENT_ID",
            "QUALYS_CLIENT_SECRET",
            "QUALYS_USERNAME",
            "QUALYS_PASSWORD",
            "QUALYS_API_PASSWORD",
            "STATE_PASSWORD",
            "SECRETS_KEY",
            "SECRETS_KEY_OLD",
            "HTTP_TOKEN",
            "HTTP_READ_TOKEN",
            "NOTIFY_URL",
        ]
    );
}
