//! What a command says on standard output.

use std::fmt::Display;
use std::io::Write;

use super::failure::Failure;

/// Writes one line. A reader that went away (`ad-connector runs | head -1`) ends the command quietly.
pub(super) fn say(line: impl Display) -> Result<(), Failure> {
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(())
}

/// Says on standard error why the command failed. With that closed there is nobody to tell; the exit code still does.
pub(super) fn complain(failure: &Failure) {
    let _ = writeln!(std::io::stderr().lock(), "{failure}");
}

/// `json` with one value a line, two spaces a level, its keys in the order in which they are sent.
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
    fn an_asset_is_indented_and_stays_the_same() {
        let json = r#"{"b":{"x":"a \"quoted\" {name}, \\","list":[1,[],{}]},"a":true}"#;
        let text = indented(json);
        let expected = "{\n  \"b\": {\n    \"x\": \"a \\\"quoted\\\" {name}, \\\\\",\n    \"list\": [\n      1,\n      [],\n      {}\n    ]\n  },\n  \"a\": true\n}";
        assert_eq!(text, expected);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&text), value(json));
    }
}
