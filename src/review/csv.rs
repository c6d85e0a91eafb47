//! Review as CSV (RFC 4180): one line a finding, then one a person.
//!
//! A cell that a spreadsheet would take for a formula begins with an apostrophe, so it stays text.

use super::account::written;
use super::document::{Review, ReviewedAccount};
use super::partner::Partner;

/// Characters with which spreadsheets begin a formula; tab and carriage return are skipped by some.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Returns the review as CSV.
#[must_use]
pub fn csv(review: &Review) -> String {
    let mut text = String::new();
    line(
        &mut text,
        &[
            "kind",
            "code",
            "login",
            "name",
            "role",
            "business unit",
            "status",
            "last login",
            "partner",
            "reason",
            "evidence",
        ],
    );
    for finding in &review.findings {
        let login = finding.login.as_deref().unwrap_or_default();
        let account = review.users.iter().find(|user| user.account.label() == login);
        let evidence: Vec<String> = finding
            .evidence
            .iter()
            .map(|one| format!("{}: {} = {}", one.source, one.field, one.value))
            .collect();
        let cells = cells(account.filter(|_| !login.is_empty()));
        let name = finding.name.as_deref().unwrap_or(&cells.name);
        line(
            &mut text,
            &[
                "finding",
                finding.code.name(),
                login,
                name,
                &cells.role,
                &cells.unit,
                &cells.status,
                &cells.last_login,
                &cells.partner,
                &finding.reason,
                &evidence.join("; "),
            ],
        );
    }
    for user in &review.users {
        let cells = cells(Some(user));
        let codes: Vec<&str> = user.findings.iter().map(|code| code.name()).collect();
        line(
            &mut text,
            &[
                "account",
                &codes.join(" "),
                user.account.label(),
                &cells.name,
                &cells.role,
                &cells.unit,
                &cells.status,
                &cells.last_login,
                &cells.partner,
                "",
                "",
            ],
        );
    }
    text
}

/// Cells of an account; empty without one.
#[derive(Default)]
struct Cells {
    name: String,
    role: String,
    unit: String,
    status: String,
    last_login: String,
    partner: String,
}

fn cells(user: Option<&ReviewedAccount>) -> Cells {
    let Some(user) = user else {
        return Cells::default();
    };
    let account = &user.account;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Cells {
        name: text(&account.name),
        role: text(&account.role),
        unit: text(&account.business_unit),
        status: account.status.name().to_owned(),
        last_login: account.last_login.into(),
        partner: partner(&user.partner),
    }
}

/// Returns the partner in one text.
#[must_use]
pub fn partner(partner: &Partner) -> String {
    match partner {
        Partner::Found(found) => {
            let expires = found.expires_at.map(|at| format!(", expires {}", written(at)));
            let enabled = match found.enabled {
                Some(true) => "",
                Some(false) => " (disabled)",
                None => " (not shown whether enabled)",
            };
            format!("{}{enabled}{}", found.dn, expires.unwrap_or_default())
        }
        Partner::Ambiguous { candidates, .. } => format!("several: {}", candidates.join(" | ")),
        Partner::NotFound => "in no directory".to_owned(),
        Partner::Unknown { reason } => format!("unknown: {reason}"),
    }
}

fn line(text: &mut String, cells: &[&str]) {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text.push('"');
        if cell.trim_start_matches(' ').starts_with(FORMULA) {
            text.push('\'');
        }
        text.push_str(&cell.replace('"', "\"\""));
        text.push('"');
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written_line(cell: &str) -> String {
        let mut text = String::new();
        line(&mut text, &[cell, "b"]);
        text
    }

    #[test]
    fn formulas_stay_text_and_quotes_are_doubled() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1"] {
            assert_eq!(written_line(formula), format!("\"'{formula}\",\"b\"\r\n"));
        }
        assert_eq!(written_line("a \"b\", c\nd"), "\"a \"\"b\"\", c\nd\",\"b\"\r\n");
    }
}
