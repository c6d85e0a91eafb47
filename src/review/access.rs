//! Access: the asset groups that an account reaches, each with the reason, by the rules of roles
//! and business units that Qualys has.
//!
//! A role that reaches everything is one row, not one for each group. The user list names business
//! units, the list of asset groups numbers them; which number is which unit follows from the owners
//! ([`UnitNumbers`]), and where it does not, nothing is concluded from a unit.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::account::ConsoleAccount;
use super::asset_group::AssetGroup;
use super::role::{self, Reach};

/// Title that stands for all asset groups of a business unit, or of the account owner.
const ALL: &str = "All";

/// Most rows of one review.
const MOST_ROWS: usize = 1_000_000;

/// Reason for which an account reaches an asset group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccessReason {
    /// Its role reaches every asset group.
    RoleSeesAll,
    /// It owns the group.
    Owner,
    /// The group is assigned to it.
    Assigned,
    /// The group belongs to its business unit.
    BusinessUnit,
    /// It is assigned `All`, and the group belongs to its business unit.
    AllOfBusinessUnit,
    /// It is assigned `All` without a business unit, and the account owner created the group.
    AllWithoutBusinessUnit,
}

impl AccessReason {
    /// Returns the reason in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::RoleSeesAll => "the role reaches every asset group",
            Self::Owner => "owns the group",
            Self::Assigned => "is assigned the group",
            Self::BusinessUnit => "the group belongs to its business unit",
            Self::AllOfBusinessUnit => "is assigned All, which means all of its business unit",
            Self::AllWithoutBusinessUnit => {
                "is assigned All without a business unit, which means those of the account owner"
            }
        }
    }
}

/// Access of one account to one asset group, by their places in the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupAccess {
    /// Place of the account.
    pub account: usize,
    /// Groups that it reaches.
    pub target: AccessTarget,
    /// Reason.
    pub reason: AccessReason,
}

/// Asset groups that are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessTarget {
    /// Every one.
    Every,
    /// The one in this place of the list.
    Group(usize),
    /// All of the business unit of the account, whatever they are.
    OfUnit,
    /// All of the account owner, whatever they are.
    OfAccountOwner,
}

/// Returns the name of a target as it is shown.
#[must_use]
pub fn target_name(target: AccessTarget, account: &ConsoleAccount, groups: &[AssetGroup]) -> String {
    match target {
        AccessTarget::Every => "*".to_owned(),
        AccessTarget::Group(place) => groups.get(place).map_or("", |group| group.label()).to_owned(),
        AccessTarget::OfUnit => format!("{} - All", account.business_unit.as_deref().unwrap_or_default()),
        AccessTarget::OfAccountOwner => "Unassigned - All (My Asset Groups)".to_owned(),
    }
}

/// Numbers of the business units, by name. The unit of a group is that of its owner, so an owner
/// whose unit is named gives the number of that name. A name with two numbers has none.
#[derive(Debug, Clone, Default)]
pub struct UnitNumbers(HashMap<String, Option<String>>);

impl UnitNumbers {
    /// Reads them from the owners.
    #[must_use]
    pub fn of(accounts: &[ConsoleAccount], groups: &[AssetGroup]) -> Self {
        let by_id: HashMap<&str, &ConsoleAccount> = accounts
            .iter()
            .filter_map(|account| Some((account.id.as_deref()?, account)))
            .collect();
        let mut names: HashMap<String, Option<String>> = HashMap::new();
        let mut numbers: HashMap<&str, &str> = HashMap::new();
        let mut contradicted = BTreeSet::new();
        for group in groups {
            let owner = group.owner_user_id.as_deref().and_then(|id| by_id.get(id));
            let name = owner.and_then(|owner| owner.business_unit.as_deref());
            let (Some(name), Some(number)) = (name, group.unit_id.as_deref()) else {
                continue;
            };
            let known = names.entry(name.to_owned()).or_insert(Some(number.to_owned()));
            if known.as_deref() != Some(number) {
                *known = None;
            }
            if *numbers.entry(number).or_insert(name) != name {
                contradicted.insert(number.to_owned());
            }
        }
        for number in names.values_mut() {
            if number
                .as_ref()
                .is_some_and(|number| contradicted.contains(number))
            {
                *number = None;
            }
        }
        Self(names)
    }

    /// Returns the number of a unit, where it is certain.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_deref()
    }
}

/// Access of all accounts.
#[derive(Debug, Clone, Default)]
pub struct AccessList {
    /// Every access once, by account.
    pub rows: Vec<GroupAccess>,
    /// Names of business units of which the groups are not known.
    pub unknown_units: BTreeSet<String>,
    /// There are more rows than are listed.
    pub is_cut: bool,
}

/// Places of asset groups by what accounts are compared with.
struct Groups<'a> {
    by_title: HashMap<&'a str, Vec<usize>>,
    by_owner: HashMap<&'a str, Vec<usize>>,
    by_user: HashMap<&'a str, Vec<usize>>,
    by_unit: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Groups<'a> {
    fn new(groups: &'a [AssetGroup]) -> Self {
        let mut places = Self {
            by_title: HashMap::new(),
            by_owner: HashMap::new(),
            by_user: HashMap::new(),
            by_unit: HashMap::new(),
        };
        for (place, group) in groups.iter().enumerate() {
            if let Some(title) = &group.name {
                places.by_title.entry(title).or_default().push(place);
            }
            if let Some(owner) = &group.owner_user_id {
                places.by_owner.entry(owner).or_default().push(place);
            }
            for user in &group.assigned_user_ids {
                places.by_user.entry(user).or_default().push(place);
            }
            let units: BTreeSet<&str> = group
                .assigned_unit_ids
                .iter()
                .chain(&group.unit_id)
                .map(String::as_str)
                .collect();
            for unit in units {
                places.by_unit.entry(unit).or_default().push(place);
            }
        }
        places
    }
}

/// Returns the access of every account, by the rules below.
///
/// - Managers, Auditors and User Administrators reach every group; Contacts reach none.
/// - The other roles reach the groups that they own, that are assigned to them, and those of their
///   business unit.
/// - `All` means all groups of the business unit; without a unit, those of the account owner.
#[must_use]
pub fn access(accounts: &[ConsoleAccount], groups: &[AssetGroup]) -> AccessList {
    let places = Groups::new(groups);
    let numbers = UnitNumbers::of(accounts, groups);
    let mut list = AccessList::default();
    let owner = account_owner(accounts);
    for (place, account) in accounts.iter().enumerate() {
        let reasons = match role::reach(account.role.as_deref()) {
            Reach::Everything => BTreeMap::from([(AccessTarget::Every, AccessReason::RoleSeesAll)]),
            Reach::Nothing => BTreeMap::new(),
            Reach::Scoped => scoped(account, &places, &numbers, owner, &mut list.unknown_units),
        };
        for (target, reason) in reasons {
            if list.rows.len() >= MOST_ROWS {
                list.is_cut = true;
                return list;
            }
            list.rows.push(GroupAccess {
                account: place,
                target,
                reason,
            });
        }
    }
    list
}

/// Returns the id of the account owner: the primary contact, where there is exactly one.
fn account_owner(accounts: &[ConsoleAccount]) -> Option<&str> {
    let mut contacts = accounts.iter().filter(|account| account.is_primary_contact);
    let first = contacts.next()?;
    contacts.next().is_none().then_some(first.id.as_deref()).flatten()
}

/// Access of an account whose role does not reach everything; each target with its first
/// reason.
fn scoped(
    account: &ConsoleAccount,
    places: &Groups<'_>,
    numbers: &UnitNumbers,
    owner: Option<&str>,
    unknown_units: &mut BTreeSet<String>,
) -> BTreeMap<AccessTarget, AccessReason> {
    let mut reasons = BTreeMap::new();
    let mut reach = |groups: Option<&Vec<usize>>, reason| {
        for place in groups.into_iter().flatten() {
            reasons.entry(AccessTarget::Group(*place)).or_insert(reason);
        }
    };
    let id = account.id.as_deref();
    reach(id.and_then(|id| places.by_owner.get(id)), AccessReason::Owner);
    reach(id.and_then(|id| places.by_user.get(id)), AccessReason::Assigned);
    let has_all = account.asset_groups.iter().any(|title| title == ALL);
    for title in account.asset_groups.iter().filter(|title| *title != ALL) {
        reach(places.by_title.get(title.as_str()), AccessReason::Assigned);
    }
    match (account.business_unit.as_deref(), has_all) {
        (Some(unit), _) => {
            let reason = match has_all {
                true => AccessReason::AllOfBusinessUnit,
                false => AccessReason::BusinessUnit,
            };
            match numbers.number(unit) {
                Some(number) => reach(places.by_unit.get(number), reason),
                None => {
                    unknown_units.insert(unit.to_owned());
                }
            }
            if has_all {
                reasons.insert(AccessTarget::OfUnit, AccessReason::AllOfBusinessUnit);
            }
        }
        (None, true) => {
            let of_owner = owner.and_then(|owner| places.by_owner.get(owner));
            reach(of_owner, AccessReason::AllWithoutBusinessUnit);
            reasons.insert(AccessTarget::OfAccountOwner, AccessReason::AllWithoutBusinessUnit);
        }
        (None, false) => {}
    }
    reasons
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
