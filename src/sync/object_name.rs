//! Names of an object: the filter for each form that a person may use.

use ldap3::ldap_escape;

use super::scope::escaped;
use crate::identity::{DistinguishedName, Guid};

/// Returns the filter for every way to name an object. All attributes of it are indexed (MS-ADA:
/// sAMAccountName, userPrincipalName, mail, name, displayName, objectSid, objectGUID,
/// distinguishedName).
#[must_use]
pub fn filter_by_name(name: &str) -> String {
    if let Ok(guid) = name.parse::<Guid>() {
        return format!("(objectGUID={})", escaped(guid.as_bytes()));
    }
    let text = ldap_escape(name);
    if let Some(sid) = sid_octets(name) {
        return format!("(objectSid={})", escaped(&sid));
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

/// Returns the octets of `S-1-5-21-…` (MS-DTYP 2.4.2.2); `None` for anything else. Active Directory
/// accepts the text form in a filter as well, other servers do not.
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
            filter_by_name("S-1-1-0"),
            r"(objectSid=\01\01\00\00\00\00\00\01\00\00\00\00)"
        );
    }

    #[test]
    fn what_would_be_a_filter_is_a_name() {
        assert!(filter_by_name("*)(objectClass=*").contains(r"(mail=\2a\29\28objectClass=\2a)"));
    }
}
