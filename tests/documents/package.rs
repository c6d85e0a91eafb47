//! What the package brings with it, made from the program and its documents.

use std::collections::BTreeSet;
use std::process::Command;

use ad_connector::config::variables::GROUPS;

use super::{help, read, root};

#[test]
fn a_package_gets_a_page_for_each_command_and_completions_that_complete() {
    let folder = tempfile::tempdir().unwrap();
    help(&["manual", folder.path().to_str().unwrap()]);
    let list = help(&["--help"]);
    let list = list
        .split_once("Commands:\n")
        .unwrap()
        .1
        .split("\n\n")
        .next()
        .unwrap();
    for command in list.lines().filter_map(|line| line.split_whitespace().next()) {
        let page = folder.path().join(format!("man/ad-connector-{command}.1"));
        assert!(command == "help" || page.exists(), "{}", page.display());
    }
    let page = std::fs::read_to_string(folder.path().join("man/ad-connector.1")).unwrap();
    assert!(page.contains("Exit codes"));

    let script = folder.path().join("completions/ad-connector.bash");
    let ask = r#"source "$0"; COMP_WORDS=(ad-connector "$1" "$2"); COMP_CWORD=2; _ad__connector ad-connector "$2" "$1"; echo "${COMPREPLY[*]}""#;
    for (command, begun, whole) in [
        ("sync", "--ba", "--baseline"),
        ("approve-removals", "--li", "--list"),
        ("mapping", "sh", "show"),
    ] {
        let output = Command::new("bash")
            .args(["-c", ask, script.to_str().unwrap(), command, begun])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout).trim(),
            whole,
            "{output:?}"
        );
    }
    for script in ["completions/ad-connector.fish", "completions/_ad-connector"] {
        let text = std::fs::read_to_string(folder.path().join(script)).unwrap();
        assert!(
            text.contains("baseline") && text.contains("approve-removals"),
            "{script}"
        );
    }
}

/// The settings that the Debian package installs, filled in as docs/install.md says.
#[test]
fn the_settings_of_the_package_are_a_valid_configuration() {
    let known: BTreeSet<&str> = GROUPS
        .iter()
        .flat_map(|group| group.variables)
        .map(|variable| variable.name)
        .collect();
    let settings = read("package/debian/ad-connector.env");
    let mut names = 0;
    for line in settings.lines() {
        let line = line
            .strip_prefix('#')
            .filter(|line| !line.starts_with(' '))
            .unwrap_or(line);
        let Some((name, _)) = line.split_once('=') else {
            continue;
        };
        names += 1;
        assert!(
            known.contains(name) || known.contains(name.trim_end_matches("_FILE")),
            "{name}"
        );
    }
    assert!(names >= 9, "{names}");
    let folder = tempfile::tempdir().unwrap();
    for secret in ["secret_ad_password", "secret_qualys_client_secret"] {
        std::fs::write(folder.path().join(secret), "value\n").unwrap();
    }
    let settings = settings
        .replace("change-me", "own")
        .replace(
            "/etc/ad-connector/mapping.toml",
            root().join("config/mapping.toml").to_str().unwrap(),
        )
        .replace(
            "00000000-0000-0000-0000-000000000000",
            "a1b2c3d4-0000-4000-8000-00000000abcd",
        );
    std::fs::write(folder.path().join(".env"), settings).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ad-connector"))
        .env_clear()
        .env("STATE_URL", "sqlite:state.db")
        .current_dir(folder.path())
        .args(["status", "--json"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("refused"), "{said}");
}
