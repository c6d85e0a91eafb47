//! Attributes with more values than the controller gives at once (R11; MS-ADTS 3.1.1.3.1.3.3).
//!
//! Windows answers a request for `member` with an empty `member` and a first part named
//! `member;range=0-1499`; the next part is `member;range=1500-*` asked for by name, until the
//! answer's own range ends with `*`.

use super::ber::{self, OCTET_STRING};
use super::entry::{AttributeValues, Entry};
use super::error::DirectoryError;
use super::frame::{MAX_ELEMENTS, MAX_MESSAGE};
use super::session_line::SessionLine;
use crate::identity::{Guid, LinkedName};
use crate::text::printable;

/// Most parts of one attribute. At Windows' 1500 values a part, [`MAX_VALUES`] are 267.
const MAX_PARTS: u32 = 1_000;

/// Most octets of one attribute, the same whether it comes at once or in parts: 160 000 members of
/// 100 octets.
const MAX_OCTETS: usize = MAX_MESSAGE;

/// Most values of one attribute, for the same reason.
const MAX_VALUES: usize = MAX_ELEMENTS;

/// Number of times that an attribute is read from its start when its values change during the
/// reading.
const ATTEMPTS: u32 = 3;

/// The part of an attribute that a name with a range option stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RangePart<'a> {
    /// The name without the option.
    name: &'a str,
    /// Index of the first value.
    from: usize,
    /// Index of the last value; `None` when it is the last of all.
    to: Option<usize>,
}

impl<'a> RangePart<'a> {
    /// Reads `name;range=from-to`. `None` when there is no range option; `Some(None)` when there is
    /// one that makes no sense.
    fn read(attribute: &'a str) -> Option<Option<Self>> {
        let (name, option) = attribute.split_once(';')?;
        let range = option
            .get(..6)
            .filter(|start| start.eq_ignore_ascii_case("range="))?;
        let (from, to) = option.get(range.len()..)?.split_once('-').unwrap_or(("", ""));
        let part = from.parse().ok().zip(if to == "*" {
            Some(None)
        } else {
            to.parse().ok().map(Some)
        });
        Some(part.map(|(from, to)| Self { name, from, to }))
    }
}

/// Outcome of one step of the reading.
#[derive(Debug, PartialEq, Eq)]
enum RangeStep {
    /// All values are there.
    Complete,
    /// The next part begins at this index.
    From(usize),
    /// The values have changed during the reading.
    Changed,
    /// There are more of them than are taken.
    TooMuch,
}

/// Values of an attribute that came in parts.
enum GatheredAttribute {
    /// All of them, as a row of octet strings.
    Whole(Vec<u8>),
    /// They cannot be had, for this reason: the object is rejected (R15).
    Rejected(String),
    /// There is no such object any more.
    Vanished,
}

/// `noSuchObject` (RFC 4511 appendix A.1).
const NO_SUCH_OBJECT: u32 = 32;

/// `referral` (RFC 4511 appendix A.1): the object is in another domain now.
const REFERRAL: u32 = 10;

/// Returns `true` when an attribute of `entry` is to be completed.
pub fn is_partial(entry: &Entry) -> bool {
    entry.incomplete().is_none()
        && entry
            .attributes()
            .any(|(name, _)| RangePart::read(name).is_some())
}

/// Returns a copy of `entry` without the values of such attributes, which [`complete`] then reads
/// from the first.
pub fn emptied(entry: &Entry) -> Entry {
    entry.copied_but(|name| RangePart::read(name).is_some())
}

/// Makes every attribute of `entry` whole. One with too many values is left out, and the entry
/// marked as incomplete (R15). `None` when the object was deleted, moved to another domain or
/// hidden meanwhile: the search counts as one that did not give it. Nothing is concluded from that
/// without a look-up (R22), and a delta sees what became of it (R4).
///
/// # Errors
/// When a part cannot be read.
pub async fn complete(
    line: &SessionLine,
    mut entry: Entry,
    show_deleted: bool,
) -> Result<Option<Entry>, DirectoryError> {
    let object = address(&entry);
    let partial: Vec<String> = entry
        .attributes()
        .filter(|(name, _)| RangePart::read(name).is_some())
        .map(|(name, _)| name.to_owned())
        .collect();
    for first in partial {
        let Some(Some(part)) = RangePart::read(&first) else {
            return Err(line.unsound(format!(
                "\"{}\" comes with the range \"{}\"",
                printable(&entry.dn),
                printable(&first)
            )));
        };
        let name = part.name.to_owned();
        let gathering = gather(line, &object, &entry, &first, &name, show_deleted).await?;
        // The empty attribute beside the first part goes as well.
        entry.remove(|other| other == first || other.eq_ignore_ascii_case(&name));
        match gathering {
            GatheredAttribute::Whole(values) => entry.join(name, values),
            GatheredAttribute::Rejected(reason) => entry.mark_incomplete(reason),
            GatheredAttribute::Vanished => {
                tracing::debug!(
                    dn = printable(&entry.dn),
                    attribute = printable(&name),
                    "The object was deleted or moved while the values of an attribute were read; it counts as not found."
                );
                return Ok(None);
            }
        }
    }
    Ok(Some(entry))
}

/// Returns the base DN that names the object in further requests: its GUID, which no rename
/// changes, or else its DN.
fn address(entry: &Entry) -> String {
    let guid = entry
        .first("objectGUID")
        .and_then(|value| Guid::from_bytes(value).ok());
    guid.map_or_else(|| entry.dn.clone(), |guid| format!("<GUID={guid}>"))
}

/// Reads all values of the attribute `name`, of which `entry` holds a part under the name `first`,
/// perhaps without its values.
async fn gather(
    line: &SessionLine,
    object: &str,
    entry: &Entry,
    first: &str,
    name: &str,
    show_deleted: bool,
) -> Result<GatheredAttribute, DirectoryError> {
    let wrong = |what: String| line.unsound(format!("\"{}\": {what}", printable(&entry.dn)));
    let mut start = entry
        .attributes()
        .find(|(found, values)| *found == first && !values.is_empty());
    for _ in 0..ATTEMPTS {
        let mut gathered = GatheredValues::default();
        let mut step = match start.take() {
            Some((first, values)) => gathered.take(first, values).map_err(wrong)?,
            None => RangeStep::From(0),
        };
        while let RangeStep::From(from) = step {
            let asked = format!("{name};range={from}-*");
            step = match part(line, object, &asked, show_deleted).await? {
                RangeAnswer::Part(part) => {
                    if let Some(reason) = part.incomplete() {
                        return Ok(GatheredAttribute::Rejected(reason.to_owned()));
                    }
                    part.attributes()
                        .find(|(found, _)| is_part_of(found, name))
                        .map_or(Ok(RangeStep::Changed), |(found, values)| {
                            gathered.take(found, values)
                        })
                        .map_err(wrong)?
                }
                RangeAnswer::BeyondTheEnd => RangeStep::Changed,
                RangeAnswer::NoSuchObject => return Ok(GatheredAttribute::Vanished),
            };
        }
        match step {
            RangeStep::Complete => return Ok(GatheredAttribute::Whole(gathered.values)),
            RangeStep::TooMuch => {
                return Ok(GatheredAttribute::Rejected(format!(
                    "{} has more values than are taken: {MAX_VALUES}, or {} MiB of them",
                    printable(name),
                    MAX_OCTETS >> 20
                )));
            }
            RangeStep::Changed | RangeStep::From(_) => {}
        }
    }
    Ok(GatheredAttribute::Rejected(format!(
        "the values of {} keep changing while they are read",
        printable(name)
    )))
}

/// Gives `take` the values of one attribute of an object, part by part as they come, so that no
/// more than a part of them is in memory; none when there is no such object or attribute. Values
/// that change meanwhile may be left out or come twice.
///
/// # Errors
/// When a part cannot be read, or the parts do not end.
pub async fn each(
    line: &SessionLine,
    object: &str,
    name: &str,
    take: &mut impl FnMut(&[u8]),
) -> Result<(), DirectoryError> {
    let mut from = 0;
    for _ in 0..MAX_PARTS {
        let asked = format!("{name};range={from}-*");
        let entry = match part(line, object, &asked, false).await? {
            RangeAnswer::Part(entry) => entry,
            RangeAnswer::NoSuchObject => return Ok(()),
            RangeAnswer::BeyondTheEnd if from > 0 => return Ok(()),
            RangeAnswer::BeyondTheEnd => {
                return Err(line.unsound(format!(
                    "\"{}\": the controller could not work on the first part of {}",
                    printable(object),
                    printable(name)
                )));
            }
        };
        if let Some(reason) = entry.incomplete() {
            return Err(line.unsound(format!("\"{}\": {reason}", entry.dn)));
        }
        let found = entry.attributes().find(|(found, values)| {
            is_part_of(found, name) || (found.eq_ignore_ascii_case(name) && !values.is_empty())
        });
        let Some((found, values)) = found else {
            return Ok(());
        };
        let mut count = 0;
        for value in values {
            take(value);
            count += 1;
        }
        match RangePart::read(found) {
            Some(Some(part)) if part.from == from && part.to.is_some() && count > 0 => from += count,
            Some(Some(part)) if part.from == from => return Ok(()),
            // All of them at once, from a server that knows no ranges.
            None if from == 0 => return Ok(()),
            _ => {
                return Err(line.unsound(format!(
                    "\"{}\" comes with the range \"{}\" where {from} is asked for",
                    printable(object),
                    printable(found)
                )));
            }
        }
    }
    Err(line.unsound(format!(
        "\"{}\": the values of {} do not end: {MAX_PARTS} parts came",
        printable(object),
        printable(name)
    )))
}

fn is_part_of(attribute: &str, name: &str) -> bool {
    matches!(RangePart::read(attribute), Some(Some(part)) if part.name.eq_ignore_ascii_case(name))
}

/// Answer to the request for one part.
enum RangeAnswer {
    Part(Entry),
    /// The part begins beyond the end.
    BeyondTheEnd,
    NoSuchObject,
}

/// Asks for the object with one part.
async fn part(
    line: &SessionLine,
    object: &str,
    asked: &str,
    show_deleted: bool,
) -> Result<RangeAnswer, DirectoryError> {
    let (outcome, entry) = line.answer_about(object, &[asked], show_deleted).await?;
    match (outcome.code, entry) {
        (0, Some(entry)) => Ok(RangeAnswer::Part(entry)),
        // Samba finds the name of a deleted object, but does not show the object: success without
        // an entry.
        (0, None) | (NO_SUCH_OBJECT | REFERRAL, _) => Ok(RangeAnswer::NoSuchObject),
        // operationsError: the range begins beyond the end, because values were removed in the
        // meantime.
        (1, _) => Ok(RangeAnswer::BeyondTheEnd),
        _ => Err(line.refused(object, outcome)),
    }
}

/// The values of the parts so far.
#[derive(Debug, Default)]
struct GatheredValues {
    /// A row of octet strings.
    values: Vec<u8>,
    /// Octets of the values as they are without GUIDs and SIDs.
    octets: usize,
    count: usize,
    parts: u32,
}

impl GatheredValues {
    /// Appends a part, which must follow what is there.
    fn take(&mut self, name: &str, values: AttributeValues<'_>) -> Result<RangeStep, String> {
        let Some(Some(range)) = RangePart::read(name) else {
            return Err(format!("range \"{}\"", printable(name)));
        };
        let before = self.count;
        if range.from != before {
            return Err(format!(
                "range \"{}\" does not follow the {before} values before it",
                printable(name)
            ));
        }
        let row = values.row();
        let count = values.count();
        let step = match range.to {
            None => RangeStep::Complete,
            Some(to) => {
                let promised = to.checked_sub(range.from).and_then(|span| span.checked_add(1));
                if count == 0 || promised != Some(count) {
                    return Err(format!("range \"{}\" comes with {count} values", printable(name)));
                }
                RangeStep::From(before + count)
            }
        };
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(format!(
                "the values of {} do not end: {MAX_PARTS} parts came",
                printable(range.name)
            ));
        }
        self.count += count;
        // The limit is that of the names; their GUIDs come on top.
        let prefixes: usize = values
            .map(|value| value.len() - LinkedName::of(value).dn.len())
            .sum();
        self.octets += row.len().saturating_sub(prefixes);
        if self.count > MAX_VALUES || self.octets > MAX_OCTETS {
            return Ok(RangeStep::TooMuch);
        }
        self.append(values);
        Ok(step)
    }

    /// Appends values; names without their SIDs, which nobody needs: 5 MiB of 100,000 members.
    fn append(&mut self, values: AttributeValues<'_>) {
        for value in values {
            let name = LinkedName::of(value);
            match name.guid {
                None => ber::write(&mut self.values, OCTET_STRING, value),
                Some(guid) => {
                    let short = [format!("<GUID={guid}>;").as_bytes(), name.dn].concat();
                    ber::write(&mut self.values, OCTET_STRING, &short);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
