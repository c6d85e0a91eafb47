//! Removal of people's names from a text.
//!
//! A name is whatever the store knows a user by: the first component of the distinguished name, and
//! every text of the asset. So that a million users take seconds, the words of the text are
//! collected first, and each name is looked up among them.

use std::collections::HashSet;
use std::ops::Range;

use regex::{Captures, Regex};
use serde_json::Value;

use crate::identity::Kind;
use crate::store::{KnownObject, Store, StoreError};

use super::super::failure::CommandFailure;

/// Words of a name at most; of a longer one these first are removed.
const MOST_WORDS: usize = 6;

/// Letters and digits of a name at least: shorter ones are part of too much else.
const SHORTEST: usize = 3;

/// Text in the place of a name.
const NAME: &str = "[name]";

/// Names that are removed from texts.
pub(super) struct NamesOfPeople {
    common_name: Regex,
    address: Regex,
    known: HashSet<String>,
}

impl NamesOfPeople {
    /// Returns the names of people in the store that occur in one of these texts. What looks like a
    /// common name or a mail address is removed in any case.
    pub(super) fn in_texts(store: Option<&Store>, texts: &[&str]) -> Result<Self, CommandFailure> {
        let mut names = Self {
            // Up to the comma that ends it (RFC 4514 section 3).
            common_name: Regex::new(r#"(?i)\b(CN|UID)=(?:\\.|[^,\\"\n])+"#)
                .map_err(CommandFailure::internal)?,
            address: Regex::new(r"[\w.+'-]+@[\w-]+(?:\.[\w-]+)+").map_err(CommandFailure::internal)?,
            known: HashSet::new(),
        };
        let Some(store) = store else {
            return Ok(names);
        };
        let said: HashSet<String> = texts.iter().flat_map(|text| phrases(text)).collect();
        names.known = known_among(store, &said)?;
        Ok(names)
    }

    /// Returns the text without names.
    pub(super) fn remove(&self, text: &str) -> String {
        let text = self
            .common_name
            .replace_all(text, |found: &Captures<'_>| format!("{}={NAME}", &found[1]));
        let text = self.address.replace_all(&text, "[address]");
        let words = words(&text);
        let (mut clean, mut copied, mut at) = (String::with_capacity(text.len()), 0, 0);
        while let Some((first, _)) = words.get(at) {
            let longest = (1..=MOST_WORDS)
                .rev()
                .find(|count| phrase(&words, at, *count).is_some_and(|phrase| self.known.contains(&phrase)));
            let Some((last, _)) = longest.and_then(|count| words.get(at + count - 1)) else {
                at += 1;
                continue;
            };
            clean.push_str(text.get(copied..first.start).unwrap_or_default());
            clean.push_str(NAME);
            copied = last.end;
            at += longest.unwrap_or(1);
        }
        clean.push_str(text.get(copied..).unwrap_or_default());
        clean
    }

    /// Removes names from every text of a JSON value.
    pub(super) fn remove_from(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.remove(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.remove_from(value)),
            Value::Object(members) => members.values_mut().for_each(|value| self.remove_from(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Returns the names of users that are among these phrases.
fn known_among(store: &Store, said: &HashSet<String>) -> Result<HashSet<String>, StoreError> {
    let mut known = HashSet::new();
    let mut add = |name: &str| {
        let words = words(name);
        let count = words.len().min(MOST_WORDS);
        if let Some(phrase) =
            phrase(&words, 0, count).filter(|phrase| is_name(phrase) && said.contains(phrase))
        {
            known.insert(phrase);
        }
    };
    for connection in store.connections()? {
        store.each_known(connection.id, &mut |object: &KnownObject, json| {
            if object.kind != Kind::User {
                return;
            }
            add(&crate::store::first_value(&object.dn));
            object.external_id.iter().for_each(|id| add(id));
            if let Some(asset) = json.and_then(|json| serde_json::from_str(json).ok()) {
                texts_of(&asset, &mut add);
            }
        })?;
    }
    Ok(known)
}

fn texts_of(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Array(values) => values.iter().for_each(|value| texts_of(value, each)),
        Value::Object(members) => members.values().for_each(|value| texts_of(value, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Reports whether a phrase may be the name of a person: it has enough letters, and is neither a
/// SID nor a time.
fn is_name(phrase: &str) -> bool {
    let letters = phrase.chars().filter(|letter| letter.is_alphabetic()).count();
    let digits = phrase.chars().filter(char::is_ascii_digit).count();
    letters + digits >= SHORTEST && letters > 0 && digits <= letters * 4
}

/// Returns the words of a text in lower case, each with its place.
fn words(text: &str) -> Vec<(Range<usize>, String)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        match (letter.is_alphanumeric(), start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                let word = text.get(from..at).unwrap_or_default().to_lowercase();
                words.push((from..at, word));
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// Returns `count` words from the place `at` on, joined.
fn phrase(words: &[(Range<usize>, String)], at: usize, count: usize) -> Option<String> {
    let words = words.get(at..at + count).filter(|words| !words.is_empty())?;
    let words: Vec<&str> = words.iter().map(|(_, word)| word.as_str()).collect();
    Some(words.join(" "))
}

/// Returns everything of a text that may be a name.
fn phrases(text: &str) -> impl Iterator<Item = String> {
    let words = words(text);
    let places = (0..words.len()).flat_map(|at| (1..=MOST_WORDS).map(move |count| (at, count)));
    let phrases: Vec<String> = places
        .filter_map(|(at, count)| phrase(&words, at, count))
        .collect();
    phrases.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_removed_wherever_they_stand() {
        let mut names = NamesOfPeople::in_texts(None, &[]).unwrap();
        names.known = ["zoë o brien", "schmidt", "mary ann van der berg"]
            .map(str::to_owned)
            .into();
        for (text, clean) in [
            ("by Zoë O'Brien, again", "by [name], again"),
            ("SCHMIDT is SCHMIDT; Schmidts", "[name] is [name]; Schmidts"),
            ("\"Mary Ann van der Berg\" wrote", "\"[name]\" wrote"),
            (
                r#"dn="CN=Doe\, Jane,OU=Berlin,DC=x" CN=Anna,DC=y"#,
                r#"dn="CN=[name],OU=Berlin,DC=x" CN=[name],DC=y"#,
            ),
            ("mail jane.doe@corp.example!", "mail [address]!"),
            ("nothing here", "nothing here"),
            ("", ""),
        ] {
            assert_eq!(names.remove(text), clean);
        }
    }

    #[test]
    fn ids_and_times_are_no_names() {
        for phrase in [
            "2026 11 22t02 10 34z",
            "s 1 5 21 3623811015 3361044348 1104",
            "ab",
            "12345",
        ] {
            assert!(!is_name(phrase), "{phrase}");
        }
        for phrase in ["ada", "user1", "person 20"] {
            assert!(is_name(phrase), "{phrase}");
        }
    }
}
