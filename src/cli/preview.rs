//! `preview`: one object, its source attributes beside the asset that the mapping makes of it.

use chrono::Utc;

use crate::directory::{self, BindGuard, Entry, Session};
use crate::identity::{DistinguishedName, Guid, Kind};
use crate::mapping::{Mapping, Raw};
use crate::sync::{self, Scope, Seen};

use super::arguments::Preview;
use super::failure::{Failure, REJECTED, UNAVAILABLE};
use super::output::{indented, one_line, say};
use super::{setup, status};

/// Shows the objects that `options.name` names, at most [`MOST`].
pub(super) fn run(connection: Option<&str>, options: &Preview) -> Result<u8, Failure> {
    let config = setup::configuration()?;
    let connection = setup::one(&config, connection)?;
    let mapping = setup::mapping(connection)?;
    setup::runtime()?.block_on(async {
        let mut session = directory::connect(&connection.directory, &BindGuard::default()).await?;
        let root = session.root_dse().await?;
        let scope = Scope::new(&connection.profile, &mapping, &root);
        let (mut found, more) = find(&mut session, &scope, &options.name).await?;
        for (kind, entry) in &mut found {
            sync::complete(&session, &scope, &mapping, *kind, entry).await?;
        }
        session.close().await;
        if found.is_empty() {
            return Err(Failure::new(
                UNAVAILABLE,
                format_args!("no object in scope has the account name, name, mail address, DN, SID or GUID `{}`", options.name),
                format_args!("base context is {}; check AD_BASE_CONTEXT, AD_SEARCH_SCOPE, AD_ASSETS and the extra filters", scope.base()),
            ));
        }
        let mut code = 0;
        for (kind, entry) in &found {
            code = code.max(show(&mapping, *kind, entry)?);
        }
        if more > 0 {
            say(format_args!("{more} more objects match; give a name that only one has"))?;
        }
        Ok(code)
    })
}

/// Objects shown at most.
const MOST: usize = 5;

/// The first [`MOST`] objects with this name, and how many more there are.
async fn find(
    session: &mut Session,
    scope: &Scope,
    name: &str,
) -> Result<(Vec<(Kind, Entry)>, usize), Failure> {
    let (mut found, mut more) = (Vec::new(), 0);
    let kinds: Vec<Kind> = scope.kinds().collect();
    for kind in kinds {
        let Some(search) = scope.matching(kind, &filter(name)) else {
            continue;
        };
        let mut pages = session.search(search);
        while let Some(page) = pages.next().await? {
            let room = MOST - found.len();
            found.extend(page.iter().take(room).map(|entry| (kind, entry.copied())));
            more += page.len().saturating_sub(room);
        }
    }
    Ok((found, more))
}

/// The filter for every way to name an object. All attributes of it are indexed (MS-ADA: sAMAccountName,
/// userPrincipalName, mail, name, displayName, objectSid, objectGUID, distinguishedName).
fn filter(name: &str) -> String {
    let octets = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect::<String>()
    };
    if let Ok(guid) = name.parse::<Guid>() {
        return format!("(objectGUID={})", octets(guid.as_bytes()));
    }
    let text = ldap3::ldap_escape(name);
    if let Some(sid) = sid_octets(name) {
        return format!("(objectSid={})", octets(&sid));
    }
    if name.contains('=') && DistinguishedName::parse(name).is_ok() {
        return format!("(distinguishedName={text})");
    }
    let terms: String = [
        "sAMAccountName",
        "userPrincipalName",
        "mail",
        "name",
        "displayName",
    ]
    .iter()
    .map(|attribute| format!("({attribute}={text})"))
    .collect();
    format!("(|{terms})")
}

/// The octets of `S-1-5-21-…` (MS-DTYP 2.4.2.2); `None` for anything else. Active Directory takes the text form in a
/// filter as well, other servers do not.
fn sid_octets(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.strip_prefix("S-1-")?.split('-');
    let authority: u64 = parts
        .next()?
        .parse()
        .ok()
        .filter(|authority| *authority < 1 << 48)?;
    let parts: Vec<u32> = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let mut octets = vec![1, u8::try_from(parts.len()).ok().filter(|count| *count <= 15)?];
    octets.extend(&authority.to_be_bytes()[2..]);
    octets.extend(parts.iter().flat_map(|part| part.to_le_bytes()));
    Some(octets)
}

/// A source attribute and what the directory gave for it.
fn source(raw: &Raw) -> (String, String) {
    let values = if raw.values.is_empty() {
        "(absent)".to_owned()
    } else {
        raw.values.join(" | ")
    };
    (raw.attribute.clone(), values)
}

fn show(mapping: &Mapping, kind: Kind, entry: &Entry) -> Result<u8, Failure> {
    say(format_args!("{kind}  {}", one_line(&entry.dn)))?;
    let seen = Seen::new(entry, Utc::now().timestamp());
    let rows: Vec<[String; 4]> = mapping
        .explain(kind, &seen)
        .into_iter()
        .map(|row| {
            let (names, values): (Vec<_>, Vec<_>) = row.sources.iter().map(source).unzip();
            [
                names.join(", "),
                values.join(", "),
                format!("→ {}", row.target),
                row.outcome.to_string(),
            ]
        })
        .collect();
    say(status::columns(&rows).trim_end())?;
    let asset = match entry.unfit() {
        Some(reason) => Err(reason.to_owned()),
        None => mapping
            .apply(kind, &seen)
            .map_err(|unmappable| unmappable.to_string()),
    };
    match asset {
        Ok(asset) => {
            say(format_args!("{}\n", indented(&asset.json)))?;
            Ok(0)
        }
        Err(unmappable) => {
            say(format_args!("  this object cannot be mapped: {unmappable}\n"))?;
            Ok(REJECTED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Sid;

    #[test]
    fn r14_a_sid_is_asked_for_by_its_octets() {
        for text in [
            "S-1-5-21-3623811015-3361044348-30300820-1104",
            "S-1-5-32-544",
            "S-1-1-0",
        ] {
            let octets = sid_octets(text).unwrap();
            assert_eq!(Sid::from_bytes(&octets).unwrap().to_string(), text);
        }
        for text in [
            "S-1-",
            "S-2-5-1",
            "S-1-5-x",
            "S-1-5-4294967296",
            "S-1-281474976710656-1",
            "Sales",
        ] {
            assert_eq!(sid_octets(text), None, "{text}");
        }
        assert_eq!(
            filter("S-1-1-0"),
            r"(objectSid=\01\01\00\00\00\00\00\01\00\00\00\00)"
        );
    }

    #[test]
    fn what_would_be_a_filter_is_a_name() {
        assert!(filter("*)(objectClass=*").contains(r"(mail=\2a\29\28objectClass=\2a)"));
    }
}
