//! The conversation with one client: binds, searches and their pages, extended operations, faults.

mod dirsync;
mod pages;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite};

use super::account;
use super::ber::{ENUMERATED, INTEGER, OCTETS, SEQUENCE, Writer};
use super::connection::{Connection, End};
use super::faults::{Action, On, Twist};
use super::message::{self, Operation, Outcome, Request, Scope, Search, code};
use super::statistics::Statistics;
use super::{Shared, root_dse};
use pages::Paused;

const BIND_RESPONSE: u8 = 0x61;
const SEARCH_DONE: u8 = 0x65;
const EXTENDED_RESPONSE: u8 = 0x78;

/// What the client did to end the conversation in an orderly way.
pub(super) enum Next {
    /// It asked for TLS.
    StartTls,
    /// It left.
    Leave,
}

/// State of one conversation.
pub(super) struct Session {
    shared: Arc<Shared>,
    encrypted: bool,
    /// The account, once bound; its index in the options.
    account: Option<usize>,
    cursors: BTreeMap<Vec<u8>, Paused>,
}

/// What faults make of one search request.
#[derive(Default)]
struct Spoiled {
    stop: Option<(usize, Option<Outcome>)>,
    endless: bool,
    empty: bool,
    repeat: bool,
    flood: Option<usize>,
    twist: Option<Twist>,
    root_dse: Option<(&'static str, Option<&'static str>)>,
}

impl Session {
    pub(super) const fn new(shared: Arc<Shared>, encrypted: bool) -> Self {
        Self {
            shared,
            encrypted,
            account: None,
            cursors: BTreeMap::new(),
        }
    }

    /// Serves requests until the client leaves or asks for TLS.
    pub(super) async fn serve<S>(&mut self, connection: &mut Connection<S>) -> Result<Next, End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let request = connection.request().await?;
            Statistics::add(&self.shared.statistics.operations, 1);
            let (on, text) = match &request.operation {
                Operation::Unbind => return Ok(Next::Leave),
                Operation::Abandon(_) => continue,
                Operation::Bind { name, .. } => (On::Bind, name.clone()),
                Operation::Search(search) if is_root_dse(search) => (On::RootDse, search.filter.to_string()),
                Operation::Search(search) if request.control(message::DIRSYNC).is_some() => {
                    (On::Search, format!("dirsync {}", search.filter))
                }
                Operation::Search(search) => (On::Search, search.filter.to_string()),
                Operation::Extended(_) | Operation::Unserved(_) => (On::Extended, String::new()),
            };
            let mut spoiled = Spoiled::default();
            if !self.spoil(connection, &request, on, &text, &mut spoiled).await? {
                continue;
            }
            if let Some(next) = self.answer(connection, request, spoiled).await? {
                return Ok(next);
            }
        }
    }

    /// Lets the faults that are due happen. Gives whether the request is still to be answered.
    async fn spoil<S>(
        &self,
        connection: &mut Connection<S>,
        request: &Request,
        on: On,
        text: &str,
        spoiled: &mut Spoiled,
    ) -> Result<bool, End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let tag = match on {
            On::Bind => BIND_RESPONSE,
            On::Search | On::RootDse => SEARCH_DONE,
            On::Extended | On::Connect => EXTENDED_RESPONSE,
        };
        for action in self.shared.faults.due(on, text) {
            match action {
                Action::Cut => return Err(End::Cut),
                Action::CutAfterBytes(bytes) => connection.cut_after(bytes),
                Action::CutAfterEntries(entries) => spoiled.stop = Some((entries, None)),
                Action::AnswerAfterEntries(entries, outcome) => spoiled.stop = Some((entries, Some(outcome))),
                Action::Answer(outcome) => {
                    self.reply(connection, &outcome, request.id, tag, None, None)
                        .await?;
                    return Ok(false);
                }
                Action::Raw(bytes) => {
                    connection.send(&bytes).await?;
                    return Ok(false);
                }
                Action::TruncatedBer => {
                    connection.send(&truncated(request.id)).await?;
                    return Ok(false);
                }
                Action::Delay(time) => tokio::time::sleep(time).await,
                Action::Silence => return Ok(false),
                Action::Drip => connection.drip(),
                Action::EndlessPages => spoiled.endless = true,
                Action::EmptyPages => (spoiled.endless, spoiled.empty) = (true, true),
                Action::RepeatCookie => spoiled.repeat = true,
                Action::Flood(entries) => spoiled.flood = Some(entries),
                Action::Twist(twist) => spoiled.twist = Some(twist),
                Action::RootDse(name, value) => spoiled.root_dse = Some((name, value)),
                Action::Notice(code) => {
                    let notice = Outcome::error(code, "The server is going away\0");
                    self.reply(
                        connection,
                        &notice,
                        0,
                        EXTENDED_RESPONSE,
                        None,
                        Some(message::DISCONNECTION),
                    )
                    .await?;
                    return Err(End::Cut);
                }
                Action::Run(run) => run(),
            }
        }
        Ok(true)
    }

    async fn answer<S>(
        &mut self,
        connection: &mut Connection<S>,
        request: Request,
        spoiled: Spoiled,
    ) -> Result<Option<Next>, End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let id = request.id;
        match &request.operation {
            Operation::Bind { name, password } => {
                Statistics::add(&self.shared.statistics.binds, 1);
                let outcome = self.bind(name, password.as_deref());
                self.reply(connection, &outcome, id, BIND_RESPONSE, None, None)
                    .await?;
            }
            Operation::Search(_) => {
                let Operation::Search(search) = request.operation.clone() else {
                    return Ok(None);
                };
                if request.control(message::DIRSYNC).is_some() {
                    self.changes(connection, &request, &search, spoiled).await?;
                } else {
                    self.search(connection, &request, &search, spoiled).await?;
                }
            }
            Operation::Extended(name) if name == message::START_TLS => {
                let possible = self.shared.can_start_tls && !self.encrypted;
                let outcome = if possible {
                    Outcome::success()
                } else {
                    Outcome::error(
                        code::UNAVAILABLE,
                        "00000000: LdapErr: DSID-0C090E17, comment: Error initializing SSL/TLS, data 0, v4563\0",
                    )
                };
                self.reply(
                    connection,
                    &outcome,
                    id,
                    EXTENDED_RESPONSE,
                    None,
                    Some(message::START_TLS),
                )
                .await?;
                return Ok(possible.then_some(Next::StartTls));
            }
            Operation::Extended(name) if name == message::WHO_AM_I => self.who_am_i(connection, id).await?,
            Operation::Extended(_) => {
                let outcome = Outcome::error(
                    code::PROTOCOL_ERROR,
                    "0000203D: LdapErr: DSID-0C090C7D, comment: Unknown extended request OID, data 0, v4563\0",
                );
                self.reply(connection, &outcome, id, EXTENDED_RESPONSE, None, None)
                    .await?;
            }
            Operation::Unserved(tag) => {
                let outcome =
                    Outcome::error(code::UNWILLING_TO_PERFORM, "the simulator is read-only over LDAP");
                self.reply(connection, &outcome, id, *tag, None, None).await?;
            }
            Operation::Unbind | Operation::Abandon(_) => {}
        }
        Ok(None)
    }

    fn bind(&mut self, name: &str, password: Option<&[u8]>) -> Outcome {
        self.account = None;
        let Some(password) = password else {
            return Outcome::error(
                code::AUTH_METHOD_NOT_SUPPORTED,
                "the simulator serves simple binds only",
            );
        };
        if password.is_empty() {
            return Outcome::success();
        }
        if self.shared.require_signing && !self.encrypted {
            let message = "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity \
                           checking if SSL\\TLS are not already active on the connection, data 0, v4563\0";
            return Outcome::error(code::STRONGER_AUTH_REQUIRED, message);
        }
        let domain = self.shared.directory.domain();
        let accounts = self.shared.accounts.lock().unwrap();
        match account::authenticate(&accounts, &domain, name, password) {
            Ok(account) => {
                self.account = accounts.iter().position(|other| other.name == account.name);
                Outcome::success()
            }
            Err(outcome) => outcome,
        }
    }

    async fn who_am_i<S>(&self, connection: &mut Connection<S>, id: i64) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let netbios = self.shared.directory.domain().netbios;
        let name = {
            let accounts = self.shared.accounts.lock().unwrap();
            self.account
                .and_then(|at| accounts.get(at))
                .map(|account| format!("u:{netbios}\\{}", account.name))
        };
        let mut out = Writer::default();
        let message = out.open(SEQUENCE);
        out.integer(INTEGER, id);
        let response = out.open(EXTENDED_RESPONSE);
        out.integer(ENUMERATED, code::SUCCESS);
        out.octets(OCTETS, b"");
        out.octets(OCTETS, b"");
        out.octets(0x8B, name.unwrap_or_default().as_bytes());
        out.close(response);
        out.close(message);
        self.send(connection, &out).await
    }

    async fn reply<S>(
        &self,
        connection: &mut Connection<S>,
        outcome: &Outcome,
        id: i64,
        tag: u8,
        cookie: Option<&[u8]>,
        name: Option<&str>,
    ) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut out = Writer::default();
        outcome.write(&mut out, id, tag, cookie, name);
        self.send(connection, &out).await
    }

    async fn send<S>(&self, connection: &mut Connection<S>, out: &Writer) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        Statistics::add(&self.shared.statistics.bytes, out.len());
        connection.send(out.bytes()).await
    }

    /// From now on the connection is encrypted; who was bound before is forgotten.
    pub(super) fn encrypted(&mut self) {
        self.encrypted = true;
        self.account = None;
    }
}

impl Shared {
    fn write_root_dse(
        &self,
        search: &Search,
        id: i64,
        replaced: Option<(&'static str, Option<&'static str>)>,
        out: &mut Writer,
    ) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let domain = self.directory.domain();
        let last = self.directory.last_sequence();
        let controller = self.controller.read().unwrap();
        let facts = root_dse::Facts {
            domain: &domain,
            controller: &controller,
            last_sequence: last,
            now: i64::try_from(now).unwrap_or(i64::MAX),
            is_synchronized: self.is_synchronized.load(Ordering::Relaxed),
            tells_cost: self.stats.is_offered(),
            replaced,
            extended_names: self.extended_names,
            is_read_only: self
                .netlogon
                .as_ref()
                .is_some_and(|netlogon| netlogon.is_read_only),
        };
        root_dse::write(search, &facts, id, |out| self.write_netlogon(search, out), out);
    }
}

fn is_root_dse(search: &Search) -> bool {
    search.base.is_empty() && search.scope == Scope::Base
}

/// A frame of the right length whose inner element claims more bytes than the frame has.
fn truncated(id: i64) -> Vec<u8> {
    let mut out = Writer::default();
    let message = out.open(SEQUENCE);
    out.integer(INTEGER, id);
    out.raw(&[0x64, 0x84, 0x00, 0x00, 0x10, 0x00, OCTETS, 0x20, b'C', b'N', b'=']);
    out.close(message);
    out.take()
}
