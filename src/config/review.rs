//! `QUALYS_API_*` and `REVIEW_*`: the review of Qualys accounts.

use chrono::{DateTime, Utc};

use super::Secret;
use super::environment::Variables;
use super::reader::{FieldValue, VariableReader};
use super::refused::{ValueFault, quoted};
use super::values::{plain, quantity, time, url};
use super::variables as v;
use crate::identity::DistinguishedName;

/// Longest period in days.
const LONGEST_DAYS: u32 = 3650;

/// Most attributes, logins or groups in a list.
const MOST_LISTED: usize = 500;

/// Settings of the review of Qualys accounts.
#[derive(Debug, Clone)]
pub struct ReviewSettings {
    /// `QUALYS_API_URL` without a trailing slash: `https://…`, plain http only to loopback.
    pub url: String,
    /// `QUALYS_API_USERNAME`.
    pub username: String,
    /// `QUALYS_API_PASSWORD`.
    pub password: Secret,
    /// `REVIEW_CRON` as written; `None` is `off`.
    pub cron: Option<String>,
    /// `REVIEW_MATCH`: attributes that are compared with the external id, in order.
    pub attributes: Vec<String>,
    /// `REVIEW_ALLOW`: logins that are listed and never reported.
    pub allow: Vec<String>,
    /// `REVIEW_ROLE_GROUPS`.
    pub role_groups: Vec<RoleGroup>,
    /// `REVIEW_DORMANT_DAYS`.
    pub dormant_days: u32,
    /// `REVIEW_NEVER_USED_DAYS`.
    pub never_used_days: u32,
    /// `REVIEW_MAX_MANAGERS`.
    pub max_managers: u32,
}

/// Group that grants a role of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleGroup {
    /// Name of the role.
    pub role: String,
    /// The group.
    pub group: DistinguishedName,
}

/// Reads the settings; `Some(None)` without `QUALYS_API_URL`, `None` when anything is bad.
pub(super) fn review(
    reader: &mut VariableReader<'_, impl Variables>,
    now: DateTime<Utc>,
) -> Option<Option<ReviewSettings>> {
    let server = reader.optional(&v::QUALYS_API_URL, server);
    let username = reader.optional(&v::QUALYS_API_USERNAME, username);
    let password = reader.secret(&v::QUALYS_API_PASSWORD);
    let cron = reader.value(&v::REVIEW_CRON, time::cron_or_off(now));
    let attributes = reader.value(&v::REVIEW_MATCH, attributes);
    let allow = reader.optional(&v::REVIEW_ALLOW, logins).optional();
    let role_groups = reader.optional(&v::REVIEW_ROLE_GROUPS, role_groups).optional();
    let dormant_days = reader.value(&v::REVIEW_DORMANT_DAYS, quantity::number(1..=LONGEST_DAYS));
    let never_used_days = reader.value(&v::REVIEW_NEVER_USED_DAYS, quantity::number(1..=LONGEST_DAYS));
    let max_managers = reader.value(&v::REVIEW_MAX_MANAGERS, quantity::number(1..=10_000));
    let account = [
        (username.is_given(), username.is_absent(), &v::QUALYS_API_USERNAME),
        (password.is_given(), password.is_absent(), &v::QUALYS_API_PASSWORD),
    ];
    // A bad value is one problem; nothing is called missing because of it.
    if server.is_absent()
        && let Some((.., given)) = account.iter().find(|(is_given, ..)| *is_given)
    {
        let why = format!("is required beside {}", given.name);
        reader.require(&v::QUALYS_API_URL, &why);
        return None;
    }
    if server.is_given() {
        for (.., missing) in account.iter().filter(|(_, is_absent, _)| *is_absent) {
            reader.require(missing, "is required beside QUALYS_API_URL");
        }
    }
    // Every value was checked, whether it is used or not.
    let (cron, attributes, allow, role_groups) = (cron?, attributes?, allow?, role_groups?);
    let (dormant_days, never_used_days, max_managers) = (dormant_days?, never_used_days?, max_managers?);
    let url = match server {
        FieldValue::Absent => return Some(None),
        FieldValue::Bad => return None,
        FieldValue::Given(url) => url,
    };
    let (FieldValue::Given(username), FieldValue::Given(password)) = (username, password) else {
        return None;
    };
    Some(Some(ReviewSettings {
        url,
        username,
        password,
        cron,
        attributes,
        allow: allow.unwrap_or_default(),
        role_groups: role_groups.unwrap_or_default(),
        dormant_days,
        never_used_days,
        max_managers,
    }))
}

/// Reads `QUALYS_API_URL`: as the gateway, with advice of its own.
fn server(text: &str) -> Result<String, ValueFault> {
    url::server(
        text,
        "write it like https://qualysapi.qg2.apps.qualys.com",
        "take them out, and set QUALYS_API_USERNAME and QUALYS_API_PASSWORD",
    )
}

/// Reads the name of an account, without a colon, which would end the name within HTTP Basic (RFC
/// 7617 section 2).
fn username(text: &str) -> Result<String, ValueFault> {
    match text.contains(':') {
        true => Err(ValueFault::new(
            format!(
                "{} holds a colon, which no user name of HTTP Basic may",
                quoted(text)
            ),
            "write the login of the Qualys account",
        )),
        false => plain::text(256)(text),
    }
}

/// Reads comma-separated texts, each of them once.
fn listed(text: &str, what: &str, advice: &str) -> Result<Vec<String>, ValueFault> {
    let mut list: Vec<String> = Vec::new();
    for item in text.split(',').map(str::trim) {
        if item.is_empty() {
            return Err(ValueFault::new(
                format!("{} has an empty item", quoted(text)),
                advice,
            ));
        }
        if list.iter().any(|known| known.eq_ignore_ascii_case(item)) {
            return Err(ValueFault::new(
                format!("{} is listed twice", quoted(item)),
                format!("list each {what} once"),
            ));
        }
        list.push(item.to_owned());
    }
    if list.len() > MOST_LISTED {
        return Err(ValueFault::new(
            format!("lists {} of at most {MOST_LISTED}", list.len()),
            advice,
        ));
    }
    Ok(list)
}

fn attributes(text: &str) -> Result<Vec<String>, ValueFault> {
    let advice = "write names of attributes such as `userPrincipalName,mail`";
    let list = listed(text, "attribute", advice)?;
    let is_name = |name: &&String| {
        let fits = |character: char| character.is_ascii_alphanumeric() || character == '-';
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.chars().all(fits)
            && name.len() <= 64
    };
    match list.iter().find(|name| !is_name(name)) {
        Some(name) => Err(ValueFault::new(
            format!("{} is not the name of an attribute", quoted(name)),
            advice,
        )),
        None if list.len() > 16 => Err(ValueFault::new("lists more than 16 attributes", advice)),
        None => Ok(list),
    }
}

fn logins(text: &str) -> Result<Vec<String>, ValueFault> {
    listed(text, "login", "write logins of Qualys accounts, comma-separated")
}

/// Reads `Role=DN;Role=DN`. A semicolon within a distinguished name is escaped (RFC 4514 section
/// 2.4).
fn role_groups(text: &str) -> Result<Vec<RoleGroup>, ValueFault> {
    let advice = "write it like Manager=CN=Qualys Admins,OU=Groups,DC=corp,DC=example;Auditor=CN=…";
    let mut groups = Vec::new();
    for item in split_unescaped(text) {
        let Some((role, group)) = item.split_once('=') else {
            return Err(ValueFault::new(format!("{} has no `=`", quoted(&item)), advice));
        };
        let role = role.trim();
        if role.is_empty() || role.len() > 64 {
            return Err(ValueFault::new(
                format!("{} names no role", quoted(&item)),
                advice,
            ));
        }
        let group = plain::distinguished_name(group.trim()).map_err(|fault| {
            let is_type = DistinguishedName::parse(item.trim()).is_ok();
            match is_type {
                true => ValueFault::new(
                    format!("{} names no role before the group", quoted(&item)),
                    advice,
                ),
                false => fault,
            }
        })?;
        groups.push(RoleGroup {
            role: role.to_owned(),
            group,
        });
    }
    if groups.len() > MOST_LISTED {
        return Err(ValueFault::new(
            format!("lists {} of at most {MOST_LISTED}", groups.len()),
            advice,
        ));
    }
    Ok(groups)
}

fn split_unescaped(text: &str) -> Vec<String> {
    let (mut items, mut item, mut escaped) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        if character == ';' && !escaped {
            items.push(std::mem::take(&mut item));
            continue;
        }
        escaped = character == '\\' && !escaped;
        item.push(character);
    }
    items.push(item);
    // A semicolon at the end ends the list, and names nothing more.
    items.retain(|item| !item.trim().is_empty());
    items
}

impl ReviewSettings {
    /// Returns `true` for a login that is listed and never reported.
    #[must_use]
    pub fn allows(&self, login: &str) -> bool {
        self.allow
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(login))
    }
}

#[cfg(test)]
#[path = "review_tests.rs"]
mod tests;
