use super::super::people::Quirk;
use super::*;

fn small() -> Directory {
    Directory::new("corp.example", People::of(400, 3))
}

fn empty() -> Directory {
    Directory::new("corp.example", People::NONE)
}

fn sequence(directory: &Directory, id: ObjectId) -> u64 {
    directory.text(id, "uSNChanged").unwrap().parse().unwrap()
}

const USERS: &str = "CN=Users,DC=corp,DC=example";
const GLOBAL: i32 = -2_147_483_646;

#[test]
fn every_object_is_found_by_its_name_guid_and_sid() {
    let directory = small();
    let state = directory.read();
    let mut awkward = 0;
    for id in (0..state.next_id).filter(|&id| state.exists(id)) {
        let mut dn = Vec::new();
        state.dn_into(id, &mut dn);
        let dn = String::from_utf8(dn).unwrap();
        assert_eq!(state.resolve(&dn), Ok(id), "{dn}");
        assert_eq!(state.resolve(&dn.to_ascii_uppercase()), Ok(id), "{dn}");
        let guid: String = state
            .view(id, 0)
            .unwrap()
            .guid()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(state.resolve(&format!("<GUID={guid}>")), Ok(id), "{dn}");
        awkward += u32::from(dn.contains('\\'));
    }
    assert!(awkward > 5);
    assert_eq!(
        state.resolve("<SID=S-1-5-21-3623811015-3361044348-30300820-1104>"),
        Ok(FIRST_SYNTHETIC)
    );
}

#[test]
fn what_is_missing_names_the_nearest_ancestor() {
    let directory = small();
    let resolve = |dn: &str| directory.read().resolve(dn);
    assert_eq!(
        resolve("CN=x,OU=y,OU=People,DC=corp,DC=example"),
        Err("OU=People,DC=corp,DC=example".into())
    );
    assert_eq!(resolve("CN=x,DC=other,DC=example"), Err(String::new()));
}

#[test]
fn a_changed_synthetic_object_keeps_everything_else() {
    let directory = small();
    for kind in [Kind::User, Kind::Group, Kind::Computer] {
        let id = directory.all(kind)[5];
        let before = directory.attributes(id);
        directory.set_text(id, "description", "changed");
        let mut after = directory.attributes(id);
        assert_eq!(after.remove("description"), Some(vec![b"changed".to_vec()]));
        assert_eq!(sequence(&directory, id), directory.last_sequence());
        for moved in ["uSNChanged", "whenChanged"] {
            assert_ne!(after.remove(moved), before.get(moved).cloned());
        }
        for (name, values) in after {
            assert_eq!(Some(&values), before.get(&name), "{name}");
        }
    }
}

#[test]
fn renaming_a_unit_renames_those_below_without_touching_their_usn() {
    let directory = small();
    let unit = directory.find("OU=Berlin,OU=People,DC=corp,DC=example").unwrap();
    let inside = |id: &ObjectId| {
        directory
            .dn(*id)
            .ends_with("OU=Berlin,OU=People,DC=corp,DC=example")
    };
    let user = directory.all(Kind::User).into_iter().find(inside).unwrap();
    let before = sequence(&directory, user);
    directory.rename(unit, "Berlin Mitte");
    assert!(
        directory
            .dn(user)
            .ends_with(",OU=Berlin Mitte,OU=People,DC=corp,DC=example")
    );
    assert_eq!(sequence(&directory, user), before);
    assert_eq!(sequence(&directory, unit), directory.last_sequence());
    directory.move_to(unit, "DC=corp,DC=example");
    assert!(
        directory
            .dn(user)
            .ends_with(",OU=Berlin Mitte,DC=corp,DC=example")
    );
    assert_eq!(directory.find(&directory.dn(user)), Some(user));
}

#[test]
fn membership_changes_the_group_and_not_the_member() {
    let directory = empty();
    let user = directory.create_user(USERS, "Ada", &[]);
    let group = directory.create_group(USERS, "Team", GLOBAL, &[]);
    let before = sequence(&directory, user);
    directory.add_members(group, &[user]);
    assert_eq!(
        directory.text(group, "member"),
        Some("CN=Ada,CN=Users,DC=corp,DC=example".into())
    );
    assert_eq!(
        directory.text(user, "memberOf"),
        Some("CN=Team,CN=Users,DC=corp,DC=example".into())
    );
    assert_eq!(sequence(&directory, user), before);
    directory.rename(user, "Ada L");
    assert_eq!(
        directory.text(group, "member"),
        Some("CN=Ada L,CN=Users,DC=corp,DC=example".into())
    );
    directory.remove_members(group, &[user]);
    assert_eq!(directory.text(user, "memberOf"), None);
}

#[test]
fn synthetic_membership_is_the_same_from_both_sides_before_and_after_a_change() {
    let directory = small();
    let (group, user) = (directory.all(Kind::Group)[2], directory.all(Kind::User)[12]);
    let links = || {
        let state = directory.read();
        (state.members(group.0), state.member_of(user.0))
    };
    let before = links();
    assert!(before.0.contains(&user.0) == before.1.contains(&group.0) && !before.0.is_empty());
    directory.touch(group);
    assert_eq!(links(), before);
    directory.touch(user);
    assert_eq!(links(), before);
}

#[test]
fn a_deleted_object_is_a_tombstone_until_it_is_restored() {
    let directory = empty();
    let user = directory.create_user(USERS, "Ada", &[("mail", "ada@corp.example")]);
    let group = directory.create_group(USERS, "Team", GLOBAL, &[]);
    directory.add_members(group, &[user]);
    let group_before = sequence(&directory, group);
    let sid = directory.attributes(user)["objectSid"].clone();
    directory.delete(user);
    let tomb = directory.attributes(user);
    assert!(
        directory.dn(user).starts_with("CN=Ada\\0ADEL:"),
        "{}",
        directory.dn(user)
    );
    assert!(
        directory
            .dn(user)
            .ends_with(",CN=Deleted Objects,DC=corp,DC=example")
    );
    assert_eq!(tomb["isDeleted"], [b"TRUE"]);
    assert_eq!(tomb["lastKnownParent"], [USERS.as_bytes()]);
    assert_eq!(tomb["objectSid"], sid);
    assert!(
        !tomb.contains_key("mail") && !tomb.contains_key("objectCategory") && !tomb.contains_key("memberOf")
    );
    assert_eq!(sequence(&directory, user), directory.last_sequence());
    assert_eq!(directory.text(group, "member"), None);
    assert_eq!(sequence(&directory, group), group_before);
    assert!(directory.all(Kind::User).is_empty());

    directory.restore(user);
    assert_eq!(directory.dn(user), "CN=Ada,CN=Users,DC=corp,DC=example");
    assert_eq!(directory.text(user, "mail").as_deref(), Some("ada@corp.example"));
    assert!(directory.text(group, "member").is_some());
    assert_eq!(sequence(&directory, user), directory.last_sequence());
}

#[test]
fn a_collected_tombstone_is_gone() {
    let directory = empty();
    let user = directory.create_user(USERS, "Ada", &[]);
    directory.delete(user);
    let dn = directory.dn(user);
    directory.collect(user);
    assert_eq!(directory.find(&dn), None);
}

#[test]
fn a_hidden_object_is_not_listed() {
    let directory = small();
    let users = directory.all(Kind::User);
    directory.hide(users[0]);
    assert_eq!(directory.all(Kind::User), users[1..]);
    directory.show(users[0]);
    assert_eq!(directory.all(Kind::User), users);
}

#[test]
fn awkward_descriptions_reach_the_attributes() {
    let directory = small();
    let state = directory.read();
    let with_newline = |index: &u32| {
        state.people.quirk(*index) == Some(Quirk::Newline) && state.people.at(*index).0 == Kind::User
    };
    let index = (0..400).find(with_newline).unwrap();
    drop(state);
    let description = directory.text(ObjectId(FIRST_SYNTHETIC + index), "description");
    assert_eq!(description.as_deref(), Some("first line\r\nsecond line"));
}
