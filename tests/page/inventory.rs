//! What ETM holds, as the page finds and shows it.

use lab::simulator::{Directory, ObjectId};
use serde_json::Value;

use crate::browser;
use crate::stage::{Stage, TOKEN, set};
use crate::support::simulated::Simulated;
use crate::tab::{Tab, Viewer};

/// The names in the list.
const NAMES: &str = "[...document.querySelectorAll('a.asset .name')].map((name) => name.textContent)";

impl Tab {
    /// Types into the search, and waits until exactly these are found.
    async fn finds(&self, text: &str, names: &[&str]) {
        self.until("document.querySelector('#search') !== null").await;
        self.value("document.querySelector('#search').focus(), document.querySelector('#search').select()")
            .await;
        self.write(text).await;
        let found = serde_json::to_string(&{
            let mut names = names.to_vec();
            names.sort_unstable();
            names
        })
        .unwrap();
        self.until(&format!("JSON.stringify({NAMES}.sort()) === {found:?}"))
            .await;
    }
}

fn create(directory: &Directory, name: &str, mail: &str) -> ObjectId {
    let attributes = [("mail", mail), ("displayName", name)];
    directory.create_user("DC=corp,DC=example", name, &attributes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_search_finds_by_part_of_a_name_by_mail_and_by_sid() {
    let browser = browser!();
    let lab = set(Simulated::new().await).await;
    let ada = create(lab.directory(), "Ada Zuverlässig", "countess@corp.example");
    create(lab.directory(), "Alan Zuverlässig", "alan@corp.example");
    create(lab.directory(), "مريم الهاشمي", "maryam@corp.example");
    lab.sync(0).await;
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.enter(&origin, "/active-directory/inventory", TOKEN).await;

    // Page after page.
    tab.until("document.querySelectorAll('a.asset').length === 50")
        .await;
    tab.picture("inventory-light").await;
    for pages in 2..=5 {
        tab.click(".list .more").await;
        tab.until(&format!(
            "document.querySelectorAll('a.asset').length === {}",
            pages * 50
        ))
        .await;
    }
    tab.click(".list .more").await;
    tab.until(
        "document.querySelectorAll('a.asset').length === 253 && document.querySelector('.more').hidden",
    )
    .await;
    let different = "new Set([...document.querySelectorAll('a.asset')].map((a) => a.hash)).size";
    assert_eq!(tab.value(different).await, 253, "each once");

    tab.finds("verläss", &["Ada Zuverlässig", "Alan Zuverlässig"])
        .await;
    tab.finds("ZUVERLÄSSIG", &["Ada Zuverlässig", "Alan Zuverlässig"])
        .await;
    tab.finds("countess@", &["Ada Zuverlässig"]).await;
    tab.finds(&lab.external_id(ada), &["Ada Zuverlässig"]).await;
    tab.finds("الهاش", &["مريم الهاشمي"]).await;
    tab.finds("nobody has this name", &[]).await;
    tab.shows(".note", "nothing in ETM matches").await;
    tab.click(".kinds input[value=group] + span").await;
    tab.finds("", &[]).await;
    tab.until("[...document.querySelectorAll('a.asset .kind')].map((kind) => kind.innerText).join().match(/^(group,){29}group$/)")
        .await;
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_asset_is_shown_in_full_beside_its_source() {
    let browser = browser!();
    let lab = set(Simulated::new().await).await;
    let ada = create(lab.directory(), "Ada Zuverlässig", "countess@corp.example");
    lab.sync(0).await;
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.enter(&origin, "/active-directory/inventory", TOKEN).await;
    tab.finds("countess", &["Ada Zuverlässig"]).await;
    tab.click("a.asset").await;
    tab.shows("h2", "Ada Zuverlässig").await;
    let shown: Value =
        serde_json::from_str(&tab.text("document.querySelector('pre').textContent").await).unwrap();
    assert_eq!(shown, lab.receiver.assets()[&lab.external_id(ada)]);
    tab.shows(".rows td", "countess@corp.example").await;

    // As it is in the directory now.
    lab.directory().set_text(ada, "mail", "lovelace@corp.example");
    tab.click(".asset-split button").await;
    tab.shows(".rows .raw", "lovelace@corp.example").await;
    tab.shows(".asset-split", "something else than ETM holds").await;
    tab.picture("asset-preview-light").await;
    tab.sync_now().await;
    tab.lit("Processed").await;
    tab.click(".asset-split button").await;
    tab.shows(".asset-split", "the directory gives what ETM holds")
        .await;

    // The table that is in force.
    tab.click(".views a[href$=mapping]").await;
    tab.shows(".rows", "asset.assetDetail.userAssetClass.passwordLastChangedAt")
        .await;
    tab.shows(".rows", "pwdLastSet").await;
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_search_field_says_why_an_object_is_in_etm_or_is_not() {
    let browser = browser!();
    let lab = set(Simulated::new().await).await;
    create(lab.directory(), "Ada Zuverlässig", "countess@corp.example");
    lab.sync(0).await;
    lab.directory()
        .create_computer("DC=corp,DC=example", "PC-OF-ADA", &[]);
    for name in ["Twin 1", "Twin 2"] {
        let unit = "CN=Users,DC=corp,DC=example";
        lab.directory()
            .create_user(unit, name, &[("displayName", "The <b>twin</b>")]);
    }
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.enter(&origin, "/active-directory/inventory", TOKEN).await;

    tab.until("document.querySelector('#search') !== null").await;
    tab.click("[data-action=why]").await;
    tab.shows(".why", "enter a name").await;
    // What is not in ETM is not in the list either.
    tab.finds("PC-OF-ADA", &[]).await;
    tab.click("[data-action=why]").await;
    tab.shows(".why .sentence", "AD_ASSETS does not name computers")
        .await;
    tab.shows(".why [data-result=failed]", "object class").await;
    tab.picture("why-light").await;
    tab.look_as(Viewer::PHONE).await;
    assert_eq!(tab.barriers().await, Vec::<String>::new());
    tab.picture("why-phone").await;
    tab.look_as(Viewer::NIGHT).await;
    assert_eq!(tab.barriers().await, Vec::<String>::new());
    tab.look_as(Viewer::DESK).await;

    tab.finds("countess@corp.example", &["Ada Zuverlässig"]).await;
    tab.until("document.querySelector('.why').childElementCount === 0")
        .await;
    tab.click("[data-action=why]").await;
    tab.shows(".why .sentence", "is in ETM: the gateway accepted")
        .await;

    tab.finds("The <b>twin</b>", &[]).await;
    tab.click("[data-action=why]").await;
    tab.shows(".why .sentence", "2 objects have the name").await;
    tab.click(".why .items button").await;
    tab.shows(".why .sentence", "changed after the last read").await;
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
    drop(lab);
}
