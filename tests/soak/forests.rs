//! Directories that change all the time, and the file of connections that reads them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ad_connector::store::{Store, StoreAccess};
use fastrand::Rng;
use lab::certificates::{Authority, Shape};
use lab::receiver::Receiver;
use lab::simulator::{self, Account, Action, Directory, Kind, ObjectId, On, People, Simulator, Tls};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::support::http::TOKEN;
use crate::support::{Assets, Connector, assert_same, expected};

/// `groupType` of a global security group (MS-ADTS 2.2.12).
const GLOBAL_SECURITY_GROUP: i32 = -2_147_483_646;

/// Objects of each directory at its start.
const SIZE: [u32; 2] = [200, 40];

/// Time between two changes.
const CHANGE_EVERY: Duration = Duration::from_millis(150);

/// Lengths of the pauses between runs.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// A delta every 2 s, a baseline every 5 s.
    Short,
    /// A delta every so many seconds (1 to 59), a baseline every 3 minutes.
    Long(u64),
}

/// Directories, one a connection, and the program set up to read them all.
pub struct Forests {
    pub connector: Connector,
    simulators: Vec<Simulator>,
    /// By directory, objects that were deleted since the start, with their `externalAssetId`s.
    deleted: RefCell<Vec<BTreeMap<ObjectId, (Kind, String)>>>,
    changes: RefCell<u64>,
}

impl Forests {
    /// So many directories of 240 objects each, read over LDAPS.
    pub fn new(count: usize, seed: u64, pace: Pace, receiver: &Receiver) -> Forests {
        let authority = Authority::new("Lab Authority");
        let certificate = authority.server(&["127.0.0.1"], Shape::Sound);
        let simulators: Vec<Simulator> = (0..count)
            .map(|number| {
                let people = People {
                    seed: seed.wrapping_add(number as u64),
                    users: SIZE[0],
                    groups: SIZE[1],
                    computers: 0,
                };
                Simulator::start(simulator::Options {
                    directory: Directory::new(&format!("forest{number}.example"), people),
                    tls: Tls::Ldaps(certificate.server_config()),
                    // Half of the accounts see tombstones, so that deltas find removals.
                    accounts: vec![Account {
                        reads_deleted: number % 2 == 0,
                        ..Account::reader()
                    }],
                    ..Default::default()
                })
            })
            .collect();
        let connector = Connector::delivering_to(receiver);
        let authority = authority.write(connector.folder());
        let tables: String = simulators
            .iter()
            .enumerate()
            .map(|(number, simulator)| table(number, simulator, pace))
            .collect();
        let file = connector.folder().join("connections.toml");
        std::fs::write(&file, tables).unwrap();
        let connector = connector
            .with("CONNECTIONS_FILE", file.to_str().unwrap())
            .with("AD_CERTIFICATE", authority.to_str().unwrap())
            .with("PASSWORD_OF_ALL", simulator::PASSWORD)
            .with("AD_PAGE_SIZE", "50")
            .with("AD_TIMEOUT", "10s")
            .with("QUALYS_BATCH_ASSETS", "50")
            .with("REMOVAL_MAX_COUNT", "100000")
            .with("REMOVAL_MAX_PERCENT", "100")
            .with("HTTP_LISTEN", "127.0.0.1:0")
            .with("HTTP_TOKEN", TOKEN);
        Forests {
            connector,
            deleted: RefCell::new(vec![BTreeMap::new(); simulators.len()]),
            simulators,
            changes: RefCell::new(0),
        }
    }

    /// Names of the connections.
    pub fn names(&self) -> impl Iterator<Item = String> {
        (0..self.simulators.len()).map(name)
    }

    /// Number of changes that were made.
    pub fn changes(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Changes, creates, deletes and restores objects until `stop`.
    pub async fn change(&self, mut random: Rng, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            self.change_one(&mut random);
            *self.changes.borrow_mut() += 1;
            sleep(CHANGE_EVERY).await;
        }
    }

    fn change_one(&self, random: &mut Rng) {
        let number = random.usize(..self.simulators.len());
        let directory = self.simulators[number].directory();
        let deleted = &mut self.deleted.borrow_mut()[number];
        let kind = if random.usize(..5) == 0 {
            Kind::Group
        } else {
            Kind::User
        };
        let all = directory.all(kind);
        let object = all[random.usize(..all.len())];
        let text = format!("Name {}", random.usize(..1 << 30));
        match random.usize(..10) {
            0 | 1 if all.len() >= size_of(kind) => {
                let id = expected::external_id(directory, object);
                directory.delete(object);
                deleted.insert(object, (kind, id));
            }
            0 | 1 => {
                let parent = directory.dn(object);
                let (_, parent) = parent.split_once(",OU=").unwrap();
                let parent = format!("OU={parent}");
                let gone = deleted.iter().find(|(_, (of, _))| *of == kind);
                match (gone.map(|(object, _)| *object), kind) {
                    (Some(object), _) if random.usize(..2) == 0 => {
                        directory.restore(object);
                        deleted.remove(&object);
                    }
                    (_, Kind::Group) => {
                        directory.create_group(&parent, &text, GLOBAL_SECURITY_GROUP, &[]);
                    }
                    _ => {
                        directory.create_user(&parent, &text, &[("displayName", &text)]);
                    }
                }
            }
            2 => directory.touch(object),
            3 => directory.rename(object, &text),
            _ if kind == Kind::Group => directory.set_text(object, "description", &text),
            _ => directory.set_text(object, "displayName", &text),
        }
    }

    /// Lets something go wrong at one of the controllers.
    pub fn break_one(&self, random: &mut Rng) {
        let simulator = &self.simulators[random.usize(..self.simulators.len())];
        let nth = 1 + random.usize(..4);
        match random.usize(..4) {
            0 => simulator.cut_connections(),
            1 => simulator.faults().at(On::Search, nth, Action::Cut),
            2 => simulator
                .faults()
                .at(On::Search, nth, Action::CutAfterBytes(3_000)),
            _ => simulator.faults().at(On::Connect, 1, Action::Cut),
        }
    }

    /// Lets every controller behave well again.
    pub fn heal(&self) {
        for simulator in &self.simulators {
            simulator.faults().clear();
        }
    }

    /// Checks that the receiver holds of every directory what it has, and nothing else but the last
    /// assets of deleted objects.
    #[track_caller]
    pub fn assert_arrived(&self, receiver: &Receiver) {
        let mut all = Assets::new();
        for simulator in &self.simulators {
            let of_one = expected::assets(simulator.directory());
            let before = all.len();
            let count = of_one.len();
            all.extend(of_one);
            assert_eq!(all.len(), before + count, "no object is in two directories");
        }
        let gone: BTreeSet<String> = self.gone().into_iter().flatten().collect();
        let mut held = receiver.assets();
        held.retain(|id, _| !gone.contains(id));
        assert_same(&held, &all);
        assert_eq!(receiver.violations(), Vec::<String>::new());
    }

    /// Checks that the state lists as removed exactly the deleted objects that were sent.
    #[track_caller]
    pub fn assert_removed(&self, receiver: &Receiver) {
        let store = Store::open(&self.connector.state(), StoreAccess::ReadOnly).unwrap();
        store.check().unwrap();
        let connections = store.connections().unwrap();
        let held = receiver.assets();
        for (number, gone) in self.gone().into_iter().enumerate() {
            let named = connections.iter().find(|one| one.name == name(number));
            let removed = store.removed(named.unwrap().id, None, None, usize::MAX).unwrap();
            let listed: BTreeSet<String> = removed.into_iter().filter_map(|one| one.external_id).collect();
            let sent: BTreeSet<String> = gone.into_iter().filter(|id| held.contains_key(id)).collect();
            assert_eq!(listed, sent, "{}", name(number));
        }
    }

    /// `externalAssetId`s of what is deleted, by directory.
    fn gone(&self) -> Vec<BTreeSet<String>> {
        let deleted = self.deleted.borrow();
        let ids = |gone: &BTreeMap<_, (Kind, String)>| gone.values().map(|(_, id)| id.clone()).collect();
        deleted.iter().map(ids).collect()
    }
}

/// Number of objects of a kind at the start, about which it stays.
fn size_of(kind: Kind) -> usize {
    SIZE[usize::from(kind == Kind::Group)] as usize
}

fn name(number: usize) -> String {
    format!("forest-{number}")
}

/// Returns the table of a connection in the file of connections.
fn table(number: usize, simulator: &Simulator, pace: Pace) -> String {
    // Every third one follows changes by DirSync; all begin at different seconds.
    let delta = if number % 3 == 2 { "dirsync" } else { "usn" };
    let (sync, baseline) = match pace {
        Pace::Short => ("*/2 * * * * *".to_owned(), "*/5 * * * * *".to_owned()),
        Pace::Long(seconds) => (
            format!("{}-59/{seconds} * * * * *", number as u64 % seconds),
            format!("{} */3 * * * *", number * 6 % 60),
        ),
    };
    format!(
        "[[connection]]\nname = \"{}\"\nad_host = [\"127.0.0.1\"]\nad_port = {}\n\
         ad_bind_dn = \"{}@forest{number}.example\"\nad_password = \"${{PASSWORD_OF_ALL}}\"\nad_delta = \"{delta}\"\n\
         sync_cron = \"{sync}\"\nbaseline_cron = \"{baseline}\"\n\n",
        name(number),
        simulator.addr().port(),
        simulator::READER,
    )
}
