//! Each rule of roles and business units.

use super::*;

fn account(id: &str, role: &str) -> ConsoleAccount {
    ConsoleAccount {
        id: Some(id.to_owned()),
        login: Some(format!("user_{id}")),
        role: Some(role.to_owned()),
        ..ConsoleAccount::default()
    }
}

fn in_unit(id: &str, role: &str, unit: &str) -> ConsoleAccount {
    ConsoleAccount {
        business_unit: Some(unit.to_owned()),
        ..account(id, role)
    }
}

fn assigned(account: ConsoleAccount, titles: &[&str]) -> ConsoleAccount {
    ConsoleAccount {
        asset_groups: titles.iter().map(|&title| title.to_owned()).collect(),
        ..account
    }
}

fn group(name: &str, owner: &str, unit: Option<&str>) -> AssetGroup {
    AssetGroup {
        id: Some(format!("id of {name}")),
        name: Some(name.to_owned()),
        owner_user_id: Some(owner.to_owned()),
        unit_id: unit.map(str::to_owned),
        ..AssetGroup::default()
    }
}

/// Returns the names that the account with this id reaches, each with the reason.
fn reached(accounts: &[ConsoleAccount], groups: &[AssetGroup], id: &str) -> Vec<(String, AccessReason)> {
    let list = access(accounts, groups);
    let mine = |row: &&GroupAccess| accounts[row.account].id.as_deref() == Some(id);
    let named = |row: &GroupAccess| {
        let name = target_name(row.target, &accounts[row.account], groups);
        (name, row.reason)
    };
    list.rows.iter().filter(mine).map(named).collect()
}

fn is(name: &str, reason: AccessReason) -> (String, AccessReason) {
    (name.to_owned(), reason)
}

#[test]
fn managers_auditors_and_user_administrators_reach_every_group() {
    let groups = [group("A", "9", None)];
    for role in [
        "Manager",
        "Auditor",
        "User Administrator",
        "manager",
        "user_administrator",
    ] {
        let found = reached(&[account("1", role)], &groups, "1");
        assert_eq!(found, [is("*", AccessReason::RoleSeesAll)], "{role}");
    }
}

#[test]
fn unit_managers_scanners_readers_and_remediation_users_reach_what_they_own() {
    let groups = [group("A", "1", None), group("B", "2", None)];
    for role in [
        "Unit Manager",
        "Scanner",
        "Reader",
        "Remediation User",
        "A role of our own",
    ] {
        let found = reached(&[account("1", role)], &groups, "1");
        assert_eq!(found, [is("A", AccessReason::Owner)], "{role}");
    }
}

#[test]
fn a_group_is_assigned_by_its_title_or_by_the_id_of_the_user() {
    let by_id = AssetGroup {
        assigned_user_ids: vec!["1".to_owned()],
        ..group("B", "9", None)
    };
    let groups = [group("A", "9", None), by_id, group("C", "9", None)];
    let reader = assigned(account("1", "Reader"), &["A", "Not listed"]);
    let expected = [is("A", AccessReason::Assigned), is("B", AccessReason::Assigned)];
    assert_eq!(reached(&[reader], &groups, "1"), expected);
}

#[test]
fn a_contact_reaches_none() {
    let groups = [group("A", "1", None)];
    let contact = assigned(account("1", "Contact"), &["A"]);
    assert_eq!(reached(&[contact], &groups, "1"), []);
}

#[test]
fn a_group_of_the_business_unit_is_reached_once_the_number_of_the_unit_is_known() {
    let accounts = [
        in_unit("1", "Unit Manager", "EMEA"),
        in_unit("2", "Reader", "EMEA"),
        in_unit("3", "Reader", "APAC"),
    ];
    let of_unit = AssetGroup {
        assigned_unit_ids: vec!["7".to_owned()],
        ..group("B", "9", None)
    };
    let groups = [group("A", "1", Some("7")), of_unit, group("C", "9", Some("8"))];
    let expected = [
        is("A", AccessReason::BusinessUnit),
        is("B", AccessReason::BusinessUnit),
    ];
    assert_eq!(reached(&accounts, &groups, "2"), expected);
    assert_eq!(reached(&accounts, &groups, "3"), []);
    let unknown = access(&accounts, &groups).unknown_units;
    assert_eq!(unknown, BTreeSet::from(["APAC".to_owned()]));
}

#[test]
fn a_unit_with_two_numbers_and_a_number_with_two_units_give_nothing() {
    let accounts = [
        in_unit("1", "Unit Manager", "EMEA"),
        in_unit("2", "Reader", "APAC"),
    ];
    let two_numbers = [group("A", "1", Some("7")), group("B", "1", Some("8"))];
    assert_eq!(UnitNumbers::of(&accounts, &two_numbers).number("EMEA"), None);
    let two_names = [group("A", "1", Some("7")), group("B", "2", Some("7"))];
    let numbers = UnitNumbers::of(&accounts, &two_names);
    assert_eq!((numbers.number("EMEA"), numbers.number("APAC")), (None, None));
}

#[test]
fn all_in_a_business_unit_means_all_of_the_unit() {
    let accounts = [
        in_unit("1", "Unit Manager", "EMEA"),
        assigned(in_unit("2", "Scanner", "EMEA"), &["All"]),
    ];
    let groups = [group("A", "1", Some("7")), group("B", "9", None)];
    let expected = [
        is("A", AccessReason::AllOfBusinessUnit),
        is("EMEA - All", AccessReason::AllOfBusinessUnit),
    ];
    assert_eq!(reached(&accounts, &groups, "2"), expected);
}

#[test]
fn all_without_a_business_unit_means_those_of_the_account_owner() {
    let owner = ConsoleAccount {
        is_primary_contact: true,
        ..account("1", "Manager")
    };
    let accounts = [owner.clone(), assigned(account("2", "Scanner"), &["All"])];
    let groups = [group("A", "1", None), group("B", "9", None)];
    let all = "Unassigned - All (My Asset Groups)";
    let expected = [
        is("A", AccessReason::AllWithoutBusinessUnit),
        is(all, AccessReason::AllWithoutBusinessUnit),
    ];
    assert_eq!(reached(&accounts, &groups, "2"), expected);
    // Two primary contacts: who the account owner is, is not known.
    let accounts = [owner.clone(), owner, assigned(account("2", "Scanner"), &["All"])];
    let expected = [is(all, AccessReason::AllWithoutBusinessUnit)];
    assert_eq!(reached(&accounts, &groups, "2"), expected);
}

#[test]
fn a_group_that_is_reached_in_several_ways_is_listed_once_with_the_closest_reason() {
    let accounts = [assigned(in_unit("1", "Unit Manager", "EMEA"), &["A", "All"])];
    let groups = [group("A", "1", Some("7"))];
    let expected = [
        is("A", AccessReason::Owner),
        is("EMEA - All", AccessReason::AllOfBusinessUnit),
    ];
    assert_eq!(reached(&accounts, &groups, "1"), expected);
}
