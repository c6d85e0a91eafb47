//! The metrics say what the history says.

use std::collections::BTreeMap;

use lab::receiver::Answer;
use serde_json::json;

use super::support::http::Served;
use super::support::simulated::Simulated;
use super::{CONNECTION, history, quiet, served};

/// Name with labels, as it is written, to value.
type Samples = BTreeMap<String, f64>;

/// Reads the exposition, and checks its form: every sample belongs to a family with a type and a help text, counters end in
/// `_total`, nothing comes twice, and it has an end.
async fn scraped(served: &Served) -> Samples {
    let answer = served.get("/metrics").await.with(200);
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let (body, rest) = answer.body.split_once("# EOF\n").unwrap();
    assert_eq!(rest, "");
    let mut types = BTreeMap::new();
    let mut samples = Samples::new();
    for line in body.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            assert!(
                types.insert(name.to_owned(), kind.to_owned()).is_none(),
                "{name} twice"
            );
            continue;
        }
        if line.starts_with('#') {
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let family = name.strip_suffix("_total").unwrap_or(name);
        let kind = types.get(family).unwrap_or_else(|| panic!("{name} has no type"));
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        assert!(name.starts_with("ad_connector_"), "{name}");
        listed(name, series);
        let value = value.parse().unwrap();
        assert!(
            samples.insert(series.to_owned(), value).is_none(),
            "{series} twice"
        );
    }
    samples
}

/// docs/metrics.md has a row for the metric, which names its labels, and knows their values. Alerts and dashboard are compared
/// with that page.
fn listed(name: &str, series: &str) {
    const PAGE: &str = include_str!("../../docs/metrics.md");
    let row = PAGE
        .lines()
        .find(|line| line.starts_with(&format!("| `{name}` |")))
        .unwrap_or_else(|| panic!("{name} is not in docs/metrics.md"));
    let labels = series
        .split_once('{')
        .map_or("", |(_, rest)| rest.trim_end_matches('}'));
    for (label, value) in labels.split(',').filter_map(|pair| pair.split_once('=')) {
        let known = match label {
            "connection" => true,
            "version" | "host" => row.contains(&format!("`{label}`")),
            _ => {
                row.contains(&format!("`{label}`"))
                    && PAGE.contains(&format!("`{}`", value.trim_matches('"')))
            }
        };
        assert!(known, "docs/metrics.md does not know {label}={value} of {name}");
    }
}

fn of(samples: &Samples, name: &str, labels: &str) -> f64 {
    let comma = if labels.is_empty() { "" } else { "," };
    let series = format!("ad_connector_{name}{{connection=\"active-directory\"{comma}{labels}}}");
    *samples
        .get(&series)
        .unwrap_or_else(|| panic!("no {series} in {samples:#?}"))
}

fn seconds(time: &serde_json::Value) -> f64 {
    let time: chrono::DateTime<chrono::Utc> = time.as_str().unwrap().parse().unwrap();
    time.timestamp() as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_metrics_say_what_the_history_says() {
    let (lab, served) = served().await;
    let mut events = served.events(&format!("{CONNECTION}/events")).await;
    events.named("connection").await;
    let before = scraped(&served).await;
    assert_eq!(of(&before, "state", "state=\"Scheduled\""), 1.0);
    assert_eq!(of(&before, "assets", "kind=\"user\",state=\"accepted\""), 220.0);
    assert!(
        !before.keys().any(|series| series.contains("runs_total")),
        "no run of this service"
    );

    // Runs of the service: a baseline with a rejected batch and repeated requests, then a delta that cleans up.
    lab.receiver.reset();
    lab.directory()
        .set_text(lab.users()[0], "mail", "new@corp.example");
    lab.directory().set(lab.users()[1], "objectSid", &[b"broken"]);
    lab.receiver.script([
        Answer::Status(
            429,
            vec![("X-RateLimit-ToWait-Sec".to_owned(), "1".to_owned())],
            String::new(),
        ),
        Answer::status(400),
    ]);
    let sync = format!("{CONNECTION}/sync");
    for mode in ["baseline", "delta"] {
        served.post(&sync, &json!({"mode": mode})).await.with(202);
        events.named("run").await;
    }
    let after = scraped(&served).await;
    let runs = history(&lab.connector).await;
    let own: Vec<_> = runs
        .iter()
        .filter(|run| run["askedBy"] == "API from 127.0.0.1")
        .collect();
    assert_eq!(own.len(), 2);
    for (metric, key) in [
        ("read", "read"),
        ("changed", "changed"),
        ("sent", "sent"),
        ("accepted", "accepted"),
        ("rejected", "rejected"),
        ("unmapped", "unmapped"),
        ("unchanged", "unchanged"),
    ] {
        let told: u64 = own
            .iter()
            .map(|run| run["counts"]["users"][key].as_u64().unwrap())
            .sum();
        let labels = format!("kind=\"user\",outcome=\"{metric}\"");
        assert_eq!(of(&after, "objects_total", &labels), told as f64, "{metric}");
        let last = runs[0]["counts"]["users"][key].as_f64().unwrap();
        assert_eq!(of(&after, "last_run_objects", &labels), last, "{metric}");
    }
    let sum = |key: &str| own.iter().map(|run| run[key].as_f64().unwrap()).sum::<f64>();
    assert_eq!(of(&after, "ldap_pages_total", ""), sum("pages"));
    assert_eq!(of(&after, "ldap_referrals_total", ""), sum("referrals"));
    assert_eq!(of(&after, "gateway_retries_total", ""), sum("retries"));
    assert!(of(&after, "ldap_round_trips_total", "") > sum("pages"));
    let answers: f64 = ["2xx", "3xx", "4xx", "5xx", "401", "409", "413", "429", "none"]
        .iter()
        .map(|class| of(&after, "gateway_answers_total", &format!("class=\"{class}\"")))
        .sum();
    assert_eq!(answers, sum("requests"));
    assert_eq!(of(&after, "gateway_answers_total", "class=\"429\""), 1.0);
    assert_eq!(of(&after, "gateway_answers_total", "class=\"4xx\""), 1.0);
    for run in &own {
        let (mode, outcome) = (run["mode"].as_str().unwrap(), run["outcome"].as_str().unwrap());
        let labels = format!("mode=\"{mode}\",outcome=\"{outcome}\"");
        assert_eq!(of(&after, "runs_total", &labels), 1.0);
    }
    for phase in ["connecting", "reading", "examining", "delivering"] {
        let told: f64 = own.iter().map(|run| run["phases"][phase].as_f64().unwrap()).sum();
        let counted = of(&after, "run_seconds_total", &format!("phase=\"{phase}\""));
        assert!((counted - told).abs() < 0.01, "{phase}: {counted} and {told}");
        let last = of(&after, "last_run_seconds", &format!("phase=\"{phase}\""));
        assert!((last - runs[0]["phases"][phase].as_f64().unwrap()).abs() < 0.001);
    }

    let connection = served.json(CONNECTION).await;
    for (metric, key) in [
        ("last_run_timestamp_seconds", "lastSynced"),
        ("next_run_timestamp_seconds", "nextSync"),
        ("state_since_timestamp_seconds", "stateSince"),
        ("last_success_timestamp_seconds", "lastSuccessfulSync"),
        ("last_baseline_timestamp_seconds", "lastCompleteBaseline"),
    ] {
        assert_eq!(of(&after, metric, ""), seconds(&connection[key]), "{key}");
    }
    let state = connection["state"].as_str().unwrap();
    assert_eq!(of(&after, "state", &format!("state=\"{state}\"")), 1.0);
    assert_eq!(of(&after, "assets", "kind=\"user\",state=\"rejected\""), 1.0);
    assert_eq!(of(&after, "staged", ""), 0.0);
    assert_eq!(of(&after, "oldest_staged_age_seconds", ""), 0.0);
    assert_eq!(of(&after, "removals_held", ""), 0.0);
    let year = of(&after, "interval_seconds", "");
    assert!(
        (year - 365.0 * 86_400.0).abs() <= 86_400.0,
        "from one New Year's Eve to the next"
    );
    let baselines = "ad_connector_baseline_interval_seconds";
    assert!(
        !after.keys().any(|series| series.starts_with(baselines)),
        "BASELINE_CRON=off"
    );
    let days = of(&after, "certificate_expiry_days", "host=\"127.0.0.1\"");
    assert!(days > 0.0, "{days}");
    assert!(after.contains_key(&format!(
        "ad_connector_build_info{{version=\"{}\"}}",
        env!("CARGO_PKG_VERSION")
    )));
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r33_the_age_of_the_last_complete_baseline_is_a_metric() {
    let mut lab = Simulated::new().await;
    quiet(&mut lab);
    lab.set("BASELINE_CRON", "0 2 * * SUN");
    let served = Served::start(&lab.connector).await;
    let before = scraped(&served).await;
    let last = "ad_connector_last_baseline_timestamp_seconds";
    assert!(!before.keys().any(|series| series.starts_with(last)), "none yet");
    assert_eq!(of(&before, "baseline_interval_seconds", ""), 7.0 * 86_400.0);
    let begun = chrono::Utc::now().timestamp() as f64;
    lab.sync(0).await;
    assert!(of(&scraped(&served).await, "last_baseline_timestamp_seconds", "") >= begun);
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_with_a_rejected_asset_came_through_and_one_that_failed_did_not() {
    let mut lab = Simulated::new().await;
    quiet(&mut lab);
    let served = Served::start(&lab.connector).await;
    let absent = |samples: &Samples, name: &str| !samples.keys().any(|series| series.contains(name));
    assert!(
        absent(&scraped(&served).await, "last_finished_timestamp"),
        "no run yet"
    );
    let refused = lab.external_id(lab.users()[0]);
    lab.receiver.script([Answer::reject(
        lab::receiver::ErrorForm::List,
        &refused,
        "not today",
    )]);
    lab.sync(2).await;
    let partial = scraped(&served).await;
    assert!(
        absent(&partial, "last_success_timestamp"),
        "upstream does not hold everything"
    );
    let finished = seconds(&lab.status().await["lastSynced"]);
    assert_eq!(of(&partial, "last_finished_timestamp_seconds", ""), finished);
    assert_eq!(of(&partial, "ticks_since_finished", ""), 0.0);
    assert_eq!(of(&partial, "staged", ""), 1.0);
    assert_eq!(
        of(&partial, "oldest_staged_age_seconds", ""),
        0.0,
        "the gateway decided upon it"
    );
    lab.set("AD_PORT", "1");
    lab.connector.run(&["sync"]).await.ended_with(69);
    let failed = scraped(&served).await;
    assert_eq!(of(&failed, "last_finished_timestamp_seconds", ""), finished);
    served.service.stopped_with(0).await;
}
