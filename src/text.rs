//! Text of others, as it may be shown. No I/O.

/// Longest text of a server that is repeated, in characters.
const MOST_TEXT: usize = 400;

/// Returns `text` as one printable line of at most [`MOST_TEXT`] characters: text of a server must
/// not forge log lines.
#[must_use]
pub(crate) fn printable(text: &str) -> String {
    let trimmed = text.trim_matches(|c: char| c.is_control() || c.is_whitespace());
    let mut line: String = trimmed
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MOST_TEXT)
        .collect();
    if trimmed.chars().nth(MOST_TEXT).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_server_become_one_bounded_printable_line() {
        assert_eq!(printable("a\nERROR forged\u{1b}[31m\0"), "a ERROR forged [31m");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), MOST_TEXT + 1);
    }
}
