//! Processing of a server's octets without a connection, for fuzzing and for tests: guard, entries,
//! result.

use std::sync::Mutex;

use bytes::BufMut;

use super::entry::Entry;
use super::message::{self, RequestOperation};
use super::operation::OperationEntries;
use super::received_octets::{AfterEntries, OpenRequest, ReceivedOctets};
use super::result_code::LdapResult;

/// The message id of the search that [`replay`] takes to be open: the first one after a bind.
pub const MESSAGE_ID: u32 = 2;

/// Outcome of a server's answer to one search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayedAnswer {
    /// Entries before the result, or before the fault.
    pub entries: Vec<Entry>,
    /// Continuation references among them.
    pub references: u64,
    /// The result, with which the search ends.
    pub outcome: Option<LdapResult>,
    /// Reason why the connection would be ended.
    pub fault: Option<String>,
}

/// Returns the outcome of `chunks`, which arrive one after the other, as the answer to a search
/// with [`MESSAGE_ID`] for at most `most` entries. Neither a result nor a fault means: more octets
/// are needed.
#[must_use]
pub fn replay<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, most: usize) -> ReplayedAnswer {
    let exchange = Mutex::new(OpenRequest::of(MESSAGE_ID, RequestOperation::Search));
    let mut inbox = ReceivedOctets::default();
    let mut found = OperationEntries::at_most(most);
    let mut heard = ReplayedAnswer {
        entries: Vec::new(),
        references: 0,
        outcome: None,
        fault: None,
    };
    for chunk in chunks {
        inbox.buffer().put_slice(chunk);
        while heard.fault.is_none() {
            let (run, then) = inbox.check(&exchange);
            heard.fault = found.read(&run.freeze(), &mut heard.entries).err();
            heard.references = found.references();
            if heard.fault.is_some() {
                break;
            }
            match then {
                AfterEntries::Result(message, _) => heard.outcome = message::search_outcome(&message),
                AfterEntries::Incomplete { message, reason } => {
                    heard.fault = found
                        .read_incomplete(&message.into(), reason, &mut heard.entries)
                        .err();
                }
                AfterEntries::Dropped(_) => {}
                AfterEntries::Fault(fault) => heard.fault = Some(fault.to_string()),
                AfterEntries::Read => break,
            }
        }
    }
    heard
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::directory::ber::{INTEGER, OCTET_STRING, SEQUENCE, SET, write};

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, tag, content);
        out
    }

    fn message(tag: u8, content: &[u8]) -> Vec<u8> {
        element(
            SEQUENCE,
            &[element(INTEGER, &[2]), element(tag, content)].concat(),
        )
    }

    fn answer() -> Vec<u8> {
        let string = |text: &[u8]| element(OCTET_STRING, text);
        let value = element(SET, &string(b"v"));
        let attribute = element(SEQUENCE, &[string(b"name"), value].concat());
        let entry = message(0x64, &[string(b"CN=a"), element(SEQUENCE, &attribute)].concat());
        let reference = message(0x73, &string(b"ldap://elsewhere"));
        let done = message(0x65, &[element(0x0A, &[0]), string(b""), string(b"")].concat());
        [entry.clone(), reference, entry, done].concat()
    }

    #[test]
    fn an_answer_is_heard_to_its_end() {
        let heard = replay([answer().as_slice()], 2);
        assert_eq!((heard.entries.len(), heard.references), (2, 1));
        assert_eq!(heard.entries[0].text("name"), Some("v"));
        assert!(heard.outcome.unwrap().is_success());
        assert_eq!(heard.fault, None);
        let fault = replay([answer().as_slice()], 1).fault.unwrap();
        assert!(fault.contains("more than the 1 entries"), "{fault}");
    }

    proptest! {
        #[test]
        fn r12_what_is_heard_does_not_depend_on_how_it_is_cut(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            size in 1_usize..64,
        ) {
            let mut octets = answer();
            for (at, octet) in damage {
                let at = at.index(octets.len());
                octets[at] = octet;
            }
            let whole = replay([octets.as_slice()], 2);
            let cut = replay(octets.chunks(size), 2);
            prop_assert_eq!(&whole.entries, &cut.entries);
            // The quoted beginning of an answer that is not LDAP may be shorter.
            prop_assert_eq!(whole.fault.is_some(), cut.fault.is_some());
            prop_assert_eq!(whole.outcome, cut.outcome);
        }
    }
}
