mod apply;
mod documents;
mod explain;
mod forms;
mod load;
mod mistakes;
mod properties;
mod speed;
mod untracked;

use super::*;
use crate::identity::Timestamp;

/// Object of the directory for tests.
#[derive(Debug, Clone, Default)]
struct Object {
    dn: String,
    attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Object {
    fn with(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.with_all(name, &[value.as_ref()])
    }

    fn with_all(mut self, name: &str, values: &[&[u8]]) -> Self {
        self = self.without(name);
        self.attributes.push((
            name.to_owned(),
            values.iter().map(|value| value.to_vec()).collect(),
        ));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.attributes
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }
}

impl ObjectSource for Object {
    fn dn(&self) -> &str {
        &self.dn
    }

    fn values<'a>(&'a self, attribute: &str) -> impl Iterator<Item = &'a [u8]> {
        let found = self
            .attributes
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(attribute));
        found
            .map_or(&[][..], |(_, values)| values)
            .iter()
            .map(Vec::as_slice)
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_epoch_seconds(1_795_342_000)
    }
}

const SID: [u8; 28] = [
    1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0xdc, 0xf4, 0xdc, 0x3b, 0x83, 0x3d, 0x2b, 0x46, 0x82, 0x8b, 0xa6,
    0x28, 0x50, 4, 0, 0,
];
const SID_TEXT: &str = "S-1-5-21-1004336348-1177238915-682003330-1104";
const GUID: [u8; 16] = [
    0xee, 0x55, 0x4d, 0xa3, 0x1f, 0x0c, 0x3b, 0x4d, 0x9a, 0x51, 0x2f, 0x6f, 0x0f, 0x1e, 0x7a, 0x10,
];
const GUID_TEXT: &str = "a34d55ee-0c1f-4d3b-9a51-2f6f0f1e7a10";

/// Returns an object with an identity and nothing else.
fn bare() -> Object {
    Object {
        dn: "CN=Jane Doe,OU=Staff,DC=example,DC=com".to_owned(),
        ..Object::default()
    }
    .with("objectSid", SID)
    .with("objectGUID", GUID)
}

fn user() -> Object {
    bare()
        .with("name", "Jane Doe")
        .with("mail", "jane@example.com")
        .with("displayName", "Doe, Jane")
        .with("whenCreated", "20261122021034.0Z")
        .with("pwdLastSet", "134397870349999999")
}

/// Returns a mapping of users: the row of the identity, and `rows`.
fn mapping(rows: &str) -> Mapping {
    Mapping::parse("test.toml", &file(rows)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Returns the text of such a mapping; the first line of `rows` is line 6.
fn file(rows: &str) -> String {
    format!(
        "[[user]]\nsource = \"objectSid\"\ntarget = \"asset.assetHeader.externalAssetId\"\nrequired = true\n\n{rows}"
    )
}

/// Returns the value of the row `[[user]] {row} target = "asset.x"` for an object; `None` when the
/// key is left out.
fn made(row: &str, object: &Object) -> Option<serde_json::Value> {
    let mapping = mapping(&format!("[[user]]\n{row}\ntarget = \"asset.x\""));
    let asset = mapping
        .apply(Kind::User, object)
        .unwrap_or_else(|unmappable| panic!("{unmappable}"));
    let json: serde_json::Value = serde_json::from_str(&asset.json).unwrap();
    json["asset"].get("x").cloned()
}
