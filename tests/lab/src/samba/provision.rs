//! Makes the controller's folder: a provisioned and filled domain, and a copy of it to begin from again in a second.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use super::place::{DNS_DOMAIN, Place, REALM, SHORT_NAME};
use super::python;
use crate::certificates::{Authority, Shape};

/// Makes the folder anew, with the copy.
///
/// # Panics
/// When a step fails, with what its program said.
pub fn make(place: &Place) {
    remove(&place.filled());
    remove(&place.data());
    fs::create_dir_all(place.data()).unwrap();
    run_samba_tool(place);
    write_certificates(place);
    fs::write(place.smb_conf(), smb_conf(place)).unwrap();
    fs::write(place.krb5_conf(), krb5_conf(place, &place.second())).unwrap();
    let fill = concat!(env!("CARGO_MANIFEST_DIR"), "/src/samba/fill.py");
    python::run(
        fill,
        &[place.smb_conf().to_str().unwrap(), place.connector().password],
        "",
    );
    // The controller's service principals, without which no client gets a Kerberos ticket for it.
    let register = Command::new("samba_spnupdate")
        .arg("-s")
        .arg(place.smb_conf())
        .output();
    must_succeed("samba_spnupdate", &register.unwrap());
    fs::write(place.data().join(FINGERPRINT), fingerprint(place)).unwrap();
    copy(&place.data(), &place.filled());
}

/// Puts the folder back to how it was after filling. Gives `false`, and leaves nothing, when there is no current copy.
pub fn restore(place: &Place) -> bool {
    remove(&place.data());
    let current = is_current(&place.filled(), place);
    if current {
        copy(&place.filled(), &place.data());
    }
    current
}

/// Whether the controller's folder is there and was made by this version of the harness.
pub fn is_made(place: &Place) -> bool {
    is_current(&place.data(), place)
}

/// Adds the controller's name to `/etc/hosts`, once. An entry for another address is an error.
pub fn name_in_hosts(place: &Place) {
    add_to_hosts(place, &place.host());
}

/// Adds a name of the controller to `/etc/hosts`, once. An entry for another address is an error.
pub(super) fn add_to_hosts(place: &Place, name: &str) {
    let hosts = fs::read_to_string("/etc/hosts").unwrap();
    match address_in_hosts(&hosts, name) {
        Some(address) if address == place.address().to_string() => {}
        Some(address) => panic!("/etc/hosts has {name} at {address}: remove that line"),
        None => {
            let mut file = fs::OpenOptions::new().append(true).open("/etc/hosts").unwrap();
            let line_end = if hosts.ends_with('\n') || hosts.is_empty() {
                ""
            } else {
                "\n"
            };
            let short = if name == place.host() {
                place.controller()
            } else {
                String::new()
            };
            let line = format!("{line_end}{} {name} {short}\n", place.address());
            file.write_all(line.as_bytes()).unwrap();
        }
    }
}

/// In each made folder: everything that its contents follow from.
const FINGERPRINT: &str = "made-from";

fn is_current(folder: &Path, place: &Place) -> bool {
    fs::read_to_string(folder.join(FINGERPRINT)).is_ok_and(|found| found == fingerprint(place))
}

fn fingerprint(place: &Place) -> String {
    // Empty where there is no Samba: nothing can have been made there.
    let version = Command::new("samba")
        .arg("--version")
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    let mut text = String::from_utf8_lossy(&version).into_owned();
    let administrator = place.administrator();
    write!(
        text,
        "{}\n{}\n",
        administrator.password,
        place.connector().password
    )
    .unwrap();
    text + &smb_conf(place) + include_str!("provision.rs") + include_str!("fill.py")
}

fn run_samba_tool(place: &Place) {
    let mut command = Command::new("samba-tool");
    command.args([
        "domain",
        "provision",
        "--server-role=dc",
        "--dns-backend=NONE",
        "--quiet",
    ]);
    command.arg(format!("--targetdir={}", place.data().display()));
    command
        .arg(format!("--realm={REALM}"))
        .arg(format!("--domain={SHORT_NAME}"));
    command
        .arg(format!("--host-name={}", place.controller()))
        .arg(format!("--host-ip={}", place.address()));
    command.arg(format!("--adminpass={}", place.administrator().password));
    // A fixed SID: the same assets in every domain that this harness makes.
    command.arg("--domain-sid=S-1-5-21-1004336348-1177238915-2682003330");
    command.arg(format!("--option=interfaces={}/8", place.address()));
    // No extended attributes, which not every file system has.
    command.args(["--option=bind interfaces only=yes", "--option=vfs objects="]);
    must_succeed("samba-tool domain provision", &command.output().unwrap());
}

fn write_certificates(place: &Place) {
    let authority = Authority::new("Lab Domain Authority");
    authority.write(&place.tls());
    let address = place.address().to_string();
    authority
        .server(&[&place.host(), DNS_DOMAIN, &address], Shape::Sound)
        .write(&place.tls(), "controller");
    authority
        .server(&[&place.second().host()], Shape::Sound)
        .write(&place.tls(), "second");
    // Samba refuses a key that others can read.
    fs::set_permissions(place.tls(), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Directory services alone, nothing of file serving; everything in the folder. Replication, where there is a second controller, waits for
/// a second or two instead of minutes.
pub(super) fn smb_conf(place: &Place) -> String {
    let (data, tls) = (place.data(), place.tls());
    let (data, tls) = (data.display(), tls.display());
    format!(
        "[global]
    netbios name = {name}
    workgroup = {SHORT_NAME}
    realm = {REALM}
    server role = active directory domain controller
    server services = rpc, ldap, cldap, kdc, drepl, kcc
    prefork children = 4
    dreplsrv:periodic_startup_interval = 1
    dreplsrv:periodic_interval = 2
    dreplsrv:notify_interval = 1
    kccsrv:periodic_startup_interval = 1
    interfaces = {address}/8
    bind interfaces only = yes
    vfs objects =
    private dir = {data}/private
    state directory = {data}/state
    cache directory = {data}/cache
    lock directory = {data}
    binddns dir = {data}/bind-dns
    log file = {data}/samba.log
    ldap server require strong auth = allow_sasl_over_tls
    tls enabled = yes
    tls certfile = {tls}/controller.pem
    tls keyfile = {tls}/controller.key
    tls cafile = {tls}/ca.pem
",
        name = place.controller().to_uppercase(),
        address = place.address(),
    )
}

/// Both controllers give tickets, where there are two.
pub(super) fn krb5_conf(place: &Place, other: &Place) -> String {
    let (address, host, other) = (place.address(), place.host(), other.address());
    format!(
        "[libdefaults]
    default_realm = {REALM}
    rdns = false
    dns_lookup_realm = false
    dns_lookup_kdc = false
[realms]
    {REALM} = {{
        kdc = {address}
        kdc = {other}
        admin_server = {address}
    }}
[domain_realm]
    {host} = {REALM}
    .{DNS_DOMAIN} = {REALM}
"
    )
}

fn address_in_hosts<'a>(hosts: &'a str, name: &str) -> Option<&'a str> {
    hosts.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?;
        words
            .any(|word| word.eq_ignore_ascii_case(name))
            .then_some(address)
    })
}

fn copy(from: &Path, to: &Path) {
    let output = Command::new("cp")
        .args(["-a", "--reflink=auto", "--sparse=always"])
        .args([from, to])
        .output();
    must_succeed("cp", &output.unwrap());
}

pub(super) fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        assert!(
            error.kind() == std::io::ErrorKind::NotFound,
            "cannot remove {}: {error}",
            folder.display()
        );
    }
}

pub(super) fn must_succeed(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{what} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_hosts_is_found_among_comments_and_aliases() {
        let hosts =
            "127.0.0.1 localhost\n# 127.0.0.9 dc1.corp.example\n127.0.0.21\tDC1.corp.example dc1 # lab\n";
        assert_eq!(address_in_hosts(hosts, "dc1.corp.example"), Some("127.0.0.21"));
        assert_eq!(address_in_hosts(hosts, "lab"), None);
        assert_eq!(address_in_hosts("", "dc1"), None);
    }

    #[test]
    fn a_folder_made_by_another_version_is_not_current() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path().to_owned(), [127, 0, 0, 21].into());
        assert!(!is_made(&place));
        fs::create_dir(place.data()).unwrap();
        fs::write(place.data().join(FINGERPRINT), "another").unwrap();
        assert!(!is_made(&place));
        assert!(!restore(&place));
        assert!(!place.data().exists());
    }
}
