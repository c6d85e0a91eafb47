//! Texts of the gateway for people: found in any form of the body, one line, bounded.

use serde_json::{Map, Value};

/// Longest message that is passed on, characters.
const LONGEST: usize = 300;
/// Longest text of a page that is passed on, characters.
const WORDS: usize = 120;
/// Most values of a JSON text that is read: 20 for each asset of the largest batch. A value of two
/// octets takes 32 or more in memory, so a hostile body would take many times its length.
const MOST_VALUES: usize = 200_000;

/// Parses JSON; `None` when the bytes are none, or hold more values than any answer does.
pub(super) fn json(bytes: &[u8]) -> Option<Value> {
    // Every value but the first follows one of these. Those in texts count too, which makes it an
    // upper bound.
    let values = bytes.iter().filter(|byte| b"[{,:".contains(byte)).count();
    if values > MOST_VALUES {
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

/// Returns the value of a key, whatever the case of its letters.
pub(super) fn entry<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    object.get(key).or_else(|| {
        object
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key))
            .map(|(_, value)| value)
    })
}

/// Returns the value of the first of these keys that holds a filled text or a number.
pub(super) fn field(object: &Map<String, Value>, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| match entry(object, key)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// Returns the message in the body of an answer, or `None` when there is none.
pub(super) fn message(body: &[u8]) -> Option<String> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return None;
    }
    if let Some(value) = json(body) {
        return Some(reason(&value)).filter(|text| !text.is_empty());
    }
    if body.starts_with(b"<") {
        let kind = if is_page(body) { "a page" } else { "a document" };
        let words = words_of_markup(body);
        return Some(match words.is_empty() {
            true => format!("{kind}, not JSON"),
            false => format!("{kind}, not JSON: {words}"),
        });
    }
    Some(line(
        &String::from_utf8_lossy(body.get(..4 * LONGEST).unwrap_or(body)),
        LONGEST,
    ))
}

/// Returns `true` for a page for people, which no gateway sends: that of a proxy, a log-in, a
/// website.
pub(super) fn is_page(body: &[u8]) -> bool {
    let beginning = body.get(..1024).unwrap_or(body).to_ascii_lowercase();
    let holds = |text: &[u8]| beginning.windows(text.len()).any(|window| window == text);
    holds(b"<html") || holds(b"<!doctype html")
}

/// Returns the first words of a page or a document, without its tags, scripts and styles.
fn words_of_markup(body: &[u8]) -> String {
    let beginning = String::from_utf8_lossy(body.get(..16 << 10).unwrap_or(body));
    let mut words = String::new();
    let mut hidden_until: Option<&str> = None;
    for piece in beginning.split('<').skip(1) {
        let (tag, after) = piece.split_once('>').unwrap_or((piece, ""));
        let tag = tag.to_ascii_lowercase();
        match hidden_until {
            Some(end) if tag.starts_with(end) => hidden_until = None,
            Some(_) => continue,
            None if tag.starts_with("script") => hidden_until = Some("/script"),
            None if tag.starts_with("style") => hidden_until = Some("/style"),
            None => {}
        }
        if hidden_until.is_none() {
            for word in after.split_whitespace() {
                words.push_str(word);
                words.push(' ');
            }
        }
        if words.len() > WORDS {
            break;
        }
    }
    line(&words, WORDS)
}

/// Returns the reason in any JSON: a text, a list of them, or an object with a message and perhaps
/// a code.
pub(super) fn reason(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().take(20).map(reason).collect::<Vec<_>>().join("; "),
        Value::Object(object) => {
            let message = field(
                object,
                &[
                    "message",
                    "errorMessage",
                    "error_description",
                    "reason",
                    "error",
                    "description",
                ],
            );
            let code = field(object, &["responseCode", "errorCode", "code"]);
            match (code, message) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(text), None) | (None, Some(text)) => text,
                (None, None) => value.to_string(),
            }
        }
        other => other.to_string(),
    };
    line(&text, LONGEST)
}

/// Returns one line of at most `longest` characters; control characters become blanks, so that no
/// answer can forge a log line.
pub(super) fn line(text: &str, longest: usize) -> String {
    let mut line: String = text
        .trim()
        .chars()
        .take(longest)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.trim().chars().nth(longest).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_found_in_any_shape() {
        let cases: &[(&[u8], Option<&str>)] = &[
            (b"", None),
            (b" \n ", None),
            (b"upstream connect error", Some("upstream connect error")),
            (
                b"<html><body>Log in</body></html>",
                Some("a page, not JSON: Log in"),
            ),
            (
                b"<!DOCTYPE html>\n<html><head><title>Blocked</title><style>p {x: 1}</style><script>var a;</script></head>\
                  <body><p>The  requested\nURL was <b>rejected</b>.</p></body></html>",
                Some("a page, not JSON: Blocked The requested URL was rejected ."),
            ),
            (b"<ServiceResponse><responseCode>X</responseCode>", Some("a document, not JSON: X")),
            (b"<html>", Some("a page, not JSON")),
            (br#"{"message":"no"}"#, Some("no")),
            (br#"{"responseCode":"BAD","message":"no"}"#, Some("BAD: no")),
            (br#"{"errorCode":2001}"#, Some("2001")),
            (br#"["a",{"reason":"b"}]"#, Some("a; b")),
            (br#"{"x":1}"#, Some(r#"{"x":1}"#)),
            (b"\xff\xfe", Some("\u{fffd}\u{fffd}")),
        ];
        for (body, expected) in cases {
            assert_eq!(
                message(body).as_deref(),
                *expected,
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn more_values_than_an_answer_has_are_no_json() {
        // Each value follows a bracket or a comma.
        let list = |count| format!("[0{}]", ",0".repeat(count - 1));
        assert!(json(list(MOST_VALUES).as_bytes()).is_some());
        assert!(json(list(MOST_VALUES + 1).as_bytes()).is_none());
        assert_eq!(json(b"no JSON"), None);
    }

    #[test]
    fn no_answer_forges_a_log_line() {
        assert_eq!(
            line("bad\r\n2026-01-01 INFO all is well\u{1b}[0m", 300),
            "bad  2026-01-01 INFO all is well [0m"
        );
        assert_eq!(message(b"a\nb").unwrap(), "a b");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(line("äöü", 2), "äö…");
        assert_eq!(line("äö", 2), "äö");
        assert_eq!(message("ä".repeat(9000).as_bytes()).unwrap().chars().count(), 301);
    }
}
