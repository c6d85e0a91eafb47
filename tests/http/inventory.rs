//! The inventory: every object once, found by whatever one knows of it.

use std::collections::BTreeSet;

use reqwest::Url;
use serde_json::Value;

use super::support::expected;
use super::support::http::{READ_TOKEN, Served};
use super::{CONNECTION, served};

/// Everything that matches, page by page; gives the external ids.
async fn found(served: &Served, query: &[(&str, &str)]) -> Vec<String> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut wanted = query.to_vec();
        wanted.extend(after.as_deref().map(|after| ("after", after)));
        let url = Url::parse_with_params(&format!("{}{CONNECTION}/inventory", served.base), wanted).unwrap();
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let page = served.json(&path).await;
        let ids = page["items"].as_array().unwrap().iter();
        all.extend(ids.map(|item| item["externalAssetId"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_object_is_on_one_page_and_kinds_are_told_apart() {
    let (lab, served) = served().await;
    let expected: BTreeSet<String> = lab.expected().into_keys().collect();
    for limit in ["7", "200"] {
        let all = found(&served, &[("limit", limit)]).await;
        assert_eq!(all.len(), expected.len(), "each once");
        assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), expected);
    }
    assert_eq!(
        found(&served, &[("kind", "group"), ("limit", "9")]).await.len(),
        lab.groups().len()
    );
    assert!(found(&served, &[("kind", "computer")]).await.is_empty());
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_user_is_found_by_whatever_one_knows() {
    let (lab, served) = served().await;
    let user = lab.users()[17];
    lab.directory().rename(user, "Zoëlle \"Zo\" Ångström-Quux");
    lab.directory().set_text(user, "mail", "zoe.quux@corp.example");
    lab.directory()
        .set_text(user, "displayName", "<script>alert(1)</script> \u{202e}olleh");
    lab.sync(0).await;
    let sid = lab.external_id(user);
    let guid = expected::guid(&lab.directory().guid(user));
    for text in [
        "ÅNGSTRÖM",
        "zoëlle \"zo\"",
        "quux@CORP",
        &sid,
        &guid,
        &guid.to_uppercase()[..23],
        "cn=zoëlle",
        "<SCRIPT>",
        "\u{202e}OLLEH",
    ] {
        let ids = found(&served, &[("q", text), ("limit", "1")]).await;
        assert_eq!(ids, std::slice::from_ref(&sid), "{text}");
    }
    for text in ["assetHeader", "Zo.*Quux", "%", "no such thing"] {
        assert!(found(&served, &[("q", text)]).await.is_empty(), "{text}");
    }
    assert!(
        found(&served, &[("q", "quux"), ("kind", "group")])
            .await
            .is_empty()
    );
    let asset = served.json(&format!("{CONNECTION}/inventory/{guid}")).await;
    assert_eq!(asset["mail"], "zoe.quux@corp.example");
    assert_eq!(
        asset["asset"],
        lab.receiver.assets()[&sid],
        "exactly what upstream accepted"
    );
    assert_eq!(asset["pending"], Value::Null);
    served.service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_object_is_shown_as_the_directory_has_it_now() {
    let (lab, served) = served().await;
    let user = lab.users()[2];
    let guid = expected::guid(&lab.directory().guid(user));
    let path = format!("{CONNECTION}/inventory/{guid}/preview");
    lab.directory().set_text(user, "mail", "later@corp.example");
    let binds = || served.read_with(&path, READ_TOKEN);
    let preview = binds().await.with(200).json();
    assert_eq!(preview["sameAsAccepted"], false, "it changed since");
    let rows = preview["rows"].as_array().unwrap();
    let mail = rows
        .iter()
        .find(|row| row["target"] == "asset.assetDetail.userAssetClass.email")
        .unwrap();
    assert_eq!(mail["outcome"], "value");
    assert_eq!(mail["value"], "later@corp.example");
    assert_eq!(mail["sources"][0]["attribute"], "mail");
    assert_eq!(mail["sources"][0]["values"][0], "later@corp.example");
    let table = served.json(&format!("{CONNECTION}/mapping")).await;
    assert_eq!(table["source"], "built-in table");
    assert_eq!(table["kinds"][0]["rows"].as_array().unwrap().len(), rows.len());
    lab.directory().delete(user);
    binds().await.with(404);
    served.service.stopped_with(0).await;
}
