//! A company of 2,000 persons and a console of 300 accounts of every kind.

use std::collections::BTreeSet;

use lab::console::{Console, ConsoleGroup, ConsoleUser, Options};
use lab::simulator::{ObjectId, People};
use serde_json::Value;

use crate::support::Outcome;
use crate::support::simulated::Simulated;

/// Findings as code and subject.
pub type Told = BTreeSet<(String, String)>;

/// Console, directory and program; what is to be found.
pub struct World {
    pub simulated: Simulated,
    pub console: Console,
    pub expected: Told,
    /// Persons that are enabled and not expired, in order; each account takes the next one.
    persons: Vec<ObjectId>,
    pub users: Vec<ConsoleUser>,
}

/// A moment so many days ago.
pub fn ago(days: i64) -> String {
    let at = chrono::Utc::now() - chrono::TimeDelta::days(days);
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The same as accountExpires holds it.
fn filetime(days_ago: i64) -> String {
    let seconds = chrono::Utc::now().timestamp() - days_ago * 86_400 + 11_644_473_600;
    (seconds * 10_000_000).to_string()
}

impl World {
    /// Everything in place, and `expected` what one review tells.
    pub async fn new() -> World {
        World::of(People {
            seed: 7,
            users: 2000,
            groups: 10,
            computers: 5,
        })
        .await
    }

    async fn of(people: People) -> World {
        let mut simulated = Simulated::of(people).await;
        let directory = simulated.directory().clone();
        let persons = simulated
            .users()
            .into_iter()
            .filter(|id| directory.text(*id, "userAccountControl").as_deref() != Some("514"))
            .filter(|id| directory.text(*id, "mail").is_some())
            .collect();
        let console = Console::start(Options::default()).await;
        let admins = directory.create_group("DC=corp,DC=example", "Qualys Admins", -2_147_483_646, &[]);
        let inner = directory.create_group("DC=corp,DC=example", "Inner", -2_147_483_646, &[]);
        directory.add_members(admins, &[inner]);
        for (name, value) in [
            ("QUALYS_API_URL", console.url()),
            ("QUALYS_API_USERNAME", Options::default().username),
            ("QUALYS_API_PASSWORD", Options::default().password),
            ("REVIEW_ALLOW", "break_glass".to_owned()),
            ("REVIEW_ROLE_GROUPS", format!("Manager={}", directory.dn(admins))),
            ("AD_USER_FILTER", "(!(department=Outside))".to_owned()),
        ] {
            simulated.set(name, &value);
        }
        let mut world = World {
            simulated,
            console,
            expected: Told::new(),
            persons,
            users: Vec::new(),
        };
        world.fill(admins, inner);
        world.show();
        world
    }

    fn text(&self, id: ObjectId, attribute: &str) -> String {
        self.simulated.directory().text(id, attribute).unwrap()
    }

    fn expect(&mut self, code: &str, subject: &str) {
        self.expected.insert((code.to_owned(), subject.to_owned()));
    }

    /// Adds an account of this status and role that has no person yet, and no address.
    fn add(&mut self, login: &str, status: &str, role: &str) -> usize {
        let number = self.users.len();
        self.users.push(ConsoleUser {
            login: Some(login.to_owned()),
            id: Some((1000 + number).to_string()),
            external_id: Some(String::new()),
            first: "<script>".to_owned(),
            last: format!("=Nr {number}"),
            email: format!("{login}@elsewhere.example"),
            status: status.to_owned(),
            created: ago(400),
            last_login: Some(ago(3)),
            role: Some(role.to_owned()),
            unit: Some("Unassigned".to_owned()),
            ..ConsoleUser::default()
        });
        number
    }

    /// Adds an account with a person of its own, found by its UPN.
    fn add_person(&mut self, login: &str, role: &str) -> (usize, ObjectId) {
        let number = self.add(login, "Active", role);
        let person = self.persons.pop().unwrap();
        self.users[number].external_id = Some(self.text(person, "userPrincipalName").to_uppercase());
        (number, person)
    }

    fn fill(&mut self, admins: ObjectId, inner: ObjectId) {
        let directory = self.simulated.directory().clone();
        for number in 0..20 {
            let status = if number % 2 == 0 {
                "Active"
            } else {
                "Pending Activation"
            };
            let login = format!("gone_{number}");
            self.add(&login, status, "Scanner");
            self.expect("gone", &login);
            self.add(&format!("gone_inactive_{number}"), "Inactive", "Scanner");
        }
        for number in 0..15 {
            let login = format!("disabled_{number}");
            let (_, person) = self.add_person(&login, "Reader");
            match number % 2 {
                0 => directory.set_text(person, "userAccountControl", "514"),
                _ => directory.set_text(person, "accountExpires", &filetime(1)),
            }
            self.expect("disabled", &login);
            let (_, later) = self.add_person(&format!("expires_later_{number}"), "Reader");
            directory.set_text(later, "accountExpires", &filetime(-5));
        }
        for number in 0..10 {
            let (never, _) = self.add_person(&format!("never_{number}"), "Reader");
            self.users[never].last_login = Some("N/A".to_owned());
            self.expect("never_used", &format!("never_{number}"));
            let (new, _) = self.add_person(&format!("new_{number}"), "Reader");
            self.users[new].last_login = Some("N/A".to_owned());
            self.users[new].created = ago(5);
            let (dormant, _) = self.add_person(&format!("dormant_{number}"), "Reader");
            self.users[dormant].last_login = Some(ago(100));
            self.expect("dormant", &format!("dormant_{number}"));
        }
        for number in 0..3 {
            let login = format!("outside_{number}");
            let (_, person) = self.add_person(&login, "Reader");
            directory.set_text(person, "department", "Outside");
            self.expect("out_of_scope", &login);
        }
        self.fill_managers(admins, inner);
        self.fill_shared();
        self.fill_ways();
        let mut number = 0;
        while self.users.len() < 300 {
            self.add_person(&format!("plain_{number}"), "Scanner");
            number += 1;
        }
        self.add("break_glass", "Active", "Manager");
        self.users.swap_remove(299);
        self.fill_groups();
    }

    fn fill_managers(&mut self, admins: ObjectId, inner: ObjectId) {
        let directory = self.simulated.directory().clone();
        for number in 0..3 {
            let (_, direct) = self.add_person(&format!("manager_{number}"), "Manager");
            directory.add_members(admins, &[direct]);
            let (_, nested) = self.add_person(&format!("nested_{number}"), "Manager");
            directory.add_members(inner, &[nested]);
        }
        for number in 0..2 {
            let login = format!("no_group_{number}");
            self.add_person(&login, "Manager");
            self.expect("role_without_group", &login);
        }
        let idle = self.persons.pop().unwrap();
        directory.add_members(inner, &[idle]);
        let name = self.text(idle, "sAMAccountName");
        self.expect("group_without_account", &name);
        let left = self.persons.pop().unwrap();
        directory.set_text(left, "userAccountControl", "514");
        directory.add_members(admins, &[left]);
        self.expect("too_many_managers", "Manager");
    }

    fn fill_shared(&mut self) {
        let (one, _) = self.add_person("one_address_a", "Reader");
        let (other, _) = self.add_person("one_address_b", "Reader");
        self.users[other].email = self.users[one].email.to_uppercase();
        let (first, person) = self.add_person("one_person_a", "Reader");
        let second = self.add("one_person_b", "Active", "Reader");
        self.users[second].external_id = Some(self.text(person, "sAMAccountName"));
        assert_ne!(self.users[first].email, self.users[second].email);
        for login in ["one_address_a", "one_address_b", "one_person_a", "one_person_b"] {
            self.expect("shared", login);
        }
    }

    /// Accounts that are found by each of the attributes.
    fn fill_ways(&mut self) {
        let directory = self.simulated.directory().clone();
        for number in 0..5 {
            for attribute in ["mail", "sAMAccountName", "objectGUID", "proxyAddresses", "e-mail"] {
                let (account, person) = self.add_person(&format!("by_{attribute}_{number}"), "Reader");
                let value = match attribute {
                    "objectGUID" => {
                        let guid = directory.guid(person);
                        ad_connector::identity::Guid::from(guid).to_string()
                    }
                    "proxyAddresses" => {
                        let address = format!("alias.{number}@corp.example");
                        directory.set(person, "proxyAddresses", &[format!("SMTP:{address}").as_bytes()]);
                        address
                    }
                    "e-mail" => {
                        self.users[account].email = self.text(person, "mail");
                        String::new()
                    }
                    _ => self.text(person, attribute),
                };
                self.users[account].external_id = Some(value);
            }
        }
    }

    fn fill_groups(&mut self) {
        let id = |login: &str| {
            let found = self
                .users
                .iter()
                .find(|user| user.login.as_deref() == Some(login));
            found.unwrap().id.clone().unwrap()
        };
        let owners = ["plain_0", "disabled_0", "gone_0", "break_glass", "dormant_0"];
        let mut groups: Vec<ConsoleGroup> = (0..150)
            .map(|number| ConsoleGroup {
                id: number + 1,
                title: format!("AG {number} <script>"),
                owner: id(owners.get(number as usize).copied().unwrap_or("plain_1")),
                owner_name: "Owner".to_owned(),
                unit: "0".to_owned(),
                impact: "Critical".to_owned(),
                hosts: vec!["1".to_owned()],
                ..ConsoleGroup::default()
            })
            .collect();
        groups[149].owner = "424242".to_owned();
        for number in [1, 2, 149] {
            self.expected.insert((
                "unmanaged_asset_group".to_owned(),
                format!("AG {number} <script>"),
            ));
        }
        self.users[0].groups = vec!["AG 7 <script>".to_owned()];
        self.console.change(|options| options.groups = groups);
    }

    /// Shows the accounts as they are now.
    pub fn show(&self) {
        let users = self.users.clone();
        self.console.change(|options| options.users = users);
    }

    /// Runs `review --json`, which must end with `code`.
    pub async fn review(&self, code: i32) -> Value {
        let outcome: Outcome = self.simulated.connector.run(&["review", "--json"]).await;
        let outcome = outcome.ended_with(code);
        assert_eq!(self.console.violations(), Vec::<String>::new());
        assert_eq!(self.console.most_in_flight(), 1);
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {}", outcome.stdout))
    }

    /// The expected findings without these codes.
    pub fn expected_without(&self, codes: &[&str]) -> Told {
        let mut told = self.expected.clone();
        told.retain(|(code, _)| !codes.contains(&code.as_str()));
        told
    }
}

/// Findings of a review, without what is incomplete.
pub fn told(review: &Value) -> Told {
    let findings = review["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["code"] != "incomplete")
        .map(|finding| {
            assert!(!finding["reason"].as_str().unwrap().is_empty(), "{finding}");
            assert!(!finding["evidence"].as_array().unwrap().is_empty(), "{finding}");
            let subject = finding["login"].as_str().or(finding["name"].as_str());
            (
                finding["code"].as_str().unwrap().to_owned(),
                subject.unwrap().to_owned(),
            )
        })
        .collect()
}

/// Reasons of what is incomplete.
pub fn missing(review: &Value) -> Vec<String> {
    let findings = review["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["code"] == "incomplete")
        .map(|finding| finding["reason"].as_str().unwrap().to_owned())
        .collect()
}
