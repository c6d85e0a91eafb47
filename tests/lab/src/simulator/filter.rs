//! Search filters (RFC 4511 section 4.5.1.7): decoding, the text form and evaluation as a domain controller does it.

mod text;

use std::fmt;

use super::ber::{self, BerError, Reader};
use super::schema::{Attribute, Known, Syntax, Values};

/// How deep filters may nest; more is refused, as the stack is finite.
const DEEPEST: usize = 100;
/// Matching rule "all these bits are set" (MS-ADTS 3.1.1.3.4.4.1).
const BIT_AND: &str = "1.2.840.113556.1.4.803";
/// Matching rule "any of these bits is set" (MS-ADTS 3.1.1.3.4.4.2).
const BIT_OR: &str = "1.2.840.113556.1.4.804";

/// Matching rule "is linked, directly or through others" (MS-ADTS 3.1.1.3.4.4.3).
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// A search filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of these.
    And(Vec<Filter>),
    /// Any of these.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// The attribute has some value.
    Present(Attribute),
    /// A comparison with one value.
    Compare(Attribute, Comparison, Vec<u8>),
    /// Initial, middle and final parts of a value.
    Substrings(Attribute, Vec<u8>, Vec<Vec<u8>>, Vec<u8>),
    /// A matching rule that is not known, or one without attribute: undefined.
    Unknown,
}

/// How an attribute's value and the filter's compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Equal; approximately equal is the same to a domain controller.
    Equal,
    /// At least.
    AtLeast,
    /// At most.
    AtMost,
    /// All bits of the filter's value are set.
    AllBits,
    /// Any bit of the filter's value is set.
    AnyBit,
    /// Linked with the object of this name, directly or through others.
    InChain,
}

/// What can be asked for an attribute's values.
pub trait Source {
    /// Appends the attribute's values to `out`, none when it is absent.
    fn values(&self, attribute: &Attribute, out: &mut Values);

    /// Appends the names that the link attribute leads to, directly or through others; of `memberOf` alone.
    fn in_chain(&self, _attribute: &Attribute, _out: &mut Values) {}
}

impl Filter {
    /// Decodes the next element of `reader` as a filter.
    ///
    /// # Errors
    /// When it is no filter or nests deeper than 100.
    pub fn decode(reader: &mut Reader) -> Result<Self, BerError> {
        Self::decode_at(reader, 0)
    }

    fn decode_at(reader: &mut Reader, depth: usize) -> Result<Self, BerError> {
        if depth > DEEPEST {
            return Err(BerError::Depth);
        }
        let (tag, contents) = reader.element()?;
        let mut inner = Reader::new(contents);
        let list = |inner: &mut Reader| {
            let mut filters = Vec::new();
            while !inner.is_empty() {
                filters.push(Self::decode_at(inner, depth + 1)?);
            }
            Ok(filters)
        };
        Ok(match tag {
            0xA0 => Self::And(list(&mut inner)?),
            0xA1 => Self::Or(list(&mut inner)?),
            0xA2 => Self::Not(Box::new(Self::decode_at(&mut inner, depth + 1)?)),
            0xA3 | 0xA8 => Self::comparison(&mut inner, Comparison::Equal)?,
            0xA4 => Self::substrings(&mut inner)?,
            0xA5 => Self::comparison(&mut inner, Comparison::AtLeast)?,
            0xA6 => Self::comparison(&mut inner, Comparison::AtMost)?,
            0x87 => Self::Present(named(contents)?),
            0xA9 => Self::extensible(&mut inner)?,
            found => {
                return Err(BerError::Tag {
                    found,
                    expected: 0xA0,
                });
            }
        })
    }

    fn comparison(inner: &mut Reader, comparison: Comparison) -> Result<Self, BerError> {
        let attribute = named(inner.expect(ber::OCTETS)?)?;
        Ok(Self::Compare(
            attribute,
            comparison,
            inner.expect(ber::OCTETS)?.to_vec(),
        ))
    }

    fn substrings(inner: &mut Reader) -> Result<Self, BerError> {
        let attribute = named(inner.expect(ber::OCTETS)?)?;
        let mut parts = Reader::new(inner.expect(ber::SEQUENCE)?);
        let (mut first, mut middle, mut last) = (Vec::new(), Vec::new(), Vec::new());
        while !parts.is_empty() {
            match parts.element()? {
                (0x80, part) => first = part.to_vec(),
                (0x81, part) => middle.push(part.to_vec()),
                (0x82, part) => last = part.to_vec(),
                (found, _) => {
                    return Err(BerError::Tag {
                        found,
                        expected: 0x80,
                    });
                }
            }
        }
        Ok(Self::Substrings(attribute, first, middle, last))
    }

    fn extensible(inner: &mut Reader) -> Result<Self, BerError> {
        let rule = inner.optional(0x81)?;
        let attribute = inner.optional(0x82)?.map(named).transpose()?;
        let value = inner.expect(0x83)?.to_vec();
        let rule = rule
            .map(std::str::from_utf8)
            .transpose()
            .map_err(|_| BerError::Value)?;
        Ok(match (attribute, rule) {
            (Some(attribute), Some(BIT_AND)) => Self::Compare(attribute, Comparison::AllBits, value),
            (Some(attribute), Some(BIT_OR)) => Self::Compare(attribute, Comparison::AnyBit, value),
            (Some(attribute), Some(IN_CHAIN)) => Self::Compare(attribute, Comparison::InChain, value),
            (Some(attribute), None) => Self::Compare(attribute, Comparison::Equal, value),
            _ => Self::Unknown,
        })
    }

    /// Reads the text form of RFC 4515.
    ///
    /// # Errors
    /// A sentence, when `text` is no filter.
    pub fn parse(text: &str) -> Result<Self, String> {
        text::parse(text)
    }

    /// The filter made ready for evaluation: class and category names expanded against the schema's distinguished name
    /// (`objectCategory=person` means `CN=Person,CN=Schema,…`, MS-ADTS 3.1.1.3.1.3.5), values in the case they are
    /// compared in.
    #[must_use]
    pub fn prepared(self, schema_dn: &str) -> Self {
        let all = |filters: Vec<Self>| {
            filters
                .into_iter()
                .map(|filter| filter.prepared(schema_dn))
                .collect()
        };
        match self {
            Self::And(filters) => Self::And(all(filters)),
            Self::Or(filters) => Self::Or(all(filters)),
            Self::Not(filter) => Self::Not(Box::new(filter.prepared(schema_dn))),
            Self::Compare(Attribute::Known(Known::ObjectCategory), comparison, value) => {
                let name = String::from_utf8_lossy(&value).into_owned();
                let name = if name.contains('=') {
                    name
                } else {
                    category_dn(&name, schema_dn)
                };
                Self::Compare(
                    Attribute::Known(Known::ObjectCategory),
                    comparison,
                    name.into_bytes(),
                )
            }
            other => other,
        }
    }

    /// Whether `source` matches: undefined counts as no match.
    pub fn matches(&self, source: &impl Source, scratch: &mut Values) -> bool {
        self.evaluate(source, scratch) == Some(true)
    }

    /// True, false or undefined.
    fn evaluate(&self, source: &impl Source, scratch: &mut Values) -> Option<bool> {
        match self {
            Self::And(filters) => fold(filters, false, |filter| filter.evaluate(source, scratch)),
            Self::Or(filters) => fold(filters, true, |filter| filter.evaluate(source, scratch)),
            Self::Not(filter) => filter.evaluate(source, scratch).map(|value| !value),
            Self::Present(attribute) => {
                scratch.clear();
                source.values(attribute, scratch);
                Some(!scratch.is_empty())
            }
            Self::Compare(attribute, Comparison::InChain, value) => {
                scratch.clear();
                source.in_chain(attribute, scratch);
                Some(scratch.iter().any(|name| same_text(name, value)))
            }
            Self::Compare(attribute, comparison, value) => {
                scratch.clear();
                source.values(attribute, scratch);
                if scratch.is_empty() && matches!(attribute, Attribute::Other(_)) {
                    return None;
                }
                compare(attribute.syntax(), *comparison, value, scratch)
            }
            Self::Substrings(attribute, first, middle, last) => {
                scratch.clear();
                source.values(attribute, scratch);
                Some(
                    scratch
                        .iter()
                        .any(|value| contains_parts(value, first, middle, last)),
                )
            }
            Self::Unknown => None,
        }
    }

    /// The bounds (both included) that the filter sets on an integer attribute in its outermost conjunction.
    #[must_use]
    pub fn bounds(&self, of: Known) -> (Option<i64>, Option<i64>) {
        match self {
            Self::And(filters) => filters
                .iter()
                .map(|filter| filter.bounds(of))
                .fold((None, None), |a, b| {
                    (a.0.max(b.0), [a.1, b.1].into_iter().flatten().min())
                }),
            Self::Compare(Attribute::Known(known), comparison, value) if *known == of => {
                let number = number(value);
                match comparison {
                    Comparison::Equal => (number, number),
                    Comparison::AtLeast => (number, None),
                    Comparison::AtMost => (None, number),
                    Comparison::AllBits | Comparison::AnyBit | Comparison::InChain => (None, None),
                }
            }
            _ => (None, None),
        }
    }

    /// The value that the filter wants an attribute to equal in its outermost conjunction.
    #[must_use]
    pub fn wanted(&self, of: Known) -> Option<&[u8]> {
        match self {
            Self::And(filters) => filters.iter().find_map(|filter| filter.wanted(of)),
            Self::Compare(Attribute::Known(known), Comparison::Equal, value) if *known == of => Some(value),
            _ => None,
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write(self, f)
    }
}

/// The distinguished name of a category given by its short name.
#[must_use]
pub fn category_dn(name: &str, schema_dn: &str) -> String {
    let common_name = match name.to_ascii_lowercase().as_str() {
        // The default category of class user is Person (MS-ADSC, defaultObjectCategory of user).
        "user" | "person" | "organizationalperson" | "inetorgperson" => "Person",
        "group" => "Group",
        "computer" => "Computer",
        "organizationalunit" => "Organizational-Unit",
        "container" => "Container",
        "domaindns" | "domain" => "Domain-DNS",
        _ => name,
    };
    format!("CN={common_name},{schema_dn}")
}

fn named(bytes: &[u8]) -> Result<Attribute, BerError> {
    std::str::from_utf8(bytes)
        .map(Attribute::named)
        .map_err(|_| BerError::Value)
}

/// `decisive` if any is, else undefined if any is, else the opposite.
fn fold(
    filters: &[Filter],
    decisive: bool,
    mut evaluate: impl FnMut(&Filter) -> Option<bool>,
) -> Option<bool> {
    let mut result = Some(!decisive);
    for filter in filters {
        match evaluate(filter) {
            Some(value) if value == decisive => return Some(decisive),
            None => result = None,
            Some(_) => {}
        }
    }
    result
}

fn compare(syntax: Syntax, comparison: Comparison, wanted: &[u8], values: &Values) -> Option<bool> {
    match (syntax, comparison) {
        (Syntax::Integer, _) => {
            let wanted = number(wanted)?;
            Some(values.iter().filter_map(number).any(|value| match comparison {
                Comparison::Equal => value == wanted,
                Comparison::AtLeast => value >= wanted,
                Comparison::AtMost => value <= wanted,
                Comparison::AllBits => value & wanted == wanted,
                Comparison::AnyBit => value & wanted != 0,
                Comparison::InChain => false,
            }))
        }
        (_, Comparison::AllBits | Comparison::AnyBit | Comparison::InChain) => None,
        (Syntax::Octets, Comparison::Equal) => Some(values.iter().any(|value| value == wanted)),
        (_, Comparison::Equal) => Some(values.iter().any(|value| same_text(value, wanted))),
        (_, Comparison::AtLeast) => Some(values.iter().any(|value| folded(value) >= folded(wanted))),
        (_, Comparison::AtMost) => Some(values.iter().any(|value| folded(value) <= folded(wanted))),
    }
}

fn number(bytes: &[u8]) -> Option<i64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

fn same_text(one: &[u8], other: &[u8]) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return one.eq_ignore_ascii_case(other);
    }
    folded(one) == folded(other)
}

/// Text in the case in which it compares; bytes that are no text, as they are.
fn folded(bytes: &[u8]) -> Vec<u8> {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.to_vec(), |text| text.to_lowercase().into_bytes())
}

fn contains_parts(value: &[u8], first: &[u8], middle: &[Vec<u8>], last: &[u8]) -> bool {
    let value = folded(value);
    let Some(mut rest) = value.strip_prefix(folded(first).as_slice()) else {
        return false;
    };
    for part in middle {
        let part = folded(part);
        let found = if part.is_empty() {
            Some(0)
        } else {
            rest.windows(part.len()).position(|window| window == part)
        };
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(&folded(last))
}

#[cfg(test)]
mod tests;
