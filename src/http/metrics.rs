//! `/metrics`: OpenMetrics text for Prometheus.
//!
//! Gauges are what the state file says at the moment of the scrape. Counters count what this
//! service did since its start; runs of commands beside it are not in them.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::extract::ServiceState;
use super::problem::HttpProblem;
use super::service::HttpService;
use super::standing::ConnectionStanding;
use crate::clock;
use crate::schedule::{ConnectionHandle, NextRuns, ServiceTotals};
use crate::store::{Outcome, ReviewSummary, State as Stage};
use crate::view::KindCountsView;

/// Seconds of a day.
const DAY: f64 = 86_400.0;

type MetricLabels = Vec<(&'static str, String)>;
type GaugeFamily = Family<MetricLabels, Gauge<f64, AtomicU64>>;
type CounterFamily = Family<MetricLabels, Counter<f64, AtomicU64>>;

/// Returns every metric, as it is at this moment.
pub(super) async fn show(State(service): ServiceState) -> Result<impl IntoResponse, HttpProblem> {
    let now = clock::now();
    let families = MetricFamilies::new();
    for handle in &service.registry.set().running() {
        families.add(&service, handle, now).await?;
    }
    if let Some(last) = service.read(crate::store::Store::last_review).await? {
        families.add_review(&last, now);
    }
    let mut text = String::new();
    encode(&mut text, &families.registry).map_err(HttpProblem::internal)?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text))
}

/// Declares the families: field, name without prefix and unit, unit, help.
macro_rules! families {
    ($($kind:ident { $($field:ident: $name:literal, $unit:expr, $help:literal;)* })*) => {
        struct MetricFamilies {
            registry: Registry,
            $($($field: $kind,)*)*
        }

        impl MetricFamilies {
            fn new() -> Self {
                let mut registry = Registry::with_prefix("ad_connector");
                $($(
                    let $field = $kind::default();
                    match $unit {
                        Some(unit) => registry.register_with_unit($name, $help, unit, $field.clone()),
                        None => registry.register($name, $help, $field.clone()),
                    }
                )*)*
                let this = Self { registry, $($($field,)*)* };
                let version = env!("CARGO_PKG_VERSION").to_owned();
                this.build_info.get_or_create(&vec![("version", version)]).set(1.0);
                this
            }
        }
    };
}

fn days() -> Option<Unit> {
    Some(Unit::Other("days".to_owned()))
}

families! {
    GaugeFamily {
        build_info: "build_info", None::<Unit>, "The program that runs";
        state: "state", None::<Unit>, "1 for the state that the connection is in";
        state_since: "state_since_timestamp", Some(Unit::Seconds), "When the connection entered its state";
        last_run: "last_run_timestamp", Some(Unit::Seconds), "When the last run ended, however it did";
        last_success: "last_success_timestamp", Some(Unit::Seconds), "When the last run ended after which upstream held everything";
        last_finished: "last_finished_timestamp", Some(Unit::Seconds), "When the last run ended that failed in nothing";
        ticks: "ticks_since_finished", None::<Unit>, "Ticks of SYNC_CRON since the last run that failed in nothing";
        baseline_ticks: "baseline_ticks_since_complete", None::<Unit>, "Ticks of BASELINE_CRON since the last complete full read";
        next_run: "next_run_timestamp", Some(Unit::Seconds), "When the next run is due";
        next_baseline: "next_baseline_timestamp", Some(Unit::Seconds), "When the next full read is due";
        last_baseline: "last_baseline_timestamp", Some(Unit::Seconds), "When the last complete full read ended";
        baseline_interval: "baseline_interval", Some(Unit::Seconds), "Time between the next two ticks of BASELINE_CRON";
        interval: "interval", Some(Unit::Seconds), "Time between the next two ticks of SYNC_CRON";
        skipped_ticks: "skipped_ticks", None::<Unit>, "Ticks of SYNC_CRON that fell into a run, ever";
        last_run_seconds: "last_run", Some(Unit::Seconds), "What the time of the last run went to";
        last_run_objects: "last_run_objects", None::<Unit>, "What became of the objects in the last run";
        last_run_outcome: "last_run_outcome", None::<Unit>, "1 for the way in which the last run ended";
        in_site: "controller_in_site", None::<Unit>, "1 when the last run read a controller that is near by its site, 0 when it read a far one";
        assets: "assets", None::<Unit>, "Objects by what is known of them";
        staged: "staged", None::<Unit>, "Assets that wait to be accepted upstream";
        oldest_staged: "oldest_staged_age", Some(Unit::Seconds), "How long the asset waits that waits longest, rejected ones apart";
        removals_held: "removals_held", None::<Unit>, "Objects that seem to be gone and are held back by the threshold";
        lease_held: "lease_held", None::<Unit>, "1 while this instance holds the connection, 0 while it does not";
        lease_renewal: "lease_renewal_age", Some(Unit::Seconds), "Time since this instance renewed its lease of the connection";
        lease_takeovers: "lease_takeovers", None::<Unit>, "Leases that ended without being given back, as far as this instance knows";
        review_findings: "review_findings", None::<Unit>, "Findings of the last review of Qualys accounts";
        review_age: "review_age", Some(Unit::Seconds), "Age of the last review of Qualys accounts";
        certificate: "certificate_expiry", days(), "Days until the certificate of the controller ends";
    }
    CounterFamily {
        runs: "runs", None::<Unit>, "Runs that ended";
        run_seconds: "run", Some(Unit::Seconds), "What the time of the runs went to";
        objects: "objects", None::<Unit>, "What became of objects";
        gateway_answers: "gateway_answers", None::<Unit>, "Answers to ingest requests";
        gateway_retries: "gateway_retries", None::<Unit>, "Requests to the gateway that were repeated";
        ldap_round_trips: "ldap_round_trips", None::<Unit>, "Search operations that the directory answered";
        ldap_pages: "ldap_pages", None::<Unit>, "Pages read from the directory";
        ldap_referrals: "ldap_referrals", None::<Unit>, "Referrals that were not followed";
    }
}

/// The labels of one connection.
struct ConnectionLabels<'a>(&'a str);

impl ConnectionLabels<'_> {
    fn with<const N: usize>(&self, more: [(&'static str, &str); N]) -> MetricLabels {
        let more = more.map(|(name, value)| (name, value.to_owned()));
        std::iter::once(("connection", self.0.to_owned()))
            .chain(more)
            .collect()
    }
}

fn set(family: &GaugeFamily, labels: &MetricLabels, value: f64) {
    family.get_or_create(labels).set(value);
}

fn add(family: &CounterFamily, labels: &MetricLabels, value: f64) {
    family.get_or_create(labels).inc_by(value);
}

/// Returns a count as a float: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts and times stay far below 2^53")]
const fn float(number: i64) -> f64 {
    number as f64
}

fn count(number: u64) -> f64 {
    float(i64::try_from(number).unwrap_or(i64::MAX))
}

impl MetricFamilies {
    async fn add(
        &self,
        service: &HttpService,
        handle: &ConnectionHandle,
        now: DateTime<Utc>,
    ) -> Result<(), HttpProblem> {
        let standing = service.standing(handle).await?;
        let of = ConnectionLabels(handle.connector().name());
        self.add_times(&of, &standing, handle, now);
        self.add_counts(&of, &standing, now);
        self.add_last_run(&of, &standing);
        self.add_done(&of, &handle.done(), now);
        self.add_lease(&of, handle);
        for (class, answers) in handle.connector().upstream.answers() {
            add(
                &self.gateway_answers,
                &of.with([("class", class)]),
                count(answers),
            );
        }
        Ok(())
    }

    fn add_times(
        &self,
        of: &ConnectionLabels<'_>,
        standing: &ConnectionStanding,
        handle: &ConnectionHandle,
        now: DateTime<Utc>,
    ) {
        let row = &standing.row;
        for state in Stage::ALL {
            let present = f64::from(u8::from(row.state == *state));
            set(&self.state, &of.with([("state", state.name())]), present);
        }
        let plain = of.with([]);
        for (family, at) in [
            (&self.state_since, Some(row.state_since)),
            (&self.last_run, row.last_synced),
            (&self.last_success, row.last_successful_sync),
            (&self.last_finished, standing.last_finished),
            (&self.next_run, row.next_sync),
            (&self.next_baseline, row.next_baseline),
            (&self.last_baseline, row.last_baseline),
        ] {
            if let Some(at) = at {
                set(family, &plain, float(at));
            }
        }
        let intervals: [(_, fn(NextRuns) -> _); 2] = [
            (&self.interval, |next| next.sync),
            (&self.baseline_interval, |next| next.baseline),
        ];
        for (family, of) in intervals {
            let after = |at| of(handle.timetable().after(at));
            let next: Option<DateTime<Utc>> = after(now);
            if let Some((next, then)) = next.and_then(|next| Some((next, after(next)?))) {
                set(family, &plain, float((then - next).num_seconds()));
            }
        }
        let registered = row
            .entered
            .get(&Stage::Registered)
            .copied()
            .unwrap_or(row.state_since);
        let since = |at: Option<i64>| DateTime::from_timestamp(at.unwrap_or(registered), 0).unwrap_or(now);
        let ticks = handle.timetable().ticks(since(standing.last_finished), now);
        set(&self.ticks, &plain, count(ticks));
        if let Some(ticks) = handle.timetable().baseline_ticks(since(row.last_baseline), now) {
            set(&self.baseline_ticks, &plain, count(ticks));
        }
        set(&self.skipped_ticks, &plain, count(row.skipped_ticks));
    }

    /// Adds nothing where the state is a file.
    fn add_lease(&self, of: &ConnectionLabels<'_>, handle: &ConnectionHandle) {
        let connector = handle.connector();
        let Some(takeovers) = connector.store.takeovers(connector.id) else {
            return;
        };
        let plain = of.with([]);
        let is_held = connector.store.sending_right(connector.id).is_some();
        set(&self.lease_held, &plain, f64::from(u8::from(is_held)));
        set(&self.lease_takeovers, &plain, count(takeovers));
        if let Some(age) = connector.store.renewal_age(connector.id) {
            set(&self.lease_renewal, &plain, age.as_secs_f64());
        }
    }

    fn add_counts(&self, of: &ConnectionLabels<'_>, standing: &ConnectionStanding, now: DateTime<Utc>) {
        let (mut staged, mut held) = (0, 0);
        for (kind, counted) in &standing.counted.kinds {
            staged += counted.pending;
            held += counted.held;
            for (state, number) in [
                ("accepted", counted.accepted),
                ("pending", counted.pending),
                ("rejected", counted.rejected),
                ("removed", counted.removed),
                ("held", counted.held),
            ] {
                let labels = of.with([("kind", kind.name()), ("state", state)]);
                set(&self.assets, &labels, count(number));
            }
        }
        let plain = of.with([]);
        set(&self.staged, &plain, count(staged));
        set(&self.removals_held, &plain, count(held));
        let oldest = standing.counted.oldest_undecided;
        let age = oldest.map_or(0, |oldest| (now.timestamp() - oldest).max(0));
        set(&self.oldest_staged, &plain, float(age));
    }

    fn add_review(&self, last: &ReviewSummary, now: DateTime<Utc>) {
        let age = (now.timestamp() - last.at).max(0);
        set(&self.review_age, &Vec::new(), float(age));
        let counts: BTreeMap<String, u64> = serde_json::from_str(&last.counts).unwrap_or_default();
        for (code, findings) in counts {
            set(&self.review_findings, &vec![("code", code)], count(findings));
        }
    }

    fn add_last_run(&self, of: &ConnectionLabels<'_>, standing: &ConnectionStanding) {
        let Some(run) = &standing.last_run else { return };
        for outcome in Outcome::ALL {
            let ended_so = f64::from(u8::from(run.outcome == Some(*outcome)));
            set(
                &self.last_run_outcome,
                &of.with([("outcome", outcome.name())]),
                ended_so,
            );
        }
        if let Some(is_in_site) = run.read_from.is_in_site {
            let host = run.read_from.host.as_deref().unwrap_or_default();
            set(
                &self.in_site,
                &of.with([("host", host)]),
                f64::from(u8::from(is_in_site)),
            );
        }
        for (phase, long) in run.phases.iter().flat_map(|phases| phases.named()) {
            set(
                &self.last_run_seconds,
                &of.with([("phase", phase)]),
                long.as_secs_f64(),
            );
        }
        for (kind, counts) in &run.counts.0 {
            for (outcome, number) in KindCountsView::from(counts).named() {
                let labels = of.with([("kind", kind.name()), ("outcome", outcome)]);
                set(&self.last_run_objects, &labels, count(number));
            }
        }
    }

    fn add_done(&self, of: &ConnectionLabels<'_>, done: &ServiceTotals, now: DateTime<Utc>) {
        for ((mode, outcome), runs) in &done.runs {
            add(
                &self.runs,
                &of.with([("mode", mode), ("outcome", outcome)]),
                count(*runs),
            );
        }
        for (phase, long) in done.phases.named() {
            add(
                &self.run_seconds,
                &of.with([("phase", phase)]),
                long.as_secs_f64(),
            );
        }
        for (kind, counts) in &done.counts.0 {
            // Every run holds the same removals back again, so their sum has no meaning.
            for (outcome, number) in KindCountsView::from(counts).named() {
                if outcome != "held" {
                    let labels = of.with([("kind", kind.name()), ("outcome", outcome)]);
                    add(&self.objects, &labels, count(number));
                }
            }
        }
        let plain = of.with([]);
        let asked = &done.directory.counters;
        for (family, number) in [
            (&self.gateway_retries, done.retries),
            (&self.ldap_round_trips, asked.round_trips),
            (&self.ldap_pages, asked.pages),
            (&self.ldap_referrals, asked.referrals),
        ] {
            add(family, &plain, count(number));
        }
        if let Some((host, ends)) = &done.directory.certificate {
            let days = float(ends - now.timestamp()) / DAY;
            set(&self.certificate, &of.with([("host", host)]), days);
        }
    }
}
