//! Upstream against the receiver: every class of answer, over real sockets.

// A test may panic where it sets things up, too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod decisions;
mod refusals;
mod secrets;
mod stopping;
mod tokens;
mod trouble;
mod wire;

use std::time::Duration;

use ad_connector::config;
use ad_connector::upstream::{
    Batch, BatchDelivery, BatchItem, BatchOccasion, ClockPace, QualysGateway, RunRecord,
};
use lab::receiver::{Options, Receiver};
use tokio_util::sync::CancellationToken;

const CONNECTOR: &str = "5f1c1c9e-6c1d-4f4b-9a0e-0d8a4b7c2f11";

/// A thousand times as fast: the gateway's second is a millisecond.
const FAST: ClockPace = ClockPace::hurried(1000);

/// Settings that fit a receiver with default options.
fn settings(receiver: &Receiver) -> config::UpstreamSettings {
    let options = Options::default();
    config::UpstreamSettings {
        gateway: receiver.url(),
        auth: config::UpstreamAuth::Client {
            id: options.client_id.into(),
            secret: options.client_secret.into(),
        },
        connector_uuid: CONNECTOR.to_owned(),
        source: "Microsoft Active Directory".to_owned(),
        ingest_path: lab::receiver::INGEST_PATH.to_owned(),
        certificates: Vec::new(),
        batch_assets: config::BatchAssets::AtMost(500),
        batch_bytes: 4 << 20,
        concurrency: 1,
        timeout: Duration::from_secs(10),
        give_up_after: Duration::from_secs(20),
        accept_unknown: false,
        https_proxy: None,
        no_proxy: None,
    }
}

fn upstream(receiver: &Receiver) -> QualysGateway {
    QualysGateway::with_pace(&settings(receiver), FAST).unwrap()
}

fn external_id(seq: u64) -> String {
    format!("S-1-5-21-1-2-3-{seq}")
}

fn item(seq: u64) -> BatchItem {
    let external_id = external_id(seq);
    let asset = format!(
        r#"{{"asset":{{"assetHeader":{{"externalAssetId":"{external_id}","vendorAssetId":"vendor-{seq}"}},"assetDetail":{{"userAssetClass":{{"name":"confidential name {seq}"}}}}}}}}"#
    );
    BatchItem {
        seq,
        external_id,
        asset: asset.into(),
    }
}

/// A batch of the items 1 to `count`.
fn batch(count: u64) -> Batch {
    Batch::new(CONNECTOR, (1..=count).map(item).collect())
}

/// Delivers one batch as the only one of a run.
async fn deliver(upstream: &QualysGateway, batch: Batch) -> BatchDelivery {
    deliver_until(upstream, batch, &CancellationToken::new()).await
}

async fn deliver_until(upstream: &QualysGateway, batch: Batch, stop: &CancellationToken) -> BatchDelivery {
    let record = RunRecord::default();
    let first = upstream
        .deliver(batch.clone(), BatchOccasion::First, &record, stop)
        .await;
    if !first.postponed {
        return first;
    }
    let again = upstream
        .deliver(batch, BatchOccasion::Postponed, &record, stop)
        .await;
    BatchDelivery {
        requests: first.requests + again.requests,
        retries: first.retries + again.retries,
        ..again
    }
}

/// Everything was accepted and kept, and no request was malformed.
fn assert_delivered(receiver: &Receiver, delivery: &BatchDelivery, count: u64) {
    assert_eq!(delivery.failure, None);
    assert_eq!(delivery.rejected, []);
    assert_eq!(delivery.accepted, (1..=count).collect::<Vec<_>>());
    assert_eq!(receiver.assets().len() as u64, count);
    assert_eq!(receiver.violations(), Vec::<String>::new());
}
