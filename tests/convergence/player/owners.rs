//! Runs and the end of a history in which ids have owners (R37).

use std::collections::BTreeSet;
use std::sync::Arc;

use ad_connector::identity::Guid;
use ad_connector::store::{Fate, RemovedObject, RunMode};
use ad_connector::sync::{RunError, RunReport};

use super::super::arrivals;
use super::super::audit::{Ran, told_removed};
use super::super::history::{Mode, Profiles, Run, Step};
use super::super::program::text;
use super::super::world::{Listed, Lists};
use super::checks::{is_resumed, line, outcome};
use super::{Player, lock};

/// Rounds of quiet runs after which nothing may be left to do. An id passes from one profile to the
/// other in two; one more is for what such an id has replaced.
const ROUNDS: usize = 5;

impl Player {
    pub(super) async fn run_profiles(&mut self, run: &Run) -> Result<(), String> {
        let profiles = run.profiles.of(self.setting.profiles());
        self.script(run);
        let first = self.receiver.deliveries().len();
        // Changes in the run that only a full read could see are expected of the next one.
        let unseen: Vec<bool> = {
            let mut world = lock(&self.world);
            let unseen = profiles.iter().map(|at| std::mem::take(&mut world.unseen[*at]));
            unseen.collect()
        };
        let reports = self.ended(&profiles, run).await?;
        self.count_run(&profiles);
        if reports.is_none() {
            self.trace.push("     -> killed".to_owned());
            *self.met.entry("killed").or_default() += 1;
        }
        let ran = self.ran_profiles(run, &profiles, first)?;
        self.ran.push(ran);
        self.check_arrivals(&profiles, first)?;
        for (number, profile) in profiles.into_iter().enumerate() {
            let report = reports.as_ref().map(|reports| &reports[number]);
            self.look_at_profile(run, profile, report, unseen[number])?;
        }
        Ok(())
    }

    fn count_run(&mut self, profiles: &[usize]) {
        if profiles.len() > 1 {
            *self.met.entry("connections side by side").or_default() += 1;
        }
        if self.refused.as_ref().is_some_and(|refused| !refused.is_all()) {
            *self.met.entry("single assets refused").or_default() += 1;
        }
    }

    /// Facts about a run that is over, for the check of what arrived.
    fn ran_profiles(&mut self, run: &Run, profiles: &[usize], first: usize) -> Result<Ran, String> {
        let mut removed = BTreeSet::new();
        for profile in profiles {
            removed.extend(self.newly_listed(*profile)?);
        }
        *self.met.entry("object removed").or_default() += removed.len();
        let is_troubled = self.refused.is_some() || !run.gateway.is_empty();
        Ok(Ran {
            first,
            resend: matches!(run.mode, Mode::Resend | Mode::ResendBaseline),
            stopped: run.stop.is_some(),
            // After a refusal batches are halved, and accepted assets may be sent again to see
            // whether the gateway accepts anything (R32).
            split: is_troubled,
            troubled: is_troubled,
            removed,
            any_order: profiles.len() > 1,
        })
    }

    /// The ids that the last run of the profile removed.
    fn newly_listed(&mut self, profile: usize) -> Result<BTreeSet<String>, String> {
        let connector = Arc::clone(&self.programs()?[profile].connector);
        let (store, before) = (&connector.store, self.looked_at[profile]);
        let removed = store.removed(connector.id, None, None, 10_000).map_err(text)?;
        let new = removed
            .iter()
            .filter(|one| one.run.is_some_and(|run| run > before));
        let new: BTreeSet<Listed> = new.map(listed).collect();
        self.trace.extend(new.iter().map(|one| {
            format!(
                "     profile {profile} lists {} of {} as removed",
                one.id, one.guid
            )
        }));
        let mut ids: BTreeSet<String> = new.iter().map(|listed| listed.id.clone()).collect();
        // Of two that run side by side, the other one may have taken it off the list.
        for run in store.runs(connector.id, usize::MAX).map_err(text)? {
            self.looked_at[profile] = self.looked_at[profile].max(run.id.number());
            if run.id.number() > before {
                let objects = store.run_objects(run.id, None, usize::MAX).map_err(text)?;
                let gone = objects.into_iter().filter(|one| one.fate == Fate::Removed);
                ids.extend(gone.filter_map(|one| one.external_id));
            }
        }
        let mut world = lock(&self.world);
        world.check_newly_listed(profile, &new)?;
        world.watch_claims(profile);
        Ok(ids)
    }

    fn check_arrivals(&mut self, profiles: &[usize], first: usize) -> Result<(), String> {
        if let Some(violation) = self.receiver.violations().first() {
            return Err(format!("R37 (d) or the form: {violation}"));
        }
        let deliveries = self.receiver.deliveries();
        {
            let world = lock(&self.world);
            let new = deliveries[first..].iter().flat_map(|one| &one.assets);
            for asset in new.filter_map(told_removed) {
                world.check_unclaimed(&super::super::world::id_of(&asset), "was told as removed")?;
            }
            let in_flight = self.setting.concurrency * profiles.len();
            arrivals::check(&world.versions_by_guid(), &deliveries, &self.ran, in_flight)?;
        }
        self.check_history()
    }

    /// Compares the report with what the history let happen.
    fn look_at_profile(
        &mut self,
        run: &Run,
        profile: usize,
        report: Option<&RunReport>,
        unseen: bool,
    ) -> Result<(), String> {
        let whole = |report: &&RunReport| report.mode == RunMode::Baseline && !is_resumed(report);
        let is_read = |report: &&RunReport| report.watermark.is_some() && run.mode != Mode::Approve;
        let read = report.filter(is_read);
        if unseen && read.filter(whole).is_none() {
            lock(&self.world).unseen[profile] = true;
        }
        let Some(report) = report else {
            return Ok(());
        };
        *self.met.entry(outcome(report)).or_default() += 1;
        self.trace
            .push(format!("     -> profile {profile}: {}", line(report)));
        self.resumed = is_resumed(report);
        if read.is_some() && run.meanwhile.is_empty() && !lock(&self.world).unseen[profile] {
            lock(&self.world).know_claims(profile);
        }
        self.check_failure(run, report)?;
        self.check_profile_promise(run, profile, report)
    }

    /// A run that nothing befalls does not fail, whatever single assets the gateway refuses (R32).
    fn check_failure(&self, run: &Run, report: &RunReport) -> Result<(), String> {
        let is_calm = run.directory.is_empty() && run.gateway.is_empty() && run.stop.is_none();
        match &report.failure {
            Some(RunError::Panicked { task, cause }) => Err(format!("the {task} task panicked: {cause}")),
            Some(RunError::ListChanged { .. }) if run.mode == Mode::Approve => Ok(()),
            Some(failure) if is_calm => match &self.refused {
                None => Err(format!("nothing was wrong, but the run failed: {failure}")),
                // Where nothing else waits, nothing shows that other assets would be taken.
                Some(refused) if refused.is_all() || !refused.is_listed() => Ok(()),
                Some(refused) => Err(format!("R32: the run failed because of {refused:?}: {failure}")),
            },
            _ => Ok(()),
        }
    }

    fn check_profile_promise(&mut self, run: &Run, profile: usize, report: &RunReport) -> Result<(), String> {
        let is_refused = self.refused.as_ref().is_some_and(|refused| !refused.is_listed());
        let is_whole = match &report.failure {
            None => true,
            // It gave up, but not before all others were sent, unless so many of those that fail
            // came first that the gateway seemed to fail whatever it got.
            Some(RunError::Upstream(_)) => {
                let is_late = self
                    .refused
                    .as_ref()
                    .is_some_and(|refused| refused.leaves_time(&self.setting));
                is_refused && is_late && run.directory.is_empty() && run.stop.is_none()
            }
            Some(_) => false,
        };
        let is_whole = is_whole && run.meanwhile.is_empty() && run.mode != Mode::Approve;
        let side_by_side = run.profiles == Profiles::Both;
        let refused = self.refused.clone();
        let processed = report.failure.is_none() && report.refused() == 0;
        // Of two that run side by side, one may pass an id on to the other.
        if !is_whole
            || (side_by_side && !processed)
            || !run.gateway.is_empty()
            || lock(&self.world).unseen[profile]
            || refused.as_ref().is_some_and(super::Refused::is_all)
        {
            return Ok(());
        }
        let what = match processed {
            true => "promise kept by a profile",
            false => "promise kept but for what was refused",
        };
        *self.met.entry(what).or_default() += 1;
        let upstream = self.receiver.assets();
        let is_refused = |guid: &str| refused.as_ref().is_some_and(|refused| refused.concerns(guid));
        lock(&self.world).check_promise_of(profile, &upstream, processed, is_refused)
    }

    /// Nothing goes wrong any more: quiet runs of every profile bring both sides to agree, and then
    /// change nothing more.
    pub(super) async fn settle_owners(&mut self) -> Result<(), String> {
        self.trace.push("quiet, nothing is refused".to_owned());
        self.refuse(None);
        for profile in 0..self.setting.profiles() {
            let mode = match lock(&self.world).unseen[profile] {
                true => Mode::Baseline,
                false => Mode::Delta,
            };
            self.quiet_profile(mode, profile).await?;
        }
        let mut rounds = 0;
        while self.changes_something(Mode::Baseline).await? {
            rounds += 1;
            if rounds == ROUNDS {
                return Err(format!("{rounds} rounds of quiet runs still change something"));
            }
        }
        for mode in [Mode::Delta, Mode::Baseline] {
            if self.changes_something(mode).await? {
                return Err(format!("R17: nothing changed, but a {mode:?} changed something"));
            }
        }
        let lists = self.lists()?;
        let upstream = self.receiver.assets();
        let owned = lock(&self.world).check_owners(&upstream, &lists)?;
        *self.met.entry("id of two objects at the end").or_default() += owned.contested;
        *self.met.entry("id of another object at the end").or_default() += owned.passed_on;
        self.count_met();
        Ok(())
    }

    /// Runs every profile, and approves what it holds back; returns `true` when something was sent
    /// or the lists changed.
    async fn changes_something(&mut self, mode: Mode) -> Result<bool, String> {
        let before = (self.receiver.deliveries().len(), self.lists()?);
        for profile in 0..self.setting.profiles() {
            self.quiet_profile(mode, profile).await?;
            if self.is_held(profile)? {
                self.quiet_profile(Mode::Approve, profile).await?;
            }
            if self.is_held(profile)? {
                return Err("R23: what was held back was approved, and is still held back".to_owned());
            }
        }
        let after = (self.receiver.deliveries().len(), self.lists()?);
        Ok(before != after)
    }

    /// A run of the profile that nothing befalls; a full read is one from its beginning.
    async fn quiet_profile(&mut self, mode: Mode, profile: usize) -> Result<(), String> {
        let run = Run {
            profiles: match profile {
                0 => Profiles::First,
                _ => Profiles::Second,
            },
            ..Run::of(mode)
        };
        self.trace.push(format!("quiet {}", Step::Run(run.clone())));
        self.run_profiles(&run).await?;
        if mode == Mode::Baseline && self.resumed {
            self.trace.push("quiet Baseline from its beginning".to_owned());
            self.run_profiles(&run).await?;
        }
        Ok(())
    }

    fn is_held(&mut self, profile: usize) -> Result<bool, String> {
        let connector = Arc::clone(&self.programs()?[profile].connector);
        let held = connector.store.held_list(connector.id).map_err(text)?;
        Ok(held.is_some())
    }

    /// The lists of every profile.
    fn lists(&mut self) -> Result<Vec<Lists>, String> {
        let of = |list: Vec<RemovedObject>| list.iter().map(listed).collect();
        self.programs()?
            .iter()
            .map(|program| {
                let (store, id) = (&program.connector.store, program.connector.id);
                let rejected = store.rejections(id, 10_000).map_err(text)?;
                let rejected = rejected.iter().filter_map(|one| one.guid);
                Ok(Lists {
                    removed: of(store.removed(id, None, None, 10_000).map_err(text)?),
                    held: of(store.undecided(id, true, None, 10_000).map_err(text)?),
                    rejected: rejected.map(|guid: Guid| guid.to_string()).collect(),
                })
            })
            .collect()
    }
}

fn listed(removal: &RemovedObject) -> Listed {
    Listed {
        guid: removal.guid.to_string(),
        id: removal.external_id.clone().unwrap_or_default(),
    }
}
