//! Finding and encoding entries: a cursor goes through the candidates of a search and writes those that match straight to
//! bytes. It can be kept between two pages, as it holds no lock and no object.
//!
//! Candidates come from the narrowest index: one object for a base, a GUID, a SID or a name; the sequence of changes for a
//! range of `uSNChanged`; everything otherwise. In the sequence an object that changes between two pages moves to the end,
//! as it does on a domain controller.

use super::ber::{self, OCTETS, SEQUENCE, SET, Writer};
use super::directory::{State, View};
use super::extended_dn;
use super::faults::Twist;
use super::filter::{Filter, Source};
use super::message::{Outcome, Scope, Search, code};
use super::schema::{Attribute, Known, Syntax, Values};

/// How many candidates are looked at under one lock.
const STRIDE: usize = 2048;

/// What the serving controller adds to a search.
#[derive(Debug, Clone, Copy)]
pub struct Serving<'a> {
    /// Added to the sequence to give the controller's USN.
    pub usn_offset: i64,
    /// The most values of an attribute in one answer (`MaxValRange`).
    pub max_values: usize,
    /// Names come with GUIDs and SIDs.
    pub extended: bool,
    /// What a fault does to the entries.
    pub twist: Option<&'a Twist>,
}

/// A search under way.
#[derive(Debug, Clone)]
pub struct Cursor {
    base: u32,
    scope: Scope,
    filter: Filter,
    selection: Selection,
    types_only: bool,
    shown: Shown,
    plan: Plan,
    start: Plan,
    visited: u64,
}

/// Where candidates come from; each holds the next one.
#[derive(Debug, Clone)]
enum Plan {
    /// All objects by number.
    Every(u32),
    /// All objects whose last change lies between two numbers, both included.
    Sequence(u64, u64),
    /// One object.
    One(Option<u32>),
}

/// Which attributes are wanted.
#[derive(Debug, Clone)]
enum Selection {
    All,
    These(Vec<Wanted>),
}

/// One attribute, with the range of values asked for.
#[derive(Debug, Clone)]
struct Wanted {
    attribute: Attribute,
    range: Option<(usize, Option<usize>)>,
}

/// Objects that a search may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Objects that are not deleted.
    Living,
    /// Deleted ones too, as long as the recycle bin holds them.
    Deleted,
    /// All.
    Recycled,
}

impl Shown {
    fn includes(self, state: &State, id: u32, view: &View<'_>) -> bool {
        match self {
            Self::Living => !view.is_deleted(),
            Self::Deleted => !state.recycled.contains(&id),
            Self::Recycled => true,
        }
    }
}

impl Cursor {
    /// A cursor at the first candidate of `search`.
    ///
    /// # Errors
    /// The outcome to answer with, when the base does not exist or is not visible.
    pub(super) fn new(
        state: &State,
        search: &Search,
        shown: Shown,
        usn_offset: i64,
    ) -> Result<Self, Outcome> {
        let base = state
            .resolve(&search.base)
            .map_err(|nearest| no_such_object(&state.domain.dn, nearest))?;
        let gone = state
            .view(base, 0)
            .is_none_or(|view| !shown.includes(state, base, &view));
        if gone || state.is_hidden(base) {
            return Err(no_such_object(&state.domain.dn, String::new()));
        }
        let filter = search.filter.clone().prepared(&state.domain.schema());
        let plan = Plan::narrowest(state, search.scope, base, &filter, usn_offset);
        Ok(Self {
            base,
            scope: search.scope,
            filter,
            selection: Selection::of(&search.attributes),
            types_only: search.types_only,
            shown,
            start: plan.clone(),
            plan,
            visited: 0,
        })
    }

    /// How many candidates were looked at.
    #[must_use]
    pub(super) const fn visited(&self) -> u64 {
        self.visited
    }

    /// The name that a controller would give to the index that leads to the candidates.
    #[must_use]
    pub(super) const fn index(&self) -> &'static str {
        match self.start {
            Plan::Every(_) => "Ancestors_index",
            Plan::Sequence(..) => "idx_uSNChanged",
            Plan::One(_) => "DNT_index",
        }
    }

    /// The filter as text.
    #[must_use]
    pub(super) fn filter(&self) -> String {
        self.filter.to_string()
    }

    /// Whether the search begins at the head of the domain and goes below: it gets continuation references.
    #[must_use]
    pub fn is_from_domain_root(&self) -> bool {
        self.base == 0 && self.scope != Scope::Base
    }

    /// Whether every candidate was looked at.
    #[must_use]
    pub(super) fn is_finished(&self, state: &State) -> bool {
        match self.plan {
            Plan::Every(next) => next >= state.next_id(),
            Plan::Sequence(next, last) => next > last || next > state.last_sequence(),
            Plan::One(id) => id.is_none(),
        }
    }

    /// Back to the first candidate.
    pub fn rewind(&mut self) {
        self.plan = self.start.clone();
    }

    /// Looks at the next candidates, a few thousand at most, and writes those that match, `room` at most. Gives how many
    /// were written; more may follow unless [`Cursor::is_finished`].
    ///
    /// # Errors
    /// The outcome that ends the search, when a range of values begins beyond the last one.
    pub(super) fn advance(
        &mut self,
        state: &State,
        serving: Serving<'_>,
        message_id: i64,
        room: usize,
        out: &mut Writer,
    ) -> Result<usize, Outcome> {
        let mut values = Values::default();
        let mut dn = Vec::new();
        let mut written = 0;
        for _ in 0..STRIDE {
            if written >= room {
                break;
            }
            let Some(id) = self.plan.next(state) else {
                // A range that ends before the last change may hold nothing: it is finished all the same.
                self.plan = Plan::One(None);
                break;
            };
            self.visited += 1;
            let Some(view) = state.view(id, serving.usn_offset) else {
                continue;
            };
            if !self.is_wanted(state, id, &view, &mut values) {
                continue;
            }
            dn.clear();
            extended_dn::write_name(state, id, serving.extended, &mut dn);
            let message = out.open(SEQUENCE);
            out.integer(ber::INTEGER, message_id);
            let entry = out.open(0x64);
            out.octets(OCTETS, &dn);
            let attributes = out.open(SEQUENCE);
            self.write_attributes(state, &view, serving, &mut values, out)?;
            out.close(attributes);
            out.close(entry);
            out.close(message);
            written += 1;
        }
        Ok(written)
    }

    fn is_wanted(&self, state: &State, id: u32, view: &View<'_>, values: &mut Values) -> bool {
        self.shown.includes(state, id, view)
            && self.filter.matches(view, values)
            && match self.scope {
                Scope::Base => true,
                Scope::OneLevel => state.parent(id) == Some(self.base),
                Scope::Subtree => state.is_within(id, self.base),
            }
            && !state.is_hidden(id)
    }

    fn write_attributes(
        &self,
        state: &State,
        view: &View<'_>,
        serving: Serving<'_>,
        values: &mut Values,
        out: &mut Writer,
    ) -> Result<(), Outcome> {
        let mut named = Values::default();
        let mut write = |attribute: &Attribute, range: Option<(usize, Option<usize>)>| {
            values.clear();
            let twisted = serving
                .twist
                .and_then(|twist| twist.replaced(attribute))
                .is_some();
            if !twisted && *attribute == Attribute::Known(Known::Member) {
                // A large group is asked for part by part: of each only what is written is computed.
                let members = view.members();
                let (low, _) = range.unwrap_or((0, None));
                let part = members.iter().skip(low).take(serving.max_values);
                named.clear();
                part.for_each(|&member| {
                    named.push_with(|bytes| extended_dn::write_name(state, member, serving.extended, bytes));
                });
                let held = Held {
                    values: &named,
                    low,
                    of: members.len(),
                };
                return write_attribute(
                    attribute.name(),
                    &held,
                    range,
                    serving.max_values,
                    self.types_only,
                    out,
                );
            }
            match serving.twist.and_then(|twist| twist.replaced(attribute)) {
                Some(wrong) => values.push(wrong),
                None => view.values(attribute, values),
            }
            let mut values = &*values;
            if !twisted && attribute.syntax() == Syntax::Name {
                named.clear();
                extended_dn::write_values(state, values, serving.extended, &mut named);
                values = &named;
            }
            let held = Held {
                of: values.len(),
                low: 0,
                values,
            };
            write_attribute(
                attribute.name(),
                &held,
                range,
                serving.max_values,
                self.types_only,
                out,
            )
        };
        match &self.selection {
            Selection::All => view
                .names()
                .iter()
                .try_for_each(|attribute| write(attribute, None))?,
            Selection::These(wanted) => wanted
                .iter()
                .try_for_each(|wanted| write(&wanted.attribute, wanted.range))?,
        }
        if let Some(twist) = serving.twist {
            let asked = match &self.selection {
                Selection::All => None,
                Selection::These(wanted) => wanted.iter().find_map(|wanted| wanted.range),
            };
            twist.write_extra(asked.map(|(from, _)| from), self.scope == Scope::Base, out);
        }
        Ok(())
    }
}

impl Plan {
    fn narrowest(state: &State, scope: Scope, base: u32, filter: &Filter, usn_offset: i64) -> Self {
        if scope == Scope::Base {
            return Self::One(Some(base));
        }
        if let Some(guid) = filter.wanted(Known::ObjectGuid) {
            return Self::One(state.by_guid(guid));
        }
        if let Some(sid) = filter.wanted(Known::ObjectSid) {
            return Self::One(state.by_sid(sid));
        }
        if let Some(name) = filter.wanted(Known::DistinguishedName) {
            return Self::One(
                std::str::from_utf8(name)
                    .ok()
                    .and_then(|name| state.resolve(name).ok()),
            );
        }
        match filter.bounds(Known::UsnChanged) {
            (None, None) => Self::Every(0),
            (low, high) => {
                let sequence = |usn: i64| u64::try_from(usn.saturating_sub(usn_offset)).unwrap_or(0);
                Self::Sequence(low.map_or(0, sequence), high.map_or(u64::MAX, sequence))
            }
        }
    }

    fn next(&mut self, state: &State) -> Option<u32> {
        match self {
            Self::One(id) => id.take(),
            Self::Every(next) => {
                let id = *next;
                *next += 1;
                (id < state.next_id()).then_some(id)
            }
            Self::Sequence(next, last) => {
                let found = in_sequence(state, *next, *last);
                // Nothing is left up to `last`: without this step the search would never count as finished.
                *next = found.map_or(last.saturating_add(1), |(_, following)| following);
                found.map(|(id, _)| id)
            }
        }
    }
}

/// The first object whose last change is `next` or later, up to `last`, and the number after it.
pub(super) fn in_sequence(state: &State, mut next: u64, last: u64) -> Option<(u32, u64)> {
    let computed = state.synthetic_sequences();
    while next <= last {
        if computed.contains(&next) {
            let id = state
                .untouched_at(next)
                .or_else(|| state.by_sequence.get(&next).copied());
            match id {
                Some(id) => return Some((id, next + 1)),
                None => next += 1,
            }
            continue;
        }
        let stored = state
            .by_sequence
            .range(next..=last)
            .next()
            .map(|(&sequence, &id)| (id, sequence));
        if next < computed.start && stored.is_none_or(|(_, sequence)| sequence >= computed.start) {
            next = computed.start;
            continue;
        }
        return stored.map(|(id, sequence)| (id, sequence + 1));
    }
    None
}

impl Selection {
    fn of(names: &[String]) -> Self {
        if names.is_empty() || names.iter().any(|name| name == "*") {
            return Self::All;
        }
        // "1.1" asks for no attribute (RFC 4511 section 4.5.1.8); as it is the name of none, nothing special is needed.
        Self::These(names.iter().map(|name| Wanted::named(name)).collect())
    }
}

impl Wanted {
    fn named(name: &str) -> Self {
        let mut options = name.split(';');
        let attribute = Attribute::named(options.next().unwrap_or_default());
        let range = options.find_map(|option| {
            let bounds = option.get(..6).filter(|key| key.eq_ignore_ascii_case("range="))?;
            let (low, high) = option[bounds.len()..].split_once('-')?;
            Some((
                low.parse().ok()?,
                if high == "*" {
                    None
                } else {
                    Some(high.parse().ok()?)
                },
            ))
        });
        Self { attribute, range }
    }
}

/// Values of an attribute that has so many: those from `low` on, at least as many as one answer may hold.
struct Held<'v> {
    values: &'v Values,
    low: usize,
    of: usize,
}

/// Writes one attribute, in ranges when it has more values than one answer may hold (MS-ADTS 3.1.1.3.1.3.3): then it also
/// stands there without values under its plain name.
fn write_attribute(
    name: &str,
    held: &Held<'_>,
    range: Option<(usize, Option<usize>)>,
    max_values: usize,
    types_only: bool,
    out: &mut Writer,
) -> Result<(), Outcome> {
    let count = held.of;
    if count == 0 {
        return Ok(());
    }
    if range.is_none() && count <= max_values {
        write_values(name, held.values.iter(), types_only, out);
        return Ok(());
    }
    let (low, high) = range.unwrap_or((0, None));
    if low >= count {
        let message = "00002121: DSID-03080A1C, problem 0 (CANT_RETRIEVE_ATTS), data 0";
        return Err(Outcome::error(code::OPERATIONS_ERROR, message));
    }
    let most = low.saturating_add(max_values - 1);
    let end = high.unwrap_or(usize::MAX).min(most).min(count - 1).max(low);
    if range.is_none() {
        write_values(name, std::iter::empty(), types_only, out);
    }
    let last = if end == count - 1 {
        "*".to_owned()
    } else {
        end.to_string()
    };
    let part = held.values.iter().skip(low - held.low).take(end - low + 1);
    write_values(&format!("{name};range={low}-{last}"), part, types_only, out);
    Ok(())
}

/// Writes a PartialAttribute.
pub fn write_values<'v>(
    name: &str,
    values: impl Iterator<Item = &'v [u8]>,
    types_only: bool,
    out: &mut Writer,
) {
    let attribute = out.open(SEQUENCE);
    out.octets(OCTETS, name.as_bytes());
    let set = out.open(SET);
    if !types_only {
        values.for_each(|value| out.octets(OCTETS, value));
    }
    out.close(set);
    out.close(attribute);
}

fn no_such_object(domain_dn: &str, nearest: String) -> Outcome {
    let matched = if nearest.is_empty() {
        domain_dn.to_owned()
    } else {
        nearest
    };
    let message = format!(
        "0000208D: NameErr: DSID-0310028C, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'{matched}'\n\0"
    );
    Outcome {
        code: code::NO_SUCH_OBJECT,
        matched,
        message,
    }
}
