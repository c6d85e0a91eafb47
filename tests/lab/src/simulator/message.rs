//! LDAP messages (RFC 4511): requests read, responses written.

use super::ber::{self, BerError, OCTETS, Reader, SEQUENCE, Writer};
use super::filter::Filter;

/// Simple Paged Results, RFC 2696.
pub const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// LDAP_SERVER_SHOW_DELETED_OID, MS-ADTS 3.1.1.3.4.1.14.
pub const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
/// LDAP_SERVER_SHOW_RECYCLED_OID, MS-ADTS 3.1.1.3.4.1.27.
pub const SHOW_RECYCLED: &str = "1.2.840.113556.1.4.2064";
/// LDAP_SERVER_DOMAIN_SCOPE_OID: no continuation references, MS-ADTS 3.1.1.3.4.1.4.
pub const DOMAIN_SCOPE: &str = "1.2.840.113556.1.4.1339";
/// LDAP_SERVER_GET_STATS_OID: what a search cost, MS-ADTS 3.1.1.3.4.1.6. Not every controller offers it.
pub const GET_STATS: &str = "1.2.840.113556.1.4.970";
/// LDAP_SERVER_DIRSYNC_OID, MS-ADTS 3.1.1.3.4.1.3.
pub const DIRSYNC: &str = "1.2.840.113556.1.4.841";
/// LDAP_SERVER_EXTENDED_DN_OID, MS-ADTS 3.1.1.3.4.1.5.
pub const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
/// What rootDSE names.
pub const SUPPORTED_CONTROLS: [&str; 6] = [
    PAGED_RESULTS,
    SHOW_DELETED,
    SHOW_RECYCLED,
    DOMAIN_SCOPE,
    DIRSYNC,
    EXTENDED_DN,
];
/// StartTLS, RFC 4511 section 4.14.
pub const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// Who am I?, RFC 4532.
pub const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
/// Notice of Disconnection, RFC 4511 section 4.4.1.
pub const DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

/// Result codes of RFC 4511 appendix A that the simulator gives.
pub mod code {
    #![expect(missing_docs, reason = "the names are the RFC's")]
    pub const SUCCESS: i64 = 0;
    pub const OPERATIONS_ERROR: i64 = 1;
    pub const PROTOCOL_ERROR: i64 = 2;
    pub const SIZE_LIMIT_EXCEEDED: i64 = 4;
    pub const AUTH_METHOD_NOT_SUPPORTED: i64 = 7;
    pub const STRONGER_AUTH_REQUIRED: i64 = 8;
    pub const UNAVAILABLE_CRITICAL_EXTENSION: i64 = 12;
    pub const NO_SUCH_OBJECT: i64 = 32;
    pub const INVALID_CREDENTIALS: i64 = 49;
    pub const INSUFFICIENT_ACCESS_RIGHTS: i64 = 50;
    pub const UNAVAILABLE: i64 = 52;
    pub const UNWILLING_TO_PERFORM: i64 = 53;
}

/// A request with its controls.
#[derive(Debug, Clone)]
pub struct Request {
    /// The message's number, chosen by the client.
    pub id: i64,
    /// What is asked.
    pub operation: Operation,
    /// The controls sent along.
    pub controls: Vec<Control>,
}

/// What is asked.
#[derive(Debug, Clone)]
pub enum Operation {
    /// A simple bind: name and password.
    Bind {
        /// DN, UPN or `DOMAIN\user`; empty for anonymous.
        name: String,
        /// The password, `None` for SASL.
        password: Option<Vec<u8>>,
    },
    /// The client leaves.
    Unbind,
    /// A search.
    Search(Search),
    /// Forget the request of this number.
    Abandon(i64),
    /// An extended operation.
    Extended(String),
    /// An operation that the simulator does not serve: the tag of its response.
    Unserved(u8),
}

/// How deep below its base a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The base alone.
    Base,
    /// Its children.
    OneLevel,
    /// It and everything below.
    Subtree,
}

/// A search request.
#[derive(Debug, Clone)]
pub struct Search {
    /// Where it begins.
    pub base: String,
    /// How deep it goes.
    pub scope: Scope,
    /// The most entries the client wants, 0 for no limit.
    pub size_limit: i64,
    /// Names without values.
    pub types_only: bool,
    /// What matches.
    pub filter: Filter,
    /// The attributes wanted; empty means all.
    pub attributes: Vec<String>,
}

/// A control.
#[derive(Debug, Clone)]
pub struct Control {
    /// Its OID.
    pub oid: String,
    /// Whether the operation must fail when it is not understood.
    pub critical: bool,
    /// Its value.
    pub value: Vec<u8>,
}

/// A page request: size and cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The most entries on the page.
    pub size: i64,
    /// Empty for the first page.
    pub cookie: Vec<u8>,
}

impl Request {
    /// Decodes one frame.
    ///
    /// # Errors
    /// When it is no LDAP request.
    pub fn decode(frame: &[u8]) -> Result<Self, BerError> {
        let mut message = Reader::new(Reader::new(frame).expect(SEQUENCE)?);
        let id = message.integer(ber::INTEGER)?;
        let (tag, contents) = message.element()?;
        let operation = Operation::decode(tag, contents)?;
        let mut controls = Vec::new();
        if let Some(list) = message.optional(0xA0)? {
            let mut list = Reader::new(list);
            while !list.is_empty() {
                controls.push(Control::decode(list.expect(SEQUENCE)?)?);
            }
        }
        Ok(Self {
            id,
            operation,
            controls,
        })
    }

    /// The control with this OID.
    #[must_use]
    pub fn control(&self, oid: &str) -> Option<&Control> {
        self.controls.iter().find(|control| control.oid == oid)
    }

    /// The paged results control, when it is there.
    ///
    /// # Errors
    /// When its value is malformed.
    pub fn page(&self) -> Result<Option<PageRequest>, BerError> {
        let Some(control) = self.control(PAGED_RESULTS) else {
            return Ok(None);
        };
        let mut value = Reader::new(Reader::new(&control.value).expect(SEQUENCE)?);
        Ok(Some(PageRequest {
            size: value.integer(ber::INTEGER)?,
            cookie: value.expect(OCTETS)?.to_vec(),
        }))
    }
}

impl Operation {
    fn decode(tag: u8, contents: &[u8]) -> Result<Self, BerError> {
        let mut inner = Reader::new(contents);
        Ok(match tag {
            0x60 => {
                inner.integer(ber::INTEGER)?;
                let name = inner.text()?.to_owned();
                let password = inner.optional(0x80)?.map(<[u8]>::to_vec);
                Self::Bind { name, password }
            }
            0x42 => Self::Unbind,
            0x63 => Self::Search(Search::decode(&mut inner)?),
            0x50 => Self::Abandon(ber::integer(contents)?),
            0x77 => {
                let name = inner.expect(0x80)?;
                Self::Extended(std::str::from_utf8(name).map_err(|_| BerError::Value)?.to_owned())
            }
            0x66 | 0x68 | 0x6C | 0x6E => Self::Unserved(tag + 1),
            0x4A => Self::Unserved(0x6B),
            found => {
                return Err(BerError::Tag {
                    found,
                    expected: 0x60,
                });
            }
        })
    }
}

impl Search {
    fn decode(inner: &mut Reader) -> Result<Self, BerError> {
        let base = inner.text()?.to_owned();
        let scope = match inner.integer(ber::ENUMERATED)? {
            0 => Scope::Base,
            1 => Scope::OneLevel,
            2 => Scope::Subtree,
            _ => return Err(BerError::Value),
        };
        inner.integer(ber::ENUMERATED)?;
        let size_limit = inner.integer(ber::INTEGER)?;
        inner.integer(ber::INTEGER)?;
        let types_only = inner.boolean()?;
        let filter = Filter::decode(inner)?;
        let mut list = Reader::new(inner.expect(SEQUENCE)?);
        let mut attributes = Vec::new();
        while !list.is_empty() {
            attributes.push(list.text()?.to_owned());
        }
        Ok(Self {
            base,
            scope,
            size_limit,
            types_only,
            filter,
            attributes,
        })
    }
}

impl Control {
    fn decode(contents: &[u8]) -> Result<Self, BerError> {
        let mut inner = Reader::new(contents);
        let oid = inner.text()?.to_owned();
        let critical = if inner.peek() == Some(ber::BOOLEAN) {
            inner.boolean()?
        } else {
            false
        };
        let value = inner.optional(OCTETS)?.unwrap_or_default().to_vec();
        Ok(Self { oid, critical, value })
    }
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// A result code of RFC 4511.
    pub code: i64,
    /// The nearest ancestor that exists, for `noSuchObject`.
    pub matched: String,
    /// The diagnostic message.
    pub message: String,
}

impl Outcome {
    /// It went well.
    #[must_use]
    pub const fn success() -> Self {
        Self {
            code: code::SUCCESS,
            matched: String::new(),
            message: String::new(),
        }
    }

    /// It did not.
    #[must_use]
    pub fn error(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            matched: String::new(),
            message: message.into(),
        }
    }

    /// Writes the response to request `id`; `tag` is the response's, `cookie` the page's when the search was paged,
    /// `name` an extended response's.
    pub fn write(&self, out: &mut Writer, id: i64, tag: u8, cookie: Option<&[u8]>, name: Option<&str>) {
        let controls: Vec<_> = cookie.map(page_control).into_iter().collect();
        self.write_with(out, id, tag, &controls, name);
    }

    /// Writes the response to the DirSync search `id`.
    pub fn write_changes(&self, out: &mut Writer, id: i64, more: bool, cookie: &[u8]) {
        let mut value = Writer::default();
        let parts = value.open(SEQUENCE);
        value.integer(ber::INTEGER, i64::from(more));
        value.integer(ber::INTEGER, 0);
        value.octets(OCTETS, cookie);
        value.close(parts);
        self.write_with(out, id, 0x65, &[(DIRSYNC, value.take())], None);
    }

    /// The same with any controls, OID and value of each.
    pub fn write_with(
        &self,
        out: &mut Writer,
        id: i64,
        tag: u8,
        controls: &[(&str, Vec<u8>)],
        name: Option<&str>,
    ) {
        let message = out.open(SEQUENCE);
        out.integer(ber::INTEGER, id);
        let response = out.open(tag);
        out.integer(ber::ENUMERATED, self.code);
        out.octets(OCTETS, self.matched.as_bytes());
        out.octets(OCTETS, self.message.as_bytes());
        if let Some(name) = name {
            out.octets(0x8A, name.as_bytes());
        }
        out.close(response);
        if !controls.is_empty() {
            let list = out.open(0xA0);
            for (oid, value) in controls {
                let control = out.open(SEQUENCE);
                out.octets(OCTETS, oid.as_bytes());
                out.octets(OCTETS, value);
                out.close(control);
            }
            out.close(list);
        }
        out.close(message);
    }
}

/// The paging control of a page, OID and value.
#[must_use]
pub fn page_control(cookie: &[u8]) -> (&'static str, Vec<u8>) {
    let mut value = Writer::default();
    let page = value.open(SEQUENCE);
    value.integer(ber::INTEGER, 0);
    value.octets(OCTETS, cookie);
    value.close(page);
    (PAGED_RESULTS, value.take())
}
