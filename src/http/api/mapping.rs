//! The mapping table in force, and one that is being written.

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::check::{self, MappingMistake};
use crate::config::{MappingSource, in_the_body_s_words};
use crate::http::extract::NamedConnection;
use crate::http::guards::Changer;
use crate::http::problem::{ChangeRefusals, CheckedBody, HttpProblem, RefusalResponses};
use crate::identity::Kind;
use crate::mapping::{Mapping, RowOrigin, TableRow};

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
    /// `user`, `group`, `computer` or `role`.
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
    let kinds = settings.profile.assets.iter().map(|(kind, _)| *kind);
    Ok(Json(MappingTable {
        source: settings.mapping.describe(),
        kinds: kind_tables(mapping, &kinds.collect::<Vec<_>>()),
        removed: removed_rows(mapping),
    }))
}

/// Body of `mapping`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MappingTrial {
    /// Text in the form of the mapping file; the built-in table where it is `null`.
    mapping: Option<String>,
}

/// A mapping as text and as rows, or its mistakes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReadMapping)]
pub(super) struct ReadMappingView {
    /// The text.
    text: String,
    /// The kinds that have rows; none where there are mistakes.
    kinds: Vec<KindTable>,
    /// Values that are added to the last asset of a removed object.
    removed: Vec<RemovedRow>,
    /// Mistakes, by line.
    mistakes: Vec<MappingMistakeView>,
}

/// Mistake of a mapping.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MappingMistake)]
pub(super) struct MappingMistakeView {
    /// Line, counted from 1; `null` where it concerns the table as a whole.
    #[schema(required)]
    line: Option<usize>,
    /// The mistake.
    reason: String,
    /// Next step, where the reason does not say it.
    #[schema(required)]
    remedy: Option<String>,
}

impl From<MappingMistake> for MappingMistakeView {
    fn from(mistake: MappingMistake) -> Self {
        let MappingMistake { line, reason, remedy } = mistake;
        Self {
            line,
            reason: in_the_body_s_words(&reason),
            remedy: remedy.map(|remedy| in_the_body_s_words(&remedy)),
        }
    }
}

/// Shows a mapping as rows, or its mistakes.
#[utoipa::path(
    post, path = "/api/v1/connections/mapping", tag = "configuration", operation_id = "readMapping",
    request_body = MappingTrial,
    security(("bearer" = []), ("basic" = [])),
    responses((status = 200, description = "The rows, or the mistakes.", body = ReadMappingView), ChangeRefusals, RefusalResponses)
)]
pub(super) async fn read(
    _: Changer,
    CheckedBody(MappingTrial { mapping }): CheckedBody<MappingTrial>,
) -> Result<Json<ReadMappingView>, HttpProblem> {
    let source = mapping.map_or(MappingSource::BuiltIn, MappingSource::Text);
    let read = check::read_mapping(&source, None);
    let (kinds, removed, mistakes) = match read.mapping {
        Ok(mapping) => (
            kind_tables(&mapping, &Kind::ALL),
            removed_rows(&mapping),
            Vec::new(),
        ),
        Err(mistakes) => (Vec::new(), Vec::new(), mistakes),
    };
    Ok(Json(ReadMappingView {
        text: read.text.unwrap_or_default(),
        kinds,
        removed,
        mistakes: mistakes.into_iter().map(MappingMistakeView::from).collect(),
    }))
}

/// Returns the rows of each kind that has some.
fn kind_tables(mapping: &Mapping, synced: &[Kind]) -> Vec<KindTable> {
    let kinds = Kind::ALL.into_iter().filter(|kind| mapping.has(*kind));
    kinds
        .map(|kind| KindTable {
            kind: kind.name(),
            synced: synced.contains(&kind),
            rows: mapping.rows(kind).iter().map(shown).collect(),
        })
        .collect()
}

fn removed_rows(mapping: &Mapping) -> Vec<RemovedRow> {
    let removed = mapping.removed().iter();
    removed
        .map(|(target, literal)| RemovedRow {
            target: target.to_string(),
            value: literal.into(),
        })
        .collect()
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
