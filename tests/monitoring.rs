//! The alert rules and the dashboard: they are what Prometheus takes, they fire when they should, and ask for no number that the
//! service does not give.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn promtool_takes_the_rules_and_their_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/prometheus");
    for arguments in [
        ["check", "config", "prometheus.yaml"],
        ["check", "rules", "rules.yaml"],
        ["test", "rules", "rules_test.yaml"],
    ] {
        let output = Command::new("promtool")
            .args(arguments)
            .current_dir(&folder)
            .output();
        let Ok(output) = output else {
            lab::skip!("promtool is missing: apt-get install prometheus");
        };
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success(),
            "promtool {}\n{}",
            arguments.join(" "),
            String::from_utf8_lossy(&said)
        );
    }
}

/// Every metric that docs/metrics.md lists, with the labels and label values that its row names.
fn listed() -> BTreeMap<String, BTreeSet<String>> {
    let page = read("docs/metrics.md");
    page.lines()
        .filter_map(|line| {
            let row = line.strip_prefix("| `ad_connector_")?;
            let (name, rest) = row.split_once('`').unwrap();
            let words = rest.split('`').skip(1).step_by(2).map(str::to_owned);
            Some((format!("ad_connector_{name}"), words.collect()))
        })
        .collect()
}

/// The metrics in a text, each with what stands in braces behind it.
fn used(text: &str) -> Vec<(String, String)> {
    let part_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices("ad_connector_")
        .map(|(at, _)| {
            let rest = &text[at..];
            let end = rest.find(|letter| !part_of_name(letter)).unwrap_or(rest.len());
            let selector = rest[end..]
                .strip_prefix('{')
                .and_then(|rest| rest.split('}').next())
                .unwrap_or_default();
            (rest[..end].to_owned(), selector.to_owned())
        })
        .collect()
}

/// The labels and values of a selector: `state="rejected"` gives `state` and `rejected`.
fn words(selector: &str) -> Vec<String> {
    selector
        .replace("\\\"", "\"")
        .split(',')
        .filter_map(|pair| pair.split_once(['=', '!']))
        .flat_map(|(label, value)| {
            let value = value.trim_matches(['=', '~', '"', '\\']).to_owned();
            let values: Vec<String> = value.split('|').map(str::to_owned).collect();
            std::iter::once(label.trim().to_owned()).chain(values)
        })
        .filter(|word| !matches!(word.as_str(), "connection" | "$connection"))
        .collect()
}

#[test]
fn rules_and_dashboard_ask_for_nothing_that_is_not_there() {
    let listed = listed();
    assert!(listed.len() >= 15, "{listed:?}");
    for file in [
        "docker/prometheus/rules.yaml",
        "docker/grafana/dashboards/ad-connector.json",
    ] {
        let text = read(file);
        let used = used(&text);
        assert!(used.len() >= 8, "{file}: {used:?}");
        for (name, selector) in used {
            let Some(known) = listed.get(&name) else {
                panic!("{file}: {name} is not in docs/metrics.md");
            };
            for word in words(&selector) {
                assert!(known.contains(&word), "{file}: {name} has no `{word}`");
            }
        }
    }
    let selector = r#"connection=~\"$connection\", state=~\"rejected|held\""#;
    assert_eq!(words(selector), ["state", "rejected", "held"]);
}

#[test]
fn the_dashboard_has_panels_that_each_ask_for_something() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("docker/grafana/dashboards/ad-connector.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 10);
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
    }
}
