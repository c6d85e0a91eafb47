//! The page at every width from a small phone to a large screen: nothing that is read or pressed is
//! cut, broken or out of sight.

use crate::browser;
use crate::stage::{Stage, TOKEN, set};
use crate::support::simulated::Simulated;
use crate::tab::{Tab, Viewer};

/// Expression that gives a line for each text that cannot be read whole.
const LAYOUT: &str = include_str!("layout.js");

/// CSS pixels: phones, tablets, and just before and behind where the layout changes.
const WIDTHS: [u32; 12] = [360, 390, 430, 480, 560, 640, 735, 737, 820, 960, 1100, 1280];

/// S-1-5-21 with the largest numbers that a domain may have.
const LONGEST_SID: [u8; 28] = [
    1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 254,
    255, 255, 255,
];

impl Tab {
    /// Returns the parts of the page that cannot be read whole as it is shown now.
    pub async fn cut_off(&self) -> Vec<String> {
        serde_json::from_value(self.value(LAYOUT).await).unwrap()
    }

    /// Looks at what is shown at every width.
    #[track_caller]
    fn whole_at_every_width(&self, view: &str) -> impl Future<Output = ()> {
        let (place, view) = (std::panic::Location::caller(), view.to_owned());
        async move {
            let mut wrong = Vec::new();
            for width in WIDTHS {
                let viewer = Viewer {
                    width,
                    ..Viewer::DESK
                };
                self.look_as(viewer).await;
                let faults = self.cut_off().await;
                wrong.extend(faults.into_iter().map(|fault| format!("{width}: {fault}")));
                self.picture(&format!("layout-{view}-{width}")).await;
            }
            assert_eq!(wrong, Vec::<String>::new(), "{place}: {view}");
            self.look_as(Viewer::DESK).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_button_head_and_sid_is_whole_from_360_to_1280_pixels() {
    let browser = browser!();
    let mut lab = set(Simulated::new().await).await;
    lab.set("REMOVAL_MAX_COUNT", "5");
    lab.set("AD_ASSETS", "users,groups,computers");
    let longest = lab.directory().create_user(
        "DC=corp,DC=example",
        "Maximiliane Freifrau von und zu Oberunterhausen-Niederoberstadt",
        &[("mail", "maximiliane.oberunterhausen-niederoberstadt@corp.example")],
    );
    lab.directory().set(longest, "objectSid", &[&LONGEST_SID]);
    lab.sync(0).await;
    for user in lab.users().iter().take(8) {
        lab.directory().delete(*user);
    }
    lab.connector.run(&["sync", "--baseline"]).await.ended_with(3);
    let guid = ad_connector::identity::Guid::from(lab.directory().guid(longest));
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.enter(&origin, "/", TOKEN).await;
    tab.shows(".items", "#1").await;
    tab.click("details.run summary").await;
    tab.shows("details[open] .counts", "accepted by ETM").await;
    tab.whole_at_every_width("overview").await;

    tab.go(&format!("{origin}/#/active-directory/inventory")).await;
    tab.until("document.querySelector('#search')").await;
    tab.value("document.querySelector('#search').focus()").await;
    tab.write("4294967295-4294967294").await;
    tab.until("document.querySelectorAll('a.asset').length === 1")
        .await;
    tab.whole_at_every_width("inventory").await;
    let sid = tab.text("document.querySelector('.sid').innerText").await;
    assert_eq!(sid, "S-1-5-21-4294967295-4294967295-4294967295-4294967294");

    tab.go(&format!("{origin}/#/active-directory/inventory/{guid}"))
        .await;
    tab.click(".asset-split button").await;
    tab.shows(".rows .raw", "Maximiliane").await;
    tab.whole_at_every_width("asset").await;

    tab.go(&format!("{origin}/#/active-directory/mapping")).await;
    tab.shows(".rows", "objectSid").await;
    tab.whole_at_every_width("mapping").await;

    tab.go(&format!("{origin}/#/active-directory/attention")).await;
    tab.shows("[data-action=approve]", "approve 8 removals").await;
    tab.whole_at_every_width("attention").await;
    tab.click("[data-action=approve]").await;
    tab.until("document.querySelectorAll('dialog li').length === 8")
        .await;
    tab.whole_at_every_width("approval").await;
    tab.press("Escape").await;
    tab.click("#token-button").await;
    tab.shows(".view", "names need the token").await;
    tab.click("[data-action=token]").await;
    tab.until("document.activeElement.id === 'token'").await;
    tab.whole_at_every_width("token").await;
    tab.assert_clean(&origin);
    drop(lab);
    service.stopped_with(0).await;
}
