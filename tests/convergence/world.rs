//! The directory of a history, changed as the history says, and what the model makes of it at each moment.

use std::collections::{BTreeMap, BTreeSet};

use lab::simulator::{Directory, ObjectId, People};
use serde_json::Value;

use super::audit::{Versions, told_removed};
use super::history::{Change, Setting};
use super::model::{self, Table};

/// `OU=Corp`, the base context of a narrow scope.
const CORP: usize = 0;

/// 2026-11-22 02:10 UTC: nothing that is compared depends on when the test runs.
const NOW: i64 = 1_795_313_400;

pub struct World {
    pub directory: Directory,
    pub table: Table,
    narrow: bool,
    sees_deleted: bool,
    tells_removals: bool,
    units: Vec<Unit>,
    objects: Vec<Object>,
    /// Names and values are numbered, so that no two are the same.
    counter: u64,
    /// Something happened that no delta can see.
    pub unseen: bool,
    /// Whether a unit ever moved into the scope.
    entered: bool,
    /// Objects that no read could find at some moment since [`World::watch`].
    away: BTreeSet<usize>,
    /// Something was hidden from the account at some time.
    ever_hidden: bool,
}

struct Unit {
    id: ObjectId,
    /// `None` stands in the domain's head.
    parent: Option<usize>,
    hidden: bool,
}

struct Object {
    id: ObjectId,
    user: bool,
    unit: usize,
    deleted: bool,
    hidden: bool,
    description: Option<String>,
    description_before: Option<String>,
    /// Every asset that it was, in order, no two neighbours the same.
    versions: Vec<Value>,
}

impl World {
    pub fn new(setting: &Setting) -> Self {
        let directory = Directory::new("corp.example", People::NONE);
        directory.set_clock(Some(NOW));
        let mut world = Self {
            directory,
            table: Table::Default,
            narrow: setting.narrow,
            sees_deleted: setting.sees_deleted,
            tells_removals: setting.tells_removals,
            units: Vec::new(),
            objects: Vec::new(),
            counter: 0,
            unseen: false,
            entered: false,
            away: BTreeSet::new(),
            ever_hidden: false,
        };
        for (name, parent) in [
            ("Corp", None),
            ("Staff", Some(CORP)),
            ("Teams", Some(CORP)),
            ("Outside", None),
            ("Old", Some(3)),
        ] {
            let id = world.directory.create_unit(&world.unit_dn(parent), name);
            world.units.push(Unit {
                id,
                parent,
                hidden: false,
            });
        }
        for number in 0..setting.objects {
            let unit = (number % 4) as u8;
            world.apply(if number % 5 == 4 {
                Change::CreateGroup(unit)
            } else {
                Change::CreateUser(unit)
            });
        }
        world
    }

    /// The base context, `None` for the domain.
    pub fn base(&self) -> Option<String> {
        self.narrow.then(|| self.unit_dn(Some(CORP)))
    }

    /// Makes the change; tells whether it applied.
    pub fn apply(&mut self, change: Change) -> bool {
        let applied = self.change(change);
        let absent: Vec<usize> = self.absent().collect();
        self.away.extend(absent);
        applied
    }

    fn change(&mut self, change: Change) -> bool {
        self.counter += 1;
        let label = format!("v{}", self.counter);
        match change {
            Change::CreateUser(unit) => self.create(unit, true),
            Change::CreateGroup(unit) => self.create(unit, false),
            Change::RenameUnit(unit) => self.rename_unit(unit, &label),
            Change::MoveUnit(unit, to) => self.move_unit(unit, to),
            Change::HideUnit(unit) => self.hide_unit(unit, true),
            Change::ShowUnit(unit) => self.hide_unit(unit, false),
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
            | Change::Hide(who)
            | Change::Show(who) => {
                let Some(at) = usize::from(who).checked_rem(self.objects.len()) else {
                    return false;
                };
                let applied = self.change_object(at, change, &label);
                if applied {
                    self.record(at);
                }
                applied
            }
        }
    }

    fn create(&mut self, unit: u8, user: bool) -> bool {
        let unit = usize::from(unit) % self.units.len();
        let number = self.counter;
        let (parent, label) = (self.unit_dn(Some(unit)), format!("v{number}"));
        // Every third name has to be escaped in a DN.
        let name = if number.is_multiple_of(3) {
            format!("Müller, A. {number}")
        } else {
            format!("Person {number}")
        };
        let id = if user {
            let mail = format!("user{number}@corp.example");
            let password = (133_497_216_000_000_000 + number * 10_000_000).to_string();
            let values = [
                ("displayName", label.as_str()),
                ("mail", &mail),
                ("pwdLastSet", &password),
            ];
            self.directory.create_user(&parent, &name, &values)
        } else {
            let types = [-2_147_483_646, -2_147_483_644, 8];
            let group_type = types[number as usize % 3];
            self.directory
                .create_group(&parent, &name, group_type, &[("description", &label)])
        };
        self.objects.push(Object {
            id,
            user,
            unit,
            deleted: false,
            hidden: false,
            description: Some(label),
            description_before: None,
            versions: Vec::new(),
        });
        self.record(self.objects.len() - 1);
        true
    }

    fn change_object(&mut self, at: usize, change: Change, label: &str) -> bool {
        let (directory, units) = (self.directory.clone(), self.units.len());
        let object = &mut self.objects[at];
        let id = object.id;
        match change {
            Change::Restore(_) if object.deleted => {
                directory.restore(id);
                object.deleted = false;
            }
            Change::Hide(_) if !object.hidden => {
                directory.hide(id);
                object.hidden = true;
                self.ever_hidden = true;
            }
            Change::Show(_) if object.hidden => {
                directory.show(id);
                object.hidden = false;
                self.unseen = true;
            }
            // The rest is not done to the dead.
            _ if object.deleted => return false,
            Change::Describe(_) => object.describe(&directory, Some(label.to_owned())),
            Change::DescribeBack(_) if object.description != object.description_before => {
                let before = object.description_before.clone();
                object.describe(&directory, before);
            }
            Change::Undescribe(_) if object.description.is_some() => object.describe(&directory, None),
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
                object.unit = usize::from(unit) % units;
                let unit = self.objects[at].unit;
                directory.move_to(id, &self.unit_dn(Some(unit)));
            }
            Change::Delete(_) => {
                directory.delete(id);
                object.deleted = true;
            }
            _ => return false,
        }
        true
    }

    fn rename_unit(&mut self, unit: u8, label: &str) -> bool {
        let unit = usize::from(unit) % self.units.len();
        // A base context of another name is another configuration.
        if self.narrow && unit == CORP {
            return false;
        }
        self.directory
            .rename(self.units[unit].id, &format!("Unit {label}"));
        true
    }

    fn move_unit(&mut self, unit: u8, to: u8) -> bool {
        let (unit, to) = (
            usize::from(unit) % self.units.len(),
            usize::from(to) % self.units.len(),
        );
        if unit == CORP || self.is_below(to, unit) || self.units[unit].parent == Some(to) {
            return false;
        }
        let enters = self.narrow && !self.is_below(unit, CORP) && self.is_below(to, CORP);
        self.directory
            .move_to(self.units[unit].id, &self.unit_dn(Some(to)));
        self.units[unit].parent = Some(to);
        // A delta notices it by the unit (R8), if it may see that.
        self.entered |= enters;
        self.unseen |= enters && self.units.iter().any(|unit| unit.hidden);
        true
    }

    fn hide_unit(&mut self, unit: u8, hide: bool) -> bool {
        let at = usize::from(unit) % self.units.len();
        // A base context that cannot be seen is an error of the run, not a change.
        if self.units[at].hidden == hide || (self.narrow && at == CORP) {
            return false;
        }
        self.units[at].hidden = hide;
        if hide {
            self.directory.hide(self.units[at].id);
            self.ever_hidden = true;
            // Hidden before a run saw that it, or a unit below it, came into the scope.
            self.unseen |= self.entered;
        } else {
            self.directory.show(self.units[at].id);
            self.unseen = true;
        }
        true
    }

    /// The other table is in force from now on: every asset changes with it.
    pub fn change_table(&mut self) {
        self.table = match self.table {
            Table::Default => Table::Wide,
            Table::Wide => Table::Default,
        };
        for at in 0..self.objects.len() {
            self.record(at);
        }
    }

    /// Every version of every object's asset.
    pub fn versions(&self) -> Versions<'_> {
        let of = |object: &'_ Object| self.directory.sid(object.id).unwrap();
        self.objects
            .iter()
            .map(|object| (of(object), object.versions.as_slice()))
            .collect()
    }

    /// Upstream holds what the model makes of each object in scope.
    ///
    /// # Errors
    /// The first object of which it does not.
    pub fn check_held(&self, held: &BTreeMap<String, Value>) -> Result<(), String> {
        for object in self.objects.iter().filter(|object| self.is_read(object)) {
            let Some(asset) = self.asset(object) else { continue };
            let (sid, dn) = (
                self.directory.sid(object.id).unwrap(),
                self.directory.dn(object.id),
            );
            match held.get(&sid) {
                Some(held) if *held == asset => {}
                Some(held) => {
                    return Err(format!(
                        "{dn} is upstream\n  {held}\nand in the directory\n  {asset}"
                    ));
                }
                None => return Err(format!("{dn} never came: {asset}")),
            }
        }
        Ok(())
    }

    /// From here on it is noted what no read could find at some moment.
    pub fn watch(&mut self) {
        self.away = self.absent().collect();
    }

    /// What is newly listed as removed was not to be found at some moment since [`World::watch`] (R22). Gives the
    /// `externalAssetId`s of it.
    ///
    /// # Errors
    /// The first object that was there all the time.
    pub fn check_newly_removed(&self, guids: &BTreeSet<String>) -> Result<BTreeSet<String>, String> {
        let mut removed = BTreeSet::new();
        for (at, object) in self.objects.iter().enumerate() {
            if !guids.contains(&self.guid(object)) {
                continue;
            }
            if !self.away.contains(&at) {
                return Err(format!(
                    "{} was reported removed, and is there",
                    self.directory.dn(object.id)
                ));
            }
            removed.insert(self.directory.sid(object.id).unwrap());
        }
        Ok(removed)
    }

    /// What is listed as removed or held back is gone, and what is gone and was sent is listed: all of it after a full read,
    /// what a delta can see after a delta.
    ///
    /// # Errors
    /// The first object of which that is not true.
    pub fn check_listed(
        &self,
        removed: &BTreeSet<String>,
        held: &BTreeSet<String>,
        sent: &BTreeMap<String, Value>,
        full: bool,
    ) -> Result<(), String> {
        for object in &self.objects {
            let (dn, guid) = (self.directory.dn(object.id), self.guid(object));
            let (is_removed, is_held) = (removed.contains(&guid), held.contains(&guid));
            if self.is_read(object) {
                if is_removed || is_held {
                    return Err(format!("{dn} is listed as removed, and is there"));
                }
                continue;
            }
            let noticed = full || (!self.ever_hidden && (self.sees_deleted || !object.deleted));
            let Some(asset) = sent.get(&self.directory.sid(object.id).unwrap()) else {
                continue;
            };
            if noticed && !is_removed && !is_held {
                return Err(format!("{dn} is gone, and not listed as removed"));
            }
            if is_removed && told_removed(asset).is_some() != self.tells_removals {
                return Err(format!("{dn} is removed, and upstream holds {asset}"));
            }
        }
        Ok(())
    }

    fn absent(&self) -> impl Iterator<Item = usize> + '_ {
        let objects = self.objects.iter().enumerate();
        objects
            .filter(|(_, object)| !self.is_read(object))
            .map(|(at, _)| at)
    }

    fn guid(&self, object: &Object) -> String {
        model::guid(&self.directory.guid(object.id))
    }

    /// Whether a read should find the object.
    fn is_read(&self, object: &Object) -> bool {
        let in_scope = !self.narrow || self.is_below(object.unit, CORP);
        in_scope && !object.deleted && !object.hidden && !self.units[object.unit].hidden
    }

    fn is_below(&self, unit: usize, above: usize) -> bool {
        let mut at = Some(unit);
        while let Some(unit) = at {
            if unit == above {
                return true;
            }
            at = self.units[unit].parent;
        }
        false
    }

    fn asset(&self, object: &Object) -> Option<Value> {
        let attributes = self.directory.attributes(object.id);
        if object.user {
            model::user(self.table, &attributes)
        } else {
            model::group(&attributes)
        }
    }

    fn record(&mut self, at: usize) {
        if self.objects[at].deleted {
            return;
        }
        let asset = self.asset(&self.objects[at]);
        let versions = &mut self.objects[at].versions;
        if let Some(asset) = asset
            && versions.last() != Some(&asset)
        {
            versions.push(asset);
        }
    }

    fn unit_dn(&self, unit: Option<usize>) -> String {
        match unit {
            Some(unit) => self.directory.dn(self.units[unit].id),
            None => self.directory.domain().dn,
        }
    }
}

impl Object {
    fn describe(&mut self, directory: &Directory, description: Option<String>) {
        let attribute = if self.user { "displayName" } else { "description" };
        match &description {
            Some(text) => directory.set_text(self.id, attribute, text),
            None => directory.set(self.id, attribute, &[]),
        }
        self.description_before = std::mem::replace(&mut self.description, description);
    }
}
