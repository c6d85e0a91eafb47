//! A person at the keyboard: from field to field by Tab, typing, choosing.

use std::path::Path;

use serde_json::json;

use crate::tab::Tab;

/// Presses of Tab after which a field is not to be reached.
const AWAY: usize = 120;

impl Tab {
    /// Presses Tab until the element that matches has the focus.
    #[track_caller]
    pub fn tab_to(&self, selector: &str) -> impl Future<Output = ()> {
        self.press_until("Tab", selector)
    }

    /// The same in the other direction.
    #[track_caller]
    pub fn tab_back_to(&self, selector: &str) -> impl Future<Output = ()> {
        self.press_until("Shift+Tab", selector)
    }

    #[track_caller]
    fn press_until(&self, key: &'static str, selector: &str) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        let reached = format!("document.activeElement.matches({selector:?})");
        let selector = selector.to_owned();
        async move {
            self.until(&format!("document.querySelector({selector:?})")).await;
            for _ in 0..AWAY {
                if self.value(&reached).await == true {
                    return;
                }
                self.press(key).await;
            }
            let at = self.text("document.activeElement.outerHTML.slice(0, 200)").await;
            panic!("{place}: {key} does not lead to {selector}, it is at {at}");
        }
    }

    /// Types into the field of a key of the body, in place of what stands there.
    pub async fn fill(&self, key: &str, text: &str) {
        self.tab_to(&format!("[data-key='{key}'] :is(input, textarea)"))
            .await;
        self.retype(text).await;
    }

    /// Types into what has the focus, in place of what stands there.
    pub async fn retype(&self, text: &str) {
        self.press("Home").await;
        self.press("Shift+End").await;
        self.write(text).await;
    }

    /// Goes to an element by Tab, and presses Enter there.
    #[track_caller]
    pub fn enter_on(&self, selector: &str) -> impl Future<Output = ()> {
        let to = self.tab_to(selector);
        async move {
            to.await;
            self.press("Enter").await;
        }
    }

    /// Presses one key after the other, as in a field for a date.
    pub async fn keys(&self, keys: &str) {
        for key in keys.split("").filter(|key| !key.is_empty()) {
            self.press(key).await;
        }
    }

    /// Chooses a file in the field that matches.
    pub async fn choose_file(&self, selector: &str, file: &Path) {
        let document = self.ask("DOM.getDocument", json!({})).await;
        let found = json!({"nodeId": document["root"]["nodeId"], "selector": selector});
        let found = self.ask("DOM.querySelector", found).await;
        let chosen = json!({"nodeId": found["nodeId"], "files": [file]});
        self.ask("DOM.setFileInputFiles", chosen).await;
    }

    /// Waits until a step of the wizard is shown.
    #[track_caller]
    pub fn step(&self, title: &str) -> impl Future<Output = ()> {
        self.shows(".wizard > h2", title)
    }
}
