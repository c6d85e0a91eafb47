//! A delta by uSNChanged, and the objects that every increment reads besides: those that other
//! controllers changed (R2), and those that could not be mapped before (R15).

use crate::directory::RootDse;
use crate::identity::{Guid, Kind};

use super::containers::Containers;
use super::context::{CompletedRead, ReadContext};
use super::found::FoundInScope;
use super::watch::WatchedChanges;
use crate::sync::RunError;

/// Names of entries that could not be identified, taken from the store at a time.
const NAMES: usize = 500;

impl ReadContext<'_> {
    /// Reads the changes since `since`, those that other controllers made `elsewhere` (R2), and
    /// once more the objects that could not be mapped before (R15). Everything is read when a
    /// container was renamed or moved (R8).
    pub(super) async fn read_delta(
        &mut self,
        since: u64,
        elsewhere: &[(Kind, Guid)],
        root: RootDse,
    ) -> Result<CompletedRead, RunError> {
        self.recall_containers().await?;
        let usn = root.highest_committed_usn;
        let in_scope = FoundInScope::default();
        let mut changed = self.read_changed(since, usn, usn, &in_scope).await?;
        if let Some(reason) = changed.moved {
            return self.read_everything(reason, root).await;
        }
        changed
            .missed
            .extend(self.read_again(elsewhere, &in_scope).await?);
        self.look_up_parents().await?;
        self.read_unmapped().await?;
        self.reread_linked(changed.objects, false).await?;
        Ok(CompletedRead {
            usn,
            cookie: None,
            missed: changed.missed,
            in_scope: None,
            empty: Vec::new(),
        })
    }

    /// Loads the containers as the controller returned them last.
    pub(super) async fn recall_containers(&mut self) -> Result<(), RunError> {
        let (id, controller) = (self.connector.id, self.controller);
        let stored = self
            .connector
            .on_store(move |store| store.containers(id, controller))
            .await?;
        self.containers = Containers::stored(stored);
        Ok(())
    }

    /// Reads the objects that other controllers changed since this one was read, unless they are in
    /// `in_scope` (R2): they may have returned an older version, which would stay upstream. Returns
    /// those that are known and not in scope here.
    pub(super) async fn read_again(
        &mut self,
        elsewhere: &[(Kind, Guid)],
        in_scope: &FoundInScope,
    ) -> Result<Vec<Guid>, RunError> {
        if elsewhere.is_empty() {
            return Ok(Vec::new());
        }
        tracing::info!(
            objects = elsewhere.len(),
            "Other controllers changed objects since this one was read: they are read again."
        );
        for kind in self.kinds() {
            let of_kind = elsewhere.iter().filter(|(other, _)| other.may_become(kind));
            let guids = in_scope.lacks(of_kind.map(|(_, guid)| *guid).collect());
            for search in self.scope.with_guids(kind, &guids) {
                self.search(kind, search, in_scope).await?;
            }
        }
        self.known_and_unmet(elsewhere.iter().map(|(_, guid)| *guid).collect(), in_scope)
            .await
    }

    /// Reads the changes since `since` in scope, into `in_scope`, and watches the changes
    /// elsewhere. `begun` is the highestCommittedUSN from before the first search of the read,
    /// `usn` the present one.
    pub(super) async fn read_changed(
        &mut self,
        since: u64,
        begun: u64,
        usn: u64,
        in_scope: &FoundInScope,
    ) -> Result<WatchedChanges, RunError> {
        // The controller has committed nothing since: there is nothing to request.
        if usn <= since {
            return Ok(WatchedChanges::default());
        }
        for kind in self.kinds() {
            if let Some(search) = self.scope.changed_since(kind, since) {
                self.search(kind, search, in_scope).await?;
            }
        }
        self.watch(since, begun, in_scope).await
    }

    /// Reads once more the objects that could not be mapped in an earlier run, and were not read by
    /// this one yet (R15). Those that it does not find any more are forgotten when the read is
    /// complete.
    pub(super) async fn read_unmapped(&mut self) -> Result<(), RunError> {
        self.wait_until_stored().await?;
        let (id, run) = (self.connector.id, self.run);
        for kind in self.kinds() {
            let guids = self
                .connector
                .on_store(move |store| store.unmapped_before(id, kind, run))
                .await?;
            let found_as = self.kinds_for(kind);
            for kind in &found_as {
                for search in self.scope.with_guids(*kind, &guids) {
                    self.search(*kind, search, &FoundInScope::default()).await?;
                }
            }
            let mut after = String::new();
            loop {
                let behind = after.clone();
                let names = self
                    .connector
                    .on_store(move |store| store.unidentified_before(id, kind, run, &behind, NAMES))
                    .await?;
                let Some(last) = names.last() else { break };
                after.clone_from(last);
                for kind in &found_as {
                    for search in self.scope.with_names(*kind, &names) {
                        self.search(*kind, search, &FoundInScope::default()).await?;
                    }
                }
            }
        }
        Ok(())
    }
}
