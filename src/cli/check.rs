//! `check`: directory, mapping, upstream and store, each step with its result and, when it fails,
//! what to do.

use std::future::Future;
use std::time::Instant;

use chrono::Utc;

use crate::config::{self, Config, DeltaMethod, DirectoryAuth};
use crate::directory::{self, BindGuard, Entry, RootDse, SearchCost, Session};
use crate::exit_code::UNAVAILABLE;
use crate::identity::Kind;
use crate::notify;
use crate::store::{Store, StoreAccess};
use crate::sync::{EntrySource, ReadScope};
use crate::upstream::{QualysGateway, Webhook};

use super::failure::CommandFailure;
use super::output::say;
use super::{controller, deleted_objects, dirsync, review, schema, secrets, setup, shown};

/// Tests every chosen connection; the exit code is that of the worst step.
pub(super) fn run(connection: Option<&str>) -> Result<u8, CommandFailure> {
    let config = setup::configuration_for_a_reader()?;
    let connections = setup::chosen(&config, connection)?;
    let runtime = setup::runtime()?;
    let mut steps = CheckSteps::default();
    let bind_guard = BindGuard::default();
    say("service")?;
    let count = match config.connections.len() {
        1 => "1 connection".to_owned(),
        several => format!("{several} connections"),
    };
    let count = match &config.connections_file {
        Some(file) => format!("{count} in {}", file.display()),
        None => count,
    };
    steps.told("configuration", Ok(count))?;
    steps.told("store", store(&config))?;
    secrets::step(&config).map_or(Ok(()), |opened| steps.told("secrets", opened))?;
    if let (Some(url), Some(first)) = (&config.notify, config.connections.first()) {
        let sent = timed(async {
            let webhook = Webhook::new(url, &first.upstream)?;
            webhook.send(&notify::test_message()).await.map_err(|error| {
                CommandFailure::new(
                    UNAVAILABLE,
                    error,
                    "check NOTIFY_URL, and that the webhook still exists",
                )
            })?;
            Ok("the webhook of NOTIFY_URL took a test message".to_owned())
        });
        steps.told("webhook", runtime.block_on(sent))?;
    }
    if let (Some(settings), Some(first)) = (&config.review, config.connections.first()) {
        let reviewed = timed(review::step(settings, &first.upstream));
        steps.told("review", runtime.block_on(reviewed))?;
    }
    for connection in connections {
        say(format_args!("connection {}", connection.name))?;
        steps.of = (config.connections.len() > 1).then(|| connection.name.clone());
        runtime.block_on(check(connection, &bind_guard.for_connection(), &mut steps))?;
    }
    steps.conclude()
}

async fn check(
    connection: &config::ConnectionSettings,
    bind_guard: &BindGuard,
    steps: &mut CheckSteps,
) -> Result<(), CommandFailure> {
    let mapping = setup::mapping(connection);
    let mut settings = describe_settings(connection).into_iter();
    steps.told("settings", Ok(settings.next().unwrap_or_default()))?;
    steps.detail(settings)?;
    steps.told(
        "mapping",
        mapping
            .as_ref()
            .map(|_| connection.mapping.describe())
            .map_err(Clone::clone),
    )?;
    if let Some((mut session, root)) = directory_steps(connection, bind_guard, steps).await? {
        // Without a mapping table no read is possible.
        if let Ok(mapping) = &mapping {
            let scope = ReadScope::new(&connection.profile, mapping, &root);
            content_steps(connection, &scope, &mut session, mapping, steps).await?;
            if connection.directory.delta == DeltaMethod::DirSync {
                steps.told("DirSync", timed(dirsync::step(&root, &scope, &session)).await)?;
            }
            match schema::step(&mut session, connection, mapping).await {
                Ok(report) => {
                    steps.told("schema", Ok(report.summary))?;
                    steps.detail(report.notes)?;
                }
                Err(failure) => steps.told("schema", Err(failure))?,
            }
            let deleted = deleted_objects::step(&connection.directory, &root, &mut session).await;
            steps.told("deleted objects", deleted)?;
        }
        session.close().await;
    }
    upstream_steps(connection, steps).await
}

/// Prints the steps of the gateway: token, certificate, ingest path.
async fn upstream_steps(
    connection: &config::ConnectionSettings,
    steps: &mut CheckSteps,
) -> Result<(), CommandFailure> {
    let upstream = match QualysGateway::new(&connection.upstream) {
        Ok(upstream) => upstream,
        Err(error) => return steps.told("upstream", Err(error.into())),
    };
    let token = timed(async {
        upstream.check().await?;
        Ok(format!("{} gave a token", connection.upstream.gateway))
    });
    let token = token.await;
    let has_token = token.is_ok();
    steps.told("upstream", token)?;
    match upstream.certificate() {
        Some((certificate, true)) => {
            let why = "it leads to a trusted CA, and bears the expected name";
            steps.told("gateway TLS", Ok(why.to_owned()))?;
            steps.detail(shown::certificate(&certificate))?;
        }
        Some((certificate, false)) => {
            steps.detail(["the gateway showed this certificate; nothing was sent to it:".to_owned()])?;
            steps.detail(shown::certificate(&certificate))?;
        }
        None => {}
    }
    if !has_token {
        return Ok(());
    }
    let check = match upstream.check_ingest().await {
        Ok(check) => check,
        Err(error) => return steps.told("ingest path", Err(error.into())),
    };
    let path = &connection.upstream.ingest_path;
    let answer = format!(
        "a request without assets to {path} was answered: {}",
        check.answer
    );
    steps.told("ingest path", Ok(answer))?;
    steps.detail([
        format!("proved: {}", check.proven.unwrap_or("nothing")),
        format!("not proved: {}", check.unproven),
    ])
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

/// Prints the steps of the directory: connecting, logging in, rootDSE, delta.
async fn directory_steps(
    connection: &config::ConnectionSettings,
    bind_guard: &BindGuard,
    steps: &mut CheckSteps,
) -> Result<Option<(Session, RootDse)>, CommandFailure> {
    let started = Instant::now();
    let mut session = match directory::connect(&connection.directory, bind_guard).await {
        Ok(session) => session,
        Err(error) => {
            steps.told("directory", Err(error.clone().into()))?;
            let refused = error.refused_certificates();
            for (host, certificate) in &refused {
                steps.detail([format!(
                    "{host} showed this certificate; nothing was sent to it but the refusal:"
                )])?;
                steps.detail(shown::certificate(certificate))?;
            }
            if !refused.is_empty() {
                steps.detail(shown::pin(&refused))?;
            }
            return Ok(None);
        }
    };
    steps.told(
        "directory",
        Ok(format!(
            "connected to {} and logged in, {} ms",
            session.host(),
            started.elapsed().as_millis()
        )),
    )?;
    steps.detail(controller::describe(session.chosen()))?;
    if let Some(certificate) = session.certificate() {
        let pinned = connection.directory.pins_for(session.host()).next().is_some();
        let why = if pinned {
            "it is pinned by AD_CERTIFICATE_SHA256"
        } else {
            "it leads to a trusted CA, and bears the expected name"
        };
        steps.told("certificate", Ok(why.to_owned()))?;
        steps.detail(shown::certificate(certificate))?;
        steps.detail(shown::pin(&[(session.host(), certificate)]))?;
    }
    let root = match session.root_dse().await {
        Ok(root) => root,
        Err(error) => {
            steps.told("rootDSE", Err(error.into()))?;
            return Ok(None);
        }
    };
    steps.told(
        "rootDSE",
        Ok(format!(
            "{}, {}",
            root.dns_host_name.as_deref().unwrap_or("no dnsHostName"),
            root.default_naming_context
        )),
    )?;
    let delta = session.invocation_id(&root).await;
    steps.told(
        "delta",
        match delta {
            Ok(id) => Ok(format!(
                "by uSNChanged: invocationId {}, highestCommittedUSN {}",
                id, root.highest_committed_usn
            )),
            Err(error) => Err(error.into()),
        },
    )?;
    Ok(Some((session, root)))
}

/// Prints the steps of the content: base context, then one page of every kind, mapped.
async fn content_steps(
    connection: &config::ConnectionSettings,
    scope: &ReadScope,
    session: &mut Session,
    mapping: &crate::mapping::Mapping,
    steps: &mut CheckSteps,
) -> Result<(), CommandFailure> {
    let base = scope.base().to_owned();
    let found = session.lookup(&base, &["distinguishedName"], false).await;
    let found = match found {
        Ok(Some(_)) => Ok(base),
        Ok(None) => Err(CommandFailure::new(
            UNAVAILABLE,
            format_args!("the base context {base} does not exist, or the account may not see it"),
            "correct AD_BASE_CONTEXT, or leave it out for the whole domain; grant the account List Contents and Read Property there",
        )),
        Err(error) => Err(error.into()),
    };
    let exists = found.is_ok();
    steps.told("base context", found)?;
    if !exists {
        return Ok(());
    }
    for (kind, _) in &connection.profile.assets {
        let outcome = kind_step(*kind, scope, session, mapping).await;
        steps.told(kind.plural(), outcome)?;
    }
    Ok(())
}

async fn kind_step(
    kind: Kind,
    scope: &ReadScope,
    session: &mut Session,
    mapping: &crate::mapping::Mapping,
) -> Result<String, CommandFailure> {
    let Some(mut search) = scope.everything(kind) else {
        return Ok("not asked for".to_owned());
    };
    let filter = search.filter.clone();
    search.attributes.push(USN_CHANGED.to_owned());
    let mut pages = session.search(search).measured();
    let now = Utc::now().timestamp();
    let (mut found, mut unseen, mut unmapped) = (0_usize, 0_usize, 0_usize);
    // One page, which may come in pieces.
    while let Some(piece) = pages.next().await? {
        found += piece.len();
        // A filter over an attribute that the account may not read matches nothing, and no error
        // reports that.
        unseen += piece.iter().filter(|entry| usn_changed(entry).is_none()).count();
        unmapped += piece
            .iter()
            .filter(|entry| {
                entry.unfit().is_some() || mapping.apply(kind, &EntrySource::new(entry, now)).is_err()
            })
            .count();
        if !pages.is_within_page() {
            break;
        }
    }
    if found == 0 {
        return Err(CommandFailure::new(
            UNAVAILABLE,
            format_args!("nothing matches {filter} below {}", scope.base()),
            format_args!(
                "check AD_BASE_CONTEXT, AD_SEARCH_SCOPE, AD_MEMBER_OF and the extra filter, and that the account has Read Property on {}",
                kind.plural()
            ),
        ));
    }
    if unseen > 0 {
        return Err(CommandFailure::new(
            UNAVAILABLE,
            format_args!(
                "{unseen} of {found} show the account no {USN_CHANGED}: a delta, and a baseline over several connections, would \
                 not find them"
            ),
            format_args!(
                "grant the account Read Property on all attributes of {}, or set AD_DELTA=off and AD_PARALLEL_READS=1",
                kind.plural()
            ),
        ));
    }
    let more = if pages.has_more() { "at least " } else { "" };
    let all = if unmapped == 0 {
        "all can be mapped".to_owned()
    } else {
        format!("{unmapped} of them cannot be mapped")
    };
    let cost = pages.cost().map(|cost| told_cost(cost, kind)).unwrap_or_default();
    Ok(format!("{more}{found} found, {all}{cost}"))
}

/// Describes the cost of the page for the controller.
fn told_cost(cost: &SearchCost, kind: Kind) -> String {
    if !cost.is_told() {
        return format!(
            "\n{:INDENT$}what that cost the controller it tells only to who may debug it",
            ""
        );
    }
    let index = match cost.index.as_str() {
        "" => "no index named".to_owned(),
        index => format!("index {index}"),
    };
    let hint = if cost.is_inefficient() {
        format!(
            "\n{:INDENT$}that is much work for little: narrow the extra filter for {} by an indexed attribute (docs/searches.md)",
            "",
            kind.plural()
        )
    } else {
        String::new()
    };
    format!(
        "\n{:INDENT$}the controller visited {} entries to return {}, {index}, {} ms{hint}",
        "", cost.visited, cost.returned, cost.milliseconds
    )
}

/// The attribute by which changes are found.
const USN_CHANGED: &str = "uSNChanged";

fn usn_changed(entry: &Entry) -> Option<u64> {
    entry.text(USN_CHANGED)?.parse().ok()
}

fn store(config: &Config) -> Result<String, CommandFailure> {
    let store = Store::open(&config.state, StoreAccess::ReadWrite)?;
    store.check()?;
    Ok(config.state.to_string())
}

async fn timed(work: impl Future<Output = Result<String, CommandFailure>>) -> Result<String, CommandFailure> {
    let started = Instant::now();
    let told = work.await?;
    Ok(format!("{told}, {} ms", started.elapsed().as_millis()))
}

/// Prints the steps, and keeps which of them failed and the worst exit code among those.
#[derive(Default)]
struct CheckSteps {
    worst: u8,
    failed: Vec<String>,
    /// The connection that is tested, where there are several.
    of: Option<String>,
}

/// Spaces before the text of a step: its result and its name.
const INDENT: usize = 26;

impl CheckSteps {
    fn told(&mut self, step: &str, outcome: Result<String, CommandFailure>) -> Result<(), CommandFailure> {
        match outcome {
            Ok(detail) => say(format_args!("  ok      {step:<15} {detail}")),
            Err(failure) => {
                self.worst = self.worst.max(failure.exit_code());
                self.failed.push(match &self.of {
                    Some(connection) => format!("{step} of {connection}"),
                    None => step.to_owned(),
                });
                let mut lines = failure.message().lines();
                say(format_args!(
                    "  FAILED  {step:<15} {}",
                    lines.next().unwrap_or_default()
                ))?;
                for line in lines {
                    say(format_args!("{:INDENT$}{line}", ""))?;
                }
                say(format_args!("{:INDENT$}what to do: {}", "", failure.advice()))
            }
        }
    }

    /// Prints further lines about the step that was printed last.
    fn detail(&self, lines: impl IntoIterator<Item = String>) -> Result<(), CommandFailure> {
        lines
            .into_iter()
            .try_for_each(|line| say(format_args!("{:INDENT$}{line}", "")))
    }

    /// Prints the last line, and returns the exit code.
    fn conclude(self) -> Result<u8, CommandFailure> {
        match self.failed.as_slice() {
            [] => say("everything works")?,
            [one] => say(format_args!("1 step failed: {one}"))?,
            several => say(format_args!(
                "{} steps failed: {}",
                several.len(),
                several.join(", ")
            ))?,
        }
        Ok(self.worst)
    }
}
