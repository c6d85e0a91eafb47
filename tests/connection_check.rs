//! A connection is tested, browsed and previewed before it is used: the functions that HTTP calls,
//! on the simulator.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::time::Duration;

use ad_connector::check::{self, BrowsedContainers, CheckStep, ContainerKind, PreviewOutcome};
use ad_connector::config::{ConnectionSettings, MappingSource, ReachLimits, ReachPolicy};
use ad_connector::directory::{BindGuard, KnownControllers};
use ad_connector::identity::Kind;
use ad_connector::mapping::Mapping;
use lab::simulator::{self, Action, Directory, On};
use support::simulated::{PEOPLE, Simulated};
use tokio::sync::mpsc;
use tokio::time::timeout;

async fn steps(settings: &ConnectionSettings) -> Vec<CheckStep> {
    let (sender, mut receiver) = mpsc::channel(1);
    let collect = async {
        let mut steps = Vec::new();
        while let Some(step) = receiver.recv().await {
            steps.push(step);
        }
        steps
    };
    let (guard, known) = (BindGuard::default(), KnownControllers::default());
    tokio::join!(check::run(settings, &guard, &known, sender), collect).1
}

async fn browse(settings: &ConnectionSettings, dn: Option<&str>) -> BrowsedContainers {
    check::browse(settings, &BindGuard::default(), dn).await.unwrap()
}

fn names(found: &BrowsedContainers) -> Vec<&str> {
    found
        .containers
        .iter()
        .map(|container| container.name.as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_are_those_that_the_command_prints() {
    let lab = Simulated::new().await;
    let outcome = lab.connector.succeed(&["check"]).await;
    let printed: Vec<&str> = outcome
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("  ok      "))
        .map(|line| line[..15].trim_end())
        .skip_while(|step| *step != "settings")
        .collect();
    let steps = steps(&lab.connector.settings()).await;
    let sent: Vec<&str> = steps.iter().map(|step| step.step.as_str()).collect();
    assert_eq!(sent, printed);
    for step in &steps {
        let told = step
            .outcome
            .as_ref()
            .unwrap_or_else(|failure| panic!("{failure}"));
        let words: Vec<&str> = told.split(", ").filter(|part| !part.ends_with(" ms")).collect();
        assert!(words.iter().all(|part| outcome.stdout.contains(part)), "{told}");
        for line in step.details.iter().filter(|line| !line.ends_with(" ms")) {
            assert!(outcome.stdout.contains(line), "{line}");
        }
    }
    assert!(steps.iter().any(|step| !step.details.is_empty()));
    assert!(!format!("{steps:?}").contains(simulator::PASSWORD));
    assert_eq!(lab.receiver.summary().requests, 0, "no asset is posted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_fails_has_its_exit_code_and_what_to_do() {
    let mut lab = Simulated::new().await;
    lab.set("AD_PASSWORD", "not-the-password");
    let steps = steps(&lab.connector.settings()).await;
    let failed: Vec<&CheckStep> = steps.iter().filter(|step| step.outcome.is_err()).collect();
    let [directory] = failed.as_slice() else {
        panic!("{steps:?}")
    };
    let failure = directory.outcome.as_ref().unwrap_err();
    assert_eq!((directory.step.as_str(), failure.exit_code), ("directory", 77));
    assert!(!failure.advice.is_empty());
    assert!(!format!("{steps:?}").contains("not-the-password"));
    assert_eq!(steps.last().unwrap().step, "ingest path", "the other steps go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_end_when_nobody_takes_them() {
    let lab = Simulated::new().await;
    let settings = lab.connector.settings();
    lab.simulator.faults().at(On::RootDse, 1, Action::Silence);
    let (sender, mut receiver) = mpsc::channel(1);
    let guard = BindGuard::default();
    let test =
        tokio::spawn(
            async move { check::run(&settings, &guard, &KnownControllers::default(), sender).await },
        );
    loop {
        let step = receiver.recv().await.unwrap();
        if step.step == "certificate" {
            break;
        }
    }
    assert!(!test.is_finished(), "rootDSE is not answered");
    drop(receiver);
    timeout(Duration::from_secs(5), test).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn r35_a_connection_made_over_http_is_refused_what_is_out_of_reach() {
    let lab = Simulated::new().await;
    let mut settings = lab.connector.settings();
    settings.directory.reach = ReachPolicy::Restricted(ReachLimits::default());
    let steps = steps(&settings).await;
    let directory = steps.iter().find(|step| step.step == "directory").unwrap();
    let failure = directory.outcome.as_ref().unwrap_err();
    assert_eq!(failure.exit_code, 64);
    assert!(failure.message.contains("made over HTTP"), "{failure}");
    assert!(failure.advice.contains("HTTP_"), "{failure}");
    let error = check::browse(&settings, &BindGuard::default(), None)
        .await
        .unwrap_err();
    assert_eq!(error.message, failure.message);
    assert_eq!(lab.simulator.statistics().counts().connections, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r40_a_password_is_refused_once_also_where_nobody_waits_for_it() {
    let mut lab = Simulated::new().await;
    lab.set("AD_PASSWORD", "not-the-password");
    let settings = lab.connector.settings();
    let guard = BindGuard::default();
    let delay = Duration::from_millis(600);
    lab.simulator.faults().at(On::Bind, 1, Action::Delay(delay));
    let impatient = timeout(delay / 2, check::browse(&settings, &guard, None)).await;
    assert!(impatient.is_err(), "the bind takes longer");
    tokio::time::sleep(delay).await;
    let put_off = check::browse(&settings, &guard, None).await.unwrap_err();
    assert_eq!(put_off.exit_code, 77);
    assert!(check::preview(&settings, &guard, "anybody").await.is_err());
    assert_eq!(lab.simulator.statistics().counts().binds, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_listed_level_by_level_with_the_objects_of_the_profile() {
    let mut lab = Simulated::new().await;
    let root = "DC=corp,DC=example";
    let directory = lab.directory().clone();
    directory.create_unit(root, "<b onload=x>\"&");
    directory.create_other(root, "aaa", "contact");
    lab.set("AD_ASSETS", "users,groups,computers");
    let found = browse(&lab.connector.settings(), None).await;
    assert_eq!(found.dn, root);
    assert_eq!(
        names(&found),
        [
            "<b onload=x>\"&",
            "Builtin",
            "Computers",
            "ForeignSecurityPrincipals",
            "Groups",
            "Managed Service Accounts",
            "People",
            "System",
            "Users",
            "Workstations"
        ]
    );
    assert!(found.is_complete);
    let kind = |name: &str| found.containers.iter().find(|one| one.name == name).unwrap().kind;
    assert_eq!(kind("People"), ContainerKind::OrganizationalUnit);
    assert_eq!(kind("System"), ContainerKind::Container);
    let counts: Vec<_> = found
        .counts
        .iter()
        .map(|one| (one.kind, one.count, one.is_complete))
        .collect();
    let counted = |kind, count: u32| (kind, u64::from(count), true);
    assert_eq!(
        counts,
        [
            counted(Kind::User, PEOPLE.users),
            counted(Kind::Group, PEOPLE.groups),
            counted(Kind::Computer, PEOPLE.computers)
        ]
    );
    // One level down, and a profile that reads a part of it.
    let people = format!("OU=People,{root}");
    lab.set("AD_BASE_CONTEXT", &people);
    let below = browse(&lab.connector.settings(), Some(&people)).await;
    assert!(!below.containers.is_empty() && below.containers.iter().all(|one| one.dn.ends_with(&people)));
    let counts: Vec<u64> = below.counts.iter().map(|one| one.count).collect();
    assert_eq!(counts, [u64::from(PEOPLE.users), 0, 0]);
    let within = browse(&lab.connector.settings(), Some(&below.containers[0].dn)).await;
    assert_eq!((within.containers.len(), within.is_complete), (0, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_and_a_count_that_end_early_say_so() {
    let mut lab = Simulated::new().await;
    let directory: Directory = lab.directory().clone();
    let unit = "OU=People,DC=corp,DC=example";
    for number in 0..1001 {
        directory.create_unit(unit, &format!("Unit {number:04}"));
    }
    lab.set("AD_PAGE_SIZE", "10");
    lab.set("AD_ASSETS", "users,groups");
    let found = browse(&lab.connector.settings(), Some(unit)).await;
    assert_eq!((found.containers.len(), found.is_complete), (1000, false));
    let [users, groups] = found.counts.as_slice() else {
        panic!("{:?}", found.counts)
    };
    assert_eq!((users.count, users.is_complete), (200, false), "20 pages of 10");
    assert_eq!((groups.count, groups.is_complete), (30, true));
    assert!(users.failure.is_none());
    // A base context that is wrong does not keep the right one from being found.
    lab.set("AD_BASE_CONTEXT", "OU=Gone,DC=corp,DC=example");
    let found = browse(&lab.connector.settings(), None).await;
    assert!(found.containers.iter().any(|one| one.name == "People"));
    assert!(
        found
            .counts
            .iter()
            .all(|one| one.failure.is_some() && !one.is_complete)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_hangs_does_not_hold_up_the_containers() {
    let lab = Simulated::new().await;
    lab.at_users_page(1, Action::Silence);
    let settings = lab.connector.settings();
    let found = timeout(Duration::from_secs(10), browse(&settings, None))
        .await
        .unwrap();
    assert!(!found.containers.is_empty());
    assert!(found.counts.iter().all(|one| one.count == 0 && !one.is_complete));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_none_is_refused_and_one_that_nothing_has_is_told() {
    let lab = Simulated::new().await;
    let settings = lab.connector.settings();
    let refused = async |dn: &str| {
        check::browse(&settings, &BindGuard::default(), Some(dn))
            .await
            .unwrap_err()
    };
    for dn in ["People", "", &format!("OU={},DC=corp", "x".repeat(5000))] {
        assert_eq!(refused(dn).await.exit_code, 64, "{dn:?}");
    }
    assert_eq!(lab.simulator.statistics().counts().connections, 0);
    let failure = refused("OU=Gone,DC=corp,DC=example").await;
    assert_eq!(failure.exit_code, 69);
    assert!(
        failure
            .message
            .contains("OU=Gone,DC=corp,DC=example does not exist"),
        "{failure}"
    );
}

/// Rows that are enough for a user.
const ROWS: &str = r#"
[[user]]
source = "objectSid"
target = "asset.assetHeader.externalAssetId"
required = true

[[user]]
source = "displayName"
target = "asset.assetDetail.userAssetClass.name"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_is_being_written_is_previewed_on_one_object() {
    let mut lab = Simulated::new().await;
    lab.set("AD_ASSETS", "users");
    let mut settings = lab.connector.settings();
    let user = lab.users()[0];
    let name = lab.directory().text(user, "sAMAccountName").unwrap();
    let preview = async |settings: &ConnectionSettings, name: &str| {
        check::preview(settings, &BindGuard::default(), name).await
    };
    let PreviewOutcome::Found { object, more } = preview(&settings, &name).await.unwrap() else {
        panic!("the built-in table maps every user")
    };
    assert_eq!((object.kind, more), (Kind::User, 0));
    assert_eq!(object.guid.unwrap().as_bytes(), &lab.directory().guid(user));
    assert!(object.asset.is_ok() && object.rows.len() > 2);

    settings.mapping = MappingSource::Text(ROWS.to_owned());
    let PreviewOutcome::Found { object, .. } = preview(&settings, &name).await.unwrap() else {
        panic!("the text is a table")
    };
    let asset = object.asset.unwrap();
    let display_name = lab.directory().text(user, "displayName").unwrap();
    assert!(asset.json.contains(&display_name), "{}", asset.json);
    assert_eq!(object.rows.len(), 2);

    let missing = preview(&settings, "nobody").await.unwrap();
    assert!(
        matches!(&missing, PreviewOutcome::NotFound(failure) if failure.message.contains("`nobody`")),
        "{missing:?}"
    );
    assert_eq!(preview(&settings, " ").await.unwrap_err().exit_code, 64);

    // With a mistake nothing is asked: a person is still writing.
    let before = lab.simulator.statistics().counts().connections;
    settings.mapping =
        MappingSource::Text(ROWS.replace("source = \"displayName\"", "sourc = \"displayName\""));
    let PreviewOutcome::Mistakes(mistakes) = preview(&settings, &name).await.unwrap() else {
        panic!("an unknown key is a mistake")
    };
    let unknown = mistakes
        .iter()
        .find(|mistake| mistake.reason.contains("`sourc`"))
        .unwrap();
    assert_eq!(unknown.line, Some(8));
    assert_eq!(unknown.remedy.as_deref(), Some("did you mean `source`?"));
    assert_eq!(lab.simulator.statistics().counts().connections, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_is_read_with_all_of_its_mistakes() {
    let read = check::read_mapping(&MappingSource::BuiltIn, None);
    assert_eq!(read.text.as_deref(), Some(Mapping::builtin_text()));
    assert!(!read.mapping.unwrap().rows(Kind::Group).is_empty());
    let text = format!("{ROWS}\n[[usr]]\nform = \"txt\"\n[[user]]\ntarget = \"name\"\nsource = \"cn\"\n");
    let read = check::read_mapping(&MappingSource::Text(text.clone()), None);
    assert_eq!(read.text, Some(text));
    let mistakes = read.mapping.unwrap_err();
    let lines: Vec<Option<usize>> = mistakes.iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [Some(11), Some(14)], "{mistakes:?}");
    // A table may be sound, and not fit the connection.
    let lab = Simulated::new().await;
    let mut settings = lab.connector.settings();
    settings.removal.send = true;
    let rows = format!("{ROWS}\n[[user]]\nsource = \"tokenGroups\"\ntarget = \"asset.assetDetail.groups\"\n");
    let source = MappingSource::Text(rows);
    assert!(check::read_mapping(&source, None).mapping.is_ok());
    let mistakes = check::read_mapping(&source, Some(&settings)).mapping.unwrap_err();
    let reasons: Vec<&str> = mistakes.iter().map(|mistake| mistake.reason.as_str()).collect();
    let [rows, constants, untracked] = reasons.as_slice() else {
        panic!("{reasons:?}")
    };
    assert!(rows.contains("no [[group]] rows") && constants.contains("REMOVED_OBJECTS=send"));
    assert!(
        untracked.contains("tokenGroups") && untracked.contains("; "),
        "{untracked}"
    );
}
