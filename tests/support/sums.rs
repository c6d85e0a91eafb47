//! The history of runs is true: its sums agree with its lists, and with what the receiver counted (docs/testing.md).

use std::collections::BTreeMap;

use ad_connector::identity::Kind;
use ad_connector::store::{Fate, KindCounts, ObjectTotals, Outcome, RunObject, RunRow};
use lab::receiver::Ledger;

/// What must be true of every run by itself.
///
/// # Errors
/// What is not.
pub fn check_run(run: &RunRow, objects: &[RunObject]) -> Result<(), String> {
    let mut told: BTreeMap<Kind, [u64; 3]> = BTreeMap::new();
    let counted = objects.iter().filter(|object| object.fate != Fate::Reclassified);
    for object in counted {
        let fate = [Fate::Rejected, Fate::Unmapped, Fate::Removed]
            .iter()
            .position(|fate| *fate == object.fate);
        told.entry(object.kind).or_default()[fate.unwrap_or_default()] += 1;
        if object.reason.is_empty() || object.dn.is_empty() {
            return Err(format!("{object:?} says too little"));
        }
    }
    let sent = without_waiting(run, objects).counts;
    for (kind, counts) in &run.counts.0 {
        if counts.read != counts.unchanged + counts.staged + counts.unmapped {
            return Err(format!("{kind}: not everything read is accounted for"));
        }
        let answered = sent.0.get(kind).map_or(0, |sent| sent.accepted + sent.rejected);
        if counts.sent < answered || (is_whole(run) && counts.sent != answered) {
            return Err(format!("{kind}: {} sent, {answered} answered", counts.sent));
        }
        let told = told.remove(kind).unwrap_or_default();
        if told != [counts.rejected, counts.unmapped, counts.removed] {
            return Err(format!(
                "{kind}: rejected, unmapped and removed are listed as {told:?}"
            ));
        }
    }
    if !told.is_empty() {
        return Err(format!("objects are listed that are not counted: {told:?}"));
    }
    let total = run.counts.total();
    if run.outcome == Some(Outcome::Processed) && total.rejected + total.unmapped + total.held > 0 {
        return Err("it ended as processed all the same".to_owned());
    }
    if (total.held > 0) != run.held_list.is_some() {
        return Err("what is held has a list, and nothing else has".to_owned());
    }
    Ok(())
}

/// The run without the objects that it rejected since another one has their externalAssetId: these
/// were not sent (R37).
pub fn without_waiting(run: &RunRow, objects: &[RunObject]) -> RunRow {
    let mut run = run.clone();
    let waits = |object: &&RunObject| object.reason.contains("has to wait until");
    for object in objects.iter().filter(waits) {
        if let Some(counts) = run.counts.0.get_mut(&object.kind) {
            counts.rejected = counts.rejected.saturating_sub(1);
        }
    }
    run
}

/// What must be true of all runs together, each [without what waits](without_waiting). `in_flight`
/// is how many assets may be out at once, at most.
///
/// # Errors
/// What is not.
pub fn check_sums(runs: &[RunRow], ledger: &Ledger, unread: u64, in_flight: u64) -> Result<(), String> {
    let mut counts = KindCounts::default();
    for run in runs {
        counts += &run.counts;
    }
    let total = counts.total();
    let died = runs.iter().filter(|run| has_died(run)).count() as u64;
    let requests: u64 = runs.iter().map(|run| run.requests).sum();
    let all_ended_well = runs.iter().all(is_whole);
    between(
        "requests",
        requests,
        if died > 0 { 0 } else { ledger.requests },
        match all_ended_well {
            true => ledger.requests + unread,
            // A request to a gateway that is not there counts, and arrives nowhere.
            false => u64::MAX,
        },
    )?;
    // A run that is stopped gives the requests in flight a while to be answered, and no more (R26).
    let stopped = runs
        .iter()
        .filter(|run| run.outcome == Some(Outcome::Stopped))
        .count() as u64;
    let lost = (died + stopped) * in_flight;
    let sum = |by_class: &BTreeMap<String, u64>| by_class.values().sum::<u64>();
    let (accepted, rejected) = (sum(&ledger.accepted), sum(&ledger.rejected));
    between(
        "accepted",
        total.accepted,
        accepted.saturating_sub(lost + ledger.repeated),
        accepted + ledger.unclear,
    )?;
    let refused = ledger.refused + ledger.untold + ledger.unclear + unread * in_flight;
    between(
        "rejected",
        total.rejected,
        rejected.saturating_sub(lost + ledger.rejected_again),
        rejected + refused,
    )?;
    if ledger.unclear > 0 || lost > 0 {
        return Ok(());
    }
    for (kind, class) in [
        (Kind::User, "userAssetClass"),
        (Kind::Group, "groupAssetClass"),
        (Kind::Role, "roleAssetClass"),
    ] {
        let of = |by_class: &BTreeMap<String, u64>| by_class.get(class).copied().unwrap_or_default();
        let mine: ObjectTotals = counts.0.get(&kind).copied().unwrap_or_default();
        // Another mapping may put assets under other names.
        if !ledger.accepted.contains_key("?") && !ledger.rejected.contains_key("?") {
            let accepted = of(&ledger.accepted);
            between(
                class,
                mine.accepted,
                accepted.saturating_sub(ledger.repeated),
                accepted,
            )?;
            between(
                class,
                mine.rejected,
                of(&ledger.rejected).saturating_sub(ledger.rejected_again),
                of(&ledger.rejected) + refused,
            )?;
        }
    }
    Ok(())
}

/// Whether the run came to its end, with an answer to everything.
fn is_whole(run: &RunRow) -> bool {
    matches!(run.outcome, Some(Outcome::Processed | Outcome::Partial))
}

/// Whether its process died, or still runs.
fn has_died(run: &RunRow) -> bool {
    matches!(run.outcome, None | Some(Outcome::Interrupted))
}

fn between(what: &str, counted: u64, least: u64, most: u64) -> Result<(), String> {
    if (least..=most).contains(&counted) {
        return Ok(());
    }
    Err(format!(
        "{what}: {counted} in the history, {least} to {most} at the receiver"
    ))
}
