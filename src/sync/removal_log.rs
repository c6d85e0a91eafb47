//! Log of the objects that a run found gone (R23, R24), or in another class.

use crate::config::RemovalSettings as Settings;
use crate::store::{Fate, RemovalConclusion, RemovalExcess, RunId};

use super::{Connector, RunError};

/// Removals taken from the store at a time.
const CHUNK: usize = 500;

/// Remedy for removals that are held back.
pub(super) const ADVICE: &str = "see `ad-connector removed`; if these objects are really gone, let them go with \
     `ad-connector approve-removals`, else look at the account's rights, AD_BASE_CONTEXT and the filters";

/// Logs every removal once, or that all are held back.
pub(super) fn log_removals(
    connector: &Connector,
    run: RunId,
    conclusion: &RemovalConclusion,
) -> Result<(), RunError> {
    if let Some(reason) = held(&conclusion.excess, &connector.settings.removal) {
        tracing::warn!(
            reason,
            held = conclusion.counts.total().held,
            advice = ADVICE,
            "Removals are held back: nothing was removed."
        );
    }
    if conclusion.counts.total().removed == 0 {
        return Ok(());
    }
    let mut before = None;
    loop {
        let removed = connector.store.removed(connector.id, Some(run), before, CHUNK)?;
        let Some(last) = removed.last() else {
            return Ok(());
        };
        before = Some(last.place);
        for one in &removed {
            // A warning, like every line about a single object.
            tracing::warn!(
                kind = %one.kind,
                dn = one.dn,
                guid = %one.guid,
                external_asset_id = one.external_id,
                reason = one.reason,
                "The object is gone from the directory."
            );
        }
    }
}

/// Logs every group that became a role, and every role that became a group: its asset stays, and
/// nothing is removed.
pub(super) fn log_reclassified(connector: &Connector, run: RunId) -> Result<(), RunError> {
    let mut after = None;
    loop {
        let listed = connector.store.run_objects(run, after, CHUNK)?;
        let Some(last) = listed.last() else {
            return Ok(());
        };
        after = Some(last.place);
        for one in listed.iter().filter(|one| one.fate == Fate::Reclassified) {
            tracing::info!(
                kind = %one.kind,
                dn = one.dn,
                guid = one.guid.map(|guid| guid.to_string()),
                external_asset_id = one.external_id,
                reason = one.reason,
                "The object changed its class; its asset is sent in the new form."
            );
        }
    }
}

/// Returns the reason for which removals are held back, as a sentence; `None` when they are not.
pub(super) fn held(excess: &[RemovalExcess], settings: &Settings) -> Option<String> {
    if excess.is_empty() {
        return None;
    }
    let kinds: Vec<String> = excess
        .iter()
        .map(|found| format!("{} of {} {}", found.gone, found.known, found.kind.plural()))
        .collect();
    Some(format!(
        "{} are gone, above REMOVAL_MAX_COUNT={} or REMOVAL_MAX_PERCENT={}: nothing was removed",
        kinds.join(" and "),
        settings.max_count,
        settings.max_percent
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Kind;

    #[test]
    fn r23_the_sentence_names_kinds_numbers_and_both_limits() {
        let settings = Settings {
            send: false,
            lag: std::time::Duration::ZERO,
            max_count: 500,
            max_percent: 10,
        };
        assert_eq!(held(&[], &settings), None);
        let excess = [(Kind::User, 12), (Kind::Group, 3)].map(|(kind, gone)| RemovalExcess {
            kind,
            gone,
            known: 20,
        });
        assert_eq!(
            held(&excess, &settings).unwrap(),
            "12 of 20 users and 3 of 20 groups are gone, above REMOVAL_MAX_COUNT=500 or REMOVAL_MAX_PERCENT=10: nothing \
             was removed"
        );
    }
}
