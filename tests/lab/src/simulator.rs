//! An LDAP server that behaves as a domain controller does in all that matters to a reader of users and groups, and that
//! misbehaves when told to. It shares no code with the client under test.
//!
//! ```no_run
//! # use lab::simulator::{Directory, Options, People, Simulator};
//! # async fn example() {
//! let directory = Directory::new("corp.example", People::of(1_000, 7));
//! let simulator = Simulator::start(Options { directory, ..Options::default() });
//! let port = simulator.addr().port();
//! # }
//! ```
//!
//! What it does not serve: SASL, writes over LDAP, a global catalog.

pub mod account;
pub mod ber;
mod connection;
mod controller;
mod cost;
mod directory;
mod extended_dn;
pub mod faults;
pub mod filter;
pub mod message;
pub mod names;
mod netlogon;
pub mod people;
mod root_dse;
pub mod schema;
pub mod search;
mod server;
mod session;
mod statistics;
pub mod time;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

pub use account::{Account, PASSWORD, READER, Refusal};
pub use ber::UNREADABLE;
pub use controller::Controller;
pub use cost::Stats;
pub use directory::{Directory, Domain, ObjectId};
pub use faults::{Action, Faults, On, Twist};
pub use message::Outcome;
pub use netlogon::{Netlogon, OverUdp};
pub use people::{Kind, People};
pub use statistics::{Counts, SeenSearch, Statistics};

/// How connections are encrypted.
#[derive(Debug, Clone)]
pub enum Tls {
    /// Not at all; StartTLS is refused with `unavailable`.
    None,
    /// When the client asks for it.
    StartTls(Arc<ServerConfig>),
    /// From the first byte.
    Ldaps(Arc<ServerConfig>),
}

/// What a simulator serves and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The contents; several simulators may serve the same, or each a [`Directory::replica`] of its
    /// own.
    pub directory: Directory,
    /// Which of the domain's controllers it plays.
    pub controller: Controller,
    /// Who may bind.
    pub accounts: Vec<Account>,
    /// Encryption.
    pub tls: Tls,
    /// Refuses simple binds without encryption with code 8, as current Windows does.
    pub require_signing: bool,
    /// The most entries of a page or of an unpaged search, `MaxPageSize` (MS-ADTS 3.1.1.3.4.6); `None` for no limit.
    pub max_page_size: Option<usize>,
    /// The most values of one attribute in one answer, `MaxValRange`.
    pub max_values: usize,
    /// Sends continuation references to searches from the domain's head, as a domain controller does.
    pub referrals: bool,
    /// How it answers who asks what a search cost.
    pub stats: Stats,
    /// Offers names with GUIDs and SIDs.
    pub extended_names: bool,
    /// Answers the netlogon ping, over UDP at the same address and port.
    pub netlogon: Option<Netlogon>,
}

impl Default for Options {
    /// A free port of 127.0.0.1 without encryption, an empty directory of `corp.example`, the reader and the
    /// administrator, Windows' limits, referrals.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            directory: Directory::new("corp.example", People::NONE),
            controller: Controller::numbered(1),
            accounts: vec![Account::reader(), Account::administrator()],
            tls: Tls::None,
            require_signing: false,
            max_page_size: Some(1000),
            max_values: 1500,
            referrals: true,
            stats: Stats::default(),
            extended_names: true,
            netlogon: None,
        }
    }
}

/// A running simulator; it stops when dropped.
#[derive(Debug)]
pub struct Simulator {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    directory: Directory,
    controller: RwLock<Controller>,
    accounts: Mutex<Vec<Account>>,
    faults: Faults,
    statistics: Statistics,
    can_start_tls: bool,
    require_signing: bool,
    max_page_size: Option<usize>,
    max_values: usize,
    referrals: bool,
    stats: Stats,
    extended_names: bool,
    netlogon: Option<Netlogon>,
    is_synchronized: AtomicBool,
    /// Cancelled to cut the connections that stand at that moment.
    cut: Mutex<CancellationToken>,
}

impl Simulator {
    /// Starts to serve; must be called within a tokio runtime. The port is open when it returns.
    ///
    /// # Panics
    /// When the address cannot be listened on.
    #[must_use]
    pub fn start(options: Options) -> Self {
        let listener = TcpListener::bind(options.listen).unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let Controller {
            name, invocation_id, ..
        } = &options.controller;
        options.directory.register_controller(name, *invocation_id);
        let shared = Arc::new(Shared {
            directory: options.directory,
            controller: RwLock::new(options.controller),
            accounts: Mutex::new(options.accounts),
            faults: Faults::default(),
            statistics: Statistics::default(),
            can_start_tls: matches!(options.tls, Tls::StartTls(_)),
            require_signing: options.require_signing,
            max_page_size: options.max_page_size,
            max_values: options.max_values,
            referrals: options.referrals,
            stats: options.stats,
            extended_names: options.extended_names,
            netlogon: options.netlogon,
            is_synchronized: AtomicBool::new(true),
            cut: Mutex::new(CancellationToken::new()),
        });
        let stop = CancellationToken::new();
        if shared.netlogon.is_some() {
            let socket = UdpSocket::bind(addr).unwrap();
            tokio::spawn(netlogon::serve(socket, Arc::clone(&shared), stop.clone()));
        }
        tokio::spawn(server::serve(
            listener,
            options.tls,
            Arc::clone(&shared),
            stop.clone(),
        ));
        Self { addr, shared, stop }
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What it serves, to be changed while it serves it.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.shared.directory
    }

    /// What is to go wrong.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// What was asked of it.
    #[must_use]
    pub fn statistics(&self) -> &Statistics {
        &self.shared.statistics
    }

    /// The controller it plays.
    #[must_use]
    pub fn controller(&self) -> Controller {
        self.shared.controller.read().unwrap().clone()
    }

    /// The controller's highestCommittedUSN.
    #[must_use]
    pub fn highest_usn(&self) -> i64 {
        self.controller().usn(self.shared.directory.last_sequence())
    }

    /// Plays another controller from now on: another name, another invocation ID, other USNs for the same objects. So a
    /// client sees it that comes back to a load balancer, or to a controller whose database was restored.
    pub fn swap_controller(&self, controller: Controller) {
        self.shared
            .directory
            .register_controller(&controller.name, controller.invocation_id);
        *self.shared.controller.write().unwrap() = controller;
    }

    /// Sets the USNs of all objects and the highest one back by `by`, with the same invocation ID: the state of a
    /// controller that was brought back from a snapshot without Windows noticing.
    pub fn roll_back_usn(&self, by: i64) {
        self.shared.controller.write().unwrap().usn_offset -= by;
    }

    /// Sets `isSynchronized` of rootDSE, which is TRUE at the start.
    pub fn set_synchronized(&self, is_synchronized: bool) {
        self.shared
            .is_synchronized
            .store(is_synchronized, Ordering::Relaxed);
    }

    /// Changes who may bind; who is bound keeps the rights of the account in the same place of the list.
    pub fn set_accounts(&self, accounts: Vec<Account>) {
        *self.shared.accounts.lock().unwrap() = accounts;
    }

    /// Cuts all connections that stand now; new ones are served.
    pub fn cut_connections(&self) {
        std::mem::take(&mut *self.shared.cut.lock().unwrap()).cancel();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
