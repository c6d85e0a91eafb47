//! Look-up of objects that a read missed: each is searched by its GUID before anything is concluded
//! of it (R22).
//!
//! Invariants kept here: a tombstone makes an object gone on any controller; "no such object", a
//! place outside the scope, or a filter that is certain to refuse the object only on a controller
//! that returned the object before, or has missed it for REMOVAL_LAG: another one may hold an older
//! version. Any other result of a look-up keeps the object, and concerns no other one.

use std::collections::{BTreeMap, BTreeSet};

use crate::directory::{DirectoryError, Entry, LdapSearch};
use crate::identity::{Guid, Kind};
use crate::store::{CandidateSelection, LookupVerdict, RemovalCandidate};

use super::context::ReadContext;
use super::found::FoundInScope;
use crate::sync::RunError;
use crate::sync::entry_fields::guid_of;
use crate::sync::entry_fields::is_deleted;

/// Candidates taken from the store at a time.
const CHUNK: usize = 500;

/// Reason for which an object without an answer counts as gone. A controller answers alike for an
/// object that the account may not see (MS-ADTS 3.1.1.3.1.3): the threshold is for an account that
/// loses its rights to many.
const NOT_THERE: &str = "no such object: deleted, or no longer visible to the account";

impl ReadContext<'_> {
    /// Looks up every candidate: an object in scope is sent to the stager as an ordinary change,
    /// for all others the verdict is recorded.
    pub(super) async fn examine(&mut self, which: CandidateSelection) -> Result<(), RunError> {
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
            let absent = self.absent(&candidates).await?;
            let (absent, present): (Vec<RemovalCandidate>, Vec<RemovalCandidate>) = candidates
                .into_iter()
                .partition(|candidate| absent.contains(&candidate.guid));
            let mut verdicts = self.verdicts(&absent).await?;
            verdicts.extend(
                present
                    .iter()
                    .map(|candidate| (candidate.guid, LookupVerdict::Present)),
            );
            for candidate in &absent {
                log_undecided(candidate, &verdicts);
            }
            let (run, now, verdicts) = (self.run, self.now, verdicts.into_iter().collect::<Vec<_>>());
            self.connector
                .on_store(move |store| store.note_verdicts(run, &verdicts, now))
                .await?;
        }
    }

    /// Searches in scope for `candidates`, and returns those that are not found.
    async fn absent(&mut self, candidates: &[RemovalCandidate]) -> Result<BTreeSet<Guid>, RunError> {
        // What was a group may be a role now, and the other way round.
        let in_scope = FoundInScope::default();
        for kind in self.kinds() {
            let of_kind = candidates
                .iter()
                .filter(|candidate| candidate.kind.may_become(kind));
            let guids: Vec<Guid> = of_kind.map(|candidate| candidate.guid).collect();
            for search in self.scope.with_guids(kind, &guids) {
                self.search(kind, search, &in_scope).await?;
            }
        }
        let all = candidates.iter().map(|candidate| candidate.guid).collect();
        Ok(in_scope.lacks(all).into_iter().collect())
    }

    /// Returns the verdicts on candidates that are not in scope.
    async fn verdicts(
        &mut self,
        absent: &[RemovalCandidate],
    ) -> Result<BTreeMap<Guid, LookupVerdict>, RunError> {
        let guids: Vec<Guid> = absent.iter().map(|candidate| candidate.guid).collect();
        let found = self.locate(&guids).await?;
        let alive: Vec<Guid> = found
            .iter()
            .filter(|(_, entry)| !is_deleted(entry))
            .map(|(guid, _)| *guid)
            .collect();
        let in_scope = self.guids_given(self.scope.placed_in_scope(&alive)).await?;
        let (id, controller, now) = (self.connector.id, self.controller, self.now);
        let lag = self.connector.settings.removal.lag;
        let proven = self
            .connector
            .on_store(move |store| store.proven_by_absence(id, controller, &guids, lag, now))
            .await?;
        let mut verdicts = BTreeMap::new();
        for candidate in absent {
            let guid = candidate.guid;
            let proves = proven.contains(&guid);
            let verdict = match found.get(&guid) {
                Some(entry) if is_deleted(entry) => LookupVerdict::Gone(format!("deleted: {}", entry.dn)),
                Some(entry) if !in_scope.contains(&guid) => {
                    LookupVerdict::Gone(format!("left the scope: it is {} now", entry.dn))
                }
                Some(entry) => match self.verdict_in_scope(candidate, &entry.dn).await {
                    // It may have been deleted since it was located.
                    Err(RunError::Directory(error)) if matches!(*error, DirectoryError::Search { .. }) => {
                        LookupVerdict::Unclear(format!("the look-up failed: {error}"))
                    }
                    verdict => verdict?,
                },
                None if proves => self.verdict_by_name(guid).await?,
                None => LookupVerdict::Gone("no such object".to_owned()),
            };
            let is_deleted = found.get(&guid).is_some_and(is_deleted);
            let verdict = match verdict {
                LookupVerdict::Gone(reason) if !proves && !is_deleted => LookupVerdict::Missed(format!(
                    "{reason}, on {}, which never returned the object in scope: what another controller returned may still arrive \
                     there; it counts as gone when it is missed there for REMOVAL_LAG",
                    self.session.host()
                )),
                verdict => verdict,
            };
            verdicts.insert(guid, verdict);
        }
        Ok(verdicts)
    }

    /// Searches the naming context for these objects, deleted ones too where the account may read
    /// them.
    async fn locate(&mut self, guids: &[Guid]) -> Result<BTreeMap<Guid, Entry>, RunError> {
        let mut found = BTreeMap::new();
        for search in self.scope.anywhere(guids) {
            let search = LdapSearch {
                attributes: ["objectGUID", "isDeleted"].map(str::to_owned).to_vec(),
                show_deleted: self.shows_deleted,
                ..search
            };
            let take = |entry: &Entry| found.extend(guid_of(entry).map(|guid| (guid, entry.copied())));
            let searched = self.session.each_entry(search, take).await?;
            self.add(searched);
        }
        Ok(found)
    }

    /// Looks up one object that the naming context does not hold: the controller has to answer that
    /// it does not exist.
    async fn verdict_by_name(&mut self, guid: Guid) -> Result<LookupVerdict, RunError> {
        let name = format!("<GUID={guid}>");
        match self
            .session
            .lookup(&name, &["objectGUID"], self.shows_deleted)
            .await
        {
            Ok(None) => Ok(LookupVerdict::Gone(NOT_THERE.to_owned())),
            Ok(Some(entry)) => Ok(LookupVerdict::Unclear(format!(
                "{} is there, and the naming context does not show it",
                entry.dn
            ))),
            Err(error @ (DirectoryError::Search { .. } | DirectoryError::Answer { .. })) => {
                Ok(LookupVerdict::Unclear(format!("the look-up failed: {error}")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the verdict on an object that is at its place, but was not returned by the search:
    /// because of the filter, a right, or the moment.
    async fn verdict_in_scope(
        &mut self,
        candidate: &RemovalCandidate,
        dn: &str,
    ) -> Result<LookupVerdict, RunError> {
        let RemovalCandidate { guid, kind, .. } = *candidate;
        if let Some(search) = self.scope.refused_by_extra_filter(kind, guid)
            && !self.guids_given(vec![search]).await?.is_empty()
        {
            let kinds: Vec<&str> = self.scope.kinds_for(kind).map(Kind::plural).collect();
            return Ok(LookupVerdict::Gone(format!(
                "{dn} no longer matches the extra filter for {}",
                kinds.join(" or ")
            )));
        }
        for kind in self.kinds_for(kind) {
            if let Some(search) = self.scope.only(kind, guid)
                && self.search(kind, search, &FoundInScope::default()).await? > 0
            {
                return Ok(LookupVerdict::Present);
            }
        }
        Ok(LookupVerdict::Unclear(format!(
            "{dn} is there, but does not match the filter, nor its opposite: the account may have lost the right to read \
             attributes of it"
        )))
    }
}

/// Logs that an object is not decided: a warning when that is new, since it may stay so for long.
fn log_undecided(candidate: &RemovalCandidate, verdicts: &BTreeMap<Guid, LookupVerdict>) {
    let Some(LookupVerdict::Missed(reason) | LookupVerdict::Unclear(reason)) = verdicts.get(&candidate.guid)
    else {
        return;
    };
    let RemovalCandidate { guid, kind, dn, .. } = candidate;
    if candidate.reason.as_ref() == Some(reason) {
        tracing::debug!(%kind, dn, %guid, reason, "The object is still not decided: it is kept, and looked up again by the next run.");
    } else {
        tracing::warn!(%kind, dn, %guid, reason, "The object was missed, and may or may not be gone: it is kept, and looked up again by the next run.");
    }
}
