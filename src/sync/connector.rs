//! State that the runs of one connection share.

use std::sync::Arc;

use crate::config;
use crate::directory::{BindGuard, KnownControllers};
use crate::mapping::Mapping;
use crate::store::{ConnectionId, RunBasis, RunLock, RunMode, Store, StoreError};
use crate::upstream::QualysGateway;

use super::{AssetOutput, Clock, RunError, RunProgress, kind_scope, known_controllers};

/// One connection, ready to run: settings, mapping, upstream and store.
pub struct Connector {
    /// Its row in the store.
    pub id: ConnectionId,
    /// Its settings.
    pub settings: config::ConnectionSettings,
    /// Mapping table in force.
    pub mapping: Mapping,
    /// Qualys gateway.
    pub upstream: Arc<QualysGateway>,
    /// Decides whether a bind may be tried (R40); shares its record with the other connections of
    /// the process.
    pub bind_guard: BindGuard,
    /// Clock of its schedule and its runs.
    pub clock: Clock,
    /// The state file.
    pub store: Arc<Store>,
    /// Revision of the connection where it is stored; `None` where it is configured in a file or by
    /// the environment.
    pub revision: Option<i64>,
    /// Digest of the settings, which all instances that run the connection must share (R34).
    pub digest: String,
}

/// Request for one run.
pub struct RunRequest {
    /// Delta where a watermark allows it, or a full read.
    pub mode: RunMode,
    /// Origin of the request, as a phrase for the log: `schedule`, `sync --baseline`.
    pub asked_by: String,
    /// Send unchanged assets too (`--resend`).
    pub resend: bool,
    /// Post nothing (`--dry-run`). The store must be opened with
    /// [`crate::store::StoreAccess::Scratch`].
    pub dry_run: bool,
    /// Read nothing: look up the held removals again, and accept the list with this name
    /// ([`crate::store::Store::held_list`]), if it is still the same.
    pub approve: Option<String>,
    /// Output to which the assets are also written, one `assetData` element a line (`--output`).
    pub output: Option<Arc<AssetOutput>>,
    /// Progress of the run, for observers.
    pub progress: Arc<RunProgress>,
}

impl RunRequest {
    /// Returns a request for a run of `mode` for `asked_by`, without options.
    #[must_use]
    pub fn new(mode: RunMode, asked_by: &str) -> Self {
        Self {
            mode,
            asked_by: asked_by.to_owned(),
            resend: false,
            dry_run: false,
            approve: None,
            output: None,
            progress: Arc::default(),
        }
    }
}

impl Connector {
    /// Returns the connection's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// Returns the configuration that a run works with.
    #[must_use]
    pub fn basis(&self) -> RunBasis {
        RunBasis {
            revision: self.revision,
            digest: kind_scope::profile_digest(&self.settings.profile, &self.mapping),
        }
    }

    /// Takes the right to run the connection.
    ///
    /// # Errors
    /// When somebody else has it, or the state fails.
    pub async fn lock(&self, purpose: &str) -> Result<RunLock, RunError> {
        let (store, id) = (Arc::clone(&self.store), self.id);
        let (purpose, digest) = (purpose.to_owned(), self.digest.clone());
        let now = self.clock.timestamp();
        match tokio::task::spawn_blocking(move || store.lock(id, &purpose, &digest, now)).await {
            Ok(locked) => Ok(locked?),
            Err(panic) => Err(RunError::Panicked {
                task: "lock",
                cause: panic.to_string(),
            }),
        }
    }

    /// Returns what earlier runs learnt about the controllers, for a run of `mode`.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn known_controllers(&self, mode: RunMode) -> Result<KnownControllers, RunError> {
        let (id, delta) = (self.id, self.settings.directory.delta);
        self.on_store(move |store| known_controllers(store, id, delta, mode))
            .await
    }

    /// Runs `work` on the store away from the async threads, since SQLite waits for the disk.
    ///
    /// # Errors
    /// The error of `work`, or that it panicked.
    pub(crate) async fn on_store<T, F>(&self, work: F) -> Result<T, RunError>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(result) => Ok(result?),
            Err(panic) => Err(RunError::Panicked {
                task: "store",
                cause: panic.to_string(),
            }),
        }
    }
}
