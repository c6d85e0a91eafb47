//! The status page in a real browser, against the running service with the simulator and the receiver.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

#[path = "page/access.rs"]
mod access;
#[path = "page/attention.rs"]
mod attention;
#[path = "page/browser.rs"]
mod browser;
#[path = "page/connections.rs"]
mod connections;
#[path = "page/empty.rs"]
mod empty;
#[path = "page/hostile.rs"]
mod hostile;
#[path = "page/inventory.rs"]
mod inventory;
#[path = "page/keyboard.rs"]
mod keyboard;
#[path = "page/layout.rs"]
mod layout;
#[path = "page/life.rs"]
mod life;
#[path = "page/proxy.rs"]
mod proxy;
#[path = "page/review.rs"]
mod review;
#[path = "page/stage.rs"]
mod stage;
#[path = "page/tab.rs"]
mod tab;
#[path = "page/wizard.rs"]
mod wizard;
#[path = "page/wizard_edit.rs"]
mod wizard_edit;
#[path = "page/wizard_refusals.rs"]
mod wizard_refusals;
#[path = "page/wizard_samba.rs"]
mod wizard_samba;
