//! Search for a text in the inventory, in steps: each holds the state file for some milliseconds,
//! no index is needed, and a search that takes too long stops and returns where it stopped.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::identity::{Guid, Kind};
use crate::store::{ConnectionId, HeldObject, Store, StoreError};

/// Objects of one step.
const CHUNK: usize = 500;

/// Objects that are searched.
#[derive(Debug, Clone, Copy)]
pub(super) struct SearchArea {
    pub(super) connection: ConnectionId,
    pub(super) kind: Option<Kind>,
}

/// A text that is looked for, whatever its case.
#[derive(Debug)]
pub(super) struct SearchPattern {
    text: Regex,
    /// The same as JSON writes it: an asset that does not match it need not be parsed.
    json: Regex,
}

/// Result of a search.
#[derive(Debug, Default)]
pub(super) struct SearchHits {
    pub(super) objects: Vec<HeldObject>,
    /// The last object that was looked at, when there are more.
    pub(super) next: Option<Guid>,
    /// It stopped before it had found enough.
    pub(super) truncated: bool,
}

impl SearchPattern {
    /// Compiles `text` as it is, without wildcards.
    pub(super) fn new(text: &str) -> Result<Self, regex::Error> {
        let any_case = |text: &str| {
            RegexBuilder::new(&regex::escape(text))
                .case_insensitive(true)
                .build()
        };
        let json = Value::from(text).to_string();
        Ok(Self {
            text: any_case(text)?,
            json: any_case(json.trim_start_matches('"').strip_suffix('"').unwrap_or(&json))?,
        })
    }

    /// Reports whether it is a part of the object's DN, SID or GUID, or of a value of its asset.
    fn is_in(&self, object: &HeldObject) -> bool {
        self.text.is_match(&object.dn)
            || self.text.is_match(&object.external_id)
            || self.text.is_match(&object.guid.to_string())
            || (self.json.is_match(&object.asset)
                && serde_json::from_str(&object.asset).is_ok_and(|asset: Value| self.is_in_value(&asset)))
    }

    fn is_in_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.text.is_match(text),
            Value::Array(values) => values.iter().any(|value| self.is_in_value(value)),
            Value::Object(members) => members.values().any(|value| self.is_in_value(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => self.text.is_match(&value.to_string()),
        }
    }
}

/// Returns the first `limit` objects behind `after`, by GUID, that have `pattern` in them; `stop`
/// is checked between two steps.
pub(super) fn look(
    store: &Store,
    area: SearchArea,
    pattern: Option<&SearchPattern>,
    after: Option<Guid>,
    limit: usize,
    stop: impl Fn() -> bool,
) -> Result<SearchHits, StoreError> {
    let mut found = SearchHits {
        next: after,
        ..SearchHits::default()
    };
    let chunk = if pattern.is_some() { CHUNK } else { limit + 1 };
    loop {
        let objects = store.objects(area.connection, area.kind, found.next, chunk)?;
        let last = objects.len() < chunk;
        for object in objects {
            if found.objects.len() == limit {
                return Ok(found);
            }
            found.next = Some(object.guid);
            if pattern.is_none_or(|pattern| pattern.is_in(&object)) {
                found.objects.push(object);
            }
        }
        if last {
            found.next = None;
            return Ok(found);
        }
        if stop() {
            found.truncated = true;
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::derive_uuid;
    use crate::store::RunBasis;
    use crate::store::{ObjectReading, RunMode, SettledBatch, StagedAsset, StoreAccess};

    fn values(json: &str, text: &str) -> bool {
        let pattern = SearchPattern::new(text).unwrap();
        pattern.json.is_match(json) && pattern.is_in_value(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn values_are_searched_and_keys_are_not() {
        let json = r#"{"asset":{"name":"Zoë \"Zo\" Åberg","mail":"zoe@x","tags":["a\\b",7]}}"#;
        for text in ["ZOË", "\"zo\"", "åBERG", "ZOE@X", r"a\b", "7", "\" å"] {
            assert!(values(json, text), "{text}");
        }
        for text in ["asset", "name", "z.*", "\"mail", ","] {
            assert!(!values(json, text), "{text}");
        }
    }

    /// Returns a store that holds so many users, `Person 0` and on.
    fn inventory(folder: &std::path::Path, count: u128) -> (Store, ConnectionId) {
        let store = Store::open(&folder.join("state.db"), StoreAccess::ReadWrite).unwrap();
        let id = store
            .register(
                derive_uuid("x"),
                "x",
                "",
                &crate::store::AssetTarget::default(),
                1,
            )
            .unwrap();
        store.schedule(id, 1).unwrap();
        let run = store
            .begin_run(id, RunMode::Baseline, "", &RunBasis::default(), 1)
            .unwrap();
        let people: Vec<ObjectReading> = (0..count)
            .map(|number| ObjectReading {
                guid: Guid::from(number.to_be_bytes()),
                kind: Kind::User,
                dn: format!("CN=Person {number}"),
                asset: Ok(StagedAsset {
                    external_id: format!("S-1-5-21-{number}"),
                    json: format!(r#"{{"asset":{{"name":"Person {number}"}}}}"#),
                }),
                linked: None,
            })
            .collect();
        store.stage_page(run, &people, false, 1).unwrap();
        let items = store.next_batch(run, 0, people.len(), usize::MAX, 0).unwrap();
        let answered = SettledBatch {
            accepted: items.iter().map(|item| item.seq).collect(),
            requests: 1,
            ..SettledBatch::default()
        };
        store.settle(run, &items, &answered, 1).unwrap();
        (store, id)
    }

    #[test]
    fn a_search_that_is_stopped_says_where_and_goes_on_there() {
        let folder = tempfile::tempdir().unwrap();
        let (store, connection) = inventory(folder.path(), 3 * CHUNK as u128);
        let area = SearchArea {
            connection,
            kind: Some(Kind::User),
        };
        let pattern = SearchPattern::new(&format!("person {}", 2 * CHUNK + 7)).unwrap();
        let (mut after, mut goes) = (None, 0);
        let found = loop {
            goes += 1;
            let found = look(&store, area, Some(&pattern), after, 10, || true).unwrap();
            if !found.objects.is_empty() || found.next.is_none() {
                break found;
            }
            assert!(found.truncated);
            after = found.next;
        };
        assert_eq!((found.objects.len(), goes), (1, 3), "one chunk at a time");
        let all = look(&store, area, Some(&pattern), None, 10, || false).unwrap();
        assert_eq!(
            (all.objects, all.next, all.truncated),
            (found.objects, None, false)
        );
    }

    #[test]
    fn pages_hold_what_was_asked_for_and_say_whether_there_are_more() {
        let folder = tempfile::tempdir().unwrap();
        let (store, connection) = inventory(folder.path(), 10);
        let area = SearchArea {
            connection,
            kind: None,
        };
        let page = |after, limit| look(&store, area, None, after, limit, || false).unwrap();
        let first = page(None, 4);
        assert_eq!((first.objects.len(), first.truncated), (4, false));
        assert_eq!(first.next, first.objects.last().map(|object| object.guid));
        assert_eq!(page(first.next, 6).next, None, "the end exactly");
        assert_eq!(page(None, 10).objects.len(), 10);
        assert_eq!(page(None, 10).next, None);
    }
}
