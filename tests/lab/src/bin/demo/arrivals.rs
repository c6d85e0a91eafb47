//! What arrived at the gateway, told when it arrives.

use std::collections::BTreeMap;

use lab::receiver::Receiver;
use serde_json::Value;

use crate::terminal::Terminal;

/// What arrived so far.
#[derive(Default)]
pub struct Arrivals {
    batches: usize,
    assets: BTreeMap<String, Value>,
}

impl Arrivals {
    /// Takes note of what arrived since the last call, and tells it to `terminal`.
    pub fn take(&mut self, receiver: &Receiver, terminal: Option<&Terminal>) {
        let deliveries = receiver.deliveries();
        for delivery in &deliveries[self.batches..] {
            for (id, asset) in delivery.external_ids.iter().zip(&delivery.assets) {
                let before = self.assets.insert(id.clone(), asset.clone());
                if let Some(terminal) = terminal {
                    terminal.event("arrived", &difference(before.as_ref(), asset));
                }
            }
        }
        self.batches = deliveries.len();
    }

    /// Tells what came with the first full read.
    pub fn tell_baseline(&self, terminal: &Terminal) {
        let users = self
            .assets
            .values()
            .filter(|asset| class(asset).0 == "user")
            .count();
        let groups = self.assets.len() - users;
        let batches = if self.batches == 1 { "batch" } else { "batches" };
        terminal.event(
            "arrived",
            &format!(
                "{users} users, {groups} groups in {} {batches}, among them",
                self.batches
            ),
        );
        for kind in ["user", "group"] {
            for asset in self
                .assets
                .values()
                .filter(|asset| class(asset).0 == kind)
                .take(3)
            {
                terminal.detail(&describe(asset));
            }
        }
    }
}

/// `user` or `group`, and its fields.
fn class(asset: &Value) -> (&'static str, &Value) {
    let detail = &asset["asset"]["assetDetail"];
    match detail.get("userAssetClass") {
        Some(fields) => ("user", fields),
        None => ("group", &detail["groupAssetClass"]),
    }
}

fn text<'v>(fields: &'v Value, field: &str) -> &'v str {
    fields.get(field).and_then(Value::as_str).unwrap_or("(none)")
}

fn describe(asset: &Value) -> String {
    let (kind, fields) = class(asset);
    let more = if kind == "user" { "email" } else { "description" };
    format!("{kind:5}  {}, {}", text(fields, "name"), text(fields, more))
}

/// What is new about an asset.
fn difference(before: Option<&Value>, after: &Value) -> String {
    let (kind, fields) = class(after);
    let Some(before) = before else {
        return format!("{}  (new)", describe(after));
    };
    let old = class(before).1;
    let changed: Vec<String> = fields
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(field, value)| old.get(field.as_str()) != Some(value))
        .map(|(field, _)| format!("{field}: {} → {}", text(old, field), text(fields, field)))
        .collect();
    format!("{kind:5}  {}", changed.join(", "))
}
