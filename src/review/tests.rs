//! Shapes of the answers that Qualys documents, and what is read from them.

use super::account::{AccountStatus, ConsoleAccount, LastLogin};
use super::answer::{self, Reaction};
use super::asset_group::AssetGroup;
use super::xml;
use std::time::Duration;

fn accounts(text: &str) -> Vec<ConsoleAccount> {
    let mut found = Vec::new();
    xml::read(text.as_bytes(), "USER", &mut |user| {
        found.push(ConsoleAccount::of_user_list(&user));
    })
    .unwrap();
    found
}

fn groups(text: &str) -> Vec<AssetGroup> {
    let mut found = Vec::new();
    xml::read(text.as_bytes(), "ASSET_GROUP", &mut |group| {
        found.push(AssetGroup::of_list(&group));
    })
    .unwrap();
    found
}

#[test]
fn every_element_of_the_documented_sample_is_read() {
    let found = accounts(
        "<USER_LIST_OUTPUT><USER_LIST><USER><USER_LOGIN>acme_ab1</USER_LOGIN><USER_ID>63</USER_ID>\
         <EXTERNAL_ID>ab@corp.example</EXTERNAL_ID><CONTACT_INFO><FIRSTNAME><![CDATA[Alex]]></FIRSTNAME>\
         <LASTNAME><![CDATA[Berg]]></LASTNAME><TITLE>Engineer</TITLE><PHONE>1</PHONE>\
         <EMAIL><![CDATA[test@abc.com]]></EMAIL></CONTACT_INFO>\
         <ASSIGNED_ASSET_GROUPS><ASSET_GROUP_TITLE><![CDATA[AG 24]]></ASSET_GROUP_TITLE>\
         <ASSET_GROUP_TITLE>All</ASSET_GROUP_TITLE></ASSIGNED_ASSET_GROUPS>\
         <USER_STATUS>Active</USER_STATUS><CREATION_DATE>2017-07-26T19:43:01Z</CREATION_DATE>\
         <LAST_LOGIN_DATE>2018-04-26T22:41:56Z</LAST_LOGIN_DATE><USER_ROLE>Unit Manager</USER_ROLE>\
         <BUSINESS_UNIT>EMEA</BUSINESS_UNIT><UNIT_MANAGER_POC>0</UNIT_MANAGER_POC><MANAGER_POC>1</MANAGER_POC>\
         <PERMISSIONS><CREATE_OPTION_PROFILES>1</CREATE_OPTION_PROFILES><PURGE_INFO>0</PURGE_INFO>\
         <ADD_ASSETS>1</ADD_ASSETS><EDIT_REMEDIATION_POLICY>1</EDIT_REMEDIATION_POLICY>\
         <EDIT_AUTH_RECORDS>1</EDIT_AUTH_RECORDS><NEW_ONE>1</NEW_ONE></PERMISSIONS></USER></USER_LIST></USER_LIST_OUTPUT>",
    );
    let [account] = found.as_slice() else {
        panic!("one user is a list of one")
    };
    assert_eq!(account.id.as_deref(), Some("63"));
    assert_eq!(account.login.as_deref(), Some("acme_ab1"));
    assert_eq!(account.external_id.as_deref(), Some("ab@corp.example"));
    assert_eq!(account.name.as_deref(), Some("Alex Berg"));
    assert_eq!(account.email.as_deref(), Some("test@abc.com"));
    assert_eq!(account.title.as_deref(), Some("Engineer"));
    assert_eq!(account.status, AccountStatus::Active);
    assert_eq!(account.role.as_deref(), Some("Unit Manager"));
    assert_eq!(account.business_unit.as_deref(), Some("EMEA"));
    assert_eq!(account.asset_groups, ["AG 24", "All"]);
    assert!(account.is_primary_contact);
    assert_eq!(
        account.extended_permissions,
        [
            "Create option profiles",
            "Add assets",
            "Create/edit remediation policy",
            "Create/edit authentication records/vaults",
            "New one"
        ]
    );
    let json = serde_json::to_value(account).unwrap();
    assert_eq!(json["createdAt"], "2017-07-26T19:43:01Z");
    assert_eq!(json["lastLogin"], "2018-04-26T22:41:56Z");
    assert_eq!(json["status"], "Active");
}

#[test]
fn never_and_not_visible_differ() {
    let found = accounts(
        "<O><USER><LAST_LOGIN_DATE>N/A</LAST_LOGIN_DATE></USER><USER/><USER><LAST_LOGIN_DATE/></USER>\
         <USER><LAST_LOGIN_DATE>soon</LAST_LOGIN_DATE></USER></O>",
    );
    let last: Vec<LastLogin> = found.iter().map(|account| account.last_login).collect();
    let (never, hidden) = (LastLogin::Never, LastLogin::NotVisible);
    assert_eq!(last, [never, hidden, hidden, hidden]);
}

#[test]
fn elements_that_are_missing_or_empty_are_absent() {
    let found = accounts("<O><USER><EXTERNAL_ID/><BUSINESS_UNIT>Unassigned</BUSINESS_UNIT></USER></O>");
    assert_eq!(found, [ConsoleAccount::default()]);
    assert_eq!(found[0].label(), "(not shown)");
    let words = ["Active", "Pending Activation", "Inactive", "Locked", ""];
    let read: Vec<AccountStatus> = words.map(|word| word.to_owned().into()).to_vec();
    let other = AccountStatus::Other("Locked".to_owned());
    let expected = [
        AccountStatus::Active,
        AccountStatus::Pending,
        AccountStatus::Inactive,
        other,
        AccountStatus::Unknown,
    ];
    assert_eq!(read, expected);
    for status in expected {
        assert_eq!(AccountStatus::from(String::from(status.clone())), status);
    }
}

#[test]
fn both_names_of_the_owner_and_both_forms_of_lists_are_read() {
    let found = groups(
        "<ASSET_GROUP_LIST_OUTPUT><RESPONSE><ASSET_GROUP_LIST>\
         <ASSET_GROUP><ID>442838</ID><TITLE><![CDATA[All]]></TITLE><OWNER_ID>103448</OWNER_ID><UNIT_ID>0</UNIT_ID>\
         <LAST_UPDATE>2018-05-17T08:50:37Z</LAST_UPDATE><BUSINESS_IMPACT>High</BUSINESS_IMPACT>\
         <HOST_IDS>1, 2, 5-9</HOST_IDS><ASSIGNED_USER_IDS>5, 6,7</ASSIGNED_USER_IDS>\
         <ASSIGNED_UNIT_IDS>9,10</ASSIGNED_UNIT_IDS><OWNER_USER_NAME>Ann</OWNER_USER_NAME></ASSET_GROUP>\
         <ASSET_GROUP><ID>2</ID><OWNER_USER_ID>7</OWNER_USER_ID><OWNER_UNIT_ID>12</OWNER_UNIT_ID>\
         <USER_IDS>1</USER_IDS><UNIT_IDS>2</UNIT_IDS></ASSET_GROUP>\
         </ASSET_GROUP_LIST></RESPONSE></ASSET_GROUP_LIST_OUTPUT>",
    );
    let [first, second] = found.as_slice() else {
        panic!("two groups")
    };
    assert_eq!(first.owner_user_id.as_deref(), Some("103448"));
    assert_eq!((&first.unit_id, first.hosts), (&None, Some(7)));
    assert_eq!(first.business_impact.as_deref(), Some("High"));
    assert_eq!(first.owner_user_name.as_deref(), Some("Ann"));
    assert_eq!(first.assigned_user_ids, ["5", "6", "7"]);
    assert_eq!(first.assigned_unit_ids, ["9", "10"]);
    assert!(first.updated_at.is_some());
    assert_eq!(second.owner_user_id.as_deref(), Some("7"));
    assert_eq!(second.unit_id.as_deref(), Some("12"));
    assert_eq!((second.hosts, second.label()), (None, "2"));
    assert_eq!(second.assigned_user_ids, ["1"]);
    assert_eq!(second.assigned_unit_ids, ["2"]);
}

#[test]
fn a_list_without_asset_groups_is_empty() {
    assert_eq!(
        groups("<ASSET_GROUP_LIST_OUTPUT><RESPONSE><DATETIME/></RESPONSE></ASSET_GROUP_LIST_OUTPUT>"),
        []
    );
}

fn reaction(document: &str, status: u16) -> Option<(Reaction, String)> {
    let root = xml::read(document.as_bytes(), "USER", &mut drop).unwrap();
    let refusal = answer::refusal(&root)?;
    Some((refusal.reaction(status), refusal.to_string()))
}

#[test]
fn errors_within_an_answer_are_found_whatever_the_status() {
    let pause = |seconds| Reaction::Wait(Some(Duration::from_secs(seconds)));
    let cases = [
        (
            "<USER_LIST_OUTPUT><ERROR number=\"2002\">Registration must be completed</ERROR></USER_LIST_OUTPUT>",
            200,
            Reaction::Credentials,
        ),
        (
            "<GENERIC_RETURN><RETURN status=\"FAILED\" number=\"2001\">Account Expired</RETURN></GENERIC_RETURN>",
            200,
            Reaction::Credentials,
        ),
        (
            "<SIMPLE_RETURN><RESPONSE><CODE>1965</CODE><TEXT>This API cannot be run again for another 23 seconds.</TEXT>\
             </RESPONSE></SIMPLE_RETURN>",
            409,
            pause(23),
        ),
        (
            "<SIMPLE_RETURN><RESPONSE><CODE>1960</CODE><TEXT>Concurrency</TEXT></RESPONSE></SIMPLE_RETURN>",
            400,
            Reaction::Wait(None),
        ),
        (
            "<SIMPLE_RETURN><RESPONSE><CODE>2012</CODE><TEXT>not authorized</TEXT></RESPONSE></SIMPLE_RETURN>",
            403,
            Reaction::Denied,
        ),
        (
            "<SIMPLE_RETURN><RESPONSE><CODE>1905</CODE><TEXT>bad value</TEXT></RESPONSE></SIMPLE_RETURN>",
            400,
            Reaction::Refused,
        ),
        (
            "<USER_LIST_OUTPUT><ERROR number=\"999\">Internal</ERROR></USER_LIST_OUTPUT>",
            200,
            Reaction::Retry,
        ),
        (
            "<USER_LIST_OUTPUT><ERROR>Access denied</ERROR></USER_LIST_OUTPUT>",
            200,
            Reaction::Denied,
        ),
        (
            "<ServiceResponse><responseCode>UNAUTHORIZED</responseCode></ServiceResponse>",
            200,
            Reaction::Denied,
        ),
    ];
    for (document, status, expected) in cases {
        assert_eq!(reaction(document, status).unwrap().0, expected, "{document}");
    }
    let fine = "<ServiceResponse><responseCode>SUCCESS</responseCode></ServiceResponse>";
    assert_eq!(reaction(fine, 200), None);
    assert_eq!(
        reaction("<USER_LIST_OUTPUT><USER_LIST/></USER_LIST_OUTPUT>", 200),
        None
    );
}

#[test]
fn a_status_decides_where_no_code_does() {
    for (status, expected) in [
        (401, Reaction::Credentials),
        (403, Reaction::Denied),
        (409, Reaction::Wait(None)),
        (429, Reaction::Wait(None)),
        (502, Reaction::Retry),
        (404, Reaction::Refused),
        (302, Reaction::Refused),
    ] {
        assert_eq!(answer::of_status(status, ""), expected, "{status}");
    }
}

/// Returns the first two cells of the rows below a heading of docs/review.md.
fn rows(heading: &str) -> Vec<(String, String)> {
    let text = include_str!("../../docs/review.md");
    let (_, rest) = text.split_once(&format!("##{heading}\n")).unwrap();
    let section = rest.split("\n#").next().unwrap();
    let table = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    table
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1].replace('`', ""), cells[2].to_owned())
        })
        .collect()
}

#[test]
fn every_row_of_roles_and_permissions_is_in_the_document_and_in_the_code() {
    let roles = super::role::ROLES.map(|role| (role.name.to_owned(), role.permissions.to_owned()));
    assert_eq!(rows("# Roles"), roles);
    let permissions =
        super::role::EXTENDED_PERMISSIONS.map(|(element, name)| (name.to_owned(), element.to_owned()));
    assert_eq!(rows("# Extended permissions"), permissions);
    for (element, name) in super::role::EXTENDED_PERMISSIONS {
        assert_eq!(super::role::extended_permission(element), name);
    }
}

#[test]
fn every_kind_of_finding_is_in_the_document_with_what_to_do() {
    let codes: Vec<String> = rows(" What is found").into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, super::FindingCode::ALL.map(|code| code.name().to_owned()));
    let text = include_str!("../../docs/review.md");
    for code in super::FindingCode::ALL {
        assert!(text.contains(code.advice()), "{}", code.advice());
        assert_eq!(super::FindingCode::from_name(code.name()), Some(code));
        assert_eq!(serde_json::to_value(code).unwrap(), code.name());
    }
}

#[test]
fn every_attribute_of_users_and_asset_groups_is_in_the_document_and_in_the_json() {
    let (account, group) = (ConsoleAccount::default(), AssetGroup::default());
    let reviewed = super::ReviewedAccount {
        account,
        is_active: true,
        allowed: false,
        partner: super::Partner::NotFound,
        findings: Vec::new(),
    };
    let text = include_str!("../../docs/review.md");
    for (heading, json, names) in [
        (
            "# Users",
            serde_json::to_value(reviewed).unwrap(),
            [
                "id",
                "name",
                "email",
                "is_active",
                "created_at",
                "last_login_at",
                "user_login",
                "title",
                "business_unit",
                "user_status",
            ]
            .as_slice(),
        ),
        (
            "# Asset groups",
            serde_json::to_value(group).unwrap(),
            [
                "id",
                "name",
                "owner_user_id",
                "updated_at",
                "business_impact",
                "owner_user_name",
                "host_id_list",
            ]
            .as_slice(),
        ),
    ] {
        let documented: Vec<String> = rows(heading).into_iter().map(|(name, _)| name).collect();
        assert_eq!(documented, names, "{heading}");
        for key in json.as_object().unwrap().keys() {
            assert!(
                text.contains(&format!("`{key}`")),
                "{key} is not in docs/review.md"
            );
        }
    }
}

#[test]
fn every_rule_of_access_is_in_the_document() {
    use super::AccessReason::{
        AllOfBusinessUnit, AllWithoutBusinessUnit, Assigned, BusinessUnit, Owner, RoleSeesAll,
    };
    let text = include_str!("../../docs/review.md");
    for reason in [
        RoleSeesAll,
        Owner,
        Assigned,
        BusinessUnit,
        AllOfBusinessUnit,
        AllWithoutBusinessUnit,
    ] {
        let name = serde_json::to_value(reason).unwrap();
        assert!(
            text.contains(&format!("| `{}` |", name.as_str().unwrap())),
            "{name}"
        );
    }
}
