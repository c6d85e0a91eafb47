//! Searches with the DirSync control (MS-ADTS 3.1.1.3.4.1.3).
//!
//! An entry shows objectGUID, and objectClass where all of it is new: a controller shows what changed besides, which no client may
//! need. A cookie names the last change that it covers, so every controller of the directory takes it.

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::ber::{self, INTEGER, OCTETS, Reader, SEQUENCE, Writer};
use super::super::connection::{Connection, End};
use super::super::directory::State;
use super::super::message::{self, Outcome, Request, Search, code};
use super::super::schema::{Attribute, Known, Values};
use super::super::search::{in_sequence, write_values};
use super::super::statistics::Statistics;
use super::{Session, Spoiled};

/// LDAP_DIRSYNC_OBJECT_SECURITY.
const OBJECT_SECURITY: i64 = 1;

/// Entries of one answer.
const ENTRIES: usize = 40;

/// Objects that are looked at for one answer.
const EXAMINED: usize = 4_000;

const MARK: &[u8] = b"changes up to ";

/// What a request asks for.
struct Asked {
    since: u64,
    sees_deleted: bool,
}

/// What an answer holds.
struct Given {
    entries: usize,
    reached: u64,
    more: bool,
}

impl Session {
    pub(super) async fn changes<S>(
        &mut self,
        connection: &mut Connection<S>,
        request: &Request,
        search: &Search,
        spoiled: Spoiled,
    ) -> Result<(), End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let id = request.id;
        Statistics::add(&self.shared.statistics.pages, 1);
        self.shared.statistics.saw(search, &request.controls);
        let mut out = Writer::default();
        let asked = match self.asked(request, search) {
            Ok(asked) => asked,
            Err(outcome) => {
                outcome.write(&mut out, id, super::SEARCH_DONE, None, None);
                return self.send(connection, &out).await;
            }
        };
        let room = spoiled.stop.as_ref().map_or(ENTRIES, |(entries, _)| *entries);
        let mut given = if spoiled.endless || spoiled.repeat {
            Given {
                entries: 0,
                reached: asked.since + u64::from(spoiled.endless),
                more: true,
            }
        } else {
            let state = self.shared.directory.read();
            write_changes(&state, search, &asked, room, id, &mut out)
        };
        Statistics::add(&self.shared.statistics.entries, given.entries);
        if let Some((_, ending)) = spoiled.stop {
            if let Some(outcome) = &ending {
                outcome.write(&mut out, id, super::SEARCH_DONE, None, None);
            }
            self.send(connection, &out).await?;
            return if ending.is_some() { Ok(()) } else { Err(End::Cut) };
        }
        given.more |= spoiled.repeat;
        let cookie = [MARK, &given.reached.to_be_bytes()].concat();
        Outcome::success().write_changes(&mut out, id, given.more, &cookie);
        self.send(connection, &out).await
    }

    fn asked(&self, request: &Request, search: &Search) -> Result<Asked, Outcome> {
        let refused = |code, message: &str| Outcome::error(code, message);
        let sees_deleted = {
            let accounts = self.shared.accounts.lock().unwrap();
            self.account
                .and_then(|at| accounts.get(at))
                .map(|account| account.reads_deleted)
        };
        let Some(sees_deleted) = sees_deleted else {
            return Err(refused(
                code::OPERATIONS_ERROR,
                "a successful bind must be completed",
            ));
        };
        let control = request.control(message::DIRSYNC);
        let Some((flags, cookie)) = control.filter(|control| control.critical).and_then(|control| {
            let mut value = Reader::new(Reader::new(&control.value).expect(SEQUENCE).ok()?);
            let flags = value.integer(INTEGER).ok()?;
            value.integer(INTEGER).ok()?;
            Some((flags, value.expect(OCTETS).ok()?))
        }) else {
            return Err(refused(
                code::PROTOCOL_ERROR,
                "the control is misshapen, or not critical",
            ));
        };
        if flags & OBJECT_SECURITY == 0 && !sees_deleted {
            return Err(refused(
                code::INSUFFICIENT_ACCESS_RIGHTS,
                "no right to replicate changes",
            ));
        }
        if self.shared.directory.read().resolve(&search.base) != Ok(0) {
            return Err(refused(
                code::UNWILLING_TO_PERFORM,
                "the base is no naming context",
            ));
        }
        let since = match cookie.strip_prefix(MARK) {
            None if cookie.is_empty() => Some(0),
            Some(number) => number.try_into().ok().map(u64::from_be_bytes),
            None => None,
        };
        let since =
            since.ok_or_else(|| refused(code::UNWILLING_TO_PERFORM, "the cookie is of somebody else"))?;
        Ok(Asked { since, sees_deleted })
    }
}

fn write_changes(
    state: &State,
    search: &Search,
    asked: &Asked,
    room: usize,
    id: i64,
    out: &mut Writer,
) -> Given {
    let last = state.last_sequence();
    let filter = search.filter.clone().prepared(&state.domain.schema());
    let mut values = Values::default();
    let (mut entries, mut examined, mut next) = (0, 0, asked.since + 1);
    while let Some((object, following)) = in_sequence(state, next, last) {
        if entries >= room || examined >= EXAMINED {
            return Given {
                entries,
                reached: next - 1,
                more: true,
            };
        }
        next = following;
        examined += 1;
        let Some(view) = state.view(object, 0) else {
            continue;
        };
        let shown = (asked.sees_deleted || !view.is_deleted())
            && state.is_within(object, 0)
            && !state.is_hidden(object)
            && filter.matches(&view, &mut values);
        if !shown {
            continue;
        }
        entries += 1;
        let mut dn = Vec::new();
        view.dn_into(&mut dn);
        let message = out.open(SEQUENCE);
        out.integer(ber::INTEGER, id);
        let entry = out.open(0x64);
        out.octets(OCTETS, &dn);
        let attributes = out.open(SEQUENCE);
        let mut known = vec![Known::ObjectGuid];
        if view.is_deleted() {
            known.push(Known::IsDeleted);
        }
        if view.created_after(asked.since) {
            known.push(Known::ObjectClass);
        }
        for known in known {
            use super::super::filter::Source;
            let attribute = Attribute::Known(known);
            values.clear();
            view.values(&attribute, &mut values);
            if !values.is_empty() {
                write_values(attribute.name(), values.iter(), search.types_only, out);
            }
        }
        out.close(attributes);
        out.close(entry);
        out.close(message);
    }
    Given {
        entries,
        reached: last.max(asked.since),
        more: false,
    }
}
