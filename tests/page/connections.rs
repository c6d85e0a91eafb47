//! Several connections on one page: the list, the way to each and back, and which of them failed.

use crate::browser;
use crate::stage::{Stage, set};
use crate::support::forests::Forests;
use crate::tab::Viewer;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_connections_each_is_found_and_seen_which_failed() {
    let browser = browser!();
    let Forests { lab, apac } = Forests::new(["", "", ""]).await;
    let Stage { lab, service, origin } = Stage::start(set(lab).await).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.go(&origin).await;
    tab.shows("h1", "Connections").await;
    tab.until("document.querySelectorAll('[data-connection]').length === 3")
        .await;
    tab.shows("[data-connection=emea]", "Europe").await;
    tab.shows("[data-connection=apac] .badge", "Scheduled").await;

    // Into one, and from there to another.
    tab.click("[data-connection=emea] h2 a").await;
    tab.shows("h1", "emea").await;
    tab.lit("Scheduled").await;
    tab.sync_now().await;
    tab.lit("Processed").await;
    tab.shows("#connections [aria-current=page]", "Processed").await;
    tab.click("#connections a[href='#/lost']").await;
    tab.shows("h1", "lost").await;
    tab.lit("Scheduled").await;
    tab.sync_now().await;
    tab.shows(".card.error", "127.0.0.1:1").await;
    tab.shows("#connections [aria-current=page]", "failed").await;
    tab.picture("one-of-several-light").await;

    // All of them again: the one that failed says why, the others are not touched by it.
    tab.click(".brand").await;
    tab.shows("h1", "Connections").await;
    tab.shows("[data-connection=lost] .badge", "failed").await;
    tab.shows("[data-connection=lost] .reason", "127.0.0.1:1").await;
    tab.shows("[data-connection=emea] .badge", "Processed").await;
    tab.shows("[data-connection=apac] .badge", "Scheduled").await;
    assert_eq!(tab.text("document.title").await, "Connections · ad-connector");
    for (viewer, name) in [
        (Viewer::DESK, "light"),
        (Viewer::NIGHT, "dark"),
        (Viewer::PHONE, "phone"),
    ] {
        tab.look_as(viewer).await;
        tab.picture(&format!("connections-{name}")).await;
        assert_eq!(tab.barriers().await, Vec::<String>::new(), "{name}");
    }

    // What happens to one is seen in the list while it is looked at.
    tab.look_as(Viewer::DESK).await;
    lab.connector.succeed(&["sync", "--connection", "apac"]).await;
    tab.shows("[data-connection=apac] .badge", "Processed").await;
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
    drop(apac);
}
