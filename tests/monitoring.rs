//! The alert rules and the dashboard: they are what Prometheus takes, they fire when they should, and ask for no number that the
//! service does not give.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use ad_connector::schedule::{ConnectionTimetable, CronSchedule};
use chrono::{DateTime, TimeDelta, Utc};

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

/// Weeks of one connection: its schedule, how long a run takes, and from when on none comes
/// through.
struct Weeks {
    connection: &'static str,
    sync: &'static str,
    baseline: &'static str,
    zone: chrono_tz::Tz,
    minutes: i64,
    broken_from: Option<&'static str>,
    /// Ranges of hours since the beginning in which the alert fires.
    fires: &'static [(&'static str, std::ops::Range<i64>)],
}

/// Monday; the clocks of Europe are set back on the Sunday after, those of America a week later.
const BEGINNING: &str = "2026-10-19T00:00:00Z";
const HOURS: i64 = 4 * 7 * 24;
/// Hours between two looks at the alerts; the hours around a change are looked at besides.
const LOOK: i64 = 6;
/// Minutes between two samples.
const STEP: i64 = 5;

const WEEKS: [Weeks; 6] = [
    Weeks {
        connection: "working-hours",
        sync: "0 8-18 * * MON-FRI",
        baseline: "0 20 * * FRI",
        zone: chrono_tz::Europe::Berlin,
        minutes: 8,
        broken_from: None,
        fires: &[],
    },
    Weeks {
        connection: "working-hours-broken",
        sync: "0 8-18 * * MON-FRI",
        baseline: "off",
        zone: chrono_tz::Europe::Berlin,
        minutes: 8,
        // Friday at 17:30: the last tick of the week, and on Monday at 8:00 (7:00 UTC) the next.
        broken_from: Some("2026-10-23T15:30:00Z"),
        fires: &[("AdConnectorNoSuccess", (7 * 24 + 8)..HOURS)],
    },
    Weeks {
        connection: "usual",
        sync: "*/15 * * * *",
        baseline: "0 2 * * SUN",
        zone: chrono_tz::UTC,
        minutes: 12,
        broken_from: None,
        fires: &[],
    },
    Weeks {
        connection: "usual-broken",
        sync: "*/15 * * * *",
        baseline: "0 2 * * SUN",
        zone: chrono_tz::UTC,
        minutes: 1,
        broken_from: Some("2026-10-20T00:01:00Z"),
        // The baseline at once with the first tick; the second Sunday, and a day, is 13 days later.
        fires: &[
            ("AdConnectorNoSuccess", 25..HOURS),
            ("AdConnectorBaselineOld", (14 * 24 + 2)..HOURS),
        ],
    },
    Weeks {
        connection: "two-days-a-week",
        sync: "30 6,18 * * MON,TUE",
        baseline: "0 2 * * MON,TUE",
        zone: chrono_tz::America::New_York,
        minutes: 20,
        broken_from: None,
        fires: &[],
    },
    Weeks {
        connection: "once-a-month",
        sync: "0 4 1 * *",
        baseline: "0 3 1 * *",
        zone: chrono_tz::Asia::Tokyo,
        minutes: 60,
        broken_from: Some("2026-10-20T00:00:00Z"),
        fires: &[],
    },
];

impl Weeks {
    /// The two times that count ticks, and how many there are, at every sample. The connection came
    /// through once before.
    fn samples(&self, beginning: DateTime<Utc>) -> Vec<(i64, u64, Option<u64>)> {
        let sync = CronSchedule::parse(self.sync, self.zone).unwrap();
        let baseline =
            (self.baseline != "off").then(|| CronSchedule::parse(self.baseline, self.zone).unwrap());
        let timetable = ConnectionTimetable::new(sync.clone(), baseline.clone());
        let broken_from = self.broken_from.map(|at| at.parse::<DateTime<Utc>>().unwrap());
        let works = |at: DateTime<Utc>| broken_from.is_none_or(|from| at < from);
        let start = beginning - TimeDelta::days(40);
        // The last tick whose run was over at `now`.
        let last = |cron: &CronSchedule, known: DateTime<Utc>, now: DateTime<Utc>| {
            let mut last = known;
            while let Some(tick) = cron.next_after(last - TimeDelta::minutes(self.minutes)) {
                let ended = tick + TimeDelta::minutes(self.minutes);
                if ended > now || !works(tick) {
                    break;
                }
                last = ended;
            }
            last
        };
        let (mut finished, mut complete) = (start, start);
        (0..HOURS * 60 / STEP)
            .map(|sample| {
                let now = beginning + TimeDelta::minutes(sample * STEP);
                finished = last(&sync, finished, now);
                if let Some(baseline) = &baseline {
                    complete = last(baseline, complete, now);
                }
                let baseline_ticks = timetable.baseline_ticks(complete, now);
                (
                    finished.timestamp(),
                    timetable.ticks(finished, now),
                    baseline_ticks,
                )
            })
            .collect()
    }

    /// A test of promtool: what each alert does in each hour.
    fn test(&self) -> String {
        let samples = self.samples(BEGINNING.parse().unwrap());
        let label = format!("{{connection=\"{}\"}}", self.connection);
        let mut series = String::new();
        let mut add = |name: &str, values: Vec<String>| {
            series += &format!(
                "      - series: 'ad_connector_{name}{label}'\n        values: \"{}\"\n",
                values.join(" ")
            );
        };
        add(
            "last_finished_timestamp_seconds",
            samples.iter().map(|sample| sample.0.to_string()).collect(),
        );
        add(
            "ticks_since_finished",
            samples.iter().map(|sample| sample.1.to_string()).collect(),
        );
        if samples[0].2.is_some() {
            let values = samples
                .iter()
                .map(|sample| sample.2.unwrap().to_string())
                .collect();
            add("baseline_ticks_since_complete", values);
        }
        let mut expected = String::new();
        let is_change = |hour| {
            let changes = self.fires.iter().flat_map(|(_, hours)| [hours.start, hours.end]);
            changes
                .into_iter()
                .any(|change| (change - 1..=change).contains(&hour))
        };
        for hour in (0..HOURS).filter(|hour| hour % LOOK == 0 || is_change(*hour)) {
            let sample = &samples[usize::try_from(hour * 60 / STEP).unwrap()];
            for (alert, severity, text) in [
                (
                    "AdConnectorNoSuccess",
                    "critical",
                    format!("no run came through since {} ticks of SYNC_CRON", sample.1),
                ),
                ("AdConnectorNeverSucceeded", "critical", String::new()),
                (
                    "AdConnectorBaselineOld",
                    "warning",
                    format!(
                        "no complete baseline since {} ticks of BASELINE_CRON",
                        sample.2.unwrap_or_default()
                    ),
                ),
            ] {
                expected += &format!("      - eval_time: {hour}h\n        alertname: {alert}\n");
                if self
                    .fires
                    .iter()
                    .any(|(name, hours)| *name == alert && hours.contains(&hour))
                {
                    expected += &format!(
                        "        exp_alerts:\n          - exp_labels: {{ severity: {severity}, connection: {0} }}\n            \
                         exp_annotations:\n              summary: \"{0}: {text}\"\n              remedy: \
                         \"docs/operations.md#{1}\"\n",
                        self.connection,
                        alert.to_lowercase()
                    );
                }
            }
        }
        format!(
            "  - name: {}\n    interval: {STEP}m\n    input_series:\n{series}    alert_rule_test:\n{expected}",
            self.connection
        )
    }
}

#[test]
fn alerts_are_true_over_weeks_of_schedules() {
    let folder = tempfile::tempdir().unwrap();
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/prometheus/rules.yaml");
    let mut text = format!(
        "rule_files: [\"{}\"]\nevaluation_interval: {STEP}m\ntests:\n",
        rules.display()
    );
    text.extend(WEEKS.iter().map(Weeks::test));
    std::fs::write(folder.path().join("weeks.yaml"), text).unwrap();
    let output = Command::new("promtool")
        .args(["test", "rules", "weeks.yaml"])
        .current_dir(folder.path())
        .output();
    let Ok(output) = output else {
        lab::skip!("promtool is missing: apt-get install prometheus");
    };
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(
        output.status.success(),
        "{}",
        said.chars().take(4_000).collect::<String>()
    );
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
