//! A history in which ids have owners (R37): two profiles send to one target, ids change and
//! collide, and the gateway refuses some assets for a while (R32).

use fastrand::Rng;

use super::{Change, Choice, Event, Run, Setting, Step, change, changed, pick, run};

/// Setting of such a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    /// Connections with one gateway, one connector UUID and one state file: one or two. Of two, the
    /// base context of the first one is `OU=Corp`.
    pub profiles: usize,
    /// Scope of the second one.
    pub second: Second,
    /// Source of `externalAssetId`.
    pub identity: Identity,
}

/// Scope of the second profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// `OU=Outside`: no object is in both.
    Outside,
    /// The domain: every object of the first profile is in it.
    Domain,
    /// The domain, objects with a displayName (user) or description (group) only.
    Described,
}

/// Source of `externalAssetId`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// objectSid, as in the default table: nobody changes it.
    Sid,
    Mail,
    Account,
}

/// Profiles that run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profiles {
    #[default]
    First,
    Second,
    /// Side by side, in one process.
    Both,
}

/// Refusal by the gateway of every request that holds one of these assets, until it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Objects, by their number; none stands for every asset.
    pub who: Vec<u16>,
    pub how: Refused,
}

/// Way in which the gateway refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The asset alone, by `assetsError` in a 200.
    Listed200,
    /// The same in a 207.
    Listed207,
    /// The whole request, by this status.
    Status(u16),
    /// The whole request, by a cut connection.
    Cut,
}

impl Identity {
    /// The attribute.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Sid => "objectSid",
            Self::Mail => "mail",
            Self::Account => "sAMAccountName",
        }
    }

    /// The word for it in `CONVERGENCE_IDENTITY`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sid => "sid",
            Self::Mail => "mail",
            Self::Account => "account",
        }
    }

    /// The identity of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Sid, Self::Mail, Self::Account]
            .into_iter()
            .find(|identity| identity.name() == name)
    }
}

impl Ownership {
    /// The setting of this seed, where the history is one of these.
    pub(super) fn draw(seed: u64, choice: &Choice) -> Option<Self> {
        let mut rng = Rng::with_seed(seed ^ 0x000A_55E7);
        let chosen = choice.profiles.is_some() || choice.identity.is_some();
        let is_drawn = rng.u8(0..3) == 0;
        (chosen || is_drawn).then(|| Self {
            profiles: choice.profiles.unwrap_or(pick(&mut rng, &[1, 2, 2])),
            second: pick(&mut rng, &[Second::Outside, Second::Domain, Second::Described]),
            identity: choice.identity.unwrap_or(pick(
                &mut rng,
                &[Identity::Sid, Identity::Mail, Identity::Mail, Identity::Account],
            )),
        })
    }
}

impl Setting {
    /// Source of `externalAssetId`.
    pub fn identity(&self) -> Identity {
        self.ownership
            .map_or(Identity::Sid, |ownership| ownership.identity)
    }

    /// Number of connections.
    pub fn profiles(&self) -> usize {
        self.ownership.map_or(1, |ownership| ownership.profiles)
    }
}

impl Profiles {
    /// Their numbers, of so many.
    pub fn of(self, count: usize) -> Vec<usize> {
        match self {
            Self::Both if count > 1 => vec![0, 1],
            Self::Second if count > 1 => vec![1],
            _ => vec![0],
        }
    }
}

/// Adds what concerns owners to the steps, from draws of its own.
pub(super) fn spread(steps: Vec<Step>, seed: u64, ownership: Ownership, choice: &Choice) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed ^ 0x5EED_0F0A_11E5_7A7E);
    let mut spread = Vec::new();
    for step in steps {
        match step {
            // What is known of another controller is not the matter here.
            Step::Controller(_) | Step::RollBack(_) => spread.push(changed(claim(&mut rng))),
            Step::Run(mut run) => {
                share(&mut rng, &mut run);
                spread.push(Step::Run(run));
            }
            step => spread.push(step),
        }
        while rng.u8(0..5) < 3 {
            spread.push(match rng.u8(0..20) {
                0..10 => changed(claim(&mut rng)),
                10..12 => changed(change(&mut rng)),
                12..14 if !choice.refuses_nothing => Step::Refusal(Some(refusal(&mut rng))),
                14 if !choice.refuses_nothing => Step::Refusal(None),
                15 if choice.identity.is_none() && rng.u8(0..3) == 0 => Step::Identity(pick(
                    &mut rng,
                    &[Identity::Sid, Identity::Mail, Identity::Account],
                )),
                _ => {
                    let mut run = if rng.bool() { Run::default() } else { run(&mut rng) };
                    share(&mut rng, &mut run);
                    Step::Run(run)
                }
            });
        }
    }
    if ownership.profiles == 1 {
        for step in &mut spread {
            if let Step::Run(run) = step {
                run.profiles = Profiles::First;
            }
        }
    }
    spread
}

/// A change of an id, or a move.
fn claim(rng: &mut Rng) -> Change {
    let mut who = || {
        if rng.u8(0..4) > 0 {
            rng.u16(0..5)
        } else {
            rng.u16(0..64)
        }
    };
    let (who, other) = (who(), who());
    match rng.u8(0..16) {
        0..4 => Change::TakeId(who, other),
        4..6 => Change::NewId(who),
        6..8 => Change::SwapIds(who, other),
        8..10 => Change::Succeed(who, rng.u8(0..5)),
        10..12 => Change::Delete(who),
        12 => Change::Restore(who),
        _ => Change::Move(who, rng.u8(0..5)),
    }
}

fn share(rng: &mut Rng, run: &mut Run) {
    run.profiles = pick(
        rng,
        &[
            Profiles::First,
            Profiles::First,
            Profiles::Second,
            Profiles::Second,
            Profiles::Both,
        ],
    );
    for one in &mut run.meanwhile {
        if rng.bool() {
            one.event = Event::Change(0, claim(rng));
        }
    }
}

fn refusal(rng: &mut Rng) -> Refusal {
    let who = match rng.u8(0..6) {
        0 => 0,
        1..4 => 1,
        _ => rng.usize(2..=4),
    };
    Refusal {
        who: (0..who).map(|_| rng.u16(0..8)).collect(),
        how: pick(
            rng,
            &[
                Refused::Listed200,
                Refused::Listed207,
                Refused::Status(400),
                Refused::Status(422),
                Refused::Status(500),
                Refused::Cut,
            ],
        ),
    }
}
