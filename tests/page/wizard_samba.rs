//! The whole way on the page against a real Active Directory (Samba): from an empty service to the
//! first assets at the receiver, and how long that takes.

use std::time::{Duration, Instant};

use lab::receiver::{Options, Receiver};

use crate::browser;
use crate::empty::KEY;
use crate::stage::{TOKEN, free_port};
use crate::support::{Connector, assert_same, people};
use crate::tab::Viewer;

/// Time for a person who has everything at hand, the program's part of it.
const WITHIN: Duration = Duration::from_secs(120);

/// Pixels of a picture of docs/connections.md.
const TALL: u32 = 2150;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn from_an_empty_service_to_the_first_asset_takes_less_than_two_minutes() {
    let browser = browser!();
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let unit = domain.fresh_unit("wizard");
    domain.apply(&people(&unit, "wizard"));
    let expected = domain.expected(&unit);
    let receiver = Receiver::start(Options::default()).await;
    let listen = format!("127.0.0.1:{}", free_port());
    let connector = Connector::delivering_to(&receiver)
        .with("HTTP_LISTEN", &listen)
        .with("HTTP_TOKEN", TOKEN)
        .with("HTTP_ALLOW_LOOPBACK_TARGETS", "true")
        .with("SECRETS_KEY", KEY);
    let mut service = connector.watch(&["run"]);
    service.said("the service started").await;
    let origin = format!("http://{listen}");
    let account = domain.place().connector();
    let viewer = Viewer {
        zone: "Europe/Berlin",
        ..Viewer::DESK
    };
    let tab = browser.tab(viewer).await;

    let begun = Instant::now();
    tab.enter(&origin, "/", TOKEN).await;
    tab.shows("h1", "no connection yet").await;
    tab.click("main [data-action=new]").await;
    tab.step("basic details").await;
    tab.fill("name", "corp").await;
    tab.fill("directory.host", &domain.place().host()).await;
    tab.fill("directory.bindDn", &account.principal).await;
    tab.fill("directory.password", account.password).await;
    tab.choose_file("input[type=file]", &domain.authority()).await;
    tab.until("document.querySelector(\"[data-key='directory.certificate'] textarea\").value")
        .await;
    tab.click("[data-action=test]").await;
    tab.shows(".end", "the test is good").await;
    tab.top_picture("wizard-basic", TALL).await;
    tab.click("[data-action=next]").await;
    tab.step("profile").await;
    tab.click("[data-action=browse]").await;
    tab.shows("[role=treeitem]", "test wizard").await;
    let label = "[role=treeitem][aria-label='Test wizard, OU'] .label";
    tab.click(label).await;
    tab.until(&format!(
        "document.querySelector(\"[data-key='profile.baseContext'] input\").value === {unit:?}"
    ))
    .await;
    tab.shows(".reads", "10 users").await;
    tab.shows(".reads", "1 group").await;
    tab.top_picture("wizard-profile", TALL).await;
    tab.click("[data-action=next]").await;
    tab.shows("[data-kind=user] .rows", "displayName").await;
    tab.value("document.querySelector('[aria-labelledby=preview-title] input').focus()")
        .await;
    tab.write("wizard3").await;
    tab.shows(".preview", "Person 3").await;
    tab.click("[data-target$='userAssetClass.displayName'] [data-action=change-row]")
        .await;
    tab.until("document.activeElement.dataset.part === 'source'")
        .await;
    tab.retype("displayName, name").await;
    tab.shows(".result", "gives").await;
    tab.top_picture("wizard-mapping", 1300).await;
    tab.click("[data-action=undo-row]").await;
    tab.click("[data-action=built-in]").await;
    tab.shows("p.hint", "the built-in table is in use").await;
    tab.click("[data-action=next]").await;
    tab.click("[value=recurrence]").await;
    tab.click("[value=WEEKLY]").await;
    tab.click("#day-MON").await;
    tab.click("#day-FRI").await;
    tab.fill("schedule.timezone", "Asia/Colombo").await;
    tab.shows(".next-runs th", "Asia/Colombo").await;
    tab.top_picture("wizard-schedule", TALL).await;
    tab.click("[data-action=next]").await;
    tab.step("review").await;
    tab.top_picture("wizard-review", TALL).await;
    tab.click("[data-action=next]").await;
    tab.shows("h1", "corp").await;
    tab.lit("Scheduled").await;
    tab.click("[data-action=delta]").await;
    tab.lit("Processed").await;
    let took = begun.elapsed();
    assert_same(&receiver.assets(), &expected);
    assert_eq!(receiver.violations(), Vec::<String>::new());
    assert!(took < WITHIN, "{took:?}");
    println!("from an empty service to {} assets: {took:?}", expected.len());
    tab.picture("wizard-processed").await;
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
}
