//! A directory that changes, a gateway that stumbles, the program between them, and what must be true whenever all is quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use fastrand::Rng;
use lab::receiver::Answer;
use lab::simulator::{Kind, ObjectId, PASSWORD, People, READER};
use tokio::process::Child;

use crate::audit::{self, Ran};
use crate::diary::Diary;
use crate::ledger::{self, Ledger};
use crate::state::{StateEngine, WorldState};
use crate::support::expected;
use crate::support::simulated::Simulated;

/// Pages of 20 and batches of 5: a baseline reads about ten pages, a round posts a few batches.
const PEOPLE: People = People {
    seed: 7,
    users: 110,
    groups: 20,
    computers: 5,
};

/// Fewer users are not left.
const FEWEST_USERS: usize = 80;

/// Where new users are made.
const USERS: &str = "CN=Users,DC=corp,DC=example";

/// The way from end to end, and what happened on it.
pub struct World {
    pub lab: Simulated,
    pub rng: Rng,
    pub ledger: Ledger,
    /// The account reads tombstones, so a delta notices what was deleted.
    pub sees_deleted: bool,
    /// `REMOVED_OBJECTS=send`.
    pub tells_removals: bool,
    deleted: Vec<ObjectId>,
    /// What users were called before.
    before: BTreeMap<ObjectId, String>,
    names: u64,
    diary: Diary,
    state: WorldState,
    /// The lease of a process that was killed has been waited for.
    has_outlived: bool,
}

impl World {
    pub async fn new(engine: StateEngine, mut rng: Rng, sees_deleted: bool, tells_removals: bool) -> Self {
        rng = Rng::with_seed(rng.u64(..));
        let mut lab = Simulated::of(PEOPLE).await;
        let state = engine.new_state(lab.connector.state());
        // The table requires it, so that an object can become one that cannot be mapped.
        for id in lab.users() {
            if lab.directory().text(id, "displayName").is_none() {
                lab.directory().set_text(id, "displayName", "Somebody");
            }
        }
        let builtin = include_str!("../../config/mapping.toml");
        let name = "source = \"displayName\"";
        let table = builtin.replace(name, &format!("{name}\nrequired = true"));
        assert_ne!(table, builtin, "the table has a row for displayName");
        let mapping = lab.connector.folder().join("mapping.toml");
        let removed = format!("[removed]\nasset.assetDetail.{} = \"REMOVED\"\n", audit::REMOVED);
        std::fs::write(&mapping, format!("{table}\n{removed}")).unwrap();
        let account = if sees_deleted { "administrator" } else { READER };
        for (name, value) in [
            ("AD_BIND_DN", format!("{account}@corp.example")),
            ("AD_PASSWORD", PASSWORD.to_owned()),
            ("AD_PAGE_SIZE", "20".to_owned()),
            // With several, a full read goes on where it was killed.
            (
                "AD_PARALLEL_READS",
                if tells_removals { "2" } else { "1" }.to_owned(),
            ),
            ("QUALYS_BATCH_ASSETS", "5".to_owned()),
            ("REMOVAL_MAX_PERCENT", "100".to_owned()),
            (
                "REMOVED_OBJECTS",
                if tells_removals { "send" } else { "report" }.to_owned(),
            ),
            ("MAPPING_FILE", mapping.display().to_string()),
            ("STATE_URL", state.url()),
            // Every second a run, so that a kill meets one.
            ("SYNC_CRON", "* * * * * *".to_owned()),
            ("LOG_LEVEL", "warn".to_owned()),
        ] {
            lab.set(name, &value);
        }
        let mut world = Self {
            lab,
            rng,
            ledger: Ledger::default(),
            sees_deleted,
            tells_removals,
            deleted: Vec::new(),
            before: BTreeMap::new(),
            names: 0,
            diary: Diary::default(),
            state,
            has_outlived: false,
        };
        world.lab.set("CRASH_LOG", &world.log().display().to_string());
        world.record();
        world
    }

    fn log(&self) -> PathBuf {
        self.lab.connector.folder().join("places.log")
    }

    /// The places that the program passed since it was asked last, one a line.
    pub fn passed(&self) -> String {
        let passed = std::fs::read_to_string(self.log()).unwrap_or_default();
        let _ = std::fs::remove_file(self.log());
        passed
    }

    /// Starts the program; `crash` lets it die at a place, as in `settle.written:1`.
    pub fn start(&self, arguments: &[&str], crash: Option<&str>) -> Child {
        let connector = &self.lab.connector;
        match crash {
            Some(place) => connector.start_with("CRASH_AT", place, arguments),
            None => connector.start(arguments),
        }
    }

    /// Writes into the diary, which a failure shows.
    pub fn note(&mut self, what: String) {
        self.diary.note(self.ledger.rounds() + 1, what);
    }

    fn told(&self, sid: &str) -> String {
        self.diary.told(sid, self.lab.directory(), &self.state)
    }

    /// How many batches have arrived.
    pub fn arrived(&self) -> usize {
        usize::try_from(self.lab.receiver.summary().deliveries).unwrap()
    }

    /// Returns what the state lists as removed; it must be intact.
    #[track_caller]
    fn removed(&self) -> BTreeSet<String> {
        let contradictions = self.state.contradictions();
        assert!(
            contradictions.is_empty(),
            "the state contradicts itself: {contradictions:?}"
        );
        ledger::removed(self.state.location())
    }

    /// The program has ended, however; `first` is the number of the first batch that came from it.
    pub async fn over(&mut self, first: usize, stopped: bool) {
        self.lab.simulator.faults().clear();
        self.lab.receiver.clear_scripts();
        self.lab.receiver.idle().await;
        self.ledger.ran(Ran {
            first,
            stopped,
            troubled: true,
            removed: self.removed(),
            ..Ran::default()
        });
    }

    /// The lease of a process that was killed ends: the first time the next command is refused with
    /// the name of the holder, and it is waited for; later, since that takes 15 seconds, mostly
    /// not.
    pub async fn outlive(&mut self) {
        if self.state.held_for().is_some() && (!self.has_outlived || self.rng.u8(0..16) == 0) {
            self.has_outlived = true;
            let refused = self.lab.connector.run(&["sync"]).await.ended_with(4);
            refused.said(&[
                "another run holds the connection: instance",
                "its lease holds for",
            ]);
            self.state.outlive_lease().await;
        } else {
            self.state.end_lease();
        }
    }

    /// Ends the lease of a process that died, as if its time were over.
    pub fn end_lease(&self) {
        self.state.end_lease();
    }

    /// One run that nothing befalls. A full read would bring over what a delta lost, so it must not come first.
    pub async fn catch_up(&mut self) {
        self.quiet_run(&["sync"]).await;
        self.check_settled(self.sees_deleted);
    }

    /// Nothing is killed any more: a delta brings everything over, then nothing is left to send.
    pub async fn settle(&mut self) {
        self.catch_up().await;
        let calm = self.lab.receiver.summary().requests;
        self.quiet_run(&["sync"]).await;
        assert_eq!(
            self.lab.receiver.summary().requests,
            calm,
            "the delta before brought everything over"
        );
        self.quiet_run(&["sync", "--baseline"]).await;
        // What was deleted unseen is found by a full read from its beginning, not by one that goes on.
        let run = self.lab.last_run().await;
        if run["reason"].as_str().unwrap().contains("resumes") {
            self.quiet_run(&["sync", "--baseline"]).await;
        }
        let after = self.lab.receiver.summary().requests;
        assert!(
            after == calm || (self.tells_removals && !self.sees_deleted),
            "the baseline posted something, though nothing was left to send"
        );
        self.check_settled(true);
        self.quiet_run(&["sync", "--baseline"]).await;
        assert_eq!(
            self.lab.receiver.summary().requests,
            after,
            "a second baseline posted something"
        );
        let status = self.lab.status().await;
        assert_eq!(status["state"], "Processed", "{status}");
    }

    /// One run that ends with `code`.
    pub async fn run_to_end(&mut self, arguments: &[&str], code: i32) {
        let first = self.arrived();
        self.lab.connector.run(arguments).await.ended_with(code);
        self.over(first, false).await;
    }

    async fn quiet_run(&mut self, arguments: &[&str]) {
        let first = self.arrived();
        self.lab.connector.succeed(arguments).await;
        self.note(format!("{arguments:?} in quiet"));
        self.ledger.ran(Ran {
            first,
            removed: self.removed(),
            ..Ran::default()
        });
        if let Err(wrong) = self.ledger.check(&self.lab.receiver) {
            let sid = wrong.split(' ').find(|word| word.starts_with("S-1-"));
            panic!("{wrong}\n{}", self.told(sid.unwrap_or_default()));
        }
    }

    /// Upstream holds what is there; what is gone is listed as removed and nothing else is, and upstream was told, where it
    /// is to be told. `noticed`: everything that is gone has been noticed.
    #[track_caller]
    pub fn check_settled(&self, noticed: bool) {
        let (held, there) = (self.lab.receiver.assets(), self.lab.expected());
        let wrong = |sid: &str, what: &str| -> ! { panic!("{sid} {what}\n{}", self.told(sid)) };
        for (sid, asset) in &there {
            if held.get(sid) != Some(asset) {
                wrong(
                    sid,
                    &format!(
                        "is lost: upstream holds {:?} and should hold {asset}",
                        held.get(sid)
                    ),
                );
            }
        }
        let removed = self.removed();
        if let Some(sid) = removed.iter().find(|sid| there.contains_key(*sid)) {
            wrong(sid, "is listed as removed and is there");
        }
        for (sid, asset) in held.iter().filter(|(sid, _)| !there.contains_key(*sid)) {
            let listed = removed.contains(sid);
            if noticed && !listed {
                wrong(sid, "is gone and not listed as removed");
            }
            if audit::told_removed(asset).is_some() != (listed && self.tells_removals) {
                wrong(sid, &format!("is removed: {listed}, and upstream holds {asset}"));
            }
        }
    }

    /// Up to eight objects are changed, each once, so that no version is missed. Objects come back from the recycle bin only if
    /// `restore`: not in the round in which they were deleted, for what a run lists is looked at after the round.
    pub fn change(&mut self, restore: bool) {
        let directory = self.lab.directory().clone();
        if restore && !self.deleted.is_empty() && self.rng.u8(0..4) == 0 {
            directory.restore(self.deleted.swap_remove(self.rng.usize(0..self.deleted.len())));
        }
        let users = directory.all(Kind::User);
        let groups = directory.all(Kind::Group);
        let mut changed: Vec<ObjectId> = Vec::new();
        for _ in 0..self.rng.usize(0..=8) {
            let label = self.label();
            let of = if self.rng.u8(0..8) == 0 { &groups } else { &users };
            let id = of[self.rng.usize(0..of.len())];
            if changed.contains(&id) {
                continue;
            }
            changed.push(id);
            match self.rng.u8(0..20) {
                0..=1 => {
                    self.create();
                }
                2..=3 if users.len() > FEWEST_USERS && users.contains(&id) => self.delete(id),
                4 => directory.rename(id, &format!("Renamed {label}")),
                5 => directory.touch(id),
                // Back to what upstream may have accepted before.
                6..=9 if self.before.contains_key(&id) => {
                    let before = self.before[&id].clone();
                    self.call(id, &before);
                }
                _ if groups.contains(&id) => directory.set_text(id, "description", &label),
                _ => self.call(id, &label),
            }
        }
        self.record();
    }

    fn call(&mut self, user: ObjectId, name: &str) {
        let directory = self.lab.directory();
        if let Some(before) = directory.text(user, "displayName") {
            self.before.insert(user, before);
        }
        directory.set_text(user, "displayName", name);
    }

    /// A new user.
    pub fn create(&mut self) -> ObjectId {
        let label = self.label();
        let values = [("displayName", label.as_str())];
        self.lab
            .directory()
            .create_user(USERS, &format!("New {label}"), &values)
    }

    /// Deletes an object; it may be restored later.
    pub fn delete(&mut self, id: ObjectId) {
        self.lab.directory().delete(id);
        self.deleted.push(id);
    }

    fn label(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    /// Notes how the directory is.
    pub fn record(&mut self) {
        self.ledger.record(expected::assets(self.lab.directory()));
    }

    /// Answers come slowly, so that kills meet them; some do not come at all.
    pub fn trouble_gateway(&mut self) {
        let long = Duration::from_millis(self.rng.u64(1..30));
        for _ in 0..self.rng.usize(0..15) {
            let answer = match self.rng.u8(0..12) {
                0 => Answer::CutAfter,
                1 => Answer::CutBefore,
                2 => Answer::status(503),
                _ => Answer::Slow(long),
            };
            self.lab.receiver.script([answer]);
        }
    }
}

/// Whether it died: of our SIGKILL, or by its own abort at a place.
pub fn died(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    // SIGABRT and SIGKILL, by signal(7).
    matches!(status.signal(), Some(6 | 9))
}
