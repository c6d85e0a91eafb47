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
}

impl Kind {
    /// All kinds, in the order in which they are read and reported.
    pub const ALL: [Self; 3] = [Self::User, Self::Group, Self::Computer];

    /// Returns the singular name used in the mapping file, the log and the state file: `user`,
    /// `group`, `computer`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Computer => "computer",
        }
    }

    /// Returns the plural used in `AD_ASSETS`: `users`, `groups`, `computers`.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Group => "groups",
            Self::Computer => "computers",
        }
    }

    /// Returns the kind with this singular name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the LDAP filter that selects the kind. Both attributes of it are indexed in AD
    /// (MS-ADA3, objectCategory and objectClass carry the index flag), and objectCategory is
    /// single-valued, which keeps the search cheap.
    #[must_use]
    pub const fn filter(self) -> &'static str {
        match self {
            Self::User => "(&(objectCategory=person)(objectClass=user))",
            Self::Group => "(objectCategory=group)",
            Self::Computer => "(objectCategory=computer)",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
