//! Changes of the attribute that `externalAssetId` is made of.

use super::super::history::Identity;
use super::World;

impl World {
    /// Gives the object another id; none where ids cannot be changed, or it is deleted.
    pub(super) fn set_id(&mut self, on: usize, at: usize, id: &str) -> bool {
        let (directory, object) = (&self.replicas[on], &self.objects[at]);
        let source = self.identity.source();
        if self.identity == Identity::Sid
            || directory.is_deleted(object.id)
            || directory.text(object.id, source).as_deref() == Some(id)
        {
            return false;
        }
        directory.set_text(object.id, source, id);
        true
    }

    /// Gives the object the id that another one has, or had last.
    pub(super) fn take_id(&mut self, on: usize, at: usize, from: u16) -> bool {
        match self.last_id(from) {
            Some(id) => self.set_id(on, at, &id),
            None => false,
        }
    }

    pub(super) fn swap_ids(&mut self, on: usize, one: u16, other: u16) -> bool {
        let (Some(first), Some(second)) = (self.last_id(one), self.last_id(other)) else {
            return false;
        };
        let count = self.objects.len();
        let (one, other) = (usize::from(one) % count, usize::from(other) % count);
        let is_dead = |at: usize| self.replicas[on].is_deleted(self.objects[at].id);
        if first == second || is_dead(one) || is_dead(other) {
            return false;
        }
        let applied = self.set_id(on, one, &second) && self.set_id(on, other, &first);
        self.record(on, one);
        self.record(on, other);
        applied
    }

    /// Creates a user that has the id that the object has, or had last.
    pub(super) fn succeed(&mut self, on: usize, who: u16, unit: u8) -> bool {
        let id = self.last_id(who).filter(|_| self.identity != Identity::Sid);
        id.is_some_and(|id| self.create(on, unit, true, Some(&id)))
    }

    fn last_id(&self, who: u16) -> Option<String> {
        let at = usize::from(who).checked_rem(self.objects.len())?;
        let last = self.objects[at].versions.last()?;
        Some(super::claims::id_of(last))
    }
}
