//! Standard output of a command.
//!
//! Names and values of a directory may hold anything, also sequences that make a terminal erase
//! lines or change colours. So may the answers of servers. Only visible characters are written
//! here.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{IsTerminal as _, Write};

use super::failure::CommandFailure;

/// Writes one line. A reader that went away (`ad-connector runs | head -1`) ends the command
/// quietly.
pub(super) fn say(line: impl Display) -> Result<(), CommandFailure> {
    writeln!(std::io::stdout().lock(), "{}", visible(&line.to_string()))?;
    Ok(())
}

/// Writes a text that is a file: as it is where it goes into one, and only visible characters on a
/// terminal.
pub(super) fn write_file_text(text: &str) -> Result<(), CommandFailure> {
    let mut output = std::io::stdout().lock();
    if output.is_terminal() {
        output.write_all(visible(text).as_bytes())?;
    } else {
        output.write_all(text.as_bytes())?;
    }
    output.flush()?;
    Ok(())
}

/// Writes to standard error why the command failed. Where that is closed, the exit code alone
/// reports it.
pub(super) fn complain(failure: &CommandFailure) {
    let _ = writeln!(std::io::stderr().lock(), "{}", visible(&failure.to_string()));
}

/// Returns whether a terminal shows a character otherwise than where it stands: control characters
/// but the end of a line, the marks of Unicode that change the direction of the text around them
/// (UAX #9), and its two other ends of lines.
fn is_hidden(character: char) -> bool {
    let changes_direction = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let ends_line = matches!(character, '\u{2028}' | '\u{2029}');
    (character.is_control() && character != '\n') || changes_direction || ends_line
}

/// Returns `text` with what a terminal would not show as JSON writes it (`\u001b`), so that JSON
/// means the same as before. Line ends stay.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().fold(String::new(), |mut escaped, c| {
        if is_hidden(c) {
            // All of them are below U+10000.
            escaped.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            escaped.push(c);
        }
        escaped
    });
    Cow::Owned(escaped)
}

/// Returns `text` on one line: as it stands in a row of a table or in the log.
pub(super) fn one_line(text: &str) -> String {
    text.replace('\n', "\\n")
}

/// Returns `json` with one value a line, two spaces a level, its keys in the order in which they
/// are sent.
pub(super) fn indented(json: &str) -> String {
    let (mut text, mut level, mut quoted, mut escaped) =
        (String::with_capacity(json.len() * 2), 0, false, false);
    let line = |text: &mut String, level: usize| {
        text.push('\n');
        text.push_str(&"  ".repeat(level));
    };
    let mut rest = json.chars().peekable();
    while let Some(character) = rest.next() {
        if quoted {
            quoted = escaped || character != '"';
            escaped = !escaped && character == '\\';
            text.push(character);
            continue;
        }
        match character {
            '{' | '[' => {
                text.push(character);
                if rest.peek().is_some_and(|next| !matches!(next, '}' | ']')) {
                    level += 1;
                    line(&mut text, level);
                } else {
                    text.extend(rest.next());
                }
            }
            '}' | ']' => {
                level = level.saturating_sub(1);
                line(&mut text, level);
                text.push(character);
            }
            ',' => {
                text.push(',');
                line(&mut text, level);
            }
            ':' => text.push_str(": "),
            _ => {
                quoted = character == '"';
                text.push(character);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_directory_holds_reaches_the_terminal_unseen() {
        assert_eq!(visible("OU=Köln\n  second"), "OU=Köln\n  second");
        assert_eq!(
            visible("a\u{1b}[2Jb\r\u{9b}31m\u{7f}"),
            r"a\u001b[2Jb\u000d\u009b31m\u007f"
        );
        let dn = "CN=a\u{9b}\u{7f}\u{202e}\u{2028}";
        let json = serde_json::json!({ "dn": dn }).to_string();
        let seen: serde_json::Value = serde_json::from_str(&visible(&json)).unwrap();
        assert_eq!(seen["dn"], dn);
        assert_eq!(one_line("CN=a\nWARN all is lost"), r"CN=a\nWARN all is lost");
    }

    #[test]
    fn marks_of_direction_are_seen_and_letters_of_any_script_stay() {
        let marks =
            "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        for mark in marks.chars() {
            let seen = visible(&format!("CN=gnp.{mark}exe")).into_owned();
            assert_eq!(seen, format!("CN=gnp.\\u{:04x}exe", u32::from(mark)));
        }
        assert_eq!(visible("a\u{2028}b\u{2029}"), r"a\u2028b\u2029");
        // The joiner that Persian words and families of emoji need is no mark of direction.
        for name in [
            "山田太郎",
            "דוד כהן",
            "محمد",
            "می\u{200c}خواهم",
            "👩\u{200d}👧",
            "Zoë",
        ] {
            assert_eq!(visible(name), name);
        }
    }

    #[test]
    fn an_asset_is_indented_and_stays_the_same() {
        let json = r#"{"b":{"x":"a \"quoted\" {name}, \\","list":[1,[],{}]},"a":true}"#;
        let text = indented(json);
        let expected = "{\n  \"b\": {\n    \"x\": \"a \\\"quoted\\\" {name}, \\\\\",\n    \"list\": [\n      1,\n      [],\n      {}\n    ]\n  },\n  \"a\": true\n}";
        assert_eq!(text, expected);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&text), value(json));
    }
}
