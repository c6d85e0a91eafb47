//! Tests of requests against a model of the gateway, in simulated time: how many it takes, and
//! which limits are learnt.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::time::Instant;

use super::super::calls::CallHistory;
use super::*;
use crate::config::{BatchAssets, UpstreamAuth, UpstreamSettings};

const WINDOW: Duration = Duration::from_secs(3600);

fn settings(batch_assets: BatchAssets, batch_bytes: usize) -> UpstreamSettings {
    UpstreamSettings {
        gateway: "https://gateway.example".to_owned(),
        auth: UpstreamAuth::Client {
            id: "id-1".into(),
            secret: "secret-1".into(),
        },
        connector_uuid: "5f1c1c9e-6c1d-4f4b-9a0e-0d8a4b7c2f11".to_owned(),
        source: "Microsoft Active Directory".to_owned(),
        ingest_path: "/x".to_owned(),
        certificates: Vec::new(),
        batch_assets,
        batch_bytes,
        concurrency: 1,
        timeout: Duration::from_secs(90),
        give_up_after: Duration::from_secs(900),
        accept_unknown: false,
        https_proxy: None,
        no_proxy: None,
    }
}

fn sizing(batch_assets: BatchAssets) -> BatchSizing {
    BatchSizing::new(&settings(batch_assets, 4 << 20))
}

/// Gateway with limits of its own.
struct Model {
    most_assets: usize,
    most_bytes: usize,
    /// Calls in a window, and whether answers announce them.
    allowed: usize,
    announces: bool,
    made: VecDeque<Instant>,
    calls: usize,
    limited: usize,
    refused: usize,
}

impl Model {
    fn new(most_assets: usize, announces: bool) -> Self {
        Self {
            most_assets,
            most_bytes: 4 << 20,
            allowed: 300,
            announces,
            made: VecDeque::new(),
            calls: 0,
            limited: 0,
            refused: 0,
        }
    }

    /// Returns whether it accepts the request, and the headers of its answer.
    fn call(&mut self, assets: usize, bytes: usize) -> (bool, HeaderMap) {
        let now = Instant::now();
        self.made.retain(|made| *made + WINDOW > now);
        self.calls += 1;
        self.made.push_back(now);
        self.limited += usize::from(self.made.len() > self.allowed);
        let mut headers = HeaderMap::new();
        if self.announces {
            let remaining = self.allowed.saturating_sub(self.made.len());
            headers.insert("x-ratelimit-limit", self.allowed.into());
            headers.insert("x-ratelimit-remaining", remaining.into());
            headers.insert("x-ratelimit-window-sec", 3600.into());
        }
        let accepts = assets <= self.most_assets && bytes <= self.most_bytes;
        self.refused += usize::from(!accepts);
        (accepts, headers)
    }
}

/// Sends so many assets of so many octets, as a run does; the first `reading` while the directory
/// is still read.
async fn send(
    sizing: &BatchSizing,
    calls: &CallHistory,
    model: &mut Model,
    count: usize,
    octets: usize,
    reading: usize,
) {
    let mut left = count;
    let mut parts: Vec<usize> = Vec::new();
    let mut too_large = None;
    while left > 0 {
        while let Some(wait) = calls.wait(|window| window) {
            tokio::time::advance(wait).await;
        }
        let call = calls.take().unwrap();
        let assets = parts.pop().unwrap_or_else(|| {
            let fits = sizing.max_asset_bytes(sizing.assets()) / octets;
            sizing.assets().min(fits).min(left)
        });
        let bytes = sizing.envelope.len(assets, assets * octets);
        let (accepts, headers) = model.call(assets, bytes);
        tokio::time::advance(Duration::from_secs(3)).await;
        calls.answered(call, Some(&headers), Duration::from_secs(3), |wait| wait);
        if !accepts {
            sizing.lower(bytes);
            let bytes = Some(bytes);
            too_large = Some(TooLarge { assets, bytes });
            parts.extend([assets - assets / 2, assets / 2]);
            continue;
        }
        left -= assets;
        sizing.accepted(assets, too_large.take());
        let backlog = match count - left < reading {
            true => StagedBacklog::Growing,
            false => StagedBacklog::Known(left as u64),
        };
        sizing.grow(assets, backlog, calls.left());
    }
}

#[tokio::test(start_paused = true)]
async fn a_million_assets_take_at_most_150_calls_and_provoke_no_429() {
    for announces in [true, false] {
        for octets in [250, 420, 600] {
            for reading in [0, 100_000, 1_000_000] {
                let (sizing, calls) = (sizing(BatchAssets::Auto), CallHistory::default());
                let mut model = Model::new(usize::MAX, announces);
                send(&sizing, &calls, &mut model, 1_000_000, octets, reading).await;
                let case = format!("{announces} {octets} {reading}");
                assert!(model.calls <= 150, "{case}: {}", model.calls);
                assert_eq!((model.limited, model.refused), (0, 0), "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_goes_beyond_the_announced_rate_however_many_are_needed() {
    let (sizing, calls) = (sizing(BatchAssets::AtMost(500)), CallHistory::default());
    let mut model = Model::new(usize::MAX, true);
    send(&sizing, &calls, &mut model, 400_000, 420, 0).await;
    assert_eq!((model.calls, model.limited), (800, 0));
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_1000_assets_is_learnt_once_and_kept_over_a_restart() {
    let (first, calls) = (sizing(BatchAssets::Auto), CallHistory::default());
    let mut model = Model::new(1000, true);
    model.allowed = 3000;
    send(&first, &calls, &mut model, 500_000, 420, 400_000).await;
    assert_eq!((model.refused, model.limited), (1, 0));
    assert!(model.calls <= 510, "{}", model.calls);
    let learnt = first.learnt();
    assert_eq!((learnt.taken, learnt.refused), (Some(1000), Some(2000)));
    // Another process.
    let (second, calls) = (sizing(BatchAssets::Auto), CallHistory::default());
    second.recall(learnt);
    assert_eq!(second.assets(), 1000);
    let mut model = Model::new(1000, true);
    model.allowed = 3000;
    send(&second, &calls, &mut model, 500_000, 420, 400_000).await;
    assert_eq!((model.refused, model.limited), (0, 0));
    assert!(model.calls <= 510, "{}", model.calls);
    assert_eq!(second.learnt(), learnt);
}

#[test]
fn a_small_backlog_needs_no_larger_requests() {
    let sizing = sizing(BatchAssets::Auto);
    sizing.grow(500, StagedBacklog::Known(5_000), None);
    assert_eq!(sizing.assets(), 500, "ten batches");
    sizing.grow(500, StagedBacklog::Known(5_001), None);
    assert_eq!(sizing.assets(), 1000);
    sizing.grow(999, StagedBacklog::Known(1_000_000), None);
    assert_eq!(sizing.assets(), 1000, "it was not a full one");
    sizing.grow(1000, StagedBacklog::Known(25_000), Some(100));
    assert_eq!(
        sizing.assets(),
        1000,
        "a quarter of the calls that are left is enough"
    );
    sizing.grow(1000, StagedBacklog::Known(25_001), Some(100));
    assert_eq!(sizing.assets(), 2000);
}

#[test]
fn a_number_stays_a_maximum_and_what_is_learnt_lies_below_it() {
    let number = sizing(BatchAssets::AtMost(700));
    number.grow(700, StagedBacklog::Growing, None);
    assert_eq!(number.assets(), 700);
    let learnt = LearntLimits {
        taken: Some(300),
        refused: Some(600),
        bytes: Some(100_000),
    };
    number.recall(learnt);
    assert_eq!(number.assets(), 300);
    assert!(number.max_asset_bytes(300) < 100_000);
    let auto = sizing(BatchAssets::Auto);
    auto.recall(learnt);
    assert_eq!(auto.assets(), 300);
    auto.grow(300, StagedBacklog::Growing, None);
    assert_eq!(auto.assets(), 300, "more were refused");
}

#[test]
fn only_what_was_followed_by_an_acceptance_of_a_part_is_learnt() {
    let too_large = |assets| Some(TooLarge { assets, bytes: None });
    let sizing = sizing(BatchAssets::Auto);
    // After an outage a single asset is accepted: the size was not the cause.
    sizing.accepted(1, too_large(500));
    assert_eq!((sizing.assets(), sizing.learnt().refused), (500, None));
    sizing.accepted(250, too_large(500));
    assert_eq!((sizing.assets(), sizing.learnt().refused), (250, Some(500)));
    // The gateway accepts more than before.
    sizing.accepted(500, None);
    assert_eq!(sizing.learnt().refused, None);
}

#[test]
fn r19_there_is_less_room_after_a_413_but_not_too_little() {
    let sizing = sizing(BatchAssets::AtMost(500));
    let envelope = sizing.envelope.len(2, 0);
    assert_eq!(sizing.max_asset_bytes(2), (4 << 20) - envelope);
    sizing.lower(3 << 20);
    assert_eq!(sizing.max_asset_bytes(2), (3 << 19) - envelope);
    sizing.lower(4 << 20);
    assert_eq!(sizing.max_asset_bytes(2), (3 << 19) - envelope, "it never grows");
    sizing.lower(100);
    assert_eq!(sizing.max_asset_bytes(2), SMALLEST - envelope);
}
