//! End of a round: everything arrives, and what must be true then.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::fault::{Fault, FaultKind};
use crate::pair::{ARRIVES_WITHIN, BATCH, NAMES, Pair};
use crate::round::Campaign;
use crate::world::{Since, assert_held, overlapping, repeated, told_removed};

/// Time after a freeze in which the instance notes what it may have sent late.
const WAKES_WITHIN: Duration = Duration::from_secs(5);

impl Campaign {
    /// Approves the list that is held, where it is the whole; returns whether an instance took the
    /// approval. Before that nothing of it may be sent.
    pub async fn approve(&mut self, held: &BTreeSet<String>, since: Since) -> bool {
        let list = self.pair.try_query(
            "SELECT coalesce((SELECT held_list FROM run WHERE ended IS NOT NULL ORDER BY id DESC LIMIT 1), '')",
        );
        let waiting = self
            .pair
            .try_query("SELECT count(*) FROM recheck WHERE held_at IS NOT NULL");
        if list.is_empty() || waiting != held.len().to_string() {
            return false;
        }
        let told = told_removed(&self.pair, since.delivery);
        let sent: Vec<_> = held.intersection(&told).collect();
        assert!(
            sent.is_empty(),
            "sent without approval: {sent:?}\n{}",
            self.pair.told()
        );
        for (which, name) in NAMES.iter().enumerate() {
            let body = format!(r#"{{"list": "{list}"}}"#);
            if self.pair.services[which].is_some()
                && self.pair.post(which, "approve-removals", body).await == Some(202)
            {
                self.diary.push(format!("approved {list} at {name}"));
                return true;
            }
        }
        false
    }

    /// Waits until everything has arrived; a list that is held back is approved meanwhile, as an
    /// operator would: again where the approval was lost.
    pub async fn arrives(&mut self, what: &str, held: &BTreeSet<String>) {
        let begun = Instant::now();
        let since = Since::now(&self.pair);
        while self.pair.lab.receiver.assets() != self.world.expected(&self.pair) {
            if begun.elapsed() > ARRIVES_WITHIN {
                println!("{what}:\n{}\n{}", self.diary.join("\n"), self.pair.told());
                assert_held(&self.pair, &self.world);
            }
            let waits = self
                .pair
                .try_query("SELECT count(*) FROM recheck WHERE held_at IS NOT NULL");
            if waits.parse::<u64>().is_ok_and(|waits| waits > 0) {
                // Where the list was approved before the fault, the approval may have died with it.
                let all = if held.is_empty() {
                    self.unmarked()
                } else {
                    held.clone()
                };
                self.approve(&all, since).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ids of what is gone and not marked at the gateway yet.
    fn unmarked(&self) -> BTreeSet<String> {
        let assets = self.pair.lab.receiver.assets();
        let gone = self.world.gone.iter();
        gone.filter(|(id, asset)| assets.get(*id) != Some(asset))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Waits until all answers are stored and nothing is left to be sent once more.
    pub async fn settles(&self, what: &str, fault: Fault, over: Instant) {
        let least = if fault.kind == FaultKind::Freeze {
            WAKES_WITHIN
        } else {
            Duration::ZERO
        };
        let begun = Instant::now();
        loop {
            let left = self.pair.try_query(
                "SELECT (SELECT count(*) FROM stage) + (SELECT count(*) FROM late_send)
                     + (SELECT count(*) FROM asset WHERE out_run IS NOT NULL)",
            );
            if left == "0" && over.elapsed() > least {
                return;
            }
            assert!(
                begun.elapsed() < ARRIVES_WITHIN,
                "{what}: {left} are still staged\n{}\n{}",
                self.diary.join("\n"),
                self.pair.told()
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Returns the time at which an asset came for the first time in this round.
    pub fn arrival(&self, since: Since, id: &str, asset: &serde_json::Value) -> Instant {
        let deliveries = self.pair.lab.receiver.deliveries_after(since.delivery);
        let first = deliveries.iter().find(|delivery| {
            let mut held = delivery.external_ids.iter().zip(&delivery.assets);
            held.any(|(other, held)| other == id && held == asset)
        });
        let request = &first.unwrap().request_id;
        let spans = self.pair.lab.receiver.spans();
        let span = spans[since.span..]
            .iter()
            .find(|span| span.request_id == *request);
        span.unwrap().begun
    }

    /// Checks what must be true when a fault is over and everything has arrived.
    pub fn check(&mut self, what: &str, fault: Fault, since: Since) {
        let failed = |pair: &Pair, diary: &[String], wrong: String| -> ! {
            panic!("{what}: {wrong}\n{}\n{}", diary.join("\n"), pair.told())
        };
        let mut wrong = Vec::new();
        let again = repeated(&self.pair, since.delivery);
        let mut unchanged = again
            .keys()
            .filter(|id| !self.world.touched.contains(*id))
            .peekable();
        if unchanged.peek().is_some() {
            wrong.push(format!(
                "unchanged assets were sent again: {:?}",
                unchanged.collect::<Vec<_>>()
            ));
        }
        if again.len() > BATCH {
            wrong.push(format!("more than one request was sent again: {again:?}"));
        }
        let told = told_removed(&self.pair, since.delivery);
        let alive: Vec<_> = told
            .iter()
            .filter(|id| !self.world.gone.contains_key(*id))
            .collect();
        if !alive.is_empty() {
            wrong.push(format!("sent as removed and is there: {alive:?}"));
        }
        let listed = self
            .pair
            .query("SELECT a.external_id FROM removed AS r JOIN asset AS a ON a.id = r.asset");
        let listed: BTreeSet<&str> = listed.lines().collect();
        let gone: BTreeSet<&str> = self.world.gone.keys().map(String::as_str).collect();
        if listed != gone {
            wrong.push(format!("listed as removed: {listed:?}, gone: {gone:?}"));
        }
        let overlapping = overlapping(&self.pair, since.span, fault.may_overlap());
        if !overlapping.is_empty() {
            wrong.push(format!("requests overlapped: {overlapping:#?}"));
        }
        let violations = self.pair.lab.receiver.violations();
        if !violations.is_empty() {
            wrong.push(format!("{violations:?}"));
        }
        for (service, name) in self.pair.services.iter_mut().zip(NAMES) {
            let Some(service) = service else { continue };
            if let Some(status) = service.has_ended() {
                wrong.push(format!("{name} ended by itself: {status}"));
            }
            if service.log().contains("panicked") {
                wrong.push(format!("{name} panicked"));
            }
        }
        if !wrong.is_empty() {
            failed(&self.pair, &self.diary, wrong.join("\n"));
        }
    }
}
