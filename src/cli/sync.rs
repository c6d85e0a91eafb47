//! `sync`: one run now.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::directory::BindGuard;
use crate::exit_code::{HELD, INTERNAL};
use crate::store::{RunMode, StoreAccess};
use crate::sync::{AssetOutput, RunProgress, RunReport, RunRequest};

use super::arguments::SyncArguments;
use super::failure::CommandFailure;
use super::output::complain;
use super::{setup, signals};

/// Runs every chosen connection once; the exit code is that of the worst.
pub(super) fn run(connection: Option<&str>, options: &SyncArguments) -> Result<u8, CommandFailure> {
    let config = setup::configuration()?;
    let access = if options.dry_run {
        StoreAccess::Scratch
    } else {
        StoreAccess::ReadWrite
    };
    let connections = setup::enabled(&config, connection)?;
    setup::check_mappings(&config, &connections)?;
    let scheduled = setup::connectors(
        &config,
        &connections,
        &setup::store(&config, access)?,
        &BindGuard::default(),
    )?;
    let output = options.output.as_deref().map(AssetOutput::new).map(Arc::new);
    let runtime = setup::runtime()?;
    let code = runtime.block_on(async {
        let stop = CancellationToken::new();
        let signalled = signals::cancel_on_signal_or_hangup(stop.clone())?;
        let mut worst = 0;
        if let Some(failure) = setup::unusable_failure(&config, connection) {
            complain(&failure);
            worst = failure.exit_code();
        }
        for one in &scheduled {
            let name = (scheduled.len() > 1).then(|| one.connector.name());
            let request = request(options, output.clone());
            let bar = RunBar::start(&request.progress);
            let ended = signals::in_time(&stop, one.run(request, &stop)).await;
            bar.finish();
            let code = match ended {
                None => INTERNAL,
                Some(Ok(report)) => told(&report, name),
                Some(Err(error)) => {
                    let failure = CommandFailure::from(error).of_connection(name);
                    complain(&failure);
                    failure.exit_code()
                }
            };
            worst = worse(worst, code);
            if let Some(code) = signalled.exit_code() {
                return Ok(code);
            }
        }
        Ok::<u8, CommandFailure>(worst)
    });
    runtime.shutdown_background();
    code
}

fn request(options: &SyncArguments, output: Option<Arc<AssetOutput>>) -> RunRequest {
    let mode = if options.baseline {
        RunMode::Baseline
    } else {
        RunMode::Delta
    };
    let asked_by = if options.baseline {
        "sync --baseline"
    } else {
        "sync"
    };
    RunRequest {
        resend: options.resend,
        dry_run: options.dry_run,
        output,
        ..RunRequest::new(mode, asked_by)
    }
}

/// Writes to standard error why a run failed, or holds removals back; its actions are in the log.
/// `connection` is named where there are several.
pub(super) fn told(report: &RunReport, connection: Option<&str>) -> u8 {
    if let Some(failure) = &report.failure {
        complain(&CommandFailure::of_run(failure).of_connection(connection));
    }
    if let Some(held) = &report.held {
        let failure = CommandFailure::new(report.exit_code(), held, RunReport::HELD_ADVICE);
        complain(&failure.of_connection(connection));
    }
    report.exit_code()
}

/// Returns the code of the graver outcome: a failure, then held removals, then rejected objects,
/// then success. An internal error is a failure, although its number is small.
fn worse(one: u8, other: u8) -> u8 {
    let weight = |code| (code == INTERNAL || code > HELD, code);
    if weight(other) > weight(one) { other } else { one }
}

/// Progress on a terminal; elsewhere the log is enough.
struct RunBar {
    bar: Option<ProgressBar>,
    ticker: Option<tokio::task::JoinHandle<()>>,
}

impl RunBar {
    fn start(progress: &Arc<RunProgress>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self {
                bar: None,
                ticker: None,
            };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
            bar.set_style(style);
        }
        let (shown, progress) = (bar.clone(), Arc::clone(progress));
        let ticker = tokio::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_millis(100));
            loop {
                every.tick().await;
                let now = progress.snapshot();
                shown.set_message(format!(
                    "read {}  changed {}  sent {}  rejected {}",
                    now.read, now.staged, now.accepted, now.rejected
                ));
                shown.tick();
            }
        });
        Self {
            bar: Some(bar),
            ticker: Some(ticker),
        }
    }

    fn finish(self) {
        if let Some(ticker) = self.ticker {
            ticker.abort();
        }
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_hides_behind_rejected_objects() {
        for (one, other, said) in [
            (0, 2, 2),
            (2, 3, 3),
            (2, 1, 1),
            (3, 1, 1),
            (3, 4, 4),
            (1, 77, 77),
            (0, 0, 0),
        ] {
            assert_eq!((worse(one, other), worse(other, one)), (said, said));
        }
    }
}
