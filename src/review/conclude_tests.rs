//! Each finding exactly where it belongs.

use super::super::partner::partners;
use super::*;
use chrono::{DateTime, Utc};

use super::super::asset_group::AssetGroup;
use super::super::directories::Person;
use super::super::facts::GroupMembers;
use crate::config::ReviewSettings as Settings;
use crate::config::RoleGroup;
use crate::identity::DistinguishedName;
use crate::identity::Guid;

const DAY: i64 = 86_400;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn ago(days: i64) -> DateTime<Utc> {
    now() - TimeDelta::seconds(days * DAY)
}

fn settings() -> Settings {
    Settings {
        url: "https://qualysapi.example".to_owned(),
        username: "api".to_owned(),
        password: "secret".into(),
        cron: None,
        attributes: vec!["mail".to_owned()],
        allow: vec!["break_glass".to_owned()],
        role_groups: Vec::new(),
        dormant_days: 90,
        never_used_days: 30,
        max_managers: 2,
    }
}

fn account(login: &str) -> ConsoleAccount {
    ConsoleAccount {
        id: Some(format!("id-{login}")),
        login: Some(login.to_owned()),
        email: Some(format!("{login}@corp.example")),
        status: super::super::AccountStatus::Active,
        created_at: Some(ago(400)),
        last_login: LastLogin::At(ago(1)),
        role: Some("Scanner".to_owned()),
        ..ConsoleAccount::default()
    }
}

fn guid(number: u8) -> Guid {
    Guid::from([number; 16])
}

fn found(number: u8) -> Partner {
    Partner::Found(FoundPartner {
        connection: "corp".to_owned(),
        guid: guid(number).to_string(),
        dn: format!("CN=P{number},DC=corp"),
        account: Some(format!("p{number}")),
        by: "e-mail address = mail".to_owned(),
        enabled: Some(true),
        expires_at: None,
        shows_expiry: true,
        in_scope: Some(true),
    })
}

fn changed(partner: Partner, change: impl FnOnce(&mut FoundPartner)) -> Partner {
    match partner {
        Partner::Found(mut found) => {
            change(&mut found);
            Partner::Found(found)
        }
        other => other,
    }
}

/// Findings as `code subject`.
struct World {
    settings: Settings,
    accounts: Vec<(ConsoleAccount, Partner)>,
    groups: Vec<AssetGroup>,
    members: Vec<GroupMembers>,
    persons: HashMap<Guid, Person>,
    lists_complete: bool,
    directories_complete: bool,
}

impl World {
    fn of(accounts: Vec<(ConsoleAccount, Partner)>) -> Self {
        Self {
            settings: settings(),
            accounts,
            groups: Vec::new(),
            members: Vec::new(),
            persons: HashMap::new(),
            lists_complete: true,
            directories_complete: true,
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let (accounts, partners): (Vec<_>, Vec<_>) = self.accounts.iter().cloned().unzip();
        conclude(ReviewFacts {
            settings: &self.settings,
            now: now(),
            accounts: &accounts,
            groups: &self.groups,
            partners: &partners,
            members: &self.members,
            persons: &self.persons,
            lists_complete: self.lists_complete,
            directories_complete: self.directories_complete,
            gaps: &[],
        })
    }

    fn told(&self) -> Vec<String> {
        let name = |finding: &Finding| format!("{} {}", finding.code.name(), finding.subject());
        self.findings().iter().map(name).collect()
    }
}

fn with(change: impl FnOnce(&mut ConsoleAccount)) -> ConsoleAccount {
    let mut account = account("a");
    change(&mut account);
    account
}

#[test]
fn an_account_in_order_gives_no_finding() {
    assert_eq!(World::of(vec![(account("a"), found(1))]).told(), [""; 0]);
}

#[test]
fn r36_gone_needs_every_list_and_every_directory() {
    for status in ["Active", "Pending Activation"] {
        let account = with(|account| account.status = status.to_owned().into());
        let mut world = World::of(vec![(account, Partner::NotFound)]);
        assert_eq!(world.told(), ["gone a"]);
        assert!(!world.findings()[0].evidence.is_empty());
        world.lists_complete = false;
        assert_eq!(world.told(), [""; 0]);
        (world.lists_complete, world.directories_complete) = (true, false);
        assert_eq!(world.told(), [""; 0]);
    }
    for status in ["Inactive", "Locked", ""] {
        let account = with(|account| account.status = status.to_owned().into());
        assert_eq!(World::of(vec![(account, Partner::NotFound)]).told(), [""; 0]);
    }
}

#[test]
fn disabled_and_expired_persons_are_found_also_in_partial_lists() {
    let disabled = changed(found(1), |found| found.enabled = Some(false));
    let expired = changed(found(2), |found| found.expires_at = Some(ago(1)));
    let later = changed(found(3), |found| found.expires_at = Some(ago(-1)));
    let mut world = World::of(vec![
        (account("a"), disabled),
        (account("b"), expired),
        (account("c"), later),
    ]);
    assert_eq!(world.told(), ["disabled a", "disabled b"]);
    (world.lists_complete, world.directories_complete) = (false, false);
    assert_eq!(world.told(), ["disabled a", "disabled b"]);
}

#[test]
fn an_attribute_that_is_not_shown_is_incomplete() {
    let hidden = changed(found(1), |found| found.enabled = None);
    let unseen = changed(found(2), |found| found.shows_expiry = false);
    let world = World::of(vec![(account("a"), hidden), (account("b"), unseen)]);
    assert_eq!(world.told(), ["incomplete a", "incomplete b"]);
}

#[test]
fn a_person_outside_every_profile_is_out_of_scope() {
    let outside = changed(found(1), |found| found.in_scope = Some(false));
    assert_eq!(
        World::of(vec![(account("a"), outside)]).told(),
        ["out_of_scope a"]
    );
}

#[test]
fn never_used_and_dormant_count_from_the_settings() {
    let never = |days| {
        with(|account| {
            account.last_login = LastLogin::Never;
            account.created_at = Some(ago(days));
        })
    };
    let last = |days| with(|account| account.last_login = LastLogin::At(ago(days)));
    let hidden = with(|account| account.last_login = LastLogin::NotVisible);
    for (account, expected) in [
        (never(30), vec!["never_used a"]),
        (never(29), vec![]),
        (last(90), vec!["dormant a"]),
        (last(89), vec![]),
        (hidden, vec![]),
    ] {
        assert_eq!(World::of(vec![(account, found(1))]).told(), expected);
    }
}

fn granting(role: &str, members: GroupMembers) -> World {
    let granted = RoleGroup {
        role: role.to_owned(),
        group: DistinguishedName::parse("CN=Admins,DC=corp").unwrap(),
    };
    let manager = |login: &str| ConsoleAccount {
        role: Some("Manager".to_owned()),
        ..account(login)
    };
    let mut world = World::of(vec![(manager("a"), found(1)), (manager("b"), found(2))]);
    world.settings.role_groups = vec![granted];
    world.members = vec![members];
    for number in 1..=4 {
        world.persons.insert(
            guid(number),
            Person {
                connection: "corp".to_owned(),
                guid: guid(number),
                dn: format!("CN=P{number},DC=corp"),
                account: Some(format!("p{number}")),
                control: Some(if number == 4 { 514 } else { 512 }),
                expires: Some(0),
            },
        );
    }
    world
}

fn known(connection: &str, members: &[u8]) -> GroupMembers {
    GroupMembers::Known {
        connections: BTreeSet::from([connection.to_owned()]),
        members: members.iter().map(|number| guid(*number)).collect(),
    }
}

#[test]
fn a_role_needs_the_group_and_the_group_an_account() {
    // Person 3 has no account; person 4 is disabled, so it needs none.
    let world = granting("manager", known("corp", &[1, 3, 4]));
    assert_eq!(world.told(), ["role_without_group b", "group_without_account p3"]);
}

#[test]
fn r36_group_without_account_needs_every_partner() {
    let mut world = granting("Manager", known("corp", &[1, 3]));
    world.lists_complete = false;
    assert_eq!(world.told(), ["role_without_group b"]);
    world.lists_complete = true;
    world.accounts[1].1 = Partner::Ambiguous {
        by: String::new(),
        candidates: vec![],
    };
    assert_eq!(world.told(), ["incomplete b"]);
}

#[test]
fn a_group_that_is_nowhere_or_elsewhere_concludes_nothing() {
    assert_eq!(
        granting("Manager", GroupMembers::Missing).told(),
        ["incomplete CN=Admins,DC=corp"]
    );
    assert_eq!(granting("Manager", GroupMembers::Unknown).told(), [""; 0]);
    let elsewhere = granting("Manager", known("other", &[1]));
    assert_eq!(elsewhere.told(), ["incomplete b"]);
}

#[test]
fn a_role_with_two_groups_needs_one_of_them() {
    let mut world = granting("Manager", known("corp", &[1]));
    let second = world.settings.role_groups[0].clone();
    world.settings.role_groups.push(second);
    world.members.push(known("corp", &[2]));
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn accounts_with_one_address_or_one_person_are_shared() {
    let mut twin = account("b");
    twin.email = Some("A@CORP.example".to_owned());
    let world = World::of(vec![
        (account("a"), found(1)),
        (twin, found(2)),
        (account("c"), found(1)),
    ]);
    assert_eq!(world.told(), ["shared a", "shared b", "shared c"]);
    let inactive = with(|account| {
        account.login = Some("b".to_owned());
        account.status = super::super::AccountStatus::Inactive;
    });
    assert_eq!(
        World::of(vec![(account("a"), found(1)), (inactive, found(1))]).told(),
        [""; 0]
    );
}

#[test]
fn more_managers_than_allowed_are_one_finding() {
    let manager = |login: &str, number| {
        let account = ConsoleAccount {
            role: Some("Manager".to_owned()),
            ..account(login)
        };
        (account, found(number))
    };
    let mut accounts = vec![manager("a", 1), manager("b", 2), manager("break_glass", 3)];
    assert_eq!(World::of(accounts.clone()).told(), [""; 0]);
    accounts.push(manager("d", 4));
    let world = World::of(accounts);
    assert_eq!(world.told(), ["too_many_managers Manager"]);
    assert!(world.findings()[0].evidence[0].value.contains("a, b, d"));
}

#[test]
fn an_asset_group_without_an_owner_who_works_there_is_unmanaged() {
    let group = |name: &str, owner: Option<&str>| AssetGroup {
        name: Some(name.to_owned()),
        owner_user_id: owner.map(str::to_owned),
        business_impact: Some("Critical".to_owned()),
        ..AssetGroup::default()
    };
    let disabled = changed(found(1), |found| found.enabled = Some(false));
    let inactive = |login: &str| ConsoleAccount {
        status: super::super::AccountStatus::Inactive,
        ..account(login)
    };
    let mut world = World::of(vec![
        (inactive("a"), disabled),
        (inactive("b"), Partner::NotFound),
        (account("c"), found(2)),
        (account("break_glass"), Partner::NotFound),
    ]);
    world.groups = vec![
        group("of a", Some("id-a")),
        group("of b", Some("id-b")),
        group("of c", Some("id-c")),
        group("of the allowed", Some("id-break_glass")),
        group("of nobody", Some("id-deleted")),
        group("without", None),
    ];
    let all = ["of a", "of b", "of nobody"].map(|name| format!("unmanaged_asset_group {name}"));
    assert_eq!(world.told(), all);
    assert!(world.findings()[0].reason.contains("business impact Critical"));
    world.lists_complete = false;
    assert_eq!(world.told(), ["unmanaged_asset_group of a"]);
}

#[test]
fn an_allowed_login_is_never_reported() {
    let glass = ConsoleAccount {
        login: Some("Break_Glass".to_owned()),
        last_login: LastLogin::Never,
        ..account("break_glass")
    };
    assert_eq!(World::of(vec![(glass, Partner::NotFound)]).told(), [""; 0]);
}

#[test]
fn the_first_attribute_with_one_hit_counts_and_several_hits_are_ambiguous() {
    let attributes = ["userPrincipalName".to_owned(), "mail".to_owned()];
    let mut person = account("a");
    person.external_id = Some("x".to_owned());
    let keys = vec![super::super::keys::keys(&person, &attributes)];
    let persons = granting("Manager", GroupMembers::Missing).persons;
    let hits = |found: &[(usize, &[u8])]| {
        let matches = found.iter().map(|(key, numbers)| {
            let guids: BTreeSet<Guid> = numbers.iter().map(|number| guid(*number)).collect();
            ((0, *key), guids)
        });
        partners(&keys, &matches.collect(), &persons, None).remove(0)
    };
    let by = |partner: &Partner| partner.found().unwrap().by.clone();
    assert_eq!(
        by(&hits(&[(0, &[1]), (1, &[2])])),
        "external id = userPrincipalName"
    );
    assert_eq!(by(&hits(&[(0, &[1, 2]), (1, &[2])])), "external id = mail");
    assert_eq!(by(&hits(&[(0, &[1, 2]), (2, &[3])])), "e-mail address = mail");
    assert!(matches!(hits(&[(0, &[1, 2])]), Partner::Ambiguous { candidates, .. } if candidates.len() == 2));
    assert_eq!(hits(&[]), Partner::NotFound);
    let keyless = partners(&[vec![]], &BTreeMap::new(), &persons, None).remove(0);
    assert!(matches!(keyless, Partner::Unknown { .. }));
    let silent = partners(
        &keys,
        &BTreeMap::new(),
        &persons,
        Some("a directory did not answer"),
    )
    .remove(0);
    assert!(matches!(silent, Partner::Unknown { .. }));
}
