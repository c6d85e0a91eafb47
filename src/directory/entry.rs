//! One object as the controller sent it: names as written, values as octets, in order.
//!
//! An entry shares the octets that came from the network; nothing is copied but the name. Its shape
//! is checked when it is read, so that its values can be iterated over without a further check.
//! Code that keeps an entry for long copies it ([`Entry::copied`]): an entry holds the octets of
//! its neighbours too, and part of its connection's budget ([`super::entry_channel`]).

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use bytes::Bytes;

use super::ber::{self, BerElements, BerFault, OCTET_STRING, SEQUENCE, SET};
use super::message::readable;
use crate::identity::LinkedName;

/// Reason to reject an object whose name cannot be repeated as it is (R15).
const UNREADABLE_NAME: &str =
    "its distinguished name has octets that are not UTF-8; rename it, or the container that it is in";

/// Longest such name, in octets: its escapes take three times as much.
const MAX_UNREADABLE_NAME: usize = 64 * 1024;

/// One object with the attributes that were asked for and exist.
#[derive(Clone)]
pub struct Entry {
    /// The distinguished name, as the controller writes it; octets that are not UTF-8 as `\xx` (RFC
    /// 4514 section 2.4).
    pub dn: String,
    /// Octets that hold names and values.
    octets: Bytes,
    attributes: Vec<EntryAttribute>,
    /// Attributes that came in parts.
    joined: Vec<JoinedAttribute>,
    unreadable_name: bool,
    incomplete: Option<String>,
    extended_names: bool,
}

/// One attribute of the octets around it: a name, perhaps with options (`member;range=0-1499`), and
/// a row of values.
#[derive(Debug, Clone)]
struct EntryAttribute {
    name: Range<usize>,
    values: Range<usize>,
}

/// An attribute whose parts were put together.
#[derive(Debug, Clone)]
struct JoinedAttribute {
    name: String,
    values: Vec<u8>,
}

/// The values of one attribute, in the order of the controller.
#[derive(Debug, Clone, Copy)]
pub struct AttributeValues<'a>(BerElements<'a>);

impl<'a> AttributeValues<'a> {
    /// Returns the values that a row of octet strings holds.
    pub(super) const fn new(row: &'a [u8]) -> Self {
        Self(BerElements::new(row))
    }

    /// Returns `true` when there is none left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the octets of the row.
    pub(super) const fn row(&self) -> &'a [u8] {
        self.0.rest()
    }
}

impl<'a> Iterator for AttributeValues<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        // Every value was checked when the row was made.
        self.0.next().ok().flatten().map(|(_, value)| value)
    }
}

impl Entry {
    /// Returns an entry of the given parts, for tests and tools.
    #[must_use]
    pub fn new(dn: &str, attributes: Vec<(String, Vec<Vec<u8>>)>) -> Self {
        let rows: Vec<(String, Vec<u8>)> = attributes
            .into_iter()
            .map(|(name, values)| {
                let mut row = Vec::new();
                for value in values {
                    ber::write(&mut row, OCTET_STRING, &value);
                }
                (name, row)
            })
            .collect();
        Self::of_parts(dn, rows.iter().map(|(name, row)| (name.as_str(), row.as_slice())))
    }

    /// Returns an entry with octets of its own: names, each with a row of values.
    fn of_parts<'a>(dn: &str, parts: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut octets = Vec::new();
        let mut attributes = Vec::new();
        for (name, row) in parts {
            let start = octets.len();
            octets.extend_from_slice(name.as_bytes());
            let end = octets.len();
            octets.extend_from_slice(row);
            attributes.push(EntryAttribute {
                name: start..end,
                values: end..octets.len(),
            });
        }
        Self {
            dn: dn.to_owned(),
            octets: octets.into(),
            attributes,
            joined: Vec::new(),
            unreadable_name: false,
            incomplete: None,
            extended_names: false,
        }
    }

    /// Reads the content of a `SearchResultEntry` (RFC 4511 section 4.5.2).
    ///
    /// # Errors
    /// With what is wrong, when a part is missing, of another form, or one too many.
    pub(super) fn read(octets: Bytes) -> Result<Self, BerFault> {
        let mut parts = BerElements::new(&octets);
        let name = LinkedName::of(parts.expect(OCTET_STRING, "an entry without a name")?).dn;
        if name.len() > MAX_UNREADABLE_NAME && str::from_utf8(name).is_err() {
            return Err(BerFault::Unexpected(
                "a name of more than 64 KiB that is not UTF-8",
            ));
        }
        let dn = readable(name);
        let unreadable_name = matches!(dn, Cow::Owned(_));
        let dn = dn.into_owned();
        let mut list = BerElements::new(parts.expect(SEQUENCE, "an entry without attributes")?);
        if !parts.is_empty() {
            return Err(BerFault::Unexpected("an entry with too many parts"));
        }
        let mut attributes = Vec::new();
        while !list.is_empty() {
            let mut parts = BerElements::new(list.expect(SEQUENCE, "an attribute that is no sequence")?);
            let name = parts.expect(OCTET_STRING, "an attribute without a name")?;
            text(name)?;
            let row = parts.expect(SET, "an attribute without a set of values")?;
            if !parts.is_empty() {
                return Err(BerFault::Unexpected("an attribute with too many parts"));
            }
            let mut values = BerElements::new(row);
            while !values.is_empty() {
                values.expect(OCTET_STRING, "an attribute value that is no octet string")?;
            }
            attributes.push(EntryAttribute {
                name: place(&octets, name),
                values: place(&octets, row),
            });
        }
        Ok(Self {
            dn,
            octets,
            attributes,
            joined: Vec::new(),
            unreadable_name,
            incomplete: None,
            extended_names: false,
        })
    }

    /// Returns the values of an attribute, in the order of the controller; none when it is absent.
    /// Names compare without case.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.rows()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))
            .flat_map(|(_, row)| AttributeValues::new(row))
    }

    /// Returns the first value.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// Returns the first value as text; `None` when it is absent or not UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.first(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// Returns all attributes with their values, in the order of the controller.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, AttributeValues<'_>)> {
        // The names were checked when the entry was read.
        self.rows().map(|(name, row)| {
            (
                str::from_utf8(name).unwrap_or_default(),
                AttributeValues::new(row),
            )
        })
    }

    /// Returns the reason why no asset may be made of the object, although its entry came: the
    /// object alone is to be rejected then (R15). Its objectGUID, where there is one, is good.
    #[must_use]
    pub fn unfit(&self) -> Option<&str> {
        self.incomplete()
            .or(self.unreadable_name.then_some(UNREADABLE_NAME))
    }

    /// Returns the reason why values are missing that the controller has, although it was not asked
    /// for a part of them.
    #[must_use]
    pub(super) fn incomplete(&self) -> Option<&str> {
        self.incomplete.as_deref()
    }

    /// Returns `true` when the names in its values may come with GUIDs, since the extended-DN
    /// control was sent ([`LinkedName`]). In `dn` stands the plain name.
    #[must_use]
    pub const fn has_extended_names(&self) -> bool {
        self.extended_names
    }

    /// Makes [`Self::has_extended_names`] true.
    pub(super) const fn expect_extended_names(&mut self) {
        self.extended_names = true;
    }

    /// Returns the same entry with octets of its own, which no other entry shares.
    #[must_use]
    pub fn copied(&self) -> Self {
        self.copied_but(|_| false)
    }

    /// Returns the same entry with octets of its own, and without the values of the attributes that
    /// `emptied` names.
    pub(super) fn copied_but(&self, emptied: impl Fn(&str) -> bool) -> Self {
        let parts = self.attributes().map(|(name, values)| {
            let row = if emptied(name) { &[] } else { values.row() };
            (name, row)
        });
        Self {
            unreadable_name: self.unreadable_name,
            incomplete: self.incomplete.clone(),
            extended_names: self.extended_names,
            ..Self::of_parts(&self.dn, parts)
        }
    }

    /// Removes the attributes that `unwanted` names.
    pub(super) fn remove(&mut self, unwanted: impl Fn(&str) -> bool) {
        let octets = &self.octets;
        self.attributes.retain(|attribute| {
            let name = octets.get(attribute.name.clone()).unwrap_or_default();
            !unwanted(str::from_utf8(name).unwrap_or_default())
        });
    }

    /// Adds an attribute of which all parts are there: `values` is a row of octet strings.
    pub(super) fn join(&mut self, name: String, values: Vec<u8>) {
        self.joined
            .retain(|joined| !joined.name.eq_ignore_ascii_case(&name));
        self.joined.push(JoinedAttribute { name, values });
    }

    /// Adds an attribute that no server gave, under a name that none has, in the place of an
    /// earlier one of that name.
    pub fn add<'v>(&mut self, name: &str, values: impl IntoIterator<Item = &'v str>) {
        let mut row = Vec::new();
        for value in values {
            ber::write(&mut row, OCTET_STRING, value.as_bytes());
        }
        self.join(name.to_owned(), row);
    }

    /// Marks the object as one of which values are missing.
    pub(super) fn mark_incomplete(&mut self, reason: String) {
        self.incomplete = Some(reason);
    }

    /// Returns the number of octets of names and values.
    pub(super) fn size(&self) -> usize {
        self.dn.len()
            + self
                .rows()
                .map(|(name, row)| name.len() + row.len())
                .sum::<usize>()
    }

    fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let part = |range: &Range<usize>| self.octets.get(range.clone()).unwrap_or_default();
        self.attributes
            .iter()
            .map(move |attribute| (part(&attribute.name), part(&attribute.values)))
            .chain(
                self.joined
                    .iter()
                    .map(|joined| (joined.name.as_bytes(), joined.values.as_slice())),
            )
    }
}

/// Everything by which one entry can differ from another.
impl Hash for Entry {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.dn.hash(state);
        for (name, row) in self.rows() {
            name.hash(state);
            row.hash(state);
        }
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.dn == other.dn && self.unfit() == other.unfit() && self.rows().eq(other.rows())
    }
}

impl Eq for Entry {}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attributes = self.attributes().map(|(name, values)| {
            let values: Vec<_> = values
                .map(<[u8]>::escape_ascii)
                .map(|value| value.to_string())
                .collect();
            (name, values)
        });
        write!(f, "Entry {:?} ", self.dn)?;
        f.debug_map().entries(attributes).finish()
    }
}

/// Returns the place of `part`, which was taken from `whole`, in `whole`.
fn place(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    start..start.wrapping_add(part.len())
}

fn text(octets: &[u8]) -> Result<&str, BerFault> {
    str::from_utf8(octets).map_err(|_| BerFault::Unexpected("text that is not UTF-8"))
}

#[cfg(test)]
mod tests;
