//! Values of the extended-DN control (LDAP_SERVER_EXTENDED_DN_OID, MS-ADTS 3.1.1.3.4.1.5) in their
//! string form: `<GUID=b3d4bfbd-3c45-4ee4-8e27-9f5f1c6c2f9a>;<SID=S-1-5-21-…>;CN=Jane,…`, without
//! the SID where the object has none.

use crate::identity::Guid;

/// Name of an object in a value or as the name of an entry, with its GUID where the server gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkedName<'a> {
    /// objectGUID of the object; `None` when the server wrote the plain name.
    pub guid: Option<Guid>,
    /// Distinguished name as the server wrote it. Its octets need not be UTF-8.
    pub dn: &'a [u8],
}

impl<'a> LinkedName<'a> {
    /// Splits a value. No distinguished name begins with `<`, so a plain one is returned unchanged.
    #[must_use]
    pub fn of(value: &'a [u8]) -> Self {
        Self::extended(value).unwrap_or(Self {
            guid: None,
            dn: value,
        })
    }

    fn extended(value: &'a [u8]) -> Option<Self> {
        let (guid, named) = match part(value, b"<GUID=") {
            Some((guid, named)) => (Some(str::from_utf8(guid).ok()?.parse().ok()?), named),
            None => (None, value),
        };
        Some(Self {
            guid,
            dn: part(named, b"<SID=").map_or(named, |(_, dn)| dn),
        })
    }

    /// Returns the octets of the first step of the name, as written: `CN=Doe\, Jane` of `CN=Doe\,
    /// Jane,OU=Staff,…`.
    #[must_use]
    pub fn rdn(&self) -> &'a [u8] {
        let mut escaped = false;
        let end = self.dn.iter().position(|octet| {
            let separates = *octet == b',' && !escaped;
            escaped = *octet == b'\\' && !escaped;
            separates
        });
        self.dn.get(..end.unwrap_or(self.dn.len())).unwrap_or_default()
    }
}

/// Returns the content of `<KEY=…>;` at the start of `value`, and the rest.
fn part<'a>(value: &'a [u8], key: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let rest = value
        .split_at_checked(key.len())
        .filter(|(start, _)| start.eq_ignore_ascii_case(key))
        .map(|(_, rest)| rest)?;
    let end = rest.windows(2).position(|octets| octets == b">;")?;
    Some((rest.get(..end)?, rest.get(end + 2..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "a34d55ee-0c1f-4d3b-9a51-2f6f0f1f7a10";

    #[test]
    fn r38_an_extended_name_is_split_into_guid_and_name() {
        let guid = Some(GUID.parse().unwrap());
        for (value, guid, dn) in [
            (
                format!("<GUID={GUID}>;<SID=S-1-5-21-1-2-3-500>;CN=a,DC=x"),
                guid,
                "CN=a,DC=x",
            ),
            (format!("<GUID={GUID}>;OU=a,DC=x"), guid, "OU=a,DC=x"),
            (
                format!("<guid={}>;<sid=S-1-5-32>;DC=x", GUID.to_uppercase()),
                guid,
                "DC=x",
            ),
            (format!("<GUID={GUID}>;"), guid, ""),
            // A name with a text that looks like a further part.
            (
                format!("<GUID={GUID}>;CN=\\<SID\\=a\\>\\;b"),
                guid,
                "CN=\\<SID\\=a\\>\\;b",
            ),
            // An object of another domain of which the controller knows no more.
            ("<SID=S-1-5-21-1-2-3-4>;CN=a,DC=y".to_owned(), None, "CN=a,DC=y"),
            ("CN=<GUID=x>;a".to_owned(), None, "CN=<GUID=x>;a"),
            (format!("<GUID={GUID}>"), None, &format!("<GUID={GUID}>")),
            ("<GUID=1>;CN=a".to_owned(), None, "<GUID=1>;CN=a"),
            (String::new(), None, ""),
        ] {
            let expected = LinkedName {
                guid,
                dn: dn.as_bytes(),
            };
            assert_eq!(LinkedName::of(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn r38_octets_that_are_no_text_stay_as_they_are() {
        let value = [format!("<GUID={GUID}>;CN=").as_bytes(), b"\xFF\xFE,DC=x"].concat();
        let name = LinkedName::of(&value);
        assert!(name.guid.is_some());
        assert_eq!(name.rdn(), b"CN=\xFF\xFE");
    }

    #[test]
    fn r38_the_first_step_ends_with_a_comma_that_is_not_escaped() {
        for (dn, rdn) in [
            (r"CN=Doe\, Jane,OU=Staff", r"CN=Doe\, Jane"),
            (r"CN=a\\,OU=Staff", r"CN=a\\"),
            (r"CN=a\?\2C,OU=b", r"CN=a\?\2C"),
            ("DC=x", "DC=x"),
            ("", ""),
        ] {
            assert_eq!(LinkedName::of(dn.as_bytes()).rdn(), rdn.as_bytes(), "{dn}");
        }
    }
}
