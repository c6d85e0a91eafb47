//! `support-bundle`: the data for a remote diagnosis, in one file without secrets and, unless asked
//! for, without names of people.

mod archive;
mod log;
mod names;

use std::sync::Arc;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::clock;
use crate::config::{Config, DirectoryAuth, Secret, UpstreamAuth};
use crate::exit_code::USAGE;
use crate::store::{SCHEMA_VERSION, Store, StoreAccess, StoreError};
use crate::view;

use super::arguments::SupportBundle;
use super::failure::CommandFailure;
use super::output::say;
use super::setup;
use super::status::ShownConnection;
use archive::TarArchive;
use log::LogLines;
use names::NamesOfPeople;

/// Runs of each connection.
const RUNS: usize = 50;

/// Shortest secret that is looked for in the texts: a shorter one is part of too much else.
const SHORTEST_SECRET: usize = 4;

/// Description of the bundle for those who open it.
const README: &str = "Support bundle of ad-connector.

version.json         program, schema of the state file, system
configuration.json   every variable in force; of a secret whether it is set
status.ndjson        state, times, counts and rejected objects of each connection, one a line
runs.ndjson          the last 50 runs of each connection, one a line
log.txt              the last 5,000 lines of the log
";

/// Writes the bundle.
pub(super) fn run(connection: Option<&str>, options: &SupportBundle) -> Result<u8, CommandFailure> {
    let config = setup::configuration_for_a_reader()?;
    let store = match Store::open(&config.state, StoreAccess::ReadOnly) {
        Ok(store) => Some(Arc::new(store)),
        Err(StoreError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let log = LogLines::read(options.log.as_deref())?;
    let mut parts = BundleParts::of(&config, connection, store.as_deref())?;
    parts.add("log.txt", vec![Value::from(log.text)]);
    let mut clean = parts.without_secrets(&config);
    if !options.with_names {
        clean = clean.without_names(store.as_deref())?;
    }
    let now = clock::unix_seconds();
    let cannot_write = |error: std::io::Error| {
        CommandFailure::new(
            USAGE,
            format_args!("cannot write {}: {error}", options.file.display()),
            "name a file that does not exist, in a folder that can be written to",
        )
    };
    let mut archive = TarArchive::create(&options.file, now).map_err(cannot_write)?;
    archive
        .add("README.txt", README.as_bytes())
        .map_err(cannot_write)?;
    for (name, content) in clean.files()? {
        archive.add(name, content.as_bytes()).map_err(cannot_write)?;
    }
    archive.finish().map_err(cannot_write)?;
    let names = match options.with_names {
        true => "names of people included",
        false => "without names of people",
    };
    say(format_args!("{}: {names}, no secrets", options.file.display()))?;
    say(format_args!("log: {}", log.source))?;
    Ok(0)
}

/// Files of the bundle, each with its values: a line each, or the text.
struct BundleParts(Vec<(&'static str, Vec<Value>)>);

impl BundleParts {
    fn of(config: &Config, connection: Option<&str>, store: Option<&Store>) -> Result<Self, CommandFailure> {
        let chosen = setup::usable(config, connection)?;
        let mut parts = Self(Vec::new());
        parts.add("version.json", vec![version()]);
        let connections: Vec<Value> = chosen
            .iter()
            .map(|connection| described(connection.describe()))
            .collect();
        let unusable = config.unusable.iter();
        let unusable =
            unusable.map(|one| json!({"name": one.name, "reason": one.reason, "remedy": one.remedy}));
        let configuration = json!({
            "service": described(config.describe()),
            "connections": connections,
            "unusable": unusable.collect::<Vec<_>>(),
        });
        parts.add("configuration.json", vec![configuration]);
        let (mut standings, mut runs) = (Vec::new(), Vec::new());
        for connection in chosen {
            let row = match store {
                Some(store) => store.connection(&connection.name)?.map(|row| (store, row)),
                None => None,
            };
            let Some((store, row)) = row else { continue };
            let standing = ShownConnection::of(store, &row, config, connection)?;
            standings.push(serde_json::to_value(&standing).map_err(CommandFailure::internal)?);
            for run in store.runs(row.id, RUNS)? {
                let run = view::RunView::new(&connection.name, &run);
                runs.push(serde_json::to_value(&run).map_err(CommandFailure::internal)?);
            }
        }
        parts.add("status.ndjson", standings);
        parts.add("runs.ndjson", runs);
        Ok(parts)
    }

    fn add(&mut self, name: &'static str, values: Vec<Value>) {
        self.0.push((name, values));
    }

    /// Takes the secrets of the configuration out of every text, should any have got there (R27).
    fn without_secrets(mut self, config: &Config) -> Self {
        let secrets = secrets(config);
        for value in self.0.iter_mut().flat_map(|(_, values)| values) {
            each_text(value, &mut |text| {
                for secret in &secrets {
                    if text.contains(secret.expose_secret()) {
                        *text = text.replace(secret.expose_secret(), "[REDACTED]");
                    }
                }
            });
        }
        self
    }

    fn without_names(mut self, store: Option<&Store>) -> Result<Self, CommandFailure> {
        for rejected in self.0.iter_mut().flat_map(|(_, values)| values) {
            if let Some(objects) = rejected.get_mut("rejected").and_then(Value::as_array_mut) {
                // An id may be a name or a mail address: the GUID says which object it is.
                objects
                    .iter_mut()
                    .filter_map(Value::as_object_mut)
                    .for_each(|object| {
                        object.remove("dn");
                        object.remove("externalAssetId");
                    });
            }
        }
        let mut texts = Vec::new();
        for value in self.0.iter_mut().flat_map(|(_, values)| values) {
            each_text(value, &mut |text| texts.push(text.clone()));
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let names = NamesOfPeople::in_texts(store, &texts)?;
        for value in self.0.iter_mut().flat_map(|(_, values)| values) {
            names.remove_from(value);
        }
        Ok(self)
    }

    fn files(&self) -> Result<Vec<(&'static str, String)>, CommandFailure> {
        let file = |(name, values): &(&'static str, Vec<Value>)| {
            let lines = values.iter().map(|value| match value {
                Value::String(text) => Ok(text.clone()),
                value if name.ends_with(".ndjson") => Ok(format!("{value}\n")),
                value => serde_json::to_string_pretty(value).map(|text| text + "\n"),
            });
            let content: Result<String, serde_json::Error> = lines.collect();
            content.map(|content| (*name, content))
        };
        let files: Result<Vec<_>, _> = self.0.iter().map(file).collect();
        files.map_err(CommandFailure::internal)
    }
}

fn version() -> Value {
    let system = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = system
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| name.trim_matches('"').to_owned());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "kerberos": cfg!(feature = "kerberos"),
        "stateSchema": SCHEMA_VERSION,
        "architecture": std::env::consts::ARCH,
        "system": system,
        "kernel": kernel.trim(),
        "madeAt": view::time(Some(clock::unix_seconds())),
    })
}

fn described(described: Vec<(&'static str, String)>) -> Value {
    let members = described
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value)));
    Value::Object(members.collect())
}

/// Returns every secret of the configuration.
fn secrets(config: &Config) -> Vec<Secret> {
    let tokens = [&config.http.token, &config.http.read_token, &config.notify];
    let mut secrets: Vec<Secret> = tokens.into_iter().flatten().cloned().collect();
    for connection in &config.connections {
        if let DirectoryAuth::Simple { password, .. } = &connection.directory.auth {
            secrets.push(password.clone());
        }
        let (one, other) = match &connection.upstream.auth {
            UpstreamAuth::Client { id, secret } | UpstreamAuth::Subscription { id, secret } => (id, secret),
            UpstreamAuth::Password { username, password } => (username, password),
        };
        secrets.extend([one.clone(), other.clone()]);
        secrets.extend(connection.upstream.https_proxy.clone());
    }
    secrets.retain(|secret| secret.expose_secret().len() >= SHORTEST_SECRET);
    secrets
}

fn each_text(value: &mut Value, each: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(values) => values.iter_mut().for_each(|value| each_text(value, each)),
        Value::Object(members) => members.values_mut().for_each(|value| each_text(value, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
