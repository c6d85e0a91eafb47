//! Every answer is what the OpenAPI document says.

use std::collections::BTreeSet;

use ad_connector::store::{Store, StoreAccess};
use lab::simulator::{Action, On};
use reqwest::Method;
use serde_json::json;

use super::described::{Document, refusal};
use super::support::http::{READ_TOKEN, Served, TOKEN};
use super::{CONNECTION, served};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_answer_is_as_the_document_says() {
    let (lab, served) = served().await;
    let mut document = Document::of(&served).await;
    let unmapped = lab.users()[3];
    lab.directory().set(unmapped, "objectSid", &[b"broken"]);
    let staged = lab.users()[4];
    lab.directory().set_text(staged, "mail", "changed@corp.example");
    lab.directory().delete(lab.users()[5]);
    lab.receiver
        .refuse([lab.external_id(staged)], lab::receiver::Answer::status(400));
    // A full read, since the account sees no tombstones.
    lab.connector.run(&["sync", "--baseline"]).await.ended_with(2);
    let guid = &super::support::expected::guid(&lab.directory().guid(lab.users()[10]));
    let waiting = super::support::expected::guid(&lab.directory().guid(staged));

    let run = lab.last_run().await["run"].clone();
    for path in [
        "/api/v1/connections".to_owned(),
        "/api/v1/instances".to_owned(),
        CONNECTION.to_owned(),
        format!("{CONNECTION}/runs?limit=1"),
        format!("{CONNECTION}/runs/{run}/objects?limit=2"),
        format!("{CONNECTION}/inventory?kind=group&limit=3"),
        format!("{CONNECTION}/inventory?q=person"),
        format!("{CONNECTION}/inventory/{guid}"),
        format!("{CONNECTION}/inventory/{waiting}"),
        format!("{CONNECTION}/rejected"),
        format!("{CONNECTION}/removed"),
        format!("{CONNECTION}/removed?state=held"),
        format!("{CONNECTION}/removed?state=undecided"),
        format!("{CONNECTION}/mapping"),
    ] {
        document.check(&served.read(&path).await.with(200));
    }
    let removed = served.json(&format!("{CONNECTION}/removed")).await;
    assert_eq!(removed["items"].as_array().unwrap().len(), 1, "{removed}");
    let rejected = served.json(&format!("{CONNECTION}/rejected")).await;
    let origins: BTreeSet<&str> = rejected["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["origin"].as_str().unwrap())
        .collect();
    assert_eq!(origins, BTreeSet::from(["mapping", "upstream"]), "{rejected}");
    let asset = served.json(&format!("{CONNECTION}/inventory/{waiting}")).await;
    assert_eq!(
        asset["pending"]["asset"]["asset"]["assetDetail"]["userAssetClass"]["email"],
        "changed@corp.example"
    );
    assert!(asset["pending"]["reason"].is_string(), "{asset}");

    let preview = format!("{CONNECTION}/inventory/{guid}/preview");
    let look = || served.read(&preview);
    let answer = look().await.with(200);
    document.check(&answer);
    assert_eq!(answer.json()["sameAsAccepted"], true);
    lab.simulator.faults().at(On::Connect, 1, Action::Cut);
    document.check(&look().await.with(502));
    lab.simulator.faults().clear();

    explained(&mut document, &served, guid).await;
    reviewed(&mut document, &served, &lab.connector.state()).await;
    refused(&mut document, &served, guid).await;

    let answer = served
        .post(&format!("{CONNECTION}/sync"), &json!({"mode": "baseline"}))
        .await;
    document.check(&answer.with(202));
    // Those of connections that are made over HTTP are seen by tests/connections.
    let operations = document.operations(|tag| tag != "configuration");
    let answered: BTreeSet<(String, String)> = document
        .seen
        .iter()
        .filter(|(_, _, status)| *status < 300)
        .map(|(path, method, _)| (path.clone(), method.clone()))
        .collect();
    let missing: Vec<_> = operations.difference(&answered).collect();
    // These have tests of their own.
    let elsewhere = missing
        .iter()
        .all(|(path, _)| path.ends_with("/events") || path.ends_with("/approve-removals"));
    assert!(missing.len() == 2 && elsewhere, "{missing:?}");
    served.service.stopped_with(0).await;
}

/// Answers for one object, for several, and with the directory down.
async fn explained(document: &mut Document, served: &Served, guid: &str) {
    let ask = |object: &str| {
        let request = served.request(Method::GET, &format!("{CONNECTION}/why?object={object}"));
        served.send(request.bearer_auth(TOKEN))
    };
    for object in [guid, "Users", "nobody"] {
        document.check(&ask(object).await.with(200));
    }
    document.check(&ask("").await.with(422));
    document.check(&served.get(&format!("{CONNECTION}/why?object=x")).await.with(401));
}

/// The review before there is one, and of two of them.
async fn reviewed(document: &mut Document, served: &Served, state: &std::path::Path) {
    const REVIEW: &str = "/api/v1/review";
    document.check(&served.read(REVIEW).await.with(404));
    document.check(&served.get(REVIEW).await.with(401));
    let review = |finding: &str| {
        json!({
            "at": "2026-11-22T06:00:00Z", "complete": true, "roles": [], "access": [
                {"login": "a", "assetGroup": "*", "assetGroupId": null, "reason": "role-sees-all"},
                {"login": "b", "assetGroup": "AG", "assetGroupId": "1", "reason": "owner"}],
            "assetGroups": [{"id": "1", "name": "AG"}],
            "users": [
                {"login": "b", "isActive": true, "allowed": false, "partner": {"state": "notFound"}, "findings": []},
                {"login": "<script>", "isActive": true, "allowed": false, "partner": {"state": "notFound"}, "findings": ["gone"]}],
            "findings": [{"code": finding, "login": "<script>", "reason": "r", "evidence": []}],
        })
        .to_string()
    };
    let store = Store::open(state, StoreAccess::ReadWrite).unwrap();
    store
        .keep_review(1_795_000_000, true, "{\"dormant\":1}", &review("dormant"))
        .unwrap();
    store
        .keep_review(1_795_313_434, true, "{\"gone\":1}", &review("gone"))
        .unwrap();
    let standing = served.read(REVIEW).await.with(200);
    document.check(&standing);
    let standing = standing.json();
    assert_eq!(standing["new"][0]["code"], "gone", "{standing}");
    assert_eq!(standing["resolved"][0]["code"], "dormant", "{standing}");
    for (path, total) in [
        ("users?limit=1", 2),
        ("users?code=gone", 1),
        ("users?q=SCRIPT", 1),
        ("asset-groups", 1),
        ("roles", 0),
        ("findings?code=dormant", 0),
        ("access?assetGroup=AG", 2),
        ("access?login=b", 1),
    ] {
        let answer = served.read(&format!("{REVIEW}/{path}")).await.with(200);
        document.check(&answer);
        assert_eq!(answer.json()["total"], total, "{path}");
    }
    let first = served.read(&format!("{REVIEW}/users?limit=1")).await.json();
    assert_eq!(
        (&first["items"][0]["login"], &first["next"]),
        (&json!("<script>"), &json!("1"))
    );
    for path in [
        "users?code=nonsense",
        "users?limit=0",
        "users?after=x",
        "users?q=",
        "users?z=1",
    ] {
        document.check(&served.read(&format!("{REVIEW}/{path}")).await.with(422));
    }
    let metrics = served.get("/metrics").await.with(200).body;
    assert!(
        metrics.contains("ad_connector_review_findings{code=\"gone\"} 1"),
        "{metrics}"
    );
    assert!(metrics.contains("ad_connector_review_age_seconds"), "{metrics}");
}

async fn refused(document: &mut Document, served: &Served, guid: &str) {
    let sync = format!("{CONNECTION}/sync");
    for (path, status) in [
        ("/api/v1/connections/nobody".to_owned(), 404),
        ("/api/v1/connections/nobody/runs".to_owned(), 404),
        (format!("{CONNECTION}/runs/4711/objects"), 404),
        (format!("{CONNECTION}/runs/last/objects"), 422),
        (format!("{CONNECTION}/rejected?after=x"), 422),
        (
            format!("{CONNECTION}/inventory/00000000-0000-4000-8000-000000000000"),
            404,
        ),
        (format!("{CONNECTION}/inventory/nonsense"), 422),
        (format!("{CONNECTION}/inventory?limit=0"), 422),
        (format!("{CONNECTION}/inventory?limit=201"), 422),
        (format!("{CONNECTION}/inventory?limit=many"), 422),
        (format!("{CONNECTION}/inventory?kind=printer"), 422),
        (format!("{CONNECTION}/inventory?q="), 422),
        (format!("{CONNECTION}/inventory?q={}", "x".repeat(257)), 422),
        (format!("{CONNECTION}/inventory?after=nonsense"), 422),
        (format!("{CONNECTION}/inventory?offset=3"), 422),
        (format!("{CONNECTION}/removed?state=lost"), 422),
        (format!("{CONNECTION}/runs?after=x"), 422),
        (sync.clone(), 405),
    ] {
        document.check(&served.read(&path).await.with(status));
    }
    let preview = format!("{CONNECTION}/inventory/{guid}/preview");
    document.check(&served.get(&preview).await.with(401));
    let post = |body: &'static str| {
        served
            .request(Method::POST, &sync)
            .header("content-type", "application/json")
            .body(body)
    };
    let with_token = |body| post(body).bearer_auth(TOKEN);
    for (request, status) in [
        (post(r#"{"mode": "delta"}"#), 401),
        (post(r#"{"mode": "delta"}"#).bearer_auth("wrong"), 401),
        (post(r#"{"mode": "delta"}"#).bearer_auth(READ_TOKEN), 403),
        (with_token(r#"{"mode": "everything"}"#), 422),
        (with_token(r#"{"mode": "delta", "more": 1}"#), 422),
        (with_token("{"), 422),
        (with_token(""), 422),
        (with_token("{}").header("origin", "http://evil.example"), 403),
        (
            served.request(Method::POST, &sync).bearer_auth(TOKEN).body("{}"),
            415,
        ),
        (
            with_token("{}").body(format!(r#"{{"mode": "{}"}}"#, "x".repeat(17 << 10))),
            413,
        ),
        (served.request(Method::DELETE, CONNECTION), 401),
        (served.request(Method::PATCH, CONNECTION).bearer_auth(TOKEN), 405),
    ] {
        document.check(&served.send(request).await.with(status));
    }
    // Outside the API there is no document, but the same refusals.
    refusal(&served.get("/nowhere").await.with(404));
    refusal(
        &served
            .send(served.request(Method::POST, "/metrics"))
            .await
            .with(405),
    );
}
