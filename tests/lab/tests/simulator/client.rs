//! A client of a few lines, so that the tests trust no LDAP library: it writes requests and takes answers apart.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use lab::simulator::ber::{self, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, Writer};
use lab::simulator::message::PAGED_RESULTS;

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    next_id: i64,
}

/// What a search gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub entries: Vec<Entry>,
    pub references: usize,
    pub code: i64,
    pub matched: String,
    pub message: String,
    /// Of the page control, when there was one.
    pub cookie: Option<Vec<u8>>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    pub dn: String,
    pub attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

/// What is asked; the rest is as in most tests.
#[derive(Clone)]
pub struct Ask<'a> {
    pub base: &'a str,
    /// 0 base, 1 one level, 2 subtree.
    pub scope: i64,
    pub filter: &'a str,
    pub attributes: &'a [&'a str],
    /// Page size and cookie.
    pub page: Option<(i64, Vec<u8>)>,
    /// Further controls: OID and criticality.
    pub controls: &'a [(&'a str, bool)],
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            base: "DC=corp,DC=example",
            scope: 2,
            filter: "(objectClass=*)",
            attributes: &["cn"],
            page: None,
            controls: &[],
        }
    }
}

impl Entry {
    pub fn text(&self, name: &str) -> Option<String> {
        let value = self.attributes.get(name)?.first()?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

impl Client {
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
            next_id: 1,
        }
    }

    /// Connected and bound as the reader.
    pub fn reader(addr: SocketAddr) -> Self {
        Self::bound(addr, lab::simulator::READER)
    }

    pub fn bound(addr: SocketAddr, account: &str) -> Self {
        let mut client = Self::connect(addr);
        let (code, message) = client.bind(&format!("{account}@corp.example"), lab::simulator::PASSWORD);
        assert_eq!(code, 0, "{message}");
        client
    }

    /// Result code and diagnostic message.
    pub fn bind(&mut self, name: &str, password: &str) -> (i64, String) {
        let mut bind = Writer::default();
        let open = bind.open(0x60);
        bind.integer(INTEGER, 3);
        bind.octets(OCTETS, name.as_bytes());
        bind.octets(0x80, password.as_bytes());
        bind.close(open);
        self.send(bind.bytes(), None);
        let (_, contents, _) = self.receive().unwrap();
        let (code, _, message) = outcome(&contents);
        (code, message)
    }

    pub fn search(&mut self, ask: &Ask<'_>) -> Found {
        self.try_search(ask).expect("the connection was cut")
    }

    /// All entries of all pages.
    pub fn search_paged(&mut self, ask: &Ask<'_>, size: i64) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut cookie = Vec::new();
        loop {
            let found = self.search(&Ask {
                page: Some((size, cookie)),
                ..ask.clone()
            });
            assert_eq!(found.code, 0, "{}", found.message);
            entries.extend(found.entries);
            cookie = found.cookie.unwrap();
            if cookie.is_empty() {
                return entries;
            }
        }
    }

    /// `None` when the connection was cut before the search was done; what came until then is lost.
    pub fn try_search(&mut self, ask: &Ask<'_>) -> Option<Found> {
        self.start_search(ask);
        let mut found = Found::default();
        loop {
            let (tag, contents, cookie) = self.receive()?;
            match tag {
                0x64 => found.entries.push(entry(&contents)),
                0x73 => found.references += 1,
                _ => {
                    (found.code, found.matched, found.message) = outcome(&contents);
                    found.cookie = cookie;
                    return Some(found);
                }
            }
        }
    }

    /// Sends a search and gives its message number.
    pub fn start_search(&mut self, ask: &Ask<'_>) -> i64 {
        let mut search = Writer::default();
        let open = search.open(0x63);
        search.octets(OCTETS, ask.base.as_bytes());
        search.integer(ENUMERATED, ask.scope);
        search.integer(ENUMERATED, 0);
        search.integer(INTEGER, 0);
        search.integer(INTEGER, 0);
        search.octets(ber::BOOLEAN, &[0]);
        write_filter(ask.filter, &mut search);
        let list = search.open(SEQUENCE);
        ask.attributes
            .iter()
            .for_each(|name| search.octets(OCTETS, name.as_bytes()));
        search.close(list);
        search.close(open);
        let mut controls = Writer::default();
        let open = controls.open(0xA0);
        for (oid, critical) in ask.controls {
            write_control(oid, *critical, None, &mut controls);
        }
        if let Some((size, cookie)) = &ask.page {
            let mut value = Writer::default();
            let page = value.open(SEQUENCE);
            value.integer(INTEGER, *size);
            value.octets(OCTETS, cookie);
            value.close(page);
            write_control(PAGED_RESULTS, true, Some(value.bytes()), &mut controls);
        }
        controls.close(open);
        self.send(search.bytes(), Some(controls.bytes()))
    }

    /// Sends one message and gives its number.
    pub fn send(&mut self, operation: &[u8], controls: Option<&[u8]>) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        let mut message = Writer::default();
        let open = message.open(SEQUENCE);
        message.integer(INTEGER, id);
        message.raw(operation);
        message.raw(controls.unwrap_or_default());
        message.close(open);
        self.stream.write_all(message.bytes()).unwrap();
        id
    }

    /// Tag and contents of the next answer, and its page cookie; `None` when the connection was cut.
    pub fn receive(&mut self) -> Option<(u8, Vec<u8>, Option<Vec<u8>>)> {
        let frame = self.frame()?;
        let mut message = Reader::new(Reader::new(&frame).expect(SEQUENCE).unwrap());
        message.integer(INTEGER).unwrap();
        let (tag, contents) = message.element().unwrap();
        let cookie = message.optional(0xA0).unwrap().map(|controls| {
            let mut control = Reader::new(Reader::new(controls).expect(SEQUENCE).unwrap());
            assert_eq!(control.text(), Ok(PAGED_RESULTS));
            let mut value = Reader::new(
                Reader::new(control.expect(OCTETS).unwrap())
                    .expect(SEQUENCE)
                    .unwrap(),
            );
            value.integer(INTEGER).unwrap();
            value.expect(OCTETS).unwrap().to_vec()
        });
        Some((tag, contents.to_vec(), cookie))
    }

    /// The bytes of the next message.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = ber::frame_length(&self.buffer).unwrap()
                && self.buffer.len() >= length
            {
                return Some(self.buffer.drain(..length).collect());
            }
            let mut chunk = [0; 64 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(read) => self.buffer.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no answer: {error}"),
            }
        }
    }

    /// Bytes that came and are not a whole message.
    pub fn rest(&self) -> &[u8] {
        &self.buffer
    }
}

fn outcome(contents: &[u8]) -> (i64, String, String) {
    let mut result = Reader::new(contents);
    let code = result.integer(ENUMERATED).unwrap();
    let matched = result.text().unwrap().to_owned();
    (code, matched, result.text().unwrap().to_owned())
}

fn entry(contents: &[u8]) -> Entry {
    let mut inner = Reader::new(contents);
    let dn = inner.text().unwrap().to_owned();
    let mut list = Reader::new(inner.expect(SEQUENCE).unwrap());
    let mut attributes = BTreeMap::new();
    while !list.is_empty() {
        let mut attribute = Reader::new(list.expect(SEQUENCE).unwrap());
        let name = attribute.text().unwrap().to_owned();
        let mut set = Reader::new(attribute.expect(ber::SET).unwrap());
        let mut values = Vec::new();
        while !set.is_empty() {
            values.push(set.expect(OCTETS).unwrap().to_vec());
        }
        assert!(
            attributes.insert(name, values).is_none(),
            "an attribute came twice"
        );
    }
    Entry { dn, attributes }
}

fn write_control(oid: &str, critical: bool, value: Option<&[u8]>, out: &mut Writer) {
    let open = out.open(SEQUENCE);
    out.octets(OCTETS, oid.as_bytes());
    out.octets(ber::BOOLEAN, &[if critical { 0xFF } else { 0 }]);
    if let Some(value) = value {
        out.octets(OCTETS, value);
    }
    out.close(open);
}

/// Conjunctions of `(name=*)`, `(name=value)`, `(name>=value)` and `(name<=value)`: what these tests need.
fn write_filter(text: &str, out: &mut Writer) {
    if let Some(list) = text.strip_prefix("(&").and_then(|rest| rest.strip_suffix(')')) {
        let open = out.open(0xA0);
        for item in list.trim_matches(['(', ')']).split(")(") {
            write_filter(&format!("({item})"), out);
        }
        return out.close(open);
    }
    let (name, value) = text.trim_matches(['(', ')']).split_once('=').unwrap();
    if value == "*" {
        return out.octets(0x87, name.as_bytes());
    }
    let tag = match name.as_bytes().last() {
        Some(b'>') => 0xA5,
        Some(b'<') => 0xA6,
        _ => 0xA3,
    };
    let open = out.open(tag);
    out.octets(OCTETS, name.trim_end_matches(['<', '>']).as_bytes());
    out.octets(OCTETS, value.as_bytes());
    out.close(open);
}
