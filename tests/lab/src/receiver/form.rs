//! The form that every ingest request must have. Anything else is a violation: a bug of the client.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use serde_json::Value;

/// One well-formed batch.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) request_id: String,
    pub(super) connector_uuid: String,
    /// `(externalAssetId, assetData element)` in the order of the request.
    pub(super) assets: Vec<(String, Value)>,
}

/// Checks the headers that every call needs.
pub(super) fn check_headers(headers: &HeaderMap, content_type: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    if text(USER_AGENT).is_empty() {
        wrong.push("no User-Agent: the firewall in front of the gateway drops such calls".to_owned());
    }
    if !text(CONTENT_TYPE).eq_ignore_ascii_case(content_type) {
        wrong.push(format!(
            "Content-Type is `{}`, not `{content_type}`",
            text(CONTENT_TYPE)
        ));
    }
    if headers.contains_key(CONTENT_ENCODING) {
        wrong.push(format!(
            "Content-Encoding is `{}`: nothing says that the gateway takes it",
            text(CONTENT_ENCODING)
        ));
    }
    wrong
}

/// Checks a body; every mistake is named.
pub(super) fn check_body(body: &[u8]) -> Result<Parsed, Vec<String>> {
    let value: Value = serde_json::from_slice(body).map_err(|e| vec![format!("body is not JSON: {e}")])?;
    let mut wrong = Vec::new();
    only_keys(&value, &["connectorMetaData", "assetData"], "body", &mut wrong);
    let meta = &value["connectorMetaData"];
    only_keys(
        meta,
        &["requestId", "connectorUuid", "source", "assetCount"],
        "connectorMetaData",
        &mut wrong,
    );
    let request_id = meta["requestId"].as_str().unwrap_or_default().to_owned();
    if !is_uuid(&request_id) {
        wrong.push(format!("requestId `{}` is not a UUID", meta["requestId"]));
    }
    for key in ["connectorUuid", "source"] {
        if meta[key].as_str().is_none_or(str::is_empty) {
            wrong.push(format!("{key} is not a filled text"));
        }
    }
    let elements = value["assetData"].as_array().cloned().unwrap_or_default();
    // An empty list is the check of the path, which stores nothing.
    if !value["assetData"].is_array() {
        wrong.push("assetData is not a list".to_owned());
    }
    if meta["assetCount"].as_u64() != Some(elements.len() as u64) {
        wrong.push(format!(
            "assetCount is {}, assetData has {}",
            meta["assetCount"],
            elements.len()
        ));
    }
    let mut assets: Vec<(String, Value)> = Vec::with_capacity(elements.len());
    let mut ids = BTreeSet::new();
    for (index, element) in elements.into_iter().enumerate() {
        only_keys(&element, &["asset"], &format!("assetData[{index}]"), &mut wrong);
        if holds_null(&element) {
            wrong.push(format!("assetData[{index}] holds a null"));
        }
        match element["asset"]["assetHeader"]["externalAssetId"]
            .as_str()
            .filter(|id| !id.is_empty())
        {
            Some(id) => {
                // R37: which of the two assets the gateway would keep is not known.
                if !ids.insert(id.to_owned()) {
                    wrong.push(format!("externalAssetId `{id}` comes twice"));
                }
                assets.push((id.to_owned(), element));
            }
            None => wrong.push(format!("assetData[{index}] has no externalAssetId")),
        }
    }
    if wrong.is_empty() {
        Ok(Parsed {
            request_id,
            connector_uuid: meta["connectorUuid"].as_str().unwrap_or_default().to_owned(),
            assets,
        })
    } else {
        Err(wrong)
    }
}

/// The object's keys are exactly these.
fn only_keys(value: &Value, keys: &[&str], name: &str, wrong: &mut Vec<String>) {
    let Some(object) = value.as_object() else {
        wrong.push(format!("{name} is not an object"));
        return;
    };
    for key in keys.iter().filter(|key| !object.contains_key(**key)) {
        wrong.push(format!("{name} has no {key}"));
    }
    for key in object.keys().filter(|key| !keys.contains(&key.as_str())) {
        wrong.push(format!("{name} has an unknown key {key}"));
    }
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(holds_null),
        Value::Object(object) => object.values().any(holds_null),
        _ => false,
    }
}

/// 8-4-4-4-12 lower-case hex digits (RFC 9562 section 4).
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(meta: &str, data: &str) -> Vec<u8> {
        format!(r#"{{"connectorMetaData":{meta},"assetData":{data}}}"#).into_bytes()
    }

    const META: &str = r#"{"requestId":"0f8fad5b-d9cb-469f-a165-70867728950e","connectorUuid":"c","source":"s","assetCount":1}"#;
    const ASSET: &str = r#"{"asset":{"assetHeader":{"externalAssetId":"S-1-5-1"}}}"#;

    #[test]
    fn a_well_formed_batch_passes() {
        let parsed = check_body(&batch(META, &format!("[{ASSET}]"))).unwrap();
        assert_eq!(parsed.request_id, "0f8fad5b-d9cb-469f-a165-70867728950e");
        assert_eq!(parsed.assets[0].0, "S-1-5-1");
    }

    #[test]
    fn every_mistake_is_named() {
        let cases = [
            (b"<html>".to_vec(), "not JSON"),
            (batch(META, "[]"), "assetCount is 1, assetData has 0"),
            (batch(META, "{}"), "assetData is not a list"),
            (
                batch(META, &format!("[{ASSET},{ASSET}]")),
                "assetCount is 1, assetData has 2",
            ),
            (
                batch(&META.replace(":1", ":2"), &format!("[{ASSET},{ASSET}]")),
                "externalAssetId `S-1-5-1` comes twice",
            ),
            (
                batch(&META.replace("0f8fad5b", "0F8"), &format!("[{ASSET}]")),
                "is not a UUID",
            ),
            (
                batch(&META.replace(r#""s""#, r#""""#), &format!("[{ASSET}]")),
                "source is not a filled text",
            ),
            (
                batch(&META.replace("source", "sauce"), &format!("[{ASSET}]")),
                "has no source",
            ),
            (
                batch(
                    META,
                    r#"[{"asset":{"assetHeader":{"externalAssetId":"S","x":null}}}]"#,
                ),
                "holds a null",
            ),
            (
                batch(META, r#"[{"asset":{"assetHeader":{}}}]"#),
                "no externalAssetId",
            ),
            (
                batch(META, &format!(r#"[{{"asset":{{}},"more":{ASSET}}}]"#)),
                "unknown key more",
            ),
        ];
        for (body, expected) in cases {
            let wrong = check_body(&body).unwrap_err();
            assert!(
                wrong.iter().any(|w| w.contains(expected)),
                "{expected}: {wrong:?}"
            );
        }
    }

    #[test]
    fn headers_are_checked() {
        let mut headers = HeaderMap::new();
        assert_eq!(check_headers(&headers, "application/json").len(), 2);
        headers.insert(USER_AGENT, "x".parse().unwrap());
        headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        assert_eq!(check_headers(&headers, "application/json"), Vec::<String>::new());
        headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        assert_eq!(check_headers(&headers, "application/json").len(), 1);
    }
}
