//! LDAP filters (RFC 4515).

use crate::config::refused::{ValueFault, quoted};
use crate::identity::DistinguishedName;
use crate::schema;

/// Deepest nesting taken. The parser recurses, and so does a domain controller; real filters stay
/// below ten.
const DEEPEST: usize = 50;

/// Returns the filter for the members of `group`, and the members of groups in it:
/// LDAP_MATCHING_RULE_TRANSITIVE_EVAL (MS-ADTS 3.1.1.3.4.4.3) on memberOf, which does not know
/// primary groups.
pub fn member_of(group: &DistinguishedName) -> String {
    let value = ldap3::ldap_escape(group.as_str());
    format!("(memberOf:1.2.840.113556.1.4.1941:={value})")
}

/// Returns the filter for the members of any of `groups`; `None` without a group.
pub fn member_of_any(groups: &[DistinguishedName]) -> Option<String> {
    match groups {
        [] => None,
        [group] => Some(member_of(group)),
        several => Some(format!(
            "(|{})",
            several.iter().map(member_of).collect::<String>()
        )),
    }
}

/// Reads a filter in parentheses; they are added when the text has none.
pub fn filter(text: &str) -> Result<String, ValueFault> {
    let advice =
        "write an LDAP filter such as (department=Sales); in a value, ( ) * \\ are \\28 \\29 \\2a \\5c";
    let whole = if text.starts_with('(') {
        text.to_owned()
    } else {
        format!("({text})")
    };
    let cause = match imbalance(&whole) {
        Some(cause) => cause,
        None if ldap3::parse_filter(&whole).is_ok() => return Ok(whole),
        None => likely_cause(&whole),
    };
    Err(ValueFault::new(
        format!("{} is not an LDAP filter: {cause}", quoted(text)),
        advice,
    ))
}

/// Returns a fault for each attribute of `filter` that a delta cannot follow, in its order (R31).
/// `filter` was checked.
pub fn find_untracked(filter: &str) -> Vec<ValueFault> {
    let mut faults: Vec<ValueFault> = Vec::new();
    for (attribute, rule) in split_terms(filter) {
        let fault = if rule == Some(schema::IN_CHAIN) {
            refuse_in_chain(attribute)
        } else if let Some(reason) = schema::classify(attribute) {
            ValueFault::new(
                format!("tests {}, which {reason}", quoted(attribute)),
                schema::describe_remedy(schema::suggest_for_filter(attribute)),
            )
        } else {
            continue;
        };
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    }
    faults
}

/// Returns the fault of the in-chain rule, which follows links from object to object (MS-ADTS
/// 3.1.1.3.4.4.3): where one in the middle changes, the object at the end has no change of its own.
fn refuse_in_chain(attribute: &str) -> ValueFault {
    let group = "memberOf".eq_ignore_ascii_case(attribute) || attribute.is_empty();
    let instead = schema::suggest_for_filter(if group { "memberOf" } else { attribute });
    ValueFault::new(
        format!(
            "follows {} in-chain ({}): a change of an object in the middle of the chain leaves the uSNChanged of this one as it \
             was, so a delta would miss it",
            quoted(attribute),
            schema::IN_CHAIN
        ),
        schema::describe_remedy(instead),
    )
}

/// Returns attribute description and matching rule of each term of a checked filter, in its order:
/// a value has no parenthesis of its own (RFC 4515 section 3).
pub fn split_terms(filter: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    filter.split('(').filter_map(|part| {
        let (before, _) = part.split_once('=')?;
        let before = before.trim_start_matches(['&', '|', '!']);
        let Some(extended) = before.strip_suffix(':') else {
            return Some((before.trim_end_matches(['<', '>', '~']), None));
        };
        let mut pieces = extended.split(':');
        let attribute = pieces.next()?;
        Some((attribute, pieces.find(|piece| !piece.eq_ignore_ascii_case("dn"))))
    })
}

/// Returns the fault of the parentheses. Checked first: it bounds the recursion of the parser.
fn imbalance(text: &str) -> Option<String> {
    let mut depth = 0_usize;
    for (index, character) in text.char_indices() {
        match character {
            '(' if depth == DEEPEST => return Some(format!("it is nested deeper than {DEEPEST}")),
            '(' => depth += 1,
            ')' if depth == 0 => return Some("a `)` closes nothing".to_owned()),
            ')' => depth -= 1,
            _ => {}
        }
        let rest = text.get(index + character.len_utf8()..).unwrap_or_default();
        if depth == 0 && !rest.is_empty() {
            return Some(format!("{} follows its end", quoted(rest)));
        }
    }
    match depth {
        0 => None,
        1 => Some("a `)` is missing".to_owned()),
        _ => Some(format!("{depth} `)` are missing")),
    }
}

/// Finds the innermost part that the parser does not take, and the form that is usual there. The
/// parser says only yes or no.
fn likely_cause(text: &str) -> String {
    let mut opened = 0;
    for (index, character) in text.char_indices() {
        match character {
            '(' => opened = index,
            ')' => {
                let part = text.get(opened..=index).unwrap_or_default();
                if ldap3::parse_filter(part).is_err() {
                    return part_fault(part);
                }
                break;
            }
            _ => {}
        }
    }
    // The first innermost part is fine: look at the others one by one.
    text.split('(')
        .filter_map(|piece| piece.split_once(')'))
        .map(|(inner, _)| format!("({inner})"))
        .find(|part| ldap3::parse_filter(part).is_err())
        .map_or_else(
            || "`&`, `|` or `!` is not followed by parts in parentheses".to_owned(),
            |part| part_fault(&part),
        )
}

fn part_fault(part: &str) -> String {
    let inner = part.trim_start_matches('(').trim_end_matches(')');
    let why = match inner.split_once('=') {
        _ if inner.is_empty() => "it is empty",
        None => "it has no `=`",
        Some((attribute, _)) if attribute.trim_end_matches(['<', '>', '~', ':']).is_empty() => {
            "it has no attribute"
        }
        Some((attribute, _)) if attribute.contains(char::is_whitespace) => "there is a space before its `=`",
        Some((_, value)) if value.contains('\\') => "a `\\` is not followed by two hexadecimal digits",
        Some((_, value)) if value.contains("**") => "two `*` stand together",
        Some(_) => "its attribute or value is malformed",
    };
    format!("{}: {why}", quoted(part))
}
