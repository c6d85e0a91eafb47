//! Everything about the service itself: its name, its schedule, removals, state, status page and
//! log.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret as _;

use super::environment::Variables;
use super::reader::{FieldValue, VariableReader};
use super::refused::ValueFault;
use super::secret;
use super::upstream::header_secret;
use super::values::{certificate, host, plain, quantity, state, time, url};
use super::variables::{self as v, VariableDefinition};
use super::{
    FieldProblem, HttpSettings, LogFormat, LogSettings, MappingSource, ReachLimits, RemovalSettings,
    RunSchedule, ScheduleSettings, Secret, StateLocation, ZonedCron, host_name, parse_baseline,
    parse_schedule,
};

/// Reads name and description of the connection.
pub(super) fn name(reader: &mut VariableReader<'_, impl Variables>) -> Option<(String, String)> {
    let name = reader.value(&v::CONNECTION_NAME, plain::connection_name);
    let description = reader
        .optional(&v::CONNECTION_DESCRIPTION, plain::text(1024))
        .optional();
    Some((name?, description?.unwrap_or_default()))
}

/// Reads the times of the runs. `now` decides whether a schedule has a moment left.
pub(super) fn schedule(
    reader: &mut VariableReader<'_, impl Variables>,
    now: DateTime<Utc>,
) -> Option<ScheduleSettings> {
    // Read in any case, so that mistakes in them are reported.
    let cron = reader.value(&v::SYNC_CRON, time::cron(now));
    let baseline = reader.value(&v::BASELINE_CRON, time::cron_or_off(now));
    let timezone = reader.value(&v::SYNC_TIMEZONE, time::time_zone);
    let on_start = reader.value(&v::SYNC_ON_START, plain::boolean);
    let form = schedule_form(reader, now);
    let own_baseline = baseline_form(reader, now);
    let zone = timezone?;
    let cron = cron.map(|text| RunSchedule::Cron(ZonedCron { text, zone }));
    let sync = form?.or(cron)?;
    // A connection that runs once or by hand alone has the baselines that its own table asks for.
    let is_wanted = sync.repeats() || reader.has_own_baseline();
    let zone = sync.timezone().unwrap_or(zone);
    let baseline = baseline?.filter(|_| is_wanted);
    let baseline = baseline.map(|text| ZonedCron { text, zone });
    Some(ScheduleSettings {
        sync,
        baseline: own_baseline?.unwrap_or(baseline),
        on_start: on_start?,
    })
}

/// Reads the schedule that a file of connections has in place of a cron expression. Absent is
/// `Some(None)`.
fn schedule_form(
    reader: &mut VariableReader<'_, impl Variables>,
    now: DateTime<Utc>,
) -> Option<Option<RunSchedule>> {
    let parsed = reader.schedule().map(|value| parse_schedule(value, now));
    refuse_keys(reader, parsed)
}

/// Reads the baselines that a file of connections has in place of a cron expression, in the same
/// way.
fn baseline_form(
    reader: &mut VariableReader<'_, impl Variables>,
    now: DateTime<Utc>,
) -> Option<Option<Option<ZonedCron>>> {
    let parsed = reader.baseline().map(|value| parse_baseline(value, now));
    refuse_keys(reader, parsed)
}

/// Notes the problems of a value in the form of the API; `None` where it has some.
fn refuse_keys<T>(
    reader: &mut VariableReader<'_, impl Variables>,
    parsed: Option<Result<T, Vec<FieldProblem>>>,
) -> Option<Option<T>> {
    match parsed.transpose() {
        Ok(value) => Some(value),
        Err(problems) => {
            for problem in problems {
                let fault = ValueFault::new(problem.reason, problem.remedy);
                reader.refuse_key(&problem.key, fault);
            }
            None
        }
    }
}

/// Reads `MAPPING_FILE`; the file is opened here, and read by `mapping`.
pub(super) fn mapping(reader: &mut VariableReader<'_, impl Variables>) -> Option<MappingSource> {
    let file = reader.optional(&v::MAPPING_FILE, plain::file).optional()?;
    Some(file.map_or(MappingSource::BuiltIn, MappingSource::File))
}

/// Longest `REMOVAL_LAG`: what is replicated later than a tombstone lives (60 days, MS-ADTS
/// 3.1.1.5.5) never arrives.
const LONGEST_LAG: Duration = Duration::from_secs(60 * 86_400);

/// Reads the handling of objects that are gone.
pub(super) fn removal(reader: &mut VariableReader<'_, impl Variables>) -> Option<RemovalSettings> {
    let send = reader.value(
        &v::REMOVED_OBJECTS,
        plain::choice(&[("report", false), ("send", true)]),
    );
    let lag = reader.value(&v::REMOVAL_LAG, quantity::duration(Duration::ZERO..=LONGEST_LAG));
    let max_count = reader.value(&v::REMOVAL_MAX_COUNT, quantity::number(0..=u64::MAX));
    let max_percent = reader.value(&v::REMOVAL_MAX_PERCENT, quantity::number(0..=100));
    Some(RemovalSettings {
        send: send?,
        lag: lag?,
        max_count: max_count?,
        max_percent: max_percent?,
    })
}

/// Reads `STATE_URL`, and the variables that belong to a database server.
pub(super) fn state(reader: &mut VariableReader<'_, impl Variables>) -> Option<StateLocation> {
    let location = reader.value(&v::STATE_URL, state::location);
    with_database(reader, location)
}

/// Reads the place of the state from a URL that is given otherwise.
pub(super) fn state_at(reader: &mut VariableReader<'_, impl Variables>, url: &str) -> Option<StateLocation> {
    let location = state::location(url).map_err(|fault| reader.refuse(&v::STATE_URL, fault));
    with_database(reader, location.ok())
}

/// Completes a place by what belongs to a database server.
fn with_database(
    reader: &mut VariableReader<'_, impl Variables>,
    location: Option<StateLocation>,
) -> Option<StateLocation> {
    let password = reader.secret(&v::STATE_PASSWORD).optional();
    let certificates = reader
        .optional(&v::STATE_CA_CERTIFICATE, certificate::certificates)
        .optional();
    let instance = reader
        .optional(&v::INSTANCE_NAME, plain::connection_name)
        .optional();
    let (mut location, password, certificates, instance) = (location?, password?, certificates?, instance?);
    if let StateLocation::Database(database) = &mut location {
        database.password = password;
        database.certificates = certificates.unwrap_or_default();
        database.instance = instance.unwrap_or_else(host_name);
    }
    Some(location)
}

/// Characters of a token over HTTP, at least: nobody guesses 16 random ones.
const SHORTEST_TOKEN: usize = 16;

/// Status page and API.
pub(super) fn http(reader: &mut VariableReader<'_, impl Variables>) -> Option<HttpSettings> {
    let listen = reader.value(&v::HTTP_LISTEN, host::listen);
    let token = http_token(reader, &v::HTTP_TOKEN);
    let read_token = http_token(reader, &v::HTTP_READ_TOKEN);
    let reach = reach(reader);
    if let Some(Some(address)) = listen
        && !address.ip().is_loopback()
        && token.is_absent()
        && read_token.is_absent()
    {
        reader.require(
            &v::HTTP_TOKEN,
            &format!(
                "is required to listen on {address}, which is beyond loopback (HTTP_READ_TOKEN will do)"
            ),
        );
        return None;
    }
    if let (FieldValue::Given(token), FieldValue::Given(read_token)) = (&token, &read_token)
        && token.expose_secret() == read_token.expose_secret()
    {
        let fault = ValueFault::new(
            "is the same as HTTP_TOKEN, which changes things",
            "choose another one, for those who only look",
        );
        reader.refuse(&v::HTTP_READ_TOKEN, fault);
        return None;
    }
    Some(HttpSettings {
        listen: listen?,
        token: token.optional()?,
        read_token: read_token.optional()?,
        reach: reach?,
    })
}

/// Reads the limits of the connections that are made over HTTP.
fn reach(reader: &mut VariableReader<'_, impl Variables>) -> Option<ReachLimits> {
    let allow_loopback = reader.value(&v::HTTP_ALLOW_LOOPBACK_TARGETS, plain::boolean);
    let ports = reader.value(&v::HTTP_TARGET_PORTS, quantity::ports);
    let hosts = reader
        .optional(&v::HTTP_TARGET_HOSTS, host::target_hosts)
        .optional();
    Some(ReachLimits {
        allow_loopback: allow_loopback?,
        ports: ports?,
        hosts: hosts?,
    })
}

/// Reads a token that requests show.
fn http_token(
    reader: &mut VariableReader<'_, impl Variables>,
    variable: &'static VariableDefinition,
) -> FieldValue<Secret> {
    reader.checked_secret(variable, check_token)
}

fn check_token(text: &str) -> Result<(), ValueFault> {
    secret::check_header(text)?;
    if text.len() < SHORTEST_TOKEN {
        return Err(ValueFault::new(
            format!("is shorter than {SHORTEST_TOKEN} characters, so it can be guessed"),
            "take a random one, such as `openssl rand -hex 32` prints",
        ));
    }
    Ok(())
}

/// Reads `NOTIFY_URL`.
pub(super) fn notify(reader: &mut VariableReader<'_, impl Variables>) -> Option<Option<Secret>> {
    match header_secret(reader, &v::NOTIFY_URL) {
        FieldValue::Absent => Some(None),
        FieldValue::Bad => None,
        FieldValue::Given(given) => match url::webhook(given.expose_secret()) {
            Ok(()) => Some(Some(given)),
            Err(fault) => {
                reader.refuse(&v::NOTIFY_URL, fault);
                None
            }
        },
    }
}

/// Reads form and filter of the log.
pub(super) fn log(reader: &mut VariableReader<'_, impl Variables>) -> Option<LogSettings> {
    let format = reader.value(
        &v::LOG_FORMAT,
        plain::choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]),
    );
    let level = reader.value(&v::LOG_LEVEL, plain::log_filter);
    Some(LogSettings {
        format: format?,
        level: level?,
    })
}
