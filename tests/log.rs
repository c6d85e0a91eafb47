//! The log (docs/log.md): one line an event, known fields, the run on each of its lines, and no more lines for more objects.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use lab::receiver::Answer;
use lab::simulator::People;
use serde_json::{Map, Value};
use support::simulated::Simulated;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The fields that docs/log.md lists.
fn listed() -> BTreeSet<String> {
    let page = std::fs::read_to_string(root().join("docs/log.md")).unwrap();
    let fields = page.split_once("\n## Fields\n").unwrap().1;
    let rows = fields.lines().filter_map(|line| line.strip_prefix("| `"));
    let of_rows = rows.flat_map(|row| {
        let cell = row.split(" |").next().unwrap();
        cell.split(", ").map(|name| name.trim_matches('`').to_owned())
    });
    of_rows
        .chain(["timestamp", "level", "message", "target"].map(str::to_owned))
        .collect()
}

/// The lines of a log, each a JSON object with known fields.
fn lines(log: &str) -> Vec<Map<String, Value>> {
    let listed = listed();
    let lines: Vec<Map<String, Value>> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    for line in &lines {
        for name in line.keys() {
            assert!(listed.contains(name), "`{name}` is not in docs/log.md: {line:?}");
        }
        for name in ["timestamp", "level", "message", "target"] {
            assert!(line[name].is_string(), "{name}: {line:?}");
        }
    }
    lines
}

fn people(users: u32) -> People {
    People {
        seed: 7,
        users,
        groups: users / 10,
        computers: 0,
    }
}

/// What one run says of a directory of this size, of which it sends everything and removes one.
async fn log_of(users: u32) -> Vec<Map<String, Value>> {
    let mut lab = Simulated::of(people(users)).await;
    lab.set("LOG_FORMAT", "json");
    // One batch and one page, whatever the number: what is counted is not the batches.
    lab.set("QUALYS_BATCH_ASSETS", "1000");
    lines(&lab.sync(0).await.stderr)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_of_a_run_carries_it_and_more_objects_make_no_more_lines() {
    let small = log_of(50).await;
    for line in &small {
        assert_eq!(line["connection"], "active-directory", "{line:?}");
        assert_eq!(line["run"], 1, "{line:?}");
    }
    let finished = small
        .iter()
        .find(|line| line["message"] == "The run finished.")
        .unwrap();
    assert_eq!(
        (&finished["read"], &finished["sent"]),
        (&Value::from(55), &Value::from(55))
    );
    assert_eq!(finished["mode"], "baseline");

    let large = log_of(500).await;
    let messages = |lines: &[Map<String, Value>]| -> Vec<Value> {
        lines.iter().map(|line| line["message"].clone()).collect()
    };
    assert_eq!(messages(&small), messages(&large));
    assert!((3..=6).contains(&small.len()), "{:?}", messages(&small));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_of_trouble_and_of_every_level_keep_the_form() {
    let mut lab = Simulated::of(people(50)).await;
    lab.set("LOG_FORMAT", "json");
    lab.set("LOG_LEVEL", "ad_connector=trace");
    let wait = vec![("Retry-After".to_owned(), "1".to_owned())];
    lab.receiver.script([Answer::Status(429, wait, String::new())]);
    let log = lines(&lab.sync(0).await.stderr);
    assert!(log.iter().any(|line| line["level"] == "WARN"), "{log:?}");
    assert!(log.iter().any(|line| line["level"] == "DEBUG"), "{log:?}");
    // In tasks of their own, and below the run: batches and tokens of upstream, connections of the directory.
    for target in [
        "ad_connector::upstream::sender",
        "ad_connector::directory::session",
    ] {
        let of_target: Vec<_> = log.iter().filter(|line| line["target"] == target).collect();
        assert!(!of_target.is_empty(), "{target}");
        assert!(of_target.iter().all(|line| line["run"] == 1), "{of_target:?}");
    }

    lab.set("LOG_LEVEL", "warn");
    lab.set("AD_PASSWORD", "wrong");
    let log = lines(lab.sync(77).await.stderr.lines().next().unwrap());
    assert_eq!((&log[0]["level"], &log[0]["run"]), (&"ERROR".into(), &2.into()));
    assert!(
        log[0]["advice"].is_string() && log[0]["error"].is_string(),
        "{log:?}"
    );
}

/// The macros of `tracing` in a source, as the arguments of each: `(level, arguments)`.
fn events(source: &str) -> Vec<(String, String)> {
    let mut events = Vec::new();
    for (at, _) in source.match_indices("tracing::") {
        let rest = &source[at + "tracing::".len()..];
        let Some((level, rest)) = rest.split_once("!(") else {
            continue;
        };
        if !matches!(level, "trace" | "debug" | "info" | "warn" | "error" | "$level") {
            continue;
        }
        let (mut depth, mut quoted, mut end) = (1, false, 0);
        for (at, letter) in rest.char_indices() {
            match letter {
                '"' => quoted = !quoted,
                '(' | '{' if !quoted => depth += 1,
                ')' | '}' if !quoted => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                end = at;
                break;
            }
        }
        events.push((level.to_owned(), rest[..end].to_owned()));
    }
    events
}

/// The names of the fields among the arguments of an event, and its message.
fn fields(arguments: &str) -> (Vec<String>, String) {
    let (mut parts, mut depth, mut quoted) = (vec![String::new()], 0, false);
    for letter in arguments.chars() {
        match letter {
            '"' => quoted = !quoted,
            '(' | '{' if !quoted => depth += 1,
            ')' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(letter);
    }
    let mut message = String::new();
    let mut names = Vec::new();
    for part in parts
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
    {
        match part.strip_prefix('"') {
            Some(text) => text.trim_end_matches('"').clone_into(&mut message),
            None => {
                let name = part.split('=').next().unwrap().trim();
                names.push(name.trim_start_matches(['%', '?']).to_owned());
            }
        }
    }
    (names, message)
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            // Tests stand at the end of a file.
            let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
            found.push((path.display().to_string(), text));
        }
    }
}

#[test]
fn every_event_of_the_program_has_known_fields_and_a_sentence() {
    let listed = listed();
    let mut found = Vec::new();
    sources(&root().join("src"), &mut found);
    let mut seen = 0;
    for (path, text) in found {
        for (_, arguments) in events(&text) {
            seen += 1;
            let (names, message) = fields(&arguments);
            for name in names {
                assert!(
                    listed.contains(&name),
                    "{path}: `{name}` is not in docs/log.md: {arguments}"
                );
            }
            // A sentence that is the same each time, so that it can be looked for; what varies is in fields.
            assert!(
                message.ends_with('.') && !message.contains('{'),
                "{path}: {arguments}"
            );
        }
    }
    assert!(seen >= 30, "{seen}");
}

#[test]
fn messages_that_the_page_explains_are_messages_of_the_program() {
    let page = std::fs::read_to_string(root().join("docs/log.md")).unwrap();
    let table = page
        .split_once("## What to look for")
        .unwrap()
        .1
        .split("\n## ")
        .next()
        .unwrap();
    let mut found = Vec::new();
    sources(&root().join("src"), &mut found);
    let messages: Vec<String> = found
        .iter()
        .flat_map(|(_, text)| events(text))
        .map(|(_, arguments)| fields(&arguments).1)
        .collect();
    let mut seen = 0;
    for cell in table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
    {
        for message in cell.split('`').skip(1).step_by(2) {
            seen += 1;
            assert!(messages.iter().any(|known| known == message), "{message}");
        }
    }
    assert!(seen >= 8, "{seen}");
}
