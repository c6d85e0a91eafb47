//! OpenLDAP's client reads the simulator: a check of the encoding by somebody else's code.

use std::process::{Command, Output};

use lab::certificates::{Authority, Shape};
use lab::simulator::{Directory, Kind, Options, PASSWORD, People, Simulator, Tls};

/// Runs `ldapsearch` with these arguments; `None`, with the skip recorded, where it is not installed.
fn ldapsearch(ca: &std::path::Path, arguments: &[&str]) -> Option<Output> {
    let run = Command::new("ldapsearch")
        .args([
            "-x",
            "-LLL",
            "-o",
            "ldif-wrap=no",
            "-D",
            "CORP\\svc-reader",
            "-w",
            PASSWORD,
        ])
        .args(arguments)
        .env("LDAPTLS_CACERT", ca)
        .env("LDAPTLS_REQCERT", "demand")
        .output();
    match run {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            lab::skip::record("ldapsearch of the package ldap-utils is not installed");
            None
        }
        run => Some(run.unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openldap_reads_all_users_over_every_transport() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Test CA");
    let ca = authority.write(folder.path());
    let config = authority.server(&["127.0.0.1"], Shape::Sound).server_config();
    let transports = [
        ("ldap", None, Tls::None),
        ("ldap", Some("-ZZ"), Tls::StartTls(config.clone())),
        ("ldaps", None, Tls::Ldaps(config)),
    ];
    for (scheme, flag, tls) in transports {
        let directory = Directory::new("corp.example", People::of(1_500, 2));
        let simulator = Simulator::start(Options {
            directory,
            tls,
            ..Options::default()
        });
        let url = format!("{scheme}://{}", simulator.addr());
        let filter = "(&(objectCategory=person)(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=4096)))";
        let mut arguments = vec![
            "-H",
            &url,
            "-b",
            "DC=corp,DC=example",
            "-E",
            "pr=400/noprompt",
            filter,
            "name",
        ];
        arguments.extend(flag);
        arguments.rotate_right(usize::from(flag.is_some()));
        let Some(output) = ldapsearch(&ca, &arguments) else {
            return;
        };
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            text.lines().filter(|line| line.starts_with("dn:")).count(),
            1_200,
            "{scheme} {flag:?}"
        );
        assert_eq!(text.matches("# refldap://").count(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openldap_shows_who_it_is_and_what_it_may_not() {
    let simulator = Simulator::start(Options {
        directory: Directory::new("corp.example", People::of(50, 2)),
        ..Options::default()
    });
    let directory = simulator.directory();
    let user = directory.all(Kind::User)[4];
    let url = format!("ldap://{}", simulator.addr());
    let ca = std::path::Path::new("/dev/null");
    let guid = directory.guid(user);
    let text: String = guid.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let filter = format!("(objectGUID={text})");
    let Some(output) = ldapsearch(
        ca,
        &["-H", &url, "-b", "DC=corp,DC=example", &filter, "sAMAccountName"],
    ) else {
        return;
    };
    let found = String::from_utf8(output.stdout).unwrap();
    let account = directory.text(user, "sAMAccountName").unwrap();
    assert!(found.contains(&format!("sAMAccountName: {account}\n")), "{found}");
    let missing = ldapsearch(ca, &["-H", &url, "-b", "OU=Nope,DC=corp,DC=example"]).unwrap();
    assert_eq!(
        missing.status.code(),
        Some(32),
        "{}",
        String::from_utf8_lossy(&missing.stderr)
    );
}
