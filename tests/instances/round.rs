//! Rounds of a campaign: something is under way, a fault meets it, and what must be true is checked
//! when everything has arrived.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fastrand::Rng;
use lab::receiver::{Answer, Rule};
use lab::simulator::{Action, On};

use crate::fault::{Fault, FaultKind};
use crate::pair::{ARRIVES_WITHIN, NAMES, Pair, REMOVED_AT_ONCE};
use crate::score::Score;
use crate::world::{Since, World};

/// Time that a round waits for a request that may not come.
const PATIENCE: Duration = Duration::from_secs(6);

/// Work that is under way when a fault comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Both start with an empty database and an empty gateway.
    FirstSync,
    /// A full read that was asked for.
    Baseline,
    /// Changes that a scheduled run finds.
    Delta,
    /// Requests with what was changed.
    Delivery,
    /// Objects that were deleted, few enough to be sent.
    Removal,
    /// Objects that were deleted, too many; the list is approved before the fault or after it.
    Held { is_approved: bool },
}

/// Moment of a fault.
#[derive(Debug, Clone, Copy)]
enum Moment {
    After(Duration),
    Arrivals(u64),
}

/// One pair and its faults, all drawn from one seed.
pub struct Campaign {
    pub pair: Pair,
    rng: Rng,
    pub world: World,
    /// Kinds that were not drawn yet: each comes once before any comes again.
    deck: Vec<FaultKind>,
    has_synced: bool,
    score: Score,
    pub diary: Vec<String>,
}

impl Campaign {
    pub async fn new(seed: u64) -> Self {
        Self {
            pair: Pair::new().await,
            rng: Rng::with_seed(seed),
            world: World::default(),
            deck: Vec::new(),
            has_synced: false,
            score: Score::default(),
            diary: Vec::new(),
        }
    }

    fn draw_fault(&mut self) -> Fault {
        if self.deck.is_empty() {
            self.deck = FaultKind::ALL.to_vec();
            self.rng.shuffle(&mut self.deck);
        }
        let kind = self.deck.pop().unwrap();
        Fault::draw(kind, &mut self.rng)
    }

    fn draw_phase(&mut self) -> Phase {
        let drawn = self.rng.u8(0..12);
        match drawn {
            _ if !self.has_synced => Phase::FirstSync,
            0 => Phase::FirstSync,
            1..3 => Phase::Baseline,
            3..5 => Phase::Delta,
            5..8 => Phase::Delivery,
            8..10 => Phase::Removal,
            _ => Phase::Held {
                is_approved: self.rng.bool(),
            },
        }
    }

    fn draw_moment(&mut self, phase: Phase) -> Moment {
        let rng = &mut self.rng;
        let (longest, requests) = match phase {
            Phase::FirstSync => (6_000, 8),
            Phase::Baseline => (2_500, 2),
            Phase::Delta => (2_000, 0),
            Phase::Delivery => (0, 4),
            Phase::Removal => (2_500, 2),
            Phase::Held { .. } => (2_000, 2),
        };
        if longest == 0 || (requests > 0 && rng.bool()) {
            Moment::Arrivals(rng.u64(1..=requests))
        } else {
            Moment::After(Duration::from_millis(rng.u64(0..longest)))
        }
    }

    /// Plays one round. Everything is drawn at its beginning, in the same order whatever happens.
    pub async fn round(&mut self, number: u64) {
        let phase = self.draw_phase();
        let fault = self.draw_fault();
        let moment = self.draw_moment(phase);
        let aims_at_holder = self.rng.u8(0..4) > 0;
        let slow = self.rng.u64(50..800);
        let mut own = Rng::with_seed(self.rng.u64(..));
        let what = format!("round {number}: {phase:?}, {moment:?}, {fault:?}");
        self.diary.push(what.clone());
        self.world.touched.clear();
        // Requests take a while, so that faults meet them and two of them could overlap.
        let answer = Answer::Slow(Duration::from_millis(slow));
        let rule = Rule::new(move |_| Some(answer.clone()));
        self.pair.lab.receiver.set_rule(Some(rule));
        for _ in 0..3 {
            let delay = Action::Delay(Duration::from_millis(own.u64(0..1_500)));
            self.pair
                .lab
                .simulator
                .faults()
                .at(On::Search, own.usize(1..12), delay);
        }
        if phase == Phase::FirstSync {
            self.begin_anew().await;
        }
        let since = Since::now(&self.pair);
        let arrivals = self.pair.lab.receiver.spans().len();
        let held = self.begin(phase, number, &mut own).await;
        self.meet(moment, arrivals).await;
        let holder = self.pair.holder();
        let which = fault.aims_at().unwrap_or_else(|| match holder {
            Some(holder) if aims_at_holder => holder,
            Some(holder) => 1 - holder,
            None => own.usize(0..2),
        });
        self.diary
            .push(format!("held by {holder:?}, befalls {}", NAMES[which]));
        let users = self.pair.lab.users();
        let marker = self
            .world
            .rename(&self.pair, users[0], &format!("during {number}"));
        let expected = self.pair.lab.expected()[&marker].clone();
        let begun = Instant::now();
        self.pair.suffer(fault, which).await;
        let over = Instant::now();
        self.world
            .rename(&self.pair, users[1], &format!("after {number}"));
        self.arrives(&what, &held).await;
        self.settles(&what, fault, over).await;
        let took = self.arrival(since, &marker, &expected) - begun;
        self.diary.push(format!("arrived after {took:.1?}"));
        self.score.times.entry(fault.kind).or_default().push(took);
        *self.score.met.entry(phase).or_default() += 1;
        self.check(&what, fault, since);
        for which in 0..2 {
            self.pair.start(which);
        }
    }

    /// Lets both instances begin with an empty database, and the gateway with nothing.
    async fn begin_anew(&mut self) {
        self.pair.end_both().await;
        self.pair.lab.receiver.idle().await;
        self.pair.lab.receiver.reset();
        self.world.forget();
        if self.has_synced {
            self.pair.database = crate::pair::blocking(|| self.pair.server.create_database());
        }
        self.has_synced = true;
    }

    /// Begins what the fault is to meet; returns the ids of a list that waits for approval.
    async fn begin(&mut self, phase: Phase, number: u64, rng: &mut Rng) -> BTreeSet<String> {
        let label = format!("round {number}");
        let spared: Vec<_> = self.pair.lab.users()[..2].to_vec();
        if phase != Phase::FirstSync && rng.u8(0..3) == 0 {
            self.world.restore(&self.pair, rng);
        }
        match phase {
            Phase::FirstSync => {
                self.world.touch_all(&self.pair);
                let first = rng.usize(0..2);
                self.pair.start(first);
                tokio::time::sleep(Duration::from_millis(rng.u64(0..1_000))).await;
                self.pair.start(1 - first);
            }
            Phase::Baseline => {
                self.world.change(&self.pair, rng, 15, &label);
                let which = rng.usize(0..2);
                let begun = Instant::now();
                // One that was started a moment ago takes nothing yet.
                while !matches!(self.ask_for_baseline(which).await, Some(202 | 409)) {
                    assert!(
                        begun.elapsed() < ARRIVES_WITHIN,
                        "{label}: no baseline\n{}",
                        self.pair.told()
                    );
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            Phase::Delta | Phase::Delivery => self.world.change(&self.pair, rng, 40, &label),
            Phase::Removal => {
                let count = rng.usize(1..=REMOVED_AT_ONCE);
                self.world.delete(&self.pair, rng, count, &spared);
                self.world.change(&self.pair, rng, 10, &label);
            }
            Phase::Held { is_approved } => {
                let count = rng.usize(REMOVED_AT_ONCE + 1..REMOVED_AT_ONCE + 12);
                let since = Since::now(&self.pair);
                let held = self.world.delete(&self.pair, rng, count, &spared);
                if !is_approved {
                    return held;
                }
                let begun = Instant::now();
                while !self.approve(&held, since).await {
                    assert!(
                        begun.elapsed() < ARRIVES_WITHIN,
                        "{label}: no list is held\n{}",
                        self.pair.told()
                    );
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        BTreeSet::new()
    }

    async fn ask_for_baseline(&self, which: usize) -> Option<u16> {
        let body = r#"{"mode": "baseline"}"#.to_owned();
        self.pair.post(which, "sync", body).await
    }

    async fn meet(&self, moment: Moment, known: usize) {
        match moment {
            Moment::After(time) => tokio::time::sleep(time).await,
            Moment::Arrivals(more) => {
                let wanted = known + usize::try_from(more).unwrap();
                let begun = Instant::now();
                while self.pair.lab.receiver.spans().len() < wanted && begun.elapsed() < PATIENCE {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    /// Ends both instances, as an operator does.
    pub async fn finish(mut self) -> Score {
        self.pair.end_both().await;
        self.score
    }
}
