//! What must be true of everything that a receiver was sent, whatever went wrong meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use lab::receiver::Delivery;
use serde_json::Value;

/// Key below `asset.assetDetail` that tells upstream of a removal (R24), in the tables of the tests.
pub const REMOVED: &str = "lifecycle";

/// Every version that an object had, in order, by `externalAssetId`.
pub type Versions<'a> = BTreeMap<String, &'a [Value]>;

/// A run that is over, as far as the deliveries depend on it.
#[derive(Debug, Default)]
pub struct Ran {
    /// Number of the first delivery that came in it.
    pub first: usize,
    /// It sent unchanged assets too (`--resend`).
    pub resend: bool,
    /// It was stopped or killed: of its last batches the answer may not have been kept.
    pub stopped: bool,
    /// Batches may have been split, so a batch is several deliveries.
    pub split: bool,
    /// The gateway did something else than accept.
    pub troubled: bool,
    /// Objects that are listed as removed since.
    pub removed: BTreeSet<String>,
    /// It could read one of several controllers, which may hold different versions: their order
    /// says nothing.
    pub any_order: bool,
}

/// One arrival of one asset.
struct Arrival<'a> {
    asset: &'a Value,
    run: usize,
    /// The program may not know of it.
    open: bool,
    /// It came in a request of its own.
    alone: bool,
}

/// Of each object: only versions that it had, none older after a newer one (R18), and none again that was accepted (R17).
/// `in_flight` is how many batches may be out at once.
///
/// # Errors
/// The first delivery that should not have been.
pub fn check(
    versions: &Versions<'_>,
    deliveries: &[Delivery],
    ran: &[Ran],
    in_flight: usize,
) -> Result<(), String> {
    for (sid, arrivals) in &arrivals(deliveries, ran, in_flight) {
        let Some(versions) = versions.get(*sid) else {
            return Err(format!("{sid} was delivered, but no such object ever was"));
        };
        check_object(sid, arrivals, versions, ran)?;
    }
    Ok(())
}

fn arrivals<'a>(
    deliveries: &'a [Delivery],
    ran: &[Ran],
    in_flight: usize,
) -> BTreeMap<&'a str, Vec<Arrival<'a>>> {
    let mut arrivals: BTreeMap<&str, Vec<Arrival<'_>>> = BTreeMap::new();
    for (number, delivery) in deliveries.iter().enumerate() {
        let run = ran.partition_point(|ran| ran.first <= number) - 1;
        let end = ran.get(run + 1).map_or(deliveries.len(), |next| next.first);
        let last = ran[run].split || number + in_flight >= end;
        let open = leaves_open(&delivery.answer) || (ran[run].stopped && last);
        let alone = delivery.assets.len() == 1;
        for (sid, asset) in delivery.external_ids.iter().zip(&delivery.assets) {
            arrivals.entry(sid).or_default().push(Arrival {
                asset,
                run,
                open,
                alone,
            });
        }
    }
    arrivals
}

fn check_object(sid: &str, arrivals: &[Arrival<'_>], versions: &[Value], ran: &[Ran]) -> Result<(), String> {
    let mut at = 0;
    for (number, arrival) in arrivals.iter().enumerate() {
        if let Some(last) = told_removed(arrival.asset) {
            let listed = ran[..=arrival.run].iter().any(|ran| ran.removed.contains(sid));
            if !listed || !versions.contains(&last) {
                return Err(format!("{sid} was told as removed, listed {listed}: {last}"));
            }
            continue;
        }
        if ran[arrival.run].any_order {
            at = 0;
        }
        let Some(found) = versions[at..].iter().position(|version| version == arrival.asset) else {
            let what = if versions.contains(arrival.asset) {
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
        let asked_for = between.iter().any(|ran| ran.resend || ran.removed.contains(sid));
        // It was something else meanwhile, and that may have arrived.
        let came_back = (ran[arrival.run].any_order || versions[at + 1..].contains(arrival.asset))
            && between.iter().any(|ran| ran.troubled || ran.stopped);
        // The search for the cause of a refusal sends again what was accepted, to see whether the
        // gateway accepts anything (R32).
        let compared = arrival.alone && before.run == arrival.run && ran[arrival.run].troubled;
        if !asked_for && !came_back && !compared {
            return Err(format!(
                "{sid} was sent again in run {}, though the same was accepted in run {}: {}",
                arrival.run + 1,
                before.run + 1,
                arrival.asset
            ));
        }
    }
    Ok(())
}

/// The asset without the mark, where it tells of a removal.
pub fn told_removed(asset: &Value) -> Option<Value> {
    let mut last = asset.clone();
    last.pointer_mut("/asset/assetDetail")?
        .as_object_mut()?
        .remove(REMOVED)?;
    Some(last)
}

/// Whether the program cannot know after this answer that the gateway kept the batch, though it did. The text is the
/// receiver's of the answer.
pub fn leaves_open(answer: &str) -> bool {
    answer == "cut after" || answer.starts_with("status ") || answer.contains("UnknownId")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// One object whose versions are these, and deliveries of it: the version, and how it was answered.
    fn checked(versions: &[u32], sent: &[(u32, &str)], ran: &[Ran]) -> Result<(), String> {
        let versions: Vec<Value> = versions.iter().map(|version| json!(version)).collect();
        let deliveries: Vec<Delivery> = sent
            .iter()
            .map(|(version, answer)| Delivery {
                request_id: String::new(),
                connector_uuid: String::new(),
                external_ids: vec!["S-1".to_owned()],
                assets: vec![json!(version)],
                answer: (*answer).to_owned(),
            })
            .collect();
        check(
            &BTreeMap::from([("S-1".to_owned(), versions.as_slice())]),
            &deliveries,
            ran,
            1,
        )
    }

    fn runs(firsts: &[usize]) -> Vec<Ran> {
        firsts
            .iter()
            .map(|first| Ran {
                first: *first,
                ..Ran::default()
            })
            .collect()
    }

    #[test]
    fn versions_in_order_are_right() {
        let sent = [(1, "accept"), (3, "accept")];
        assert_eq!(checked(&[1, 2, 3], &sent, &runs(&[0, 1])), Ok(()));
    }

    #[test]
    fn r18_an_older_version_after_a_newer_one_is_found() {
        let sent = [(2, "accept"), (1, "accept")];
        let found = checked(&[1, 2], &sent, &runs(&[0])).unwrap_err();
        assert!(found.contains("an older version after a newer one"), "{found}");
        let found = checked(&[1, 2], &[(7, "accept")], &runs(&[0])).unwrap_err();
        assert!(found.contains("never was"), "{found}");
    }

    #[test]
    fn of_several_controllers_an_older_version_may_follow_but_not_the_same_one() {
        let mut ran = runs(&[0, 1]);
        ran[1].any_order = true;
        let back = [(2, "accept"), (1, "accept")];
        assert_eq!(checked(&[1, 2], &back, &ran), Ok(()));
        assert!(checked(&[1, 2], &[(2, "accept"), (3, "accept")], &ran).is_err());
        assert!(checked(&[1, 2], &[(2, "accept"), (2, "accept")], &ran).is_err());
    }

    #[test]
    fn r17_an_accepted_version_sent_again_is_found_and_one_without_an_answer_is_not() {
        let twice = [(1, "accept"), (1, "accept")];
        assert!(
            checked(&[1], &twice, &runs(&[0, 1]))
                .unwrap_err()
                .contains("sent again")
        );
        assert_eq!(
            checked(&[1], &[(1, "cut after"), (1, "accept")], &runs(&[0])),
            Ok(())
        );
        let mut ran = runs(&[0, 1]);
        ran[0].stopped = true;
        assert_eq!(checked(&[1], &twice, &ran), Ok(()));
        ran[0].stopped = false;
        ran[1].resend = true;
        assert_eq!(checked(&[1], &twice, &ran), Ok(()));
    }

    #[test]
    fn r18_back_to_the_version_before_is_sent_again_only_after_trouble() {
        let twice = [(1, "accept"), (1, "accept")];
        assert!(checked(&[1, 2, 1], &twice, &runs(&[0, 1])).is_err());
        let mut ran = runs(&[0, 1]);
        ran[0].troubled = true;
        assert_eq!(checked(&[1, 2, 1], &twice, &ran), Ok(()));
    }
}
