//! Review as one HTML file, for an auditor: printable on A4, without script, and without a request
//! to elsewhere. Every text of Qualys and of a directory is escaped.

use std::fmt::Write as _;

use super::account::written;
use super::csv::partner;
use super::document::Review;
use super::finding::{Finding, FindingCode};

/// Most asset groups and rows of access that are printed; the JSON has all.
const MOST_ROWS: usize = 5_000;

const STYLE: &str = "@page{size:A4 landscape;margin:12mm}\
body{font:10pt/1.4 system-ui,sans-serif;color:#111;margin:1.5em}\
h1{font-size:16pt}h2{font-size:12pt;margin-top:1.6em}\
table{border-collapse:collapse;width:100%}\
th,td{border:1px solid #999;padding:.2em .4em;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
th{background:#eee}thead{display:table-header-group}tr{break-inside:avoid}\
.bad{color:#a00}.note{color:#555}";

/// Returns the review as a page; `earlier` is the one before.
#[must_use]
pub fn html(review: &Review, earlier: Option<&Review>) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
    );
    let _ = write!(
        page,
        "<title>Review of Qualys accounts, {at}</title><style>{STYLE}</style></head><body>\
         <h1>Review of Qualys accounts against the directory</h1><p>Made at {at}. ",
        at = written(review.at)
    );
    let state = match review.complete {
        true => "Every list was complete, and every directory answered.",
        false => {
            "<strong class=\"bad\">Incomplete: what could not be seen is listed below, and nothing was concluded from it.</strong>"
        }
    };
    let _ = write!(
        page,
        "{state} {} accounts, {} asset groups, {} findings.</p>",
        review.users.len(),
        review.asset_groups.len(),
        review.findings.len()
    );
    summary(&mut page, review);
    findings(&mut page, "Findings", review.findings.iter());
    if let Some(earlier) = earlier {
        let at = written(earlier.at);
        findings(
            &mut page,
            &format!("New since {at}"),
            review.new_since(earlier).into_iter(),
        );
        findings(
            &mut page,
            &format!("Resolved since {at}"),
            earlier.new_since(review).into_iter(),
        );
    }
    people(&mut page, review);
    groups(&mut page, review);
    access(&mut page, review);
    roles(&mut page, review);
    page.push_str("</body></html>\n");
    page
}

fn heading(page: &mut String, title: &str, columns: &[&str]) {
    let _ = write!(page, "<h2>{}</h2><table><thead><tr>", escaped(title));
    for column in columns {
        let _ = write!(page, "<th>{}</th>", escaped(column));
    }
    page.push_str("</tr></thead><tbody>\n");
}

fn row(page: &mut String, cells: &[&str]) {
    page.push_str("<tr>");
    for cell in cells {
        let _ = write!(page, "<td>{}</td>", escaped(cell));
    }
    page.push_str("</tr>\n");
}

fn end(page: &mut String) {
    page.push_str("</tbody></table>\n");
}

fn summary(page: &mut String, review: &Review) {
    heading(page, "Summary", &["Finding", "Number", "What to do"]);
    for (code, count) in review.counts() {
        row(page, &[code.name(), &count.to_string(), code.advice()]);
    }
    end(page);
}

fn findings<'a>(page: &mut String, title: &str, findings: impl Iterator<Item = &'a Finding>) {
    heading(page, title, &["Finding", "About", "Reason", "Evidence"]);
    for finding in findings {
        let evidence: Vec<String> = finding
            .evidence
            .iter()
            .map(|one| format!("{}: {} = {}", one.source, one.field, one.value))
            .collect();
        row(
            page,
            &[
                finding.code.name(),
                finding.subject(),
                &finding.reason,
                &evidence.join("; "),
            ],
        );
    }
    end(page);
}

fn people(page: &mut String, review: &Review) {
    heading(
        page,
        "Accounts",
        &[
            "Login",
            "Name",
            "E-mail",
            "Status",
            "Role",
            "Business unit",
            "Extended permissions",
            "Last login",
            "Partner",
            "Findings",
        ],
    );
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut users: Vec<_> = review.users.iter().collect();
    users.sort_by_key(|user| (user.findings.is_empty(), user.account.label().to_lowercase()));
    for user in users {
        let account = &user.account;
        let mut codes: Vec<&str> = user
            .findings
            .iter()
            .map(|code: &FindingCode| code.name())
            .collect();
        if user.allowed {
            codes.push("allowed, never reported");
        }
        row(
            page,
            &[
                account.label(),
                &text(&account.name),
                &text(&account.email),
                account.status.name(),
                &text(&account.role),
                &text(&account.business_unit),
                &account.extended_permissions.join(", "),
                &String::from(account.last_login),
                &partner(&user.partner),
                &codes.join(", "),
            ],
        );
    }
    end(page);
}

fn groups(page: &mut String, review: &Review) {
    heading(
        page,
        "Asset groups",
        &["Name", "Owner", "Business impact", "Hosts", "Updated"],
    );
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    for group in review.asset_groups.iter().take(MOST_ROWS) {
        let owner = group.owner_user_name.as_ref().or(group.owner_user_id.as_ref());
        row(
            page,
            &[
                group.label(),
                &text(&owner.cloned()),
                &text(&group.business_impact),
                &group.hosts.map(|hosts| hosts.to_string()).unwrap_or_default(),
                &group.updated_at.map(written).unwrap_or_default(),
            ],
        );
    }
    end(page);
    cut(page, review.asset_groups.len());
}

fn access(page: &mut String, review: &Review) {
    heading(page, "Access", &["Asset group", "Login", "Why"]);
    for access in review.access.iter().take(MOST_ROWS) {
        row(page, &[&access.asset_group, &access.login, access.reason.words()]);
    }
    end(page);
    cut(page, review.access.len());
}

fn cut(page: &mut String, rows: usize) {
    if rows > MOST_ROWS {
        let _ = write!(
            page,
            "<p class=\"note\">The first {MOST_ROWS} of {rows} rows; the JSON has all.</p>"
        );
    }
}

fn roles(page: &mut String, review: &Review) {
    heading(page, "Roles", &["Role", "Permissions", "Accounts", "Active"]);
    for role in &review.roles {
        row(
            page,
            &[
                &role.name,
                role.permissions.as_deref().unwrap_or("not defined by Qualys"),
                &role.accounts.to_string(),
                &role.active.to_string(),
            ],
        );
    }
    end(page);
}

/// Returns `text` as it stands between tags and in attributes. Control characters, which HTML does
/// not know, and marks that change the direction of the text are shown as their code.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
            _ if character.is_control() && character != '\n' => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(character));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::{ConsoleAccount, Partner, ReviewedAccount};

    #[test]
    fn what_people_write_stays_text_and_nothing_leads_elsewhere() {
        let hostile = "<script>alert(1)</script>\"'&\u{202e}\u{7}";
        let account = ConsoleAccount {
            login: Some(hostile.to_owned()),
            name: Some(hostile.to_owned()),
            role: Some(hostile.to_owned()),
            asset_groups: vec![hostile.to_owned()],
            ..ConsoleAccount::default()
        };
        let finding = Finding {
            code: FindingCode::Gone,
            login: Some(hostile.to_owned()),
            name: None,
            reason: hostile.to_owned(),
            evidence: vec![crate::review::FindingEvidence::new(hostile, hostile, hostile)],
        };
        let review = Review {
            at: chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            complete: true,
            roles: crate::review::document::roles(std::slice::from_ref(&account)),
            users: vec![ReviewedAccount {
                account,
                is_active: true,
                allowed: false,
                partner: Partner::Unknown {
                    reason: hostile.to_owned(),
                },
                findings: vec![FindingCode::Gone],
            }],
            asset_groups: Vec::new(),
            access: Vec::new(),
            findings: vec![finding],
        };
        let page = html(&review, Some(&review));
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\\u202e\\u0007"));
        for elsewhere in [
            "http://", "https://", "src=", "href=", "url(", "@import", "<link", "<img",
        ] {
            assert!(!page.contains(elsewhere), "{elsewhere}");
        }
        assert!(page.contains("size:A4"));
        let csv = super::super::csv::csv(&review);
        assert!(csv.contains("\"\"'&"));
    }
}
