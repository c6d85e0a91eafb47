//! Searches and their pages.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::Shared;
use super::super::ber::{INTEGER, OCTETS, SEQUENCE, Writer};
use super::super::connection::{Connection, End};
use super::super::cost;
use super::super::extended_dn;
use super::super::faults::Twist;
use super::super::message::{self, DOMAIN_SCOPE, Outcome, Request, Search, code};
use super::super::search::{Cursor, Serving, Shown};
use super::super::statistics::Statistics;
use super::{SEARCH_DONE, Session, Spoiled, is_root_dse};

/// Bytes collected before they are sent.
const BATCH: usize = 64 * 1024;

/// A search between two pages.
pub(super) struct Paused {
    cursor: Cursor,
    endless: bool,
    empty: bool,
    repeat: bool,
}

impl Session {
    pub(super) async fn search<S>(
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
            self.shared.write_root_dse(search, id, spoiled.root_dse, &mut out);
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
            let offered = message::SUPPORTED_CONTROLS.contains(&control.oid.as_str())
                && (self.shared.extended_names || control.oid != message::EXTENDED_DN);
            control.critical && !offered
        };
        if request.controls.iter().find(unknown).is_some() {
            let message =
                "00000057: LdapErr: DSID-0C0907FB, comment: Error processing control, data 0, v4563\0";
            return Err(Outcome::error(code::UNAVAILABLE_CRITICAL_EXTENSION, message));
        }
        let extended = request.control(message::EXTENDED_DN);
        if extended.is_some_and(|control| control.value != extended_dn::AS_TEXT) {
            let message =
                "00000057: LdapErr: DSID-0C0907FB, comment: the simulator knows the text form alone\0";
            return Err(Outcome::error(code::PROTOCOL_ERROR, message));
        }
        if self.shared.stats.refuses(request) {
            return Err(Outcome::error(
                code::INSUFFICIENT_ACCESS_RIGHTS,
                "00002098: SecErr: DSID-0C0907FB, problem 4003, data 0\0",
            ));
        }
        if let Some(cookie) = cookie.filter(|cookie| !cookie.is_empty()) {
            let message =
                "00000057: LdapErr: DSID-0C09088C, comment: Error processing control, data 0, v4563\0";
            return self
                .cursors
                .remove(cookie)
                .ok_or_else(|| Outcome::error(code::UNWILLING_TO_PERFORM, message));
        }
        self.shared.statistics.saw(search, &request.controls);
        let may_read = {
            let accounts = self.shared.accounts.lock().unwrap();
            self.account
                .and_then(|at| accounts.get(at))
                .is_some_and(|account| account.reads_deleted)
        };
        let shown = match may_read {
            true if request.control(message::SHOW_RECYCLED).is_some() => Shown::Recycled,
            true if request.control(message::SHOW_DELETED).is_some() => Shown::Deleted,
            _ => Shown::Living,
        };
        let usn_offset = self.shared.controller.read().unwrap().usn_offset;
        let cursor = Cursor::new(&self.shared.directory.read(), search, shown, usn_offset)?;
        Ok(Paused {
            cursor,
            endless: false,
            empty: false,
            repeat: false,
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
        paused.repeat |= spoiled.repeat;
        let stop_at = spoiled.stop.as_ref().map_or(usize::MAX, |(entries, _)| *entries);
        let room = spoiled.flood.unwrap_or(room);
        let room_now = if paused.empty { 0 } else { room.min(stop_at) };
        let mut out = Writer::default();
        let mut sent = 0;
        let mut finished = false;
        while sent < room_now && !finished {
            let mut serving = self.shared.serving(spoiled.twist.as_ref());
            serving.extended = request.control(message::EXTENDED_DN).is_some();
            let start = out.len();
            let step = {
                let state = self.shared.directory.read();
                let step = paused
                    .cursor
                    .advance(&state, serving, id, room_now - sent, &mut out);
                finished = paused.cursor.is_finished(&state);
                if finished && spoiled.flood.is_some() {
                    paused.cursor.rewind();
                    finished = false;
                }
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
        let cost = cost::Page {
            visited: paused.cursor.visited() - before.visited(),
            returned: sent,
            index: paused.cursor.index(),
            filter: paused.cursor.filter(),
        };
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
        let cookie = paged.then(|| match (paused.repeat, finished) {
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
        let mut controls: Vec<_> = cookie.as_deref().map(message::page_control).into_iter().collect();
        controls.extend(self.shared.stats.answer(request, &cost));
        outcome.write_with(&mut out, id, SEARCH_DONE, &controls, None);
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
            out.integer(INTEGER, id);
            let list = out.open(0x73);
            out.octets(OCTETS, reference.as_bytes());
            out.close(list);
            out.close(message);
        }
    }
}

impl Shared {
    fn serving<'a>(&self, twist: Option<&'a Twist>) -> Serving<'a> {
        let usn_offset = self.controller.read().unwrap().usn_offset;
        Serving {
            usn_offset,
            max_values: self.max_values,
            extended: false,
            twist,
        }
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
