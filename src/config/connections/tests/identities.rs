//! `uuid` and `baseline`, which the file alone has.

use super::*;
use crate::config::derive_uuid;

const ONE: &str = "0b3c6d4e-1111-4222-8333-444455556666";

#[test]
fn a_uuid_is_the_identity_whatever_the_name() {
    let text = format!("{EMEA}uuid = \"{ONE}\"\n{APAC}");
    let config = parsed(&text, &environment()).unwrap();
    assert_eq!(config.connections[0].uuid.to_string(), ONE);
    assert_eq!(config.connections[1].uuid, derive_uuid("apac"));
    let text = text
        .replace("name = \"emea\"", "name = \"europe\"")
        .replace(ONE, &ONE.to_uppercase());
    let renamed = parsed(&text, &environment()).unwrap();
    assert_eq!(renamed.connections[0].uuid, config.connections[0].uuid);
    let profiles = format!(
        "{EMEA}[[connection.profile]]\nname = \"a\"\nuuid = \"${{ID}}\"\n[[connection.profile]]\nname = \"b\"\n"
    );
    let mut environment = environment();
    environment.insert("ID".to_owned(), ONE.to_owned());
    let config = parsed(&profiles, &environment).unwrap();
    assert_eq!(config.connections[0].uuid.to_string(), ONE);
    assert_eq!(config.connections[1].uuid, derive_uuid("emea.b"));
}

#[test]
fn a_uuid_that_is_none_or_comes_twice_is_refused() {
    let derived = derive_uuid("apac").to_string();
    for (text, expected) in [
        (
            format!("{EMEA}uuid = \"emea\"\n"),
            "connection emea: uuid: `emea` is not a UUID; write one such as `uuidgen` prints",
        ),
        (format!("{EMEA}uuid = \"{{{ONE}}}\"\n"), "is not a UUID"),
        (
            format!("{EMEA}uuid = \"00000000-0000-0000-0000-000000000000\"\n"),
            "is not a UUID",
        ),
        (
            format!("{EMEA}uuid = 7\n"),
            "connection emea: uuid: is not a text",
        ),
        (format!("uuid = \"{ONE}\"\n{EMEA}"), "uuid: is of one connection"),
        (
            format!("{EMEA}uuid = \"{ONE}\"\n{APAC}uuid = \"{ONE}\"\n"),
            "connection apac: uuid: is that of `emea` as well; give each connection a UUID of its own",
        ),
        (
            format!("{EMEA}uuid = \"{derived}\"\n{APAC}"),
            "connection apac: uuid: is that of `emea` as well",
        ),
        (
            format!("{EMEA}uuid = \"{ONE}\"\n[[connection.profile]]\nname = \"a\"\n"),
            "uuid: is of one connection, and this one is read as its profiles; write it in each [[connection.profile]]",
        ),
    ] {
        let refused = refusal(&text, &environment());
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].contains(expected), "{expected}\n{}", refused[0]);
    }
}

#[test]
fn baselines_can_have_a_zone_of_their_own() {
    let with = |lines: &str| parsed(&format!("{EMEA}{lines}\n"), &environment());
    let baseline = |lines: &str| {
        let config = with(lines).unwrap_or_else(|refused| panic!("{refused}"));
        let baseline = config.connections[0].schedule.baseline.clone();
        baseline.map(|cron| (cron.text, cron.zone.name().to_owned()))
    };
    let own = "baseline = { cron = \"0 3 * * *\", timezone = \"Asia/Colombo\" }";
    let expected = Some(("0 3 * * *".to_owned(), "Asia/Colombo".to_owned()));
    assert_eq!(baseline(own), expected);
    assert_eq!(
        baseline(&format!("{own}\nschedule = \"off\"")),
        expected,
        "asked for"
    );
    assert_eq!(baseline("baseline = \"off\""), None);
    let profile = "[[connection.profile]]\nname = \"a\"\n";
    assert_eq!(
        baseline(&format!("baseline_cron = \"off\"\n{profile}{own}")),
        expected
    );
    assert_eq!(
        baseline(&format!("{own}\n{profile}baseline_cron = \"off\"")),
        None
    );
    for (lines, expected) in [
        (
            "baseline = { cron = \"no\" }",
            "connection emea: baseline.cron: `no` is not a schedule",
        ),
        (
            "baseline = \"never\"",
            "connection emea: baseline: `never` is not a schedule",
        ),
        (
            "baseline = { recurrence = \"DAILY\" }",
            "connection emea: baseline.recurrence: is not a key",
        ),
        (
            "baseline = \"off\"\nbaseline_cron = \"@daily\"",
            "baseline_cron: stands beside the baseline of line",
        ),
    ] {
        let refused = with(lines).unwrap_err().to_string();
        assert_eq!(refused.lines().count(), 1, "{refused}");
        assert!(refused.contains(expected), "{expected}\n{refused}");
    }
}
