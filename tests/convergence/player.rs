//! Plays one history: the real library between the simulator and the receiver.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ad_connector::identity::Guid;
use ad_connector::schedule::Scheduled;
use ad_connector::store::{Removal, RunMode};
use ad_connector::sync::{Report, RunError};
use lab::receiver::{self, Receiver};
use lab::simulator::{self, Account, Action, Controller, Simulator};
use tempfile::TempDir;

use super::audit::{self, Ran};
use super::faults;
use super::history::{GatewayFault, History, Mode, Run, Setting, Step};
use super::program::{self, Place, UUID, text};
use super::sums;
use super::world::World;

/// A history takes some tenths of a second; one that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// What was seen while the history was played, for who reads of its failure.
pub type Trace = Vec<String>;

/// How often something was met, by what it is: a machine that never meets a fault proves nothing.
pub type Met = BTreeMap<&'static str, usize>;

/// Plays `history` to its end and checks it; gives what was met on the way.
///
/// # Errors
/// What went wrong.
pub fn play(history: &History, trace: &mut Trace) -> Result<Met, String> {
    // The jitter of back-off comes from this thread's generator.
    fastrand::seed(history.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let played = runtime.block_on(async {
        let mut player = Player::start(history.setting.clone()).await;
        let played = tokio::time::timeout(LIMIT, player.play(history)).await;
        trace.append(&mut player.trace);
        played.unwrap_or_else(|_| Err(format!("it did not end within {LIMIT:?}")))?;
        Ok(player.met)
    });
    runtime.shutdown_background();
    played
}

struct Player {
    setting: Setting,
    world: Arc<Mutex<World>>,
    simulator: Simulator,
    receiver: Receiver,
    folder: TempDir,
    /// How often the program was started: each start has a state file of its own.
    starts: u32,
    program: Option<Scheduled>,
    controllers: BTreeMap<u8, Standing>,
    controller: u8,
    ran: Vec<Ran>,
    /// The last run that is known to have removed something.
    last_removing: i64,
    /// The last run went on with a full read that had broken off: of what that one read it sees what a delta sees.
    resumed: bool,
    trace: Trace,
    met: Met,
}

/// The controller with this number. Its USNs are small, so that a slice of a full read holds a few objects.
fn numbered(number: u8) -> Controller {
    Controller {
        usn_offset: -1_000 - 2 * i64::from(number),
        ..Controller::numbered(number)
    }
}

/// What is known of a controller.
struct Standing {
    controller: Controller,
    /// It was rolled back, and no full read has been completed since.
    rolled_back: bool,
    /// The watermark that the program holds of it, where that is certain.
    watermark: Option<u64>,
}

impl Player {
    async fn start(setting: Setting) -> Self {
        let world = World::new(&setting);
        let account = if setting.sees_deleted {
            Account::administrator()
        } else {
            Account::reader()
        };
        let first = Standing {
            controller: numbered(1),
            rolled_back: false,
            watermark: None,
        };
        let simulator = Simulator::start(simulator::Options {
            directory: world.directory.clone(),
            controller: first.controller.clone(),
            accounts: vec![account],
            ..simulator::Options::default()
        });
        // In memory: a history is a thousand commits.
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        };
        Self {
            setting,
            world: Arc::new(Mutex::new(world)),
            simulator,
            receiver: Receiver::start(receiver::Options::default()).await,
            folder: folder.unwrap(),
            starts: 0,
            program: None,
            controllers: BTreeMap::from([(1, first)]),
            controller: 1,
            ran: Vec::new(),
            last_removing: 0,
            resumed: false,
            trace: Vec::new(),
            met: Met::new(),
        }
    }

    async fn play(&mut self, history: &History) -> Result<(), String> {
        for (number, step) in history.steps.iter().enumerate() {
            self.trace.push(format!("{:3}. {step}", number + 1));
            match step {
                Step::Change(change) => {
                    if !lock(&self.world).apply(*change) {
                        self.trace.push("     (does not apply)".to_owned());
                    }
                }
                Step::Controller(number) => self.change_controller(*number),
                Step::RollBack(by) => self.roll_back(*by),
                Step::Mapping => {
                    lock(&self.world).change_table();
                    self.program = None;
                }
                Step::Run(run) => self.run(run).await?,
            }
        }
        self.settle().await
    }

    /// Nothing goes wrong any more: one run brings everything over, and nothing is left for the next ones.
    async fn settle(&mut self) -> Result<(), String> {
        let mode = if self.is_unseen() {
            Mode::Baseline
        } else {
            Mode::Delta
        };
        self.trace.push(format!("quiet {mode:?}"));
        // A controller that is read for the first time is not believed that an object is gone before it says so again.
        let believed = self.is_believed()?;
        self.quiet(mode).await?;
        self.check_state(mode == Mode::Baseline && believed)?;
        for mode in [Mode::Delta, Mode::Baseline] {
            let before = self.receiver.deliveries().len();
            self.trace.push(format!("quiet {mode:?} again"));
            self.quiet(mode).await?;
            // A full read may be the first to miss something, and tells it.
            let deliveries = self.receiver.deliveries().split_off(before);
            let mut more = deliveries.iter().flat_map(|delivery| &delivery.assets);
            if let Some(asset) = more.find(|asset| audit::told_removed(asset).is_none()) {
                return Err(format!("nothing changed, but a {mode:?} posted {asset}"));
            }
        }
        self.check_state(true)?;
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
        self.approve().await
    }

    /// A run that nothing befalls; a full read is one from its beginning.
    async fn quiet(&mut self, mode: Mode) -> Result<(), String> {
        self.run(&Run::of(mode)).await?;
        if mode == Mode::Baseline && self.resumed {
            self.trace.push("quiet Baseline from its beginning".to_owned());
            self.run(&Run::of(mode)).await?;
        }
        Ok(())
    }

    /// Whether the present controller was read before, or none was.
    fn is_believed(&mut self) -> Result<bool, String> {
        let connector = Arc::clone(&self.program()?.connector);
        let marks = connector.store.watermarks(connector.id).map_err(text)?;
        let present = Guid::from(self.simulator.controller().invocation_id);
        Ok(marks.is_empty() || marks.iter().any(|mark| mark.controller == present))
    }

    /// What the threshold holds back is let go, and is removed then (R23).
    async fn approve(&mut self) -> Result<(), String> {
        let connector = Arc::clone(&self.program()?.connector);
        let held = connector.store.held_list(connector.id).map_err(text)?;
        if held.is_none() {
            return Ok(());
        }
        self.trace.push("approved".to_owned());
        let run = Run::of(Mode::Approve);
        self.run(&run).await?;
        match connector.store.held_list(connector.id).map_err(text)? {
            Some(_) => Err("what was held back was approved, and is still held back".to_owned()),
            None => self.check_state(true),
        }
    }

    /// Both sides agree.
    fn check_state(&mut self, full: bool) -> Result<(), String> {
        let connector = Arc::clone(&self.program()?.connector);
        let (store, id) = (&connector.store, connector.id);
        let removed = store.removed(id, None, None, 10_000).map_err(text)?;
        let held = store.undecided(id, true, None, 10_000).map_err(text)?;
        let guids = |list: &[Removal]| list.iter().map(|one| one.guid.to_string()).collect();
        let (world, assets) = (lock(&self.world), self.receiver.assets());
        world.check_held(&assets)?;
        world.check_listed(&guids(&removed), &guids(&held), &assets, full)
    }

    fn check_deliveries(&self) -> Result<(), String> {
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
    fn check_history(&self) -> Result<(), String> {
        let Some(program) = &self.program else {
            return Ok(());
        };
        let (store, id) = (&program.connector.store, program.connector.id);
        let runs = store.runs(id, usize::MAX).map_err(text)?;
        for run in &runs {
            let objects = store.run_objects(run.id, None, usize::MAX).map_err(text)?;
            sums::check_run(run, &objects).map_err(|wrong| format!("history of run {}: {wrong}", run.id))?;
        }
        let (ledger, unread) = self.receiver.books().of(UUID);
        let in_flight = (self.setting.batch_assets * self.setting.concurrency) as u64;
        sums::check_sums(&runs, &ledger, unread, in_flight)
            .map_err(|wrong| format!("history: {wrong}, {ledger:?}"))
    }

    /// What is listed as removed since the last run; nothing of it may have been there all the time.
    fn newly_removed(&mut self) -> Result<BTreeSet<String>, String> {
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
        let removed = world.check_newly_removed(&new)?;
        *self.met.entry("object removed").or_default() += removed.len();
        world.watch();
        Ok(removed)
    }

    /// Whether only a full read can be expected to see everything.
    fn is_unseen(&self) -> bool {
        lock(&self.world).unseen || self.is_blind_after_roll_back()
    }

    /// A controller that was rolled back is found out only while its highest USN is below the watermark.
    fn is_blind_after_roll_back(&self) -> bool {
        let standing = &self.controllers[&self.controller];
        let highest = u64::try_from(self.simulator.highest_usn()).unwrap();
        standing.rolled_back && standing.watermark.is_none_or(|watermark| highest >= watermark)
    }

    fn change_controller(&mut self, number: u8) {
        let standing = self.controllers.entry(number).or_insert_with(|| Standing {
            controller: numbered(number),
            rolled_back: false,
            watermark: None,
        });
        self.simulator.swap_controller(standing.controller.clone());
        self.controller = number;
    }

    fn roll_back(&mut self, by: u8) {
        // The first object's USN stays above 0: it is the 1025th change.
        if self.simulator.controller().usn_offset - i64::from(by) < -1_024 {
            return;
        }
        self.simulator.roll_back_usn(i64::from(by));
        let standing = self.controllers.get_mut(&self.controller).unwrap();
        standing.controller = self.simulator.controller();
        standing.rolled_back = true;
    }

    async fn run(&mut self, run: &Run) -> Result<(), String> {
        let unseen_before = {
            let blind = self.is_blind_after_roll_back();
            std::mem::take(&mut lock(&self.world).unseen) || blind
        };
        self.script(run);
        let before = self.receiver.deliveries().len();
        let program = self.program()?;
        let ended = program::ended(&program, run).await;
        self.simulator.faults().clear();
        self.receiver.clear_scripts();
        let report = match ended {
            Some(Ok(report)) => Some(report),
            Some(Err(error)) => return Err(format!("the run did not begin: {error}")),
            None => {
                self.die(program).await;
                None
            }
        };
        self.look_at(run, report, unseen_before)?;
        let too_large =
            |fault: &GatewayFault| matches!(fault, GatewayFault::Status(413) | GatewayFault::Early(413));
        let removed = self.newly_removed()?;
        self.ran.push(Ran {
            first: before,
            resend: matches!(run.mode, Mode::Resend | Mode::ResendBaseline),
            stopped: run.stop.is_some(),
            split: run.gateway.iter().any(too_large),
            troubled: !run.gateway.is_empty(),
            removed,
        });
        self.check_deliveries()
    }

    fn script(&mut self, run: &Run) {
        faults::script_directory(&self.simulator, &run.directory);
        faults::script_gateway(&self.receiver, &run.gateway);
        for (on, nth, change) in run.meanwhile.iter().copied() {
            let world = Arc::clone(&self.world);
            let apply = move || {
                lock(&world).apply(change);
            };
            self.simulator.faults().at(on, nth, Action::Run(Arc::new(apply)));
        }
    }

    /// What the report says, against what the history let happen.
    fn look_at(&mut self, run: &Run, report: Option<Report>, unseen_before: bool) -> Result<(), String> {
        let resumed = report
            .as_ref()
            .is_some_and(|report| report.reason.contains("resumes"));
        self.resumed = resumed;
        let standing = self.controllers.get_mut(&self.controller).unwrap();
        let Some(report) = report else {
            self.trace.push("     -> killed".to_owned());
            *self.met.entry("killed").or_default() += 1;
            lock(&self.world).unseen |= unseen_before;
            standing.watermark = None;
            return Ok(());
        };
        let total = report.total();
        let how = match &report.failure {
            Some(RunError::Stopped) => "stopped",
            Some(RunError::Directory(_)) => "failed at the directory",
            Some(RunError::Upstream(_)) => "failed at the gateway",
            Some(_) => "failed",
            None if report.held.is_some() => "removals held back",
            None if report.refused() > 0 => "rejected some",
            None if resumed => "full read resumed",
            None if report.mode == RunMode::Baseline => "full read",
            None => "delta",
        };
        *self.met.entry(how).or_default() += 1;
        self.trace.push(format!(
            "     -> {} ({}): read {}, staged {}, accepted {}, rejected {}, watermark {:?}{}",
            report.mode.name(),
            report.reason,
            total.read,
            total.staged,
            total.accepted,
            report.refused(),
            report.watermark,
            report
                .failure
                .as_ref()
                .map(|failure| format!(", failed: {failure}"))
                .unwrap_or_default(),
        ));
        match report.watermark {
            Some(watermark) => standing.watermark = Some(watermark),
            // The read may have been complete before the rest was stopped.
            None if run.stop.is_some() => standing.watermark = None,
            None => {}
        }
        let full = report.mode == RunMode::Baseline && report.watermark.is_some() && !resumed;
        if full {
            standing.rolled_back = false;
        } else {
            lock(&self.world).unseen |= unseen_before;
        }
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

    /// The program as it is after its start.
    fn program(&mut self) -> Result<Scheduled, String> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        let (base, table) = {
            let world = lock(&self.world);
            (world.base(), world.table)
        };
        let place = Place {
            directory: self.simulator.addr(),
            gateway: self.receiver.url(),
            state: self.state(),
            base,
        };
        let program = program::started(&self.setting, &place, table)?;
        self.program = Some(program.clone());
        Ok(program)
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join(format!("state-{}.db", self.starts))
    }

    /// The process is gone: what it had committed at this moment is all that the next one finds.
    async fn die(&mut self, program: Scheduled) {
        let before = self.state();
        self.starts += 1;
        // A thread of the dead run may still commit to the old file, as no thread of a dead process can.
        let sql = rusqlite::Connection::open(&before).unwrap();
        sql.execute("VACUUM INTO ?", [self.state().to_str().unwrap()])
            .unwrap();
        drop(program);
        self.program = None;
        // What it had sent still arrives, as the bytes in a socket of a dead process do; then nothing more.
        let mut seen = None;
        loop {
            let now = (self.receiver.summary(), self.receiver.deliveries().len());
            if seen.as_ref() == Some(&now) {
                break;
            }
            seen = Some(now);
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }
}

/// A panic elsewhere is told by itself.
fn lock(world: &Mutex<World>) -> std::sync::MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}
