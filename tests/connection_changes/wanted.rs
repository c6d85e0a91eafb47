//! Configuration that a connection is to have, and the changes of it.

use crate::world::{NAME, OTHER_NAME};

/// Change of a connection over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Base,
    Mapping,
    Target,
    Description,
    Name,
    Disable,
    Delete,
    Purge,
}

impl Change {
    pub const ALL: [Self; 8] = [
        Self::Base,
        Self::Mapping,
        Self::Target,
        Self::Description,
        Self::Name,
        Self::Disable,
        Self::Delete,
        Self::Purge,
    ];

    pub fn deletes(self) -> bool {
        matches!(self, Self::Delete | Self::Purge)
    }
}

/// Configuration that a connection is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    pub description: String,
    /// Only the unit of the first user.
    pub is_narrow: bool,
    /// The mapping adds a mark to every asset.
    pub mark: Option<u32>,
    pub connector: usize,
}

impl Wanted {
    pub fn first() -> Self {
        Self {
            name: NAME.to_owned(),
            description: "as it was made".to_owned(),
            is_narrow: false,
            mark: None,
            connector: 0,
        }
    }

    /// The same after a change.
    pub fn after(&self, change: Change) -> Self {
        let mut after = self.clone();
        match change {
            Change::Base => after.is_narrow = !self.is_narrow,
            Change::Mapping => after.mark = Some(self.mark.unwrap_or(0) + 1),
            Change::Target => after.connector = 1 - self.connector,
            Change::Description => after.description.push('!'),
            Change::Name if self.name == NAME => after.name = OTHER_NAME.to_owned(),
            Change::Name => after.name = NAME.to_owned(),
            Change::Disable | Change::Delete | Change::Purge => {}
        }
        after
    }

    pub fn mapping(&self) -> String {
        let mut text = include_str!("../../config/mapping.toml").to_owned();
        if let Some(mark) = self.mark {
            for kind in ["user", "group"] {
                text.push_str(&format!(
                    "\n[[{kind}]]\nconstant = \"mark {mark}\"\ntarget = \"asset.assetDetail.mark\"\n"
                ));
            }
        }
        text.push_str("\n[removed]\nasset.assetDetail.lifecycle = \"REMOVED\"\n");
        text
    }
}
