//! `review`: Qualys accounts against a simulated directory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

#[path = "review/world.rs"]
mod world;

use lab::console::{Api, Fault};
use lab::simulator::{Action, On};
use world::{World, missing, told};

/// Findings that need every list and every directory.
const NEEDS_ALL: [&str; 3] = ["gone", "group_without_account", "out_of_scope"];

#[tokio::test(flavor = "multi_thread")]
async fn each_finding_is_where_it_belongs_and_none_elsewhere() {
    let world = World::new().await;
    let review = world.review(5).await;
    assert_eq!(told(&review), world.expected);
    assert_eq!(review["complete"], true);
    assert_eq!(review["users"].as_array().unwrap().len(), 300);
    assert_eq!(review["assetGroups"].as_array().unwrap().len(), 150);
    let account = |login: &str| {
        let users = review["users"].as_array().unwrap();
        users.iter().find(|user| user["login"] == login).unwrap().clone()
    };
    assert_eq!(account("gone_0")["partner"]["state"], "notFound");
    assert_eq!(account("by_mail_0")["partner"]["by"], "external id = mail");
    assert_eq!(
        account("by_objectGUID_0")["partner"]["by"],
        "external id = objectGUID"
    );
    assert_eq!(
        account("by_proxyAddresses_1")["partner"]["by"],
        "external id = proxyAddresses"
    );
    assert_eq!(account("by_e-mail_2")["partner"]["by"], "e-mail address = mail");
    assert_eq!(account("break_glass")["allowed"], true);
    assert_eq!(account("gone_0")["assetGroups"][0], "AG 7 <script>");
    assert_eq!(account("gone_0")["isActive"], true);
    let access = review["access"].as_array().unwrap();
    let has = |login: &str, group: &str, reason: &str| {
        access
            .iter()
            .any(|one| one["login"] == login && one["assetGroup"] == group && one["reason"] == reason)
    };
    assert!(has("gone_0", "AG 7 <script>", "assigned"));
    assert!(has("manager_0", "*", "role-sees-all"));
    assert!(has("disabled_0", "AG 1 <script>", "owner"));
}

#[tokio::test(flavor = "multi_thread")]
async fn r36_a_directory_that_is_down_or_breaks_off_concludes_nothing() {
    let mut world = World::new().await;
    let nothing_of_the_directory = world.expected_without(&[
        "gone",
        "disabled",
        "out_of_scope",
        "role_without_group",
        "group_without_account",
        "unmanaged_asset_group",
        "shared",
    ]);
    let port = world.simulated.simulator.addr().port().to_string();
    world.simulated.set("AD_PORT", "1");
    let review = world.review(2).await;
    assert_eq!(review["complete"], false);
    let mut found = told(&review);
    // A shared address and an owner without an account need no directory.
    found.retain(|(code, _)| code != "shared" && code != "unmanaged_asset_group");
    assert_eq!(found, nothing_of_the_directory);
    assert!(
        missing(&review)[0].contains("did not answer"),
        "{:?}",
        missing(&review)
    );
    world.simulated.set("AD_PORT", &port);
    // It breaks off in the middle of the look-ups.
    world
        .simulated
        .simulator
        .faults()
        .at_matching(On::Search, "userPrincipalName", 3, Action::Cut);
    let review = world.review(2).await;
    assert!(
        told(&review)
            .iter()
            .all(|(code, _)| !NEEDS_ALL.contains(&code.as_str()))
    );
    assert_eq!(world.review(5).await["complete"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn r36_lists_that_are_cut_restricted_or_refused_conclude_nothing() {
    let world = World::new().await;
    let refused = || Fault::Status(403, vec![], String::new());
    for (api, fault) in [
        (Api::Users, Fault::Cut(600)),
        (Api::Users, Fault::Break(600)),
        (Api::Users, refused()),
        (Api::Groups, Fault::Cut(600)),
        (Api::Groups, refused()),
        (Api::Groups, Fault::Html),
    ] {
        world.console.always(api, fault.clone());
        let review = world.review(2).await;
        let told = told(&review);
        assert!(
            told.iter()
                .all(|(code, _)| code != "gone" && code != "group_without_account"),
            "{api:?} {fault:?} {told:?}"
        );
        assert!(
            told.iter().all(|one| world.expected.contains(one)),
            "{api:?} {fault:?}"
        );
        assert!(!missing(&review).is_empty());
        world.console.heal();
    }
    world.console.change(|options| options.shows_last_login = false);
    let review = world.review(2).await;
    let expected = world.expected_without(&["gone", "group_without_account", "never_used", "dormant"]);
    let mut found = told(&review);
    let unmanaged = |told: &mut world::Told| told.retain(|(code, _)| code != "unmanaged_asset_group");
    let mut expected = expected;
    unmanaged(&mut expected);
    unmanaged(&mut found);
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_that_matches_twice_is_ambiguous_and_said_so() {
    let world = World::new().await;
    let directory = world.simulated.directory();
    let users = world.simulated.users();
    for id in &users[..2] {
        directory.set_text(*id, "mail", "twin@corp.example");
    }
    let mut accounts = world.users.clone();
    accounts[0].external_id = Some("twin@corp.example".to_owned());
    world.console.change(|options| options.users = accounts);
    let review = world.review(2).await;
    assert!(
        missing(&review)[0].contains("several persons"),
        "{:?}",
        missing(&review)
    );
    // Nothing is missing as a whole, so the others are judged.
    let mut expected = world.expected.clone();
    expected.remove(&("gone".to_owned(), "gone_0".to_owned()));
    let mut found = told(&review);
    for told in [&mut expected, &mut found] {
        told.retain(|(code, _)| code != "unmanaged_asset_group");
    }
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_ends_as_the_contract_says() {
    let mut world = World::new().await;
    let connector = &world.simulated.connector;
    let text = connector.run(&["review"]).await.ended_with(5).stdout;
    assert!(
        text.contains("gone (20)") && text.contains("300 accounts, 150 asset groups"),
        "{text}"
    );
    let files = ["review", "--csv", "out.csv", "--html", "out.html"];
    connector.run(&files).await.ended_with(5);
    let read = |name: &str| std::fs::read_to_string(connector.folder().join(name)).unwrap();
    let (csv, html) = (read("out.csv"), read("out.html"));
    assert_eq!(csv.lines().count(), 1 + world.expected.len() + 300);
    assert!(!html.contains("<script") && html.contains("&lt;script&gt;"));
    world
        .console
        .always(Api::Users, Fault::Status(401, vec![], String::new()));
    connector
        .run(&["review"])
        .await
        .ended_with(77)
        .said(&["QUALYS_API_PASSWORD"]);
    world.console.always(Api::Users, Fault::Html);
    connector
        .run(&["review"])
        .await
        .ended_with(69)
        .said(&["log in to the proxy"]);
    world.console.heal();
    world.console.change(|options| {
        options.users.truncate(0);
        options.groups.clear();
    });
    world.simulated.connector.run(&["review"]).await.ended_with(2);
    let plain: Vec<_> = world
        .users
        .iter()
        .filter(|user| {
            user.login
                .as_deref()
                .is_some_and(|login| login.starts_with("plain_"))
        })
        .cloned()
        .collect();
    world.console.change(|options| options.users = plain);
    world.simulated.set("REVIEW_ROLE_GROUPS", "");
    let nothing = world.simulated.connector.succeed(&["review"]).await;
    nothing.said(&["nothing found"]);
    world.simulated.unset("QUALYS_API_URL");
    world
        .simulated
        .connector
        .run(&["review"])
        .await
        .ended_with(64)
        .said(&["QUALYS_API_URL", "is required beside QUALYS_API_USERNAME"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_which_rights_are_missing() {
    let world = World::new().await;
    let connector = &world.simulated.connector;
    connector
        .succeed(&["check"])
        .await
        .said(&["ok      review", "300 accounts and 150 asset groups"]);
    world.console.change(|options| options.shows_last_login = false);
    let said = connector.run(&["check"]).await.ended_with(77);
    said.said(&["FAILED  review", "the last login of 300 of 300", "role Manager"]);
    world
        .console
        .always(Api::Groups, Fault::Status(403, vec![], String::new()));
    connector
        .run(&["check"])
        .await
        .ended_with(77)
        .said(&["asset/group"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r36_a_directory_that_was_not_chosen_counts_as_one_that_did_not_answer() {
    let world = World::new().await;
    let connector = &world.simulated.connector;
    let environment = connector.clone_environment();
    let of = |name: &str| environment[name].clone();
    let connection =
        |name: &str, base: &str| format!("[[connection]]\nname = \"{name}\"\nad_base_context = \"{base}\"\n");
    let file = [
        connection("one", "DC=corp,DC=example"),
        connection("two", "DC=corp,DC=example"),
    ]
    .concat();
    std::fs::write(connector.folder().join("connections.toml"), file).unwrap();
    let connector = support::Connector::delivering_to(&world.simulated.receiver);
    let mut connector = connector;
    for (name, value) in &environment {
        if name != "STATE_URL" && name != "QUALYS_CONNECTOR_UUID" {
            connector = connector.with(name, value);
        }
    }
    let folder = world.simulated.connector.folder().join("connections.toml");
    let connector = connector
        .with("CONNECTIONS_FILE", folder.to_str().unwrap())
        .with("QUALYS_CONNECTOR_UUID", &of("QUALYS_CONNECTOR_UUID"));
    let one = connector
        .run(&["--connection", "one", "review", "--json"])
        .await
        .ended_with(2);
    let review: serde_json::Value = serde_json::from_str(&one.stdout).unwrap();
    assert!(
        told(&review)
            .iter()
            .all(|(code, _)| !NEEDS_ALL.contains(&code.as_str()))
    );
    assert!(
        missing(&review)[0].contains("was not asked"),
        "{:?}",
        missing(&review)
    );
    let both = connector.run(&["review", "--json"]).await.ended_with(5);
    let review: serde_json::Value = serde_json::from_str(&both.stdout).unwrap();
    assert_eq!(told(&review), world.expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_keeps_reviews_and_says_what_is_new() {
    let mut world = World::new().await;
    for (name, value) in [
        ("HTTP_LISTEN", "127.0.0.1:0"),
        ("HTTP_TOKEN", support::http::TOKEN),
        ("REVIEW_CRON", "* * * * * *"),
    ] {
        world.simulated.set(name, value);
    }
    let mut served = support::http::Served::start(&world.simulated.connector).await;
    served.service.said("The accounts of Qualys were reviewed").await;
    let standing = || async {
        let answer = served.read("/api/v1/review").await;
        answer.with(200).json()
    };
    let first = standing().await;
    assert_eq!(first["counts"]["gone"], 20, "{first}");
    assert_eq!(first["complete"], true);
    let gone = served
        .read("/api/v1/review/users?code=gone&limit=200")
        .await
        .json();
    assert_eq!(gone["total"], 20, "{gone}");
    // One of them comes back, and another account is gone.
    let mut users = world.users.clone();
    users[0].status = "Inactive".to_owned();
    users[1].status = "Active".to_owned();
    world.console.change(|options| options.users = users);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let now = standing().await;
        let about = |list: &str| {
            let found = now[list].as_array().unwrap().iter();
            found
                .map(|finding| finding["login"].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        if about("new") == ["gone_inactive_0"] && about("resolved") == ["gone_0"] {
            break;
        }
        assert!(std::time::Instant::now() < until, "{now}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    served.service.stopped_with(0).await;
}
