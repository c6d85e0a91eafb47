//! Services that cannot take a connection of the page: the page says so before anything is typed,
//! or loses nothing of it.

use crate::browser;
use crate::empty::UnusedDirectory;
use crate::stage::{READ_TOKEN, Stage, TOKEN};
use crate::support::simulated::Simulated;
use crate::tab::Viewer;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_token_for_changes_nothing_is_asked_for() {
    let browser = browser!();
    let (mut lab, _) = UnusedDirectory::taken_from(Simulated::new().await).await;
    lab.unset("HTTP_TOKEN");
    lab.set("HTTP_READ_TOKEN", READ_TOKEN);
    let Stage { lab, service, origin } = Stage::start_empty(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.go(&format!("{origin}/#/new")).await;
    tab.shows("h1", "connections cannot be changed here").await;
    tab.shows(".problem", "HTTP_TOKEN").await;
    assert_eq!(
        tab.value("document.querySelectorAll('main input').length").await,
        0
    );
    drop(lab);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_key_for_secrets_what_was_typed_stays() {
    let browser = browser!();
    let (mut lab, directory) = UnusedDirectory::taken_from(Simulated::new().await).await;
    lab.unset("SECRETS_KEY");
    let Stage { lab, service, origin } = Stage::start_empty(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.go(&format!("{origin}/#/new")).await;
    tab.basic_details("no-key", &directory, &directory.password).await;
    tab.enter_on("[data-action=test]").await;
    tab.shows(".end", "the test is good").await;
    for step in ["profile", "mapping", "schedule", "review"] {
        tab.click("[data-action=next]").await;
        tab.step(step).await;
    }
    tab.click("[data-action=next]").await;
    tab.shows(".top-of-form .problem", "secrets new-key").await;
    tab.picture("wizard-no-key-light").await;
    assert_eq!(tab.barriers().await, Vec::<String>::new());
    assert_eq!(
        tab.text("document.querySelector('[data-action=next]').innerText")
            .await,
        "Create"
    );
    tab.click("[data-step='0']").await;
    let name = "document.querySelector('[data-key=name] input').value";
    assert_eq!(tab.text(name).await, "no-key");
    assert_eq!(
        tab.text("sessionStorage.getItem('ad-connector.token')").await,
        TOKEN
    );
    drop(lab);
    service.stopped_with(0).await;
}
