//! `AD_AUTH=kerberos`: what it needs, and what it cannot have.

use std::net::IpAddr;
use std::path::PathBuf;

use super::DirectoryAuth;
use super::environment::Variables;
use super::reader::{FieldValue, VariableReader};
use super::refused::{ValueFault, quoted};
use super::variables as v;

/// The library's variable for the keytab.
const KEYTAB: &str = "KRB5_CLIENT_KTNAME";

/// The variables of the Kerberos library itself (MIT), which reads them from the process
/// environment alone.
const OF_THE_LIBRARY: [&str; 3] = [KEYTAB, "KRB5CCNAME", "KRB5_CONFIG"];

/// Returns the bind that `AD_AUTH=kerberos` asks for; `None` when anything about it is bad. `name`
/// is `AD_BIND_DN`; `hosts` and `server_name` are as far known as they are good.
pub(super) fn kerberos(
    reader: &mut VariableReader<'_, impl Variables>,
    name: FieldValue<String>,
    password_is_given: bool,
    hosts: &[String],
    server_name: Option<&str>,
) -> Option<DirectoryAuth> {
    let before = reader.count();
    if password_is_given {
        let fault = ValueFault::new(
            "is not used by AD_AUTH=kerberos",
            "remove it and AD_PASSWORD_FILE: a keytab (KRB5_CLIENT_KTNAME) or a credential cache (KRB5CCNAME) stands for it",
        );
        reader.refuse(&v::AD_PASSWORD, fault);
    }
    let address = hosts.iter().find(|host| host.parse::<IpAddr>().is_ok());
    if let (Some(address), None) = (address, server_name) {
        let fault = ValueFault::new(
            format!(
                "{} is an address, and Kerberos knows a controller by its name",
                quoted(address)
            ),
            "write the controller's full DNS name, such as dc1.corp.example.com, or set AD_SERVER_NAME to it",
        );
        reader.refuse(&v::AD_HOST, fault);
    }
    for name in OF_THE_LIBRARY {
        reader.must_be_exported(name);
    }
    let principal = match name.optional()?.map(|name| principal(&name)).transpose() {
        Ok(principal) => principal,
        Err(fault) => {
            reader.refuse(&v::AD_BIND_DN, fault);
            None
        }
    };
    let keytab = reader.given(KEYTAB).map(|name| {
        let path = name.to_str().and_then(|name| name.strip_prefix("FILE:"));
        path.map_or_else(|| PathBuf::from(&name), PathBuf::from)
    });
    (reader.count() == before).then_some(DirectoryAuth::Kerberos { principal, keytab })
}

/// Reads `user@REALM`. The realm of an Active Directory domain is its DNS name in capitals, however
/// it was written.
fn principal(name: &str) -> Result<String, ValueFault> {
    match name.split_once('@') {
        Some((user, realm)) if is_part(user) && is_part(realm) => {
            Ok(format!("{user}@{}", realm.to_uppercase()))
        }
        _ => Err(ValueFault::new(
            format!("{} is no Kerberos principal", quoted(name)),
            "write user@REALM as in the keytab (klist -k FILE), or leave it out: then the keytab or the cache says who it is",
        )),
    }
}

/// Returns `true` when the text is one part of a principal without anything that would have to be
/// escaped; `/` divides the parts of a user.
fn is_part(text: &str) -> bool {
    !text.is_empty() && !text.contains(['@', '\\', '=', ',', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_has_a_realm_in_capitals() {
        assert_eq!(principal("svc@corp.example").unwrap(), "svc@CORP.EXAMPLE");
        assert_eq!(
            principal("http/web.corp.example@CORP.EXAMPLE").unwrap(),
            "http/web.corp.example@CORP.EXAMPLE"
        );
        for wrong in [
            "svc",
            "svc@",
            "@CORP",
            "CORP\\svc",
            "CN=svc,DC=corp",
            "a@b@c",
            "a b@CORP",
        ] {
            assert!(principal(wrong).is_err(), "{wrong}");
        }
    }
}
