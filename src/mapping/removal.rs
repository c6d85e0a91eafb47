//! Asset of a removed object: its last asset with the `[removed]` constants in it (R24).

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::asset_writer::write_literal;
use super::row::{Literal, TargetPath};
use super::{Mapping, TableRow};
use crate::identity::Kind;

/// JSON whose keys keep their order: the removed asset looks like the last one.
#[derive(Debug)]
enum OrderedJson {
    Object(Vec<(String, OrderedJson)>),
    Array(Vec<OrderedJson>),
    /// Any other value, as it is written.
    Plain(Vec<u8>),
}

impl Mapping {
    /// Returns the last asset of a removed object of `kind`, `asset`, with the constants that apply
    /// to it, in the same order of keys. A constant takes the place of a value; a new key follows
    /// the others.
    ///
    /// A constant inside an object that only other kinds have rows in does not apply: a value below
    /// `asset.assetDetail.userAssetClass` has no meaning for a group. `None` when no constant
    /// applies, so that there is nothing to send upstream, or when `asset` is no JSON object.
    #[must_use]
    pub fn removed_asset(&self, kind: Kind, asset: &str) -> Option<String> {
        let constants: Vec<&(TargetPath, Literal)> = self
            .removed
            .iter()
            .filter(|(target, _)| self.applies(kind, target))
            .collect();
        if constants.is_empty() {
            return None;
        }
        let mut json: OrderedJson = serde_json::from_str(asset).ok()?;
        for (target, literal) in constants {
            json.put(target.keys(), literal);
        }
        let mut out = Vec::with_capacity(asset.len() + 64);
        json.write(&mut out);
        String::from_utf8(out).ok()
    }

    /// Returns `true` when the constant applies to objects of `kind`: the innermost object around
    /// it that has rows at all has some of this kind.
    fn applies(&self, kind: Kind, target: &TargetPath) -> bool {
        let keys = target.keys();
        let inside = |rows: &[TableRow], depth: usize| {
            rows.iter()
                .any(|row| row.target.keys().get(..depth) == keys.get(..depth))
        };
        for depth in (1..keys.len()).rev() {
            if inside(self.rows(kind), depth) {
                return true;
            }
            if self.tables.values().any(|table| inside(&table.rows, depth)) {
                return false;
            }
        }
        true
    }
}

impl OrderedJson {
    fn put(&mut self, keys: &[String], literal: &Literal) {
        let Some((key, below)) = keys.split_first() else {
            let mut text = Vec::new();
            write_literal(&mut text, literal);
            *self = Self::Plain(text);
            return;
        };
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Vec::new());
        }
        let Self::Object(members) = self else { return };
        let at = members.iter().position(|(name, _)| name == key);
        let at = at.unwrap_or_else(|| {
            members.push((key.clone(), Self::Object(Vec::new())));
            members.len() - 1
        });
        if let Some((_, value)) = members.get_mut(at) {
            value.put(below, literal);
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Plain(text) => out.extend_from_slice(text),
            Self::Array(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (at, (key, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(&plain(key));
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Writes a value that is no object as JSON. Strings, numbers and booleans can always be written.
fn plain(value: impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(&value).unwrap_or_default()
}

impl<'de> Deserialize<'de> for OrderedJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonReader)
    }
}

struct JsonReader;

impl<'de> Visitor<'de> for JsonReader {
    type Value = OrderedJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<OrderedJson, E> {
        Ok(OrderedJson::Plain(plain(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<OrderedJson, E> {
        Ok(OrderedJson::Plain(plain(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<OrderedJson, E> {
        Ok(OrderedJson::Plain(plain(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<OrderedJson, E> {
        Ok(OrderedJson::Plain(plain(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<OrderedJson, E> {
        Ok(OrderedJson::Plain(plain(value)))
    }

    fn visit_unit<E>(self) -> Result<OrderedJson, E> {
        Ok(OrderedJson::Plain(b"null".to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OrderedJson, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(OrderedJson::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<OrderedJson, A::Error> {
        let mut all = Vec::new();
        while let Some(member) = members.next_entry()? {
            all.push(member);
        }
        Ok(OrderedJson::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(constants: &str) -> Mapping {
        let text = format!("{}\n[removed]\n{constants}\n", Mapping::builtin_text());
        Mapping::parse("test.toml", &text).unwrap()
    }

    const USER: &str = r#"{"asset":{"assetHeader":{"externalAssetId":"S-1"},"assetDetail":{"userAssetClass":{"name":"Zoë \"Z\"\n","roles":["a","b"],"n":-1}}}}"#;

    #[test]
    fn r24_constants_come_into_the_last_asset_and_everything_else_stays_in_its_order() {
        let mapping = with(
            "asset.assetDetail.lifecycle = \"REMOVED\"\nasset.assetDetail.userAssetClass.name = \"gone\"\nasset.left = true",
        );
        assert_eq!(
            mapping.removed_asset(Kind::User, USER).unwrap(),
            r#"{"asset":{"assetHeader":{"externalAssetId":"S-1"},"assetDetail":{"userAssetClass":{"name":"gone","roles":["a","b"],"n":-1},"lifecycle":"REMOVED"},"left":true}}"#
        );
        let unicode = with("asset.left = 1").removed_asset(Kind::User, USER).unwrap();
        assert!(unicode.contains(r#""name":"Zoë \"Z\"\n""#), "{unicode}");
    }

    #[test]
    fn r24_a_constant_of_one_kind_does_not_land_on_another() {
        let group = r#"{"asset":{"assetHeader":{"externalAssetId":"S-2"},"assetDetail":{"groupAssetClass":{"name":"g"}}}}"#;
        let users_only = with("asset.assetDetail.userAssetClass.status = \"gone\"");
        assert_eq!(users_only.removed_asset(Kind::Group, group), None);
        assert!(
            users_only
                .removed_asset(Kind::User, USER)
                .unwrap()
                .contains("\"status\":\"gone\"")
        );
        // No kind has rows in `state`, so it applies to all of them.
        let everybody = with("asset.state.removed = true");
        assert!(
            everybody
                .removed_asset(Kind::Group, group)
                .unwrap()
                .ends_with(r#""state":{"removed":true}}}"#)
        );
        // A user whose class is empty gets it all the same: the kind decides, not the former values
        // of the object.
        let bare = r#"{"asset":{"assetHeader":{"externalAssetId":"S-1"}}}"#;
        assert!(
            users_only
                .removed_asset(Kind::User, bare)
                .unwrap()
                .contains("userAssetClass")
        );
    }

    #[test]
    fn without_constants_nothing_is_sent() {
        assert_eq!(Mapping::builtin().removed_asset(Kind::User, USER), None);
        assert_eq!(
            with("asset.left = true").removed_asset(Kind::User, "no json"),
            None
        );
    }
}
