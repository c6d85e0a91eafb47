//! The status page: plain files, compiled in, with no step that builds them and no framework.
//!
//! They hold nothing but the page itself; what they show comes from the API. They work under a
//! policy that allows files of the same origin alone: no inline script or style.

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

/// Path, type and contents of each file.
type PageFile = (&'static str, &'static str, &'static str);

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A script below `/page/`, named as its file.
macro_rules! script {
    ($name:literal) => {
        (
            concat!("/page/", $name),
            SCRIPT,
            include_str!(concat!("page/", $name)),
        )
    };
}

const FILES: [PageFile; 32] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    (
        "/page/style.css",
        "text/css; charset=utf-8",
        include_str!("page/style.css"),
    ),
    (
        "/page/forms.css",
        "text/css; charset=utf-8",
        include_str!("page/forms.css"),
    ),
    ("/page/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    script!("app.js"),
    script!("api.js"),
    script!("dom.js"),
    script!("token.js"),
    script!("list.js"),
    script!("connection.js"),
    script!("connections.js"),
    script!("runs.js"),
    script!("inventory.js"),
    script!("attention.js"),
    script!("mapping.js"),
    script!("why.js"),
    script!("review.js"),
    script!("manage.js"),
    script!("edit.js"),
    script!("field.js"),
    script!("draft.js"),
    script!("tree.js"),
    script!("mapping_text.js"),
    script!("mapping_rows.js"),
    script!("wizard.js"),
    script!("wizard_basic.js"),
    script!("wizard_test.js"),
    script!("wizard_profile.js"),
    script!("wizard_mapping.js"),
    script!("wizard_schedule.js"),
    script!("wizard_review.js"),
    script!("wizard_conflict.js"),
];

/// Returns a route for each file.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES
        .into_iter()
        .fold(Router::new(), |routes, (path, kind, contents)| {
            let tag = tag(contents);
            routes.route(
                path,
                get(move |headers: HeaderMap| async move { file(&headers, kind, contents, &tag) }),
            )
        })
}

/// Returns the file, unless the browser has it already.
fn file(headers: &HeaderMap, kind: &'static str, contents: &'static str, tag: &str) -> Response {
    let known = headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim().trim_start_matches("W/") == tag);
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind)], contents).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    // The browser checks the tag each time, so that a new version is shown at once.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Returns the tag of a content; another content has another tag.
fn tag(contents: &str) -> String {
    let digest = Sha256::digest(contents);
    let hex: String = digest
        .iter()
        .take(8)
        .map(|octet| format!("{octet:02x}"))
        .collect();
    format!("\"{hex}\"")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns the names that stand in `text`, in quotes, after one of `before`.
    fn named<'t>(text: &'t str, before: &[&str]) -> BTreeSet<&'t str> {
        let after = |before: &&str| {
            text.match_indices(*before)
                .map(|(at, _)| at + before.len())
                .collect::<Vec<_>>()
        };
        before
            .iter()
            .flat_map(after)
            .filter_map(|at| text.get(at..)?.split('"').next())
            .collect()
    }

    #[test]
    fn every_file_that_the_page_names_is_served_and_no_other() {
        let mut served: BTreeSet<_> = FILES.iter().map(|(path, ..)| (*path).to_owned()).collect();
        let mut wanted = BTreeSet::from(["/".to_owned()]);
        for (_, _, text) in FILES {
            let named = named(text, &["href=\"/page/", "src=\"/page/", "from \"./"]);
            wanted.extend(named.into_iter().map(|name| format!("/page/{name}")));
        }
        assert_eq!(wanted, served);
        assert!(served.remove("/page/app.js"), "the test sees script files");
    }

    #[test]
    fn nothing_stands_inline_and_nothing_is_made_of_text() {
        let (_, _, page) = FILES[0];
        for inline in [
            "<style",
            " style=",
            " onclick=",
            "<script>",
            "javascript:",
            "http://",
            "https://",
        ] {
            assert!(!page.contains(inline), "{inline}");
        }
        for (path, _, text) in FILES.iter().filter(|(_, kind, _)| *kind == SCRIPT) {
            for dangerous in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                ".cssText",
                "localStorage",
            ] {
                assert!(!text.contains(dangerous), "{path} uses {dangerous}");
            }
        }
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        let (_, kind, contents) = FILES[0];
        let tag = tag(contents);
        let mut asked = HeaderMap::new();
        let first = file(&asked, kind, contents, &tag);
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        asked.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(
            file(&asked, kind, contents, &tag).status(),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(file(&asked, kind, contents, "\"other\"").status(), StatusCode::OK);
    }
}
