//! The program of a history: the library, set up as a process sets itself up, and one run of it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;

use ad_connector::config;
use ad_connector::directory::BindGuard;
use ad_connector::mapping::Mapping;
use ad_connector::schedule::{ConnectionTimetable, RunTimes, ScheduledConnection};
use ad_connector::store::{AssetTarget, RunMode, Store, StoreAccess};
use ad_connector::sync::{Clock, Connector, RunError, RunReport, RunRequest};
use ad_connector::upstream::{ClockPace, QualysGateway};
use lab::receiver;
use lab::simulator::{self, PASSWORD};
use tokio_util::sync::CancellationToken;

use super::history::{Identity, Mode, Run, Setting, Stop};
use super::model::{ROLE_FILTER, Table};

/// Seconds of waits become tenths of milliseconds.
const HURRY: u32 = 10_000;

/// `QUALYS_CONNECTOR_UUID`.
pub const UUID: &str = "8c2d7e1a-3b4f-4c5d-9e6f-0a1b2c3d4e5f";

/// Where the program finds what it works with.
pub struct Place {
    /// The controllers, all at one port.
    pub directory: Vec<SocketAddr>,
    pub gateway: String,
    pub state: PathBuf,
    /// By connection.
    pub scopes: Vec<Scope>,
    /// Source of the id in the mapping table.
    pub identity: Identity,
    /// `QUALYS_GIVE_UP_AFTER`.
    pub give_up_after: &'static str,
    /// `REMOVAL_LAG`, where it is not the default.
    pub removal_lag: Option<&'static str>,
}

/// Objects that a connection reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `CONNECTION_NAME`.
    pub name: &'static str,
    /// `AD_BASE_CONTEXT`.
    pub base: Option<String>,
    /// Users with a displayName and groups with a description.
    pub described: bool,
}

/// The program as it is after its start: its connections.
///
/// # Errors
/// What stands in its way.
pub fn started(setting: &Setting, place: &Place, table: Table) -> Result<Vec<ScheduledConnection>, String> {
    let store = Arc::new(Store::open(&place.state, StoreAccess::ReadWrite).map_err(text)?);
    store.check().map_err(text)?;
    let scopes = place.scopes.iter();
    scopes
        .map(|scope| connection(setting, place, scope, table, &store))
        .collect()
}

fn connection(
    setting: &Setting,
    place: &Place,
    scope: &Scope,
    table: Table,
    store: &Arc<Store>,
) -> Result<ScheduledConnection, String> {
    let config = config::parse(&environment(setting, place, scope)).map_err(text)?;
    let connection = &config.connections[0];
    let store = Arc::clone(store);
    let now = chrono::Utc::now().timestamp();
    let target = AssetTarget {
        gateway: connection.upstream.gateway.clone(),
        connector: connection.upstream.connector_uuid.clone(),
    };
    let connector = Connector {
        id: store
            .register(connection.uuid, &connection.name, "", &target, now)
            .map_err(text)?,
        mapping: Mapping::parse("mapping.toml", &table.text(place.identity)).map_err(text)?,
        upstream: Arc::new(
            QualysGateway::with_pace(&connection.upstream, ClockPace::hurried(HURRY)).map_err(text)?,
        ),
        settings: connection.clone(),
        bind_guard: BindGuard::default(),
        clock: Clock::default(),
        store,
        revision: None,
        digest: connection.digest(),
    };
    let sync = RunTimes::new(&connection.schedule.sync);
    let timetable = ConnectionTimetable::new(sync.map_err(text)?, None);
    Ok(ScheduledConnection::new(Arc::new(connector), timetable))
}

fn environment(setting: &Setting, place: &Place, scope: &Scope) -> BTreeMap<String, String> {
    let hosts: Vec<String> = place
        .directory
        .iter()
        .map(|address| address.ip().to_string())
        .collect();
    let (port, gateway) = (place.directory[0].port(), receiver::Options::default());
    let account = if setting.sees_deleted {
        "administrator"
    } else {
        simulator::READER
    };
    let mut environment = BTreeMap::from(
        [
            ("CONNECTION_NAME", scope.name.to_owned()),
            ("AD_HOST", hosts.join(",")),
            ("AD_PORT", port.to_string()),
            ("AD_TRANSPORT", "ldap".to_owned()),
            ("AD_ALLOW_PLAINTEXT", "true".to_owned()),
            ("AD_BIND_DN", format!("{account}@corp.example")),
            ("AD_PASSWORD", PASSWORD.to_owned()),
            ("AD_PAGE_SIZE", setting.page_size.to_string()),
            ("AD_PARALLEL_READS", setting.connections.to_string()),
            ("AD_TIMEOUT", "20s".to_owned()),
            (
                "AD_DELTA",
                if setting.dirsync { "dirsync" } else { "usn" }.to_owned(),
            ),
            ("QUALYS_GATEWAY_URL", place.gateway.clone()),
            ("QUALYS_CLIENT_ID", gateway.client_id),
            ("QUALYS_CLIENT_SECRET", gateway.client_secret),
            ("QUALYS_CONNECTOR_UUID", UUID.to_owned()),
            ("QUALYS_BATCH_ASSETS", setting.batch_assets.to_string()),
            ("QUALYS_CONCURRENCY", setting.concurrency.to_string()),
            ("QUALYS_TIMEOUT", "20s".to_owned()),
            ("QUALYS_GIVE_UP_AFTER", place.give_up_after.to_owned()),
            ("STATE_URL", format!("sqlite:{}", place.state.display())),
            (
                "REMOVED_OBJECTS",
                if setting.tells_removals { "send" } else { "report" }.to_owned(),
            ),
            ("REMOVAL_MAX_PERCENT", setting.removal_percent.to_string()),
            ("HTTP_LISTEN", "off".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    environment.extend(
        place
            .removal_lag
            .map(|lag| ("REMOVAL_LAG".to_owned(), lag.to_owned())),
    );
    let mut more = |name: &str, value: String| environment.insert(name.to_owned(), value);
    if let Some(base) = &scope.base {
        more("AD_BASE_CONTEXT", base.clone());
    }
    if setting.roles {
        more("AD_ASSETS", "users,groups,roles".to_owned());
        more("AD_ROLE_FILTER", ROLE_FILTER.to_owned());
    }
    if scope.described {
        more("AD_USER_FILTER", "(displayName=*)".to_owned());
        more("AD_GROUP_FILTER", "(description=*)".to_owned());
    }
    environment
}

/// A run of each of these connections, side by side, to its end; `None` when the program dies in
/// it.
pub async fn ended(programs: &[ScheduledConnection], run: &Run) -> Option<Vec<Result<RunReport, RunError>>> {
    let stop = CancellationToken::new();
    let runs = programs
        .iter()
        .map(|program| program.run(request(program, run.mode), &stop));
    let mut running = Box::pin(futures_util::future::join_all(runs));
    let mut polls = 0;
    poll_fn(|context| {
        match run.stop {
            Some(Stop::Kill(at)) if polls == at => return Poll::Ready(None),
            Some(Stop::Cancel(at)) if polls == at => stop.cancel(),
            _ => {}
        }
        polls += 1;
        running.as_mut().poll(context).map(Some)
    })
    .await
}

fn request(program: &ScheduledConnection, mode: Mode) -> RunRequest {
    let (run_mode, resend) = match mode {
        Mode::Delta => (RunMode::Delta, false),
        Mode::Baseline => (RunMode::Baseline, false),
        Mode::Resend => (RunMode::Delta, true),
        Mode::ResendBaseline => (RunMode::Baseline, true),
        Mode::Approve => (RunMode::Delta, false),
    };
    let connector = &program.connector;
    RunRequest {
        resend,
        approve: match mode {
            Mode::Approve => connector.store.held_list(connector.id).unwrap(),
            _ => None,
        },
        ..RunRequest::new(run_mode, "the history")
    }
}

pub fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
