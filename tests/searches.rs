//! What a controller is asked, and what that costs it: the filters of docs/searches.md, and the STATS control.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lab::simulator::message::GET_STATS;
use lab::simulator::{Directory, Options, People, SeenSearch, Stats};
use support::simulated::{PEOPLE, Simulated};

/// Microsoft's schema, as Samba ships it.
const SCHEMA: &str = "/usr/share/samba/setup/ad-schema/MS-AD_Schema_2K8_R2_Attributes.txt";

async fn lab(stats: Stats, people: People) -> Simulated {
    let directory = Directory::new("corp.example", people);
    let options = Options {
        directory,
        stats,
        ..Options::default()
    };
    Simulated::with(options, Default::default()).await
}

fn asks_for_stats(search: &SeenSearch) -> bool {
    search.controls.iter().any(|oid| oid == GET_STATS)
}

/// The attributes in a filter.
fn attributes(filter: &str) -> impl Iterator<Item = &str> {
    filter.split('(').filter_map(|term| {
        let name = term.split(['=', '>', '<', ':', ')']).next()?;
        (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(name)
    })
}

/// The attributes of the table of docs/searches.md, each with whether it is said to have an index.
fn documented() -> BTreeMap<String, bool> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/searches.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut found = BTreeMap::new();
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for name in cells[3]
            .split(", ")
            .filter_map(|cell| cell.strip_prefix('`')?.split('`').next())
        {
            if matches!(cells[4], "yes" | "no") {
                found.insert(name.to_owned(), cells[4] == "yes");
            }
        }
    }
    assert!(found.len() >= 10, "{found:?}");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attribute_of_a_filter_is_documented_with_its_index() {
    let mut lab = lab(Stats::Unknown, PEOPLE).await;
    lab.set("AD_PARALLEL_READS", "2");
    for arguments in [
        &["check"][..],
        &["sync"],
        &["sync"],
        &["preview", "S-1-5-32-544"],
        &["preview", "a34d55ee-4b1f-4a12-9b6c-0123456789ab"],
        &["preview", "CN=Nobody,DC=corp,DC=example"],
        &["preview", "nobody"],
        &["why", "nobody"],
    ] {
        lab.connector.run(arguments).await;
    }
    let documented = documented();
    let seen: BTreeSet<String> = lab
        .simulator
        .statistics()
        .searches()
        .iter()
        .filter(|search| search.filter != "(objectClass=*)")
        .flat_map(|search| attributes(&search.filter).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(seen.len() >= 10, "{seen:?}");
    for name in seen {
        assert!(
            documented.keys().any(|known| known.eq_ignore_ascii_case(&name)),
            "docs/searches.md does not name {name}"
        );
    }
}

#[test]
fn the_documented_indices_are_those_of_the_schema() {
    let Ok(schema) = std::fs::read_to_string(SCHEMA) else {
        lab::skip!("{SCHEMA} is not here: install samba-ad-provision");
    };
    let field = |definition: &str, name: &str| {
        let mut lines = definition.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.trim().to_owned())
    };
    let flags: BTreeMap<String, String> = schema
        .replace('\r', "")
        .split("\n\n")
        .filter_map(|definition| {
            Some((
                field(definition, "ldapDisplayName")?,
                field(definition, "searchFlags")?,
            ))
        })
        .collect();
    for (name, indexed) in documented() {
        let flags = flags
            .get(&name)
            .unwrap_or_else(|| panic!("no {name} in the schema"));
        assert_eq!(flags.contains("fATTINDEX"), indexed, "{name}: {flags}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_what_a_page_cost_the_controller() {
    let lab = lab(Stats::Told, PEOPLE).await;
    lab.connector
        .succeed(&["check"])
        .await
        .said(&["to return 100, index Ancestors_index:", "to return 30, index"]);
    let searches = lab.simulator.statistics().searches();
    let asked: Vec<&SeenSearch> = searches.iter().filter(|search| asks_for_stats(search)).collect();
    assert_eq!(asked.len(), 2, "one page of users, one of groups: {asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_when_a_filter_makes_much_work_for_little() {
    let people = People {
        users: 1_500,
        ..PEOPLE
    };
    let mut lab = lab(Stats::Told, people).await;
    let assets = lab.expected();
    let user = &assets[&lab.external_id(lab.users()[7])]["asset"]["assetDetail"]["userAssetClass"];
    lab.set(
        "AD_USER_FILTER",
        &format!("(displayName={})", user["displayName"].as_str().unwrap()),
    );
    let outcome = lab.connector.succeed(&["check"]).await;
    outcome.said(&[
        "index Ancestors_index:",
        "much work for little",
        "docs/searches.md",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_when_the_controller_keeps_the_figures_to_itself() {
    let lab = lab(Stats::Withheld, PEOPLE).await;
    let outcome = lab.connector.succeed(&["check"]).await;
    assert!(!outcome.stdout.contains("visited"), "{}", outcome.stdout);
    outcome.said(&["tells only to who may debug it"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_does_not_offer_it_is_never_asked() {
    let mut lab = lab(Stats::Unknown, PEOPLE).await;
    lab.set("LOG_LEVEL", "debug");
    let outcome = lab.connector.succeed(&["check"]).await;
    assert!(!outcome.text().contains("visited"), "{}", outcome.text());
    lab.sync(0).await;
    let searches = lab.simulator.statistics().searches();
    assert!(!searches.is_empty() && !searches.iter().any(asks_for_stats));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_asks_at_debug_alone() {
    let mut lab = lab(Stats::Told, PEOPLE).await;
    lab.sync(0).await;
    assert!(!lab.simulator.statistics().searches().iter().any(asks_for_stats));
    lab.set("LOG_LEVEL", "debug");
    let outcome = lab.connector.run(&["sync", "--baseline"]).await.ended_with(0);
    let line = outcome
        .stderr
        .lines()
        .find(|line| line.contains("The controller said what the page cost it."))
        .unwrap_or_else(|| panic!("{}", outcome.stderr));
    assert!(
        line.contains("DEBUG") && line.contains("visited=") && line.contains("returned="),
        "{line}"
    );
    assert!(lab.simulator.statistics().searches().iter().any(asks_for_stats));
    lab.assert_converged();
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_statistics_that_cannot_be_understood_are_ignored() {
    let strange: [&[u8]; 5] = [
        b"",
        b"no BER at all",
        b"\x30\x84\xFF\xFF\xFF\xFF\x02\x01\x06",
        b"\x30\x06\x02\x01\x06\x04\x01x",
        // The form with names, which is not asked for.
        b"\x30\x0E\x30\x0C\x04\x07visited\x80\x01\x05",
    ];
    for octets in strange {
        let mut lab = lab(Stats::Raw(octets.to_vec()), PEOPLE).await;
        let outcome = lab.connector.succeed(&["check"]).await;
        assert!(!outcome.stdout.contains("visited"), "{}", outcome.stdout);
        lab.set("LOG_LEVEL", "debug");
        let outcome = lab.sync(0).await;
        outcome.said(&["cannot be understood; it is ignored"]);
        lab.assert_converged();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_that_was_refused_for_asking_is_asked_again_without() {
    let mut lab = lab(Stats::Refused, PEOPLE).await;
    let outcome = lab.connector.succeed(&["check"]).await;
    assert!(!outcome.stdout.contains("visited"), "{}", outcome.stdout);
    lab.set("LOG_LEVEL", "debug");
    let outcome = lab.sync(0).await;
    outcome.said(&["refuses to say what a search costs; it is not asked again"]);
    lab.assert_converged();
}
