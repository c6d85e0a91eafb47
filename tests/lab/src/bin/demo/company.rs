//! The company of the demo: who works there, and what happens to them.

use std::collections::BTreeMap;

use lab::simulator::{Directory, Kind, ObjectId, People};
use serde_json::Value;

const BASE: &str = "DC=corp,DC=example";
const DEPARTMENTS: [&str; 4] = ["Engineering", "Sales", "Finance", "Operations"];
/// Security groups, global, and mail groups, universal (MS-ADTS 2.2.12).
const SECURITY: i32 = -2_147_483_646;
const MAIL: i32 = 8;

/// Forty who are there on the first day.
const STAFF: [&str; 40] = [
    "Anna Schmidt",
    "Ben Carter",
    "Clara Müller",
    "David Okafor",
    "Elif Yılmaz",
    "Finn Jensen",
    "Greta Lindqvist",
    "Hugo Fernández",
    "Ines Costa",
    "Jonas Weber",
    "Katarzyna Nowak",
    "Liam O'Brien",
    "Marie Dubois",
    "Noah Klein",
    "Olga Ivanova",
    "Paul Novák",
    "Quentin Leroy",
    "Rosa García",
    "Søren Holm",
    "Tomás Silva",
    "Ursula Weiß",
    "Victor Haddad",
    "Wanda Kowalska",
    "Xavier Petit",
    "Yusuf Demir",
    "Zoë Peeters",
    "Aisha Khan",
    "Björn Åkesson",
    "Chloé Martin",
    "Daniel Kim",
    "Emma Rossi",
    "Farid Nasser",
    "Grace Nguyen",
    "Henrik Dahl",
    "Irene Papadaki",
    "Jack MacDonald",
    "Kenji Tanaka",
    "Lucía Romero",
    "Mei Lin",
    "Nikhil Singh",
];
/// Who is hired later, one a round, and again with a number when all were.
const CANDIDATES: [&str; 8] = [
    "Ada Lovelace",
    "Alan Turing",
    "Grace Hopper",
    "Edsger Dijkstra",
    "Barbara Liskov",
    "Donald Knuth",
    "Radia Perlman",
    "Leslie Lamport",
];
const GROUPS: [(&str, &str, i32); 12] = [
    ("All Staff", "Everybody in the company", MAIL),
    ("Engineering", "Builds the product", SECURITY),
    ("Sales", "Talks to customers", SECURITY),
    ("Finance", "Keeps the books", SECURITY),
    ("Operations", "Keeps it running", SECURITY),
    ("VPN Users", "May connect from outside", SECURITY),
    ("Domain Operators", "Run the domain controllers", SECURITY),
    ("Backup Operators EU", "Restore files in Europe", SECURITY),
    ("Newsletter", "Receives the newsletter", MAIL),
    ("Payroll Readers", "See salaries", SECURITY),
    ("Print Admins", "Care for printers", SECURITY),
    ("Project Aurora", "Confidential until spring", SECURITY),
];

/// The directory and what happened in it so far.
pub struct Company {
    directory: Directory,
    rounds: usize,
    /// How many were there and are not any more.
    left: usize,
}

impl Company {
    /// The company on its first day.
    pub fn found() -> Self {
        let directory = Directory::new("corp.example", People::NONE);
        for unit in DEPARTMENTS.iter().chain(&["Groups"]) {
            directory.create_unit(BASE, unit);
        }
        let company = Self {
            directory,
            rounds: 0,
            left: 0,
        };
        let staff: Vec<ObjectId> = STAFF
            .iter()
            .enumerate()
            .map(|(at, name)| company.hire(name, DEPARTMENTS[at % DEPARTMENTS.len()]))
            .collect();
        for (at, (name, description, group_type)) in GROUPS.into_iter().enumerate() {
            let description = [("description", description)];
            let group = company
                .directory
                .create_group(&unit("Groups"), name, group_type, &description);
            let members: Vec<ObjectId> = staff.iter().copied().skip(at).step_by(at + 1).collect();
            company.directory.add_members(group, &members);
        }
        company
    }

    /// What the simulator serves.
    pub const fn directory(&self) -> &Directory {
        &self.directory
    }

    /// How many users and groups there are.
    pub fn size(&self) -> (usize, usize) {
        (
            self.directory.all(Kind::User).len(),
            self.directory.all(Kind::Group).len(),
        )
    }

    /// One round of changes; gives a sentence for each.
    pub fn change(&mut self) -> Vec<String> {
        let round = self.rounds;
        self.rounds += 1;
        let users = self.directory.all(Kind::User);
        let groups = self.directory.all(Kind::Group);
        let name = CANDIDATES[round % CANDIDATES.len()];
        let name = if round < CANDIDATES.len() {
            name.to_owned()
        } else {
            format!("{name} {}", round / CANDIDATES.len() + 1)
        };
        let department = DEPARTMENTS[round % DEPARTMENTS.len()];
        self.hire(&name, department);
        let mut told = vec![format!("hired {name}, {department}")];

        let married = users[round * 7 % users.len()];
        let before = self.name(married);
        let after = remarried(&before);
        self.directory.rename(married, &after);
        self.directory.set_text(married, "displayName", &after);
        told.push(format!("renamed {before} to {after}"));

        let group = groups[round * 5 % groups.len()];
        let description = format!("Reviewed in round {}", round + 1);
        self.directory.set_text(group, "description", &description);
        told.push(format!(
            "described group {} as \"{description}\"",
            self.name(group)
        ));

        let moved = users[(round * 11 + 3) % users.len()];
        let new_home = DEPARTMENTS[(round + 1) % DEPARTMENTS.len()];
        self.directory.move_to(moved, &unit(new_home));
        self.directory
            .add_members(groups[(round + 1) % groups.len()], &[moved]);
        told.push(format!(
            "moved {} to {new_home} (nothing that ETM is told changes, so nothing is sent)",
            self.name(moved)
        ));
        told
    }

    /// Deletes a quarter of all users at once, more than the tenth that may go unasked; gives a sentence.
    pub fn lay_off(&mut self) -> String {
        let users = self.directory.all(Kind::User);
        let leaving: Vec<_> = users.into_iter().skip(1).step_by(DEPARTMENTS.len()).collect();
        for user in &leaving {
            self.directory.delete(*user);
        }
        self.left += leaving.len();
        format!("{} accounts are deleted at once", leaving.len())
    }

    /// What the gateway does not hold as the directory does: a line each.
    pub fn missing(&self, assets: &BTreeMap<String, Value>) -> Vec<String> {
        let users = self.directory.all(Kind::User).into_iter().map(|id| (id, "user"));
        let groups = self
            .directory
            .all(Kind::Group)
            .into_iter()
            .map(|id| (id, "group"));
        let mut missing: Vec<String> = users
            .chain(groups)
            .filter_map(|(id, kind)| self.unlike(id, kind, assets))
            .collect();
        let (users, groups) = self.size();
        let there_once = users + groups + self.left;
        if assets.len() > there_once {
            missing.push(format!("{} assets too many", assets.len() - there_once));
        }
        missing
    }

    fn unlike(&self, id: ObjectId, kind: &str, assets: &BTreeMap<String, Value>) -> Option<String> {
        let sid = self.directory.sid(id)?;
        let Some(asset) = assets.get(&sid) else {
            return Some(format!("{kind} {} ({sid})", self.name(id)));
        };
        let fields = asset.pointer(&format!("/asset/assetDetail/{kind}AssetClass"));
        let wanted: &[(&str, &str)] = match kind {
            "user" => &[
                ("name", "name"),
                ("mail", "email"),
                ("displayName", "displayName"),
            ],
            _ => &[("name", "name"), ("description", "description")],
        };
        let differs = |(attribute, field): &&(&str, &str)| {
            let arrived = fields
                .and_then(|fields| fields.get(field))
                .and_then(Value::as_str);
            arrived.map(str::to_owned) != self.directory.text(id, attribute)
        };
        wanted
            .iter()
            .find(differs)
            .map(|(attribute, _)| format!("{kind} {}: {attribute}", self.name(id)))
    }

    fn hire(&self, name: &str, department: &str) -> ObjectId {
        let account = account_name(name);
        let mail = format!("{account}@corp.example");
        let attributes = [
            ("sAMAccountName", account.as_str()),
            ("userPrincipalName", mail.as_str()),
            ("mail", mail.as_str()),
            ("displayName", name),
            ("department", department),
            ("pwdLastSet", "134000000000000000"),
            // Never (MS-ADA1 2.1).
            ("accountExpires", "9223372036854775807"),
        ];
        self.directory.create_user(&unit(department), name, &attributes)
    }

    fn name(&self, id: ObjectId) -> String {
        self.directory.text(id, "name").unwrap_or_default()
    }
}

fn unit(name: &str) -> String {
    format!("OU={name},{BASE}")
}

/// The name after a marriage; after the next one it is the old name again, so that names stay short and differ.
fn remarried(name: &str) -> String {
    let (first, rest) = name.split_once(' ').unwrap_or((name, ""));
    match rest.strip_prefix("Lindholm-") {
        Some(maiden) => format!("{first} {maiden}"),
        None => format!("{first} Lindholm-{rest}"),
    }
}

/// `clara.mueller` for `Clara Müller`: letters that stand in no mail address are written without their marks.
fn account_name(name: &str) -> String {
    let plain = |letter: char| match letter {
        'á' | 'à' | 'å' => "a".to_owned(),
        'é' | 'ë' | 'è' => "e".to_owned(),
        'í' | 'ı' => "i".to_owned(),
        'ö' | 'ø' => "oe".to_owned(),
        'ü' => "ue".to_owned(),
        'ß' => "ss".to_owned(),
        '\'' => String::new(),
        ' ' => ".".to_owned(),
        other => other.to_string(),
    };
    name.to_lowercase().chars().map(plain).collect()
}
