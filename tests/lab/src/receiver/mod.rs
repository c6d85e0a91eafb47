//! Plays the Qualys gateway: the three token endpoints and the ingest call, checked strictly, with faults on demand.
//!
//! [`Receiver::start`] listens; [`Receiver::script`] queues [`Answer`]s for the coming ingest requests, after which it
//! answers normally again. What was delivered is asked with [`Receiver::assets`] and [`Receiver::deliveries`]; what was
//! wrong about the form of any request with [`Receiver::violations`], which a test asserts to be empty.

mod answer;
mod form;
mod ledger;
mod pages;
mod server;
mod span;
mod state;
mod tls;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use answer::{Answer, ErrorForm, Rule};
pub use ledger::{Books, Ledger};
pub use span::Span;
pub use state::{Delivery, Request, Summary};
pub use tls::throwaway_certificate;

use state::State;

/// The path of the documented push (docs.qualys.com/en/csam, "Import Third-Party Assets").
pub const INGEST_PATH: &str = "/rest/2.0/am/connector/asset/data/sync";

/// What a receiver accepts and where it listens.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address to bind; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `clientId` that `/auth/oidc` and `/auth/oauth` accept.
    pub client_id: String,
    /// `clientSecret` that goes with it.
    pub client_secret: String,
    /// `username` that `/auth` accepts.
    pub username: String,
    /// `password` that goes with it.
    pub password: String,
    /// How long a token is valid; Qualys says 4 h.
    pub token_life: Duration,
    /// Path of the ingest call.
    pub ingest_path: String,
    /// Larger bodies are answered 413.
    pub max_body: usize,
    /// Batches of more assets are answered 413.
    pub max_assets: usize,
    /// Ingest requests that a window of this length allows; answers announce what remains, more are
    /// answered 429.
    pub rate: Option<(usize, Duration)>,
    /// Keep every delivery with its assets, not just the latest asset of each id. Off for loads of a million.
    pub keep_deliveries: bool,
    /// Certificate chain and private key, PEM; then it speaks TLS with HTTP/2 and HTTP/1.1.
    pub tls: Option<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            client_id: "lab-client".to_owned(),
            client_secret: "lab-client-secret".to_owned(),
            username: "lab-user".to_owned(),
            password: "lab-password & more=100%".to_owned(),
            token_life: Duration::from_secs(4 * 3600),
            ingest_path: INGEST_PATH.to_owned(),
            max_body: 64 << 20,
            max_assets: usize::MAX,
            rate: None,
            keep_deliveries: true,
            tls: None,
        }
    }
}

/// A running receiver; dropping it cuts every connection and frees the port.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    tls: bool,
    shared: Shared,
    stop: CancellationToken,
}

impl Receiver {
    /// Listens and answers until dropped. Panics, as a test does, when the address is taken or the certificate unusable.
    pub async fn start(options: Options) -> Self {
        let stop = CancellationToken::new();
        let tls = options.tls.is_some();
        let shared = Shared::new(options);
        let listener = wire::Listener::bind(&shared.options, &shared.peers, &stop).await;
        let address = listener.address();
        tokio::spawn(server::serve(listener, shared.clone(), stop.clone()));
        Self {
            address,
            tls,
            shared,
            stop,
        }
    }

    /// The gateway's base URL, without a trailing slash.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The latest accepted asset of each `externalAssetId`.
    pub fn assets(&self) -> BTreeMap<String, Value> {
        self.shared.lock().assets.clone()
    }

    /// Every batch of which something was kept, in order of arrival.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.lock().deliveries.clone()
    }

    /// Every ingest request whose body was read, in order of arrival, whatever the answer was.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// The latest accepted asset of one `externalAssetId`.
    pub fn asset(&self, external_id: &str) -> Option<Value> {
        self.shared.lock().assets.get(external_id).cloned()
    }

    /// The deliveries after the first `known` ones.
    pub fn deliveries_after(&self, known: usize) -> Vec<Delivery> {
        self.shared.lock().deliveries[known..].to_vec()
    }

    /// Begin and end of every ingest request since the start or the last [`Receiver::reset`], in
    /// order of arrival; none where deliveries are not kept.
    pub fn spans(&self) -> Vec<Span> {
        self.shared.lock().spans.values().cloned().collect()
    }

    /// How often each `requestId` was seen.
    pub fn request_ids(&self) -> BTreeMap<String, usize> {
        let mut seen = BTreeMap::new();
        for request in &self.shared.lock().requests {
            *seen.entry(request.request_id.clone()).or_default() += 1;
        }
        seen
    }

    /// What was wrong about the form of any request. Empty unless the client has a bug.
    pub fn violations(&self) -> Vec<String> {
        self.shared.lock().violations.clone()
    }

    /// Counts of everything.
    pub fn summary(&self) -> Summary {
        self.shared.lock().summary()
    }

    /// What was counted of every connector since the start. Survives the receiver and its [`Receiver::reset`].
    pub fn books(&self) -> Books {
        Books(Arc::clone(&self.shared.state))
    }

    /// Every token given out so far, so that a test can look for them where they must not be.
    pub fn tokens(&self) -> Vec<String> {
        self.shared.lock().tokens.keys().cloned().collect()
    }

    /// Queues answers for the coming ingest requests; when they are used up, requests are accepted again.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.lock().ingest_script.extend(answers);
    }

    /// Queues answers for the coming token requests.
    pub fn script_tokens(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.lock().token_script.extend(answers);
    }

    /// Drops the queued answers that were not used up: from here on requests are answered normally.
    pub fn clear_scripts(&self) {
        let mut state = self.shared.lock();
        state.ingest_script.clear();
        state.token_script.clear();
    }

    /// From here on answers every request by the rule that finds no scripted answer; `None` ends
    /// that.
    pub fn set_rule(&self, rule: Option<Rule>) {
        self.shared.lock().rule = rule;
    }

    /// Gives this answer to every request that holds one of these assets (`externalAssetId`), from
    /// now on. The body is read whatever the answer is.
    pub fn refuse(&self, external_ids: impl IntoIterator<Item = String>, answer: Answer) {
        let ids: BTreeSet<String> = external_ids.into_iter().collect();
        self.set_rule(Some(Rule::new(move |assets| {
            let is_refused = assets.iter().any(|(id, _)| ids.contains(id));
            is_refused.then(|| answer.clone())
        })));
    }

    /// Gives this answer to every request, from now on.
    pub fn refuse_all(&self, answer: Answer) {
        self.set_rule(Some(Rule::new(move |_| Some(answer.clone()))));
    }

    /// Refuses no request for what it holds any more.
    pub fn refuse_nothing(&self) {
        self.set_rule(None);
    }

    /// Makes every token given out so far worthless.
    pub fn revoke_tokens(&self) {
        self.shared
            .lock()
            .tokens
            .values_mut()
            .for_each(|valid_until| *valid_until = None);
    }

    /// Resolves when `count` ingest requests have arrived since the start or the last [`Receiver::reset`], counted when
    /// their headers were read, whether or not they were answered.
    pub async fn arrived(&self, count: u64) {
        let mut arrivals = self.shared.arrivals.subscribe();
        // The sender lives in `self.shared`, so waiting cannot fail.
        let _ = arrivals.wait_for(|arrived| *arrived >= count).await;
    }

    /// Resolves when `count` token requests have arrived since the start, answered or not.
    pub async fn tokens_asked(&self, count: u64) {
        let mut asked = self.shared.tokens_asked.subscribe();
        // As above.
        let _ = asked.wait_for(|asked| *asked >= count).await;
    }

    /// Resolves when no connection stands any more, and none waits to be accepted: after that nothing arrives from a client
    /// that has ended. It never resolves while a client keeps its connection.
    ///
    /// # Panics
    /// When the receiver cannot be reached.
    pub async fn idle(&self) {
        // Accepted in the order in which they came: once ours stands, all before it did.
        let probe = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let ours = probe.local_addr().unwrap();
        let mut peers = self.shared.peers.subscribe();
        // As above.
        let _ = peers.wait_for(|peers| peers.contains(&ours)).await;
        let _ = peers
            .wait_for(|peers| peers.iter().all(|peer| *peer == ours))
            .await;
    }

    /// Forgets assets, deliveries, requests, violations, counts and scripts. Tokens stay valid, the
    /// books as they are, and what is [refused](Self::refuse) stays refused.
    pub fn reset(&self) {
        self.shared.lock().reset();
        self.shared.arrivals.send_replace(0);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What the handlers share.
#[derive(Debug, Clone)]
struct Shared {
    options: Arc<Options>,
    state: Arc<Mutex<State>>,
    arrivals: Arc<tokio::sync::watch::Sender<u64>>,
    tokens_asked: Arc<tokio::sync::watch::Sender<u64>>,
    peers: wire::Peers,
}

impl Shared {
    fn new(options: Options) -> Self {
        Self {
            options: Arc::new(options),
            state: Arc::default(),
            arrivals: Arc::new(tokio::sync::watch::Sender::new(0)),
            tokens_asked: Arc::new(tokio::sync::watch::Sender::new(0)),
            peers: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
