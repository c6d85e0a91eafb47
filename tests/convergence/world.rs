//! The directory of a history, on one controller or on two that replicate, changed as the history
//! says.

mod checks;
mod claims;
mod identity;
mod scope;

use std::collections::BTreeSet;

use lab::simulator::{Directory, ObjectId, People};
use serde_json::Value;

use super::history::{Change, Event, Identity, Setting};
use super::model::{self, Table};
pub use checks::Expected;
use claims::Claims;
pub use claims::{Listed, Lists, guid_of, id_of};
use scope::Scope;

/// `OU=Corp`, the base context of a narrow scope.
const CORP: usize = 0;

/// 2026-11-22 02:10 UTC: nothing that is compared depends on when the test runs.
const NOW: i64 = 1_795_313_400;

pub struct World {
    /// The directory as each controller has it.
    pub replicas: Vec<Directory>,
    pub table: Table,
    /// Source of the id.
    pub identity: Identity,
    /// By profile.
    scopes: Vec<Scope>,
    sees_deleted: bool,
    tells_removals: bool,
    roles: bool,
    units: Vec<Unit>,
    objects: Vec<Object>,
    /// Names and values are numbered, so that no two are the same.
    counter: u64,
    /// By controller, or by profile where there are several: something happened that no delta can
    /// see.
    pub unseen: Vec<bool>,
    /// `true` when a unit ever moved into a scope.
    entered: bool,
    /// By controller: objects that it had and no read could find at some moment since
    /// [`World::watch`].
    away: Vec<BTreeSet<usize>>,
    /// Objects that a read could find on some controller at some time, and then no more.
    left: BTreeSet<usize>,
    /// Something was hidden from the account at some time.
    ever_hidden: bool,
    claims: Claims,
}

struct Unit {
    id: ObjectId,
    hidden: bool,
}

struct Object {
    id: ObjectId,
    user: bool,
    hidden: bool,
    description_before: Option<String>,
    /// Every asset that it was, in order, no two neighbours the same. On several controllers, in
    /// the order in which it became that on any of them.
    versions: Vec<Value>,
}

impl World {
    pub fn new(setting: &Setting) -> Self {
        let directory = Directory::new("corp.example", People::NONE);
        directory.set_clock(Some(NOW));
        let mut world = Self {
            replicas: vec![directory],
            table: Table::Default,
            identity: setting.identity(),
            scopes: scope::all(setting),
            sees_deleted: setting.sees_deleted,
            tells_removals: setting.tells_removals,
            roles: setting.roles,
            units: Vec::new(),
            objects: Vec::new(),
            counter: 0,
            unseen: vec![false; setting.controllers.max(setting.profiles())],
            entered: false,
            away: vec![BTreeSet::new(); setting.controllers],
            left: BTreeSet::new(),
            ever_hidden: false,
            claims: Claims::new(setting.ownership.map_or(0, |ownership| ownership.profiles)),
        };
        for (name, parent) in [
            ("Corp", None),
            ("Staff", Some(CORP)),
            ("Teams", Some(CORP)),
            ("Outside", None),
            ("Old", Some(3)),
        ] {
            let directory = &world.replicas[0];
            let parent = match parent {
                Some(parent) => directory.dn(world.unit(parent)),
                None => directory.domain().dn,
            };
            let id = directory.create_unit(&parent, name);
            world.units.push(Unit { id, hidden: false });
        }
        for number in 0..setting.objects {
            let unit = (number % 4) as u8;
            let change = if number % 5 == 4 {
                Change::CreateGroup(unit)
            } else {
                Change::CreateUser(unit)
            };
            world.happen(Event::Change(0, change));
        }
        while world.replicas.len() < setting.controllers {
            let replica = world.replicas[0].replica();
            world.replicas.push(replica);
        }
        world.watch();
        world
    }

    /// Lets the event happen; tells whether it applied.
    pub fn happen(&mut self, event: Event) -> bool {
        let controllers = self.replicas.len();
        let before: Vec<BTreeSet<usize>> = (0..controllers).map(|on| self.read_on(on)).collect();
        let applied = match event {
            Event::Change(on, change) => self.change(on % controllers, change),
            Event::ReplicateOne { from, object } => self.replicate_one(from % controllers, object),
            Event::ReplicateAll { from } => self.replicate_all(from % controllers),
        };
        for (on, before) in before.into_iter().enumerate() {
            let after = self.read_on(on);
            self.left.extend(before.difference(&after));
            let absent = self.absent(on);
            self.away[on].extend(absent);
        }
        self.note_claims();
        applied
    }

    /// Carries one object or unit over to the other controller.
    fn replicate_one(&mut self, from: usize, number: u16) -> bool {
        let count = self.units.len() + self.objects.len();
        let number = usize::from(number) % count;
        let id = match self.units.get(number) {
            Some(unit) => unit.id,
            None => self.objects[number - self.units.len()].id,
        };
        let Some(to) = self.replicas.get(1 - from) else {
            return false;
        };
        let applied = self.replicas[from].exists(id) && self.replicas[from].replicate_object(id, to);
        self.record_all(1 - from);
        applied
    }

    /// Carries everything over to the other controller.
    fn replicate_all(&mut self, from: usize) -> bool {
        let Some(to) = self.replicas.get(1 - from) else {
            return false;
        };
        let applied = !self.replicas[from].replicate_all(to).is_empty();
        self.record_all(1 - from);
        applied
    }

    fn change(&mut self, on: usize, change: Change) -> bool {
        self.counter += 1;
        let label = format!("v{}", self.counter);
        match change {
            Change::CreateUser(unit) => self.create(on, unit, true, None),
            Change::CreateGroup(unit) => self.create(on, unit, false, None),
            Change::RenameUnit(unit) => self.rename_unit(on, unit, &label),
            Change::MoveUnit(unit, to) => self.move_unit(on, unit, to),
            Change::HideUnit(unit) => self.hide_unit(unit, true),
            Change::ShowUnit(unit) => self.hide_unit(unit, false),
            Change::SwapIds(one, other) => self.swap_ids(on, one, other),
            Change::Succeed(who, unit) => self.succeed(on, who, unit),
            Change::Describe(who)
            | Change::DescribeBack(who)
            | Change::Undescribe(who)
            | Change::Mail(who)
            | Change::Password(who)
            | Change::Department(who)
            | Change::Unmapped(who)
            | Change::Touch(who)
            | Change::Rename(who)
            | Change::Move(who, _)
            | Change::Delete(who)
            | Change::Restore(who)
            | Change::NewId(who)
            | Change::TakeId(who, _)
            | Change::Hide(who)
            | Change::Show(who) => {
                let Some(at) = usize::from(who).checked_rem(self.objects.len()) else {
                    return false;
                };
                if !self.replicas[on].exists(self.objects[at].id) {
                    return false;
                }
                let applied = match change {
                    Change::NewId(_) => self.set_id(on, at, &label),
                    Change::TakeId(_, from) => self.take_id(on, at, from),
                    change => self.change_object(on, at, change, &label),
                };
                if applied {
                    self.record(on, at);
                }
                applied
            }
        }
    }

    /// Creates an object; a user may be given an id.
    fn create(&mut self, on: usize, unit: u8, user: bool, id: Option<&str>) -> bool {
        let unit = usize::from(unit) % self.units.len();
        let number = self.counter;
        let directory = &self.replicas[on];
        let (parent, label) = (directory.dn(self.unit(unit)), format!("v{number}"));
        // Every third name has to be escaped in a DN.
        let name = if number.is_multiple_of(3) {
            format!("Müller, A. {number}")
        } else {
            format!("Person {number}")
        };
        let id = if user {
            let mail = format!("user{number}@corp.example");
            let password = (133_497_216_000_000_000 + number * 10_000_000).to_string();
            let mut values = vec![
                ("displayName", label.as_str()),
                ("mail", &mail),
                ("pwdLastSet", &password),
            ];
            // The later one of two values is the one that stays.
            values.extend(id.map(|id| (self.identity.source(), id)));
            directory.create_user(&parent, &name, &values)
        } else {
            let types = [-2_147_483_646, -2_147_483_644, 8];
            let group_type = types[number as usize % 3];
            let mail = format!("group{number}@corp.example");
            let mut values = vec![("description", label.as_str())];
            // The default table reads no mail of groups, and its histories are to stay as they are.
            if self.identity == Identity::Mail {
                values.push(("mail", &mail));
            }
            directory.create_group(&parent, &name, group_type, &values)
        };
        self.objects.push(Object {
            id,
            user,
            hidden: false,
            description_before: None,
            versions: Vec::new(),
        });
        self.record(on, self.objects.len() - 1);
        true
    }

    fn change_object(&mut self, on: usize, at: usize, change: Change, label: &str) -> bool {
        let (directory, all) = (self.replicas[on].clone(), self.replicas.clone());
        let object = &mut self.objects[at];
        let id = object.id;
        let deleted = directory.is_deleted(id);
        let description = directory.text(id, object.described_in());
        match change {
            Change::Restore(_) if deleted => directory.restore(id),
            // Rights are given and taken everywhere at once.
            Change::Hide(_) if !object.hidden => {
                all.iter().for_each(|directory| directory.hide(id));
                object.hidden = true;
                self.ever_hidden = true;
            }
            Change::Show(_) if object.hidden => {
                all.iter().for_each(|directory| directory.show(id));
                object.hidden = false;
                self.unseen.fill(true);
            }
            // The rest is not done to the dead.
            _ if deleted => return false,
            Change::Describe(_) => object.describe(&directory, description, Some(label.to_owned())),
            Change::DescribeBack(_) if description != object.description_before => {
                let before = object.description_before.clone();
                object.describe(&directory, description, before);
            }
            Change::Undescribe(_) if description.is_some() => object.describe(&directory, description, None),
            Change::Mail(_) => directory.set_text(id, "mail", &format!("{label}@corp.example")),
            Change::Password(_) => {
                let values = [
                    "0",
                    "9223372036854775807",
                    "133600000000000000",
                    "134000000000000000",
                ];
                directory.set_text(id, "pwdLastSet", values[self.counter as usize % values.len()]);
            }
            Change::Department(_) => directory.set_text(id, "department", label),
            Change::Unmapped(_) => directory.set_text(id, "telephoneNumber", label),
            Change::Touch(_) => directory.touch(id),
            Change::Rename(_) => directory.rename(id, &format!("Renamed {label}")),
            Change::Move(_, unit) => {
                let unit = self.unit(usize::from(unit) % self.units.len());
                directory.move_to(id, &directory.dn(unit));
            }
            Change::Delete(_) => directory.delete(id),
            _ => return false,
        }
        true
    }

    fn rename_unit(&mut self, on: usize, unit: u8, label: &str) -> bool {
        let unit = usize::from(unit) % self.units.len();
        // A base context of another name is another configuration.
        if self.is_base(unit) {
            return false;
        }
        self.replicas[on].rename(self.units[unit].id, &format!("Unit {label}"));
        true
    }

    fn move_unit(&mut self, on: usize, unit: u8, to: u8) -> bool {
        let at = usize::from(unit) % self.units.len();
        let (unit, to) = (self.unit(at), self.unit(usize::from(to) % self.units.len()));
        // Two moves on two controllers must not put two units below each other.
        if at == CORP
            || self.is_base(at)
            || self.may_be_below(to, unit)
            || self.replicas[on].parent(unit) == Some(to)
        {
            return false;
        }
        let enters = self.enters_scope(on, unit, to);
        let directory = &self.replicas[on];
        directory.move_to(unit, &directory.dn(to));
        // A delta notices it by the unit (R8), if it may see that.
        self.entered |= enters;
        if enters && self.units.iter().any(|unit| unit.hidden) {
            self.unseen.fill(true);
        }
        true
    }

    fn hide_unit(&mut self, unit: u8, hide: bool) -> bool {
        let at = usize::from(unit) % self.units.len();
        // A base context that cannot be seen is an error of the run, not a change.
        if self.units[at].hidden == hide || self.is_base(at) {
            return false;
        }
        self.units[at].hidden = hide;
        let id = self.unit(at);
        if hide {
            self.replicas.iter().for_each(|directory| directory.hide(id));
            self.ever_hidden = true;
            // Hidden before a run saw that it, or a unit below it, came into the scope.
            if self.entered {
                self.unseen.fill(true);
            }
        } else {
            self.replicas.iter().for_each(|directory| directory.show(id));
            self.unseen.fill(true);
        }
        true
    }

    /// The other table is in force from now on: every asset changes with it.
    pub fn change_table(&mut self) {
        self.table = match self.table {
            Table::Default => Table::Wide,
            Table::Wide => Table::Default,
        };
        self.record_everywhere();
    }

    /// The ids are made of another attribute from now on.
    pub fn change_identity(&mut self, identity: Identity) {
        self.identity = identity;
        self.record_everywhere();
    }

    fn record_everywhere(&mut self) {
        for on in 0..self.replicas.len() {
            self.record_all(on);
        }
        self.note_claims();
    }

    fn record_all(&mut self, on: usize) {
        for at in 0..self.objects.len() {
            self.record(on, at);
        }
    }

    fn record(&mut self, on: usize, at: usize) {
        let (directory, id) = (&self.replicas[on], self.objects[at].id);
        if !directory.exists(id) || directory.is_deleted(id) {
            return;
        }
        let asset = self.asset(on, &self.objects[at]);
        let versions = &mut self.objects[at].versions;
        if let Some(asset) = asset
            && versions.last() != Some(&asset)
        {
            versions.push(asset);
        }
    }

    fn unit(&self, at: usize) -> ObjectId {
        self.units[at].id
    }

    fn asset(&self, on: usize, object: &Object) -> Option<Value> {
        let attributes = self.replicas[on].attributes(object.id);
        if object.user {
            model::user(self.table, self.identity, &attributes)
        } else {
            model::group(self.roles, self.identity, &attributes)
        }
    }

    /// Tells whether the object, or unit, is `above` or below it.
    fn is_below(&self, on: usize, id: ObjectId, above: ObjectId) -> bool {
        let parents = std::iter::successors(Some(id), |id| self.replicas[on].parent(*id));
        parents.into_iter().any(|id| id == above)
    }

    /// The same of what replication can make of it.
    fn may_be_below(&self, id: ObjectId, above: ObjectId) -> bool {
        let mut ahead = vec![id];
        let mut met = BTreeSet::new();
        while let Some(id) = ahead.pop() {
            if id == above {
                return true;
            }
            if met.insert(id) {
                ahead.extend(self.replicas.iter().filter_map(|directory| directory.parent(id)));
            }
        }
        false
    }
}

impl Object {
    fn described_in(&self) -> &'static str {
        if self.user { "displayName" } else { "description" }
    }

    fn describe(&mut self, directory: &Directory, before: Option<String>, description: Option<String>) {
        match &description {
            Some(text) => directory.set_text(self.id, self.described_in(), text),
            None => directory.set(self.id, self.described_in(), &[]),
        }
        self.description_before = before;
    }
}
