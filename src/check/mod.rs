//! Tests of a connection before it is used: the steps of `check`, the containers of its directory,
//! its mapping, and one object as the mapping makes it.
//!
//! Each step of `check` has its result and, when it fails, what to do. The command prints the
//! steps, and HTTP sends them as they end. Nothing here changes the directory, the store or what
//! Qualys holds.

mod browse;
mod connecting;
mod content;
mod controller;
mod deleted_objects;
mod directory_steps;
mod dirsync;
mod failure;
mod mapping_table;
mod preview;
mod schema;
mod shown;
mod upstream_steps;

use std::future::Future;

use tokio::sync::mpsc::Sender;

use crate::clock;
use crate::config::{self, DeltaMethod, DirectoryAuth};
use crate::directory::{BindGuard, KnownControllers};
use crate::sync::ReadScope;

pub use browse::{BrowsedContainers, ContainerKind, DirectoryContainer, KindCount, browse};
pub use failure::{StepFailure, list_below};
pub use mapping_table::{
    MappingMistake, ReadMapping, check_mapping, check_sources, load_mapping, mapping_of, read_mapping,
};
pub use preview::{ObjectsOfName, PreviewOutcome, PreviewedObject, find_objects, not_in_scope, preview};
pub use schema::{SchemaReport, check_schema};

/// A step that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckStep {
    /// Its name, such as `directory`. The name of a kind of objects in the plural is one too.
    pub step: String,
    /// One line, or the reason why it failed.
    pub outcome: Result<String, StepFailure>,
    /// Further lines.
    pub details: Vec<String>,
}

/// Nobody waits for further steps.
#[derive(Debug)]
struct ReceiverGone;

/// Receiver of the steps, for the parts of the check.
#[derive(Debug)]
struct StepStream(Sender<CheckStep>);

impl StepStream {
    /// Sends a step that ended.
    async fn told(
        &self,
        step: &str,
        outcome: Result<String, StepFailure>,
        details: Vec<String>,
    ) -> Result<(), ReceiverGone> {
        let step = CheckStep {
            step: step.to_owned(),
            outcome,
            details,
        };
        self.0.send(step).await.map_err(|_| ReceiverGone)
    }
}

/// Tests a connection, with what is `known` of its controllers: sends each step through `steps` as
/// it ends, and closes the channel after the last one. Nothing is stored and no asset is sent. Ends
/// at once when the receiver is dropped, also within a step; a bind that has begun ends in the
/// background, so that its outcome counts.
pub async fn run(
    connection: &config::ConnectionSettings,
    bind_guard: &BindGuard,
    known: &KnownControllers,
    steps: Sender<CheckStep>,
) {
    let stream = StepStream(steps.clone());
    tokio::select! {
        biased;
        () = steps.closed() => {}
        // The receiver is gone, or all steps were sent.
        _ = all_steps(connection, bind_guard, known, &stream) => {}
    }
}

async fn all_steps(
    connection: &config::ConnectionSettings,
    bind_guard: &BindGuard,
    known: &KnownControllers,
    steps: &StepStream,
) -> Result<(), ReceiverGone> {
    let mapping = mapping_of(connection);
    let mut settings = describe_settings(connection).into_iter();
    let name = settings.next().unwrap_or_default();
    steps.told("settings", Ok(name), settings.collect()).await?;
    let told = mapping.as_ref().map(|_| connection.mapping.describe());
    steps
        .told("mapping", told.map_err(Clone::clone), Vec::new())
        .await?;
    if let Some((mut session, root)) = directory_steps::run(connection, bind_guard, known, steps).await? {
        // Without a mapping table no read is possible.
        if let Ok(mapping) = &mapping {
            let scope = ReadScope::new(&connection.profile, mapping, &root);
            content::run(connection, &scope, &mut session, mapping, steps).await?;
            if connection.directory.delta == DeltaMethod::DirSync {
                let told = timed(dirsync::step(&root, &scope, &session)).await;
                steps.told("DirSync", told, Vec::new()).await?;
            }
            match check_schema(&mut session, connection, mapping).await {
                Ok(report) => steps.told("schema", Ok(report.summary), report.notes).await?,
                Err(failure) => steps.told("schema", Err(failure), Vec::new()).await?,
            }
            match deleted_objects::step(&connection.directory, &root, &mut session).await {
                Ok((told, details)) => steps.told("deleted objects", Ok(told), details).await?,
                Err(failure) => steps.told("deleted objects", Err(failure), Vec::new()).await?,
            }
        }
        session.close().await;
    }
    upstream_steps::run(connection, steps).await
}

/// Returns the bind name and the filters as the program uses them. They show what the parser of the
/// settings removed, such as a backslash without quotes.
fn describe_settings(connection: &config::ConnectionSettings) -> Vec<String> {
    let name = match &connection.directory.auth {
        DirectoryAuth::Simple { name, .. } => format!("bind name {name}"),
        DirectoryAuth::Kerberos { principal, .. } => match principal {
            Some(principal) => format!("bind by Kerberos as {principal}"),
            None => "bind by Kerberos as the keytab or the cache says".to_owned(),
        },
    };
    let filters = connection.profile.assets.iter();
    let filters = filters.filter_map(|(kind, filter)| Some((kind, filter.as_ref()?)));
    std::iter::once(name)
        .chain(filters.map(|(kind, filter)| format!("extra filter for {} {filter}", kind.plural())))
        .collect()
}

/// Returns the result of `work` with the time that it took.
///
/// # Errors
/// As `work`.
pub async fn timed<E>(work: impl Future<Output = Result<String, E>>) -> Result<String, E> {
    let started = clock::instant();
    let told = work.await?;
    Ok(format!("{told}, {} ms", started.elapsed().as_millis()))
}
