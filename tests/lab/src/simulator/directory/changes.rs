//! What an administrator does to the directory. Every method is one change with one new USN, unless it says otherwise;
//! all panic when the object does not exist, as a test that asks for that is wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::super::names;
use super::super::people::Kind;
use super::super::schema::{Attribute, Known, Values};
use super::content::Content;
use super::replication::Field;
use super::{Directory, FIRST_RID, FIRST_SYNTHETIC, Object, ObjectId, State, structure};

impl Directory {
    /// Creates a user below the object `parent` names, with a log-on name made of its number and these attributes.
    pub fn create_user(&self, parent: &str, name: &str, attributes: &[(&str, &str)]) -> ObjectId {
        let defaults = [
            ("userAccountControl", "512"),
            ("primaryGroupID", "513"),
            ("sAMAccountType", "805306368"),
        ];
        self.create(parent, name, Kind::User, &defaults, attributes)
    }

    /// Creates a group; `group_type` as in MS-ADTS 2.2.12, e.g. -2147483646 for a global security group.
    pub fn create_group(
        &self,
        parent: &str,
        name: &str,
        group_type: i32,
        attributes: &[(&str, &str)],
    ) -> ObjectId {
        let group_type = group_type.to_string();
        let defaults = [
            ("groupType", group_type.as_str()),
            ("sAMAccountType", "268435456"),
        ];
        self.create(parent, name, Kind::Group, &defaults, attributes)
    }

    /// Gives a created object another RID, as those have that come with the domain (513 is Domain Users). No USN changes.
    pub fn set_rid(&self, id: ObjectId, rid: u32) {
        let mut state = self.write();
        state.stored.get_mut(&id.0).expect("not created").rid = Some(rid);
    }

    /// Creates a computer.
    pub fn create_computer(&self, parent: &str, name: &str, attributes: &[(&str, &str)]) -> ObjectId {
        let defaults = [
            ("userAccountControl", "4096"),
            ("primaryGroupID", "515"),
            ("sAMAccountType", "805306369"),
        ];
        self.create(parent, name, Kind::Computer, &defaults, attributes)
    }

    /// Creates an organizational unit.
    pub fn create_unit(&self, parent: &str, name: &str) -> ObjectId {
        self.create(parent, name, Kind::Unit, &[], &[])
    }

    /// Creates an object of another class, e.g. `container` or `contact`.
    pub fn create_other(&self, parent: &str, name: &str, class: &str) -> ObjectId {
        let id = self.create(parent, name, Kind::Other, &[], &[]);
        let mut state = self.write();
        let schema = state.domain.schema();
        structure::set_class(state.stored.get_mut(&id.0).unwrap(), class, &schema);
        id
    }

    fn create(
        &self,
        parent: &str,
        name: &str,
        kind: Kind,
        defaults: &[(&str, &str)],
        attributes: &[(&str, &str)],
    ) -> ObjectId {
        let mut state = self.write();
        let parent = state
            .resolve(parent)
            .unwrap_or_else(|_| panic!("no object {parent}"));
        let id = state.new_id();
        let mut guid = [0xC5; 16];
        guid[..4].copy_from_slice(&id.to_be_bytes());
        guid[4..12].copy_from_slice(&state.people.seed.to_be_bytes());
        let now = state.now();
        let account = matches!(kind, Kind::User | Kind::Group | Kind::Computer);
        let rid = account.then_some(FIRST_RID + id - FIRST_SYNTHETIC);
        let logon = if kind == Kind::Computer {
            format!("{name}$")
        } else {
            format!("account{id}")
        };
        let logon = account.then_some(("sAMAccountName", logon.as_str()));
        let all = defaults
            .iter()
            .copied()
            .chain(logon)
            .chain(attributes.iter().copied());
        let attributes = all
            .map(|(name, value)| (Attribute::named(name), vec![value.as_bytes().to_vec()]))
            .collect();
        let sequence = state.next_sequence;
        let object = Object {
            guid,
            rid,
            kind,
            parent: Some(parent),
            rdn_kind: if kind == Kind::Unit { "OU" } else { "CN" },
            name: name.to_owned(),
            attributes,
            members: BTreeSet::new(),
            created: now,
            changed: now,
            created_sequence: sequence,
            sequence,
            deleted: None,
        };
        state.next_sequence += 1;
        state.by_sequence.insert(sequence, id);
        state.claim_name(parent, object.rdn_kind, name, id);
        state.stored.insert(id, object);
        state.stamp(id, [Field::Created]);
        ObjectId(id)
    }

    /// Gives an attribute these values, none removes it.
    pub fn set(&self, id: ObjectId, attribute: &str, values: &[&[u8]]) {
        let attribute = Attribute::named(attribute);
        assert_ne!(
            attribute,
            Attribute::Known(Known::Member),
            "members are changed by add_members and remove_members"
        );
        let mut state = self.write();
        state.change(id.0, |object| {
            if values.is_empty() {
                object.attributes.remove(&attribute);
            } else {
                let values = values.iter().map(|value| value.to_vec()).collect();
                object.attributes.insert(attribute.clone(), values);
            }
        });
        state.stamp(id.0, [Field::Attribute(attribute)]);
    }

    /// Gives an attribute one value of text.
    pub fn set_text(&self, id: ObjectId, attribute: &str, value: &str) {
        self.set(id, attribute, &[value.as_bytes()]);
    }

    /// A change that no attribute shows, as a write of the same value, or a logon on another controller.
    pub fn touch(&self, id: ObjectId) {
        let mut state = self.write();
        state.change(id.0, |_| {});
        state.stamp(id.0, [Field::Touch]);
    }

    /// Adds members to a group. The group changes, the members do not: `memberOf` is a back-link.
    pub fn add_members(&self, group: ObjectId, members: &[ObjectId]) {
        let mut state = self.write();
        state.change(group.0, |object| {
            object.members.extend(members.iter().map(|member| member.0))
        });
        for member in members {
            state.back_links.entry(member.0).or_default().insert(group.0);
        }
        state.stamp(group.0, members.iter().map(|member| Field::Member(member.0)));
    }

    /// Removes members from a group; the group changes, the members do not.
    pub fn remove_members(&self, group: ObjectId, members: &[ObjectId]) {
        let mut state = self.write();
        state.change(group.0, |object| {
            object.members.retain(|id| !members.contains(&ObjectId(*id)))
        });
        for member in members {
            state.back_links.entry(member.0).or_default().remove(&group.0);
        }
        state.stamp(group.0, members.iter().map(|member| Field::Member(member.0)));
    }

    /// Gives the object another name in the same place. The names of all below it change with it, their USNs do not.
    pub fn rename(&self, id: ObjectId, name: &str) {
        let mut state = self.write();
        let parent = state
            .parent(id.0)
            .expect("the head of a naming context is not renamed");
        state.place(id.0, parent, name);
        state.stamp(id.0, [Field::Place]);
    }

    /// Moves the object below another one. The names of all below it change with it, their USNs do not.
    pub fn move_to(&self, id: ObjectId, parent: &str) {
        let mut state = self.write();
        let parent = state
            .resolve(parent)
            .unwrap_or_else(|_| panic!("no object {parent}"));
        let name = state.materialized(id.0).name.clone();
        state.place(id.0, parent, &name);
        state.stamp(id.0, [Field::Place]);
    }

    /// Deletes the object: what is left of it is a tombstone below `CN=Deleted Objects`. Groups lose it as a member
    /// without a change of their own.
    pub fn delete(&self, id: ObjectId) {
        let mut state = self.write();
        let content = state.content(id.0);
        assert!(!content.deleted, "deleted already");
        state.put_content(
            id.0,
            Content {
                deleted: true,
                ..content
            },
        );
        state.stamp(id.0, [Field::Deleted]);
    }

    /// Brings a deleted object back as it was, with its memberships, as from the recycle bin.
    pub fn restore(&self, id: ObjectId) {
        let mut state = self.write();
        let content = state.content(id.0);
        assert!(content.deleted, "not deleted");
        state.put_content(
            id.0,
            Content {
                deleted: false,
                ..content
            },
        );
        state.stamp(id.0, [Field::Deleted]);
    }

    /// Takes a deleted object out of the recycle bin: only the control for recycled objects shows
    /// it (MS-ADTS 3.1.1.5.5.1).
    pub fn recycle(&self, id: ObjectId) {
        let mut state = self.write();
        assert!(state.content(id.0).deleted, "not deleted");
        state.recycled.insert(id.0);
    }

    /// Takes from the accounts the right to see the object and its children. No USN changes.
    pub fn hide(&self, id: ObjectId) {
        self.write().hidden.insert(id.0);
    }

    /// Gives back the right to see the object. No USN changes.
    pub fn show(&self, id: ObjectId) {
        self.write().hidden.remove(&id.0);
    }

    /// Takes the right to read the object's objectGUID from the account. No USN changes.
    pub fn hide_guid(&self, id: ObjectId) {
        self.write().without_guid.insert(id.0);
    }

    /// Gives that right back. No USN changes.
    pub fn show_guid(&self, id: ObjectId) {
        self.write().without_guid.remove(&id.0);
    }

    /// Removes a tombstone for good, as garbage collection does after the tombstone lifetime.
    pub fn collect(&self, id: ObjectId) {
        let mut state = self.write();
        let object = state
            .stored
            .get(&id.0)
            .filter(|object| object.deleted.is_some())
            .expect("not deleted");
        let (sequence, key) = (
            object.sequence,
            (structure::DELETED, names::key(object.rdn_kind, &object.name)),
        );
        assert!(
            state.synthetic(id.0).is_none(),
            "a synthetic object would come back"
        );
        state.by_sequence.remove(&sequence);
        state.children.remove(&key);
        state.stored.remove(&id.0);
    }

    /// Stops the clock of the directory at this time, seconds since 1970; `None` lets it run.
    pub fn set_clock(&self, now: Option<i64>) {
        self.write().clock = now;
    }

    /// Makes or renews the `NTDS Settings` object of a controller; gives its distinguished name. No USN changes.
    pub(in super::super) fn register_controller(&self, name: &str, invocation_id: [u8; 16]) -> String {
        let configuration = self.domain().configuration();
        let servers = format!("CN=Servers,CN=Default-First-Site-Name,CN=Sites,{configuration}");
        let server = format!("CN={name},{servers}");
        let settings = format!("CN=NTDS Settings,{server}");
        if self.find(&server).is_none() {
            self.create_other(&servers, name, "server");
            self.create_other(&server, "NTDS Settings", "nTDSDSA");
        }
        let id = self.find(&settings).unwrap();
        let mut state = self.write();
        let attributes = &mut state.stored.get_mut(&id.0).unwrap().attributes;
        attributes.insert(
            Attribute::Known(Known::InvocationId),
            vec![invocation_id.to_vec()],
        );
        settings
    }
}

impl State {
    /// The object, held from now on if it was computed until now.
    pub(super) fn materialized(&mut self, id: u32) -> &mut Object {
        if !self.stored.contains_key(&id) {
            let object = self.held(id).unwrap_or_else(|| panic!("no object {id}"));
            self.claim_name(object.parent.unwrap(), object.rdn_kind, &object.name, id);
            self.by_sequence.insert(object.sequence, id);
            for member in &object.members {
                self.back_links.entry(*member).or_default().insert(id);
            }
            self.stored.insert(id, object);
        }
        self.stored.get_mut(&id).unwrap()
    }

    /// A synthetic object in the form in which changed ones are held.
    pub(super) fn held(&self, id: u32) -> Option<Object> {
        let index = self.synthetic(id)?;
        let mut attributes = BTreeMap::new();
        let mut values = Values::default();
        for &known in Known::ALL {
            values.clear();
            self.people.values(index, known, &self.domain.dns, &mut values);
            if !values.is_empty() {
                attributes.insert(
                    Attribute::Known(known),
                    values.iter().map(<[u8]>::to_vec).collect(),
                );
            }
        }
        let created = self.people.created(index);
        Some(Object {
            guid: self.people.guid(index),
            rid: Some(FIRST_RID + index),
            kind: self.people.at(index).0,
            parent: Some(self.synthetic_parent(index)),
            rdn_kind: "CN",
            name: self.people.name(index),
            attributes,
            members: self.members(id).into_iter().collect(),
            created,
            changed: created,
            created_sequence: u64::from(id) + 1,
            sequence: u64::from(id) + 1,
            deleted: None,
        })
    }

    /// Changes the object and gives it the next number of the sequence.
    pub(super) fn change(&mut self, id: u32, change: impl FnOnce(&mut Object)) {
        let (now, sequence) = (self.now(), self.next_sequence);
        self.next_sequence += 1;
        let object = self.materialized(id);
        change(object);
        let before = std::mem::replace(&mut object.sequence, sequence);
        object.changed = now;
        self.by_sequence.remove(&before);
        self.by_sequence.insert(sequence, id);
    }

    /// Puts the object below `parent` with this name.
    fn place(&mut self, id: u32, parent: u32, name: &str) {
        let object = self.materialized(id);
        let (rdn_kind, before) = (
            object.rdn_kind,
            (object.parent, names::key(object.rdn_kind, &object.name)),
        );
        assert!(
            !self.is_within(parent, id),
            "an object cannot be moved below itself"
        );
        if let (Some(old), key) = before {
            self.children.remove(&(old, key));
        }
        self.claim_name(parent, rdn_kind, name, id);
        self.change(id, |object| {
            object.parent = Some(parent);
            name.clone_into(&mut object.name);
        });
    }

    pub(super) fn claim_name(&mut self, parent: u32, rdn_kind: &str, name: &str, id: u32) {
        let before = self.children.insert((parent, names::key(rdn_kind, name)), id);
        assert!(
            before.is_none_or(|other| other == id),
            "{rdn_kind}={name} exists already in that place"
        );
    }
}
