//! One tab: what a person does in it, and what can be seen of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::browser::{Browser, Pipe};

/// What is to be seen comes within this time, or the test fails.
const APPEARS_WITHIN: Duration = Duration::from_secs(120);
/// Between two looks at the page.
const LOOK_AGAIN: Duration = Duration::from_millis(40);

/// How the viewer looks at the page.
#[derive(Debug, Clone, Copy)]
pub struct Viewer {
    /// CSS pixels.
    pub width: u32,
    /// CSS pixels.
    pub height: u32,
    /// `prefers-color-scheme: dark`, else light.
    pub dark: bool,
    /// `prefers-reduced-motion: reduce`.
    pub still: bool,
    /// IANA name.
    pub zone: &'static str,
}

impl Viewer {
    /// At a handle, in the light, in UTC.
    pub const DESK: Self = Self {
        width: 1280,
        height: 900,
        dark: false,
        still: true,
        zone: "UTC",
    };
    /// With a small phone.
    pub const PHONE: Self = Self {
        width: 360,
        height: 740,
        ..Self::DESK
    };
    /// In the dark.
    pub const NIGHT: Self = Self {
        dark: true,
        ..Self::DESK
    };
}

/// A tab with cookies and storage of its own.
pub struct Tab {
    pipe: Arc<Pipe>,
    session: String,
}

impl Browser {
    /// Opens an empty tab for this viewer.
    pub async fn tab(&self, viewer: Viewer) -> Tab {
        let pipe = self.pipe();
        let context = pipe
            .ask("", "Target.createBrowserContext", json!({}))
            .await
            .unwrap();
        let target = json!({"url": "about:blank", "browserContextId": context["browserContextId"]});
        let target = pipe.ask("", "Target.createTarget", target).await.unwrap();
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = pipe.ask("", "Target.attachToTarget", attach).await.unwrap();
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let tab = Tab { pipe, session };
        for domain in ["Page", "Runtime", "Network", "Log", "DOM", "Accessibility"] {
            tab.ask(&format!("{domain}.enable"), json!({})).await;
        }
        tab.look_as(viewer).await;
        tab
    }
}

impl Tab {
    /// Gives a command to the browser, about this tab.
    pub async fn ask(&self, method: &str, parameters: Value) -> Value {
        let answer = self.pipe.ask(&self.session, method, parameters).await;
        answer.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Becomes another viewer.
    pub async fn look_as(&self, viewer: Viewer) {
        let phone = viewer.width < 600;
        let size =
            json!({"width": viewer.width, "height": viewer.height, "deviceScaleFactor": 1, "mobile": phone});
        self.ask("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if viewer.dark { "dark" } else { "light" };
        let motion = if viewer.still { "reduce" } else { "no-preference" };
        let features = json!({"features": [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion},
        ]});
        self.ask("Emulation.setEmulatedMedia", features).await;
        self.ask("Emulation.setLocaleOverride", json!({"locale": "en-GB"}))
            .await;
        let zone = json!({"timezoneId": viewer.zone});
        self.ask("Emulation.setTimezoneOverride", zone).await;
    }

    /// Loads a page.
    pub async fn go(&self, url: &str) {
        self.ask("Page.navigate", json!({"url": url})).await;
        self.until(&format!(
            "document.readyState === 'complete' && location.href.startsWith({url:?})"
        ))
        .await;
    }

    /// Loads a page by a link that carries the token; `view` is what the link leads to.
    pub async fn enter(&self, origin: &str, view: &str, token: &str) {
        let link = format!("{origin}/#token={token}{view}");
        self.ask("Page.navigate", json!({"url": link})).await;
        self.until(&format!(
            "document.readyState === 'complete' && location.href === '{origin}/#{view}'"
        ))
        .await;
    }

    /// The value of a JavaScript expression in the page.
    pub async fn value(&self, expression: &str) -> Value {
        self.evaluated(expression)
            .await
            .unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    async fn evaluated(&self, expression: &str) -> Result<Value, String> {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self
            .pipe
            .ask(&self.session, "Runtime.evaluate", parameters)
            .await?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(details["exception"]["description"].to_string()),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    /// The value as text.
    pub async fn text(&self, expression: &str) -> String {
        match self.value(expression).await {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// Waits until an expression is true; gives its value. What throws meanwhile is not true yet.
    #[track_caller]
    pub fn until(&self, expression: &str) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        async move {
            let until = Instant::now() + APPEARS_WITHIN;
            loop {
                let value = self.evaluated(expression).await.unwrap_or_default();
                let seen = !matches!(&value, Value::Null | Value::Bool(false))
                    && value.as_str() != Some("")
                    && value.as_f64() != Some(0.0);
                if seen {
                    return value;
                }
                if Instant::now() > until {
                    let page = self.text("document.body.innerText").await;
                    panic!(
                        "{place}: never came true: {expression}\n{page}\n{:?}",
                        self.complaints()
                    );
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// Waits until the element that matches is shown with this text in it, whatever the case.
    #[track_caller]
    pub fn shows(&self, selector: &str, text: &str) -> impl Future<Output = ()> {
        let expression = format!(
            "[...document.querySelectorAll({selector:?})].some(e => e.checkVisibility() && \
             e.innerText.toLowerCase().includes({:?}))",
            text.to_lowercase()
        );
        let place = std::panic::Location::caller();
        async move {
            let _ = place;
            self.until(&expression).await;
        }
    }

    /// Clicks into the middle of the element that matches.
    #[track_caller]
    pub fn click(&self, selector: &str) -> impl Future<Output = ()> {
        let visible = format!("document.querySelector({selector:?}).checkVisibility()");
        let middle = format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{block: 'center', behavior: 'instant'}}); \
             const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        );
        async move {
            self.until(&visible).await;
            let middle = self.value(&middle).await;
            for kind in ["mousePressed", "mouseReleased"] {
                let event =
                    json!({"type": kind, "x": middle[0], "y": middle[1], "button": "left", "clickCount": 1});
                self.ask("Input.dispatchMouseEvent", event).await;
            }
        }
    }

    /// When the browser asks for a user name and a password, these passwords are typed one after the other; then the
    /// dialog is cancelled.
    pub async fn log_in_with(&self, passwords: &[&str]) {
        self.ask("Fetch.enable", json!({"handleAuthRequests": true}))
            .await;
        let mut passwords: Vec<String> = passwords.iter().rev().map(|text| (*text).to_owned()).collect();
        let (pipe, session) = (Arc::clone(&self.pipe), self.session.clone());
        tokio::spawn(async move {
            let mut seen = 0;
            loop {
                let events = pipe.events(&session);
                for event in &events[seen..] {
                    let request = &event["params"]["requestId"];
                    let (method, answer) = match event["method"].as_str() {
                        Some("Fetch.requestPaused") => ("Fetch.continueRequest", json!({})),
                        Some("Fetch.authRequired") => ("Fetch.continueWithAuth", typed(passwords.pop())),
                        _ => continue,
                    };
                    let mut answer = answer;
                    answer["requestId"] = request.clone();
                    // A request that is over by now needs no answer.
                    let _ = pipe.ask(&session, method, answer).await;
                }
                seen = events.len();
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
    }

    /// Takes the certificates of servers for granted, as a person does who installed the one of the
    /// test.
    pub async fn trust_certificates(&self) {
        self.ask("Security.setIgnoreCertificateErrors", json!({"ignore": true}))
            .await;
    }

    /// Writes into what has the focus.
    pub async fn write(&self, text: &str) {
        self.ask("Input.insertText", json!({"text": text})).await;
    }

    /// Presses a key: `Tab`, `Shift+Tab`, `Enter`, `Escape`, `Space`, `ArrowDown`, a letter or a
    /// digit…
    pub async fn press(&self, key: &str) {
        let (shift, key) = match key.strip_prefix("Shift+") {
            Some(key) => (8, key),
            None => (0, key),
        };
        let (code, name, text) = match key {
            "Tab" => (9, "Tab", ""),
            "Enter" => (13, "Enter", "\r"),
            "Escape" => (27, "Escape", ""),
            "Space" => (32, " ", " "),
            "End" => (35, "End", ""),
            "Home" => (36, "Home", ""),
            "ArrowLeft" => (37, "ArrowLeft", ""),
            "ArrowUp" => (38, "ArrowUp", ""),
            "ArrowRight" => (39, "ArrowRight", ""),
            "ArrowDown" => (40, "ArrowDown", ""),
            "Backspace" => (8, "Backspace", ""),
            one if one.len() == 1 && one.as_bytes()[0].is_ascii_alphanumeric() => {
                (i32::from(one.to_ascii_uppercase().as_bytes()[0]), one, one)
            }
            other => panic!("no key {other}"),
        };
        let kinds = if text.is_empty() {
            ["rawKeyDown", "keyUp"]
        } else {
            ["keyDown", "keyUp"]
        };
        for kind in kinds {
            let mut event = json!({
                "type": kind, "key": name, "code": key, "windowsVirtualKeyCode": code, "modifiers": shift,
            });
            if kind == "keyDown" {
                event["text"] = text.into();
            }
            self.ask("Input.dispatchKeyEvent", event).await;
        }
    }

    /// What the browser has to complain about: the console's warnings and errors, exceptions, refused loads.
    pub fn complaints(&self) -> Vec<String> {
        let complaint = |event: Value| {
            let said = &event["params"];
            match event["method"].as_str()? {
                "Runtime.consoleAPICalled"
                    if !matches!(said["type"].as_str(), Some("log" | "debug" | "info")) =>
                {
                    Some(said["args"].to_string())
                }
                "Runtime.exceptionThrown" => Some(said["exceptionDetails"].to_string()),
                "Log.entryAdded" => Some(format!(
                    "{} {}",
                    said["entry"]["text"].as_str()?,
                    said["entry"]["url"].as_str().unwrap_or_default()
                )),
                _ => None,
            }
        };
        self.pipe
            .events(&self.session)
            .into_iter()
            .filter_map(complaint)
            .collect()
    }

    /// Every address that was asked for, in order.
    pub fn requests(&self) -> Vec<String> {
        let asked = |event: &Value| {
            (event["method"] == "Network.requestWillBeSent")
                .then(|| event["params"]["request"]["url"].as_str().unwrap().to_owned())
        };
        self.pipe.events(&self.session).iter().filter_map(asked).collect()
    }

    /// Nothing to complain about, and nobody but `origin` was asked for anything.
    #[track_caller]
    pub fn assert_clean(&self, origin: &str) {
        assert_eq!(self.complaints(), Vec::<String>::new());
        self.assert_nobody_asked_but(origin);
    }

    /// Nobody but `origin` was asked for anything.
    #[track_caller]
    pub fn assert_nobody_asked_but(&self, origin: &str) {
        let requests = self.requests();
        assert!(!requests.is_empty(), "requests are not seen");
        let elsewhere: Vec<_> = requests
            .iter()
            // The icons of the browser's own controls.
            .filter(|url| !url.starts_with("data:"))
            .filter(|url| !url.starts_with(&format!("{origin}/")))
            .collect();
        assert!(elsewhere.is_empty(), "{elsewhere:?}");
    }

    /// What assistive technology is told: the accessibility tree's nodes that are not ignored.
    pub async fn accessible(&self) -> Vec<Value> {
        let tree = self.ask("Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().unwrap();
        nodes
            .iter()
            .filter(|node| node["ignored"] == false)
            .cloned()
            .collect()
    }

    /// Keeps a picture of the whole page as `NAME.png` in the folder that `PAGE_PICTURES` names, if it names one.
    pub async fn picture(&self, name: &str) {
        self.top_picture(name, u32::MAX).await;
    }

    /// Keeps a picture of the first `height` pixels of the page.
    pub async fn top_picture(&self, name: &str, height: u32) {
        let Some(folder) = std::env::var_os("PAGE_PICTURES").map(PathBuf::from) else {
            return;
        };
        let whole = self.ask("Page.getLayoutMetrics", json!({})).await["cssContentSize"].take();
        let height = whole["height"].as_f64().unwrap().min(f64::from(height));
        let clip = json!({"x": 0, "y": 0, "width": whole["width"], "height": height, "scale": 1});
        let parameters = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let picture = self.ask("Page.captureScreenshot", parameters).await;
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(
            folder.join(format!("{name}.png")),
            decoded(picture["data"].as_str().unwrap()),
        )
        .unwrap();
    }
}

/// What a person does in the dialog that asks for a user name and a password.
fn typed(password: Option<String>) -> Value {
    json!({"authChallengeResponse": match password {
        Some(password) => json!({"response": "ProvideCredentials", "username": "anybody", "password": password}),
        None => json!({"response": "CancelAuth"}),
    }})
}

/// Base64 (RFC 4648 section 4).
fn decoded(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for four in text.trim_end_matches('=').as_bytes().chunks(4) {
        let digit = |at: usize| {
            four.get(at).map_or(0, |character| {
                ALPHABET.iter().position(|letter| letter == character).unwrap() as u32
            })
        };
        let bits = digit(0) << 18 | digit(1) << 12 | digit(2) << 6 | digit(3);
        bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    bytes
}
