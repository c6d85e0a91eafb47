//! Objects that a read misses: noticed by a watch over the naming context (R8), and looked up one by one before anything is
//! concluded of them (R22).
//!
//! Invariant kept here: only "no such object", a tombstone, a name outside the scope, or a filter that is certain to refuse
//! the object makes it gone. Whatever else a look-up says keeps it.

use std::collections::BTreeSet;

use crate::directory::{DirectoryError, Search};
use crate::identity::{DistinguishedName, Guid};
use crate::store::{Candidate, Unfinished, Verdict, Which};

use super::RunError;
use super::containers::{self, Containers, is_deleted};
use super::links::ChangedObjects;
use super::met::Met;
use super::read::Reader;
use super::stage::guid_of;

/// Candidates taken from the store at a time.
const CHUNK: usize = 500;

/// `referral` (RFC 4511 appendix A.1): the object is, or was, in another domain.
const REFERRAL: u32 = 10;

/// Why an object that does not answer counts as gone. A controller answers alike for an object that the account may not
/// see (MS-ADTS 3.1.1.3.1.3): the threshold is there for an account that loses its rights to many.
const NOT_THERE: &str = "no such object: deleted, or no longer visible to the account";

/// Why the same answer of a controller that is read for the first time does not.
const NOT_HERE: &str = "no such object on a controller that is read for the first time: it may not have been replicated there yet";

/// What a watch saw.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Known objects that changed, and that the searches in scope did not give.
    pub(super) missed: Vec<Guid>,
    /// A container that was renamed or moved, in words.
    pub(super) moved: Option<String>,
    /// Objects that changed, anywhere in the naming context, as far as an asset may name them.
    pub(super) objects: ChangedObjects,
}

impl Reader<'_> {
    /// Looks at everything in the naming context that changed since `since`, deleted objects too where the account may
    /// read them. `met` holds what the searches in scope gave.
    pub(super) async fn watch(&mut self, since: u64, met: &Met) -> Result<Watched, RunError> {
        let base = self.base_of_concern();
        let kinds = self.kinds();
        let mut watched = Watched::default();
        let mut pages = self.session.search(Search {
            filter: format!("(uSNChanged>={})", since.saturating_add(1)),
            attributes: containers::ATTRIBUTES.map(str::to_owned).to_vec(),
            show_deleted: self.shows_deleted,
            ..self.scope.naming_context()
        });
        while let Some(entries) = pages.next().await? {
            let mut unmet = Vec::new();
            for entry in &entries {
                let Some(guid) = guid_of(entry) else { continue };
                let by_guid = self.session.asks_for_extended_names();
                self.links.observe(&mut watched.objects, entry, guid, by_guid);
                let created = containers::is_newer(entry, since);
                let moved = self.containers.observe(entry, guid, created, base.as_ref());
                watched.moved = watched.moved.or(moved);
                unmet.push(guid);
            }
            let unmet = met.lacks(unmet);
            if !unmet.is_empty() {
                let (id, kinds) = (self.connector.id, kinds.clone());
                let known = self
                    .connector
                    .on_store(move |store| store.known_among(id, &kinds, &unmet));
                watched.missed.extend(known.await?);
            }
        }
        self.count(&pages);
        Ok(watched)
    }

    /// Reads where every container of the naming context is.
    pub(super) async fn containers(&mut self) -> Result<(), RunError> {
        self.containers = Containers::default();
        let mut pages = self.session.search(self.all_containers());
        while let Some(entries) = pages.next().await? {
            for entry in &entries {
                self.containers.found(entry);
            }
        }
        self.count(&pages);
        Ok(())
    }

    /// Reads where every container is now, against where it was when `unfinished` began. Gives the one that was renamed or
    /// moved since, in words: the watch at the end would not see that it went away and came back.
    pub(super) async fn moved_since(&mut self, unfinished: &Unfinished) -> Result<Option<String>, RunError> {
        let base = self.base_of_concern();
        self.containers = Containers::begun(&unfinished.containers);
        let mut moved = None;
        let mut pages = self.session.search(self.all_containers());
        while let Some(entries) = pages.next().await? {
            for entry in &entries {
                let Some(guid) = guid_of(entry) else { continue };
                let seen = self.containers.observe(
                    entry,
                    guid,
                    containers::is_newer(entry, unfinished.highest),
                    base.as_ref(),
                );
                moved = moved.or(seen);
            }
        }
        self.count(&pages);
        Ok(moved)
    }

    /// The base below which the rename of a container makes a delta a full read; `None` for everywhere, where assets show whole
    /// names of objects that may be anywhere.
    pub(super) fn base_of_concern(&self) -> Option<DistinguishedName> {
        let base = DistinguishedName::parse(self.scope.base()).ok();
        base.filter(|_| !self.links.shows_places())
    }

    fn all_containers(&self) -> Search {
        Search {
            filter: containers::FILTER.to_owned(),
            attributes: containers::ATTRIBUTES.map(str::to_owned).to_vec(),
            ..self.scope.naming_context()
        }
    }

    /// Looks up the parents of objects that are no container by class, and theirs.
    pub(super) async fn odd_parents(&mut self) -> Result<(), RunError> {
        let root = DistinguishedName::parse(&self.scope.naming_context().base).ok();
        loop {
            let orphans = self.containers.take_orphans();
            if orphans.is_empty() {
                return Ok(());
            }
            for orphan in orphans {
                let inside = DistinguishedName::parse(&orphan)
                    .is_ok_and(|dn| root.as_ref().is_some_and(|root| dn.is_within(root)));
                if !inside {
                    continue;
                }
                match self.session.lookup(&orphan, &containers::ATTRIBUTES, false).await {
                    Ok(Some(entry)) => {
                        self.containers.found(&entry);
                        self.containers.note_parent_of(&entry.dn);
                    }
                    // Hidden, or moved a moment ago; nothing is concluded from it.
                    Ok(None) | Err(DirectoryError::Search { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    /// Looks up every candidate: what is in scope goes to the stager as an ordinary change, of everything else the verdict
    /// is noted.
    pub(super) async fn examine(&mut self, which: Which) -> Result<(), RunError> {
        let mut base = None;
        let mut after = None;
        loop {
            let (id, kinds) = (self.connector.id, self.kinds());
            let candidates = self
                .connector
                .on_store(move |store| store.candidates(id, &kinds, which, after, CHUNK))
                .await?;
            let Some(last) = candidates.last() else {
                return Ok(());
            };
            after = Some(last.guid);
            if base.is_none() {
                base = Some(self.base_as_written().await?);
            }
            let mut verdicts = Vec::new();
            let mut absent = BTreeSet::new();
            for kind in self.kinds() {
                let guids: Vec<Guid> = candidates
                    .iter()
                    .filter(|candidate| candidate.kind == kind)
                    .map(|candidate| candidate.guid)
                    .collect();
                let met = Met::default();
                for search in self.scope.with_guids(kind, &guids) {
                    self.search(kind, search, &met).await?;
                }
                absent.extend(met.lacks(guids));
            }
            for candidate in &candidates {
                let verdict = if absent.contains(&candidate.guid) {
                    self.verdict(candidate, base.as_ref().and_then(Option::as_ref))
                        .await?
                } else {
                    Verdict::Present
                };
                if let Verdict::Unclear(reason) = &verdict {
                    tracing::warn!(
                        kind = %candidate.kind,
                        dn = candidate.dn,
                        guid = %candidate.guid,
                        reason,
                        "The object was missed, and may or may not be gone: it is kept, and looked up again by the next run."
                    );
                }
                verdicts.push((candidate.guid, verdict));
            }
            let run = self.run;
            self.connector
                .on_store(move |store| store.note_verdicts(run, &verdicts))
                .await?;
        }
    }

    /// The base context as the controller writes it, which may differ from what was typed in more than case.
    async fn base_as_written(&mut self) -> Result<Option<DistinguishedName>, RunError> {
        let base = self.scope.base().to_owned();
        let entry = self.session.lookup(&base, &["objectGUID"], false).await?;
        Ok(entry.and_then(|entry| DistinguishedName::parse(&entry.dn).ok()))
    }

    /// What the object itself says, wherever it is now.
    async fn verdict(
        &mut self,
        candidate: &Candidate,
        base: Option<&DistinguishedName>,
    ) -> Result<Verdict, RunError> {
        let name = format!("<GUID={}>", candidate.guid);
        let attributes = ["objectGUID", "isDeleted"];
        let entry = match self.session.lookup(&name, &attributes, self.shows_deleted).await {
            Ok(None) if self.newcomer => return Ok(Verdict::Unclear(NOT_HERE.to_owned())),
            Ok(None) => return Ok(Verdict::Gone(NOT_THERE.to_owned())),
            Ok(Some(entry)) => entry,
            Err(DirectoryError::Search { outcome, .. }) if outcome.code == REFERRAL => {
                return Ok(Verdict::Unclear(format!(
                    "the controller refers to another domain for it: {outcome}"
                )));
            }
            Err(error) => return Err(error.into()),
        };
        if guid_of(&entry) != Some(candidate.guid) {
            return Ok(Verdict::Unclear(format!(
                "{} shows no objectGUID to the account, or another one",
                entry.dn
            )));
        }
        if is_deleted(&entry) {
            return Ok(Verdict::Gone(format!("deleted: {}", entry.dn)));
        }
        match base.zip(DistinguishedName::parse(&entry.dn).ok()) {
            None => Ok(Verdict::Unclear(format!(
                "{} cannot be compared with the base context {}",
                entry.dn,
                self.scope.base()
            ))),
            Some((base, dn)) if !self.scope.contains(base, &dn) => {
                Ok(Verdict::Gone(format!("left the scope: it is {} now", entry.dn)))
            }
            Some(_) => self.verdict_in_scope(candidate, &entry.dn).await,
        }
    }

    /// The object is where it should be, and the search did not give it: the filter, a right, or a moment made the
    /// difference.
    async fn verdict_in_scope(&mut self, candidate: &Candidate, dn: &str) -> Result<Verdict, RunError> {
        let Candidate { guid, kind, .. } = *candidate;
        if let Some(search) = self.scope.refused_by_extra_filter(kind, guid)
            && self.gives_anything(search).await?
        {
            return Ok(Verdict::Gone(format!(
                "{dn} no longer matches the extra filter for {}",
                kind.plural()
            )));
        }
        if let Some(search) = self.scope.only(kind, guid)
            && self.search(kind, search, &Met::default()).await? > 0
        {
            return Ok(Verdict::Present);
        }
        Ok(Verdict::Unclear(format!(
            "{dn} is there, but does not match the filter, nor its opposite: the account may have lost the right to read \
             attributes of it"
        )))
    }

    async fn gives_anything(&mut self, search: Search) -> Result<bool, RunError> {
        let mut pages = self.session.search(search);
        let mut entries = 0;
        while let Some(page) = pages.next().await? {
            entries += page.len();
        }
        self.count(&pages);
        Ok(entries > 0)
    }
}
