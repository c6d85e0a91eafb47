//! Roles and extended permissions of the Qualys console, by their names.

use serde::Serialize;

/// Assets that a role reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reach {
    /// Every asset group.
    Everything,
    /// Groups that are its own, assigned, or of its business unit.
    Scoped,
    /// None.
    Nothing,
}

/// Role that Qualys defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ConsoleRole {
    /// Its name in the user list.
    pub name: &'static str,
    /// Permissions that it implies.
    pub permissions: &'static str,
    /// Asset groups that it reaches.
    pub reach: Reach,
}

const fn role(name: &'static str, permissions: &'static str, reach: Reach) -> ConsoleRole {
    ConsoleRole {
        name,
        permissions,
        reach,
    }
}

/// Every role that Qualys defines.
pub const ROLES: [ConsoleRole; 8] = [
    role(
        "Manager",
        "Full access to all assets and management capabilities",
        Reach::Everything,
    ),
    role(
        "Unit Manager",
        "Management within assigned business unit",
        Reach::Scoped,
    ),
    role(
        "Scanner",
        "Can run scans and reports on assigned assets",
        Reach::Scoped,
    ),
    role("Reader", "View and reporting access", Reach::Scoped),
    role(
        "Remediation User",
        "Access to remediation tickets and vulnerability data",
        Reach::Scoped,
    ),
    role(
        "User Administrator",
        "User and asset group management",
        Reach::Everything,
    ),
    role("Contact", "Limited to scan notifications", Reach::Nothing),
    role(
        "Auditor",
        "Compliance management and reporting",
        Reach::Everything,
    ),
];

/// Extended permissions: the element of the user list, and the name.
pub const EXTENDED_PERMISSIONS: [(&str, &str); 5] = [
    ("CREATE_OPTION_PROFILES", "Create option profiles"),
    ("PURGE_INFO", "Purge host information/history"),
    ("ADD_ASSETS", "Add assets"),
    ("EDIT_REMEDIATION_POLICY", "Create/edit remediation policy"),
    ("EDIT_AUTH_RECORDS", "Create/edit authentication records/vaults"),
];

/// Returns the role of this name, whatever its case, and with `_` for a blank.
#[must_use]
pub fn find(name: &str) -> Option<&'static ConsoleRole> {
    let name = name.replace('_', " ");
    ROLES
        .iter()
        .find(|role| role.name.eq_ignore_ascii_case(name.trim()))
}

/// Returns `true` for a role that Qualys defines.
#[must_use]
pub fn is_known(name: &str) -> bool {
    find(name).is_some()
}

/// Returns the reach of a role; one that is not known reaches what is assigned to it.
#[must_use]
pub fn reach(name: Option<&str>) -> Reach {
    name.and_then(find).map_or(Reach::Scoped, |role| role.reach)
}

/// Returns the name of an extended permission by its element; an unknown one keeps the words of it.
#[must_use]
pub fn extended_permission(element: &str) -> String {
    let known = EXTENDED_PERMISSIONS.iter().find(|(name, _)| *name == element);
    match known {
        Some((_, name)) => (*name).to_owned(),
        None => {
            let words = element.replace('_', " ").to_lowercase();
            let mut letters = words.chars();
            letters
                .next()
                .map(|first| first.to_uppercase().chain(letters).collect())
                .unwrap_or_default()
        }
    }
}
