//! An instance of the service.

use serde::Serialize;
use utoipa::ToSchema;

use super::time;
use crate::store;

/// An instance that shares the state with others, as `instances --json` and the API show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Instance)]
pub struct InstanceView {
    /// `INSTANCE_NAME`.
    pub name: String,
    /// Time of its last sign of life.
    #[schema(required)]
    pub seen_at: Option<String>,
    /// Names of the connections that it holds.
    pub connections: Vec<String>,
}

impl From<store::InstanceRow> for InstanceView {
    fn from(instance: store::InstanceRow) -> Self {
        Self {
            name: instance.name,
            seen_at: time(Some(instance.seen_at)),
            connections: instance.connections,
        }
    }
}
