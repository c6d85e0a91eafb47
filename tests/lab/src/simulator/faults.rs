//! Misbehaviour on demand: what goes wrong, and at which request.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use super::ber::Writer;
use super::message::Outcome;
use super::schema::{Attribute, Known};
use super::search::write_values;

/// The requests among which the nth is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// A connection was accepted, before TLS.
    Connect,
    /// Binds.
    Bind,
    /// Searches of rootDSE.
    RootDse,
    /// All other searches; each page counts.
    Search,
    /// Extended operations.
    Extended,
}

/// What goes wrong.
#[derive(Clone)]
pub enum Action {
    /// The connection is cut instead of an answer.
    Cut,
    /// The connection is cut after this many entries of the page.
    CutAfterEntries(usize),
    /// The connection is cut after this many more bytes were sent, be it within an entry.
    CutAfterBytes(usize),
    /// This outcome instead of an answer.
    Answer(Outcome),
    /// This many entries of the page, then this outcome.
    AnswerAfterEntries(usize, Outcome),
    /// These bytes instead of an answer.
    Raw(Vec<u8>),
    /// A frame whose inner element is longer than the frame, instead of an answer.
    TruncatedBer,
    /// The answer comes this much later.
    Delay(Duration),
    /// No answer at all, while the connection stays open.
    Silence,
    /// From here on one byte a second.
    Drip,
    /// Pages without end: after the last one the first follows, each with a new cookie.
    EndlessPages,
    /// Pages without entries and without end, each with a new cookie.
    EmptyPages,
    /// The same page with the same cookie again and again.
    RepeatCookie,
    /// This many entries in one page, whatever its size: after the last object the first follows.
    Flood(usize),
    /// Every entry of the page is twisted.
    Twist(Twist),
    /// A Notice of Disconnection with this code, then the connection is cut (RFC 4511 section 4.4.1).
    Notice(i64),
    /// The rootDSE shows this value of the attribute, or not the attribute at all.
    RootDse(&'static str, Option<&'static str>),
    /// Runs before the request is served: the place to change the directory between two pages.
    Run(Arc<dyn Fn() + Send + Sync>),
}

/// What is done to entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Twist {
    /// An `info` attribute of this many bytes.
    Oversized(usize),
    /// An `info` attribute of this many values.
    ManyValues(usize),
    /// An `info` attribute of this many values, each of 100 bytes as the DN of a member is.
    Members(usize),
    /// This many attributes of one value.
    ManyAttributes(usize),
    /// An `info` attribute of this many values, each of 100 bytes, in ranges of 1000. A search for an object by name gets it
    /// only when it asks for a range; so it is with the next one.
    Ranges(usize),
    /// As before and without end, but each range begins before the end of the last one.
    BackwardRanges,
    /// GUIDs, SIDs, numbers and times that are none.
    WrongTypes,
    /// Bytes that are no UTF-8 in names.
    NotText,
}

impl Twist {
    /// What stands in the place of the attribute's values.
    #[must_use]
    pub(super) fn replaced(&self, attribute: &Attribute) -> Option<&'static [u8]> {
        let Attribute::Known(known) = attribute else {
            return None;
        };
        match (self, known) {
            (Self::WrongTypes, Known::ObjectGuid) => Some(b"\x01\x02\x03"),
            (Self::WrongTypes, Known::ObjectSid) => Some(b"\x01\xFF\x00\x00\x00\x00\x00\x05"),
            (Self::WrongTypes, Known::UsnChanged | Known::PwdLastSet | Known::GroupType) => Some(b"many"),
            (Self::WrongTypes, Known::WhenCreated | Known::WhenChanged) => Some(b"yesterday"),
            (Self::NotText, Known::Name | Known::DisplayName | Known::Cn | Known::Mail) => {
                Some(b"\xFF\xFE\x80")
            }
            _ => None,
        }
    }

    /// Writes what is too many. `asked` is where the range begins that the search asks for, `by_name` whether it is for one
    /// object.
    pub(super) fn write_extra(&self, asked: Option<usize>, by_name: bool, out: &mut Writer) {
        let mut write = |name: &str, values: &[String]| {
            write_values(name, values.iter().map(String::as_bytes), false, out);
        };
        let members = |range: std::ops::Range<usize>| -> Vec<String> {
            range.map(|number| format!("CN={number:<97}")).collect()
        };
        match self {
            Self::Oversized(bytes) => write("info", &["x".repeat(*bytes)]),
            Self::ManyValues(count) => write(
                "info",
                &(0..*count).map(|number| number.to_string()).collect::<Vec<_>>(),
            ),
            Self::Members(count) => write("info", &members(0..*count)),
            Self::ManyAttributes(count) => {
                for number in 0..*count {
                    write(&format!("x{number}"), &["1".to_owned()]);
                }
            }
            Self::Ranges(_) | Self::BackwardRanges if by_name && asked.is_none() => {}
            Self::Ranges(_) | Self::BackwardRanges => {
                let asked = asked.unwrap_or(0);
                let (from, count) = match self {
                    Self::Ranges(count) => (asked, *count),
                    _ => (asked.saturating_sub(1), usize::MAX),
                };
                let end = count.min(from + 1000);
                let last = if end == count {
                    "*".to_owned()
                } else {
                    (end - 1).to_string()
                };
                write(&format!("info;range={from}-{last}"), &members(from..end));
            }
            Self::WrongTypes | Self::NotText => {}
        }
    }
}

/// The misbehaviour of one simulator; clones share it.
#[derive(Clone, Default)]
pub struct Faults {
    scripted: Arc<Mutex<Vec<Scripted>>>,
    fired: Arc<Notify>,
}

struct Scripted {
    on: On,
    /// Part of the request's filter or bind name.
    containing: String,
    /// Fires when this many more requests were seen, the firing one included.
    countdown: usize,
    always: bool,
    action: Action,
}

impl Faults {
    /// Once, at the `nth` such request from now (1 is the next one).
    pub fn at(&self, on: On, nth: usize, action: Action) {
        self.script(on, "", nth, false, action);
    }

    /// At every such request from now.
    pub fn always(&self, on: On, action: Action) {
        self.script(on, "", 1, true, action);
    }

    /// At every such request from the `nth` on.
    pub fn from(&self, on: On, nth: usize, action: Action) {
        self.script(on, "", nth, true, action);
    }

    /// Once, at the `nth` search from now whose filter (or bind whose name) contains `text`. The filter of a search with the DirSync control
    /// is that after `dirsync `.
    pub fn at_matching(&self, on: On, text: &str, nth: usize, action: Action) {
        self.script(on, text, nth, false, action);
    }

    /// At every search from now whose filter (or bind whose name) contains `text`.
    pub fn always_matching(&self, on: On, text: &str, action: Action) {
        self.script(on, text, 1, true, action);
    }

    /// Before the `nth` search or page from now, runs `change`.
    pub fn before_page(&self, nth: usize, change: impl Fn() + Send + Sync + 'static) {
        self.at(On::Search, nth, Action::Run(Arc::new(change)));
    }

    /// Behaves well again.
    pub fn clear(&self) {
        self.scripted.lock().unwrap().clear();
    }

    /// Whether every fault that was to happen once has happened.
    #[must_use]
    pub fn all_happened(&self) -> bool {
        self.scripted
            .lock()
            .unwrap()
            .iter()
            .all(|scripted| scripted.always)
    }

    /// Resolves when every fault that was to happen once has happened.
    pub async fn happened(&self) {
        loop {
            let fired = self.fired.notified();
            if self.all_happened() {
                return;
            }
            fired.await;
        }
    }

    fn script(&self, on: On, containing: &str, nth: usize, always: bool, action: Action) {
        assert!(nth > 0, "requests are counted from 1");
        let containing = containing.to_owned();
        self.scripted.lock().unwrap().push(Scripted {
            on,
            containing,
            countdown: nth,
            always,
            action,
        });
    }

    /// Counts a request; gives what is to go wrong with it.
    pub(super) fn due(&self, on: On, text: &str) -> Vec<Action> {
        let mut due = Vec::new();
        self.scripted.lock().unwrap().retain_mut(|scripted| {
            if scripted.on != on || !text.contains(&scripted.containing) {
                return true;
            }
            scripted.countdown = scripted.countdown.saturating_sub(1);
            if scripted.countdown == 0 {
                due.push(scripted.action.clone());
            }
            scripted.countdown > 0 || scripted.always
        });
        if !due.is_empty() {
            // Whoever waits was created before it looked, so this wakes it in any case.
            self.fired.notify_waiters();
        }
        due
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faults({} scripted)", self.scripted.lock().unwrap().len())
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut | Self::CutAfterEntries(_) | Self::CutAfterBytes(_) => "Cut",
            Self::Answer(_) | Self::AnswerAfterEntries(..) => "Answer",
            Self::Raw(_) | Self::TruncatedBer => "Raw",
            Self::Delay(_) | Self::Silence | Self::Drip => "Slow",
            Self::EndlessPages | Self::EmptyPages | Self::RepeatCookie | Self::Flood(_) => "Pages",
            Self::Twist(_) => "Twist",
            Self::Notice(_) => "Notice",
            Self::RootDse(..) => "RootDse",
            Self::Run(_) => "Run",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_fires_at_its_request_and_once() {
        let faults = Faults::default();
        faults.at(On::Search, 2, Action::Cut);
        let fired: Vec<usize> = (0..4).map(|_| faults.due(On::Search, "").len()).collect();
        assert_eq!(fired, [0, 1, 0, 0]);
        assert!(faults.all_happened());
    }

    #[test]
    fn other_requests_are_not_counted() {
        let faults = Faults::default();
        faults.at_matching(On::Search, "group", 1, Action::Silence);
        assert!(faults.due(On::Bind, "group").is_empty());
        assert!(faults.due(On::Search, "(objectCategory=person)").is_empty());
        assert!(!faults.all_happened());
        assert_eq!(faults.due(On::Search, "(objectCategory=group)").len(), 1);
    }

    #[test]
    fn a_lasting_fault_begins_at_its_request() {
        let faults = Faults::default();
        faults.from(On::Bind, 2, Action::Cut);
        let fired: Vec<usize> = (0..4).map(|_| faults.due(On::Bind, "").len()).collect();
        assert_eq!(fired, [0, 1, 1, 1]);
        faults.clear();
        assert!(faults.due(On::Bind, "").is_empty());
    }
}
