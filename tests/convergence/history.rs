//! A history: a small directory, and what happens to it, to the program and between them. Drawn from a seed.

mod display;
mod owners;
mod two;

use fastrand::Rng;
use lab::simulator::On;

pub use owners::{Identity, Ownership, Profiles, Refusal, Refused, Second};

/// What happened, from the first object to the last run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// What it was drawn from.
    pub seed: u64,
    pub setting: Setting,
    pub steps: Vec<Step>,
}

/// What stays the same during a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Users and groups at the start.
    pub objects: u16,
    /// The base context is `OU=Corp`, not the domain.
    pub narrow: bool,
    /// The account sees deleted objects.
    pub sees_deleted: bool,
    /// `REMOVED_OBJECTS=send`.
    pub tells_removals: bool,
    /// `REMOVAL_MAX_PERCENT`.
    pub removal_percent: u8,
    /// `AD_DELTA=dirsync`.
    pub dirsync: bool,
    /// Controllers that replicate, all named in `AD_HOST`: one or two.
    pub controllers: usize,
    /// `REMOVAL_LAG` is over at the end, where there are two controllers: a full read of one of
    /// them settles what is gone.
    pub lag_is_over: bool,
    /// `AD_PAGE_SIZE`.
    pub page_size: u32,
    /// `AD_PARALLEL_READS`.
    pub connections: usize,
    /// `QUALYS_BATCH_ASSETS`.
    pub batch_assets: usize,
    /// `QUALYS_CONCURRENCY`.
    pub concurrency: usize,
    /// Groups whose description ends with an even digit are read as roles.
    pub roles: bool,
    /// Profiles with one target, and ids that change. Only where there is one controller.
    pub ownership: Option<Ownership>,
}

/// Choices that are not left to the seed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice {
    /// So many controllers.
    pub controllers: Option<usize>,
    /// An [`Ownership`] with so many profiles.
    pub profiles: Option<usize>,
    /// An [`Ownership`] with this source of the id, which stays.
    pub identity: Option<Identity>,
    /// No [`Refusal`].
    pub refuses_nothing: bool,
    /// Roles in every history.
    pub roles: bool,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Somebody changes the directory, or it replicates.
    Event(Event),
    /// The next runs talk to the controller with this number. Only where there is one.
    Controller(u8),
    /// The controller, the only one, is brought back from a snapshot that is this many changes old.
    RollBack(u8),
    /// The other mapping table.
    Mapping,
    /// A mapping table with this source of the id.
    Identity(Identity),
    /// The gateway refuses these assets from here on; `None` ends that.
    Refusal(Option<Refusal>),
    /// The program runs.
    Run(Run),
}

/// Something that happens in the directory, between the runs or while one reads. Controllers are
/// counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Somebody changes it on this controller.
    Change(usize, Change),
    /// All changes of one object or unit, by number, are carried over to the other controller.
    ReplicateOne { from: usize, object: u16 },
    /// All changes are carried over to the other controller.
    ReplicateAll { from: usize },
}

/// A change of the directory. Objects and units go by their number, counted round; a change that does not apply (who is
/// deleted already cannot be deleted) is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    CreateUser(u8),
    CreateGroup(u8),
    /// A new displayName (user) or description (group).
    Describe(u16),
    /// Back to the displayName or description before.
    DescribeBack(u16),
    /// No displayName or description.
    Undescribe(u16),
    Mail(u16),
    Password(u16),
    Department(u16),
    /// An attribute that no table maps.
    Unmapped(u16),
    /// A new USN and nothing else.
    Touch(u16),
    Rename(u16),
    Move(u16, u8),
    RenameUnit(u8),
    MoveUnit(u8, u8),
    Delete(u16),
    Restore(u16),
    /// A new id. This one and the next three apply only where ids change.
    NewId(u16),
    /// The first one claims the id that the second one has, or had last.
    TakeId(u16, u16),
    SwapIds(u16, u16),
    /// A new user in this unit claims the id that the object has, or had last.
    Succeed(u16, u8),
    Hide(u16),
    Show(u16),
    HideUnit(u8),
    ShowUnit(u8),
}

/// One run, and what befalls it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    pub mode: Mode,
    /// The connections that run.
    pub profiles: Profiles,
    /// The controller that is down all the time.
    pub down: Option<usize>,
    /// Events while it reads.
    pub meanwhile: Vec<Meanwhile>,
    pub directory: Vec<DirectoryFault>,
    pub gateway: Vec<GatewayFault>,
    pub stop: Option<Stop>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    Delta,
    Baseline,
    /// `--resend`.
    Resend,
    /// `--baseline --resend`.
    ResendBaseline,
    /// `approve-removals`, of what is held back then.
    Approve,
}

/// Event before a controller answers the nth request of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meanwhile {
    pub controller: usize,
    pub on: On,
    pub nth: usize,
    pub event: Event,
}

/// Fault of a controller at the nth request of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryFault {
    pub controller: usize,
    pub on: On,
    pub nth: usize,
    pub trouble: Trouble,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Cut,
    CutAfterEntries(usize),
    CutAfterBytes(usize),
    Code(i64),
    CodeAfterEntries(usize, i64),
    Truncated,
    Notice,
    RepeatCookie,
    EndlessPages,
}

/// How the gateway answers one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayFault {
    Accept,
    Slow,
    /// Nothing is kept.
    Status(u16),
    Early(u16),
    CutBefore,
    ErrorBody,
    Html,
    RevokeToken,
    /// All but some are kept, and it says which.
    RejectSome,
    /// Everything is kept, but the client cannot know.
    CutAfter,
    KeptButNotAnswered(u16),
    RejectUnknown,
    /// The token endpoint gives this status instead.
    Token(u16),
    /// From here on nothing but this status, until the run gives up.
    Down(u16),
}

/// How the program is stopped: at the nth time that the run goes on after a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// By a signal.
    Cancel(u32),
    /// It dies there.
    Kill(u32),
}

impl Run {
    /// A run that nothing befalls.
    pub fn of(mode: Mode) -> Self {
        Self {
            mode,
            ..Self::default()
        }
    }
}

impl History {
    /// The history of this seed; what `choice` says is not left to it.
    pub fn draw(seed: u64, choice: &Choice) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0xC0FF_EE00_D15E_A5E5);
        let objects = 5 + rng.u16(0..=35) * rng.u16(0..=1);
        let is_owned = choice.profiles.is_some() || choice.identity.is_some();
        let controllers = choice.controllers.or(is_owned.then_some(1));
        let mut setting = Setting {
            objects,
            narrow: rng.bool(),
            sees_deleted: rng.bool(),
            // By itself, so that the other draws do not depend on it.
            tells_removals: Rng::with_seed(seed).u8(0..3) == 0,
            dirsync: Rng::with_seed(seed ^ 0xD125).u8(0..3) == 0,
            controllers: controllers
                .unwrap_or_else(|| 1 + usize::from(Rng::with_seed(seed ^ 0x2DC5).u8(0..3) == 0)),
            lag_is_over: Rng::with_seed(seed ^ 0x1A6).bool(),
            removal_percent: pick(&mut rng, &[100, 100, 30]),
            page_size: pick(&mut rng, &[2, 3, 7, 1000]),
            connections: rng.usize(1..=2),
            batch_assets: pick(&mut rng, &[1, 2, 5, 50]),
            concurrency: pick(&mut rng, &[1, 1, 2, 3]),
            // As above.
            roles: choice.roles || Rng::with_seed(seed ^ 0x401E).u8(0..3) == 0,
            ownership: None,
        };
        if setting.controllers == 1 {
            setting.ownership = Ownership::draw(seed, choice);
        }
        // A third of the histories begins with a directory that is known already.
        let mut steps = Vec::new();
        if rng.u8(0..3) == 0 {
            steps.push(Step::Run(Run::default()));
        }
        for _ in 0..rng.usize(3..=15) {
            match rng.u8(0..10) {
                0 => steps.extend(there_and_back(&mut rng)),
                _ => steps.push(step(&mut rng)),
            }
        }
        // By themselves, so that the other draws do not depend on them.
        let mut rng = Rng::with_seed(seed ^ 0x00C0_0FFE_EBEE_F5ED);
        for step in &mut steps {
            if let Step::Run(run) = step
                && rng.u8(0..4) == 0
            {
                run.meanwhile.extend(burst(&mut rng));
            }
        }
        if setting.controllers == 2 {
            steps = two::spread(steps, seed);
        }
        if let Some(ownership) = setting.ownership {
            steps = owners::spread(steps, seed, ownership, choice);
        }
        Self { seed, setting, steps }
    }

    /// How many things stand in it: what shrinking makes less.
    pub fn size(&self) -> usize {
        let parts = |step: &Step| match step {
            Step::Run(run) => {
                1 + run.meanwhile.len()
                    + run.directory.len()
                    + run.gateway.len()
                    + usize::from(run.stop.is_some())
                    + usize::from(run.down.is_some())
                    + usize::from(run.profiles != Profiles::First)
            }
            Step::Refusal(Some(refusal)) => 1 + refusal.who.len(),
            _ => 1,
        };
        self.steps.iter().map(parts).sum()
    }
}

fn pick<T: Copy>(rng: &mut Rng, of: &[T]) -> T {
    of[rng.usize(0..of.len())]
}

/// A version that fares badly on its way, and then the object is what it was before: what is upstream?
fn there_and_back(rng: &mut Rng) -> Vec<Step> {
    let who = rng.u16(0..4);
    let first = if rng.bool() {
        changed(Change::Describe(who))
    } else {
        Step::Run(Run::default())
    };
    let mut badly = run(rng);
    badly.gateway.push(gateway(rng));
    vec![
        first,
        Step::Run(Run::default()),
        changed(Change::Describe(who)),
        Step::Run(badly),
        changed(Change::DescribeBack(who)),
    ]
}

fn step(rng: &mut Rng) -> Step {
    match rng.u8(0..100) {
        0..55 => changed(change(rng)),
        55..58 => Step::Controller(rng.u8(1..=3)),
        58..60 => Step::RollBack(rng.u8(1..=10)),
        60..63 => Step::Mapping,
        _ => Step::Run(run(rng)),
    }
}

/// A change on the first controller.
const fn changed(change: Change) -> Step {
    Step::Event(Event::Change(0, change))
}

fn meanwhile(on: On, nth: usize, change: Change) -> Meanwhile {
    Meanwhile {
        controller: 0,
        on,
        nth,
        event: Event::Change(0, change),
    }
}

fn change(rng: &mut Rng) -> Change {
    // Few objects are changed often: their versions meet.
    let who = if rng.bool() { rng.u16(0..4) } else { rng.u16(0..64) };
    let unit = rng.u8(0..5);
    match rng.u8(0..100) {
        0..8 => Change::CreateUser(unit),
        8..11 => Change::CreateGroup(unit),
        11..31 => Change::Describe(who),
        31..41 => Change::DescribeBack(who),
        41..43 => Change::Undescribe(who),
        43..47 => Change::Mail(who),
        47..51 => Change::Password(who),
        51..54 => Change::Department(who),
        54..58 => Change::Unmapped(who),
        58..61 => Change::Touch(who),
        61..66 => Change::Rename(who),
        66..74 => Change::Move(who, unit),
        74..77 => Change::RenameUnit(unit),
        77..81 => Change::MoveUnit(unit, rng.u8(0..5)),
        81..87 => Change::Delete(who),
        87..92 => Change::Restore(who),
        92..95 => Change::Hide(who),
        95..97 => Change::Show(who),
        97 => Change::HideUnit(unit),
        _ => Change::ShowUnit(unit),
    }
}

/// Several changes between two requests of a run. What the run has read already and what it has yet to read change side by
/// side: the largest uSNChanged that it sees is above a change that it does not see (R1).
fn burst(rng: &mut Rng) -> Vec<Meanwhile> {
    let nth = rng.usize(1..=6);
    (0..rng.usize(2..=8))
        .map(|_| meanwhile(On::Search, nth, Change::Describe(rng.u16(0..64))))
        .collect()
}

fn run(rng: &mut Rng) -> Run {
    let mode = match rng.u8(0..20) {
        0..12 => Mode::Delta,
        12 => Mode::Approve,
        13..18 => Mode::Baseline,
        18 => Mode::Resend,
        _ => Mode::ResendBaseline,
    };
    let mut run = Run {
        mode,
        ..Run::default()
    };
    if rng.u8(0..3) == 0 {
        for _ in 0..rng.usize(1..=3) {
            let (on, nth) = moment(rng);
            run.meanwhile.push(meanwhile(on, nth, change(rng)));
        }
    }
    if rng.u8(0..4) == 0 {
        for _ in 0..rng.usize(1..=2) {
            let (on, nth) = moment(rng);
            let trouble = trouble(rng);
            run.directory.push(DirectoryFault {
                controller: 0,
                on,
                nth,
                trouble,
            });
        }
    }
    if rng.u8(0..2) == 0 {
        for _ in 0..rng.usize(1..=5) {
            run.gateway.push(gateway(rng));
        }
    }
    if rng.u8(0..4) == 0 {
        // Most runs are polled 20 to 100 times.
        let polls = if rng.bool() {
            rng.u32(1..20)
        } else {
            rng.u32(1..100)
        };
        run.stop = Some(if rng.bool() {
            Stop::Cancel(polls)
        } else {
            Stop::Kill(polls)
        });
    }
    run
}

fn moment(rng: &mut Rng) -> (On, usize) {
    match rng.u8(0..12) {
        0 => (On::Bind, 1),
        1..4 => (On::RootDse, rng.usize(1..=2)),
        _ => (On::Search, rng.usize(1..=12)),
    }
}

fn trouble(rng: &mut Rng) -> Trouble {
    // timeLimitExceeded, sizeLimitExceeded, adminLimitExceeded, busy, unavailable (RFC 4511 appendix A).
    let code = pick(rng, &[3, 4, 11, 51, 52]);
    match rng.u8(0..12) {
        0..2 => Trouble::Cut,
        2..4 => Trouble::CutAfterEntries(rng.usize(0..4)),
        4 => Trouble::CutAfterBytes(rng.usize(1..2000)),
        5..7 => Trouble::Code(code),
        7..9 => Trouble::CodeAfterEntries(rng.usize(0..4), code),
        9 => Trouble::Truncated,
        10 => Trouble::Notice,
        _ => pick(rng, &[Trouble::RepeatCookie, Trouble::EndlessPages]),
    }
}

fn gateway(rng: &mut Rng) -> GatewayFault {
    match rng.u8(0..20) {
        0..4 => GatewayFault::Accept,
        4 => GatewayFault::Slow,
        5..8 => GatewayFault::Status(pick(
            rng,
            &[400, 401, 403, 408, 409, 413, 422, 429, 500, 502, 503],
        )),
        8 => GatewayFault::Early(pick(rng, &[413, 503])),
        9 => GatewayFault::CutBefore,
        10 => pick(rng, &[GatewayFault::ErrorBody, GatewayFault::Html]),
        11 => GatewayFault::RevokeToken,
        12..14 => GatewayFault::RejectSome,
        14..16 => GatewayFault::CutAfter,
        16 => GatewayFault::KeptButNotAnswered(pick(rng, &[500, 503, 504])),
        17 => GatewayFault::RejectUnknown,
        18 => GatewayFault::Token(pick(rng, &[401, 429, 500, 503])),
        _ => GatewayFault::Down(pick(rng, &[409, 429, 500, 503])),
    }
}
