//! What the documents say and what the program is agree.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use ad_connector::config::variables::GROUPS;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn help(arguments: &[&str]) -> String {
    let program = env!("CARGO_BIN_EXE_ad-connector");
    let output = Command::new(program)
        .env_clear()
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// README.md and everything in docs/.
fn documents() -> Vec<PathBuf> {
    let mut documents: Vec<PathBuf> = std::fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    documents.push(root().join("README.md"));
    assert!(documents.len() >= 3);
    documents
}

/// The part of a document below a heading, up to the next one.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let after = text
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"))
        .1;
    after.split("\n## ").next().unwrap()
}

/// First cells of a Markdown table.
fn first_cells(table: &str) -> Vec<&str> {
    table
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .map(|line| line.split(" |").next().unwrap())
        .collect()
}

#[test]
fn readme_and_help_give_the_same_exit_codes() {
    let readme = read("README.md");
    let of_readme: BTreeSet<u8> = first_cells(section(&readme, "## Exit codes"))
        .into_iter()
        .flat_map(|cell| cell.split(", "))
        .filter_map(|code| code.parse().ok())
        .collect();
    let text = help(&["--help"]);
    let of_help: BTreeSet<u8> = text
        .split_once("Exit codes:")
        .unwrap()
        .1
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split("  ").next()?.trim().parse().ok())
        .collect();
    assert_eq!(of_readme, of_help);
    // Those that the other tests see happen, and an internal error, which none can bring about.
    for code in [0, 1, 2, 4, 64, 69, 77, 130, 143] {
        assert!(of_help.contains(&code), "{code}");
    }
}

/// Everything below a folder, as one text.
fn all_below(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| match path.is_dir() {
            true => all_below(&path),
            false => std::fs::read_to_string(path).unwrap(),
        })
        .collect()
}

#[test]
fn messages_that_the_readme_explains_are_messages_of_the_program() {
    let readme = read("README.md");
    let source = all_below(&root().join("src"));
    let messages: Vec<&str> = first_cells(section(&readme, "## Troubleshooting"))
        .into_iter()
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        // What the controller and the gateway say, and a number that is put in.
        .filter(|text| {
            !["data ", "INVALID_", "status "]
                .iter()
                .any(|own| text.starts_with(own))
        })
        .collect();
    assert!(messages.len() >= 6, "{messages:?}");
    for message in messages {
        assert!(source.contains(message), "{message}");
    }
}

#[test]
fn readme_and_help_give_the_same_commands() {
    let readme = read("README.md");
    let of_readme: BTreeSet<String> = first_cells(section(&readme, "## Commands"))
        .into_iter()
        .flat_map(|cell| cell.split(", "))
        .filter_map(|cell| cell.strip_prefix('`')?.split(['`', ' ']).next())
        .map(str::to_owned)
        .collect();
    let text = help(&["--help"]);
    let list = text
        .split_once("Commands:\n")
        .unwrap()
        .1
        .split("\n\n")
        .next()
        .unwrap();
    let of_help: BTreeSet<String> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .map(str::to_owned)
        .collect();
    assert_eq!(of_readme, of_help);
}

#[test]
fn options_of_sync_in_readme_exist() {
    let readme = read("README.md");
    let sync = help(&["sync", "--help"]);
    let row = readme.lines().find(|line| line.starts_with("| `sync`")).unwrap();
    let options: Vec<&str> = row
        .split(['`', ' '])
        .filter(|word| word.starts_with("--"))
        .collect();
    assert_eq!(options.len(), 4);
    for option in options {
        assert!(sync.contains(&format!("{option} ")), "{option}");
    }
}

/// Words of the form `AD_HOST`, with the prefixes of the variables, that a document mentions.
fn variables(text: &str) -> BTreeSet<&str> {
    let prefixes = [
        "AD_",
        "QUALYS_",
        "SYNC_",
        "BASELINE_",
        "CONNECTION_",
        "MAPPING_",
        "REMOVED_",
        "REMOVAL_",
        "STATE_",
        "HTTP_",
        "LOG_",
    ];
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
        .filter(|word| {
            prefixes
                .iter()
                .any(|prefix| word.starts_with(prefix) && word.len() > prefix.len())
        })
        .filter(|word| {
            word.bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        })
        .collect()
}

#[test]
fn every_variable_that_a_document_mentions_exists() {
    let known: BTreeSet<&str> = GROUPS
        .iter()
        .flat_map(|group| group.variables)
        .map(|variable| variable.name)
        .collect();
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        let mentioned = variables(&text);
        for name in mentioned {
            let without_file = name.strip_suffix("_FILE").unwrap_or(name);
            assert!(
                known.contains(name) || known.contains(without_file),
                "{}: {name} is no variable",
                document.display()
            );
        }
    }
    assert!(variables(&read("README.md")).len() > 10);
}

#[test]
fn every_variable_stands_in_the_reference() {
    let reference = read("docs/configure.md");
    for variable in GROUPS.iter().flat_map(|group| group.variables) {
        assert!(
            reference.contains(&format!("| `{}` |", variable.name)),
            "{}",
            variable.name
        );
    }
}

/// The anchor that a heading has on the usual hosts: lower case, punctuation dropped, spaces as hyphens.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            seen += 1;
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(file)
            };
            assert!(target.exists(), "{}: {link} leads nowhere", document.display());
            if !fragment.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                let found = text
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == fragment);
                assert!(found, "{}: no heading for {link}", document.display());
            }
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn no_document_speaks_of_the_machine_it_was_written_on() {
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for word in ["/work/", "/root/", "/home/"] {
            assert!(!text.contains(word), "{}: {word}", document.display());
        }
    }
}
