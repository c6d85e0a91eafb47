//! Searches with the DirSync control (MS-ADTS 3.1.1.3.4.1.3).
//!
//! An entry shows objectGUID, and objectClass where all of it is new: a controller shows what
//! changed besides, which no client may need. A cookie names the last change that it covers, so
//! every controller of the directory takes it. Where the domain has several replicas, it also holds
//! the up-to-dateness vector of the one that made it: another one gives everything that the vector
//! does not cover.

use tokio::io::{AsyncRead, AsyncWrite};

use super::super::ber::{self, INTEGER, OCTETS, Reader, SEQUENCE, Writer};
use super::super::connection::{Connection, End};
use super::super::directory::{State, Vector};
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

/// Begins a cookie of a directory without other replicas.
const MARK: &[u8] = b"changes up to ";

/// Begins a cookie of a replica.
const REPLICA_MARK: &[u8] = b"replica and vector ";

/// What a request asks for.
struct Asked {
    position: Position,
    sees_deleted: bool,
}

/// Content of a cookie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Position {
    /// Which replica made it.
    replica: Option<u32>,
    /// The last change of that replica that was looked at.
    since: u64,
    /// Changes that the client has got from all replicas.
    vector: Vector,
    /// Only what the vector does not cover is given: the search began with the cookie of another
    /// replica.
    uncovered: bool,
}

impl Position {
    fn decode(cookie: &[u8]) -> Option<Self> {
        if cookie.is_empty() {
            return Some(Self::default());
        }
        if let Some(number) = cookie.strip_prefix(MARK) {
            return Some(Self {
                since: u64::from_be_bytes(number.try_into().ok()?),
                ..Self::default()
            });
        }
        let numbers = cookie.strip_prefix(REPLICA_MARK)?;
        let numbers: Vec<u64> = numbers
            .chunks(8)
            .map(|number| number.try_into().ok().map(u64::from_be_bytes))
            .collect::<Option<_>>()?;
        let [replica, since, uncovered, vector @ ..] = numbers.as_slice() else {
            return None;
        };
        let vector = vector.chunks(2).map(|pair| match pair {
            [replica, known] => Some((u32::try_from(*replica).ok()?, *known)),
            _ => None,
        });
        Some(Self {
            replica: Some(u32::try_from(*replica).ok()?),
            since: *since,
            vector: vector.collect::<Option<_>>()?,
            uncovered: *uncovered != 0,
        })
    }

    fn encode(&self) -> Vec<u8> {
        let Some(replica) = self.replica else {
            return [MARK, &self.since.to_be_bytes()].concat();
        };
        let head = [u64::from(replica), self.since, u64::from(self.uncovered)];
        let vector = self
            .vector
            .iter()
            .flat_map(|(replica, known)| [u64::from(*replica), *known]);
        let numbers = head.into_iter().chain(vector).flat_map(u64::to_be_bytes);
        REPLICA_MARK.iter().copied().chain(numbers).collect()
    }

    /// Where a search on this replica begins that was asked for with the cookie.
    fn on(self, state: &State) -> Self {
        let here = state.replica();
        if self.replica == here {
            return self;
        }
        // A cookie from before there were replicas was made by the first one, which knew of no
        // other change.
        let vector = if self.replica.is_none() && self.since > 0 {
            Vector::from([(1, self.since)])
        } else {
            self.vector
        };
        Self {
            replica: here,
            since: 0,
            uncovered: !vector.is_empty(),
            vector,
        }
    }
}

impl Position {
    /// Where the next search goes on after an answer.
    fn after(self, given: Given) -> Self {
        let (vector, uncovered) = match given.known {
            Some(known) => (known, false),
            None => (self.vector, self.uncovered),
        };
        Self {
            since: given.reached,
            vector,
            uncovered,
            ..self
        }
    }
}

/// What an answer holds.
struct Given {
    entries: usize,
    reached: u64,
    more: bool,
    /// Changes of all others that the replica knew when everything was given.
    known: Option<Vector>,
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
                reached: asked.position.since + u64::from(spoiled.endless),
                more: true,
                known: None,
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
        let more = given.more;
        let cookie = asked.position.after(given).encode();
        Outcome::success().write_changes(&mut out, id, more, &cookie);
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
        let position = Position::decode(cookie)
            .ok_or_else(|| refused(code::UNWILLING_TO_PERFORM, "the cookie is of somebody else"))?;
        Ok(Asked {
            position: position.on(&self.shared.directory.read()),
            sees_deleted,
        })
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
    let (position, last) = (&asked.position, state.last_sequence());
    let filter = search.filter.clone().prepared(&state.domain.schema());
    let mut values = Values::default();
    let (mut entries, mut examined, mut next) = (0, 0, asked.position.since + 1);
    while let Some((object, following)) = in_sequence(state, next, last) {
        if entries >= room || examined >= EXAMINED {
            return Given {
                entries,
                reached: next - 1,
                more: true,
                known: None,
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
            && !(position.uncovered && state.is_covered(object, &position.vector))
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
        let is_new = if position.uncovered {
            !state.is_creation_covered(object, &position.vector)
        } else {
            view.created_after(position.since)
        };
        if is_new {
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
        reached: last.max(position.since),
        more: false,
        known: state.known(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::directory::{Directory, ObjectId};
    use super::super::super::filter::Filter;
    use super::super::super::message::Scope;
    use super::super::super::people::People;
    use super::*;

    /// Everything that a search gives which goes on from a cookie, and the next cookie.
    fn changes(directory: &Directory, cookie: &[u8]) -> (usize, Vec<u8>) {
        let state = directory.read();
        let search = Search {
            base: "DC=corp,DC=example".to_owned(),
            scope: Scope::Subtree,
            size_limit: 0,
            types_only: false,
            filter: Filter::parse("(objectClass=user)").unwrap(),
            attributes: Vec::new(),
        };
        let mut asked = Asked {
            position: Position::decode(cookie).unwrap().on(&state),
            sees_deleted: true,
        };
        let mut entries = 0;
        loop {
            let given = write_changes(&state, &search, &asked, 2, 1, &mut Writer::default());
            entries += given.entries;
            let more = given.more;
            asked.position = asked.position.after(given);
            let cookie = asked.position.encode();
            assert_eq!(Position::decode(&cookie), Some(asked.position.clone()));
            if !more {
                return (entries, cookie);
            }
            asked.position = Position::decode(&cookie).unwrap().on(&state);
        }
    }

    #[test]
    fn the_cookie_of_one_replica_gives_on_another_what_its_vector_does_not_cover() {
        let first = Directory::new("corp.example", People::NONE);
        let create = |directory: &Directory, name: &str| -> ObjectId {
            directory.create_user("CN=Users,DC=corp,DC=example", name, &[])
        };
        let users = ["A", "B", "C", "D", "E"].map(|name| create(&first, name));
        let second = first.replica();
        let (all, of_first) = changes(&first, b"");
        assert_eq!(all, 5);
        assert_eq!(changes(&second, &of_first).0, 0, "both have the same");
        for user in &users[..3] {
            second.touch(*user);
        }
        assert_eq!(changes(&first, &of_first).0, 0);
        let (given, of_second) = changes(&second, &of_first);
        assert_eq!(given, 3);
        assert_eq!(changes(&second, &of_second).0, 0);
        // What came by itself is given again; after a whole replication nothing is.
        second.replicate_object(users[0], &first);
        assert_eq!(changes(&first, &of_first).0, 1);
        let (_, of_first) = changes(&first, &of_first);
        assert_eq!(changes(&second, &of_first).0, 3);
        second.replicate_all(&first);
        assert_eq!(changes(&first, &of_first).0, 2);
        let (_, of_first) = changes(&first, &of_first);
        assert_eq!(changes(&second, &of_first).0, 0);
        create(&first, "F");
        assert_eq!(changes(&first, &of_second).0, 1);
    }
}
