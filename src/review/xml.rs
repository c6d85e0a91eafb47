//! XML of the Qualys API, read as a stream within bounds.
//!
//! [`read`] makes an [`Element`] tree of a document, except that the elements of one name, the
//! records, are handed over one by one and not kept. No DTD is fetched, one with declarations is
//! refused, and so is every entity but the five of XML itself: nothing can expand.

use std::io::{self, BufRead, BufReader, Read};

use quick_xml::Reader;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesRef, BytesStart, Event};

pub use super::element::Element;

/// Longest document, octets.
const MAX_DOCUMENT: u64 = 256 << 20;
/// Longest text, tag or comment, octets: the host ids of an asset group are megabytes.
const MAX_PIECE: u64 = 16 << 20;
/// Longest name of an element or an attribute, octets.
const MAX_NAME: usize = 256;
/// Deepest nesting; the answers have six levels.
const MAX_DEPTH: usize = 32;
/// Most elements and attributes that are kept at a time.
const MAX_NODES: usize = 50_000;
/// Most records.
const MAX_RECORDS: usize = 200_000;
/// Octets of the beginning that are kept for a message.
const HEAD: usize = 512;

/// Reason for which a document is not read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlFault {
    /// No octet that is not space.
    #[error("the answer is empty")]
    Empty,
    /// A page for people.
    #[error("the answer is a web page, not XML: {0}")]
    Page(String),
    /// Something else than XML.
    #[error("the answer is not XML: {0}")]
    NotXml(String),
    /// A DTD with declarations of its own.
    #[error("the answer declares a DTD of its own, which is refused")]
    Declarations,
    /// A reference to an entity that XML itself does not define.
    #[error("the answer refers to the entity `{0}`, which is refused")]
    Entity(String),
    /// Beyond one of the bounds.
    #[error("the answer has {0}")]
    TooMuch(&'static str),
    /// Not well-formed.
    #[error("the answer is not well-formed: {0}")]
    Malformed(String),
    /// It ends within an element.
    #[error("the answer breaks off within <{0}>")]
    Truncated(String),
    /// The connection broke.
    #[error("the answer breaks off: {0}")]
    Broken(String),
}

/// Source that counts what is taken from it.
struct Metered<R> {
    source: BufReader<R>,
    head: Vec<u8>,
    total: u64,
    piece: u64,
    exceeded: Option<&'static str>,
    broken: Option<String>,
}

impl<R: Read> Metered<R> {
    fn new(source: R) -> Self {
        Self {
            source: BufReader::with_capacity(32 << 10, source),
            head: Vec::new(),
            total: 0,
            piece: 0,
            exceeded: None,
            broken: None,
        }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let taken = available.len().min(into.len());
        into[..taken].copy_from_slice(&available[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

impl<R: Read> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.exceeded = match (self.total, self.piece) {
            (MAX_DOCUMENT.., _) => Some("more than 256 MiB"),
            (_, MAX_PIECE..) => Some("a text of more than 16 MiB"),
            _ => None,
        };
        if self.exceeded.is_some() {
            return Err(io::Error::other("beyond the bounds"));
        }
        match self.source.fill_buf() {
            Ok(available) => {
                if self.total < HEAD as u64 {
                    // What was shown before and not taken comes again.
                    self.head.truncate(usize::try_from(self.total).unwrap_or(HEAD));
                    let room = HEAD - self.head.len();
                    self.head.extend(available.iter().take(room));
                }
                Ok(available)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.broken = Some(error.to_string());
                }
                Err(error)
            }
        }
    }

    fn consume(&mut self, amount: usize) {
        self.total = self.total.saturating_add(amount as u64);
        self.piece = self.piece.saturating_add(amount as u64);
        self.source.consume(amount);
    }
}

/// Reads a document. Every element named `record` is given to `take`, with what it holds, and not
/// kept; the others are returned. What was taken before a fault is right.
///
/// # Errors
/// Cause for which the document is not read to its end.
pub fn read(source: impl Read, record: &str, take: &mut dyn FnMut(Element)) -> Result<Element, XmlFault> {
    let mut reader = Reader::from_reader(Metered::new(source));
    let read = Tree::new(record, take).build(&mut reader);
    match read {
        // A page may be well-formed.
        Ok(root) if root.name.eq_ignore_ascii_case("html") => {
            let fault = XmlFault::Malformed(root.name);
            Err(explained(fault, reader.get_ref()))
        }
        read => read.map_err(|fault| explained(fault, reader.get_ref())),
    }
}

/// Names the cause behind a fault: the bound that was met, the connection, or that it is no XML.
fn explained<R>(fault: XmlFault, source: &Metered<R>) -> XmlFault {
    if let Some(exceeded) = source.exceeded {
        return XmlFault::TooMuch(exceeded);
    }
    if let Some(broken) = &source.broken {
        return XmlFault::Broken(broken.clone());
    }
    let head = String::from_utf8_lossy(&source.head);
    let head = head.trim_start_matches('\u{feff}').trim();
    let lower = head.to_ascii_lowercase();
    if head.is_empty() {
        return XmlFault::Empty;
    }
    if lower.contains("<html") || lower.contains("<!doctype html") {
        return XmlFault::Page(words(head));
    }
    if !head.starts_with('<') {
        return XmlFault::NotXml(words(head));
    }
    fault
}

/// Returns the first words, without tags.
fn words(text: &str) -> String {
    let mut plain = String::new();
    for (index, piece) in text.split('<').enumerate() {
        let after = match index {
            0 => piece,
            _ => piece.split_once('>').map_or("", |(_, after)| after),
        };
        plain.push_str(after);
        plain.push(' ');
    }
    let plain: Vec<&str> = plain.split_whitespace().collect();
    plain.join(" ").chars().take(120).collect()
}

/// Tree that grows while a document is read.
struct Tree<'a> {
    record: &'a str,
    take: &'a mut dyn FnMut(Element),
    open: Vec<Element>,
    root: Option<Element>,
    nodes: usize,
    /// Octets of all texts that are kept.
    octets: usize,
    /// Depth at which the open record began, with `nodes` and `octets` of that moment.
    before_record: Option<(usize, usize, usize)>,
    records: usize,
}

impl<'a> Tree<'a> {
    fn new(record: &'a str, take: &'a mut dyn FnMut(Element)) -> Self {
        Self {
            record,
            take,
            open: Vec::new(),
            root: None,
            nodes: 0,
            octets: 0,
            before_record: None,
            records: 0,
        }
    }

    fn build<R: Read>(mut self, reader: &mut Reader<Metered<R>>) -> Result<Element, XmlFault> {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            // One long text must not keep its memory for the rest of the document.
            buffer.shrink_to(1 << 20);
            reader.get_mut().piece = 0;
            let event = reader.read_event_into(&mut buffer);
            match event.map_err(|error| XmlFault::Malformed(short(&error.to_string())))? {
                Event::Start(tag) => self.begin(&tag)?,
                Event::Empty(tag) => {
                    self.begin(&tag)?;
                    self.end()?;
                }
                Event::End(_) => self.end()?,
                Event::Text(text) => self.add(&text.xml10_content())?,
                Event::CData(text) => self.add(&text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let text = resolved(&reference)?;
                    self.add(text.encode_utf8(&mut [0; 4]))?;
                }
                Event::DocType(text) if text.contains('[') => return Err(XmlFault::Declarations),
                Event::DocType(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        if let Some(open) = self.open.last() {
            return Err(XmlFault::Truncated(open.name.clone()));
        }
        self.root
            .ok_or_else(|| XmlFault::Malformed("it has no element".to_owned()))
    }

    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), XmlFault> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(XmlFault::Malformed("it has a second root".to_owned()));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(XmlFault::TooMuch("more than 32 levels"));
        }
        let name = name_of(tag.local_name().as_ref())?;
        if name == self.record && self.before_record.is_none() {
            self.before_record = Some((self.open.len(), self.nodes, self.octets));
            self.records += 1;
            if self.records > MAX_RECORDS {
                return Err(XmlFault::TooMuch("more than 200,000 records"));
            }
        }
        let mut element = Element {
            name,
            ..Element::default()
        };
        self.count()?;
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| XmlFault::Malformed(short(&error.to_string())))?;
            self.count()?;
            element.attributes.push(attribute_of(&attribute)?);
        }
        self.open.push(element);
        Ok(())
    }

    fn count(&mut self) -> Result<(), XmlFault> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(XmlFault::TooMuch("more than 50,000 elements beside each other"));
        }
        Ok(())
    }

    fn add(&mut self, text: &str) -> Result<(), XmlFault> {
        let Some(element) = self.open.last_mut() else {
            let is_space = text.trim_start_matches('\u{feff}').trim().is_empty();
            return match is_space {
                true => Ok(()),
                false => Err(XmlFault::Malformed("it has text outside its elements".to_owned())),
            };
        };
        // Space between elements is none of their text.
        let text = match element.text.as_str() {
            "" => text.trim_start(),
            _ => text,
        };
        self.octets += text.len();
        if self.octets > MAX_PIECE as usize {
            return Err(XmlFault::TooMuch("texts of more than 16 MiB beside each other"));
        }
        element.text.push_str(text);
        Ok(())
    }

    fn end(&mut self) -> Result<(), XmlFault> {
        let Some(mut element) = self.open.pop() else {
            return Err(XmlFault::Malformed(
                "it closes an element that is not open".to_owned(),
            ));
        };
        element.text.truncate(element.text.trim_end().len());
        let depth_now = self.open.len();
        match (self.before_record, self.open.last_mut()) {
            (Some((depth, nodes, octets)), _) if depth == depth_now => {
                self.before_record = None;
                (self.nodes, self.octets) = (nodes, octets);
                if depth == 0 {
                    self.root = Some(Element {
                        name: element.name.clone(),
                        ..Element::default()
                    });
                }
                (self.take)(element);
            }
            (_, Some(parent)) => parent.children.push(element),
            (_, None) => self.root = Some(element),
        }
        Ok(())
    }
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}

fn name_of(name: &str) -> Result<String, XmlFault> {
    if name.len() > MAX_NAME {
        return Err(XmlFault::TooMuch("a name of more than 256 octets"));
    }
    Ok(name.to_owned())
}

/// Returns the name and value of an attribute; references in it stay as they are written.
fn attribute_of(attribute: &Attribute<'_>) -> Result<(String, String), XmlFault> {
    let name = name_of(attribute.key.local_name().as_ref())?;
    Ok((name, attribute.value.to_string()))
}

/// Returns the character that a reference means: one of the five of XML, or one by its number.
fn resolved(reference: &BytesRef<'_>) -> Result<char, XmlFault> {
    let unknown = || XmlFault::Entity(short(reference));
    if reference.is_char_ref() {
        return reference.resolve_char_ref().ok().flatten().ok_or_else(unknown);
    }
    match &**reference {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(unknown()),
    }
}

#[cfg(test)]
#[path = "xml_tests.rs"]
mod tests;
