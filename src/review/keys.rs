//! Keys that an account is looked for by: the external id in each attribute of `REVIEW_MATCH`, then
//! the e-mail address.

use ldap3::ldap_escape;

use super::account::ConsoleAccount;
use crate::identity::Guid;

/// Attributes that hold a GUID as 16 octets.
const GUIDS: [&str; 2] = ["objectGUID", "mS-DS-ConsistencyGuid"];

/// Attribute whose values have a type in front (MS-ADA3 2.131).
const PROXY_ADDRESSES: &str = "proxyAddresses";

/// Attributes that the e-mail address is looked for in.
const FOR_MAIL: [&str; 3] = ["mail", "userPrincipalName", PROXY_ADDRESSES];

/// Field of the account that a key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// `EXTERNAL_ID`.
    ExternalId,
    /// `EMAIL`.
    Email,
}

impl KeySource {
    /// Returns the name of the field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExternalId => "external id",
            Self::Email => "e-mail address",
        }
    }
}

/// One attribute with the value that is looked for in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Field of the account.
    pub source: KeySource,
    /// Attribute of the directory.
    pub attribute: String,
    /// Value in the form in which values are compared ([`comparable`]).
    pub value: Vec<u8>,
    /// Term of a filter, with its parentheses (RFC 4515).
    pub term: String,
}

/// Returns the keys of an account, in the order in which they count.
#[must_use]
pub fn keys(account: &ConsoleAccount, attributes: &[String]) -> Vec<Key> {
    let of_id = account.external_id.iter().flat_map(|value| {
        let keys = attributes
            .iter()
            .map(|name| key(KeySource::ExternalId, name, value));
        keys.flatten().collect::<Vec<_>>()
    });
    let of_mail = account.email.iter().flat_map(|value| {
        let keys = FOR_MAIL.map(|name| key(KeySource::Email, name, value));
        keys.into_iter().flatten().collect::<Vec<_>>()
    });
    of_id.chain(of_mail).collect()
}

/// Attributes that any of the keys is looked for in.
#[must_use]
pub fn searched(attributes: &[String]) -> Vec<String> {
    let mut all = attributes.to_vec();
    for name in FOR_MAIL {
        if !all.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            all.push(name.to_owned());
        }
    }
    all
}

fn key(source: KeySource, attribute: &str, value: &str) -> Option<Key> {
    let value = value.trim();
    let (octets, text) = if is_guid(attribute) {
        let guid: Guid = value.parse().ok()?;
        let octets = guid.as_bytes().to_vec();
        let text = octets.iter().map(|octet| format!("\\{octet:02x}")).collect();
        (octets, text)
    } else {
        let value = match attribute.eq_ignore_ascii_case(PROXY_ADDRESSES) && !value.contains(':') {
            true => format!("smtp:{value}"),
            false => value.to_owned(),
        };
        let text = ldap_escape(value.as_str()).into_owned();
        (value.into_bytes(), text)
    };
    Some(Key {
        source,
        attribute: attribute.to_owned(),
        value: comparable(attribute, &octets),
        term: format!("({attribute}={text})"),
    })
}

fn is_guid(attribute: &str) -> bool {
    GUIDS.iter().any(|name| name.eq_ignore_ascii_case(attribute))
}

/// Returns a value in the form in which values are compared: octets as they are, text in lower
/// case. The directory knows more texts to be equal; it is asked where none is by this form.
#[must_use]
pub fn comparable(attribute: &str, value: &[u8]) -> Vec<u8> {
    match str::from_utf8(value) {
        Ok(text) if !is_guid(attribute) => text.to_lowercase().into_bytes(),
        _ => value.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(external_id: Option<&str>, email: Option<&str>) -> ConsoleAccount {
        ConsoleAccount {
            external_id: external_id.map(str::to_owned),
            email: email.map(str::to_owned),
            ..ConsoleAccount::default()
        }
    }

    fn terms(account: &ConsoleAccount) -> Vec<String> {
        let attributes = ["userPrincipalName", "proxyAddresses", "objectGUID"].map(str::to_owned);
        keys(account, &attributes)
            .into_iter()
            .map(|key| key.term)
            .collect()
    }

    #[test]
    fn the_external_id_comes_first_and_then_the_e_mail_address() {
        let expected = [
            "(userPrincipalName=Ann)",
            "(proxyAddresses=smtp:Ann)",
            "(mail=a@b.example)",
            "(userPrincipalName=a@b.example)",
            "(proxyAddresses=smtp:a@b.example)",
        ];
        assert_eq!(terms(&account(Some("Ann"), Some("a@b.example"))), expected);
        assert_eq!(terms(&account(None, None)), [""; 0]);
    }

    #[test]
    fn what_would_be_a_filter_is_a_value() {
        let found = terms(&account(Some("*)(objectClass=*"), None));
        assert_eq!(found[0], "(userPrincipalName=\\2a\\29\\28objectClass=\\2a)");
    }

    #[test]
    fn a_guid_is_looked_for_by_its_octets() {
        let found = terms(&account(Some("00112233-4455-6677-8899-aabbccddeeff"), None));
        let expected = "(objectGUID=\\33\\22\\11\\00\\55\\44\\77\\66\\88\\99\\aa\\bb\\cc\\dd\\ee\\ff)";
        assert_eq!(found.last().map(String::as_str), Some(expected));
    }

    #[test]
    fn texts_compare_without_case_and_octets_as_they_are() {
        assert_eq!(comparable("mail", "ÄNN@B".as_bytes()), "änn@b".as_bytes());
        assert_eq!(comparable("objectguid", b"ABC"), b"ABC");
        assert_eq!(comparable("mail", &[0xff]), [0xff]);
    }
}
