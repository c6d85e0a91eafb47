//! The editor of a connection: what is kept, what has to be typed again, and what someone else did
//! meanwhile.

use serde_json::{Value, json};

use crate::browser;
use crate::empty::UnusedDirectory;
use crate::stage::{NEVER, Stage, TOKEN, hold_users_page, set};
use crate::support::simulated::Simulated;
use crate::tab::{Tab, Viewer};

const HOSTILE: &str = "<script>window.stolen = 1</script><img src=/stolen onerror=\"window.stolen = 1\">";

impl UnusedDirectory {
    /// The body of a connection to it that runs by hand alone.
    pub fn body(&self, name: &str) -> Value {
        json!({
            "name": name,
            "directory": {
                "host": ["127.0.0.1"], "port": self.port.parse::<u16>().unwrap(), "bindDn": self.account,
                "password": self.password, "certificate": self.authority,
            },
            "schedule": null,
        })
    }
}

impl Tab {
    /// Makes a call with the token, as another tab would; gives status and answer.
    pub async fn call(&self, method: &str, path: &str, tag: &str, body: &Value) -> (u64, Value) {
        let call = format!(
            "fetch('/api/v1/connections{path}', {{method: {method:?}, headers: {{Authorization: 'Bearer {TOKEN}', \
             'Content-Type': 'application/json', 'If-Match': {tag:?}}}, body: {method:?} === 'GET' ? undefined : {body:?}}})\
             .then(async (a) => [a.status, await a.json().catch(() => null)])",
            body = body.to_string()
        );
        let mut answer = self.value(&call).await;
        (answer[0].as_u64().unwrap(), answer[1].take())
    }

    /// Creates a connection without the wizard.
    pub async fn created(&self, body: &Value) -> Value {
        let (status, connection) = self.call("POST", "", "", body).await;
        assert_eq!(status, 201, "{connection}");
        connection
    }

    /// Goes to the last step of the editor and saves.
    async fn save(&self) {
        self.click("[data-step='4']").await;
        self.step("review").await;
        self.click("[data-action=next]").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_edit_keeps_the_secret_unless_the_address_changed_and_loses_nothing_to_another_edit() {
    let browser = browser!();
    let (lab, directory) = UnusedDirectory::taken_from(Simulated::new().await).await;
    let Stage { lab, service, origin } = Stage::start_empty(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.enter(&origin, "/", TOKEN).await;
    tab.shows("h1", "no connection yet").await;
    tab.created(&directory.body("office")).await;
    // It appears by itself.
    tab.shows("h1", "office").await;
    tab.click("[data-action=edit]").await;
    tab.shows("h1", "edit office").await;
    tab.step("basic details").await;
    let page = tab.text("document.documentElement.outerHTML").await;
    assert!(!page.contains(&directory.password));
    assert_eq!(
        tab.text("document.querySelector(\"[data-key='directory.password'] input\").placeholder")
            .await,
        "kept unless you type a new one"
    );

    // Another address: at once, and again when it is saved all the same.
    tab.fill("directory.host", "localhost").await;
    tab.shows(
        "[data-key='directory.password'] .mistake",
        "the password is needed again",
    )
    .await;
    tab.click("[data-action=test]").await;
    tab.shows(".top-of-form", "one thing needs a correction").await;
    tab.until("document.activeElement.matches(\"[data-key='directory.password'] input\")")
        .await;
    let described = "document.activeElement.getAttribute('aria-describedby').split(' ').map((id) => document.getElementById(id).textContent).join(' ')";
    tab.until(&format!("{described}.includes('changed')")).await;
    tab.save().await;
    tab.shows(".top-of-form", "password").await;
    tab.step("basic details").await;
    tab.picture("wizard-secret-light").await;
    assert_eq!(tab.barriers().await, Vec::<String>::new());
    tab.fill("directory.host", "127.0.0.1").await;
    tab.fill("description", "The head office").await;

    // Someone else saves meanwhile.
    let (_, now) = tab.call("GET", "/office", "", &Value::Null).await;
    let revision = format!("\"{}\"", now["revision"]);
    let mut theirs = now["configuration"].clone();
    theirs["profile"] = json!({"assets": ["users"]});
    let (status, answer) = tab.call("PUT", "/office", &revision, &theirs).await;
    assert_eq!(status, 200, "{answer}");
    tab.save().await;
    tab.shows(".top-of-form", "changed meanwhile").await;
    tab.shows(".top-of-form td", "profile.assets").await;
    tab.picture("wizard-conflict-light").await;
    assert_eq!(tab.barriers().await, Vec::<String>::new());
    tab.look_as(Viewer::PHONE).await;
    assert_eq!(tab.barriers().await, Vec::<String>::new());
    tab.look_as(Viewer::DESK).await;
    tab.click("[data-action=keep-mine]").await;
    tab.shows(".wizard dd", "the head office").await;
    tab.click("[data-action=next]").await;
    tab.shows(".title", "the head office").await;
    let (_, both) = tab.call("GET", "/office", "", &Value::Null).await;
    let both = &both["configuration"];
    assert_eq!(
        (&both["description"], &both["profile"]["assets"]),
        (&json!("The head office"), &json!(["users"]))
    );
    assert_eq!(both["directory"]["password"]["set"], true, "{both}");

    // The secret was kept: it still runs. A new name keeps the state.
    tab.sync_now().await;
    tab.lit("Processed").await;
    assert_eq!(lab.receiver.assets().len(), lab.users().len());
    tab.click("[data-action=edit]").await;
    tab.step("basic details").await;
    tab.fill("name", "headquarters").await;
    tab.save().await;
    tab.shows("h1", "headquarters").await;
    tab.shows(".items", "#1").await;

    // Disabled: no run, and it can be enabled again from where it was.
    tab.click("[data-action=disable]").await;
    tab.shows("h1 .badge", "disabled").await;
    tab.lit("Registered").await;
    tab.until("document.activeElement.dataset.action === 'enable'")
        .await;
    assert_eq!(
        tab.text("document.querySelector('[data-action=delta]').ariaDisabled")
            .await,
        "true"
    );
    // An edit does not enable it.
    tab.click("[data-action=edit]").await;
    tab.step("basic details").await;
    tab.fill("description", "Closed").await;
    tab.save().await;
    tab.shows(".title", "closed").await;
    tab.shows("h1 .badge", "disabled").await;
    tab.click("[data-action=enable]").await;
    tab.until("document.querySelector('[data-action=disable]')").await;
    // The page that stayed open follows its next run.
    let held = hold_users_page(&lab, 1);
    tab.until("document.querySelector('[data-action=baseline]').ariaDisabled === 'false'")
        .await;
    tab.click("[data-action=baseline]").await;
    tab.shows(".phases [aria-current]", "reading").await;
    held.send(()).unwrap();
    tab.lit("Processed").await;

    // Deleted only with its name.
    tab.click("[data-action=delete]").await;
    tab.until("document.activeElement.dataset.part === 'confirm'")
        .await;
    tab.write("office").await;
    tab.press("Enter").await;
    tab.shows("dialog .mistake", "not its name").await;
    tab.picture("delete-light").await;
    let mut barriers = tab.barriers().await;
    // Behind a dialog nothing is there for assistive technology.
    let behind = ["no banner", "no main", "no contentinfo", "no navigation"];
    barriers.retain(|fault| !behind.contains(&fault.as_str()));
    assert_eq!(barriers, Vec::<String>::new());
    tab.retype("headquarters").await;
    tab.press("Enter").await;
    tab.shows("h1", "no connection yet").await;
    let (status, _) = tab.call("GET", "/headquarters", "", &Value::Null).await;
    assert_eq!(status, 404);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_directory_and_a_person_name_stays_text_in_the_wizard() {
    let browser = browser!();
    let (lab, directory) = UnusedDirectory::taken_from(Simulated::new().await).await;
    let root = lab.directory().domain().dn;
    lab.directory().create_unit(&root, HOSTILE);
    lab.directory().create_user(
        &root,
        "Mallory",
        &[("displayName", HOSTILE), ("mail", "mallory@corp.example")],
    );
    let Stage { lab, service, origin } = Stage::start_empty(lab).await;
    let tab = browser.tab(Viewer::PHONE).await;
    tab.enter(&origin, "/", TOKEN).await;
    tab.shows("h1", "no connection yet").await;
    let mut body = directory.body("hostile");
    body["description"] = HOSTILE.into();
    tab.created(&body).await;
    tab.shows(".title", "stolen").await;
    tab.click("[data-action=edit]").await;
    tab.step("basic details").await;
    // In what the directory answers.
    let refused = lab::simulator::Outcome::error(51, HOSTILE);
    lab.simulator.faults().at(
        lab::simulator::On::Bind,
        1,
        lab::simulator::Action::Answer(refused),
    );
    tab.click("[data-action=test]").await;
    tab.shows(".steps [data-result=failed]", "stolen").await;
    tab.click("[data-step='1']").await;
    tab.shows(".reads", "users").await;
    tab.click("[data-action=browse]").await;
    tab.shows("[role=treeitem]", HOSTILE).await;
    tab.click("[data-step='2']").await;
    tab.shows("[data-kind=user]", "displayName").await;
    tab.value("document.querySelector('[aria-labelledby=preview-title] input').focus()")
        .await;
    tab.write("mallory@corp.example").await;
    tab.shows(".preview", HOSTILE).await;
    // In what a person types: a row, and a mistake in it.
    tab.click("[data-kind=user] [data-action=add-row]").await;
    tab.until("document.activeElement.dataset.part === 'source'")
        .await;
    tab.write("description").await;
    tab.tab_to("[data-part=target]").await;
    tab.retype(HOSTILE).await;
    tab.shows(".mistakes", "stolen").await;
    tab.click("[data-action=undo-row]").await;
    tab.until("!document.querySelector('.mistakes')").await;
    let fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    assert_eq!(tab.value(fits).await, true);
    assert_eq!(tab.value("window.stolen ?? null").await, Value::Null);
    assert_eq!(
        tab.value("document.querySelectorAll('img').length").await,
        1,
        "the page's own"
    );
    assert!(!tab.requests().iter().any(|url| url.ends_with("/stolen")));
    tab.assert_nobody_asked_but(&origin);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_typed_is_there_again_and_a_certificate_is_a_file_as_well() {
    let browser = browser!();
    let (lab, directory) = UnusedDirectory::taken_from(Simulated::new().await).await;
    let pem = lab.connector.folder().join("authority.pem");
    std::fs::write(&pem, &directory.authority).unwrap();
    let Stage { lab, service, origin } = Stage::start_empty(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.enter(&origin, "/new", TOKEN).await;
    tab.step("basic details").await;
    tab.click("[data-action=test]").await;
    tab.shows("[data-key=name] .mistake", "a name is needed").await;
    tab.until("document.activeElement.matches(\"[data-key='name'] input\")")
        .await;
    tab.fill("name", "by-file").await;
    // Every mistake at once, each at its field, the first with the focus.
    tab.click("[data-action=test]").await;
    tab.shows(".top-of-form", "things need a correction").await;
    tab.until("document.activeElement.matches(\"[data-key='directory.host'] input\")")
        .await;
    tab.until("document.querySelectorAll('[aria-invalid=true]').length >= 3")
        .await;
    tab.picture("wizard-mistakes-light").await;
    tab.fill("directory.host", "127.0.0.1").await;
    tab.fill("directory.port", &directory.port).await;
    tab.fill("directory.bindDn", &directory.account).await;
    tab.fill("directory.password", &directory.password).await;
    tab.choose_file("input[type=file]", &pem).await;
    let kept = "document.querySelector(\"[data-key='directory.certificate'] textarea\").value.includes('BEGIN CERTIFICATE')";
    tab.until(kept).await;

    // Away and back, and without the token meanwhile.
    tab.go(&format!("{origin}/#/")).await;
    tab.shows("h1", "no connection yet").await;
    tab.click("#token-button").await;
    tab.click("#connections .new").await;
    tab.until(&format!(
        "{} === 'by-file' && {kept}",
        "document.querySelector('[data-key=name] input').value"
    ))
    .await;
    tab.click("[data-action=test]").await;
    tab.type_token(TOKEN).await;
    tab.shows(".end", "the test is good").await;

    // Changed after the test: the way on is the explicit one.
    tab.fill("directory.host", "localhost").await;
    tab.click("[data-action=next]").await;
    tab.shows(".wizard > .mistake", "save untested").await;
    tab.click(".test .tick input").await;
    tab.click("[data-action=next]").await;
    tab.step("profile").await;
    tab.click("[data-action=next]").await;
    tab.shows("[data-kind=user] .rows", "displayName").await;
    // As TOML: a mistake by its line, and back to rows.
    tab.click("[value=toml]").await;
    tab.until("document.querySelector(\"[data-key='mapping'] textarea\")")
        .await;
    tab.value("(() => { const t = document.querySelector(\"[data-key='mapping'] textarea\"); t.focus(); t.select(); })()").await;
    tab.write("[[user]]\nsource = \"objectSid\"\ntarget = \"asset.assetHeader.externalAssetId\"\nform = \"sld\"\nrequired = true\n").await;
    tab.shows(".mistakes", "line 4").await;
    tab.click("[data-action=next]").await;
    tab.shows(".wizard > .mistake", "the table has mistakes").await;
    tab.click("[data-action=built-in]").await;
    tab.until("!document.querySelector('.mistakes')").await;
    tab.click("[value=rows]").await;
    tab.shows("[data-kind=user] .rows", "displayName").await;
    tab.click("[data-action=next]").await;
    tab.step("schedule").await;
    tab.click("[value=runFrequency]").await;
    tab.fill("schedule.runFrequency.minutes", "30").await;
    tab.shows("[aria-labelledby=next-title]", "every 1 h 30 min")
        .await;
    tab.click("[data-action=next]").await;
    tab.step("review").await;
    tab.shows("[data-standing=untested]", "not tested").await;
    tab.click("[data-action=next]").await;
    tab.shows("h1", "by-file").await;
    // The next one begins with nothing.
    tab.click("#connections .new").await;
    tab.step("basic details").await;
    assert_eq!(
        tab.text("document.querySelector('[data-key=name] input').value")
            .await,
        ""
    );
    drop(lab);
    service.stopped_with(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_of_the_environment_says_where_it_is_changed() {
    let browser = browser!();
    let mut lab = set(Simulated::new().await).await;
    lab.set("SYNC_CRON", NEVER);
    let Stage { lab, service, origin } = Stage::start(lab).await;
    let tab = browser.tab(Viewer::DESK).await;
    tab.enter(&origin, "/", TOKEN).await;
    tab.lit("Scheduled").await;
    assert_eq!(
        tab.value("document.querySelectorAll('[data-action=delete], [data-action=disable]').length")
            .await,
        0
    );
    tab.click("[data-action=edit]").await;
    tab.shows(".problem", "not edited on this page").await;
    tab.shows(".problem", "AD_").await;
    tab.shows("dd", "127.0.0.1").await;
    for viewer in [Viewer::DESK, Viewer::NIGHT, Viewer::PHONE] {
        tab.look_as(viewer).await;
        assert_eq!(tab.barriers().await, Vec::<String>::new());
    }
    tab.assert_clean(&origin);
    drop(lab);
    service.stopped_with(0).await;
}
