//! Several editors at once.

use std::sync::Arc;

use serde_json::json;

use super::{ALL, Api, of};

const EDITORS: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn of_many_editors_with_one_revision_exactly_one_wins() {
    let api = Arc::new(Api::start().await);
    api.create(&api.body("head-office")).await;
    for revision in 1..=4_i64 {
        let tag = format!("\"{revision}\"");
        let editors: Vec<_> = (0..EDITORS)
            .map(|editor| {
                let (api, tag) = (Arc::clone(&api), tag.clone());
                tokio::spawn(async move {
                    let mut body = api.without_password("head-office");
                    body["description"] = json!(format!("editor {editor}"));
                    (editor, api.put("head-office", &body, &tag).await)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for editor in editors {
            let (editor, answer) = editor.await.unwrap();
            match answer.status.as_u16() {
                200 => winners.push((editor, answer.json())),
                status => assert_eq!(status, 412, "{}", answer.body),
            }
        }
        let [(editor, view)] = winners.as_slice() else {
            panic!("{} editors won", winners.len())
        };
        assert_eq!(view["revision"], revision + 1);
        assert_eq!(view["description"], format!("editor {editor}"));
        let (shown, tag) = api.shown("head-office").await;
        assert_eq!((&shown["description"], tag), (&view["description"], format!("\"{}\"", revision + 1)));
    }
    Arc::into_inner(api).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_creations_of_one_name_exactly_one_succeeds() {
    let api = Arc::new(Api::start().await);
    let creators: Vec<_> = (0..EDITORS)
        .map(|_| {
            let api = Arc::clone(&api);
            tokio::spawn(async move { api.post(ALL, &api.body("head-office")).await.status.as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for creator in creators {
        statuses.push(creator.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    // A deletion and a change of one revision: one of them wins.
    let body = api.without_password("head-office");
    let path = of("head-office");
    let (deleted, changed) = tokio::join!(api.call("DELETE", &path, None, Some("\"1\"")), api.put("head-office", &body, "\"1\""));
    let statuses = (deleted.status.as_u16(), changed.status.as_u16());
    assert!([(204, 404), (204, 412), (412, 200)].contains(&statuses), "{statuses:?}");
    Arc::into_inner(api).unwrap().stop().await;
}
