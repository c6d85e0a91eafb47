//! What no asset can be made of: rejected alone, told by name, and tried again by every run (R15).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use lab::simulator::{Action, Twist};
use support::simulated::Simulated;

#[tokio::test(flavor = "multi_thread")]
async fn r15_what_cannot_be_mapped_is_rejected_alone_and_tried_again_by_every_run() {
    let mut lab = Simulated::new().await;
    let mail = "target = \"asset.assetDetail.userAssetClass.email\"";
    let table = include_str!("../config/mapping.toml").replace(mail, &format!("{mail}\nrequired = true"));
    assert_ne!(table, include_str!("../config/mapping.toml"));
    std::fs::write(lab.connector.folder().join("mapping.toml"), table).unwrap();
    lab.set("MAPPING_FILE", "mapping.toml");
    let without = |lab: &Simulated| -> Vec<_> {
        let users = lab.users();
        users
            .into_iter()
            .filter(|id| lab.directory().text(*id, "mail").is_none())
            .collect()
    };
    let bad = without(&lab);
    assert!(bad.len() > 3, "{}", bad.len());

    let outcome = lab.sync(2).await;
    let status = lab.status().await;
    assert_eq!(status["rejected"].as_array().unwrap().len(), bad.len());
    for id in &bad {
        let (dn, guid) = (
            lab.directory().dn(*id),
            support::expected::guid(&lab.directory().guid(*id)),
        );
        let line = outcome.stderr.lines().find(|line| line.contains(&guid)).unwrap();
        assert!(
            line.contains("mail") && line.contains("cannot be mapped"),
            "{line}"
        );
        let of_status = status["rejected"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["vendorAssetId"] == guid.as_str());
        assert_eq!(of_status.unwrap()["dn"], dn.as_str());
    }
    assert_eq!(lab.receiver.assets().len(), 250 - bad.len());

    // Nothing changed: they are tried again all the same, and still listed.
    lab.receiver.reset();
    lab.sync(2).await.said(&["cannot be mapped"]);
    lab.assert_last_run("delta", "changes since").await;
    assert_eq!(lab.receiver.summary().requests, 0);

    // One is mended, one vanishes, the rest stays.
    lab.directory().set_text(bad[0], "mail", "mended@corp.example");
    lab.directory().hide(bad[1]);
    let outcome = lab.sync(2).await;
    assert_eq!(
        lab.receiver.assets().into_keys().collect::<Vec<_>>(),
        [lab.external_id(bad[0])]
    );
    assert_eq!(outcome.stderr.matches("cannot be mapped").count(), bad.len() - 2);
    for id in &bad[2..] {
        lab.directory().set_text(*id, "mail", "too@corp.example");
    }
    lab.sync(0).await;
    assert_eq!(lab.status().await["rejected"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_r15_a_page_of_garbage_is_rejected_object_by_object() {
    let lab = Simulated::new().await;
    // No entry of the page has a GUID, a SID, or a time.
    lab.at_users_page(1, Action::Twist(Twist::WrongTypes));
    let outcome = lab.sync(2).await;
    assert_eq!(outcome.stderr.matches("cannot be mapped").count(), 100);
    assert_eq!(lab.receiver.assets().len(), 150);
    // Nothing of them changed, and they have no GUID to be remembered by: the next delta asks for them by name.
    lab.sync(0).await;
    lab.assert_last_run("delta", "changes since").await;
    lab.assert_converged();
    assert_eq!(lab.status().await["rejected"], serde_json::json!([]));
}

/// The names under which the last run lists what could not be mapped.
async fn unmapped_by_last_run(lab: &Simulated) -> Vec<String> {
    let run = lab.last_run().await["run"].to_string();
    let said = lab.connector.succeed(&["runs", "--run", &run, "--json"]).await;
    let lines = said.stdout.lines().skip(1);
    let mut names: Vec<String> = lines
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| {
            assert_eq!(
                (&line["state"], &line["vendorAssetId"]),
                (&"unmapped".into(), &().into())
            );
            assert!(line["reason"].as_str().unwrap().contains("objectGUID"), "{line}");
            line["dn"].as_str().unwrap().to_owned()
        })
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_an_entry_without_a_guid_is_tried_again_by_name_until_it_is_mapped_or_gone() {
    let lab = Simulated::new().await;
    let users = lab.users();
    let [stays, renamed, deleted, hidden] = [users[1], users[2], users[3], users[4]];
    for user in [stays, renamed, deleted, hidden] {
        lab.directory().hide_guid(user);
    }
    let names = |users: &[lab::simulator::ObjectId]| {
        let mut names: Vec<String> = users.iter().map(|user| lab.directory().dn(*user)).collect();
        names.sort();
        names
    };
    let all = names(&[stays, renamed, deleted, hidden]);
    for _ in 0..3 {
        lab.sync(2).await.said(&["objectGUID is missing"]);
        assert_eq!(unmapped_by_last_run(&lab).await, all);
    }
    lab.assert_last_run("delta", "changes since").await;
    assert_eq!(lab.receiver.assets().len(), 246);
    let status = lab.status().await;
    assert_eq!(status["rejected"].as_array().unwrap().len(), 4);
    assert!(status["rejected"][0]["vendorAssetId"].is_null());

    lab.directory().rename(renamed, "Another (name) *");
    lab.directory().delete(deleted);
    lab.directory().hide(hidden);
    lab.sync(2).await;
    assert_eq!(unmapped_by_last_run(&lab).await, names(&[stays, renamed]));
    lab.connector.run(&["sync", "--baseline"]).await.ended_with(2);
    assert_eq!(unmapped_by_last_run(&lab).await, names(&[stays, renamed]));
    for user in [stays, renamed] {
        lab.directory().show_guid(user);
    }
    // No USN tells of it.
    lab.sync(0).await;
    lab.assert_last_run("delta", "changes since").await;
    assert_eq!(lab.status().await["rejected"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn r15_many_entries_without_a_guid_are_asked_for_in_bunches() {
    let lab = Simulated::of(lab::simulator::People {
        users: 620,
        ..support::simulated::PEOPLE
    })
    .await;
    for user in lab.users() {
        lab.directory().hide_guid(user);
    }
    lab.sync(2).await;
    lab.simulator.statistics().reset();
    lab.sync(2).await;
    assert_eq!(unmapped_by_last_run(&lab).await.len(), 620);
    let searches = lab.simulator.statistics().counts().searches;
    assert!(
        (25..60).contains(&searches),
        "{searches} searches for 620 entries"
    );
}
