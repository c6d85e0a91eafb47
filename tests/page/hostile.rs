//! Names that are more than names. What a directory or a gateway says is text: it runs nothing, loads nothing, moves nothing.

use lab::receiver::{Answer, ErrorForm};
use lab::simulator::{Action, On, Outcome};

use crate::browser;
use crate::stage::{Stage, TOKEN, set};
use crate::support::simulated::Simulated;
use crate::tab::{Tab, Viewer};

const SCRIPT: &str = "<script>window.stolen = 1</script><img src=/stolen onerror=\"window.stolen = 1\">";
/// Written backwards by a right-to-left override: what looks like a picture is a program.
const REVERSED: &str = "invoice \u{202e}gnp.exe";
const BASE: &str = "DC=corp,DC=example";

/// The texts of all elements that match.
async fn texts(tab: &Tab, selector: &str) -> Vec<String> {
    let texts = tab
        .value(&format!(
            "[...document.querySelectorAll({selector:?})].map((e) => e.textContent)"
        ))
        .await;
    serde_json::from_value(texts).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hostile_name_is_shown_as_text_everywhere() {
    let browser = browser!();
    let lab = set(Simulated::new().await).await;
    let long = "<b>".repeat(3334);
    let hostile = [
        ("Mallory", SCRIPT),
        ("Trudy", long.as_str()),
        ("Eve", REVERSED),
        ("Zain", "زين\u{200f}"),
    ];
    let mut users = Vec::new();
    for (name, display) in hostile {
        let attributes = [("displayName", display), ("mail", "hostile@corp.example")];
        users.push(lab.directory().create_user(BASE, name, &attributes));
    }
    // A distinguished name of it as well.
    let named = lab.directory().create_user(
        BASE,
        "<i>Ivan",
        &[("displayName", "<i>"), ("mail", "hostile@corp.example")],
    );
    lab.sync(0).await;
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.enter(&origin, "/active-directory/inventory", TOKEN).await;
    tab.until("document.querySelector('#search')").await;
    tab.value("document.querySelector('#search').focus()").await;
    tab.write("hostile@").await;
    tab.until("document.querySelectorAll('a.asset').length === 5")
        .await;
    tab.picture("hostile-light").await;
    assert!(texts(&tab, "a.asset .name").await.contains(&"<i>Ivan".to_owned()));

    // Each in full.
    for (user, shown) in users
        .iter()
        .zip([SCRIPT, long.as_str(), "invoice U+202Egnp.exe", "زينU+200F"])
    {
        let guid = ad_connector::identity::Guid::from(lab.directory().guid(*user));
        tab.go(&format!("{origin}/#/active-directory/inventory/{guid}"))
            .await;
        tab.until("document.querySelector('#json-title')").await;
        tab.until(&format!("location.hash.endsWith({:?})", guid.to_string()))
            .await;
        let row = "[...document.querySelectorAll('.rows tr')].find((r) => r.textContent.includes('displayName')).lastChild.textContent";
        tab.until(&format!("{row} === {}", serde_json::to_string(shown).unwrap()))
            .await;
        let isolated = "[...document.querySelectorAll('.rows bdi')].every((e) => getComputedStyle(e).unicodeBidi === 'isolate')";
        assert_eq!(tab.value(isolated).await, true);
        let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        assert_eq!(tab.value(fits).await, true, "{shown:.40}");
        tab.look_as(Viewer::PHONE).await;
        assert_eq!(tab.value(fits).await, true, "{shown:.40}, on a phone");
        tab.picture(&format!("hostile-{guid}-phone")).await;
        tab.look_as(Viewer::DESK).await;
    }

    // In what the gateway says, and in the DN beside it.
    lab.directory().set_text(named, "mail", "again@corp.example");
    lab.receiver
        .script([Answer::reject(ErrorForm::Map207, &lab.external_id(named), SCRIPT)]);
    tab.go(&format!("{origin}/#/active-directory/attention")).await;
    tab.sync_now().await;
    tab.shows("[aria-labelledby=rejected-title] .reason", SCRIPT)
        .await;
    let dn = texts(&tab, "[aria-labelledby=rejected-title] .dn").await;
    assert_eq!(
        dn,
        [format!("CN=<i>Ivan,{BASE}")
            .replace('<', "\\<")
            .replace('>', "\\>")]
    );
    // In what the directory says.
    let busy = Action::Answer(Outcome::error(51, SCRIPT));
    lab.simulator.faults().at(On::Search, 1, busy);
    tab.sync_now().await;
    tab.shows(".card.error .reason", "stolen").await;

    assert_eq!(tab.value("window.stolen ?? null").await, serde_json::Value::Null);
    assert_eq!(
        tab.value("document.querySelectorAll('img').length").await,
        1,
        "the page's own"
    );
    assert!(!tab.requests().iter().any(|url| url.ends_with("/stolen")));
    tab.assert_clean(&origin);
    service.stopped_with(0).await;
}
