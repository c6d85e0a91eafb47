//! Removals that upstream is told (R24).

use lab::receiver::Answer;

use crate::world::{IN, OUT, World};

const TABLE: &str = "
[removed]
asset.assetDetail.lifecycle = \"REMOVED\"
asset.assetDetail.userAssetClass.status = \"GONE\"
";

async fn world(table: &str) -> World {
    let world = World::new(true).await;
    let mapping = world.connector.folder().join("mapping.toml");
    let builtin = include_str!("../../config/mapping.toml");
    std::fs::write(&mapping, format!("{builtin}{table}")).unwrap();
    world
        .with("MAPPING_FILE", mapping.to_str().unwrap())
        .with("REMOVED_OBJECTS", "send")
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_the_last_asset_is_posted_once_more_with_the_constants() {
    let world = world(TABLE).await;
    world.sync().await;
    world.receiver.reset();
    let team = world
        .directory()
        .find("CN=Team 3,OU=In,DC=corp,DC=example")
        .unwrap();
    world.directory().delete(world.users[10]);
    world.directory().delete(team);
    world.sync().await;
    let assets = world.receiver.assets();
    assert_eq!(assets.len(), 2);
    for asset in assets.values() {
        let detail = &asset["asset"]["assetDetail"];
        assert_eq!(detail["lifecycle"], "REMOVED");
        if detail["groupAssetClass"].is_object() {
            assert!(detail["userAssetClass"].is_null(), "{asset}");
        } else {
            assert_eq!(detail["userAssetClass"]["status"], "GONE");
            assert_eq!(detail["userAssetClass"]["email"], "person10@corp.example");
        }
    }
    assert!(world.lines().await.iter().all(|line| line["sentAt"].is_string()));
    // Once, also over a full read.
    world.connector.succeed(&["sync", "--baseline"]).await;
    assert_eq!(world.receiver.summary().requests, 1);
    assert_eq!(world.receiver.violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn r18_r24_a_removal_that_the_gateway_does_not_take_is_sent_again() {
    let world = world(TABLE).await;
    world.sync().await;
    world.receiver.reset();
    world.directory().delete(world.users[10]);
    world
        .receiver
        .script([(); 2].map(|()| Answer::Status(400, Vec::new(), "no".to_owned())));
    let outcome = world.connector.run(&["sync"]).await;
    assert_ne!(outcome.code, Some(0), "{}", outcome.text());
    assert!(world.lines().await.iter().all(|line| line["sentAt"].is_null()));
    assert_eq!(world.listed("removed").await.len(), 1);
    world.sync().await;
    assert_eq!(world.receiver.assets().len(), 1);
    assert!(world.lines().await.iter().all(|line| line["sentAt"].is_string()));
    world.connector.succeed(&["sync", "--baseline"]).await;
    assert_eq!(world.receiver.summary().requests, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_what_returns_before_its_removal_was_sent_is_sent_as_it_is() {
    let world = world(TABLE).await;
    world.sync().await;
    world.receiver.reset();
    world.directory().move_to(world.users[10], OUT);
    world
        .receiver
        .script([(); 2].map(|()| Answer::Status(400, Vec::new(), "no".to_owned())));
    world.connector.run(&["sync"]).await;
    world.directory().move_to(world.users[10], IN);
    world.sync().await;
    let assets = world.receiver.assets();
    assert_eq!(assets.len(), 1);
    assert!(
        assets
            .values()
            .all(|asset| asset["asset"]["assetDetail"]["lifecycle"].is_null())
    );
    assert!(world.lines().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_a_constant_for_users_alone_leaves_groups_reported() {
    let world = world("\n[removed]\nasset.assetDetail.userAssetClass.status = \"GONE\"\n").await;
    world.sync().await;
    world.receiver.reset();
    let team = world
        .directory()
        .find("CN=Team 3,OU=In,DC=corp,DC=example")
        .unwrap();
    world.directory().delete(team);
    world.sync().await;
    assert_eq!(world.receiver.summary().requests, 0);
    assert_eq!(world.listed("removed").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_approved_removals_are_sent_by_the_approval() {
    let world = world(TABLE).await;
    world.sync().await;
    world.receiver.reset();
    for user in &world.users[10..16] {
        world.directory().delete(*user);
    }
    world.connector.run(&["sync"]).await.ended_with(3);
    assert_eq!(world.receiver.summary().requests, 0);
    world.connector.succeed(&["approve-removals"]).await;
    assert_eq!(world.receiver.assets().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_sending_without_constants_is_refused_at_start() {
    let world = world("").await;
    for command in ["sync", "run"] {
        let outcome = world.connector.run(&[command]).await.ended_with(64);
        outcome.said(&["REMOVED_OBJECTS", "[removed]"]);
    }
}
