//! Fuzzing with any text as a mapping file, and any values as an object: the result is an asset or
//! a refusal, and the same each time.
//!
//! Compiled for the fuzzer and the tests alone. `tests/fuzz` generates the bytes; the test below
//! replays the corpus.

use serde_json::Value;

use super::{Form, Mapping, ObjectSource, RowExplanation};
use crate::identity::{Kind, Timestamp};

/// Runs the text of a mapping file up to the first NUL; the values of attributes follow: which, how
/// long, octets.
pub fn run(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (text, rest) = bytes.split_at(end);
    let values = values(rest.get(1..).unwrap_or_default());
    match str::from_utf8(text).ok().and_then(file) {
        Some(mapping) => apply(&mapping, &values),
        // The values are tested as well when the file is refused.
        None => {
            thread_local! { static KNOWN: Mapping = every_form() }
            KNOWN.with(|mapping| apply(mapping, &values));
        }
    }
}

/// Parses the mapping, if the text is one; else every mistake has a line of the text.
fn file(text: &str) -> Option<Mapping> {
    match Mapping::parse("mapping.toml", text) {
        Ok(mapping) => {
            let again = Mapping::parse("other.toml", text).map(|again| again.digest(&Kind::ALL));
            assert_eq!(again, Ok(mapping.digest(&Kind::ALL)));
            assert!(Kind::ALL.iter().any(|kind| mapping.has(*kind)));
            Some(mapping)
        }
        Err(errors) => {
            let lines = text.split('\n').count();
            assert!(!errors.as_slice().is_empty());
            for error in errors.as_slice() {
                assert!(
                    error.line.is_none_or(|line| (1..=lines).contains(&line)),
                    "{error}"
                );
                assert!(!error.reason.is_empty());
            }
            None
        }
    }
}

/// Returns a mapping with the built-in identity, and every form on one attribute.
fn every_form() -> Mapping {
    let rows = Form::ALL.map(|form| {
        let name = form.name();
        let source = form.reads().first().unwrap_or(&"name");
        format!("[[user]]\nsource = \"{source}\"\nform = \"{name}\"\ntarget = \"asset.forms.{name}\"\n")
    });
    let text = format!("{}\n{}", Mapping::builtin_text(), rows.concat());
    Mapping::parse("every-form.toml", &text).unwrap_or_default()
}

fn apply(mapping: &Mapping, values: &[(u8, &[u8])]) {
    for kind in Kind::ALL.into_iter().filter(|kind| mapping.has(*kind)) {
        let object = FuzzedObject::new(mapping, kind, values);
        let made = mapping.apply(kind, &object);
        assert_eq!(made, mapping.apply(kind, &object), "R16");
        let explained = mapping.explain(kind, &object);
        assert_eq!(explained.len(), mapping.rows(kind).len());
        match made {
            Err(unmappable) => assert!(!unmappable.to_string().is_empty()),
            Ok(asset) => {
                assert!(!asset.json.contains(['\n', '\r']), "one line a asset");
                let json = parsed(&asset.json);
                assert!(json.is_object() && !holds_nothing(&json), "{}", asset.json);
                let id = json.pointer("/asset/assetHeader/externalAssetId");
                assert_eq!(id.and_then(Value::as_str), Some(asset.external_id.as_str()));
                assert!(
                    explained.iter().all(|row| stands_in(&json, row)),
                    "{}",
                    asset.json
                );
                removed(mapping, kind, &asset.json);
            }
        }
    }
}

/// Asserts that the asset of a removed object is the last one, except for the constants.
fn removed(mapping: &Mapping, kind: Kind, asset: &str) {
    let Some(removed) = mapping.removed_asset(kind, asset) else {
        return;
    };
    let json = parsed(&removed);
    assert!(
        json.pointer("/asset/assetHeader/externalAssetId").is_some(),
        "{removed}"
    );
    assert_eq!(
        mapping.removed_asset(kind, &removed),
        Some(removed),
        "it is so already"
    );
}

fn parsed(json: &str) -> Value {
    let parsed = serde_json::from_str(json);
    assert!(parsed.is_ok(), "{json}");
    parsed.unwrap_or_default()
}

/// Returns `true` when the value contains a null, or an object or a list without content.
fn holds_nothing(json: &Value) -> bool {
    match json {
        Value::Null => true,
        Value::Object(members) => members.is_empty() || members.values().any(holds_nothing),
        Value::Array(items) => items.is_empty() || items.iter().any(holds_nothing),
        _ => false,
    }
}

/// Returns `true` when the asset contains the explained value of the row.
fn stands_in(asset: &Value, row: &RowExplanation) -> bool {
    let path = row
        .target
        .split('.')
        .map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1")));
    let here = asset.pointer(&path.collect::<String>());
    here == row.outcome.json().map(parsed).as_ref()
}

/// Splits values with the number of their attribute.
fn values(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut values = Vec::new();
    while let [number, length, rest @ ..] = bytes {
        let (value, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        values.push((*number, value));
        bytes = rest;
    }
    values
}

/// Object that has the attributes that a mapping reads, and some of the values for them.
struct FuzzedObject<'a> {
    dn: &'a str,
    attributes: Vec<(String, Vec<&'a [u8]>)>,
}

impl<'a> FuzzedObject<'a> {
    /// Returns an object. A SID and a GUID are present where no value takes their place, since
    /// nothing else is reached without them.
    fn new(mapping: &Mapping, kind: Kind, values: &[(u8, &'a [u8])]) -> Self {
        let names = mapping.attributes(kind);
        let count = names.len();
        let of = |at: usize| {
            values
                .iter()
                .filter(move |(number, _)| count > 0 && usize::from(*number) % count == at)
                .map(|(_, value)| *value)
        };
        let attributes = names.into_iter().enumerate().map(|(at, name)| {
            let mut given: Vec<&[u8]> = of(at).collect();
            if given.is_empty() {
                match name.to_ascii_lowercase().as_str() {
                    "objectsid" => given.push(b"\x01\x01\0\0\0\0\0\x05\x12\0\0\0"),
                    "objectguid" => given.push(b"0123456789abcdef"),
                    _ => {}
                }
            }
            (name, given)
        });
        let dn = values.first().and_then(|(_, value)| str::from_utf8(value).ok());
        Self {
            attributes: attributes.collect(),
            dn: dn.unwrap_or("CN=Jane\\0ADEL:1,DC=example"),
        }
    }
}

impl ObjectSource for FuzzedObject<'_> {
    fn dn(&self) -> &str {
        self.dn
    }

    fn values<'a>(&'a self, attribute: &str) -> impl Iterator<Item = &'a [u8]> {
        self.attributes
            .iter()
            .filter(move |(name, _)| name.eq_ignore_ascii_case(attribute))
            .flat_map(|(_, values)| values.iter().copied())
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_epoch_seconds(1_795_342_000)
    }
}

#[test]
fn r16_what_the_fuzzer_kept() {
    crate::fuzzing::replay("mapping", run);
}
