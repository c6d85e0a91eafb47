use super::super::super::people::{Kind, People};
use super::*;

const USERS: &str = "CN=Users,DC=corp,DC=example";
const COMPUTERS: &str = "CN=Computers,DC=corp,DC=example";

/// Two replicas of a domain, and a user that both have.
fn two() -> (Directory, Directory, ObjectId) {
    let first = Directory::new("corp.example", People::NONE);
    let user = first.create_user(USERS, "Ada", &[("mail", "ada@corp.example")]);
    let second = first.replica();
    (first, second, user)
}

/// Everything that replicates: neither USNs nor whenChanged.
fn replicated(directory: &Directory, id: ObjectId) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut all = directory.attributes(id);
    for own in ["uSNChanged", "uSNCreated", "whenChanged"] {
        all.remove(own);
    }
    all
}

fn usn(directory: &Directory, id: ObjectId) -> u64 {
    directory.text(id, "uSNChanged").unwrap().parse().unwrap()
}

fn assert_same(first: &Directory, second: &Directory, id: ObjectId) {
    assert_eq!(replicated(first, id), replicated(second, id));
    assert_eq!((first.guid(id), first.sid(id)), (second.guid(id), second.sid(id)));
}

#[test]
fn a_new_object_is_unknown_until_it_arrives_and_then_the_same_with_usns_of_its_own() {
    let (first, second, _) = two();
    second.touch(second.find("CN=Ada,CN=Users,DC=corp,DC=example").unwrap());
    let unit = first.create_unit("DC=corp,DC=example", "New");
    let user = first.create_user("OU=New,DC=corp,DC=example", "Grace", &[]);
    assert!(!second.exists(user) && second.read().by_guid(&first.guid(user)).is_none());
    assert!(first.replicate_object(user, &second), "its parent comes with it");
    assert!(second.exists(unit));
    assert_same(&first, &second, user);
    assert_ne!(usn(&first, user), usn(&second, user));
    assert_eq!(second.text(user, "uSNCreated"), second.text(user, "uSNChanged"));
    assert!(!first.replicate_object(user, &second), "nothing is new");
    // What is created on two replicas has two numbers.
    let others = [&first, &second].map(|directory| directory.create_user(USERS, "Same", &[]));
    assert_ne!(others[0], others[1]);
}

#[test]
fn attributes_replicate_one_by_one_and_the_last_writer_wins_on_both_sides() {
    let (first, second, user) = two();
    first.set_text(user, "mail", "first@corp.example");
    second.set_text(user, "displayName", "second");
    second.set_text(user, "department", "once");
    second.set_text(user, "department", "twice");
    first.set_text(user, "department", "first");
    let before = usn(&second, user);
    assert!(first.replicate_object(user, &second));
    assert!(usn(&second, user) > before);
    assert!(second.replicate_object(user, &first));
    assert_same(&first, &second, user);
    assert_eq!(first.text(user, "mail").unwrap(), "first@corp.example");
    assert_eq!(first.text(user, "displayName").unwrap(), "second");
    assert_eq!(
        first.text(user, "department").unwrap(),
        "twice",
        "of two versions the later"
    );
    first.set(user, "mail", &[]);
    assert!(first.replicate_object(user, &second));
    assert_eq!(second.text(user, "mail"), None);
}

#[test]
fn names_and_places_replicate_together() {
    let (first, second, user) = two();
    first.rename(user, "Ada L.");
    first.move_to(user, COMPUTERS);
    second.set_text(user, "mail", "new@corp.example");
    first.replicate_object(user, &second);
    assert_eq!(second.dn(user), format!("CN=Ada L.,{COMPUTERS}"));
    assert_eq!(second.find("CN=Ada,CN=Users,DC=corp,DC=example"), None);
    second.replicate_object(user, &first);
    assert_same(&first, &second, user);
}

#[test]
fn a_tombstone_overtakes_an_update_and_wins_until_the_object_is_restored() {
    let (first, second, user) = two();
    first.delete(user);
    second.set_text(user, "mail", "late@corp.example");
    second.rename(user, "Late");
    assert!(first.replicate_object(user, &second));
    assert!(second.is_deleted(user));
    assert!(second.replicate_object(user, &first));
    assert!(first.is_deleted(user));
    assert_same(&first, &second, user);
    second.restore(user);
    assert!(second.replicate_object(user, &first));
    assert_eq!(first.text(user, "mail").unwrap(), "late@corp.example");
    assert_eq!(first.dn(user), "CN=Late,CN=Users,DC=corp,DC=example");
    assert_same(&first, &second, user);
}

#[test]
fn the_tombstone_of_an_object_that_never_arrived_is_a_tombstone() {
    let (first, second, _) = two();
    let user = first.create_user(USERS, "Brief", &[]);
    first.delete(user);
    assert!(first.replicate_object(user, &second));
    assert!(second.is_deleted(user));
    assert_same(&first, &second, user);
}

#[test]
fn links_replicate_value_by_value_also_before_the_member_and_after_its_deletion() {
    let (first, second, user) = two();
    let group = first.create_group(USERS, "Team", -2_147_483_646, &[]);
    first.replicate_all(&second);
    let late = first.create_user(USERS, "Grace", &[]);
    first.add_members(group, &[late]);
    second.add_members(group, &[user]);
    first.replicate_object(group, &second);
    second.replicate_object(group, &first);
    assert_eq!(first.attributes(group)["member"].len(), 2);
    assert_eq!(
        second.attributes(group)["member"].len(),
        1,
        "the other member is not here yet"
    );
    first.replicate_object(late, &second);
    assert_same(&first, &second, group);
    assert_eq!(second.attributes(late)["memberOf"].len(), 1);
    second.delete(user);
    first.remove_members(group, &[late]);
    second.replicate_all(&first);
    first.replicate_all(&second);
    assert_same(&first, &second, group);
    assert!(!first.attributes(group).contains_key("member"));
    first.restore(user);
    first.replicate_all(&second);
    assert_same(&first, &second, group);
    assert_eq!(
        second.attributes(group)["member"].len(),
        1,
        "the link was there all the time"
    );
}

#[test]
fn computed_objects_replicate_once_they_are_changed() {
    let first = Directory::new("corp.example", People::of(20, 1));
    let second = first.replica();
    let user = first.all(Kind::User)[3];
    first.set_text(user, "mail", "new@corp.example");
    assert_ne!(second.text(user, "mail"), first.text(user, "mail"));
    assert!(first.replicate_all(&second).contains(&user));
    assert_same(&first, &second, user);
}

#[test]
fn only_a_whole_replication_lets_a_replica_know_that_it_is_up_to_date() {
    let (first, second, user) = two();
    first.set_text(user, "mail", "new@corp.example");
    first.replicate_object(user, &second);
    let known = |directory: &Directory| directory.read().known().unwrap();
    assert_ne!(known(&second)[&1], first.last_sequence());
    first.replicate_all(&second);
    assert_eq!(known(&second)[&1], first.last_sequence());
    assert!(second.read().is_covered(user.0, &known(&first)));
    second.touch(user);
    assert!(!second.read().is_covered(user.0, &known(&first)));
}
