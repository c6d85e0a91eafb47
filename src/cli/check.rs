//! `check`: directory, mapping, upstream and store, each step with its result and, when it fails,
//! what to do.

use crate::check::{self, CheckStep, timed};
use crate::config::{self, Config};
use crate::directory::{BindGuard, KnownControllers};
use crate::exit_code::{UNAVAILABLE, USAGE};
use crate::notify;
use crate::store::{Store, StoreAccess};
use crate::upstream::Webhook;

use super::failure::CommandFailure;
use super::output::say;
use super::{review, secrets, setup};

/// Tests every chosen connection; the exit code is that of the worst step.
pub(super) fn run(connection: Option<&str>) -> Result<u8, CommandFailure> {
    let config = setup::configuration_for_a_reader()?;
    let is_unusable = connection.is_some_and(|name| config.unusable.iter().any(|one| one.name == name));
    let connections = if is_unusable {
        Vec::new()
    } else {
        setup::usable(&config, connection)?
    };
    let runtime = setup::runtime()?;
    let mut steps = CheckSteps::default();
    let bind_guard = BindGuard::default();
    say("service")?;
    let count = match config.connections.len() + config.unusable.len() {
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
    for unusable in config
        .unusable
        .iter()
        .filter(|one| connection.is_none_or(|name| one.name == name))
    {
        say(format_args!("connection {}", unusable.name))?;
        steps.of = Some(unusable.name.clone());
        let failure = CommandFailure::new(USAGE, &unusable.reason, &unusable.remedy);
        steps.told("configuration", Err(failure))?;
    }
    for connection in connections {
        say(format_args!("connection {}", connection.name))?;
        steps.of = (config.connections.len() > 1).then(|| connection.name.clone());
        let (guard, known) = (
            bind_guard.for_connection(),
            setup::known_controllers(&config, connection),
        );
        runtime.block_on(check(connection, &guard, &known, &mut steps))?;
    }
    steps.conclude()
}

/// Prints the steps of a connection as they end. When standard output is closed, the test ends.
async fn check(
    connection: &config::ConnectionSettings,
    bind_guard: &BindGuard,
    known: &KnownControllers,
    steps: &mut CheckSteps,
) -> Result<(), CommandFailure> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<CheckStep>(1);
    let print = async {
        while let Some(step) = receiver.recv().await {
            steps.told(&step.step, step.outcome.map_err(Into::into))?;
            steps.detail(step.details)?;
        }
        Ok(())
    };
    let test = async {
        check::run(connection, bind_guard, known, sender).await;
        Ok(())
    };
    tokio::try_join!(print, test).map(|_| ())
}

fn store(config: &Config) -> Result<String, CommandFailure> {
    let store = Store::open(&config.state, StoreAccess::ReadWrite)?;
    store.check()?;
    Ok(config.state.to_string())
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
