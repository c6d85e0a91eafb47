//! Roles: groups that match `AD_ROLE_FILTER`, in an asset class of their own, and groups that
//! become roles and stop being some.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::sync::Arc;

use lab::simulator::{Action, Kind, ObjectId, On};
use serde_json::{Value, json};
use support::parse_ndjson;
use support::simulated::{PEOPLE, Simulated};

const IN: &str = "CN=Users,DC=corp,DC=example";
/// Global security group.
const GLOBAL: &str = "-2147483646";
const ROLE: &str = "Role: may approve payments";

/// A lab that reads groups, and roles by their description.
async fn lab() -> Simulated {
    let mut lab = Simulated::new().await;
    lab.set("AD_ASSETS", "users,groups,roles");
    lab.set("AD_ROLE_FILTER", "(description=Role:*)");
    lab
}

/// A lab whose removals are sent.
async fn lab_that_sends_removals() -> Simulated {
    let mut lab = lab().await;
    let builtin = include_str!("../config/mapping.toml");
    let table = format!("{builtin}\n[removed]\nasset.assetDetail.lifecycle = \"REMOVED\"\n");
    std::fs::write(lab.connector.folder().join("mapping.toml"), table).unwrap();
    lab.set("MAPPING_FILE", "mapping.toml");
    lab.set("REMOVED_OBJECTS", "send");
    lab
}

fn create(lab: &Simulated, name: &str, description: &str) -> ObjectId {
    lab.directory()
        .create_group(IN, name, GLOBAL.parse().unwrap(), &[("description", description)])
}

fn detail(asset: &Value) -> &Value {
    &asset["asset"]["assetDetail"]
}

/// `removed --json`, line by line.
async fn removed(lab: &Simulated) -> Vec<Value> {
    let said = lab.connector.succeed(&["removed", "--json"]).await.stdout;
    said.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The objects that the last run lists: state, kind and reason.
async fn listed(lab: &Simulated) -> Vec<[String; 3]> {
    let run = lab.last_run().await["run"].to_string();
    let said = lab.connector.succeed(&["runs", "--run", &run, "--json"]).await;
    let lines = said.stdout.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        ["state", "kind", "reason"].map(|key| line[key].as_str().unwrap_or_default().to_owned())
    });
    lines.filter(|[state, ..]| !state.is_empty()).collect()
}

/// The next run sends exactly one version of the object, in this class, and no removal.
async fn assert_becomes(lab: &Simulated, id: ObjectId, how: &[&str], was: &str, is: &str) {
    let sent = lab.sent_by(how).await;
    assert_eq!(sent.len(), 1, "{sent:?}");
    let name = lab.directory().text(id, "name").unwrap();
    let mut of_class = json!({"name": name, "type": "Security Group - Global"});
    if let Some(description) = lab.directory().text(id, "description") {
        of_class["description"] = description.into();
    }
    assert_eq!(
        detail(&sent[&lab.external_id(id)]),
        &json!({format!("{is}AssetClass"): of_class})
    );
    assert_eq!(removed(lab).await, Vec::<Value>::new());
    let run = lab.last_run().await;
    for kind in ["users", "groups", "roles"] {
        assert!(run["counts"][kind]["removed"].as_u64().unwrap_or(0) == 0, "{run}");
    }
    assert_eq!(run["counts"][format!("{is}s")]["accepted"], 1, "{run}");
    assert_eq!(
        listed(lab).await,
        [["reclassified", was, &format!("became a {is}")].map(str::to_owned)]
    );
    // Nothing is left of it.
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    assert_eq!(lab.sent_by(&["sync", "--baseline"]).await.len(), 0);
    assert!(listed(lab).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_match_are_sent_as_roles_and_all_others_as_groups() {
    let lab = lab().await;
    let role = create(&lab, "Approvers", ROLE);
    let group = create(&lab, "Readers", "May read");
    // Without the attribute it is no role.
    let bare = lab
        .directory()
        .create_group(IN, "Bare", GLOBAL.parse().unwrap(), &[]);
    lab.connector.succeed(&["sync"]).await;
    let assets = lab.receiver.assets();
    assert_eq!(assets.len(), 220 + 30 + 3);
    assert_eq!(
        assets[&lab.external_id(role)],
        json!({"asset": {
            "assetHeader": {
                "externalAssetId": lab.external_id(role),
                "vendorAssetId": support::expected::guid(&lab.directory().guid(role)),
            },
            "assetDetail": {"roleAssetClass": {
                "name": "Approvers",
                "description": ROLE,
                "type": "Security Group - Global",
            }},
        }})
    );
    for id in [group, bare] {
        assert!(detail(&assets[&lab.external_id(id)])["groupAssetClass"].is_object());
    }
    let counts = lab.last_run().await["counts"].clone();
    assert_eq!(counts["groups"]["accepted"], 30 + 2, "{counts}");
    assert_eq!(counts["roles"]["accepted"], 1, "{counts}");
    let status = lab.status().await;
    assert_eq!(status["counts"]["roles"]["accepted"], 1, "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_alone_are_read_without_groups_and_leave_the_scope() {
    let mut lab = lab().await;
    lab.set("AD_ASSETS", "roles");
    // One of two is half of them.
    lab.set("REMOVAL_MAX_PERCENT", "100");
    let role = create(&lab, "Approvers", ROLE);
    create(&lab, "Readers", "May read");
    let left = create(&lab, "Payers", "Role: may pay");
    lab.connector.succeed(&["sync"]).await;
    assert_eq!(lab.receiver.assets().len(), 2);
    lab.directory().set_text(left, "description", "May pay");
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    let gone = removed(&lab).await;
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert_eq!(gone[0]["kind"], "role");
    assert_eq!(gone[0]["externalAssetId"], *lab.external_id(left));
    assert!(
        gone[0]["reason"]
            .as_str()
            .unwrap()
            .ends_with("no longer matches the extra filter for roles"),
        "{gone:?}"
    );
    // It is back, and a deleted one is gone as any object.
    lab.directory().set_text(left, "description", ROLE);
    assert_eq!(lab.sent_by_sync().await.len(), 1);
    lab.directory().delete(role);
    lab.connector.succeed(&["sync", "--baseline"]).await;
    let gone = removed(&lab).await;
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert_eq!(gone[0]["externalAssetId"], *lab.external_id(role));
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_a_group_becomes_a_role_and_a_group_again_without_a_removal() {
    for delta in ["usn", "dirsync", "off"] {
        for how in [&["sync"][..], &["sync", "--baseline"]] {
            let mut lab = lab_that_sends_removals().await;
            lab.set("AD_DELTA", delta);
            let id = create(&lab, "Approvers", "May approve payments");
            lab.connector.succeed(&["sync"]).await;
            lab.directory().set_text(id, "description", ROLE);
            assert_becomes(&lab, id, how, "group", "role").await;
            lab.directory().set(id, "description", &[]);
            assert_becomes(&lab, id, how, "role", "group").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_a_class_that_changes_between_two_searches_is_no_removal() {
    for delta in ["usn", "dirsync"] {
        let mut lab = lab_that_sends_removals().await;
        lab.set("AD_DELTA", delta);
        let id = create(&lab, "Approvers", ROLE);
        lab.connector.succeed(&["sync"]).await;
        // It is a role when changed groups are searched, and a group when changed roles are.
        lab.directory().set_text(id, "description", "Role: may sign");
        let directory = lab.directory().clone();
        let change = move || directory.set_text(id, "description", "May sign");
        lab.simulator.faults().at_matching(
            On::Search,
            "(&(&(objectCategory=group)(description=Role:*))",
            1,
            Action::Run(Arc::new(change)),
        );
        assert_becomes(&lab, id, &["sync"], "role", "group").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r37_who_adds_roles_gets_the_new_form_of_these_groups_and_nothing_else() {
    let mut lab = lab_that_sends_removals().await;
    let id = create(&lab, "Approvers", ROLE);
    lab.set("AD_ASSETS", "users,groups");
    lab.connector.succeed(&["sync"]).await;
    lab.set("AD_ASSETS", "users,groups,roles");
    assert_becomes(&lab, id, &["sync"], "group", "role").await;
    // Without roles again; the filter is not used then.
    lab.set("AD_ASSETS", "users,groups");
    assert_becomes(&lab, id, &["sync"], "role", "group").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmappable_group_is_mapped_as_the_role_that_it_became() {
    let lab = lab().await;
    let id = create(&lab, "Approvers", "May approve payments");
    let sid = lab.directory().attributes(id)["objectSid"].clone();
    lab.directory().set(id, "objectSid", &[b"no sid"]);
    lab.connector.run(&["sync"]).await;
    assert_eq!(lab.receiver.assets().len(), 250);
    lab.directory().set(id, "objectSid", &[&sid[0]]);
    lab.directory().set_text(id, "description", ROLE);
    let sent = lab.sent_by_sync().await;
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert!(detail(&sent[&lab.external_id(id)])["roleAssetClass"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_stays_a_group_for_memberships() {
    let mut lab = lab().await;
    let builtin = include_str!("../config/mapping.toml");
    let table = format!(
        "{builtin}\n[[user]]\nsource = \"@groups\"\ntarget = \"asset.assetDetail.userAssetClass.groups\"\n\
         [[role]]\nsource = \"@members\"\ntarget = \"asset.assetDetail.roleAssetClass.members\"\n"
    );
    std::fs::write(lab.connector.folder().join("mapping.toml"), table).unwrap();
    lab.set("MAPPING_FILE", "mapping.toml");
    let id = create(&lab, "Approvers", ROLE);
    let user = lab.users()[0];
    lab.directory().add_members(id, &[user]);
    lab.connector.succeed(&["sync"]).await;
    let groups = |asset: &Value| detail(asset)["userAssetClass"]["groups"].clone();
    let names = |asset: &Value| groups(asset).as_array().unwrap().contains(&json!("Approvers"));
    let assets = lab.receiver.assets();
    assert!(names(&assets[&lab.external_id(user)]));
    assert_eq!(
        detail(&assets[&lab.external_id(id)])["roleAssetClass"]["members"],
        json!([lab.directory().dn(user)])
    );
    // Members that come and go, of a role and of a group.
    let other = lab.users()[1];
    lab.directory().add_members(id, &[other]);
    lab.directory().remove_members(id, &[user]);
    let sent = lab.sent_by_sync().await;
    assert_eq!(sent.len(), 3, "{sent:?}");
    assert!(names(&sent[&lab.external_id(other)]) && !names(&sent[&lab.external_id(user)]));
    // A group names no members in this table.
    lab.directory()
        .set_text(id, "description", "May approve payments");
    let sent = lab.sent_by_sync().await;
    assert_eq!(sent.len(), 1, "{sent:?}");
    lab.directory().rename(id, "Signers");
    let sent = lab.sent_by_sync().await;
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(PEOPLE.groups as usize + 1, lab.directory().all(Kind::Group).len());
}

#[tokio::test(flavor = "multi_thread")]
async fn why_names_the_class_and_the_filter() {
    let lab = lab().await;
    create(&lab, "Approvers", ROLE);
    create(&lab, "Readers", "May read");
    lab.connector.succeed(&["sync"]).await;
    for (name, class) in [("Approvers", "a role"), ("Readers", "a group")] {
        lab.connector.run(&["why", name]).await.said(&[class]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_of_a_role_is_in_the_written_assets() {
    let lab = lab().await;
    create(&lab, "Approvers", ROLE);
    let (dry, sent) = {
        let dry = ["sync", "--dry-run", "--output", "-"];
        let dry = lab.connector.succeed(&dry).await.stdout;
        (
            dry,
            lab.connector.succeed(&["sync", "--output", "-"]).await.stdout,
        )
    };
    let (dry, sent) = (parse_ndjson(&dry), parse_ndjson(&sent));
    assert_eq!(dry, sent);
    let roles = sent
        .values()
        .filter(|asset| detail(asset)["roleAssetClass"].is_object());
    assert_eq!(roles.count(), 1);
}
