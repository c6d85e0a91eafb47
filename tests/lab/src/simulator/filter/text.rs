//! The text form of filters, RFC 4515.

use std::fmt;

use super::super::names;
use super::{Attribute, BIT_AND, BIT_OR, Comparison, Filter, IN_CHAIN};

/// Reads a filter; nothing may follow it.
pub(super) fn parse(text: &str) -> Result<Filter, String> {
    let (filter, rest) = filter(text.trim(), 0)?;
    if rest.is_empty() {
        Ok(filter)
    } else {
        Err(format!("{rest:?} follows the filter"))
    }
}

fn filter(text: &str, depth: usize) -> Result<(Filter, &str), String> {
    if depth > super::DEEPEST {
        return Err("nested too deeply".to_owned());
    }
    let inner = text
        .strip_prefix('(')
        .ok_or_else(|| format!("no '(' at {text:?}"))?;
    let (filter, rest) = match inner.chars().next() {
        Some('&') => list(&inner[1..], depth).map(|(filters, rest)| (Filter::And(filters), rest))?,
        Some('|') => list(&inner[1..], depth).map(|(filters, rest)| (Filter::Or(filters), rest))?,
        Some('!') => filter_not(&inner[1..], depth)?,
        _ => {
            let end = inner.find(')').ok_or_else(|| format!("no ')' after {inner:?}"))?;
            (item(&inner[..end])?, &inner[end..])
        }
    };
    let rest = rest
        .strip_prefix(')')
        .ok_or_else(|| format!("no ')' at {rest:?}"))?;
    Ok((filter, rest))
}

fn filter_not(text: &str, depth: usize) -> Result<(Filter, &str), String> {
    let (inner, rest) = filter(text, depth + 1)?;
    Ok((Filter::Not(Box::new(inner)), rest))
}

fn list(mut text: &str, depth: usize) -> Result<(Vec<Filter>, &str), String> {
    let mut filters = Vec::new();
    while text.starts_with('(') {
        let (one, rest) = filter(text, depth + 1)?;
        filters.push(one);
        text = rest;
    }
    Ok((filters, text))
}

fn item(text: &str) -> Result<Filter, String> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("no '=' in {text:?}"))?;
    let with = |name: &str, comparison| {
        Ok(Filter::Compare(
            Attribute::named(name),
            comparison,
            unescaped(value)?,
        ))
    };
    if let Some(name) = name.strip_suffix('>') {
        return with(name, Comparison::AtLeast);
    }
    if let Some(name) = name.strip_suffix('<') {
        return with(name, Comparison::AtMost);
    }
    if let Some(name) = name.strip_suffix('~') {
        return with(name, Comparison::Equal);
    }
    if let Some(rule) = name.strip_suffix(':') {
        return match rule.split_once(':') {
            Some((name, BIT_AND)) => with(name, Comparison::AllBits),
            Some((name, BIT_OR)) => with(name, Comparison::AnyBit),
            Some((name, IN_CHAIN)) => with(name, Comparison::InChain),
            Some(_) => Ok(Filter::Unknown),
            None => with(rule, Comparison::Equal),
        };
    }
    if value == "*" {
        return Ok(Filter::Present(Attribute::named(name)));
    }
    let parts: Vec<&str> = value.split('*').collect();
    match parts.as_slice() {
        [_] => with(name, Comparison::Equal),
        [first, middle @ .., last] => {
            let middle = middle
                .iter()
                .map(|part| unescaped(part))
                .collect::<Result<_, _>>()?;
            Ok(Filter::Substrings(
                Attribute::named(name),
                unescaped(first)?,
                middle,
                unescaped(last)?,
            ))
        }
        [] => Err(format!("no value in {text:?}")),
    }
}

fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let byte = more.get(..2).and_then(names::hex_pair);
        bytes.push(byte.ok_or_else(|| format!("no two hex digits after '\\' in {text:?}"))?);
        rest = &more[2..];
    }
    Ok(bytes)
}

/// Writes a filter in a form that [`parse`] reads.
pub(super) fn write(filter: &Filter, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let list = |f: &mut fmt::Formatter<'_>, sign: &str, filters: &[Filter]| {
        write!(f, "({sign}")?;
        filters.iter().try_for_each(|filter| write!(f, "{filter}"))?;
        f.write_str(")")
    };
    match filter {
        Filter::And(filters) => list(f, "&", filters),
        Filter::Or(filters) => list(f, "|", filters),
        Filter::Not(filter) => write!(f, "(!{filter})"),
        Filter::Present(attribute) => write!(f, "({}=*)", attribute.name()),
        Filter::Compare(attribute, comparison, value) => {
            let sign = match comparison {
                Comparison::Equal => "=".to_owned(),
                Comparison::AtLeast => ">=".to_owned(),
                Comparison::AtMost => "<=".to_owned(),
                Comparison::AllBits => format!(":{BIT_AND}:="),
                Comparison::AnyBit => format!(":{BIT_OR}:="),
                Comparison::InChain => format!(":{IN_CHAIN}:="),
            };
            write!(f, "({}{sign}{})", attribute.name(), escaped(value))
        }
        Filter::Substrings(attribute, first, middle, last) => {
            write!(f, "({}={}*", attribute.name(), escaped(first))?;
            middle
                .iter()
                .try_for_each(|part| write!(f, "{}*", escaped(part)))?;
            write!(f, "{})", escaped(last))
        }
        Filter::Unknown => f.write_str("(?=undefined)"),
    }
}

fn escaped(value: &[u8]) -> String {
    let text = std::str::from_utf8(value)
        .ok()
        .filter(|text| !text.contains(['(', ')', '*', '\\', '\0']));
    text.map_or_else(
        || value.iter().map(|byte| format!("\\{byte:02x}")).collect(),
        str::to_owned,
    )
}
