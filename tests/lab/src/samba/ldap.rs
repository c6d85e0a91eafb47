//! OpenLDAP's `ldapsearch`: the directory as another client sees it.

use std::process::{Command, Output};

use super::place::{Account, Place};

/// The LDIF (RFC 2849, lines unwrapped, no comments) of one paged search over LDAPS by `account`, subtree of `base`.
///
/// # Errors
/// What `ldapsearch` said, when it failed.
pub fn search(
    place: &Place,
    account: &Account,
    base: &str,
    filter: &str,
    attributes: &[&str],
) -> Result<String, String> {
    let options = ["-LLL", "-E", "pr=1000/noprompt", "-b", base, filter];
    let output = ldapsearch(place, account, &[&options[..], attributes].concat());
    if output.status.success() {
        let text = String::from_utf8(output.stdout).unwrap();
        // Comments tell of referrals and of pages.
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        Ok(lines.join("\n").trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// Whether a bind as administrator over LDAPS, with the certificate verified, succeeds right now.
pub fn answers(place: &Place) -> bool {
    ldapsearch(
        place,
        &place.administrator(),
        &["-s", "base", "-b", "", "dnsHostName"],
    )
    .status
    .success()
}

fn ldapsearch(place: &Place, account: &Account, arguments: &[&str]) -> Output {
    let mut command = Command::new("ldapsearch");
    command
        .env("LDAPTLS_CACERT", place.tls().join("ca.pem"))
        .env("LDAPTLS_REQCERT", "demand");
    command.args(["-x", "-o", "ldif-wrap=no", "-o", "nettimeout=10", "-l", "60"]);
    command.arg("-H").arg(format!("ldaps://{}", place.host()));
    command
        .args(["-D", &account.dn, "-w", account.password])
        .args(arguments);
    command
        .output()
        .unwrap_or_else(|error| panic!("cannot run ldapsearch: {error}"))
}
