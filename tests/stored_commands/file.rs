//! Connections of a file: their import, and the identity that keeps the state under a new name.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_import_names_every_mistake_before_anything_is_stored() {
    let (mut lab, table) = stored().await;
    lab.set("OTHER_SECRET", "of-another-gateway");
    let more = |name: &str, lines: &str| format!("{}{lines}\n", table.replace("head-office", name));
    let text = [
        more("good", ""),
        more("far", "qualys_gateway_url = \"https://other.example\""),
        more("secret", "qualys_client_secret = \"${OTHER_SECRET}\""),
        more("slow", "ad_timeout = \"1s\""),
        more("head-office", ""),
        table
            .replace("head-office", "low")
            .replace("ad_port = '", "ad_port = '1"),
        more("dollar", "description = \"a $${NAME}\""),
    ]
    .join("\n");
    // The port with a digit more is out of range, or one that is not allowed.
    let port = lab.simulator.addr().port();
    let text = text.replace(&format!("ad_port = '1{port}'"), "ad_port = '390'");
    let refused = import(&lab, &text, &[]).await.ended_with(64).said(&[
        "nothing of",
        "connection far: qualys_gateway_url: is https://other.example in the file",
        "connection secret: qualys_client_secret",
        "connection slow: ad_timeout: is 1s in the file, and 20s",
        "connection head-office: a stored connection has this name; give --replace",
        "connection low: ad_port",
        "connection dollar: connection_description",
    ]);
    assert!(!refused.stderr.contains("connection good"), "{}", refused.stderr);
    assert!(
        !refused.text().contains("of-another-gateway"),
        "{}",
        refused.text()
    );
    assert_eq!(json(&lab, &["connections", "list", "--json"]).await.len(), 1);

    let renamed = format!(
        "{table}description = \"another\"\n[[connection.profile]]\nname = \"staff\"\nad_assets = [\"users\"]\n"
    );
    import(&lab, &renamed, &[])
        .await
        .ended_with(0)
        .said(&["head-office.staff: created"]);
    let uuid = store(&lab).stored_connections().unwrap()[0].uuid;
    store(&lab)
        .set_connection_disabled(uuid, true, None, 1_800_000_000)
        .unwrap();
    import(
        &lab,
        &more("head-office", "description = \"another\""),
        &["--replace"],
    )
    .await
    .ended_with(0)
    .said(&["head-office: replaced, revision 3"]);
    let shown = json(&lab, &["connections", "show", "head-office", "--json"])
        .await
        .remove(0);
    assert_eq!(shown["configuration"]["description"], "another");
    assert_eq!(
        (&shown["disabled"], &shown["uuid"]),
        (&json!(true), &json!(uuid.to_string()))
    );
    lab.connector
        .run(&["connections", "show", "none"])
        .await
        .ended_with(64)
        .said(&["head-office.staff"]);
    import(&lab, "[[connection]]\nname = 7\n", &[])
        .await
        .ended_with(64)
        .said(&["import.toml:"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_changes_and_the_uuid_keeps_the_state() {
    let (mut lab, table) = without_directory().await;
    let uuid = "uuid = \"0b3c6d4e-1111-4222-8333-444455556666\"\n";
    let file = write(&lab, "connections.toml", &format!("{table}{uuid}"));
    lab.set("CONNECTIONS_FILE", file.to_str().unwrap());
    lab.sync(0).await;
    lab.assert_converged();
    let renamed = table.replace("head-office", "main-office");
    write(&lab, "connections.toml", &format!("{renamed}{uuid}"));
    assert_eq!(lab.sent_by_sync().await.len(), 0);
    let runs = json(&lab, &["runs", "--json"]).await;
    assert_eq!(runs.len(), 2);
    assert_eq!(
        (&runs[0]["connection"], &runs[0]["mode"]),
        (&json!("main-office"), &json!("delta"))
    );
    // Without it the new name is a new connection: its first run reads everything.
    write(&lab, "connections.toml", &renamed.replace("main-office", "third"));
    lab.sync(0).await;
    let runs = json(&lab, &["runs", "--json"]).await;
    assert_eq!(runs.len(), 1);
    assert_eq!(
        (&runs[0]["connection"], &runs[0]["mode"]),
        (&json!("third"), &json!("baseline"))
    );
}
