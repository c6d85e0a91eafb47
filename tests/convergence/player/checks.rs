//! Checks after each run.

use std::collections::BTreeSet;
use std::sync::Arc;

use ad_connector::store::{Fate, RunId, RunMode};
use ad_connector::sync::{RunError, RunReport};

use super::super::history::{Mode, Run};
use super::super::program::{UUID, text};
use super::super::{audit, sums};
use super::{Player, lock};

impl Player {
    pub(super) fn check_deliveries(&self) -> Result<(), String> {
        let world = lock(&self.world);
        let deliveries = self.receiver.deliveries();
        audit::check(
            &world.versions(),
            &deliveries,
            &self.ran,
            self.setting.concurrency,
        )?;
        self.check_history()?;
        match self.receiver.violations().first() {
            Some(violation) => Err(format!("the receiver says: {violation}")),
            None => Ok(()),
        }
    }

    /// The history tells what was done.
    pub(super) fn check_history(&self) -> Result<(), String> {
        let Some(programs) = &self.programs else {
            return Ok(());
        };
        let mut runs = Vec::new();
        for program in programs {
            let (store, id) = (&program.connector.store, program.connector.id);
            for run in store.runs(id, usize::MAX).map_err(text)? {
                let objects = store.run_objects(run.id, None, usize::MAX).map_err(text)?;
                sums::check_run(&run, &objects)
                    .map_err(|wrong| format!("history of run {}: {wrong}", run.id))?;
                runs.push(sums::without_waiting(&run, &objects));
            }
        }
        let (mut ledger, unread) = self.receiver.books().of(UUID);
        // A removal is counted as of the kind of the object that had the id last, and made of the
        // last asset that was accepted under it, which may be that of an object of another kind.
        let kinds_differ = self.setting.ownership.is_some() || self.setting.roles;
        if kinds_differ && self.setting.tells_removals {
            for by_class in [&mut ledger.accepted, &mut ledger.rejected] {
                *by_class = [("?".to_owned(), by_class.values().sum())].into();
            }
        }
        let in_flight = (self.setting.batch_assets * self.setting.concurrency) as u64;
        sums::check_sums(&runs, &ledger, unread, in_flight)
            .map_err(|wrong| format!("history: {wrong}, {ledger:?}"))
    }

    /// Returns the objects listed as removed since the last run, which read these controllers; none
    /// may have been there all the time.
    pub(super) fn newly_removed(&mut self, read_on: &[usize]) -> Result<BTreeSet<String>, String> {
        let connector = Arc::clone(&self.program()?.connector);
        let removed = connector
            .store
            .removed(connector.id, None, None, 10_000)
            .map_err(text)?;
        let last = removed.iter().filter_map(|one| one.run).max().unwrap_or(0);
        let new = removed
            .iter()
            .filter(|one| one.run.is_some_and(|run| run > self.last_removing));
        let new = new.map(|one| one.guid.to_string()).collect();
        self.last_removing = self.last_removing.max(last);
        let mut world = lock(&self.world);
        let removed = world.check_newly_removed(&new, read_on)?;
        *self.met.entry("object removed").or_default() += removed.len();
        world.watch();
        Ok(removed)
    }

    /// Checks that objects which the run lists as reclassified were of both classes at some time.
    pub(super) fn check_reclassified(&mut self, run: RunId) -> Result<(), String> {
        let connector = Arc::clone(&self.program()?.connector);
        let objects = connector.store.run_objects(run, None, usize::MAX).map_err(text)?;
        let world = lock(&self.world);
        for object in objects.iter().filter(|object| object.fate == Fate::Reclassified) {
            let guid = object.guid.map(|guid| guid.to_string()).unwrap_or_default();
            if !world.was_of_both_classes(&guid) {
                return Err(format!(
                    "{} {}, and never was of another class",
                    object.dn, object.reason
                ));
            }
            *self.met.entry("became of another class").or_default() += 1;
        }
        Ok(())
    }

    /// Compares the report with what the history let happen.
    pub(super) fn look_at(
        &mut self,
        run: &Run,
        report: Option<&RunReport>,
        unseen_before: &[bool],
    ) -> Result<(), String> {
        let resumed = report.is_some_and(is_resumed);
        self.resumed = resumed;
        let replica = self.replica();
        let mut still_unseen = unseen_before.to_vec();
        let standing = self.controllers.get_mut(&self.controller).unwrap();
        let Some(report) = report else {
            self.trace.push("     -> killed".to_owned());
            *self.met.entry("killed").or_default() += 1;
            standing.watermark = None;
            self.put_unseen(&still_unseen);
            return Ok(());
        };
        *self.met.entry(outcome(report)).or_default() += 1;
        self.trace.push(format!("     -> {}", line(report)));
        match report.watermark {
            Some(watermark) => standing.watermark = Some(watermark),
            // The read may have been complete before the rest was stopped.
            None if run.stop.is_some() => standing.watermark = None,
            None => {}
        }
        let full = report.mode == RunMode::Baseline && report.watermark.is_some() && !resumed;
        if full {
            standing.rolled_back = false;
            still_unseen[replica] = false;
        }
        self.put_unseen(&still_unseen);
        if let Some(RunError::Panicked { task, cause }) = &report.failure {
            return Err(format!("the {task} task panicked: {cause}"));
        }
        let calm = run.directory.is_empty() && run.gateway.is_empty() && run.stop.is_none();
        match &report.failure {
            // The list is what it was when the program last looked.
            Some(RunError::ListChanged { .. }) if run.mode == Mode::Approve => Ok(()),
            Some(failure) if calm => Err(format!("nothing was wrong, but the run failed: {failure}")),
            _ => Ok(()),
        }
    }

    /// When a run ends as Processed, upstream holds what the controller returned that was read.
    pub(super) fn check_promise(&mut self, run: &Run, report: &RunReport, on: usize) -> Result<(), String> {
        let processed = report.failure.is_none() && report.total().rejected == 0;
        // What changed during the run may have been read before or after the change.
        // An approval looks up what is held, and reads nothing else.
        let reads = !matches!(run.mode, Mode::Approve);
        if !processed || !reads || !run.meanwhile.is_empty() || self.is_unseen() || self.simulators.len() == 1
        {
            return Ok(());
        }
        let name = if on == 0 {
            "promise kept by controller 0"
        } else {
            "promise kept by controller 1"
        };
        *self.met.entry(name).or_default() += 1;
        let connector = Arc::clone(&self.program()?.connector);
        let removed = connector
            .store
            .removed(connector.id, None, None, 10_000)
            .map_err(text)?;
        let removed = removed.iter().map(|one| one.guid.to_string()).collect();
        let (world, assets) = (lock(&self.world), self.receiver.assets());
        world.check_not_listed(on, &removed, self.setting.dirsync)?;
        // A cookie says what was got from every controller: an older version is not given again.
        if self.setting.dirsync {
            world.check_known(on, &assets)
        } else {
            world.check_held(on, &assets)
        }
    }
}

/// The word for how a run ended.
pub(super) fn outcome(report: &RunReport) -> &'static str {
    match &report.failure {
        Some(RunError::Stopped) => "stopped",
        Some(RunError::Directory(_)) => "failed at the directory",
        Some(RunError::Upstream(_)) => "failed at the gateway",
        Some(_) => "failed",
        None if report.held.is_some() => "removals held back",
        None if report.refused() > 0 => "rejected some",
        None if is_resumed(report) => "full read resumed",
        None if report.mode == RunMode::Baseline => "full read",
        None => "delta",
    }
}

/// Returns `true` when the run went on with a full read that had broken off.
pub(super) fn is_resumed(report: &RunReport) -> bool {
    report.reason.contains("resumes")
}

/// A line on a run that is over.
pub(super) fn line(report: &RunReport) -> String {
    let total = report.total();
    let failure = report.failure.as_ref();
    format!(
        "{} ({}): read {}, staged {}, accepted {}, rejected {}, watermark {:?}{}",
        report.mode.name(),
        report.reason,
        total.read,
        total.staged,
        total.accepted,
        report.refused(),
        report.watermark,
        failure.map_or_else(String::new, |failure| format!(", failed: {failure}")),
    )
}
