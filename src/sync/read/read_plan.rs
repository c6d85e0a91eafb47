//! Plan of a run, from the facts that the store and the directory hold.

use crate::directory::{RootDse, Session};
use crate::identity::{Guid, Kind};

use crate::sync::{Connector, Plan, PlanFacts, ReadScope, RunError, RunRequest, plan};

/// Objects changed by other controllers above which a full read is no slower than reading them a
/// hundred at a time (R2).
const MOST_CHANGED_ELSEWHERE: usize = 50_000;

/// Plan, and the objects that a delta has to read besides.
#[derive(Debug)]
pub(super) struct ReadPlan {
    pub(super) plan: Plan,
    /// Objects that other controllers changed since this one was read (R2); none for a full read.
    pub(super) changed_elsewhere: Vec<(Kind, Guid)>,
}

/// Decides on the plan for this controller and scope.
pub(super) async fn decide(
    connector: &Connector,
    request: &RunRequest,
    session: &mut Session,
    root: &RootDse,
    controller: Guid,
    scope: &ReadScope,
    now: i64,
) -> Result<ReadPlan, RunError> {
    let id = connector.id;
    let watermarks = connector.on_store(move |store| store.watermarks(id)).await?;
    let reached = connector.on_store(move |store| store.reached(id)).await?;
    let cookie = connector.on_store(move |store| store.cookie(id)).await?;
    let mut ages = watermarks
        .iter()
        .map(|mark| mark.read_at)
        .chain(cookie.as_ref().map(|cookie| cookie.read_at));
    let tombstone_lifetime = if ages.any(|read_at| now - read_at >= SHORTEST_TOMBSTONE_LIFETIME) {
        tombstone_lifetime(session, root).await?
    } else {
        TOMBSTONE_LIFETIME
    };
    let plan = plan(&PlanFacts {
        requested: request.mode,
        asked_by: &request.asked_by,
        method: connector.settings.directory.delta,
        by_membership: !connector.settings.profile.members_of.is_empty(),
        controller,
        host: session.host(),
        highest_committed_usn: root.highest_committed_usn,
        scope: scope.digest(),
        tombstone_lifetime,
        now,
        watermarks: &watermarks,
        cookie: cookie.as_ref(),
        restored: reached.iter().all(|one| one.controller != controller)
            && reached.iter().any(|one| one.server == root.ds_service_name),
    });
    let decided = |plan, changed_elsewhere| ReadPlan {
        plan,
        changed_elsewhere,
    };
    if let Plan::Full { .. } = plan {
        return Ok(decided(plan, Vec::new()));
    }
    let by_cookie = matches!(plan, Plan::DirSync { .. });
    let changed = connector
        .on_store(move |store| store.changed_elsewhere(id, controller, by_cookie, MOST_CHANGED_ELSEWHERE + 1))
        .await?;
    if changed.len() > MOST_CHANGED_ELSEWHERE {
        let reason = format!(
            "other controllers changed more than {MOST_CHANGED_ELSEWHERE} objects since {} was read",
            session.host()
        );
        return Ok(decided(Plan::Full { reason }, Vec::new()));
    }
    Ok(decided(plan, changed))
}

/// Days that a tombstone lives where the forest does not set it (MS-ADTS 3.1.1.5.5,
/// tombstoneLifetime unset).
const TOMBSTONE_LIFETIME: u32 = 60;

/// Seconds below which no forest sets it (MS-ADTS 3.1.1.5.5: values under 2 days count as unset): a
/// younger watermark needs no look-up.
const SHORTEST_TOMBSTONE_LIFETIME: i64 = 2 * 86_400;

/// Returns tombstoneLifetime of the forest, days (R9).
async fn tombstone_lifetime(session: &mut Session, root: &RootDse) -> Result<u32, RunError> {
    const ATTRIBUTE: &str = "tombstoneLifetime";
    let Some(configuration) = &root.configuration_naming_context else {
        return Ok(TOMBSTONE_LIFETIME);
    };
    let object = format!("CN=Directory Service,CN=Windows NT,CN=Services,{configuration}");
    let entry = session.lookup(&object, &[ATTRIBUTE], false).await?;
    Ok(entry
        .as_ref()
        .and_then(|entry| entry.text(ATTRIBUTE))
        .and_then(|days| days.parse().ok())
        .unwrap_or(TOMBSTONE_LIFETIME))
}
