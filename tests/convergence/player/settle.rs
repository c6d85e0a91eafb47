//! The end of a history: nothing goes wrong any more, and both sides must agree.

use std::sync::Arc;

use ad_connector::identity::Guid;
use ad_connector::store::RemovedObject;

use super::super::audit;
use super::super::history::{Event, Mode, Run, Step};
use super::super::program::text;
use super::super::world::Expected;
use super::{Player, lock};

impl Player {
    /// Nothing goes wrong any more: one run brings everything over, and nothing is left for the
    /// next ones.
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        if self.simulators.len() > 1 {
            return self.settle_two().await;
        }
        let mode = if self.is_unseen() {
            Mode::Baseline
        } else {
            Mode::Delta
        };
        // A controller that is read for the first time is not believed that an object is gone
        // before it says so again.
        let believed = self.is_believed()?;
        self.quiet(mode, None).await?;
        // What another one returned, this one proves to be gone by a tombstone alone, until
        // REMOVAL_LAG is over (R22).
        let swapped = self.controllers.len() > 1;
        self.check_state(match mode {
            _ if swapped => Expected::Tombstones,
            Mode::Baseline if believed => Expected::All,
            _ => Expected::OfDelta,
        })?;
        for mode in [Mode::Delta, Mode::Baseline] {
            self.quiet_again(mode, None).await?;
        }
        if swapped {
            self.end_lag();
            self.quiet_again(Mode::Baseline, None).await?;
        }
        self.check_state(Expected::All)?;
        self.count_met();
        self.approve(None).await?;
        self.check_state(Expected::All)
    }

    /// Everything replicates. One run on any controller brings upstream to what they agree on;
    /// after a full read of each, or of one when REMOVAL_LAG is over, nothing that is gone is left,
    /// and no run posts anything.
    async fn settle_two(&mut self) -> Result<(), String> {
        for from in [0, 1, 0] {
            let event = Event::ReplicateAll { from };
            self.trace.push(format!("quiet {event}"));
            lock(&self.world).happen(event);
        }
        let first = usize::from(self.ran.len().is_multiple_of(2));
        let both = [first, 1 - first];
        let mode = if lock(&self.world).unseen[first] {
            Mode::Baseline
        } else {
            Mode::Delta
        };
        self.quiet(mode, Some(first)).await?;
        self.check_state(Expected::Tombstones)?;
        if self.setting.lag_is_over {
            self.end_lag();
        }
        let proving = if self.lag_is_over { 1 } else { 2 };
        for on in both.into_iter().take(proving) {
            self.quiet(Mode::Baseline, Some(on)).await?;
            // The other one may not be able to prove it.
            self.approve(Some(on)).await?;
        }
        self.check_state(Expected::All)?;
        for on in both {
            for mode in [Mode::Delta, Mode::Baseline] {
                self.quiet_again(mode, Some(on)).await?;
            }
        }
        self.check_state(Expected::All)?;
        self.count_met();
        Ok(())
    }

    /// From here on the program is set up so that REMOVAL_LAG is over at once.
    fn end_lag(&mut self) {
        self.lag_is_over = true;
        self.programs = None;
    }

    /// A run after which nothing is new.
    async fn quiet_again(&mut self, mode: Mode, on: Option<usize>) -> Result<(), String> {
        let before = self.receiver.deliveries().len();
        self.quiet(mode, on).await?;
        // A full read may be the first to miss something, and tells it.
        let deliveries = self.receiver.deliveries().split_off(before);
        let mut more = deliveries.iter().flat_map(|delivery| &delivery.assets);
        match more.find(|asset| audit::told_removed(asset).is_none()) {
            Some(asset) => Err(format!("nothing changed, but a {mode:?} posted {asset}")),
            None => Ok(()),
        }
    }

    pub(super) fn count_met(&mut self) {
        let deliveries = self.receiver.deliveries();
        let open = deliveries
            .iter()
            .filter(|one| audit::leaves_open(&one.answer))
            .count();
        let told = deliveries
            .iter()
            .flat_map(|one| &one.assets)
            .filter(|asset| audit::told_removed(asset).is_some());
        *self.met.entry("batch kept without an answer").or_default() += open;
        *self.met.entry("removal told").or_default() += told.count();
    }

    /// A run that nothing befalls, of this controller where there are two; a full read is one from
    /// its beginning.
    async fn quiet(&mut self, mode: Mode, on: Option<usize>) -> Result<(), String> {
        let run = Run {
            down: on.map(|on| 1 - on),
            ..Run::of(mode)
        };
        self.trace.push(format!("quiet {}", Step::Run(run.clone())));
        self.run(&run).await?;
        if mode == Mode::Baseline && self.resumed {
            self.trace.push("quiet Baseline from its beginning".to_owned());
            self.run(&run).await?;
        }
        Ok(())
    }

    /// Returns `true` when the present controller was read before, or none was.
    fn is_believed(&mut self) -> Result<bool, String> {
        let connector = Arc::clone(&self.program()?.connector);
        let marks = connector.store.watermarks(connector.id).map_err(text)?;
        let present = Guid::from(self.simulators[0].controller().invocation_id);
        Ok(marks.is_empty() || marks.iter().any(|mark| mark.controller == present))
    }

    /// Approves the removals that the threshold holds back (R23).
    async fn approve(&mut self, on: Option<usize>) -> Result<(), String> {
        if !self.is_anything_held()? {
            return Ok(());
        }
        self.quiet(Mode::Approve, on).await?;
        if self.is_anything_held()? {
            return Err("what was held back was approved, and is still held back".to_owned());
        }
        Ok(())
    }

    fn is_anything_held(&mut self) -> Result<bool, String> {
        let connector = Arc::clone(&self.program()?.connector);
        let held = connector.store.held_list(connector.id).map_err(text)?;
        Ok(held.is_some())
    }

    /// Both sides agree.
    fn check_state(&mut self, expected: Expected) -> Result<(), String> {
        let connector = Arc::clone(&self.program()?.connector);
        let (store, id) = (&connector.store, connector.id);
        let removed = store.removed(id, None, None, 10_000).map_err(text)?;
        let held = store.undecided(id, true, None, 10_000).map_err(text)?;
        let guids = |list: &[RemovedObject]| list.iter().map(|one| one.guid.to_string()).collect();
        let (world, assets) = (lock(&self.world), self.receiver.assets());
        world.check_held(self.replica(), &assets)?;
        world.check_listed(&guids(&removed), &guids(&held), &assets, expected)
    }
}
