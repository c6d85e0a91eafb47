//! View of a connection: its state, its times, its counts.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{ProgressView, RunView, time};
use crate::config::{self, LdapTransport};
use crate::identity::Kind;
use crate::store::{self, ConnectionId, GatewayLimits, State, Store, StoreError};
use crate::sync::BacklogEstimate;

/// Connection as `status --json` and the API show it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Connection)]
pub struct ConnectionView {
    /// `CONNECTION_NAME`.
    pub name: String,
    /// `CONNECTION_DESCRIPTION`.
    pub description: String,
    /// Identity, which a new name does not change.
    pub uuid: String,
    /// Place where it is configured: `environment`, `file` or `api`.
    pub origin: &'static str,
    /// Version of the configuration, where it is stored (`api`); else `null`. The header `ETag` has
    /// it too.
    #[schema(required)]
    pub revision: Option<i64>,
    /// `true` when no runs are made.
    pub disabled: bool,
    /// Time at which it was created, where it is stored.
    #[schema(required)]
    pub created_at: Option<String>,
    /// Time at which its configuration was changed last, where it is stored.
    #[schema(required)]
    pub updated_at: Option<String>,
    /// Its configuration, as a body has it, with `{"set": true}` in place of a secret; `null`
    /// without a token.
    #[schema(value_type = Option<config::ConnectionDocument>, required)]
    pub configuration: Option<Value>,
    /// Registered, Scheduled, Processing or Processed.
    pub state: &'static str,
    /// Time since which it has this state.
    #[schema(required)]
    pub state_since: Option<String>,
    /// Times at which each state was entered last.
    pub states: StateTimes,
    /// Time at which the last run ended, with any outcome.
    #[schema(required)]
    pub last_synced: Option<String>,
    /// Time at which the last run ended after which upstream held everything.
    #[schema(required)]
    pub last_successful_sync: Option<String>,
    /// Time at which the next run is due.
    #[schema(required)]
    pub next_sync: Option<String>,
    /// Time at which the next full read is due; in the past while one is due.
    #[schema(required)]
    pub next_baseline: Option<String>,
    /// `true` when a full read of `BASELINE_CRON` is due: its time has come, and no full read was
    /// complete since. The next scheduled run is one.
    pub baseline_due: bool,
    /// Time at which the last complete full read ended; `null` when none ever did.
    #[schema(required)]
    pub last_complete_baseline: Option<String>,
    /// Error because of which the last run did not end as processed.
    #[schema(required)]
    pub last_error: Option<String>,
    /// Remedy for it.
    #[schema(required)]
    pub last_error_remedy: Option<String>,
    /// Times of the deltas: `SYNC_CRON`, or the schedule in words, such as `every 1 h 30 min`.
    pub run_frequency: String,
    /// `BASELINE_CRON`; `null` is `off`.
    #[schema(required)]
    pub baseline_frequency: Option<String>,
    /// Time zone of the schedule: `SYNC_TIMEZONE`, or that of the schedule itself.
    pub timezone: String,
    /// Time at which the state file was found to be an older copy: ETM may hold other versions than
    /// it records, until `sync --baseline --resend` has read everything. Else `null`.
    #[schema(required)]
    pub restored_at: Option<String>,
    /// Name of the instance that holds the connection, where several share the state; else `null`.
    #[schema(required)]
    pub held_by: Option<String>,
    /// Ticks of the schedule that fell into a running run, since the connection was registered.
    pub skipped_ticks: u64,
    /// Counts by kind: `users`, `groups`, `computers`, `roles`; a kind of which nothing is known is
    /// missing.
    #[schema(value_type = BTreeMap<String, KindStanding>)]
    pub counts: BTreeMap<&'static str, KindStanding>,
    /// Time since which the oldest pending asset waits.
    #[schema(required)]
    pub oldest_pending: Option<String>,
    /// Requests that the backlog needs, where the speed of the gateway is known.
    #[schema(required)]
    pub backlog_requests: Option<u64>,
    /// Time at which the backlog will be delivered, as far as the speed of the gateway and its
    /// limit of calls are known: from now on during a run, else from the next run on.
    #[schema(required)]
    pub backlog_through: Option<String>,
    /// Name of the list of removals that the threshold holds back; `approve-removals` takes it.
    #[schema(required)]
    pub held_list: Option<String>,
    /// `true` when removals are sent (`REMOVED_OBJECTS=send`), `false` when they are only reported.
    pub sends_removals: bool,
    /// `true` when runs can be started over HTTP: an `HTTP_TOKEN` is configured.
    pub changes_allowed: bool,
    /// URLs of the directory.
    pub directory: String,
    /// URL of the gateway to which the assets are sent.
    pub upstream: String,
    /// Version of the program.
    pub version: &'static str,
    /// Last run that ended.
    #[schema(required)]
    pub last_run: Option<RunView>,
    /// Run that this service executes now; a command that runs in parallel is not shown here.
    #[schema(required)]
    pub progress: Option<ProgressView>,
}

/// Times at which each state was entered last; `null` when it never was, or before version 4 of the
/// state file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
#[schema(as = States)]
pub struct StateTimes {
    /// The configuration is valid and stored.
    #[schema(required)]
    pub registered: Option<String>,
    /// The next run is known.
    #[schema(required)]
    pub scheduled: Option<String>,
    /// A run is executing.
    #[schema(required)]
    pub processing: Option<String>,
    /// Every asset of the run was accepted upstream.
    #[schema(required)]
    pub processed: Option<String>,
}

/// Numbers of objects of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct KindStanding {
    /// Objects of which upstream holds an asset.
    pub accepted: u64,
    /// Objects that are staged, not accepted yet; rejected ones included.
    pub pending: u64,
    /// Objects that cannot be mapped, or were refused by upstream.
    pub rejected: u64,
    /// Objects that are gone from the directory.
    pub removed: u64,
    /// Objects that seem to be gone, but are held back by the threshold.
    pub held: u64,
}

/// Numbers that are counted object by object: half a second with a million of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectCounts {
    /// Counts by kind.
    pub kinds: BTreeMap<Kind, KindStanding>,
    /// Time since which the oldest pending asset waits, Unix seconds.
    pub oldest_pending: Option<i64>,
    /// Time since which the oldest pending asset that is not rejected waits, Unix seconds.
    pub oldest_undecided: Option<i64>,
    /// Name of the list of removals held back.
    pub held_list: Option<String>,
    /// Limits learnt of the gateway.
    pub limits: GatewayLimits,
}

impl ObjectCounts {
    /// Counts the objects of a connection.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn of(store: &Store, connection: ConnectionId) -> Result<Self, StoreError> {
        let mut kinds: BTreeMap<Kind, KindStanding> = BTreeMap::new();
        for (kind, known) in store.object_counts(connection)? {
            kinds.entry(kind).or_default().accepted = known;
        }
        let pending = store.pending(connection)?;
        for (kind, waiting) in &pending.counts {
            kinds.entry(*kind).or_default().pending = *waiting;
        }
        for (kind, refused) in store.rejection_counts(connection)? {
            kinds.entry(kind).or_default().rejected = refused;
        }
        for (kind, (removed, held)) in store.removal_counts(connection)? {
            let standing = kinds.entry(kind).or_default();
            (standing.removed, standing.held) = (removed, held);
        }
        Ok(Self {
            kinds,
            oldest_pending: pending.oldest,
            oldest_undecided: pending.oldest_undecided,
            held_list: store.held_list(connection)?,
            limits: store.gateway_limits(connection)?,
        })
    }
}

impl ConnectionView {
    /// Returns the view of a connection from `row` and the counts at `now` (Unix seconds);
    /// `changes` is `true` when an `HTTP_TOKEN` is configured.
    #[must_use]
    pub fn new(
        row: &store::ConnectionRow,
        counted: &ObjectCounts,
        last_run: Option<&store::RunRow>,
        settings: &config::ConnectionSettings,
        changes: bool,
        now: i64,
    ) -> Self {
        let entered = |state| time(row.entered.get(&state).copied());
        let schedule = &settings.schedule;
        let waiting = counted.kinds.values().map(|standing| standing.pending).sum();
        let backlog = BacklogEstimate::of(waiting, &counted.limits, settings.upstream.concurrency);
        let sent_from = match row.state {
            State::Processing => now,
            _ => row.next_sync.map_or(now, |next| next.max(now)),
        };
        let through = |estimate: BacklogEstimate| {
            sent_from.saturating_add(i64::try_from(estimate.takes.as_secs()).unwrap_or(i64::MAX))
        };
        Self {
            name: row.name.clone(),
            description: row.description.clone(),
            uuid: settings.uuid.to_string(),
            origin: settings.origin.name(),
            revision: settings.stored.map(|stored| stored.revision),
            disabled: settings.stored.is_some_and(|stored| stored.is_disabled),
            created_at: None,
            updated_at: None,
            configuration: Some(config::body_of(settings)),
            state: row.state.name(),
            state_since: time(Some(row.state_since)),
            states: StateTimes {
                registered: entered(State::Registered),
                scheduled: entered(State::Scheduled),
                processing: entered(State::Processing),
                processed: entered(State::Processed),
            },
            last_synced: time(row.last_synced),
            last_successful_sync: time(row.last_successful_sync),
            next_sync: time(row.next_sync),
            next_baseline: time(row.next_baseline),
            // A baseline that was due before BASELINE_CRON was turned off is stored until the next
            // run.
            baseline_due: schedule.baseline.is_some() && row.baseline_due(now).is_some(),
            last_complete_baseline: time(row.last_baseline),
            last_error: row.last_error.clone(),
            last_error_remedy: row.last_error_remedy.clone(),
            run_frequency: schedule.sync.text(),
            baseline_frequency: schedule.baseline.as_ref().map(|cron| cron.text.clone()),
            timezone: schedule.timezone().name().to_owned(),
            restored_at: time(row.restored_at),
            held_by: row.held_by.clone(),
            skipped_ticks: row.skipped_ticks,
            counts: counted
                .kinds
                .iter()
                .map(|(kind, standing)| (kind.plural(), standing.clone()))
                .collect(),
            oldest_pending: time(counted.oldest_pending),
            backlog_requests: backlog.map(|estimate| estimate.requests),
            backlog_through: time(backlog.map(through)),
            held_list: counted.held_list.clone(),
            sends_removals: settings.removal.send,
            changes_allowed: changes,
            directory: directory(&settings.directory),
            upstream: settings.upstream.gateway.clone(),
            version: env!("CARGO_PKG_VERSION"),
            last_run: last_run.map(|run| RunView::new(&row.name, run)),
            progress: None,
        }
    }
}

/// Returns the configuration of a stored connection as it is shown: its body, with the password in
/// the form in which it is read.
#[must_use]
pub fn stored_configuration(body: &Value, is_disabled: bool, password_set_at: Option<i64>) -> Value {
    let mut shown = body.clone();
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("disabled".to_owned(), Value::from(is_disabled));
        let directory = shown.get_mut("directory").and_then(Value::as_object_mut);
        if let (Some(directory), Some(set_at)) = (directory, password_set_at) {
            let secret = json!({ "set": true, "changedAt": time(Some(set_at)) });
            directory.insert("password".to_owned(), secret);
        }
    }
    shown
}

/// Returns the URLs of the directory.
fn directory(settings: &config::DirectorySettings) -> String {
    let scheme = match settings.transport {
        LdapTransport::Ldaps => "ldaps",
        LdapTransport::StartTls | LdapTransport::Ldap => "ldap",
    };
    let url = |host: &String| match host.parse::<std::net::Ipv6Addr>() {
        Ok(v6) => format!("{scheme}://[{v6}]:{}", settings.port),
        Err(_) => format!("{scheme}://{host}:{}", settings.port),
    };
    if let Some(domain) = &settings.domain {
        return format!("{scheme}://{}:{} by SRV record", domain.name, settings.port);
    }
    settings.hosts.iter().map(url).collect::<Vec<_>>().join(", ")
}
