//! `connections`: the connections of environment, file and state, also while the service runs.

mod delete;
mod import;

use serde::Serialize;
use serde_json::Value;

use crate::config::{self, Config, ConnectionOrigin, ConnectionSettings};
use crate::exit_code::{BUSY, USAGE};
use crate::registry::{ChangeError, settings_without_secret, state_of, stored_settings};
use crate::schedule::ConnectionFault;
use crate::store::{State, Store, StoreAccess, StoreError, StoredConnection};
use crate::view::{self, time};

use super::arguments::ConnectionsCommand;
use super::failure::CommandFailure;
use super::output::{say, write_file_text};
use super::setup;
use super::status::columns;

/// Works on connections.
pub(super) fn run(command: &ConnectionsCommand) -> Result<u8, CommandFailure> {
    let config = setup::service_configuration()?;
    match command {
        ConnectionsCommand::List { json } => list(&config, *json),
        ConnectionsCommand::Show { name, json } => show(&config, name, *json),
        ConnectionsCommand::Export { name } => export(&config, name),
        ConnectionsCommand::Import(options) => import::run(&config, options),
        ConnectionsCommand::Delete(options) => delete::run(&config, options),
    }
}

/// Connection of any origin, as it is configured.
enum KnownConnection<'a> {
    /// Of environment or file.
    Configured(&'a ConnectionSettings),
    /// Of the state.
    Stored(StoredConnection),
}

/// Connection as `connections list --json` shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedConnection {
    name: String,
    uuid: String,
    origin: &'static str,
    /// `null` where it is configured and was never run.
    state: Option<&'static str>,
    disabled: bool,
    revision: Option<i64>,
    next_sync: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
    /// Reason for which it cannot be used.
    reason: Option<String>,
    remedy: Option<String>,
}

/// Connection as `connections show --json` shows it.
#[derive(Debug, Serialize)]
struct ShownConfiguration {
    #[serde(flatten)]
    listed: ListedConnection,
    configuration: Value,
}

/// Returns the state, where there is one: a service that never ran has no file, and no table in its
/// database.
fn existing_store(config: &Config) -> Result<Option<Store>, CommandFailure> {
    match Store::open(&config.state, StoreAccess::ReadOnly) {
        Ok(store) => Ok(Some(store)),
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns every connection, by name.
fn known<'a>(config: &'a Config, store: Option<&Store>) -> Result<Vec<KnownConnection<'a>>, CommandFailure> {
    let stored = store.map(Store::stored_connections).transpose()?;
    let configured = config.connections.iter().map(KnownConnection::Configured);
    let stored = stored.into_iter().flatten().map(KnownConnection::Stored);
    let mut known: Vec<KnownConnection<'a>> = configured.chain(stored).collect();
    known.sort_by(|one, other| one.name().cmp(other.name()));
    Ok(known)
}

/// Returns the connection with this name.
fn named<'a>(
    config: &'a Config,
    store: Option<&Store>,
    name: &str,
) -> Result<KnownConnection<'a>, CommandFailure> {
    let mut known = known(config, store)?;
    match known.iter().position(|one| one.name() == name) {
        Some(place) => Ok(known.swap_remove(place)),
        None => {
            let names: Vec<&str> = known.iter().map(KnownConnection::name).collect();
            Err(setup::unknown(name, &names.join(", ")))
        }
    }
}

impl KnownConnection<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Configured(settings) => &settings.name,
            Self::Stored(stored) => &stored.content.name,
        }
    }

    fn listed(&self, config: &Config, store: Option<&Store>) -> Result<ListedConnection, CommandFailure> {
        let row = store.map(|store| store.connection(self.name())).transpose()?;
        let row = row.flatten();
        let state = row.as_ref().map(|row| row.state.name());
        let next = row.as_ref().and_then(|row| row.next_sync);
        Ok(match self {
            Self::Configured(settings) => ListedConnection {
                name: settings.name.clone(),
                uuid: settings.uuid.to_string(),
                origin: settings.origin.name(),
                state,
                disabled: false,
                revision: None,
                next_sync: time(next),
                created_at: None,
                updated_at: None,
                reason: None,
                remedy: None,
            },
            Self::Stored(stored) => {
                let fault = stored_settings(config, stored).err();
                ListedConnection {
                    name: stored.content.name.clone(),
                    uuid: stored.uuid.to_string(),
                    origin: ConnectionOrigin::Api.name(),
                    // One that no service has opened yet is valid and stored.
                    state: Some(state.unwrap_or(State::Registered.name())),
                    disabled: stored.content.disabled,
                    revision: Some(stored.revision),
                    next_sync: time(next),
                    created_at: time(Some(stored.created_at)),
                    updated_at: time(Some(stored.updated_at)),
                    remedy: fault.as_ref().map(|fault| fault.remedy.clone()),
                    reason: fault.map(|fault| fault.reason),
                }
            }
        })
    }

    /// Returns its configuration as the API shows it.
    fn configuration(&self) -> Value {
        match self {
            Self::Configured(settings) => config::body_of(settings),
            Self::Stored(stored) => {
                let state = state_of(stored);
                view::stored_configuration(&state.body, state.is_disabled, state.password_set_at)
            }
        }
    }
}

fn list(config: &Config, json: bool) -> Result<u8, CommandFailure> {
    let store = existing_store(config)?;
    let store = store.as_ref();
    let listed: Result<Vec<ListedConnection>, CommandFailure> = known(config, store)?
        .iter()
        .map(|one| one.listed(config, store))
        .collect();
    let listed = listed?;
    if json {
        for one in &listed {
            say(serde_json::to_string(one).map_err(CommandFailure::internal)?)?;
        }
        return Ok(0);
    }
    if listed.is_empty() {
        say("no connection is configured or stored")?;
        return Ok(0);
    }
    let head = ["name", "origin", "state", "disabled", "revision", "next run"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(listed.iter().map(row));
    say(columns(&rows).trim_end())?;
    for one in &listed {
        if let (Some(reason), Some(remedy)) = (&one.reason, &one.remedy) {
            say(format_args!("{} cannot be used: {reason}", one.name))?;
            say(format_args!("  what to do: {remedy}"))?;
        }
    }
    Ok(0)
}

fn row(one: &ListedConnection) -> [String; 6] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let state = match one.reason {
        Some(_) => Some("unusable"),
        None => one.state,
    };
    [
        one.name.clone(),
        one.origin.to_owned(),
        or_dash(state.map(str::to_owned)),
        if one.disabled { "yes" } else { "no" }.to_owned(),
        or_dash(one.revision.map(|revision| revision.to_string())),
        or_dash(one.next_sync.clone()),
    ]
}

fn show(config: &Config, name: &str, json: bool) -> Result<u8, CommandFailure> {
    let store = existing_store(config)?;
    let connection = named(config, store.as_ref(), name)?;
    let shown = ShownConfiguration {
        listed: connection.listed(config, store.as_ref())?,
        configuration: connection.configuration(),
    };
    if json {
        say(serde_json::to_string(&shown).map_err(CommandFailure::internal)?)?;
        return Ok(0);
    }
    let listed = &shown.listed;
    let mut head = vec![
        ["uuid".to_owned(), listed.uuid.clone()],
        ["origin".to_owned(), listed.origin.to_owned()],
    ];
    head.extend(
        listed
            .revision
            .map(|revision| ["revision".to_owned(), revision.to_string()]),
    );
    head.extend(listed.created_at.clone().map(|time| ["created".to_owned(), time]));
    head.extend(listed.updated_at.clone().map(|time| ["changed".to_owned(), time]));
    lines(&shown.configuration, "", &mut head);
    say(columns(&head).trim_end())?;
    if let (Some(reason), Some(remedy)) = (&listed.reason, &listed.remedy) {
        say(format_args!("it cannot be used: {reason}"))?;
        say(format_args!("  what to do: {remedy}"))?;
    }
    Ok(0)
}

/// Adds a line for each value below `value`, under its path.
fn lines(value: &Value, path: &str, rows: &mut Vec<[String; 2]>) {
    match value {
        Value::Object(object) if matches!(path, "" | "directory" | "profile" | "removals" | "upstream") => {
            for (key, value) in object {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                lines(value, &path, rows);
            }
        }
        Value::String(text) if text.contains('\n') => {
            let count = text.lines().count();
            rows.push([path.to_owned(), format!("{count} lines, which --json shows")]);
        }
        Value::String(text) => rows.push([path.to_owned(), text.clone()]),
        other => rows.push([path.to_owned(), other.to_string()]),
    }
}

fn export(config: &Config, name: &str) -> Result<u8, CommandFailure> {
    let store = existing_store(config)?;
    let settings = match named(config, store.as_ref(), name)? {
        KnownConnection::Configured(settings) => settings.clone(),
        KnownConnection::Stored(stored) => settings_without_secret(config, &stored).map_err(unusable)?,
    };
    let text = config::export(&settings, &config.inherited).map_err(|error| {
        CommandFailure::new(
            USAGE,
            format_args!("the mapping file of {name} cannot be read: {error}"),
            "make the file of MAPPING_FILE readable",
        )
    })?;
    write_file_text(&text)?;
    Ok(0)
}

/// Returns the failure of a stored connection that cannot be used.
fn unusable(fault: ConnectionFault) -> CommandFailure {
    CommandFailure::new(USAGE, fault.reason, fault.remedy)
}

/// Returns a refusal to change something in the words of a command.
fn refused(error: &ChangeError) -> CommandFailure {
    match error {
        ChangeError::Unknown(_) => {
            CommandFailure::new(USAGE, error, "`ad-connector connections list` shows them")
        }
        ChangeError::FromFile { place, .. } => {
            CommandFailure::new(USAGE, error, format_args!("change it in {place}"))
        }
        ChangeError::Invalid(_) | ChangeError::SecretRequired(_) => {
            CommandFailure::new(USAGE, error, "correct what is named")
        }
        ChangeError::NameTaken(_) => CommandFailure::new(USAGE, error, "choose another name"),
        ChangeError::Held(_) => CommandFailure::new(
            BUSY,
            error,
            "disable the connection first, or wait until its run has ended",
        ),
        ChangeError::Refused(refusal) => crate::store::StoreError::from(refusal.clone()).into(),
        ChangeError::Store(failure) => CommandFailure::of_run(failure),
    }
}
