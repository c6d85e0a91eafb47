//! The grammar of the messages that a client may receive (RFC 4511 section 4), as far as a decoder
//! that trusts it needs.
//!
//! INVARIANT: a message that [`answer`] accepts has exactly the parts that its operation has, in
//! order. The decoder behind the guard unwraps each of these without a check, and every text as
//! UTF-8: it gets results as [`readable_result`] writes them.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::ber::{self, BOOLEAN, BerElements, BerFault, ENUMERATED, INTEGER, OCTET_STRING, SEQUENCE};
use super::result_code::LdapResult;

/// Notice of Disconnection (RFC 4511 section 4.4.1).
pub const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

/// Identifier octet of a `SearchResultEntry`, `[APPLICATION 4]`.
pub const ENTRY: u8 = 0x64;

/// The operation of an answer: `protocolOp` of RFC 4511 section 4.2 to 4.14, by its identifier
/// octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerOperation {
    /// `[APPLICATION 1]`
    Bind,
    /// `[APPLICATION 4]`
    Entry,
    /// `[APPLICATION 5]`
    SearchDone,
    /// `[APPLICATION 19]`
    Reference,
    /// `[APPLICATION 24]`
    Extended,
}

impl AnswerOperation {
    const fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            0x61 => Some(Self::Bind),
            ENTRY => Some(Self::Entry),
            0x65 => Some(Self::SearchDone),
            0x73 => Some(Self::Reference),
            0x78 => Some(Self::Extended),
            _ => None,
        }
    }

    /// Returns `true` when nothing more comes for the request after this.
    #[must_use]
    pub const fn is_last(self) -> bool {
        !matches!(self, Self::Entry | Self::Reference)
    }
}

/// The requests that this client makes, by their identifier octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestOperation {
    /// `[APPLICATION 0]`
    Bind,
    /// `[APPLICATION 3]`
    Search,
    /// Unbind `[APPLICATION 2]` or abandon `[APPLICATION 16]`: nothing answers these.
    Farewell,
}

impl RequestOperation {
    /// Returns `true` when `answer` may come for this request. Intermediate responses are never
    /// asked for.
    #[must_use]
    pub const fn admits(self, answer: AnswerOperation) -> bool {
        match self {
            Self::Bind => matches!(answer, AnswerOperation::Bind),
            Self::Search => matches!(
                answer,
                AnswerOperation::Entry | AnswerOperation::Reference | AnswerOperation::SearchDone
            ),
            Self::Farewell => false,
        }
    }
}

/// Message that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LdapMessage {
    /// Something that answers the request with this message id.
    Answer {
        /// `messageID`, never 0.
        id: u32,
        /// Its operation.
        answer: AnswerOperation,
    },
    /// Message id 0: an unsolicited notification (RFC 4511 section 4.4).
    Notification {
        /// `responseName`, empty where there is none.
        name: String,
        /// Its result.
        outcome: LdapResult,
    },
}

/// Reads one whole message that came from the server.
///
/// # Errors
/// When it is not one that a client may receive, or a part of it is missing or misshapen.
pub fn answer(bytes: &[u8]) -> Result<LdapMessage, BerFault> {
    let mut parts = BerElements::new(BerElements::new(bytes).expect(SEQUENCE, "no LDAP message")?);
    let id = ber::number(
        parts.expect(INTEGER, "no message id")?,
        "a message id out of range",
    )?;
    let (tag, content) = parts.next()?.ok_or(BerFault::Unexpected("no operation"))?;
    let answer =
        AnswerOperation::from_tag(tag).ok_or(BerFault::Unexpected("an operation that no client expects"))?;
    if id == 0 {
        return notification(answer, content, parts);
    }
    match answer {
        // An entry is taken apart by `entry`, which trusts nothing; a reference is only counted.
        AnswerOperation::Entry | AnswerOperation::Reference => {}
        AnswerOperation::Bind | AnswerOperation::SearchDone | AnswerOperation::Extended => {
            result(content)?;
        }
    }
    if !parts.is_empty() {
        controls(parts.expect(0xA0, "something after the operation that is no control")?)?;
    }
    if !parts.is_empty() {
        return Err(BerFault::Unexpected("something after the controls"));
    }
    Ok(LdapMessage::Answer { id, answer })
}

/// Reads a notification. Active Directory puts the name of its Notice of Disconnection outside of
/// the operation; both places are read.
fn notification(
    answer: AnswerOperation,
    content: &[u8],
    mut rest: BerElements<'_>,
) -> Result<LdapMessage, BerFault> {
    if answer != AnswerOperation::Extended {
        return Err(BerFault::Unexpected(
            "message id 0 on something that is no notification",
        ));
    }
    let (outcome, name) = result(content)?;
    let name = match (name, rest.next()?) {
        (Some(name), _) => name,
        (None, Some((0x8A, name))) => String::from_utf8_lossy(name).into_owned(),
        (None, _) => String::new(),
    };
    Ok(LdapMessage::Notification { name, outcome })
}

/// Returns octets as text: UTF-8 as it is, every other octet as `\xx`. In a distinguished name this
/// is the escape of RFC 4514 section 2.4, so the text names the same object to the server.
pub fn readable(octets: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(octets) {
        return Cow::Borrowed(text);
    }
    let mut text = String::new();
    for chunk in octets.utf8_chunks() {
        text.push_str(chunk.valid());
        for octet in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\{octet:02x}");
        }
    }
    Cow::Owned(text)
}

/// Reads an `LDAPResult` (RFC 4511 section 4.1.9) with the name of an extended response, where
/// there is one. Texts that are not UTF-8 are made [`readable`]: Windows sends the challenge of a
/// Sicily bind where the matched DN stands.
///
/// # Errors
/// When a part is missing or misshapen.
pub fn result(content: &[u8]) -> Result<(LdapResult, Option<String>), BerFault> {
    let mut parts = BerElements::new(content);
    let code = ber::number(
        parts.expect(ENUMERATED, "no result code")?,
        "a result code out of range",
    )?;
    let matched = readable(parts.expect(OCTET_STRING, "no matchedDN")?);
    let diagnostic = readable(parts.expect(OCTET_STRING, "no diagnostic message")?);
    let mut referrals = Vec::new();
    let mut name = None;
    while let Some((tag, content)) = parts.next()? {
        match tag {
            0xA3 => referrals = texts(content)?,
            0x8A => name = Some(readable(content).into_owned()),
            0x87 | 0x8B => {}
            _ => {
                return Err(BerFault::Unexpected(
                    "a result with a part that LDAP does not know",
                ));
            }
        }
    }
    Ok((LdapResult::new(code, &matched, &diagnostic, referrals), name))
}

/// Returns a result that [`answer`] accepted, with every text in UTF-8: the message itself, or one
/// with its texts made [`readable`]. `None` when it is no result after all.
#[must_use]
pub fn readable_result(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut parts = BerElements::new(BerElements::new(bytes).expect(SEQUENCE, "").ok()?);
    let id = parts.expect(INTEGER, "").ok()?;
    let (tag, content) = parts.next().ok()??;
    let mut changed = false;
    let mut result = Vec::new();
    let mut rest = BerElements::new(content);
    while let Some((tag, content)) = rest.next().ok()? {
        let content = match tag {
            OCTET_STRING | 0x8A => octets_of(readable(content)),
            0xA3 => readable_texts(content)?,
            _ => Cow::Borrowed(content),
        };
        changed |= matches!(content, Cow::Owned(_));
        ber::write(&mut result, tag, &content);
    }
    if !changed {
        return Some(Cow::Borrowed(bytes));
    }
    let mut message = Vec::new();
    ber::write(&mut message, INTEGER, id);
    ber::write(&mut message, tag, &result);
    while let Some((tag, content)) = parts.next().ok()? {
        ber::write(&mut message, tag, content);
    }
    let mut whole = Vec::new();
    ber::write(&mut whole, SEQUENCE, &message);
    Some(Cow::Owned(whole))
}

/// Returns a row of texts, each made [`readable`].
fn readable_texts(row: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut changed = false;
    let mut texts = Vec::new();
    let mut rest = BerElements::new(row);
    while let Some((tag, content)) = rest.next().ok()? {
        let content = octets_of(readable(content));
        changed |= matches!(content, Cow::Owned(_));
        ber::write(&mut texts, tag, &content);
    }
    Some(if changed {
        Cow::Owned(texts)
    } else {
        Cow::Borrowed(row)
    })
}

fn octets_of(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Checks `Controls` (RFC 4511 section 4.1.11).
fn controls(content: &[u8]) -> Result<(), BerFault> {
    let mut row = BerElements::new(content);
    while !row.is_empty() {
        let mut parts = BerElements::new(row.expect(SEQUENCE, "a control that is no sequence")?);
        text(parts.expect(OCTET_STRING, "a control without a type")?)?;
        if parts.peek() == Some(BOOLEAN) && parts.expect(BOOLEAN, "")?.len() != 1 {
            return Err(BerFault::Unexpected("a control with a misshapen criticality"));
        }
        if !parts.is_empty() {
            parts.expect(OCTET_STRING, "a control with a misshapen value")?;
        }
        if !parts.is_empty() {
            return Err(BerFault::Unexpected("a control with too many parts"));
        }
    }
    Ok(())
}

fn text(content: &[u8]) -> Result<&str, BerFault> {
    str::from_utf8(content).map_err(|_| BerFault::Unexpected("text that is not UTF-8"))
}

fn texts(content: &[u8]) -> Result<Vec<String>, BerFault> {
    let mut row = BerElements::new(content);
    let mut found = Vec::new();
    while !row.is_empty() {
        found.push(readable(row.expect(OCTET_STRING, "a referral that is no text")?).into_owned());
    }
    Ok(found)
}

/// Returns the result of the answer to StartTLS, which this client asks for with message id 1.
///
/// # Errors
/// When it is another message.
pub fn start_tls_outcome(bytes: &[u8]) -> Result<LdapResult, BerFault> {
    match answer(bytes)? {
        LdapMessage::Notification { outcome, .. } if !outcome.is_success() => Ok(outcome),
        LdapMessage::Answer {
            id: 1,
            answer: AnswerOperation::Extended,
        } => {
            let mut parts = BerElements::new(BerElements::new(bytes).expect(SEQUENCE, "no LDAP message")?);
            parts.expect(INTEGER, "no message id")?;
            Ok(result(parts.expect(0x78, "no extended response")?)?.0)
        }
        _ => Err(BerFault::Unexpected("something else than the answer to StartTLS")),
    }
}

/// Returns the result of a `SearchResultDone`; `None` for another message.
#[must_use]
pub fn search_outcome(bytes: &[u8]) -> Option<LdapResult> {
    let mut parts = BerElements::new(BerElements::new(bytes).expect(SEQUENCE, "").ok()?);
    parts.expect(INTEGER, "").ok()?;
    Some(result(parts.expect(0x65, "").ok()?).ok()?.0)
}

/// Returns message id and kind of a message that this client sends; `None` for any other message.
#[must_use]
pub fn request(bytes: &[u8]) -> Option<(u32, RequestOperation)> {
    let mut parts = BerElements::new(BerElements::new(bytes).expect(SEQUENCE, "").ok()?);
    let id = ber::number(parts.expect(INTEGER, "").ok()?, "").ok()?;
    let request = match parts.peek()? {
        0x60 => RequestOperation::Bind,
        0x63 => RequestOperation::Search,
        0x42 | 0x50 => RequestOperation::Farewell,
        _ => return None,
    };
    Some((id, request))
}

#[cfg(test)]
mod tests;
