//! What is read and what is sent: only differences, never half a read taken for the whole, and everything after any trouble.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::simulator::{Action, Controller, Kind, On, Outcome};
use support::simulated::Simulated;
use support::{Assets, assert_same, changed, parse_ndjson};

/// A sync was done, and the receiver is empty again; gives what it held.
async fn synced() -> (Simulated, Assets) {
    let lab = Simulated::new().await;
    lab.sync(0).await;
    lab.assert_converged();
    let before = lab.expected();
    assert_eq!(before.len(), 250);
    lab.receiver.reset();
    (lab, before)
}

/// The next sync sends exactly what changed since `before`, which are `count` assets.
async fn assert_sends_the_difference(lab: &Simulated, before: &Assets, count: usize) {
    let difference = changed(before, &lab.expected());
    assert_eq!(difference.len(), count);
    assert_same(&lab.sent_by_sync().await, &difference);
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_a_second_sync_sends_nothing_and_asks_little() {
    let (lab, _) = synced().await;
    lab.simulator.statistics().reset();
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    assert_eq!(lab.receiver.summary().requests, 0);
    let counts = lab.simulator.statistics().counts();
    assert!(counts.entries < 10 && counts.searches < 10, "{counts:?}");
    lab.assert_last_run("delta", "changes since").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_six_changes_are_six_assets() {
    let (lab, before) = synced().await;
    let (users, groups, directory) = (lab.users(), lab.groups(), lab.directory());
    directory.set_text(users[0], "mail", "new@corp.example");
    directory.set(users[1], "displayName", &[]);
    directory.set_text(users[2], "pwdLastSet", "133485408000000001");
    directory.rename(users[3], "Renamed, Jr.");
    directory.set_text(groups[0], "description", "Two\nlines");
    directory.create_user(
        "CN=Users,DC=corp,DC=example",
        "Newcomer",
        &[("mail", "n@corp.example")],
    );
    // No row of the mapping reads it.
    directory.set_text(users[4], "telephoneNumber", "+49 30 1234");
    assert_sends_the_difference(&lab, &before, 6).await;
    assert_eq!(lab.last_run().await["counts"]["users"]["unchanged"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r17_a_baseline_without_changes_sends_nothing_and_resend_everything() {
    let (lab, everything) = synced().await;
    assert_eq!(lab.sent_by(&["sync", "--baseline"]).await.len(), 0);
    lab.assert_last_run("baseline", "sync --baseline").await;
    assert_eq!(
        lab.sent_by(&["sync", "--resend"]).await.len(),
        0,
        "nothing was read by the delta"
    );
    assert_same(
        &lab.sent_by(&["sync", "--baseline", "--resend"]).await,
        &everything,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r07_a_rename_and_a_move_are_updates_of_the_same_asset() {
    let (lab, before) = synced().await;
    let (renamed, moved) = (lab.users()[7], lab.users()[8]);
    let ids = [renamed, moved].map(|id| lab.external_id(id));
    lab.directory().rename(renamed, "Another Name");
    lab.directory().move_to(moved, "CN=Users,DC=corp,DC=example");
    // Nothing that is mapped tells where an object lies.
    assert_sends_the_difference(&lab, &before, 1).await;
    assert!(ids.iter().all(|id| lab.expected().contains_key(id)));
    let counts = &lab.last_run().await["counts"]["users"];
    assert_eq!((&counts["read"], &counts["removed"]), (&2.into(), &0.into()));
}

async fn assert_full_read_sends(lab: &Simulated, before: &Assets, after: &Assets) {
    assert_same(&lab.sent_by_sync().await, &changed(before, after));
    lab.assert_last_run(
        "baseline",
        "base context, scope, filters, kinds or mapping changed",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_a_wider_scope_reads_everything_and_sends_what_is_new() {
    let mut lab = Simulated::new().await;
    let everything = lab.expected();
    let class = |asset: &serde_json::Value, class: &str| asset["asset"]["assetDetail"][class].is_object();
    let with_mail: Assets = everything
        .clone()
        .into_iter()
        .filter(|(_, asset)| asset["asset"]["assetDetail"]["userAssetClass"]["email"].is_string())
        .collect();
    let users: Assets = everything
        .clone()
        .into_iter()
        .filter(|(_, asset)| class(asset, "userAssetClass"))
        .collect();
    assert!(with_mail.len() < users.len() && users.len() < everything.len());

    lab.set("AD_BASE_CONTEXT", "OU=People,DC=corp,DC=example");
    lab.set("AD_USER_FILTER", "(mail=*)");
    assert_same(&lab.sent_by_sync().await, &with_mail);
    lab.unset("AD_USER_FILTER");
    assert_full_read_sends(&lab, &with_mail, &users).await;
    lab.unset("AD_BASE_CONTEXT");
    assert_full_read_sends(&lab, &users, &everything).await;
    // The base context in other letters is the same one.
    lab.set("AD_BASE_CONTEXT", "dc=CORP,DC=Example");
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    lab.assert_last_run("delta", "changes since").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_another_mapping_reads_everything_and_sends_the_difference() {
    let (mut lab, before) = synced().await;
    let table = include_str!("../config/mapping.toml")
        .replace("userAssetClass.displayName", "userAssetClass.shownAs");
    assert_ne!(table, include_str!("../config/mapping.toml"));
    std::fs::write(lab.connector.folder().join("mapping.toml"), table).unwrap();
    lab.set("MAPPING_FILE", "mapping.toml");
    let sent = lab.sent_by_sync().await;
    lab.assert_last_run("baseline", "mapping changed").await;
    let detail = |asset: &serde_json::Value| asset["asset"]["assetDetail"]["userAssetClass"].clone();
    let shown = before
        .values()
        .filter(|asset| detail(asset)["displayName"].is_string());
    assert_eq!(
        sent.len(),
        shown.count(),
        "groups, and users without a display name, are as they were"
    );
    assert!(sent.values().all(|asset| detail(asset)["shownAs"].is_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_comments_and_spaces_of_the_mapping_change_nothing() {
    let (mut lab, _) = synced().await;
    let table = format!(
        "# Ours.\n\n{}\n# The end.\n",
        include_str!("../config/mapping.toml")
    );
    std::fs::write(lab.connector.folder().join("mapping.toml"), table).unwrap();
    lab.set("MAPPING_FILE", "mapping.toml");
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    lab.assert_last_run("delta", "changes since").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_another_controller_is_read_in_full_and_sent_nothing_twice_and_both_are_remembered() {
    let (lab, before) = synced().await;
    let first = lab.simulator.controller();
    lab.simulator.swap_controller(Controller::numbered(2));
    lab.directory()
        .set_text(lab.users()[0], "mail", "new@corp.example");
    assert_sends_the_difference(&lab, &before, 1).await;
    lab.assert_last_run("baseline", "no watermark for controller")
        .await;
    // And back: its watermark was kept.
    lab.simulator.swap_controller(first);
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    lab.assert_last_run("delta", "changes since").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_a_controller_rolled_back_is_read_in_full() {
    let (lab, before) = synced().await;
    lab.simulator.roll_back_usn(100);
    lab.directory()
        .set_text(lab.users()[0], "mail", "new@corp.example");
    assert_sends_the_difference(&lab, &before, 1).await;
    lab.assert_last_run("baseline", "rolled back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r04_an_error_between_pages_concludes_nothing_and_the_next_run_completes() {
    for code in [3, 4, 11, 51, 52] {
        let lab = Simulated::new().await;
        let outcome = Outcome::error(code, "in the middle\0");
        lab.simulator.faults().at(On::Search, 4, Action::Answer(outcome));
        lab.sync(69).await;
        let run = lab.last_run().await;
        assert!(run["watermarkAfter"].is_null(), "{code}: {run}");
        assert!(
            run["error"].as_str().unwrap().contains(&format!("{code}")),
            "{run}"
        );
        assert!(lab.simulator.faults().all_happened());
        lab.sync(0).await;
        lab.assert_converged();
        lab.assert_last_run("baseline", "no read has been completed")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r04_an_error_in_a_delta_leaves_its_watermark() {
    for action in [
        Action::Answer(Outcome::error(51, "busy\0")),
        Action::AnswerAfterEntries(20, Outcome::error(4, "")),
        Action::Cut,
        Action::CutAfterEntries(3),
        Action::CutAfterBytes(700),
        Action::Notice(52),
        Action::TruncatedBer,
    ] {
        let (lab, before) = synced().await;
        for (number, id) in lab.users().into_iter().take(150).enumerate() {
            lab.directory()
                .set_text(id, "mail", &format!("new{number}@corp.example"));
        }
        lab.simulator
            .faults()
            .at_matching(On::Search, "uSNChanged", 2, action.clone());
        lab.sync(69).await;
        assert!(lab.last_run().await["watermarkAfter"].is_null(), "{action:?}");
        assert!(lab.simulator.faults().all_happened(), "{action:?}");
        lab.sync(0).await;
        lab.assert_last_run("delta", "changes since").await;
        assert_same(&lab.receiver.assets(), &changed(&before, &lab.expected()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r04_what_changes_while_a_full_read_runs_is_caught_at_its_end() {
    let lab = Simulated::new().await;
    let (directory, users) = (lab.directory().clone(), lab.users());
    // One that was read already, and a newcomer in a page that was read already.
    lab.simulator.faults().before_page(3, move || {
        directory.set_text(users[0], "mail", "meanwhile@corp.example");
        directory.create_user("CN=Users,DC=corp,DC=example", "Latecomer", &[]);
    });
    lab.sync(0).await;
    assert!(lab.simulator.faults().all_happened());
    lab.assert_converged();
    assert_eq!(lab.receiver.assets().len(), 251);
    assert_eq!(lab.sent_by_sync().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r04_r08_what_leaves_the_scope_right_after_it_was_read_is_noticed_by_the_same_full_read() {
    let mut lab = Simulated::new().await;
    let unit = "OU=Inside,DC=corp,DC=example";
    lab.directory().create_unit("DC=corp,DC=example", "Inside");
    let users = ["One", "Two", "Three"].map(|name| lab.directory().create_user(unit, name, &[]));
    // One page of one search: what was read last is everything.
    for (name, value) in [
        ("AD_ASSETS", "users"),
        ("AD_BASE_CONTEXT", unit),
        ("AD_PARALLEL_READS", "1"),
        ("REMOVAL_MAX_PERCENT", "100"),
    ] {
        lab.set(name, value);
    }
    let directory = lab.directory().clone();
    let left = std::sync::Arc::new(move || directory.move_to(users[1], "CN=Users,DC=corp,DC=example"));
    lab.simulator.faults().at(On::RootDse, 2, Action::Run(left));
    lab.sync(0).await;
    assert!(lab.simulator.faults().all_happened());
    let users = lab.status().await["counts"]["users"].clone();
    assert_eq!(users["accepted"], 2, "{users}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r01_what_changes_while_a_delta_runs_is_in_the_next_one() {
    let (lab, before) = synced().await;
    lab.directory()
        .set_text(lab.users()[0], "mail", "first@corp.example");
    let (directory, user) = (lab.directory().clone(), lab.users()[1]);
    lab.simulator.faults().at_matching(
        On::Search,
        "uSNChanged",
        2,
        Action::Run(std::sync::Arc::new(move || {
            directory.set_text(user, "mail", "meanwhile@corp.example");
        })),
    );
    lab.sync(0).await;
    assert!(lab.simulator.faults().all_happened());
    lab.sync(0).await;
    assert_same(&lab.receiver.assets(), &changed(&before, &lab.expected()));
    assert_eq!(lab.receiver.assets().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_referrals_are_counted_and_never_chased() {
    let lab = Simulated::new().await;
    lab.sync(0).await;
    assert_eq!(lab.simulator.statistics().counts().connections, 1);
    let run = lab.last_run().await;
    assert!(run["referrals"].as_u64().unwrap() > 0, "{run}");
    // Continuation references name other hosts; nobody but the simulator was asked, and nothing failed over it.
    assert_eq!(run["outcome"], "processed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_what_the_sync_then_sends_and_leaves_no_state() {
    let lab = Simulated::new().await;
    lab.connector
        .succeed(&["sync", "--dry-run", "--output", "assets.ndjson"])
        .await
        .said(&["dry_run=true", "changed=250", "sent=0"]);
    let written = std::fs::read_to_string(lab.connector.folder().join("assets.ndjson")).unwrap();
    assert!(!lab.connector.state().exists());
    let printed = lab
        .connector
        .succeed(&["sync", "--dry-run", "--output", "-"])
        .await
        .stdout;
    assert_eq!(printed, written, "byte for byte, in the same order (R16)");
    assert!(!lab.connector.state().exists());
    assert_eq!(lab.receiver.summary().requests, 0);
    lab.sync(0).await;
    assert_same(&lab.receiver.assets(), &parse_ndjson(&written));

    // With a state: only the difference, and the state stays as it is.
    lab.directory()
        .set_text(lab.users()[0], "mail", "new@corp.example");
    let (dry, sent) = lab.dry_run_then_sync().await;
    assert_eq!(dry, sent);
    assert_eq!(sent.lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_on_standard_output_is_nothing_but_assets() {
    let mut lab = Simulated::new().await;
    lab.set("LOG_LEVEL", "debug");
    let outcome = lab.connector.succeed(&["sync", "--output", "-"]).await;
    assert_same(&parse_ndjson(&outcome.stdout), &lab.expected());
    assert!(outcome.stderr.contains("run finished"));
}

#[tokio::test(flavor = "multi_thread")]
async fn computers_come_when_asked_for_with_a_table_that_knows_them() {
    let mut lab = Simulated::new().await;
    lab.set("AD_ASSETS", "users,groups,computers");
    lab.set("MAPPING_FILE", "mapping.toml");
    let (others, _) = include_str!("../config/mapping.toml")
        .split_once("# ---- Computers")
        .unwrap();
    std::fs::write(lab.connector.folder().join("mapping.toml"), others).unwrap();
    lab.sync(64)
        .await
        .said(&["computers", "[[computer]]", "MAPPING_FILE"]);
    let table = format!(
        "{others}\n[[computer]]\nsource = \"objectSid\"\ntarget = \"asset.assetHeader.externalAssetId\"\nform = \"sid\"\nrequired = true\n\
         [[computer]]\nsource = \"objectGUID\"\ntarget = \"asset.assetHeader.vendorAssetId\"\nform = \"guid\"\nrequired = true\n\
         [[computer]]\nsource = \"dNSHostName\"\ntarget = \"asset.assetDetail.hostAssetClass.fqdn\"\n"
    );
    std::fs::write(lab.connector.folder().join("mapping.toml"), table).unwrap();
    lab.sync(0).await;
    let computers = lab.directory().all(Kind::Computer);
    assert_eq!(lab.receiver.assets().len(), 250 + computers.len());
    for id in computers {
        let fqdn =
            &lab.receiver.assets()[&lab.external_id(id)]["asset"]["assetDetail"]["hostAssetClass"]["fqdn"];
        assert_eq!(fqdn.as_str(), lab.directory().text(id, "dNSHostName").as_deref());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_connections_read_the_same() {
    let mut lab = Simulated::new().await;
    lab.unset("AD_PARALLEL_READS");
    lab.sync(0).await;
    lab.assert_converged();
    assert_eq!(lab.simulator.statistics().counts().connections, 2);
    lab.set("AD_PARALLEL_READS", "5");
    lab.set("AD_PAGE_SIZE", "7");
    assert_same(
        &lab.sent_by(&["sync", "--baseline", "--resend"]).await,
        &lab.expected(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn several_hosts_are_tried_in_order() {
    let mut lab = Simulated::new().await;
    lab.set("AD_HOST", "127.0.0.2,127.0.0.1");
    lab.sync(0).await;
    lab.assert_converged();
    lab.set("AD_HOST", "127.0.0.2,127.0.0.3");
    lab.sync(69).await.said(&["127.0.0.2", "127.0.0.3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_endless_and_repeating_pages_end_with_an_error() {
    for action in [Action::RepeatCookie, Action::EmptyPages] {
        let lab = Simulated::new().await;
        lab.simulator.faults().from(On::Search, 1, action.clone());
        let outcome = lab.sync(69).await;
        assert!(
            outcome.stderr.contains("what to do"),
            "{action:?}: {}",
            outcome.stderr
        );
        lab.simulator.faults().clear();
        lab.sync(0).await;
        lab.assert_converged();
    }
}
