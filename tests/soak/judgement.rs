//! The rule by which a soak passes or fails.
//!
//! The first third of the time, at most ten minutes of it, is the warm-up, in which caches fill and
//! threads begin. The rest is cut into two halves, and the medians of both are compared. A median
//! is not moved by the peak of a baseline. Growth from half to half may be what memory measures
//! differ by in any case, and what [`A_DAY`] makes of the time between the middles of the halves.

use std::time::Duration;

use crate::sample::Sample;

/// Measurements that each half has at least.
const LEAST: usize = 20;

/// Longest warm-up.
const WARM_UP: Duration = Duration::from_secs(600);

/// Memory by which two halves may differ without a leak, KiB: what the allocator keeps, and pages
/// of a state that grows with its history.
const NOISE: f64 = 4096.0;

/// Memory that the process may grow by in a day, KiB.
const A_DAY: f64 = 64.0 * 1024.0;

/// Descriptors, and threads, by which two halves may differ: a run more in the mean has its
/// connections to directory and gateway.
const MORE: f64 = 4.0;

/// Largest write-ahead log: it is copied into the state file at 80 MB, unless somebody reads for
/// long.
const LARGEST_LOG: u64 = 128 << 20;

/// Judges the measurements of a soak; gives what was found.
///
/// # Errors
/// The measure that grows, with the numbers, or too few measurements to tell.
pub fn judge(samples: &[Sample]) -> Result<String, String> {
    let length = samples.last().map(|sample| sample.at).unwrap_or_default();
    let warm_up = (length / 3).min(WARM_UP);
    let judged: Vec<&Sample> = samples.iter().filter(|sample| sample.at >= warm_up).collect();
    let (first, second) = judged.split_at(judged.len() / 2);
    if first.len() < LEAST {
        return Err(format!("{} measurements are too few to compare", judged.len()));
    }
    if let Some(sample) = samples.iter().find(|sample| sample.log > LARGEST_LOG) {
        return Err(format!("the write-ahead log is never cut:\n{sample}"));
    }
    let days = (middle(second) - middle(first)) / 86_400.0;
    let memory: fn(&Sample) -> u64 = |sample| sample.resident;
    let measures = [
        ("memory in KiB", memory, NOISE + A_DAY * days),
        ("descriptors", |sample| sample.descriptors, MORE),
        ("threads", |sample| sample.threads, MORE),
    ];
    let mut found = vec![format!(
        "judged after {} s; a growth of memory is seen from {:.0} MiB a day on",
        warm_up.as_secs(),
        (NOISE / days + A_DAY) / 1024.0
    )];
    let mut growing = Vec::new();
    for (name, of, allowed) in measures {
        let (before, after) = (median(first, of), median(second, of));
        let growth = after - before;
        let line = format!(
            "{name}: {before} in the first half, {after} in the second; at most {allowed:.0} more are allowed"
        );
        if growth > allowed {
            growing.push(line);
        } else {
            found.push(line);
        }
    }
    if growing.is_empty() {
        Ok(found.join("\n"))
    } else {
        Err(format!("the service grows: {}", growing.join("\n")))
    }
}

fn median(samples: &[&Sample], of: impl Fn(&Sample) -> u64) -> f64 {
    let mut values: Vec<u64> = samples.iter().map(|sample| of(sample)).collect();
    values.sort_unstable();
    values[values.len() / 2] as f64
}

/// Middle of the time of these measurements, in seconds.
fn middle(samples: &[&Sample]) -> f64 {
    let sum: f64 = samples.iter().map(|sample| sample.at.as_secs_f64()).sum();
    sum / samples.len() as f64
}

/// Measurements every 5 s for so many minutes; `change` makes each from its minute.
fn made_up(minutes: u64, change: impl Fn(&mut Sample, f64)) -> Vec<Sample> {
    let at = (0..minutes * 60).step_by(5).map(Duration::from_secs);
    at.map(|at| {
        let mut sample = Sample {
            at,
            // As the memory of a run comes and goes.
            resident: 60_000 + at.as_secs() * 7_919 % 3_000,
            descriptors: 40 + at.as_secs() % 7,
            threads: 12,
            state: 1 << 20,
            log: 4 << 20,
        };
        change(&mut sample, at.as_secs_f64() / 60.0);
        sample
    })
    .collect()
}

#[test]
fn what_stays_and_what_only_warms_up_passes() {
    judge(&made_up(60, |_, _| {})).unwrap();
    judge(&made_up(10, |_, _| {})).unwrap();
    let warms_up = made_up(60, |sample, minute| {
        sample.resident += 3_000 * (minute.min(10.0) as u64)
    });
    judge(&warms_up).unwrap();
}

#[test]
fn what_grows_fails_and_is_named() {
    let leaks = made_up(60, |sample, minute| sample.resident += (minute * 210.0) as u64);
    assert!(judge(&leaks).unwrap_err().contains("memory"), "300 MiB a day");
    let leaks = made_up(10, |sample, minute| sample.resident += (minute * 1_500.0) as u64);
    assert!(judge(&leaks).unwrap_err().contains("memory"));
    let forgets = made_up(10, |sample, minute| sample.descriptors += (minute * 3.0) as u64);
    assert!(judge(&forgets).unwrap_err().contains("descriptors"));
    let forgets = made_up(10, |sample, minute| sample.threads += (minute * 3.0) as u64);
    assert!(judge(&forgets).unwrap_err().contains("threads"));
    let is_held = made_up(10, |sample, minute| sample.log += (minute as u64) << 25);
    assert!(judge(&is_held).unwrap_err().contains("write-ahead log"));
}

#[test]
fn a_few_seconds_are_not_judged() {
    assert!(judge(&made_up(1, |_, _| {})).unwrap_err().contains("too few"));
}
