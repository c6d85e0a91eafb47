//! Fuzzing with any bytes as a value of the directory: nothing panics, and a decoded value is
//! written as the same value.
//!
//! Compiled for the fuzzer and the tests alone. `tests/fuzz` generates the bytes; the test below
//! replays the corpus.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{AccountControl, DistinguishedName, GroupType, Guid, Sid, Timestamp};

/// Passes the bytes to every decoder. Text of two names is separated by a NUL.
pub fn run(bytes: &[u8]) {
    guid(bytes);
    sid(bytes);
    time(bytes);
    numbers(bytes);
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Ok(guid) = text.parse::<Guid>() {
        let bare = text.trim_matches(['{', '}']).to_ascii_lowercase();
        assert_eq!(guid.to_string(), bare);
    }
    let (one, other) = text.split_once('\0').unwrap_or((text, "DC=example"));
    let one = DistinguishedName::parse(one);
    let other = DistinguishedName::parse(other);
    for name in [&one, &other].into_iter().flatten() {
        distinguished_name(name);
    }
    if let (Ok(one), Ok(other)) = (&one, &other) {
        two_names(one, other);
    }
    for error in [&one, &other].into_iter().filter_map(|name| name.as_ref().err()) {
        let error = error.to_string();
        assert!(
            error.len() < 2000 && !error.contains(char::is_control),
            "{error:?}"
        );
    }
}

fn guid(bytes: &[u8]) {
    let guid = Guid::from_bytes(bytes);
    assert_eq!(guid.is_ok(), bytes.len() == 16);
    if let Ok(guid) = guid {
        assert_eq!(guid.as_bytes().as_slice(), bytes);
        let text = guid.to_string();
        for spelling in [text.clone(), text.to_uppercase(), format!("{{{text}}}")] {
            assert_eq!(spelling.parse(), Ok(guid));
        }
    }
}

/// Asserts that the text holds everything that the bytes do (R14).
fn sid(bytes: &[u8]) {
    let Ok(sid) = Sid::from_bytes(bytes) else { return };
    let text = sid.to_string();
    let mut parts = text.split('-');
    assert_eq!((parts.next(), parts.next()), (Some("S"), Some("1")));
    let authority = parts.next().and_then(|part| match part.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => part.parse().ok(),
    });
    let subs: Vec<u32> = parts.filter_map(|part| part.parse().ok()).collect();
    assert_eq!(subs, sid.sub_authorities());
    let mut again = vec![1];
    again.extend(u8::try_from(subs.len()));
    again.extend(authority.into_iter().flat_map(|authority| {
        let [high, low, rest @ ..] = authority.to_be_bytes();
        assert_eq!((high, low), (0, 0));
        rest
    }));
    again.extend(subs.into_iter().flat_map(u32::to_le_bytes));
    assert_eq!(again, bytes, "{text}");
}

fn time(bytes: &[u8]) {
    if let Ok(Some(time)) = Timestamp::from_generalized_time(bytes) {
        moment(time);
    }
    if let Some(ticks) = bytes.first_chunk().map(|ticks| i64::from_le_bytes(*ticks))
        && let Some(time) = Timestamp::from_filetime(ticks)
    {
        // 1601 to 1970 in seconds, and 10,000,000 ticks a second (MS-DTYP 2.3.3).
        assert_eq!(time.epoch_seconds(), ticks / 10_000_000 - 11_644_473_600);
        moment(time);
    }
}

/// Asserts that the written moment is the same moment.
fn moment(time: Timestamp) {
    assert_eq!(time.epoch_ms(), time.epoch_seconds() * 1000);
    assert_eq!(Timestamp::from_epoch_seconds(time.epoch_seconds()), time);
    let text = time.to_string();
    let read = chrono::DateTime::parse_from_rfc3339(&text).map(|read| read.timestamp());
    assert_eq!((text.len(), read), (20, Ok(time.epoch_seconds())));
    let compact: String = text.chars().filter(char::is_ascii_digit).collect();
    let again = Timestamp::from_generalized_time(format!("{compact}.0Z").as_bytes());
    // The first second of 1601 is a zero FILETIME, which means "never" (R13).
    let never = compact == "16010101000000";
    assert_eq!(again, Ok((!never).then_some(time)));
}

fn numbers(bytes: &[u8]) {
    let Some(bits) = bytes.first_chunk().map(|bits| i32::from_le_bytes(*bits)) else {
        return;
    };
    let group = GroupType::new(bits);
    assert_eq!(group.is_security(), bits < 0);
    let text = group.to_string();
    match group.text() {
        Some(_) => assert_eq!(text.starts_with("Security Group - "), bits < 0, "{text}"),
        None => assert_eq!(text, bits.to_string()),
    }
    let account = AccountControl::new(bits.cast_unsigned());
    assert_eq!(account.is_enabled(), bits & 2 == 0);
    assert_eq!(account.bits(), bits.cast_unsigned());
}

fn distinguished_name(name: &DistinguishedName) {
    assert!(same(name, name.as_str()), "its own text");
    // Two letters into which one is folded (`ﬀ`) may be taken for hexadecimal digits after a
    // backslash.
    if name.as_str().is_ascii() || !name.as_str().contains('\\') {
        let shouted: String = name.as_str().chars().flat_map(char::to_uppercase).collect();
        assert!(same(name, &shouted), "{shouted}");
    }
    let spaced = format!("  {}", name.as_str());
    assert!(same(name, &spaced), "{spaced}");
    if let (Some(kind), Some(value)) = (name.rdn_type(), name.rdn_value()) {
        let written = format!("{kind}={}", DistinguishedName::escape_value(value));
        let read = DistinguishedName::parse(&written);
        let read = read
            .as_ref()
            .map(|read| (read.rdn_type(), read.rdn_value(), read.depth()));
        assert_eq!(read, Ok((Some(kind), Some(value), 1)), "{written}");
    }
    match name.parent() {
        None => assert_eq!(name.depth(), 0),
        Some(parent) => {
            assert_eq!(parent.depth() + 1, name.depth());
            assert!(name.is_child_of(&parent) && name.is_within(&parent) && !parent.is_within(name));
            assert!(same(&parent, parent.as_str()), "its parent");
            assert!(name.as_str().ends_with(parent.as_str()));
        }
    }
}

/// Returns `true` when `text` is another spelling of `name`, by every way to compare.
fn same(name: &DistinguishedName, text: &str) -> bool {
    DistinguishedName::parse(text)
        .is_ok_and(|other| other == *name && hash(&other) == hash(name) && other.depth() == name.depth())
}

fn two_names(one: &DistinguishedName, other: &DistinguishedName) {
    let equal = one == other;
    assert_eq!(equal, other == one);
    assert_eq!(equal, one.is_within(other) && other.is_within(one));
    assert!(!equal || hash(one) == hash(other));
    assert!(!one.is_child_of(other) || one.parent().is_some_and(|parent| parent == *other));
}

fn hash(name: &DistinguishedName) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn r12_what_the_fuzzer_kept() {
    crate::fuzzing::replay("identity", run);
}
