//! `review` against a real Active Directory (Samba): 300 accounts of every kind, each finding where it
//! belongs and none elsewhere.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing check may panic")]

mod support;

use std::collections::BTreeSet;

use lab::console::{Console, ConsoleUser, Options};
use lab::receiver::{self, Receiver};
use lab::samba::{Change, Domain};
use serde_json::Value;
use support::Connector;

/// Denies everybody to read `userAccountControl` (MS-ADA3: schemaIDGUID).
const NO_CONTROL: &str = "(OD;;RP;bf967a68-0de6-11d0-a285-00aa003049e2;;AU)";

/// Persons who have an account, and one in the group without.
const PERSONS: usize = 271;

type Told = BTreeSet<(String, String)>;

/// A moment so many days ago.
fn ago(days: i64) -> String {
    let at = chrono::Utc::now() - chrono::TimeDelta::days(days);
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn account(number: usize) -> String {
    format!("rv{number}")
}

/// Where a person is.
fn unit(number: usize, units: &[String; 2]) -> &str {
    match number {
        48..50 => &units[1],
        _ => &units[0],
    }
}

/// Name that a distinguished name has to escape, here and there.
fn dn(number: usize, units: &[String; 2]) -> String {
    let name = match number % 10 {
        3 => format!("R\\, \u{e4} \\+ {number}"),
        _ => format!("R {number}"),
    };
    format!("CN={name},{}", unit(number, units))
}

/// Persons of every kind, and the groups that grant a role.
fn persons(domain: &Domain, units: &[String; 2]) -> String {
    let in_unit = &units[0];
    let mut changes: Vec<Change> = units
        .iter()
        .map(|unit| Change::add(unit, "organizationalUnit", &[]))
        .collect();
    let expired = (chrono::Utc::now().timestamp() - 86_400 + 11_644_473_600) * 10_000_000;
    for number in 0..PERSONS {
        let (dn, account) = (dn(number, units), account(number));
        let (upn, mail, alias) = (
            format!("{account}@corp.example"),
            format!("mail.{account}@corp.example"),
            format!("SMTP:alias.{account}@corp.example"),
        );
        let control = match number {
            0..20 if number % 2 == 0 => "546",
            _ => "544",
        };
        let attributes = [
            ("sAMAccountName", account.as_str()),
            ("userPrincipalName", &upn),
            ("mail", &mail),
            ("proxyAddresses", &alias),
            ("userAccountControl", control),
        ];
        changes.push(Change::add(&dn, "user", &attributes));
        if number < 20 && number % 2 == 1 {
            changes.push(Change::set(&dn, "accountExpires", &expired.to_string()));
        }
    }
    let inner = format!("CN=Inner,{in_unit}");
    let admins = format!("CN=Qualys Admins,{in_unit}");
    let member = |numbers: &[usize]| {
        numbers
            .iter()
            .map(|number| dn(*number, units))
            .collect::<Vec<_>>()
    };
    let group = |dn: &str, account: &str, members: Vec<String>| {
        let members: Vec<(&str, &str)> = members.iter().map(|member| ("member", member.as_str())).collect();
        let attributes = [vec![("sAMAccountName", account)], members].concat();
        Change::add(dn, "group", &attributes)
    };
    changes.push(group(&inner, "rvinner", member(&[42, 43, 44, 47])));
    changes.push(group(
        &admins,
        "rvadmins",
        [member(&[40, 41]), vec![inner.clone()]].concat(),
    ));
    domain.apply(&changes);
    admins
}

/// Accounts, and what is to be found of them.
fn accounts(domain: &Domain, units: &[String; 2]) -> (Vec<ConsoleUser>, Told) {
    let guids: Vec<(String, String)> = domain
        .expected(&units[0])
        .into_values()
        .filter_map(|element| {
            let mail = element["asset"]["assetDetail"]["userAssetClass"]["email"]
                .as_str()?
                .to_owned();
            let guid = element["asset"]["assetHeader"]["vendorAssetId"]
                .as_str()?
                .to_owned();
            Some((mail, guid))
        })
        .collect();
    let mut told = Told::new();
    let mut users = Vec::new();
    for number in 0..PERSONS {
        let account = account(number);
        let login = format!("acme_{account}");
        let mut expect = |code: &str| told.insert((code.to_owned(), login.clone()));
        let (mut role, mut last) = ("Reader", ago(2));
        match number {
            0..20 => drop(expect("disabled")),
            20..30 => {
                last = "N/A".to_owned();
                expect("never_used");
            }
            30..40 => {
                last = ago(120);
                expect("dormant");
            }
            40..45 => role = "Manager",
            45..47 => {
                role = "Manager";
                expect("role_without_group");
            }
            // Of the group, and without an account.
            47 => {
                told.insert(("group_without_account".to_owned(), account));
                continue;
            }
            48..50 => drop(expect("out_of_scope")),
            _ => {}
        }
        let mail = format!("mail.{account}@corp.example");
        let external_id = match number % 5 {
            0 => format!("{}@CORP.example", account.to_uppercase()),
            1 => mail.clone(),
            2 => format!("alias.{account}@corp.example"),
            3 => account.clone(),
            _ => guids
                .iter()
                .find(|(found, _)| *found == mail)
                .map_or(mail.clone(), |(_, guid)| guid.to_uppercase()),
        };
        users.push(user(&login, &external_id, "Active", role, &last));
    }
    for number in 0..20 {
        let login = format!("acme_gone{number}");
        told.insert(("gone".to_owned(), login.clone()));
        users.push(user(
            &login,
            &format!("nobody{number}@corp.example"),
            "Active",
            "Scanner",
            &ago(2),
        ));
    }
    for number in 0..10 {
        let id = format!("left{number}@corp.example");
        users.push(user(
            &format!("acme_inactive{number}"),
            &id,
            "Inactive",
            "Scanner",
            &ago(2),
        ));
    }
    told.insert(("too_many_managers".to_owned(), "Manager".to_owned()));
    (users, told)
}

fn user(login: &str, external_id: &str, status: &str, role: &str, last: &str) -> ConsoleUser {
    ConsoleUser {
        login: Some(login.to_owned()),
        id: Some(login.to_owned()),
        external_id: Some(external_id.to_owned()),
        email: format!("{login}@elsewhere.example"),
        status: status.to_owned(),
        created: ago(300),
        last_login: Some(last.to_owned()),
        role: Some(role.to_owned()),
        ..ConsoleUser::default()
    }
}

async fn review(connector: &Connector, code: i32) -> Value {
    let said = connector.run(&["review", "--json"]).await.ended_with(code).stdout;
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn told(review: &Value) -> Told {
    let findings = review["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            let subject = finding["login"].as_str().or(finding["name"].as_str());
            (
                finding["code"].as_str().unwrap().to_owned(),
                subject.unwrap().to_owned(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn r36_on_a_real_domain_each_finding_is_where_it_belongs() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(receiver::Options::default()).await;
    let root = domain.fresh_unit("review");
    let units = [format!("OU=In,{root}"), format!("OU=Out,{root}")];
    let admins = persons(&domain, &units);
    let (users, expected) = accounts(&domain, &units);
    assert_eq!(users.len(), 300);
    let console = Console::start(Options {
        users: users.clone(),
        ..Options::default()
    })
    .await;
    let connector = Connector::new(&domain, &receiver)
        .with("AD_BASE_CONTEXT", &units[0])
        .with("QUALYS_API_URL", &console.url())
        .with("QUALYS_API_USERNAME", &Options::default().username)
        .with("QUALYS_API_PASSWORD", &Options::default().password)
        .with("REVIEW_ROLE_GROUPS", &format!("Manager={admins}"));
    let found = review(&connector, 5).await;
    assert_eq!(found["complete"], true);
    assert_eq!(told(&found), expected);

    // What the reading account may not see is said, and not taken for enabled.
    let hidden = dn(0, &units);
    domain.apply(&[Change::deny(&hidden, NO_CONTROL)]);
    let found = review(&connector, 2).await;
    let mut without = expected.clone();
    without.remove(&("disabled".to_owned(), "acme_rv0".to_owned()));
    without.insert(("incomplete".to_owned(), "acme_rv0".to_owned()));
    assert_eq!(told(&found), without);
    domain.apply(&[Change::undeny(&hidden, NO_CONTROL)]);

    let down = connector.with("AD_PORT", "1");
    let found = review(&down, 2).await;
    assert!(told(&found).iter().all(|(code, _)| code != "gone"), "{found}");
    assert_eq!(console.most_in_flight(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo test --test samba_review -- --ignored --nocapture"]
async fn five_thousand_accounts_take_less_than_a_minute_and_a_hundred_mebibytes() {
    let Some(domain) = lab::samba::domain() else {
        return;
    };
    let receiver = Receiver::start(receiver::Options::default()).await;
    let mails = domain
        .expected(&domain.root())
        .into_values()
        .filter_map(|element| {
            let mail = &element["asset"]["assetDetail"]["userAssetClass"]["email"];
            Some(mail.as_str()?.to_owned())
        });
    // Everybody whom the domain has, and others whom it has not.
    let nobody = (0..5_000).map(|number| format!("nobody{number}@corp.example"));
    let users: Vec<ConsoleUser> = mails
        .chain(nobody)
        .take(5_000)
        .enumerate()
        .map(|(number, id)| user(&format!("acme_{number}"), &id, "Active", "Reader", &ago(2)))
        .collect();
    let console = Console::start(Options {
        users,
        ..Options::default()
    })
    .await;
    let connector = Connector::new(&domain, &receiver)
        .with("QUALYS_API_URL", &console.url())
        .with("QUALYS_API_USERNAME", &Options::default().username)
        .with("QUALYS_API_PASSWORD", &Options::default().password);
    let (outcome, took, peak) = connector.measured(&["review", "--csv", "out.csv"]).await;
    let said = outcome.ended_with(5).said(&["5000 accounts", "gone ("]).stdout;
    let line = said.lines().find(|line| line.starts_with("gone (")).unwrap();
    println!(
        "5,000 accounts: {:.1} s, {} MiB, {line}",
        took.as_secs_f64(),
        peak / 1024
    );
    assert!(took < std::time::Duration::from_secs(60), "{took:?}");
    assert!(peak < 100 * 1024, "{peak} KiB");
}
