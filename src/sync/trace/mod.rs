//! Trace of one object: its whole way from the directory to ETM, and the sentence that ends it.
//!
//! Invariants kept here: nothing is written, in the directory or in the store; one session is
//! bound, by the rules of the other binds of the account (R40). A directory that cannot be read is
//! part of the answer, which then comes from the store alone.

mod conclude;
mod known;
mod not_known;
mod phrases;
mod scope_reason;
mod steps;
mod verdict;

use std::sync::Arc;

use chrono::DateTime;

use crate::config;
use crate::directory::{self, BindGuard, DirectoryError, RootDse, Session};
use crate::identity::Guid;
use crate::mapping::Mapping;
use crate::store::{
    ConnectionId, ConnectionRow, KnownObject, ObjectRecord, RunMode, RunRow, Store, StoreError,
};

use super::inspection::{Inspection, LocatedObject, ObjectOfName, PresentObject, find_by_name, inspect};
use super::scope::ReadScope;
use super::{RunError, known_controllers};

pub use steps::{StepResult, TracedStep};
pub use verdict::{TraceConclusion, TraceVerdict};

/// Objects of one name that are listed, at most.
const MOST_NAMED: usize = 20;

/// Sources of a trace.
#[derive(Debug, Clone, Copy)]
pub struct Tracer<'a> {
    /// Settings of the connection.
    pub settings: &'a config::ConnectionSettings,
    /// Mapping table in force.
    pub mapping: &'a Mapping,
    /// Decides whether the bind may be tried (R40).
    pub bind_guard: &'a BindGuard,
    /// The state, where there is one and it knows the connection.
    pub store: Option<(&'a Arc<Store>, ConnectionId)>,
    /// The present moment, Unix seconds.
    pub now: i64,
}

/// Everything that is known of one object.
#[derive(Debug, Clone)]
pub struct TracedObject {
    /// Name that was asked for.
    pub name: String,
    /// Its objectGUID, once it is known which object is meant.
    pub guid: Option<Guid>,
    /// Objects that the name means, where it does not mean one with a GUID alone.
    pub named: Vec<ObjectOfName>,
    /// Further ones.
    pub more: usize,
    /// The object on a controller, or the reason why none could be asked. `None` where it is not
    /// known which object is meant.
    pub directory: Option<Result<Inspection, DirectoryError>>,
    /// Record of it in the store.
    pub record: ObjectRecord,
    /// Reason why an entry without a readable objectGUID was rejected, and since when.
    pub unidentified: Option<(String, i64)>,
    /// The connection, where it is registered.
    pub connection: Option<ConnectionRow>,
    /// Its last run that ended.
    pub last_run: Option<RunRow>,
    /// USN up to which the runs have read the changes of the controller in the present scope.
    pub watermark: Option<u64>,
    /// Another live object that owns the asset under the id that the mapping gives now: its
    /// distinguished name and its connection.
    pub id_owner: Option<(String, String)>,
    /// `true` where removals are sent (`REMOVED_OBJECTS=send`).
    pub sends_removals: bool,
}

/// Session over which objects are asked for.
struct TraceSession<'a> {
    session: Session,
    root: RootDse,
    scope: ReadScope,
    tracer: &'a Tracer<'a>,
}

impl Tracer<'_> {
    /// Traces the object that `name` means.
    ///
    /// # Errors
    /// The store cannot be read. A directory that cannot be read is in the trace.
    pub async fn trace(&self, name: &str) -> Result<TracedObject, RunError> {
        let mut trace = TracedObject {
            name: name.to_owned(),
            guid: None,
            named: Vec::new(),
            more: 0,
            directory: None,
            record: ObjectRecord::default(),
            unidentified: None,
            connection: None,
            last_run: None,
            watermark: None,
            id_owner: None,
            sends_removals: self.settings.removal.send,
        };
        let mut asked = match self.connect().await {
            Ok(asked) => Some(asked),
            Err(error) => {
                trace.directory = Some(Err(error));
                None
            }
        };
        if let Some(open) = &asked {
            match find_by_name(&open.session, &open.scope, name, MOST_NAMED).await {
                Ok((named, more)) => (trace.named, trace.more) = (named, more),
                Err(error) => {
                    trace.directory = Some(Err(error));
                    asked = None;
                }
            }
        }
        if trace.named.is_empty() {
            trace.named = self.known_objects(name).await?;
        }
        trace.guid = match trace.named.as_slice() {
            [one] => one.guid,
            [] => name.parse().ok(),
            _ => None,
        };
        if let (Some(guid), Some(open)) = (trace.guid, &mut asked) {
            trace.directory = Some(open.inspect(guid).await);
        }
        if let Some(open) = asked {
            open.session.close().await;
        }
        self.add_known(trace).await
    }

    async fn connect(&self) -> Result<TraceSession<'_>, DirectoryError> {
        let settings = &self.settings.directory;
        let delta = settings.delta;
        // A state that cannot be read is reported with what it was to say of the object.
        let known = self
            .on_store(move |store, id| known_controllers(store, id, delta, RunMode::Delta))
            .await;
        let known = known.ok().flatten().unwrap_or_default();
        let mut session = directory::connect(settings, self.bind_guard, &known).await?;
        let root = session.root_dse().await?;
        let scope = ReadScope::new(&self.settings.profile, self.mapping, &root);
        Ok(TraceSession {
            session,
            root,
            scope,
            tracer: self,
        })
    }

    /// Returns the objects that the name means to the store.
    async fn known_objects(&self, name: &str) -> Result<Vec<ObjectOfName>, RunError> {
        let wanted = name.to_owned();
        let known = self
            .on_store(move |store, id| store.objects_named(id, &wanted, MOST_NAMED))
            .await?
            .unwrap_or_default();
        Ok(known.into_iter().map(named_object).collect())
    }

    /// Adds the knowledge of the store.
    async fn add_known(&self, mut trace: TracedObject) -> Result<TracedObject, RunError> {
        let guid = trace.guid;
        let external_id = trace.mapped_id();
        let unidentified = match trace.named.as_slice() {
            [one] if one.guid.is_none() => Some(one.dn.clone()),
            _ => None,
        };
        let read_by = trace
            .inspection()
            .and_then(|inspection| Some((inspection.invocation_id?, inspection.scope)));
        let known = self
            .on_store(move |store, id| {
                let record = guid.map(|guid| store.object_record(id, guid)).transpose()?;
                let watermarks = store.watermarks(id)?;
                let watermark = watermarks
                    .iter()
                    .find(|mark| read_by == Some((mark.controller, mark.scope)));
                let owner = match external_id {
                    Some(external_id) => store.owner_of(id, &external_id)?,
                    None => None,
                };
                let note = match unidentified {
                    Some(dn) => store.unidentified(id, &dn)?,
                    None => None,
                };
                let runs = store.runs(id, 2)?;
                Ok((
                    record.unwrap_or_default(),
                    store.connection_row(id)?,
                    runs.into_iter().find(|run| run.ended.is_some()),
                    watermark.map(|mark| mark.usn),
                    owner.filter(|(owner, ..)| Some(*owner) != guid),
                    note,
                ))
            })
            .await?;
        if let Some((record, connection, last_run, watermark, owner, unidentified)) = known {
            trace.record = record;
            trace.connection = connection;
            trace.last_run = last_run;
            trace.watermark = watermark;
            trace.id_owner = owner.map(|(_, dn, connection)| (dn, connection));
            trace.unidentified = unidentified;
        }
        Ok(trace)
    }

    /// Runs `work` on the store away from the async threads; `None` without a store.
    async fn on_store<T, F>(&self, work: F) -> Result<Option<T>, RunError>
    where
        T: Send + 'static,
        F: FnOnce(&Store, ConnectionId) -> Result<T, StoreError> + Send + 'static,
    {
        let Some((store, id)) = self.store else {
            return Ok(None);
        };
        let store = Arc::clone(store);
        match tokio::task::spawn_blocking(move || work(&store, id)).await {
            Ok(result) => Ok(Some(result?)),
            Err(panic) => Err(RunError::Panicked {
                task: "store",
                cause: panic.to_string(),
            }),
        }
    }
}

impl TraceSession<'_> {
    async fn inspect(&mut self, guid: Guid) -> Result<Inspection, DirectoryError> {
        let Tracer { mapping, now, .. } = *self.tracer;
        inspect(&mut self.session, &self.root, &self.scope, mapping, guid, now).await
    }
}

impl TracedObject {
    /// Returns the inspection, where a controller could be asked for the object.
    #[must_use]
    pub fn inspection(&self) -> Option<&Inspection> {
        self.directory.as_ref()?.as_ref().ok()
    }

    /// Returns the reason why no controller could be asked.
    #[must_use]
    pub fn directory_error(&self) -> Option<&DirectoryError> {
        self.directory.as_ref()?.as_ref().err()
    }

    /// Returns the object as the controller has it.
    #[must_use]
    pub fn present(&self) -> Option<&PresentObject> {
        match &self.inspection()?.object {
            LocatedObject::Present(object) => Some(object),
            LocatedObject::Missing | LocatedObject::Deleted(_) => None,
        }
    }

    /// Returns the distinguished name: that of the directory, else the last that was read.
    #[must_use]
    pub fn dn(&self) -> Option<&str> {
        let live = self.present().map(|object| object.dn.as_str());
        let claimed = || self.record.claim.as_ref().map(|claim| claim.dn.as_str());
        let removed = || self.record.removed.first().map(|removed| removed.dn.as_str());
        let named = || match self.named.as_slice() {
            [one] => Some(one.dn.as_str()),
            _ => None,
        };
        live.or_else(claimed).or_else(removed).or_else(named)
    }

    /// Returns the id of the asset that the mapping makes of the object now.
    fn mapped_id(&self) -> Option<String> {
        let mapped = self.present()?.mapped.as_ref()?;
        mapped.asset.as_ref().ok().map(|asset| asset.external_id.clone())
    }

    /// Returns `externalAssetId`: of the present asset, else of the last one.
    #[must_use]
    pub fn external_id(&self) -> Option<String> {
        let claimed = || self.record.claim.as_ref().map(|claim| claim.external_id.clone());
        let removed = || self.record.removed.first()?.external_id.clone();
        self.mapped_id().or_else(claimed).or_else(removed)
    }
}

fn named_object(known: KnownObject) -> ObjectOfName {
    ObjectOfName {
        guid: known.guid,
        dn: known.dn,
        class: known.kind.name().to_owned(),
        sid: known.external_id.filter(|id| id.starts_with("S-1-")),
    }
}

/// Formats a moment as the product writes times: UTC, whole seconds.
fn moment(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0)
        .map_or_else(String::new, |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}
