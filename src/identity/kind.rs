//! Kinds of object that become assets.

use std::fmt;

/// Kind of an object of the directory; each has a mapping table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `(&(objectCategory=person)(objectClass=user))`
    User,
    /// `(objectCategory=group)`
    Group,
    /// `(objectCategory=computer)`
    Computer,
    /// `(objectCategory=group)`, and the extra filter of roles, which a group must match to be one.
    Role,
}

impl Kind {
    /// All kinds, in the order in which they are read and reported.
    pub const ALL: [Self; 4] = [Self::User, Self::Group, Self::Computer, Self::Role];

    /// Returns the singular name used in the mapping file, the log and the state file: `user`,
    /// `group`, `computer`, `role`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Computer => "computer",
            Self::Role => "role",
        }
    }

    /// Returns the plural used in `AD_ASSETS`: `users`, `groups`, `computers`,
    /// `roles`.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Group => "groups",
            Self::Computer => "computers",
            Self::Role => "roles",
        }
    }

    /// Returns the kind with this singular name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Reports whether objects of this kind are groups of the directory: groups and roles are.
    #[must_use]
    pub const fn is_group(self) -> bool {
        matches!(self, Self::Group | Self::Role)
    }

    /// Reports whether an object of this kind may be one of kind `other` at another time: what was
    /// stored as one is then looked for as both. A group becomes a role when it begins to match the
    /// extra filter of roles, and a role a group.
    #[must_use]
    pub fn may_become(self, other: Self) -> bool {
        self == other || (self.is_group() && other.is_group())
    }

    /// Returns the LDAP filter that selects the kind, before the extra filters. Both attributes of
    /// it are indexed in AD (MS-ADA3, objectCategory and objectClass carry the index flag), and
    /// objectCategory is single-valued, which keeps the search cheap.
    #[must_use]
    pub const fn filter(self) -> &'static str {
        match self {
            Self::User => "(&(objectCategory=person)(objectClass=user))",
            Self::Group | Self::Role => "(objectCategory=group)",
            Self::Computer => "(objectCategory=computer)",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
