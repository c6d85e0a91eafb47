//! Asset groups of Qualys, as the asset group list gives them.
//!
//! Qualys documents two names for the owner, `OWNER_ID` and `OWNER_USER_ID`, and two for its unit;
//! both are read.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::account::{field, ids, moment};
use super::xml::Element;

/// Asset group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AssetGroup {
    /// `ID`.
    pub id: Option<String>,
    /// `TITLE`.
    pub name: Option<String>,
    /// `OWNER_ID` or `OWNER_USER_ID`.
    pub owner_user_id: Option<String>,
    /// `OWNER_USER_NAME`.
    pub owner_user_name: Option<String>,
    /// `UNIT_ID` or `OWNER_UNIT_ID`; 0 is none.
    pub unit_id: Option<String>,
    /// `BUSINESS_IMPACT`.
    pub business_impact: Option<String>,
    /// `LAST_UPDATE`.
    pub updated_at: Option<DateTime<Utc>>,
    /// `ASSIGNED_USER_IDS` or `USER_IDS`.
    pub assigned_user_ids: Vec<String>,
    /// `ASSIGNED_UNIT_IDS` or `UNIT_IDS`.
    pub assigned_unit_ids: Vec<String>,
    /// Number of ids in `HOST_IDS`; absent where the answer does not show them.
    pub hosts: Option<u64>,
}

impl AssetGroup {
    /// Reads an `ASSET_GROUP` of the list.
    #[must_use]
    pub fn of_list(group: &Element) -> Self {
        let either = |first: &str, second: &str| field(group, first).or_else(|| field(group, second));
        let list = |first: &str, second: &str| {
            let text = group.text_of(first).or_else(|| group.text_of(second));
            ids(text.unwrap_or_default())
        };
        Self {
            id: field(group, "ID"),
            name: field(group, "TITLE"),
            owner_user_id: either("OWNER_ID", "OWNER_USER_ID").filter(|id| id != "0"),
            owner_user_name: field(group, "OWNER_USER_NAME"),
            unit_id: either("UNIT_ID", "OWNER_UNIT_ID").filter(|id| id != "0"),
            business_impact: field(group, "BUSINESS_IMPACT"),
            updated_at: group.text_of("LAST_UPDATE").and_then(moment),
            assigned_user_ids: list("ASSIGNED_USER_IDS", "USER_IDS"),
            assigned_unit_ids: list("ASSIGNED_UNIT_IDS", "UNIT_IDS"),
            hosts: group.text_of("HOST_IDS").map(count),
        }
    }

    /// Returns the name by which the group is shown.
    #[must_use]
    pub fn label(&self) -> &str {
        let texts = [&self.name, &self.id];
        texts
            .into_iter()
            .flatten()
            .next()
            .map_or("(not shown)", String::as_str)
    }
}

/// Counts the ids of a list; `5-9` are five.
fn count(text: &str) -> u64 {
    let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty());
    ids.map(|id| {
        let range = id.split_once('-').and_then(|(low, high)| {
            high.trim()
                .parse::<u64>()
                .ok()?
                .checked_sub(low.trim().parse().ok()?)
        });
        range.map_or(1, |more| more.saturating_add(1))
    })
    .fold(0, u64::saturating_add)
}
