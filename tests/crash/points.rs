//! Killed at every place where a crash matters, one after the other (`ad_connector::failpoint`):
//! before, in and after every transaction, between them, in a migration, in an approval. A place
//! that is never reached fails the test.

use std::time::Duration;

use ad_connector::failpoint::{Commit, Point, Progress};
use fastrand::Rng;
use lab::console::{self, Console, ConsoleUser};
use lab::receiver::Answer;
use lab::simulator::{Kind, ObjectId};

use crate::state::StateEngine;
use crate::world::{World, died};

/// What the program does when it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// Its first run, without a state file.
    First,
    /// A delta that finds changes.
    Changes,
    /// A delta that finds objects gone, some of which could not be mapped before.
    Gone,
    /// `approve-removals`.
    Approval,
    /// The service, in a run that takes longer than the schedule allows, with a review every
    /// second.
    Service,
}

/// Where a place is met. A new transaction has to be put somewhere here.
fn scenario(point: Point) -> Scenario {
    let Point::In(commit, _) = point else {
        return Scenario::Changes;
    };
    match commit {
        Commit::Create | Commit::Register | Commit::BeginFullRead | Commit::SetGatewayLimits => {
            Scenario::First
        }
        Commit::Recover
        | Commit::SetNext
        | Commit::Schedule
        | Commit::BeginRun
        | Commit::PlanRun
        | Commit::StagePage
        | Commit::CompleteRead
        | Commit::NextBatch
        | Commit::Settle
        | Commit::EndRun => Scenario::Changes,
        Commit::NoteUnidentified | Commit::NoteVerdicts | Commit::Conclude => Scenario::Gone,
        Commit::Approve => Scenario::Approval,
        Commit::SkipTicks | Commit::KeepReview => Scenario::Service,
    }
}

/// Returns transactions that do more in another scenario too, and are met there as well: in a full
/// read, and with objects missing.
fn also(scenario: Scenario) -> &'static [Commit] {
    match scenario {
        Scenario::First => &[
            Commit::StagePage,
            Commit::CompleteRead,
            Commit::Settle,
            Commit::EndRun,
        ],
        Scenario::Gone => &[Commit::CompleteRead, Commit::NextBatch, Commit::Settle],
        Scenario::Approval => &[Commit::NoteVerdicts],
        _ => &[],
    }
}

/// Returns `true` when a batch may be on its way, or be answered without a record of it, at the
/// moment at which the program dies there: then it is sent again, and it alone. Reading and staging
/// go on beside the delivery; the other transactions do not.
fn may_be_out(point: Point) -> bool {
    match point {
        Point::Answered => true,
        Point::Locked | Point::Unlocking | Point::Posting => false,
        Point::In(Commit::Settle, progress) => progress != Progress::Committed,
        Point::In(commit, _) => matches!(
            commit,
            Commit::StagePage
                | Commit::CompleteRead
                | Commit::NoteUnidentified
                | Commit::NoteVerdicts
                | Commit::Conclude
                | Commit::Approve
                | Commit::PlanRun
                // A review goes on beside the runs.
                | Commit::KeepReview
        ),
    }
}

/// Dies at `point` when it passes it for the nth time; whether it came there.
async fn dies(world: &mut World, point: Point, nth: usize, arguments: &[&str]) -> bool {
    let first = world.arrived();
    let mut running = world.start(arguments, Some(&format!("{point}:{nth}")));
    let ended = tokio::time::timeout(Duration::from_secs(60), running.wait()).await;
    let died = match ended {
        Ok(status) => died(status.unwrap()),
        Err(_) => {
            running.kill().await.unwrap();
            false
        }
    };
    world.end_lease();
    world.over(first, died && may_be_out(point)).await;
    world.note(format!("{arguments:?} died {died} at {point}, pass {nth}"));
    died
}

/// Kills at all places of `scenario`: the first pass of each must come, a later one may.
async fn sweep(swept: Scenario, later: &[usize]) {
    let points = Point::all().into_iter().filter(|point| {
        let again = matches!(point, Point::In(commit, _) if also(swept).contains(commit));
        again || scenario(*point) == swept
    });
    let (mut killed, mut world) = (
        0,
        World::new(StateEngine::asked_for(), Rng::with_seed(1), true, true).await,
    );
    let console = Console::start(console::Options {
        users: vec![ConsoleUser::default()],
        ..console::Options::default()
    })
    .await;
    if swept == Scenario::Service {
        for (name, value) in [
            ("QUALYS_API_URL", console.url()),
            ("QUALYS_API_USERNAME", console::Options::default().username),
            ("QUALYS_API_PASSWORD", console::Options::default().password),
            ("REVIEW_CRON", "* * * * * *".to_owned()),
        ] {
            world.lab.set(name, &value);
        }
    }
    for point in points {
        for nth in std::iter::once(1).chain(later.iter().copied()) {
            let (arguments, before) = prepare(&mut world, swept).await;
            if !dies(&mut world, point, nth, arguments).await {
                assert!(nth > 1, "{point} is never reached");
                recover(&mut world, swept, &before).await;
                break;
            }
            killed += 1;
            recover(&mut world, swept, &before).await;
        }
    }
    assert!(killed > 0);
    world.settle().await;
    println!("{swept:?}: {killed} kills");
}

/// The command of a scenario, and what users were called before.
type Prepared = (&'static [&'static str], Vec<(ObjectId, String)>);

/// Brings the world to where the scenario begins.
async fn prepare(world: &mut World, scenario: Scenario) -> Prepared {
    let mut before = Vec::new();
    match scenario {
        Scenario::First => *world = World::new(StateEngine::asked_for(), world.rng.clone(), true, true).await,
        Scenario::Changes => {
            settled(world).await;
            before = change_some(world);
        }
        Scenario::Gone => {
            let unmapped = [world.create(), world.create()];
            for id in unmapped {
                world.lab.directory().set(id, "displayName", &[]);
            }
            // This one is read again by every run, and by its name.
            let unidentified = world.create();
            world.lab.directory().hide_guid(unidentified);
            world.run_to_end(&["sync"], 2).await;
            for id in unmapped {
                world.delete(id);
            }
            delete_some(world);
        }
        Scenario::Approval => {
            settled(world).await;
            delete_some(world);
            world.lab.set("REMOVAL_MAX_COUNT", "0");
            world.run_to_end(&["sync"], 3).await;
            return (&["approve-removals"], before);
        }
        Scenario::Service => {
            settled(world).await;
            change_some(world);
            world
                .lab
                .receiver
                .script([Answer::Slow(Duration::from_millis(2_200))]);
            return (&["run"], before);
        }
    }
    (&["sync"], before)
}

/// Started again, it ends what was begun. Meanwhile users return to what upstream accepted before:
/// if a later version has arrived without a record of it, that must be told once more.
async fn recover(world: &mut World, scenario: Scenario, before: &[(ObjectId, String)]) {
    for (id, name) in before {
        world.lab.directory().set_text(*id, "displayName", name);
    }
    world.record();
    world.lab.unset("REMOVAL_MAX_COUNT");
    if scenario == Scenario::Approval {
        // The removals are decided again, now below the threshold.
        world.lab.set("REMOVAL_MAX_COUNT", "500");
    }
    for id in world.lab.directory().all(Kind::User) {
        world.lab.directory().show_guid(id);
    }
    world.catch_up().await;
}

/// Everything that was begun is done.
async fn settled(world: &mut World) {
    if world.ledger.rounds() == 0 {
        world.catch_up().await;
    }
}

/// Thirty users and five groups: two pages, and seven batches. Gives what every other of the users
/// was called.
fn change_some(world: &mut World) -> Vec<(ObjectId, String)> {
    let directory = world.lab.directory().clone();
    let label = format!("round {}", world.ledger.rounds());
    let users: Vec<ObjectId> = directory.all(Kind::User).into_iter().take(30).collect();
    let called = |id: &ObjectId| (*id, directory.text(*id, "displayName").unwrap());
    let before = users.iter().step_by(2).map(called).collect();
    for id in users {
        directory.set_text(id, "displayName", &label);
    }
    for id in directory.all(Kind::Group).into_iter().take(5) {
        directory.set_text(id, "description", &label);
    }
    world.record();
    before
}

/// Three users go, three others come.
fn delete_some(world: &mut World) {
    let users: Vec<ObjectId> = world.lab.directory().all(Kind::User);
    for id in users.into_iter().take(3) {
        world.delete(id);
    }
    for _ in 0..3 {
        world.create();
    }
    world.record();
}

#[tokio::test(flavor = "multi_thread")]
async fn r03_r18_at_every_place_of_a_first_run() {
    sweep(Scenario::First, &[4]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r03_r17_r18_at_every_place_of_a_run() {
    sweep(Scenario::Changes, &[3]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r22_r24_at_every_place_of_a_removal() {
    sweep(Scenario::Gone, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_at_every_place_of_an_approval() {
    sweep(Scenario::Approval, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r25_at_every_place_of_the_service_alone() {
    sweep(Scenario::Service, &[]).await;
}
