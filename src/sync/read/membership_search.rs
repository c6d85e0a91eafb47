//! Searches for entries that lack memberships which are not in their attributes.

use std::collections::VecDeque;

use crate::directory::{Entry, LdapSearch, SearchCounts, Session};
use crate::identity::Kind;
use crate::sync::RunError;

use super::context::ReadContext;
use super::found::FoundInScope;
use super::memberships::{IncompleteEntries, add_members, primary_members};
use super::piece::ReadPiece;

impl ReadContext<'_> {
    /// Runs a search as [`ReadContext::search_over`] does, for entries that
    /// [`Membership::concerns`]. Entries that cannot be completed within their page are read once
    /// more.
    pub(super) async fn search_with_memberships(
        &self,
        session: &Session,
        kind: Kind,
        search: LdapSearch,
        in_scope: &FoundInScope,
    ) -> Result<SearchCounts, RunError> {
        self.membership.prepare(session, &self.scope, kind).await?;
        let mut searched = SearchCounts::default();
        let mut searches = VecDeque::from([search]);
        let mut groups = Vec::new();
        while let Some(search) = searches.pop_front() {
            let mut pages = session.search(search);
            let mut late = IncompleteEntries::default();
            while let Some(mut entries) = pages.next().await? {
                in_scope.record(kind, &entries, self.containers.record_parents_of(&entries));
                entries.retain_mut(|entry| self.membership.complete(kind, entry, &mut late));
                searched.entries += self.send_page(kind, entries).await?;
                if !pages.is_within_page() {
                    let sids = std::mem::take(&mut late.sids);
                    self.membership.resolve(session, &self.scope, sids).await?;
                }
            }
            searched += pages.counts();
            searches.extend(self.scope.with_guids(kind, &late.guids));
            groups.append(&mut late.groups);
        }
        // One after the other: the members of one group are in memory at a time.
        for (guid, rid) in groups {
            let members = primary_members(session, &self.scope, rid).await?;
            for search in self.scope.with_guids(kind, &[guid]) {
                let mut pages = session.search(search);
                while let Some(mut entries) = pages.next().await? {
                    for entry in &mut entries {
                        add_members(entry, &members);
                    }
                    searched.entries += self.send_page(kind, entries).await?;
                }
                searched += pages.counts();
            }
        }
        Ok(searched)
    }

    async fn send_page(&self, kind: Kind, entries: Vec<Entry>) -> Result<u64, RunError> {
        let count = entries.len() as u64;
        if count > 0 {
            self.request.progress.add_read(count);
            self.send(ReadPiece::Page(kind, entries)).await?;
        }
        Ok(count)
    }
}
