//! Changes by the DirSync control: it returns the objects that changed, on whatever controller;
//! they are read like any others.
//!
//! An answer shows the changed attributes of an object, and its scope is the whole naming context
//! alone. So only GUIDs are taken from it, and the objects are read by the searches in scope, which
//! apply base context, scope and filters. Objects that these do not return are missed, as in a
//! delta by uSNChanged.

use std::collections::BTreeSet;

use crate::config::DeltaMethod;
use crate::directory::{DirectoryError, Entry, FaultOf, LdapSearch, RootDse};
use crate::identity::{Guid, Kind};
use crate::store::Cookie;

use super::containers::Containers;
use super::context::{CompletedRead, ReadContext};
use super::found::FoundInScope;
use super::watch::WatchedChanges;
use crate::sync::entry_fields::guid_of;
use crate::sync::{Plan, RunError};

/// Changed objects above which a full read is no slower: they would be read a hundred at a time.
const MOST: usize = 50_000;

/// Filter that every object matches.
const EVERYTHING: &str = "(objectClass=*)";

/// Filter that no object matches: the controller walks over the naming context and returns no more
/// than the cookie.
const NOTHING: &str = "(!(objectClass=*))";

/// Result of a DirSync search.
#[derive(Default)]
struct DirSyncChanges {
    /// Objects that changed; none when there are more than [`MOST`].
    changed: BTreeSet<Guid>,
    /// Objects among them that were created since.
    created: BTreeSet<Guid>,
    too_many: bool,
    cookie: Vec<u8>,
}

impl ReadContext<'_> {
    /// Reads the changes since `cookie`, those that other controllers made `elsewhere` since this
    /// one was read (R2), and once more the objects that could not be mapped before (R15).
    /// Everything is read when the controller refuses the cookie, or when a container was renamed
    /// or moved (R8).
    pub(super) async fn read_dirsync_delta(
        &mut self,
        cookie: Cookie,
        elsewhere: &[(Kind, Guid)],
        root: RootDse,
    ) -> Result<CompletedRead, RunError> {
        let learnt = match self.learn(EVERYTHING, cookie.octets.clone()).await {
            Ok(learnt) => learnt,
            Err(error) if is_refusal(&error) => {
                return self
                    .read_everything(format!("the DirSync cookie was refused: {error}"), root)
                    .await;
            }
            Err(error) => return Err(error.into()),
        };
        if learnt.too_many {
            let reason = format!("more than {MOST} objects changed since the DirSync cookie");
            return self.read_everything(reason, root).await;
        }
        let giver = cookie.controller;
        self.publish_plan(&Plan::DirSync { cookie }).await?;
        if let Some(reason) = self.recall_containers_of(giver, &learnt.changed).await? {
            return self.read_everything(reason, root).await;
        }
        let changed: Vec<Guid> = learnt.changed.iter().copied().collect();
        let in_scope = FoundInScope::default();
        for kind in self.kinds() {
            for search in self.scope.with_guids(kind, &changed) {
                self.search(kind, search, &in_scope).await?;
            }
        }
        let begun = root.highest_committed_usn;
        let mut watched = self
            .watch_these(changed, &learnt.created, begun, &in_scope)
            .await?;
        if let Some(reason) = watched.moved {
            return self.read_everything(reason, root).await;
        }
        watched
            .missed
            .extend(self.read_again(elsewhere, &in_scope).await?);
        self.look_up_parents().await?;
        self.read_unmapped().await?;
        self.reread_linked(watched.objects, false).await?;
        Ok(CompletedRead {
            usn: root.highest_committed_usn,
            cookie: Some(learnt.cookie),
            missed: watched.missed,
            in_scope: None,
            empty: Vec::new(),
        })
    }

    /// Loads the containers as the controller that gave the cookie returned them. Where that is
    /// another one, returns the reason for a full read unless the containers are the same here,
    /// those apart that `changed`. The cookie covers a move that this controller may not have yet,
    /// so the move would never be returned when it arrives; and what changed here below the
    /// container is not in scope before, and covered by the next cookie (R8).
    async fn recall_containers_of(
        &mut self,
        giver: Guid,
        changed: &BTreeSet<Guid>,
    ) -> Result<Option<String>, RunError> {
        if giver == self.controller {
            self.recall_containers().await?;
            return Ok(None);
        }
        let (id, controller) = (self.connector.id, self.controller);
        let (recorded, former) = self
            .connector
            .on_store(move |store| Ok((store.containers(id, giver)?, store.containers(id, controller)?)))
            .await?;
        self.load_containers().await?;
        let present = std::mem::replace(&mut self.containers, Containers::begun(&recorded));
        self.containers.mark_gone(&former);
        let (present, _) = present.changes();
        let mut differing = Containers::differing(&recorded, &present);
        differing.retain(|guid, _| !changed.contains(guid));
        // Parents that are no container by class are among the recorded ones alone.
        let guids: Vec<Guid> = differing.keys().copied().collect();
        for search in self.scope.anywhere(&guids) {
            let compare = |entry: &Entry| {
                if let Some(guid) = guid_of(entry)
                    && differing.get(&guid).is_some_and(|dn| *dn == Some(&entry.dn))
                {
                    differing.remove(&guid);
                }
            };
            let searched = self.session.each_entry(search, compare).await?;
            self.add(searched);
        }
        Ok(differing.into_values().next().map(|dn| {
            let dn = dn.map_or("a container", String::as_str);
            format!("{dn} is not at the same place on the controller that gave the DirSync cookie")
        }))
    }

    /// Returns the cookie with which a DirSync search finds the changes from this moment on; `None`
    /// when changes are found in another way, or the controller refuses the control.
    pub(super) async fn cookie_of_now(&mut self) -> Result<Option<Vec<u8>>, RunError> {
        if self.connector.settings.directory.delta != DeltaMethod::DirSync {
            return Ok(None);
        }
        match self.learn(NOTHING, Vec::new()).await {
            Ok(learnt) => Ok(Some(learnt.cookie)),
            Err(error) if is_refusal(&error) => {
                tracing::warn!(
                    %error,
                    advice = "see `ad-connector check`; AD_DELTA=usn needs no such control",
                    "The controller refuses DirSync: the next run reads everything again."
                );
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Runs one DirSync search to its end.
    async fn learn(&mut self, filter: &str, cookie: Vec<u8>) -> Result<DirSyncChanges, DirectoryError> {
        let base = self.scope.naming_context().base;
        let mut changes = self.session.changes(&base, filter, cookie, self.shows_deleted);
        let mut learnt = DirSyncChanges::default();
        while let Some(entries) = changes.next().await? {
            for entry in &entries {
                let Some(guid) = guid_of(entry) else { continue };
                learnt.changed.insert(guid);
                // The class of an object never changes, so it is among the changes only when the
                // object is new.
                if entry.values("objectClass").next().is_some() {
                    learnt.created.insert(guid);
                }
            }
            if learnt.changed.len() > MOST {
                // The search continues for the cookie alone.
                learnt.too_many = true;
                learnt.changed.clear();
                learnt.created.clear();
            }
        }
        self.add(changes.counts());
        learnt.cookie = changes.into_cookie().unwrap_or_default();
        Ok(learnt)
    }

    /// Watches these objects as [`Self::watch`] does.
    async fn watch_these(
        &mut self,
        changed: Vec<Guid>,
        created: &BTreeSet<Guid>,
        begun: u64,
        in_scope: &FoundInScope,
    ) -> Result<WatchedChanges, RunError> {
        let mut watched = WatchedChanges::default();
        for search in self.scope.anywhere(&changed) {
            let search = LdapSearch {
                filter: search.filter,
                ..self.watching()
            };
            let mut pages = self.session.search(search);
            while let Some(entries) = pages.next().await? {
                for entry in &entries {
                    if let Some(guid) = guid_of(entry) {
                        self.observe(entry, guid, created.contains(&guid), begun, &mut watched);
                    }
                }
            }
            self.add(pages.counts());
        }
        watched.moved = self.settle_containers(in_scope).await?;
        // An object that is not returned at all counts as well: a tombstone that the account may
        // not read.
        watched.missed = self.known_and_unmet(changed, in_scope).await?;
        Ok(watched)
    }
}

/// Returns `true` when a working controller refuses this control or this cookie. A controller that
/// fails refuses the full read as well, which moves the run to the next controller (R39).
fn is_refusal(error: &DirectoryError) -> bool {
    // Not when it is too busy to answer: timeLimitExceeded, adminLimitExceeded, busy, unavailable.
    let busy = |code| matches!(code, 3 | 11 | 51 | 52);
    matches!(error, DirectoryError::Search { outcome, .. } if !busy(outcome.code))
        && error.fault_of() != FaultOf::Controller
}
