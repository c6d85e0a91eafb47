//! Assignment of the entries of an `assetsError` to the assets of a batch.
//!
//! No public page documents its form, so these are accepted: a map whose keys are an asset's
//! `externalAssetId` or `vendorAssetId` and whose values are a text, a list or an object; and a
//! list (or a map with other keys) of objects that carry such an id. One entry that matches no
//! asset of the batch makes the whole list unusable: it may mean an asset that would otherwise
//! count as accepted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::request::BatchItem;
use super::text;

/// Keys under which an entry may carry an asset's id.
const ID_KEYS: [&str; 2] = ["externalAssetId", "vendorAssetId"];
/// Depth to which an id is searched: `KIND → LIST → ENTRY → asset → assetHeader`.
const DEEPEST: usize = 6;

/// Returns index in `items` → reason; never empty. The error names what could not be matched.
pub(super) fn matched(errors: &Value, items: &[BatchItem]) -> Result<BTreeMap<usize, String>, String> {
    let known = BatchIds::of(items);
    let mut rejected = RejectedAsset::default();
    match errors {
        // One error alone, not wrapped in a list.
        Value::Object(entry) if ID_KEYS.iter().any(|key| text::entry(entry, key).is_some()) => {
            rejected.add(&known.named(errors)?, errors)?;
        }
        Value::Object(entries) => {
            for (key, entry) in entries {
                match known.get(key) {
                    Some(indices) => rejected.add(indices, entry)?,
                    None => {
                        let indices = known.named(entry)?;
                        rejected
                            .add(&indices, entry)
                            .map_err(|_| format!("`{}` is no asset of the batch", text::line(key, 100)))?;
                    }
                }
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                let indices = match entry {
                    Value::String(id) => known.get(id).map(<[usize]>::to_vec).unwrap_or_default(),
                    _ => known.named(entry)?,
                };
                rejected.add(&indices, entry)?;
            }
        }
        _ => {}
    }
    if rejected.0.is_empty() {
        Err("assetsError names no asset".to_owned())
    } else {
        Ok(rejected.0)
    }
}

#[derive(Default)]
struct RejectedAsset(BTreeMap<usize, String>);

impl RejectedAsset {
    /// Adds the reason of an entry. An entry that names no asset is an error.
    fn add(&mut self, indices: &[usize], entry: &Value) -> Result<(), String> {
        if indices.is_empty() {
            return Err("an entry of assetsError names no asset of the batch".to_owned());
        }
        let reason = text::reason(entry);
        let reason = if reason.is_empty() || reason == "null" {
            "rejected without a reason".to_owned()
        } else {
            reason
        };
        for index in indices {
            self.0
                .entry(*index)
                .and_modify(|before| *before = text::line(&format!("{before}; {reason}"), 1000))
                .or_insert_with(|| reason.clone());
        }
        Ok(())
    }
}

/// Ids of a batch, without regard to the case of letters.
struct BatchIds(HashMap<String, Vec<usize>>);

impl BatchIds {
    fn of(items: &[BatchItem]) -> Self {
        let mut ids: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            ids.entry(item.external_id.to_ascii_lowercase())
                .or_default()
                .push(index);
            let asset: Option<Value> = serde_json::from_str(&item.asset).ok();
            let header = asset
                .as_ref()
                .and_then(|asset| asset.pointer("/asset/assetHeader"))
                .and_then(Value::as_object);
            for id in header
                .into_iter()
                .flat_map(|header| ID_KEYS.iter().filter_map(|key| header.get(*key)?.as_str()))
            {
                let indices = ids.entry(id.to_ascii_lowercase()).or_default();
                if !indices.contains(&index) {
                    indices.push(index);
                }
            }
        }
        Self(ids)
    }

    fn get(&self, id: &str) -> Option<&[usize]> {
        self.0.get(&id.trim().to_ascii_lowercase()).map(Vec::as_slice)
    }

    /// Returns every asset that is named anywhere within the entry. An id that is none of the batch
    /// is an error.
    fn named(&self, entry: &Value) -> Result<Vec<usize>, String> {
        let mut found = BTreeSet::new();
        self.collect(entry, DEEPEST, &mut found)?;
        Ok(found.into_iter().collect())
    }

    fn collect(&self, value: &Value, depth: usize, found: &mut BTreeSet<usize>) -> Result<(), String> {
        let Some(deeper) = depth.checked_sub(1) else {
            return Ok(());
        };
        match value {
            Value::Object(object) => {
                let ids: Vec<&str> = ID_KEYS
                    .iter()
                    .filter_map(|key| text::entry(object, key)?.as_str())
                    .collect();
                match ids.iter().find_map(|id| self.get(id)) {
                    Some(indices) => found.extend(indices),
                    None if ids.is_empty() => {}
                    None => {
                        return Err(format!(
                            "`{}` is no asset of the batch",
                            text::line(&ids.join(", "), 100)
                        ));
                    }
                }
                for (key, inner) in object {
                    match self.get(key) {
                        Some(indices) => found.extend(indices),
                        None => self.collect(inner, deeper, found)?,
                    }
                }
                Ok(())
            }
            Value::Array(items) => items
                .iter()
                .try_for_each(|inner| self.collect(inner, deeper, found)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn items() -> Vec<BatchItem> {
        ["S-1-5-21-1", "S-1-5-21-2"]
            .iter()
            .zip(["aa-bb", "cc-dd"])
            .zip(1..)
            .map(|((external, vendor), seq)| BatchItem {
                seq,
                external_id: (*external).to_owned(),
                asset:
                    json!({"asset": {"assetHeader": {"externalAssetId": external, "vendorAssetId": vendor}}})
                        .to_string()
                        .into(),
            })
            .collect()
    }

    #[test]
    fn r19_every_known_form_is_matched() {
        let cases = [
            (json!({"S-1-5-21-2": "bad mail"}), "bad mail"),
            (
                json!({"s-1-5-21-2": ["bad mail", "bad name"]}),
                "bad mail; bad name",
            ),
            (
                json!({"S-1-5-21-2": {"errorCode": "E7", "message": "bad mail"}}),
                "E7: bad mail",
            ),
            (json!({"CC-DD": "bad mail"}), "bad mail"),
            (json!({"S-1-5-21-2": null}), "rejected without a reason"),
            (
                json!([{"externalAssetId": "S-1-5-21-2", "message": "bad mail"}]),
                "bad mail",
            ),
            (
                json!([{"vendorAssetId": "cc-dd", "error": "bad mail"}]),
                "bad mail",
            ),
            (
                json!([{"asset": {"assetHeader": {"externalAssetId": "S-1-5-21-2"}}, "message": "bad"}]),
                "bad",
            ),
            (json!([{"S-1-5-21-2": "bad"}]), r#"{"S-1-5-21-2":"bad"}"#),
            (
                json!({"1": {"externalAssetId": "S-1-5-21-2", "message": "bad mail"}}),
                "bad mail",
            ),
            (
                json!({"externalAssetId": "S-1-5-21-2", "message": "bad mail"}),
                "bad mail",
            ),
        ];
        for (errors, reason) in cases {
            assert_eq!(
                matched(&errors, &items()),
                Ok(BTreeMap::from([(1, reason.to_owned())])),
                "{errors}"
            );
        }
    }

    #[test]
    fn r19_two_entries_for_one_asset_are_joined() {
        let errors = json!([
            {"externalAssetId": "S-1-5-21-1", "message": "bad mail"},
            {"vendorAssetId": "aa-bb", "message": "bad name"},
        ]);
        assert_eq!(matched(&errors, &items()).unwrap()[&0], "bad mail; bad name");
    }

    #[test]
    fn r18_no_asset_named_below_a_kind_of_error_is_overlooked() {
        for errors in [
            json!({"INVALID": [{"externalAssetId": "S-1-5-21-1"}, {"externalAssetId": "S-1-5-21-2"}]}),
            json!({"INVALID": {"0": {"vendorAssetId": "aa-bb"}, "1": {"vendorAssetId": "cc-dd"}}}),
            json!([{"failed": {"S-1-5-21-1": "bad", "S-1-5-21-2": "bad"}}]),
        ] {
            let rejected = matched(&errors, &items()).unwrap();
            assert_eq!(rejected.into_keys().collect::<Vec<_>>(), [0, 1], "{errors}");
        }
    }

    #[test]
    fn r19_one_entry_that_fits_no_asset_makes_it_unusable() {
        let cases = [
            json!({"S-1-5-21-1": "bad", "S-1-5-21-9": "bad"}),
            json!([{"externalAssetId": "S-1-5-21-1", "message": "bad"}, {"message": "bad"}]),
            json!(["S-1-5-21-1", 5]),
            json!({"S-1-5-21-1": {"externalAssetId": "S-1-5-21-1"}, "X": "bad"}),
            json!({"INVALID": [{"externalAssetId": "S-1-5-21-1"}, {"externalAssetId": "S-1-5-21-9"}]}),
            json!("all is lost"),
            json!(true),
        ];
        for errors in cases {
            assert!(matched(&errors, &items()).is_err(), "{errors}");
        }
        let why = matched(&json!({"S-1-5-21-9": "bad"}), &items()).unwrap_err();
        assert_eq!(why, "`S-1-5-21-9` is no asset of the batch");
    }
}
