//! One object as the directory has it now, beside the asset that the mapping makes of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::inventory::{ObjectGuid, raw};
use super::mapping::MappingMistakeView;
use super::trial::configuration;
use crate::check::{self, PreviewOutcome};
use crate::clock;
use crate::config::{ConnectionDocument, MappingSource};
use crate::directory::{self, DirectoryError, Entry};
use crate::http::extract::{NamedConnection, ServiceState};
use crate::http::guards::{Changer, NameReader};
use crate::http::problem::{ChangeRefusals, CheckedBody, HttpProblem, RefusalResponses};
use crate::identity::{Guid, Kind};
use crate::mapping::{RowExplanation, RowOutcome};
use crate::store::RunMode;
use crate::sync::{self, Connector, EntrySource, ReadScope};

/// An object of the directory.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Preview)]
pub(super) struct ObjectPreview {
    /// `user`, `group`, `computer` or `role`.
    kind: &'static str,
    /// Its distinguished name.
    dn: String,
    /// objectGUID.
    vendor_asset_id: String,
    /// `true` when upstream holds this very asset; `null` when it holds none.
    #[schema(required)]
    same_as_accepted: Option<bool>,
    /// Results of the rows of the mapping, in the order of the table.
    rows: Vec<PreviewRow>,
    /// The `assetData` element that would be sent.
    #[schema(value_type = Option<Object>, required)]
    asset: Option<Box<RawValue>>,
    /// Reason where there is no asset.
    #[schema(required)]
    unmappable: Option<String>,
}

/// Result of a row for the object.
#[derive(Debug, Serialize, ToSchema)]
struct PreviewRow {
    /// The sources with their values; none for a constant.
    sources: Vec<SourceValues>,
    /// The form that was applied; `constant` for a constant.
    form: &'static str,
    /// Path in the asset.
    target: String,
    /// `true` when the object is rejected without the value.
    required: bool,
    /// `value`, `constant`, `default`, `absent`, `undecodable` or `rejected`.
    outcome: &'static str,
    /// The value in the asset.
    #[schema(value_type = Value, required)]
    value: Option<Box<RawValue>>,
    /// Reason for which the object is rejected.
    #[schema(required)]
    reason: Option<String>,
    /// Sources whose value cannot be decoded.
    faults: Vec<DecodeMistake>,
}

/// An attribute as the directory gave it.
#[derive(Debug, Serialize, ToSchema)]
struct SourceValues {
    /// Its name.
    attribute: String,
    /// Its values as text, or in hexadecimal (`0x…`); long ones are cut.
    values: Vec<String>,
    /// `true` when it gave the value.
    used: bool,
}

/// A value that cannot be decoded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fault)]
struct DecodeMistake {
    /// Its attribute.
    attribute: String,
    /// Reason for which it cannot be decoded.
    reason: String,
}

/// One object as the directory has it now. The service binds for it.
#[utoipa::path(
    get, path = "/api/v1/connections/{name}/inventory/{guid}/preview", tag = "inventory", operation_id = "previewAsset",
    params(("name" = String, Path, description = "CONNECTION_NAME"), ("guid" = String, Path, description = "objectGUID")),
    security(("bearer" = []), ("basic" = [])),
    responses(
        (status = 200, description = "The object, row by row.", body = ObjectPreview),
        (status = 502, description = "The directory cannot be read.", body = HttpProblem),
        RefusalResponses
    )
)]
pub(super) async fn one(
    _: NameReader,
    State(service): ServiceState,
    NamedConnection(handle): NamedConnection,
    ObjectGuid(guid): ObjectGuid,
) -> Result<Json<ObjectPreview>, HttpProblem> {
    let _permit = service.object_look_up()?;
    let connector = handle.connector();
    let (kind, entry) = find(connector, guid).await?.ok_or_else(|| {
        HttpProblem::not_found(
            format_args!("no object in scope has the GUID {guid}"),
            "it may be deleted, moved out of AD_BASE_CONTEXT, or hidden from the account",
        )
    })?;
    let id = connector.id;
    let accepted = service.read(move |store| store.object(id, guid)).await?;
    let seen = EntrySource::new(&entry, clock::unix_seconds());
    let applied = connector.mapping.apply(kind, &seen);
    let rows = connector.mapping.explain(kind, &seen).into_iter().map(shown);
    let rows = rows.collect::<Result<_, _>>()?;
    let (asset, unmappable) = match applied {
        Ok(asset) => (Some(asset.json), None),
        Err(unmappable) => (None, Some(unmappable.to_string())),
    };
    Ok(Json(ObjectPreview {
        kind: kind.name(),
        dn: entry.dn,
        vendor_asset_id: guid.to_string(),
        same_as_accepted: accepted.map(|accepted| Some(&accepted.asset) == asset.as_ref()),
        rows,
        asset: asset.map(raw).transpose()?,
        unmappable,
    }))
}

/// Body of `preview`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewTrial {
    /// Configuration of a connection.
    #[schema(value_type = ConnectionDocument)]
    connection: Value,
    /// Name of the stored connection whose password is used, where the configuration has none and
    /// its address is the same.
    of: Option<String>,
    /// Text of a mapping in place of that of the configuration.
    mapping: Option<String>,
    /// Account name, name, mail address, DN, SID or GUID of an object.
    object: String,
}

/// An object as a mapping makes it, or the mistakes of the mapping.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrialPreview {
    /// `user`, `group`, `computer` or `role`; `null` where the mapping has mistakes.
    #[schema(required)]
    kind: Option<&'static str>,
    /// Its distinguished name.
    #[schema(required)]
    dn: Option<String>,
    /// objectGUID.
    #[schema(required)]
    vendor_asset_id: Option<String>,
    /// Results of the rows of the mapping, in the order of the table.
    rows: Vec<PreviewRow>,
    /// The `assetData` element that would be sent.
    #[schema(value_type = Option<Object>, required)]
    asset: Option<Box<RawValue>>,
    /// Reason where there is no asset.
    #[schema(required)]
    unmappable: Option<String>,
    /// Mistakes of the mapping, by line.
    mistakes: Vec<MappingMistakeView>,
    /// Further objects with the name.
    more: usize,
}

/// Shows one object of the directory as a configuration that is not stored would send it.
#[utoipa::path(
    post, path = "/api/v1/connections/preview", tag = "configuration", operation_id = "previewConfiguration",
    request_body = PreviewTrial,
    security(("bearer" = []), ("basic" = [])),
    responses(
        (status = 200, description = "The object, row by row, or the mistakes of the mapping.", body = TrialPreview),
        (status = 502, description = "The directory cannot be read.", body = HttpProblem),
        ChangeRefusals, RefusalResponses
    )
)]
pub(super) async fn of_configuration(
    _: Changer,
    State(service): ServiceState,
    CheckedBody(mut body): CheckedBody<PreviewTrial>,
) -> Result<Json<TrialPreview>, HttpProblem> {
    let connection = body.connection.as_object_mut();
    // What is tried is the mapping: its mistakes are shown by line.
    let of_body = connection
        .filter(|connection| connection.get("mapping").is_some_and(Value::is_string))
        .and_then(|connection| connection.remove("mapping"));
    let mut settings = configuration(&service, body.of, body.connection).await?;
    let text = body
        .mapping
        .or_else(|| of_body.as_ref()?.as_str().map(str::to_owned));
    settings.mapping = text.map_or(MappingSource::BuiltIn, MappingSource::Text);
    let _permit = service.object_look_up()?;
    let bind_guard = service.registry.bind_guard();
    match check::preview(&settings, &bind_guard, &body.object).await? {
        PreviewOutcome::Mistakes(mistakes) => Ok(Json(TrialPreview {
            mistakes: mistakes.into_iter().map(MappingMistakeView::from).collect(),
            ..TrialPreview::default()
        })),
        PreviewOutcome::NotFound(failure) => Err(HttpProblem::not_found(failure.message, failure.advice)),
        PreviewOutcome::Found { object, more } => {
            let (asset, unmappable) = match object.asset {
                Ok(asset) => (Some(raw(asset.json)?), None),
                Err(reason) => (None, Some(reason)),
            };
            Ok(Json(TrialPreview {
                kind: Some(object.kind.name()),
                dn: Some(object.dn),
                vendor_asset_id: object.guid.map(|guid| guid.to_string()),
                rows: object.rows.into_iter().map(shown).collect::<Result<_, _>>()?,
                asset,
                unmappable,
                mistakes: Vec::new(),
                more,
            }))
        }
    }
}

/// Returns the object in scope with this GUID, asked for over a session of its own.
async fn find(connector: &Connector, guid: Guid) -> Result<Option<(Kind, Entry)>, DirectoryError> {
    let settings = &connector.settings;
    // A handle of its own: a refusal that is shown here is still logged by the next run.
    let bind_guard = connector.bind_guard.for_connection();
    let known = connector.known_controllers(RunMode::Delta).await;
    let known = known.unwrap_or_default();
    let mut session = directory::connect(&settings.directory, &bind_guard, &known).await?;
    let root = session.root_dse().await?;
    let scope = ReadScope::new(&settings.profile, &connector.mapping, &root);
    let found = sync::read_in_scope(&session, &scope, &connector.mapping, guid).await?;
    session.close().await;
    Ok(found)
}

fn shown(row: RowExplanation) -> Result<PreviewRow, HttpProblem> {
    let (outcome, reason) = match &row.outcome {
        RowOutcome::Value(_) => ("value", None),
        RowOutcome::Constant(_) => ("constant", None),
        RowOutcome::Default(_) => ("default", None),
        RowOutcome::Absent => ("absent", None),
        RowOutcome::Undecodable => ("undecodable", None),
        RowOutcome::Rejected(reason) => ("rejected", Some(reason.clone())),
    };
    let value = row.outcome.json().map(str::to_owned).map(raw).transpose()?;
    Ok(PreviewRow {
        sources: row
            .sources
            .into_iter()
            .map(|source| SourceValues {
                attribute: source.attribute,
                values: source.values,
                used: source.used,
            })
            .collect(),
        form: row.form,
        target: row.target,
        required: row.required,
        outcome,
        value,
        reason,
        faults: row
            .faults
            .into_iter()
            .map(|(attribute, reason)| DecodeMistake { attribute, reason })
            .collect(),
    })
}

impl From<DirectoryError> for HttpProblem {
    fn from(error: DirectoryError) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "unreachable", &error, error.advice())
    }
}
