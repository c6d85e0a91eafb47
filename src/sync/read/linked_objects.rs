//! Second reading of objects whose asset names an object that changed ([`crate::sync::links`]).

use std::collections::BTreeSet;

use crate::directory::LdapSearch;
use crate::identity::{Guid, Kind, LinkState, LinkedName, NamedObject, object_number};
use crate::sync::RunError;
use crate::sync::entry_fields::OBJECT_GUID;
use crate::sync::entry_fields::guid_of;
use crate::sync::links::{self, ChangedObjects};

use super::context::ReadContext;
use super::found::FoundInScope;

/// Members of changed groups that are compared with the stored links at a time: 16 octets each,
/// besides the members of the last group.
const LINKS: usize = 500_000;

impl ReadContext<'_> {
    /// Reads every object again that names an object in `changed` by an old name, or that is in
    /// other groups than those groups list. After a full read (`whole`) every group is compared: a
    /// group that became invisible to the account is in no watch.
    pub(super) async fn reread_linked(
        &mut self,
        mut changed: ChangedObjects,
        whole: bool,
    ) -> Result<(), RunError> {
        if self.links.is_empty() || (changed.is_empty() && !whole) {
            return Ok(());
        }
        // One of them may have been renamed.
        self.membership.primaries().clear();
        changed.names.sort_unstable();
        let by_guid = self.session.asks_for_extended_names();
        let groups = match whole && !self.links.grouped().is_empty() {
            true => Some(self.all_groups().await?),
            false => None,
        };
        let mut asked = BTreeSet::new();
        let mut members = Vec::new();
        for guid in std::mem::take(&mut changed.groups) {
            let number = match by_guid {
                true => object_number(&LinkedName {
                    guid: Some(guid),
                    dn: b"",
                }),
                false => match self
                    .session
                    .lookup(&format!("<GUID={guid}>"), &[OBJECT_GUID], false)
                    .await?
                {
                    Some(group) => object_number(&LinkedName {
                        guid: None,
                        dn: group.dn.as_bytes(),
                    }),
                    None => continue,
                },
            };
            asked.insert(number);
            let mut take = |member: &[u8]| {
                let member = match by_guid {
                    true => LinkedName::of(member),
                    false => LinkedName {
                        guid: None,
                        dn: member,
                    },
                };
                members.push((object_number(&member), number));
            };
            let object = format!("<GUID={guid}>");
            self.session.each_value(&object, "member", &mut take).await?;
            if members.len() >= LINKS {
                let (asked, members) = (std::mem::take(&mut asked), std::mem::take(&mut members));
                self.reread_misnamed(&[], None, asked, members).await?;
            }
        }
        self.reread_misnamed(&changed.names, groups.as_deref(), asked, members)
            .await
    }

    /// Reads every object again that names one of `changed` or one of all `groups` by an old name,
    /// or that has a link to others of the groups in `asked` than `members` lists.
    async fn reread_misnamed(
        &mut self,
        changed: &[NamedObject],
        groups: Option<&[NamedObject]>,
        asked: BTreeSet<u64>,
        mut members: Vec<(u64, u64)>,
    ) -> Result<(), RunError> {
        self.wait_until_stored().await?;
        members.sort_unstable();
        members.dedup();
        let (id, kinds, grouped) = (self.connector.id, self.links.kinds(), self.links.grouped());
        let (changed, groups) = (changed.to_vec(), groups.map(<[_]>::to_vec));
        let by_guid = self.session.asks_for_extended_names();
        let misnamed = self
            .connector
            .on_store(move |store| {
                let state = LinkState {
                    changed: &changed,
                    groups: groups.as_deref(),
                    asked: &asked,
                    members: &members,
                    grouped: &grouped,
                    by_guid,
                };
                store.misnamed(id, &kinds, &state)
            })
            .await?;
        if !misnamed.is_empty() {
            tracing::debug!(
                objects = misnamed.len(),
                "Objects that others name changed: these others are read again."
            );
        }
        for kind in self.kinds() {
            let of_kind = misnamed.iter().filter(|(other, _)| other.may_become(kind));
            let guids: Vec<Guid> = of_kind.map(|(_, guid)| *guid).collect();
            for search in self.scope.with_guids(kind, &guids) {
                self.search(kind, search, &FoundInScope::default()).await?;
            }
        }
        Ok(())
    }

    /// Returns every group of the naming context with its name, sorted.
    async fn all_groups(&self) -> Result<Vec<NamedObject>, RunError> {
        let search = LdapSearch {
            filter: Kind::Group.filter().to_owned(),
            attributes: vec![OBJECT_GUID.to_owned()],
            ..self.scope.naming_context()
        };
        let by_guid = self.session.asks_for_extended_names();
        let mut groups = Vec::new();
        self.session
            .each_entry(search, |entry| {
                groups.extend(guid_of(entry).map(|guid| links::named(entry, guid, by_guid)));
            })
            .await?;
        groups.sort_unstable();
        Ok(groups)
    }
}
