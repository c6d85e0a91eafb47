//! Scopes of the connections of a history.

use lab::simulator::ObjectId;

use super::super::history::{Second, Setting};
use super::super::program;
use super::{CORP, Object, World};

/// `OU=Outside`.
const OUTSIDE: usize = 3;

/// Objects that a connection reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    /// Unit that is the base context; `None` is the domain.
    base: Option<usize>,
    /// Users with a displayName and groups with a description.
    described: bool,
}

/// The scopes of a history, by profile.
pub(super) fn all(setting: &Setting) -> Vec<Scope> {
    let within = |base| Scope {
        base,
        described: false,
    };
    match setting.ownership {
        Some(ownership) if ownership.profiles > 1 => {
            let second = match ownership.second {
                Second::Outside => within(Some(OUTSIDE)),
                Second::Domain => within(None),
                Second::Described => Scope {
                    described: true,
                    ..within(None)
                },
            };
            vec![within(Some(CORP)), second]
        }
        _ => vec![within(setting.narrow.then_some(CORP))],
    }
}

impl World {
    /// The scopes as the program is told of them, by profile.
    pub fn scopes(&self) -> Vec<program::Scope> {
        let names = match self.scopes.len() {
            1 => ["active-directory"].as_slice(),
            _ => &["first", "second"],
        };
        let scopes = names.iter().zip(&self.scopes);
        scopes
            .map(|(name, scope)| program::Scope {
                name,
                base: scope.base.map(|base| self.replicas[0].dn(self.unit(base))),
                described: scope.described,
            })
            .collect()
    }

    pub(super) fn is_in_scope(&self, profile: usize, on: usize, object: &Object) -> bool {
        let scope = self.scopes[profile];
        let below = |base| self.is_below(on, object.id, self.unit(base));
        let described = || self.replicas[on].text(object.id, object.described_in()).is_some();
        scope.base.is_none_or(below) && (!scope.described || described())
    }

    /// Returns `true` when the unit is a base context.
    pub(super) fn is_base(&self, unit: usize) -> bool {
        self.scopes.iter().any(|scope| scope.base == Some(unit))
    }

    /// Returns `true` when the move takes the unit into a base context from outside of it.
    pub(super) fn enters_scope(&self, on: usize, unit: ObjectId, to: ObjectId) -> bool {
        let bases = self.scopes.iter().filter_map(|scope| scope.base);
        bases
            .map(|base| self.unit(base))
            .any(|base| !self.is_below(on, unit, base) && self.is_below(on, to, base))
    }
}
