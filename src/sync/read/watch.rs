//! Watch over the naming context: it finds known objects that changed without being found in scope
//! (R8), and containers that were renamed or moved.

use std::collections::BTreeSet;

use crate::directory::{DirectoryError, Entry, LdapSearch};
use crate::identity::Guid;
use crate::store::UnfinishedRead;

use super::containers::{self, Containers};
use super::context::ReadContext;
use super::found::FoundInScope;
use crate::sync::RunError;
use crate::sync::entry_fields::{guid_of, is_changed_after, is_newer};
use crate::sync::links::ChangedObjects;

/// Result of a watch.
#[derive(Debug, Default)]
pub(super) struct WatchedChanges {
    /// Known objects that changed, and that the searches in scope did not return.
    pub(super) missed: Vec<Guid>,
    /// Description of a container that was renamed or moved.
    pub(super) moved: Option<String>,
    /// Objects that changed, anywhere in the naming context, as far as an asset may name them.
    pub(super) objects: ChangedObjects,
}

impl ReadContext<'_> {
    /// Reads everything in the naming context that changed since `since`, deleted objects too where
    /// the account may read them. `in_scope` holds the results of the searches in scope, which
    /// began when the controller had committed `begun`.
    pub(super) async fn watch(
        &mut self,
        since: u64,
        begun: u64,
        in_scope: &FoundInScope,
    ) -> Result<WatchedChanges, RunError> {
        let mut watched = WatchedChanges::default();
        let mut pages = self.session.search(LdapSearch {
            filter: format!("(uSNChanged>={})", since.saturating_add(1)),
            ..self.watching()
        });
        while let Some(entries) = pages.next().await? {
            let mut guids = Vec::new();
            for entry in &entries {
                let Some(guid) = guid_of(entry) else { continue };
                let created = is_newer(entry, since);
                self.observe(entry, guid, created, begun, &mut watched);
                guids.push(guid);
            }
            watched
                .missed
                .extend(self.known_and_unmet(guids, in_scope).await?);
        }
        self.add(pages.counts());
        watched.moved = self.settle_containers(in_scope).await?;
        Ok(watched)
    }

    /// Examines one object that changed.
    pub(super) fn observe(
        &mut self,
        entry: &Entry,
        guid: Guid,
        created: bool,
        begun: u64,
        watched: &mut WatchedChanges,
    ) {
        let by_guid = self.session.asks_for_extended_names();
        self.links.observe(&mut watched.objects, entry, guid, by_guid);
        let meanwhile = is_changed_after(entry, begun);
        self.containers.observe(entry, guid, created, meanwhile);
    }

    /// Returns those of `guids` that upstream holds or will receive, and that are not in
    /// `in_scope`.
    pub(super) async fn known_and_unmet(
        &self,
        guids: Vec<Guid>,
        in_scope: &FoundInScope,
    ) -> Result<Vec<Guid>, RunError> {
        let unmet = in_scope.lacks(guids);
        if unmet.is_empty() {
            return Ok(unmet);
        }
        let (id, kinds) = (self.connector.id, self.kinds());
        self.connector
            .on_store(move |store| store.known_among(id, &kinds, &unmet))
            .await
    }

    /// Decides on the containers that the watch returned, and reads again everything below those
    /// that may have been moved away and back during this read, into `in_scope`. Returns a
    /// description of the container that was renamed or moved.
    pub(super) async fn settle_containers(
        &mut self,
        in_scope: &FoundInScope,
    ) -> Result<Option<String>, RunError> {
        let observed = self.containers.observed();
        let within = self.within_reach(&observed).await?;
        let settled = self.containers.settle(&within);
        if settled.moved.is_none() {
            let unsteady = self.scope.placed_within_base(&settled.unsteady);
            for container in self.guids_given(unsteady).await? {
                for kind in self.kinds() {
                    if let Some(search) = self.scope.below(kind, container) {
                        self.search(kind, search, in_scope).await?;
                    }
                }
            }
        }
        Ok(settled.moved)
    }

    /// Returns the GUIDs of everything that `searches` return.
    pub(super) async fn guids_given(
        &mut self,
        searches: Vec<LdapSearch>,
    ) -> Result<BTreeSet<Guid>, RunError> {
        let mut guids = BTreeSet::new();
        for search in searches {
            let take = |entry: &Entry| guids.extend(guid_of(entry));
            let searched = self.session.each_entry(search, take).await?;
            self.add(searched);
        }
        Ok(guids)
    }

    /// Returns those of `guids` whose rename makes a delta a full read: within the base context, or
    /// anywhere where assets show whole names of objects that may be anywhere.
    async fn within_reach(&mut self, guids: &[Guid]) -> Result<BTreeSet<Guid>, RunError> {
        if self.links.shows_places() {
            return Ok(guids.iter().copied().collect());
        }
        self.guids_given(self.scope.placed_within_base(guids)).await
    }

    /// Reads the places of all containers whose rename makes a delta a full read.
    pub(super) async fn load_containers(&mut self) -> Result<(), RunError> {
        self.containers = Containers::default();
        let frame = if self.links.shows_places() {
            self.scope.naming_context()
        } else {
            self.scope.within_base()
        };
        let search = LdapSearch {
            filter: containers::FILTER.to_owned(),
            attributes: containers::ATTRIBUTES.map(str::to_owned).to_vec(),
            ..frame
        };
        let found = |entry: &Entry| self.containers.found(entry);
        let searched = self.session.each_entry(search, found).await?;
        self.add(searched);
        Ok(())
    }

    /// Compares the places of the containers that changed since `unfinished` began with those at
    /// that time. Returns a description of the one that was renamed or moved since.
    pub(super) async fn moved_since(
        &mut self,
        unfinished: &UnfinishedRead,
    ) -> Result<Option<String>, RunError> {
        self.containers = Containers::begun(&unfinished.containers);
        let since = unfinished.highest;
        let search = LdapSearch {
            filter: format!(
                "(&(uSNChanged>={}){})",
                since.saturating_add(1),
                containers::FILTER
            ),
            ..self.watching()
        };
        let observe = |entry: &Entry| {
            if let Some(guid) = guid_of(entry) {
                // Everything below is read again at the end of the read, which finds the same
                // containers.
                self.containers
                    .observe(entry, guid, is_newer(entry, since), false);
            }
        };
        let searched = self.session.each_entry(search, observe).await?;
        self.add(searched);
        self.settle_containers(&FoundInScope::default()).await
    }

    /// Returns a search of the naming context with the attributes that a watch needs, without
    /// filter.
    pub(super) fn watching(&self) -> LdapSearch {
        LdapSearch {
            attributes: containers::ATTRIBUTES.map(str::to_owned).to_vec(),
            show_deleted: self.shows_deleted,
            ..self.scope.naming_context()
        }
    }

    /// Looks up the parents of objects that are no container by class, and the parents of these, as
    /// far as they are within the base context.
    pub(super) async fn look_up_parents(&mut self) -> Result<(), RunError> {
        loop {
            let orphans = self.containers.take_orphans();
            if orphans.is_empty() {
                return Ok(());
            }
            let mut parents = Vec::new();
            for orphan in orphans {
                match self.session.lookup(&orphan, &containers::ATTRIBUTES, false).await {
                    Ok(Some(entry)) => parents.push(entry),
                    // Hidden, or moved a moment ago; nothing is concluded from it.
                    Ok(None) | Err(DirectoryError::Search { .. } | DirectoryError::Answer { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let guids: Vec<Guid> = parents.iter().filter_map(guid_of).collect();
            let within = self.within_reach(&guids).await?;
            for parent in &parents {
                if guid_of(parent).is_some_and(|guid| within.contains(&guid)) {
                    self.containers.found(parent);
                    self.containers.record_parent_of(&parent.dn);
                }
            }
        }
    }
}
