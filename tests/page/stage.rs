//! The service with its page, a viewer in front of it, and a directory that answers when the test says so.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use lab::simulator::Action;

use crate::browser::ELSEWHERE;
use crate::support::service::Service;
use crate::support::simulated::Simulated;

/// `HTTP_TOKEN` of the service.
pub const TOKEN: &str = "page-token-5e1f0c2b";
/// `HTTP_READ_TOKEN`, where a test sets one.
pub const READ_TOKEN: &str = "page-read-token-77aa";
/// A schedule that is not due while a test runs, unless that is on New Year's Eve.
pub const NEVER: &str = "59 59 23 31 12 *";

/// Gives the browser, or skips the test and says why.
#[macro_export]
macro_rules! browser {
    () => {
        match $crate::browser::Browser::start().await {
            Ok(browser) => browser,
            Err(reason) => lab::skip!("{reason}"),
        }
    };
}

/// The running service and where its page is.
pub struct Stage {
    pub lab: Simulated,
    pub service: Service,
    /// `http://127.0.0.1:PORT`, or with the name of the machine where it listens beyond loopback.
    pub origin: String,
}

/// The simulated way from end to end, with a page; nothing runs by itself.
pub async fn set(lab: Simulated) -> Simulated {
    let mut lab = lab;
    lab.set("HTTP_LISTEN", &format!("127.0.0.1:{}", free_port()));
    lab.set("HTTP_TOKEN", TOKEN);
    lab.set("SYNC_CRON", NEVER);
    lab.set("BASELINE_CRON", "off");
    lab.set("SYNC_ON_START", "false");
    lab
}

impl Stage {
    /// Starts the service.
    pub async fn start(lab: Simulated) -> Self {
        let listen = lab.connector.clone_environment()["HTTP_LISTEN"].replace("0.0.0.0", ELSEWHERE);
        let origin = format!("http://{listen}");
        let mut service = lab.connector.watch(&["run"]);
        service.said("connection is scheduled").await;
        Self { lab, service, origin }
    }
}

/// The directory answers the `nth` page of users from now only after something was sent, or the sender dropped.
pub fn hold_users_page(lab: &Simulated, nth: usize) -> Sender<()> {
    let (open, held) = channel();
    let held = Mutex::new(held);
    let wait = move || {
        // Nothing comes when the test is over: then go on.
        let _ = tokio::task::block_in_place(|| held.lock().unwrap().recv());
    };
    lab.at_users_page(nth, Action::Run(Arc::new(wait)));
    open
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
