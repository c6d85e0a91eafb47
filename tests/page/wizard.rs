//! The wizard: from a service without any connection to the first asset, by keyboard alone.

use crate::browser;
use crate::empty::UnusedDirectory;
use crate::stage::{Stage, TOKEN};
use crate::support::simulated::Simulated;
use crate::tab::{Tab, Viewer};

/// Looks of a page: a name for its picture, and the viewer.
const LOOKS: [(&str, Viewer); 4] = [
    ("light", Viewer::DESK),
    ("dark", Viewer::NIGHT),
    ("phone", Viewer::PHONE),
    (
        "phone-dark",
        Viewer {
            dark: true,
            ..Viewer::PHONE
        },
    ),
];

/// The value in the control of a key.
fn value_of(key: &str) -> String {
    format!("document.querySelector(\"[data-key='{key}'] :is(input, textarea, select)\").value")
}

impl Tab {
    /// Nothing of what is shown is a barrier or out of sight, whatever the viewer; `own` looks at
    /// it afterwards.
    #[track_caller]
    pub fn open_to_all(&self, page: &str, own: Viewer) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        let page = page.to_owned();
        async move {
            let mut wrong = Vec::new();
            for (name, viewer) in LOOKS {
                self.look_as(viewer).await;
                self.picture(&format!("wizard-{page}-{name}")).await;
                wrong.extend(
                    self.barriers()
                        .await
                        .into_iter()
                        .map(|fault| format!("{name}: {fault}")),
                );
                wrong.extend(
                    self.cut_off()
                        .await
                        .into_iter()
                        .map(|fault| format!("{name}: {fault}")),
                );
            }
            assert_eq!(wrong, Vec::<String>::new(), "{place}: {page}");
            self.look_as(own).await;
        }
    }

    /// Fills *Basic Details* by keyboard, and gives the token when the page asks.
    pub async fn basic_details(&self, name: &str, directory: &UnusedDirectory, password: &str) {
        self.enter_on("[data-action=token]").await;
        self.type_token(TOKEN).await;
        self.step("basic details").await;
        self.fill("name", name).await;
        self.fill("directory.host", "127.0.0.1").await;
        self.fill("directory.port", &directory.port).await;
        self.fill("directory.bindDn", &directory.account).await;
        self.fill("directory.password", password).await;
        self.tab_to("[data-key='directory.certificate'] textarea").await;
        self.write(&directory.authority).await;
    }
}

/// The whole way, as this viewer; `looks` also compares every page in every look.
async fn whole_way(viewer: Viewer, looks: bool) {
    let browser = browser!();
    let (lab, directory) = UnusedDirectory::taken_from(Simulated::new().await).await;
    let base = lab
        .directory()
        .dn(lab.directory().all(lab::simulator::Kind::Unit)[0]);
    let user = lab.directory().create_user(
        &base,
        "Nadine Wizard",
        &[
            ("telephoneNumber", "+94 11 234567"),
            ("mail", "nadine@corp.example"),
        ],
    );
    let Stage { lab, service, origin } = Stage::start_empty(lab).await;
    let tab = browser.tab(viewer).await;
    let looked = async |page: &str| {
        if looks {
            tab.open_to_all(page, viewer).await;
        }
    };
    tab.go(&origin).await;
    tab.shows("h1", "no connection yet").await;
    looked("empty").await;
    tab.enter_on("main [data-action=new]").await;
    tab.shows("h1", "changes need the token").await;

    // A wrong password: the step that fails is explained, and there is no way on.
    tab.basic_details("head-office", &directory, "not the password")
        .await;
    tab.enter_on("[data-action=test]").await;
    tab.shows(".end", "the test failed: directory").await;
    tab.shows(".steps [data-result=failed]", "what to do:").await;
    looked("test-failed").await;
    tab.enter_on("[data-action=next]").await;
    tab.shows(".wizard > .mistake", "test the connection first").await;
    tab.step("basic details").await;
    tab.tab_back_to("[data-key='directory.password'] input").await;
    tab.retype(&directory.password).await;
    tab.enter_on("[data-action=test]").await;
    tab.shows(".end", "the test is good").await;
    looked("basic").await;

    // The base context from the tree; a filter that is none, and then is one.
    tab.enter_on("[data-action=next]").await;
    tab.step("profile").await;
    tab.shows(".reads", "221 users").await;
    tab.enter_on("[data-action=browse]").await;
    tab.until("document.activeElement.matches('[role=treeitem][aria-level=\"1\"]')")
        .await;
    tab.until("document.querySelectorAll('[role=treeitem]').length > 1")
        .await;
    let wanted = base
        .split(',')
        .next()
        .unwrap()
        .trim_start_matches("OU=")
        .to_owned();
    for _ in 0..60 {
        if tab
            .text("document.activeElement.getAttribute('aria-label')")
            .await
            .starts_with(&format!("{wanted},"))
        {
            break;
        }
        if tab
            .value("document.activeElement.getAttribute('aria-expanded')")
            .await
            == "false"
        {
            tab.press("ArrowRight").await;
            tab.until("document.activeElement.getAttribute('aria-expanded') !== 'false'")
                .await;
        }
        tab.press("ArrowDown").await;
    }
    tab.press("Enter").await;
    tab.until(&format!("{} === {base:?}", value_of("profile.baseContext")))
        .await;
    tab.shows("[role=treeitem][aria-selected=true]", &wanted).await;
    tab.fill("profile.userFilter", "(mail=nadine@corp.example").await;
    tab.until("document.querySelector(\"[data-key='profile.userFilter'] input\").ariaInvalid === 'true'")
        .await;
    tab.write(")").await;
    tab.shows(".reads", "1 user").await;
    tab.until("document.querySelector(\"[data-key='profile.userFilter'] .mistake\").hidden")
        .await;
    looked("profile").await;

    // A new row of the mapping is seen in the preview of a real object while it is typed.
    tab.enter_on("[data-action=next]").await;
    tab.step("mapping").await;
    tab.shows("[data-kind=user] .rows", "displayName").await;
    tab.tab_to("[aria-labelledby=preview-title] input").await;
    tab.write("nadine@corp.example").await;
    tab.shows(".preview", "nadine@corp.example").await;
    looked("mapping").await;
    tab.tab_back_to("[data-kind=user] [data-action=add-row]").await;
    tab.press("Enter").await;
    tab.until("document.activeElement.dataset.part === 'source'")
        .await;
    tab.write("telephoneNumber").await;
    tab.press("Tab").await;
    tab.press("End").await;
    tab.write("phone").await;
    tab.shows(".result", "+94 11 234567").await;
    tab.shows(".preview", "+94 11 234567").await;
    looked("row").await;
    tab.enter_on("[data-action=done-row]").await;
    tab.until("document.activeElement.dataset.action === 'change-row'")
        .await;

    // Weekly, with the next runs in both zones.
    tab.enter_on("[data-action=next]").await;
    tab.step("schedule").await;
    tab.shows(".next-runs", "there").await;
    tab.tab_to("[name^=choice][value=cron]").await;
    tab.press("ArrowUp").await;
    tab.press("ArrowUp").await;
    tab.tab_to("[value=DAILY]").await;
    tab.press("ArrowRight").await;
    tab.shows("[data-key='schedule.daysOfWeek'] .mistake", "day")
        .await;
    tab.tab_to("#day-MON").await;
    tab.press("Space").await;
    tab.tab_to("#day-FRI").await;
    tab.press("Space").await;
    tab.tab_to("input[type=date]").await;
    tab.keys("12312040").await;
    tab.tab_to("input[type=time]").await;
    tab.keys("0230").await;
    tab.press("a").await;
    tab.fill("schedule.timezone", "Asia/Colombo").await;
    tab.shows(".next-runs th", "Asia/Colombo").await;
    tab.until("document.querySelectorAll('.next-runs tbody tr').length === 5")
        .await;
    looked("schedule").await;
    let runs = tab
        .text("document.querySelector('.next-runs tbody tr').innerText")
        .await;
    // 31 December 2040 is a Monday; 02:30 in Colombo is 21:00 of the day before in UTC.
    assert!(
        runs.contains("30 December 2040 at 21:00") && runs.contains("31 December 2040 at 02:30"),
        "{runs}"
    );

    tab.enter_on("[data-action=next]").await;
    tab.step("review").await;
    tab.shows("[data-standing=tested]", "tested").await;
    tab.shows(
        ".wizard dd",
        "weekly on MON, FRI from 2040-12-31 at 02:30 Asia/Colombo",
    )
    .await;
    let page = tab.text("document.body.innerText").await;
    assert!(!page.contains(&directory.password), "{page}");
    looked("review").await;
    tab.enter_on("[data-action=next]").await;
    tab.shows("h1", "head-office").await;
    tab.until("['Registered', 'Scheduled'].includes(document.querySelector('.states [aria-current] .name')?.innerText)").await;
    assert_eq!(tab.text("location.hash").await, "#/head-office");
    tab.lit("Scheduled").await;
    tab.picture("wizard-created").await;

    // Its first run, as it happens.
    tab.enter_on("[data-action=delta]").await;
    tab.lit("Processed").await;
    let assets = lab.receiver.assets();
    let asset = &assets[&lab.external_id(user)];
    assert_eq!(
        asset["asset"]["assetDetail"]["userAssetClass"]["phone"],
        "+94 11 234567"
    );
    assert_eq!(
        assets
            .values()
            .filter(|asset| asset["asset"]["assetDetail"]["userAssetClass"].is_object())
            .count(),
        1,
        "the filter narrows"
    );
    assert_eq!(
        tab.value("[localStorage.length, document.cookie]").await,
        serde_json::json!([0, ""])
    );
    // What the service refused on the way: the calls without the token, and with mistakes.
    let refused = |complaint: &String| complaint.contains("401") || complaint.contains("422");
    assert!(tab.complaints().iter().all(refused), "{:?}", tab.complaints());
    tab.assert_nobody_asked_but(&origin);
    assert!(!service.log().contains(&directory.password));
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_is_made_by_keyboard_alone_and_every_page_is_open_to_all() {
    whole_way(Viewer::DESK, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_is_made_by_keyboard_alone_on_a_screen_of_360_pixels() {
    let night = Viewer {
        dark: true,
        ..Viewer::PHONE
    };
    whole_way(night, false).await;
}
