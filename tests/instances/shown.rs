//! Every instance shows who holds a connection, and passes on what it is asked for.

use serde_json::Value;

use crate::pair::{NAMES, Pair};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r34_every_instance_shows_the_holder_and_passes_on_what_it_is_asked_for() {
    let mut pair = Pair::new().await;
    pair.lab.set("SYNC_CRON", "59 59 23 31 12 *");
    for which in 0..2 {
        pair.start(which);
        pair.answers(which, "/ready", 200).await;
    }
    pair.arrived("the first read").await;
    let holder = pair.holder().unwrap();
    let other = 1 - holder;
    let refused = pair.lab.sync(4).await;
    refused.said(&[&format!("instance {}", NAMES[holder]), "service"]);
    assert_eq!(pair.lab.status().await["heldBy"], NAMES[holder]);
    let shown = pair.lab.connector.succeed(&["instances", "--json"]).await.stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    for (which, name) in NAMES.iter().enumerate() {
        assert_eq!(shown[which]["name"], *name, "{shown}");
        let held = usize::from(which == holder);
        assert_eq!(
            shown[which]["connections"].as_array().unwrap().len(),
            held,
            "{shown}"
        );
    }
    let (status, listed) = pair.get(other, "/api/v1/instances").await.unwrap();
    assert_eq!(status, 200, "{listed}");
    let (_, metrics) = pair.get(other, "/metrics").await.unwrap();
    assert!(
        metrics.contains("ad_connector_lease_held{connection=\"active-directory\"} 0"),
        "{metrics}"
    );
    // What is asked for at the other reaches the holder.
    let user = pair.lab.users()[0];
    pair.lab
        .directory()
        .set_text(user, "displayName", "asked for at the other");
    let answer = pair.post(other, "sync", r#"{"mode": "delta"}"#.to_owned()).await;
    assert_eq!(answer, Some(202));
    pair.arrived("what was asked for").await;
    pair.end_both().await;
    // Moved to a file and back, the state is the same: nothing is sent again.
    let sent = pair.lab.receiver.summary().requests;
    let file = format!("sqlite:{}", pair.lab.connector.state().display());
    let copied = pair
        .lab
        .connector
        .succeed(&["state", "copy", "--to", &file])
        .await;
    copied.said(&["object:", "equal", "copied to"]);
    pair.lab.set("STATE_URL", &file);
    pair.lab.sync(0).await;
    let database = pair.server.create_database();
    let url = pair.server.url(&database);
    pair.lab.connector.succeed(&["state", "copy", "--to", &url]).await;
    pair.lab.set("STATE_URL", &url);
    pair.lab.sync(0).await;
    pair.lab.assert_converged();
    assert_eq!(
        pair.lab.receiver.summary().requests,
        sent,
        "nothing was sent again"
    );
    // A dry run works on a copy.
    pair.lab
        .directory()
        .set_text(user, "displayName", "only looked at");
    let dry = pair
        .lab
        .connector
        .succeed(&["sync", "--dry-run", "--output", "-"])
        .await;
    assert!(dry.stdout.contains("only looked at"), "{}", dry.stdout);
    assert_eq!(pair.lab.receiver.summary().requests, sent);
    pair.lab.sync(0).await;
    pair.lab.assert_converged();
}
