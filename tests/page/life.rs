//! What the page shows of a connection's life, as it happens.

use chrono::{DateTime, Utc};
use lab::receiver::Answer;
use lab::simulator::{Action, Outcome};
use rusqlite::Connection as Sqlite;

use crate::browser;
use crate::stage::{NEVER, Stage, TOKEN, hold_users_page, set};
use crate::support::simulated::Simulated;
use crate::tab::{Tab, Viewer};

/// The lit state's name.
const LIT: &str = "document.querySelector('.states [aria-current=step] .name').innerText";

impl Tab {
    /// Waits until this state is lit.
    pub async fn lit(&self, state: &str) {
        self.until(&format!("{LIT} === {state:?}")).await;
    }

    /// Presses *Sync now*, and types the token when the page asks for it.
    pub async fn sync_now(&self) {
        self.click("[data-action=delta]").await;
        if self.value("sessionStorage.length").await == 0 {
            self.type_token(TOKEN).await;
        }
    }

    /// Types into the dialog that asks for the token.
    pub async fn type_token(&self, token: &str) {
        self.until("document.activeElement.id === 'token'").await;
        self.write(token).await;
        self.press("Enter").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_four_states_are_shown_as_they_happen() {
    let browser = browser!();
    let lab = set(Simulated::new().await).await;
    // Another process holds the connection: registered, and no further. A service schedules it within milliseconds; a trigger
    // makes that step last.
    let lock = lab.connector.folder().join("state.db.1.lock");
    let lock = std::fs::File::create(lock).unwrap();
    lock.lock().unwrap();
    lab.sync(4).await;
    drop(lock);
    let state = Sqlite::open(lab.connector.state()).unwrap();
    state
        .execute_batch(
            "CREATE TRIGGER held BEFORE UPDATE OF state ON connection BEGIN SELECT raise(IGNORE); END",
        )
        .unwrap();
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.go(&origin).await;
    tab.lit("Registered").await;
    tab.shows(".activity", "no run yet").await;
    tab.picture("registered-light").await;
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
    state.execute_batch("DROP TRIGGER held").unwrap();
    tab.shows("#live", "does not answer").await;

    let open = hold_users_page(&lab, 1);
    let held = hold_users_page(&lab, 3);
    let Stage { lab, service, origin } = Stage::start(lab).await;
    tab.lit("Scheduled").await;
    tab.shows("#live", "live").await;
    tab.go(&origin).await;
    tab.lit("Scheduled").await;
    tab.sync_now().await;
    tab.lit("Processing").await;
    tab.shows(".phases [aria-current]", "reading").await;
    tab.shows(".activity", "asked by").await;
    open.send(()).unwrap();
    // Two pages of users were read; the third waits.
    tab.until("Number(document.querySelector('.bar .of').innerText.replace(/\\D.*$/, '')) >= 100")
        .await;
    tab.picture("processing-light").await;
    tab.look_as(Viewer::NIGHT).await;
    tab.picture("processing-dark").await;
    tab.look_as(Viewer::PHONE).await;
    tab.picture("processing-phone").await;
    tab.look_as(Viewer::DESK).await;
    held.send(()).unwrap();
    tab.lit("Processed").await;
    lab.assert_converged();
    tab.shows("#announcer", "processed").await;
    tab.shows(".activity .badge", "processed").await;
    tab.shows(".activity .counts", "220").await;
    tab.shows(".items", "#1").await;
    tab.until("document.querySelectorAll('.chart g.run').length === 1")
        .await;
    tab.picture("processed-light").await;
    assert_eq!(
        tab.value("document.querySelectorAll('[aria-current=step]').length")
            .await,
        1
    );
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failed_run_is_shown_with_its_error_and_what_to_do() {
    let browser = browser!();
    let lab = set(Simulated::new().await).await;
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.go(&origin).await;
    lab.at_users_page(2, Action::Answer(Outcome::error(51, "the server is busy")));
    tab.sync_now().await;
    tab.shows(".card.error", "the server is busy").await;
    let status = lab.status().await;
    let told = tab
        .text("document.querySelector('.card.error .reason').textContent")
        .await;
    let remedy = tab
        .text("document.querySelector('.card.error .remedy').textContent")
        .await;
    let remedy = remedy.strip_prefix("What to do: ").unwrap();
    let error = status["lastError"].as_str().unwrap().replace('`', "");
    let in_full = [told.clone(), format!("{told}; {remedy}")];
    assert!(in_full.contains(&error), "{in_full:?}: {error}");
    tab.lit("Scheduled").await;
    tab.until("document.querySelector('g.run[data-tone=bad] .mark')")
        .await;
    tab.picture("failed-light").await;
    tab.look_as(Viewer::PHONE).await;
    tab.picture("failed-phone").await;

    // The next run makes it good again.
    tab.look_as(Viewer::DESK).await;
    tab.sync_now().await;
    tab.lit("Processed").await;
    tab.until("!document.querySelector('.card.error').checkVisibility()")
        .await;
    tab.until("document.querySelectorAll('.chart g.run').length === 2")
        .await;
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_schedule_does_is_seen_without_asking_and_in_the_viewers_zone() {
    let browser = browser!();
    let mut lab = set(Simulated::new().await).await;
    lab.set("SYNC_CRON", "* * * * * *");
    lab.set("BASELINE_CRON", NEVER);
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser
        .tab(Viewer {
            zone: "Asia/Tokyo",
            ..Viewer::DESK
        })
        .await;
    tab.go(&origin).await;
    tab.shows("#zone", "Tokyo").await;
    tab.until("document.querySelectorAll('.chart g.run').length >= 2")
        .await;
    // Once more, since one refusal of a lone asset proves nothing (R32).
    lab.receiver.script([Answer::status(400), Answer::status(400)]);
    lab.directory()
        .set_text(lab.users()[0], "mail", "new@corp.example");
    tab.until("document.querySelector('g.run .mark')").await;
    tab.lit("Processed").await;
    let baseline = tab
        .text("document.querySelector('.facts > :nth-child(5) time').outerHTML")
        .await;
    let at: DateTime<Utc> = baseline
        .split('"')
        .find_map(|part| part.parse().ok())
        .unwrap_or_else(|| panic!("{baseline}"));
    let there = at
        .with_timezone(&chrono_tz::Asia::Tokyo)
        .format("%H:%M")
        .to_string();
    assert!(baseline.contains(&format!("{there}<")), "{there}: {baseline}");
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
}
