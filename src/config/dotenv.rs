//! The `.env` file of the working directory.
//!
//! Its syntax is dotenvy's, which is the common one except in two places: outside single quotes `$` starts a
//! substitution, and an unquoted backslash an escape, while other readers of the same file (docker compose) keep the
//! backslash. A password that silently loses a character locks an account, so both are refused for our variables.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use super::environment::is_ours;
use super::refused::{Fault, Problem, Refused};
use super::variables;

/// The name of the file, and the name under which its problems are reported.
pub(super) const FILE: &str = ".env";

/// What `.env` says.
#[derive(Default)]
pub(super) struct Said {
    /// Names and values.
    pub pairs: BTreeMap<String, String>,
    /// What two readers of the file would read in two ways, of names that are not ours: a mistake only where the value is asked for.
    pub doubts: BTreeMap<String, Fault>,
}

/// What `.env` in `directory` says; nothing when there is no such file.
pub(super) fn read(directory: &Path) -> Result<Said, Refused> {
    let path = directory.join(FILE);
    let refuse = |cause: String, advice: &str| Refused::new(vec![Fault::new(cause, advice).of(FILE)]);
    match std::fs::read(&path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => said(&text).map_err(Refused::new),
            Err(_) => Err(refuse("is not UTF-8 text".to_owned(), "save it as UTF-8")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Said::default()),
        Err(error) => Err(refuse(
            format!("cannot be read: {error}"),
            "make it readable, or remove it",
        )),
    }
}

/// The pairs of `text`, or every line that is wrong. A value is in no problem (R27): dotenvy's own message shows the
/// line, so it is not used.
#[cfg(any(test, fuzzing))]
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    said(text).map(|said| said.pairs)
}

/// The same with what is doubtful about other names than ours.
fn said(text: &str) -> Result<Said, Vec<Problem>> {
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
                        Fault::new("is given a second time", "keep one of the two"),
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
                problems.push(Fault::new(format!("line {last} cannot be read"), "rewrite the line").of(FILE));
                break;
            }
        }
    }
    if problems.is_empty() {
        Ok(Said { pairs, doubts })
    } else {
        Err(problems)
    }
}

/// The name at the start of a malformed line is safe to show when it is one of ours; nothing else of the line is.
fn malformed(number: usize, line: &str) -> Problem {
    let name = line
        .split('=')
        .next()
        .unwrap_or_default()
        .trim()
        .trim_start_matches("export ");
    match variables::position(name) {
        Some(_) => Fault::new(
            format!("line {number} ({name}) is malformed"),
            format!("put the value in single quotes: {name}='…'"),
        ),
        None => Fault::new(
            format!("line {number} is malformed"),
            "write NAME=VALUE, the value in single quotes where it holds a space, quote, backslash or `$`",
        ),
    }
    .of(FILE)
}

fn at_line(number: usize, name: &str, fault: Fault) -> Problem {
    Fault::new(format!("line {number}: {name} {}", fault.cause), fault.advice).of(FILE)
}

fn concerns_us(name: &str) -> bool {
    is_ours(name) || variables::position(name).is_some()
}

/// What in `line`, the (last) line of the item `name`, two readers of a `.env` file would read in two ways.
fn ambiguity(name: &str, line: &str) -> Option<Fault> {
    let (_, value) = line.split_once('=')?;
    let secret = variables::all().any(|variable| variable.name == name && variable.secret);
    let mut quote = None;
    let mut characters = value.trim_start().chars().peekable();
    let mut before = None;
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, '#') if before.is_none_or(char::is_whitespace) => break,
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (Some('"'), '\\') => {
                characters.next();
            }
            (None, '\\') => {
                return Some(Fault::new(
                    "has a backslash outside quotes, which may be lost",
                    format!("put the value in single quotes: {name}='…'"),
                ));
            }
            (None | Some('"'), '$') if secret || characters.peek() != Some(&'{') => {
                return Some(Fault::new(
                    "has a `$` outside single quotes, which starts a substitution",
                    format!("put the value in single quotes: {name}='…'"),
                ));
            }
            _ => {}
        }
        before = Some(character);
    }
    None
}

/// Hands out a line at a time, so that the number of lines taken tells where dotenvy stands.
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
