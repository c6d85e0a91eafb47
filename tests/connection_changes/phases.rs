//! Every phase of a run × every change of its connection.

use std::time::Duration;

use lab::receiver::{Answer, Rule};
use serde_json::Value;

use crate::wanted::{Change, Wanted};
use crate::world::{ANSWERS_WITHIN, NAME, PageHold, World};

/// Phase of a run in which its connection is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing goes on.
    Idle,
    /// Another process holds the lock of the connection.
    Locked,
    /// The command `sync` executes the run.
    Command,
    /// The directory does not answer yet.
    Connecting,
    /// It sends this page of users only later.
    Page(usize),
    /// The answer of the gateway to the first request is held.
    InFlight,
    /// It never comes.
    Unanswered,
    /// A batch is searched for the asset that makes the gateway refuse it.
    Search,
    /// The gateway asks for a pause.
    Throttled,
    /// The program is at this place of a first full read.
    At(&'static str),
    /// The same of a full read after everything was sent and much was changed.
    Again(&'static str),
    /// The same of a delta.
    Delta(&'static str),
}

impl Phase {
    pub const ALL: &[Self] = &[
        Self::Idle,
        Self::Locked,
        Self::Command,
        Self::Connecting,
        Self::Page(1),
        Self::Page(2),
        Self::Page(3),
        Self::InFlight,
        Self::Unanswered,
        Self::Search,
        Self::Throttled,
        Self::At("locked"),
        Self::At("set_next.committed"),
        // In the first run it is scheduled already, or is just being so.
        Self::Again("schedule.committed"),
        Self::At("begin_run.begun"),
        Self::At("begin_run.written"),
        Self::At("begin_run.committed"),
        Self::At("plan_run.begun"),
        Self::At("plan_run.committed"),
        Self::At("begin_full_read.begun"),
        Self::At("begin_full_read.committed"),
        Self::At("stage_page.begun"),
        Self::At("stage_page.written"),
        Self::At("stage_page.committed"),
        Self::At("next_batch.begun"),
        Self::At("next_batch.written"),
        Self::At("next_batch.committed"),
        Self::At("posting"),
        Self::At("answered"),
        Self::At("settle.begun"),
        Self::At("settle.written"),
        Self::At("settle.committed"),
        Self::At("complete_read.begun"),
        Self::At("complete_read.committed"),
        Self::At("end_run.begun"),
        Self::At("end_run.committed"),
        Self::At("unlocking"),
        Self::Again("stage_page.committed"),
        Self::Again("note_verdicts.begun"),
        Self::Again("note_verdicts.committed"),
        Self::Again("complete_read.committed"),
        Self::Again("conclude.begun"),
        Self::Again("conclude.written"),
        Self::Again("conclude.committed"),
        Self::Again("settle.committed"),
        Self::Again("end_run.committed"),
        Self::Delta("plan_run.committed"),
        Self::Delta("stage_page.committed"),
        Self::Delta("complete_read.written"),
        Self::Delta("complete_read.committed"),
        Self::Delta("conclude.committed"),
        Self::Delta("posting"),
        Self::Delta("settle.committed"),
        Self::Delta("unlocking"),
    ];

    /// A run came before.
    fn has_prior(self) -> bool {
        matches!(self, Self::Again(_) | Self::Delta(_))
    }

    fn mode(self) -> &'static str {
        match self {
            Self::Delta(_) => "delta",
            _ => "baseline",
        }
    }
}

/// Obstacle that holds the run in its phase.
#[derive(Default)]
struct Hold {
    page: Option<PageHold>,
    lock: Option<std::fs::File>,
    command: Option<tokio::process::Child>,
}

const RIVAL: &str = "rival";

/// Changes a connection in a phase of its run, and checks everything.
pub async fn check(phase: Phase, change: Change) {
    check_in(World::new().await, phase, change).await;
}

/// The same on this state; of two instances the one is asked that does not hold the connection.
pub async fn check_in(mut world: World, phase: Phase, change: Change) {
    let what = format!("{phase:?} × {change:?}");
    let first = Wanted::first();
    world.create(&first).await;
    world.seen_by_both(NAME).await;
    let rival = Wanted {
        name: RIVAL.to_owned(),
        ..Wanted::first()
    };
    if phase.has_prior() {
        world.run_to_the_end(NAME).await;
        if change.deletes() {
            // Its objects wait for the assets, which are of the first connection.
            world.create(&rival).await;
            let run = world.run(RIVAL, "delta").await;
            assert_eq!(run["outcome"], "partial", "{what}: {run}");
        }
        world.disturb();
    }
    let row = row(&world);
    let hold = arrange(&world, phase, &what).await;

    world.turn_from_holder(NAME);
    let asked = world.ask_change(change, &first);
    tokio::time::sleep(Duration::from_millis(250)).await;
    world.go_on();
    if !matches!(phase, Phase::Locked) {
        drop(hold.page);
    }
    let (status, answer, took) = asked.answered().await;
    let log = || world.served.service.log();
    // The lock of another process is not given back by itself.
    let is_held = phase == Phase::Locked && change == Change::Purge;
    let is_right = match is_held {
        true => status == 409 && answer["error"] == "run_in_progress",
        false => matches!(status, 200 | 204),
    };
    assert!(is_right, "{what}: {status} {answer}\n{}", log());
    assert!(took < ANSWERS_WITHIN, "{what}: answered after {took:?}");
    let (mark, before) = (
        world.lab.receiver.deliveries().len(),
        world.lab.receiver.deliveries(),
    );
    let requests = world.lab.receiver.requests().len();
    world.lab.receiver.set_rule(None);
    world.lab.receiver.clear_scripts();
    drop(hold.lock);
    if is_held {
        let path = format!("/api/v1/connections/{NAME}?purge=true");
        let again = world.ask(reqwest::Method::DELETE, &path, None, None);
        let (status, answer, _) = again.answered().await;
        assert_eq!(status, 204, "{what}: {answer}");
    }
    let after = first.after(change);
    if change.deletes() {
        world.get(NAME).await.with(404);
    } else {
        let shown = world.get(&after.name).await.with(200).json();
        // The service does not wait for the run of another process; the store ends that.
        let is_of_another = phase == Phase::Command;
        assert!(is_of_another || shown["state"] != "Processing", "{what}: {shown}");
        assert_eq!(shown["description"], after.description, "{what}");
        assert_eq!(shown["disabled"], change == Change::Disable, "{what}");
    }
    if change == Change::Disable || change.deletes() {
        if change == Change::Disable {
            let shown = world.get(NAME).await.with(200).json();
            let is_of_another = phase == Phase::Command;
            assert!(is_of_another || shown["state"] == "Registered", "{what}: {shown}");
            assert_eq!(shown["nextSync"], Value::Null, "{what}: {shown}");
        }
        let (status, answer, _) = world.ask_run(NAME, "delta").answered().await;
        assert!(matches!(status, 404 | 409), "{what}: {status} {answer}");
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(
            world.lab.receiver.requests().len(),
            requests,
            "{what}: something was sent afterwards"
        );
    }
    if let Some(mut command) = hold.command {
        let ended = tokio::time::timeout(Duration::from_secs(40), command.wait()).await;
        let code = ended.unwrap().unwrap().code();
        assert_ne!(code, Some(0), "{what}: the run of the command did not succeed");
    }
    if change.deletes() {
        after_deletion(&world, phase, change, row, &rival, &what).await;
        return;
    }
    if change == Change::Disable {
        let row = world.query("SELECT count(*) FROM connection WHERE next_sync IS NOT NULL");
        assert_eq!(row, "0", "{what}: it has no next run");
        let path = format!("/api/v1/connections/{NAME}/enable");
        world.served.post(&path, &Value::Null).await.with(200);
    }
    world.run_to_the_end(&after.name).await;
    if phase.has_prior() {
        // The account sees no tombstones: only a full read notices what is gone.
        let run = world.run(&after.name, "baseline").await;
        assert_eq!(run["outcome"], "processed", "{what}: {run}");
    }
    world.assert_only_of(&after, mark, &what);
    world.assert_converged(&after, &before, &what);
    world.assert_nothing_twice(&what);
    world.served.service.stopped_with(0).await;
    if let Some(other) = world.other {
        other.service.stopped_with(0).await;
    }
}

/// Brings the run into its phase.
async fn arrange(world: &World, phase: Phase, what: &str) -> Hold {
    let mut hold = Hold::default();
    let receiver = &world.lab.receiver;
    let mut place = false;
    match phase {
        Phase::Idle => return hold,
        Phase::Locked => {
            let lock = world.lab.connector.folder().join("state.db.1.lock");
            let lock = std::fs::File::create(lock).unwrap();
            lock.lock().unwrap();
            hold.lock = Some(lock);
            let (status, answer, _) = world.ask_run(NAME, "baseline").answered().await;
            assert_eq!(status, 409, "{what}: {answer}");
            return hold;
        }
        Phase::Command => {
            receiver.script([Answer::Slow(Duration::from_millis(1500))]);
            let command = ["sync", "--connection", NAME, "--baseline"];
            hold.command = Some(world.lab.connector.start(&command));
            receiver.arrived(1).await;
            return hold;
        }
        Phase::Connecting => hold.page = Some(world.hold_connect()),
        Phase::Page(nth) => hold.page = Some(world.hold_page(nth)),
        Phase::InFlight => receiver.script([Answer::Slow(Duration::from_millis(1200))]),
        Phase::Unanswered => receiver.script([Answer::Hang(Duration::from_secs(60))]),
        Phase::Search => {
            let bad = world.lab.external_id(world.lab.users()[7]);
            receiver.set_rule(Some(Rule::new(move |assets| {
                let is_bad = assets.iter().any(|(id, _)| *id == bad);
                Some(match is_bad {
                    true => Answer::Status(400, Vec::new(), r#"{"message": "bad asset"}"#.to_owned()),
                    false => Answer::Slow(Duration::from_millis(400)),
                })
            })));
        }
        Phase::Throttled => receiver.script([
            Answer::Accept,
            Answer::with_header(429, "X-RateLimit-ToWait-Sec", "20"),
        ]),
        Phase::At(at) | Phase::Again(at) | Phase::Delta(at) => {
            world.pause_at(at);
            place = true;
        }
    }
    let before = receiver.summary().requests;
    let _asked = world.ask_run(NAME, phase.mode());
    if place {
        assert!(
            world.paused().await,
            "{what}: it does not come there\n{}",
            world.served.service.log()
        );
    } else if let Some(page) = &mut hold.page {
        assert!(page.reached().await, "{what}: the page is not asked for");
    } else {
        let more = match phase {
            Phase::Search => 3,
            Phase::Throttled => 2,
            _ => 1,
        };
        let arrived = tokio::time::timeout(Duration::from_secs(20), receiver.arrived(before + more));
        assert!(arrived.await.is_ok(), "{what}: nothing arrives");
    }
    hold
}

/// Number of the row of the connection.
fn row(world: &World) -> i64 {
    let found = world.query(&format!("SELECT id FROM connection WHERE name = '{NAME}'"));
    found.parse().unwrap()
}

/// Checks what is left, and that another connection gets the assets (R37).
async fn after_deletion(world: &World, phase: Phase, change: Change, row: i64, rival: &Wanted, what: &str) {
    if change == Change::Purge {
        assert_eq!(world.rows_of(row), [], "{what}: is left");
    }
    if !phase.has_prior() {
        world.create(rival).await;
    }
    world.run_to_the_end(RIVAL).await;
    let expected = world.expected(rival);
    let mut held = world.lab.receiver.assets();
    held.retain(|id, _| expected.contains_key(id));
    println!("{what}: {} of the other connection", held.len());
    crate::support::assert_same(&held, &expected);
    assert_eq!(world.lab.receiver.violations(), Vec::<String>::new(), "{what}");
}
