//! Who may change something, and who can use the page: by keyboard, by ear, with tired eyes.

use serde_json::Value;

use crate::browser;
use crate::stage::{READ_TOKEN, Stage, TOKEN, free_port, set};
use crate::support::simulated::Simulated;
use crate::tab::{Tab, Viewer};

/// Contrast, sizes, identifiers, overflow: gives a line for each fault.
const CHECKS: &str = include_str!("checks.js");
/// Roles that people act on or that carry meaning by themselves; each needs a name.
const NAMED: [&str; 11] = [
    "button",
    "link",
    "textbox",
    "searchbox",
    "radio",
    "radiogroup",
    "image",
    "progressbar",
    "dialog",
    "DisclosureTriangle",
    "navigation",
];

impl Tab {
    /// What is wrong for people who see badly, listen, or point badly.
    pub async fn barriers(&self) -> Vec<String> {
        let mut wrong: Vec<String> = serde_json::from_value(self.value(CHECKS).await).unwrap();
        let nodes = self.accessible().await;
        let role = |node: &Value| node["role"]["value"].as_str().unwrap_or_default().to_owned();
        for node in &nodes {
            let name = node["name"]["value"].as_str().unwrap_or_default();
            if NAMED.contains(&role(node).as_str()) && name.trim().is_empty() {
                wrong.push(format!("a {} without a name", role(node)));
            }
        }
        for landmark in ["banner", "main", "contentinfo", "navigation"] {
            if !nodes.iter().any(|node| role(node) == landmark) {
                wrong.push(format!("no {landmark}"));
            }
        }
        wrong
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_needs_the_token_which_stays_in_the_tab() {
    let browser = browser!();
    let Stage { lab, service, origin } = Stage::start(set(Simulated::new().await).await).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.go(&origin).await;
    tab.lit("Scheduled").await;

    // Without: nothing is even asked for.
    tab.click("[data-action=delta]").await;
    tab.until("document.activeElement.id === 'token'").await;
    tab.picture("token-light").await;
    tab.press("Escape").await;
    tab.shows(".asked", "not started").await;
    tab.assert_clean(&origin);
    assert!(!tab.requests().iter().any(|url| url.ends_with("/sync")));

    // With a wrong one: refused, and asked again.
    tab.click("[data-action=baseline]").await;
    tab.type_token("wrong").await;
    tab.shows("dialog", "refused that token").await;
    assert_eq!(tab.value("sessionStorage.length").await, 0);
    assert_eq!(lab.status().await["state"], "Scheduled");
    tab.type_token(TOKEN).await;
    tab.shows(".asked", ": run").await;
    tab.lit("Processed").await;
    lab.assert_last_run("baseline", "").await;

    // The browser tells of the refused request by itself; nothing else is wrong.
    let refused = |complaint: &&String| complaint.contains("401") && complaint.ends_with("/sync");
    assert!(tab.complaints().iter().all(|complaint| refused(&complaint)));
    let kept = tab
        .value("[sessionStorage.length, localStorage.length, document.cookie, location.href]")
        .await;
    assert_eq!((&kept[0], &kept[1], &kept[2]), (&1.into(), &0.into(), &"".into()));
    assert!(!kept[3].as_str().unwrap().contains(TOKEN));
    assert!(!tab.requests().iter().any(|url| url.contains(TOKEN)));
    let other = browser.tab(Viewer::DESK).await;
    other.go(&origin).await;
    assert_eq!(
        other.value("sessionStorage.length").await,
        0,
        "another tab has none"
    );
    tab.click("#token-button").await;
    assert_eq!(tab.value("sessionStorage.length").await, 0, "forgotten");
    service.stopped_with(0).await;
}

/// Whether the page itself was answered with this status.
fn answered(status: u16) -> String {
    format!("performance.getEntriesByType('navigation')[0].responseStatus === {status}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn beyond_loopback_the_browser_asks_for_the_token_as_a_password_and_that_is_enough() {
    let browser = browser!();
    let mut lab = set(Simulated::new().await).await;
    lab.set("HTTP_LISTEN", &format!("0.0.0.0:{}", free_port()));
    let Stage { lab, service, origin } = Stage::start(lab).await;

    // Whoever cancels the dialog, or does not know the token, sees why and nothing else.
    for passwords in [&[][..], &["wrong", "also wrong"]] {
        let stranger = browser.tab(Viewer::DESK).await;
        stranger.log_in_with(passwords).await;
        stranger.go(&origin).await;
        stranger.until(&answered(401)).await;
        stranger.shows("body", "token").await;
        assert_eq!(stranger.value("document.scripts.length").await, 0);
        assert!(
            stranger
                .requests()
                .iter()
                .all(|url| !url.contains("/page/") && !url.contains("/api/"))
        );
    }

    let tab = browser.tab(Viewer::DESK).await;
    tab.log_in_with(&["wrong", TOKEN]).await;
    tab.go(&origin).await;
    tab.until(&answered(200)).await;
    tab.lit("Scheduled").await;
    // The page asks for nothing more, not even for a change.
    tab.click("[data-action=delta]").await;
    tab.shows(".asked", ": run").await;
    tab.lit("Processed").await;
    lab.assert_last_run("baseline", "").await;
    assert_eq!(tab.value("document.querySelectorAll('dialog').length").await, 0);
    assert_eq!(tab.value("sessionStorage.length").await, 0);
    assert!(!tab.requests().iter().any(|url| url.contains(TOKEN)));
    // An address that holds the password, as a bookmark may, will do too.
    let bookmark = origin.replace("http://", &format!("http://anybody:{TOKEN}@"));
    let marked = browser.tab(Viewer::DESK).await;
    marked.value(&format!("void location.assign({bookmark:?})")).await;
    marked.lit("Processed").await;
    tab.assert_nobody_asked_but(&origin);
    // Of plain HTTP the browser says that it cannot heed this header, which is for a proxy with TLS in front.
    let unheeded = |complaint: &String| complaint.contains("Cross-Origin-Opener-Policy");
    assert!(tab.complaints().iter().all(unheeded), "{:?}", tab.complaints());
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn everything_is_reached_and_done_by_keyboard() {
    let browser = browser!();
    let lab = set(Simulated::new().await).await;
    lab.sync(0).await;
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.go(&origin).await;
    tab.shows(".items", "#1").await;

    const FOCUSED: &str = "(() => { const e = document.activeElement, s = getComputedStyle(e); \
        return [(e.innerText || e.getAttribute('aria-label') || e.id).trim().split('\\n')[0], \
                s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]; })()";
    let mut order = Vec::new();
    for _ in 0..12 {
        tab.press("Tab").await;
        let focused = tab.value(FOCUSED).await;
        assert_eq!(focused[1], true, "the focus on {} is not seen", focused[0]);
        order.push(focused[0].as_str().unwrap().to_owned());
    }
    let expected = [
        "Skip to content",
        "ad-connector",
        "Enter token",
        "New connection",
        "Settings",
        "Sync now",
        "Baseline",
        "Overview",
        "Inventory",
        "Attention",
        "Mapping",
        "Qualys accounts",
    ];
    for (seen, expected) in order.iter().zip(expected) {
        assert!(seen.starts_with(expected), "{order:?}");
    }

    // The run's details.
    tab.press("Tab").await;
    tab.press("Enter").await;
    tab.shows("details[open]", "asked by").await;
    // Back to *Sync now*, the token, and a run.
    for _ in 0..7 {
        tab.press("Shift+Tab").await;
    }
    tab.press("Space").await;
    tab.type_token(TOKEN).await;
    tab.shows(".asked", ": run").await;
    assert_eq!(
        tab.text("document.activeElement.innerText").await,
        "Sync now",
        "the focus is where it was"
    );
    tab.shows(".items", "#2").await;
    assert_eq!(
        tab.value("document.querySelectorAll('details[open]').length")
            .await,
        1,
        "what was open stays open"
    );

    // Into the inventory, to one asset, and back.
    for _ in 0..3 {
        tab.press("Tab").await;
    }
    tab.press("Enter").await;
    tab.until("document.querySelector('#search')").await;
    tab.until("document.activeElement.id === 'main'").await;
    tab.value("document.querySelector('#search').focus()").await;
    tab.write(&lab.external_id(lab.users()[0])).await;
    tab.until("document.querySelectorAll('a.asset').length === 1")
        .await;
    tab.press("Tab").await;
    tab.press("ArrowRight").await;
    tab.press("ArrowLeft").await;
    tab.until("document.querySelectorAll('a.asset').length === 1")
        .await;
    // Past the button that asks why.
    tab.press("Tab").await;
    tab.press("Tab").await;
    tab.press("Enter").await;
    tab.shows("h3", "asset as ETM accepted it").await;
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_view_has_a_barrier_in_light_in_the_dark_or_on_a_phone() {
    let browser = browser!();
    let lab = set(Simulated::new().await).await;
    lab.sync(0).await;
    let guid = ad_connector::identity::Guid::from(lab.directory().guid(lab.users()[0]));
    let Stage { service, origin, .. } = Stage::start(lab).await;
    let views = [
        ("overview".to_owned(), "#1"),
        ("inventory".to_owned(), "more"),
        (format!("inventory/{guid}"), "asset as ETM accepted it"),
        ("attention".to_owned(), "none."),
        ("mapping".to_owned(), "objectSid"),
    ];
    let tab = browser.tab(Viewer::DESK).await;
    tab.enter(&origin, "/", TOKEN).await;
    for (name, viewer) in [
        ("light", Viewer::DESK),
        ("dark", Viewer::NIGHT),
        ("phone", Viewer::PHONE),
    ] {
        tab.look_as(viewer).await;
        for (view, shown) in &views {
            tab.go("about:blank").await;
            tab.go(&format!("{origin}/#/active-directory/{view}")).await;
            tab.shows(".view", shown).await;
            let picture = view.split('/').collect::<Vec<_>>();
            let picture = if picture.len() == 2 { "asset" } else { picture[0] };
            tab.picture(&format!("{picture}-{name}")).await;
            assert_eq!(tab.barriers().await, Vec::<String>::new(), "{view}, {name}");
        }
    }
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn names_need_a_token_and_the_one_that_reads_changes_nothing() {
    let browser = browser!();
    let mut lab = set(Simulated::new().await).await;
    lab.set("HTTP_READ_TOKEN", READ_TOKEN);
    lab.directory().set(lab.users()[0], "objectSid", &[b"broken"]);
    lab.sync(2).await;
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::PHONE).await;
    for view in ["attention", "inventory"] {
        tab.go(&format!("{origin}/#/active-directory/{view}")).await;
        tab.shows(".view", "names need the token").await;
        assert_eq!(tab.barriers().await, Vec::<String>::new(), "{view}");
    }
    tab.picture("names-phone").await;
    tab.go(&format!("{origin}/#/active-directory/attention")).await;
    tab.click("[data-action=token]").await;
    tab.type_token(READ_TOKEN).await;
    tab.shows("[aria-labelledby=rejected-title] .dn", "CN=").await;
    tab.assert_clean(&origin);
    tab.click("[data-action=delta]").await;
    tab.shows("dialog", "that token only reads").await;
    tab.press("Escape").await;
    tab.shows(".asked", "not started").await;
    tab.shows("[aria-labelledby=rejected-title] .dn", "CN=").await;
    tab.click("[data-action=delta]").await;
    tab.type_token(TOKEN).await;
    tab.shows(".asked", "run").await;
    // Once it is forgotten, the names go.
    tab.click("#token-button").await;
    tab.shows(".view", "names need the token").await;
    assert_eq!(tab.value("document.querySelectorAll('.dn').length").await, 0);
    let refused = |complaint: &String| complaint.contains("403") && complaint.ends_with("/sync");
    assert!(tab.complaints().iter().all(refused), "{:?}", tab.complaints());
    drop(lab);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_link_brings_the_token_which_leaves_the_address_at_once() {
    let browser = browser!();
    let lab = set(Simulated::new().await).await;
    lab.sync(0).await;
    let Stage { service, origin, .. } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.enter(&origin, "/", TOKEN).await;
    tab.lit("Scheduled").await;
    tab.shows("#token-button", "forget token").await;
    // Also where the page is open already, and with a view behind the token.
    tab.click("#token-button").await;
    tab.enter(&origin, "/active-directory/inventory", TOKEN).await;
    tab.until("document.querySelectorAll('a.asset').length === 50")
        .await;
    // Nobody finds it afterwards: not in the tab's history, not in what was asked for.
    tab.value("history.back()").await;
    tab.lit("Scheduled").await;
    assert!(!tab.text("location.href").await.contains(TOKEN));
    assert!(
        !tab.requests()
            .iter()
            .any(|url| url.contains(TOKEN) && !url.contains("#token="))
    );
    tab.assert_clean(&origin);

    let wrong = browser.tab(Viewer::DESK).await;
    wrong
        .enter(&origin, "/active-directory/inventory", "a-wrong-token-4711")
        .await;
    wrong.shows(".view", "names need the token").await;
    assert_eq!(wrong.value("sessionStorage.length").await, 0);
    service.stopped_with(0).await;
}
