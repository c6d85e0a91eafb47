//! What must be true of the deliveries, whatever happened.

use std::collections::BTreeMap;

use lab::receiver::Delivery;
use serde_json::Value;

use super::faults;
use super::history::{GatewayFault, Mode, Run, Stop};
use super::world::World;

/// A run that is over, as far as the deliveries depend on it.
#[derive(Debug)]
pub struct Ran {
    /// Number of its first delivery.
    first: usize,
    resend: bool,
    /// Of its last batches the program may not have kept the answers.
    stopped: Option<Stop>,
    /// Batches were split, so a batch is several deliveries.
    split: bool,
    /// The gateway left something open: a version may be taken for sent.
    troubled: bool,
}

impl Ran {
    pub fn of(run: &Run, first: usize) -> Self {
        let too_large =
            |fault: &GatewayFault| matches!(fault, GatewayFault::Status(413) | GatewayFault::Early(413));
        Self {
            first,
            resend: matches!(run.mode, Mode::Resend | Mode::ResendBaseline),
            stopped: run.stop,
            split: run.gateway.iter().any(too_large),
            troubled: !run.gateway.is_empty() || run.stop.is_some(),
        }
    }
}

/// One arrival of one asset.
struct Arrival<'a> {
    asset: &'a Value,
    run: usize,
    /// The program may not know of it.
    open: bool,
}

/// Of each object: only versions that it had, none older after a newer one (R18), and none again that was accepted (R17).
///
/// # Errors
/// The first delivery that should not have been.
pub fn deliveries(
    world: &World,
    deliveries: &[Delivery],
    ran: &[Ran],
    concurrency: usize,
) -> Result<(), String> {
    let arrivals = arrivals(deliveries, ran, concurrency);
    let versions = world.versions();
    for (sid, arrivals) in &arrivals {
        let Some(versions) = versions.get(*sid) else {
            return Err(format!("{sid} was delivered, but no such object ever was"));
        };
        history_of(sid, arrivals, versions, ran)?;
    }
    Ok(())
}

fn arrivals<'a>(
    deliveries: &'a [Delivery],
    ran: &[Ran],
    concurrency: usize,
) -> BTreeMap<&'a str, Vec<Arrival<'a>>> {
    let mut arrivals: BTreeMap<&str, Vec<Arrival<'_>>> = BTreeMap::new();
    for (number, delivery) in deliveries.iter().enumerate() {
        let run = ran.partition_point(|ran| ran.first <= number) - 1;
        let end = ran.get(run + 1).map_or(deliveries.len(), |next| next.first);
        let last = ran[run].split || number + concurrency >= end;
        let open = faults::leaves_open(&delivery.answer) || (ran[run].stopped.is_some() && last);
        for (sid, asset) in delivery.external_ids.iter().zip(&delivery.assets) {
            arrivals
                .entry(sid)
                .or_default()
                .push(Arrival { asset, run, open });
        }
    }
    arrivals
}

fn history_of(sid: &str, arrivals: &[Arrival<'_>], versions: &[Value], ran: &[Ran]) -> Result<(), String> {
    let mut at = 0;
    for (number, arrival) in arrivals.iter().enumerate() {
        let Some(found) = versions[at..].iter().position(|version| version == arrival.asset) else {
            let known = versions.contains(arrival.asset);
            let what = if known {
                "an older version after a newer one"
            } else {
                "something that it never was"
            };
            return Err(format!("{sid} was delivered as {what}: {}", arrival.asset));
        };
        at += found;
        let Some(before) = number.checked_sub(1).map(|number| &arrivals[number]) else {
            continue;
        };
        if before.asset != arrival.asset || before.open {
            continue;
        }
        let between = &ran[before.run..=arrival.run];
        let asked_for = between.iter().any(|ran| ran.resend);
        // It was something else meanwhile, and that may have arrived.
        let came_back = versions[at + 1..].contains(arrival.asset) && between.iter().any(|ran| ran.troubled);
        if !asked_for && !came_back {
            return Err(format!(
                "{sid} was sent again, though the same was accepted in run {}, in run {}: {}",
                before.run + 1,
                arrival.run + 1,
                arrival.asset
            ));
        }
    }
    Ok(())
}

/// Upstream holds what the model makes of each object in scope.
///
/// # Errors
/// The first object of which it does not.
pub fn converged(world: &World, assets: &BTreeMap<String, Value>) -> Result<(), String> {
    for expected in world.expected() {
        let Some(asset) = expected.asset else { continue };
        match assets.get(&expected.sid) {
            Some(held) if *held == asset => {}
            Some(held) => {
                return Err(format!(
                    "{} is upstream\n  {held}\nand in the directory\n  {asset}",
                    expected.dn
                ));
            }
            None => return Err(format!("{} never came: {asset}", expected.dn)),
        }
    }
    Ok(())
}
