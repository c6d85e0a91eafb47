//! The conversation with one client: binds, searches and their pages, extended operations, faults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncRead, AsyncWrite};

use super::account;
use super::ber::{OCTETS, SEQUENCE, Writer};
use super::connection::{Connection, End};
use super::faults::{Action, On, Twist};
use super::message::{self, DOMAIN_SCOPE, Operation, Outcome, Request, Scope, Search, code};
use super::search::{Cursor, Serving};
use super::statistics::Statistics;
use super::{Shared, root_dse};

const BIND_RESPONSE: u8 = 0x61;
const SEARCH_DONE: u8 = 0x65;
const EXTENDED_RESPONSE: u8 = 0x78;
/// Bytes collected before they are sent.
const BATCH: usize = 64 * 1024;

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

/// A search between two pages.
struct Paused {
    cursor: Cursor,
    endless: bool,
    empty: bool,
}

/// What faults make of one search request.
#[derive(Default)]
struct Spoiled {
    stop: Option<(usize, Option<Outcome>)>,
    endless: bool,
    empty: bool,
    repeat: bool,
    twist: Option<Twist>,
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
                Action::Twist(twist) => spoiled.twist = Some(twist),
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
                self.search(connection, &request, &search, spoiled).await?;
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

    async fn search<S>(
        &mut self,
        connection: &mut Connection<S>,
        request: &Request,
        search: &Search,
        spoiled: Spoiled,
    ) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (id, page) = (request.id, request.page()?);
        if is_root_dse(search) {
            let mut out = Writer::default();
            self.shared.write_root_dse(search, id, &mut out);
            Outcome::success().write(&mut out, id, SEARCH_DONE, None, None);
            return self.send(connection, &out).await;
        }
        Statistics::add(&self.shared.statistics.pages, 1);
        let paused = match self.begin(request, search, page.as_ref().map(|page| page.cookie.as_slice())) {
            Ok(paused) => paused,
            Err(outcome) => {
                let cookie = page.map(|_| [].as_slice());
                return self
                    .reply(connection, &outcome, id, SEARCH_DONE, cookie, None)
                    .await;
            }
        };
        let limit = self.shared.max_page_size.unwrap_or(usize::MAX);
        let asked = page.as_ref().map_or(search.size_limit, |page| page.size);
        let asked = usize::try_from(asked)
            .ok()
            .filter(|&size| size > 0)
            .unwrap_or(usize::MAX);
        let room = asked.min(limit);
        self.page(connection, request, page.is_some(), room, paused, spoiled)
            .await
    }

    /// The search to go on with: a new one, or the one that the cookie names.
    fn begin(
        &mut self,
        request: &Request,
        search: &Search,
        cookie: Option<&[u8]>,
    ) -> Result<Paused, Outcome> {
        if self.account.is_none() {
            let message = "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful \
                           bind must be completed on the connection., data 0, v4563\0";
            return Err(Outcome::error(code::OPERATIONS_ERROR, message));
        }
        let unknown = |control: &&message::Control| {
            control.critical && !message::SUPPORTED_CONTROLS.contains(&control.oid.as_str())
        };
        if request.controls.iter().find(unknown).is_some() {
            let message =
                "00000057: LdapErr: DSID-0C0907FB, comment: Error processing control, data 0, v4563\0";
            return Err(Outcome::error(code::UNAVAILABLE_CRITICAL_EXTENSION, message));
        }
        if let Some(cookie) = cookie.filter(|cookie| !cookie.is_empty()) {
            let message =
                "00000057: LdapErr: DSID-0C09088C, comment: Error processing control, data 0, v4563\0";
            return self
                .cursors
                .remove(cookie)
                .ok_or_else(|| Outcome::error(code::UNWILLING_TO_PERFORM, message));
        }
        self.shared.statistics.saw(search);
        let may_read = {
            let accounts = self.shared.accounts.lock().unwrap();
            self.account
                .and_then(|at| accounts.get(at))
                .is_some_and(|account| account.reads_deleted)
        };
        let asked = [message::SHOW_DELETED, message::SHOW_RECYCLED];
        let show_deleted = may_read && asked.iter().any(|oid| request.control(oid).is_some());
        let usn_offset = self.shared.controller.read().unwrap().usn_offset;
        let cursor = Cursor::new(&self.shared.directory.read(), search, show_deleted, usn_offset)?;
        Ok(Paused {
            cursor,
            endless: false,
            empty: false,
        })
    }

    /// Sends entries up to `room` and how the page ended.
    async fn page<S>(
        &mut self,
        connection: &mut Connection<S>,
        request: &Request,
        paged: bool,
        room: usize,
        mut paused: Paused,
        spoiled: Spoiled,
    ) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let id = request.id;
        let before = paused.cursor.clone();
        paused.endless |= spoiled.endless;
        paused.empty |= spoiled.empty;
        let stop_at = spoiled.stop.as_ref().map_or(usize::MAX, |(entries, _)| *entries);
        let room_now = if paused.empty { 0 } else { room.min(stop_at) };
        let mut out = Writer::default();
        let mut sent = 0;
        let mut finished = false;
        while sent < room_now && !finished {
            let serving = self.shared.serving(spoiled.twist.as_ref());
            let start = out.len();
            let step = {
                let state = self.shared.directory.read();
                let step = paused
                    .cursor
                    .advance(&state, serving, id, room_now - sent, &mut out);
                finished = paused.cursor.is_finished(&state);
                step
            };
            match step {
                Ok(written) => sent += written,
                Err(outcome) => {
                    out.truncate(start);
                    outcome.write(&mut out, id, SEARCH_DONE, None, None);
                    return self.send(connection, &out).await;
                }
            }
            if out.len() >= BATCH {
                self.send(connection, &out).await?;
                out.truncate(0);
            }
            if !finished && connection.is_abandoned(id).await? {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        Statistics::add(&self.shared.statistics.entries, sent);
        if let Some((_, ending)) = spoiled.stop {
            if let Some(outcome) = &ending {
                outcome.write(&mut out, id, SEARCH_DONE, paged.then_some(&[]), None);
            }
            self.send(connection, &out).await?;
            return if ending.is_some() { Ok(()) } else { Err(End::Cut) };
        }
        if paused.endless && finished {
            paused.cursor.rewind();
            finished = false;
        }
        if finished && self.shared.referrals && request.control(DOMAIN_SCOPE).is_none() {
            self.write_referrals(&paused.cursor, id, &mut out);
        }
        let outcome = if finished || paged {
            Outcome::success()
        } else {
            Outcome::error(code::SIZE_LIMIT_EXCEEDED, String::new())
        };
        let cookie = paged.then(|| match (spoiled.repeat, finished) {
            (true, _) => self.keep(
                b"the same cookie!".to_vec(),
                Paused {
                    cursor: before,
                    ..paused
                },
            ),
            (false, true) => Vec::new(),
            (false, false) => self.keep(self.shared.new_cookie(), paused),
        });
        outcome.write(&mut out, id, SEARCH_DONE, cookie.as_deref(), None);
        self.send(connection, &out).await
    }

    fn keep(&mut self, cookie: Vec<u8>, paused: Paused) -> Vec<u8> {
        self.cursors.insert(cookie.clone(), paused);
        cookie
    }

    /// Continuation references to the other naming contexts, as a search from the domain's head gets them.
    fn write_referrals(&self, cursor: &Cursor, id: i64, out: &mut Writer) {
        if !cursor.is_from_domain_root() {
            return;
        }
        let domain = self.shared.directory.domain();
        let (dns, dn) = (&domain.dns, &domain.dn);
        let references = [
            format!("ldap://ForestDnsZones.{dns}/DC=ForestDnsZones,{dn}"),
            format!("ldap://DomainDnsZones.{dns}/DC=DomainDnsZones,{dn}"),
            format!("ldap://{dns}/{}", domain.configuration()),
        ];
        for reference in references {
            let message = out.open(SEQUENCE);
            out.integer(super::ber::INTEGER, id);
            let list = out.open(0x73);
            out.octets(OCTETS, reference.as_bytes());
            out.close(list);
            out.close(message);
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
        out.integer(super::ber::INTEGER, id);
        let response = out.open(EXTENDED_RESPONSE);
        out.integer(super::ber::ENUMERATED, code::SUCCESS);
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
    fn serving<'a>(&self, twist: Option<&'a Twist>) -> Serving<'a> {
        let usn_offset = self.controller.read().unwrap().usn_offset;
        Serving {
            usn_offset,
            max_values: self.max_values,
            twist,
        }
    }

    fn write_root_dse(&self, search: &Search, id: i64, out: &mut Writer) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let domain = self.directory.domain();
        let last = self.directory.last_sequence();
        let controller = self.controller.read().unwrap();
        root_dse::write(
            search,
            &domain,
            &controller,
            last,
            i64::try_from(now).unwrap_or(i64::MAX),
            id,
            out,
        );
    }

    /// Sixteen bytes that no other search of the process gets.
    fn new_cookie(&self) -> Vec<u8> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        [number.wrapping_mul(0x9E37_79B9_7F4A_7C15), number]
            .iter()
            .flat_map(|part| part.to_be_bytes())
            .collect()
    }
}

fn is_root_dse(search: &Search) -> bool {
    search.base.is_empty() && search.scope == Scope::Base
}

/// A frame of the right length whose inner element claims more bytes than the frame has.
fn truncated(id: i64) -> Vec<u8> {
    let mut out = Writer::default();
    let message = out.open(SEQUENCE);
    out.integer(super::ber::INTEGER, id);
    out.raw(&[0x64, 0x84, 0x00, 0x00, 0x10, 0x00, OCTETS, 0x20, b'C', b'N', b'=']);
    out.close(message);
    out.take()
}
