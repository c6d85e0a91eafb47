//! The mapping table in force.

use axum::Json;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::extract::NamedConnection;
use crate::http::problem::{HttpProblem, RefusalResponses};
use crate::identity::Kind;
use crate::mapping::{RowOrigin, TableRow};

/// The table.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MappingTable {
    /// Its origin: `built-in table`, or the path of MAPPING_FILE.
    source: String,
    /// The kinds that have rows.
    kinds: Vec<KindTable>,
    /// Values that REMOVED_OBJECTS=send adds to the last asset of a removed object.
    removed: Vec<RemovedRow>,
}

/// The rows of a kind.
#[derive(Debug, Serialize, ToSchema)]
struct KindTable {
    /// `user`, `group` or `computer`.
    kind: &'static str,
    /// `true` when AD_ASSETS asks for the kind.
    synced: bool,
    /// In the order of the file.
    rows: Vec<MappingRow>,
}

/// A row: where a value comes from and where it goes.
#[derive(Debug, Serialize, ToSchema)]
struct MappingRow {
    /// The first of these that gives a value; none for a constant.
    sources: Vec<SourceAttribute>,
    /// The value of a constant row.
    #[schema(required)]
    constant: Option<Value>,
    /// Path in the asset.
    target: String,
    /// `true` when an object without the value is rejected.
    required: bool,
    /// Value for an object whose sources give none.
    #[schema(required)]
    default: Option<Value>,
}

/// An attribute of the directory and how it is read.
#[derive(Debug, Serialize, ToSchema)]
struct SourceAttribute {
    /// Its name.
    attribute: String,
    /// Form in which its values become JSON.
    form: &'static str,
}

/// Value that is added to the asset of a removed object.
#[derive(Debug, Serialize, ToSchema)]
struct RemovedRow {
    /// Path in the asset.
    target: String,
    /// The constant.
    value: Value,
}

/// The mapping table in force.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/mapping", tag = "mapping", operation_id = "getMapping",
    params(("name" = String, Path, description = "CONNECTION_NAME")),
    responses((status = 200, description = "The table.", body = MappingTable), RefusalResponses)
)]
pub(super) async fn table(
    NamedConnection(handle): NamedConnection,
) -> Result<Json<MappingTable>, HttpProblem> {
    let connector = handle.connector();
    let (settings, mapping) = (&connector.settings, &connector.mapping);
    let kinds = Kind::ALL.into_iter().filter(|kind| mapping.has(*kind));
    Ok(Json(MappingTable {
        source: settings.mapping.describe(),
        kinds: kinds
            .map(|kind| KindTable {
                kind: kind.name(),
                synced: settings.profile.assets.iter().any(|(wanted, _)| *wanted == kind),
                rows: mapping.rows(kind).iter().map(shown).collect(),
            })
            .collect(),
        removed: mapping
            .removed()
            .iter()
            .map(|(target, literal)| RemovedRow {
                target: target.to_string(),
                value: literal.into(),
            })
            .collect(),
    }))
}

fn shown(row: &TableRow) -> MappingRow {
    MappingRow {
        sources: row
            .sources()
            .iter()
            .map(|source| SourceAttribute {
                attribute: source.name.clone(),
                form: source.form.name(),
            })
            .collect(),
        constant: match &row.origin {
            RowOrigin::Constant(literal) => Some(literal.into()),
            RowOrigin::Sources(_) => None,
        },
        target: row.target.to_string(),
        required: row.required,
        default: row.default.as_ref().map(Value::from),
    }
}
