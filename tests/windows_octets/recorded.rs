//! The recorded octets, what each file says, and how a message gets another id.

#![allow(
    clippy::unwrap_used,
    reason = "the tests of the package use it too; a failing check may panic"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// One file of recorded octets.
pub struct Recorded {
    /// Its path below `tests/data/windows`.
    pub name: String,
    pub octets: Vec<u8>,
    /// Its value in `expected.json`.
    pub expected: Value,
}

impl Recorded {
    /// The messages that it holds, as `expected.json` describes them.
    pub fn messages(&self) -> &[Value] {
        self.expected["messages"].as_array().map_or(&[], Vec::as_slice)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/windows")
}

pub fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

pub fn read(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).unwrap()
}

/// All files of octets. Each has an expectation and each expectation a file.
pub fn all() -> Vec<Recorded> {
    let mut names = BTreeSet::new();
    let mut folders = vec![folder()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "bin") {
                let name = path.strip_prefix(folder()).unwrap();
                names.insert(name.to_str().unwrap().to_owned());
            }
        }
    }
    let expected = json("expected.json");
    let expectations: BTreeSet<String> = expected.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        names, expectations,
        "a file for each expectation, and the other way round"
    );
    let recorded = |name: String| {
        let octets = read(&name);
        let expected = expected[&name].clone();
        assert_eq!(expected["octets"], octets.len(), "{name}");
        assert_eq!(
            expected["sha256"],
            hexadecimal(&Sha256::digest(&octets)),
            "{name}"
        );
        Recorded {
            name,
            octets,
            expected,
        }
    };
    names.into_iter().map(recorded).collect()
}

pub fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The octets of a value: text, or `{"base64": …}`.
pub fn octets(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        other => STANDARD.decode(other["base64"].as_str().unwrap()).unwrap(),
    }
}

/// Octets of the header of an element, and of its content.
pub fn header(element: &[u8]) -> Option<(usize, usize)> {
    let first = *element.get(1)?;
    if first < 0x80 {
        return Some((2, usize::from(first)));
    }
    let size = 2 + usize::from(first & 0x7F);
    let length = element
        .get(2..size)?
        .iter()
        .fold(0, |length, octet| (length << 8) | usize::from(*octet));
    Some((size, length))
}

/// The message id of a message.
pub fn id_of(message: &[u8]) -> u32 {
    let (size, _) = header(message).unwrap();
    let id = &message[size..];
    let (start, length) = header(id).unwrap();
    id[start..start + length]
        .iter()
        .fold(0, |value, octet| (value << 8) | u32::from(*octet))
}

/// The message with another id, its length in the form in which it was written. Id 0, that of a
/// notification, stays.
pub fn with_id(message: &[u8], id: u32) -> Vec<u8> {
    if id_of(message) == 0 {
        return message.to_vec();
    }
    let (size, _) = header(message).unwrap();
    let (start, length) = header(&message[size..]).unwrap();
    let operation = &message[size + start + length..];
    let mut digits = id.to_be_bytes().to_vec();
    while digits.len() > 1 && digits[0] == 0 && digits[1] < 0x80 {
        digits.remove(0);
    }
    let mut content = vec![0x02, u8::try_from(digits.len()).unwrap()];
    content.extend(digits);
    content.extend_from_slice(operation);
    let mut whole = message[..2].to_vec();
    if size == 2 {
        whole[1] = u8::try_from(content.len())
            .ok()
            .filter(|length| *length < 0x80)
            .unwrap();
    } else {
        whole.extend_from_slice(&content.len().to_be_bytes()[8 - (size - 2)..]);
    }
    whole.extend(content);
    whole
}
