//! What a Kerberos client of the domain is given: keytabs, right and wrong, tickets, configurations.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::place::{DNS_DOMAIN, Place, REALM};

/// AES-256 (RFC 3962 section 7): its number, and the octets of a key.
const AES256: (u16, usize) = (18, 32);

/// Writes the keytab of a principal (`svc-connector`, `ldap/dc1.corp.example`) as an administrator does.
///
/// # Panics
/// When the domain does not know it.
pub fn export_keytab(place: &Place, principal: &str, file: &Path) {
    let mut command = Command::new("samba-tool");
    command.args(["domain", "exportkeytab"]).arg(file);
    command
        .arg(format!("--principal={principal}"))
        .arg("-s")
        .arg(place.smb_conf());
    succeed(command);
}

/// Writes a keytab in which `name` of the domain's realm has a key that nobody chose (MIT's file format, version 2).
pub fn invent_keytab(name: &str, file: &Path) {
    let counted = |text: &str| {
        [
            &u16::try_from(text.len()).unwrap().to_be_bytes()[..],
            text.as_bytes(),
        ]
        .concat()
    };
    let entry = [
        &1_u16.to_be_bytes()[..], // components of the name
        &counted(REALM),
        &counted(name),
        &1_u32.to_be_bytes(), // a user's name
        &0_u32.to_be_bytes(), // when it was written
        &[1],                 // version of the key
        &AES256.0.to_be_bytes(),
        &u16::try_from(AES256.1).unwrap().to_be_bytes(),
        &[0x5A; AES256.1],
    ]
    .concat();
    let size = u32::try_from(entry.len()).unwrap().to_be_bytes();
    fs::write(file, [&[5, 2], &size[..], &entry].concat()).unwrap();
}

/// Gets a ticket that lasts so long (`10h`, `1s`) into the credential cache in `cache`, from a keytab of `name`.
pub fn ticket(place: &Place, name: &str, keytab: &Path, lifetime: &str, cache: &Path) {
    let mut command = Command::new("kinit");
    command.arg("-k").arg("-t").arg(keytab).args(["-l", lifetime]);
    command.arg("-c").arg(cache).arg(format!("{name}@{REALM}"));
    command.env("KRB5_CONFIG", place.krb5_conf());
    succeed(command);
}

/// Whether the credential cache holds a ticket that is not past its end.
pub fn is_valid(place: &Place, cache: &Path) -> bool {
    let mut command = Command::new("klist");
    command.arg("-s").arg(cache).env("KRB5_CONFIG", place.krb5_conf());
    command.status().unwrap().success()
}

/// A client's configuration with this key distribution center, `HOST` or `HOST:PORT`.
pub fn configuration(kdc: &str) -> String {
    format!(
        "[libdefaults]
    default_realm = {REALM}
    dns_lookup_kdc = false
[realms]
    {REALM} = {{
        kdc = {kdc}
    }}
[domain_realm]
    .{DNS_DOMAIN} = {REALM}
"
    )
}

fn succeed(mut command: Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
