//! The Qualys console of the demo: who has an account there, and what the review finds.

use lab::console::{ConsoleGroup, ConsoleUser, Options};
use lab::simulator::{Directory, Kind};

/// Accounts that fit, besides those with something to find.
const IN_ORDER: usize = 8;

/// Accounts of some of the staff, of somebody who left, and of somebody who never came.
pub fn console(directory: &Directory) -> Options {
    let mails: Vec<String> = directory
        .all(Kind::User)
        .into_iter()
        .filter_map(|person| directory.text(person, "mail"))
        .collect();
    let mut users: Vec<ConsoleUser> = mails
        .iter()
        .take(IN_ORDER + 2)
        .enumerate()
        .map(|(number, mail)| user(number, mail, "Scanner"))
        .collect();
    // Created long ago, and nobody has logged in.
    users[IN_ORDER].last_login = Some("N/A".to_owned());
    // Of no group that grants the role.
    users[IN_ORDER + 1].role = Some("Manager".to_owned());
    users.push(user(90, "left.long.ago@corp.example", "Reader"));
    let groups = [("Payment systems", "Critical", 90), ("Web shop", "High", 1)];
    Options {
        groups: groups
            .into_iter()
            .enumerate()
            .map(|(number, (title, impact, owner))| ConsoleGroup {
                id: number as u64 + 1,
                title: title.to_owned(),
                owner: owner.to_string(),
                owner_name: format!("acme_{owner}"),
                unit: "0".to_owned(),
                impact: impact.to_owned(),
                hosts: vec!["1".to_owned(), "2".to_owned()],
                ..ConsoleGroup::default()
            })
            .collect(),
        users,
        ..Options::default()
    }
}

fn user(number: usize, mail: &str, role: &str) -> ConsoleUser {
    let name = mail.split('@').next().unwrap_or(mail);
    ConsoleUser {
        login: Some(format!("acme_{number}")),
        id: Some(number.to_string()),
        external_id: Some(mail.to_owned()),
        first: name.to_owned(),
        email: mail.to_owned(),
        status: "Active".to_owned(),
        created: "2025-01-15T09:00:00Z".to_owned(),
        last_login: Some(lab::simulator::time::iso8601(now())),
        role: Some(role.to_owned()),
        unit: Some("Unassigned".to_owned()),
        permissions: vec!["CREATE_OPTION_PROFILES".to_owned()],
        ..ConsoleUser::default()
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}
