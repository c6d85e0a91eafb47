//! What needs a person: removals that the threshold held, and objects that were rejected.

use lab::receiver::{Answer, ErrorForm};

use crate::browser;
use crate::stage::{Stage, TOKEN, set};
use crate::support::simulated::Simulated;
use crate::tab::Viewer;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r23_held_removals_are_listed_and_go_when_a_person_confirms_exactly_that_list() {
    let browser = browser!();
    let mut lab = set(Simulated::new().await).await;
    lab.set("REMOVAL_MAX_COUNT", "5");
    lab.sync(0).await;
    let gone: Vec<_> = lab.users().into_iter().take(8).collect();
    for user in &gone {
        lab.directory().delete(*user);
    }
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.go(&format!("{origin}/#/active-directory/attention")).await;
    tab.click("[data-action=baseline]").await;
    tab.type_token(TOKEN).await;
    tab.shows("[data-action=approve]", "approve 8 removals").await;
    tab.until("document.querySelectorAll('.stack > :first-child li').length === 8")
        .await;
    tab.until("document.querySelector('.views small[data-tone]').innerText === '8'")
        .await;
    tab.shows(".card.error", "").await;
    tab.picture("held-light").await;
    tab.look_as(Viewer::PHONE).await;
    tab.picture("held-phone").await;
    tab.look_as(Viewer::DESK).await;

    // Shown once more, and called off.
    tab.click("[data-action=approve]").await;
    tab.until("document.querySelectorAll('dialog li').length === 8")
        .await;
    tab.picture("held-confirm-light").await;
    assert_eq!(
        tab.text("document.activeElement.innerText").await,
        "Cancel",
        "nothing is removed by a key too many"
    );
    tab.press("Enter").await;
    tab.until("!document.querySelector('dialog')").await;
    assert_eq!(lab.status().await["counts"]["users"]["held"], 8);

    tab.click("[data-action=approve]").await;
    tab.until("document.querySelectorAll('dialog li').length === 8")
        .await;
    tab.click("[data-action=confirm]").await;
    tab.until("document.querySelectorAll('[aria-labelledby=removed-title] li').length === 8")
        .await;
    tab.lit("Processed").await;
    let users = &lab.status().await["counts"]["users"];
    assert_eq!((&users["held"], &users["removed"]), (&0.into(), &8.into()));
    tab.until("!document.querySelector('[data-action=approve]')?.checkVisibility()")
        .await;
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rejected_object_is_listed_with_its_reason_until_it_is_accepted() {
    let browser = browser!();
    let lab = set(Simulated::new().await).await;
    let user = lab.users()[3];
    let reason = "the class <b>userAssetClass</b> is not licensed";
    lab.receiver
        .script([Answer::reject(ErrorForm::Map207, &lab.external_id(user), reason)]);
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.go(&format!("{origin}/#/active-directory/attention")).await;
    tab.sync_now().await;
    tab.shows("[aria-labelledby=rejected-title] li", reason).await;
    tab.shows("[aria-labelledby=rejected-title] li", "rejected by ETM")
        .await;
    tab.until("document.querySelector('.views small[data-tone]').innerText === '1'")
        .await;
    tab.sync_now().await;
    tab.shows("[aria-labelledby=rejected-title]", "none.").await;
    tab.lit("Processed").await;
    lab.assert_converged();
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
}
