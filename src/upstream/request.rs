//! One request: its identity, its envelope, its size.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// Staged asset as part of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchItem {
    /// Number of the asset in the stage; answers refer to it.
    pub seq: u64,
    /// `externalAssetId`.
    pub external_id: String,
    /// One `assetData` element, compact JSON: `{"asset":{…}}`. It is sent byte for byte.
    pub asset: Arc<str>,
}

/// Content of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// `connectorMetaData.requestId`, the same over every retry.
    pub request_id: Uuid,
    /// Assets in the order of delivery.
    pub items: Vec<BatchItem>,
}

impl Batch {
    /// Returns a batch whose id is derived from its content, so that the same batch formed again
    /// after a crash is the same request to Qualys, and a different batch never is.
    #[must_use]
    pub fn new(connector_uuid: &str, items: Vec<BatchItem>) -> Self {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            // Lengths keep two different lists from having the same bytes.
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        add(connector_uuid.as_bytes());
        for item in &items {
            add(&item.seq.to_be_bytes());
            add(item.asset.as_bytes());
        }
        let mut bytes = [0; 16];
        bytes
            .iter_mut()
            .zip(hash.finalize())
            .for_each(|(byte, hashed)| *byte = hashed);
        // Marked as version 5, name-based (RFC 9562 section 5.5), which every validator knows. The
        // hash is SHA-256 instead of SHA-1, which no receiver can detect.
        Self {
            request_id: Builder::from_sha1_bytes(bytes).into_uuid(),
            items,
        }
    }
}

/// Fixed parts around the assets of a request.
#[derive(Debug, Clone)]
pub(super) struct RequestEnvelope {
    /// Text between the request id and the count.
    middle: String,
}

const HEAD: &str = r#"{"connectorMetaData":{"requestId":""#;
const DATA: &str = r#"},"assetData":["#;
const TAIL: &str = "]}";
/// Length of a UUID as text (RFC 9562 section 4).
const REQUEST_ID: usize = 36;

impl RequestEnvelope {
    pub(super) fn new(connector_uuid: &str, source: &str) -> Self {
        let (connector, source) = (serde_json::json!(connector_uuid), serde_json::json!(source));
        Self {
            middle: format!(r#"","connectorUuid":{connector},"source":{source},"assetCount":"#),
        }
    }

    /// Returns the body of a request. The assets are copied as they are, so that the octets that
    /// were staged, compared and counted are sent.
    pub(super) fn body(&self, batch: &Batch) -> Bytes {
        let assets = batch.items.iter().map(|item| item.asset.len()).sum();
        let mut body = String::with_capacity(self.len(batch.items.len(), assets));
        body.push_str(HEAD);
        body.push_str(&batch.request_id.hyphenated().to_string());
        body.push_str(&self.middle);
        body.push_str(&batch.items.len().to_string());
        body.push_str(DATA);
        for (index, item) in batch.items.iter().enumerate() {
            if index > 0 {
                body.push(',');
            }
            body.push_str(&item.asset);
        }
        body.push_str(TAIL);
        Bytes::from(body)
    }

    /// Returns the bytes of a body with `count` assets that have `asset_bytes` bytes together.
    pub(super) fn len(&self, count: usize, asset_bytes: usize) -> usize {
        let digits = count.checked_ilog10().unwrap_or(0) as usize + 1;
        let commas = count.saturating_sub(1);
        let fixed = HEAD.len() + REQUEST_ID + self.middle.len() + DATA.len() + TAIL.len();
        asset_bytes.saturating_add(fixed + digits + commas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(seq: u64, filling: usize) -> BatchItem {
        let external_id = format!("S-1-5-21-{seq}");
        let asset = format!(
            r#"{{"asset":{{"assetHeader":{{"externalAssetId":"{external_id}","x":"{}"}}}}}}"#,
            "ä".repeat(filling)
        );
        BatchItem {
            seq,
            external_id,
            asset: asset.into(),
        }
    }

    #[test]
    fn the_body_is_the_contract_s_wire_json() {
        let items = vec![item(1, 0), item(2, 1)];
        let assets = format!("{},{}", items[0].asset, items[1].asset);
        let batch = Batch::new("0b0c", items);
        let body = RequestEnvelope::new("0b0c", "a \"quoted\" source").body(&batch);
        let expected = format!(
            r#"{{"connectorMetaData":{{"requestId":"{}","connectorUuid":"0b0c","source":"a \"quoted\" source","assetCount":2}},"assetData":[{assets}]}}"#,
            batch.request_id
        );
        assert_eq!(String::from_utf8(body.to_vec()).unwrap(), expected);
        serde_json::from_str::<serde_json::Value>(&expected).unwrap();
    }

    #[test]
    fn r18_the_same_batch_formed_again_has_the_same_id_and_no_other_has() {
        let id = |connector: &str, items: Vec<BatchItem>| Batch::new(connector, items).request_id;
        let first = id("0b0c", vec![item(1, 0), item(2, 0)]);
        assert_eq!(first, id("0b0c", vec![item(1, 0), item(2, 0)]));
        let others = [
            id("0b0d", vec![item(1, 0), item(2, 0)]),
            id("0b0c", vec![item(2, 0), item(1, 0)]),
            id("0b0c", vec![item(1, 0)]),
            id("0b0c", vec![item(1, 0), item(2, 1)]),
            id("0b0c", vec![BatchItem { seq: 3, ..item(1, 0) }, item(2, 0)]),
        ];
        assert!(!others.contains(&first));
        assert_eq!(
            (first.get_version_num(), first.get_variant()),
            (5, uuid::Variant::RFC4122)
        );
    }
}
