//! Conditions on everything that a receiver was sent, where ids have owners (R37): an id may be
//! sent of one object after another.

use std::collections::BTreeMap;

use lab::receiver::Delivery;
use serde_json::Value;

use super::audit::{Ran, leaves_open, told_removed};
use super::world::{guid_of, id_of};

/// Every version of an object's asset, in order, by GUID.
pub type Versions<'a> = BTreeMap<String, &'a [Value]>;

/// The version that was sent last of each object under each id, by GUID and id.
type Reached = BTreeMap<(String, String), usize>;

/// The last that arrived of an id.
struct Last<'a> {
    asset: &'a Value,
    run: usize,
    /// The program may not know of it.
    open: bool,
}

/// Of each object: only versions that it had, and under each id none older after a newer one (R18).
/// Of each id: nothing again that was accepted last (R17), and no removal that is not listed (R24).
/// `in_flight` is how many requests may be out at once; [`Ran::removed`] holds ids.
///
/// # Errors
/// The first delivery that should not have been, with everything that arrived under its id.
pub fn check(
    versions: &Versions<'_>,
    deliveries: &[Delivery],
    ran: &[Ran],
    in_flight: usize,
) -> Result<(), String> {
    let mut reached = Reached::new();
    let mut latest: BTreeMap<&str, Last<'_>> = BTreeMap::new();
    for (number, delivery) in deliveries.iter().enumerate() {
        let run = run_of(number, ran);
        let end = ran.get(run + 1).map_or(deliveries.len(), |next| next.first);
        let is_last = ran[run].split || number + in_flight >= end;
        let open = leaves_open(&delivery.answer) || (ran[run].stopped && is_last);
        for (id, asset) in delivery.external_ids.iter().zip(&delivery.assets) {
            let before = latest.get(id.as_str()).filter(|last| !last.open);
            let now = Last { asset, run, open };
            check_arrival(id, &now, before, versions, ran, &mut reached)
                .map_err(|wrong| format!("{wrong}{}", all_of(id, deliveries, ran)))?;
            latest.insert(id, now);
        }
    }
    Ok(())
}

fn run_of(delivery: usize, ran: &[Ran]) -> usize {
    ran.partition_point(|ran| ran.first <= delivery) - 1
}

fn check_arrival(
    id: &str,
    now: &Last<'_>,
    before: Option<&Last<'_>>,
    versions: &Versions<'_>,
    ran: &[Ran],
    reached: &mut Reached,
) -> Result<(), String> {
    let guid = guid_of(now.asset);
    let Some(own) = versions.get(&guid) else {
        return Err(format!("{id} was delivered of {guid}, which never was"));
    };
    let was_other = match told_removed(now.asset) {
        Some(last) => {
            check_removal(id, &last, own, &ran[..=now.run])?;
            false
        }
        None => {
            let at = reached.entry((guid.clone(), id.to_owned())).or_default();
            *at += position(id, now.asset, &own[*at..], own)?;
            own[*at + 1..].contains(now.asset) || is_claimed_by_another(id, &guid, versions)
        }
    };
    match before.filter(|before| before.asset == now.asset) {
        Some(before) => check_again(id, before, now.run, ran, was_other),
        None => Ok(()),
    }
}

/// Returns `true` when the id was at some time that of another object: of that one a version may
/// have been sent under it.
fn is_claimed_by_another(id: &str, guid: &str, versions: &Versions<'_>) -> bool {
    let mut others = versions.iter().filter(|(other, _)| *other != guid);
    others.any(|(_, versions)| versions.iter().any(|version| id_of(version) == id))
}

/// Everything that arrived under the id, a line each.
fn all_of(id: &str, deliveries: &[Delivery], ran: &[Ran]) -> String {
    let mut lines = String::new();
    for (number, delivery) in deliveries.iter().enumerate() {
        let all = delivery.external_ids.iter().zip(&delivery.assets);
        for (_, asset) in all.filter(|(of, _)| *of == id) {
            let (run, answer) = (run_of(number, ran) + 1, &delivery.answer);
            lines.push_str(&format!("\n  in run {run}, {answer}: {asset}"));
        }
    }
    lines
}

fn check_removal(id: &str, last: &Value, versions: &[Value], ran: &[Ran]) -> Result<(), String> {
    if !versions.contains(last) {
        return Err(format!("{id} was told as removed as what it never was: {last}"));
    }
    // Of two connections that run side by side, the second one may take it off the list again.
    let listed = ran.iter().any(|ran| ran.removed.contains(id));
    if listed || ran.iter().any(|ran| ran.any_order) {
        return Ok(());
    }
    Err(format!(
        "R24: {id} was told as removed, and is not listed: {last}"
    ))
}

/// Distance of the version from the one that was sent before.
fn position(id: &str, asset: &Value, ahead: &[Value], all: &[Value]) -> Result<usize, String> {
    ahead
        .iter()
        .position(|version| version == asset)
        .ok_or_else(|| match all.contains(asset) {
            true => format!("R18: {id} was delivered as an older version after a newer one: {asset}"),
            false => format!("{id} was delivered as something that it never was: {asset}"),
        })
}

/// The same asset again was asked for, or something else may have arrived under the id meanwhile:
/// with `was_other` the object was something else, or another one had the id.
fn check_again(id: &str, last: &Last<'_>, run: usize, ran: &[Ran], was_other: bool) -> Result<(), String> {
    let between = &ran[last.run..=run];
    let asked_for = between.iter().any(|ran| ran.resend || ran.removed.contains(id));
    let troubled = between.iter().any(|ran| ran.troubled || ran.stopped);
    if asked_for || ran[run].split || (troubled && was_other) {
        return Ok(());
    }
    Err(format!(
        "R17: {id} was sent again in run {}, though the same was accepted in run {}: {}",
        run + 1,
        last.run + 1,
        last.asset
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn asset(guid: &str, id: &str, version: u32) -> Value {
        json!({"asset": {"assetHeader": {"externalAssetId": id, "vendorAssetId": guid},
                         "assetDetail": {"version": version}}})
    }

    /// Each of these is a delivery in a run of its own.
    fn checked(versions: &[Value], sent: &[Value], change: impl Fn(&mut [Ran])) -> Result<(), String> {
        let mut by_guid: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for version in versions {
            by_guid.entry(guid_of(version)).or_default().push(version.clone());
        }
        let versions = by_guid.iter();
        let versions = versions.map(|(guid, versions)| (guid.clone(), versions.as_slice()));
        let mut ran: Vec<Ran> = (0..sent.len())
            .map(|first| Ran {
                first,
                ..Ran::default()
            })
            .collect();
        change(&mut ran);
        let deliveries: Vec<Delivery> = sent
            .iter()
            .map(|asset| Delivery {
                request_id: String::new(),
                connector_uuid: String::new(),
                external_ids: vec![id_of(asset)],
                assets: vec![asset.clone()],
                answer: "accept".to_owned(),
            })
            .collect();
        check(&versions.collect(), &deliveries, &ran, 1)
    }

    #[test]
    fn r37_an_id_may_be_sent_of_one_object_after_another() {
        let (one, other) = (asset("a", "m", 1), asset("b", "m", 1));
        let all = [one.clone(), other.clone()];
        assert_eq!(checked(&all, &[one.clone(), other, one.clone()], |_| ()), Ok(()));
        let again = checked(&all, &[one.clone(), one.clone()], |_| ()).unwrap_err();
        assert!(again.starts_with("R17"), "{again}");
        let asked_for = |ran: &mut [Ran]| ran[1].removed = BTreeSet::from(["m".to_owned()]);
        assert_eq!(checked(&all, &[one.clone(), one], asked_for), Ok(()));
    }

    #[test]
    fn r17_the_same_is_sent_again_where_another_object_may_have_arrived_under_the_id() {
        let (one, other) = (asset("a", "m", 1), asset("b", "m", 1));
        // What the other one sent was not kept, and the program got no answer.
        let sent = [one.clone(), one.clone()];
        let trouble = |ran: &mut [Ran]| ran[0].troubled = true;
        assert_eq!(checked(&[one.clone(), other.clone()], &sent, trouble), Ok(()));
        for (versions, is_troubled) in [
            (vec![one.clone(), other], false),
            (vec![one.clone(), asset("b", "n", 1)], true),
            (vec![one], true),
        ] {
            let again = checked(&versions, &sent, |ran| ran[0].troubled = is_troubled).unwrap_err();
            assert!(again.starts_with("R17"), "{again}");
        }
    }

    #[test]
    fn r18_an_object_goes_back_under_its_id() {
        let (first, second) = (asset("a", "m", 1), asset("a", "m", 2));
        let all = [first.clone(), second.clone()];
        assert_eq!(checked(&all, &[first.clone(), second.clone()], |_| ()), Ok(()));
        let back = checked(&all, &[second, first], |_| ()).unwrap_err();
        assert!(back.starts_with("R18"), "{back}");
    }

    #[test]
    fn r18_of_two_ids_the_older_one_may_arrive_later() {
        let (old, new) = (asset("a", "m", 1), asset("a", "n", 1));
        let all = [old.clone(), new.clone()];
        assert_eq!(checked(&all, &[new, old], |_| ()), Ok(()));
    }

    #[test]
    fn r24_a_removal_that_is_not_listed_is_found() {
        let version = asset("a", "m", 1);
        let mut removed = version.clone();
        removed["asset"]["assetDetail"][super::super::audit::REMOVED] = json!("REMOVED");
        let sent = [version.clone(), removed];
        let found = checked(std::slice::from_ref(&version), &sent, |_| ()).unwrap_err();
        assert!(found.starts_with("R24"), "{found}");
        let listed = |ran: &mut [Ran]| ran[1].removed = BTreeSet::from(["m".to_owned()]);
        assert_eq!(checked(&[version], &sent, listed), Ok(()));
    }
}
