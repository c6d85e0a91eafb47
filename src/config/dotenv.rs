//! The `.env` file of the working directory.
//!
//! Its syntax is dotenvy's. The same file is read by shells and by docker compose, which read some
//! lines in another way: a password that silently loses a character locks an account. So a line
//! with a name of ours that one of them would read otherwise is refused, with the form that all
//! read alike: the whole value in one pair of quotes.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use super::refused::{ConfigError, ConfigProblem, DOTENV_FILE as FILE, ValueFault};
use super::variables::{self, is_ours};

/// Content of `.env`.
#[derive(Default)]
pub(super) struct DotenvPairs {
    /// Names and values.
    pub pairs: BTreeMap<String, String>,
    /// Faults of values that two readers of the file would read in two ways, by name, for names
    /// that are not ours: a mistake only where the value is asked for.
    pub doubts: BTreeMap<String, ValueFault>,
}

/// Reads `.env` in `directory`; nothing when there is no such file.
pub(super) fn read(directory: &Path) -> Result<DotenvPairs, ConfigError> {
    let path = directory.join(FILE);
    let refuse =
        |cause: String, advice: &str| ConfigError::new(vec![ValueFault::new(cause, advice).of(FILE)]);
    match std::fs::read(&path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => said(&text).map_err(ConfigError::new),
            Err(_) => Err(refuse("is not UTF-8 text".to_owned(), "save it as UTF-8")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(DotenvPairs::default()),
        Err(error) => Err(refuse(
            format!("cannot be read: {error}"),
            "make it readable, or remove it",
        )),
    }
}

/// Reads the pairs of `text`, or every line that is wrong. A value is in no problem (R27):
/// dotenvy's own message shows the line, so it is not used.
#[cfg(any(test, fuzzing))]
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, Vec<ConfigProblem>> {
    said(text).map(|said| said.pairs)
}

/// Reads the pairs with the doubts about other names than ours.
fn said(text: &str) -> Result<DotenvPairs, Vec<ConfigProblem>> {
    // Editors on Windows begin a file with a byte order mark.
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().collect();
    let taken = Rc::new(Cell::new(0));
    let items = dotenvy::from_read_iter(LineByLine {
        lines: &lines,
        offset: 0,
        taken: Rc::clone(&taken),
    });
    let (mut pairs, mut doubts) = (BTreeMap::new(), BTreeMap::new());
    let mut problems = Vec::new();
    for item in items {
        let last = taken.get();
        match item {
            Ok((name, value)) => {
                let written = last
                    .checked_sub(1)
                    .and_then(|index| lines.get(index))
                    .copied()
                    .unwrap_or_default();
                match ambiguity(&name, written) {
                    Some(fault) if concerns_us(&name) => problems.push(at_line(last, &name, fault)),
                    Some(fault) => {
                        doubts.insert(name.clone(), fault);
                    }
                    None => {}
                }
                match pairs.entry(name) {
                    Entry::Vacant(place) => {
                        place.insert(value);
                    }
                    Entry::Occupied(place) if concerns_us(place.key()) => problems.push(at_line(
                        last,
                        place.key(),
                        ValueFault::new("is given a second time", "keep one of the two"),
                    )),
                    Entry::Occupied(_) => {}
                }
            }
            Err(dotenvy::Error::LineParse(rest, _)) => {
                let first = (last + 1).saturating_sub(rest.lines().count().max(1));
                problems.push(malformed(
                    first,
                    lines.get(first.saturating_sub(1)).copied().unwrap_or_default(),
                ));
            }
            Err(_) => {
                problems.push(
                    ValueFault::new(format!("line {last} cannot be read"), "rewrite the line").of(FILE),
                );
                break;
            }
        }
    }
    if problems.is_empty() {
        Ok(DotenvPairs { pairs, doubts })
    } else {
        Err(problems)
    }
}

/// Returns the problem of a malformed line. The name at its start is safe to show when it is one of
/// ours; nothing else of the line is.
fn malformed(number: usize, line: &str) -> ConfigProblem {
    let name = line
        .split('=')
        .next()
        .unwrap_or_default()
        .trim()
        .trim_start_matches("export ");
    match variables::position(name) {
        Some(_) => ValueFault::new(
            format!("line {number} ({name}) is malformed"),
            format!("put the value in single quotes: {name}='…'"),
        ),
        None => ValueFault::new(
            format!("line {number} is malformed"),
            "write NAME=VALUE, the value in single quotes where it holds a space or a special character",
        ),
    }
    .of(FILE)
}

fn at_line(number: usize, name: &str, fault: ValueFault) -> ConfigProblem {
    ValueFault::new(format!("line {number}: {name} {}", fault.cause), fault.advice).of(FILE)
}

fn concerns_us(name: &str) -> bool {
    is_ours(name) || variables::position(name).is_some()
}

/// Returns why a shell or docker compose may read `line`, the (last) line of the item `name`,
/// otherwise than dotenvy.
fn ambiguity(name: &str, line: &str) -> Option<ValueFault> {
    let (before, value) = line.split_once('=')?;
    // A name that is not ours is most likely that of a secret to which the file of connections
    // refers.
    let is_secret = variables::all()
        .find(|variable| variable.name == name)
        .is_none_or(|variable| variable.secret);
    let has_value = !value.trim_start().is_empty() && !value.trim_start().starts_with('#');
    let spaced = before.ends_with(char::is_whitespace) || value.starts_with(char::is_whitespace);
    let doubt = match value.chars().next() {
        _ if has_value && spaced => Some(SPACE),
        Some(first) if first.is_whitespace() => None,
        Some('\'') => value
            .get(1..)?
            .split_once('\'')
            .and_then(|(_, rest)| doubt_behind(rest)),
        Some('"') => doubt_in_double_quotes(value.get(1..)?),
        _ => doubt_without_quotes(value, is_secret),
    };
    doubt.map(|cause| {
        let advice = format!(
            "put the whole value in single quotes, or in double quotes where it holds a single quote: {name}='…'"
        );
        ValueFault::new(cause, advice)
    })
}

const SPACE: &str = "has a space beside the `=`, after which a shell runs the value as a command";
const BACKSLASH: &str = "has a backslash outside single quotes, which may be lost";
const DOLLAR: &str = "has a `$` outside single quotes, which starts a substitution";
const COMMAND: &str = "has a character outside single quotes by which a shell runs a command";
const HASH: &str = "has a `#` outside quotes, which may begin a comment";
const HOME: &str = "has a `~` outside quotes, which a shell replaces by a folder";
const QUOTE: &str = "is quoted in part, which is read in several ways";

/// Finds what is doubtful in `rest`, behind the closing quote: anything but a comment.
fn doubt_behind(rest: &str) -> Option<&'static str> {
    let text = rest.trim_start();
    let is_comment = text.starts_with('#') && text.len() < rest.len();
    (!text.is_empty() && !is_comment).then_some(QUOTE)
}

/// Finds what is doubtful in `text`, behind the opening double quote. POSIX shells take the
/// backslash away before these characters alone (XCU 2.2.3).
fn doubt_in_double_quotes(text: &str) -> Option<&'static str> {
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return doubt_behind(characters.as_str()),
            '$' => return Some(DOLLAR),
            '`' => return Some(COMMAND),
            '\\' if !matches!(characters.next(), Some('\\' | '"' | '$')) => return Some(BACKSLASH),
            _ => {}
        }
    }
    None
}

fn doubt_without_quotes(value: &str, is_secret: bool) -> Option<&'static str> {
    let mut before = None;
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '#' if before.is_none() => return Some(HASH),
            '#' if before.is_some_and(char::is_whitespace) => {
                let rest = characters.as_str();
                let is_comment = !is_secret && (rest.is_empty() || rest.starts_with(char::is_whitespace));
                return (!is_comment).then_some(HASH);
            }
            '\\' => return Some(BACKSLASH),
            '$' => return Some(DOLLAR),
            '\'' | '"' => return Some(QUOTE),
            '`' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => return Some(COMMAND),
            '~' if matches!(before, None | Some(':')) => return Some(HOME),
            _ => {}
        }
        before = Some(character);
    }
    None
}

/// Hands out a line at a time, so that the number of lines taken shows where dotenvy stands.
struct LineByLine<'a> {
    lines: &'a [&'a str],
    offset: usize,
    taken: Rc<Cell<usize>>,
}

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(line) = self.lines.get(self.taken.get()) else {
            return Ok(0);
        };
        let mut rest = line
            .as_bytes()
            .get(self.offset..)
            .unwrap_or_default()
            .chain(&b"\n"[..]);
        let count = rest.read(buffer)?;
        self.offset += count;
        if count > 0 && self.offset > line.len() {
            self.offset = 0;
            self.taken.set(self.taken.get() + 1);
        }
        Ok(count)
    }
}

#[cfg(test)]
#[path = "dotenv_tests.rs"]
mod tests;
