//! `review`: Qualys accounts against the directories, once now.

use std::path::Path;
use std::time::Duration;

use crate::check::list_below;
use crate::clock;
use crate::config::{self, Config};
use crate::directory::BindGuard;
use crate::exit_code::{REFUSED, USAGE};
use crate::mapping::Mapping;
use crate::review::{
    self, ConsoleReader, FindingCode, Review, ReviewError, ReviewSchedule, Reviewer, Source,
};
use crate::schedule::{ConnectionSet, CronSchedule};
use crate::upstream::ApiServer;

use super::arguments::ReviewOptions as Options;
use super::failure::CommandFailure;
use super::output::{one_line, say};
use super::{setup, status};

/// Time that `check` waits for the limit of calls.
const CHECK_WITHIN: Duration = Duration::from_secs(30);

/// Findings of one kind that a terminal shows.
const MOST_SHOWN: usize = 100;

/// Makes a review and shows it; the exit code says whether there are findings.
pub(super) fn run(connection: Option<&str>, options: &Options) -> Result<u8, CommandFailure> {
    let config = setup::configuration_for_a_reader()?;
    let review = setup::runtime()?.block_on(make(&config, connection))?;
    if options.json {
        say(serde_json::to_string(&review).map_err(CommandFailure::internal)?)?;
    }
    if let Some(path) = &options.csv {
        write(path, &review::csv(&review))?;
    }
    if let Some(path) = &options.html {
        write(path, &review::html(&review, None))?;
    }
    if !options.json
        && options.csv.as_deref() != Some(Path::new("-"))
        && options.html.as_deref() != Some(Path::new("-"))
    {
        show(&review)?;
    }
    Ok(review.exit_code())
}

/// Makes a review of all configured directories, or of the one that is named.
async fn make(config: &Config, connection: Option<&str>) -> Result<Review, CommandFailure> {
    let Some(settings) = &config.review else {
        return Err(CommandFailure::new(
            USAGE,
            "no Qualys API server is configured",
            "set QUALYS_API_URL, QUALYS_API_USERNAME and QUALYS_API_PASSWORD (docs/review.md)",
        ));
    };
    let connections = setup::chosen(config, connection)?;
    let mappings = connections
        .iter()
        .map(|connection| setup::mapping(connection))
        .collect::<Result<Vec<Mapping>, CommandFailure>>()?;
    let bind_guard = BindGuard::default();
    let guards: Vec<BindGuard> = connections.iter().map(|_| bind_guard.for_connection()).collect();
    let sources: Vec<Source<'_>> = connections
        .iter()
        .zip(&mappings)
        .zip(&guards)
        .map(|((settings, mapping), bind_guard)| Source {
            settings,
            mapping,
            bind_guard,
        })
        .collect();
    let Some(first) = config.connections.first() else {
        return Err(CommandFailure::new(
            USAGE,
            "no connection is configured, so there is no directory to compare with",
            "configure one (docs/configure.md)",
        ));
    };
    let reviewer = Reviewer {
        settings,
        upstream: &first.upstream,
        sources: &sources,
        unasked: &unasked(config, &connections),
    };
    Ok(reviewer.review(clock::now()).await?)
}

/// Returns the names of the connections that are configured and not chosen.
pub(super) fn unasked(config: &Config, chosen: &[&config::ConnectionSettings]) -> Vec<String> {
    let is_chosen = |one: &config::ConnectionSettings| chosen.iter().any(|chosen| chosen.name == one.name);
    let others = config.connections.iter().filter(|one| !is_chosen(one));
    others.map(|one| one.name.clone()).collect()
}

/// Returns the reviews of the service; `None` where none are to be made.
pub(super) fn schedule(
    config: &Config,
    chosen: &[&config::ConnectionSettings],
    connections: &ConnectionSet,
) -> Result<Option<ReviewSchedule>, CommandFailure> {
    let Some(settings) = &config.review else {
        return Ok(None);
    };
    let timezone = config
        .connections
        .first()
        .map_or(chrono_tz::UTC, |first| first.schedule.timezone());
    let Some(cron) = &settings.cron else {
        return Ok(None);
    };
    Ok(Some(ReviewSchedule {
        settings: settings.clone(),
        cron: CronSchedule::parse(cron, timezone)
            .map_err(|error| CommandFailure::new(USAGE, error, "correct REVIEW_CRON"))?,
        connections: connections.clone(),
        unasked: unasked(config, chosen),
    }))
}

/// Step of `check`: asks for both lists, and says what the account is not shown.
pub(super) async fn step(
    settings: &config::ReviewSettings,
    upstream: &config::UpstreamSettings,
) -> Result<String, CommandFailure> {
    let server = ApiServer::new(&settings.url, &settings.username, &settings.password, upstream)
        .map_err(ReviewError::from)?;
    let mut reader = ConsoleReader::new(server, CHECK_WITHIN);
    let accounts = reader.accounts().await?;
    let groups = reader.asset_groups().await?;
    let told = format!(
        "{} showed {} accounts and {} asset groups to {}",
        settings.url,
        accounts.records.len(),
        groups.records.len(),
        settings.username
    );
    let gaps: Vec<&str> = accounts
        .gaps
        .iter()
        .chain(&groups.gaps)
        .map(String::as_str)
        .collect();
    if gaps.is_empty() {
        return Ok(told);
    }
    Err(CommandFailure::new(
        REFUSED,
        list_below(&format!("{told}, and not everything of them"), &gaps.join("\n")),
        "give the API account the role Manager and access to the API (docs/review.md lists the rights)",
    ))
}

fn write(path: &Path, text: &str) -> Result<(), CommandFailure> {
    if path == Path::new("-") {
        use std::io::Write as _;
        std::io::stdout().lock().write_all(text.as_bytes())?;
        return Ok(());
    }
    private_file(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|error| {
            CommandFailure::new(
                USAGE,
                format_args!("cannot write {}: {error}", path.display()),
                "give a path that can be written",
            )
        })
}

/// Opens a file that its owner alone may read, since it names people.
fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// Shows the findings by kind, and last one line.
fn show(review: &Review) -> Result<(), CommandFailure> {
    for (code, count) in review.counts().into_iter().filter(|(_, count)| *count > 0) {
        say(format_args!("{} ({count})", code.name()))?;
        let of_code = review.findings.iter().filter(|finding| finding.code == code);
        let rows: Vec<[String; 2]> = of_code
            .take(MOST_SHOWN)
            .map(|finding| [finding.subject().to_owned(), finding.reason.clone()])
            .collect();
        say(status::columns(&rows).trim_end())?;
        if count > MOST_SHOWN {
            say(format_args!("  and {} more (--json has all)", count - MOST_SHOWN))?;
        }
        say(format_args!("  what to do: {}", one_line(code.advice())))?;
    }
    let kinds = review.counts().iter().filter(|(_, count)| *count > 0).count();
    let accounts = format!(
        "{} accounts, {} asset groups reviewed",
        review.users.len(),
        review.asset_groups.len()
    );
    let missing = review
        .findings
        .iter()
        .filter(|finding| finding.code == FindingCode::Incomplete)
        .count();
    say(match (review.complete, review.findings.len()) {
        (true, 0) => format!("{accounts}: nothing found"),
        (true, findings) => format!("{accounts}: {findings} findings of {kinds} kinds"),
        (false, findings) => format!(
            "{accounts}: incomplete, {missing} things could not be seen, {} other findings",
            findings - missing
        ),
    })
}

impl From<ReviewError> for CommandFailure {
    fn from(error: ReviewError) -> Self {
        Self::new(error.exit_code(), &error, error.advice())
    }
}
