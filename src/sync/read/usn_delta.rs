//! A delta by uSNChanged, and what every increment reads besides: what other controllers changed
//! (R2), and what could not be mapped before (R15).

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
    /// Reads what changed since `since`, what other controllers changed `elsewhere` (R2), and once
    /// more what could not be mapped before (R15). Everything is read when a container was renamed
    /// or moved (R8).
    pub(super) async fn changes(
        &mut self,
        since: u64,
        elsewhere: &[(Kind, Guid)],
        root: RootDse,
    ) -> Result<CompletedRead, RunError> {
        self.recall_containers().await?;
        let usn = root.highest_committed_usn;
        let met = FoundInScope::default();
        let mut changed = self.changed(since, usn, usn, &met).await?;
        if let Some(reason) = changed.moved {
            return self.full(reason, root).await;
        }
        changed.missed.extend(self.read_again(elsewhere, &met).await?);
        self.odd_parents().await?;
        self.unmapped().await?;
        self.reread_linked(changed.objects, false).await?;
        Ok(CompletedRead {
            usn,
            cookie: None,
            missed: changed.missed,
            met: None,
            empty: Vec::new(),
        })
    }

    /// Takes the containers as the controller returned them last.
    pub(super) async fn recall_containers(&mut self) -> Result<(), RunError> {
        let (id, controller) = (self.connector.id, self.controller);
        let stored = self
            .connector
            .on_store(move |store| store.containers(id, controller))
            .await?;
        self.containers = Containers::stored(stored);
        Ok(())
    }

    /// Reads what other controllers changed since this one was read, as far as it is not in `met`
    /// (R2): they may have returned an older version, which would stay upstream. Gives those that
    /// are known and not in scope here.
    pub(super) async fn read_again(
        &mut self,
        elsewhere: &[(Kind, Guid)],
        met: &FoundInScope,
    ) -> Result<Vec<Guid>, RunError> {
        if elsewhere.is_empty() {
            return Ok(Vec::new());
        }
        tracing::info!(
            objects = elsewhere.len(),
            "Other controllers changed objects since this one was read: they are read again."
        );
        for kind in self.kinds() {
            let of_kind = elsewhere.iter().filter(|(other, _)| *other == kind);
            let guids = met.lacks(of_kind.map(|(_, guid)| *guid).collect());
            for search in self.scope.with_guids(kind, &guids) {
                self.search(kind, search, met).await?;
            }
        }
        self.known_and_unmet(elsewhere.iter().map(|(_, guid)| *guid).collect(), met)
            .await
    }

    /// Reads what changed since `since` in scope, into `met`, and watches what changed elsewhere.
    /// `begun` is the highestCommittedUSN from before the first search of the read, `usn` the
    /// present one.
    pub(super) async fn changed(
        &mut self,
        since: u64,
        begun: u64,
        usn: u64,
        met: &FoundInScope,
    ) -> Result<WatchedChanges, RunError> {
        // The controller has committed nothing since: there is nothing to ask for.
        if usn <= since {
            return Ok(WatchedChanges::default());
        }
        for kind in self.kinds() {
            if let Some(search) = self.scope.changed_since(kind, since) {
                self.search(kind, search, met).await?;
            }
        }
        self.watch(since, begun, met).await
    }

    /// Reads once more what could not be mapped in an earlier run, and was not read by this one yet
    /// (R15). What it does not find any more is forgotten when the read is complete.
    pub(super) async fn unmapped(&mut self) -> Result<(), RunError> {
        self.stored().await?;
        let (id, run) = (self.connector.id, self.run);
        for kind in self.kinds() {
            let guids = self
                .connector
                .on_store(move |store| store.unmapped_before(id, kind, run))
                .await?;
            for search in self.scope.with_guids(kind, &guids) {
                self.search(kind, search, &FoundInScope::default()).await?;
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
                for search in self.scope.with_names(kind, &names) {
                    self.search(kind, search, &FoundInScope::default()).await?;
                }
            }
        }
        Ok(())
    }
}
