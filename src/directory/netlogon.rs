//! Netlogon ping: the rootDSE search for the attribute `netlogon`, by which a client of a domain
//! asks a controller where both are (MS-ADTS 6.3.3), and the value of the answer (MS-ADTS 6.3.1.9).
//!
//! INVARIANT: the octets that are decoded here may come from anybody, since over UDP nothing proves
//! the sender. Decoding reads each octet of a name at most once a pointer, follows pointers to
//! smaller offsets alone, and copies at most [`LONGEST_NAME`] octets a name.

use super::ber::{self, BerElements, BerFault, INTEGER, OCTET_STRING, SEQUENCE, SET};
use super::message::ENTRY;

/// Attribute of rootDSE that holds the answer.
pub const ATTRIBUTE: &str = "netlogon";

/// Form of the answer that is asked for: V5 and V5EX, with the next closest site (MS-ADTS 6.3.1.1).
const NT_VERSION: u32 = 0x16;

/// Bits of the NtVersion of an answer that say which optional parts it has (MS-ADTS 6.3.1.1).
const WITH_ADDRESS: u32 = 0x08;
const WITH_CLOSEST_SITE: u32 = 0x10;

/// Octets after the optional parts: NtVersion and two tokens.
const TRAILER: usize = 8;

/// Longest name, and longest label of it (RFC 1035 section 2.3.4).
const LONGEST_NAME: usize = 255;
const LONGEST_LABEL: u8 = 63;

/// The first two bits of an octet that begins a pointer (RFC 1035 section 4.1.4).
const POINTER: u8 = 0xC0;

/// DS flags (MS-ADTS 6.3.1.2): what a controller is.
mod flag {
    pub const PDC: u32 = 0x1;
    pub const GLOBAL_CATALOG: u32 = 0x4;
    pub const CLOSEST: u32 = 0x80;
    pub const WRITABLE: u32 = 0x100;
    pub const NON_DOMAIN: u32 = 0x400;
    pub const SELECT_SECRETS: u32 = 0x800;
}

/// Answer of a controller to the netlogon ping (`NETLOGON_SAM_LOGON_RESPONSE_EX`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetlogonAnswer {
    /// The netlogon service of the controller is paused.
    pub is_paused: bool,
    /// DNS name of the domain.
    pub domain: String,
    /// DNS name of the controller.
    pub host: String,
    /// Site of the controller.
    pub controller_site: String,
    /// Site of the client, from the address that the controller sees; empty where no subnet of the
    /// directory holds that address.
    pub client_site: String,
    /// Site nearest to that of the client.
    pub next_closest_site: Option<String>,
    /// DS flags (MS-ADTS 6.3.1.2).
    pub flags: u32,
}

/// Defect of an answer to the netlogon ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetlogonFault {
    /// The message is no answer to a search.
    #[error("a malformed message: {0}")]
    Message(#[from] BerFault),
    /// The answer belongs to another request.
    #[error("another message id than that of the request")]
    OtherRequest,
    /// The entry has no value of the attribute, or several.
    #[error("not exactly one value of netlogon")]
    NoValue,
    /// The value ends before its last field.
    #[error("a value that is too short")]
    TooShort,
    /// The value begins with an operation code of another structure.
    #[error("an unknown operation code")]
    UnknownOpcode,
    /// A name is longer than DNS allows, or holds octets that are no text.
    #[error("a malformed name")]
    MalformedName,
    /// A pointer within a name leads forward, or to itself.
    #[error("a name whose pointer does not lead backward")]
    PointerLoop,
}

impl NetlogonAnswer {
    /// Reports whether the answer is about `domain`.
    #[must_use]
    pub fn is_of(&self, domain: &str) -> bool {
        self.domain.eq_ignore_ascii_case(domain.trim_end_matches('.'))
    }

    /// Reports whether the controller counts itself as near: it is in the site of the client, or
    /// serves that site because no controller is in it.
    #[must_use]
    pub const fn is_closest(&self) -> bool {
        self.flags & flag::CLOSEST != 0
    }

    /// Reports whether the controller is the emulator of the primary domain controller.
    #[must_use]
    pub const fn is_pdc(&self) -> bool {
        self.flags & flag::PDC != 0
    }

    /// Reports whether the controller holds a read-only copy (RODC).
    #[must_use]
    pub const fn is_read_only(&self) -> bool {
        self.flags & flag::SELECT_SECRETS != 0 || self.flags & flag::WRITABLE == 0
    }

    /// Reports whether the server serves something else than a domain.
    #[must_use]
    pub const fn is_non_domain(&self) -> bool {
        self.flags & flag::NON_DOMAIN != 0
    }

    /// Returns the roles of the controller in words.
    #[must_use]
    pub fn roles(&self) -> Vec<&'static str> {
        [
            (self.is_pdc(), "PDC emulator"),
            (self.flags & flag::GLOBAL_CATALOG != 0, "global catalog"),
            (self.is_read_only(), "read-only"),
            (!self.is_read_only(), "writable"),
        ]
        .into_iter()
        .filter_map(|(applies, role)| applies.then_some(role))
        .collect()
    }
}

/// Returns the filter of the search, as text (RFC 4515).
#[must_use]
pub fn filter(domain: &str) -> String {
    let version: String = NT_VERSION
        .to_le_bytes()
        .iter()
        .map(|octet| format!("\\{octet:02x}"))
        .collect();
    format!("(&(DnsDomain={})(NtVer={version}))", domain.trim_end_matches('.'))
}

/// Returns the search as one LDAP message (RFC 4511 section 4.5.1). `message_id` is at most
/// 2^31 - 1.
#[must_use]
pub fn request(message_id: u32, domain: &str) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| {
        let mut out = Vec::new();
        ber::write(&mut out, tag, content);
        out
    };
    let equality = |name: &str, value: &[u8]| {
        let parts = [
            element(OCTET_STRING, name.as_bytes()),
            element(OCTET_STRING, value),
        ];
        element(0xA3, &parts.concat())
    };
    let filter = [
        equality("DnsDomain", domain.trim_end_matches('.').as_bytes()),
        equality("NtVer", &NT_VERSION.to_le_bytes()),
    ];
    let search = [
        // The empty base, scope base, no dereferencing, no limits, types and values.
        vec![OCTET_STRING, 0, ber::ENUMERATED, 1, 0, ber::ENUMERATED, 1, 0],
        vec![INTEGER, 1, 0, INTEGER, 1, 0, ber::BOOLEAN, 1, 0],
        element(0xA0, &filter.concat()),
        element(SEQUENCE, &element(OCTET_STRING, ATTRIBUTE.as_bytes())),
    ];
    // The shortest form of a positive INTEGER: no leading zeros but for the sign.
    let id = message_id.to_be_bytes();
    let zeros = id.iter().take(3).take_while(|octet| **octet == 0).count();
    let mut id: Vec<u8> = id[zeros..].to_vec();
    if id.first().is_some_and(|first| *first >= 0x80) {
        id.insert(0, 0);
    }
    element(
        SEQUENCE,
        &[element(INTEGER, &id), element(0x63, &search.concat())].concat(),
    )
}

/// Decodes the first LDAP message of `octets`, which is to be the entry that answers the request
/// with `message_id`. The octets after it are the result of the search, which holds nothing more.
///
/// # Errors
/// When it is anything else.
pub fn response(octets: &[u8], message_id: u32) -> Result<NetlogonAnswer, NetlogonFault> {
    let message = BerElements::new(octets).expect(SEQUENCE, "no LDAP message")?;
    let mut message = BerElements::new(message);
    let id = message.expect(INTEGER, "no message id")?;
    if ber::number(id, "no message id")? != message_id {
        return Err(NetlogonFault::OtherRequest);
    }
    let mut entry = BerElements::new(message.expect(ENTRY, "no search entry")?);
    entry.expect(OCTET_STRING, "no name of the entry")?;
    let mut attributes = BerElements::new(entry.expect(SEQUENCE, "no attributes")?);
    while let Some((_, attribute)) = attributes.next()? {
        let mut attribute = BerElements::new(attribute);
        let name = attribute.expect(OCTET_STRING, "no name of an attribute")?;
        if name.eq_ignore_ascii_case(ATTRIBUTE.as_bytes()) {
            let mut values = BerElements::new(attribute.expect(SET, "no values")?);
            let value = values.expect(OCTET_STRING, "no value")?;
            if !values.is_empty() {
                return Err(NetlogonFault::NoValue);
            }
            return decode(value);
        }
    }
    Err(NetlogonFault::NoValue)
}

/// Decodes the value of `netlogon`: little-endian numbers and compressed names, without alignment.
///
/// # Errors
/// When it is another structure, cut off, or holds a malformed name.
pub fn decode(value: &[u8]) -> Result<NetlogonAnswer, NetlogonFault> {
    let mut fields = NetlogonFields { value, at: 0 };
    let is_paused = match fields.u16()? {
        // LOGON_SAM_LOGON_RESPONSE_EX, LOGON_SAM_USER_UNKNOWN_EX: no user was asked for.
        0x17 | 0x19 => false,
        // LOGON_SAM_PAUSE_RESPONSE_EX
        0x18 => true,
        _ => return Err(NetlogonFault::UnknownOpcode),
    };
    fields.u16()?;
    let flags = fields.u32()?;
    // The GUID of the domain.
    fields.skip(16)?;
    // The forest.
    fields.name()?;
    let domain = fields.name()?;
    let host = fields.name()?;
    // NetBIOS names of domain and controller, and the user.
    for _ in 0..3 {
        fields.name()?;
    }
    let controller_site = fields.name()?;
    let client_site = fields.name()?;
    let next_closest_site = fields.next_closest_site()?;
    Ok(NetlogonAnswer {
        is_paused,
        domain,
        host,
        controller_site,
        client_site,
        next_closest_site,
        flags,
    })
}

/// Reader of the fields of the value, from the front.
struct NetlogonFields<'a> {
    value: &'a [u8],
    at: usize,
}

impl<'a> NetlogonFields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], NetlogonFault> {
        let octets = self.value.get(self.at..).and_then(|rest| rest.get(..count));
        let octets = octets.ok_or(NetlogonFault::TooShort)?;
        self.at += count;
        Ok(octets)
    }

    fn skip(&mut self, count: usize) -> Result<(), NetlogonFault> {
        self.take(count).map(|_| ())
    }

    fn u16(&mut self) -> Result<u16, NetlogonFault> {
        match self.take(2)? {
            &[low, high] => Ok(u16::from_le_bytes([low, high])),
            _ => Err(NetlogonFault::TooShort),
        }
    }

    fn u32(&mut self) -> Result<u32, NetlogonFault> {
        match self.take(4)? {
            &[a, b, c, d] => Ok(u32::from_le_bytes([a, b, c, d])),
            _ => Err(NetlogonFault::TooShort),
        }
    }

    /// Reads the site that is nearest to that of the client, where the NtVersion at the end says
    /// that it is there. The NtVersion that was asked for does not matter.
    fn next_closest_site(&mut self) -> Result<Option<String>, NetlogonFault> {
        let mut trailer = NetlogonFields {
            value: self.value,
            at: self.value.len().saturating_sub(TRAILER),
        };
        if trailer.at < self.at {
            return Err(NetlogonFault::TooShort);
        }
        let version = trailer.u32()?;
        if version & WITH_ADDRESS != 0 {
            let size = self.take(1)?.first().copied().unwrap_or(0);
            self.skip(usize::from(size))?;
        }
        if version & WITH_CLOSEST_SITE == 0 {
            return Ok(None);
        }
        let site = self.name()?;
        Ok((!site.is_empty()).then_some(site))
    }

    /// Reads a name (RFC 1035 section 4.1.4); its pointers count from the start of the value.
    fn name(&mut self) -> Result<String, NetlogonFault> {
        let mut name = Vec::new();
        let mut at = self.at;
        // Start of the labels that are read now. A pointer must lead to a place before it, so their
        // number is bounded.
        let mut begin = at;
        let mut end = None;
        loop {
            let length = *self.value.get(at).ok_or(NetlogonFault::TooShort)?;
            at += 1;
            match length {
                0 => break,
                1..=LONGEST_LABEL => {
                    let label = self.value.get(at..at + usize::from(length));
                    let label = label.ok_or(NetlogonFault::TooShort)?;
                    if !name.is_empty() {
                        name.push(b'.');
                    }
                    name.extend_from_slice(label);
                    if name.len() > LONGEST_NAME {
                        return Err(NetlogonFault::MalformedName);
                    }
                    at += usize::from(length);
                }
                _ if length & POINTER == POINTER => {
                    let low = *self.value.get(at).ok_or(NetlogonFault::TooShort)?;
                    let target = usize::from(u16::from_be_bytes([length & !POINTER, low]));
                    end = end.or(Some(at + 1));
                    if target >= begin {
                        return Err(NetlogonFault::PointerLoop);
                    }
                    (begin, at) = (target, target);
                }
                _ => return Err(NetlogonFault::MalformedName),
            }
        }
        self.at = end.unwrap_or(at);
        let name = String::from_utf8(name).map_err(|_| NetlogonFault::MalformedName)?;
        if name.chars().any(char::is_control) {
            return Err(NetlogonFault::MalformedName);
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests;
