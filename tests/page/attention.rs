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
    // Assets of one commit are sent in the order of their GUIDs: this one is in the first batch.
    let users = lab.users();
    let first_page = users.iter().take(100).copied();
    let user = first_page.min_by_key(|user| lab.directory().guid(*user)).unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_error_leads_to_what_it_names_and_what_was_only_sent_is_not_called_accepted() {
    let browser = browser!();
    let lab = set(Simulated::new().await).await;
    lab.sync(0).await;
    for user in lab.users().iter().take(3) {
        lab.directory().set_text(*user, "mail", "new@corp.example");
    }
    let refused: Vec<String> = lab
        .users()
        .iter()
        .take(2)
        .map(|user| lab.external_id(*user))
        .collect();
    lab.receiver.refuse(refused, Answer::status(400));
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.enter(&origin, "/active-directory/mapping", TOKEN).await;
    tab.sync_now().await;
    tab.shows(".card.error", "2 objects were rejected").await;
    let run = lab.last_run().await;
    let users = &run["counts"]["users"];
    assert_eq!(
        (&users["sent"], &users["accepted"]),
        (&3.into(), &1.into()),
        "{run}"
    );

    // To the objects.
    tab.click(".card.error a[href$='attention/rejected']").await;
    tab.until("document.querySelectorAll('[aria-labelledby=rejected-title] li').length === 2")
        .await;
    tab.until("document.querySelector('#rejected-title').getBoundingClientRect().top < innerHeight")
        .await;
    // To the run, which is open: what was refused was sent, and not accepted.
    tab.click(&format!(".card.error a[href$='overview/{}']", run["run"]))
        .await;
    tab.shows("details[open] .counts", "sent to ETM").await;
    let row = |head: &str| {
        format!(
            "[...document.querySelectorAll('details[open] .counts tr')].find((row) => row.innerText.startsWith('{head}')).children[1].innerText"
        )
    };
    for (head, count) in [
        ("Sent to ETM", "3"),
        ("Accepted by ETM", "1"),
        ("Rejected by ETM", "2"),
    ] {
        assert_eq!(tab.text(&row(head)).await, count, "{head}");
    }
    tab.shows("details[open] summary", "1 accepted").await;
    let told = "document.querySelector('.chart g.run title').textContent";
    assert!(
        tab.text(told).await.contains(" 1 accepted"),
        "{}",
        tab.text(told).await
    );
    tab.shows(".activity .counts", "accepted by ETM").await;

    // Without the token the same error leads there, and asks for it.
    tab.click("#token-button").await;
    tab.click(".card.error a[href$='attention/rejected']").await;
    tab.shows(".view", "names need the token").await;
    tab.click("[data-action=token]").await;
    tab.type_token(TOKEN).await;
    tab.until("document.querySelectorAll('[aria-labelledby=rejected-title] li').length === 2")
        .await;
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
}
