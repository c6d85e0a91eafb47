//! Plays one history: the real library between the simulators and the receiver.

mod checks;
mod owners;
mod refusal;
mod settle;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ad_connector::identity::Guid;
use ad_connector::schedule::ScheduledConnection;
use ad_connector::store::Watermark;
use ad_connector::sync::RunReport;
use lab::receiver::{self, Receiver};
use lab::simulator::{self, Account, Action, Controller, On, Simulator};
use tempfile::TempDir;

use super::audit::Ran;
use super::faults;
use super::history::{History, Mode, Run, Setting, Step};
use super::program::{self, Place, text};
use super::world::World;
use refusal::Refused;

/// A history takes some tenths of a second, and a hundred times as long at low priority on a busy
/// machine; one that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(300);

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
    /// One for each controller.
    simulators: Vec<Simulator>,
    receiver: Receiver,
    folder: TempDir,
    /// How often the program was started: each start has a state file of its own.
    starts: u32,
    /// Its connections, while it runs.
    programs: Option<Vec<ScheduledConnection>>,
    /// `REMOVAL_LAG` is over.
    lag_is_over: bool,
    /// Refusals of the gateway until further notice.
    refused: Option<Refused>,
    /// By number: those that the only simulator played, or one for each simulator.
    controllers: BTreeMap<u8, Standing>,
    /// The one that the last run read.
    controller: u8,
    ran: Vec<Ran>,
    /// The last run that is known to have removed something.
    last_removing: i64,
    /// By profile: the run that the lists were looked at after, where ids have owners.
    looked_at: Vec<i64>,
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

impl Standing {
    const fn new(controller: Controller) -> Self {
        Self {
            controller,
            rolled_back: false,
            watermark: None,
        }
    }
}

impl Player {
    async fn start(setting: Setting) -> Self {
        let world = World::new(&setting);
        let account = if setting.sees_deleted {
            Account::administrator()
        } else {
            Account::reader()
        };
        let mut simulators: Vec<Simulator> = Vec::new();
        let mut controllers = BTreeMap::new();
        for (number, directory) in (1_u8..).zip(&world.replicas) {
            let controller = numbered(number);
            let port = simulators.first().map_or(0, |first| first.addr().port());
            simulators.push(Simulator::start(simulator::Options {
                listen: SocketAddr::from((Ipv4Addr::new(127, 0, 0, number), port)),
                directory: directory.clone(),
                controller: controller.clone(),
                accounts: vec![account.clone()],
                ..simulator::Options::default()
            }));
            controllers.insert(number, Standing::new(controller));
        }
        // In memory: a history is a thousand commits.
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() {
            TempDir::new_in(memory)
        } else {
            TempDir::new()
        };
        let looked_at = vec![0; setting.profiles()];
        Self {
            setting,
            world: Arc::new(Mutex::new(world)),
            simulators,
            receiver: Receiver::start(receiver::Options::default()).await,
            folder: folder.unwrap(),
            starts: 0,
            programs: None,
            lag_is_over: false,
            refused: None,
            controllers,
            controller: 1,
            ran: Vec::new(),
            last_removing: 0,
            looked_at,
            resumed: false,
            trace: Vec::new(),
            met: Met::new(),
        }
    }

    async fn play(&mut self, history: &History) -> Result<(), String> {
        for (number, step) in history.steps.iter().enumerate() {
            self.trace.push(format!("{:3}. {step}", number + 1));
            match step {
                Step::Event(event) => {
                    if !lock(&self.world).happen(*event) {
                        self.trace.push("     (does not apply)".to_owned());
                    }
                }
                Step::Controller(number) if self.simulators.len() == 1 => self.change_controller(*number),
                Step::RollBack(by) if self.simulators.len() == 1 => self.roll_back(*by),
                Step::Controller(_) | Step::RollBack(_) => {}
                Step::Mapping => {
                    lock(&self.world).change_table();
                    self.programs = None;
                }
                Step::Identity(identity) => {
                    lock(&self.world).change_identity(*identity);
                    self.programs = None;
                }
                Step::Refusal(refusal) => self.refuse(refusal.as_ref()),
                Step::Run(run) if self.setting.ownership.is_some() => self.run_profiles(run).await?,
                Step::Run(run) => self.run(run).await?,
            }
        }
        if self.setting.ownership.is_some() {
            return self.settle_owners().await;
        }
        self.settle().await
    }

    /// Whether only a full read can be expected to see everything.
    fn is_unseen(&self) -> bool {
        lock(&self.world).unseen[self.replica()] || self.is_blind_after_roll_back()
    }

    /// A controller that was rolled back is found out only while its highest USN is below the watermark.
    fn is_blind_after_roll_back(&self) -> bool {
        let standing = &self.controllers[&self.controller];
        let highest = u64::try_from(self.simulators[self.replica()].highest_usn()).unwrap();
        standing.rolled_back && standing.watermark.is_none_or(|watermark| highest >= watermark)
    }

    /// Which copy of the directory the last run read.
    fn replica(&self) -> usize {
        if self.simulators.len() == 1 {
            0
        } else {
            usize::from(self.controller) - 1
        }
    }

    fn change_controller(&mut self, number: u8) {
        let standing = self
            .controllers
            .entry(number)
            .or_insert_with(|| Standing::new(numbered(number)));
        self.simulators[0].swap_controller(standing.controller.clone());
        self.controller = number;
    }

    fn roll_back(&mut self, by: u8) {
        // The first object's USN stays above 0: it is the 1025th change.
        if self.simulators[0].controller().usn_offset - i64::from(by) < -1_024 {
            return;
        }
        self.simulators[0].roll_back_usn(i64::from(by));
        let standing = self.controllers.get_mut(&self.controller).unwrap();
        standing.controller = self.simulators[0].controller();
        standing.rolled_back = true;
    }

    async fn run(&mut self, run: &Run) -> Result<(), String> {
        self.script(run);
        let before = self.receiver.deliveries().len();
        let program = self.program()?;
        let marks = watermarks(&program)?;
        let searches = self.searches();
        // What happens in the run is noted by itself.
        let unseen_before = self.take_unseen();
        drop(program);
        let report = self.ended(&[0], run).await?.map(|mut reports| reports.remove(0));
        let read_on = self.read_since(&searches);
        let committed = self.committed_on(&marks, &read_on)?;
        if let Some(on) = committed
            && self.simulators.len() > 1
        {
            self.controller = numbers(on);
        }
        self.look_at(run, report.as_ref(), &unseen_before)?;
        if let Some(report) = &report {
            self.check_reclassified(report.run)?;
        }
        let removed = self.newly_removed(&read_on)?;
        self.ran.push(Ran {
            first: before,
            resend: matches!(run.mode, Mode::Resend | Mode::ResendBaseline),
            stopped: run.stop.is_some(),
            split: !run.gateway.is_empty(),
            troubled: !run.gateway.is_empty(),
            removed,
            any_order: self.simulators.len() > 1,
        });
        self.check_deliveries()?;
        match (report, committed) {
            (Some(report), Some(on)) => self.check_promise(run, &report, on),
            _ => Ok(()),
        }
    }

    /// Runs these connections side by side, to their ends; `None` when the process died.
    async fn ended(&mut self, profiles: &[usize], run: &Run) -> Result<Option<Vec<RunReport>>, String> {
        let programs = self.programs()?;
        let running: Vec<ScheduledConnection> = profiles.iter().map(|at| programs[*at].clone()).collect();
        drop(programs);
        let ended = program::ended(&running, run).await;
        self.simulators
            .iter()
            .for_each(|simulator| simulator.faults().clear());
        self.receiver.clear_scripts();
        match ended {
            Some(ended) => {
                let reports: Result<Vec<RunReport>, _> = ended.into_iter().collect();
                let reports = reports.map_err(|error| format!("the run did not begin: {error}"))?;
                Ok(Some(reports))
            }
            None => {
                self.die(running).await;
                Ok(None)
            }
        }
    }

    /// Changes that only a full read could see are expected of the run from here on, and of no
    /// other.
    fn take_unseen(&self) -> Vec<bool> {
        let blind = self.is_blind_after_roll_back();
        let mut world = lock(&self.world);
        let mut unseen: Vec<bool> = world.unseen.iter_mut().map(std::mem::take).collect();
        unseen[self.replica()] |= blind;
        unseen
    }

    fn searches(&self) -> Vec<u64> {
        let searches = |simulator: &Simulator| simulator.statistics().counts().searches;
        self.simulators.iter().map(searches).collect()
    }

    /// The controllers that were searched since.
    fn read_since(&self, before: &[u64]) -> Vec<usize> {
        let now = self.searches();
        (0..now.len()).filter(|on| now[*on] > before[*on]).collect()
    }

    /// The controller that a run read to its end, where that is certain.
    fn committed_on(&mut self, before: &[Watermark], read_on: &[usize]) -> Result<Option<usize>, String> {
        let now = watermarks(&self.program()?)?;
        let moved = |on: &usize| {
            let id = Guid::from(self.simulators[*on].controller().invocation_id);
            let of = |marks: &[Watermark]| marks.iter().find(|mark| mark.controller == id).copied();
            of(&now).is_some() && of(&now) != of(before)
        };
        let moved: Vec<usize> = read_on.iter().copied().filter(moved).collect();
        if let [on] = read_on {
            return Ok(Some(*on));
        }
        // One that committed and broke off in the look-ups is followed by the one that the run
        // names, whose watermark may be the same as before.
        let connector = Arc::clone(&self.program()?.connector);
        let runs = connector.store.runs(connector.id, 1).map_err(text)?;
        let named = runs.first().and_then(|run| run.controller);
        let is_named = |on: &usize| {
            let id = Guid::from(self.simulators[*on].controller().invocation_id);
            named == Some(id)
        };
        Ok(moved.into_iter().find(is_named))
    }

    fn script(&mut self, run: &Run) {
        if let Some(down) = run.down
            && let Some(controller) = self.simulators.get(down).filter(|_| self.simulators.len() > 1)
        {
            controller.faults().always(On::Connect, Action::Cut);
            controller.cut_connections();
        }
        faults::script_directory(&self.simulators, self.setting.dirsync, &run.directory);
        faults::script_gateway(&self.receiver, &run.gateway);
        for one in run.meanwhile.iter().copied() {
            let world = Arc::clone(&self.world);
            let happen = move || {
                lock(&world).happen(one.event);
            };
            let simulator = &self.simulators[one.controller % self.simulators.len()];
            simulator
                .faults()
                .at(one.on, one.nth, Action::Run(Arc::new(happen)));
        }
    }

    fn put_unseen(&self, unseen: &[bool]) {
        let mut world = lock(&self.world);
        for (all, unseen) in world.unseen.iter_mut().zip(unseen) {
            *all |= unseen;
        }
    }

    /// The first connection, or only one, of the program.
    fn program(&mut self) -> Result<ScheduledConnection, String> {
        Ok(self.programs()?.remove(0))
    }

    /// The connections of the program as it is after its start.
    fn programs(&mut self) -> Result<Vec<ScheduledConnection>, String> {
        if let Some(programs) = &self.programs {
            return Ok(programs.clone());
        }
        let (scopes, table, identity) = {
            let world = lock(&self.world);
            (world.scopes(), world.table, world.identity)
        };
        let place = Place {
            directory: self.simulators.iter().map(Simulator::addr).collect(),
            gateway: self.receiver.url(),
            state: self.state(),
            scopes,
            identity,
            give_up_after: self.give_up_after(),
            removal_lag: self.lag_is_over.then_some("0s"),
        };
        let programs = program::started(&self.setting, &place, table)?;
        self.programs = Some(programs.clone());
        Ok(programs)
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join(format!("state-{}.db", self.starts))
    }

    /// The process is gone: what it had committed at this moment is all that the next one finds.
    async fn die(&mut self, programs: Vec<ScheduledConnection>) {
        let before = self.state();
        self.starts += 1;
        // A thread of the dead run may still commit to the old file, as no thread of a dead process can.
        let sql = rusqlite::Connection::open(&before).unwrap();
        sql.execute("VACUUM INTO ?", [self.state().to_str().unwrap()])
            .unwrap();
        drop(programs);
        self.programs = None;
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

/// The number of the controller with this place among the simulators.
fn numbers(replica: usize) -> u8 {
    u8::try_from(replica + 1).unwrap()
}

fn watermarks(program: &ScheduledConnection) -> Result<Vec<Watermark>, String> {
    let connector = &program.connector;
    connector.store.watermarks(connector.id).map_err(text)
}

/// A panic elsewhere is told by itself.
fn lock(world: &Mutex<World>) -> std::sync::MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}
