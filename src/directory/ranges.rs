//! Attributes with more values than the controller gives at once (R11; MS-ADTS 3.1.1.3.1.3.3).
//!
//! Windows answers a request for `member` with an empty `member` and a first part named `member;range=0-1499`; the next
//! part is `member;range=1500-*` asked for by name, until the answer's own range ends with `*`.

use super::entry::{Attribute, Entry};
use super::error::DirectoryError;
use super::session::Line;
use crate::identity::Guid;

/// Most parts of one attribute: 15 million values at Windows' 1500 a part.
const MAX_PARTS: u32 = 10_000;

/// Most octets of one attribute.
const MAX_ATTRIBUTE: usize = 128 * 1024 * 1024;

/// How often an attribute is read from its start when its values change under the reading.
const ATTEMPTS: u32 = 3;

/// The part of an attribute that a name with a range option stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part<'a> {
    /// The name without the option.
    name: &'a str,
    /// Index of the first value.
    from: usize,
    /// Index of the last value; `None` when it is the last of all.
    to: Option<usize>,
}

impl<'a> Part<'a> {
    /// Reads `name;range=from-to`. `None` when there is no range option; `Some(None)` when there is one that makes no sense.
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

/// What one step of the reading has led to.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// All values are there.
    Complete,
    /// The next part begins at this index.
    From(usize),
    /// The values have changed under the reading.
    Changed,
}

/// Makes every attribute of `entry` whole.
///
/// # Errors
/// When a part cannot be read; then the entry must not be used.
pub async fn complete(line: &Line, entry: &mut Entry, show_deleted: bool) -> Result<(), DirectoryError> {
    let attributes = entry.attributes_mut();
    if attributes
        .iter()
        .all(|attribute| Part::read(&attribute.name).is_none())
    {
        return Ok(());
    }
    let partial: Vec<Attribute> = attributes
        .extract_if(.., |attribute| Part::read(&attribute.name).is_some())
        .collect();
    let object = address(entry);
    for attribute in partial {
        let Some(Some(part)) = Part::read(&attribute.name) else {
            return Err(line.unsound(format!(
                "\"{}\" comes with the range \"{}\"",
                entry.dn, attribute.name
            )));
        };
        let name = part.name.to_owned();
        let values = whole(line, &object, &entry.dn, &name, attribute, show_deleted).await?;
        let attributes = entry.attributes_mut();
        // The empty attribute beside the first part.
        attributes.retain(|attribute| !attribute.name.eq_ignore_ascii_case(&name));
        attributes.push(Attribute { name, values });
    }
    Ok(())
}

/// How the object is named in further requests: by its GUID, which no rename changes, or else by its DN.
fn address(entry: &Entry) -> String {
    let guid = entry
        .first("objectGUID")
        .and_then(|value| Guid::from_bytes(value).ok());
    guid.map_or_else(|| entry.dn.clone(), |guid| format!("<GUID={guid}>"))
}

/// All values of the attribute of which `first` is the first part.
async fn whole(
    line: &Line,
    object: &str,
    dn: &str,
    name: &str,
    first: Attribute,
    show_deleted: bool,
) -> Result<Vec<Vec<u8>>, DirectoryError> {
    let wrong = |what: String| line.unsound(format!("\"{dn}\": {what}"));
    let mut start = Some(first);
    for _ in 0..ATTEMPTS {
        let mut gathered = Gathered::default();
        let mut step = match start.take() {
            Some(first) => gathered.take(first).map_err(wrong)?,
            None => Step::From(0),
        };
        while let Step::From(from) = step {
            step = match next(line, object, name, from, show_deleted).await? {
                Some(part) => gathered.take(part).map_err(wrong)?,
                None => Step::Changed,
            };
        }
        if step == Step::Complete {
            return Ok(gathered.values);
        }
    }
    Err(wrong(format!(
        "the values of {name} keep changing while they are read"
    )))
}

/// The part of `name` that begins at `from`; `None` when there is none any more.
async fn next(
    line: &Line,
    object: &str,
    name: &str,
    from: usize,
    show_deleted: bool,
) -> Result<Option<Attribute>, DirectoryError> {
    let asked = format!("{name};range={from}-*");
    let entry = match line.shown(object, &[&asked], show_deleted).await {
        Ok(entry) => entry,
        // operationsError: the range begins beyond the end, because values were removed in the meantime.
        Err(DirectoryError::Search { outcome, .. }) if outcome.code == 1 => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut entry =
        entry.ok_or_else(|| line.unsound(format!("{object} vanished while its {name} was read")))?;
    let found = entry.attributes_mut().extract_if(.., |attribute| {
        matches!(Part::read(&attribute.name), Some(Some(part)) if part.name.eq_ignore_ascii_case(name))
    });
    Ok(found.take(1).next())
}

/// The values of the parts so far.
#[derive(Debug, Default)]
struct Gathered {
    values: Vec<Vec<u8>>,
    parts: u32,
    size: usize,
}

impl Gathered {
    /// Appends `part`, which must follow what is there.
    fn take(&mut self, part: Attribute) -> Result<Step, String> {
        let Some(Some(range)) = Part::read(&part.name) else {
            return Err(format!("range \"{}\"", part.name));
        };
        let before = self.values.len();
        if range.from != before {
            return Err(format!(
                "range \"{}\" does not follow the {before} values before it",
                part.name
            ));
        }
        let count = part.values.len();
        let step = match range.to {
            None => Step::Complete,
            Some(to) => {
                let promised = to.checked_sub(range.from).and_then(|span| span.checked_add(1));
                if count == 0 || promised != Some(count) {
                    return Err(format!("range \"{}\" comes with {count} values", part.name));
                }
                Step::From(before + count)
            }
        };
        self.parts += 1;
        self.size += part.values.iter().map(Vec::len).sum::<usize>();
        if self.parts > MAX_PARTS || self.size > MAX_ATTRIBUTE {
            return Err(format!("the values of {} do not end", range.name));
        }
        self.values.extend(part.values);
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, count: usize) -> Attribute {
        Attribute {
            name: name.to_owned(),
            values: vec![b"v".to_vec(); count],
        }
    }

    #[test]
    fn r11_a_range_option_is_told_from_other_names() {
        assert_eq!(Part::read("member"), None);
        assert_eq!(Part::read("userCertificate;binary"), None);
        let part = Part {
            name: "member",
            from: 0,
            to: Some(1499),
        };
        assert_eq!(Part::read("member;range=0-1499"), Some(Some(part)));
        assert_eq!(
            Part::read("member;Range=1500-*"),
            Some(Some(Part {
                name: "member",
                from: 1500,
                to: None
            }))
        );
        for wrong in [
            "m;range=",
            "m;range=5",
            "m;range=-5",
            "m;range=a-b",
            "m;range=*-5",
            "m;range=99999999999999999999-*",
        ] {
            assert_eq!(Part::read(wrong), Some(None), "{wrong}");
        }
    }

    #[test]
    fn r11_parts_join_without_gap_or_overlap() {
        let mut gathered = Gathered::default();
        assert_eq!(gathered.take(part("m;range=0-1499", 1500)), Ok(Step::From(1500)));
        assert_eq!(
            gathered.take(part("m;range=1500-2999", 1500)),
            Ok(Step::From(3000))
        );
        assert!(gathered.take(part("m;range=3001-*", 1)).is_err());
        assert!(gathered.take(part("m;range=2999-*", 1)).is_err());
        assert_eq!(gathered.take(part("m;range=3000-*", 1)), Ok(Step::Complete));
        assert_eq!(gathered.values.len(), 3001);
    }

    #[test]
    fn r12_a_range_that_lies_about_its_values_is_refused() {
        for lie in [
            part("m;range=0-1499", 1499),
            part("m;range=0-1499", 0),
            part("m;range=0-0", 0),
        ] {
            assert!(Gathered::default().take(lie).is_err());
        }
        let huge = format!("m;range=0-{}", usize::MAX);
        assert!(Gathered::default().take(part(&huge, 1)).is_err());
    }

    #[test]
    fn r12_ranges_without_end_end() {
        let mut many = Gathered::default();
        for number in 0..MAX_PARTS as usize {
            let name = format!("m;range={number}-{number}");
            assert_eq!(many.take(part(&name, 1)), Ok(Step::From(number + 1)));
        }
        assert!(
            many.take(part(&format!("m;range={MAX_PARTS}-{MAX_PARTS}"), 1))
                .is_err()
        );
        let mut large = Gathered {
            size: MAX_ATTRIBUTE,
            ..Gathered::default()
        };
        assert!(large.take(part("m;range=0-0", 1)).is_err());
    }

    #[test]
    fn an_object_is_addressed_by_its_guid_where_it_is_known() {
        let mut entry = Entry::new("CN=a", vec![]);
        assert_eq!(address(&entry), "CN=a");
        entry = Entry::new("CN=a", vec![("objectGUID".to_owned(), vec![vec![0xAB; 16]])]);
        assert_eq!(address(&entry), "<GUID=abababab-abab-abab-abab-abababababab>");
    }
}
