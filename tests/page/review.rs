//! The tab of Qualys accounts, and the file for an auditor.

use lab::console::{Console, ConsoleGroup, ConsoleUser, Options};

use crate::browser;
use crate::stage::{Stage, TOKEN, set};
use crate::support::simulated::Simulated;
use crate::tab::Viewer;

const SCRIPT: &str = "<script>window.stolen = 1</script><img src=/stolen onerror=\"window.stolen = 1\">";

/// A console with one account that is gone, of a hostile name.
async fn console() -> Console {
    let user = ConsoleUser {
        login: Some("acme_gone".to_owned()),
        id: Some("7".to_owned()),
        first: SCRIPT.to_owned(),
        last: "=1+1".to_owned(),
        title: SCRIPT.to_owned(),
        email: "gone@elsewhere.example".to_owned(),
        status: "Active".to_owned(),
        created: "2026-01-01T00:00:00Z".to_owned(),
        last_login: Some("N/A".to_owned()),
        role: Some("Manager".to_owned()),
        unit: Some("<b>unit".to_owned()),
        ..ConsoleUser::default()
    };
    let group = ConsoleGroup {
        id: 1,
        title: SCRIPT.to_owned(),
        owner: "7".to_owned(),
        owner_name: SCRIPT.to_owned(),
        unit: "0".to_owned(),
        impact: "Critical".to_owned(),
        ..ConsoleGroup::default()
    };
    Console::start(Options {
        users: vec![user],
        groups: vec![group],
        ..Options::default()
    })
    .await
}

async fn reviewed() -> (Simulated, Console) {
    let mut lab = set(Simulated::new().await).await;
    let console = console().await;
    lab.set("QUALYS_API_URL", &console.url());
    lab.set("QUALYS_API_USERNAME", &Options::default().username);
    lab.set("QUALYS_API_PASSWORD", &Options::default().password);
    lab.set("REVIEW_CRON", crate::stage::NEVER);
    (lab, console)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_tab_shows_people_groups_and_access_and_hostile_names_stay_text() {
    let browser = browser!();
    let (lab, _console) = reviewed().await;
    let Stage {
        lab: _lab,
        mut service,
        origin,
    } = Stage::start(lab).await;
    service.said("The accounts of Qualys were reviewed").await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.enter(&origin, "/active-directory/review", TOKEN).await;
    tab.shows("nav.views", "Qualys accounts").await;
    tab.shows(".list .items", "acme_gone").await;
    tab.shows(".list .items", "never used").await;
    tab.value("document.querySelector('.list details').open = true")
        .await;
    tab.shows(".list .items", "in no directory").await;
    tab.shows(".list .items", "<script>window.stolen").await;
    tab.click(".list details button").await;
    tab.shows(".list .items", "every asset group").await;
    tab.picture("review-light").await;
    let choose = |list: &str| {
        format!(
            "(() => {{ const s = document.querySelector('select[aria-label=List]'); s.value = {list:?}; \
             s.dispatchEvent(new Event('change')); }})()"
        )
    };
    tab.value(&choose("asset-groups")).await;
    tab.shows(".list .items", "Critical").await;
    tab.value("document.querySelector('.list details').open = true")
        .await;
    tab.click(".list details button").await;
    tab.shows(".list .items", "acme_gone: the role reaches every asset group")
        .await;
    tab.value(&choose("findings")).await;
    tab.shows(".list .items", "unmanaged asset group").await;
    tab.value(&choose("roles")).await;
    tab.shows(".list .items", "Remediation User").await;
    assert_eq!(tab.value("window.stolen === undefined").await, true);
    tab.look_as(Viewer::PHONE).await;
    let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    assert_eq!(tab.value(fits).await, true);
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_file_for_an_auditor_opens_without_a_request_and_runs_nothing() {
    let browser = browser!();
    let (lab, _console) = reviewed().await;
    let files = ["review", "--html", "review.html"];
    lab.connector.run(&files).await.ended_with(5);
    let file = lab.connector.folder().join("review.html");
    let url = format!("file://{}", file.display());
    let tab = browser.tab(Viewer::DESK).await;
    tab.go(&url).await;
    tab.shows("body", "acme_gone").await;
    tab.shows("body", "<script>window.stolen").await;
    assert_eq!(tab.value("window.stolen === undefined").await, true);
    let asked: Vec<String> = tab.requests().into_iter().filter(|asked| *asked != url).collect();
    assert_eq!(asked, Vec::<String>::new());
    assert_eq!(tab.complaints(), Vec::<String>::new());
}
