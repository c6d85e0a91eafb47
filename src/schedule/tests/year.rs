//! A year of the service loop in simulated time, with both changes of the clock, runs that take
//! long or fail, and a service that is stopped, killed and started again (R25, R33).
//!
//! The loop, the states and the store are the real ones. Runs only take time: what they read and
//! send is no matter of the schedule. A [model](super::model) says when each run begins, and which
//! one it is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::executor::{Executor, Random, row};
use super::model::{BEAT, INTERVAL, Model, Schedule, TIMES, lives, moments};
use crate::config;
use crate::directory::BindGuard;
use crate::mapping::Mapping;
use crate::schedule::scheduled_connection::RunFuture;
use crate::schedule::{ConnectionTimetable, CronSchedule, ScheduledConnection, keep, open};
use crate::store::{AssetTarget, RunMode, Store, StoreAccess};
use crate::sync::{Clock, Connector};
use crate::upstream::QualysGateway;

fn connector(folder: &std::path::Path, clock: Clock) -> Connector {
    let variables = [
        ("AD_HOST", "dc1.corp.example"),
        ("AD_BIND_DN", "reader"),
        ("AD_PASSWORD", "a-password"),
        ("QUALYS_GATEWAY_URL", "https://gateway.example"),
        ("QUALYS_CLIENT_ID", "id"),
        ("QUALYS_CLIENT_SECRET", "a-secret"),
        ("QUALYS_CONNECTOR_UUID", "8c2d7e1a-3b4f-4c5d-9e6f-0a1b2c3d4e5f"),
        ("SYNC_ON_START", "false"),
    ];
    let variables = BTreeMap::from(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let settings = config::parse(&variables).unwrap().connections.remove(0);
    let store = Store::open(&folder.join("state.db"), StoreAccess::ReadWrite).unwrap();
    let target = AssetTarget::default();
    Connector {
        id: store
            .register(settings.uuid, &settings.name, "", &target, clock.timestamp())
            .unwrap(),
        mapping: Mapping::parse("mapping.toml", include_str!("../../../config/mapping.toml")).unwrap(),
        upstream: Arc::new(QualysGateway::new(&settings.upstream).unwrap()),
        bind_guard: BindGuard::default(),
        clock,
        store: Arc::new(store),
        revision: None,
        digest: settings.digest(),
        settings,
    }
}

/// Counts of what a year met.
#[derive(Debug, Default)]
struct Met {
    runs: usize,
    baselines: usize,
    retries: usize,
    made_up: usize,
    resumed: usize,
    skipped: u64,
}

/// Lets the time from `from` on pass for `days` days, and holds each run against the model.
async fn pass(schedule: Schedule, from: &str, days: i64, seed: u64) -> Met {
    let from: DateTime<Utc> = from.parse().unwrap();
    let until = from + TimeDelta::days(days);
    let epoch = tokio::time::Instant::now();
    let clock = Clock::showing(move || {
        let seconds = epoch.elapsed().as_secs();
        from + TimeDelta::seconds(i64::try_from(seconds).unwrap())
    });
    // Where there is one, a file system in memory: nothing here is about a disk.
    let folder = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let connector = Arc::new(connector(folder.path(), clock.clone()));
    let cron = |text| CronSchedule::parse(text, schedule.zone).unwrap();
    let timetable = ConnectionTimetable::new(cron(schedule.sync), Some(cron(schedule.baseline)));
    let executor = Arc::new(Executor {
        runs: Mutex::default(),
        random: Mutex::new(Random(seed)),
    });
    let mut connection = ScheduledConnection::new(Arc::clone(&connector), timetable);
    let executing = Arc::clone(&executor);
    connection.execute = Arc::new(move |connector, request, stop| -> RunFuture {
        Box::pin(Arc::clone(&executing).execute(connector, request, stop))
    });
    let (beat, beats) = watch::channel(from);
    let beating = tokio::spawn({
        let clock = clock.clone();
        async move {
            let mut at = epoch;
            loop {
                at += Duration::from_secs(BEAT.unsigned_abs());
                tokio::time::sleep_until(at).await;
                beat.send_replace(clock.now());
            }
        }
    });
    let period = (from, until + TimeDelta::days(30));
    let mut model = Model {
        sync: moments(&schedule, schedule.is_sync, schedule.is_interval, period),
        baseline: moments(&schedule, schedule.is_baseline, false, period),
        complete: from,
        skipped: 0,
    };
    let mut met = Met::default();
    let (mut idle, mut interrupted) = (from, None);
    for life in lives(&mut Random(seed ^ 0x11FE), &model.sync.clone(), (from, until)) {
        let at = |at: DateTime<Utc>| epoch + (at - from).to_std().unwrap();
        tokio::time::sleep_until(at(life.from)).await;
        executor.runs.lock().unwrap().clear();
        let (_handle, worker) = open(connection.clone());
        let stop = CancellationToken::new();
        let kept = tokio::spawn(keep(worker, beats.clone(), stop.clone()));
        tokio::time::sleep_until(at(life.until)).await;
        if life.is_killed {
            kept.abort();
            assert!(kept.await.unwrap_err().is_cancelled());
        } else {
            stop.cancel();
            kept.await.unwrap().unwrap();
        }

        let runs = executor.runs.lock().unwrap().clone();
        let mut expected = match model.at_start(idle, life.from, interrupted) {
            Some(mode) => Some((life.from, mode)),
            None => model.next(life.from, false),
        };
        met.resumed += usize::from(interrupted.is_some());
        met.made_up += usize::from(interrupted.is_none() && expected.is_some_and(|(at, _)| at == life.from));
        (idle, interrupted) = (life.from, None);
        let mut runs = runs.into_iter();
        while let Some((began, mode)) = expected.filter(|(at, _)| *at <= life.until) {
            let run = runs.next();
            let what = run.map(|run| (run.began, run.mode));
            assert_eq!(
                what,
                Some((began, mode)),
                "{}, {life:?}, idle since {idle}",
                schedule.zone
            );
            let run = run.unwrap();
            met.runs += 1;
            met.baselines += usize::from(run.is_complete);
            model.apply(run);
            let Some(ended) = run.ended else {
                assert!(life.is_killed, "{run:?}");
                interrupted = Some(run.mode);
                break;
            };
            idle = ended;
            let broke_off = run.mode == RunMode::Baseline && !run.is_complete;
            met.retries += usize::from(broke_off);
            expected = model.next(idle, broke_off);
        }
        assert_eq!(
            runs.next(),
            None,
            "{}: {life:?} has a run too many",
            schedule.zone
        );
        let row = row(&connector).await;
        assert_eq!(row.skipped_ticks, model.skipped, "{}: {life:?}", schedule.zone);
        if interrupted.is_none() {
            let next = Model::first_after(&model.sync, idle).map(|at| at.timestamp());
            assert_eq!(row.next_sync, next, "{}: {life:?}", schedule.zone);
            assert_eq!(
                row.next_baseline,
                model.owed().map(|at| at.timestamp()),
                "{life:?}"
            );
        }
    }
    beating.abort();
    met.skipped = model.skipped;
    met
}

/// Lets a year pass, in which both changes of the clock lie, and in which everything happens.
async fn pass_a_year(zone: Tz, seed: u64) {
    let met = pass(Schedule { zone, ..TIMES }, "2026-12-01T00:00:00Z", 365, seed).await;
    println!("{zone}, seed {seed}: {met:?}");
    let counts = [met.baselines, met.retries, met.made_up, met.resumed];
    assert!(
        met.runs > 1_200 && counts.iter().all(|count| *count > 0) && met.skipped > 0,
        "{met:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn r25_a_year_in_berlin() {
    pass_a_year(Tz::Europe__Berlin, 1).await;
}

#[tokio::test(start_paused = true)]
async fn r25_a_year_in_new_york() {
    pass_a_year(Tz::America__New_York, 2).await;
}

#[tokio::test(start_paused = true)]
async fn r25_a_year_on_lord_howe_where_the_clock_changes_by_half_an_hour() {
    pass_a_year(Tz::Australia__Lord_Howe, 3).await;
}

#[tokio::test(start_paused = true)]
async fn r25_a_year_in_kathmandu_three_quarters_off_the_hour() {
    pass_a_year(Tz::Asia__Kathmandu, 4).await;
}

#[tokio::test(start_paused = true)]
async fn r25_a_year_of_utc() {
    pass_a_year(Tz::UTC, 5).await;
}

/// An interval goes on as time does, through a week with each change of the clock.
#[tokio::test(start_paused = true)]
async fn r25_an_interval_through_the_changes_of_the_clock() {
    for (zone, from) in [
        (Tz::Europe__Berlin, "2027-03-24T00:00:00Z"),
        (Tz::Europe__Berlin, "2027-10-27T00:00:00Z"),
        (Tz::Australia__Lord_Howe, "2027-03-31T00:00:00Z"),
        (Tz::Australia__Lord_Howe, "2027-09-29T00:00:00Z"),
    ] {
        let met = pass(Schedule { zone, ..INTERVAL }, from, 7, 6).await;
        assert!(met.runs > 100, "{zone}: {met:?}");
    }
}
