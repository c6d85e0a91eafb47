//! Random histories: phases, changes and kills, and the same invariants after each.
//!
//! `CHANGE_ROUNDS` is how many rounds there are (default 6), `CHANGE_SEED` where they begin.

use std::time::Duration;

use lab::receiver::Answer;
use serde_json::Value;

use crate::checks::sent_again;
use crate::wanted::{Change, Wanted};
use crate::world::{ANSWERS_WITHIN, BATCH, NAME, PageHold, World};

/// Places at which a run is held.
const PLACES: &[&str] = &[
    "begin_run.committed",
    "plan_run.committed",
    "stage_page.begun",
    "stage_page.committed",
    "next_batch.committed",
    "posting",
    "answered",
    "settle.written",
    "settle.committed",
    "complete_read.written",
    "complete_read.committed",
    "conclude.committed",
    "end_run.begun",
    "end_run.committed",
    "unlocking",
];

/// Time of the death of the service in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kill {
    Never,
    Before,
    During,
    After,
}

struct History {
    world: World,
    random: fastrand::Rng,
    wanted: Wanted,
    /// Deliveries before the connection was made.
    since: usize,
}

impl History {
    /// Changes some of the directory.
    fn disturb(&mut self) {
        let users = self.world.lab.users();
        for _ in 0..self.random.usize(0..90) {
            let user = users[self.random.usize(..users.len())];
            let text = format!("round {}", self.random.u32(..));
            self.world.lab.directory().set_text(user, "displayName", &text);
        }
        if users.len() > 200 && self.random.u8(..) < 128 {
            self.world.lab.directory().delete(users[self.random.usize(..100)]);
        }
    }

    /// Starts a run, or none, and holds it at some place.
    async fn begin(&mut self) -> (String, Option<PageHold>) {
        let mode = if self.random.bool() { "delta" } else { "baseline" };
        let receiver = &self.world.lab.receiver;
        let before = receiver.summary().requests;
        match self.random.u8(0..10) {
            0 => ("idle".to_owned(), None),
            1 | 2 => {
                let nth = self.random.usize(1..3);
                let mut page = self.world.hold_page(nth);
                let _asked = self.world.ask_run(&self.wanted.name, mode);
                // A delta may have one page of users alone.
                let _: Result<bool, _> = tokio::time::timeout(Duration::from_secs(2), page.reached()).await;
                (format!("{mode}, page {nth}"), Some(page))
            }
            3 | 4 => {
                let answer = match self.random.u8(0..3) {
                    0 => Answer::Slow(Duration::from_millis(700)),
                    1 => Answer::status(503),
                    _ => Answer::with_header(429, "X-RateLimit-ToWait-Sec", "9"),
                };
                let what = format!("{mode}, {answer:?}");
                receiver.script([answer]);
                let _asked = self.world.ask_run(&self.wanted.name, mode);
                let arrived = receiver.arrived(before + 1);
                let _: Result<(), _> = tokio::time::timeout(Duration::from_secs(3), arrived).await;
                (what, None)
            }
            _ => {
                let place = PLACES[self.random.usize(..PLACES.len())];
                self.world.pause_at(place);
                let _asked = self.world.ask_run(&self.wanted.name, mode);
                let _: Result<bool, _> =
                    tokio::time::timeout(Duration::from_secs(3), self.world.paused()).await;
                (format!("{mode}, {place}"), None)
            }
        }
    }

    async fn kill(&mut self) {
        self.world.served.service.signal("KILL").await;
        self.world.go_on();
        self.world.restart().await;
    }

    /// Restores what the connection is by asking.
    async fn learn(&mut self, after: &Wanted) {
        for candidate in [after.clone(), self.wanted.clone()] {
            let answer = self.world.get(&candidate.name).await;
            if answer.status != 200 {
                continue;
            }
            let shown = answer.json();
            let body = self.world.body(&candidate);
            let is_same = shown["description"] == candidate.description
                && shown["configuration"]["mapping"] == body["mapping"]
                && shown["configuration"]["upstream"]["connectorUuid"] == body["upstream"]["connectorUuid"]
                && shown["configuration"]["profile"]["baseContext"] == body["profile"]["baseContext"];
            if is_same {
                self.wanted = candidate;
                return;
            }
        }
        panic!("it is neither the former nor the present one: {after:?}");
    }

    async fn round(&mut self, number: usize) -> String {
        self.disturb();
        let change = Change::ALL[self.random.usize(..Change::ALL.len())];
        let kill = match self.random.u8(0..6) {
            0 => Kill::Before,
            1 => Kill::During,
            2 => Kill::After,
            _ => Kill::Never,
        };
        let (phase, mut hold) = self.begin().await;
        let what = format!("round {number}: {phase} × {change:?}, killed {kill:?}");
        let mut killed = usize::from(kill != Kill::Never);
        if kill == Kill::Before {
            drop(hold.take());
            self.kill().await;
        }
        let asked = self.world.ask_change(change, &self.wanted);
        tokio::time::sleep(Duration::from_millis(self.random.u64(0..300))).await;
        if kill == Kill::During {
            drop(hold.take());
            self.kill().await;
        }
        drop(hold);
        self.world.go_on();
        let (status, answer, took) = asked.answered().await;
        assert!(took < ANSWERS_WITHIN, "{what}: {took:?}");
        let after = self.wanted.after(change);
        let is_answered = matches!(status, 200 | 204);
        assert!(
            is_answered || kill == Kill::During,
            "{what}: {status} {answer}\n{}",
            self.world.served.service.log()
        );
        let mut mark = self.world.lab.receiver.deliveries().len();
        if kill == Kill::After {
            self.kill().await;
        }
        self.world.lab.receiver.clear_scripts();
        let is_gone = change.deletes() && self.world.get(&self.wanted.name).await.status == 404;
        if is_gone {
            let quiet = self.world.lab.receiver.requests().len();
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(self.world.lab.receiver.requests().len(), quiet, "{what}");
            if !is_answered {
                let path = format!("/api/v1/connections/{}?purge=true", self.wanted.name);
                let again = self.world.ask(reqwest::Method::DELETE, &path, None, Some("*"));
                let (status, answer, _) = again.answered().await;
                assert!(matches!(status, 204 | 404), "{what}: {status} {answer}");
            }
            self.since = self.world.lab.receiver.deliveries().len();
            killed = 0;
            mark = self.since;
            self.world.create(&self.wanted).await;
        } else if is_answered {
            self.wanted = after;
        } else {
            self.learn(&after).await;
        }
        if change == Change::Target {
            // What a former target holds is forgotten at the end of a full read.
            self.since = mark;
        }
        let shown = self.world.get(&self.wanted.name).await.with(200).json();
        if shown["disabled"] == true {
            assert_eq!(change, Change::Disable, "{what}");
            let quiet = self.world.lab.receiver.requests().len();
            let (status, answer, _) = self.world.ask_run(&self.wanted.name, "delta").answered().await;
            assert_eq!(status, 409, "{what}: {answer}");
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert_eq!(self.world.lab.receiver.requests().len(), quiet, "{what}");
            let path = format!("/api/v1/connections/{}/enable", self.wanted.name);
            self.world.served.post(&path, &Value::Null).await.with(200);
        }
        self.world.run_to_the_end(&self.wanted.name).await;
        let run = self.world.run(&self.wanted.name, "baseline").await;
        assert_eq!(run["outcome"], "processed", "{what}: {run}");
        let deliveries = self.world.lab.receiver.deliveries();
        if kill != Kill::During || is_answered {
            self.world.assert_only_of(&self.wanted, mark, &what);
        }
        self.assert_holds(&what);
        let again = sent_again(&deliveries[self.since..]);
        if again.len() > killed * BATCH {
            let first = again.first().unwrap();
            for (number, delivery) in deliveries.iter().enumerate() {
                let sent = delivery.external_ids.iter().zip(&delivery.assets);
                for (_, asset) in sent.filter(|(id, _)| *id == first) {
                    println!(
                        "delivery {number} of {}: {} {asset}",
                        deliveries.len(),
                        delivery.connector_uuid
                    );
                }
            }
        }
        assert!(again.len() <= killed * BATCH, "{what}: sent again: {again:?}");
        // What was sent again is not looked at again.
        if !again.is_empty() {
            self.since = deliveries.len();
        }
        what
    }

    /// Everything of the directory and the configuration is upstream.
    fn assert_holds(&self, what: &str) {
        let expected = self.world.expected(&self.wanted);
        let mut held = self.world.lab.receiver.assets();
        held.retain(|id, _| expected.contains_key(id));
        println!("{what}");
        crate::support::assert_same(&held, &expected);
        assert_eq!(
            self.world.lab.receiver.violations(),
            Vec::<String>::new(),
            "{what}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r34_random_changes_and_kills_lose_nothing_and_send_nothing_old() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = number("CHANGE_ROUNDS").unwrap_or(6);
    let seed = number("CHANGE_SEED").unwrap_or(18);
    println!("seed {seed}");
    let world = World::new().await;
    let wanted = Wanted::first();
    world.create(&wanted).await;
    let mut history = History {
        world,
        random: fastrand::Rng::with_seed(seed),
        wanted,
        since: 0,
    };
    for round in 0..rounds {
        let what = history.round(usize::try_from(round).unwrap()).await;
        assert!(!what.contains(NAME), "no name is part of it");
    }
    history.world.served.service.stopped_with(0).await;
    println!("{rounds} rounds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r17_a_target_that_comes_back_is_sent_only_what_it_does_not_hold() {
    for kills in [false, true] {
        let mut world = World::new().await;
        let mut wanted = Wanted::first();
        world.create(&wanted).await;
        world.run_to_the_end(NAME).await;
        for round in 0..4 {
            let (status, answer, _) = world.ask_change(Change::Target, &wanted).answered().await;
            assert_eq!(status, 200, "{answer}");
            wanted = wanted.after(Change::Target);
            println!(
                "round {round}: {}",
                world.query("SELECT group_concat(x, '; ') FROM (SELECT target || ' owner ' || (owner IS NOT NULL) || ' sent ' || (sent <> 0) || ' fp ' || (fingerprint IS NOT NULL) || ' ' || count(*) AS x FROM asset GROUP BY target, owner IS NOT NULL, sent <> 0, fingerprint IS NOT NULL)")
            );
            if kills {
                world.served.service.signal("KILL").await;
                world.restart().await;
            }
            world.run_to_the_end(NAME).await;
            world.assert_converged(&wanted, &world.lab.receiver.deliveries(), "there and back");
            world.assert_nothing_twice(&format!("round {round}, killed {kills}"));
        }
        world.served.service.stopped_with(0).await;
    }
}
