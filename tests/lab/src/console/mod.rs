//! Plays the Qualys API server of the console: user list, asset groups in pages, RBAC search, with
//! faults on demand.
//!
//! [`Console::start`] listens; [`Console::fail`] makes coming answers wrong. What was wrong about
//! the form of any request is in [`Console::violations`], which a test asserts to be empty.

mod content;
mod server;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use content::{ConsoleGroup, ConsoleUser};

/// Calls that are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// `/msp/user_list.php`.
    Users,
    /// `/api/2.0/fo/asset/group/`.
    Groups,
    /// `/qps/rest/2.0/search/am/user/`.
    Rbac,
}

/// Wrong answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This status, headers and body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// 200 with this body.
    Document(String),
    /// A log-in page.
    Html,
    /// 200 without a body.
    Empty,
    /// The first part of the right document, in thousandths.
    Cut(usize),
    /// The same, and then the connection breaks.
    Break(usize),
    /// The right document, after a while.
    Slow(Duration),
}

/// Contents of a console, and the accounts that see them.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address to bind; port 0 takes a free one.
    pub listen: SocketAddr,
    /// User name of the account that may ask.
    pub username: String,
    /// Its password.
    pub password: String,
    /// Accounts.
    pub users: Vec<ConsoleUser>,
    /// Asset groups.
    pub groups: Vec<ConsoleGroup>,
    /// Asset groups in one page.
    pub page: usize,
    /// Last logins are shown: the account is a Manager.
    pub shows_last_login: bool,
    /// Owners are given as `OWNER_USER_ID`, not as `OWNER_ID`, and lists without blanks.
    pub other_names: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            username: "acme_api".to_owned(),
            password: "lab-console-password".to_owned(),
            users: Vec::new(),
            groups: Vec::new(),
            page: 100,
            shows_last_login: true,
            other_names: false,
        }
    }
}

/// A running console; dropping it frees the port.
#[derive(Debug)]
pub struct Console {
    address: SocketAddr,
    shared: Shared,
    stop: CancellationToken,
}

impl Console {
    /// Listens and answers until dropped. Panics, as a test does, when the address is taken.
    pub async fn start(options: Options) -> Self {
        let listener = tokio::net::TcpListener::bind(options.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            state: Arc::new(Mutex::new(State {
                options,
                ..State::default()
            })),
            base: format!("http://{address}"),
        };
        let stop = CancellationToken::new();
        tokio::spawn(server::serve(listener, shared.clone(), stop.clone()));
        Self {
            address,
            shared,
            stop,
        }
    }

    /// The base URL, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The coming answers of a call are these; afterwards it answers normally again.
    pub fn fail(&self, api: Api, faults: impl IntoIterator<Item = Fault>) {
        self.shared.lock().faults.entry(api).or_default().extend(faults);
    }

    /// Every answer of a call is this one, until [`Console::heal`].
    pub fn always(&self, api: Api, fault: Fault) {
        self.shared.lock().always.insert(api, fault);
    }

    /// Drops all faults.
    pub fn heal(&self) {
        let mut state = self.shared.lock();
        state.always.clear();
        state.faults.clear();
    }

    /// Changes what is shown.
    pub fn change(&self, change: impl FnOnce(&mut Options)) {
        change(&mut self.shared.lock().options);
    }

    /// Requests by call.
    pub fn requests(&self) -> BTreeMap<Api, usize> {
        self.shared.lock().requests.clone()
    }

    /// Most requests that were answered at one time.
    pub fn most_in_flight(&self) -> usize {
        self.shared.lock().most_in_flight
    }

    /// Faults in the form of requests.
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().violations.clone()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// State that the handlers share.
#[derive(Debug, Clone)]
struct Shared {
    state: Arc<Mutex<State>>,
    base: String,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct State {
    options: Options,
    faults: BTreeMap<Api, VecDeque<Fault>>,
    always: BTreeMap<Api, Fault>,
    requests: BTreeMap<Api, usize>,
    violations: Vec<String>,
    in_flight: usize,
    most_in_flight: usize,
}
