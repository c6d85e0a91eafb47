//! Words, names and lists of them.

use std::path::PathBuf;

use tracing_subscriber::EnvFilter;
use uuid::Uuid;

use crate::config::refused::{ValueFault, nearest, quoted};
use crate::identity::{DistinguishedName, Kind};

/// Reads `true` or `false`.
pub fn boolean(text: &str) -> Result<bool, ValueFault> {
    choice(&[("true", true), ("false", false)])(text)
}

/// Reads one of a few words.
pub fn choice<T: Copy>(choices: &[(&'static str, T)]) -> impl Fn(&str) -> Result<T, ValueFault> {
    move |text| {
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let words = || choices.iter().map(|(word, _)| *word);
        let known = words()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(" or ");
        let advice = match nearest(text, words()) {
            Some(near) => format!("write {known}, perhaps `{near}` is meant"),
            None => format!("write {known}"),
        };
        Err(ValueFault::new(
            format!("{} is not a value of it", quoted(text)),
            advice,
        ))
    }
}

/// Reads any text of one line, up to `longest` characters. (The reader has checked that it is one
/// line.)
pub fn text(longest: usize) -> impl Fn(&str) -> Result<String, ValueFault> {
    move |text| {
        if text.chars().count() > longest {
            return Err(ValueFault::new(
                format!("is {} characters long", text.chars().count()),
                format!("write at most {longest} characters"),
            ));
        }
        Ok(text.to_owned())
    }
}

/// Reads a name that can be part of a file name and of a URL path.
pub fn connection_name(text: &str) -> Result<String, ValueFault> {
    let advice = "write 1 to 64 of A-Z a-z 0-9 . _ -, and not `.` or `..`";
    let fits = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    if let Some(character) = text.chars().find(|character| !fits(*character)) {
        return Err(ValueFault::new(
            format!("{} holds {}", quoted(text), quoted(&character.to_string())),
            advice,
        ));
    }
    if !(1..=64).contains(&text.len()) || text == "." || text == ".." {
        return Err(ValueFault::new(
            format!("{} cannot be a name", quoted(text)),
            advice,
        ));
    }
    Ok(text.to_owned())
}

/// Reads a distinguished name of at least one part.
pub fn distinguished_name(text: &str) -> Result<DistinguishedName, ValueFault> {
    DistinguishedName::parse(text).map_err(|error| {
        ValueFault::new(
            error.to_string(),
            "copy the attribute distinguishedName from the container's properties in Active Directory",
        )
    })
}

/// Reads distinguished names, separated by semicolons: in a name, one is written `\;` or `\3B`
/// (RFC 4514 section 2.4).
pub fn distinguished_names(text: &str) -> Result<Vec<DistinguishedName>, ValueFault> {
    let (mut names, mut name, mut is_escaped) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        if character == ';' && !is_escaped {
            names.push(std::mem::take(&mut name));
        } else {
            name.push(character);
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    names.push(name);
    names.iter().map(|name| distinguished_name(name.trim())).collect()
}

/// Reads `AD_ASSETS`: kinds by their plural, comma-separated, in the order of [`Kind`].
pub fn kinds(text: &str) -> Result<Vec<Kind>, ValueFault> {
    let advice = "write a comma-separated list of `users`, `groups`, `computers`, `roles`";
    let mut kinds = Vec::new();
    for item in text.split(',').map(str::trim) {
        if item.is_empty() {
            return Err(ValueFault::new(
                format!("{} has an empty item", quoted(text)),
                advice,
            ));
        }
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.plural() == item) else {
            let cause = format!("{} is not a kind of object", quoted(item));
            return Err(match nearest(item, Kind::ALL.map(Kind::plural)) {
                Some(near) => ValueFault::new(cause, format!("did you mean `{near}`? Otherwise {advice}")),
                None => ValueFault::new(cause, advice),
            });
        };
        if kinds.contains(&kind) {
            return Err(ValueFault::new(
                format!("{} is listed twice", quoted(item)),
                "list each kind once",
            ));
        }
        kinds.push(kind);
    }
    kinds.sort_unstable();
    Ok(kinds)
}

/// Reads a UUID in its text form of 36 characters; lower-case is returned. The UUID of zeros is the
/// placeholder in .env.example.
pub fn uuid(text: &str) -> Result<String, ValueFault> {
    match Uuid::try_parse(text) {
        Ok(uuid) if uuid.is_nil() && text.len() == 36 => Err(ValueFault::new(
            "is still the one of the example",
            "copy it from the connector's page in the Qualys UI",
        )),
        Ok(uuid) if text.len() == 36 => Ok(uuid.to_string()),
        _ => Err(ValueFault::new(
            format!("{} is not a UUID", quoted(text)),
            "copy it from the connector's page in the Qualys UI: 8-4-4-4-12 hexadecimal digits",
        )),
    }
}

/// Reads a filter of tracing-subscriber.
pub fn log_filter(text: &str) -> Result<String, ValueFault> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let advice = "write error, warn, info, debug, trace or off, or TARGET=LEVEL pairs, comma-separated";
    // To the library a misspelt level is the name of a target, to be logged in full: `inof` would
    // silence everything.
    let is_word = |item: &&str| {
        item.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    for word in text.split(',').map(str::trim).filter(is_word) {
        if !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word)) {
            let cause = format!("{} is not a level", quoted(word));
            return Err(match nearest(word, LEVELS) {
                Some(near) => ValueFault::new(cause, format!("did you mean `{near}`? Otherwise {advice}")),
                None => ValueFault::new(cause, advice),
            });
        }
    }
    // tracing-subscriber 0.3.23 panics on some characters of several bytes (directive.rs cuts
    // between bytes), and no target has any.
    if !text.is_ascii() {
        return Err(ValueFault::new(
            format!("{} holds a character beyond ASCII", quoted(text)),
            advice,
        ));
    }
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(ValueFault::new(
            format!("{} is not a log filter: {error}", quoted(text)),
            advice,
        )),
    }
}

/// Checks that a file can be opened now; its content is checked by the code that reads it.
pub fn file(text: &str) -> Result<PathBuf, ValueFault> {
    let path = PathBuf::from(text);
    let advice = "give the path of a readable file";
    let about = match std::fs::metadata(&path) {
        Ok(about) if about.is_dir() => {
            return Err(ValueFault::new(
                format!("{} is a directory", quoted(text)),
                advice,
            ));
        }
        other => other,
    };
    // Only a regular file is opened: to open a pipe would wait for its writer.
    match about.and_then(|about| {
        if about.is_file() {
            std::fs::File::open(&path).map(drop)
        } else {
            Ok(())
        }
    }) {
        Ok(()) => Ok(path),
        Err(error) => Err(ValueFault::new(
            format!("{} cannot be read: {error}", quoted(text)),
            advice,
        )),
    }
}
