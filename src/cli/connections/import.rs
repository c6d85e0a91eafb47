//! `connections import`: connections of a file become stored ones.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::clock;
use crate::config::{
    self, Config, FieldProblem, ForeignSetting, ImportedConnection, foreign_settings, variable_of_key,
};
use crate::exit_code::USAGE;
use crate::registry::{ChangeError, ConnectionEditor};
use crate::store::{Store, StoreAccess, StoredConnection};

use super::refused;
use crate::check::list_below;
use crate::cli::arguments::ConnectionsImport;
use crate::cli::failure::CommandFailure;
use crate::cli::output::say;

/// Connection that is stored when every one of the file is good.
struct PlannedImport {
    name: String,
    uuid: Uuid,
    body: Value,
    /// Revision of the stored connection that it replaces.
    replaces: Option<i64>,
}

/// Connections of the state that an import meets.
struct ImportBasis<'a> {
    editor: ConnectionEditor<'a>,
    stored: Vec<StoredConnection>,
    deleted: Vec<StoredConnection>,
    replace: bool,
    now: DateTime<Utc>,
}

/// Stores the connections of a file.
pub(super) fn run(config: &Config, options: &ConnectionsImport) -> Result<u8, CommandFailure> {
    let read = config::load_connections(&options.file)?;
    let store = Store::open(&config.state, StoreAccess::ReadWrite)?;
    let basis = ImportBasis {
        editor: ConnectionEditor {
            config,
            store: &store,
        },
        stored: store.stored_connections()?,
        deleted: store.deleted_connections()?,
        replace: options.replace,
        now: clock::now(),
    };
    let (mut planned, mut mistakes) = (Vec::new(), Vec::new());
    for imported in &read {
        match basis.plan(imported) {
            Ok(plan) => planned.push(plan),
            Err(found) => mistakes.extend(
                found
                    .into_iter()
                    .map(|mistake| format!("connection {}: {mistake}", imported.settings.name)),
            ),
        }
    }
    if !mistakes.is_empty() {
        return Err(CommandFailure::new(
            USAGE,
            list_below(
                &format!("nothing of {} is stored", options.file.display()),
                &mistakes.join("\n"),
            ),
            "correct what is named, and import the file again",
        ));
    }
    for plan in planned {
        let stored = match plan.replaces {
            None => basis.editor.create_as(plan.uuid, &plan.body, basis.now),
            Some(revision) => basis.editor.replace(&plan.name, revision, &plan.body, basis.now),
        };
        let stored = stored.map_err(|error| refused(&error).of_connection(Some(plan.name.as_str())))?;
        let done = match plan.replaces {
            None => "created",
            Some(_) => "replaced",
        };
        say(format_args!(
            "{}: {done}, revision {}",
            stored.name, stored.state.revision
        ))?;
    }
    Ok(0)
}

impl ImportBasis<'_> {
    /// Returns what is to be stored of a connection, or all its mistakes.
    fn plan(&self, imported: &ImportedConnection) -> Result<PlannedImport, Vec<String>> {
        let settings = &imported.settings;
        let mut body = config::body_with_documents(settings)
            .map_err(|error| vec![format!("mapping_file: cannot be read: {error}")])?;
        let mut mistakes = Vec::new();
        match self.editor.check_new(&body, self.now) {
            Ok(checked) => mistakes.extend(foreign_settings(settings, &checked.settings).iter().map(foreign)),
            Err(ChangeError::Invalid(problems)) => mistakes.extend(problems.iter().map(in_the_files_words)),
            Err(error) => mistakes.push(error.to_string()),
        }
        if body.pointer("/directory/password").is_some() && self.editor.config.secrets.is_none() {
            let refusal = crate::store::ConnectionRefusal::NoKey;
            mistakes.push(format!("{refusal}; {}", refusal.advice()));
        }
        let same_name = self.stored.iter().find(|one| one.content.name == settings.name);
        let place = self.editor.stored(&settings.name).err();
        if let Some(error @ ChangeError::FromFile { .. }) = place {
            mistakes.push(format!("{error}; give it another name, or change it there"));
        }
        let replaces = match same_name {
            Some(stored) if self.replace => {
                // The file has no key for it.
                body["disabled"] = Value::from(stored.content.disabled);
                Some(stored.revision)
            }
            Some(_) => {
                mistakes.push("a stored connection has this name; give --replace to replace it".to_owned());
                None
            }
            None => None,
        };
        let uuid = if replaces.is_none() {
            self.identity(imported)
                .map_err(|mistake| mistakes.push(mistake))
                .ok()
        } else {
            Some(settings.uuid)
        };
        match uuid {
            Some(uuid) if mistakes.is_empty() => Ok(PlannedImport {
                name: settings.name.clone(),
                uuid,
                body,
                replaces,
            }),
            _ => Err(mistakes),
        }
    }

    /// Returns the identity of a new connection: that of the file, so that it keeps the state which
    /// it has under it. One that is made of the name gives way to a random one where it is taken.
    fn identity(&self, imported: &ImportedConnection) -> Result<Uuid, String> {
        let uuid = imported.settings.uuid;
        let configured = self.editor.config.connections.iter().find(|one| one.uuid == uuid);
        let stored = self.stored.iter().find(|one| one.uuid == uuid);
        let deleted = self.deleted.iter().find(|one| one.uuid == uuid);
        match (configured, stored, deleted) {
            (None, None, None) => Ok(uuid),
            _ if !imported.has_uuid => Ok(crate::registry::random_uuid()),
            (Some(other), _, _) => Err(format!(
                "uuid: is that of the connection {}, which environment or file configures; take that one away first, or leave uuid out",
                other.name
            )),
            (_, Some(other), _) => Err(format!(
                "uuid: is that of the stored connection {}; give it that name and --replace, or leave uuid out",
                other.content.name
            )),
            (_, _, Some(other)) => Err(format!(
                "uuid: is that of the deleted connection {0}; forget it by `ad-connector connections delete {0} --purge`, or leave uuid out",
                other.content.name
            )),
        }
    }
}

/// Returns the mistake of a setting that the service has otherwise.
fn foreign(setting: &ForeignSetting) -> String {
    let key = setting.variable.to_ascii_lowercase();
    let text = |value: &str| {
        if value.is_empty() {
            "not set".to_owned()
        } else {
            value.to_owned()
        }
    };
    format!(
        "{key}: is {} in the file, and {} for every stored connection, which takes it from the service; \
         set {} for the service, leave it out here, or keep this connection in a file",
        text(&setting.wanted),
        text(&setting.service),
        setting.variable
    )
}

/// Returns the mistake of a key of the body under the key of the file.
fn in_the_files_words(problem: &FieldProblem) -> String {
    let key = variable_of_key(&problem.key).map_or_else(|| problem.key.clone(), str::to_ascii_lowercase);
    format!("{key}: {}; {}", problem.reason, problem.remedy)
}
