//! What the documents say and what the program is agree.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

#[path = "documents/package.rs"]
mod package;

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

/// Markdown files of the root, of docs/ and of docs/decisions/.
fn documents() -> Vec<PathBuf> {
    let documents: Vec<PathBuf> = ["", "docs", "docs/decisions"]
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(root().join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    assert!(documents.len() >= 30);
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
fn operations_and_help_give_the_same_exit_codes() {
    let operations = read("docs/operations.md");
    let of_operations: BTreeSet<u8> = first_cells(section(&operations, "## Exit codes"))
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
    assert_eq!(of_operations, of_help);
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
fn messages_that_are_explained_are_messages_of_the_program() {
    let operations = read("docs/operations.md");
    let source = all_below(&root().join("src"));
    let messages: Vec<&str> = first_cells(section(&operations, "## Messages"))
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
        "NOTIFY_",
        "REVIEW_",
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
    assert!(variables(&read("docs/operations.md")).len() > 10);
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

/// The lines of a document that stand in blocks of code, with the number of each. A line that ends with `\` goes on.
fn code(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let (mut inside, mut goes_on) = (false, false);
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside && goes_on {
            let (_, last) = lines.last_mut().unwrap();
            last.pop();
            last.push_str(line.trim_start());
        } else if inside {
            lines.push((at + 1, line.trim().to_owned()));
        }
        goes_on = inside && line.ends_with('\\');
    }
    lines
}

/// The arguments of `ad-connector` that a command line ends with: called by itself, by `ad-connectorctl`, or in a container.
fn called(line: &str) -> Option<Vec<&str>> {
    let line = line.split([';', '|', '#', '>', '<']).next().unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut last = None;
    for (at, word) in words.iter().enumerate() {
        let before = &words[..at];
        let begins = before
            .iter()
            .all(|word| matches!(*word, "sudo" | "exec" | "flock"));
        let in_a_container =
            before.contains(&"compose") && (before.contains(&"run") || before.contains(&"exec"));
        let program = matches!(
            *word,
            "ad-connector" | "ad-connectorctl" | "target/release/ad-connector"
        );
        if program && (begins || in_a_container) {
            last = Some(at);
        }
    }
    last.map(|at| words[at + 1..].to_vec())
}

#[test]
fn every_command_line_in_a_document_is_understood() {
    let mut seen = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        let inline = text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|code| code.starts_with("ad-connector ") || code.starts_with("ad-connectorctl "))
            .map(|code| (0, code.to_owned()));
        for (at, line) in code(&text).into_iter().chain(inline) {
            let Some(arguments) = called(&line) else {
                continue;
            };
            seen += 1;
            if let Err(error) = ad_connector::cli::understood(&arguments) {
                panic!("{}:{at}: {line}\n{error}", document.display());
            }
        }
    }
    assert!(seen >= 25, "{seen}");
    assert_eq!(
        called("docker compose run --rm ad-connector check"),
        Some(vec!["check"])
    );
    assert_eq!(
        called("docker compose exec ad-connector ad-connector status"),
        Some(vec!["status"])
    );
    assert_eq!(
        called("sudo ad-connectorctl sync --output - > x"),
        Some(vec!["sync", "--output", "-"])
    );
    assert_eq!(called("systemctl restart ad-connector"), None);
    assert!(ad_connector::cli::understood(&["synk"]).is_err());
}

#[test]
fn files_that_a_document_names_exist() {
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for (at, line) in code(&text) {
            for word in line
                .split_whitespace()
                .map(|word| word.trim_end_matches([',', ';', ':']))
            {
                let ours = ["tests/", "package/", "docker/", "./docker/"]
                    .iter()
                    .any(|folder| word.starts_with(folder));
                assert!(
                    !ours || root().join(word).exists(),
                    "{}:{at}: {word} is not there",
                    document.display()
                );
            }
        }
        for path in text.split('`').skip(1).step_by(2) {
            let source = path.starts_with("src/") && !path.contains(['*', ' ', '\n']);
            assert!(
                !source || root().join(path).exists(),
                "{}: {path} is not there",
                document.display()
            );
        }
    }
}

#[test]
fn every_alert_has_its_place_in_operations() {
    let (rules, operations) = (read("docker/prometheus/rules.yaml"), read("docs/operations.md"));
    let links: Vec<&str> = rules
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("remedy: \"docs/operations.md#")?
                .strip_suffix('"')
        })
        .collect();
    let alerts = rules.matches("- alert: ").count();
    assert!(alerts >= 5 && links.len() == alerts, "{alerts} alerts, {links:?}");
    for link in links {
        let found = operations
            .lines()
            .any(|line| line.starts_with('#') && anchor(line) == link);
        assert!(found, "no heading for {link}");
    }
    for alert in rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        assert!(operations.contains(alert), "{alert}");
    }
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
